//! Carries out what the scheduler decides about processes: starts, signals, sweeps, and reports what became
//! of them.
//!
//! Owns the processes that are alive and their open output files. It decides nothing.

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::clock;
use super::keeper::Keeper;
use super::views::zone_of;
use crate::core::civil::Zone;
use crate::core::instant::Monotonic;
use crate::core::job::{Hooks, Job};
use crate::core::name::Name;
use crate::core::run::{Exit, ProcessMark, RunId};
use crate::core::scheduler::{Input, Place, RunSnapshot, command_at, name_of};
use crate::process::environment::environment;
use crate::process::{
    Adopted, Cgroups, Inherited, LogFile, Logs, OutputWatch, Reaper, RunCgroup, RunContext, RunTag, Sink,
    Spawner, Start, group,
};

/// How long the kernel may take to tell the exit of a process that is not our child (its parent reaps it first).
const EXIT_RECORD_WAIT: Duration = Duration::from_secs(5);

/// Output beyond this many bytes is cut down on a thread of its own when the run is over.
const COMPACT_INLINE: u64 = 256 << 10;

/// For more jobs than this, starts are prepared on a thread of its own.
const PREPARED_INLINE: usize = 16;

/// How often is tidied up. Less than the longest sleep of the loop, whose wake-ups it goes along with.
const TIDY_EVERY: Duration = Duration::from_secs(55);

/// The end of an adopted process: whose it is, and how it ended where the kernel tells it.
pub(super) type AdoptedEnd = (RunId, Place, Option<Exit>);

/// The processes of the daemon.
pub(super) struct Executor {
    spawner: Spawner,
    reaper: Reaper,
    logs: Logs,
    cgroups: Option<Cgroups>,
    inherited: Inherited,
    state_dir: PathBuf,
    hooks: Hooks,
    zone: Zone,
    by_pid: HashMap<i32, (RunId, Place)>,
    open: HashMap<RunId, Open>,
    pub(super) keeper: Keeper,
    adopted: mpsc::UnboundedSender<AdoptedEnd>,
    warned_of_logs: bool,
    /// Jobs whose limit on CPU cannot be kept, said once.
    warned_of_cpu: HashSet<Name>,
    tidied: Option<Monotonic>,
}

/// What is kept of a run that is alive.
struct Open {
    job: Name,
    attempt: u32,
    /// `None` = the attempt has no output file.
    watch: Option<OutputWatch>,
    cgroup: Option<RunCgroup>,
}

impl Executor {
    /// Prepares for starts; the receiver tells the ends of adopted processes.
    ///
    /// # Errors
    /// The machine lacks what every start needs (/proc, /dev/null).
    pub(super) fn new(
        state_dir: &Path,
        hooks: Hooks,
        zone: Zone,
    ) -> io::Result<(Self, mpsc::UnboundedReceiver<AdoptedEnd>)> {
        let (adopted, ends) = mpsc::unbounded_channel();
        let mut spawner = Spawner::new()?;
        spawner.raise_open_files();
        spawner.reckon_start_times(clock::since_boot);
        let executor = Executor {
            spawner,
            reaper: Reaper::default(),
            logs: Logs::new(state_dir.join("logs")),
            cgroups: Cgroups::detect(),
            inherited: Inherited::capture(state_dir),
            state_dir: state_dir.to_owned(),
            hooks,
            zone,
            by_pid: HashMap::new(),
            open: HashMap::new(),
            keeper: Keeper::from_env(),
            adopted,
            warned_of_logs: false,
            warned_of_cpu: HashSet::new(),
            tidied: None,
        };
        Ok((executor, ends))
    }

    /// Takes over what a reload has changed.
    pub(super) fn reconfigure(&mut self, hooks: Hooks, zone: Zone) {
        self.hooks = hooks;
        self.zone = zone;
    }

    /// Returns what every program is started with.
    pub(super) fn inherited(&self) -> &Inherited {
        &self.inherited
    }

    /// Returns where the output of runs goes.
    pub(super) fn logs(&self) -> &Logs {
        &self.logs
    }

    /// Says whether anything is alive.
    pub(super) fn is_idle(&self) -> bool {
        self.open.is_empty()
    }

    /// Does for the starts of some jobs what can be done before their instant: many jobs beside the loop.
    pub(super) fn prepare(&self, jobs: Vec<Name>) {
        let logs = self.logs.clone();
        let few = jobs.len() <= PREPARED_INLINE;
        let prepare = move || jobs.iter().for_each(|job| logs.prepare(job));
        if few { prepare() } else { drop(tokio::task::spawn_blocking(prepare)) }
    }

    /// Starts a command of a run and says what came of it.
    pub(super) fn start(&mut self, run: &RunSnapshot, place: Place) -> Input {
        match self.try_start(run, place) {
            Ok((process, output_offset)) => Input::Started { run: run.run, place, process, output_offset },
            Err(detail) => Input::StartFailed { run: run.run, place, detail },
        }
    }

    fn try_start(&mut self, run: &RunSnapshot, place: Place) -> Result<(ProcessMark, Option<u64>), String> {
        let job = run.job.clone();
        let hooks = self.hooks.clone();
        let command =
            command_at(&job, &hooks, place).ok_or("the command is not in the definition any more")?;
        let log = self.open_output(run);
        let extra = variables(run, &job, place);
        let zone = zone_of(&job, &self.zone);
        let context = RunContext {
            job: &job.name,
            run: run.run,
            attempt: run.attempt,
            fire_time: run.fire_time,
            source: run.source,
            last_success: run.last_success,
            about: &job.about,
            zone,
            extra: &extra,
        };
        let environment =
            environment(&self.inherited, &job.execution, &context).map_err(|e| e.to_string())?;
        let open = self.open.get(&run.run);
        let offset = log.as_ref().filter(|_| run.itemised).and_then(|log| log.length().ok());
        let work = !matches!(place, Place::Hook(..));
        let start = Start {
            job: &job.name,
            command,
            args: if work { &run.args } else { &[] },
            execution: &job.execution,
            environment: &environment,
            sink: log.as_ref().map_or(Sink::Null, |log| Sink::File(log.as_fd())),
            cgroup: open.and_then(|open| open.cgroup.as_ref()),
        };
        let process = self.spawner.spawn(&start).map_err(|error| error.to_string())?;
        self.reaper.watch(process);
        self.by_pid.insert(process.pid, (run.run, place));
        self.keeper.started(run.run, run.attempt, place, process);
        Ok((process, offset))
    }

    /// Opens the output file of an attempt for a command. At the first one it is made: from then on a start counts as
    /// tried.
    ///
    /// It is not held open between commands: each start copies the table of open files, and thousands of runs that
    /// last must not slow down the next one.
    fn open_output(&mut self, run: &RunSnapshot) -> Option<LogFile> {
        if let Some(open) = self.open.get(&run.run).filter(|open| open.attempt == run.attempt) {
            open.watch.as_ref()?;
            let log = self.logs.reopen(&run.job.name, run.run, run.attempt);
            return log
                .inspect_err(|error| tracing::warn!(run = %run.run, %error, "the output is gone"))
                .ok();
        }
        if let Some(earlier) = self.open.remove(&run.run) {
            bound(earlier.watch);
            // Where something lives on in it, the sweep removes it later.
            earlier.cgroup.map(RunCgroup::remove);
        }
        let log = match self.logs.create(&run.job.name, run.run, run.attempt) {
            Ok(log) => Some(log),
            Err(error) => {
                if !self.warned_of_logs {
                    self.warned_of_logs = true;
                    tracing::warn!(%error, "output cannot be written: jobs run, what they say is lost");
                }
                None
            }
        };
        if log.is_some() {
            self.warned_of_logs = false;
        }
        let limit = run.job.policy.output.max_bytes;
        let watch = log.as_ref().map(|log| OutputWatch::new(log.path.clone(), limit));
        let cgroup = self.make_cgroup(run.run, run.attempt, &run.job);
        let open = Open { job: run.job.name.clone(), attempt: run.attempt, watch, cgroup };
        self.open.insert(run.run, open);
        log
    }

    fn make_cgroup(&mut self, run: RunId, attempt: u32, job: &Job) -> Option<RunCgroup> {
        let limits = &job.execution.limits;
        let cgroup = self.cgroups.as_ref().and_then(|cgroups| match cgroups.create(run, attempt, limits) {
            Ok(cgroup) => Some(cgroup),
            Err(error) => {
                tracing::warn!(job = %job.name, %run, %error, "the run gets no cgroup of its own");
                None
            }
        });
        let held = cgroup.as_ref().is_some_and(RunCgroup::holds_cpu);
        if limits.cpu_percent.is_some() && !held && self.warned_of_cpu.insert(job.name.clone()) {
            tracing::warn!(
                job = %job.name,
                "limits.cpu has no effect: no cgroup with the cpu controller is delegated (Delegate=yes)"
            );
        }
        cgroup
    }

    /// Collects the children that have ended.
    pub(super) fn reap(&mut self) -> Vec<Input> {
        let ended = self.reaper.reap();
        let known = ended.into_iter().filter_map(|end| {
            let (run, place) = self.by_pid.remove(&end.pid)?;
            self.keeper.ended(run, place);
            Some(Input::Exited { run, place, exit: end.exit, usage: Some(end.usage) })
        });
        known.collect()
    }

    /// Sends a signal to the process group of a command.
    pub(super) fn signal(&self, run: RunId, process: ProcessMark, signal: i32) {
        let Some(tag) = self.tag(run) else { return };
        if let Err(error) = group::signal(process, &tag, signal) {
            tracing::warn!(%run, pid = process.pid, signal, %error, "the signal could not be sent");
        }
    }

    /// Kills what is left of a command's group, and of its run's cgroup.
    pub(super) fn sweep(&self, run: RunId, process: ProcessMark) {
        const KILL: i32 = 9;
        self.signal(run, process, KILL);
        if let Some(cgroup) = self.open.get(&run).and_then(|open| open.cgroup.as_ref())
            && let Err(error) = cgroup.kill()
        {
            tracing::warn!(%run, %error, "the run's cgroup could not be killed");
        }
    }

    /// Goes on with the output and the cgroup of an attempt that an earlier daemon began.
    pub(super) fn reopen(&mut self, run: RunId, job: &Job, attempt: u32) {
        let log = self.logs.reopen(&job.name, run, attempt).ok();
        let watch = log.map(|log| OutputWatch::new(log.path, job.policy.output.max_bytes));
        let cgroup = self.cgroups.as_ref().and_then(|cgroups| cgroups.find(run, attempt));
        let open = Open { job: job.name.clone(), attempt, watch, cgroup };
        self.open.insert(run, open);
    }

    /// Takes hold of a process that has outlived an earlier daemon and watches for its end; `kept` is its pidfd
    /// where the service manager has kept it.
    pub(super) fn adopt(&mut self, run: RunId, place: Place, process: ProcessMark, kept: Option<OwnedFd>) {
        let attempt = self.open.get(&run).map_or(1, |open| open.attempt);
        let handle = match kept {
            Some(handle) => {
                self.keeper.is_kept(run, attempt, place, process);
                Adopted::from_pidfd(handle).map(Some)
            }
            None => {
                self.keeper.started(run, attempt, place, process);
                Adopted::open(process)
            }
        };
        let ends = self.adopted.clone();
        match handle {
            Ok(Some(handle)) => {
                tokio::spawn(async move {
                    let exit = handle.ended(EXIT_RECORD_WAIT).await.ok().flatten();
                    let _ = ends.send((run, place, exit));
                });
            }
            Ok(None) | Err(_) => {
                let _ = ends.send((run, place, None));
            }
        }
    }

    /// Looks at the size of every open output file and gives back what is over its limit.
    pub(super) fn watch_outputs(&mut self) {
        for (run, open) in &mut self.open {
            if let Some(watch) = &mut open.watch
                && let Err(error) = watch.check()
            {
                tracing::debug!(%run, %error, "the output file cannot be looked at");
            }
        }
    }

    /// Clears away what nobody else does, once a minute: dead orphans handed to this process as the init of a
    /// container, and cgroups whose last process has gone.
    pub(super) fn tidy_now_and_then(&mut self, now: Monotonic) {
        if self.tidied.is_some_and(|last| now.since(last) < TIDY_EVERY) {
            return;
        }
        self.tidied = Some(now);
        let orphans = self.reaper.sweep_orphans();
        if orphans > 0 {
            tracing::debug!(orphans, "dead orphans reaped");
        }
        if let Some(cgroups) = &self.cgroups {
            cgroups.sweep();
        }
    }

    /// Returns the path of the output of a run that is alive.
    pub(super) fn output_of(&self, run: RunId) -> Option<PathBuf> {
        self.open.get(&run).and_then(|open| open.watch.as_ref()).map(|watch| watch.path().to_owned())
    }

    /// Lets go of a run that is over and returns its job; its output is cut down to what is kept.
    pub(super) fn close(&mut self, run: RunId) -> Option<Name> {
        let open = self.open.remove(&run)?;
        bound(open.watch);
        if let Some(cgroup) = open.cgroup
            && !cgroup.remove()
        {
            tracing::debug!(%run, job = %open.job, "something lives on in the run's cgroup");
        }
        Some(open.job)
    }

    fn tag(&self, run: RunId) -> Option<RunTag> {
        let open = self.open.get(&run)?;
        Some(RunTag::new(&self.state_dir, run, open.attempt))
    }
}

/// Cuts an output file down to its limit: at once where that is little work, else beside the loop.
fn bound(watch: Option<OutputWatch>) {
    let Some(mut watch) = watch else { return };
    match watch.check() {
        Ok(seen) if seen.fits => {}
        Ok(seen) if seen.size <= COMPACT_INLINE => finish_output(watch),
        Ok(_) => drop(tokio::task::spawn_blocking(move || finish_output(watch))),
        Err(error) => tracing::debug!(%error, "the output file is gone"),
    }
}

fn finish_output(watch: OutputWatch) {
    let path = watch.path().to_owned();
    if let Err(error) = watch.finish() {
        tracing::warn!(path = %path.display(), %error, "the output could not be cut down to its limit");
    }
}

/// Makes the variables of one command: which step it is, and for closing hooks how the work went.
fn variables(run: &RunSnapshot, job: &Arc<Job>, place: Place) -> Vec<(String, String)> {
    let mut extra = Vec::new();
    if !matches!(place, Place::Work) {
        extra.push(("JOBCTL_STEP".to_owned(), name_of(job, place)));
    }
    if let Some((status, exit)) = run.outcome {
        extra.push(("JOBCTL_STATUS".to_owned(), status.as_str().to_owned()));
        if let Some(exit) = exit {
            extra.push(("JOBCTL_EXIT_CODE".to_owned(), exit.shell_code().to_string()));
        }
    }
    extra
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::variables;
    use crate::core::job::{Command, Job, Origin, Work};
    use crate::core::name::Name;
    use crate::core::run::{Exit, RunId, RunStatus, Source};
    use crate::core::scheduler::{HookKind, HookOwner, Place, RunSnapshot};
    use crate::core::trigger::Firing;

    #[test]
    fn hooks_are_told_which_they_are_and_how_the_work_went() {
        let job = Arc::new(Job {
            name: Name::new("a").unwrap(),
            origin: Origin::Added,
            firing: Firing::Startup,
            work: Work::Command(Command::Shell("true".into())),
            policy: Arc::default(),
            execution: Arc::default(),
            about: Arc::default(),
        });
        let run = |outcome| RunSnapshot {
            run: RunId(1),
            job: job.clone(),
            status: RunStatus::Running,
            source: Source::Manual,
            attempt: 1,
            fire_time: None,
            args: Vec::new(),
            started_at: None,
            outcome,
            itemised: true,
            last_success: None,
        };
        let hook = |kind| Place::Hook(kind, HookOwner::Job, 0);
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(variables(&run(None), &job, Place::Work), []);
        let before = variables(&run(None), &job, hook(HookKind::Before));
        assert_eq!(before, [pair("JOBCTL_STEP", "before 1")]);
        for (status, exit, code) in [
            (RunStatus::Succeeded, Exit::Code(0), "0"),
            (RunStatus::Failed, Exit::Code(75), "75"),
            (RunStatus::TimedOut, Exit::Signal(9), "137"),
        ] {
            let after = variables(&run(Some((status, Some(exit)))), &job, hook(HookKind::AfterRun));
            let expected = [
                pair("JOBCTL_STEP", "after_run 1"),
                pair("JOBCTL_STATUS", status.as_str()),
                pair("JOBCTL_EXIT_CODE", code),
            ];
            assert_eq!(after, expected);
        }
        let never_started = variables(&run(Some((RunStatus::Failed, None))), &job, hook(HookKind::OnFailure));
        assert_eq!(never_started[1..], [pair("JOBCTL_STATUS", "failed")]);
    }
}

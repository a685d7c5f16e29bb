//! One run of one job in the foreground, without a daemon and outside the ledger: what `exec` does.
//!
//! The same core decides about steps, hooks and time limits, so a test run is the real thing; its changes are
//! looked at and then dropped. The output goes to where our own goes.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::clock::{self, Alarm};
use crate::core::change::{Change, Finish};
use crate::core::civil::Zone;
use crate::core::instant::Timestamp;
use crate::core::job::{Expect, Hooks, Job, Output, Retry};
use crate::core::run::{ProcessMark, RunId, Source};
use crate::core::scheduler::{
    Boot, Command, Effect, Input, Place, RunNow, RunSnapshot, Scheduler, Settings, command_at, name_of,
};
use crate::core::trigger::Firing;
use crate::process::environment::environment;
use crate::process::{Inherited, Reaper, RunContext, RunTag, Sink, Spawner, Start, group};

/// The only attempt: a test run shows the failure at once.
const ATTEMPT: u32 = 1;

/// SIGKILL, the same number on every Linux (signal(7)).
const KILL: i32 = 9;

/// What is to run, and in which surroundings.
#[derive(Debug)]
pub struct Request<'a> {
    /// The job.
    pub job: &'a Job,
    /// Hooks around every job.
    pub hooks: &'a Hooks,
    /// Extra arguments of its command.
    pub args: Vec<String>,
    /// The environment the daemon has, or would have.
    pub inherited: &'a Inherited,
    /// The state directory, which tells runs of several daemons apart.
    pub state_dir: &'a Path,
    /// The zone in which instants are written.
    pub zone: &'a Zone,
    /// When the job last succeeded.
    pub last_success: Option<Timestamp>,
}

/// Runs a job once and waits for its end.
///
/// INT, TERM and HUP cancel it as a client would; said again, they kill it.
///
/// # Errors
/// The machine lacks what every start needs (/proc, /dev/null, timers), or the core says nothing of an end.
pub fn run(request: &Request<'_>) -> io::Result<Finish> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async { Driver::new(request)?.run().await })
}

struct Driver<'a> {
    request: &'a Request<'a>,
    scheduler: Scheduler,
    spawner: Spawner,
    reaper: Reaper,
    by_pid: HashMap<i32, (RunId, Place, ProcessMark)>,
    finish: Option<Finish>,
    asked: bool,
}

/// What the driver was woken by.
enum Woken {
    Alarm,
    ChildDied,
    Interrupted,
}

impl<'a> Driver<'a> {
    fn new(request: &'a Request<'a>) -> io::Result<Self> {
        let boot = Boot {
            jobs: vec![Arc::new(bare(request.job))],
            pools: Vec::new(),
            settings: Settings { hooks: request.hooks.clone(), ..Settings::default() },
            memory: BTreeMap::new(),
            unfinished: Vec::new(),
            hold: None,
            heartbeat: None,
            restored: None,
            next_run: 0,
            boot_id: String::new(),
            starting: false,
        };
        let (scheduler, _) = Scheduler::new(boot, clock::now());
        Ok(Driver {
            request,
            scheduler,
            spawner: Spawner::new()?,
            reaper: Reaper::default(),
            by_pid: HashMap::new(),
            finish: None,
            asked: false,
        })
    }

    async fn run(mut self) -> io::Result<Finish> {
        let mut child = signal(SignalKind::child())?;
        let mut told = [
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        ];
        let mut alarm = Alarm::new()?;
        let run_now = RunNow {
            job: self.request.job.name.clone(),
            args: self.request.args.clone(),
            if_due: false,
            force: true,
            priority: None,
        };
        self.feed(Input::Command(Command::RunNow(run_now)));
        while self.finish.is_none() {
            alarm.set(self.scheduler.next_wakeup(), clock::now())?;
            match next(&mut alarm, &mut child, &mut told).await {
                Woken::Alarm => self.feed(Input::Tick),
                Woken::ChildDied => self.reap(),
                Woken::Interrupted => self.interrupted(),
            }
        }
        self.finish.ok_or_else(|| io::Error::other("the run has no end"))
    }

    fn reap(&mut self) {
        for ended in self.reaper.reap() {
            if let Some((run, place, _)) = self.by_pid.remove(&ended.pid) {
                self.feed(Input::Exited { run, place, exit: ended.exit, usage: Some(ended.usage) });
            }
        }
    }

    fn interrupted(&mut self) {
        if std::mem::replace(&mut self.asked, true) {
            for (run, _, mark) in self.by_pid.values() {
                self.signal(*run, *mark, KILL);
            }
            return;
        }
        let runs: Vec<RunId> = self.scheduler.live_runs().map(|(run, _)| run).collect();
        for run in runs {
            self.feed(Input::Command(Command::Cancel { run, reason: None }));
        }
    }

    /// Hands one input to the core and carries out what it decides.
    fn feed(&mut self, input: Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            for effect in self.scheduler.handle(input, clock::now()) {
                match effect {
                    Effect::Commit(Change::Claim(claim)) => {
                        inputs.push(Input::Claimed(vec![(claim.run, true)]))
                    }
                    Effect::Commit(Change::Finished(finish)) => self.finish = Some(finish),
                    Effect::Spawn { run, place } => inputs.push(self.start(run, place)),
                    Effect::Signal { run, process, signal, .. } => self.signal(run, process, signal),
                    Effect::Sweep { run, process } => self.signal(run, process, KILL),
                    Effect::Commit(_)
                    | Effect::ReadOutput { .. }
                    | Effect::FindFutureGaps { .. }
                    | Effect::Forget { .. }
                    | Effect::Answer(_)
                    | Effect::Exit => {}
                }
            }
        }
    }

    fn start(&mut self, run: RunId, place: Place) -> Input {
        let Some(snapshot) = self.scheduler.run(run) else { return Input::Tick };
        match self.try_start(&snapshot, place) {
            Ok(process) => {
                self.reaper.watch(process);
                self.by_pid.insert(process.pid, (run, place, process));
                Input::Started { run, place, process, output_offset: None }
            }
            Err(detail) => Input::StartFailed { run, place, detail },
        }
    }

    fn try_start(&mut self, run: &RunSnapshot, place: Place) -> Result<ProcessMark, String> {
        let job = self.request.job;
        let command = command_at(job, self.request.hooks, place).ok_or("the job has no such command")?;
        let extra = variables(run, place);
        let context = RunContext {
            job: &job.name,
            run: run.run,
            attempt: ATTEMPT,
            fire_time: None,
            source: Source::Exec,
            last_success: self.request.last_success,
            about: &job.about,
            zone: self.request.zone,
            extra: &extra,
        };
        let environment = environment(self.request.inherited, &job.execution, &context)
            .map_err(|error| error.to_string())?;
        let start = Start {
            job: &job.name,
            command,
            args: if matches!(place, Place::Hook(..)) { &[] } else { &run.args },
            execution: &job.execution,
            environment: &environment,
            sink: Sink::Inherit,
            cgroup: None,
        };
        self.spawner.spawn(&start).map_err(|error| error.to_string())
    }

    fn signal(&self, run: RunId, process: ProcessMark, signal: i32) {
        let tag = RunTag::new(self.request.state_dir, run, ATTEMPT);
        // A process that cannot be signalled has become another user's or is gone; its end is waited for.
        let _ = group::signal(process, &tag, signal);
    }
}

async fn next(alarm: &mut Alarm, child: &mut Signal, told: &mut [Signal; 3]) -> Woken {
    let [interrupt, terminate, hangup] = told;
    tokio::select! {
        () = alarm.wait() => Woken::Alarm,
        _ = child.recv() => Woken::ChildDied,
        _ = interrupt.recv() => Woken::Interrupted,
        _ = terminate.recv() => Woken::Interrupted,
        _ = hangup.recv() => Woken::Interrupted,
    }
}

/// Strips a job of everything that is about its place in the schedule: a test run waits for nobody, is not tried
/// again, and tells nobody.
fn bare(job: &Job) -> Job {
    let mut bare = job.clone();
    // A trigger that is never due here.
    bare.firing = Firing::Shutdown;
    let policy = Arc::make_mut(&mut bare.policy);
    policy.enabled = true;
    policy.paused = false;
    policy.pool = None;
    policy.retry = Retry::default();
    policy.notify = Vec::new();
    policy.expect = Expect::default();
    policy.output = Output::default();
    bare
}

/// Makes the variables of one command: which step it is, and for closing hooks how the work went.
fn variables(run: &RunSnapshot, place: Place) -> Vec<(String, String)> {
    let mut extra = Vec::new();
    if !matches!(place, Place::Work) {
        extra.push(("JOBCTL_STEP".to_owned(), name_of(&run.job, place)));
    }
    if let Some((status, exit)) = run.outcome {
        extra.push(("JOBCTL_STATUS".to_owned(), status.as_str().to_owned()));
        extra.extend(exit.map(|exit| ("JOBCTL_EXIT_CODE".to_owned(), exit.shell_code().to_string())));
    }
    extra
}

//! From what the store remembers and the machine shows to what the scheduler begins with.
//!
//! Owns the judgement of evidence: what became of runs that were not over while no daemon looked. It starts and
//! changes nothing, so commands that only read use it too.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::catalogue::Catalogue;
use crate::core::change::StepRecord;
use crate::core::instant::{Now, Timestamp};
use crate::core::name::Name;
use crate::core::run::{Exit, ProcessMark, Reason, RunId, RunStatus};
use crate::core::scheduler::{
    Boot, Effect, Evidence, Found, FoundCommand, LeftEnding, Memory, Place, Scheduler, Unfinished,
};
use crate::process::{self, KeptProcess, Logs, Presence, Survivor};
use crate::store::{JobStateRow, Loaded, RunRow, StepRow};

/// Where to look for evidence.
pub struct Scene<'a> {
    /// The output files.
    pub logs: &'a Logs,
    /// This boot of the machine.
    pub boot_id: &'a str,
    /// How long ago that was.
    pub since_boot: Duration,
    /// True: the last daemon went in order, so that nothing it had not started was started.
    pub left_in_order: bool,
    /// Processes of runs that are alive.
    pub survivors: Vec<Survivor>,
    /// What the service manager's pidfds say of commands.
    pub kept: Vec<Kept>,
    /// The commands that were written down of runs that are not over.
    pub steps: HashMap<RunId, Vec<StepRow>>,
}

/// A command whose pidfd the service manager has kept.
#[derive(Clone, Copy, Debug)]
pub struct Kept {
    /// The run.
    pub run: RunId,
    /// The attempt, from 1.
    pub attempt: u32,
    /// Which of its commands.
    pub place: Place,
    /// What has become of it.
    pub process: KeptProcess,
}

/// Puts together what the scheduler begins with.
pub fn boot(catalogue: &Catalogue, loaded: Loaded, scene: &Scene<'_>) -> Boot {
    Boot {
        jobs: catalogue.jobs(),
        pools: catalogue.set().pools.clone(),
        settings: catalogue.settings(),
        memory: memories(loaded.jobs),
        unfinished: loaded
            .unfinished
            .into_iter()
            .map(|row| unfinished(row, scene, loaded.restored.is_some()))
            .collect(),
        hold: loaded.hold,
        heartbeat: loaded.heartbeat,
        restored: loaded.restored,
        next_run: loaded.next_run,
        boot_id: scene.boot_id.to_owned(),
        starting: true,
    }
}

/// Makes a scheduler that only shows what a daemon would know; runs that are not over are left out, and whatever
/// it would do is dropped.
pub fn picture(catalogue: &Catalogue, loaded: Loaded, now: Now) -> Scheduler {
    let boot = Boot {
        jobs: catalogue.jobs(),
        pools: catalogue.set().pools.clone(),
        settings: catalogue.settings(),
        memory: memories(loaded.jobs),
        unfinished: Vec::new(),
        // Held, so that nothing falls due: a picture decides nothing.
        hold: Some(loaded.hold.unwrap_or(crate::core::change::Hold { at: now.wall, reason: None })),
        heartbeat: None,
        restored: loaded.restored,
        next_run: loaded.next_run,
        boot_id: String::new(),
        starting: false,
    };
    let (scheduler, dropped): (Scheduler, Vec<Effect>) = Scheduler::new(boot, now);
    drop(dropped);
    scheduler
}

fn memories(rows: Vec<JobStateRow>) -> BTreeMap<Name, Memory> {
    let memory = |row: JobStateRow| Memory {
        cursor: row.cursor,
        anchor: row.anchor,
        trigger: row.trigger,
        pause: row.pause,
        satisfied: row.satisfied,
        startup_boot: row.startup_boot,
        last_success: row.last_success,
        well: row.well,
        overdue_since: row.overdue_since,
    };
    rows.into_iter().map(|row| (row.name.clone(), memory(row))).collect()
}

fn unfinished(row: RunRow, scene: &Scene<'_>, restored: bool) -> Unfinished {
    let (attempt, mut evidence) = judge(&row, scene);
    if restored {
        // The row is as old as the copy. A process that is there is a fact all the same; of anything else nobody
        // knows how it went on.
        evidence = match evidence {
            Evidence::Started { found, steps } if !found.is_empty() => Evidence::Started { found, steps },
            Evidence::NeverStarted | Evidence::Started { .. } | Evidence::Unknown(_) => {
                Evidence::Unknown(Reason::Restored)
            }
        };
    }
    Unfinished {
        run: row.run,
        job: row.job,
        fire_time: row.fire_time,
        source: row.source,
        // That a later attempt was tried says that the recorded one was over.
        status: if attempt > row.attempt && row.status == RunStatus::Running {
            RunStatus::Retrying
        } else {
            row.status
        },
        queued_at: row.queued_at,
        due_at: row.due_at,
        attempt,
        started_at: row.started_at,
        retry_at: row.retry_at,
        priority: row.priority,
        pool: row.pool,
        args: row.args,
        forced: row.forced,
        // A later attempt was not asked to end, or that is not on record.
        ending: ending(row.ending_at, row.reason, row.detail).filter(|_| attempt == row.attempt),
        evidence,
    }
}

/// Reads back why a run was brought to its end when the last daemon went.
fn ending(at: Option<Timestamp>, reason: Option<Reason>, detail: Option<String>) -> Option<LeftEnding> {
    at.zip(reason).map(|(at, reason)| LeftEnding { at, reason, detail })
}

/// Says what became of a run, and which attempt that is about.
///
/// In this order: the boot, the output file that every start makes first, live processes that carry the run's
/// number, and for a run that was known to run its own process.
fn judge(row: &RunRow, scene: &Scene<'_>) -> (u32, Evidence) {
    let same_boot = row.boot_id.as_deref() == Some(scene.boot_id);
    match row.status {
        RunStatus::Running if !same_boot => {
            (last_tried(row, scene).unwrap_or(row.attempt), Evidence::Unknown(Reason::Reboot))
        }
        RunStatus::Running => match last_tried(row, scene) {
            Some(later) => (later, of_unrecorded(row, later, scene)),
            None => (row.attempt, of_started(row, row.attempt, scene)),
        },
        RunStatus::Queued | RunStatus::Retrying => {
            let next = row.attempt + 1;
            match scene.logs.evidence(&row.job, row.run, next) {
                process::Evidence::NotTried if same_boot || scene.left_in_order || row.attempt > 0 => {
                    (row.attempt, Evidence::NeverStarted)
                }
                process::Evidence::Unknown if scene.left_in_order => (row.attempt, Evidence::NeverStarted),
                process::Evidence::NotTried | process::Evidence::Tried | process::Evidence::Unknown => {
                    let later = last_tried(row, scene).unwrap_or(next);
                    (later, of_unrecorded(row, later, scene))
                }
            }
        }
        RunStatus::Succeeded
        | RunStatus::Failed
        | RunStatus::TimedOut
        | RunStatus::Cancelled
        | RunStatus::Missed
        | RunStatus::Skipped
        | RunStatus::Lost => (row.attempt, Evidence::Unknown(Reason::EndUnseen)),
    }
}

/// Returns the last attempt after the recorded one that was tried: while the disk takes nothing, attempts go on.
fn last_tried(row: &RunRow, scene: &Scene<'_>) -> Option<u32> {
    let tried = |attempt: &u32| scene.logs.evidence(&row.job, row.run, *attempt) == process::Evidence::Tried;
    (row.attempt.saturating_add(1)..).take_while(tried).last()
}

/// Gathers what is left of an attempt whose start is not on record.
fn of_unrecorded(row: &RunRow, attempt: u32, scene: &Scene<'_>) -> Evidence {
    match of_started(row, attempt, scene) {
        Evidence::Started { found, .. } if found.is_empty() => Evidence::Unknown(Reason::StartUnknown),
        evidence => evidence,
    }
}

/// Gathers what is left of an attempt.
fn of_started(row: &RunRow, attempt: u32, scene: &Scene<'_>) -> Evidence {
    let ours = scene.survivors.iter().filter(|found| found.run == row.run && found.attempt == attempt);
    let mut found: Vec<Found> = ours.map(|survivor| found_alive(survivor, scene)).collect();
    for kept in scene.kept.iter().filter(|kept| kept.run == row.run && kept.attempt == attempt) {
        found.extend(found_kept(kept, &found, scene));
    }
    // A process that has overwritten its environment is known by its mark alone.
    if let Some(process) = row.process.filter(|_| row.attempt == attempt)
        && !found.iter().any(|found| found.process == process)
        && process::find(process) == Presence::Alive
    {
        found.push(Found {
            process,
            command: FoundCommand::Latest,
            age: age(process, scene),
            exit: None,
            outcome: None,
        });
    }
    let rows = scene.steps.get(&row.run).into_iter().flatten();
    let steps = rows.filter(|step| step.attempt == attempt).cloned().map(record).collect();
    Evidence::Started { found, steps }
}

fn found_alive(survivor: &Survivor, scene: &Scene<'_>) -> Found {
    let command = match &survivor.step {
        Some(name) => FoundCommand::Named(name.clone()),
        None => FoundCommand::At(Place::Work),
    };
    let status = survivor.status.as_deref().and_then(RunStatus::from_word);
    Found {
        process: survivor.process,
        command,
        age: age(survivor.process, scene),
        exit: None,
        outcome: status.map(|status| (status, survivor.exit_code.map(Exit::Code))),
    }
}

/// Adds what a kept pidfd tells and a look at the processes has not.
fn found_kept(kept: &Kept, found: &[Found], scene: &Scene<'_>) -> Option<Found> {
    let command = FoundCommand::At(kept.place);
    match kept.process {
        KeptProcess::There(process) => {
            let known = found.iter().any(|found| found.process == process);
            (!known).then(|| Found { process, command, age: age(process, scene), exit: None, outcome: None })
        }
        KeptProcess::Ended(exit) => {
            let process = ProcessMark { pid: 0, start_ticks: 0 };
            Some(Found { process, command, age: None, exit: Some(exit), outcome: None })
        }
        KeptProcess::Unknown => None,
    }
}

fn age(process: ProcessMark, scene: &Scene<'_>) -> Option<Duration> {
    Some(scene.since_boot.saturating_sub(process::started_after_boot(process)))
}

fn record(row: StepRow) -> StepRecord {
    StepRecord {
        attempt: row.attempt,
        position: row.position,
        name: row.name,
        status: row.status,
        started_at: row.started_at,
        duration: row.duration,
        exit: row.exit,
        output_offset: row.output_offset,
        detail: row.detail,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::time::Duration;

    use super::{Kept, Scene, judge};
    use crate::core::instant::Timestamp;
    use crate::core::name::Name;
    use crate::core::run::{Exit, ProcessMark, Reason, RunId, RunStatus, Source};
    use crate::core::scheduler::{Evidence, FoundCommand, Place};
    use crate::process::{KeptProcess, Logs, Survivor};
    use crate::store::{RunRow, StepRow};

    const RUN: RunId = RunId(7);
    /// A process that cannot be there: the highest pid is 2^22 (proc_sys_kernel(5)).
    const GONE: ProcessMark = ProcessMark { pid: i32::MAX, start_ticks: 1_000 };

    fn row(status: RunStatus, attempt: u32) -> RunRow {
        RunRow {
            run: RUN,
            job: Name::new("a").unwrap(),
            fire_time: None,
            first_fire_time: None,
            occurrences: 1,
            status,
            reason: None,
            detail: None,
            source: Source::Manual,
            attempt,
            attempts: 3,
            queued_at: Timestamp::from_secs(0),
            due_at: Timestamp::from_secs(0),
            started_at: None,
            finished_at: None,
            retry_at: None,
            duration: None,
            exit: None,
            process: (attempt > 0).then_some(GONE),
            boot_id: Some("now".to_owned()),
            host: "h".to_owned(),
            coalesced: 0,
            note: None,
            priority: 0,
            pool: None,
            args: Vec::new(),
            forced: false,
            ending_at: None,
            usage: None,
            result: None,
        }
    }

    fn scene<'a>(logs: &'a Logs) -> Scene<'a> {
        Scene {
            logs,
            boot_id: "now",
            since_boot: Duration::from_secs(100),
            left_in_order: false,
            survivors: Vec::new(),
            kept: Vec::new(),
            steps: HashMap::new(),
        }
    }

    fn survivor(attempt: u32, step: Option<&str>) -> Survivor {
        let step = step.map(str::to_owned);
        Survivor { run: RUN, attempt, process: GONE, step, status: None, exit_code: None }
    }

    fn logs() -> (tempfile::TempDir, Logs) {
        let directory = tempfile::tempdir().unwrap();
        let logs = Logs::new(directory.path().join("logs"));
        (directory, logs)
    }

    #[test]
    fn p2_what_was_never_tried_is_due_again_and_what_was_may_have_run() {
        let (_directory, logs) = logs();
        let job = Name::new("a").unwrap();
        let mut scene = scene(&logs);
        assert_eq!(judge(&row(RunStatus::Queued, 0), &scene), (0, Evidence::NeverStarted));
        assert_eq!(judge(&row(RunStatus::Retrying, 1), &scene), (1, Evidence::NeverStarted));
        logs.create(&job, RUN, 1).unwrap();
        let unknown = Evidence::Unknown(Reason::StartUnknown);
        assert_eq!(judge(&row(RunStatus::Queued, 0), &scene), (1, unknown));
        scene.survivors = vec![survivor(1, None)];
        let (attempt, evidence) = judge(&row(RunStatus::Queued, 0), &scene);
        let Evidence::Started { found, .. } = evidence else { panic!("{evidence:?}") };
        assert_eq!((attempt, &found[0].command), (1, &FoundCommand::At(Place::Work)));
        assert_eq!(found[0].exit, None);
    }

    #[test]
    fn p3_every_process_of_the_attempt_is_found_with_its_name_and_what_ended_before() {
        let (_directory, logs) = logs();
        let mut scene = scene(&logs);
        scene.survivors = vec![survivor(2, Some("two")), survivor(1, Some("old"))];
        let step = |attempt| StepRow {
            run: RUN,
            attempt,
            position: 0,
            name: "one".to_owned(),
            status: RunStatus::Succeeded,
            started_at: None,
            duration: None,
            exit: Some(Exit::Code(0)),
            output_offset: None,
            detail: None,
        };
        scene.steps.insert(RUN, vec![step(1), step(2)]);
        let (attempt, evidence) = judge(&row(RunStatus::Running, 2), &scene);
        let Evidence::Started { found, steps } = evidence else { panic!("{evidence:?}") };
        assert_eq!((attempt, found.len(), steps.len(), steps[0].attempt), (2, 1, 1, 2));
        assert_eq!(found[0].command, FoundCommand::Named("two".to_owned()));
        // Started after a thousand ticks of a hundredth of a second, mostly; boot was 100 s ago.
        assert!(found[0].age.unwrap() < Duration::from_secs(100));
    }

    #[test]
    fn p4_a_kept_pidfd_tells_the_end_and_is_not_counted_twice() {
        let (_directory, logs) = logs();
        let mut scene = scene(&logs);
        let kept = |place, process| Kept { run: RUN, attempt: 1, place, process };
        scene.kept = vec![
            kept(Place::Step(0), KeptProcess::Ended(Exit::Code(3))),
            kept(Place::Step(1), KeptProcess::There(GONE)),
            kept(Place::Step(2), KeptProcess::Unknown),
        ];
        scene.survivors = vec![survivor(1, Some("two"))];
        let (_, evidence) = judge(&row(RunStatus::Running, 1), &scene);
        let Evidence::Started { found, .. } = evidence else { panic!("{evidence:?}") };
        let ends: Vec<_> = found.iter().map(|found| (found.command.clone(), found.exit)).collect();
        let expected = [
            (FoundCommand::Named("two".to_owned()), None),
            (FoundCommand::At(Place::Step(0)), Some(Exit::Code(3))),
        ];
        assert_eq!(ends, expected);
    }

    #[test]
    fn p5_after_a_reboot_nothing_is_looked_for() {
        let (_directory, logs) = logs();
        let scene = Scene { boot_id: "next", survivors: vec![survivor(1, None)], ..scene(&logs) };
        let (_, evidence) = judge(&row(RunStatus::Running, 1), &scene);
        assert_eq!(evidence, Evidence::Unknown(Reason::Reboot));
    }
}

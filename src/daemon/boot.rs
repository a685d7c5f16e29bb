//! From what the store remembers and the machine shows to what the scheduler begins with.
//!
//! Owns the judgement of evidence: what became of runs that were not over while no daemon looked. It starts and
//! changes nothing, so commands that only read use it too.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::catalogue::Catalogue;
use crate::core::change::StepRecord;
use crate::core::instant::Now;
use crate::core::name::Name;
use crate::core::run::{Exit, ProcessMark, Reason, RunId, RunStatus};
use crate::core::scheduler::{
    Boot, Effect, Evidence, Found, FoundCommand, Memory, Place, Scheduler, Unfinished,
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
        unfinished: loaded.unfinished.into_iter().map(|row| unfinished(row, scene)).collect(),
        hold: loaded.hold,
        heartbeat: loaded.heartbeat,
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
    };
    rows.into_iter().map(|row| (row.name.clone(), memory(row))).collect()
}

fn unfinished(row: RunRow, scene: &Scene<'_>) -> Unfinished {
    let (attempt, evidence) = judge(&row, scene);
    Unfinished {
        run: row.run,
        job: row.job,
        fire_time: row.fire_time,
        source: row.source,
        status: row.status,
        queued_at: row.queued_at,
        due_at: row.due_at,
        attempt,
        started_at: row.started_at,
        retry_at: row.retry_at,
        priority: row.priority,
        args: row.args,
        evidence,
    }
}

/// Says what became of a run, and which attempt that is about.
///
/// In this order: the boot, the output file that every start makes first, live processes that carry the run's
/// number, and for a run that was known to run its own process.
fn judge(row: &RunRow, scene: &Scene<'_>) -> (u32, Evidence) {
    let same_boot = row.boot_id.as_deref() == Some(scene.boot_id);
    match row.status {
        RunStatus::Running if !same_boot => (row.attempt, Evidence::Unknown(Reason::Reboot)),
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
    let tried =
        |attempt: &u32| scene.logs.evidence(&row.job, row.run, *attempt) == process::Evidence::Tried;
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

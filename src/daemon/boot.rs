//! From what the store remembers and the machine shows to what the scheduler begins with.
//!
//! Owns the judgement of evidence: what became of runs that were not over while no daemon looked. It starts and
//! changes nothing, so commands that only read use it too.

use std::collections::BTreeMap;
use std::path::Path;

use super::catalogue::Catalogue;
use crate::core::instant::Now;
use crate::core::name::Name;
use crate::core::run::{Reason, RunStatus};
use crate::core::scheduler::{Boot, Effect, Evidence, Memory, Scheduler, Unfinished};
use crate::process::{self, Logs, Presence, RunTag};
use crate::store::{JobStateRow, Loaded, RunRow};

/// Where to look for evidence.
pub struct Scene<'a> {
    /// The output files.
    pub logs: &'a Logs,
    /// The state directory, absolute, as jobs are told it.
    pub state_dir: &'a Path,
    /// This boot of the machine.
    pub boot_id: &'a str,
    /// True: the last daemon went in order, so that nothing it had not started was started.
    pub left_in_order: bool,
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
/// In this order: the boot, the output file that every start makes first, a live process that carries the run's
/// number, and for a run that was known to run its own process.
fn judge(row: &RunRow, scene: &Scene<'_>) -> (u32, Evidence) {
    let same_boot = row.boot_id.as_deref() == Some(scene.boot_id);
    match row.status {
        RunStatus::Running => (row.attempt, of_started(row, row.attempt, same_boot, scene)),
        RunStatus::Queued | RunStatus::Retrying => {
            let next = row.attempt + 1;
            match scene.logs.evidence(&row.job, row.run, next) {
                process::Evidence::NotTried if same_boot || scene.left_in_order || row.attempt > 0 => {
                    (row.attempt, Evidence::NeverStarted)
                }
                process::Evidence::Unknown if scene.left_in_order => (row.attempt, Evidence::NeverStarted),
                process::Evidence::NotTried | process::Evidence::Tried | process::Evidence::Unknown => {
                    let tag = RunTag::new(scene.state_dir, row.run, next);
                    match process::find_by_tag(&tag).first() {
                        Some(process) => (next, Evidence::Alive(*process)),
                        None => (next, Evidence::Unknown(Reason::StartUnknown)),
                    }
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

fn of_started(row: &RunRow, attempt: u32, same_boot: bool, scene: &Scene<'_>) -> Evidence {
    if !same_boot {
        return Evidence::Unknown(Reason::Reboot);
    }
    if let Some(process) = row.process
        && process::find(process) == Presence::Alive
    {
        return Evidence::Alive(process);
    }
    // The next command of a run with several may have been started after the last commit.
    let tag = RunTag::new(scene.state_dir, row.run, attempt);
    match process::find_by_tag(&tag).first() {
        Some(process) => Evidence::Alive(*process),
        None => Evidence::Unknown(Reason::EndUnseen),
    }
}

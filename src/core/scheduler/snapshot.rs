//! What the scheduler shows of itself: read-only pictures of jobs, runs and pools.

use std::ops::Range;
use std::sync::Arc;

use super::live::{PoolKey, Progress, Slot, Stand, Verdict};
use super::{Gate, Place, Scheduler};
use crate::core::change::{Hold, Pause};
use crate::core::instant::Timestamp;
use crate::core::job::Job;
use crate::core::name::Name;
use crate::core::run::{Exit, ProcessMark, RunId, RunStatus, Source};
use crate::core::trigger::Firing;

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobState {
    Scheduled,
    Running,
    Paused,
    Finished,
}

impl JobState {
    /// Returns the word for the state, as in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            JobState::Scheduled => "scheduled",
            JobState::Running => "running",
            JobState::Paused => "paused",
            JobState::Finished => "finished",
        }
    }
}

/// A picture of one job.
#[derive(Clone, Debug)]
pub struct JobSnapshot {
    pub job: Arc<Job>,
    pub state: JobState,
    pub pause: Option<Pause>,
    /// The next fire time, without jitter.
    pub next_fire_time: Option<Timestamp>,
    pub anchor: Timestamp,
    pub cursor: Timestamp,
    pub running: usize,
    pub queued: usize,
    /// Dependencies that have come true since the last start.
    pub satisfied: Vec<Name>,
    pub last_success: Option<Timestamp>,
}

/// A picture of one run that is not over.
#[derive(Clone, Debug)]
pub struct RunSnapshot {
    pub run: RunId,
    pub job: Arc<Job>,
    pub status: RunStatus,
    pub source: Source,
    pub attempt: u32,
    pub fire_time: Option<Timestamp>,
    pub args: Vec<String>,
    pub started_at: Option<Timestamp>,
    /// How the work of the attempt went, once it is over and the closing hooks run.
    pub outcome: Option<(RunStatus, Option<Exit>)>,
    /// True: the attempt has commands beside the one.
    pub itemised: bool,
    pub last_success: Option<Timestamp>,
}

/// A picture of one pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolSnapshot {
    pub name: Name,
    pub workers: u32,
    pub running: u32,
    pub queued: usize,
}

impl Scheduler {
    /// Shows every job of the set, in no particular order.
    pub fn jobs(&self) -> impl Iterator<Item = JobSnapshot> {
        self.live_slots().map(|slot| self.picture(slot))
    }

    /// Shows the jobs of the set among some places of the scheduler's memory: of many jobs a few at a time. A job keeps
    /// its place for as long as it is in the set.
    pub fn jobs_at(&self, places: Range<usize>) -> impl Iterator<Item = JobSnapshot> {
        let end = places.end.min(self.slots.len());
        let slots = self.slots.get(places.start..end).unwrap_or_default();
        slots.iter().filter(|slot| !slot.is_removed()).map(|slot| self.picture(slot))
    }

    /// Returns how many places there are.
    pub fn places(&self) -> usize {
        self.slots.len()
    }

    /// Says whether a job is in the set.
    pub fn knows(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// Returns the jobs that are due after the ends of this one.
    pub fn dependents(&self, name: &str) -> impl Iterator<Item = &Name> {
        let dependents = self.dependents.get(name).into_iter().flatten();
        dependents.map(|id| &self.slot(*id).job.name)
    }

    /// Shows one job.
    pub fn job(&self, name: &str) -> Option<JobSnapshot> {
        self.find(name).map(|id| self.picture(self.slot(id)))
    }

    /// Returns the definition of one job: less to look up than all that is known of it.
    pub fn definition(&self, name: &str) -> Option<&Arc<Job>> {
        self.find(name).map(|id| &self.slot(id).job)
    }

    /// Shows one run that is not over.
    pub fn run(&self, id: RunId) -> Option<RunSnapshot> {
        let run = self.runs.get(&id)?;
        let slot = self.find_any(run.job.name.as_str()).map(|id| self.slot(id));
        let progress = run.progress.as_deref();
        Some(RunSnapshot {
            run: id,
            job: run.job.clone(),
            status: run.status,
            source: run.source,
            attempt: run.attempt,
            fire_time: run.fire_time,
            args: run.args.clone(),
            started_at: run.started.map(|(wall, _)| wall),
            outcome: progress.and_then(outcome),
            itemised: progress.is_some_and(|progress| progress.itemised),
            last_success: slot.and_then(|slot| slot.more()).and_then(|more| more.last_success),
        })
    }

    /// Returns the place in its run of a process that is alive.
    pub fn place_of(&self, run: RunId, process: ProcessMark) -> Option<Place> {
        let children = &self.runs.get(&run)?.progress.as_ref()?.children;
        children.iter().find(|child| child.process == Some(process)).map(|child| child.place)
    }

    /// Returns the runs of a job that are not over, oldest first.
    pub fn open_runs(&self, job: &str) -> Vec<RunId> {
        self.find_any(job).map_or_else(Vec::new, |id| self.slot(id).open().to_vec())
    }

    /// Returns every run that is not over.
    pub fn live_runs(&self) -> impl Iterator<Item = (RunId, RunStatus)> {
        self.runs.values().map(|run| (run.id, run.status))
    }

    /// Shows the pools of the job file.
    pub fn pools(&self) -> Vec<PoolSnapshot> {
        let named = self.pools.iter().filter_map(|(key, state)| match key {
            PoolKey::CatchUp => None,
            PoolKey::Named(name) => Some(PoolSnapshot {
                name: name.clone(),
                workers: state.workers,
                running: state.busy,
                queued: state.waiting.len(),
            }),
        });
        named.collect()
    }

    /// Returns the hold in force.
    pub fn held(&self) -> Option<&Hold> {
        self.hold.as_ref()
    }

    /// Says whether the daemon is on its way out.
    pub fn is_stopping(&self) -> bool {
        self.stopping.is_some()
    }

    /// Returns the instant the wall clock has to reach before calendar jobs start, after a start with a clock
    /// that stood before it.
    pub fn waits_for_clock(&self) -> Option<Timestamp> {
        match self.gate {
            Gate::Clock { reaches, .. } => Some(reaches),
            Gate::Open | Gate::Delay { .. } => None,
        }
    }

    /// Returns the first free run number.
    pub fn next_run(&self) -> RunId {
        RunId(self.next_run)
    }

    fn picture(&self, slot: &Slot) -> JobSnapshot {
        let open = slot.open();
        let running = open
            .iter()
            .filter(|id| {
                // A run that waits for its next attempt is under way, whatever holds that back.
                self.runs.get(id).is_some_and(|run| run.stage == Stand::Alive || run.attempt > 0)
            })
            .count();
        let ahead = open.iter().filter_map(|id| self.runs.get(id)).find(|run| run.is_ahead());
        let waits_for_event = !matches!(slot.job.firing, Firing::Clock(_));
        let state = if running > 0 {
            JobState::Running
        } else if slot.pause().is_some() {
            JobState::Paused
        } else if slot.job.policy.enabled && (slot.next().is_some() || waits_for_event || !open.is_empty()) {
            JobState::Scheduled
        } else {
            JobState::Finished
        };
        JobSnapshot {
            job: slot.job.clone(),
            state,
            pause: slot.pause().cloned(),
            next_fire_time: ahead
                .and_then(|run| run.fire_time)
                .or(slot.next())
                .filter(|_| slot.pause().is_none()),
            anchor: slot.anchor,
            cursor: slot.cursor,
            running,
            queued: open.len() - running - usize::from(ahead.is_some()),
            satisfied: slot.more().map_or_else(Vec::new, |more| more.satisfied.clone()),
            last_success: slot.more().and_then(|more| more.last_success),
        }
    }
}

fn outcome(progress: &Progress) -> Option<(RunStatus, Option<Exit>)> {
    let (status, exit) = match progress.verdict.as_ref()? {
        Verdict::Succeeded => (RunStatus::Succeeded, None),
        Verdict::Failed(failure) => (RunStatus::Failed, failure.exit),
        Verdict::TimedOut(failure) => (RunStatus::TimedOut, failure.exit),
        Verdict::Cancelled { .. } => (RunStatus::Cancelled, None),
        Verdict::Lost { .. } => (RunStatus::Lost, None),
    };
    Some((status, exit.or(progress.exit)))
}

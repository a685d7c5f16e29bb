//! Triggers: pure functions from an instant to the next fire time.
//!
//! Owns every rule that says *when*. It must not know jobs, runs or the clock. Every trigger answers
//! strictly after the instant it is asked for, or "never", in bounded time.

mod all;
mod any;
mod at;
mod cron;
mod describe;
mod every;
mod preview;
mod search;
mod spec;

use std::sync::Arc;
use std::time::Duration;

pub use at::AtError;
pub use preview::Preview;

use super::civil::Zone;
use super::cron::{Cron, DstRules};
use super::instant::Timestamp;
use super::name::Name;

/// What makes a job due.
#[derive(Clone, Debug, PartialEq)]
pub enum Firing {
    /// The clock; jobs with the same schedule share it.
    Clock(Arc<Schedule>),
    /// `on = "startup"`.
    Startup,
    /// `on = "shutdown"`.
    Shutdown,
    /// Other jobs' ends: all of them since the job's own last start. A thin pointer: every job has room for it.
    After(Arc<Vec<Dependency>>),
}

impl Firing {
    /// Returns the jobs whose ends are waited for; a clock waits for none.
    pub fn dependencies(&self) -> &[Dependency] {
        match self {
            Firing::After(dependencies) => dependencies,
            Firing::Clock(_) | Firing::Startup | Firing::Shutdown => &[],
        }
    }
}

/// One job whose end another job waits for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Dependency {
    /// The job waited for.
    pub job: Name,
    /// Which of its ends counts.
    pub on: DependencyOn,
}

/// Which end of a job counts for those that wait for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DependencyOn {
    /// `succeeded`.
    Success,
    /// `failed`, `timed_out` or `lost`.
    Failure,
    /// Any final status of a run that was started.
    Any,
}

/// A clock trigger with the bounds around it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Schedule {
    /// The rule.
    pub trigger: Trigger,
    /// The zone whose wall clock it reads, and in which it is shown.
    pub zone: Zone,
    /// No fire time before this instant.
    pub start: Option<Timestamp>,
    /// No fire time after this instant.
    pub end: Option<Timestamp>,
    /// The longest delay put on top of a fire time.
    pub jitter: Duration,
}

/// What a time change did to a fire time, for `next` and the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FireNote {
    /// The wall time does not exist that day: moved to the end of the gap (docs/time.md rule 27).
    Gap,
    /// The wall time comes twice that day: this is the first pass (rule 29).
    FoldFirst,
    /// The wall time comes twice that day: this is the second pass.
    FoldSecond,
}

/// A rule that says when; see the file of each kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Trigger {
    /// `cron = "..."` or `cron = { .. }`.
    Cron(Box<CronTrigger>),
    /// `every = "..."`: `anchor + k * interval`, k >= 1 (or k >= 0 where the schedule has a `start`).
    Every(Duration),
    /// `at = "..."`.
    At(At),
    /// `any = [..]`: the earliest of its members.
    Any(Box<[Schedule]>),
    /// `all = [..]`: the instants on which all members agree.
    All(Box<[Schedule]>),
}

/// A cron expression and what time changes do to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CronTrigger {
    /// The compiled expression.
    pub cron: Cron,
    /// What time changes do to it when it is fixed-time.
    pub dst: DstRules,
}

/// One instant, with the wall time it was written as.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct At {
    /// The instant.
    pub at: Timestamp,
    /// As written.
    pub text: Box<str>,
    /// What a time change did to it.
    pub note: Option<FireNote>,
}

/// Fire times of a stretch of time, counted without a list of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fires {
    /// How many; at least 1.
    pub count: u64,
    /// The first of them.
    pub first: Timestamp,
    /// The last of them.
    pub last: Timestamp,
}

impl Schedule {
    /// Says what a time change did to a fire time of this schedule.
    pub fn note_at(&self, at: Timestamp) -> Option<FireNote> {
        match &self.trigger {
            Trigger::Cron(cron) => cron.note_at(&self.zone, at),
            Trigger::Every(_) => None,
            Trigger::At(instant) => instant.note,
            Trigger::Any(members) | Trigger::All(members) => {
                members.iter().filter(|member| member.could_fire_at(at)).find_map(|member| member.note_at(at))
            }
        }
    }

    /// Says whether an instant is a fire time, leaving intervals out: they have an anchor, and nothing to note.
    fn could_fire_at(&self, at: Timestamp) -> bool {
        let within = self.start.is_none_or(|start| start <= at) && self.end.is_none_or(|end| at <= end);
        within
            && match &self.trigger {
                Trigger::Cron(cron) => cron.next_after(&self.zone, search::before(at)) == Some(at),
                Trigger::Every(_) => false,
                Trigger::At(instant) => instant.at == at,
                Trigger::Any(members) | Trigger::All(members) => {
                    members.iter().any(|member| member.could_fire_at(at))
                }
            }
    }

    /// Says whether there can be a fire time at all; a cron date that never comes has none (docs/time.md rule 23).
    pub fn fires_at_all(&self) -> bool {
        match &self.trigger {
            Trigger::Cron(cron) => cron.cron.fires_at_all(),
            Trigger::Every(_) | Trigger::At(_) => true,
            Trigger::Any(members) => members.iter().any(Schedule::fires_at_all),
            Trigger::All(members) => members.iter().all(Schedule::fires_at_all),
        }
    }
}

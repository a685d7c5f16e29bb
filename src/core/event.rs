//! Events: what the daemon tells the world, in one durable sequence.

use super::instant::Timestamp;
use super::name::Name;
use super::run::{Exit, Reason, RunId, RunStatus};

/// What happened; the names are fixed by docs/design.md section 6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    DaemonStarted,
    DaemonStopped,
    DaemonHeld,
    DaemonReleased,
    DaemonDegraded,
    DaemonRecovered,
    DaemonRestored,
    JobsLoaded,
    JobsCleared,
    JobAdded,
    JobReplaced,
    JobEdited,
    JobRescheduled,
    JobPaused,
    JobResumed,
    JobRemoved,
    JobFinished,
    JobBroken,
    JobOverdue,
    PoolAdded,
    PoolRemoved,
    RunQueued,
    RunStarted,
    RunRetrying,
    RunSucceeded,
    RunFailed,
    RunTimedOut,
    RunCancelled,
    RunMissed,
    RunSkipped,
    RunLost,
    RunOverdue,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [EventKind; 32] = [
        EventKind::DaemonStarted,
        EventKind::DaemonStopped,
        EventKind::DaemonHeld,
        EventKind::DaemonReleased,
        EventKind::DaemonDegraded,
        EventKind::DaemonRecovered,
        EventKind::DaemonRestored,
        EventKind::JobsLoaded,
        EventKind::JobsCleared,
        EventKind::JobAdded,
        EventKind::JobReplaced,
        EventKind::JobEdited,
        EventKind::JobRescheduled,
        EventKind::JobPaused,
        EventKind::JobResumed,
        EventKind::JobRemoved,
        EventKind::JobFinished,
        EventKind::JobBroken,
        EventKind::JobOverdue,
        EventKind::PoolAdded,
        EventKind::PoolRemoved,
        EventKind::RunQueued,
        EventKind::RunStarted,
        EventKind::RunRetrying,
        EventKind::RunSucceeded,
        EventKind::RunFailed,
        EventKind::RunTimedOut,
        EventKind::RunCancelled,
        EventKind::RunMissed,
        EventKind::RunSkipped,
        EventKind::RunLost,
        EventKind::RunOverdue,
    ];

    /// Returns the event's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            EventKind::DaemonStarted => "daemon.started",
            EventKind::DaemonStopped => "daemon.stopped",
            EventKind::DaemonHeld => "daemon.held",
            EventKind::DaemonReleased => "daemon.released",
            EventKind::DaemonDegraded => "daemon.degraded",
            EventKind::DaemonRecovered => "daemon.recovered",
            EventKind::DaemonRestored => "daemon.restored",
            EventKind::JobsLoaded => "jobs.loaded",
            EventKind::JobsCleared => "jobs.cleared",
            EventKind::JobAdded => "job.added",
            EventKind::JobReplaced => "job.replaced",
            EventKind::JobEdited => "job.edited",
            EventKind::JobRescheduled => "job.rescheduled",
            EventKind::JobPaused => "job.paused",
            EventKind::JobResumed => "job.resumed",
            EventKind::JobRemoved => "job.removed",
            EventKind::JobFinished => "job.finished",
            EventKind::JobBroken => "job.broken",
            EventKind::JobOverdue => "job.overdue",
            EventKind::PoolAdded => "pool.added",
            EventKind::PoolRemoved => "pool.removed",
            EventKind::RunQueued => "run.queued",
            EventKind::RunStarted => "run.started",
            EventKind::RunRetrying => "run.retrying",
            EventKind::RunSucceeded => "run.succeeded",
            EventKind::RunFailed => "run.failed",
            EventKind::RunTimedOut => "run.timed_out",
            EventKind::RunCancelled => "run.cancelled",
            EventKind::RunMissed => "run.missed",
            EventKind::RunSkipped => "run.skipped",
            EventKind::RunLost => "run.lost",
            EventKind::RunOverdue => "run.overdue",
        }
    }

    /// Finds the kind for a name.
    pub fn from_word(word: &str) -> Option<Self> {
        EventKind::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Returns the event that says that a run has come to this status.
    pub const fn of_run(status: RunStatus) -> Self {
        match status {
            RunStatus::Queued => EventKind::RunQueued,
            RunStatus::Running => EventKind::RunStarted,
            RunStatus::Retrying => EventKind::RunRetrying,
            RunStatus::Succeeded => EventKind::RunSucceeded,
            RunStatus::Failed => EventKind::RunFailed,
            RunStatus::TimedOut => EventKind::RunTimedOut,
            RunStatus::Cancelled => EventKind::RunCancelled,
            RunStatus::Missed => EventKind::RunMissed,
            RunStatus::Skipped => EventKind::RunSkipped,
            RunStatus::Lost => EventKind::RunLost,
        }
    }
}

/// One event, before the store gives it its place in the sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When it happened, by the wall clock.
    pub at: Timestamp,
    /// What happened.
    pub kind: EventKind,
    /// The job it is about.
    pub job: Option<Name>,
    /// The run it is about.
    pub run: Option<RunId>,
    /// Which attempt of the run.
    pub attempt: Option<u32>,
    /// The run's fire time (the last one of a row that stands for several).
    pub fire_time: Option<Timestamp>,
    /// How the attempt ended.
    pub exit: Option<Exit>,
    /// Why.
    pub reason: Option<Reason>,
    /// Free text for people: an error message, a reason somebody gave, a file name.
    pub detail: Option<String>,
}

impl Event {
    /// Makes an event that is about nothing in particular; fields are filled in by the caller.
    pub const fn new(at: Timestamp, kind: EventKind) -> Self {
        Event {
            at,
            kind,
            job: None,
            run: None,
            attempt: None,
            fire_time: None,
            exit: None,
            reason: None,
            detail: None,
        }
    }
}

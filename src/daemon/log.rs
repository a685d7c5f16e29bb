//! Events in the daemon's log: what goes wrong as warnings, what becomes of the daemon and its jobs as information,
//! the course of runs that go well as details.

use std::fmt;

use tracing::field::{debug, display};

use crate::core::event::{Event, EventKind};
use crate::core::run::Exit;

/// How much an event matters to somebody who reads the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weight {
    Warning,
    Information,
    Detail,
}

/// Writes an event to the log.
pub(super) fn tell(event: &Event) {
    let job = event.job.as_ref().map(display);
    let run = event.run.map(display);
    let exit = event.exit.map(ExitWords).map(display);
    let reason = event.reason.map(|reason| display(reason.as_str()));
    let detail = event.detail.as_ref().map(debug);
    let what = event.kind.as_str();
    match weight(event.kind) {
        Weight::Warning => tracing::warn!(job, run, exit, reason, detail, "{what}"),
        Weight::Information => tracing::info!(job, run, exit, reason, detail, "{what}"),
        Weight::Detail => tracing::debug!(job, run, exit, reason, detail, "{what}"),
    }
}

/// Says how a run ended, where somebody reads it.
struct ExitWords(Exit);

impl fmt::Display for ExitWords {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Exit::Code(code) => write!(out, "code {code}"),
            Exit::Signal(signal) => write!(out, "signal {}", crate::core::signal::name(signal)),
        }
    }
}

const fn weight(kind: EventKind) -> Weight {
    match kind {
        EventKind::DaemonDegraded
        | EventKind::JobBroken
        | EventKind::JobOverdue
        | EventKind::RunFailed
        | EventKind::RunTimedOut
        | EventKind::RunMissed
        | EventKind::RunLost
        | EventKind::RunOverdue => Weight::Warning,
        EventKind::DaemonStarted
        | EventKind::DaemonStopped
        | EventKind::DaemonHeld
        | EventKind::DaemonReleased
        | EventKind::DaemonRecovered
        | EventKind::DaemonRestored
        | EventKind::JobsLoaded
        | EventKind::JobsCleared
        | EventKind::JobAdded
        | EventKind::JobReplaced
        | EventKind::JobEdited
        | EventKind::JobRescheduled
        | EventKind::JobPaused
        | EventKind::JobResumed
        | EventKind::JobRemoved
        | EventKind::JobFinished
        | EventKind::PoolAdded
        | EventKind::PoolRemoved
        | EventKind::RunCancelled => Weight::Information,
        EventKind::RunQueued
        | EventKind::RunStarted
        | EventKind::RunRetrying
        | EventKind::RunSucceeded
        | EventKind::RunSkipped => Weight::Detail,
    }
}

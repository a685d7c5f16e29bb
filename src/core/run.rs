//! The life of one run: its statuses, why it ended, and the one function that moves it on.
//!
//! Owns the state table. It must not know who causes an event or what is done about it.
//!
//! ```text
//! queued ──start──▶ running ──succeed─▶ succeeded
//!   │ ▲               │ ├────fail────▶ failed
//!   │ └ (claimed,     │ ├────time out▶ timed_out
//!   │    waiting)     │ ├────cancel──▶ cancelled
//!   │                 │ ├────lose────▶ lost
//!   │                 │ └────retry───▶ retrying ──start──▶ running
//!   └─ fail, cancel, miss, skip, lose, retry
//! ```

use std::fmt;
use std::time::Duration;

/// The number of a run, unique in its store and increasing; people type it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub u64);

impl fmt::Display for RunId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RunStatus {
    /// Claimed; waits for its instant, its commit, an instance or a worker.
    Queued,
    /// An attempt is alive.
    Running,
    /// An attempt has failed and the next one is due later.
    Retrying,
    /// Ended well.
    Succeeded,
    /// Ended badly, or could not be started.
    Failed,
    /// Ended by its time limit.
    TimedOut,
    /// Ended, or never started, because somebody said so.
    Cancelled,
    /// Its fire time passed without a start.
    Missed,
    /// It was due and deliberately not started.
    Skipped,
    /// It was started, or may have been, and its end is unknown.
    Lost,
}

impl RunStatus {
    /// Every status, in the order of the design.
    pub const ALL: [RunStatus; 10] = [
        RunStatus::Queued,
        RunStatus::Running,
        RunStatus::Retrying,
        RunStatus::Succeeded,
        RunStatus::Failed,
        RunStatus::TimedOut,
        RunStatus::Cancelled,
        RunStatus::Missed,
        RunStatus::Skipped,
        RunStatus::Lost,
    ];

    /// Returns the word for the status, as in the store, in JSON and on screen.
    pub const fn as_str(self) -> &'static str {
        match self {
            RunStatus::Queued => "queued",
            RunStatus::Running => "running",
            RunStatus::Retrying => "retrying",
            RunStatus::Succeeded => "succeeded",
            RunStatus::Failed => "failed",
            RunStatus::TimedOut => "timed_out",
            RunStatus::Cancelled => "cancelled",
            RunStatus::Missed => "missed",
            RunStatus::Skipped => "skipped",
            RunStatus::Lost => "lost",
        }
    }

    /// Finds the status for a word.
    pub fn from_word(word: &str) -> Option<Self> {
        RunStatus::ALL.into_iter().find(|status| status.as_str() == word)
    }

    /// Says whether the run is over for good.
    pub const fn is_final(self) -> bool {
        !matches!(self, RunStatus::Queued | RunStatus::Running | RunStatus::Retrying)
    }
}

impl fmt::Display for RunStatus {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.as_str())
    }
}

/// What happens to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RunEvent {
    /// An attempt starts.
    Start,
    /// The last attempt ended well.
    Succeed,
    /// The last attempt failed, or could not be started.
    Fail,
    /// The last attempt reached its time limit.
    TimeOut,
    /// Somebody cancelled the run and it is dead, or was never started.
    Cancel,
    /// An attempt failed and another is allowed.
    Retry,
    /// The grace is over before a start.
    Miss,
    /// A rule of the job forbids the start.
    Skip,
    /// The end can no longer be known.
    Lose,
}

impl RunEvent {
    /// Every event.
    pub const ALL: [RunEvent; 9] = [
        RunEvent::Start,
        RunEvent::Succeed,
        RunEvent::Fail,
        RunEvent::TimeOut,
        RunEvent::Cancel,
        RunEvent::Retry,
        RunEvent::Miss,
        RunEvent::Skip,
        RunEvent::Lose,
    ];
}

/// An event that cannot happen to a run in this status: a defect of the caller, never of the outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a {status} run cannot {event:?}")]
pub struct IllegalTransition {
    /// Where the run stood.
    pub status: RunStatus,
    /// What was said to have happened.
    pub event: RunEvent,
}

/// Moves a run on: the only place where a status changes.
///
/// # Errors
/// [`IllegalTransition`] for the pairs that have no meaning; a final status never changes.
pub const fn transition(status: RunStatus, event: RunEvent) -> Result<RunStatus, IllegalTransition> {
    use RunEvent as E;
    use RunStatus as S;
    let next = match (status, event) {
        (S::Queued | S::Retrying, E::Start) => S::Running,
        (S::Running, E::Succeed) => S::Succeeded,
        (S::Queued | S::Running | S::Retrying, E::Fail) => S::Failed,
        (S::Running, E::TimeOut) => S::TimedOut,
        (S::Queued | S::Running | S::Retrying, E::Cancel) => S::Cancelled,
        (S::Queued | S::Running | S::Retrying, E::Retry) => S::Retrying,
        (S::Queued, E::Miss) => S::Missed,
        (S::Queued, E::Skip) => S::Skipped,
        (S::Queued | S::Running | S::Retrying, E::Lose) => S::Lost,
        (S::Running, E::Start | E::Miss | E::Skip)
        | (S::Queued | S::Retrying, E::Succeed | E::TimeOut)
        | (S::Retrying, E::Miss | E::Skip)
        | (
            S::Succeeded | S::Failed | S::TimedOut | S::Cancelled | S::Missed | S::Skipped | S::Lost,
            E::Start | E::Succeed | E::Fail | E::TimeOut | E::Cancel | E::Retry | E::Miss | E::Skip | E::Lose,
        ) => return Err(IllegalTransition { status, event }),
    };
    Ok(next)
}

/// Why a run exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// Its trigger said so.
    Schedule,
    /// A person or script asked for it (`run-now`).
    Manual,
    /// The daemon or the machine started.
    Startup,
    /// The daemon is stopping.
    Shutdown,
    /// Another job ended.
    After,
    /// The run it replaces was lost (`on_lost = "rerun"`).
    Rerun,
    /// `exec`: in the foreground, outside the ledger.
    Exec,
}

impl Source {
    /// Every source.
    pub const ALL: [Source; 7] = [
        Source::Schedule,
        Source::Manual,
        Source::Startup,
        Source::Shutdown,
        Source::After,
        Source::Rerun,
        Source::Exec,
    ];

    /// Returns the word for the source, as in `JOBCTL_SOURCE`, the store and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Source::Schedule => "schedule",
            Source::Manual => "manual",
            Source::Startup => "startup",
            Source::Shutdown => "shutdown",
            Source::After => "after",
            Source::Rerun => "rerun",
            Source::Exec => "exec",
        }
    }

    /// Finds the source for a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Source::ALL.into_iter().find(|source| source.as_str() == word)
    }
}

/// Why a run has the status it has; absent where the status says it all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// `max_instances` runs of the job were alive.
    Busy,
    /// The job was paused.
    Paused,
    /// The whole scheduler was held.
    Held,
    /// It was later than its grace allows.
    Grace,
    /// Another run stands for this fire time.
    Coalesced,
    /// The daemon was stopping.
    Stopping,
    /// The job was removed, or its definition changed, before the start.
    Removed,
    /// The job was disabled before the start.
    Disabled,
    /// `on_busy = "replace"` ended it in favour of a newer run.
    Replaced,
    /// A client cancelled it.
    Cancelled,
    /// It could not be started; the detail says why.
    StartFailed,
    /// A `before` hook failed.
    HookFailed,
    /// A command ended with a non-zero code.
    ExitCode,
    /// A command died by a signal.
    Signal,
    /// The time limit was reached.
    Timeout,
    /// `output = "json"` and the output does not end in a JSON document.
    Output,
    /// The daemon stopped or died and the end went unseen.
    EndUnseen,
    /// The machine went down with the run alive.
    Reboot,
    /// Whether it was started at all cannot be told.
    StartUnknown,
    /// The store was put back from an older copy, or made anew: what became of it is not written anywhere.
    Restored,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Reason; 20] = [
        Reason::Busy,
        Reason::Paused,
        Reason::Held,
        Reason::Grace,
        Reason::Coalesced,
        Reason::Stopping,
        Reason::Removed,
        Reason::Disabled,
        Reason::Replaced,
        Reason::Cancelled,
        Reason::StartFailed,
        Reason::HookFailed,
        Reason::ExitCode,
        Reason::Signal,
        Reason::Timeout,
        Reason::Output,
        Reason::EndUnseen,
        Reason::Reboot,
        Reason::StartUnknown,
        Reason::Restored,
    ];

    /// Returns the word for the reason, as in the store and in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Reason::Busy => "busy",
            Reason::Paused => "paused",
            Reason::Held => "held",
            Reason::Grace => "grace",
            Reason::Coalesced => "coalesced",
            Reason::Stopping => "stopping",
            Reason::Removed => "removed",
            Reason::Disabled => "disabled",
            Reason::Replaced => "replaced",
            Reason::Cancelled => "cancelled",
            Reason::StartFailed => "start_failed",
            Reason::HookFailed => "hook_failed",
            Reason::ExitCode => "exit_code",
            Reason::Signal => "signal",
            Reason::Timeout => "timeout",
            Reason::Output => "output",
            Reason::EndUnseen => "end_unseen",
            Reason::Reboot => "reboot",
            Reason::StartUnknown => "start_unknown",
            Reason::Restored => "restored",
        }
    }

    /// Finds the reason for a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Reason::ALL.into_iter().find(|reason| reason.as_str() == word)
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exit {
    /// It exited with this code.
    Code(u8),
    /// A signal of this number ended it.
    Signal(u8),
}

impl Exit {
    /// Says whether this is the one good end, code 0.
    pub const fn is_success(self) -> bool {
        matches!(self, Exit::Code(0))
    }

    /// Returns the code as a shell reports it: the code, or 128 + the signal.
    pub const fn shell_code(self) -> u8 {
        match self {
            Exit::Code(code) => code,
            Exit::Signal(signal) => 128u8.saturating_add(signal),
        }
    }
}

/// What a run used, as the kernel accounts for it (getrusage(2) of the ended children).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time in user mode.
    pub user: Duration,
    /// CPU time in the kernel.
    pub system: Duration,
    /// The largest resident set of one process, bytes.
    pub peak_memory: u64,
}

impl Usage {
    /// Adds the use of another process of the same run: times add up, the peak is the larger one.
    #[must_use]
    pub fn with(self, other: Usage) -> Usage {
        Usage {
            user: self.user.saturating_add(other.user),
            system: self.system.saturating_add(other.system),
            peak_memory: self.peak_memory.max(other.peak_memory),
        }
    }
}

/// What identifies a live process beyond its pid, which the kernel gives out again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProcessMark {
    /// The process id, which is also its process group.
    pub pid: i32,
    /// Start time in clock ticks since boot: field 22 of /proc/PID/stat (proc(5)).
    pub start_ticks: u64,
}

#[cfg(test)]
mod tests {
    use super::{Reason, RunEvent, RunStatus, Source, transition};

    /// The whole table: status, then the events it takes and where they lead. What is not listed is illegal.
    const TABLE: &[(RunStatus, &[(RunEvent, RunStatus)])] = &[
        (
            RunStatus::Queued,
            &[
                (RunEvent::Start, RunStatus::Running),
                (RunEvent::Fail, RunStatus::Failed),
                (RunEvent::Cancel, RunStatus::Cancelled),
                (RunEvent::Retry, RunStatus::Retrying),
                (RunEvent::Miss, RunStatus::Missed),
                (RunEvent::Skip, RunStatus::Skipped),
                (RunEvent::Lose, RunStatus::Lost),
            ],
        ),
        (
            RunStatus::Running,
            &[
                (RunEvent::Succeed, RunStatus::Succeeded),
                (RunEvent::Fail, RunStatus::Failed),
                (RunEvent::TimeOut, RunStatus::TimedOut),
                (RunEvent::Cancel, RunStatus::Cancelled),
                (RunEvent::Retry, RunStatus::Retrying),
                (RunEvent::Lose, RunStatus::Lost),
            ],
        ),
        (
            RunStatus::Retrying,
            &[
                (RunEvent::Start, RunStatus::Running),
                (RunEvent::Fail, RunStatus::Failed),
                (RunEvent::Cancel, RunStatus::Cancelled),
                (RunEvent::Retry, RunStatus::Retrying),
                (RunEvent::Lose, RunStatus::Lost),
            ],
        ),
    ];

    #[test]
    fn every_pair_of_status_and_event_is_as_the_table_says() {
        for status in RunStatus::ALL {
            let legal = TABLE.iter().find(|(s, _)| *s == status).map_or(&[][..], |(_, legal)| legal);
            for event in RunEvent::ALL {
                let expected = legal.iter().find(|(e, _)| *e == event).map(|(_, to)| *to);
                assert_eq!(transition(status, event).ok(), expected, "{status} {event:?}");
            }
            assert_eq!(status.is_final(), legal.is_empty(), "{status}");
        }
    }

    #[test]
    fn words_go_back_and_forth() {
        for status in RunStatus::ALL {
            assert_eq!(RunStatus::from_word(status.as_str()), Some(status));
        }
        for source in Source::ALL {
            assert_eq!(Source::from_word(source.as_str()), Some(source));
        }
        for reason in Reason::ALL {
            assert_eq!(Reason::from_word(reason.as_str()), Some(reason));
        }
    }
}

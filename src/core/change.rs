//! Changes: the language in which the core tells the store what to make durable.
//!
//! A change is a decision already taken. The store applies many of them in one transaction, in order, and
//! answers for each whether it was applied; only a [`Change::Claim`] can be refused (somebody else holds
//! the occurrence).

use std::time::Duration;

use super::event::Event;
use super::instant::Timestamp;
use super::name::Name;
use super::run::{Exit, ProcessMark, Reason, RunId, RunStatus, Source, Usage};
use super::trigger::FireNote;

/// One durable change.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Takes an occurrence (or a manual request): inserts a `queued` run and moves the job's cursor.
    /// Refused, with nothing written, when the ledger already has a row for (job, fire time).
    Claim(Claim),
    /// Records fire times that led to no run, one row for all of them, and moves the job's cursor.
    /// An occurrence that already has a row is left as it is.
    Gap(Gap),
    /// An attempt of a run has started.
    Started { run: RunId, attempt: u32, at: Timestamp, process: Option<ProcessMark> },
    /// The run waits for its next attempt.
    Retrying {
        run: RunId,
        attempt: u32,
        retry_at: Timestamp,
        reason: Reason,
        detail: Option<String>,
        exit: Option<Exit>,
    },
    /// A run that is alive is brought to its end; a daemon that finds it later goes on with that.
    Ending { run: RunId, reason: Reason, detail: Option<String>, at: Timestamp },
    /// A command of a run with several, or one attempt of several, has ended.
    Step { run: RunId, step: StepRecord },
    /// The run is over.
    Finished(Finish),
    /// Sets a job's cursor: every fire time up to it has its outcome.
    Cursor { job: Name, cursor: Timestamp },
    /// Begins to keep a job's schedule, or begins anew because its trigger has changed.
    Track { job: Name, cursor: Timestamp, anchor: Timestamp, trigger: String },
    /// Sets or ends a job's pause.
    Pause { job: Name, pause: Option<Pause> },
    /// Remembers which dependencies of an `after` job have come true since its last start.
    Satisfied { job: Name, dependencies: Vec<Name> },
    /// Remembers in which boot a startup job last ran.
    StartupBoot { job: Name, boot_id: String },
    /// Somebody was told that a job has not succeeded since then for longer than it should.
    Overdue { job: Name, since: Timestamp },
    /// Stores the definition of an added job as a TOML fragment; replaces an earlier one.
    Define { job: Name, toml: String },
    /// Deletes the definition and the state of an added job; its history stays.
    Undefine { job: Name },
    /// Forgets the state of a job that left the job file; its history stays.
    Forget { job: Name },
    /// Holds or releases the whole scheduler.
    Hold(Option<Hold>),
    /// Notes how far the wall clock has come, for a later start with a wrong clock.
    Heartbeat { at: Timestamp },
    /// Everything that may have run between a copy of the store and its restore has its row: the mark of the
    /// restore goes, in the same transaction as those rows.
    RestoreSettled,
    /// Writes the job set's history: one row for each change of the set.
    Revision(Revision),
    /// Cuts `missed` and `skipped` rows back to what lies at or before `now`, after the clock was set back;
    /// rows that would keep nothing are deleted.
    Retract { job: Name, rows: Vec<Retraction> },
    /// Queues a notice for a notifier.
    Notify(Notice),
    /// Appends to the event sequence.
    Event(Event),
}

/// The claim of an occurrence, or of a manual request.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// The run's number.
    pub run: RunId,
    /// Its job.
    pub job: Name,
    /// The nominal fire time; `None` for a manual request.
    pub fire_time: Option<Timestamp>,
    /// The job's cursor once this is committed; `None` leaves it.
    pub cursor: Option<Timestamp>,
    /// Why the run exists.
    pub source: Source,
    /// When it was claimed.
    pub queued_at: Timestamp,
    /// When it may start: the fire time and its jitter.
    pub due_at: Timestamp,
    /// How many attempts it may have, at least 1.
    pub attempts: u32,
    /// How many other fire times it stands for.
    pub coalesced: u64,
    /// What a time change did to the fire time.
    pub note: Option<FireNote>,
    /// Its priority among waiting runs.
    pub priority: i32,
    /// The pool of which it takes a worker.
    pub pool: Option<Name>,
    /// Extra arguments of a manual request.
    pub args: Vec<String>,
    /// True: it goes past the instance limit.
    pub forced: bool,
}

/// Fire times that led to no run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The row's number, from the same sequence as runs.
    pub run: RunId,
    /// The job.
    pub job: Name,
    /// `missed` or `skipped`; `lost` where a restore made them unknown.
    pub status: RunStatus,
    /// Why.
    pub reason: Reason,
    /// More about the reason, for people.
    pub detail: Option<String>,
    /// The first fire time.
    pub first: Timestamp,
    /// The last fire time; the first again when there is one only.
    pub last: Timestamp,
    /// How many fire times.
    pub count: u64,
    /// When this was decided.
    pub at: Timestamp,
    /// The job's cursor once this is committed; `None` leaves it.
    pub cursor: Option<Timestamp>,
}

/// The end of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Finish {
    /// The run.
    pub run: RunId,
    /// Its final status.
    pub status: RunStatus,
    /// Why, where the status does not say it all.
    pub reason: Option<Reason>,
    /// More about the reason, for people.
    pub detail: Option<String>,
    /// When it ended.
    pub at: Timestamp,
    /// From the first start to the end, by the monotonic clock; `None` if it never started or is unknown.
    pub duration: Option<Duration>,
    /// How the deciding command ended.
    pub exit: Option<Exit>,
    /// What the run used, all its processes together.
    pub usage: Option<Usage>,
    /// The last JSON document of the output, with `output = "json"`.
    pub result: Option<String>,
}

/// One command of a run: a step, a hook or an attempt of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepRecord {
    /// The attempt it belongs to, from 1.
    pub attempt: u32,
    /// Its place in the attempt, from 0, hooks included.
    pub position: u32,
    /// Its name: the step's, or `before`, `after_run`, `on_success`, `on_failure` with a number.
    pub name: String,
    /// How it ended: `succeeded`, `failed`, `timed_out`, `cancelled`, `skipped` or `lost`.
    pub status: RunStatus,
    /// When it started, if it did.
    pub started_at: Option<Timestamp>,
    /// How long it lasted.
    pub duration: Option<Duration>,
    /// Its exit.
    pub exit: Option<Exit>,
    /// Byte in the run's output file at which its output begins.
    pub output_offset: Option<u64>,
    /// Why it failed to start, and the like.
    pub detail: Option<String>,
}

/// A job's pause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// Since when.
    pub at: Timestamp,
    /// Until when; `None` = until somebody resumes it.
    pub until: Option<Timestamp>,
    /// The reason somebody gave.
    pub reason: Option<String>,
}

/// The hold of the whole scheduler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Since when.
    pub at: Timestamp,
    /// The reason somebody gave.
    pub reason: Option<String>,
}

/// The mark a restore leaves in the store, until the first start of the daemon has settled it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// When the store was put back or made anew. What was due before may have run.
    pub at: Timestamp,
    /// The boot of the machine in which that was.
    pub boot_id: String,
}

/// One change of the job set: who did what to which job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// When.
    pub at: Timestamp,
    /// What was done: the event's name says it (`job.added`, `job.replaced`, `job.edited`, ...).
    pub action: super::event::EventKind,
    /// To which job.
    pub job: Name,
    /// The definition before, as TOML; `None` = there was none.
    pub before: Option<String>,
    /// The definition after, as TOML; `None` = there is none.
    pub after: Option<String>,
    /// By whom.
    pub by: Actor,
}

/// Who asked for a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// The daemon itself, from the job file.
    JobFile,
    /// A client on the socket.
    Client {
        /// The peer's user id.
        uid: u32,
        /// The peer's process id.
        pid: i32,
    },
}

/// A `missed` or `skipped` row cut back after the clock was set back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retraction {
    /// The row.
    pub run: RunId,
    /// What remains of it: the last fire time and the count, or `None` = nothing.
    pub remains: Option<(Timestamp, u64)>,
}

/// What a notifier is to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Which notifier.
    pub notifier: Name,
    /// About which job.
    pub job: Name,
    /// About which run, if one is meant.
    pub run: Option<RunId>,
    /// When it became true.
    pub at: Timestamp,
    /// What became true.
    pub kind: NoticeKind,
}

/// What became true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoticeKind {
    /// A run started (pings only).
    Started,
    /// A run ended well.
    Succeeded,
    /// A run ended badly.
    Failed,
    /// A run ended well after one that did not.
    Recovered,
    /// The job has not succeeded for longer than it should, or a run lasts for longer than it should.
    Overdue,
}

impl NoticeKind {
    /// Every kind.
    pub const ALL: [NoticeKind; 5] = [
        NoticeKind::Started,
        NoticeKind::Succeeded,
        NoticeKind::Failed,
        NoticeKind::Recovered,
        NoticeKind::Overdue,
    ];

    /// Returns the word for the kind, as in the store and in messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            NoticeKind::Started => "started",
            NoticeKind::Succeeded => "succeeded",
            NoticeKind::Failed => "failed",
            NoticeKind::Recovered => "recovered",
            NoticeKind::Overdue => "overdue",
        }
    }

    /// Finds the kind for a word.
    pub fn from_word(word: &str) -> Option<Self> {
        NoticeKind::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

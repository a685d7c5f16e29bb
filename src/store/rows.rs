//! Rows as the store hands them out: its own types, in the core's words.

use std::time::Duration;

use crate::core::change::{Actor, NoticeKind, Pause};
use crate::core::event::EventKind;
use crate::core::instant::Timestamp;
use crate::core::name::Name;
use crate::core::run::{Exit, ProcessMark, Reason, RunId, RunStatus, Source, Usage};
use crate::core::trigger::FireNote;

/// Why a question to the store has no answer.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// SQLite could not answer.
    #[error("the store cannot be read: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A row holds a word that this version does not know.
    #[error("the store has {word:?} for {column}, which this version does not know")]
    Unknown {
        /// The column.
        column: &'static str,
        /// What is in it.
        word: String,
    },
}

/// One row of the ledger.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRow {
    /// Its number.
    pub run: RunId,
    /// Its job.
    pub job: Name,
    /// The nominal fire time; the last one of a row that stands for several; `None` for a manual run.
    pub fire_time: Option<Timestamp>,
    /// The first fire time of a row that stands for several.
    pub first_fire_time: Option<Timestamp>,
    /// How many fire times the row stands for; 1 for a run.
    pub occurrences: u64,
    /// Where it stands.
    pub status: RunStatus,
    /// Why, where the status does not say it all.
    pub reason: Option<Reason>,
    /// More about the reason.
    pub detail: Option<String>,
    /// Why it exists.
    pub source: Source,
    /// The attempt that is alive or was last; 0 before the first.
    pub attempt: u32,
    /// How many attempts it may have; 0 for fire times without a run.
    pub attempts: u32,
    /// When it was claimed or, without a run, decided.
    pub queued_at: Timestamp,
    /// When it could start at the earliest.
    pub due_at: Timestamp,
    /// When the first attempt started.
    pub started_at: Option<Timestamp>,
    /// When it was over; every final row has it.
    pub finished_at: Option<Timestamp>,
    /// When the next attempt is due.
    pub retry_at: Option<Timestamp>,
    /// From the first start to the end.
    pub duration: Option<Duration>,
    /// How the deciding command ended.
    pub exit: Option<Exit>,
    /// Its last known process.
    pub process: Option<ProcessMark>,
    /// The boot in which it was claimed or last started.
    pub boot_id: Option<String>,
    /// The host that claimed it.
    pub host: String,
    /// How many other fire times the run stands for.
    pub coalesced: u64,
    /// What a time change did to the fire time.
    pub note: Option<FireNote>,
    /// Its priority.
    pub priority: i32,
    /// The pool of which it takes a worker.
    pub pool: Option<Name>,
    /// Extra arguments of a manual request.
    pub args: Vec<String>,
    /// True: it goes past the instance limit.
    pub forced: bool,
    /// Since when it is brought to its end, if it is; while it is alive the reason says why.
    pub ending_at: Option<Timestamp>,
    /// What it used.
    pub usage: Option<Usage>,
    /// The JSON document it ended its output with.
    pub result: Option<String>,
}

/// Where a run stands, and since when: what a list of jobs shows of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// As in [`RunRow`], like the others.
    pub status: RunStatus,
    pub fire_time: Option<Timestamp>,
    pub queued_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
}

impl From<&RunRow> for Standing {
    fn from(row: &RunRow) -> Self {
        let RunRow { status, fire_time, queued_at, started_at, finished_at, .. } = *row;
        Standing { status, fire_time, queued_at, started_at, finished_at }
    }
}

/// One command of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct StepRow {
    /// The run.
    pub run: RunId,
    /// The attempt, from 1.
    pub attempt: u32,
    /// Its place in the attempt, from 0.
    pub position: u32,
    /// Its name.
    pub name: String,
    /// How it ended.
    pub status: RunStatus,
    /// When it started, if it did.
    pub started_at: Option<Timestamp>,
    /// How long it lasted.
    pub duration: Option<Duration>,
    /// Its exit.
    pub exit: Option<Exit>,
    /// Byte in the run's output at which its output begins.
    pub output_offset: Option<u64>,
    /// Why it failed to start, and the like.
    pub detail: Option<String>,
}

/// What is remembered of a job.
#[derive(Clone, Debug, PartialEq)]
pub struct JobStateRow {
    /// The job.
    pub name: Name,
    /// Every fire time up to here has its outcome.
    pub cursor: Option<Timestamp>,
    /// The origin of its intervals.
    pub anchor: Option<Timestamp>,
    /// The trigger with which the cursor was reached, as text.
    pub trigger: Option<String>,
    /// Its pause.
    pub pause: Option<Pause>,
    /// Dependencies that have come true since its last start.
    pub satisfied: Vec<Name>,
    /// The boot in which it last ran as a startup job.
    pub startup_boot: Option<String>,
    /// When it last succeeded.
    pub last_success: Option<Timestamp>,
    /// Whether its last started run ended well.
    pub well: Option<bool>,
    /// The beginning of the absence of a success of which somebody was told last.
    pub overdue_since: Option<Timestamp>,
}

/// One event with its place in the sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRow {
    /// Its place; increasing, never used twice.
    pub seq: u64,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub kind: EventKind,
    /// The job it is about.
    pub job: Option<Name>,
    /// The run it is about.
    pub run: Option<RunId>,
    /// Which attempt of the run.
    pub attempt: Option<u32>,
    /// The run's fire time.
    pub fire_time: Option<Timestamp>,
    /// How the attempt ended.
    pub exit: Option<Exit>,
    /// Why.
    pub reason: Option<Reason>,
    /// Free text for people.
    pub detail: Option<String>,
}

/// One change of the job set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevisionRow {
    /// Its number, increasing.
    pub id: u64,
    /// When.
    pub at: Timestamp,
    /// What was done.
    pub action: EventKind,
    /// To which job.
    pub job: Name,
    /// The definition before, as TOML.
    pub before: Option<String>,
    /// The definition after, as TOML.
    pub after: Option<String>,
    /// By whom.
    pub by: Actor,
}

/// A notice that waits for its notifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoticeRow {
    /// Its number, increasing.
    pub id: u64,
    /// Which notifier.
    pub notifier: Name,
    /// About which job.
    pub job: Name,
    /// About which run.
    pub run: Option<RunId>,
    /// What became true.
    pub kind: NoticeKind,
    /// When it became true.
    pub at: Timestamp,
    /// How often its delivery has failed.
    pub attempts: u32,
    /// When to try next.
    pub next_at: Timestamp,
}

/// Fire times that led to no run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GapRow {
    /// The row.
    pub run: RunId,
    /// Its job.
    pub job: Name,
    /// The first fire time.
    pub first: Timestamp,
    /// The last fire time.
    pub last: Timestamp,
    /// How many.
    pub count: u64,
}

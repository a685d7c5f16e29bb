//! Replies: what each method answers with. Every reply is an object with named fields.

use serde::{Deserialize, Serialize};

use super::views::{ChangeView, DiagnosticView, EventView, JobLine, JobView, NextView, RunView, StatusView};

/// The answer of a method that has nothing to tell: `Hold`, `Release`, `Stop`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Done {}

/// The answer of `Status`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    pub status: StatusView,
}

/// The answer of `List`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Jobs {
    pub jobs: Vec<JobView>,
}

/// The answer of `Overview`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Lines<'a> {
    #[serde(borrow)]
    pub jobs: Vec<JobLine<'a>>,
}

/// The answer of `Show`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Shown {
    pub job: JobView,
    /// The job's table, as in a job file.
    pub toml: String,
}

/// The answer of `Next`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FireTimes {
    pub next: NextView,
}

/// The answer of `History`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Runs {
    pub runs: Vec<RunView>,
}

/// The answer of `Run` and `Wait`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OneRun {
    pub run: RunView,
}

/// The answer of `Why`: what the ledger knows of a job around an instant; the client puts it into words.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    pub job: JobView,
    /// The instant asked about.
    pub at: String,
    /// The fire times next to the instant: the last one not after it, and the first one after it.
    pub last_fire_time: Option<String>,
    pub next_fire_time: Option<String>,
    /// The rows that cover or adjoin the instant, the oldest first.
    pub runs: Vec<RunView>,
    /// The events of the job, and of the daemon, around the instant, the oldest first.
    pub events: Vec<EventView>,
    /// The changes of the job's definition around the instant, the oldest first.
    pub changes: Vec<ChangeView>,
}

/// The answer of `Events`, one batch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Events {
    pub events: Vec<EventView>,
}

/// The answer of `Logs`, one piece.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Output {
    pub run_id: u64,
    /// Bytes that are not UTF-8 are replaced.
    pub text: String,
    /// Where in the output file this piece ends, in bytes.
    pub offset: u64,
}

/// The answer of `Export`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Exported {
    pub toml: String,
}

/// The answer of `Add` and `Reschedule`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Put {
    pub job: JobView,
    /// The run that `run_now` has started.
    pub run_id: Option<u64>,
    /// True when an earlier definition was replaced.
    pub replaced: bool,
    /// What works, but hardly as meant.
    pub warnings: Vec<DiagnosticView>,
}

/// The answer of `Edit`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Edited {
    pub job: JobView,
    /// The job's table before and after, as in a job file.
    pub before: String,
    pub after: String,
    pub warnings: Vec<DiagnosticView>,
}

/// The answer of `Remove`, `Pause` and `Resume`: the jobs it was done to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Names {
    pub names: Vec<String>,
}

/// The answer of `RunNow` and `Cancel`: the runs it started or ends.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunIds {
    pub runs: Vec<RunRef>,
}

/// A run and its job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRef {
    pub run_id: u64,
    pub job: String,
}

/// The answer of `Reload`: how many jobs there are, and what became of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reloaded {
    pub jobs: u64,
    pub added: u64,
    pub changed: u64,
    pub removed: u64,
    pub unchanged: u64,
    pub warnings: Vec<DiagnosticView>,
}

/// The answer of `Changes`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Changes {
    pub changes: Vec<ChangeView>,
}

/// The answer of `Undo`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Undone {
    /// The changes that were taken back, the latest first.
    pub undone: Vec<ChangeView>,
}

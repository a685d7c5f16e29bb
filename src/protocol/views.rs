//! Views: what clients are shown of jobs, runs, events and the daemon. Field names are the JSON contract of
//! docs/design.md section 6; instants are RFC 3339 text with offset, durations integers of milliseconds (`*_ms`).
//!
//! These are wire types: they hold no logic, and neither the core's types nor the store's rows appear in them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

/// One job, as `list` and `show` print it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct JobView {
    pub name: String,
    /// `scheduled`, `running`, `paused`, `finished` or `broken`.
    pub state: String,
    pub paused: bool,
    /// Why and until when, while it is paused.
    pub pause: Option<PauseView>,
    pub enabled: bool,
    /// `file` or `added`, with the place for a file: `{ "kind": "file", "path": .., "line": .. }`.
    pub origin: OriginView,
    pub trigger: TriggerView,
    pub next_fire_time: Option<String>,
    pub last_run: Option<RunView>,
    /// Runs alive now.
    pub running: u64,
    /// Runs that wait for an instance, a worker or their instant.
    pub queued: u64,
    pub pool: Option<String>,
    pub priority: i32,
    /// `until-next`, `unlimited` or a duration as written.
    pub grace: String,
    pub coalesce: bool,
    pub max_instances: u32,
    pub on_busy: String,
    pub timeout_ms: Option<u64>,
    pub retries: u32,
    pub tags: Vec<String>,
    pub description: Option<String>,
    pub meta: BTreeMap<String, String>,
    /// The command as one line for people; steps are joined.
    pub command: String,
    /// Finals in the ledger by status name.
    pub counts: BTreeMap<String, u64>,
    /// Why the definition does not load, for a `broken` job.
    pub error: Option<String>,
}

/// One job in a line: what the table of `list` shows of it. Of a hundred thousand of them the texts are borrowed: from
/// the jobs where they are written, from the reply where they are read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct JobLine<'a> {
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    /// As in [`JobView`].
    #[serde(borrow)]
    pub state: Cow<'a, str>,
    /// The kind of the trigger, and the trigger as written.
    #[serde(borrow)]
    pub kind: Cow<'a, str>,
    #[serde(borrow)]
    pub spec: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "borrowed", skip_serializing_if = "Option::is_none")]
    pub next_fire_time: Option<Cow<'a, str>>,
    /// The status of the last run.
    #[serde(borrow, default, deserialize_with = "borrowed", skip_serializing_if = "Option::is_none")]
    pub last_status: Option<Cow<'a, str>>,
    /// When the last run ended, or else started, or else was due.
    #[serde(borrow, default, deserialize_with = "borrowed", skip_serializing_if = "Option::is_none")]
    pub last_at: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "borrowed", skip_serializing_if = "Option::is_none")]
    pub description: Option<Cow<'a, str>>,
}

/// Reads a text that may be absent without a copy of it, which serde makes of everything in an `Option`.
fn borrowed<'de: 'a, 'a, D: Deserializer<'de>>(from: D) -> Result<Option<Cow<'a, str>>, D::Error> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    Ok(Option::<Text<'a>>::deserialize(from)?.map(|Text(text)| text))
}

/// A job's pause.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PauseView {
    pub since: String,
    pub until: Option<String>,
    pub reason: Option<String>,
}

/// Where a definition came from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OriginView {
    /// `file` or `added`.
    pub kind: String,
    pub path: Option<String>,
    pub line: Option<u32>,
}

/// When a job is due, in data and in words.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TriggerView {
    /// `cron`, `every`, `at`, `startup`, `shutdown`, `after`, `any` or `all`.
    pub kind: String,
    /// As written.
    pub spec: String,
    pub timezone: String,
    /// In plain English.
    pub description: String,
}

/// One row of the ledger.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunView {
    pub run_id: u64,
    pub job: String,
    pub status: String,
    pub reason: Option<String>,
    pub detail: Option<String>,
    pub source: String,
    pub attempt: u32,
    pub attempts: u32,
    pub fire_time: Option<String>,
    /// The first fire time of a row that stands for several occurrences (then `fire_time` is the last).
    pub first_fire_time: Option<String>,
    /// How many occurrences a `missed` or `skipped` row stands for.
    pub occurrences: u64,
    /// How many other fire times a run stands for.
    pub coalesced: u64,
    /// `dst_gap`, `dst_fold_first` or `dst_fold_second`.
    pub note: Option<String>,
    pub queued_at: Option<String>,
    pub started_at: Option<String>,
    pub finished_at: Option<String>,
    pub retry_at: Option<String>,
    pub duration_ms: Option<u64>,
    pub lateness_ms: Option<u64>,
    pub exit_code: Option<u8>,
    pub signal: Option<String>,
    pub pid: Option<i32>,
    pub host: String,
    pub cpu_ms: Option<u64>,
    pub peak_memory: Option<u64>,
    pub steps: Vec<StepView>,
    /// Path of the output file.
    pub log: Option<String>,
    pub result: Option<serde_json::Value>,
}

/// One command of a run with several.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StepView {
    pub attempt: u32,
    pub name: String,
    pub status: String,
    pub started_at: Option<String>,
    pub duration_ms: Option<u64>,
    pub exit_code: Option<u8>,
    pub signal: Option<String>,
    pub output_offset: Option<u64>,
    pub detail: Option<String>,
}

/// One event of the durable sequence.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EventView {
    pub seq: u64,
    pub at: String,
    pub event: String,
    pub job: Option<String>,
    pub run_id: Option<u64>,
    pub attempt: Option<u32>,
    pub fire_time: Option<String>,
    pub exit_code: Option<u8>,
    pub signal: Option<String>,
    pub reason: Option<String>,
    pub detail: Option<String>,
}

/// The answer of `next`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NextView {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cron: Option<String>,
    pub timezone: String,
    /// Which tz database the answer comes from (docs/time.md rule 47).
    pub tzdb: String,
    pub fire_times: Vec<FireTimeView>,
    /// True: there are no further fire times after these.
    pub exhausted: bool,
}

/// One fire time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FireTimeView {
    pub at: String,
    /// What a time change did to it, in words.
    pub note: Option<String>,
}

/// The answer of `status`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StatusView {
    /// True where a daemon answered.
    pub running: bool,
    pub pid: Option<i32>,
    pub version: String,
    pub identity: Option<String>,
    pub host: String,
    pub started_at: Option<String>,
    pub heartbeat_age_ms: Option<u64>,
    /// `ok`, `held`, `degraded` or `stopping`.
    pub health: String,
    /// Why it is degraded.
    pub degraded: Option<String>,
    pub held: Option<PauseView>,
    pub config: String,
    /// Errors of the job file as it is on disk, when the daemon kept an older set.
    pub config_errors: Vec<String>,
    pub state_dir: String,
    pub socket: String,
    pub timezone: String,
    pub tzdb: String,
    pub jobs: BTreeMap<String, u64>,
    pub runs_running: u64,
    pub runs_queued: u64,
    pub pools: Vec<PoolView>,
    pub next_fire_time: Option<String>,
    pub next_job: Option<String>,
}

/// A pool and how full it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PoolView {
    pub name: String,
    pub workers: u32,
    pub running: u64,
    pub queued: u64,
}

/// One thing that is wrong, or doubtful, in a definition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiagnosticView {
    /// `error` or `warning`.
    pub severity: String,
    pub file: Option<String>,
    /// From 1.
    pub line: Option<u32>,
    /// From 1, in characters.
    pub column: Option<u32>,
    pub message: String,
    pub hint: Option<String>,
    /// The line it is about, as written.
    pub source_line: Option<String>,
}

/// One change of the job set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ChangeView {
    pub revision: u64,
    pub at: String,
    /// Who: the user, and the process that asked; absent for the daemon itself.
    pub uid: Option<u32>,
    pub pid: Option<i32>,
    /// What: `added`, `replaced`, `edited`, `rescheduled` or `removed`.
    pub action: String,
    pub job: String,
    /// The definition before, as TOML; absent when there was none.
    pub before: Option<String>,
    /// The definition after, as TOML; absent when there is none.
    pub after: Option<String>,
}

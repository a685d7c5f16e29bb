//! The selector: which jobs, runs or events a request is about. One set of filters for every method.

use serde_json::{Map, Value};

use super::error::ServiceError;
use super::parameter::{Parameter, Scalar, parameters};
use super::pattern::{MAX_PATTERN_BYTES, is_glob};

/// The states a job can have.
pub const JOB_STATES: [&str; 5] = ["scheduled", "running", "paused", "finished", "broken"];
/// The statuses a run can have.
pub const RUN_STATUSES: [&str; 10] = [
    "queued",
    "running",
    "retrying",
    "succeeded",
    "failed",
    "timed_out",
    "cancelled",
    "missed",
    "skipped",
    "lost",
];
/// The kinds of triggers.
pub const TRIGGER_KINDS: [&str; 8] = ["cron", "every", "at", "startup", "shutdown", "after", "any", "all"];

/// How many values one filter takes; more globs than this would be work for the daemon rather than a question.
const MAX_VALUES: usize = 100;
/// How many plain names a selector takes.
const MAX_NAMES: usize = 10_000;

/// By what jobs or runs are sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SortKey {
    /// The job's name.
    Name,
    /// The next fire time.
    Next,
    /// The job's state, or the run's status.
    State,
    /// The pool.
    Pool,
    /// The kind of trigger, then its text.
    Trigger,
    /// The last run: when it started.
    Last,
}

impl Scalar for SortKey {
    #[cfg(test)]
    const NAME: &'static str = "SortKey";
}

parameters! {
    /// Which jobs, runs or events: all that is given must hold; of several values in one filter, one must.
    ///
    /// Names, tags and `all` say what is meant; an empty selector is everything to a question and nothing to a
    /// request that acts.
    Selector {
        /// Names of jobs, or globs (`*`, `?`, `[a-z]`).
        names: Vec<String>,
        /// Jobs with one of these tags.
        tags: Vec<String>,
        /// Every job.
        all: bool,
        /// Jobs in one of these states.
        state: Vec<String>,
        /// Runs with one of these statuses; jobs whose last run has one.
        status: Vec<String>,
        /// Jobs of one of these pools.
        pool: Vec<String>,
        /// Jobs with one of these kinds of trigger.
        trigger: Vec<String>,
        /// Text that the name, the description, the command or a tag contains, whatever its case.
        q: Option<String>,
        /// By what to sort; by name where it is not given.
        sort: Option<SortKey>,
        /// Descending.
        desc: bool,
        /// At most so many.
        limit: Option<u64>,
        /// Only what happened at or after this instant, RFC 3339.
        since: Option<String>,
    }
}

impl Parameter for Selector {
    fn read(value: Option<Value>, path: &str) -> Result<Self, ServiceError> {
        let fields = match value {
            None => Map::new(),
            Some(Value::Object(fields)) => fields,
            Some(_) => return Err(ServiceError::invalid_parameter(path)),
        };
        let prefix = format!("{path}.");
        let selector = Selector::read_fields(fields, &prefix)?;
        match selector.fault() {
            Some(field) => Err(ServiceError::invalid_parameter(&format!("{prefix}{field}"))),
            None => Ok(selector),
        }
    }

    fn write(&self) -> Option<Value> {
        let fields = self.write_fields();
        if fields.is_empty() { None } else { Some(Value::Object(fields)) }
    }

    #[cfg(test)]
    fn varlink_type() -> String {
        "?Selector".to_owned()
    }
}

impl Selector {
    /// Makes the selector of one name or glob.
    pub fn named(name: &str) -> Self {
        Selector { names: vec![name.to_owned()], ..Selector::default() }
    }

    /// Says whether nothing narrows the selection and nothing asks for all: too little for a request that acts.
    pub fn selects_nothing(&self) -> bool {
        !self.all
            && self.names.is_empty()
            && self.tags.is_empty()
            && self.state.is_empty()
            && self.status.is_empty()
            && self.pool.is_empty()
            && self.trigger.is_empty()
            && self.q.is_none()
    }

    /// Says whether it takes the ledger to tell which jobs are meant.
    pub fn is_about_runs(&self) -> bool {
        !self.status.is_empty() || self.since.is_some() || self.sort == Some(SortKey::Last)
    }

    /// Returns the part that is about jobs, as opposed to their runs and events: without status, instant, order
    /// and number.
    #[must_use]
    pub fn of_jobs(&self) -> Self {
        Selector { status: Vec::new(), since: None, sort: None, desc: false, limit: None, ..self.clone() }
    }

    /// Says whether it may mean more than its plain names say.
    pub fn is_bulk(&self) -> bool {
        self.names.is_empty() || self.names.iter().any(|name| is_glob(name))
    }

    /// Says whether only some jobs are meant.
    pub fn narrows_jobs(&self) -> bool {
        self.of_jobs() != Selector { all: self.all, ..Selector::default() }
    }

    /// Returns the first field with a value that means nothing, or with too many.
    fn fault(&self) -> Option<&'static str> {
        let globs = self.names.iter().filter(|name| is_glob(name)).count();
        let long = self.names.iter().any(|name| name.len() > MAX_PATTERN_BYTES);
        if self.names.len() > MAX_NAMES || globs > MAX_VALUES || long {
            return Some("names");
        }
        let known = |values: &[String], words: &[&str]| values.iter().all(|v| words.contains(&v.as_str()));
        let checks = [
            ("tags", self.tags.len() <= MAX_VALUES),
            ("state", self.state.len() <= MAX_VALUES && known(&self.state, &JOB_STATES)),
            ("status", self.status.len() <= MAX_VALUES && known(&self.status, &RUN_STATUSES)),
            ("pool", self.pool.len() <= MAX_VALUES),
            ("trigger", self.trigger.len() <= MAX_VALUES && known(&self.trigger, &TRIGGER_KINDS)),
            ("q", self.q.as_ref().is_none_or(|text| text.len() <= MAX_PATTERN_BYTES)),
            ("since", self.since.as_ref().is_none_or(|text| super::instant(text).is_some())),
        ];
        checks.into_iter().find(|(_, good)| !good).map(|(field, _)| field)
    }
}

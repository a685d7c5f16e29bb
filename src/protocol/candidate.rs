//! What a selector looks at in a job, whatever form the job has: a view that a client holds, or what the daemon
//! knows before it makes one.

use std::borrow::Cow;

use chrono::{DateTime, Utc};

use super::instant;
use super::views::JobView;

/// A job that may be selected.
pub trait Candidate {
    /// Returns its name.
    fn name(&self) -> &str;
    /// Returns its state, one of [`JOB_STATES`](super::selector::JOB_STATES).
    fn state(&self) -> &str;
    /// Returns the kind of its trigger; empty where that is not known.
    fn kind(&self) -> &str;
    /// Returns its trigger as written.
    fn spec(&self) -> Cow<'_, str>;
    /// Returns its pool.
    fn pool(&self) -> Option<&str>;
    /// Returns its tags.
    fn tags(&self) -> &[String];
    /// Returns its description.
    fn description(&self) -> Option<&str>;
    /// Returns what it runs, as one line.
    fn command(&self) -> Cow<'_, str>;
    /// Returns its next fire time.
    fn next_at(&self) -> Option<DateTime<Utc>>;
    /// Returns the status of its last run.
    fn last_status(&self) -> Option<&str>;
    /// Returns when its last run started, or else was due.
    fn last_started_at(&self) -> Option<DateTime<Utc>>;
    /// Returns when its last run ended, or else began.
    fn last_active_at(&self) -> Option<DateTime<Utc>>;
}

impl Candidate for JobView {
    fn name(&self) -> &str {
        &self.name
    }

    fn state(&self) -> &str {
        &self.state
    }

    fn kind(&self) -> &str {
        &self.trigger.kind
    }

    fn spec(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.trigger.spec)
    }

    fn pool(&self) -> Option<&str> {
        self.pool.as_deref()
    }

    fn tags(&self) -> &[String] {
        &self.tags
    }

    fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    fn command(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.command)
    }

    fn next_at(&self) -> Option<DateTime<Utc>> {
        utc(self.next_fire_time.as_ref())
    }

    fn last_status(&self) -> Option<&str> {
        self.last_run.as_ref().map(|run| run.status.as_str())
    }

    fn last_started_at(&self) -> Option<DateTime<Utc>> {
        let run = self.last_run.as_ref()?;
        utc(run.started_at.as_ref().or(run.fire_time.as_ref()))
    }

    fn last_active_at(&self) -> Option<DateTime<Utc>> {
        let run = self.last_run.as_ref()?;
        utc(run.finished_at.as_ref().or(run.started_at.as_ref()).or(run.queued_at.as_ref()))
    }
}

fn utc(text: Option<&String>) -> Option<DateTime<Utc>> {
    text.and_then(|text| instant(text)).map(|at| at.to_utc())
}

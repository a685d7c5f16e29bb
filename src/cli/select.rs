//! Which jobs, runs or events a command is about: names, globs and the filters that all commands share.

use clap::ValueEnum;
use clap_complete::ArgValueCandidates;

use super::complete;
use super::context::Context;
use super::error::CliError;
use super::when::{self, Lean, WhenError};
use crate::core::duration;
use crate::protocol::selector::{self, JOB_STATES, RUN_STATUSES, Selector, TRIGGER_KINDS};

/// The filters. Of several values in one, one must hold; of several filters, all.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Filters")]
pub(crate) struct Filters {
    /// Jobs in this state: scheduled, running, paused, finished, broken
    #[arg(long, value_name = "STATE", value_delimiter = ',', value_parser = JOB_STATES, hide_possible_values = true)]
    state: Vec<String>,
    /// Runs with this status, jobs whose last run has it: succeeded, failed, missed, ...
    #[arg(long, value_name = "STATUS", value_delimiter = ',', value_parser = RUN_STATUSES,
          hide_possible_values = true)]
    status: Vec<String>,
    /// Jobs of this pool
    #[arg(long, value_name = "POOL", value_delimiter = ',', add = ArgValueCandidates::new(complete::pools))]
    pool: Vec<String>,
    /// Jobs with this kind of trigger: cron, every, at, startup, shutdown, after, any, all
    #[arg(long, value_name = "KIND", value_delimiter = ',', value_parser = TRIGGER_KINDS,
          hide_possible_values = true)]
    trigger: Vec<String>,
    /// Jobs with this tag
    #[arg(long, value_name = "TAG", value_delimiter = ',', add = ArgValueCandidates::new(complete::tags))]
    tag: Vec<String>,
    /// Jobs with this text in name, description, command or tags
    #[arg(short = 'q', long = "query", value_name = "TEXT")]
    query: Option<String>,
    /// What happened since (2h, yesterday, 2026-03-29T02:30)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Sort by name, next, state, pool, trigger or last
    #[arg(long, value_enum, value_name = "KEY", hide_possible_values = true)]
    sort: Option<SortKey>,
    /// Sort downwards
    #[arg(long)]
    desc: bool,
    /// At most so many
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
}

/// By what to sort.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SortKey {
    Name,
    Next,
    State,
    Pool,
    Trigger,
    Last,
}

impl Filters {
    /// Makes a selector of the filters and of names or globs.
    ///
    /// # Errors
    /// `--since` is no instant.
    pub(crate) fn selector(&self, names: &[String], context: &Context) -> Result<Selector, CliError> {
        Ok(Selector {
            names: names.to_vec(),
            tags: self.tag.clone(),
            all: false,
            state: self.state.clone(),
            status: self.status.clone(),
            pool: self.pool.clone(),
            trigger: self.trigger.clone(),
            q: self.query.clone(),
            sort: self.sort.map(sort_key),
            desc: self.desc,
            limit: self.limit,
            since: self.since.as_deref().map(|text| past(text, context)).transpose()?,
        })
    }
}

const fn sort_key(key: SortKey) -> selector::SortKey {
    match key {
        SortKey::Name => selector::SortKey::Name,
        SortKey::Next => selector::SortKey::Next,
        SortKey::State => selector::SortKey::State,
        SortKey::Pool => selector::SortKey::Pool,
        SortKey::Trigger => selector::SortKey::Trigger,
        SortKey::Last => selector::SortKey::Last,
    }
}

/// Reads an instant of the past as the protocol writes it.
///
/// # Errors
/// The text is no instant.
pub(crate) fn past(text: &str, context: &Context) -> Result<String, CliError> {
    instant(text, Lean::Past, context)
}

/// Reads an instant to come as the protocol writes it.
///
/// # Errors
/// The text is no instant.
pub(crate) fn future(text: &str, context: &Context) -> Result<String, CliError> {
    instant(text, Lean::Future, context)
}

fn instant(text: &str, lean: Lean, context: &Context) -> Result<String, CliError> {
    let zone = context.zones().local();
    let at = when::parse(text, context.now, &zone, lean)
        .map_err(|error| CliError::usage(error.to_string()).hint(WhenError::HINT))?;
    Ok(zone.format_exact(at))
}

/// Reads how long to wait, in the protocol's milliseconds.
///
/// # Errors
/// The text is no duration.
pub(crate) fn timeout(text: &str) -> Result<u64, CliError> {
    let limit = duration::parse(text)
        .map_err(|error| CliError::usage(format!("{text:?}: {error}")).hint("like 30s, 5m or 1h30m"))?;
    Ok(u64::try_from(limit.as_millis()).unwrap_or(u64::MAX))
}

/// Jobs for a command that acts on them.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Select {
    /// Jobs by name; * ? and [a-z] make globs
    #[arg(value_name = "JOB", add = ArgValueCandidates::new(complete::jobs))]
    jobs: Vec<String>,
    /// Every job
    #[arg(long, conflicts_with = "jobs")]
    all: bool,
    #[command(flatten)]
    filters: Filters,
}

impl Select {
    /// Makes the selector.
    ///
    /// # Errors
    /// Nothing is named and nothing narrows the selection, or `--since` is no instant.
    pub(crate) fn selector(&self, context: &Context) -> Result<Selector, CliError> {
        let selector = Selector { all: self.all, ..self.filters.selector(&self.jobs, context)? };
        if selector.selects_nothing() {
            let error = CliError::usage("which jobs?");
            return Err(error.hint("name them, or give --tag TAG, another filter, or --all"));
        }
        Ok(selector)
    }
}

/// A run by its number, or a job by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Run(u64),
    Job(String),
}

impl Target {
    /// Takes digits for a run and anything else for a job.
    pub(crate) fn of(text: &str) -> Self {
        text.parse().map_or_else(|_| Target::Job(text.to_owned()), Target::Run)
    }
}

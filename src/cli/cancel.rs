//! `cancel`: ends runs.

use clap_complete::ArgValueCandidates;

use super::complete;
use super::confirm::confirm;
use super::context::Context;
use super::error::CliError;
use super::render::text::count;
use super::select::{Filters, Target};
use super::service::{call, connect};
use crate::protocol::reply::{Jobs, RunIds};
use crate::protocol::request::{self, Request};
use crate::protocol::selector::Selector;

pub(crate) const EXAMPLES: &str = "
jobctl cancel 1042 --reason 'wrong database'
jobctl cancel backup
jobctl cancel --tag nightly --yes";

/// Cancel runs
///
/// Those that are alive are asked to end, and killed after `kill_after`; those that wait never start. With globs
/// or filters it asks first; in a script it needs --yes.
#[derive(Debug, clap::Args)]
#[command(after_long_help = super::help::examples(EXAMPLES))]
pub(crate) struct Cancel {
    /// Numbers of runs, or jobs by name; * ? and [a-z] make globs
    #[arg(value_name = "RUN|JOB", add = ArgValueCandidates::new(complete::jobs_and_runs))]
    targets: Vec<String>,
    /// The runs of every job
    #[arg(long, conflicts_with = "targets")]
    all: bool,
    #[command(flatten)]
    filters: Filters,
    /// Why, for those who wonder
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Do not ask
    #[arg(short = 'y', long)]
    yes: bool,
}

impl Cancel {
    pub(crate) fn run(&self, context: &mut Context) -> Result<u8, CliError> {
        let (mut run_ids, mut names) = (Vec::new(), Vec::new());
        for target in &self.targets {
            match Target::of(target) {
                Target::Run(run) => run_ids.push(run),
                Target::Job(job) => names.push(job),
            }
        }
        let mut selector = Selector { all: self.all, ..self.filters.selector(&names, context)? };
        if selector.selects_nothing() && run_ids.is_empty() {
            let error = CliError::usage("which runs?");
            return Err(error.hint("name them or their jobs, or give --tag TAG, another filter, or --all"));
        }
        let mut client = connect(context)?;
        if !selector.selects_nothing() && selector.is_bulk() && !self.yes {
            let found: Jobs = call(&mut client, &Request::List(request::List { selector }), context)?;
            let found = found.jobs.into_iter().filter(|job| job.running + job.queued > 0);
            let found: Vec<String> = found.map(|job| job.name).collect();
            confirm("cancel the runs of", &found, context)?;
            selector = Selector { names: found, ..Selector::default() };
        }
        let request = request::Cancel { selector, run_ids, reason: self.reason.clone() };
        let done: RunIds = call(&mut client, &Request::Cancel(request), context)?;
        if context.json() {
            context.out.json(&done)?;
        } else {
            let runs: Vec<String> =
                done.runs.iter().map(|run| format!("{} of {}", run.run_id, run.job)).collect();
            match runs.as_slice() {
                [] => context.out.note("no run is alive"),
                [run] => context.out.done(&format!("cancelled run {run}"))?,
                runs => context.out.done(&format!("cancelled {}", count(runs.len() as u64, "run")))?,
            }
        }
        Ok(0)
    }
}

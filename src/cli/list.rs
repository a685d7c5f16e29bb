//! `list`: the jobs, with what is next and what was last.

use clap_complete::ArgValueCandidates;

use super::complete;
use super::context::Context;
use super::error::CliError;
use super::render::job;
use super::select::Filters;
use super::source::Source;
use crate::protocol::views::JobLine;

pub(crate) const EXAMPLES: &str = "
jobctl list
jobctl list 'db-*' --state paused
jobctl list --tag nightly --sort next
jobctl list --status failed --json | jq -r '.[].name'";

/// List jobs
///
/// With --quiet only their names, one a line. Works without a daemon.
#[derive(Debug, clap::Args)]
#[command(after_long_help = super::help::examples(EXAMPLES))]
pub(crate) struct List {
    /// Jobs by name; * ? and [a-z] make globs
    #[arg(value_name = "JOB", add = ArgValueCandidates::new(complete::jobs))]
    jobs: Vec<String>,
    #[command(flatten)]
    filters: Filters,
}

impl List {
    pub(crate) fn run(&self, context: &mut Context) -> Result<u8, CliError> {
        let selector = self.filters.selector(&self.jobs, context)?;
        let mut source = Source::open(context)?;
        if context.json() {
            // A terminal gets it indented; everybody else as it comes, which costs no view.
            if context.out.terminal.interactive {
                let jobs = source.list(selector, context)?;
                context.out.json(&jobs)?;
            } else {
                source.print_json(selector, context)?;
            }
            return Ok(0);
        }
        let offline = matches!(source, Source::Files(_));
        source.lines(selector, context, |jobs, context| print(jobs, offline, context))
    }
}

fn print(jobs: &[JobLine<'_>], offline: bool, context: &mut Context) -> Result<u8, CliError> {
    if context.quiet() {
        for job in jobs {
            context.out.line(&job.name)?;
        }
    } else if jobs.is_empty() {
        context.out.note("no jobs");
    } else {
        let table = job::table(jobs, context.now, context.out.terminal);
        context.out.text(&table)?;
        if offline {
            context.out.note("no daemon runs, so nothing starts: `jobctl run` is one");
        }
    }
    Ok(0)
}

//! `history`: the ledger, the latest first.

use clap_complete::ArgValueCandidates;

use super::complete;
use super::context::Context;
use super::error::CliError;
use super::render::run;
use super::select::Filters;
use super::source::Source;

pub(crate) const EXAMPLES: &str = "
jobctl history
jobctl history backup --limit 5
jobctl history --status failed,timed_out --since yesterday
jobctl history backup --json | jq '.[] | {run_id, status, duration_ms}'";

/// Show the outcomes of fire times and requests, the latest first
///
/// Every fire time has its outcome, also those that led to no run. At most 100 rows unless --limit says
/// otherwise. With --quiet only the numbers of runs. Works without a daemon.
#[derive(Debug, clap::Args)]
#[command(after_long_help = super::help::examples(EXAMPLES))]
pub(crate) struct History {
    /// Jobs by name; * ? and [a-z] make globs
    #[arg(value_name = "JOB", add = ArgValueCandidates::new(complete::jobs))]
    jobs: Vec<String>,
    #[command(flatten)]
    filters: Filters,
}

impl History {
    pub(crate) fn run(&self, context: &mut Context) -> Result<u8, CliError> {
        let selector = self.filters.selector(&self.jobs, context)?;
        let runs = Source::open(context)?.history(selector, context)?;
        if context.json() {
            context.out.json(&runs)?;
        } else if context.quiet() {
            for run in &runs {
                context.out.line(&run.run_id.to_string())?;
            }
        } else if runs.is_empty() {
            context.out.note("nothing has been due yet, or nothing matches");
        } else {
            let table = run::table(&runs, context.now, context.out.terminal);
            context.out.text(&table)?;
        }
        Ok(0)
    }
}

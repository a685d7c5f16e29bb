//! `show`: everything about one job, or one run.

use clap_complete::ArgValueCandidates;

use super::complete;
use super::context::Context;
use super::error::{CliError, Kind};
use super::render::{job, run};
use super::select::Target;
use super::source::Source;
use crate::jobfile::mask;

pub(crate) const EXAMPLES: &str = "
jobctl show backup
jobctl show backup --toml
jobctl show 1042                  # a run
jobctl show backup --json | jq .next_fire_time";

/// Show everything about one job, or one run
///
/// Works without a daemon.
#[derive(Debug, clap::Args)]
#[command(after_long_help = super::help::examples(EXAMPLES))]
pub(crate) struct Show {
    /// The job, or the number of a run
    #[arg(value_name = "JOB|RUN", add = ArgValueCandidates::new(complete::jobs_and_runs))]
    target: String,
    /// Print the job's definition, as it stands or would stand in a job file; values of `env` are not shown, only
    /// `jobctl export` gives them out
    #[arg(long, conflicts_with = "json")]
    toml: bool,
}

impl Show {
    pub(crate) fn run(&self, context: &mut Context) -> Result<u8, CliError> {
        let mut source = Source::open(context)?;
        // A job may have a number for its name; then that is what is meant.
        let shown = match source.show(&self.target, context) {
            Err(error) if error.kind == Kind::Name => match Target::of(&self.target) {
                Target::Run(number) => return show_run(number, &mut source, context),
                Target::Job(_) => return Err(error),
            },
            shown => shown?,
        };
        if self.toml {
            context.out.text(&format!("[jobs.{}]\n{}", shown.job.name, mask(&shown.toml)))?;
        } else if context.json() {
            context.out.json(&shown.job)?;
        } else {
            job::show(&shown.job, context.now, &mut context.out)?;
        }
        Ok(0)
    }
}

fn show_run(number: u64, source: &mut Source, context: &mut Context) -> Result<u8, CliError> {
    let view = source.run(number, context)?;
    if context.json() {
        context.out.json(&view)?;
    } else {
        run::show(&view, context.now, &mut context.out)?;
    }
    Ok(0)
}

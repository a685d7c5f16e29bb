//! `export`: definitions as TOML that loads again to the same set.

use clap_complete::ArgValueCandidates;
use serde::Serialize;

use super::complete;
use super::context::Context;
use super::error::CliError;
use super::source::Source;

pub(crate) const EXAMPLES: &str = "
jobctl export > jobs.toml
jobctl export backup report > jobs.d/moved.toml";

/// Print definitions as a job file
///
/// All of them with the settings, or only the jobs that are named. Values of `env` stand in it as they are: this is
/// the one command that gives them out. Works without a daemon.
#[derive(Debug, clap::Args)]
#[command(after_long_help = super::help::examples(EXAMPLES))]
pub(crate) struct Export {
    /// Only these jobs
    #[arg(value_name = "JOB", add = ArgValueCandidates::new(complete::jobs))]
    jobs: Vec<String>,
}

/// What `export --json` prints.
#[derive(Debug, Serialize)]
struct Exported {
    toml: String,
}

impl Export {
    pub(crate) fn run(&self, context: &mut Context) -> Result<u8, CliError> {
        let toml = Source::open(context)?.export(&self.jobs, context)?;
        if context.json() {
            context.out.json(&Exported { toml })?;
        } else {
            context.out.text(&toml)?;
        }
        Ok(0)
    }
}

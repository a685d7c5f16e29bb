//! `why`: the ledger in words.

use clap_complete::ArgValueCandidates;

use super::complete;
use super::context::Context;
use super::error::CliError;
use super::render::why;
use super::select::past;
use super::source::Source;
use crate::protocol::request;

pub(crate) const EXAMPLES: &str = "
jobctl why backup                    # its last fire time
jobctl why backup 'yesterday 2:30'
jobctl why backup 2026-03-29T02:30 --json | jq .runs";

/// Tell why a job did or did not run at a time
///
/// Without a time it is about the last fire time. Works without a daemon.
#[derive(Debug, clap::Args)]
#[command(after_long_help = super::help::examples(EXAMPLES))]
pub(crate) struct Why {
    /// The job
    #[arg(add = ArgValueCandidates::new(complete::jobs))]
    job: String,
    /// The time (2026-03-29T02:30, 'yesterday 7:00', 2h)
    #[arg(num_args = 0..)]
    time: Vec<String>,
}

impl Why {
    pub(crate) fn run(&self, context: &mut Context) -> Result<u8, CliError> {
        let time = (!self.time.is_empty()).then(|| past(&self.time.join(" "), context)).transpose()?;
        let ledger = Source::open(context)?.why(request::Why { job: self.job.clone(), time }, context)?;
        if context.json() {
            context.out.json(&ledger)?;
            return Ok(0);
        }
        for paragraph in why::answer(&ledger, !self.time.is_empty(), context.now) {
            context.out.line(&paragraph)?;
        }
        Ok(0)
    }
}

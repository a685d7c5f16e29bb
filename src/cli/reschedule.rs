//! `reschedule`: another trigger for an added job.

use clap_complete::ArgValueCandidates;

use super::add::{definition, said};
use super::complete;
use super::context::Context;
use super::error::CliError;
use super::keys::TriggerKeys;
use super::service::{ask, diagnostic};
use crate::jobfile;
use crate::protocol::reply::Put;
use crate::protocol::request::{self, Request};

pub(crate) const EXAMPLES: &str = "
jobctl reschedule backup --cron '0 4 * * *'
jobctl reschedule ping --every 5m --jitter 30s";

/// Give an added job another trigger
///
/// History, pause and everything else stay.
#[derive(Debug, clap::Args)]
#[command(after_long_help = super::help::examples(EXAMPLES))]
pub(crate) struct Reschedule {
    /// The job
    #[arg(add = ArgValueCandidates::new(complete::jobs))]
    name: String,
    #[command(flatten)]
    trigger: TriggerKeys,
}

impl Reschedule {
    pub(crate) fn run(&self, context: &mut Context) -> Result<u8, CliError> {
        if self.trigger.0.is_empty() {
            let error = CliError::usage(format!("when is {} to be due?", self.name));
            return Err(error.hint("give one of --cron --every --at --on --after --any --all"));
        }
        let toml = definition(self.trigger.0.clone(), context)?;
        let request = request::Reschedule { name: self.name.clone(), toml };
        let put: Put = ask(&Request::Reschedule(request), context)?;
        if context.json() {
            context.out.json(&put)?;
            return Ok(0);
        }
        let warnings: Vec<_> = put.warnings.iter().map(diagnostic).collect();
        context.out.diagnostics(&jobfile::render(&warnings, context.out.colour_on_stderr()));
        context.out.done(&said("rescheduled", &put.job, context))?;
        Ok(0)
    }
}

//! `reload`: the daemon reads the job file again.

use super::context::Context;
use super::error::CliError;
use super::render::text::count;
use super::service::{ask, diagnostic};
use crate::jobfile;
use crate::protocol::reply::Reloaded;
use crate::protocol::request::Request;

pub(crate) const EXAMPLES: &str = "
jobctl check && jobctl reload
systemctl reload jobctl           # the same, through the service manager";

/// Let the daemon read the job file again
///
/// Jobs that did not change keep their timers, and runs go on. A file with errors changes nothing: its errors are
/// shown, and the jobs in force stay.
#[derive(Debug, clap::Args)]
#[command(after_long_help = super::help::examples(EXAMPLES))]
pub(crate) struct Reload {}

impl Reload {
    pub(crate) fn run(&self, context: &mut Context) -> Result<u8, CliError> {
        let reloaded: Reloaded = ask(&Request::Reload, context)?;
        if context.json() {
            context.out.json(&reloaded)?;
            return Ok(0);
        }
        let warnings: Vec<_> = reloaded.warnings.iter().map(diagnostic).collect();
        context.out.diagnostics(&jobfile::render(&warnings, context.out.colour_on_stderr()));
        let Reloaded { added, changed, removed, unchanged, .. } = reloaded;
        let jobs = count(reloaded.jobs, "job");
        context.out.done(&format!(
            "{jobs}: {added} added, {changed} changed, {removed} removed, {unchanged} as before"
        ))?;
        Ok(0)
    }
}

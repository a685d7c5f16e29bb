//! `reload`: the daemon reads the job file again.

use super::context::Context;
use super::error::{CliError, Kind};
use super::render::text::count;
use super::service::{call, connect, diagnostic};
use crate::client::Client;
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
        let mut client = connect(context)?;
        reload(&mut client, context)
    }
}

/// Lets the daemon read the job file again, where one runs.
///
/// # Errors
/// There is a daemon, but it refuses or does not answer.
pub(crate) fn reload_if_running(context: &mut Context) -> Result<u8, CliError> {
    match connect(context) {
        Ok(mut client) => reload(&mut client, context),
        Err(error) if error.kind == Kind::NoDaemon => {
            context.out.note("no daemon runs: the file is read at its next start");
            Ok(0)
        }
        Err(error) => Err(error),
    }
}

fn reload(client: &mut Client, context: &mut Context) -> Result<u8, CliError> {
    let reloaded: Reloaded = call(client, &Request::Reload, context).map_err(|error| match error.kind {
        Kind::Usage => error.hint("the jobs in force stay as they are"),
        _ => error,
    })?;
    if context.json() {
        context.out.json(&reloaded)?;
        return Ok(0);
    }
    let warnings: Vec<_> = reloaded.warnings.iter().map(diagnostic).collect();
    context.out.diagnostics(&jobfile::render(&warnings, context.out.colour_on_stderr()));
    let Reloaded { added, changed, removed, unchanged, .. } = reloaded;
    let jobs = count(reloaded.jobs, "job");
    let what = format!("{jobs}: {added} added, {changed} changed, {removed} removed, {unchanged} as before");
    context.out.done(&what)?;
    Ok(0)
}

//! `wait`: until runs are over.

use clap_complete::ArgValueCandidates;

use super::complete;
use super::context::Context;
use super::error::{CliError, Kind};
use super::outcome::{exit_code, tell};
use super::select::{Target, timeout};
use super::service::{call, connect};
use crate::client::Client;
use crate::protocol::reply::OneRun;
use crate::protocol::request::{self, Request};
use crate::protocol::views::RunView;

pub(crate) const EXAMPLES: &str = "
jobctl wait 1042
jobctl wait backup --timeout 1h || echo \"ended with $?\"";

/// Wait until runs are over
///
/// Ends with the run's own exit code; of several runs, with the first that is not 0. Of a job, the run that is
/// alive and began last is waited for. Ends with 124 where the time is over; the run goes on.
#[derive(Debug, clap::Args)]
#[command(after_long_help = super::help::examples(EXAMPLES))]
pub(crate) struct Wait {
    /// Numbers of runs, or jobs
    #[arg(value_name = "RUN|JOB", required = true, add = ArgValueCandidates::new(complete::jobs_and_runs))]
    targets: Vec<String>,
    /// Wait no longer than this (30s, 1h)
    #[arg(long, value_name = "DURATION")]
    timeout: Option<String>,
}

impl Wait {
    pub(crate) fn run(&self, context: &mut Context) -> Result<u8, CliError> {
        let timeout = self.timeout.as_deref().map(timeout).transpose()?;
        let mut client = connect(context)?;
        let mut first = 0;
        for target in &self.targets {
            let mut request = request::Wait { timeout_ms: timeout, ..request::Wait::default() };
            match Target::of(target) {
                Target::Run(run) => request.run_id = Some(run),
                Target::Job(job) => request.job = Some(job),
            }
            let run = wait(&mut client, request, context).map_err(|error| match error.kind {
                Kind::Name if error.message == "no job is selected" => {
                    CliError::new(Kind::Name, format!("{target} has no run that is alive"))
                        .hint(format!("`jobctl history {target}` shows how its runs ended"))
                }
                _ => error,
            })?;
            if context.json() {
                context.out.json_line(&run)?;
            } else {
                tell(&run, context);
            }
            if first == 0 {
                first = exit_code(&run);
            }
        }
        Ok(first)
    }
}

/// Waits for one run.
///
/// # Errors
/// There is none, or the time is over.
pub(crate) fn wait(
    client: &mut Client,
    request: request::Wait,
    context: &Context,
) -> Result<RunView, CliError> {
    call::<OneRun>(client, &Request::Wait(request), context).map(|reply| reply.run)
}

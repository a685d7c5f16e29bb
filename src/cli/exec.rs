//! `exec`: runs a job here and now, in the foreground, in its exact environment; the ledger knows nothing of it.

use clap_complete::ArgValueCandidates;

use super::complete;
use super::context::Context;
use super::error::{CliError, Kind};
use super::source::Offline;
use crate::core::change::Finish;
use crate::core::run::{Exit, RunStatus};
use crate::core::trigger::Firing;
use crate::daemon::foreground::{self, Request};
use crate::process::Inherited;

pub(crate) const EXAMPLES: &str = "
jobctl exec backup
jobctl exec backup -- --dry-run
jobctl exec report > /tmp/report.txt; echo $?";

/// Run a job here and now, in the foreground
///
/// Needs no daemon. The job has the user, the environment, the limits, the hooks and the steps it has on
/// schedule; its output goes to where that of jobctl goes, and its exit code becomes jobctl's. It is not tried
/// again when it fails, it waits for no pool, and nothing is recorded.
#[derive(Debug, clap::Args)]
#[command(after_long_help = super::help::examples(EXAMPLES))]
pub(crate) struct Exec {
    /// The job
    #[arg(add = ArgValueCandidates::new(complete::jobs))]
    job: String,
    /// Further arguments of its command
    #[arg(last = true)]
    args: Vec<String>,
}

impl Exec {
    pub(crate) fn run(&self, context: &mut Context) -> Result<u8, CliError> {
        let paths = context.paths()?;
        let offline = Offline::open(context)?;
        let job = offline.job(&self.job, context)?;
        let zone = match &job.firing {
            Firing::Clock(schedule) => &schedule.zone,
            Firing::Startup | Firing::Shutdown | Firing::After(_) => offline.catalogue.zone(),
        };
        let inherited = Inherited::capture(&paths.state_dir);
        let request = Request {
            job: &job,
            hooks: &offline.catalogue.set().global_hooks,
            args: self.args.clone(),
            inherited: &inherited,
            state_dir: &paths.state_dir,
            zone,
            last_success: offline.last_success(&self.job),
        };
        context.out.flush()?;
        let finish = foreground::run(&request).map_err(|error| CliError::failed(&error))?;
        ended(&self.job, &finish, context)
    }
}

/// Turns the end of a run into jobctl's own: the job's code, with a word on standard error where the code does
/// not say it all.
fn ended(job: &str, finish: &Finish, context: &Context) -> Result<u8, CliError> {
    let detail = finish.detail.clone().unwrap_or_default();
    match (finish.status, finish.exit) {
        (RunStatus::TimedOut, _) => context.out.warning(&format!("{job} was ended by its time limit")),
        (_, None) if finish.status != RunStatus::Succeeded => {
            let reason = if detail.is_empty() { finish.status.as_str().to_owned() } else { detail };
            return Err(CliError::new(Kind::Failed, format!("{job} did not run: {reason}")));
        }
        _ if !detail.is_empty() => context.out.note(&format!("{job} failed at {detail}")),
        _ => {}
    }
    Ok(finish.exit.map_or(0, Exit::shell_code))
}

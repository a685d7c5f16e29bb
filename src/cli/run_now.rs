//! `run-now`: runs jobs beside their schedule.

use super::context::Context;
use super::error::CliError;
use super::follow::Reader;
use super::logs::print;
use super::outcome::{exit_code, tell};
use super::select::{Select, timeout};
use super::service::{call, call_failed, connect};
use super::wait::wait;
use crate::client::{CallError, Client, Replies};
use crate::protocol::reply::{OneRun, Output, RunIds, RunRef, Status};
use crate::protocol::request::{self, Request};

pub(crate) const EXAMPLES: &str = "
jobctl run-now backup
jobctl run-now backup --wait && echo done
jobctl run-now backup --wait=30m -- --tag before-upgrade
jobctl run-now report --follow
jobctl run-now --tag nightly --if-due";

/// Run jobs now, beside their schedule
///
/// The schedule is not moved, a pause stays. With --wait it ends with the job's own exit code (128 + N for a
/// signal), of several jobs with the first that is not 0; with 124 where the time is over, and the run goes on.
#[derive(Debug, clap::Args)]
#[command(after_long_help = super::help::examples(EXAMPLES))]
pub(crate) struct RunNow {
    #[command(flatten)]
    select: Select,
    /// Wait for the end, at most so long (30s, 1h)
    #[arg(long, value_name = "DURATION", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    wait: Option<String>,
    /// Wait for the end, and print the output as it comes
    #[arg(short, long)]
    follow: bool,
    /// Only where the last fire time has had no run that succeeded
    #[arg(long)]
    if_due: bool,
    /// Even where as many runs as may be are alive
    #[arg(long)]
    force: bool,
    /// Higher goes first among those that wait
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    priority: Option<i32>,
    /// Further arguments of the command
    #[arg(last = true, value_name = "ARG")]
    args: Vec<String>,
}

impl RunNow {
    pub(crate) fn run(&self, context: &mut Context) -> Result<u8, CliError> {
        let limit = self.wait.as_deref().filter(|text| !text.is_empty()).map(timeout).transpose()?;
        let request = request::RunNow {
            selector: self.select.selector(context)?,
            args: self.args.clone(),
            if_due: self.if_due,
            force: self.force,
            priority: self.priority,
        };
        let mut client = connect(context)?;
        let started: RunIds = call(&mut client, &Request::RunNow(request), context)?;
        if !started.runs.is_empty() && !context.quiet() {
            let status: Status = call(&mut client, &Request::Status, context)?;
            if status.status.held.is_some() {
                context.out.note("the scheduler is held: nothing starts until `jobctl release`");
            }
        }
        if self.follow {
            return match started.runs.as_slice() {
                [] => Ok(nothing_due(context)),
                [run] => follow(run, limit, client, context),
                _ => {
                    let error =
                        CliError::usage("several jobs were started: their outputs cannot be told apart");
                    Err(error.hint("`jobctl logs -f JOB` follows one of them"))
                }
            };
        }
        if self.wait.is_none() || started.runs.is_empty() {
            return say(&started, context);
        }
        let mut ended = Vec::new();
        for run in &started.runs {
            let request = request::Wait { run_id: Some(run.run_id), timeout_ms: limit, job: None };
            ended.push(wait(&mut client, request, context)?);
        }
        if context.json() {
            context.out.json(&ended)?;
        } else {
            ended.iter().for_each(|run| tell(run, context));
        }
        Ok(ended.iter().map(exit_code).find(|code| *code != 0).unwrap_or(0))
    }
}

fn nothing_due(context: &Context) -> u8 {
    context.out.note("nothing is due");
    0
}

fn say(started: &RunIds, context: &mut Context) -> Result<u8, CliError> {
    if context.json() {
        context.out.json(started)?;
    } else if started.runs.is_empty() {
        return Ok(nothing_due(context));
    } else if context.quiet() {
        for run in &started.runs {
            context.out.line(&run.run_id.to_string())?;
        }
    } else {
        for run in &started.runs {
            context.out.line(&format!("run {} of {}", run.run_id, run.job))?;
        }
    }
    Ok(0)
}

/// Prints the output until the run or the time is over, then ends as it did.
fn follow(run: &RunRef, limit: Option<u64>, client: Client, context: &mut Context) -> Result<u8, CliError> {
    let mut waiting = connect(context)?;
    let logs = request::Logs { run_id: Some(run.run_id), follow: true, ..request::Logs::default() };
    let request = Request::Wait(request::Wait {
        run_id: Some(run.run_id),
        timeout_ms: limit,
        ..request::Wait::default()
    });
    let (wait_closer, output_closer) = (waiting.closer()?, client.closer()?);
    let reader = Reader::watch(vec![client.closer()?, waiting.closer()?]);
    let stream =
        client.stream::<Output>(&Request::Logs(logs)).map_err(|error| call_failed(&error, context))?;
    let ended = std::thread::scope(|scope| {
        let waiter = scope.spawn(move || {
            let ended = waiting.call::<OneRun>(&request);
            // The output of a run that is over ends by itself, after its last word.
            if ended.is_err() {
                output_closer.close();
            }
            ended
        });
        let printed = print_all(stream, context);
        if printed.is_err() {
            wait_closer.close();
        }
        printed?;
        reader.check()?;
        let ended = waiter.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        ended.map_err(|error| call_failed(&error, context))
    })?;
    if context.json() {
        context.out.json_line(&ended.run)?;
    } else {
        tell(&ended.run, context);
    }
    Ok(exit_code(&ended.run))
}

/// Prints a stream of output to its end, whatever ended it: that is what the wait beside it tells.
fn print_all(stream: Replies<Output>, context: &mut Context) -> Result<(), CliError> {
    for piece in stream {
        match piece {
            Ok(piece) => print(&piece, context)?,
            Err(CallError::Client(_)) => break,
            Err(error) => return Err(call_failed(&error, context)),
        }
    }
    Ok(())
}

//! `logs`: what runs have written.

use std::io;
use std::path::Path;

use clap_complete::ArgValueCandidates;

use super::complete;
use super::context::Context;
use super::error::{CliError, Kind};
use super::follow::Reader;
use super::select::Target;
use super::service::call_failed;
use super::source::Source;
use crate::core::name::Name;
use crate::core::run::RunId;
use crate::process::{LogReader, Logs};
use crate::protocol::reply::Output;
use crate::protocol::request::{self, Request};
use crate::protocol::selector::Selector;
use crate::protocol::views::RunView;

pub(crate) const EXAMPLES: &str = "
jobctl logs backup                # of the latest run
jobctl logs 1042 --attempt 1
jobctl logs backup -f
jobctl logs backup -n 20";

/// Among how many rows the latest run with output is looked for.
const RECENT: u64 = 200;

/// Show what a run has written
///
/// Standard output and standard error, in the order in which they came. Of a job, the output of its latest run.
/// With -f on to the end of the run. Works without a daemon, but for -f.
#[derive(Debug, clap::Args)]
#[command(name = "logs", after_long_help = super::help::examples(EXAMPLES))]
pub(crate) struct Log {
    /// The number of a run, or a job
    #[arg(value_name = "RUN|JOB", add = ArgValueCandidates::new(complete::jobs_and_runs))]
    target: String,
    /// Go on until the run is over
    #[arg(short, long)]
    follow: bool,
    /// Only the last lines
    #[arg(short = 'n', long, value_name = "N")]
    lines: Option<u64>,
    /// Only this attempt; default is the latest
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    attempt: Option<u32>,
}

impl Log {
    pub(crate) fn run(&self, context: &mut Context) -> Result<u8, CliError> {
        let mut source = Source::open(context)?;
        let run = find(&self.target, &mut source, context)?;
        if run.log.is_none() {
            let why = run.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
            context.out.note(&format!("run {} has not started ({}{why})", run.run_id, run.status));
            if !self.follow {
                return Ok(0);
            }
        }
        match source {
            Source::Daemon(client) if self.follow => {
                let request = Request::Logs(self.request(&run, true));
                let reader = Reader::watch(vec![client.closer()?]);
                let stream =
                    client.stream::<Output>(&request).map_err(|error| call_failed(&error, context))?;
                for piece in stream {
                    reader.check()?;
                    print(&piece.map_err(|error| call_failed(&error, context))?, context)?;
                }
                Ok(0)
            }
            Source::Daemon(client) => {
                // The file itself has every byte as it is; the daemon is asked where it may not be read.
                match read(&run, self.attempt, self.lines) {
                    Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                        let request = Request::Logs(self.request(&run, false));
                        let stream = client
                            .stream::<Output>(&request)
                            .map_err(|error| call_failed(&error, context))?;
                        for piece in stream {
                            print(&piece.map_err(|error| call_failed(&error, context))?, context)?;
                        }
                        Ok(0)
                    }
                    found => self.print_file(&run, found, context),
                }
            }
            Source::Files(_) => {
                if self.follow {
                    context.out.warning("no daemon runs: this is what there is so far");
                }
                self.print_file(&run, read(&run, self.attempt, self.lines), context)
            }
        }
    }

    fn request(&self, run: &RunView, follow: bool) -> request::Logs {
        request::Logs {
            run_id: Some(run.run_id),
            job: None,
            follow,
            lines: self.lines,
            attempt: self.attempt,
        }
    }

    fn print_file(
        &self,
        run: &RunView,
        found: io::Result<LogReader>,
        context: &mut Context,
    ) -> Result<u8, CliError> {
        let mut reader = match found {
            Ok(reader) => reader,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let attempt =
                    self.attempt.map(|attempt| format!("attempt {attempt} of ")).unwrap_or_default();
                context.out.note(&format!("there is no output of {attempt}run {}", run.run_id));
                return Ok(0);
            }
            Err(error) => return Err(unreadable(run, &error)),
        };
        let mut text = String::new();
        loop {
            let piece = reader.next_piece().map_err(|error| unreadable(run, &error))?;
            if piece.is_empty() {
                break;
            }
            if context.json() {
                text.push_str(&String::from_utf8_lossy(&piece));
            } else {
                context.out.bytes(&piece)?;
            }
        }
        if context.json() {
            context.out.json(&Output { run_id: run.run_id, text, offset: reader.offset() })?;
        }
        Ok(0)
    }
}

/// Finds the run of that number, or the job's latest that has started.
pub(crate) fn find(target: &str, source: &mut Source, context: &Context) -> Result<RunView, CliError> {
    let name = match Target::of(target) {
        Target::Run(number) => return source.run(number, context),
        Target::Job(name) => name,
    };
    let selector = Selector { limit: Some(RECENT), ..Selector::named(&name) };
    let runs = source.history(selector, context)?;
    runs.into_iter().find(|run| run.log.is_some()).ok_or_else(|| {
        CliError::new(Kind::Name, format!("{name} has not run yet"))
            .hint(format!("`jobctl why {name}` and `jobctl next {name}` tell more"))
    })
}

/// Opens the output of a run where the ledger says it is.
fn read(run: &RunView, attempt: Option<u32>, lines: Option<u64>) -> io::Result<LogReader> {
    let missing = || io::Error::from(io::ErrorKind::NotFound);
    let latest = Path::new(run.log.as_deref().ok_or_else(missing)?);
    let path = match attempt {
        None => latest.to_owned(),
        Some(attempt) => {
            let root = latest.ancestors().nth(2).ok_or_else(missing)?;
            let job = Name::new(&run.job).map_err(|_| missing())?;
            Logs::existing(root.to_owned()).path(&job, RunId(run.run_id), attempt)
        }
    };
    match lines {
        Some(lines) => LogReader::open_at_last_lines(&path, usize::try_from(lines).unwrap_or(usize::MAX)),
        None => LogReader::open(&path, 0),
    }
}

/// Prints one piece of a stream.
pub(crate) fn print(piece: &Output, context: &mut Context) -> Result<(), CliError> {
    if context.json() { context.out.json_line(piece) } else { context.out.bytes(piece.text.as_bytes()) }
}

fn unreadable(run: &RunView, error: &io::Error) -> CliError {
    CliError::new(Kind::Failed, format!("cannot read the output of run {}: {error}", run.run_id))
}

//! `events`: the sequence of everything that happened, and what happens.

use clap_complete::ArgValueCandidates;

use super::complete;
use super::context::Context;
use super::error::{CliError, Kind};
use super::follow::Reader;
use super::render::event;
use super::select::Filters;
use super::service::{call_failed, connect};
use super::source::Source;
use crate::client::{CallError, ClientError};
use crate::core::event::EventKind;
use crate::protocol::pattern;
use crate::protocol::reply;
use crate::protocol::request::{self, Request};
use crate::protocol::views::EventView;

pub(crate) const EXAMPLES: &str = "
jobctl events --since 1h
jobctl events -f --only run.failed,run.lost
jobctl events -f --after 1042 --json | while read -r event; do ...; done";

/// Show what happened, and with -f what happens
///
/// Events have numbers without gaps: --after N goes on where an earlier reader was, and misses nothing. At most
/// the last 100 unless --limit says otherwise. With --json one object a line. Works without a daemon, but for -f.
#[derive(Debug, clap::Args)]
#[command(after_long_help = super::help::examples(EXAMPLES))]
pub(crate) struct Events {
    /// Jobs by name; * ? and [a-z] make globs
    #[arg(value_name = "JOB", add = ArgValueCandidates::new(complete::jobs))]
    jobs: Vec<String>,
    /// Go on with events as they come
    #[arg(short, long)]
    follow: bool,
    /// Only these events (run.failed, 'job.*')
    #[arg(long, value_name = "EVENT", value_delimiter = ',', add = ArgValueCandidates::new(complete::events))]
    only: Vec<String>,
    /// Only events after this number
    #[arg(long, value_name = "SEQ")]
    after: Option<u64>,
    #[command(flatten)]
    filters: Filters,
}

impl Events {
    pub(crate) fn run(&self, context: &mut Context) -> Result<u8, CliError> {
        for only in &self.only {
            if !EventKind::ALL.into_iter().any(|kind| pattern::matches(only, kind.as_str())) {
                let error = CliError::usage(format!("no event is called {only:?}"));
                return Err(error.hint("like run.failed, 'run.*' or 'job.*'; the manual has them all"));
            }
        }
        let selector = self.filters.selector(&self.jobs, context)?;
        let request = request::Events { selector, after: self.after, only: self.only.clone() };
        if self.follow {
            return follow(&request, context);
        }
        for event in Source::open(context)?.events(request, context)? {
            print(&event, context)?;
        }
        Ok(0)
    }
}

/// Prints events until the daemon goes, or the reader does.
fn follow(request: &request::Events, context: &mut Context) -> Result<u8, CliError> {
    let client = connect(context)?;
    let reader = Reader::watch(vec![client.closer()?]);
    let stream = client
        .stream::<reply::Events>(&Request::Events(request.clone()))
        .map_err(|error| call_failed(&error, context))?;
    let mut last = request.after;
    for batch in stream {
        match batch {
            Ok(batch) => {
                for event in &batch.events {
                    print(event, context)?;
                    last = Some(event.seq);
                }
                context.out.flush()?;
            }
            Err(CallError::Client(ClientError::Closed)) => break,
            Err(_) if reader.check().is_err() => break,
            Err(error) => return Err(call_failed(&error, context)),
        }
    }
    reader.check()?;
    let error = CliError::new(Kind::NoDaemon, "the daemon has ended");
    Err(match last {
        Some(seq) => error.hint(format!("`jobctl events -f --after {seq}` goes on when it runs again")),
        None => error,
    })
}

fn print(event: &EventView, context: &mut Context) -> Result<(), CliError> {
    if context.json() { context.out.json_line(event) } else { context.out.line(&event::line(event)) }
}

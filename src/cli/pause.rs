//! `pause`: jobs are not due until resumed.

use super::context::Context;
use super::error::CliError;
use super::render::text::names;
use super::select::{Select, future};
use super::service::ask;
use crate::protocol::reply::Names;
use crate::protocol::request::{self, Request};

pub(crate) const EXAMPLES: &str = "
jobctl pause backup --reason 'disk is full'
jobctl pause --tag nightly --until 'tomorrow 7:00'
jobctl pause 'db-*' --until 2h";

/// Pause jobs
///
/// What falls due meanwhile is skipped and recorded as such; running jobs go on. A pause outlives restarts,
/// reloads and `add --replace`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = super::help::examples(EXAMPLES))]
pub(crate) struct Pause {
    #[command(flatten)]
    select: Select,
    /// Resume then (2h, tomorrow, 2026-12-24T18:00)
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Why, for those who wonder
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

impl Pause {
    pub(crate) fn run(&self, context: &mut Context) -> Result<u8, CliError> {
        let request = request::Pause {
            selector: self.select.selector(context)?,
            until: self.until.as_deref().map(|text| future(text, context)).transpose()?,
            reason: self.reason.clone(),
        };
        let done: Names = ask(&Request::Pause(request), context)?;
        if context.json() {
            context.out.json(&done)?;
        } else {
            context.out.done(&names("paused", &done.names))?;
        }
        Ok(0)
    }
}

//! `resume`: ends pauses.

use super::context::Context;
use super::error::CliError;
use super::render::text::names;
use super::select::Select;
use super::service::ask;
use crate::protocol::reply::Names;
use crate::protocol::request::{self, Request};

pub(crate) const EXAMPLES: &str = "
jobctl resume backup
jobctl resume --state paused --all
jobctl resume backup --catch-up   # what fell due meanwhile is judged by its grace";

/// Resume paused jobs
///
/// They go on with their next fire time, on the same grid as before.
#[derive(Debug, clap::Args)]
#[command(after_long_help = super::help::examples(EXAMPLES))]
pub(crate) struct Resume {
    #[command(flatten)]
    select: Select,
    /// Judge what fell due meanwhile by its grace, instead of skipping it
    #[arg(long)]
    catch_up: bool,
}

impl Resume {
    pub(crate) fn run(&self, context: &mut Context) -> Result<u8, CliError> {
        let request = request::Resume { selector: self.select.selector(context)?, catch_up: self.catch_up };
        let done: Names = ask(&Request::Resume(request), context)?;
        if context.json() {
            context.out.json(&done)?;
        } else {
            context.out.done(&names("resumed", &done.names))?;
        }
        Ok(0)
    }
}

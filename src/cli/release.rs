//! `release`: ends a hold.

use super::context::Context;
use super::error::CliError;
use super::service::ask;
use crate::protocol::reply::Done;
use crate::protocol::request::Request;

pub(crate) const EXAMPLES: &str = "
jobctl release";

/// End a hold
///
/// What fell due meanwhile is judged by the grace of each job.
#[derive(Debug, clap::Args)]
#[command(after_long_help = super::help::examples(EXAMPLES))]
pub(crate) struct Release {}

impl Release {
    pub(crate) fn run(&self, context: &mut Context) -> Result<u8, CliError> {
        let done: Done = ask(&Request::Release, context)?;
        if context.json() {
            context.out.json(&done)?;
        } else {
            context.out.done("released")?;
        }
        Ok(0)
    }
}

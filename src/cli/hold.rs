//! `hold`: nothing starts until released.

use super::context::Context;
use super::error::CliError;
use super::service::ask;
use crate::protocol::reply::Done;
use crate::protocol::request::{self, Request};

pub(crate) const EXAMPLES: &str = "
jobctl hold --reason 'moving the database'
jobctl release";

/// Start nothing until released
///
/// Running jobs go on. The hold outlives restarts of the daemon; on release, what fell due meanwhile is judged by
/// its grace.
#[derive(Debug, clap::Args)]
#[command(after_long_help = super::help::examples(EXAMPLES))]
pub(crate) struct Hold {
    /// Why, for those who wonder
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

impl Hold {
    pub(crate) fn run(&self, context: &mut Context) -> Result<u8, CliError> {
        let done: Done = ask(&Request::Hold(request::Hold { reason: self.reason.clone() }), context)?;
        if context.json() {
            context.out.json(&done)?;
        } else {
            context.out.done("held: nothing starts until `jobctl release`")?;
        }
        Ok(0)
    }
}

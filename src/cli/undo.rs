//! `undo`: takes a change of the job set back.

use super::changes::print_diff;
use super::context::Context;
use super::error::CliError;
use super::service::ask;
use crate::protocol::reply::Undone;
use crate::protocol::request::{self, Request};

pub(crate) const EXAMPLES: &str = "
jobctl undo
jobctl changes && jobctl undo 17";

/// Take a change of the job set back
///
/// The definition becomes what it was before the change; that is a change too, so it can be undone as well.
#[derive(Debug, clap::Args)]
#[command(after_long_help = super::help::examples(EXAMPLES))]
pub(crate) struct Undo {
    /// The number of the change, as `jobctl changes` shows it; default is the latest
    #[arg(value_name = "CHANGE")]
    revision: Option<u64>,
}

impl Undo {
    pub(crate) fn run(&self, context: &mut Context) -> Result<u8, CliError> {
        let undone: Undone = ask(&Request::Undo(request::Undo { revision: self.revision }), context)?;
        if context.json() {
            context.out.json(&undone)?;
        } else if !context.quiet() {
            context.out.line(&format!("taken back, as change {}:", undone.revision))?;
            print_diff(&undone.undone, context)?;
        }
        Ok(0)
    }
}

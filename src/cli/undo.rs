//! `undo`: takes a change of the job set back.

use super::changes::{hide_secrets, print_diff};
use super::context::Context;
use super::error::CliError;
use super::render::text::count;
use super::service::ask;
use crate::protocol::reply::Undone;
use crate::protocol::request::{self, Request};

pub(crate) const EXAMPLES: &str = "
jobctl undo
jobctl changes && jobctl undo 17
jobctl undo 17 --single";

/// Take a change of the job set back
///
/// Definitions become what they were before. What one request did is taken back at once: after `remove --all` one
/// `undo` brings every job back. That is a change too, so it can be undone as well.
#[derive(Debug, clap::Args)]
#[command(after_long_help = super::help::examples(EXAMPLES))]
pub(crate) struct Undo {
    /// The number of the change, as `jobctl changes` shows it; default is the latest
    #[arg(value_name = "CHANGE")]
    revision: Option<u64>,
    /// Only this change, not all that the same request changed
    #[arg(long)]
    single: bool,
}

impl Undo {
    pub(crate) fn run(&self, context: &mut Context) -> Result<u8, CliError> {
        let request = request::Undo { revision: self.revision, single: self.single };
        let mut undone: Undone = ask(&Request::Undo(request), context)?;
        undone.undone.iter_mut().for_each(hide_secrets);
        if context.json() {
            context.out.json(&undone)?;
        } else if !context.quiet() {
            context.out.line(&format!("taken back: {}", count(undone.undone.len() as u64, "change")))?;
            for change in &undone.undone {
                print_diff(change, context)?;
            }
        }
        Ok(0)
    }
}

//! `status`: how the daemon is.

use super::context::Context;
use super::error::{CliError, Kind};
use super::render::status;
use super::source::Source;

pub(crate) const EXAMPLES: &str = "
jobctl status
jobctl status --quiet || echo 'no daemon runs'
jobctl status --json | jq '{health, runs_running}'";

/// Show how the daemon is
///
/// Ends with 3 where none runs; what can be told from the files is shown all the same.
#[derive(Debug, clap::Args)]
#[command(after_long_help = super::help::examples(EXAMPLES))]
pub(crate) struct Status {}

impl Status {
    pub(crate) fn run(&self, context: &mut Context) -> Result<u8, CliError> {
        let view = Source::open_surely(context)?.status(context)?;
        if context.json() {
            context.out.json(&view)?;
        } else if !context.quiet() {
            status::show(&view, context.now, &mut context.out)?;
        }
        Ok(if view.running { 0 } else { Kind::NoDaemon.exit_code() })
    }
}

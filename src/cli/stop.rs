//! `stop`: the daemon stops.

use std::thread;
use std::time::Duration;

use super::context::Context;
use super::error::CliError;
use super::service::ask;
use crate::client::{Client, ClientError};
use crate::protocol::reply::Done;
use crate::protocol::request::Request;

pub(crate) const EXAMPLES: &str = "
jobctl stop
jobctl stop --wait && jobctl run";

/// How often it is looked whether the daemon has gone.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// Stop the daemon
///
/// Nothing starts any more; running jobs get `stop_timeout` to finish before they are ended.
#[derive(Debug, clap::Args)]
#[command(after_long_help = super::help::examples(EXAMPLES))]
pub(crate) struct Stop {
    /// Wait until it has gone
    #[arg(long)]
    wait: bool,
}

impl Stop {
    pub(crate) fn run(&self, context: &mut Context) -> Result<u8, CliError> {
        let _: Done = ask(&Request::Stop, context)?;
        if self.wait {
            let socket = context.paths()?.socket;
            while !matches!(
                Client::connect(&socket),
                Err(ClientError::NoSocket { .. } | ClientError::Refused { .. })
            ) {
                thread::sleep(BETWEEN_LOOKS);
            }
        }
        if context.json() {
            context.out.json(&Done {})?;
        } else {
            context.out.done(if self.wait { "stopped" } else { "stopping" })?;
        }
        Ok(0)
    }
}

//! `run`: the daemon, in the foreground.

use super::context::Context;
use super::error::{CliError, Kind, chain};
use super::files::no_catalogue;
use super::logging::{self, LogFormat};
use super::source::unopened;
use crate::daemon::{self, BindError, Options, RunError};
use crate::store::OpenError;

pub(crate) const EXAMPLES: &str = "
jobctl run
jobctl run --config examples/jobs.toml --state-dir /tmp/try
jobctl run --log-format json 2>> jobctl.log";

/// Run the daemon in the foreground
///
/// Reads the job file, keeps its state in the state directory and listens on the socket until TERM or INT; a second
/// one hurries. HUP reads the job file again. A job file that was not named may be missing: then there are only
/// the jobs that were added. Ends with 3 where a daemon runs already.
#[derive(Debug, clap::Args)]
#[command(after_long_help = super::help::examples(EXAMPLES))]
pub(crate) struct Run {
    /// How the log on standard error is written: text, journal or json; default fits where it goes
    #[arg(long, value_enum, value_name = "FORMAT", hide_possible_values = true)]
    log_format: Option<LogFormat>,
    /// How much is logged: error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", default_value = "info", env = "JOBCTL_LOG", hide_env_values = true)]
    log_level: tracing::Level,
}

impl Run {
    pub(crate) fn run(&self, context: &mut Context) -> Result<u8, CliError> {
        let paths = context.paths()?;
        logging::start(self.log_format, self.log_level, context.out.colour_on_stderr());
        let options = Options {
            config: paths.config,
            config_required: paths.config_given,
            state_dir: paths.state_dir,
            socket: paths.socket,
        };
        daemon::run(&options).map_err(|error| failed(&error, context))?;
        Ok(0)
    }
}

fn failed(error: &RunError, context: &Context) -> CliError {
    let running = "`jobctl status` shows it; another one needs a --state-dir of its own";
    match error {
        RunError::Catalogue(error) => no_catalogue(error, context),
        RunError::Store(error @ OpenError::Locked { .. }) => {
            CliError::new(Kind::NoDaemon, chain(error)).hint(running)
        }
        RunError::Store(error) => unopened(error),
        RunError::Socket(error @ BindError::InUse { .. }) => {
            CliError::new(Kind::NoDaemon, chain(error)).hint(running)
        }
        RunError::Socket(error @ BindError::NoSuchGroup { .. }) => {
            CliError::usage(chain(error)).hint("create it, or change `group` under [daemon]")
        }
        RunError::Socket(error) => CliError::failed(error).hint("name another place with --socket FILE"),
        RunError::Query(_) | RunError::System { .. } => CliError::failed(error),
    }
}

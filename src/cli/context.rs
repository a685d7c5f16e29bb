//! What every command has at hand: where things are, what was asked for globally, and the instant it began.

use super::Global;
use std::cell::OnceCell;
use std::path::PathBuf;
use std::sync::Arc;

use super::error::CliError;
use super::paths::{Given, Paths, Surroundings};
use super::render::out::Out;
use crate::core::civil::{Zone, ZoneSource};
use crate::core::instant::Timestamp;
use crate::daemon::clock;
use crate::zoneinfo;

/// The surroundings of one command.
pub(crate) struct Context {
    global: Global,
    zones: OnceCell<Arc<dyn ZoneSource + Send + Sync>>,
    /// Where it writes.
    pub(crate) out: Out,
    /// When it began, by the wall clock; relative times are seen from here.
    pub(crate) now: Timestamp,
}

impl Context {
    /// Looks at the options and the clock.
    pub(crate) fn new(global: Global) -> Self {
        let out = Out::new(global.color, global.quiet);
        Context { out, now: clock::now().wall, global, zones: OnceCell::new() }
    }

    /// Says whether JSON was asked for.
    pub(crate) const fn json(&self) -> bool {
        self.global.json
    }

    /// Says whether only bare answers are wanted.
    pub(crate) const fn quiet(&self) -> bool {
        self.global.quiet
    }

    /// Returns the tz database; it is opened when it is first asked for.
    pub(crate) fn zones(&self) -> &Arc<dyn ZoneSource + Send + Sync> {
        self.zones.get_or_init(|| Arc::from(zoneinfo::source()))
    }

    /// Finds a zone by its name.
    ///
    /// # Errors
    /// There is none of this name.
    pub(crate) fn zone(&self, name: &str) -> Result<Zone, CliError> {
        self.zones().zone(name).ok_or_else(|| {
            CliError::usage(format!("there is no time zone {name:?}"))
                .hint("give an IANA name like Europe/Berlin or UTC")
        })
    }

    /// Finds the job file, the state directory and the socket.
    ///
    /// # Errors
    /// Where one of them cannot be told; see [`Paths::resolve`].
    pub(crate) fn paths(&self) -> Result<Paths, CliError> {
        Ok(Paths::resolve(&self.global.given(), &Surroundings::of_process())?)
    }
}

impl Global {
    /// Returns the places that were given; an empty text gives none.
    pub(crate) fn given(&self) -> Given {
        let given = |option: &Option<PathBuf>, variable: &str| {
            let path = option.clone().or_else(|| std::env::var_os(variable).map(PathBuf::from));
            path.filter(|path| !path.as_os_str().is_empty())
        };
        Given {
            config: given(&self.config, "JOBCTL_CONFIG"),
            state_dir: given(&self.state_dir, "JOBCTL_STATE_DIR"),
            socket: given(&self.socket, "JOBCTL_SOCKET"),
        }
    }
}

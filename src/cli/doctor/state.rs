//! The store, the lock, the daemon and the clock they share.

use super::Findings;
use crate::cli::context::Context;
use crate::cli::error::chain;
use crate::cli::paths::Paths;
use crate::cli::render::time;
use crate::cli::source::unopened;
use crate::client::{Client, ClientError};
use crate::core::instant::{Now, Timestamp};
use crate::daemon::clock;
use crate::protocol::reply;
use crate::protocol::request::Request;
use crate::protocol::views::StatusView;
use crate::store::{self, EventFilter, Loaded, Reader};

/// How far a clock may stand before the store's last entry: two readings of one clock are never far apart.
const SLACK: std::time::Duration = std::time::Duration::from_secs(2);

/// A daemon that is silent for longer has a loop that hangs.
const SILENT_MS: u64 = 60_000;

/// No clock that works is before this: 2024-01-01T00:00:00Z.
const RECENT: Timestamp = Timestamp::from_secs(1_704_067_200);

/// What later checks build on.
pub(super) struct State {
    /// The daemon, where it answers.
    pub(super) status: Option<StatusView>,
    /// What the store remembers; `None` where it cannot be read.
    pub(super) loaded: Option<Loaded>,
    /// The job set in force as the daemon exports it.
    pub(super) in_force: Option<String>,
}

/// Looks at all of them.
pub(super) fn look(paths: &Paths, context: &Context, found: &mut Findings) -> State {
    let loaded = store(paths, context, found);
    let mut state = State { status: None, loaded, in_force: None };
    daemon(paths, &mut state, found);
    clocks(found);
    state
}

fn store(paths: &Paths, context: &Context, found: &mut Findings) -> Option<Loaded> {
    let reader = match Reader::open(&paths.state_dir) {
        Ok(Some(reader)) => reader,
        Ok(None) => return Some(crate::cli::source::nothing()),
        Err(error) => {
            let error = unopened(&error);
            found.problem("store", error.message, error.hint.unwrap_or_default());
            return None;
        }
    };
    if let Err(error) = reader.verify(&paths.state_dir) {
        let error = unopened(&error);
        found.problem("store", error.message, error.hint.unwrap_or_default());
    }
    let loaded = match reader.load() {
        Ok(loaded) => loaded,
        Err(error) => {
            found.problem("store", chain(&error), "`jobctl restore FILE` puts a backup back");
            return None;
        }
    };
    let last_event = reader.events(&EventFilter { limit: Some(1), ..EventFilter::default() });
    let last_event = last_event.ok().and_then(|events| events.last().map(|event| event.at));
    if let Some(at) = loaded.heartbeat.max(last_event)
        && at.since(context.now) > SLACK
    {
        let message = format!(
            "the system's clock stands {} before the store's last entry",
            time::duration(at.since(context.now))
        );
        found.problem(
            "clock",
            message,
            "set the clock: until it has caught up, calendar jobs wait (`max_clock_wait`)",
        );
    }
    if loaded.restored.is_some() {
        found.note("store", "it was restored, and no daemon has started since", "");
    }
    Some(loaded)
}

fn daemon(paths: &Paths, state: &mut State, found: &mut Findings) {
    let holder = store::lock_holder(&paths.state_dir);
    let mut client = match Client::connect(&paths.socket) {
        Ok(client) => client,
        Err(ClientError::NoSocket { .. } | ClientError::Refused { .. }) => {
            match holder {
                Some(pid) => found.problem(
                    "daemon",
                    format!(
                        "process {pid} has the state directory and does not listen on {}",
                        paths.socket.display()
                    ),
                    "name its socket with --socket, or end it",
                ),
                None => found.warning("daemon", "none runs: nothing is started", "start one: `jobctl run`"),
            }
            return;
        }
        Err(error) => {
            found.problem("daemon", chain(&error), "look at its log");
            return;
        }
    };
    let status: StatusView = match client.call::<reply::Status>(&Request::Status) {
        Ok(reply) => reply.status,
        Err(error) => {
            found.problem("daemon", format!("it does not tell its status: {error}"), "look at its log");
            return;
        }
    };
    if holder.is_none() {
        let message =
            format!("the daemon on {} does not use {}", paths.socket.display(), paths.state_dir.display());
        found.warning("daemon", message, "name both places, --socket and --state-dir, or neither");
    }
    health(&status, found);
    let export = Request::Export(crate::protocol::request::Export { names: Vec::new() });
    state.in_force = client.call::<reply::Exported>(&export).ok().map(|reply| reply.toml);
    state.status = Some(status);
}

fn health(status: &StatusView, found: &mut Findings) {
    if let Some(error) = &status.degraded {
        found.problem(
            "daemon",
            format!("it cannot write its store: {error}"),
            "it keeps trying, and starts nothing",
        );
    }
    if let Some(age) = status.heartbeat_age_ms.filter(|age| *age > SILENT_MS) {
        let message = format!("its last heartbeat was {} ago", time::millis(age));
        found.problem("daemon", message, "it hangs: look at its log and restart it");
    }
    if let Some(held) = &status.held {
        let message = format!("everything is held since {}", time::exact(&held.since));
        found.warning("daemon", message, "`jobctl release` ends it");
    }
    for error in &status.config_errors {
        found.problem(
            "job file",
            error.clone(),
            "the older set is in force: repair it, then `jobctl reload`",
        );
    }
    let own = env!("CARGO_PKG_VERSION");
    if status.version != own {
        let message = format!("it is of version {}, this is {own}", status.version);
        found.warning("daemon", message, "restart it");
    }
}

fn clocks(found: &mut Findings) {
    let now = clock::now();
    if now.wall < RECENT {
        let message = format!("the system's clock says {}", now.wall);
        found.problem("clock", message, "set it: no job can be due at the right time");
    }
    if let Err(error) = clock::check_alarms() {
        let message = format!("the kernel gives no alarm on the wall clock: {error}");
        found.problem("clock", message, "the daemon cannot run here");
    }
}

/// Holds the progress of both clocks since the examination began against each other.
pub(super) fn compare_clocks(begun: Now, found: &mut Findings) {
    let now = clock::now();
    let (wall, mono) = (now.wall.since(begun.wall), now.mono.since(begun.mono));
    if wall.abs_diff(mono) > SLACK || now.wall < begun.wall {
        let message =
            format!("the wall clock went {} while {} passed", time::duration(wall), time::duration(mono));
        found.warning("clock", message, "somebody sets it: look for two programs that keep the time");
    }
}

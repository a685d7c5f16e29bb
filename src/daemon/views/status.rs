//! How the daemon is, as clients see it.

use std::collections::BTreeMap;
use std::path::Path;

use crate::core::instant::Timestamp;
use crate::core::name::Name;
use crate::core::run::RunStatus;
use crate::core::scheduler::{JobSnapshot, Scheduler};
use crate::daemon::catalogue::Catalogue;
use crate::protocol::views::{PauseView, PoolView, StatusView};

/// What the status is made from.
pub struct Facts<'a> {
    /// The jobs and runs.
    pub scheduler: &'a Scheduler,
    /// The definitions.
    pub catalogue: &'a Catalogue,
    /// When the daemon started.
    pub started_at: Timestamp,
    /// The machine's name.
    pub host: &'a str,
    /// The state directory.
    pub state_dir: &'a Path,
    /// The socket.
    pub socket: &'a Path,
    /// Why the store cannot be written, when it cannot.
    pub degraded: Option<&'a str>,
    /// Now.
    pub now: Timestamp,
}

/// How many jobs there are in each state, and which is due next.
#[derive(Debug, Default)]
pub struct Census {
    states: BTreeMap<&'static str, u64>,
    next: Option<(Timestamp, Name)>,
}

impl Census {
    /// Counts a job.
    pub fn count(&mut self, job: &JobSnapshot) {
        *self.states.entry(job.state.as_str()).or_default() += 1;
        if let Some(at) = job.next_fire_time
            && self.next.as_ref().is_none_or(|(earliest, _)| at < *earliest)
        {
            self.next = Some((at, job.job.name.clone()));
        }
    }
}

/// Shows how a running daemon is.
pub fn status_view(facts: &Facts<'_>, census: Census) -> StatusView {
    let zone = facts.catalogue.zone();
    let held = facts.scheduler.held();
    let health = match (facts.scheduler.is_stopping(), facts.degraded, held) {
        (true, _, _) => "stopping",
        (false, Some(_), _) => "degraded",
        (false, None, Some(_)) => "held",
        (false, None, None) => "ok",
    };
    StatusView {
        running: true,
        pid: i32::try_from(std::process::id()).ok(),
        started_at: Some(zone.format(facts.started_at)),
        heartbeat_age_ms: Some(0),
        health: health.to_owned(),
        degraded: facts.degraded.map(str::to_owned),
        held: held.map(|hold| PauseView {
            since: zone.format(hold.at),
            until: None,
            reason: hold.reason.clone(),
        }),
        ..resting_view(facts, census)
    }
}

/// Shows what can be told without a daemon.
pub fn resting_view(facts: &Facts<'_>, census: Census) -> StatusView {
    let catalogue = facts.catalogue;
    let zone = catalogue.zone();
    let Census { states, next } = census;
    let mut jobs: BTreeMap<String, u64> =
        states.into_iter().map(|(state, count)| (state.to_owned(), count)).collect();
    let broken = catalogue.broken().count() as u64;
    if broken > 0 {
        jobs.insert("broken".to_owned(), broken);
    }
    let waits = |status| facts.scheduler.live_runs().filter(|(_, run)| *run == status).count() as u64;
    StatusView {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        identity: Some(catalogue.set().daemon.identity.clone().unwrap_or_else(|| facts.host.to_owned())),
        host: facts.host.to_owned(),
        health: "stopped".to_owned(),
        config: catalogue.config().to_string_lossy().into_owned(),
        config_errors: catalogue.errors().iter().map(ToString::to_string).collect(),
        state_dir: facts.state_dir.to_string_lossy().into_owned(),
        socket: facts.socket.to_string_lossy().into_owned(),
        timezone: zone.name().to_owned(),
        tzdb: catalogue.zones().version(),
        jobs,
        runs_running: waits(RunStatus::Running),
        runs_queued: waits(RunStatus::Queued) + waits(RunStatus::Retrying),
        pools: facts.scheduler.pools().into_iter().map(pool_view).collect(),
        next_fire_time: next.as_ref().map(|(at, _)| zone.format_exact(*at)),
        next_job: next.map(|(_, name)| name.to_string()),
        ..StatusView::default()
    }
}

fn pool_view(pool: crate::core::scheduler::PoolSnapshot) -> PoolView {
    PoolView {
        name: pool.name.to_string(),
        workers: pool.workers,
        running: u64::from(pool.running),
        queued: pool.queued as u64,
    }
}

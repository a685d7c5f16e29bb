//! What the machine grants: time zones, control groups, open files.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Findings;
use super::state::State;
use crate::cli::context::Context;
use crate::cli::paths::Paths;
use crate::core::civil::{Embedded, Zone, ZoneSource};
use crate::core::instant::Timestamp;
use crate::core::job::{Execution, Job};
use crate::core::trigger::Firing;
use crate::jobfile::{self, JobSet, NoPeers};
use crate::process;

/// How far ahead two databases are compared, and in what steps.
const AHEAD: usize = 2 * 365;
const DAY: Duration = Duration::from_secs(86_400);

/// A tz database is old when so many years lie between its own and this one.
const OLD_YEARS: i32 = 2;

/// Descriptors the daemon needs for itself, and for each run: output, pidfd, cgroup, a pipe.
const OWN_FILES: u64 = 64;
const FILES_OF_A_RUN: u64 = 4;

/// Looks at all of them.
pub(super) fn look(paths: &Paths, state: &State, context: &Context, found: &mut Findings) {
    let zones = context.zones().as_ref();
    let set = jobfile::read(&paths.config).ok();
    let set = set.and_then(|sources| jobfile::load(&sources, zones, &NoPeers).ok());
    let set = set.unwrap_or_else(|| JobSet::empty(zones));
    tz_database(&set, state, context, found);
    let daemon = state.status.as_ref().and_then(|status| status.pid);
    control_groups(&set, daemon, found);
    open_files(&set, daemon, found);
}

fn tz_database(set: &JobSet, state: &State, context: &Context, found: &mut Findings) {
    let zones = context.zones().as_ref();
    let (version, embedded) = (zones.version(), Embedded.version());
    if let Some(status) = state.status.as_ref().filter(|status| status.tzdb != version) {
        let message =
            format!("the daemon goes by the tz database {}, the machine has {version}", status.tzdb);
        found.warning("time zones", message, "`jobctl reload` takes up the new one");
    }
    let this_year = context.now.to_utc().map(|now| chrono::Datelike::year(&now));
    if let (Some(year), Some(this_year)) = (year_of(&version), this_year)
        && this_year - year >= OLD_YEARS
    {
        found.warning("time zones", format!("the tz database is {version}"), "install a newer tzdata");
    }
    for zone in used(set) {
        let Some(own) = Embedded.zone(zone.name()) else { continue };
        if let Some(at) = first_difference(&zone, &own, context.now) {
            let message = format!(
                "{version} and the embedded {embedded} differ on {}: {} or {}",
                zone.name(),
                zone.format(at),
                own.format(at)
            );
            found.warning("time zones", message, "the system's is used; update the older of them");
        }
    }
}

/// Returns the zones that jobs go by, each once.
fn used(set: &JobSet) -> Vec<Zone> {
    let of_job = |job: &std::sync::Arc<Job>| match &job.firing {
        Firing::Clock(schedule) => Some(schedule.zone.clone()),
        Firing::Startup | Firing::Shutdown | Firing::After(_) => None,
    };
    let mut seen = BTreeSet::new();
    let all = std::iter::once(set.timezone.clone()).chain(set.jobs.iter().filter_map(of_job));
    all.filter(|zone| seen.insert(zone.name().to_owned())).collect()
}

fn first_difference(a: &Zone, b: &Zone, now: Timestamp) -> Option<Timestamp> {
    let days = std::iter::successors(Some(now), |at| Some(at.plus(DAY))).take(AHEAD);
    days.into_iter().find(|at| a.offset_at(*at) != b.offset_at(*at))
}

/// Reads the year of a version like `system 2025b`.
fn year_of(version: &str) -> Option<i32> {
    let last = version.split_whitespace().next_back()?;
    last.get(..4)?.parse().ok()
}

fn control_groups(set: &JobSet, daemon: Option<i32>, found: &mut Findings) {
    if process::cgroup::is_delegated_to(daemon) {
        return;
    }
    let limited = |execution: &Execution| {
        let limits = &execution.limits;
        limits.memory.is_some() || limits.cpu_percent.is_some() || limits.tasks.is_some()
    };
    let jobs: Vec<String> =
        set.jobs.iter().filter(|job| limited(&job.execution)).map(|job| job.name.to_string()).collect();
    let hint = "under systemd: Delegate=yes in the daemon's unit";
    if jobs.is_empty() {
        found.note("cgroups", "none is delegated: what leaves a run's process group escapes its end", hint);
    } else {
        let jobs = crate::cli::render::text::list(&jobs);
        let message =
            format!("none is delegated: limits of memory, cpu and tasks do not hold as a whole for {jobs}");
        found.warning("cgroups", message, hint);
    }
}

fn open_files(set: &JobSet, daemon: Option<i32>, found: &mut Findings) {
    let Some(limit) = process::open_files_limit(daemon) else { return };
    let runs: u64 = set.jobs.iter().map(|job| u64::from(job.policy.max_instances)).sum();
    let needed = runs.saturating_mul(FILES_OF_A_RUN).saturating_add(OWN_FILES);
    if needed > limit {
        let message = format!("{limit} open files are allowed, {runs} runs at once may need {needed}");
        found.warning("open files", message, "raise LimitNOFILE= of the unit, or `ulimit -n`");
    }
}

#[cfg(test)]
mod tests {
    use super::year_of;

    #[test]
    fn the_year_of_a_tz_database_is_read() {
        for (version, year) in [
            ("system 2025b", Some(2025)),
            ("embedded 2024a", Some(2024)),
            ("system of unknown version", None),
            ("", None),
        ] {
            assert_eq!(year_of(version), year, "{version}");
        }
    }
}

//! Live candidates for the shells: names of jobs, tags, pools, zones, numbers of runs.
//!
//! Asked for at every press of the tab key, so quick and silent: what cannot be had at once is left out.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use clap_complete::CompletionCandidate;

use super::paths::{Given, Paths, Surroundings};
use crate::core::event::EventKind;
use crate::daemon::catalogue::Catalogue;
use crate::store::{HistoryFilter, Reader, RunRow};
use crate::zoneinfo;

/// The most candidates that are worth showing.
const MOST: usize = 2_000;

/// How many runs are worth showing.
const RUNS: usize = 50;

/// Completes names of jobs, with their descriptions.
pub(crate) fn jobs() -> Vec<CompletionCandidate> {
    let Some(catalogue) = catalogue() else { return Vec::new() };
    let jobs = catalogue.jobs();
    let candidates = jobs.iter().take(MOST).map(|job| {
        let help = job.about.description.clone().map(Into::into);
        CompletionCandidate::new(job.name.as_str()).help(help)
    });
    candidates.collect()
}

/// Completes names of jobs and numbers of the latest runs.
pub(crate) fn jobs_and_runs() -> Vec<CompletionCandidate> {
    let mut candidates = jobs();
    candidates.extend(runs());
    candidates
}

fn runs() -> Vec<CompletionCandidate> {
    let rows = || {
        let reader = Reader::open(&paths()?.state_dir).ok()??;
        reader.history(&HistoryFilter { limit: Some(RUNS), ..HistoryFilter::default() }).ok()
    };
    let candidate = |row: &RunRow| {
        CompletionCandidate::new(row.run.to_string()).help(Some(format!("{} {}", row.job, row.status).into()))
    };
    rows().unwrap_or_default().iter().map(candidate).collect()
}

/// Completes names of events, and the globs of their kinds.
pub(crate) fn events() -> Vec<CompletionCandidate> {
    let globs = ["daemon.*", "jobs.*", "job.*", "pool.*", "run.*"].into_iter().map(CompletionCandidate::new);
    globs.chain(EventKind::ALL.into_iter().map(|kind| CompletionCandidate::new(kind.as_str()))).collect()
}

/// Completes tags.
pub(crate) fn tags() -> Vec<CompletionCandidate> {
    let Some(catalogue) = catalogue() else { return Vec::new() };
    let mut tags: Vec<String> = catalogue.jobs().iter().flat_map(|job| job.about.tags.clone()).collect();
    tags.sort_unstable();
    tags.dedup();
    tags.into_iter().take(MOST).map(CompletionCandidate::new).collect()
}

/// Completes names of pools.
pub(crate) fn pools() -> Vec<CompletionCandidate> {
    let Some(catalogue) = catalogue() else { return Vec::new() };
    let pools = &catalogue.set().pools;
    pools.iter().take(MOST).map(|pool| CompletionCandidate::new(pool.name.as_str())).collect()
}

/// Completes time zones.
pub(crate) fn timezones() -> Vec<CompletionCandidate> {
    zoneinfo::source().names().into_iter().take(MOST).map(CompletionCandidate::new).collect()
}

fn catalogue() -> Option<Catalogue> {
    let paths = paths()?;
    let reader = Reader::open(&paths.state_dir).ok().flatten();
    let added = reader.and_then(|reader| reader.load().ok()).map(|loaded| loaded.definitions);
    let zones = Arc::from(zoneinfo::source());
    Catalogue::open(&paths.config, false, zones, added.unwrap_or_default()).ok()
}

/// Finds the files that the command being completed is about. Its line is not parsed yet, so the options are
/// looked for in its words.
fn paths() -> Option<Paths> {
    let words: Vec<OsString> = std::env::args_os().skip_while(|word| word != "--").collect();
    let given = |option: &str, variable: &str| -> Option<PathBuf> {
        let with_equals = format!("--{option}=");
        let place = words.iter().position(|word| {
            let word = word.to_string_lossy();
            word == format!("--{option}") || word.starts_with(&with_equals)
        });
        let value = place.and_then(|place| match words[place].to_string_lossy().strip_prefix(&with_equals) {
            Some(value) => Some(OsString::from(value)),
            None => words.get(place + 1).cloned(),
        });
        value.or_else(|| std::env::var_os(variable)).filter(|path| !path.is_empty()).map(PathBuf::from)
    };
    let given = Given {
        config: given("config", "JOBCTL_CONFIG"),
        state_dir: given("state-dir", "JOBCTL_STATE_DIR"),
        socket: given("socket", "JOBCTL_SOCKET"),
    };
    Paths::resolve(&given, &Surroundings::of_process()).ok()
}

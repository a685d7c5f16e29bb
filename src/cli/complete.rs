//! Live candidates for the shells: names of jobs, tags, pools, zones, numbers of runs.
//!
//! Asked for at every press of the tab key, so quick and silent: what cannot be had at once is left out.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use clap_complete::CompletionCandidate;

use super::paths::{Given, Paths, Surroundings};
use crate::daemon::catalogue::Catalogue;
use crate::zoneinfo;

/// The most candidates that are worth showing.
const MOST: usize = 2_000;

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
    Catalogue::open(&paths.config, true, Arc::from(zoneinfo::source()), Vec::new()).ok()
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

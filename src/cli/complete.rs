//! Live candidates for the shells: names of jobs, tags, pools, zones, numbers of runs.
//!
//! Asked for at every press of the tab key, so quick and silent: what cannot be had at once is left out.

use clap_complete::CompletionCandidate;

use crate::zoneinfo;

/// The most candidates that are worth showing.
const MOST: usize = 2_000;

/// Completes time zones.
pub(crate) fn timezones() -> Vec<CompletionCandidate> {
    zoneinfo::source().names().into_iter().take(MOST).map(CompletionCandidate::new).collect()
}

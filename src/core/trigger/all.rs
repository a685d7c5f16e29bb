//! `all`: the instants on which every member has a fire time.
//!
//! Members are asked in turn for their first fire time at or after the candidate. A later answer is the next
//! candidate, until all agree, so a sparse member takes long steps for the dense ones. The search is bounded:
//! members that never meet are "never".

use std::cell::Cell;
use std::iter;
use std::time::Duration;

use super::search::{CANDIDATES, Search, before};
use super::{Fires, Schedule};
use crate::core::instant::Timestamp;

pub(super) fn next_after(members: &[Schedule], search: Search<'_>, after: Timestamp) -> Option<Timestamp> {
    // Wall-clock times are whole seconds; an interval can only meet them when it counts from one.
    let search = search.with_whole_anchor();
    let mut turns = members.iter().cycle();
    let mut candidate = turns.next()?.search(search, after)?;
    let mut agreed = 1;
    while agreed < members.len() {
        if candidate > search.until || !search.may_ask(1) {
            return None;
        }
        let next = turns.next()?.search(search, before(candidate))?;
        agreed = if next == candidate { agreed + 1 } else { 1 };
        candidate = next;
    }
    Some(candidate)
}

/// Counts the fire times in `(after, through]` one by one, for as long as the search may look; from then on the
/// count is too small.
pub(super) fn fires_between(
    members: &[Schedule],
    search: Search<'_>,
    after: Timestamp,
    through: Timestamp,
) -> Option<Fires> {
    let next = |at: Timestamp| next_after(members, search, at).filter(|at| *at <= through);
    let first = next(after)?;
    let mut fires = Fires { count: 1, first, last: first };
    while let Some(at) = next(fires.last) {
        fires.count += 1;
        fires.last = at;
    }
    if !search.may_ask(1) {
        let left = Cell::new(CANDIDATES);
        fires.last = last_through(members, search.with(&left), fires.last, through);
    }
    Some(fires)
}

/// Finds the last fire time at or before `through`, given an earlier one, by looking at ever longer ends of the
/// time between.
fn last_through(members: &[Schedule], search: Search<'_>, known: Timestamp, through: Timestamp) -> Timestamp {
    let next = |at: Timestamp| next_after(members, search, at).filter(|at| *at <= through);
    let mut end = Duration::from_secs(1);
    while through.minus(end) > known {
        if let Some(found) = next(through.minus(end)) {
            return iter::successors(Some(found), |at| next(*at)).last().unwrap_or(found);
        }
        end = end.saturating_mul(2);
    }
    known
}

//! `all`: the instants on which every member has a fire time.
//!
//! Each member in turn is asked for its first fire time at or after the candidate; the latest answer is the next
//! candidate, until all agree. The search is bounded, so that members that never meet are "never".

use super::Schedule;
use crate::core::instant::Timestamp;

/// How many candidates are tried: enough for intervals that meet after months of seconds, and milliseconds of work.
const CANDIDATES: usize = 20_000;

pub(super) fn next_after(members: &[Schedule], anchor: Timestamp, after: Timestamp) -> Option<Timestamp> {
    let mut candidate = after;
    let mut strictly = true;
    for _ in 0..CANDIDATES {
        let from = if strictly { candidate } else { before(candidate) };
        let mut latest = None;
        let mut agree = true;
        for member in members {
            let next = member.next_after(anchor, from)?;
            agree &= latest.is_none_or(|latest| latest == next);
            latest = latest.max(Some(next));
        }
        let latest = latest?;
        if agree {
            return Some(latest);
        }
        candidate = latest;
        strictly = false;
    }
    None
}

fn before(at: Timestamp) -> Timestamp {
    Timestamp::from_micros(at.as_micros().saturating_sub(1))
}

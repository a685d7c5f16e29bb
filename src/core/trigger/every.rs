//! `every`: a grid of instants a fixed time apart.
//!
//! It counts elapsed time from an anchor that is stored, so neither restarts, long runs nor time changes move it
//! (docs/time.md rule 43).

use std::time::Duration;

use super::Fires;
use crate::core::instant::Timestamp;

/// Returns the first grid instant strictly after `after`. Without a `start` the anchor itself is no fire time:
/// the first one is an interval later.
pub(super) fn next_after(
    interval: Duration,
    anchor: Timestamp,
    start: Option<Timestamp>,
    after: Timestamp,
) -> Option<Timestamp> {
    let step = step(interval)?;
    let (origin, first) = match start {
        Some(start) => (start, 0),
        None => (anchor, 1),
    };
    // Wider than the instants, so that neither end of time overflows.
    let origin = i128::from(origin.as_micros());
    let passed = (i128::from(after.as_micros()) - origin).div_euclid(step);
    let next = origin + (passed + 1).max(first) * step;
    i64::try_from(next).ok().map(Timestamp::from_micros)
}

/// Counts the grid instants in `(after, through]`.
pub(super) fn fires_between(
    interval: Duration,
    anchor: Timestamp,
    start: Option<Timestamp>,
    after: Timestamp,
    through: Timestamp,
) -> Option<Fires> {
    let first = next_after(interval, anchor, start, after).filter(|first| *first <= through)?;
    let step = step(interval)?;
    let span = i128::from(through.as_micros()) - i128::from(first.as_micros());
    let last = i128::from(first.as_micros()) + span / step * step;
    Some(Fires {
        count: u64::try_from(span / step).ok()?.saturating_add(1),
        first,
        last: Timestamp::from_micros(i64::try_from(last).ok()?),
    })
}

/// Returns the interval in microseconds; `None` for one that would stand still.
fn step(interval: Duration) -> Option<i128> {
    i128::try_from(interval.as_micros()).ok().filter(|step| *step > 0)
}

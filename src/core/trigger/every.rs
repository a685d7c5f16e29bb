//! `every`: a grid of instants a fixed time apart.
//!
//! It counts elapsed time from an anchor that is stored, so neither restarts, long runs nor time changes move it
//! (TIME.md rule 43).

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
    let step = i64::try_from(interval.as_micros()).ok().filter(|step| *step > 0)?;
    let (origin, first) = match start {
        Some(start) => (start.as_micros(), 0),
        None => (anchor.as_micros(), 1),
    };
    let passed = after.as_micros().checked_sub(origin)?.div_euclid(step);
    let number = (passed + 1).max(first);
    number.checked_mul(step).and_then(|since| origin.checked_add(since)).map(Timestamp::from_micros)
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
    let step = i64::try_from(interval.as_micros()).ok()?;
    let more = (through.as_micros() - first.as_micros()) / step;
    let last = Timestamp::from_micros(first.as_micros() + more * step);
    Some(Fires { count: u64::try_from(more).unwrap_or(0) + 1, first, last })
}

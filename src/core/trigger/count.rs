//! Counting fire times of a stretch of time without listing them.

use std::time::Duration;

use super::{Fires, Schedule, Trigger, every};
use crate::core::instant::Timestamp;

/// How many fire times of a combined trigger are counted one by one; beyond that the count is "at least so many".
/// Intervals and cron expressions are counted exactly, however many.
pub(super) const COMBINED_LIMIT: u64 = 100_000;

/// How far back a fire time is looked for, in hours, step by step.
const LOOK_BACK: [u64; 5] = [1, 24, 31 * 24, 366 * 24, 3_660 * 24];

impl Schedule {
    /// Counts the fire times in `(after, through]`; `None` = there are none.
    ///
    /// Time and memory do not grow with the count for intervals, and only with the number of matching days for
    /// cron: 30 days of a one-second interval cost microseconds. Fire times of `any` and `all` are counted one by
    /// one up to [`COMBINED_LIMIT`]; `first` and `last` are exact in any case.
    pub fn fires_between(&self, anchor: Timestamp, after: Timestamp, through: Timestamp) -> Option<Fires> {
        let first = self.next_after(anchor, after).filter(|first| *first <= through)?;
        let through = self.end.map_or(through, |end| end.min(through));
        let just_before = before(first);
        match &self.trigger {
            Trigger::Every(interval) => {
                every::fires_between(*interval, anchor, self.start, just_before, through)
            }
            Trigger::At(_) => Some(Fires { count: 1, first, last: first }),
            Trigger::Cron(cron) => {
                let count = cron.count(&self.zone, just_before, through).max(1);
                Some(Fires { count, first, last: self.last_through(anchor, first, through) })
            }
            Trigger::Any(_) | Trigger::All(_) => {
                let following = std::iter::successors(Some(first), |at| self.next_after(anchor, *at));
                let limit = usize::try_from(COMBINED_LIMIT).unwrap_or(usize::MAX);
                let count = following.take_while(|at| *at <= through).take(limit).count();
                let count = u64::try_from(count).unwrap_or(COMBINED_LIMIT);
                Some(Fires { count, first, last: self.last_through(anchor, first, through) })
            }
        }
    }

    /// Returns the last fire time at or before an instant, as far as ten years back, and the first one after it.
    pub fn around(&self, anchor: Timestamp, at: Timestamp) -> (Option<Timestamp>, Option<Timestamp>) {
        let last = LOOK_BACK.iter().find_map(|hours| {
            let since = at.minus(Duration::from_secs(hours * 3_600));
            let known = self.next_after(anchor, since).filter(|first| *first <= at)?;
            Some(self.last_through(anchor, known, at))
        });
        (last, self.next_after(anchor, at))
    }

    /// Finds the last fire time at or before `through`, given an earlier one, by halving: whether there is a fire
    /// time in `(x, through]` changes once as `x` grows.
    fn last_through(&self, anchor: Timestamp, known: Timestamp, through: Timestamp) -> Timestamp {
        let (mut last, mut low, mut high) = (known, known.as_micros(), through.as_micros());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.next_after(anchor, Timestamp::from_micros(middle)).filter(|next| *next <= through) {
                Some(next) => {
                    last = next;
                    low = next.as_micros();
                    if self.next_after(anchor, next).is_none_or(|after| after > through) {
                        break;
                    }
                }
                None => high = middle,
            }
        }
        last
    }
}

fn before(at: Timestamp) -> Timestamp {
    Timestamp::from_micros(at.as_micros().saturating_sub(1))
}

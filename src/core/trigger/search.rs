//! The search for fire times: what every member of a trigger is asked with, and the bound on the asking.

use std::cell::Cell;
use std::time::Duration;

use super::{Fires, Schedule, Trigger, all, any, every};
use crate::core::instant::Timestamp;

/// How many candidates of `all` one answer may look at: enough for intervals that meet after hours of seconds or
/// years of hours, and milliseconds of work.
pub(super) const CANDIDATES: usize = 20_000;

/// How many fire times of combined triggers one count may look at, beyond which it is "at least so many".
/// Intervals and cron expressions are counted exactly, however many.
const COUNTED: usize = 2_000_000;

/// How far back a fire time is looked for, in hours, step by step.
const LOOK_BACK: [u64; 5] = [1, 24, 31 * 24, 366 * 24, 3_660 * 24];

/// What members are asked with.
#[derive(Clone, Copy)]
pub(super) struct Search<'a> {
    /// The origin of intervals.
    pub(super) anchor: Timestamp,
    /// Fire times after this instant are of no interest.
    pub(super) until: Timestamp,
    left: &'a Cell<usize>,
}

impl<'a> Search<'a> {
    /// Continues with a new allowance.
    pub(super) fn with<'b>(self, left: &'b Cell<usize>) -> Search<'b>
    where
        'a: 'b,
    {
        Search { left, ..self }
    }

    /// Searches for each of several members in turn, each with a fair share of what may still be looked at, so that
    /// none of them uses up what the others need.
    pub(super) fn shared_by<T>(
        self,
        members: &[Schedule],
        ask: impl Fn(&Schedule, Search<'_>) -> T,
    ) -> Vec<T> {
        let waiting = (1..=members.len()).rev();
        let answers = members.iter().zip(waiting).map(|(member, waiting)| {
            let given = self.left.get() / waiting;
            let share = Cell::new(given);
            let answer = ask(member, self.with(&share));
            self.may_ask(given - share.get());
            answer
        });
        answers.collect()
    }

    /// Takes from what the search may still look at; false when that is used up.
    pub(super) fn may_ask(self, times: usize) -> bool {
        let rest = self.left.get().checked_sub(times);
        self.left.set(rest.unwrap_or(0));
        rest.is_some()
    }

    /// Moves the origin of intervals to the next whole second.
    pub(super) fn with_whole_anchor(self) -> Self {
        let second = self.anchor.as_secs();
        let whole = Timestamp::from_secs(second);
        let anchor = if whole < self.anchor { Timestamp::from_secs(second.saturating_add(1)) } else { whole };
        Search { anchor, ..self }
    }
}

impl Schedule {
    /// Returns the first fire time strictly after `after`; `None` = never again.
    ///
    /// `anchor` is the job's stored origin of intervals (docs/time.md rule 43). Bounded: at most a few milliseconds,
    /// also for `all` and for dates that never come. Jitter is no part of it.
    pub fn next_after(&self, anchor: Timestamp, after: Timestamp) -> Option<Timestamp> {
        let left = Cell::new(CANDIDATES);
        self.search(Search { anchor, until: Timestamp::MAX, left: &left }, after)
    }

    /// Counts the fire times in `(after, through]`; `None` = there are none.
    ///
    /// Time and memory do not grow with the count for intervals, and only with the number of matching days for
    /// cron: 30 days of a one-second interval cost microseconds. For `any` and `all` fire times are looked at one by
    /// one where members overlap; beyond 2,000,000 of them `count` is a lower bound, never too large.
    pub fn fires_between(&self, anchor: Timestamp, after: Timestamp, through: Timestamp) -> Option<Fires> {
        let left = Cell::new(COUNTED);
        self.count(Search { anchor, until: through, left: &left }, after, through)
    }

    /// Returns the last fire time at or before an instant, as far as ten years back, and the first one after it.
    pub fn around(&self, anchor: Timestamp, at: Timestamp) -> (Option<Timestamp>, Option<Timestamp>) {
        let since = |hours: &u64| at.minus(Duration::from_secs(hours * 3_600));
        let last = LOOK_BACK.iter().find_map(|hours| self.fires_between(anchor, since(hours), at));
        (last.map(|fires| fires.last), self.next_after(anchor, at))
    }

    pub(super) fn search(&self, search: Search<'_>, after: Timestamp) -> Option<Timestamp> {
        let after = self.not_before_start(after);
        let next = match &self.trigger {
            Trigger::Cron(cron) => cron.next_after(&self.zone, after),
            Trigger::Every(interval) => every::next_after(*interval, search.anchor, self.start, after),
            Trigger::At(at) => (at.at > after).then_some(at.at),
            Trigger::Any(members) => any::next_after(members, search, after),
            Trigger::All(members) => all::next_after(members, search, after),
        };
        // At the end of all time the arithmetic stands still.
        next.filter(|next| *next > after && self.end.is_none_or(|end| *next <= end))
    }

    pub(super) fn count(&self, search: Search<'_>, after: Timestamp, through: Timestamp) -> Option<Fires> {
        let after = self.not_before_start(after);
        let through = self.end.map_or(through, |end| end.min(through));
        match &self.trigger {
            Trigger::Every(interval) => {
                every::fires_between(*interval, search.anchor, self.start, after, through)
            }
            Trigger::At(at) => {
                (at.at > after && at.at <= through).then_some(Fires { count: 1, first: at.at, last: at.at })
            }
            Trigger::Cron(cron) => cron.fires_between(&self.zone, after, through),
            Trigger::Any(members) => any::fires_between(members, search, after, through),
            Trigger::All(members) => all::fires_between(members, search, after, through),
        }
    }

    /// Says whether an instant is a fire time.
    pub(super) fn fires_at(&self, search: Search<'_>, at: Timestamp) -> bool {
        self.search(search, before(at)) == Some(at)
    }

    /// `start` is inclusive: a search begins just before it.
    fn not_before_start(&self, after: Timestamp) -> Timestamp {
        self.start.map_or(after, |start| after.max(before(start)))
    }
}

/// Returns the instant just before another.
pub(super) fn before(at: Timestamp) -> Timestamp {
    Timestamp::from_micros(at.as_micros().saturating_sub(1))
}

//! The crontab language: what an expression means, and the search for its next wall-clock match.
//!
//! Owns the language (fields, names, ranges, steps, nicknames, the extensions `L W # ~`) and the day rule. What a
//! wall-clock time means as an instant is decided in `civil`. Only this room knows the crate `cron`, which
//! searches dates for it.

mod calendar;
mod describe;
mod field;
mod fields;
mod parse;
mod refuse;

use std::sync::Arc;

use calendar::Calendar;
pub use fields::{CronFields, TableField};
pub use refuse::CronError;

/// Seconds of a day.
pub(crate) const DAY: i64 = 86_400;

/// A compiled cron expression.
///
/// The times of day are bit masks; the dates are behind `Arc`, shared between equal ones of a thread, and absent
/// where every day matches, so that a job's expression costs little more than its text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cron {
    text: Box<str>,
    seconds: u64,
    minutes: u64,
    hours: u32,
    wildcard: bool,
    calendar: Option<Arc<Calendar>>,
}

/// What a text in the place of a cron expression means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// Fire times by the clock.
    Cron(Cron),
    /// `@reboot`: once after each boot (docs/time.md rule 18).
    Reboot,
}

/// What a time change does to a fixed-time trigger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct DstRules {
    /// `dst_gap`.
    pub gap: DstGap,
    /// `dst_fold`.
    pub fold: DstFold,
}

/// What becomes of a wall time that does not exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DstGap {
    /// It moves to the first instant after the gap (docs/time.md rule 27).
    #[default]
    After,
    /// It is left out.
    Skip,
}

/// Which of two equal wall times counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DstFold {
    /// The first pass (docs/time.md rule 29).
    #[default]
    First,
    /// The second pass.
    Second,
    /// Both passes.
    Both,
}

impl Cron {
    /// Parses an expression of five, six or seven fields or a nickname; `seed` picks the values of `a~b`
    /// (callers pass the job's name, or the expression itself where there is no job).
    ///
    /// # Errors
    /// Names the field, the value and the range, with the offending part of the text.
    pub fn parse(text: &str, seed: &str) -> Result<Parsed, CronError> {
        parse::parse(text, seed)
    }

    /// Returns the expression as written; a table of fields comes as one of TOML, on one line.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Says whether the expression follows the clock through time changes: its minute or hour field begins
    /// with `*` (docs/time.md rule 25).
    pub fn is_wildcard(&self) -> bool {
        self.wildcard
    }

    /// Says whether there is any date at all on which the expression matches (docs/time.md rule 23). The answer
    /// does not depend on today: the search begins in the year 2000.
    pub fn fires_at_all(&self) -> bool {
        const YEAR_2000: i64 = 10_957;
        self.next_day(YEAR_2000 - 1).is_some()
    }

    /// Returns the first matching wall-clock second strictly after another; both count from 1970-01-01T00:00:00
    /// on the wall, whatever the zone.
    pub(crate) fn next_wall(&self, after: i64) -> Option<i64> {
        let (day, time) = (after.div_euclid(DAY), after.rem_euclid(DAY));
        if self.matches_day(day)
            && let Some(time) = self.next_time(time)
        {
            return Some(day * DAY + time);
        }
        let day = self.next_day(day)?;
        Some(day * DAY + self.next_time(-1)?)
    }

    /// Counts the matching wall-clock seconds in `[from, to)`.
    pub(crate) fn count_walls(&self, from: i64, to: i64) -> u64 {
        if from >= to {
            return 0;
        }
        let (first, last) = (from.div_euclid(DAY), (to - 1).div_euclid(DAY));
        let (start, end) = (from.rem_euclid(DAY), (to - 1).rem_euclid(DAY));
        if first == last {
            return if self.matches_day(first) { self.count_times(start, end) } else { 0 };
        }
        let whole = self.count_times(0, DAY - 1);
        let mut count = 0;
        if self.matches_day(first) {
            count += self.count_times(start, DAY - 1);
        }
        if self.matches_day(last) {
            count += self.count_times(0, end);
        }
        count + self.count_days(first + 1, last) * whole
    }

    /// Counts the matching days in `[from, to)`.
    fn count_days(&self, from: i64, to: i64) -> u64 {
        match &self.calendar {
            None => u64::try_from(to - from).unwrap_or(0),
            Some(calendar) => {
                let days = std::iter::successors(calendar.next_day(from - 1), |day| calendar.next_day(*day));
                u64::try_from(days.take_while(|day| *day < to).count()).unwrap_or(u64::MAX)
            }
        }
    }

    /// Counts the matching seconds of a day in `[from, to]`.
    fn count_times(&self, from: i64, to: i64) -> u64 {
        let up_to = |time: i64| -> u64 {
            if time < 0 {
                return 0;
            }
            let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
            let minutes_and_seconds =
                u64::from(self.minutes.count_ones()) * u64::from(self.seconds.count_ones());
            let hours = u64::from(ones_below(u64::from(self.hours), hour)) * minutes_and_seconds;
            if u64::from(self.hours) >> hour & 1 == 0 {
                return hours;
            }
            let minutes = u64::from(ones_below(self.minutes, minute)) * u64::from(self.seconds.count_ones());
            if self.minutes >> minute & 1 == 0 {
                return hours + minutes;
            }
            hours + minutes + u64::from(ones_below(self.seconds, second + 1))
        };
        up_to(to) - up_to(from - 1)
    }

    fn matches_day(&self, day: i64) -> bool {
        self.calendar.as_ref().is_none_or(|calendar| calendar.matches(day))
    }

    fn next_day(&self, after: i64) -> Option<i64> {
        match &self.calendar {
            None => Some(after + 1),
            Some(calendar) => calendar.next_day(after),
        }
    }

    /// Returns the first matching second of a day after `after`, which may be -1.
    fn next_time(&self, after: i64) -> Option<i64> {
        let from = after + 1;
        if from >= DAY {
            return None;
        }
        let (hour, minute, second) = (from / 3600, from / 60 % 60, from % 60);
        let first_second = next_bit(self.seconds, 0)?;
        let first_minute = next_bit(self.minutes, 0)?;
        let hours = u64::from(self.hours);
        if hours >> hour & 1 == 1 {
            if self.minutes >> minute & 1 == 1
                && let Some(second) = next_bit(self.seconds, second)
            {
                return Some(hour * 3600 + minute * 60 + second);
            }
            if let Some(minute) = next_bit(self.minutes, minute + 1) {
                return Some(hour * 3600 + minute * 60 + first_second);
            }
        }
        let hour = next_bit(hours, hour + 1)?;
        Some(hour * 3600 + first_minute * 60 + first_second)
    }
}

/// Returns the place of the first set bit at or above `from`.
fn next_bit(mask: u64, from: i64) -> Option<i64> {
    let rest = if from < 64 { mask & (u64::MAX << from) } else { 0 };
    (rest != 0).then(|| i64::from(rest.trailing_zeros()))
}

/// Counts the set bits below `place`.
fn ones_below(mask: u64, place: i64) -> u32 {
    if place >= 64 { mask.count_ones() } else { (mask & !(u64::MAX << place)).count_ones() }
}

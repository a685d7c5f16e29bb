//! The dates of an expression: which days match, found through the crate `cron`.
//!
//! The crate searches dates from explicit lists of days, months, weekdays and years. What it does not know (the
//! extensions `L W #`, ISO weeks) is a filter over its answers. Where either of the two day fields may match
//! there are two searches, and the earlier answer counts.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::{Arc, Weak};

use chrono::{DateTime, Datelike, NaiveDate, Utc};

use super::DAY;

/// What the date fields of an expression say.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Dates {
    pub(super) days: MonthDays,
    pub(super) months: u16,
    pub(super) weekdays: WeekDays,
    pub(super) years: Option<Years>,
    /// ISO weeks, bits 1 to 53; zero = any.
    pub(super) weeks: u64,
    /// True: a day matches when both day fields do; false: when either does (docs/time.md rule 20).
    pub(super) both: bool,
}

/// The day-of-month field.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct MonthDays {
    /// Bits 1 to 31.
    pub(super) plain: u32,
    /// `L`.
    pub(super) last: bool,
    /// `15W`: bits 1 to 31.
    pub(super) nearest: u32,
    /// `2nd fri` and `last fri` of a table.
    pub(super) weekdays: WeekDays,
}

/// The day-of-week field; 0 is Sunday.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct WeekDays {
    /// Bits 0 to 6.
    pub(super) plain: u8,
    /// `mon#2`: for each occurrence 1 to 5, bits 0 to 6.
    pub(super) nth: [u8; 5],
    /// `friL`: bits 0 to 6.
    pub(super) last: u8,
}

/// Years in order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Years(pub(super) Vec<u16>);

/// The crate's horizon.
const LAST_YEAR: i32 = 2100;

/// The compiled dates.
#[derive(Debug)]
pub(super) struct Calendar {
    dates: Dates,
    searches: Vec<Search>,
}

impl PartialEq for Calendar {
    fn eq(&self, other: &Self) -> bool {
        self.dates == other.dates
    }
}

impl Eq for Calendar {}

impl Hash for Calendar {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.dates.hash(state);
    }
}

/// One search of the crate and the field that filters it.
#[derive(Debug)]
struct Search {
    schedule: cron::Schedule,
    by_day: bool,
    by_weekday: bool,
}

impl Calendar {
    /// Compiles dates; `None` where every day matches. Equal dates of one thread share one calendar.
    pub(super) fn compile(dates: Dates) -> Option<Arc<Calendar>> {
        thread_local! {
            static SHARED: RefCell<SharedCalendars> = RefCell::default();
        }
        if dates.is_every_day() { None } else { Some(SHARED.with_borrow_mut(|shared| shared.get(dates))) }
    }

    fn new(dates: Dates) -> Self {
        let searches = if dates.both {
            vec![dates.search(true, true)]
        } else {
            vec![dates.search(true, false), dates.search(false, true)]
        };
        Calendar { searches: searches.into_iter().flatten().collect(), dates }
    }

    /// Says whether a day matches; days count from 1970-01-01.
    pub(super) fn matches(&self, day: i64) -> bool {
        let Some(at) = midnight(day) else { return false };
        self.searches
            .iter()
            .any(|search| search.schedule.includes(at) && self.accepts(search, at.date_naive()))
    }

    /// Returns the first matching day after another; bounded by the crate's horizon, 1970 to 2100.
    pub(super) fn next_day(&self, after: i64) -> Option<i64> {
        let at = midnight(after.max(-1)).filter(|at| at.year() <= LAST_YEAR)?;
        let first = |search: &Search| {
            let found = search.schedule.after(&at).find(|at| self.accepts(search, at.date_naive()));
            found.map(|at| at.timestamp().div_euclid(DAY))
        };
        self.searches.iter().filter_map(first).min()
    }

    fn accepts(&self, search: &Search, date: NaiveDate) -> bool {
        let dates = &self.dates;
        (!search.by_day || dates.days.contains(date))
            && (!search.by_weekday || dates.weekdays.contains(date))
            && (dates.weeks == 0 || dates.weeks >> date.iso_week().week() & 1 == 1)
    }
}

/// The calendars in use by a thread, so that equal dates are compiled and kept once.
#[derive(Default)]
struct SharedCalendars {
    known: HashMap<Dates, Weak<Calendar>>,
    /// How many were in use when those no longer in use were last dropped.
    in_use: usize,
}

impl SharedCalendars {
    fn get(&mut self, dates: Dates) -> Arc<Calendar> {
        /// So few are not worth a look.
        const FEW: usize = 1024;
        if let Some(known) = self.known.get(&dates).and_then(Weak::upgrade) {
            return known;
        }
        // Looking through all of them when their number has doubled costs nothing over time.
        if self.known.len() >= FEW.max(2 * self.in_use) {
            self.known.retain(|_, calendar| calendar.strong_count() > 0);
            self.in_use = self.known.len();
        }
        let calendar = Arc::new(Calendar::new(dates.clone()));
        self.known.insert(dates, Arc::downgrade(&calendar));
        calendar
    }
}

/// All days of a month as bits.
pub(super) const ALL_DAYS: u32 = !1;
/// All months as bits.
pub(super) const ALL_MONTHS: u16 = 0x1ffe;
/// All weekdays as bits.
pub(super) const ALL_WEEKDAYS: u8 = 0x7f;

impl Dates {
    fn is_every_day(&self) -> bool {
        let any_day = self.days.plain == ALL_DAYS;
        let any_weekday = self.weekdays.plain == ALL_WEEKDAYS;
        let days = if self.both { any_day && any_weekday } else { any_day || any_weekday };
        days && self.months == ALL_MONTHS && self.years.is_none() && self.weeks == 0
    }

    /// Makes a search by one or both day fields; `None` where no day can match.
    fn search(&self, by_day: bool, by_weekday: bool) -> Option<Search> {
        let mut days = if by_day { self.days.candidates() } else { ALL_DAYS };
        if by_weekday {
            days &= self.weekdays.month_days();
        }
        let weekdays = if by_weekday { self.weekdays.candidates() } else { ALL_WEEKDAYS };
        // An empty list would leave the crate a field short.
        if days == 0 || weekdays == 0 {
            return None;
        }
        let mut text = String::from("0 0 0 ");
        list(&mut text, (1..=31).filter(|day| days >> day & 1 == 1));
        list(&mut text, (1..=12).filter(|month| self.months >> month & 1 == 1));
        // The crate counts weekdays from 1 = Sunday.
        list(&mut text, (0..7).filter(|day| weekdays >> day & 1 == 1).map(|day| day + 1));
        match &self.years {
            None => text.push('*'),
            Some(Years(years)) => list(&mut text, years.iter().map(|year| u32::from(*year))),
        }
        let schedule = cron::Schedule::from_str(&text).ok()?;
        Some(Search { schedule, by_day, by_weekday })
    }
}

impl MonthDays {
    /// Returns every day of a month that could match in some month.
    fn candidates(&self) -> u32 {
        let mut days = self.plain;
        if self.last {
            days |= 0b1111 << 28;
        }
        for day in (1..=31_u32).filter(|day| self.nearest >> day & 1 == 1) {
            let (from, to) = (day.saturating_sub(2).max(1), (day + 2).min(31));
            days |= (from..=to).fold(0, |mask, day| mask | 1 << day);
        }
        if self.weekdays != WeekDays::default() {
            days |= self.weekdays.month_days();
        }
        days
    }

    fn contains(&self, date: NaiveDate) -> bool {
        let (day, length) = (date.day(), days_of_month(date));
        self.plain >> day & 1 == 1
            || (self.last && day == length)
            || (1..=length.min(31)).any(|wanted| {
                self.nearest >> wanted & 1 == 1 && nearest_weekday(date, wanted, length) == Some(day)
            })
            || self.weekdays.contains(date)
    }
}

impl WeekDays {
    /// Returns every day of a month that could be one of these in some month.
    fn month_days(&self) -> u32 {
        if self.plain != 0 {
            return ALL_DAYS;
        }
        let week = |nth: usize| (0x7f_u32 << (7 * nth + 1)) & ALL_DAYS;
        let mut days = if self.last != 0 { ALL_DAYS << 21 } else { 0 };
        for (nth, weekdays) in self.nth.iter().enumerate() {
            if *weekdays != 0 {
                days |= week(nth);
            }
        }
        days
    }

    fn candidates(&self) -> u8 {
        self.nth.iter().fold(self.plain | self.last, |mask, days| mask | days)
    }

    fn contains(&self, date: NaiveDate) -> bool {
        let weekday = date.weekday().num_days_from_sunday();
        let has = |mask: u8| mask >> weekday & 1 == 1;
        let nth = usize::try_from((date.day() - 1) / 7).unwrap_or(0);
        has(self.plain)
            || self.nth.get(nth).is_some_and(|mask| has(*mask))
            || (has(self.last) && date.day() + 7 > days_of_month(date))
    }
}

/// Returns the Monday-to-Friday day nearest to a day, within its month.
fn nearest_weekday(month: NaiveDate, wanted: u32, length: u32) -> Option<u32> {
    let date = month.with_day(wanted)?;
    let day = match date.weekday() {
        chrono::Weekday::Sat if wanted == 1 => 3,
        chrono::Weekday::Sat => wanted - 1,
        chrono::Weekday::Sun if wanted == length => wanted - 2,
        chrono::Weekday::Sun => wanted + 1,
        chrono::Weekday::Mon
        | chrono::Weekday::Tue
        | chrono::Weekday::Wed
        | chrono::Weekday::Thu
        | chrono::Weekday::Fri => wanted,
    };
    Some(day)
}

fn days_of_month(date: NaiveDate) -> u32 {
    u32::from(date.num_days_in_month())
}

fn midnight(day: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(day.checked_mul(DAY)?, 0)
}

/// Appends a list of numbers and a blank.
fn list(text: &mut String, values: impl Iterator<Item = u32>) {
    for value in values {
        // Writing to a string cannot fail.
        let _ = write!(text, "{value},");
    }
    if text.ends_with(',') {
        text.pop();
    }
    text.push(' ');
}

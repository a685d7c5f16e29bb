//! When a schedule is due, worked out a second time: a clerk with a calendar, the rules of docs/time.md and the list of a
//! zone's time changes, who shares no code with the triggers.
//!
//! Every wall-clock time that an expression matches is written down day by day, and for each the instants at which the
//! zone's clock shows it. What a clock shows twice or never is decided by the rules, time by time.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use chrono::{DateTime, Offset, TimeZone};
use jobctl::core::civil::Zone;
use jobctl::core::cron::{DstFold, DstGap, DstRules};
use jobctl::core::instant::Timestamp;
use jobctl::core::trigger::{Schedule, Trigger};

use super::expression::Expression;

const DAY: i64 = 86_400;
const INSTANT: Duration = Duration::from_micros(1);

/// From here on nothing is made up and nothing held back (rule 30).
const THREE_HOURS: i64 = 3 * 3_600;

/// A change of the offset from UTC: the instant, and the offsets before and from then on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shift {
    pub(crate) at: i64,
    pub(crate) before: i64,
    pub(crate) after: i64,
}

/// A zone as a list of its time changes.
#[derive(Debug)]
pub(crate) struct Shifts {
    first: i64,
    pub(crate) list: Vec<Shift>,
}

impl Shifts {
    /// Finds the changes of a zone by looking at its clock twice a day; what tzdb knows is asked of chrono-tz.
    pub(crate) fn of(zone: &Zone) -> Arc<Shifts> {
        static KNOWN: LazyLock<Mutex<HashMap<String, Arc<Shifts>>>> = LazyLock::new(Mutex::default);
        let known = KNOWN.lock().unwrap().get(zone.name()).cloned();
        known.unwrap_or_else(|| {
            let shifts = Arc::new(Shifts::look(zone));
            KNOWN.lock().unwrap().insert(zone.name().to_owned(), shifts.clone());
            shifts
        })
    }

    fn look(zone: &Zone) -> Shifts {
        const STEP: i64 = DAY / 2;
        let theirs = zone.name().parse::<chrono_tz::Tz>().ok();
        let offset = |secs: i64| match theirs {
            Some(tz) => {
                let at = DateTime::from_timestamp(secs, 0).unwrap().naive_utc();
                i64::from(tz.offset_from_utc_datetime(&at).fix().local_minus_utc())
            }
            None => i64::from(zone.offset_at(Timestamp::from_secs(secs))),
        };
        // From 1970 to 2105: no life goes on for longer, and the last time changes that are known are of 2099.
        let half_days = (0..135 * 731).map(|n| n * STEP);
        let changed = half_days.filter(|at| offset(*at) != offset(at + STEP));
        let list = changed.map(|at| {
            let (mut low, mut high) = (at, at + STEP);
            while high - low > 1 {
                let middle = i64::midpoint(low, high);
                if offset(middle) == offset(at) { low = middle } else { high = middle }
            }
            Shift { at: high, before: offset(low), after: offset(high) }
        });
        Shifts { first: offset(0), list: list.collect() }
    }

    /// Returns the one offset that a clock may have on a day by the wall, if there is only one.
    fn calm(&self, day: i64) -> Option<i64> {
        let before = self.list.partition_point(|shift| shift.at < (day - 2) * DAY);
        let offset = before.checked_sub(1).map_or(self.first, |last| self.list[last].after);
        self.list.get(before).is_none_or(|next| next.at > (day + 3) * DAY).then_some(offset)
    }

    /// Returns the instants at which the clock shows a wall time, in order, and the gap in which it lies, if it lies in
    /// one.
    fn shows(&self, wall: i64) -> (Vec<i64>, Option<Shift>) {
        // No clock is as far as two days from UTC.
        let near = self.list.partition_point(|shift| shift.at < wall - 2 * DAY)
            ..self.list.partition_point(|shift| shift.at <= wall + 2 * DAY);
        let first = near.start.checked_sub(1).map_or(self.first, |last| self.list[last].after);
        let mut shown = Vec::new();
        let mut gap = None;
        let (mut from, mut offset) = (i64::MIN, first);
        for shift in &self.list[near] {
            shown.extend(Some(wall - offset).filter(|at| (from..shift.at).contains(at)));
            if (shift.at + shift.before..shift.at + shift.after).contains(&wall) {
                gap = Some(*shift);
            }
            (from, offset) = (shift.at, shift.after);
        }
        shown.extend(Some(wall - offset).filter(|at| *at >= from));
        (shown, gap)
    }

    /// Says which instants a wall time of a fixed-time job means (rules 27, 29 and 30).
    pub(crate) fn meant(&self, wall: i64, dst: DstRules) -> Vec<i64> {
        let (shown, gap) = self.shows(wall);
        if let (true, Some(gap)) = (shown.is_empty(), gap) {
            let made_up = dst.gap == DstGap::After && gap.after - gap.before < THREE_HOURS;
            return if made_up { vec![gap.at] } else { Vec::new() };
        }
        let counts = |at: &i64| match dst.fold {
            DstFold::First => !shown.iter().any(|other| other < at && at - other <= THREE_HOURS),
            DstFold::Second => !shown.iter().any(|other| other > at && other - at <= THREE_HOURS),
            DstFold::Both => true,
        };
        shown.iter().copied().filter(counts).collect()
    }
}

/// A cron expression in its zone, with the pages written so far: all fire times of a stretch of days.
#[derive(Debug)]
struct Book {
    expression: Expression,
    dst: DstRules,
    shifts: Arc<Shifts>,
    /// The matching times of a day, in seconds.
    times: Vec<i64>,
    days_a_page: i64,
    pages: RefCell<BTreeMap<i64, Rc<[i64]>>>,
}

impl Book {
    fn new(text: &str, dst: DstRules, zone: &Zone) -> Self {
        let expression = Expression::read(text);
        let step = if expression.second.is_some() { 1 } else { 60 };
        let hours = (0..24).filter(|hour| expression.hour.has(*hour)).map(|hour| i64::from(hour) * 3_600);
        let times = hours.flat_map(|hour| (hour..hour + 3_600).step_by(step));
        let times: Vec<i64> = times.filter(|time| expression.matches_time(*time)).collect();
        let days_a_page = if times.len() > 24 { 4 } else { 400 };
        Book { expression, dst, shifts: Shifts::of(zone), times, days_a_page, pages: RefCell::default() }
    }

    fn page_at(&self, secs: i64) -> i64 {
        secs.div_euclid(self.days_a_page * DAY)
    }

    fn page(&self, number: i64) -> Rc<[i64]> {
        if let Some(page) = self.pages.borrow().get(&number) {
            return page.clone();
        }
        let page: Rc<[i64]> = self.write(number).into();
        self.pages.borrow_mut().insert(number, page.clone());
        page
    }

    fn write(&self, number: i64) -> Vec<i64> {
        let (from, to) = (number * self.days_a_page, (number + 1) * self.days_a_page);
        let mut fires = Vec::new();
        // A day at UTC lies within three days of a zone.
        for day in from - 2..=to + 2 {
            let Some(date) = DateTime::from_timestamp(day * DAY, 0).map(|at| at.date_naive()) else {
                continue;
            };
            if !self.expression.matches_date(date) {
                continue;
            }
            let walls = self.times.iter().map(|time| day * DAY + time);
            if let Some(offset) = self.shifts.calm(day) {
                fires.extend(walls.map(|wall| wall - offset));
                continue;
            }
            for wall in walls {
                if self.expression.is_wildcard() {
                    fires.extend(self.shifts.shows(wall).0);
                } else {
                    fires.extend(self.shifts.meant(wall, self.dst));
                }
            }
        }
        fires.retain(|at| (from * DAY..to * DAY).contains(at));
        fires.sort_unstable();
        fires.dedup();
        fires
    }

    /// Finds the first fire time in `(after, through]`.
    fn first_in(&self, after: i64, through: i64) -> Option<i64> {
        (self.page_at(after)..=self.page_at(through)).find_map(|number| {
            let page = self.page(number);
            page.get(page.partition_point(|at| *at <= after)).copied().filter(|at| *at <= through)
        })
    }

    fn count(&self, after: i64, through: i64) -> u64 {
        let pages = (self.page_at(after)..=self.page_at(through)).map(|number| self.page(number));
        pages
            .map(|page| {
                page.partition_point(|at| *at <= through)
                    .saturating_sub(page.partition_point(|at| *at <= after)) as u64
            })
            .sum()
    }
}

#[derive(Debug)]
enum Due {
    Cron(Box<Book>),
    Every(Duration),
    At(Timestamp),
    Any(Vec<Clerk>),
    All(Vec<Clerk>),
}

/// Who knows when one schedule is due.
#[derive(Debug)]
pub(crate) struct Clerk {
    due: Due,
    start: Option<Timestamp>,
    end: Option<Timestamp>,
}

impl Clerk {
    pub(crate) fn of(schedule: &Schedule) -> Self {
        let all = |members: &[Schedule]| members.iter().map(Clerk::of).collect();
        let due = match &schedule.trigger {
            Trigger::Cron(cron) => Due::Cron(Box::new(Book::new(cron.cron.text(), cron.dst, &schedule.zone))),
            Trigger::Every(interval) => Due::Every(*interval),
            Trigger::At(at) => Due::At(at.at),
            Trigger::Any(members) => Due::Any(all(members)),
            Trigger::All(members) => Due::All(all(members)),
        };
        Clerk { due, start: schedule.start, end: schedule.end }
    }

    /// Finds the first fire time in `(after, through]`; intervals count from `anchor`.
    pub(crate) fn first_in(
        &self,
        anchor: Timestamp,
        after: Timestamp,
        through: Timestamp,
    ) -> Option<Timestamp> {
        let after = self.start.map_or(after, |start| start.minus(INSTANT).max(after));
        let through = self.end.map_or(through, |end| end.min(through));
        if after >= through {
            return None;
        }
        let first = match &self.due {
            Due::Cron(book) => book.first_in(after.as_secs(), through.as_secs()).map(Timestamp::from_secs),
            Due::Every(interval) => Some(self.next_of_grid(*interval, anchor, after)),
            Due::At(at) => Some(*at).filter(|at| *at > after),
            Due::Any(members) => {
                members.iter().filter_map(|member| member.first_in(anchor, after, through)).min()
            }
            Due::All(members) => together(members, anchor, after, through),
        };
        first.filter(|first| *first <= through)
    }

    /// The origin is a fire time itself only where somebody has given it.
    fn next_of_grid(&self, interval: Duration, anchor: Timestamp, after: Timestamp) -> Timestamp {
        let interval = i64::try_from(interval.as_micros()).unwrap();
        let first = self.start.map_or(anchor.as_micros() + interval, Timestamp::as_micros);
        let after = after.as_micros();
        let gone = if after < first { 0 } else { (after - first) / interval + 1 };
        Timestamp::from_micros(first + gone * interval)
    }

    /// Counts the fire times in `(after, through]`.
    pub(crate) fn count(&self, anchor: Timestamp, after: Timestamp, through: Timestamp) -> u64 {
        let is_bare = self.start.is_none() && self.end.is_none();
        match &self.due {
            Due::Cron(book) if is_bare => book.count(after.as_secs(), through.as_secs()),
            Due::Every(interval) if is_bare => {
                let Some(first) = self.first_in(anchor, after, through) else {
                    return 0;
                };
                let more = through.since(first).as_micros() / interval.as_micros();
                u64::try_from(more).unwrap() + 1
            }
            Due::Cron(_) | Due::Every(_) | Due::At(_) | Due::Any(_) | Due::All(_) => {
                let next = |at: &Timestamp| self.first_in(anchor, *at, through);
                std::iter::successors(next(&after), next).count() as u64
            }
        }
    }

    /// Says whether an instant is a fire time.
    pub(crate) fn fires_at(&self, anchor: Timestamp, at: Timestamp) -> bool {
        self.first_in(anchor, at.minus(INSTANT), at) == Some(at)
    }
}

/// Finds the first instant at which all are due: the latest of their answers is asked again, until they agree.
fn together(members: &[Clerk], anchor: Timestamp, after: Timestamp, through: Timestamp) -> Option<Timestamp> {
    let mut asked = after;
    loop {
        let answers = members.iter().map(|member| member.first_in(anchor, asked, through));
        let answers: Vec<Timestamp> = answers.collect::<Option<_>>()?;
        let (first, last) = (answers.iter().min()?, answers.iter().max()?);
        if first == last {
            return Some(*last);
        }
        asked = last.minus(INSTANT);
    }
}

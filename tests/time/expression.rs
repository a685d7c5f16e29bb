//! An expression read a second time, by people's rules and not by the program's: fields as lists of items, a date or a
//! time of day matches where the lists have it.

use std::fmt;

use chrono::{Datelike, NaiveDate};

/// One item of a field: how it is written and which dates or times it means.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Item {
    Values(String, Vec<u32>),
    LastDay,
    Nearest(u32),
    LastWeekday(u32),
    NthWeekday(u32, u32),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Field(pub(crate) Vec<Item>);

impl Field {
    pub(crate) fn has(&self, value: u32) -> bool {
        self.0.iter().any(|item| matches!(item, Item::Values(_, values) if values.contains(&value)))
    }

    fn begins_with_star(&self) -> bool {
        matches!(self.0.first(), Some(Item::Values(text, _)) if text.starts_with('*'))
    }

    fn any(min: u32, max: u32) -> Self {
        Field(vec![Item::Values("*".to_owned(), (min..=max).collect())])
    }

    /// Reads a field; what is not understood is a mistake of the test that wrote it.
    fn read(text: &str, (min, max): (u32, u32)) -> Self {
        Field(text.split(',').map(|item| Item::read(item.trim(), min, max)).collect())
    }
}

impl Item {
    fn read(text: &str, min: u32, max: u32) -> Self {
        let number = |text: &str| number_of(text).unwrap_or_else(|| panic!("{text} is no number"));
        let words: Vec<&str> = text.split_whitespace().collect();
        match words[..] {
            ["last"] => return Item::LastDay,
            ["last", day] => return Item::LastWeekday(number(day)),
            [ordinal, day] => return Item::NthWeekday(number(day), number(&ordinal[..1])),
            _ => {}
        }
        if text == "L" {
            return Item::LastDay;
        }
        if let Some((day, nth)) = text.split_once('#') {
            return Item::NthWeekday(number(day), number(nth));
        }
        if let Some(day) = text.strip_suffix('W') {
            return Item::Nearest(number(day));
        }
        if let Some(day) = text.strip_suffix('L') {
            return Item::LastWeekday(number(day));
        }
        let (range, step) = text.split_once('/').map_or((text, 1), |(range, step)| (range, number(step)));
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (min, max),
            // A range of weekdays that ends in Sunday (rule 9).
            Some((from, to)) if max == 7 && number(to) == 0 && number(from) > 0 => (number(from), 7),
            Some((from, to)) => (number(from), number(to)),
            None => (number(range), number(range)),
        };
        Item::Values(text.to_owned(), (from..=to).step_by(step as usize).collect())
    }
}

fn number_of(text: &str) -> Option<u32> {
    const NAMES: [(&str, u32); 19] = [
        ("sun", 0),
        ("mon", 1),
        ("tue", 2),
        ("wed", 3),
        ("thu", 4),
        ("fri", 5),
        ("sat", 6),
        ("jan", 1),
        ("feb", 2),
        ("mar", 3),
        ("apr", 4),
        ("may", 5),
        ("jun", 6),
        ("jul", 7),
        ("aug", 8),
        ("sep", 9),
        ("oct", 10),
        ("nov", 11),
        ("dec", 12),
    ];
    let named = NAMES.iter().find(|(name, _)| text.eq_ignore_ascii_case(name)).map(|(_, number)| *number);
    named.or_else(|| text.parse().ok())
}

impl fmt::Display for Field {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, item) in self.0.iter().enumerate() {
            let comma = if place > 0 { "," } else { "" };
            match item {
                Item::Values(text, _) => write!(out, "{comma}{text}")?,
                Item::LastDay => write!(out, "{comma}L")?,
                Item::Nearest(day) => write!(out, "{comma}{day}W")?,
                Item::LastWeekday(day) => write!(out, "{comma}{day}L")?,
                Item::NthWeekday(day, nth) => write!(out, "{comma}{day}#{nth}")?,
            }
        }
        Ok(())
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Expression {
    pub(crate) second: Option<Field>,
    pub(crate) minute: Field,
    pub(crate) hour: Field,
    pub(crate) day: Field,
    pub(crate) month: Field,
    pub(crate) weekday: Field,
    pub(crate) year: Option<Field>,
    /// The ISO week, which only a table has; its fields must match all of them.
    pub(crate) week: Option<Field>,
    pub(crate) is_table: bool,
}

impl fmt::Display for Expression {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Expression { second, minute, hour, day, month, weekday, year, .. } = self;
        if let Some(second) = second {
            write!(out, "{second} ")?;
        }
        write!(out, "{minute} {hour} {day} {month} {weekday}")?;
        year.as_ref().map_or(Ok(()), |year| write!(out, " {year}"))
    }
}

const MINUTES: (u32, u32) = (0, 59);
const HOURS: (u32, u32) = (0, 23);
const DAYS: (u32, u32) = (1, 31);
const MONTHS: (u32, u32) = (1, 12);
const WEEKDAYS: (u32, u32) = (0, 7);
const WEEKS: (u32, u32) = (1, 53);
const YEARS: (u32, u32) = (1970, 2199);

impl Expression {
    /// Reads an expression of five, six or seven fields, a nickname (rule 18), or a table as [`Cron::text`] has it.
    ///
    /// [`Cron::text`]: jobctl::core::cron::Cron::text
    pub(crate) fn read(text: &str) -> Self {
        if text.starts_with('{') {
            return Expression::read_table(text);
        }
        let text = match text {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            other => other,
        };
        let words: Vec<&str> = text.split_whitespace().collect();
        let (second, words) = match words.len() {
            5 => (None, &words[..]),
            6 | 7 => (Some(words[0]), &words[1..]),
            _ => panic!("{text} has {} fields", words.len()),
        };
        Expression {
            second: second.map(|text| Field::read(text, MINUTES)),
            minute: Field::read(words[0], MINUTES),
            hour: Field::read(words[1], HOURS),
            day: Field::read(words[2], DAYS),
            month: Field::read(words[3], MONTHS),
            weekday: Field::read(words[4], WEEKDAYS),
            year: words.get(5).map(|text| Field::read(text, YEARS)),
            week: None,
            is_table: false,
        }
    }

    /// Reads a table: what is finer than the finest field given is at its least, what is coarser is any.
    fn read_table(text: &str) -> Self {
        let given = |name: &str| {
            let (_, rest) = text.split_once(&format!("{name} = \""))?;
            Some(rest.split_once('"')?.0)
        };
        // A search for `day` must not find `weekday`.
        let given = |name: &str| given(&format!(" {name}"));
        let order = ["second", "minute", "hour", "day", "weekday", "week", "month", "year"];
        let finest = order.iter().position(|name| given(name).is_some()).unwrap_or(0);
        let field = |name: &str, range: (u32, u32), least: bool| match given(name) {
            Some(text) => Field::read(text, range),
            None if least => Field(vec![Item::Values(range.0.to_string(), vec![range.0])]),
            None => Field::any(range.0, range.1),
        };
        // A week alone means its Monday.
        let monday = || Field(vec![Item::Values("1".to_owned(), vec![1])]);
        let only_week = order[finest] == "week";
        Expression {
            second: given("second").map(|text| Field::read(text, MINUTES)),
            minute: field("minute", MINUTES, finest > 1),
            hour: field("hour", HOURS, finest > 2),
            day: field("day", DAYS, finest > 5),
            month: field("month", MONTHS, finest > 6),
            weekday: if only_week { monday() } else { field("weekday", WEEKDAYS, false) },
            year: given("year").map(|text| Field::read(text, YEARS)),
            week: given("week").map(|text| Field::read(text, WEEKS)),
            is_table: true,
        }
    }

    /// Says whether a time of day matches, given in seconds.
    pub(crate) fn matches_time(&self, time: i64) -> bool {
        let time = u32::try_from(time).unwrap();
        let (hour, minute, second) = (time / 3_600, time / 60 % 60, time % 60);
        let on_second = self.second.as_ref().map_or(second == 0, |field| field.has(second));
        on_second && self.minute.has(minute) && self.hour.has(hour)
    }

    pub(crate) fn matches_date(&self, date: NaiveDate) -> bool {
        let year = |field: &Field| u32::try_from(date.year()).is_ok_and(|year| field.has(year));
        let week = |field: &Field| field.has(date.iso_week().week());
        self.month.has(date.month())
            && self.year.as_ref().is_none_or(year)
            && self.week.as_ref().is_none_or(week)
            && self.matches_day(date)
    }

    fn matches_day(&self, date: NaiveDate) -> bool {
        let length = u32::from(date.num_days_in_month());
        let weekday = date.weekday().num_days_from_sunday();
        let is_last = |wanted: u32| wanted % 7 == weekday && date.day() + 7 > length;
        let is_nth = |wanted: u32, nth: u32| wanted % 7 == weekday && date.day().div_ceil(7) == nth;
        let day = self.day.has(date.day())
            || self.day.0.iter().any(|item| match item {
                Item::LastDay => date.day() == length,
                Item::Nearest(wanted) => nearest_weekday(date, *wanted, length) == Some(date.day()),
                // Only a table's day has these.
                Item::LastWeekday(wanted) => is_last(*wanted),
                Item::NthWeekday(wanted, nth) => is_nth(*wanted, *nth),
                Item::Values(..) => false,
            });
        let week = self.weekday.has(weekday)
            || (weekday == 0 && self.weekday.has(7))
            || self.weekday.0.iter().any(|item| match item {
                Item::LastWeekday(wanted) => is_last(*wanted),
                Item::NthWeekday(wanted, nth) => is_nth(*wanted, *nth),
                Item::Values(..) | Item::LastDay | Item::Nearest(_) => false,
            });
        let both = self.is_table || self.day.begins_with_star() || self.weekday.begins_with_star();
        if both { day && week } else { day || week }
    }

    pub(crate) fn is_wildcard(&self) -> bool {
        self.minute.begins_with_star() || self.hour.begins_with_star()
    }
}

/// Finds the Monday-to-Friday day of a month that is nearest to a day, by looking at all of them.
fn nearest_weekday(date: NaiveDate, wanted: u32, length: u32) -> Option<u32> {
    let working = |day: &u32| date.with_day(*day).is_some_and(|at| at.weekday().num_days_from_monday() < 5);
    let days = (1..=length).filter(working);
    (wanted <= length).then(|| days.min_by_key(|day| day.abs_diff(wanted))).flatten()
}

//! Cron as a table of named fields: `{ hour = "9-17", weekday = "mon-fri", week = "*/2" }`.
//!
//! In a table all fields that are given must match: there is no day rule. Fields finer than the finest given
//! are at their minimum, coarser ones match always.

use super::Cron;
use super::calendar::{ALL_DAYS, ALL_MONTHS, ALL_WEEKDAYS, Calendar, Dates, MonthDays, WeekDays};
use super::parse::{self, CronError, Field, FieldRule, Item};

/// The name of a field in a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TableField {
    Second,
    Minute,
    Hour,
    Day,
    Weekday,
    Week,
    Month,
    Year,
}

impl TableField {
    /// Every field, finest first.
    pub const ALL: [TableField; 8] = [
        TableField::Second,
        TableField::Minute,
        TableField::Hour,
        TableField::Day,
        TableField::Weekday,
        TableField::Week,
        TableField::Month,
        TableField::Year,
    ];

    /// Returns the key in the job file.
    pub const fn as_str(self) -> &'static str {
        match self {
            TableField::Second => "second",
            TableField::Minute => "minute",
            TableField::Hour => "hour",
            TableField::Day => "day",
            TableField::Weekday => "weekday",
            TableField::Week => "week",
            TableField::Month => "month",
            TableField::Year => "year",
        }
    }

    const fn rule(self) -> FieldRule {
        match self {
            TableField::Second => parse::SECOND,
            TableField::Minute => parse::MINUTE,
            TableField::Hour => parse::HOUR,
            TableField::Day => parse::DAY,
            TableField::Weekday => parse::WEEKDAY,
            TableField::Week => parse::WEEK,
            TableField::Month => parse::MONTH,
            TableField::Year => parse::YEAR,
        }
    }
}

/// A table of fields on its way to an expression.
#[derive(Clone, Debug, Default)]
pub struct CronFields {
    seed: String,
    text: Vec<String>,
    given: Vec<(TableField, Field)>,
    ordinals: WeekDays,
    last_day: bool,
}

impl CronFields {
    /// Begins a table; `seed` is the job's name, for `a~b`.
    pub fn new(seed: &str) -> Self {
        CronFields { seed: seed.to_owned(), ..CronFields::default() }
    }

    /// Takes in one field. `day` also takes `last`, `2nd fri` and `last fri`, alone or in a list.
    ///
    /// # Errors
    /// As for a text; the span lies within `value`.
    pub fn set(&mut self, field: TableField, value: &str) -> Result<(), CronError> {
        let text = value.trim_matches([' ', '\t']);
        self.text.push(format!("{}={text}", field.as_str()));
        let parsed = if field == TableField::Day {
            self.day(value)?
        } else {
            parse::single(field.rule(), value.trim_matches([' ', '\t']), &self.seed)?
        };
        self.given.push((field, parsed));
        Ok(())
    }

    /// Compiles the table; `None` where it is empty, which matches nothing anybody could mean.
    pub fn build(self) -> Option<Cron> {
        let finest = self.given.iter().map(|(field, _)| *field).min()?;
        let get = |wanted: TableField| self.given.iter().find(|(field, _)| *field == wanted).map(|(_, f)| f);
        let time = |field: TableField, minimum: u64, all: u64| match get(field) {
            Some(given) => given.mask(),
            None if field < finest => minimum,
            None => all,
        };
        let dates = self.dates(finest, &get);
        let starred = |field: TableField| get(field).map_or(field > finest, |given| given.starred);
        Some(Cron {
            seconds: time(TableField::Second, 1, (1 << 60) - 1),
            minutes: time(TableField::Minute, 1, (1 << 60) - 1),
            hours: u32::try_from(time(TableField::Hour, 1, (1 << 24) - 1)).unwrap_or(1),
            wildcard: starred(TableField::Minute) || starred(TableField::Hour),
            calendar: Calendar::compile(dates),
            text: self.text.join(" ").into(),
        })
    }

    fn dates<'a>(&'a self, finest: TableField, get: &impl Fn(TableField) -> Option<&'a Field>) -> Dates {
        let mut days =
            MonthDays { weekdays: self.ordinals.clone(), last: self.last_day, ..MonthDays::default() };
        match get(TableField::Day) {
            Some(given) => parse::fill_days(&mut days, given),
            // A month or a year alone means its first day; a week or a weekday picks its own days.
            None if finest >= TableField::Month => days.plain = 1 << 1,
            None => days.plain = ALL_DAYS,
        }
        let mut weekdays = WeekDays::default();
        match get(TableField::Weekday) {
            Some(given) => parse::fill_weekdays(&mut weekdays, given),
            // A week alone means its Monday, the first day of an ISO week.
            None if finest == TableField::Week => weekdays.plain = 1 << 1,
            None => weekdays.plain = ALL_WEEKDAYS,
        }
        let months = match get(TableField::Month) {
            Some(given) => u16::try_from(given.mask()).unwrap_or(ALL_MONTHS),
            None if finest == TableField::Year => 1 << 1,
            None => ALL_MONTHS,
        };
        Dates {
            days,
            months,
            weekdays,
            years: get(TableField::Year).and_then(Field::years),
            weeks: get(TableField::Week).map_or(0, Field::mask),
            both: true,
        }
    }

    /// Splits the day field's words from its numbers.
    fn day(&mut self, text: &str) -> Result<Field, CronError> {
        let mut plain = Vec::new();
        let mut at = 0;
        for part in text.split(',') {
            let span = at..at + part.len();
            at = span.end + 1;
            let words: Vec<String> = part.split_whitespace().map(str::to_ascii_lowercase).collect();
            match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
                ["last"] => self.last_day = true,
                [ordinal, weekday] => self.ordinal(ordinal, weekday, span)?,
                _ => plain.push((part.trim_matches([' ', '\t']), span)),
            }
        }
        let mut field =
            Field { rule: parse::DAY, starred: text.trim_start().starts_with('*'), items: Vec::new() };
        for (part, span) in plain {
            let items = parse::single(parse::DAY, part, &self.seed).map_err(|error| CronError {
                span: span.start + error.span.start..span.start + error.span.end,
                ..error
            })?;
            field.items.extend(items.items);
        }
        Ok(field)
    }

    fn ordinal(
        &mut self,
        ordinal: &str,
        weekday: &str,
        span: std::ops::Range<usize>,
    ) -> Result<(), CronError> {
        let weekdays = parse::single(parse::WEEKDAY, weekday, &self.seed)
            .map_err(|error| CronError { span: span.clone(), ..error })?;
        let item = |weekday: u32| match ordinal {
            "1st" | "first" => Some(Item::NthWeekday { weekday, nth: 1 }),
            "2nd" | "second" => Some(Item::NthWeekday { weekday, nth: 2 }),
            "3rd" | "third" => Some(Item::NthWeekday { weekday, nth: 3 }),
            "4th" | "fourth" => Some(Item::NthWeekday { weekday, nth: 4 }),
            "5th" | "fifth" => Some(Item::NthWeekday { weekday, nth: 5 }),
            "last" => Some(Item::LastWeekday(weekday)),
            _ => None,
        };
        let mask = weekdays.mask();
        let items: Option<Vec<Item>> = (0..=7).filter(|day| mask >> day & 1 == 1).map(item).collect();
        match items {
            Some(items) => {
                let field = Field { rule: parse::WEEKDAY, starred: false, items };
                parse::fill_weekdays(&mut self.ordinals, &field);
                Ok(())
            }
            None => Err(CronError {
                message: format!("in the day field, {ordinal:?} is no ordinal"),
                hint: Some("1st, 2nd, 3rd, 4th, 5th or last, such as \"2nd fri\"".to_owned()),
                span,
            }),
        }
    }
}

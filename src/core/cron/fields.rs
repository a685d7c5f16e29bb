//! Cron as a table of named fields: `{ hour = "9-17", weekday = "mon-fri", week = "*/2" }`.
//!
//! In a table all fields that are given must match: there is no rule by which either day field may. Fields finer
//! than the finest given are at their minimum, coarser ones match always.

use super::field::{self, Field, FieldRule, Item};
use super::parse::{self, Expression};
use super::refuse::{self, shown};
use super::{Cron, CronError};

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
            TableField::Second => field::SECOND,
            TableField::Minute => field::MINUTE,
            TableField::Hour => field::HOUR,
            TableField::Day => field::DAY,
            TableField::Weekday => field::WEEKDAY,
            TableField::Week => field::WEEK,
            TableField::Month => field::MONTH,
            TableField::Year => field::YEAR,
        }
    }
}

/// A table of fields on its way to an expression.
#[derive(Clone, Debug, Default)]
pub struct CronFields {
    seed: String,
    given: Vec<(TableField, String, Field)>,
}

impl CronFields {
    /// Begins a table; `seed` is the job's name, for `a~b`.
    pub fn new(seed: &str) -> Self {
        CronFields { seed: seed.to_owned(), given: Vec::new() }
    }

    /// Takes in one field; a second value for a field replaces the first. `day` also takes `last`, `2nd fri` and
    /// `last fri`, alone or in a list.
    ///
    /// # Errors
    /// As for a text; the span lies within `value`.
    pub fn set(&mut self, field: TableField, value: &str) -> Result<(), CronError> {
        if value.len() > parse::LONGEST {
            return Err(refuse::too_long(value));
        }
        let text = value.trim_matches(BLANKS);
        let lead = value.len() - value.trim_start_matches(BLANKS).len();
        let parsed = match field {
            TableField::Day => self.day(text),
            _ => parse::single(field.rule(), text, &self.seed),
        };
        let parsed = parsed.map_err(|error| shifted(error, lead))?;
        self.given.retain(|(known, _, _)| *known != field);
        self.given.push((field, text.to_owned(), parsed));
        Ok(())
    }

    /// Compiles the table; `None` where it is empty, which matches nothing anybody could mean.
    pub fn build(self) -> Option<Cron> {
        let expression = self.expression()?;
        let pairs: Vec<String> =
            self.given.iter().map(|(field, text, _)| format!("{} = \"{text}\"", field.as_str())).collect();
        Some(parse::compile(&format!("{{ {} }}", pairs.join(", ")), &expression))
    }

    /// Reads a table back from the text of an expression that was built of one; `None` for other texts.
    pub(super) fn read(text: &str, seed: &str) -> Option<Expression> {
        let mut rest = text.strip_prefix("{ ")?.strip_suffix(" }")?;
        let mut fields = CronFields::new(seed);
        loop {
            let (key, tail) = rest.split_once(" = \"")?;
            let (value, tail) = tail.split_once('"')?;
            let field = TableField::ALL.into_iter().find(|field| field.as_str() == key)?;
            fields.set(field, value).ok()?;
            match tail.strip_prefix(", ") {
                Some(tail) => rest = tail,
                None => return fields.expression(),
            }
        }
    }

    fn expression(&self) -> Option<Expression> {
        let finest = self.given.iter().map(|(field, _, _)| *field).min()?;
        let given = |wanted: TableField| {
            let found = self.given.iter().find(|(field, _, _)| *field == wanted);
            found.map(|(_, _, parsed)| parsed.clone())
        };
        let time = |field: TableField| {
            let rule = field.rule();
            let otherwise = || if field < finest { Field::one(rule, rule.min) } else { Field::any(rule) };
            given(field).unwrap_or_else(otherwise)
        };
        // A week or a weekday picks its own days; a month or a year alone means its first day, and a week alone
        // its Monday, the first day of an ISO week.
        let first = |field: TableField, only: bool| {
            let otherwise = || if only { Field::one(field.rule(), 1) } else { Field::any(field.rule()) };
            given(field).unwrap_or_else(otherwise)
        };
        Some(Expression {
            second: given(TableField::Second),
            minute: time(TableField::Minute),
            hour: time(TableField::Hour),
            day: first(TableField::Day, finest >= TableField::Month),
            weekday: first(TableField::Weekday, finest == TableField::Week),
            week: given(TableField::Week),
            month: first(TableField::Month, finest == TableField::Year),
            year: given(TableField::Year),
            both: true,
            wide_steps: Vec::new(),
        })
    }

    /// Parses the day field: what a text may say, and the days that are named by words.
    fn day(&self, text: &str) -> Result<Field, CronError> {
        let mut items = Vec::new();
        let mut at = 0;
        for part in text.split(',') {
            let span = at..at + part.len();
            at = span.end + 1;
            let words: Vec<String> = part.split_ascii_whitespace().map(str::to_ascii_lowercase).collect();
            match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
                ["last"] => items.push(Item::LastDay),
                [ordinal, weekday] => items.extend(self.ordinal(ordinal, weekday, &span)?),
                _ => {
                    let lead = part.len() - part.trim_start_matches(BLANKS).len();
                    let parsed = parse::single(field::DAY, part.trim_matches(BLANKS), &self.seed);
                    items.extend(parsed.map_err(|error| shifted(error, span.start + lead))?.items);
                }
            }
        }
        Ok(Field { rule: field::DAY, starred: text.starts_with('*'), items })
    }

    fn ordinal(
        &self,
        ordinal: &str,
        weekday: &str,
        span: &std::ops::Range<usize>,
    ) -> Result<Vec<Item>, CronError> {
        let weekdays = parse::single(field::WEEKDAY, weekday, &self.seed)
            .map_err(|error| CronError { span: span.clone(), ..error })?;
        let plain = |item: &Item| !matches!(item, Item::LastWeekday(_) | Item::NthWeekday { .. });
        let nth = match ordinal {
            _ if !weekdays.items.iter().all(plain) => {
                return Err(CronError {
                    message: format!("in the day-of-month field, {} says twice which", shown(weekday)),
                    hint: Some(format!("{ordinal} goes with plain days, such as \"2nd fri\"")),
                    span: span.clone(),
                });
            }
            "1st" | "first" => Some(1),
            "2nd" | "second" => Some(2),
            "3rd" | "third" => Some(3),
            "4th" | "fourth" => Some(4),
            "5th" | "fifth" => Some(5),
            "last" => None,
            _ => {
                return Err(CronError {
                    message: format!("in the day-of-month field, {} is no ordinal", shown(ordinal)),
                    hint: Some("1st, 2nd, 3rd, 4th, 5th or last, such as \"2nd fri\"".to_owned()),
                    span: span.clone(),
                });
            }
        };
        let item = |weekday: u32| match nth {
            Some(nth) => Item::NthWeekday { weekday, nth },
            None => Item::LastWeekday(weekday),
        };
        Ok(weekdays.values().map(item).collect())
    }
}

const BLANKS: [char; 2] = [' ', '\t'];

fn shifted(error: CronError, by: usize) -> CronError {
    CronError { span: error.span.start + by..error.span.end + by, ..error }
}

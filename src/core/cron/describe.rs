//! An expression in plain English.

use super::field::{Field, Item};
use super::parse::{self, Expression};
use super::refuse::shown;
use super::{Cron, CronFields};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 8] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const ORDINALS: [&str; 5] = ["first", "second", "third", "fourth", "fifth"];

/// How many clock times are named one by one.
const LISTED: usize = 6;

impl Cron {
    /// Describes the expression in one sentence without a full stop; `seed` as for [`Cron::parse`].
    pub fn describe(&self, seed: &str) -> String {
        // What was compiled once reads again; the text itself is the description of last resort.
        self.expression(seed).map_or_else(|| self.text().to_owned(), |expression| describe(&expression))
    }

    /// Returns what is valid but hardly meant: steps wider than their range (TIME.md rule 11), with their places in
    /// the text.
    pub fn warnings(&self) -> Vec<(String, std::ops::Range<usize>)> {
        let wide = parse::expression(self.text(), "").map(|expression| expression.wide_steps);
        let warn = |span: std::ops::Range<usize>| {
            let part = shown(self.text().get(span.clone()).unwrap_or_default());
            (format!("the step of {part} is wider than its range: only the first value matches"), span)
        };
        wide.unwrap_or_default().into_iter().map(warn).collect()
    }

    /// Explains how the two day fields work together, where that is not obvious (TIME.md rule 20).
    pub fn explain_days(&self, seed: &str) -> Option<&'static str> {
        let expression = self.expression(seed)?;
        if expression.day.is_any() || expression.weekday.is_any() {
            return None;
        }
        Some(if CronFields::read(self.text(), seed).is_some() {
            "both day fields must match, as all fields of a table must"
        } else if expression.both {
            "both day fields must match, because one of them begins with *"
        } else {
            "either day field may match, because neither begins with *"
        })
    }

    fn expression(&self, seed: &str) -> Option<Expression> {
        CronFields::read(self.text(), seed).or_else(|| parse::expression(self.text(), seed).ok())
    }
}

fn describe(expression: &Expression) -> String {
    let parts = [
        times(expression),
        days(expression),
        weeks(expression.week.as_ref()),
        months(&expression.month),
        years(expression.year.as_ref()),
    ];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

fn times(expression: &Expression) -> String {
    let Expression { second, minute, hour, .. } = expression;
    let seconds: Vec<u32> = second.as_ref().map_or(vec![0], sorted);
    let (minutes, hours) = (sorted(minute), sorted(hour));
    let full_minutes = seconds == [0];
    if seconds.len() * minutes.len() * hours.len() <= LISTED {
        let mut clock = Vec::new();
        for hour in &hours {
            for minute in &minutes {
                for second in &seconds {
                    clock.push(clock_time(*hour, *minute, *second, full_minutes));
                }
            }
        }
        return format!("At {}", join(&clock));
    }
    if let ([minute], true) = (minutes.as_slice(), full_minutes) {
        return once_an_hour(*minute, hour, &hours);
    }
    let mut parts = Vec::new();
    if let Some(field) = second.as_ref().filter(|_| !full_minutes) {
        parts.push(unit(field, "second", "minute"));
    }
    if minutes.len() < 60 || parts.is_empty() {
        parts.push(unit(minute, "minute", "hour"));
    }
    if hours.len() < 24 {
        parts.push(match hour.items.as_slice() {
            [Item::Range { from, to, step: 1 }] => format!("from {from:02}:00 to {to:02}:59"),
            [_] if hours.len() == 1 => format!("from {0:02}:00 to {0:02}:59", hours[0]),
            _ => format!("in the hours {}", join(&numbers(&hours))),
        });
    }
    capital(&parts.join(", "))
}

/// Describes a single minute of many hours.
fn once_an_hour(minute: u32, hour: &Field, hours: &[u32]) -> String {
    match hour.items.as_slice() {
        _ if hours.len() == 24 && minute == 0 => "Every hour, on the hour".to_owned(),
        _ if hours.len() == 24 => format!("At minute {minute} of every hour"),
        [Item::Every { step }] if 24 % step == 0 => format!("Every {step} hours from 00:{minute:02}"),
        [Item::Range { from, to, step: 1 }] => {
            format!("Every hour from {from:02}:{minute:02} to {to:02}:{minute:02}")
        }
        _ => format!("At minute {minute} of the hours {}", join(&numbers(hours))),
    }
}

/// Describes a field within its larger unit: "every 15 minutes", "at minute 5 of every hour".
fn unit(field: &Field, name: &str, larger: &str) -> String {
    match field.items.as_slice() {
        [Item::Every { step: 1 }] => format!("every {name}"),
        [Item::Every { step }] if 60 % step == 0 => format!("every {step} {name}s"),
        [Item::Range { from, to, step: 1 }] => {
            format!("every {name} from {name} {from} to {to} of every {larger}")
        }
        _ => {
            let listed = sorted(field);
            let plural = if listed.len() == 1 { "" } else { "s" };
            format!("at {name}{plural} {} of every {larger}", join(&numbers(&listed)))
        }
    }
}

fn days(expression: &Expression) -> String {
    let (day, weekday) = (&expression.day, &expression.weekday);
    let whole_year = expression.month.is_any() && expression.week.is_none();
    match (day.is_any(), weekday.is_any()) {
        (true, true) if whole_year => String::new(),
        (true, true) => "every day".to_owned(),
        (false, true) => month_days(day),
        (true, false) => week_days(weekday),
        (false, false) if expression.both => {
            format!("{} if it is {}", month_days(day), week_days(weekday).trim_start_matches("on "))
        }
        (false, false) => format!("{} and also {}", month_days(day), week_days(weekday)),
    }
}

fn month_days(field: &Field) -> String {
    let parts: Vec<String> = field
        .items
        .iter()
        .map(|item| match *item {
            Item::Every { step: 1 } => "every day".to_owned(),
            Item::Every { step } => format!("every {} day from the 1st", ordinal(step)),
            Item::One(day) | Item::Picked { value: day, .. } => format!("the {}", ordinal(day)),
            Item::Range { from, to, step: 1 } => format!("the {} to the {}", ordinal(from), ordinal(to)),
            Item::Range { from, to, step } => {
                format!("every {} day from the {} to the {}", ordinal(step), ordinal(from), ordinal(to))
            }
            Item::LastDay => "the last day".to_owned(),
            Item::Nearest(day) => format!("the working day nearest to the {}", ordinal(day)),
            Item::LastWeekday(day) => format!("the last {}", day_name(day)),
            Item::NthWeekday { weekday, nth } => format!("the {} {}", ordinal_word(nth), day_name(weekday)),
        })
        .collect();
    format!("on {} of the month", join(&parts))
}

fn week_days(field: &Field) -> String {
    if let [Item::Range { from, to, step: 1 }] = field.items.as_slice() {
        return format!("{} to {}", day_name(*from), day_name(*to));
    }
    let parts: Vec<String> = field
        .items
        .iter()
        .map(|item| match *item {
            Item::One(day) | Item::Picked { value: day, .. } => day_name(day).to_owned(),
            Item::Range { from, to, step: 1 } => format!("{} to {}", day_name(from), day_name(to)),
            Item::LastWeekday(day) => format!("the last {} of the month", day_name(day)),
            Item::NthWeekday { weekday, nth } => {
                format!("the {} {} of the month", ordinal_word(nth), day_name(weekday))
            }
            Item::Every { .. } | Item::Range { .. } | Item::LastDay | Item::Nearest(_) => {
                let one = Field { rule: field.rule, starred: false, items: vec![*item] };
                let mut days: Vec<u32> = one.values().map(|day| day % 7).collect();
                days.sort_unstable();
                days.dedup();
                join(&days.into_iter().map(|day| day_name(day).to_owned()).collect::<Vec<_>>())
            }
        })
        .collect();
    format!("on {}", join(&parts))
}

fn months(field: &Field) -> String {
    if field.is_any() {
        return String::new();
    }
    let name = |month: u32| MONTHS.get((month as usize).saturating_sub(1)).copied().unwrap_or_default();
    match field.items.as_slice() {
        [Item::Range { from, to, step: 1 }] => format!("from {} to {}", name(*from), name(*to)),
        _ => {
            let names: Vec<String> = sorted(field).into_iter().map(|month| name(month).to_owned()).collect();
            format!("in {}", join(&names))
        }
    }
}

fn weeks(field: Option<&Field>) -> String {
    match field.map(|field| (field, field.items.as_slice())) {
        None | Some((_, [Item::Every { step: 1 }])) => String::new(),
        Some((_, [Item::One(week)])) => format!("in ISO week {week}"),
        Some((_, [Item::Every { step }])) => format!("in every {} ISO week from the 1st", ordinal(*step)),
        Some((field, _)) => format!("in the ISO weeks {}", ranges(field)),
    }
}

fn years(field: Option<&Field>) -> String {
    match field.map(|field| (field, field.items.as_slice())) {
        None | Some((_, [Item::Every { step: 1 }])) => String::new(),
        Some((_, [Item::One(year)])) => format!("in {year}"),
        Some((_, [Item::Every { step }])) => format!("in every {} year from 1970", ordinal(*step)),
        Some((field, _)) => format!("in the years {}", ranges(field)),
    }
}

/// Lists a field's items, ranges as ranges.
fn ranges(field: &Field) -> String {
    let parts: Vec<String> = field
        .items
        .iter()
        .map(|item| match *item {
            Item::One(value) | Item::Picked { value, .. } => value.to_string(),
            Item::Range { from, to, step: 1 } => format!("{from} to {to}"),
            Item::Range { from, to, step } => format!("every {} from {from} to {to}", ordinal(step)),
            Item::Every { step } => format!("every {} from {}", ordinal(step), field.rule.min),
            Item::LastDay | Item::Nearest(_) | Item::LastWeekday(_) | Item::NthWeekday { .. } => {
                String::new()
            }
        })
        .collect();
    join(&parts)
}

fn day_name(weekday: u32) -> &'static str {
    WEEKDAYS.get(weekday as usize).copied().unwrap_or("Sunday")
}

fn ordinal_word(nth: u32) -> &'static str {
    ORDINALS.get(nth.saturating_sub(1) as usize).copied().unwrap_or("fifth")
}

/// Returns the values of a field in order; those of years do not matter here.
fn sorted(field: &Field) -> Vec<u32> {
    let mask = field.mask();
    (0..64).filter(|value| mask >> value & 1 == 1).collect()
}

fn numbers(values: &[u32]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

fn clock_time(hour: u32, minute: u32, second: u32, short: bool) -> String {
    if short { format!("{hour:02}:{minute:02}") } else { format!("{hour:02}:{minute:02}:{second:02}") }
}

fn ordinal(number: u32) -> String {
    let ending = match (number % 10, number % 100) {
        (1, tens) if tens != 11 => "st",
        (2, tens) if tens != 12 => "nd",
        (3, tens) if tens != 13 => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

fn join(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

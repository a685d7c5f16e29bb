//! An expression in plain English.

use super::Cron;
use super::parse::{self, Expression, Field, Item};

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
        match parse::expression(self.text(), seed) {
            Ok(expression) => describe(&expression),
            // The text of a table is its fields.
            Err(_) => format!("When {}", self.text().replace(' ', " and ").replace('=', " is ")),
        }
    }

    /// Returns what is valid but hardly meant: steps wider than their range, with their places in the text.
    pub fn warnings(&self) -> Vec<(String, std::ops::Range<usize>)> {
        let wide = parse::expression(self.text(), "").map(|expression| expression.wide_steps);
        let warn = |span: std::ops::Range<usize>| {
            let part = self.text().get(span.clone()).unwrap_or_default();
            (format!("the step of {part:?} is wider than its range: only the first value matches"), span)
        };
        wide.unwrap_or_default().into_iter().map(warn).collect()
    }

    /// Explains how the two day fields work together, where that is not obvious (TIME.md rule 20).
    pub fn explain_days(&self, seed: &str) -> Option<&'static str> {
        let expression = parse::expression(self.text(), seed).ok()?;
        let restricted = |field: &Field| field.items != [Item::Every { step: 1 }];
        if !restricted(&expression.day) || !restricted(&expression.weekday) {
            return None;
        }
        Some(if expression.day.starred || expression.weekday.starred {
            "both day fields must match, because one of them begins with *"
        } else {
            "either day field may match, because neither begins with *"
        })
    }
}

fn describe(expression: &Expression) -> String {
    let mut text = times(expression);
    for part in [days(expression), months(&expression.month), years(expression.year.as_ref())] {
        if !part.is_empty() {
            text.push_str(", ");
            text.push_str(&part);
        }
    }
    text
}

fn times(expression: &Expression) -> String {
    let Expression { second, minute, hour, .. } = expression;
    let seconds: Vec<u32> = second.as_ref().map_or(vec![0], values);
    let (minutes, hours) = (values(minute), values(hour));
    let at_the_minute = seconds == [0];
    let few = seconds.len() * minutes.len() * hours.len() <= LISTED;
    if few {
        let mut clock = Vec::new();
        for hour in &hours {
            for minute in &minutes {
                for second in &seconds {
                    clock.push(clock_time(*hour, *minute, *second, at_the_minute));
                }
            }
        }
        return format!("At {}", join(&clock));
    }
    let mut parts = Vec::new();
    if let Some(field) = second.as_ref().filter(|_| !at_the_minute) {
        parts.push(unit(field, "second", "minute"));
    }
    if minutes.len() != 60 || parts.is_empty() {
        parts.push(unit(minute, "minute", "hour"));
    }
    if hours.len() < 24 {
        parts.push(match hour.items.as_slice() {
            [Item::Range { from, to, step: 1 }] => format!("from {from:02}:00 to {to:02}:59"),
            [Item::Every { step }] if 24 % step == 0 => format!("every {step} hours from midnight"),
            _ => format!("in the hours {}", join(&numbers(&hours))),
        });
    }
    capital(&parts.join(", "))
}

/// Describes a field within its larger unit: "every 15 minutes", "at minute 5 of the hour".
fn unit(field: &Field, name: &str, larger: &str) -> String {
    match field.items.as_slice() {
        [Item::Every { step: 1 }] => format!("every {name}"),
        [Item::Every { step }] if 60 % step == 0 => format!("every {step} {name}s"),
        _ => {
            let listed = values(field);
            let plural = if listed.len() == 1 { "" } else { "s" };
            format!("at {name}{plural} {} of every {larger}", join(&numbers(&listed)))
        }
    }
}

fn days(expression: &Expression) -> String {
    let any = |field: &Field| field.items == [Item::Every { step: 1 }];
    let (day, weekday) = (&expression.day, &expression.weekday);
    match (any(day), any(weekday)) {
        (true, true) if any(&expression.month) => String::new(),
        (true, true) => "every day".to_owned(),
        (false, true) => month_days(day),
        (true, false) => week_days(weekday),
        (false, false) if day.starred || weekday.starred => {
            format!("{} if it is {}", month_days(day), week_days(weekday).trim_start_matches("on "))
        }
        (false, false) => format!("{} and {}", month_days(day), week_days(weekday)),
    }
}

fn month_days(field: &Field) -> String {
    let parts: Vec<String> = field
        .items
        .iter()
        .map(|item| match *item {
            Item::Every { step } => format!("every {step} days from the 1st"),
            Item::One(day) | Item::Picked { value: day, .. } => format!("the {}", ordinal(day)),
            Item::Range { from, to, step: 1 } => format!("the {} to the {}", ordinal(from), ordinal(to)),
            Item::Range { from, to, step } => {
                format!("every {step} days from the {} to the {}", ordinal(from), ordinal(to))
            }
            Item::LastDay => "the last day".to_owned(),
            Item::Nearest(day) => format!("the weekday nearest to the {}", ordinal(day)),
            Item::LastWeekday(_) | Item::NthWeekday { .. } => String::new(),
        })
        .collect();
    format!("on {} of the month", join(&parts))
}

fn week_days(field: &Field) -> String {
    let name = |day: u32| WEEKDAYS.get(day as usize).copied().unwrap_or("Sunday");
    let parts: Vec<String> = field
        .items
        .iter()
        .map(|item| match *item {
            Item::One(day) | Item::Picked { value: day, .. } => name(day).to_owned(),
            Item::Range { from, to, step: 1 } => format!("{} to {}", name(from), name(to)),
            Item::LastWeekday(day) => format!("the last {} of the month", name(day)),
            Item::NthWeekday { weekday, nth } => {
                let nth = ORDINALS.get(nth.saturating_sub(1) as usize).copied().unwrap_or("fifth");
                format!("the {nth} {} of the month", name(weekday))
            }
            Item::Every { .. } | Item::Range { .. } | Item::LastDay | Item::Nearest(_) => {
                let one = Field { rule: field.rule, starred: false, items: vec![*item] };
                join(&values(&one).into_iter().map(|day| name(day).to_owned()).collect::<Vec<_>>())
            }
        })
        .collect();
    format!("on {}", join(&parts))
}

fn months(field: &Field) -> String {
    if field.items == [Item::Every { step: 1 }] {
        return String::new();
    }
    let name = |month: u32| MONTHS.get((month as usize).saturating_sub(1)).copied().unwrap_or_default();
    match field.items.as_slice() {
        [Item::Range { from, to, step: 1 }] => format!("from {} to {}", name(*from), name(*to)),
        _ => {
            format!("in {}", join(&values(field).into_iter().map(|m| name(m).to_owned()).collect::<Vec<_>>()))
        }
    }
}

fn years(field: Option<&Field>) -> String {
    match field.and_then(Field::years) {
        Some(years) => {
            format!("in {}", join(&years.0.iter().map(ToString::to_string).collect::<Vec<_>>()))
        }
        None => String::new(),
    }
}

/// Returns the values of a field in order.
fn values(field: &Field) -> Vec<u32> {
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

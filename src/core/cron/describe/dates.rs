//! The dates of an expression: days of the month and of the week, months, ISO weeks, years.

use super::super::field::{Field, Item};
use super::super::parse::Expression;
use super::words::{Shape, and, join, ordinal, runs, shape, sorted};

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
const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const ORDINALS: [&str; 5] = ["first", "second", "third", "fourth", "fifth"];

/// Months in words, as they follow a day of the month and as they follow anything else.
struct Months {
    /// "the month", "January and July".
    of: String,
    /// What "the month" leaves unsaid: ", from June to August".
    of_rest: String,
    /// " in January and July", " from June to August".
    within: String,
}

/// Describes the days; `open` says that nothing before this tells on which days.
pub(super) fn days(expression: &Expression, open: bool) -> String {
    let (day, weekday) = (&expression.day, &expression.weekday);
    let months = months(&expression.month);
    let (any_day, any_weekday) = (day.mask().count_ones() == 31, week(weekday).len() == 7);
    let every_day = if expression.both { any_day && any_weekday } else { any_day || any_weekday };
    if every_day {
        let said = open || !months.within.is_empty();
        return if said { format!("every day{}", months.within) } else { String::new() };
    }
    if any_weekday {
        return month_days(day, &months);
    }
    if any_day {
        return week_days(weekday, &months);
    }
    if expression.both {
        let condition = if_weekday(weekday, &months);
        return format!("on {} of {} if it {condition}{}", days_of(day), months.of, months.of_rest);
    }
    format!("{}, and also {}", month_days(day, &months), week_days(weekday, &months))
}

fn month_days(field: &Field, months: &Months) -> String {
    let step = |step: u32, rest: &str| format!("on every {} day of {} from {rest}", ordinal(step), months.of);
    let words = match *field.items.as_slice() {
        [Item::Every { step: wide }] => step(wide, "the 1st"),
        [Item::Range { from, to, step: wide @ 2.. }] if to - from >= 3 * wide => {
            step(wide, &format!("the {} to the {}", ordinal(from), ordinal(to)))
        }
        _ => format!("on {} of {}", days_of(field), months.of),
    };
    format!("{words}{}", months.of_rest)
}

/// Lists days of the month: "the 1st, the 10th to the 20th and the last day".
fn days_of(field: &Field) -> String {
    if let [Item::Every { step }] = *field.items.as_slice() {
        return format!("every {} day from the 1st", ordinal(step));
    }
    let mut parts = Vec::new();
    for (from, to) in runs(&sorted(field)) {
        match to - from {
            0 => parts.push(format!("the {}", ordinal(from))),
            1 => parts.extend([format!("the {}", ordinal(from)), format!("the {}", ordinal(to))]),
            _ => parts.push(format!("the {} to the {}", ordinal(from), ordinal(to))),
        }
    }
    parts.extend(field.items.iter().filter_map(special));
    and(&parts)
}

/// Names a day that is no plain number.
fn special(item: &Item) -> Option<String> {
    match *item {
        Item::LastDay => Some("the last day".to_owned()),
        Item::Nearest(day) => Some(format!("the weekday nearest to the {}", ordinal(day))),
        Item::LastWeekday(day) => Some(format!("the last {}", day_name(day))),
        Item::NthWeekday { weekday, nth } => {
            let nth = ORDINALS.get(nth.saturating_sub(1) as usize).copied().unwrap_or("fifth");
            Some(format!("the {nth} {}", day_name(weekday)))
        }
        Item::Every { .. } | Item::One(_) | Item::Range { .. } | Item::Picked { .. } => None,
    }
}

fn week_days(field: &Field, months: &Months) -> String {
    let days = week(field);
    let plain = match shape(&days, 7, true) {
        _ if days.is_empty() => None,
        Shape::Run { from, to } => Some(format!("{} to {}", day_name(from), day_name(to))),
        Shape::All | Shape::Steps { .. } | Shape::List => Some(format!("every {}", and(&names(&days)))),
    };
    let specials: Vec<String> = field.items.iter().filter_map(special).collect();
    match plain {
        Some(plain) if specials.is_empty() => format!("{plain}{}", months.within),
        None => format!("on {} of {}{}", and(&specials), months.of, months.of_rest),
        Some(plain) => {
            format!("{plain}{}, and on {} of {}{}", months.within, and(&specials), months.of, months.of_rest)
        }
    }
}

/// Describes weekdays as a condition on a day of the month: "falls on a Monday".
fn if_weekday(field: &Field, months: &Months) -> String {
    let days = week(field);
    let mut parts = match shape(&days, 7, true) {
        Shape::Run { from, to } => vec![format!("{} to {}", day_name(from), day_name(to))],
        Shape::All | Shape::Steps { .. } | Shape::List => names(&days),
    };
    if let Some(first) = parts.first_mut().filter(|_| !matches!(shape(&days, 7, true), Shape::Run { .. })) {
        *first = format!("a {first}");
    }
    let of = |special: String| format!("{special} of {}", months.of);
    parts.extend(field.items.iter().filter_map(special).map(of));
    format!("falls on {}", join(&parts, "or"))
}

/// Returns the plain weekdays in order, 0 = Sunday.
fn week(field: &Field) -> Vec<u32> {
    let mut days: Vec<u32> = sorted(field).into_iter().map(|day| day % 7).collect();
    days.sort_unstable();
    days.dedup();
    days
}

/// Names weekdays from Monday on.
fn names(days: &[u32]) -> Vec<String> {
    let mut days = days.to_vec();
    days.sort_unstable_by_key(|day| (day + 6) % 7);
    days.into_iter().map(|day| day_name(day).to_owned()).collect()
}

fn day_name(weekday: u32) -> &'static str {
    WEEKDAYS.get((weekday % 7) as usize).copied().unwrap_or_default()
}

fn months(field: &Field) -> Months {
    let name = |month: u32| MONTHS.get((month as usize).saturating_sub(1)).copied().unwrap_or_default();
    let values: Vec<u32> = sorted(field).into_iter().map(|month| month - 1).collect();
    let of_any = || "the month".to_owned();
    match shape(&values, 12, true) {
        Shape::All => Months { of: of_any(), of_rest: String::new(), within: String::new() },
        Shape::Run { from, to } => {
            let within = format!(" from {} to {}", name(from + 1), name(to + 1));
            Months { of: of_any(), of_rest: format!(",{within}"), within }
        }
        Shape::Steps { .. } | Shape::List => {
            let names = and(&values.iter().map(|month| name(month + 1).to_owned()).collect::<Vec<_>>());
            Months { within: format!(" in {names}"), of: names, of_rest: String::new() }
        }
    }
}

pub(super) fn weeks(field: Option<&Field>) -> String {
    match field.map(|field| (field, field.items.as_slice())) {
        None | Some((_, [Item::Every { step: 1 }])) => String::new(),
        Some((_, [Item::One(week) | Item::Picked { value: week, .. }])) => format!("in ISO week {week}"),
        Some((_, [Item::Every { step }])) => format!("in every {} ISO week from the 1st", ordinal(*step)),
        Some((_, [Item::Range { from, to, step: step @ 2.. }])) => {
            format!(
                "in every {} ISO week from the {} to the {}",
                ordinal(*step),
                ordinal(*from),
                ordinal(*to)
            )
        }
        Some((field, _)) => format!("in the ISO weeks {}", ranges(field)),
    }
}

pub(super) fn years(field: Option<&Field>) -> String {
    match field.map(|field| (field, field.items.as_slice())) {
        None | Some((_, [Item::Every { step: 1 }])) => String::new(),
        Some((_, [Item::One(year) | Item::Picked { value: year, .. }])) => format!("in {year}"),
        Some((field, [Item::Every { step }])) => {
            format!("in every {} year from {}", ordinal(*step), field.rule.min)
        }
        Some((_, [Item::Range { from, to, step: step @ 2.. }])) => {
            format!("in every {} year from {from} to {to}", ordinal(*step))
        }
        Some((field, _)) => format!("in the years {}", ranges(field)),
    }
}

/// Lists a field's items, ranges as ranges.
fn ranges(field: &Field) -> String {
    let part = |item: &Item| match *item {
        Item::One(value) | Item::Picked { value, .. } => Some(value.to_string()),
        Item::Range { from, to, step: 1 } => Some(format!("{from} to {to}")),
        Item::Range { from, to, step } => Some(format!("every {} from {from} to {to}", ordinal(step))),
        Item::Every { step } => Some(format!("every {} from {}", ordinal(step), field.rule.min)),
        Item::LastDay | Item::Nearest(_) | Item::LastWeekday(_) | Item::NthWeekday { .. } => None,
    };
    and(&field.items.iter().filter_map(part).collect::<Vec<_>>())
}

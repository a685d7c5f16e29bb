//! Fields: their ranges and names, and what is written in one.

use super::calendar::{ALL_DAYS, ALL_WEEKDAYS, MonthDays, WeekDays, Years};

/// One field of the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FieldRule {
    pub(super) name: &'static str,
    pub(super) min: u32,
    pub(super) max: u32,
    pub(super) names: &'static [&'static str],
    /// The value of the first name.
    pub(super) first_name: u32,
    /// Tells the fields apart where values are picked by a hash.
    pub(super) salt: i64,
}

pub(super) const SECOND: FieldRule = plain("second", 0, 59, 1);
pub(super) const MINUTE: FieldRule = plain("minute", 0, 59, 2);
pub(super) const HOUR: FieldRule = plain("hour", 0, 23, 3);
pub(super) const DAY: FieldRule = plain("day-of-month", 1, 31, 4);
pub(super) const MONTH: FieldRule = FieldRule {
    name: "month",
    min: 1,
    max: 12,
    names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    first_name: 1,
    salt: 5,
};
pub(super) const WEEKDAY: FieldRule = FieldRule {
    name: "day-of-week",
    min: 0,
    max: 7,
    names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
    first_name: 0,
    salt: 6,
};
/// The crate `cron` knows no other years.
pub(super) const YEAR: FieldRule = plain("year", 1970, 2100, 7);
pub(super) const WEEK: FieldRule = plain("week", 1, 53, 8);

const fn plain(name: &'static str, min: u32, max: u32, salt: i64) -> FieldRule {
    FieldRule { name, min, max, names: &[], first_name: 0, salt }
}

/// One member of a field's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// `*` or `*/n`.
    Every { step: u32 },
    /// `a`.
    One(u32),
    /// `a-b` or `a-b/n`.
    Range { from: u32, to: u32, step: u32 },
    /// `a~b`: a value picked once.
    Picked { from: u32, to: u32, value: u32 },
    /// `L` in the day-of-month field.
    LastDay,
    /// `15W`.
    Nearest(u32),
    /// `friL`.
    LastWeekday(u32),
    /// `mon#2`.
    NthWeekday { weekday: u32, nth: u32 },
}

/// A field as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) rule: FieldRule,
    pub(super) starred: bool,
    pub(super) items: Vec<Item>,
}

impl Field {
    /// Makes a field of one value.
    pub(super) fn one(rule: FieldRule, value: u32) -> Self {
        Field { rule, starred: false, items: vec![Item::One(value)] }
    }

    /// Makes the field `*`.
    pub(super) fn any(rule: FieldRule) -> Self {
        Field { rule, starred: true, items: vec![Item::Every { step: 1 }] }
    }

    /// Says whether the field is `*` and nothing else.
    pub(super) fn is_any(&self) -> bool {
        self.items == [Item::Every { step: 1 }]
    }

    /// Returns the plain values as bits; years do not fit and have [`Field::years`].
    pub(super) fn mask(&self) -> u64 {
        self.values().filter(|value| *value < 64).fold(0, |mask, value| mask | 1 << value)
    }

    /// Returns the values of a year field; `None` where every year counts.
    pub(super) fn years(&self) -> Option<Years> {
        if self.is_any() {
            return None;
        }
        let mut years: Vec<u16> = self.values().filter_map(|year| u16::try_from(year).ok()).collect();
        years.sort_unstable();
        years.dedup();
        Some(Years(years))
    }

    /// Lists the plain values in the order written.
    pub(super) fn values(&self) -> impl Iterator<Item = u32> {
        let rule = self.rule;
        self.items.iter().flat_map(move |item| {
            let (from, to, step) = match *item {
                Item::Every { step } => (rule.min, rule.max, step),
                Item::One(value) | Item::Picked { value, .. } => (value, value, 1),
                Item::Range { from, to, step } => (from, to, step),
                Item::LastDay | Item::Nearest(_) | Item::LastWeekday(_) | Item::NthWeekday { .. } => {
                    (1, 0, 1)
                }
            };
            (from..=to).step_by(step.max(1) as usize)
        })
    }
}

/// Adds what a day-of-month field says; the days of the week in it are those of a table, `2nd fri`.
pub(super) fn fill_days(days: &mut MonthDays, field: &Field) {
    days.plain |= u32::try_from(field.mask() & u64::from(ALL_DAYS)).unwrap_or(ALL_DAYS);
    for item in &field.items {
        match item {
            Item::LastDay => days.last = true,
            Item::Nearest(day) => days.nearest |= 1 << day,
            Item::LastWeekday(_) | Item::NthWeekday { .. } => fill_weekday(&mut days.weekdays, *item),
            Item::Every { .. } | Item::One(_) | Item::Range { .. } | Item::Picked { .. } => {}
        }
    }
}

/// Adds what a day-of-week field says.
pub(super) fn fill_weekdays(weekdays: &mut WeekDays, field: &Field) {
    let mask = field.mask();
    let sunday = mask >> 7 & 1;
    weekdays.plain |= u8::try_from((mask | sunday) & u64::from(ALL_WEEKDAYS)).unwrap_or(ALL_WEEKDAYS);
    for item in &field.items {
        fill_weekday(weekdays, *item);
    }
}

fn fill_weekday(weekdays: &mut WeekDays, item: Item) {
    match item {
        Item::LastWeekday(weekday) => weekdays.last |= 1 << (weekday % 7),
        Item::NthWeekday { weekday, nth } => {
            if let Some(mask) = nth.checked_sub(1).and_then(|nth| weekdays.nth.get_mut(nth as usize)) {
                *mask |= 1 << (weekday % 7);
            }
        }
        Item::Every { .. }
        | Item::One(_)
        | Item::Range { .. }
        | Item::Picked { .. }
        | Item::LastDay
        | Item::Nearest(_) => {}
    }
}

//! From text to a compiled expression, strictly: what Debian's cron reads in two ways, or skips in silence, is an
//! error here that says how to spell what was meant.

use std::ops::Range;

use super::calendar::{ALL_DAYS, ALL_MONTHS, ALL_WEEKDAYS, Calendar, Dates, MonthDays, WeekDays, Years};
use super::{Cron, Parsed};
use crate::core::policy;

/// Why a text is no cron expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CronError {
    /// What is wrong, naming field, value and range.
    pub message: String,
    /// How to go on.
    pub hint: Option<String>,
    /// Byte range of the offending part in the text.
    pub span: Range<usize>,
}

/// One field of the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FieldRule {
    pub(super) name: &'static str,
    pub(super) min: u32,
    pub(super) max: u32,
    names: &'static [&'static str],
    /// The value of the first name.
    first_name: u32,
}

pub(super) const SECOND: FieldRule = plain("second", 0, 59);
pub(super) const MINUTE: FieldRule = plain("minute", 0, 59);
pub(super) const HOUR: FieldRule = plain("hour", 0, 23);
pub(super) const DAY: FieldRule = plain("day-of-month", 1, 31);
pub(super) const MONTH: FieldRule = FieldRule {
    name: "month",
    min: 1,
    max: 12,
    names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    first_name: 1,
};
pub(super) const WEEKDAY: FieldRule = FieldRule {
    name: "day-of-week",
    min: 0,
    max: 7,
    names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
    first_name: 0,
};
/// The crate `cron` knows no other years.
pub(super) const YEAR: FieldRule = plain("year", 1970, 2100);
pub(super) const WEEK: FieldRule = plain("week", 1, 53);

const fn plain(name: &'static str, min: u32, max: u32) -> FieldRule {
    FieldRule { name, min, max, names: &[], first_name: 0 }
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

/// An expression as written, field by field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Expression {
    pub(super) second: Option<Field>,
    pub(super) minute: Field,
    pub(super) hour: Field,
    pub(super) day: Field,
    pub(super) month: Field,
    pub(super) weekday: Field,
    pub(super) year: Option<Field>,
    /// Steps wider than their range, which give the first value only (TIME.md rule 11).
    pub(super) wide_steps: Vec<Range<usize>>,
}

/// The nicknames and what they stand for (TIME.md rule 18).
const NICKNAMES: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

pub(super) fn parse(text: &str, seed: &str) -> Result<Parsed, CronError> {
    let trimmed = text.trim_matches([' ', '\t']);
    if trimmed == "@reboot" {
        return Ok(Parsed::Reboot);
    }
    Ok(Parsed::Cron(compile(text, &expression(text, seed)?)))
}

/// Parses a text into its fields; a nickname into those it stands for.
pub(super) fn expression(text: &str, seed: &str) -> Result<Expression, CronError> {
    let words = words(text);
    match words.as_slice() {
        [] => Err(error(
            "the expression is empty".to_owned(),
            Some("five fields: minute hour day-of-month month day-of-week, such as \"30 2 * * *\""),
            0..text.len(),
        )),
        [(word, span)] if word.starts_with('@') => {
            match NICKNAMES.iter().find(|(nickname, _)| nickname == word) {
                Some((_, meaning)) => expression(meaning, seed),
                None => Err(error(
                    format!("{word:?} is no nickname"),
                    Some("@yearly @annually @monthly @weekly @daily @midnight @hourly @reboot"),
                    span.clone(),
                )),
            }
        }
        words => fields(text, words, seed),
    }
}

fn fields(text: &str, words: &[(&str, Range<usize>)], seed: &str) -> Result<Expression, CronError> {
    if words.len() < 5 {
        return Err(error(
            format!("an expression has five fields, this one has {}", words.len()),
            Some("minute hour day-of-month month day-of-week, such as \"30 2 * * *\""),
            0..text.len(),
        ));
    }
    if let Some((_, span)) = words.iter().skip(5).find(|(word, _)| !looks_like_a_field(word)) {
        return Err(error(
            "there is more than an expression here: this looks like a whole crontab line".to_owned(),
            Some("the command goes elsewhere: cron = \"...\" and command = \"...\""),
            span.start..text.len(),
        ));
    }
    if words.len() > 7 {
        return Err(error(
            format!("an expression has at most seven fields, this one has {}", words.len()),
            Some("second minute hour day-of-month month day-of-week year"),
            words[7].1.start..text.len(),
        ));
    }
    let mut parser = Parser { seed, wide_steps: Vec::new() };
    let (second, rest) =
        if words.len() > 5 { (Some(parser.field(SECOND, &words[0])?), &words[1..]) } else { (None, words) };
    Ok(Expression {
        second,
        minute: parser.field(MINUTE, &rest[0])?,
        hour: parser.field(HOUR, &rest[1])?,
        day: parser.field(DAY, &rest[2])?,
        month: parser.field(MONTH, &rest[3])?,
        weekday: parser.field(WEEKDAY, &rest[4])?,
        year: rest.get(5).map(|word| parser.field(YEAR, word)).transpose()?,
        wide_steps: parser.wide_steps,
    })
}

/// Parses one field on its own, for tables of fields.
pub(super) fn single(rule: FieldRule, text: &str, seed: &str) -> Result<Field, CronError> {
    let mut parser = Parser { seed, wide_steps: Vec::new() };
    parser.field(rule, &(text, 0..text.len()))
}

/// Compiles the fields of a text.
fn compile(text: &str, expression: &Expression) -> Cron {
    let mut days = MonthDays::default();
    let mut weekdays = WeekDays::default();
    fill_days(&mut days, &expression.day);
    fill_weekdays(&mut weekdays, &expression.weekday);
    let dates = Dates {
        days,
        months: u16::try_from(expression.month.mask() & u64::from(ALL_MONTHS)).unwrap_or(ALL_MONTHS),
        weekdays,
        years: expression.year.as_ref().and_then(Field::years),
        weeks: 0,
        both: expression.day.starred || expression.weekday.starred,
    };
    Cron {
        text: text.trim_matches([' ', '\t']).into(),
        seconds: expression.second.as_ref().map_or(1, Field::mask),
        minutes: expression.minute.mask(),
        hours: u32::try_from(expression.hour.mask()).unwrap_or(u32::MAX),
        wildcard: expression.minute.starred || expression.hour.starred,
        calendar: Calendar::compile(dates),
    }
}

pub(super) fn fill_days(days: &mut MonthDays, field: &Field) {
    days.plain |= u32::try_from(field.mask() & u64::from(ALL_DAYS)).unwrap_or(ALL_DAYS);
    for item in &field.items {
        match item {
            Item::LastDay => days.last = true,
            Item::Nearest(day) => days.nearest |= 1 << day,
            Item::Every { .. }
            | Item::One(_)
            | Item::Range { .. }
            | Item::Picked { .. }
            | Item::LastWeekday(_)
            | Item::NthWeekday { .. } => {}
        }
    }
}

pub(super) fn fill_weekdays(weekdays: &mut WeekDays, field: &Field) {
    let mask = field.mask();
    let sunday = mask >> 7 & 1;
    weekdays.plain |= u8::try_from((mask | sunday) & u64::from(ALL_WEEKDAYS)).unwrap_or(ALL_WEEKDAYS);
    for item in &field.items {
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
}

impl Field {
    /// Returns the plain values as bits; years do not fit and have [`Field::years`].
    pub(super) fn mask(&self) -> u64 {
        self.values().filter(|value| *value < 64).fold(0, |mask, value| mask | 1 << value)
    }

    /// Returns the values of a year field; `None` where every year counts.
    pub(super) fn years(&self) -> Option<Years> {
        if self.items == [Item::Every { step: 1 }] {
            return None;
        }
        let mut years: Vec<u16> = self.values().filter_map(|year| u16::try_from(year).ok()).collect();
        years.sort_unstable();
        years.dedup();
        Some(Years(years))
    }

    fn values(&self) -> impl Iterator<Item = u32> {
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

struct Parser<'a> {
    seed: &'a str,
    wide_steps: Vec<Range<usize>>,
}

impl Parser<'_> {
    fn field(&mut self, rule: FieldRule, (word, span): &(&str, Range<usize>)) -> Result<Field, CronError> {
        let mut items = Vec::new();
        let mut at = span.start;
        for part in word.split(',') {
            let here = at..at + part.len();
            at = here.end + 1;
            if part.is_empty() {
                let hint = "a list is values joined by single commas";
                return Err(error(
                    format!("the {} field has an empty item", rule.name),
                    Some(hint),
                    span.clone(),
                ));
            }
            items.push(self.item(rule, part, &here)?);
        }
        Ok(Field { rule, starred: word.starts_with('*'), items })
    }

    fn item(&mut self, rule: FieldRule, text: &str, span: &Range<usize>) -> Result<Item, CronError> {
        refuse_foreign(rule, text, span)?;
        if let Some(rest) = text.strip_prefix('*') {
            let step = self.step(rule, rest, text, span, (rule.min, rule.max))?;
            return Ok(Item::Every { step });
        }
        if rule == DAY && text == "L" {
            return Ok(Item::LastDay);
        }
        let (from, rest) = value(rule, text, text, span)?;
        match rest.as_bytes() {
            [] => Ok(Item::One(from)),
            [b'L'] if rule == WEEKDAY => Ok(Item::LastWeekday(from)),
            [b'W'] if rule == DAY => Ok(Item::Nearest(from)),
            [b'#', ..] if rule == WEEKDAY => nth(from, &rest[1..], text, span),
            [b'~', ..] => self.picked(rule, from, &rest[1..], text, span),
            [b'-', ..] => {
                let (to, tail) = value(rule, &rest[1..], text, span)?;
                // Sunday ends a week as well as it begins one (TIME.md rule 9).
                let to = if rule == WEEKDAY && to == 0 && from > 0 { 7 } else { to };
                if from > to {
                    return Err(backwards(rule, from, to, text, span));
                }
                let step = self.step(rule, tail, text, span, (from, to))?;
                Ok(Item::Range { from, to, step })
            }
            [b'/', ..] => Err(error(
                format!("in the {} field, {text:?} has a step without a range", rule.name),
                Some(&format!("{from}-{}{rest}", rule.max)),
                span.clone(),
            )),
            _ => Err(leftover(rule, rest, text, span)),
        }
    }

    fn step(
        &mut self,
        rule: FieldRule,
        rest: &str,
        text: &str,
        span: &Range<usize>,
        (from, to): (u32, u32),
    ) -> Result<u32, CronError> {
        if rest.is_empty() {
            return Ok(1);
        }
        let Some(digits) = rest.strip_prefix('/') else { return Err(leftover(rule, rest, text, span)) };
        let end = digits.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = digits.split_at(end);
        if number.is_empty() {
            let hint = "a step is a number: */5";
            return Err(error(
                format!("in the {} field, {text:?} has no step after the slash", rule.name),
                Some(hint),
                span.clone(),
            ));
        }
        if !tail.is_empty() {
            return Err(leftover(rule, tail, text, span));
        }
        let step = number.parse::<u32>().unwrap_or(u32::MAX);
        if step == 0 {
            return Err(error(
                format!("in the {} field, {text:?} has a step of 0", rule.name),
                Some("a step is 1 or more"),
                span.clone(),
            ));
        }
        if number.len() > 9 {
            return Err(out_of_range(rule, number, span));
        }
        if step > to - from {
            self.wide_steps.push(span.clone());
        }
        Ok(step)
    }

    fn picked(
        &self,
        rule: FieldRule,
        from: u32,
        rest: &str,
        text: &str,
        span: &Range<usize>,
    ) -> Result<Item, CronError> {
        let (to, tail) = value(rule, rest, text, span)?;
        if !tail.is_empty() {
            return Err(leftover(rule, tail, text, span));
        }
        if from > to {
            return Err(backwards(rule, from, to, text, span));
        }
        let salt = i64::from(rule.min) + 100 * i64::try_from(rule.name.len()).unwrap_or(0);
        let spread = u64::from(to - from) + 1;
        let offset = u32::try_from(policy::seed(self.seed, salt) % spread).unwrap_or(0);
        Ok(Item::Picked { from, to, value: from + offset })
    }
}

/// Refuses what other schedulers know and this language spells differently (TIME.md rule 17).
fn refuse_foreign(rule: FieldRule, text: &str, span: &Range<usize>) -> Result<(), CronError> {
    if text.starts_with('?') {
        let message = format!("in the {} field, '?' is not known", rule.name);
        return Err(error(message, Some("use * for \"any\""), span.clone()));
    }
    let hashed = text.strip_prefix('H').filter(|rest| rest.is_empty() || rest.starts_with(['(', '/']));
    if hashed.is_some() {
        let message = format!("in the {} field, 'H' is not known", rule.name);
        let hint = format!("{}~{} picks one value for good, by the job's name", rule.min, rule.max);
        return Err(error(message, Some(&hint), span.clone()));
    }
    if text.starts_with('/') {
        let message = format!("in the {} field, {text:?} has a step without a range", rule.name);
        return Err(error(message, Some(&format!("*{text}")), span.clone()));
    }
    Ok(())
}

/// Reads a number or a name at the front and returns it with what follows.
fn value<'t>(
    rule: FieldRule,
    at: &'t str,
    text: &str,
    span: &Range<usize>,
) -> Result<(u32, &'t str), CronError> {
    let digits = at.bytes().take_while(u8::is_ascii_digit).count();
    if digits > 0 {
        let (number, rest) = at.split_at(digits);
        let value = number.trim_start_matches('0');
        let value = if value.is_empty() { Some(0) } else { value.parse::<u32>().ok() };
        return match value.filter(|value| (rule.min..=rule.max).contains(value)) {
            Some(value) => Ok((value, rest)),
            None => Err(out_of_range(rule, number, span)),
        };
    }
    let letters = at.bytes().take_while(u8::is_ascii_alphabetic).count();
    let (word, rest) = at.split_at(letters);
    let lower = word.to_ascii_lowercase();
    let named = |name: &str| rule.names.iter().position(|known| *known == name);
    if let Some(place) = named(&lower) {
        return Ok((rule.first_name + u32::try_from(place).unwrap_or(0), rest));
    }
    // `friL`: the name is followed by the extension's letter.
    if let (Some(short), "L") = (word.get(..3), word.get(3..).unwrap_or(""))
        && let Some(place) = named(&short.to_ascii_lowercase())
    {
        return Ok((rule.first_name + u32::try_from(place).unwrap_or(0), &at[3..]));
    }
    Err(no_value(rule, word, text, span))
}

fn no_value(rule: FieldRule, word: &str, text: &str, span: &Range<usize>) -> CronError {
    let lower = word.to_ascii_lowercase();
    let short = rule.names.iter().find(|name| lower.starts_with(**name));
    let (message, hint) = match short {
        Some(short) => (
            format!("in the {} field, {word:?} is too long a name", rule.name),
            Some(format!("the first three letters: {short}")),
        ),
        None if word.is_empty() => {
            (format!("in the {} field, {text:?} is no value", rule.name), Some(range_words(rule)))
        }
        None => (format!("in the {} field, {word:?} is no value", rule.name), Some(range_words(rule))),
    };
    error(message, hint.as_deref(), span.clone())
}

fn range_words(rule: FieldRule) -> String {
    match rule.names {
        [first, .., last] => format!("{}-{} or {first}-{last}", rule.min, rule.max),
        _ => format!("{}-{}", rule.min, rule.max),
    }
}

fn out_of_range(rule: FieldRule, number: &str, span: &Range<usize>) -> CronError {
    let message = format!("in the {} field, {number} is out of range", rule.name);
    error(message, Some(&format!("{} is {}", rule.name, range_words(rule))), span.clone())
}

fn leftover(rule: FieldRule, rest: &str, text: &str, span: &Range<usize>) -> CronError {
    let message = format!("in the {} field, {text:?} has {rest:?} left over", rule.name);
    error(message, Some("an item is *, a, a-b, */n or a-b/n; items are joined by commas"), span.clone())
}

/// A range that runs backwards is spelt as the two ranges that were meant (TIME.md rule 8).
fn backwards(rule: FieldRule, from: u32, to: u32, text: &str, span: &Range<usize>) -> CronError {
    let message = format!("in the {} field, the range {text:?} runs backwards", rule.name);
    let first = text.split(['-', '~']).next().unwrap_or_default();
    let left = if from == rule.max { first.to_owned() } else { format!("{first}-{}", rule.max) };
    let right = if to == rule.min { to.to_string() } else { format!("{}-{to}", rule.min) };
    error(message, Some(&format!("{left},{right}")), span.clone())
}

fn nth(weekday: u32, rest: &str, text: &str, span: &Range<usize>) -> Result<Item, CronError> {
    match rest.parse::<u32>() {
        Ok(nth @ 1..=5) => Ok(Item::NthWeekday { weekday, nth }),
        Ok(_) | Err(_) => Err(error(
            format!("in the day-of-week field, {text:?} names no occurrence in a month"),
            Some("#1 to #5, such as mon#2 for the second Monday; L for the last one: monL"),
            span.clone(),
        )),
    }
}

/// Says whether a word could be meant as a field: values, names and the signs of the language.
fn looks_like_a_field(word: &str) -> bool {
    let signs = |c: char| c.is_ascii_digit() || "*,-/#~?".contains(c);
    let mut letters = word.split(signs).filter(|part| !part.is_empty());
    letters.all(|part| {
        let lower = part.to_ascii_lowercase();
        let names = MONTH.names.iter().chain(WEEKDAY.names);
        matches!(part, "L" | "W" | "H")
            || names
                .into_iter()
                .any(|name| lower.strip_suffix('l').unwrap_or(&lower) == *name || lower == *name)
    })
}

/// Splits at runs of blanks and tabs, keeping places.
fn words(text: &str) -> Vec<(&str, Range<usize>)> {
    let mut words = Vec::new();
    let mut start = None;
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        match (matches!(c, ' ' | '\t'), start) {
            (true, Some(from)) => {
                words.push((&text[from..at], from..at));
                start = None;
            }
            (false, None) => start = Some(at),
            (true, None) | (false, Some(_)) => {}
        }
    }
    words
}

fn error(message: String, hint: Option<&str>, span: Range<usize>) -> CronError {
    CronError { message, hint: hint.map(str::to_owned), span }
}

//! From text to a compiled expression, strictly: what Debian's cron reads in two ways, or skips in silence, is an
//! error here that says how to spell what was meant.

use std::ops::Range;

use super::calendar::{ALL_MONTHS, Calendar, Dates, MonthDays, WeekDays};
use super::field::{
    DAY, Field, FieldRule, HOUR, Item, MINUTE, MONTH, SECOND, WEEKDAY, YEAR, fill_days, fill_weekdays,
};
use super::refuse::{
    CronError, backwards, error, leftover, no_nickname, no_value, out_of_range, refuse_foreign, shown,
    step_alone, step_out_of_range, too_long, whole_line,
};
use super::{Cron, Parsed};
use crate::core::policy;

/// An expression as written, field by field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Expression {
    pub(super) second: Option<Field>,
    pub(super) minute: Field,
    pub(super) hour: Field,
    pub(super) day: Field,
    pub(super) month: Field,
    pub(super) weekday: Field,
    /// ISO weeks; only tables of fields have them.
    pub(super) week: Option<Field>,
    pub(super) year: Option<Field>,
    /// True: a day matches when both day fields do; false: when either does (docs/time.md rule 20).
    pub(super) both: bool,
    /// Steps wider than their range, which give the first value only (docs/time.md rule 11).
    pub(super) wide_steps: Vec<Range<usize>>,
}

/// The nicknames and what they stand for (docs/time.md rule 18).
const NICKNAMES: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// The longest text that is looked at, in bytes: every field with every value listed is shorter.
pub(super) const LONGEST: usize = 2_000;

pub(super) fn parse(text: &str, seed: &str) -> Result<Parsed, CronError> {
    let trimmed = text.trim_matches([' ', '\t']);
    if trimmed == "@reboot" {
        return Ok(Parsed::Reboot);
    }
    Ok(Parsed::Cron(compile(text, &expression(text, seed)?)))
}

/// Parses a text into its fields; a nickname into those it stands for.
pub(super) fn expression(text: &str, seed: &str) -> Result<Expression, CronError> {
    if text.len() > LONGEST {
        return Err(too_long(text));
    }
    let words = words(text);
    match words.as_slice() {
        [] => Err(error(
            "the expression is empty".to_owned(),
            Some("five fields: minute hour day-of-month month day-of-week, such as \"30 2 * * *\""),
            0..text.len(),
        )),
        [(word, span), rest @ ..] if word.starts_with('@') => {
            let meaning =
                NICKNAMES.iter().find(|(nickname, _)| nickname == word).map(|(_, meaning)| *meaning);
            match (meaning, rest) {
                (Some(meaning), []) => expression(meaning, seed),
                (Some(_), [(_, next), ..]) => Err(whole_line(next.start..text.len())),
                (None, [(_, next), ..]) if *word == "@reboot" => Err(whole_line(next.start..text.len())),
                (None, _) => Err(no_nickname(word, NICKNAMES.map(|(nickname, _)| nickname), span)),
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
        return Err(whole_line(span.start..text.len()));
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
    let minute = parser.field(MINUTE, &rest[0])?;
    let hour = parser.field(HOUR, &rest[1])?;
    let day = parser.field(DAY, &rest[2])?;
    let month = parser.field(MONTH, &rest[3])?;
    let weekday = parser.field(WEEKDAY, &rest[4])?;
    let year = rest.get(5).map(|word| parser.field(YEAR, word)).transpose()?;
    let both = day.starred || weekday.starred;
    let wide_steps = parser.wide_steps;
    Ok(Expression { second, minute, hour, day, month, weekday, week: None, year, both, wide_steps })
}

/// Parses one field on its own, for tables of fields.
pub(super) fn single(rule: FieldRule, text: &str, seed: &str) -> Result<Field, CronError> {
    let mut parser = Parser { seed, wide_steps: Vec::new() };
    parser.field(rule, &(text, 0..text.len()))
}

/// Compiles an expression; `text` is what it was written as.
pub(super) fn compile(text: &str, expression: &Expression) -> Cron {
    let mut days = MonthDays::default();
    let mut weekdays = WeekDays::default();
    fill_days(&mut days, &expression.day);
    fill_weekdays(&mut weekdays, &expression.weekday);
    let dates = Dates {
        days,
        months: u16::try_from(expression.month.mask() & u64::from(ALL_MONTHS)).unwrap_or(ALL_MONTHS),
        weekdays,
        years: expression.year.as_ref().and_then(Field::years),
        weeks: expression.week.as_ref().map_or(0, Field::mask),
        both: expression.both,
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
        if let Some(rest) = text.strip_prefix('L').filter(|_| rule == DAY) {
            return if rest.is_empty() { Ok(Item::LastDay) } else { Err(leftover(rule, rest, text, span)) };
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
                let to = week_end(rule, from, to);
                if from > to {
                    return Err(backwards(rule, from, to, text, span));
                }
                let step = self.step(rule, tail, text, span, (from, to))?;
                Ok(Item::Range { from, to, step })
            }
            [b'/', ..] => Err(step_alone(rule, &format!("{from}-{}", rule.max), rest, text, span)),
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
                format!("in the {} field, {} has no step after the slash", rule.name, shown(text)),
                Some(hint),
                span.clone(),
            ));
        }
        if !tail.is_empty() {
            return Err(leftover(rule, tail, text, span));
        }
        let significant = number.trim_start_matches('0');
        if significant.is_empty() {
            return Err(error(
                format!("in the {} field, {} has a step of 0", rule.name, shown(text)),
                Some("a step is 1 or more"),
                span.clone(),
            ));
        }
        let Ok(step) = significant.parse::<u32>() else {
            return Err(step_out_of_range(rule, number, span));
        };
        if step > 1 && step > to - from {
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
        let to = week_end(rule, from, to);
        if !tail.is_empty() {
            return Err(leftover(rule, tail, text, span));
        }
        if from > to {
            return Err(backwards(rule, from, to, text, span));
        }
        let spread = u64::from(to - from) + 1;
        let offset = u32::try_from(policy::seed(self.seed, rule.salt) % spread).unwrap_or(0);
        Ok(Item::Picked { from, to, value: from + offset })
    }
}

/// Sunday ends a week as well as it begins one (docs/time.md rule 9).
fn week_end(rule: FieldRule, from: u32, to: u32) -> u32 {
    if rule == WEEKDAY && to == 0 && from > 0 { 7 } else { to }
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

fn nth(weekday: u32, rest: &str, text: &str, span: &Range<usize>) -> Result<Item, CronError> {
    let digits = rest.bytes().all(|byte| byte.is_ascii_digit());
    match rest.parse::<u32>() {
        Ok(nth @ 1..=5) if digits => Ok(Item::NthWeekday { weekday, nth }),
        Ok(_) | Err(_) => Err(error(
            format!("in the day-of-week field, {} names no occurrence in a month", shown(text)),
            Some("#1 to #5, such as mon#2 for the second Monday; L for the last one: monL"),
            span.clone(),
        )),
    }
}

/// Names in full; what begins one is a name written too long, not a command.
const FULL_NAMES: [&str; 19] = [
    "sunday",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// Says whether a word could be meant as a field: values, names and the signs of the language.
fn looks_like_a_field(word: &str) -> bool {
    /// Names have three letters, and nobody means a name by fewer.
    const SHORTEST: usize = 3;
    let signs = |c: char| c.is_ascii_digit() || "*,-/#~?".contains(c);
    let mut letters = word.split(signs).filter(|part| !part.is_empty());
    letters.all(|part| {
        let lower = part.to_ascii_lowercase();
        let names =
            |name: &str| name.len() >= SHORTEST && FULL_NAMES.iter().any(|full| full.starts_with(name));
        matches!(part, "L" | "W" | "H") || names(&lower) || lower.strip_suffix('l').is_some_and(names)
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

//! What is no expression, said so that it can be mended: the field, the value, the range, and the right spelling.

use std::ops::Range;

use super::field::{DAY, FieldRule};

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

/// Dashes that text editors and web pages put in the place of the plain one.
const DASHES: [char; 6] = ['\u{2010}', '\u{2011}', '\u{2012}', '\u{2013}', '\u{2014}', '\u{2212}'];

/// Refuses what other schedulers know and this language spells differently (docs/time.md rule 17).
pub(super) fn refuse_foreign(rule: FieldRule, text: &str, span: &Range<usize>) -> Result<(), CronError> {
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
        return Err(step_alone(rule, "*", text, text, span));
    }
    Ok(())
}

/// A step stands after `*` or a range only (docs/time.md rule 10); `range` and the step together say what was meant.
pub(super) fn step_alone(
    rule: FieldRule,
    range: &str,
    step: &str,
    text: &str,
    span: &Range<usize>,
) -> CronError {
    let message = format!("in the {} field, {} has a step without a range", rule.name, shown(text));
    let number =
        step.get(1..).filter(|step| !step.is_empty() && step.bytes().all(|byte| byte.is_ascii_digit()));
    let hint = match number {
        Some(_) => format!("{range}{}", shown(step).trim_matches('"')),
        None => "a step goes after * or a range: */5, 10-40/5".to_owned(),
    };
    error(message, Some(&hint), span.clone())
}

/// A sixth word that is no field begins a command (docs/time.md rule 17).
pub(super) fn whole_line(span: Range<usize>) -> CronError {
    error(
        "there is more than an expression here: this looks like a whole crontab line".to_owned(),
        Some("the command goes elsewhere: cron = \"...\" and command = \"...\""),
        span,
    )
}

/// A word after an `@` that is none of the nicknames (docs/time.md rule 18).
pub(super) fn no_nickname<const N: usize>(word: &str, known: [&str; N], span: &Range<usize>) -> CronError {
    let lower = word.to_ascii_lowercase();
    let hint = match lower.as_str() {
        "@every" => "an interval has a key of its own: every = \"1h30m\"".to_owned(),
        _ if known.contains(&lower.as_str()) || lower == "@reboot" => format!("in small letters: {lower}"),
        _ => format!("{} @reboot", known.join(" ")),
    };
    error(format!("{} is no nickname", shown(word)), Some(&hint), span.clone())
}

pub(super) fn too_long(text: &str) -> CronError {
    let message = format!("an expression of {} bytes is too long", text.len());
    error(message, Some("use ranges and steps, or several triggers: any = [..]"), 0..text.len())
}

pub(super) fn no_value(rule: FieldRule, word: &str, text: &str, span: &Range<usize>) -> CronError {
    let lower = word.to_ascii_lowercase();
    let short = rule.names.iter().find(|name| lower.starts_with(**name));
    let (message, hint) = match short {
        Some(short) if lower.len() == short.len() + 1 && lower.ends_with('l') => (
            format!("in the {} field, {} is no value", rule.name, shown(word)),
            format!("the last one of a month has a capital L: {short}L"),
        ),
        Some(short) => (
            format!("in the {} field, {} is too long a name", rule.name, shown(word)),
            format!("the first three letters: {short}"),
        ),
        None => {
            let what = if word.is_empty() { text } else { word };
            let message = format!("in the {} field, {} is no value", rule.name, shown(what));
            let also = if rule == DAY { ", L for the last day" } else { "" };
            (message, format!("{} is {}{also}", rule.name, range_words(rule)))
        }
    };
    error(message, Some(&hint), span.clone())
}

fn range_words(rule: FieldRule) -> String {
    match rule.names {
        [first, .., last] => format!("{}-{} or {first}-{last}", rule.min, rule.max),
        _ => format!("{}-{}", rule.min, rule.max),
    }
}

pub(super) fn out_of_range(rule: FieldRule, number: &str, span: &Range<usize>) -> CronError {
    let message = format!("in the {} field, {} is out of range", rule.name, shown(number).trim_matches('"'));
    error(message, Some(&format!("{} is {}", rule.name, range_words(rule))), span.clone())
}

/// A step may be wider than its range, but not of any length: it would be taken for a smaller one elsewhere (docs/time.md
/// rule 16).
pub(super) fn step_out_of_range(rule: FieldRule, number: &str, span: &Range<usize>) -> CronError {
    let message =
        format!("in the {} field, a step of {} is out of range", rule.name, shown(number).trim_matches('"'));
    error(message, Some(&format!("{} is {}", rule.name, range_words(rule))), span.clone())
}

pub(super) fn leftover(rule: FieldRule, rest: &str, text: &str, span: &Range<usize>) -> CronError {
    let message = format!("in the {} field, {} has {} left over", rule.name, shown(text), shown(rest));
    let hint = if rest.starts_with(DASHES) {
        "the dash of a range is the plain one: a-b"
    } else if rest == "w" && rule == DAY {
        "the nearest weekday has a capital W, such as 15W"
    } else {
        "an item is *, a, a-b, */n or a-b/n; items are joined by commas"
    };
    error(message, Some(hint), span.clone())
}

/// A range that runs backwards is spelt as the two ranges that were meant (docs/time.md rule 8).
pub(super) fn backwards(rule: FieldRule, from: u32, to: u32, text: &str, span: &Range<usize>) -> CronError {
    let message = format!("in the {} field, the range {} runs backwards", rule.name, shown(text));
    if text.contains('~') {
        return error(message, Some(&format!("{to}~{from}")), span.clone());
    }
    let first = text.split('-').next().unwrap_or_default();
    let left = if from == rule.max { first.to_owned() } else { format!("{first}-{}", rule.max) };
    let right = if to == rule.min { to.to_string() } else { format!("{}-{to}", rule.min) };
    error(message, Some(&format!("{left},{right}")), span.clone())
}

/// Quotes a part of the text, cut where it is long: what is written decides on the length of no message.
pub(super) fn shown(text: &str) -> String {
    const LONGEST: usize = 40;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}", format!("{}...", &text[..end])),
        None => format!("{text:?}"),
    }
}

pub(super) fn error(message: String, hint: Option<&str>, span: Range<usize>) -> CronError {
    CronError { message, hint: hint.map(str::to_owned), span }
}

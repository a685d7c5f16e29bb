//! Typed reading of values: what a key wants, what it got instead, and where.
//!
//! Every function returns `None` after it has noted the problem, so that reading goes on and all errors of a
//! job set are found at once.

use std::collections::{HashMap, HashSet};
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;
use std::time::Duration;

use toml::de::{DeTable, DeValue};

use crate::core::civil::{Zone, ZoneSource};
use crate::core::cron::Cron;
use crate::core::duration;
use crate::core::job::NotifyWhen;
use crate::core::name::Name;
use crate::core::trigger::Schedule;

use super::after::Wait;
use super::diagnostic::{FileText, Problem, Problems, Severity, quoted};
use super::raw::{Item, Span, items, kind};
use super::suggest::Suggester;

/// One key of a table: its name and what reads it.
pub(crate) struct Field<T> {
    pub(crate) key: &'static str,
    pub(crate) read: fn(&mut T, Item<'_>, &mut Reader<'_>),
}

/// Stores a value that was read; leaves the old one after an error.
pub(crate) fn set<T>(slot: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *slot = value;
    }
}

/// Reads values of one file after the other and gathers what is wrong.
pub(crate) struct Reader<'a> {
    /// The file that is being read.
    pub(crate) file: usize,
    pub(crate) files: &'a [FileText<'a>],
    pub(crate) known: Known,
    /// What the jobs read so far wait for.
    pub(crate) waits: Vec<Wait>,
    pub(crate) problems: Problems,
    pub(crate) suggester: Suggester,
    /// True: some file has syntax errors, so that what is absent may only be unreadable.
    pub(crate) partial: bool,
    /// True: a schedule that never fires is an error, not a warning.
    pub(crate) never_is_error: bool,
    /// Places that a syntax error has made unreliable: what is noted there would only confuse.
    distrusted: Vec<(usize, Range<usize>)>,
    pub(crate) source: &'a dyn ZoneSource,
}

/// What jobs may name, and what the jobs read so far have named: it outlives the text in which that stood.
#[derive(Clone, Default)]
pub(crate) struct Known {
    /// The pools that jobs may name.
    pub(crate) pools: HashSet<Name>,
    /// The notifiers that jobs may name, and when each speaks unless the job says so.
    pub(crate) notifiers: HashMap<Name, NotifyWhen>,
    /// Zones asked for before: the zone, or what to say instead.
    pub(crate) zones: HashMap<String, Result<Zone, String>>,
    /// Cron expressions read before that mean the same for every job and have nothing to warn of. Of many jobs
    /// most are due when others are, and reading an expression takes longer than reading the rest of the job.
    pub(crate) crons: HashMap<String, KnownCron>,
}

/// A cron expression that was read before.
#[derive(Clone)]
pub(crate) struct KnownCron {
    pub(crate) cron: Cron,
    /// The schedule of jobs that say nothing beside it of when they are due, once there was one.
    pub(crate) alone: Option<Arc<Schedule>>,
}

impl<'a> Reader<'a> {
    /// Makes a reader that stands at the first file.
    pub(crate) fn new(files: &'a [FileText<'a>], source: &'a dyn ZoneSource) -> Self {
        Reader {
            file: 0,
            files,
            known: Known::default(),
            waits: Vec::new(),
            problems: Problems::default(),
            suggester: Suggester::default(),
            partial: false,
            never_is_error: false,
            distrusted: Vec::new(),
            source,
        }
    }

    /// Remembers that nothing is certain from the line of a syntax error to the next table header.
    pub(crate) fn distrust(&mut self, text: &FileText<'_>, span: Span) {
        let mut line = text.line_of(span.start);
        let start = text.line_start(line);
        if self.distrusted.last().is_some_and(|(file, place)| *file == self.file && place.contains(&start)) {
            return;
        }
        let mut end = start;
        while end < text.text.len() {
            line += 1;
            end = text.line_start(line);
            if text.text[end..].starts_with('[') {
                break;
            }
        }
        // An error at the very end of the text is still on its last line.
        let end = if end == text.text.len() { end + 1 } else { end };
        self.distrusted.push((self.file, start..end));
    }

    /// Says whether a place of the current file has become unreliable.
    pub(crate) fn is_distrusted(&self, at: usize) -> bool {
        self.distrusted.iter().any(|(file, place)| *file == self.file && place.contains(&at))
    }

    /// Notes an error of the syntax, which nothing outweighs.
    pub(crate) fn syntax_error(&mut self, span: Span, message: String, hint: Option<String>) {
        self.problems.push(Problem { severity: Severity::Error, file: self.file, span, message, hint });
    }

    /// Notes an error.
    pub(crate) fn error(&mut self, span: Span, message: impl Into<String>, hint: Option<String>) {
        self.note(Severity::Error, span, message.into(), hint);
    }

    /// Notes a warning.
    pub(crate) fn warning(&mut self, span: Span, message: impl Into<String>, hint: Option<String>) {
        self.note(Severity::Warning, span, message.into(), hint);
    }

    fn note(&mut self, severity: Severity, span: Span, message: String, hint: Option<String>) {
        if !self.is_distrusted(span.start) {
            self.problems.push(Problem { severity, file: self.file, span, message, hint });
        }
    }

    /// Notes that something is absent, unless it may only be unreadable.
    pub(crate) fn absent(&mut self, span: Span, message: impl Into<String>, hint: Option<String>) {
        if !self.partial {
            self.error(span, message, hint);
        }
    }

    /// Notes that a value is of the wrong type; `None` for the convenience of callers.
    pub(crate) fn wrong<T>(&mut self, item: Item<'_>, wanted: &str) -> Option<T> {
        let hint = self.retype_hint(item, wanted);
        self.error(item.span, format!("{:?} must be {wanted}, not {}", item.key, kind(item.value)), hint);
        None
    }

    /// Spells a value of the wrong type in the right one, where that is plain.
    fn retype_hint(&self, item: Item<'_>, wanted: &str) -> Option<String> {
        let written = self.written(item);
        match item.value {
            DeValue::Integer(_) if wanted == DURATION => Some(format!("with a unit: \"{written}s\"")),
            DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) if wanted == TEXT => {
                Some(format!("in quotes: \"{written}\""))
            }
            DeValue::String(text) if wanted == TRUTH && matches!(&**text, "true" | "false") => {
                Some(format!("without quotes: {text}"))
            }
            DeValue::String(text) if wanted == NUMBER && text.parse::<i64>().is_ok() => {
                Some(format!("without quotes: {text}"))
            }
            _ => None,
        }
    }

    /// Returns a value as it is written in the file.
    pub(crate) fn written(&self, item: Item<'_>) -> &'a str {
        self.files[self.file].text.get(item.span.start..item.span.end).unwrap_or_default()
    }

    /// Finds a part of a text value in the file; the whole value where escapes are in the way.
    pub(crate) fn part(&self, item: Item<'_>, part: Range<usize>) -> Span {
        let at = match item.value {
            DeValue::String(text) if !text.is_empty() => self.written(item).find(&**text),
            _ => None,
        };
        match at {
            Some(at) => {
                let start = (item.span.start + at + part.start).min(item.span.end);
                Span { start, end: (item.span.start + at + part.end).clamp(start, item.span.end) }
            }
            None => item.span,
        }
    }

    /// Reads a table whose keys are known.
    pub(crate) fn table<T>(
        &mut self,
        table: &DeTable<'_>,
        place: &str,
        fields: &'static [Field<T>],
        target: &mut T,
    ) {
        for item in items(table) {
            match fields.iter().find(|field| field.key == item.key) {
                Some(field) => (field.read)(target, item, self),
                None => self.unknown_key(item, place, fields.iter().map(|field| field.key)),
            }
        }
    }

    /// Notes a key that is not known at its place.
    pub(crate) fn unknown_key<'c>(
        &mut self,
        item: Item<'_>,
        place: &str,
        known: impl Iterator<Item = &'c str> + Clone,
    ) {
        let near = self.suggester.hint(item.key, known.clone());
        let few = || {
            let keys: Vec<&str> = known.take(13).collect();
            (keys.len() <= 12).then(|| format!("the keys here are {}", keys.join(", ")))
        };
        let hint = near.or_else(few);
        self.error(item.key_span, format!("unknown key {} in {place}", quoted(item.key)), hint);
    }

    /// Reads a table.
    pub(crate) fn as_table<'d>(&mut self, item: Item<'d>) -> Option<&'d DeTable<'d>> {
        match item.value {
            DeValue::Table(table) => Some(table),
            _ => self.wrong(item, "a table"),
        }
    }

    /// Reads a list; a single value is a list of one.
    pub(crate) fn one_or_more<'d>(&mut self, item: Item<'d>) -> Vec<Item<'d>> {
        match item.value {
            DeValue::Array(list) => list.iter().map(|value| item.member(value)).collect(),
            _ => vec![item],
        }
    }

    /// Reads a list that must not be empty.
    pub(crate) fn list<'d>(&mut self, item: Item<'d>) -> Option<Vec<Item<'d>>> {
        match item.value {
            DeValue::Array(list) if list.is_empty() => {
                self.error(item.span, format!("{:?} is an empty list", item.key), None);
                None
            }
            DeValue::Array(list) => Some(list.iter().map(|value| item.member(value)).collect()),
            _ => self.wrong(item, "a list"),
        }
    }

    /// Reads true or false.
    pub(crate) fn truth(&mut self, item: Item<'_>) -> Option<bool> {
        match item.value {
            DeValue::Boolean(truth) => Some(*truth),
            _ => self.wrong(item, TRUTH),
        }
    }

    /// Reads text without NUL bytes, possibly empty.
    pub(crate) fn any_text<'d>(&mut self, item: Item<'d>) -> Option<&'d str> {
        match item.value {
            DeValue::String(text) if text.contains('\0') => {
                self.error(item.span, format!("{:?} must not have a NUL byte", item.key), None);
                None
            }
            DeValue::String(text) => Some(text),
            _ => self.wrong(item, TEXT),
        }
    }

    /// Reads text that is not blank.
    pub(crate) fn text<'d>(&mut self, item: Item<'d>) -> Option<&'d str> {
        let text = self.any_text(item)?;
        if text.trim().is_empty() {
            self.error(item.span, format!("{:?} must not be empty", item.key), None);
            return None;
        }
        Some(text)
    }

    /// Reads a whole number of a range.
    pub(crate) fn number<T: TryFrom<i64>>(
        &mut self,
        item: Item<'_>,
        range: RangeInclusive<i64>,
    ) -> Option<T> {
        let DeValue::Integer(written) = item.value else {
            return self.wrong(item, NUMBER);
        };
        let number = i64::from_str_radix(written.as_str(), written.radix()).ok();
        let read = number.filter(|number| range.contains(number)).and_then(|number| T::try_from(number).ok());
        if read.is_none() {
            let message = format!("{:?} must be from {} to {}", item.key, range.start(), range.end());
            self.error(item.span, message, None);
        }
        read
    }

    /// Reads a duration, zero included.
    pub(crate) fn duration(&mut self, item: Item<'_>) -> Option<Duration> {
        let DeValue::String(text) = item.value else {
            return self.wrong(item, DURATION);
        };
        match duration::parse(text) {
            Ok(duration) => Some(duration),
            Err(error) => {
                let bare = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
                let hint = if bare { format!("\"{text}s\"") } else { "like \"90s\" or \"1h30m\"".to_owned() };
                self.error(item.span, format!("{:?}: {error}", item.key), Some(hint));
                None
            }
        }
    }

    /// Reads a duration above zero.
    pub(crate) fn positive(&mut self, item: Item<'_>) -> Option<Duration> {
        let duration = self.duration(item)?;
        if duration.is_zero() {
            self.error(item.span, format!("{:?} must be longer than nothing", item.key), None);
            return None;
        }
        Some(duration)
    }

    /// Reads one of a few words.
    pub(crate) fn word<T: Copy>(&mut self, item: Item<'_>, words: &[(&'static str, T)]) -> Option<T> {
        let all = || words.iter().map(|(word, _)| format!("{word:?}")).collect::<Vec<_>>().join(" or ");
        let DeValue::String(text) = item.value else {
            return self.wrong(item, &all());
        };
        let found = words.iter().find(|(word, _)| *word == &**text).map(|(_, value)| *value);
        if found.is_none() {
            let hint = self.suggester.hint(text, words.iter().map(|(word, _)| *word));
            self.error(item.span, format!("{:?} must be {}, not {}", item.key, all(), quoted(text)), hint);
        }
        found
    }

    /// Reads a name.
    pub(crate) fn name(&mut self, item: Item<'_>) -> Option<Name> {
        let text = self.any_text(item)?;
        self.checked_name(text, item.span)
    }

    /// Makes a text a name.
    pub(crate) fn checked_name(&mut self, text: &str, span: Span) -> Option<Name> {
        match Name::new(text) {
            Ok(name) => Some(name),
            Err(error) => {
                self.error(span, error.to_string(), None);
                None
            }
        }
    }
}

/// What a duration is called in messages.
const DURATION: &str = "a duration";
/// What text is called in messages.
const TEXT: &str = "text";
/// What a truth value is called in messages.
const TRUTH: &str = "true or false";
/// What a number is called in messages.
const NUMBER: &str = "a whole number";

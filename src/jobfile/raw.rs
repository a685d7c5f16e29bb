//! The job file as written: TOML tables and values with their places.
//!
//! Owns the walk from text to tables, with every syntax error of a file. It must not know what any key
//! means: that is the reader's and the resolver's business.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostic::quoted;

/// Larger files report their first syntax error only: recovery costs memory for each error.
const RECOVERY_BYTES: usize = 4 << 20;

/// A range of bytes in one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Span {
    /// Covers a range.
    pub(crate) fn of(range: &std::ops::Range<usize>) -> Self {
        Span { start: range.start, end: range.end }
    }
}

/// A key and its value, or a member of a list under the list's key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item<'d> {
    pub(crate) key: &'d str,
    pub(crate) key_span: Span,
    pub(crate) value: &'d DeValue<'d>,
    pub(crate) span: Span,
}

impl<'d> Item<'d> {
    /// Makes the item of a table's entry.
    pub(crate) fn new(key: &'d Spanned<std::borrow::Cow<'d, str>>, value: &'d Spanned<DeValue<'d>>) -> Self {
        Item {
            key: key.get_ref(),
            key_span: Span::of(&key.span()),
            value: value.get_ref(),
            span: Span::of(&value.span()),
        }
    }

    /// Makes the item of a list's member; messages name the list.
    pub(crate) fn member(self, value: &'d Spanned<DeValue<'d>>) -> Self {
        Item { value: value.get_ref(), span: Span::of(&value.span()), ..self }
    }
}

/// Returns a table's entries, by key.
pub(crate) fn items<'d>(table: &'d DeTable<'d>) -> impl Iterator<Item = Item<'d>> {
    table.iter().map(|(key, value)| Item::new(key, value))
}

/// Says what a value is, in words for a message.
pub(crate) fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// A syntax error.
#[derive(Debug)]
pub(crate) struct SyntaxError {
    pub(crate) span: Span,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    /// True: a key or table that was there already.
    pub(crate) repeated: bool,
}

/// Parses a text, and goes on after errors as far as that makes sense. What is at a `secret` byte is not quoted.
pub(crate) fn parse(text: &str, secret: impl Fn(usize) -> bool) -> (DeTable<'_>, Vec<SyntaxError>) {
    let worded = |error: &toml::de::Error| syntax_error(text, error, &secret);
    match DeTable::parse(text) {
        Ok(table) => (table.into_inner(), Vec::new()),
        Err(error) if text.len() > RECOVERY_BYTES => (DeTable::new(), vec![worded(&error)]),
        Err(_) => {
            let (table, errors) = DeTable::parse_recoverable(text);
            (table.into_inner(), errors.iter().map(worded).collect())
        }
    }
}

/// Words an error of the TOML parser for somebody who has never read the TOML grammar.
fn syntax_error(text: &str, error: &toml::de::Error, secret: &dyn Fn(usize) -> bool) -> SyntaxError {
    let range = error.span().unwrap_or(0..0);
    let begin = range.start;
    let span = Span::of(&range);
    let found = text.get(range).unwrap_or_default();
    let message = error.message();
    let bare = message.starts_with("string values must be quoted") || message.starts_with("invalid boolean");
    let repeated = message == "duplicate key";
    let (message, hint) = if bare && found.is_empty() {
        ("there is no value".to_owned(), None)
    } else if bare && secret(begin) {
        ("this is no value".to_owned(), Some("text needs quotes".to_owned()))
    } else if bare {
        let hint = format!("text needs quotes: {found:?}");
        (format!("{} is no value", quoted(found)), (found.len() <= 60).then_some(hint))
    } else if repeated {
        let hint = "a table has each key, and a file each table, once: delete or rename one".to_owned();
        (format!("{} is there already", quoted(found)), Some(hint))
    } else if message.contains("recurs") {
        ("this is nested too deeply".to_owned(), None)
    } else {
        (message.to_owned(), None)
    };
    SyntaxError { span, message, hint, repeated }
}

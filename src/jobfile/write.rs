//! Definitions as text again: what `export` prints and `edit` changes.
//!
//! Works on the text that people wrote, not on resolved jobs: values keep their spelling (`0o022`, `"90m"`),
//! only tables are normalised, to one key a line with inline tables as values. Nothing is checked here
//! beyond the syntax: what comes out goes through [`load`](super::load) or [`fragment`](super::fragment).

mod excerpt;

use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::core::name::Name;

use super::raw::{Item, items};
use super::resolve::SECTIONS;
use super::source::Sources;
use super::triggers;

/// Keys whose values are text only, so that `command=true` means the program `true`.
const TEXT_KEYS: [&str; 9] =
    ["command", "description", "timezone", "cron", "every", "on", "cwd", "shell", "stdin"];

/// Why a definition cannot be written or changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The text is not TOML; loading it says where and why.
    #[error("the definition is not valid TOML")]
    Syntax,
    /// The key to change has no name.
    #[error("{key:?} is no key")]
    Key {
        /// As given.
        key: String,
    },
    /// The key to delete is not there.
    #[error("there is no key {key:?} in the definition")]
    Absent {
        /// As given.
        key: String,
    },
    /// `a.b` was given where `a` is not a table.
    #[error("{key:?} is not a table")]
    NotATable {
        /// The part before the dot.
        key: String,
    },
}

/// Returns the definition of a job of the files as the body of its table; `None` = the files have no such job.
///
/// `declared` is the file and line (from 1) of the job's header or key, as its origin says.
///
/// # Errors
/// When a file that may hold it is not TOML.
pub fn definition(
    sources: &Sources,
    name: &str,
    declared: Option<(&Path, u32)>,
) -> Result<Option<String>, WriteError> {
    let tables = declared.and_then(|(path, line)| {
        let file = sources.files.iter().find(|file| *file.path == *path)?;
        excerpt::tables_of(text_of(&file.bytes).ok()?, name, line)
    });
    if let Some(text) = tables
        && let Ok(table) = parse(text)
        && let Some(body) = body_of(text, &table, name)
    {
        return Ok(Some(body));
    }
    Ok(definitions(sources, [name])?.pop().flatten())
}

/// Returns the definitions of several jobs in the same way, in their order. Each file is read once.
///
/// # Errors
/// When a file is not TOML.
pub fn definitions<'n>(
    sources: &Sources,
    names: impl IntoIterator<Item = &'n str>,
) -> Result<Vec<Option<String>>, WriteError> {
    let mut found: Vec<(&str, Option<String>)> = names.into_iter().map(|name| (name, None)).collect();
    for file in &sources.files {
        if found.iter().all(|(_, body)| body.is_some()) {
            break;
        }
        let text = text_of(&file.bytes)?;
        let table = parse(text)?;
        for (name, body) in &mut found {
            if body.is_none() {
                *body = body_of(text, &table, name);
            }
        }
    }
    Ok(found.into_iter().map(|(_, body)| body).collect())
}

fn body_of(text: &str, table: &DeTable<'_>, name: &str) -> Option<String> {
    let job = table.get("jobs")?.get_ref().as_table()?.get(name)?.get_ref().as_table()?;
    Some(body(&entries(text, job)))
}

/// Returns a definition, the body of a table, under its header `[jobs.NAME]`.
///
/// # Errors
/// When the body is not TOML.
pub fn table(name: &Name, definition: &str) -> Result<String, WriteError> {
    let table = parse(definition)?;
    Ok(format!("[jobs.{}]\n{}", key_text(name.as_str()), body(&entries(definition, &table))))
}

/// Returns the whole job set, the files and the added jobs, as one job file that loads to the same set.
///
/// Relative paths mean the same only in the same directory.
///
/// # Errors
/// When a file or a definition is not TOML.
pub fn export<'a>(
    sources: &Sources,
    added: impl Iterator<Item = (&'a Name, &'a str)>,
) -> Result<String, WriteError> {
    let mut sections: [Vec<String>; SECTIONS.len()] = Default::default();
    for file in &sources.files {
        let text = text_of(&file.bytes)?;
        let table = parse(text)?;
        for item in items(&table) {
            if let Some(place) = SECTIONS.into_iter().position(|section| section == item.key) {
                section(text, item, &mut sections[place]);
            }
        }
    }
    let jobs = SECTIONS.into_iter().position(|section| section == "jobs").unwrap_or(SECTIONS.len() - 1);
    for (name, definition) in added {
        sections[jobs].push(table(name, definition)?);
    }
    sections[jobs].sort();
    Ok(sections.concat().join("\n"))
}

/// Sets one key of a definition; `a.b` is the key `b` of the table `a`.
///
/// The value is taken as TOML where it is valid TOML, and as text otherwise (`timeout=5m`).
///
/// # Errors
/// When the definition is not TOML, the key has no name, or `a` in `a.b` is not a table.
pub fn set(definition: &str, key: &str, value: &str) -> Result<String, WriteError> {
    let mut entries = parsed_entries(definition)?;
    let (head, tail) = split(key)?;
    let node = Node::Raw(value_text(head, tail.is_some(), value));
    match tail {
        None => put(&mut entries, head, node),
        Some(tail) => put(subtable(&mut entries, head)?, tail, node),
    }
    Ok(body(&entries))
}

/// Deletes one key of a definition.
///
/// # Errors
/// As [`set`], and when the key is not there.
pub fn unset(definition: &str, key: &str) -> Result<String, WriteError> {
    let mut entries = parsed_entries(definition)?;
    let (head, tail) = split(key)?;
    let absent = || WriteError::Absent { key: key.to_owned() };
    let (list, name) = match tail {
        None => (&mut entries, head),
        Some(tail) if entries.iter().any(|(key, _)| key == head) => (subtable(&mut entries, head)?, tail),
        Some(_) => return Err(absent()),
    };
    let at = list.iter().position(|(key, _)| key == name).ok_or_else(absent)?;
    list.remove(at);
    Ok(body(&entries))
}

/// Replaces the trigger of a definition, whatever it was, and leaves the keys beside it.
///
/// # Errors
/// As [`set`].
pub fn reschedule(definition: &str, key: &str, value: &str) -> Result<String, WriteError> {
    let mut entries = parsed_entries(definition)?;
    entries.retain(|(known, _)| known == key || !triggers::is_trigger(known));
    set(&body(&entries), key, value)
}

/// Replaces the trigger of a definition by the keys of another table: a trigger key and those beside it.
///
/// # Errors
/// Either text is not TOML.
pub fn retrigger(definition: &str, keys: &str) -> Result<String, WriteError> {
    let new = parsed_entries(keys)?;
    let mut entries = parsed_entries(definition)?;
    entries.retain(|(known, _)| !triggers::is_trigger(known) && !new.iter().any(|(key, _)| key == known));
    entries.extend(new);
    Ok(body(&entries))
}

/// A value as it will be written.
enum Node {
    /// In the words of the source.
    Raw(String),
    /// A table that had a header or dotted keys.
    Table(Vec<(String, Node)>),
    /// A list of tables with headers.
    List(Vec<Node>),
}

type Entries = Vec<(String, Node)>;

fn text_of(bytes: &[u8]) -> Result<&str, WriteError> {
    std::str::from_utf8(bytes).map_err(|_| WriteError::Syntax)
}

fn parse(text: &str) -> Result<DeTable<'_>, WriteError> {
    DeTable::parse(text).map(Spanned::into_inner).map_err(|_| WriteError::Syntax)
}

fn parsed_entries(definition: &str) -> Result<Entries, WriteError> {
    Ok(entries(definition, &parse(definition)?))
}

/// Returns a table's entries in the order of the source.
fn entries(text: &str, table: &DeTable<'_>) -> Entries {
    let mut found: Vec<Item<'_>> = items(table).collect();
    found.sort_by_key(|item| item.key_span.start);
    found.into_iter().map(|item| (item.key.to_owned(), node(text, item))).collect()
}

fn node(text: &str, item: Item<'_>) -> Node {
    let written = text.get(item.span.start..item.span.end).unwrap_or_default();
    match item.value {
        // The place of a table without braces is its header or its first dotted key.
        DeValue::Table(table) if !written.starts_with('{') => Node::Table(entries(text, table)),
        DeValue::Array(list) if has_headers(text, list) => {
            Node::List(list.iter().map(|member| node(text, item.member(member))).collect())
        }
        _ => Node::Raw(written.to_owned()),
    }
}

fn has_headers(text: &str, list: &toml::de::DeArray<'_>) -> bool {
    list.iter().next().is_some_and(|member| {
        matches!(member.get_ref(), DeValue::Table(_)) && text[member.span().start..].starts_with('[')
    })
}

/// Writes one section of a file as blocks, each with its header.
fn section(text: &str, item: Item<'_>, blocks: &mut Vec<String>) {
    match (item.key, item.value) {
        ("pools" | "notify" | "jobs", DeValue::Table(table)) => {
            for entry in items(table) {
                if let DeValue::Table(inner) = entry.value {
                    let name = key_text(entry.key);
                    blocks.push(format!("[{}.{name}]\n{}", item.key, body(&entries(text, inner))));
                }
            }
        }
        ("on", DeValue::Array(list)) => {
            let tables = list.iter().filter_map(|member| member.get_ref().as_table());
            blocks.extend(tables.map(|table| format!("[[on]]\n{}", body(&entries(text, table)))));
        }
        (_, DeValue::Table(table)) => {
            blocks.push(format!("[{}]\n{}", item.key, body(&entries(text, table))));
        }
        _ => blocks.push(body(&[(item.key.to_owned(), node(text, item))])),
    }
}

fn body(entries: &[(String, Node)]) -> String {
    let mut out = String::new();
    for (key, node) in entries {
        out.push_str(&key_text(key));
        out.push_str(" = ");
        inline(node, &mut out);
        out.push('\n');
    }
    out
}

fn inline(node: &Node, out: &mut String) {
    match node {
        Node::Raw(text) => out.push_str(text),
        Node::Table(entries) if entries.is_empty() => out.push_str("{}"),
        Node::Table(entries) => {
            let mut before = "{ ";
            for (key, node) in entries {
                out.push_str(before);
                out.push_str(&key_text(key));
                out.push_str(" = ");
                inline(node, out);
                before = ", ";
            }
            out.push_str(" }");
        }
        Node::List(nodes) => {
            let mut before = "[";
            for node in nodes {
                out.push_str(before);
                inline(node, out);
                before = ", ";
            }
            out.push(']');
        }
    }
}

/// Writes a key: bare where TOML allows it, quoted otherwise.
fn key_text(key: &str) -> String {
    let bare = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    if bare { key.to_owned() } else { quote(key) }
}

/// Writes a text as a TOML basic string on one line.
fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Writes a value that somebody gave on a command line.
fn value_text(key: &str, in_table: bool, value: &str) -> String {
    let trimmed = value.trim();
    let Ok(parsed) = DeValue::parse(trimmed) else { return quote(value) };
    let structured = matches!(parsed.get_ref(), DeValue::String(_) | DeValue::Array(_) | DeValue::Table(_));
    if !structured && !in_table && TEXT_KEYS.contains(&key) {
        return quote(value);
    }
    trimmed.get(parsed.span()).unwrap_or(trimmed).to_owned()
}

fn split(key: &str) -> Result<(&str, Option<&str>), WriteError> {
    let (head, tail) = match key.split_once('.') {
        Some((head, tail)) => (head, Some(tail)),
        None => (key, None),
    };
    if head.is_empty() || tail.is_some_and(str::is_empty) {
        return Err(WriteError::Key { key: key.to_owned() });
    }
    Ok((head, tail))
}

fn put(entries: &mut Entries, key: &str, node: Node) {
    match entries.iter_mut().find(|(known, _)| known == key) {
        Some((_, old)) => *old = node,
        None => entries.push((key.to_owned(), node)),
    }
}

/// Returns the table under a key to change it; makes it where there is none, opens it where it is inline.
fn subtable<'e>(entries: &'e mut Entries, key: &str) -> Result<&'e mut Entries, WriteError> {
    let at = match entries.iter().position(|(known, _)| known == key) {
        Some(at) => at,
        None => {
            entries.push((key.to_owned(), Node::Table(Vec::new())));
            entries.len() - 1
        }
    };
    let not_a_table = || WriteError::NotATable { key: key.to_owned() };
    if let Node::Raw(text) = &entries[at].1 {
        let opened = match DeValue::parse(text) {
            Ok(value) => match value.get_ref() {
                DeValue::Table(table) => Node::Table(self::entries(text, table)),
                _ => return Err(not_a_table()),
            },
            Err(_) => return Err(WriteError::Syntax),
        };
        entries[at].1 = opened;
    }
    match &mut entries[at].1 {
        Node::Table(inner) => Ok(inner),
        _ => Err(not_a_table()),
    }
}

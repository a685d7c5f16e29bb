//! What people and tools say about a job.

use std::collections::BTreeMap;

use toml::de::DeValue;

use super::draft::Draft;
use super::raw::{Item, items};
use super::reader::{Field, Reader, set};

/// The keys.
pub(crate) const FIELDS: &[Field<Draft>] = &[
    Field {
        key: "description",
        read: |job, item, reader| {
            set(&mut job.about().description, reader.any_text(item).map(|text| Some(text.to_owned())));
        },
    },
    Field { key: "tags", read: |job, item, reader| set(&mut job.about().tags, tags(item, reader)) },
    Field { key: "meta", read: |job, item, reader| pairs(&mut job.about().meta, item, reader) },
];

/// Reads tags: sorted, each once.
fn tags(item: Item<'_>, reader: &mut Reader<'_>) -> Option<Vec<String>> {
    let mut tags = Vec::new();
    for member in reader.one_or_more(item) {
        tags.push(reader.name(member)?.as_str().to_owned());
    }
    tags.sort_unstable();
    tags.dedup();
    Some(tags)
}

/// Reads a table of variables on top of those that are there; numbers and truth values become text.
pub(crate) fn pairs(target: &mut BTreeMap<String, String>, item: Item<'_>, reader: &mut Reader<'_>) {
    let Some(table) = reader.as_table(item) else { return };
    for pair in items(table) {
        let bad = |c: char| c == '=' || c == '\0' || c.is_whitespace();
        if pair.key.is_empty() || pair.key.contains(bad) {
            let message = format!("{:?} cannot be the name of a variable", pair.key);
            reader.error(pair.key_span, message, Some("letters, digits and underscores".to_owned()));
            continue;
        }
        let value = match pair.value {
            DeValue::Boolean(truth) => Some(truth.to_string()),
            DeValue::Integer(_) | DeValue::Float(_) => Some(reader.written(pair).to_owned()),
            _ => reader.any_text(pair).map(ToOwned::to_owned),
        };
        if let Some(value) = value {
            target.insert(pair.key.to_owned(), value);
        }
    }
}

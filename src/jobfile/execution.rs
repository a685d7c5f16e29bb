//! The surroundings of a job's processes: every key of [`Execution`](crate::core::job::Execution).

use std::path::PathBuf;
use std::time::Duration;

use toml::de::DeValue;

use crate::core::job::{Limits, Stdin};

use super::about::pairs;
use super::draft::Draft;
use super::policy::MANY;
use super::raw::Item;
use super::reader::{Field, Reader, set};
use super::units::{read_percent, read_size};

/// The keys.
pub(crate) const FIELDS: &[Field<Draft>] = &[
    Field { key: "env", read: |job, item, reader| pairs(&mut job.execution().env, item, reader) },
    Field {
        key: "env_file",
        read: |job, item, reader| {
            let files = reader.one_or_more(item).into_iter().map(|file| reader.path(file)).collect();
            set(&mut job.execution().env_files, files);
        },
    },
    Field {
        key: "cwd",
        read: |job, item, reader| set(&mut job.execution().cwd, reader.path(item).map(Some)),
    },
    Field {
        key: "user",
        read: |job, item, reader| set(&mut job.execution().user, account(item, reader).map(Some)),
    },
    Field {
        key: "group",
        read: |job, item, reader| set(&mut job.execution().group, account(item, reader).map(Some)),
    },
    Field {
        key: "umask",
        read: |job, item, reader| set(&mut job.execution().umask, umask(item, reader).map(Some)),
    },
    Field {
        key: "nice",
        read: |job, item, reader| set(&mut job.execution().nice, reader.number(item, -20..=19).map(Some)),
    },
    Field { key: "shell", read: |job, item, reader| set(&mut job.execution().shell, shell(item, reader)) },
    Field { key: "stdin", read: |job, item, reader| set(&mut job.execution().stdin, stdin(item, reader)) },
    Field { key: "limits", read: limits },
];

/// Reads a user or group: a name or a number.
pub(crate) fn account(item: Item<'_>, reader: &mut Reader<'_>) -> Option<String> {
    if let DeValue::Integer(_) = item.value {
        // The highest number means "no change" to chown(2) and setuid(2).
        let number: u32 = reader.number(item, 0..=i64::from(u32::MAX) - 1)?;
        return Some(number.to_string());
    }
    let text = reader.text(item)?;
    if text.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, ':' | '/')) {
        reader.error(item.span, format!("{:?} is no name of a user or group", item.key), None);
        return None;
    }
    Some(text.to_owned())
}

/// Reads a file mode mask in octal: `"022"` or `0o022`.
fn umask(item: Item<'_>, reader: &mut Reader<'_>) -> Option<u32> {
    let digits = match item.value {
        DeValue::String(text) => Some(&**text),
        DeValue::Integer(written) if written.radix() == 8 => Some(written.as_str()),
        DeValue::Integer(_) => None,
        _ => return reader.wrong(item, "a mask like \"022\""),
    };
    let octal = digits.filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
    let mask = octal.and_then(|text| u32::from_str_radix(text, 8).ok()).filter(|mask| *mask <= 0o777);
    if mask.is_none() {
        let hint = Some("in octal: \"022\" or 0o022".to_owned());
        reader.error(item.span, format!("{:?} must be from 000 to 777 in octal", item.key), hint);
    }
    mask
}

/// Reads the shell: a path, or a plain name that is looked up in PATH at each start.
fn shell(item: Item<'_>, reader: &mut Reader<'_>) -> Option<PathBuf> {
    let text = reader.text(item)?;
    if text.contains('/') { reader.path(item) } else { Some(PathBuf::from(text)) }
}

/// Reads a file's path, or a table with `file` or `text`.
fn stdin(item: Item<'_>, reader: &mut Reader<'_>) -> Option<Stdin> {
    const FIELDS: &[Field<Vec<Option<Stdin>>>] = &[
        Field { key: "file", read: |found, item, reader| found.push(reader.path(item).map(Stdin::File)) },
        Field {
            key: "text",
            read: |found, item, reader| {
                found.push(reader.any_text(item).map(|text| Stdin::Text(text.to_owned())));
            },
        },
    ];
    let DeValue::Table(table) = item.value else {
        let path = reader.path(item)?;
        return Some(if path.as_os_str() == "/dev/null" { Stdin::Null } else { Stdin::File(path) });
    };
    let mut found = Vec::new();
    reader.table(table, "\"stdin\"", FIELDS, &mut found);
    if found.len() != 1 {
        reader.absent(item.span, "\"stdin\" needs either \"file\" or \"text\"", None);
        return None;
    }
    found.pop().flatten()
}

fn limits(job: &mut Draft, item: Item<'_>, reader: &mut Reader<'_>) {
    const FIELDS: &[Field<Limits>] = &[
        Field {
            key: "memory",
            read: |limits, item, reader| set(&mut limits.memory, read_size(item, 1, reader).map(Some)),
        },
        Field {
            key: "cpu",
            read: |limits, item, reader| set(&mut limits.cpu_percent, read_percent(item, reader).map(Some)),
        },
        Field {
            key: "tasks",
            read: |limits, item, reader| set(&mut limits.tasks, reader.number(item, 1..=MANY * 10).map(Some)),
        },
        Field {
            key: "open_files",
            read: |limits, item, reader| {
                set(&mut limits.open_files, reader.number(item, 1..=i64::from(u32::MAX)).map(Some));
            },
        },
        Field {
            key: "cpu_time",
            read: |limits, item, reader| set(&mut limits.cpu_time, seconds(item, reader).map(Some)),
        },
        Field {
            key: "file_size",
            read: |limits, item, reader| set(&mut limits.file_size, read_size(item, 0, reader).map(Some)),
        },
        Field {
            key: "core",
            read: |limits, item, reader| set(&mut limits.core, read_size(item, 0, reader).map(Some)),
        },
    ];
    if let Some(table) = reader.as_table(item) {
        reader.table(table, "\"limits\"", FIELDS, &mut job.execution().limits);
    }
}

/// Reads a duration of whole seconds, as setrlimit(2) counts CPU time.
fn seconds(item: Item<'_>, reader: &mut Reader<'_>) -> Option<Duration> {
    let duration = reader.positive(item)?;
    if duration.subsec_nanos() != 0 {
        reader.error(item.span, format!("{:?} counts in whole seconds", item.key), None);
        return None;
    }
    Some(duration)
}

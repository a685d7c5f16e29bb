//! The settings beside the jobs: `[daemon]`, `[hooks]`, `[pools]` and `[[on]]`.

use std::time::Duration;

use toml::de::DeValue;

use crate::core::event::EventKind;
use crate::core::job::{Command, Hooks, Pool};
use crate::core::name::Name;

use super::diagnostic::quoted;
use super::execution::account;
use super::policy::MANY;
use super::raw::{Item, items};
use super::reader::{Field, Reader, set};
use super::work::{command_of, commands};

/// `[daemon]`: how the daemon itself behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaemonSettings {
    /// How long running jobs may finish once the daemon is told to stop.
    pub stop_timeout: Duration,
    /// What becomes of jobs that still run then.
    pub stop: StopMode,
    /// How many late runs may be alive at once after a pause of the clock or the daemon; default is the number
    /// of processors.
    pub catch_up_parallel: Option<u32>,
    /// How long after its start the daemon starts jobs.
    pub startup_delay: Duration,
    /// The wait between attempts to write to a store that fails.
    pub store_retry: Duration,
    /// What `status` calls this daemon; default is the host's name.
    pub identity: Option<String>,
    /// How long calendar jobs are held after a boot with a clock that is behind the store.
    pub max_clock_wait: Duration,
    /// True: the job file is read again whenever it changes.
    pub watch: bool,
    /// The group (name or number) that may talk to the daemon besides its own user and root.
    pub group: Option<String>,
}

/// What becomes of running jobs when the daemon stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopMode {
    /// They are ended after `stop_timeout`.
    Terminate,
    /// They go on and are adopted at the next start.
    Leave,
}

impl Default for DaemonSettings {
    fn default() -> Self {
        DaemonSettings {
            stop_timeout: Duration::from_secs(30),
            stop: StopMode::Terminate,
            catch_up_parallel: None,
            startup_delay: Duration::ZERO,
            store_retry: Duration::from_secs(1),
            identity: None,
            max_clock_wait: Duration::from_secs(600),
            watch: false,
            group: None,
        }
    }
}

/// `[[on]]`: a command that runs when something happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventHook {
    /// The events it runs for, from patterns like `run.failed` and `job.*`; never empty.
    pub only: Vec<EventKind>,
    /// The jobs it runs for, as names with `*` and `?`; empty = all, and events of no job too.
    pub jobs: Vec<String>,
    /// What runs.
    pub command: Command,
    /// Its time limit.
    pub timeout: Duration,
}

/// The keys of `[daemon]`.
pub(crate) const DAEMON_FIELDS: &[Field<DaemonSettings>] = &[
    Field {
        key: "stop_timeout",
        read: |daemon, item, reader| set(&mut daemon.stop_timeout, reader.duration(item)),
    },
    Field { key: "stop", read: |daemon, item, reader| set(&mut daemon.stop, reader.word(item, STOP)) },
    Field {
        key: "catch_up_parallel",
        read: |daemon, item, reader| {
            set(&mut daemon.catch_up_parallel, reader.number(item, 1..=MANY).map(Some));
        },
    },
    Field {
        key: "startup_delay",
        read: |daemon, item, reader| set(&mut daemon.startup_delay, reader.duration(item)),
    },
    Field {
        key: "store_retry",
        read: |daemon, item, reader| set(&mut daemon.store_retry, reader.positive(item)),
    },
    Field {
        key: "identity",
        read: |daemon, item, reader| {
            set(&mut daemon.identity, reader.text(item).map(|text| Some(text.to_owned())));
        },
    },
    Field {
        key: "max_clock_wait",
        read: |daemon, item, reader| set(&mut daemon.max_clock_wait, reader.duration(item)),
    },
    Field { key: "watch", read: |daemon, item, reader| set(&mut daemon.watch, reader.truth(item)) },
    Field {
        key: "group",
        read: |daemon, item, reader| set(&mut daemon.group, account(item, reader).map(Some)),
    },
];

const STOP: &[(&str, StopMode)] = &[("terminate", StopMode::Terminate), ("leave", StopMode::Leave)];

/// The keys of `[hooks]`, the hooks of every job.
pub(crate) const HOOK_FIELDS: &[Field<Hooks>] = &[
    Field { key: "before", read: |hooks, item, reader| set(&mut hooks.before, commands(item, reader)) },
    Field { key: "after", read: |hooks, item, reader| set(&mut hooks.after_run, commands(item, reader)) },
];

/// Reads one `[pools.NAME]`.
pub(crate) fn pool(name: &Name, item: Item<'_>, reader: &mut Reader<'_>) -> Option<Pool> {
    const FIELDS: &[Field<Option<u32>>] =
        &[Field { key: "workers", read: |workers, item, reader| *workers = reader.number(item, 1..=MANY) }];
    let table = reader.as_table(item)?;
    let mut workers = None;
    reader.table(table, "a pool", FIELDS, &mut workers);
    if !table.contains_key("workers") {
        let message = format!("the pool {:?} needs \"workers\"", name.as_str());
        reader.absent(item.key_span, message, Some("workers = 1 or more".to_owned()));
    }
    Some(Pool { name: name.clone(), workers: workers? })
}

#[derive(Default)]
struct HookDraft {
    only: Option<Vec<EventKind>>,
    jobs: Vec<String>,
    command: Option<Command>,
    timeout: Option<Duration>,
}

/// Reads the tables of `[[on]]`.
pub(crate) fn event_hooks(item: Item<'_>, reader: &mut Reader<'_>) -> Vec<EventHook> {
    if !matches!(item.value, DeValue::Array(_)) {
        let hint = Some("write the header with two brackets: [[on]]".to_owned());
        reader.error(item.key_span, "\"on\" must be a list of tables", hint);
        return Vec::new();
    }
    let members = reader.one_or_more(item);
    members.into_iter().filter_map(|member| event_hook(member, reader)).collect()
}

fn event_hook(item: Item<'_>, reader: &mut Reader<'_>) -> Option<EventHook> {
    const FIELDS: &[Field<HookDraft>] = &[
        Field { key: "only", read: |hook, item, reader| hook.only = event_kinds(item, reader) },
        Field { key: "job", read: |hook, item, reader| set(&mut hook.jobs, job_patterns(item, reader)) },
        Field { key: "command", read: |hook, item, reader| hook.command = command_of(item, reader) },
        Field { key: "timeout", read: |hook, item, reader| hook.timeout = reader.positive(item) },
    ];
    let table = reader.as_table(item)?;
    let mut draft = HookDraft::default();
    reader.table(table, "[[on]]", FIELDS, &mut draft);
    for key in ["only", "command"] {
        if !table.contains_key(key) {
            reader.absent(item.span, format!("[[on]] needs {key:?}"), None);
        }
    }
    Some(EventHook {
        only: draft.only?,
        jobs: draft.jobs,
        command: draft.command?,
        timeout: draft.timeout.unwrap_or(Duration::from_secs(30)),
    })
}

/// Reads patterns of event names into the kinds they stand for.
fn event_kinds(item: Item<'_>, reader: &mut Reader<'_>) -> Option<Vec<EventKind>> {
    let members = match item.value {
        DeValue::Array(_) => reader.list(item)?,
        _ => vec![item],
    };
    let mut kinds = Vec::new();
    for member in members {
        let pattern = reader.text(member)?;
        let before = kinds.len();
        kinds.extend(EventKind::ALL.into_iter().filter(|kind| matches(pattern, kind.as_str())));
        if kinds.len() == before {
            let near = reader.suggester.hint(pattern, EventKind::ALL.into_iter().map(EventKind::as_str));
            let hint = near.unwrap_or_else(|| "like \"run.failed\" or \"job.*\"".to_owned());
            reader.error(member.span, format!("there is no event {}", quoted(pattern)), Some(hint));
        }
    }
    kinds.sort_unstable_by_key(|kind| kind.as_str());
    kinds.dedup();
    Some(kinds)
}

/// Reads names of jobs in which `*` and `?` stand for any characters and any one character.
fn job_patterns(item: Item<'_>, reader: &mut Reader<'_>) -> Option<Vec<String>> {
    let mut patterns = Vec::new();
    for member in reader.one_or_more(item) {
        let pattern = reader.text(member)?;
        let plain: String = pattern.chars().map(|c| if matches!(c, '*' | '?') { 'x' } else { c }).collect();
        reader.checked_name(&plain, member.span)?;
        patterns.push(pattern.to_owned());
    }
    Some(patterns)
}

/// Says whether a text matches a pattern whose only special character is one `*` at its end.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(begin) => text.starts_with(begin),
        None => pattern == text,
    }
}

/// Returns the entries of a table of named tables, each with its checked name.
pub(crate) fn named<'d>(item: Item<'d>, reader: &mut Reader<'_>) -> Vec<(Name, Item<'d>)> {
    let Some(table) = reader.as_table(item) else { return Vec::new() };
    items(table).filter_map(|entry| Some((reader.checked_name(entry.key, entry.key_span)?, entry))).collect()
}

//! The scheduling rules of a job: every key of [`Policy`](crate::core::job::Policy).

use toml::de::DeValue;

use crate::core::job::{
    Expect, Grace, Keep, NotifyRule, NotifyWhen, OnBusy, OnLost, Output, RetryOn, StartupScope,
};
use crate::core::name::Name;

use super::diagnostic::quoted;
use super::draft::Draft;
use super::raw::Item;
use super::reader::{Field, Reader, set};
use super::units::{read_signal, read_size};
use super::work;

/// The most instances, workers, retries and the like; more is a typing error.
pub(crate) const MANY: i64 = 1_000_000;

/// The keys.
pub(crate) const FIELDS: &[Field<Draft>] = &[
    Field {
        key: "priority",
        read: |job, item, reader| set(&mut job.policy().priority, reader.number(item, I32_RANGE)),
    },
    Field { key: "pool", read: pool },
    Field { key: "enabled", read: |job, item, reader| set(&mut job.policy().enabled, reader.truth(item)) },
    Field { key: "paused", read: |job, item, reader| set(&mut job.policy().paused, reader.truth(item)) },
    Field { key: "grace", read: |job, item, reader| set(&mut job.policy().grace, grace(item, reader)) },
    Field { key: "coalesce", read: |job, item, reader| set(&mut job.policy().coalesce, reader.truth(item)) },
    Field {
        key: "max_instances",
        read: |job, item, reader| set(&mut job.policy().max_instances, reader.number(item, 1..=MANY)),
    },
    Field {
        key: "on_busy",
        read: |job, item, reader| set(&mut job.policy().on_busy, reader.word(item, ON_BUSY).map(Some)),
    },
    Field {
        key: "timeout",
        read: |job, item, reader| set(&mut job.policy().timeout, reader.positive(item).map(Some)),
    },
    Field {
        key: "kill_after",
        read: |job, item, reader| set(&mut job.policy().kill_after, reader.duration(item)),
    },
    Field {
        key: "stop_signal",
        read: |job, item, reader| set(&mut job.policy().stop_signal, read_signal(item, reader)),
    },
    Field {
        key: "retries",
        read: |job, item, reader| set(&mut job.policy().retry.retries, reader.number(item, 0..=MANY)),
    },
    Field {
        key: "retry_delay",
        read: |job, item, reader| set(&mut job.policy().retry.delay, reader.duration(item)),
    },
    Field {
        key: "retry_backoff",
        read: |job, item, reader| set(&mut job.policy().retry.backoff_milli, backoff(item, reader)),
    },
    Field {
        key: "retry_max_delay",
        read: |job, item, reader| {
            set(&mut job.policy().retry.max_delay, reader.positive(item).map(Some));
        },
    },
    Field {
        key: "retry_on",
        read: |job, item, reader| set(&mut job.policy().retry.on, retry_on(item, reader)),
    },
    Field {
        key: "on_lost",
        read: |job, item, reader| set(&mut job.policy().on_lost, reader.word(item, ON_LOST)),
    },
    Field { key: "keep", read: keep },
    Field {
        key: "startup",
        read: |job, item, reader| set(&mut job.policy().startup, reader.word(item, STARTUP)),
    },
    Field {
        key: "before",
        read: |job, item, reader| set(&mut job.policy().hooks.before, work::commands(item, reader)),
    },
    Field {
        key: "after_run",
        read: |job, item, reader| set(&mut job.policy().hooks.after_run, work::commands(item, reader)),
    },
    Field {
        key: "on_success",
        read: |job, item, reader| set(&mut job.policy().hooks.on_success, work::commands(item, reader)),
    },
    Field {
        key: "on_failure",
        read: |job, item, reader| set(&mut job.policy().hooks.on_failure, work::commands(item, reader)),
    },
    Field { key: "notify", read: |job, item, reader| set(&mut job.policy().notify, notify(item, reader)) },
    Field { key: "expect", read: expect },
    Field { key: "output", read: output },
];

const I32_RANGE: std::ops::RangeInclusive<i64> = i32::MIN as i64..=i32::MAX as i64;

const ON_BUSY: &[(&str, OnBusy)] =
    &[("skip", OnBusy::Skip), ("queue", OnBusy::Queue), ("replace", OnBusy::Replace)];
const ON_LOST: &[(&str, OnLost)] = &[("skip", OnLost::Skip), ("rerun", OnLost::Rerun)];
const STARTUP: &[(&str, StartupScope)] = &[("boot", StartupScope::Boot), ("start", StartupScope::Start)];
const WHEN: &[(&str, NotifyWhen)] = &[
    ("change", NotifyWhen::Change),
    ("failure", NotifyWhen::Failure),
    ("always", NotifyWhen::Always),
    ("recovery", NotifyWhen::Recovery),
];
const FORMATS: &[(&str, bool)] = &[("json", true), ("text", false)];

fn pool(job: &mut Draft, item: Item<'_>, reader: &mut Reader<'_>) {
    let Some(name) = reader.name(item) else { return };
    if reader.known.pools.contains(&name) {
        job.policy().pool = Some(name);
    } else if !reader.partial {
        let near = reader.suggester.hint(name.as_str(), reader.known.pools.iter().map(Name::as_str));
        let hint = near.unwrap_or_else(|| format!("declare it: [pools.{name}] with workers = 1 or more"));
        reader.error(item.span, format!("there is no pool {:?}", name.as_str()), Some(hint));
    }
}

fn grace(item: Item<'_>, reader: &mut Reader<'_>) -> Option<Grace> {
    let DeValue::String(text) = item.value else {
        return reader.duration(item).map(Grace::For);
    };
    match &**text {
        "until-next" => Some(Grace::UntilNext),
        "unlimited" => Some(Grace::Unlimited),
        word if !word.starts_with(|c: char| c.is_ascii_digit()) => {
            let near = reader.suggester.hint(word, ["until-next", "unlimited"]);
            let message = format!(
                "{:?} must be \"until-next\", \"unlimited\" or a duration, not {}",
                item.key,
                quoted(word)
            );
            reader.error(item.span, message, near);
            None
        }
        _ => reader.duration(item).map(Grace::For),
    }
}

/// Reads a factor from 1 to 1000 into thousandths.
fn backoff(item: Item<'_>, reader: &mut Reader<'_>) -> Option<u32> {
    let factor = match item.value {
        DeValue::Float(written) => written.as_str().parse::<f64>().ok(),
        DeValue::Integer(written) => {
            i32::from_str_radix(written.as_str(), written.radix()).ok().map(f64::from)
        }
        _ => return reader.wrong(item, "a number"),
    };
    match factor.filter(|factor| (1.0..=1_000.0).contains(factor)) {
        Some(factor) => Some(thousandths(factor)),
        None => {
            reader.error(item.span, format!("{:?} must be from 1.0 to 1000.0", item.key), None);
            None
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the factor is from 1 to 1000")]
fn thousandths(factor: f64) -> u32 {
    (factor * 1_000.0).round() as u32
}

/// Reads exit codes and the words `timeout` and `signal`.
fn retry_on(item: Item<'_>, reader: &mut Reader<'_>) -> Option<RetryOn> {
    const WORDS: &[(&str, RetryWord)] =
        &[("any", RetryWord::Any), ("timeout", RetryWord::Timeout), ("signal", RetryWord::Signal)];
    let members = match item.value {
        DeValue::Array(_) => reader.list(item)?,
        _ => vec![item],
    };
    let mut any = false;
    let (mut codes, mut timeout, mut signal) = (Vec::new(), false, false);
    for member in members {
        if let DeValue::Integer(_) = member.value {
            codes.push(reader.number(member, 1..=255)?);
            continue;
        }
        match reader.word(member, WORDS)? {
            RetryWord::Any => any = true,
            RetryWord::Timeout => timeout = true,
            RetryWord::Signal => signal = true,
        }
    }
    codes.sort_unstable();
    codes.dedup();
    Some(if any { RetryOn::Any } else { RetryOn::Only { codes, timeout, signal } })
}

#[derive(Clone, Copy)]
enum RetryWord {
    Any,
    Timeout,
    Signal,
}

fn keep(job: &mut Draft, item: Item<'_>, reader: &mut Reader<'_>) {
    const FIELDS: &[Field<Keep>] = &[
        Field { key: "runs", read: |keep, item, reader| set(&mut keep.runs, reader.number(item, 1..=MANY)) },
        Field { key: "age", read: |keep, item, reader| set(&mut keep.age, reader.positive(item)) },
    ];
    if let Some(table) = reader.as_table(item) {
        reader.table(table, "\"keep\"", FIELDS, &mut job.policy().keep);
    }
}

fn expect(job: &mut Draft, item: Item<'_>, reader: &mut Reader<'_>) {
    const FIELDS: &[Field<Expect>] = &[
        Field {
            key: "success_within",
            read: |expect, item, reader| set(&mut expect.success_within, reader.positive(item).map(Some)),
        },
        Field {
            key: "max_duration",
            read: |expect, item, reader| set(&mut expect.max_duration, reader.positive(item).map(Some)),
        },
        Field {
            key: "output_nonempty",
            read: |expect, item, reader| set(&mut expect.output_nonempty, reader.truth(item)),
        },
    ];
    if let Some(table) = reader.as_table(item) {
        reader.table(table, "\"expect\"", FIELDS, &mut job.policy().expect);
    }
}

fn output(job: &mut Draft, item: Item<'_>, reader: &mut Reader<'_>) {
    const FIELDS: &[Field<Output>] = &[
        Field {
            key: "max",
            read: |output, item, reader| set(&mut output.max_bytes, read_size(item, 1_024, reader)),
        },
        Field {
            key: "format",
            read: |output, item, reader| set(&mut output.json, reader.word(item, FORMATS)),
        },
    ];
    match item.value {
        DeValue::Table(table) => reader.table(table, "\"output\"", FIELDS, &mut job.policy().output),
        DeValue::String(_) => set(&mut job.policy().output.json, reader.word(item, FORMATS)),
        _ => reader.wrong(item, "\"json\", \"text\" or a table").unwrap_or_default(),
    }
}

/// Reads a notifier's name, a table `{ name, when }`, or a list of both; an empty list means none.
fn notify(item: Item<'_>, reader: &mut Reader<'_>) -> Option<Vec<NotifyRule>> {
    let mut rules = Vec::new();
    for member in reader.one_or_more(item) {
        rules.push(notify_rule(member, reader)?);
    }
    Some(rules)
}

#[derive(Default)]
struct NotifyDraft {
    name: Option<Name>,
    when: Option<NotifyWhen>,
}

fn notify_rule(item: Item<'_>, reader: &mut Reader<'_>) -> Option<NotifyRule> {
    const FIELDS: &[Field<NotifyDraft>] = &[
        Field { key: "name", read: |rule, item, reader| rule.name = notifier(item, reader) },
        Field { key: "when", read: |rule, item, reader| rule.when = reader.word(item, WHEN) },
    ];
    let mut rule = NotifyDraft::default();
    match item.value {
        DeValue::String(_) => rule.name = notifier(item, reader),
        DeValue::Table(table) => {
            reader.table(table, "\"notify\"", FIELDS, &mut rule);
            if !table.contains_key("name") {
                reader.absent(item.span, "\"notify\" needs the name of a notifier", None);
            }
        }
        _ => return reader.wrong(item, "the name of a notifier or a table { name, when }"),
    }
    let notifier = rule.name?;
    let usual = reader.known.notifiers.get(&notifier).copied().unwrap_or(NotifyWhen::Change);
    Some(NotifyRule { notifier, when: rule.when.unwrap_or(usual) })
}

fn notifier(item: Item<'_>, reader: &mut Reader<'_>) -> Option<Name> {
    let name = reader.name(item)?;
    if reader.known.notifiers.contains_key(&name) || reader.partial {
        return Some(name);
    }
    let near = reader.suggester.hint(name.as_str(), reader.known.notifiers.keys().map(Name::as_str));
    let hint =
        near.unwrap_or_else(|| format!("declare it: [notify.{name}] with mail, webhook, ping or command"));
    reader.error(item.span, format!("there is no notifier {:?}", name.as_str()), Some(hint));
    None
}

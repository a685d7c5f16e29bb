//! `[notify.NAME]`: the places to which messages about jobs go.

use std::collections::BTreeMap;
use std::time::Duration;

use toml::de::DeValue;

use crate::core::job::NotifyWhen;
use crate::core::name::Name;
use crate::core::notifier::{Channel, NotifierSettings};

use super::about::pairs;
use super::diagnostic::quoted;
use super::raw::{Item, Span};
use super::reader::{Field, Reader};
use super::work::command_of;

/// A notifier while its keys are read.
#[derive(Default)]
pub(crate) struct Draft {
    /// Each channel key that was given, and what it says unless it is wrong.
    channels: Vec<(Span, Option<Channel>)>,
    timeout: Option<Duration>,
}

/// The keys of `[notify.NAME]`.
pub(crate) const NOTIFIER_FIELDS: &[Field<Draft>] = &[
    Field { key: "mail", read: |draft, item, reader| draft.add(item, mail(item, reader)) },
    Field { key: "webhook", read: |draft, item, reader| draft.add(item, webhook(item, reader)) },
    Field { key: "ping", read: |draft, item, reader| draft.add(item, ping(item, reader)) },
    Field {
        key: "command",
        read: |draft, item, reader| draft.add(item, command_of(item, reader).map(Channel::Command)),
    },
    Field { key: "timeout", read: |draft, item, reader| draft.timeout = reader.positive(item) },
];

impl Draft {
    fn add(&mut self, item: Item<'_>, channel: Option<Channel>) {
        self.channels.push((item.key_span, channel));
    }
}

/// Returns when a notifier speaks where the job does not say: people hear of changes, a dead-man service has to
/// hear of every run.
pub(crate) const fn usual_when(channel: &Channel) -> NotifyWhen {
    match channel {
        Channel::Ping { .. } => NotifyWhen::Always,
        Channel::Mail { .. } | Channel::Webhook { .. } | Channel::Command(_) => NotifyWhen::Change,
    }
}

/// Reads one `[notify.NAME]`.
pub(crate) fn notifier(name: &Name, item: Item<'_>, reader: &mut Reader<'_>) -> Option<NotifierSettings> {
    let table = reader.as_table(item)?;
    let mut draft = Draft::default();
    reader.table(table, "a notifier", NOTIFIER_FIELDS, &mut draft);
    let mut channels = draft.channels.into_iter();
    let Some((_, channel)) = channels.next() else {
        let message = format!("the notifier {:?} goes nowhere", name.as_str());
        let hint = Some("give it one of mail, webhook, ping, command".to_owned());
        reader.absent(item.key_span, message, hint);
        return None;
    };
    if let Some((span, _)) = channels.next() {
        let hint = Some("make it two notifiers; a job's \"notify\" takes a list".to_owned());
        reader.error(span, "a notifier has one of mail, webhook, ping, command", hint);
    }
    let timeout = draft.timeout.unwrap_or(Duration::from_secs(30));
    Some(NotifierSettings { name: name.clone(), channel: channel?, timeout })
}

#[derive(Default)]
struct MailDraft {
    to: Option<Vec<String>>,
    from: Option<String>,
}

fn mail(item: Item<'_>, reader: &mut Reader<'_>) -> Option<Channel> {
    const FIELDS: &[Field<MailDraft>] = &[
        Field { key: "to", read: |mail, item, reader| mail.to = addresses(item, reader) },
        Field { key: "from", read: |mail, item, reader| mail.from = address(item, reader) },
    ];
    let mut draft = MailDraft::default();
    match item.value {
        DeValue::Table(table) => {
            reader.table(table, "\"mail\"", FIELDS, &mut draft);
            if !table.contains_key("to") {
                reader.absent(item.span, "\"mail\" needs \"to\"", None);
            }
        }
        _ => draft.to = addresses(item, reader),
    }
    Some(Channel::Mail { to: draft.to?, from: draft.from })
}

fn addresses(item: Item<'_>, reader: &mut Reader<'_>) -> Option<Vec<String>> {
    let members = match item.value {
        DeValue::Array(_) => reader.list(item)?,
        _ => vec![item],
    };
    members.into_iter().map(|member| address(member, reader)).collect()
}

/// Reads a mail address. A line break would let it add headers, a leading dash would make it an option.
fn address(item: Item<'_>, reader: &mut Reader<'_>) -> Option<String> {
    let text = reader.text(item)?;
    if text.contains(char::is_control) || text.starts_with('-') {
        reader.error(item.span, format!("{} is no mail address", quoted(text)), None);
        return None;
    }
    Some(text.trim().to_owned())
}

#[derive(Default)]
struct WebhookDraft {
    url: Option<String>,
    headers: BTreeMap<String, String>,
}

fn webhook(item: Item<'_>, reader: &mut Reader<'_>) -> Option<Channel> {
    const FIELDS: &[Field<WebhookDraft>] = &[
        Field { key: "url", read: |hook, item, reader| hook.url = url(item, reader) },
        Field { key: "headers", read: |hook, item, reader| pairs(&mut hook.headers, item, reader) },
    ];
    let mut draft = WebhookDraft::default();
    match item.value {
        DeValue::Table(table) => {
            reader.table(table, "\"webhook\"", FIELDS, &mut draft);
            if !table.contains_key("url") {
                reader.absent(item.span, "\"webhook\" needs \"url\"", None);
            }
        }
        _ => draft.url = url(item, reader),
    }
    if draft.headers.values().any(|value| value.contains(char::is_control)) {
        reader.error(item.span, "a header must be one line", None);
    }
    Some(Channel::Webhook { url: draft.url?, headers: draft.headers })
}

#[derive(Default)]
struct PingDraft {
    start: Option<String>,
    success: Option<String>,
    failure: Option<String>,
}

/// Reads one address, asked for at success, or a table with an address for each occasion.
fn ping(item: Item<'_>, reader: &mut Reader<'_>) -> Option<Channel> {
    const FIELDS: &[Field<PingDraft>] = &[
        Field { key: "start", read: |ping, item, reader| ping.start = url(item, reader) },
        Field { key: "success", read: |ping, item, reader| ping.success = url(item, reader) },
        Field { key: "failure", read: |ping, item, reader| ping.failure = url(item, reader) },
    ];
    let mut draft = PingDraft::default();
    match item.value {
        DeValue::Table(table) => {
            reader.table(table, "\"ping\"", FIELDS, &mut draft);
            if table.is_empty() {
                reader.absent(item.span, "\"ping\" needs an address", None);
            }
        }
        _ => draft.success = Some(url(item, reader)?),
    }
    Some(Channel::Ping { start: draft.start, success: draft.success, failure: draft.failure })
}

fn url(item: Item<'_>, reader: &mut Reader<'_>) -> Option<String> {
    let text = reader.text(item)?;
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or_default();
    if host.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        let hint = Some("an address like \"https://example.org/hook\"".to_owned());
        reader.error(item.span, format!("{} is no web address", quoted(text)), hint);
        return None;
    }
    Some(text.to_owned())
}

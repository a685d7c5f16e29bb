//! The triggers of the clock one by one: `cron`, `every`, `at`, and the bounds `start` and `end`.

use std::time::Duration;

use toml::de::{DeTable, DeValue};

use crate::core::civil::Zone;
use crate::core::cron::{Cron, CronError, CronFields, DstFold, DstRules, Parsed, TableField};
use crate::core::instant::Timestamp;
use crate::core::trigger::{At, AtError, CronTrigger};

use super::draft::Timing;
use super::raw::{Item, items};
use super::reader::{KnownCron, Reader};

/// The shortest interval: the ledger has a row for every run.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);

/// Reads a cron expression: text, or a table of named fields. `job` picks the values of `a~b`.
pub(crate) fn cron(
    item: Item<'_>,
    beside: &Timing,
    job: &str,
    reader: &mut Reader<'_>,
) -> Option<CronTrigger> {
    let cron = match item.value {
        DeValue::String(_) => cron_text(item, job, reader),
        DeValue::Table(table) => cron_table(item, table, job, reader),
        _ => return reader.wrong(item, "text like \"30 2 * * *\" or a table of fields"),
    };
    Some(CronTrigger { cron: cron?, dst: beside.dst })
}

fn cron_text(item: Item<'_>, job: &str, reader: &mut Reader<'_>) -> Option<Cron> {
    let text = reader.text(item)?;
    if let Some(known) = reader.known.crons.get(text) {
        return Some(known.cron.clone());
    }
    match Cron::parse(text, job) {
        Ok(Parsed::Cron(cron)) => {
            // Places count in the expression, which is the text without its outer blanks.
            let lead = text.find(cron.text()).unwrap_or(0);
            let warnings = cron.warnings();
            // What `a~b` means depends on the job.
            if warnings.is_empty() && !text.contains('~') {
                let known = KnownCron { cron: cron.clone(), alone: None };
                reader.known.crons.insert(text.to_owned(), known);
            }
            for (message, span) in warnings {
                let place = reader.part(item, span.start + lead..span.end + lead);
                reader.warning(place, message, None);
            }
            Some(cron)
        }
        Ok(Parsed::Reboot) => {
            reader.error(item.span, "\"@reboot\" is no time of the clock", None);
            None
        }
        Err(error) => {
            refuse_cron(item, error, reader);
            None
        }
    }
}

fn refuse_cron(item: Item<'_>, error: CronError, reader: &mut Reader<'_>) {
    let place = reader.part(item, error.span);
    reader.error(place, error.message, error.hint);
}

fn cron_table(item: Item<'_>, table: &DeTable<'_>, job: &str, reader: &mut Reader<'_>) -> Option<Cron> {
    let known = TableField::ALL.into_iter().map(TableField::as_str);
    let mut whole = true;
    for field in items(table) {
        if known.clone().all(|name| name != field.key) {
            reader.unknown_key(field, "\"cron\"", known.clone());
            whole = false;
        }
    }
    let mut fields = CronFields::new(job);
    // In the order of the fields, not of the file: the same table is the same trigger.
    for name in TableField::ALL {
        if let Some((key, value)) = table.get_key_value(name.as_str()) {
            whole &= cron_field(&mut fields, name, Item::new(key, value), reader).is_some();
        }
    }
    if !whole {
        return None;
    }
    let cron = fields.build();
    if cron.is_none() {
        let hint = "like { hour = 2, minute = 30 }".to_owned();
        reader.error(item.span, "\"cron\" is an empty table", Some(hint));
    }
    cron
}

fn cron_field(
    fields: &mut CronFields,
    name: TableField,
    item: Item<'_>,
    reader: &mut Reader<'_>,
) -> Option<()> {
    let set = match item.value {
        DeValue::Integer(_) => {
            let number: i64 = reader.number(item, 0..=9_999)?;
            fields.set(name, &number.to_string())
        }
        _ => fields.set(name, reader.text(item)?),
    };
    set.map_err(|error| refuse_cron(item, error, reader)).ok()
}

/// Reads an interval.
pub(crate) fn interval(item: Item<'_>, reader: &mut Reader<'_>) -> Option<Duration> {
    let interval = reader.positive(item)?;
    if interval < SHORTEST_INTERVAL {
        reader.error(item.span, "\"every\" must be at least 1s", None);
        return None;
    }
    Some(interval)
}

/// Reads one instant: a TOML date and time, or text in the same form.
pub(crate) fn at(item: Item<'_>, beside: &Timing, reader: &mut Reader<'_>) -> Option<At> {
    let text = moment(item, reader)?;
    parsed(At::parse(&text, &beside.zone, beside.dst), item, reader)
}

/// Which end of a schedule.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    Start,
    End,
}

/// Reads `start` or `end`, both inclusive: a date alone as an end means all of its day.
pub(crate) fn bound(
    item: Option<Item<'_>>,
    which: Bound,
    zone: &Zone,
    reader: &mut Reader<'_>,
) -> Option<Timestamp> {
    let item = item?;
    let text = moment(item, reader)?;
    let mut dst = DstRules::default();
    if which == Bound::End {
        dst.fold = DstFold::Second;
    }
    let at = parsed(At::parse(&text, zone, dst), item, reader)?.at;
    if which == Bound::End && text.len() == "2026-12-24".len() {
        let last_second = At::parse(&format!("{text}T23:59:59"), zone, dst);
        return parsed(last_second, item, reader).map(|last| last.at.plus(Duration::from_micros(999_999)));
    }
    Some(at)
}

fn moment(item: Item<'_>, reader: &mut Reader<'_>) -> Option<String> {
    match item.value {
        DeValue::Datetime(moment) => Some(moment.to_string()),
        DeValue::String(_) => reader.text(item).map(|text| text.trim().to_owned()),
        _ => reader.wrong(item, "a date and time"),
    }
}

fn parsed(at: Result<At, AtError>, item: Item<'_>, reader: &mut Reader<'_>) -> Option<At> {
    match at {
        Ok(at) => Some(at),
        Err(error) => {
            let hint = match &error {
                AtError::Form(_) => None,
                AtError::Skipped(_) => {
                    Some("dst_gap = \"after\" takes the first instant after the gap".to_owned())
                }
            };
            reader.error(item.span, format!("{:?}: {error}", item.key), hint);
            None
        }
    }
}

//! When a job is due: the seven trigger keys and the keys beside them.

use std::time::Duration;

use toml::de::{DeTable, DeValue};

use crate::core::civil::Zone;
use crate::core::cron::{Cron, DstFold, DstGap, DstRules};
use crate::core::instant::Timestamp;
use crate::core::trigger::{At, CronTrigger, Firing, Schedule, Trigger};

use super::after;
use super::draft::Timing;
use super::raw::{Item, Span, items};
use super::reader::{Reader, set};

/// The keys: the triggers first, then what may stand beside one.
pub(crate) const KEYS: [&str; 13] = [
    "cron", "every", "at", "on", "after", "any", "all", "timezone", "start", "end", "jitter", "dst_gap",
    "dst_fold",
];

/// How many of [`KEYS`] are triggers.
const TRIGGERS: usize = 7;

/// The members of one `any` or `all`.
const MAX_MEMBERS: usize = 64;

/// How deep `any` and `all` may be nested; searches multiply with each level.
const MAX_DEPTH: usize = 4;

/// The shortest interval: the ledger has a row for every run.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);

/// The items found for [`KEYS`].
pub(crate) type Found<'d> = [Option<Item<'d>>; KEYS.len()];

const TIMEZONE: usize = 7;
const START: usize = 8;
const END: usize = 9;
const JITTER: usize = 10;
const DST_GAP: usize = 11;
const DST_FOLD: usize = 12;

const GAPS: &[(&str, DstGap)] = &[("after", DstGap::After), ("skip", DstGap::Skip)];
const FOLDS: &[(&str, DstFold)] =
    &[("first", DstFold::First), ("second", DstFold::Second), ("both", DstFold::Both)];

/// Says whether a key is a trigger key or goes beside one, and which.
pub(crate) fn slot(key: &str) -> Option<usize> {
    KEYS.iter().position(|known| *known == key)
}

/// Says whether a key is a trigger key.
pub(crate) fn is_trigger(key: &str) -> bool {
    KEYS[..TRIGGERS].contains(&key)
}

/// Reads the keys beside a trigger that `[defaults]` may have, on top of what is there.
pub(crate) fn timing(found: &Found<'_>, timing: &mut Timing, reader: &mut Reader<'_>) {
    if let Some(item) = found[TIMEZONE] {
        set(&mut timing.zone, reader.zone(item));
    }
    if let Some(item) = found[JITTER] {
        set(&mut timing.jitter, reader.duration(item));
    }
    if let Some(item) = found[DST_GAP] {
        set(&mut timing.dst.gap, reader.word(item, GAPS));
    }
    if let Some(item) = found[DST_FOLD] {
        set(&mut timing.dst.fold, reader.word(item, FOLDS));
    }
}

/// Refuses in `[defaults]` what is no default: a trigger and its bounds.
pub(crate) fn refuse_in_defaults(found: &Found<'_>, reader: &mut Reader<'_>) {
    for item in found[..TRIGGERS].iter().chain([&found[START], &found[END]]).flatten() {
        let message = format!("{:?} cannot be a default", item.key);
        reader.error(item.key_span, message, Some("give it to each job".to_owned()));
    }
}

/// Reads when a job is due; `place` is the job's own name, for what is absent.
pub(crate) fn firing(
    found: &Found<'_>,
    place: Span,
    job: &str,
    defaults: &Timing,
    reader: &mut Reader<'_>,
) -> Option<Firing> {
    let trigger = only_trigger(found, place, "the job", reader);
    let mut beside = defaults.clone();
    timing(found, &mut beside, reader);
    let trigger = trigger?;
    let special = match trigger.key {
        "on" => {
            const MOMENTS: &[(&str, Firing)] =
                &[("startup", Firing::Startup), ("shutdown", Firing::Shutdown)];
            moment(trigger, MOMENTS, reader)
        }
        "after" => after::dependencies(trigger, job, reader).map(Firing::After),
        "cron" if is_reboot(trigger) => Some(Firing::Startup),
        _ => {
            let search = Search { job, depth: 0 };
            return schedule(found, trigger, beside, search, reader).map(Firing::Clock);
        }
    };
    refuse_beside(found, trigger, reader);
    if let Some(item) = found[TIMEZONE] {
        warn_beside(item, trigger, reader);
    }
    special
}

/// Says whether a `cron` item is the nickname for the start after a boot.
pub(crate) fn is_reboot(item: Item<'_>) -> bool {
    item.key == "cron" && matches!(item.value, DeValue::String(text) if text.trim() == "@reboot")
}

fn moment(item: Item<'_>, words: &[(&'static str, Firing)], reader: &mut Reader<'_>) -> Option<Firing> {
    let indexed: Vec<(&'static str, usize)> =
        words.iter().enumerate().map(|(index, (word, _))| (*word, index)).collect();
    reader.word(item, &indexed).map(|index| words[index].1.clone())
}

/// Finds the one trigger; notes when there is none or several.
fn only_trigger<'d>(found: &Found<'d>, place: Span, what: &str, reader: &mut Reader<'_>) -> Option<Item<'d>> {
    let mut given: Vec<Item<'d>> = found[..TRIGGERS].iter().flatten().copied().collect();
    given.sort_by_key(|item| item.key_span.start);
    let Some((first, others)) = given.split_first() else {
        let hint = format!("give it one of {}", KEYS[..TRIGGERS].join(", "));
        reader.absent(place, format!("{what} has no trigger"), Some(hint));
        return None;
    };
    for second in others {
        let message = format!("{:?} beside {:?}: {what} has one trigger", second.key, first.key);
        let hint = "any = [ {..}, {..} ] is due at the times of each".to_owned();
        reader.error(second.key_span, message, Some(hint));
    }
    Some(*first)
}

/// Refuses the keys that mean nothing beside a trigger without a clock.
fn refuse_beside(found: &Found<'_>, trigger: Item<'_>, reader: &mut Reader<'_>) {
    for item in found[START..].iter().flatten() {
        let message = format!("{:?} means nothing beside {:?}", item.key, trigger.key);
        reader.error(item.key_span, message, Some("it goes with a trigger of the clock".to_owned()));
    }
}

/// Warns of a key that does no harm beside a trigger, and nothing else either.
fn warn_beside(item: Item<'_>, trigger: Item<'_>, reader: &mut Reader<'_>) {
    let message = format!("{:?} changes nothing beside {:?}", item.key, trigger.key);
    reader.warning(item.key_span, message, None);
}

/// Where in a job's triggers a member stands.
#[derive(Clone, Copy)]
struct Search<'s> {
    job: &'s str,
    depth: usize,
}

fn schedule(
    found: &Found<'_>,
    trigger: Item<'_>,
    beside: Timing,
    search: Search<'_>,
    reader: &mut Reader<'_>,
) -> Option<Schedule> {
    let start = bound(found[START], Bound::Start, &beside, reader);
    let end = bound(found[END], Bound::End, &beside, reader);
    if let (Some(first), Some(last), Some(item)) = (start, end, found[END])
        && last < first
    {
        reader.error(item.span, "\"end\" is before \"start\"", None);
    }
    if trigger.key == "every" {
        // An interval counts elapsed time: no time change touches it.
        for item in found[DST_GAP..].iter().flatten() {
            warn_beside(*item, trigger, reader);
        }
    }
    let kind = match trigger.key {
        "cron" => cron(trigger, &beside, search, reader).map(|cron| Trigger::Cron(Box::new(cron))),
        "every" => interval(trigger, reader).map(Trigger::Every),
        "at" => at(trigger, &beside, reader).map(Trigger::At),
        "any" => members(trigger, &beside, search, reader).map(Trigger::Any),
        _ => members(trigger, &beside, search, reader).map(Trigger::All),
    };
    Some(Schedule { trigger: kind?, zone: beside.zone, start, end, jitter: beside.jitter })
}

fn interval(item: Item<'_>, reader: &mut Reader<'_>) -> Option<Duration> {
    let interval = reader.positive(item)?;
    if interval < SHORTEST_INTERVAL {
        reader.error(item.span, "\"every\" must be at least 1s", None);
        return None;
    }
    Some(interval)
}

fn cron(item: Item<'_>, beside: &Timing, search: Search<'_>, reader: &mut Reader<'_>) -> Option<CronTrigger> {
    let text = reader.text(item)?;
    match Cron::parse(text, search.job) {
        Ok(cron) => Some(CronTrigger { cron, dst: beside.dst }),
        Err(error) => {
            reader.error(reader.part(item, error.span), error.message, error.hint);
            None
        }
    }
}

fn at(item: Item<'_>, beside: &Timing, reader: &mut Reader<'_>) -> Option<At> {
    let _ = beside;
    reader.wrong(item, "")
}

/// Which end of a schedule.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bound {
    Start,
    End,
}

fn bound(
    item: Option<Item<'_>>,
    which: Bound,
    beside: &Timing,
    reader: &mut Reader<'_>,
) -> Option<Timestamp> {
    let _ = (which, beside);
    reader.wrong(item?, "")
}

/// Reads the members of `any` or `all`: tables with a trigger of the clock each.
fn members(
    item: Item<'_>,
    beside: &Timing,
    search: Search<'_>,
    reader: &mut Reader<'_>,
) -> Option<Box<[Schedule]>> {
    let list = reader.list(item)?;
    if list.len() > MAX_MEMBERS || search.depth >= MAX_DEPTH {
        let message = format!("{:?} has at most {MAX_MEMBERS} members and {MAX_DEPTH} levels", item.key);
        reader.error(item.span, message, None);
        return None;
    }
    let deeper = Search { depth: search.depth + 1, ..search };
    let members: Vec<Option<Schedule>> =
        list.into_iter().map(|member| self::member(member, beside, deeper, reader)).collect();
    members.into_iter().collect()
}

fn member(item: Item<'_>, beside: &Timing, search: Search<'_>, reader: &mut Reader<'_>) -> Option<Schedule> {
    let DeValue::Table(table) = item.value else {
        return reader.wrong(item, "a list of tables like { cron = \"0 9 * * *\" }");
    };
    let found = slots(table, reader);
    let trigger = only_trigger(&found, item.span, "the member", reader);
    // The job's jitter is put on top of whichever member is due, so it is not handed down.
    let mut beside = Timing { jitter: Duration::ZERO, ..beside.clone() };
    timing(&found, &mut beside, reader);
    let trigger = trigger?;
    if matches!(trigger.key, "on" | "after") || is_reboot(trigger) {
        let message = format!("a member of {:?} must be a trigger of the clock", item.key);
        reader.error(trigger.key_span, message, Some("one of cron, every, at, any, all".to_owned()));
        return None;
    }
    schedule(&found, trigger, beside, search, reader)
}

fn slots<'d>(table: &'d DeTable<'d>, reader: &mut Reader<'_>) -> Found<'d> {
    let mut found: Found<'d> = [None; KEYS.len()];
    for item in items(table) {
        match slot(item.key) {
            Some(slot) => found[slot] = Some(item),
            None => reader.unknown_key(item, "a member", KEYS.into_iter()),
        }
    }
    found
}

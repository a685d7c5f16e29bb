//! When a job is due: the seven trigger keys and the keys beside them.

use std::sync::Arc;
use std::time::Duration;

use toml::de::{DeTable, DeValue};

use crate::core::cron::{DstFold, DstGap};
use crate::core::trigger::{Firing, Schedule, Trigger};

use super::after;
use super::clock::{Bound, at, bound, cron, interval};
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

/// How deep `any` and `all` may be nested.
const MAX_DEPTH: usize = 4;

/// The clock triggers of one job: each is asked at every search.
const MAX_TRIGGERS: usize = 64;

/// The clock triggers inside the `all`s of one job: each of those searches asks them thousands of times.
const MAX_TRIGGERS_IN_ALL: usize = 16;

/// The items found for [`KEYS`].
pub(crate) type Found<'d> = [Option<Item<'d>>; KEYS.len()];

const TIMEZONE: usize = 7;
const START: usize = 8;
const END: usize = 9;
const JITTER: usize = 10;
const DST_GAP: usize = 11;
const DST_FOLD: usize = 12;

/// The words of `on`, and whether they mean the start.
const MOMENTS: &[(&str, bool)] = &[("startup", true), ("shutdown", false)];
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
        "on" => reader
            .word(trigger, MOMENTS)
            .map(|startup| if startup { Firing::Startup } else { Firing::Shutdown }),
        "after" => after::dependencies(trigger, job, reader).map(|jobs| Firing::After(Arc::new(jobs))),
        "cron" if is_reboot(trigger) => Some(Firing::Startup),
        _ => {
            let search = Search { job, depth: 0 };
            let schedule = schedule(found, trigger, beside, search, reader)?;
            let schedule = bounded(schedule, trigger, reader)?;
            return Some(Firing::Clock(Arc::new(schedule)));
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
    let start = bound(found[START], Bound::Start, &beside.zone, reader);
    let end = bound(found[END], Bound::End, &beside.zone, reader);
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
        "cron" => cron(trigger, &beside, search.job, reader).map(|cron| Trigger::Cron(Box::new(cron))),
        "every" => interval(trigger, reader).map(Trigger::Every),
        "at" => at(trigger, &beside, reader).map(Trigger::At),
        "any" => members(trigger, &beside, search, reader).map(Trigger::Any),
        _ => members(trigger, &beside, search, reader).map(Trigger::All),
    };
    Some(Schedule { trigger: kind?, zone: beside.zone, start, end, jitter: beside.jitter })
}

/// Refuses a schedule whose search would take longer than the daemon can spare, and judges one that never fires.
fn bounded(schedule: Schedule, item: Item<'_>, reader: &mut Reader<'_>) -> Option<Schedule> {
    let mut count = Count::default();
    count.add(&schedule.trigger, false);
    let message = if count.all_in_all {
        "\"all\" inside \"all\": put the members in one list".to_owned()
    } else if count.triggers > MAX_TRIGGERS {
        format!("{:?} has more than {MAX_TRIGGERS} triggers", item.key)
    } else if count.in_all > MAX_TRIGGERS_IN_ALL {
        format!("{:?} has more than {MAX_TRIGGERS_IN_ALL} triggers in \"all\"", item.key)
    } else {
        if !schedule.fires_at_all() {
            never_fires(item, reader);
        }
        return Some(schedule);
    };
    reader.error(item.span, message, None);
    None
}

/// Notes a date that never comes: no reason to refuse a file (docs/time.md rule 23), but to refuse a new job.
fn never_fires(item: Item<'_>, reader: &mut Reader<'_>) {
    let message = format!("{:?} never fires: no date matches", item.key);
    if reader.never_is_error {
        reader.error(item.span, message, None);
    } else {
        reader.warning(item.span, message, None);
    }
}

/// How many triggers a schedule has, and where.
#[derive(Default)]
struct Count {
    triggers: usize,
    in_all: usize,
    all_in_all: bool,
}

impl Count {
    fn add(&mut self, trigger: &Trigger, in_all: bool) {
        match trigger {
            Trigger::Any(members) => members.iter().for_each(|member| self.add(&member.trigger, in_all)),
            Trigger::All(members) => {
                self.all_in_all |= in_all;
                members.iter().for_each(|member| self.add(&member.trigger, true));
            }
            Trigger::Cron(_) | Trigger::Every(_) | Trigger::At(_) => {
                self.triggers += 1;
                self.in_all += usize::from(in_all);
            }
        }
    }
}

/// Reads the members of `any` or `all`: tables with a trigger of the clock each.
fn members(
    item: Item<'_>,
    beside: &Timing,
    search: Search<'_>,
    reader: &mut Reader<'_>,
) -> Option<Box<[Schedule]>> {
    let list = reader.list(item)?;
    if search.depth >= MAX_DEPTH {
        let message = format!("{:?} is nested in more than {MAX_DEPTH} levels", item.key);
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
    if let Some(jitter) = found[JITTER] {
        let hint = "give it to the job: it delays whichever member is due".to_owned();
        reader.error(jitter.key_span, "a member has no jitter of its own", Some(hint));
    }
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

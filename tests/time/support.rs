//! Shorthands: schedules from text, instants from text, fire times as text.

use std::iter;
use std::sync::LazyLock;
use std::time::Duration;

use jobctl::core::civil::{Embedded, Zone, ZoneSource};
use jobctl::core::cron::{Cron, CronError, DstRules, Parsed};
use jobctl::core::instant::Timestamp;
use jobctl::core::trigger::{CronTrigger, Schedule, Trigger};

static ZONES: LazyLock<Box<dyn ZoneSource + Send + Sync>> = LazyLock::new(jobctl::zoneinfo::source);

pub(crate) fn zone(name: &str) -> Zone {
    ZONES.zone(name).or_else(|| Embedded.zone(name)).unwrap()
}

pub(crate) fn cron(text: &str) -> Cron {
    match Cron::parse(text, "job") {
        Ok(Parsed::Cron(cron)) => cron,
        other => panic!("{text}: {other:?}"),
    }
}

pub(crate) fn refused(text: &str) -> CronError {
    match Cron::parse(text, "job") {
        Err(error) => error,
        Ok(parsed) => panic!("{text:?} was read as {parsed:?}"),
    }
}

pub(crate) fn on_clock(trigger: Trigger, zone_name: &str) -> Schedule {
    Schedule { trigger, zone: zone(zone_name), start: None, end: None, jitter: Duration::ZERO }
}

pub(crate) fn schedule_with(text: &str, zone_name: &str, dst: DstRules) -> Schedule {
    on_clock(Trigger::Cron(CronTrigger { cron: cron(text), dst }), zone_name)
}

pub(crate) fn schedule(text: &str, zone_name: &str) -> Schedule {
    schedule_with(text, zone_name, DstRules::default())
}

/// Makes the trigger `every`, in seconds.
pub(crate) fn every(seconds: u64) -> Schedule {
    on_clock(Trigger::Every(Duration::from_secs(seconds)), "UTC")
}

pub(crate) fn instant(text: &str) -> Timestamp {
    Timestamp::from_utc(chrono::DateTime::parse_from_rfc3339(text).unwrap().to_utc())
}

/// Walks the fire times after an instant, which is the origin of intervals too.
pub(crate) fn walk(schedule: &Schedule, from: Timestamp) -> impl Iterator<Item = Timestamp> {
    let next = move |at: &Timestamp| schedule.next_after(from, *at);
    iter::successors(next(&from), next)
}

/// Returns the next `count` fire times as the zone's wall clock shows them.
pub(crate) fn fires(schedule: &Schedule, from: &str, count: usize) -> Vec<String> {
    walk(schedule, instant(from)).take(count).map(|at| schedule.zone.format(at)).collect()
}

pub(crate) fn times(text: &str, zone_name: &str, from: &str, count: usize) -> Vec<String> {
    fires(&schedule(text, zone_name), from, count)
}

/// Returns all fire times in `(from, to)` as `HH:MM+offset`.
pub(crate) fn within(schedule: &Schedule, from: &str, to: &str) -> Vec<String> {
    let end = instant(to);
    let list = walk(schedule, instant(from)).take_while(|at| *at < end);
    list.map(|at| schedule.zone.format(at)).map(|text| format!("{}{}", &text[11..16], &text[19..])).collect()
}

pub(crate) fn between(text: &str, zone_name: &str, from: &str, to: &str) -> Vec<String> {
    within(&schedule(text, zone_name), from, to)
}

/// Returns the dates of the next `count` fire times after a date, in UTC.
pub(crate) fn dates(text: &str, from: &str, count: usize) -> Vec<String> {
    let list = times(text, "UTC", &format!("{from}T00:00:00Z"), count);
    list.into_iter().map(|at| at[..10].to_owned()).collect()
}

/// Says whether two texts fire at the same times over some years in UTC.
pub(crate) fn same(one: &str, other: &str) -> bool {
    let list = |text: &str| {
        let schedule = schedule(text, "UTC");
        walk(&schedule, instant("2026-11-21T12:34:56Z")).take(300).collect::<Vec<_>>()
    };
    list(one) == list(other)
}

/// Checks messages and hints: the message names the field and the value, the hint the range or the right spelling.
pub(crate) fn refusals(table: &[(&str, &str, &str)]) {
    for (text, message, hint) in table {
        let error = refused(text);
        assert_eq!((error.message.as_str(), error.hint.as_deref()), (*message, Some(*hint)), "{text}");
        assert_eq!(error.to_string(), *message);
    }
}

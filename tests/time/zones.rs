//! What must hold in every zone of the tz database.

use std::collections::HashMap;
use std::time::Duration;

use jobctl::core::civil::Zone;
use jobctl::core::instant::Timestamp;
use jobctl::core::trigger::Schedule;

use crate::support::{every, instant, schedule, zone};

const FROM: &str = "2016-06-01T00:00:00Z";
const TO: &str = "2026-06-01T00:00:00Z";

/// Every zone, those that are one by other names only once, with the changes of its offset between [`FROM`] and [`TO`].
fn all_zones() -> Vec<(Zone, Vec<Timestamp>)> {
    /// No zone changes its offset and back within so short a time.
    const STEP: Duration = Duration::from_secs(5 * 86_400);
    let mut known: HashMap<(i32, Vec<(Timestamp, i32)>), Zone> = HashMap::new();
    for variant in chrono_tz::TZ_VARIANTS {
        let zone = zone(variant.name());
        let (mut at, end) = (instant(FROM), instant(TO));
        let first = zone.offset_at(at);
        let mut changes = Vec::new();
        while at < end {
            let (offset, mut low, mut high) = (zone.offset_at(at), at, at.plus(STEP));
            if zone.offset_at(high) != offset {
                while high.since(low) > Duration::from_secs(1) {
                    let middle = Timestamp::from_secs(i64::midpoint(low.as_secs(), high.as_secs()));
                    if zone.offset_at(middle) == offset { low = middle } else { high = middle }
                }
                changes.push((high, zone.offset_at(high)));
            }
            at = high;
        }
        known.entry((first, changes)).or_insert(zone);
    }
    known
        .into_iter()
        .map(|((_, changes), zone)| (zone, changes.into_iter().map(|(at, _)| at).collect()))
        .collect()
}

/// Walks the fire times in `(from, to]` and checks that each is later than the one before, wherever between the two
/// the question is asked, and that counting finds the same.
fn check(schedule: &Schedule, text: &str, from: Timestamp, to: Timestamp) {
    let (mut at, mut count, mut last) = (from, 0, None);
    while let Some(next) = schedule.next_after(from, at).filter(|next| *next <= to) {
        assert!(next > at, "{text} in {:?}: {next} after {at}", schedule.zone);
        let nearly = Timestamp::from_micros(next.as_micros() - 1);
        for asked in [Timestamp::from_secs(i64::midpoint(at.as_secs(), next.as_secs())), nearly] {
            let again = schedule.next_after(from, asked.max(at));
            assert_eq!(again, Some(next), "{text} in {:?} after {asked}", schedule.zone);
        }
        (at, count, last) = (next, count + 1, Some(next));
    }
    let counted = schedule.fires_between(from, from, to).map(|fires| (fires.count, fires.last));
    assert_eq!(counted, last.map(|last| (count, last)), "{text} in {:?} {from} {to}", schedule.zone);
}

#[test]
fn t4_fire_times_strictly_increase_in_every_zone() {
    let zones = all_zones();
    assert!(zones.len() > 90, "{} different zones", zones.len());
    let in_zone = |schedule: &Schedule, zone: &Zone| Schedule { zone: zone.clone(), ..schedule.clone() };
    let sparse =
        ["0 0 1 * *", "30 0 * * sun#2", "0 2 L * *", "0 0 29 2 *"].map(|text| (text, schedule(text, "UTC")));
    let dense = ["30 2 * * *", "*/15 * * * *", "0 0 * * *", "@hourly", "0,30 0-3 * * *", "59 23 * * *"]
        .map(|text| (text, schedule(text, "UTC")));
    let interval = every(3_600);
    for (zone, changes) in &zones {
        for (text, schedule) in &sparse {
            check(&in_zone(schedule, zone), text, instant(FROM), instant(TO));
        }
        for change in changes {
            let day = Duration::from_secs(86_400);
            for (text, schedule) in &dense {
                check(&in_zone(schedule, zone), text, change.minus(day / 2), change.plus(day / 2));
            }
            check(&in_zone(&interval, zone), "every 1h", change.minus(day / 8), change.plus(day / 8));
        }
    }
}

#[test]
fn t4_a_daily_job_runs_once_a_day_in_every_zone() {
    // The rules that make it so: made up for in a gap (27), once in a fold (29).
    let daily = ["0 0 * * *", "30 0 * * *", "30 1 * * *", "30 2 * * *", "59 23 * * *"]
        .map(|text| schedule(text, "UTC"));
    let days = i64::from(365 * 10 + 2);
    // From three hours on a jump is a correction of the clock, and the day may be without its run (30).
    let correction = |zone: &Zone, change: &Timestamp| {
        zone.offset_at(*change) - zone.offset_at(change.minus(Duration::from_secs(1))) >= 3 * 3_600
    };
    for (zone, changes) in all_zones() {
        if changes.iter().any(|change| correction(&zone, change)) {
            assert_eq!(zone.name(), "Antarctica/Casey");
            continue;
        }
        let wall = |text: &str| {
            let at = instant(text);
            // Noon of that day, far from any change.
            at.plus(Duration::from_secs(12 * 3_600)).as_secs() - i64::from(zone.offset_at(at))
        };
        let (from, to) = (Timestamp::from_secs(wall(FROM)), Timestamp::from_secs(wall(TO)));
        for schedule in &daily {
            let schedule = Schedule { zone: zone.clone(), ..schedule.clone() };
            let fires = schedule.fires_between(from, from, to).map(|fires| fires.count);
            assert_eq!(fires, u64::try_from(days).ok(), "{:?} in {zone:?}", schedule.trigger);
        }
    }
}

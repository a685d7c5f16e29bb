//! The next fire time of cron expressions.

use std::hint::black_box;

use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use jobctl::core::civil::{Zone, ZoneSource};
use jobctl::core::cron::{Cron, DstRules, Parsed};
use jobctl::core::instant::Timestamp;
use jobctl::core::trigger::{CronTrigger, Schedule, Trigger};
use jobctl::zoneinfo;

use crate::measure::{in_turn, seconds_each, time};
use crate::table::{self, Unit};
use crate::{Form, Outcome};

const EXPRESSIONS: [(&str, &str); 6] = [
    ("every minute", "* * * * *"),
    ("office hours", "*/5 9-17 * * mon-fri"),
    ("every second", "* * * * * *"),
    ("leap days", "0 0 29 2 *"),
    ("fifth Fridays", "0 0 * * fri#5"),
    ("never", "0 0 30 2 *"),
];

/// Prints the section.
pub(crate) fn section(form: Form) -> Outcome<()> {
    let limit =
        "chrono turns the same instant into the zone's wall-clock time, adds a minute and turns it back";
    table::section("Next fire time of one expression, from instants of ten years in no order", limit);
    let zones = zoneinfo::source();
    let instants = instants();
    for (zone, increment) in [("UTC", utc as fn(i64) -> i64), ("Europe/Berlin", berlin)] {
        for (what, text) in EXPRESSIONS {
            let schedule = schedule(text, zone, &*zones)?;
            let count = form.pick(20_000, 200_000);
            let compared = in_turn(
                form.pick(7, 31),
                || Ok(each(count, &instants, |at| schedule.next_after(Timestamp::MIN, at))),
                || Ok(each(count, &instants, |at| increment(at.as_secs()))),
            )?;
            table::row(&format!("{what}, {text}, {zone}"), Unit::Time, compared);
        }
    }
    Ok(())
}

fn schedule(text: &str, zone: &str, zones: &dyn ZoneSource) -> Outcome<Schedule> {
    let Parsed::Cron(cron) = Cron::parse(text, text)? else {
        return Err(format!("{text} has no fire times").into());
    };
    let zone: Zone = zones.zone(zone).ok_or_else(|| format!("there is no zone {zone}"))?;
    let trigger = Trigger::Cron(Box::new(CronTrigger { cron, dst: DstRules::default() }));
    Ok(Schedule { trigger, zone, start: None, end: None, jitter: std::time::Duration::ZERO })
}

/// Makes instants of 2024 to 2033, the same in every run.
fn instants() -> Vec<Timestamp> {
    let mut random = fastrand::Rng::with_seed(2024);
    let instant = |_| Timestamp::from_secs(random.i64(1_704_067_200..2_019_686_400));
    (0..1024).map(instant).collect()
}

/// Returns seconds for one call.
fn each<T>(count: usize, instants: &[Timestamp], call: impl Fn(Timestamp) -> T) -> f64 {
    let (took, ()) = time(|| {
        for at in instants.iter().cycle().take(count) {
            black_box(call(black_box(*at)));
        }
    });
    seconds_each(took, count)
}

fn utc(secs: i64) -> i64 {
    let wall = DateTime::from_timestamp(secs, 0).unwrap_or_default().naive_utc();
    let next = black_box(wall) + TimeDelta::minutes(1);
    Utc.from_utc_datetime(&next).timestamp()
}

fn berlin(secs: i64) -> i64 {
    let zone = chrono_tz::Europe::Berlin;
    let wall = DateTime::from_timestamp(secs, 0).unwrap_or_default().with_timezone(&zone).naive_local();
    let next = black_box(wall) + TimeDelta::minutes(1);
    // Nothing but a gap has no instant; then any figure will do.
    zone.from_local_datetime(&next).earliest().map_or(secs, |next| next.timestamp())
}

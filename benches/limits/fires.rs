//! The next fire time of schedules.

use std::hint::black_box;
use std::path::Path;
use std::str::FromStr as _;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, TimeZone};
use chrono_tz::Europe::Berlin;
use jobctl::core::civil::ZoneSource;
use jobctl::core::instant::Timestamp;
use jobctl::core::trigger::{Firing, Schedule};
use jobctl::jobfile::{self, NoPeers, SourceFile, Sources};
use jobctl::zoneinfo;

use crate::measure::{in_turn, seconds_each, time};
use crate::table::{self, Unit};
use crate::{Form, Outcome};

/// What it is called, the keys of the trigger, and the expression in the notation of the crate `cron`.
type Case = (&'static str, &'static str, Option<&'static str>);

const CASES: [Case; 8] = [
    ("dense: * * * * *", "cron = '* * * * *'", Some("0 * * * * *")),
    ("seconds: * * * * * *", "cron = '* * * * * *'", Some("* * * * * *")),
    ("ordinary: */15 9-17 * * mon-fri", "cron = '*/15 9-17 * * mon-fri'", Some("0 */15 9-17 * * Mon-Fri")),
    ("sparse: 0 0 29 2 *", "cron = '0 0 29 2 *'", Some("0 0 0 29 2 *")),
    ("sparse: 0 0 * * fri#5", "cron = '0 0 * * fri#5'", None),
    ("never: 0 0 31 2 *", "cron = '0 0 31 2 *'", Some("0 0 0 31 2 *")),
    ("every: 90m", "every = '90m'", None),
    ("all: 0 9 * * * and * * * * mon", "all = [{ cron = '0 9 * * *' }, { cron = '* * * * mon' }]", None),
];

/// How long one side of a round takes, seconds.
const ROUND: f64 = 0.004;

/// Where intervals begin: 2024-01-01T00:00:00Z.
const ANCHOR: Timestamp = Timestamp::from_secs(1_704_067_200);

/// Prints the section.
pub(crate) fn section(form: Form) -> Outcome<()> {
    let limit = "chrono turns the instant into the zone's wall-clock time, adds a minute and turns it back";
    table::section("Next fire time in Europe/Berlin, from instants of ten years in no order", limit);
    let zones = zoneinfo::source();
    let instants = instants();
    let ours = |schedule: &Schedule, at: Timestamp| schedule.next_after(ANCHOR, at);
    for (what, keys, _) in CASES {
        let schedule = schedule(keys, &*zones)?;
        let compared = in_turn(
            form.pick(9, 31),
            || Ok(each(&instants, |at| ours(&schedule, at))),
            || Ok(each(&instants, |at| a_minute_later(at.as_secs()))),
        )?;
        table::row(what, Unit::Time, compared);
    }
    table::section(
        "The same against the crate cron",
        "its Schedule::after in the same zone, where it can say it",
    );
    for (what, keys, expression) in CASES {
        let Some(expression) = expression else { continue };
        let (schedule, theirs) = (schedule(keys, &*zones)?, cron::Schedule::from_str(expression)?);
        let compared = in_turn(
            form.pick(9, 31),
            || Ok(each(&instants, |at| ours(&schedule, at))),
            || Ok(each(&instants, |at| theirs.after(&in_berlin(at.as_secs())).next())),
        )?;
        table::row(what, Unit::Time, compared);
    }
    Ok(())
}

/// Makes a schedule the way a job file does.
fn schedule(keys: &str, zones: &dyn ZoneSource) -> Outcome<Arc<Schedule>> {
    let text = format!("timezone = 'Europe/Berlin'\n[jobs.one]\ncommand = 'true'\n{keys}\n");
    let file =
        SourceFile { path: Path::new("jobs.toml").into(), directory: "/".into(), bytes: text.into_bytes() };
    let set = jobfile::load(&Sources { files: vec![file] }, zones, &NoPeers);
    let set = set.map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    match set.jobs.first().map(|job| job.firing.clone()) {
        Some(Firing::Clock(schedule)) => Ok(schedule),
        _ => Err(format!("{keys} is no schedule").into()),
    }
}

/// Makes instants of 2024 to 2033, the same in every run.
fn instants() -> Vec<Timestamp> {
    let mut random = fastrand::Rng::with_seed(2024);
    let instant = |_| Timestamp::from_secs(random.i64(1_704_067_200..2_019_686_400));
    (0..1024).map(instant).collect()
}

/// Returns seconds for one call, of as many as a round has time for.
fn each<T>(instants: &[Timestamp], call: impl Fn(Timestamp) -> T) -> f64 {
    let run = |count: usize| {
        let (took, ()) = time(|| {
            for at in instants.iter().cycle().take(count) {
                black_box(call(black_box(*at)));
            }
        });
        seconds_each(took, count)
    };
    let first = run(16);
    // A count, far from the limits of the type.
    run((ROUND / first).clamp(16.0, 100_000.0) as usize)
}

fn in_berlin(secs: i64) -> DateTime<chrono_tz::Tz> {
    DateTime::from_timestamp(secs, 0).unwrap_or_default().with_timezone(&Berlin)
}

fn a_minute_later(secs: i64) -> i64 {
    let next = black_box(in_berlin(secs).naive_local()) + TimeDelta::minutes(1);
    // Nothing but a gap has no instant; then any figure will do.
    Berlin.from_local_datetime(&next).earliest().map_or(secs, |next| next.timestamp())
}

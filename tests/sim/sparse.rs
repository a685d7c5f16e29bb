//! Schedules for long lives: due a few times a year, preferably where the clocks of their zones change.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Datelike, NaiveDateTime, Timelike};
use jobctl::core::civil::{Embedded, Zone, ZoneSource};
use jobctl::core::cron::{Cron, CronFields, DstFold, DstGap, DstRules, Parsed, TableField};
use jobctl::core::instant::Timestamp;
use jobctl::core::trigger::{At, AtError, CronTrigger, Schedule, Trigger};

use super::clerk::{Clerk, Shift, Shifts};
use super::rng::Rng;

const DAY: Duration = Duration::from_secs(86_400);

/// Zones whose clocks change by an hour, by less, by more, at midnight, the other way round, or not at all.
const ZONES: &[&str] = &[
    "UTC",
    "Europe/Berlin",
    "Europe/Dublin",
    "Europe/London",
    "Europe/Istanbul",
    "Europe/Moscow",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Africa/Juba",
    "Africa/Windhoek",
    "America/Asuncion",
    "America/Caracas",
    "America/Havana",
    "America/New_York",
    "America/Nuuk",
    "America/Santiago",
    "America/Sao_Paulo",
    "America/Scoresbysund",
    "America/St_Johns",
    "Antarctica/Casey",
    "Antarctica/Troll",
    "Asia/Amman",
    "Asia/Beirut",
    "Asia/Gaza",
    "Asia/Kathmandu",
    "Asia/Kolkata",
    "Asia/Pyongyang",
    "Asia/Tehran",
    "Atlantic/Azores",
    "Australia/Lord_Howe",
    "Australia/Sydney",
    "Pacific/Apia",
    "Pacific/Chatham",
    "Pacific/Easter",
    "Pacific/Norfolk",
];

/// What people write without a thought of time changes.
const PLAIN: &[&str] = &[
    "@yearly",
    "@annually",
    "@monthly",
    "@weekly",
    "@daily",
    "@midnight",
    "30 2 * * sun",
    "0 0 * * 0",
    "30 1 * 3,10 *",
    "30 2 L * *",
    "0 2 29 2 *",
    "30 0 29 feb 0",
    "15 3 15W * *",
    "0 12 31W * *",
    "0 2 * * sun#1",
    "59 1 * * 7#2,7#5",
    "30 2 * * sunL",
    "0 0 13 * 5",
    "0 0 */10 * 1-5",
    "15,45 2 1-7 * *",
    "0 1-3 * 3,4 0",
    "30 0-4 * 9-11 sat-sun",
    "*/20 2 L 3,10 *",
    "5 */3 1 * *",
    "0 0 30 12 *",
    "45 23 4 5 *",
    "30 30 2 25-31 3,10 sun",
    "0 30 2 * * sun 1990-2060/3",
    "0 0 0 31 12 * *",
    "0 0 31 4,6,8 *",
];

/// Where and when a life is lived.
#[derive(Debug)]
pub(crate) struct Era {
    pub(crate) zones: Vec<(Zone, Arc<Shifts>)>,
    pub(crate) begins_at: Timestamp,
    pub(crate) years: u64,
}

impl Era {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        const YEAR: u64 = 31_556_952;
        let count = 1 + rng.below(3);
        let zones = (0..count).map(|_| {
            let zone = Embedded.zone(rng.pick::<&str>(ZONES)).unwrap();
            let shifts = Shifts::of(&zone);
            (zone, shifts)
        });
        let zones = zones.collect();
        // From 1980 to 2090, at any second.
        let begins = YEAR * 10 + rng.below(YEAR * 110);
        let begins_at = Timestamp::from_secs(i64::try_from(begins).unwrap());
        Era { zones, begins_at, years: 10 + rng.below(51) }
    }

    /// Returns the change of one of the zones' clocks that is next after an instant, or one of those after it.
    pub(crate) fn shift_after(&self, rng: &mut Rng, at: Timestamp, among: u64) -> Option<Shift> {
        let (_, shifts) = rng.pick(&self.zones);
        let next = shifts.list.partition_point(|shift| shift.at <= at.as_secs());
        shifts.list.get(next + usize::try_from(rng.below(among)).unwrap()).copied()
    }

    /// Draws a schedule that is not due too often.
    pub(crate) fn schedule(&self, rng: &mut Rng, now: Timestamp) -> Schedule {
        // What is due seldom tells as much as what is due often, and a year of it costs less.
        let most = *rng.pick(&[1, 4, 4, 14, 14, 14, 14, 60, 60, 400]);
        let mut schedule = self.often(rng, now);
        for _ in 0..50 {
            let through = now.plus(DAY * 366);
            if Clerk::of(&schedule).count(now, now, through) <= most {
                break;
            }
            schedule = self.often(rng, now);
        }
        if rng.chance(1, 5) {
            schedule.jitter = rng.between(Duration::from_secs(1), DAY / 8);
        }
        if rng.chance(1, 10) {
            schedule.start = Some(Timestamp::from_secs(now.plus(rng.between(DAY, DAY * 1_000)).as_secs()));
        }
        if rng.chance(1, 10) {
            schedule.end = Some(now.plus(rng.between(DAY * 30, DAY * 10_000)));
        }
        schedule
    }

    fn often(&self, rng: &mut Rng, now: Timestamp) -> Schedule {
        let (zone, shifts) = rng.pick(&self.zones).clone();
        let whole = |trigger: Trigger| Schedule {
            trigger,
            zone: zone.clone(),
            start: None,
            end: None,
            jitter: Duration::ZERO,
        };
        match rng.below(16) {
            0..=5 => whole(self.aimed(rng, &shifts, now)),
            6..=8 => whole(plain(rng)),
            9..=11 => whole(every(rng)),
            12 | 13 => whole(self.at(rng, &zone, &shifts, now)),
            14 => {
                let (other, changes) = rng.pick(&self.zones).clone();
                let elsewhere = Schedule { zone: other, ..whole(self.aimed(rng, &changes, now)) };
                let members = [whole(self.aimed(rng, &shifts, now)), whole(every(rng)), elsewhere];
                whole(Trigger::Any(members.into()))
            }
            _ => {
                let members =
                    [whole(cron("30 1-3 * * sun", dst(rng))), whole(cron("*/30 * 25-31,1-7 * *", dst(rng)))];
                whole(Trigger::All(members.into()))
            }
        }
    }

    /// Draws what is due near a change of the clock, and on some other days.
    fn aimed(&self, rng: &mut Rng, shifts: &Shifts, now: Timestamp) -> Trigger {
        let Some(wall) = self.wall_near_a_shift(rng, shifts, now) else { return plain(rng) };
        let (minute, hour, day, month) = (wall.minute(), wall.hour(), wall.day(), wall.month());
        let weekday = wall.weekday().num_days_from_sunday();
        let times = match rng.below(8) {
            0 => format!("*/20 {hour}"),
            1 => format!("{minute} {}-{}", hour.saturating_sub(1), (hour + 1).min(23)),
            2 => format!("0,{minute},59 {hour}"),
            3 => format!("0-59/13 {hour}"),
            4 => format!("{minute} */{}", hour.max(2)),
            _ => format!("{minute} {hour}"),
        };
        let nth = day.div_ceil(7);
        let dates = match rng.below(8) {
            0 => format!("* * {weekday}"),
            1 | 2 => format!("* {month} {weekday}"),
            3 => format!("{day} {month} *"),
            4 => format!("* {month} {weekday}#{nth}"),
            5 => format!("* * {weekday}#{nth}"),
            6 => format!("{day} * *"),
            _ => {
                let mut table = CronFields::new("sim");
                let time =
                    [(TableField::Minute, minute), (TableField::Hour, hour), (TableField::Month, month)];
                for (field, value) in time {
                    table.set(field, &value.to_string()).unwrap();
                }
                let ordinal = ["1st", "2nd", "3rd", "4th", "last"][nth as usize - 1];
                let name = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"][weekday as usize];
                let days = [format!("{ordinal} {name}"), day.to_string(), "last".to_owned()];
                table.set(TableField::Day, rng.pick::<String>(&days)).unwrap();
                if rng.chance(1, 3) {
                    table.set(TableField::Week, "*/2").unwrap();
                }
                let (cron, dst) = (table.build().unwrap(), dst(rng));
                return Trigger::Cron(CronTrigger { cron, dst });
            }
        };
        cron(&format!("{times} {dates}"), dst(rng))
    }

    /// Picks a wall-clock time that a coming change of the clock skips or shows twice, or one beside them.
    fn wall_near_a_shift(&self, rng: &mut Rng, shifts: &Shifts, now: Timestamp) -> Option<NaiveDateTime> {
        let next = shifts.list.partition_point(|shift| shift.at <= now.as_secs());
        let ahead = shifts.list.len().saturating_sub(next).min(40) as u64;
        let shift = shifts.list.get(next + usize::try_from(rng.below(ahead)).unwrap())?;
        let low = shift.at + shift.before.min(shift.after);
        let high = shift.at + shift.before.max(shift.after);
        let minutes = u64::try_from((high - low) / 60).unwrap();
        let wall = match rng.below(6) {
            0 => low,
            1 => low - 60,
            2 => high,
            3 => high - 60,
            _ => low + 60 * i64::try_from(rng.below(minutes + 1)).unwrap(),
        };
        DateTime::from_timestamp(wall, 0).map(|at| at.naive_utc())
    }

    fn at(&self, rng: &mut Rng, zone: &Zone, shifts: &Shifts, now: Timestamp) -> Trigger {
        let noon = || now.plus(DAY * 500).to_utc().unwrap().date_naive().and_hms_opt(12, 0, 0).unwrap();
        let wall = self.wall_near_a_shift(rng, shifts, now).unwrap_or_else(noon);
        let dst = dst(rng);
        let meant = shifts.meant(wall.and_utc().timestamp(), dst);
        match At::parse(&wall.format("%Y-%m-%dT%H:%M").to_string(), zone, dst) {
            Ok(at) => {
                // One instant cannot be both.
                let one = if dst.fold == DstFold::Second { meant.last() } else { meant.first() };
                assert_eq!(Some(&at.at.as_secs()), one, "{wall} in {} with {dst:?}", zone.name());
                Trigger::At(at)
            }
            Err(AtError::Skipped(_)) => {
                assert!(meant.is_empty(), "{wall} in {} with {dst:?}", zone.name());
                plain(rng)
            }
            Err(error @ AtError::Form(_)) => panic!("{error}"),
        }
    }
}

fn dst(rng: &mut Rng) -> DstRules {
    let gap = if rng.chance(1, 4) { DstGap::Skip } else { DstGap::After };
    let fold = *rng.pick(&[DstFold::First, DstFold::First, DstFold::Second, DstFold::Both]);
    DstRules { gap, fold }
}

fn cron(text: &str, dst: DstRules) -> Trigger {
    let Ok(Parsed::Cron(cron)) = Cron::parse(text, "sim") else { panic!("{text}") };
    Trigger::Cron(CronTrigger { cron, dst })
}

fn plain(rng: &mut Rng) -> Trigger {
    cron(rng.pick::<&str>(PLAIN), dst(rng))
}

fn every(rng: &mut Rng) -> Trigger {
    let interval = rng.between(DAY / 2, DAY * 400);
    let whole = [Duration::from_secs(interval.as_secs()), DAY * 7, DAY * 30, interval];
    Trigger::Every(*rng.pick(&whole))
}

//! Long stretches of missed fire times: exact, at once, and with no list of them.

use std::time::{Duration, Instant};

use jobctl::core::instant::Timestamp;
use jobctl::core::trigger::{Fires, Schedule, Trigger};

use crate::support::{every, instant, on_clock, schedule};

const DAY: u64 = 86_400;

fn count(schedule: &Schedule, from: Timestamp, length: Duration) -> Option<Fires> {
    schedule.fires_between(from, from, from.plus(length))
}

#[test]
fn t13_two_million_missed_times_are_counted_exactly() {
    let from = instant("2026-03-01T00:00:00Z");
    let millions = Duration::from_secs(2_000_000);
    let start = Instant::now();
    for (schedule, expected) in [
        (every(1), 2_000_000),
        (schedule("* * * * * *", "UTC"), 2_000_000),
        // The gap and the folds of these weeks change nothing for those that follow the clock.
        (schedule("* * * * * *", "Europe/Berlin"), 2_000_000),
        (schedule("* * * * * *", "America/New_York"), 2_000_000),
        // A multiple of two or of three.
        (on_clock(Trigger::Any([every(2), every(3)].into()), "UTC"), 1_333_333),
        (on_clock(Trigger::Any([every(1), schedule("0 * * * * *", "UTC")].into()), "UTC"), 2_000_000),
        (on_clock(Trigger::All([every(60), schedule("* * * * * *", "UTC")].into()), "UTC"), 33_333),
    ] {
        let fires = count(&schedule, from, millions).unwrap();
        assert_eq!(fires.count, expected, "{:?}", schedule.trigger);
        assert!(from.plus(millions).since(fires.last) < Duration::from_secs(60), "{:?}", schedule.trigger);
    }
    // Unoptimised and beside other tests; a walk of two million steps for each would take minutes.
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

#[test]
fn years_of_fire_times_are_counted_at_once() {
    let from = instant("2026-01-01T00:00:00Z");
    for (text, zone, days, expected) in [
        ("* * * * *", "UTC", 3_652, 3_652 * 1_440),
        ("* * * * * *", "Europe/Berlin", 3_652, 3_652 * DAY),
        ("30 2 * * *", "Europe/Berlin", 3_652, 3_652),
        ("*/15 2 * * *", "Europe/Berlin", 365, 365 * 4),
        ("0 0 13 * fri", "UTC", 365, 62),
        ("0 0 1 1 *", "UTC", 27_000, 73),
    ] {
        let fires = count(&schedule(text, zone), from, Duration::from_secs(days * DAY)).unwrap();
        assert_eq!(fires.count, expected, "{text} in {zone}");
    }
    let century = count(&every(1), from, Duration::from_secs(36_525 * DAY)).unwrap();
    assert_eq!(century.count, 36_525 * DAY);
}

#[test]
fn what_cannot_be_counted_is_bounded_below_and_ends_right() {
    // Forty days of two expressions that agree every second: more than may be looked at.
    let dense = || schedule("* * * * * *", "UTC");
    let agree = on_clock(Trigger::All([every(1), every(1), dense(), dense()].into()), "UTC");
    let from = instant("2026-01-01T00:00:00Z");
    let fires = count(&agree, from, Duration::from_secs(40 * DAY)).unwrap();
    assert!((100_000..=40 * DAY).contains(&fires.count), "{}", fires.count);
    assert_eq!(fires.last, from.plus(Duration::from_secs(40 * DAY)));
}

#[test]
fn nothing_missed_is_nothing() {
    let at = instant("2026-11-21T12:00:00Z");
    for schedule in [every(60), schedule("0 * * * *", "UTC")] {
        assert_eq!(schedule.fires_between(at, at, at), None);
        assert_eq!(schedule.fires_between(at, at, at.minus(Duration::from_secs(9))), None);
        assert_eq!(schedule.fires_between(at, at, at.plus(Duration::from_secs(59))), None);
    }
}

#[test]
fn the_fire_times_around_an_instant() {
    let around = |text: &str, at: &str| {
        let (last, next) = schedule(text, "UTC").around(instant(at), instant(at));
        (last.map(|at| at.to_string()), next.map(|at| at.to_string()))
    };
    let some = |text: &str| Some(text.to_owned());
    let now = "2026-11-21T12:00:00Z";
    assert_eq!(around("*/5 * * * *", now), (some("2026-11-21T12:00:00Z"), some("2026-11-21T12:05:00Z")));
    assert_eq!(around("30 2 * * *", now), (some("2026-11-21T02:30:00Z"), some("2026-11-22T02:30:00Z")));
    assert_eq!(around("0 0 29 2 *", now), (some("2024-02-29T00:00:00Z"), some("2028-02-29T00:00:00Z")));
    assert_eq!(around("0 0 30 2 *", now), (None, None));
    assert_eq!(around("0 0 0 1 1 * 2025", now), (some("2025-01-01T00:00:00Z"), None));
}

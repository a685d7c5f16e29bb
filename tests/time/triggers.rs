//! Rules 43 to 46, `any`, `all`, and what stands beside a trigger.

use std::time::Duration;

use jobctl::core::civil::{Embedded, ZoneSource};
use jobctl::core::cron::{Cron, Parsed};
use jobctl::core::instant::Timestamp;
use jobctl::core::policy::jitter;
use jobctl::core::trigger::{At, Firing, Schedule, Trigger};
use proptest::prelude::{ProptestConfig, prop_assert, prop_assert_eq, proptest};

use crate::support::{every, fires, instant, on_clock, schedule, times, walk, zone};

const HOUR: u64 = 3_600;

fn any(members: Vec<Schedule>) -> Schedule {
    on_clock(Trigger::Any(members.into()), "UTC")
}

fn all(members: Vec<Schedule>) -> Schedule {
    on_clock(Trigger::All(members.into()), "UTC")
}

#[test]
fn rule_43_intervals_count_from_their_anchor_and_know_no_clock() {
    let anchor = instant("2026-10-24T10:00:07Z");
    for name in ["UTC", "Europe/Berlin", "Pacific/Apia"] {
        let daily = Schedule { zone: zone(name), ..every(24 * HOUR) };
        let next = |at: &str| daily.next_after(anchor, instant(at)).unwrap().to_string();
        // The anchor itself is no fire time, an interval later is the first.
        assert_eq!(next("2026-10-20T00:00:00Z"), "2026-10-25T10:00:07Z", "{name}");
        assert_eq!(next("2026-10-24T10:00:07Z"), "2026-10-25T10:00:07Z", "{name}");
        assert_eq!(next("2026-10-25T10:00:06.999999Z"), "2026-10-25T10:00:07Z", "{name}");
        assert_eq!(next("2026-10-25T10:00:07Z"), "2026-10-26T10:00:07Z", "{name}");
        assert_eq!(next("2036-10-25T00:00:00Z"), "2036-10-25T10:00:07Z", "{name}");
    }
    // Across the fold it moves by an hour of wall time.
    let berlin = Schedule { zone: zone("Europe/Berlin"), ..every(24 * HOUR) };
    let list = fires(&berlin, "2026-10-24T03:00:00+02:00", 2);
    assert_eq!(list, ["2026-10-25T02:00:00+01:00", "2026-10-26T02:00:00+01:00"]);
    let sentence = "such as \"0 3 * * *\"";
    assert!(berlin.explain("job")[1].contains(sentence), "{:?}", berlin.explain("job"));
    // With a start the grid begins at it.
    let begun = Schedule { start: Some(instant("2026-11-01T00:00:00Z")), ..every(90 * 60) };
    assert_eq!(fires(&begun, "2026-10-20T00:00:00Z", 2), ["2026-11-01T00:00:00Z", "2026-11-01T01:30:00Z"]);
    assert_eq!(fires(&begun, "2026-11-01T00:00:00Z", 1), ["2026-11-01T01:30:00Z"]);
}

#[test]
fn rule_44_reboot_has_no_next_time() {
    assert_eq!(Cron::parse("@reboot", "job"), Ok(Parsed::Reboot));
    assert_eq!(Firing::Startup.kind(), "startup");
    assert_eq!(Firing::Startup.describe("job"), "Once after each boot of the machine");
}

#[test]
fn rule_45_each_zone_has_its_own_wall_clock_and_instants_show_their_offset() {
    for (name, expected) in [
        ("Europe/Berlin", "2026-07-01T02:30:00+02:00"),
        ("Asia/Kathmandu", "2026-07-01T02:30:00+05:45"),
        ("America/St_Johns", "2026-07-01T02:30:00-02:30"),
        ("Pacific/Kiritimati", "2026-07-01T02:30:00+14:00"),
        ("UTC", "2026-07-01T02:30:00Z"),
    ] {
        assert_eq!(times("30 2 1 7 *", name, "2026-06-01T00:00:00Z", 1), [expected]);
    }
    assert!(Embedded.zone("Europe/Nowhere").is_none() && Embedded.zone("").is_none());
}

#[test]
fn rule_46_what_was_slept_through_is_counted_not_run() {
    // A laptop that slept from Friday to Monday over the fold.
    let (from, to) = (instant("2026-10-23T18:00:00+02:00"), instant("2026-10-26T08:00:00+01:00"));
    for (text, count, last) in [
        ("30 2 * * *", 3, "2026-10-26T02:30:00+01:00"),
        ("*/30 * * * *", 126, "2026-10-26T08:00:00+01:00"),
        ("0 9 * * mon-fri", 0, ""),
    ] {
        let found = schedule(text, "Europe/Berlin").fires_between(from, from, to);
        assert_eq!(found.map_or(0, |fires| fires.count), count, "{text}");
        if let Some(fires) = found {
            assert_eq!(zone("Europe/Berlin").format(fires.last), last, "{text}");
        }
    }
}

#[test]
fn one_instant_comes_once() {
    let berlin = zone("Europe/Berlin");
    let parse = |text: &str| At::parse(text, &berlin, Default::default()).unwrap();
    let once = on_clock(Trigger::At(parse("2026-12-24T18:00")), "Europe/Berlin");
    assert_eq!(fires(&once, "2026-12-24T16:59:59Z", 5), ["2026-12-24T18:00:00+01:00"]);
    assert_eq!(fires(&once, "2026-12-24T17:00:00Z", 5), Vec::<String>::new());
    assert_eq!(parse("2026-12-24 18:00").at, parse("2026-12-24T17:00:00Z").at);
}

#[test]
fn bounds_are_inclusive() {
    let bounded = |start: &str, end: &str| Schedule {
        start: Some(instant(start)),
        end: Some(instant(end)),
        ..schedule("0 * * * *", "UTC")
    };
    let hours = bounded("2026-11-21T10:00:00Z", "2026-11-21T12:00:00Z");
    let expected = ["2026-11-21T10:00:00Z", "2026-11-21T11:00:00Z", "2026-11-21T12:00:00Z"];
    assert_eq!(fires(&hours, "2020-01-01T00:00:00Z", 9), expected);
    let (from, to) = (instant("2020-01-01T00:00:00Z"), instant("2030-01-01T00:00:00Z"));
    assert_eq!(hours.fires_between(from, from, to).map(|fires| fires.count), Some(3));
    let inside = bounded("2026-11-21T10:00:00.000001Z", "2026-11-21T11:59:59.999999Z");
    assert_eq!(fires(&inside, "2020-01-01T00:00:00Z", 9), ["2026-11-21T11:00:00Z"]);
    let nothing = bounded("2026-11-21T10:00:01Z", "2026-11-21T10:59:59Z");
    assert_eq!(fires(&nothing, "2020-01-01T00:00:00Z", 9), Vec::<String>::new());
    assert_eq!(nothing.fires_between(from, from, to), None);
}

#[test]
fn any_is_the_earliest_of_its_members_and_equal_instants_are_one() {
    // Each member keeps its own grid: 60 s and 90 s, which meet every 180 s.
    let both = any(vec![every(60), every(90)]);
    let seconds: Vec<u64> = walk(&both, Timestamp::from_secs(0))
        .take(8)
        .map(|at| at.since(Timestamp::from_secs(0)).as_secs())
        .collect();
    assert_eq!(seconds, [60, 90, 120, 180, 240, 270, 300, 360]);
    // Members of several zones, of several kinds, and exhausted ones.
    let over = Schedule { end: Some(instant("2020-01-01T00:00:00Z")), ..every(60) };
    let mixed = any(vec![
        over,
        schedule("0 9 * * *", "Europe/Berlin"),
        schedule("0 9 * * *", "America/New_York"),
        schedule("0 8 * * *", "UTC"),
    ]);
    let expected = ["2026-11-21T08:00:00Z", "2026-11-21T14:00:00Z", "2026-11-22T08:00:00Z"];
    assert_eq!(fires(&mixed, "2026-11-21T00:00:00Z", 3), expected);
    assert_eq!(any(Vec::new()).next_after(Timestamp::MIN, Timestamp::MIN), None);
}

#[test]
fn all_is_the_instants_on_which_its_members_agree() {
    let friday_13th = all(vec![schedule("0 0 13 * *", "UTC"), schedule("0 0 * * fri", "UTC")]);
    let expected = ["2027-08-13T00:00:00Z", "2028-10-13T00:00:00Z", "2029-04-13T00:00:00Z"];
    assert_eq!(fires(&friday_13th, "2026-11-21T00:00:00Z", 3), expected);
    // Working hours of two cities at once: 15:00 to 17:00 in Berlin, but for the weeks their changes lie apart.
    let both =
        all(vec![schedule("0 9-17 * * *", "Europe/Berlin"), schedule("0 9-17 * * *", "America/New_York")]);
    assert_eq!(
        fires(&both, "2026-03-07T22:00:00Z", 4),
        ["2026-03-08T13:00:00Z", "2026-03-08T14:00:00Z", "2026-03-08T15:00:00Z", "2026-03-08T16:00:00Z"]
    );
    assert_eq!(
        fires(&both, "2026-03-06T22:00:00Z", 4),
        ["2026-03-07T14:00:00Z", "2026-03-07T15:00:00Z", "2026-03-07T16:00:00Z", "2026-03-08T13:00:00Z"]
    );
    // It ends when a member ends.
    let end = Some(instant("2026-11-21T00:01:00Z"));
    let ending = all(vec![every(20), Schedule { end, ..schedule("* * * * *", "UTC") }]);
    assert_eq!(fires(&ending, "2026-11-20T23:59:00Z", 9), ["2026-11-21T00:00:00Z", "2026-11-21T00:01:00Z"]);
}

#[test]
fn all_finds_never_in_bounded_time() {
    for members in [
        vec![schedule("0 0 * * *", "UTC"), schedule("30 0 * * *", "UTC")],
        vec![schedule("* * * * *", "UTC"), schedule("30 * * * * *", "UTC")],
        vec![schedule("0 0 30 2 *", "UTC"), every(1)],
        vec![schedule("0 0 13 * *", "UTC"), schedule("0 0 14 * *", "Europe/Berlin"), every(60)],
        vec![
            Schedule { start: Some(Timestamp::from_secs(0)), ..every(2 * HOUR) },
            Schedule { start: Some(Timestamp::from_secs(1_800)), ..every(HOUR) },
        ],
        vec![any(vec![schedule("0 * * * *", "UTC"), every(2)]), schedule("0 0 31 4 *", "UTC")],
    ] {
        let never = all(members);
        assert_eq!(never.next_after(Timestamp::from_secs(0), instant("2026-11-21T00:00:00Z")), None);
    }
    assert_eq!(all(Vec::new()).next_after(Timestamp::MIN, Timestamp::MIN), None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_is_the_union_and_all_the_intersection(
        steps in proptest::collection::vec(1..40_u64, 1..4),
        minutes in 1..30_u32,
        from in 1_700_000_000..1_900_000_000_i64,
    ) {
        let from = Timestamp::from_secs(from);
        let to = from.plus(Duration::from_secs(2 * HOUR));
        let mut members: Vec<Schedule> = steps.iter().map(|step| every(step * 10)).collect();
        members.push(schedule(&format!("*/10 */{minutes} * * * *"), "Europe/Berlin"));
        let in_time = |schedule: &Schedule| -> Vec<Timestamp> {
            walk(schedule, from).take_while(|at| *at <= to).collect()
        };
        let lists: Vec<Vec<Timestamp>> = members.iter().map(in_time).collect();
        let mut union: Vec<Timestamp> = lists.iter().flatten().copied().collect();
        union.sort_unstable();
        union.dedup();
        let intersection: Vec<Timestamp> =
            union.iter().copied().filter(|at| lists.iter().all(|list| list.contains(at))).collect();
        let (any, all) = (any(members.clone()), all(members));
        prop_assert_eq!(in_time(&any), union.clone());
        prop_assert_eq!(in_time(&all), intersection.clone());
        for (schedule, list) in [(any, union), (all, intersection)] {
            let counted = schedule.fires_between(from, from, to).map(|fires| (fires.count, fires.first, fires.last));
            let walked = list.first().zip(list.last()).map(|(first, last)| (list.len() as u64, *first, *last));
            prop_assert_eq!(counted, walked);
        }
    }

    #[test]
    fn jitter_lies_in_its_window_and_stays(
        name in "[a-z]{1,12}",
        at in proptest::num::i64::ANY,
        window in 1..10_000_000_000_u64,
    ) {
        let (at, window) = (Timestamp::from_micros(at), Duration::from_micros(window));
        let delay = jitter(&name, at, window);
        prop_assert!(delay < window);
        prop_assert_eq!(delay, jitter(&name, at, window));
        prop_assert!(delay.subsec_nanos().is_multiple_of(1_000));
    }
}

#[test]
fn jitter_moves_no_fire_time() {
    let plain = schedule("*/10 * * * *", "Europe/Berlin");
    let jittered = Schedule { jitter: Duration::from_secs(300), ..plain.clone() };
    let from = "2026-11-21T00:00:00Z";
    assert_eq!(fires(&plain, from, 50), fires(&jittered, from, 50));
}

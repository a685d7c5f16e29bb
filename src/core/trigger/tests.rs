//! Rules of time, each as a table with real dates. The names bear the numbers of the rules they hold.

use crate::core::civil::{Embedded, Zone, ZoneSource};
use crate::core::cron::{Cron, CronError, DstFold, DstGap, DstRules, Parsed};
use crate::core::instant::Timestamp;
use crate::core::trigger::{CronTrigger, Schedule, Trigger};

fn zone(name: &str) -> Zone {
    crate::zoneinfo::source().zone(name).unwrap_or_else(|| Embedded.zone(name).unwrap())
}

fn cron(text: &str) -> Cron {
    match Cron::parse(text, "job").unwrap() {
        Parsed::Cron(cron) => cron,
        Parsed::Reboot => panic!("{text} is @reboot"),
    }
}

fn refused(text: &str) -> CronError {
    Cron::parse(text, "job").unwrap_err()
}

fn schedule(text: &str, zone_name: &str, dst: DstRules) -> Schedule {
    let trigger = Trigger::Cron(Box::new(CronTrigger { cron: cron(text), dst }));
    Schedule { trigger, zone: zone(zone_name), start: None, end: None, jitter: std::time::Duration::ZERO }
}

fn instant(text: &str) -> Timestamp {
    Timestamp::from_utc(chrono::DateTime::parse_from_rfc3339(text).unwrap().to_utc())
}

/// Returns the next `count` fire times after `from` as the zone's wall clock shows them.
fn times(text: &str, zone_name: &str, from: &str, count: usize) -> Vec<String> {
    fires(&schedule(text, zone_name, DstRules::default()), from, count)
}

fn fires(schedule: &Schedule, from: &str, count: usize) -> Vec<String> {
    let anchor = instant(from);
    let next = |at: &Timestamp| schedule.next_after(anchor, *at);
    let list = std::iter::successors(next(&anchor), next).take(count);
    list.map(|at| schedule.zone.format(at)).collect()
}

/// Returns all fire times in `(from, to)`, cut to `HH:MM+offset`.
fn between(text: &str, zone_name: &str, from: &str, to: &str) -> Vec<String> {
    let schedule = schedule(text, zone_name, DstRules::default());
    let end = instant(to);
    let next = |at: &Timestamp| schedule.next_after(end, *at);
    let list = std::iter::successors(next(&instant(from)), next).take_while(|at| *at < end);
    list.map(|at| schedule.zone.format(at)).map(|text| format!("{}{}", &text[11..16], &text[19..])).collect()
}

#[test]
fn rule_20_and_21_the_day_rule() {
    for (text, from, expected) in [
        (
            "0 0 13 * 5",
            "2026-02-01T00:00:00Z",
            ["2026-02-06", "2026-02-13", "2026-02-20", "2026-02-27", "2026-03-06"],
        ),
        (
            "0 0 */2 * 1",
            "2026-11-01T00:00:00Z",
            ["2026-11-09", "2026-11-23", "2026-12-07", "2026-12-21", "2027-01-11"],
        ),
        (
            "0 0 1-31 * 1",
            "2026-02-26T00:00:00Z",
            ["2026-02-27", "2026-02-28", "2026-03-01", "2026-03-02", "2026-03-03"],
        ),
        (
            "0 0 1 * */2",
            "2026-01-02T00:00:00Z",
            ["2026-02-01", "2026-03-01", "2026-08-01", "2026-09-01", "2026-10-01"],
        ),
    ] {
        let found: Vec<String> =
            times(text, "UTC", from, 5).into_iter().map(|at| at[..10].to_owned()).collect();
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn rule_22_leap_days_and_short_months() {
    assert_eq!(times("0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z", 1), Vec::<String>::new());
    assert_eq!(times("0 0 29 2 *", "UTC", "2026-03-01T00:00:00Z", 1), ["2028-02-29T00:00:00Z"]);
    assert_eq!(times("0 0 31 * *", "UTC", "2026-03-31T00:00:00Z", 1), ["2026-05-31T00:00:00Z"]);
}

#[test]
fn rule_23_dates_that_never_come() {
    for never in ["0 0 30 2 *", "0 0 31 4,6 *"] {
        assert!(!cron(never).fires_at_all(), "{never}");
    }
    assert!(cron("0 0 30 2 1").fires_at_all());
}

#[test]
fn rule_24_next_is_strictly_after() {
    assert_eq!(times("0 * * * *", "UTC", "2026-01-01T00:00:00Z", 1), ["2026-01-01T01:00:00Z"]);
}

#[test]
fn rules_33_to_35_the_gap_in_berlin() {
    let (from, to) = ("2026-03-29T00:00:00+01:00", "2026-03-30T00:00:00+02:00");
    let berlin = |text| between(text, "Europe/Berlin", from, to);
    assert_eq!(berlin("30 2 * * *"), ["03:00+02:00"]);
    assert_eq!(berlin("15,45 2 * * *"), ["03:00+02:00"]);
    assert_eq!(berlin("0 2,3 * * *"), ["03:00+02:00"]);
    assert_eq!(berlin("0 3 * * *"), ["03:00+02:00"]);
    assert_eq!(berlin("*/15 2 * * *"), Vec::<String>::new());
    assert_eq!(berlin("0 */2 * * *")[..2], ["04:00+02:00", "06:00+02:00"]);
    let quarters = berlin("*/15 * * * *");
    let at = quarters.iter().position(|time| time == "01:45+01:00").unwrap();
    assert_eq!(quarters[at + 1..at + 3], ["03:00+02:00", "03:15+02:00"]);
    let next = times("30 2 * * *", "Europe/Berlin", from, 2);
    assert_eq!(next[1], "2026-03-30T02:30:00+02:00");
}

#[test]
fn rules_36_and_37_the_fold_in_berlin() {
    let (from, to) = ("2026-10-25T00:30:00+02:00", "2026-10-25T05:00:00+01:00");
    let berlin = |text| between(text, "Europe/Berlin", from, to);
    assert_eq!(berlin("30 2 * * *"), ["02:30+02:00"]);
    assert_eq!(berlin("30 1-4 * * *"), ["01:30+02:00", "02:30+02:00", "03:30+01:00", "04:30+01:00"]);
    assert_eq!(berlin("*/30 2 * * *"), ["02:00+02:00", "02:30+02:00", "02:00+01:00", "02:30+01:00"]);
    assert_eq!(berlin("0 * * * *")[1..3], ["02:00+02:00", "02:00+01:00"]);
    assert_eq!(berlin("@hourly")[1..3], ["02:00+02:00", "02:00+01:00"]);
}

#[test]
fn rule_29_started_inside_the_second_pass() {
    let second_pass = "2026-10-25T02:10:00+01:00";
    assert_eq!(times("30 2 * * *", "Europe/Berlin", second_pass, 1), ["2026-10-26T02:30:00+01:00"]);
}

#[test]
fn rule_31_the_date_is_tested_before_the_shift() {
    let found = times("45 23 4 5 *", "Asia/Pyongyang", "2018-05-01T00:00:00Z", 1);
    assert_eq!(found, ["2018-05-05T00:00:00+09:00"]);
}

#[test]
fn rule_38_half_an_hour_on_lord_howe() {
    let lord_howe = |text, from, to| between(text, "Australia/Lord_Howe", from, to);
    let gap = ("2026-10-04T01:45:00+10:30", "2026-10-04T02:45:00+11:00");
    assert_eq!(lord_howe("15 2 * * *", gap.0, gap.1), ["02:30+11:00"]);
    assert_eq!(lord_howe("*/10 * * * *", gap.0, gap.1), ["01:50+10:30", "02:30+11:00", "02:40+11:00"]);
    let fold = ("2026-04-05T01:25:00+11:00", "2026-04-05T02:05:00+10:30");
    assert_eq!(lord_howe("45 1 * * *", fold.0, fold.1), ["01:45+11:00"]);
    assert_eq!(
        lord_howe("*/10 * * * *", fold.0, fold.1),
        [
            "01:30+11:00",
            "01:40+11:00",
            "01:50+11:00",
            "01:30+10:30",
            "01:40+10:30",
            "01:50+10:30",
            "02:00+10:30"
        ]
    );
}

#[test]
fn rule_39_gaps_at_midnight() {
    for (name, from, to) in [
        ("America/Sao_Paulo", "2018-11-03T12:00:00-03:00", "2018-11-04T12:00:00-02:00"),
        ("Africa/Cairo", "2026-04-23T12:00:00+02:00", "2026-04-24T12:00:00+03:00"),
        ("Asia/Beirut", "2026-03-28T12:00:00+02:00", "2026-03-29T12:00:00+03:00"),
    ] {
        for text in ["0 0 * * *", "@daily", "30 0 * * *"] {
            let found = between(text, name, from, to);
            assert_eq!(found.len(), 1, "{name} {text}: {found:?}");
            assert!(found[0].starts_with("01:00"), "{name} {text}: {found:?}");
        }
        assert!(between("*/30 0 * * *", name, from, to).is_empty(), "{name}");
    }
}

#[test]
fn rule_40_folds_at_midnight() {
    for (name, from, to) in [
        ("America/Sao_Paulo", "2018-02-17T22:10:00-02:00", "2018-02-18T02:00:00-03:00"),
        ("Africa/Cairo", "2026-10-29T22:10:00+03:00", "2026-10-30T02:00:00+02:00"),
    ] {
        assert_eq!(between("30 23 * * *", name, from, to).len(), 1, "{name}");
        assert_eq!(between("0 0 * * *", name, from, to).len(), 1, "{name}");
        let wild = between("30 * * * *", name, from, to);
        assert_eq!(wild.iter().filter(|time| time.starts_with("23:30")).count(), 2, "{name}: {wild:?}");
    }
}

#[test]
fn rule_41_a_gap_of_two_hours() {
    let found = times("30 1 * * *", "Antarctica/Troll", "2026-03-28T12:00:00Z", 1);
    assert_eq!(found, ["2026-03-29T03:00:00+02:00"]);
}

#[test]
fn rule_42_a_day_that_was_not() {
    let from = "2011-12-29T00:00:00-10:00";
    let daily = times("30 2 * * *", "Pacific/Apia", from, 2);
    assert_eq!(daily, ["2011-12-29T02:30:00-10:00", "2011-12-31T02:30:00+14:00"]);
    let that_day = times("0 0 30 12 *", "Pacific/Apia", from, 1);
    assert_eq!(that_day, ["2012-12-30T00:00:00+14:00"]);
    let every_three = times("0 */3 * * *", "Pacific/Apia", "2011-12-29T20:00:00-10:00", 2);
    assert_eq!(every_three, ["2011-12-29T21:00:00-10:00", "2011-12-31T00:00:00+14:00"]);
}

#[test]
fn selectable_rules_for_gap_and_fold() {
    let (gap_day, fold_day) = ("2026-03-29T00:00:00+01:00", "2026-10-25T00:00:00+02:00");
    let berlin = |gap, fold| schedule("30 2 * * *", "Europe/Berlin", DstRules { gap, fold });
    assert_eq!(fires(&berlin(DstGap::Skip, DstFold::First), gap_day, 1), ["2026-03-30T02:30:00+02:00"]);
    assert_eq!(fires(&berlin(DstGap::After, DstFold::Second), fold_day, 1), ["2026-10-25T02:30:00+01:00"]);
    assert_eq!(
        fires(&berlin(DstGap::After, DstFold::Both), fold_day, 2),
        ["2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00"]
    );
}

#[test]
fn malformed_expressions_name_field_value_and_range() {
    for (text, message, hint) in [
        ("60 * * * *", "in the minute field, 60 is out of range", "minute is 0-59"),
        ("* 24 * * *", "in the hour field, 24 is out of range", "hour is 0-23"),
        ("* * 0 * *", "in the day-of-month field, 0 is out of range", "day-of-month is 1-31"),
        ("* * * 13 *", "in the month field, 13 is out of range", "month is 1-12 or jan-dec"),
        ("* * * * 8", "in the day-of-week field, 8 is out of range", "day-of-week is 0-7 or sun-sat"),
        ("4294967301 * * * *", "in the minute field, 4294967301 is out of range", "minute is 0-59"),
        ("* 22-6 * * *", "in the hour field, the range \"22-6\" runs backwards", "22-23,0-6"),
        ("* * * * fri-mon", "in the day-of-week field, the range \"fri-mon\" runs backwards", "fri-7,0-1"),
        ("5/15 * * * *", "in the minute field, \"5/15\" has a step without a range", "5-59/15"),
        ("/15 * * * *", "in the minute field, \"/15\" has a step without a range", "*/15"),
        ("*/0 * * * *", "in the minute field, \"*/0\" has a step of 0", "a step is 1 or more"),
        (
            "* * * * sunday",
            "in the day-of-week field, \"sunday\" is too long a name",
            "the first three letters: sun",
        ),
        ("? * * * *", "in the minute field, '?' is not known", "use * for \"any\""),
    ] {
        let error = refused(text);
        assert_eq!((error.message.as_str(), error.hint.as_deref()), (message, Some(hint)), "{text}");
    }
    for bad in [
        "",
        "* * * *",
        "1,,2 * * * *",
        "1, * * * *",
        "*foo * * * *",
        "* * * * *5#3",
        "1-5-9 * * * *",
        "10.5 * * * *",
        "8–17 * * * *",
        "H * * * *",
        "*/5/2 * * * *",
        "@Daily",
        "30 2 * * * /usr/bin/backup --all",
    ] {
        assert!(!refused(bad).message.is_empty(), "{bad}");
    }
}

#[test]
fn rule_9_and_12_weekdays() {
    let days = |text: &str| -> Vec<String> {
        let list = times(text, "UTC", "2026-11-21T12:00:00Z", 7);
        list.iter().map(|at| instant(at).to_utc().unwrap().format("%a").to_string()).collect()
    };
    assert_eq!(days("0 0 * * fri-sun")[..4], ["Sun", "Fri", "Sat", "Sun"]);
    assert_eq!(days("0 0 * * 5-0")[..4], ["Sun", "Fri", "Sat", "Sun"]);
    assert_eq!(days("0 0 * * */2")[..5], ["Sun", "Tue", "Thu", "Sat", "Sun"]);
    assert_eq!(days("0 0 * * */7")[..2], ["Sun", "Sun"]);
    assert_eq!(days("0 0 * * 1-7/3")[..4], ["Sun", "Mon", "Thu", "Sun"]);
}

#[test]
fn rule_17_extensions() {
    for (text, expected) in [
        ("0 0 L * *", ["2026-11-30T00:00:00Z", "2026-12-31T00:00:00Z"]),
        ("0 0 * * friL", ["2026-11-27T00:00:00Z", "2026-12-25T00:00:00Z"]),
        ("0 0 * * mon#2", ["2026-12-14T00:00:00Z", "2027-01-11T00:00:00Z"]),
        ("0 0 15W * *", ["2026-12-15T00:00:00Z", "2027-01-15T00:00:00Z"]),
        ("0 0 1W 8 *", ["2027-08-02T00:00:00Z", "2028-08-01T00:00:00Z"]),
        ("30 0 0 * * *", ["2026-11-22T00:00:30Z", "2026-11-23T00:00:30Z"]),
        ("0 0 0 1 1 * 2028,2030", ["2028-01-01T00:00:00Z", "2030-01-01T00:00:00Z"]),
    ] {
        assert_eq!(times(text, "UTC", "2026-11-21T12:00:00Z", 2), expected, "{text}");
    }
    let picked = times("0~59 3 * * *", "UTC", "2026-11-21T12:00:00Z", 2);
    assert_eq!(picked[0][11..], picked[1][11..]);
    assert_eq!(Cron::parse("@reboot", "job"), Ok(Parsed::Reboot));
}

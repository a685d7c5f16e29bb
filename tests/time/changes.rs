//! Rules 26 to 42 and 47: what time changes do, with the answers of Debian's cron.

use jobctl::core::civil::{Local, Zone, ZoneTable};
use jobctl::core::cron::{DstFold, DstGap, DstRules};
use jobctl::core::instant::Timestamp;

use crate::support::{between, fires, instant, schedule, schedule_with, times, within, zone};

const GAP: (&str, &str) = ("2026-03-29T00:00:00+01:00", "2026-03-30T00:00:00+02:00");
const FOLD: (&str, &str) = ("2026-10-25T00:30:00+02:00", "2026-10-25T05:00:00+01:00");

fn gap_day(text: &str) -> Vec<String> {
    between(text, "Europe/Berlin", GAP.0, GAP.1)
}

fn fold_day(text: &str) -> Vec<String> {
    between(text, "Europe/Berlin", FOLD.0, FOLD.1)
}

/// Makes a zone of one shift at 2020-01-01T12:00 on its old clock, which is UTC's.
fn shifted(shift: i32) -> Zone {
    let transitions = vec![(instant("2020-01-01T12:00:00Z").as_secs(), shift)];
    Zone::new(ZoneTable { name: "Test/Shift".to_owned(), first_offset: 0, transitions })
}

#[test]
fn rule_26_wildcard_jobs_follow_the_clock() {
    assert_eq!(
        gap_day("*/20 1-3 * * *"),
        ["01:00+01:00", "01:20+01:00", "01:40+01:00", "03:00+02:00", "03:20+02:00", "03:40+02:00"]
    );
    assert_eq!(gap_day("15 *,2 29 3 *")[..3], ["00:15+01:00", "01:15+01:00", "03:15+02:00"]);
    assert_eq!(fold_day("*/30 2 * * *"), ["02:00+02:00", "02:30+02:00", "02:00+01:00", "02:30+01:00"]);
    assert_eq!(
        fold_day("45 * * * *"),
        ["00:45+02:00", "01:45+02:00", "02:45+02:00", "02:45+01:00", "03:45+01:00", "04:45+01:00"]
    );
    // Neither of what can be chosen for fixed-time jobs applies to them.
    for (gap, fold) in [(DstGap::Skip, DstFold::Second), (DstGap::After, DstFold::First)] {
        let wildcard = schedule_with("*/30 2 * * *", "Europe/Berlin", DstRules { gap, fold });
        assert_eq!(within(&wildcard, FOLD.0, FOLD.1).len(), 4);
        assert_eq!(within(&wildcard, GAP.0, GAP.1).len(), 0);
    }
}

#[test]
fn rule_27_fixed_times_in_a_gap_run_at_its_end() {
    for text in [
        "30 2 * * *",
        "0 2 * * *",
        "59 2 * * *",
        "0-59/15 2 * * *",
        "30 2 29 3 *",
        "30 2 * * sun",
        "0 1 2 * * *",
    ] {
        assert_eq!(gap_day(text), ["03:00+02:00"], "{text}");
    }
    assert_eq!(gap_day("1 3 * * *"), ["03:01+02:00"]);
    assert_eq!(gap_day("59 1 * * *"), ["01:59+01:00"]);
    // Whatever is asked from inside the last minute before.
    let late = times("30 2 * * *", "Europe/Berlin", "2026-03-29T01:59:59.999999+01:00", 2);
    assert_eq!(late, ["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"]);
    let at_end = times("30 2 * * *", "Europe/Berlin", "2026-03-29T03:00:00+02:00", 1);
    assert_eq!(at_end, ["2026-03-30T02:30:00+02:00"]);
}

#[test]
fn rule_28_a_gap_is_one_run() {
    for text in ["15,45 2 * * *", "0 2,3 * * *", "0-59 2 * * *", "0,30 2-3 29 3 sun", "*/10 59 2 * * *"] {
        assert_eq!(gap_day(text)[0], "03:00+02:00", "{text}");
        assert_eq!(gap_day(text).iter().filter(|at| *at == "03:00+02:00").count(), 1, "{text}");
    }
    assert_eq!(gap_day("0 2,3 * * *"), ["03:00+02:00"]);
    assert_eq!(gap_day("0,30 2-3 29 3 sun"), ["03:00+02:00", "03:30+02:00"]);
}

#[test]
fn rule_29_a_fold_counts_in_its_first_pass() {
    assert_eq!(fold_day("0 2 * * *"), ["02:00+02:00"]);
    assert_eq!(fold_day("59 2 * * *"), ["02:59+02:00"]);
    assert_eq!(fold_day("0 3 * * *"), ["03:00+01:00"]);
    assert_eq!(fold_day("0,30 1-3 * * *").len(), 6);
    // Also when the question comes from inside the second pass.
    for second_pass in ["2026-10-25T02:00:00+01:00", "2026-10-25T02:10:00+01:00", "2026-10-25T02:59:59+01:00"]
    {
        assert_eq!(
            times("0,30,59 2 * * *", "Europe/Berlin", second_pass, 1),
            ["2026-10-26T02:00:00+01:00"],
            "{second_pass}"
        );
    }
    let between_passes = times("30 2 * * *", "Europe/Berlin", "2026-10-25T02:30:00+02:00", 1);
    assert_eq!(between_passes, ["2026-10-26T02:30:00+01:00"]);
}

#[test]
fn rule_30_from_3_h_on_a_shift_is_a_correction_of_the_clock() {
    let day = |shift: i32, text: &str| -> Vec<String> {
        let schedule = jobctl::core::trigger::Schedule { zone: shifted(shift), ..schedule(text, "UTC") };
        within(&schedule, "2020-01-01T06:00:00Z", "2020-01-02T00:00:00Z")
    };
    let (minute, hour) = (60, 3_600);
    // Forward: made up for below 3 h, and not from there on.
    assert_eq!(day(3 * hour - minute, "30 13 * * *"), ["14:59+02:59"]);
    assert_eq!(day(3 * hour, "30 13 * * *"), Vec::<String>::new());
    assert_eq!(day(3 * hour, "0 15 * * *"), ["15:00+03:00"]);
    assert_eq!(day(12 * hour, "30 13 * * *"), Vec::<String>::new());
    // Back: held back up to 3 h, as Debian's cron has it, and not beyond.
    assert_eq!(day(-3 * hour + minute, "30 11 * * *"), ["11:30Z"]);
    assert_eq!(day(-3 * hour, "30 11 * * *"), ["11:30Z"]);
    assert_eq!(day(-3 * hour - minute, "30 11 * * *"), ["11:30Z", "11:30-03:01"]);
    assert_eq!(day(-5 * hour, "30 9 * * *"), ["09:30Z", "09:30-05:00"]);
    // The zone that has such folds.
    let casey = between("30 9 5 3 *", "Antarctica/Casey", "2010-03-04T12:00:00Z", "2010-03-06T12:00:00Z");
    assert_eq!(casey.len(), 1, "{casey:?}");
}

#[test]
fn rule_31_the_date_is_tested_before_the_shift() {
    let found = |text: &str| times(text, "Asia/Pyongyang", "2018-05-01T00:00:00Z", 1);
    assert_eq!(found("45 23 4 5 *"), ["2018-05-05T00:00:00+09:00"]);
    assert_eq!(found("45 23 * * fri"), ["2018-05-05T00:00:00+09:00"]);
    assert_eq!(found("45 23 5 5 *"), ["2018-05-05T23:45:00+09:00"]);
    assert_eq!(found("15 23 4 5 *"), ["2018-05-04T23:15:00+08:30"]);
}

#[test]
fn rule_32_every_shift_is_taken_by_its_size() {
    for (name, text, from, expected) in [
        // Winter time is the shift: Dublin falls back to a negative DST, and so does Casablanca for Ramadan.
        ("Europe/Dublin", "30 1 * * *", "2026-03-28T12:00:00Z", "2026-03-29T02:00:00+01:00"),
        ("Europe/Dublin", "30 1 * * *", "2026-10-24T12:00:00Z", "2026-10-25T01:30:00+01:00"),
        ("Africa/Casablanca", "30 2 * * *", "2024-04-13T12:00:00Z", "2024-04-14T03:00:00+01:00"),
        ("Africa/Casablanca", "30 2 * * *", "2024-03-09T12:00:00Z", "2024-03-10T02:30:00+01:00"),
        // Changes for good: Moscow 2014 back, Astrakhan 2016 ahead, Caracas 2007 back half an hour.
        ("Europe/Moscow", "30 1 * * *", "2014-10-25T12:00:00Z", "2014-10-26T01:30:00+04:00"),
        ("Europe/Astrakhan", "30 2 27 3 *", "2016-03-26T12:00:00Z", "2016-03-27T03:00:00+04:00"),
        ("America/Caracas", "45 2 * * *", "2007-12-08T12:00:00Z", "2007-12-09T02:45:00-04:00"),
        // A quarter of an hour, Nepal 1986.
        ("Asia/Kathmandu", "10 0 * * *", "1985-12-31T12:00:00Z", "1986-01-01T00:15:00+05:45"),
    ] {
        assert_eq!(times(text, name, from, 1), [expected], "{name} {text}");
    }
    let next = times("30 1 * * *", "Europe/Moscow", "2014-10-26T01:30:00+04:00", 1);
    assert_eq!(next, ["2014-10-27T01:30:00+03:00"]);
}

#[test]
fn rules_33_and_34_the_gap_in_berlin() {
    assert_eq!(gap_day("30 2 * * *"), ["03:00+02:00"]);
    let next = times("30 2 * * *", "Europe/Berlin", GAP.0, 2);
    assert_eq!(next, ["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"]);
    assert_eq!(gap_day("15,45 2 * * *"), ["03:00+02:00"]);
    assert_eq!(gap_day("0 2,3 * * *"), ["03:00+02:00"]);
    assert_eq!(gap_day("0 3 * * *"), ["03:00+02:00"]);
}

#[test]
fn rule_35_wildcards_in_the_gap_in_berlin() {
    let quarters = gap_day("*/15 * * * *");
    let at = quarters.iter().position(|time| time == "01:45+01:00").unwrap();
    assert_eq!(quarters[at + 1..at + 3], ["03:00+02:00", "03:15+02:00"]);
    assert_eq!(quarters.len(), 23 * 4 - 1);
    assert_eq!(gap_day("*/15 2 * * *"), Vec::<String>::new());
    let from_midnight = between("0 */2 * * *", "Europe/Berlin", "2026-03-28T23:59:00+01:00", GAP.1);
    assert_eq!(from_midnight[..3], ["00:00+01:00", "04:00+02:00", "06:00+02:00"]);
}

#[test]
fn rules_36_and_37_the_fold_in_berlin() {
    assert_eq!(fold_day("30 2 * * *"), ["02:30+02:00"]);
    assert_eq!(fold_day("30 1-4 * * *"), ["01:30+02:00", "02:30+02:00", "03:30+01:00", "04:30+01:00"]);
    let quarters = fold_day("*/15 * * * *");
    let twos: Vec<&str> = quarters.iter().map(String::as_str).filter(|at| at.starts_with("02:")).collect();
    let summer = ["02:00+02:00", "02:15+02:00", "02:30+02:00", "02:45+02:00"];
    let winter = ["02:00+01:00", "02:15+01:00", "02:30+01:00", "02:45+01:00"];
    assert_eq!(twos, [summer, winter].concat());
    assert_eq!(fold_day("*/30 2 * * *").len(), 4);
    for hourly in ["0 * * * *", "@hourly"] {
        assert_eq!(fold_day(hourly)[1..3], ["02:00+02:00", "02:00+01:00"], "{hourly}");
    }
}

#[test]
fn rule_38_half_an_hour_on_lord_howe() {
    let lord_howe = |text, from, to| between(text, "Australia/Lord_Howe", from, to);
    let gap = ("2026-10-04T01:45:00+10:30", "2026-10-04T02:45:00+11:00");
    assert_eq!(lord_howe("15 2 * * *", gap.0, gap.1), ["02:30+11:00"]);
    assert_eq!(lord_howe("*/10 * * * *", gap.0, gap.1), ["01:50+10:30", "02:30+11:00", "02:40+11:00"]);
    let fold = ("2026-04-05T01:25:00+11:00", "2026-04-05T02:05:00+10:30");
    assert_eq!(lord_howe("45 1 * * *", fold.0, fold.1), ["01:45+11:00"]);
    let tens: Vec<String> = lord_howe("*/10 * * * *", fold.0, fold.1);
    let (summer, winter) =
        (["01:30+11:00", "01:40+11:00", "01:50+11:00"], ["01:30+10:30", "01:40+10:30", "01:50+10:30"]);
    assert_eq!(tens, [summer.as_slice(), &winter, &["02:00+10:30"]].concat());
}

#[test]
fn rule_39_gaps_at_midnight() {
    for (name, from, to) in [
        ("America/Sao_Paulo", "2018-11-03T12:00:00-03:00", "2018-11-04T12:00:00-02:00"),
        ("Africa/Cairo", "2026-04-23T12:00:00+02:00", "2026-04-24T12:00:00+03:00"),
        ("Asia/Beirut", "2026-03-28T12:00:00+02:00", "2026-03-29T12:00:00+03:00"),
    ] {
        for text in ["0 0 * * *", "@daily", "@midnight", "30 0 * * *"] {
            let found = between(text, name, from, to);
            assert_eq!(found.len(), 1, "{name} {text}: {found:?}");
            assert!(found[0].starts_with("01:00"), "{name} {text}: {found:?}");
        }
        assert!(between("*/30 0 * * *", name, from, to).is_empty(), "{name}");
    }
}

#[test]
fn rule_40_folds_at_midnight() {
    for (name, from, to, first, after) in [
        ("America/Sao_Paulo", "2018-02-17T22:10:00-02:00", "2018-02-18T02:00:00-03:00", "-02:00", "-03:00"),
        ("Africa/Cairo", "2026-10-29T22:10:00+03:00", "2026-10-30T02:00:00+02:00", "+03:00", "+02:00"),
    ] {
        assert_eq!(between("30 23 * * *", name, from, to), [format!("23:30{first}")], "{name}");
        for text in ["0 0 * * *", "@daily"] {
            assert_eq!(between(text, name, from, to), [format!("00:00{after}")], "{name} {text}");
        }
        let wild = between("30 * * * *", name, from, to);
        let both = [format!("22:30{first}"), format!("23:30{first}"), format!("23:30{after}")];
        assert_eq!(wild[..3], both, "{name}");
    }
    // With the earlier date.
    let again = times("30 * 17 2 *", "America/Sao_Paulo", "2018-02-17T22:40:00-02:00", 2);
    assert_eq!(again, ["2018-02-17T23:30:00-02:00", "2018-02-17T23:30:00-03:00"]);
}

#[test]
fn rule_27_the_first_instant_after_a_gap_need_not_be_a_whole_minute() {
    // Liberia went from -00:44:30 to UTC at midnight.
    let found = times("30 0 * * *", "Africa/Monrovia", "1972-01-06T12:00:00Z", 2);
    assert_eq!(found, ["1972-01-07T00:44:30Z", "1972-01-08T00:30:00Z"]);
}

#[test]
fn rule_41_a_gap_of_two_hours() {
    for text in ["30 1 * * *", "0 1 * * *", "30 2 * * *", "15 1,2 * * *", "0 3 * * *"] {
        let found = times(text, "Antarctica/Troll", "2026-03-28T12:00:00Z", 1);
        assert_eq!(found, ["2026-03-29T03:00:00+02:00"], "{text}");
    }
}

#[test]
fn rule_42_a_day_that_was_not() {
    let apia = |text: &str, from: &str, count: usize| times(text, "Pacific/Apia", from, count);
    let from = "2011-12-29T00:00:00-10:00";
    assert_eq!(apia("30 2 * * *", from, 2), ["2011-12-29T02:30:00-10:00", "2011-12-31T02:30:00+14:00"]);
    assert_eq!(apia("0 0 30 12 *", from, 1), ["2012-12-30T00:00:00+14:00"]);
    let every_three = apia("0 */3 * * *", "2011-12-29T20:00:00-10:00", 2);
    assert_eq!(every_three, ["2011-12-29T21:00:00-10:00", "2011-12-31T00:00:00+14:00"]);
    assert_eq!(apia("0 0 * * fri", from, 1), ["2012-01-06T00:00:00+14:00"]);
}

#[test]
fn rule_47_answers_are_a_pure_function() {
    let once = || times("30 2 * * *", "Europe/Berlin", GAP.0, 500);
    assert_eq!(once(), once());
    // Asked from any instant between two fire times, the answer is the later one.
    let schedule = schedule("*/20 1-3 * * *", "Europe/Berlin");
    let fires = crate::support::walk(&schedule, instant("2026-10-24T23:00:00Z")).take(20).collect::<Vec<_>>();
    for pair in fires.windows(2) {
        let gap = pair[1].since(pair[0]);
        for part in 0..7 {
            assert_eq!(schedule.next_after(pair[0], pair[0].plus(gap * part / 7)), Some(pair[1]));
        }
    }
}

#[test]
fn selectable_rules_for_gap_and_fold() {
    let berlin = |text, gap, fold| schedule_with(text, "Europe/Berlin", DstRules { gap, fold });
    let skip = |text| within(&berlin(text, DstGap::Skip, DstFold::First), GAP.0, GAP.1);
    assert_eq!(skip("30 2 * * *"), Vec::<String>::new());
    assert_eq!(skip("0 2,3 * * *"), ["03:00+02:00"]);
    let next = fires(&berlin("30 2 * * *", DstGap::Skip, DstFold::First), GAP.0, 1);
    assert_eq!(next, ["2026-03-30T02:30:00+02:00"]);
    let fold = |text, fold| within(&berlin(text, DstGap::After, fold), FOLD.0, FOLD.1);
    assert_eq!(fold("30 2 * * *", DstFold::First), ["02:30+02:00"]);
    assert_eq!(fold("30 2 * * *", DstFold::Second), ["02:30+01:00"]);
    assert_eq!(fold("30 2 * * *", DstFold::Both), ["02:30+02:00", "02:30+01:00"]);
    assert_eq!(fold("30 1-3 * * *", DstFold::Second), ["01:30+02:00", "02:30+01:00", "03:30+01:00"]);
    // The passes of a fold do not touch what a gap does, nor the other way round.
    assert_eq!(within(&berlin("30 2 * * *", DstGap::After, DstFold::Second), GAP.0, GAP.1), ["03:00+02:00"]);
    assert_eq!(within(&berlin("30 2 * * *", DstGap::Skip, DstFold::First), FOLD.0, FOLD.1), ["02:30+02:00"]);
}

#[test]
fn wall_times_as_instants() {
    let wall = |text: &str| chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M").unwrap();
    let berlin = zone("Europe/Berlin");
    let gap = Local::Gap { end: instant("2026-03-29T03:00:00+02:00"), size: 3600 };
    let fold = Local::Twice(instant("2026-10-25T02:30:00+02:00"), instant("2026-10-25T02:30:00+01:00"));
    for (text, expected) in [
        ("2026-03-29T01:59", Local::Once(instant("2026-03-29T01:59:00+01:00"))),
        ("2026-03-29T02:00", gap),
        ("2026-03-29T02:59", gap),
        ("2026-03-29T03:00", Local::Once(instant("2026-03-29T03:00:00+02:00"))),
        ("2026-10-25T01:59", Local::Once(instant("2026-10-25T01:59:00+02:00"))),
        ("2026-10-25T02:30", fold),
        ("2026-10-25T03:00", Local::Once(instant("2026-10-25T03:00:00+01:00"))),
        ("9999-12-31T23:59", Local::Once(instant("9999-12-31T23:59:00+01:00"))),
    ] {
        assert_eq!(berlin.resolve(wall(text)), expected, "{text}");
    }
    let apia = zone("Pacific/Apia");
    let lost_day = Local::Gap { end: instant("2011-12-31T00:00:00+14:00"), size: 86_400 };
    assert_eq!(apia.resolve(wall("2011-12-30T12:00")), lost_day);
    assert_eq!(berlin.offset_at(Timestamp::MIN), berlin.offset_at(instant("1900-01-01T00:00:00Z")));
}

//! Expressions in plain English, and what `next` says of time changes.

use jobctl::core::cron::{DstFold, DstGap, DstRules};
use jobctl::core::trigger::{At, Schedule, Trigger};

use crate::support::{cron, every, instant, on_clock, schedule, schedule_with, zone};

fn described(table: &[(&str, &str)]) {
    for (text, expected) in table {
        assert_eq!(cron(text).describe("job"), *expected, "{text}");
    }
}

#[test]
fn times_of_day_in_words() {
    described(&[
        ("* * * * *", "Every minute"),
        ("*/1 * * * *", "Every minute"),
        ("0-59 * * * *", "Every minute"),
        ("*,5 * * * *", "Every minute"),
        ("* 0-23 * * *", "Every minute"),
        ("*/5 * * * *", "Every 5 minutes"),
        ("0,10,20,30,40,50 * * * *", "Every 10 minutes"),
        ("*/7 * * * *", "Every 7 minutes from minute 0 to minute 56 of every hour"),
        ("1-59/2 * * * *", "Every 2 minutes from minute 1 to minute 59 of every hour"),
        ("*/45 * * * *", "At minutes 0 and 45 of every hour"),
        ("5,35 * * * *", "At minutes 5 and 35 of every hour"),
        ("5-10 * * * *", "Every minute from minute 5 to minute 10 of every hour"),
        ("0 * * * *", "Every hour, on the hour"),
        ("30 * * * *", "At minute 30 of every hour"),
        ("0 */2 * * *", "Every 2 hours from 00:00"),
        ("15 */2 * * *", "Every 2 hours from 00:15"),
        ("0 1-23/2 * * *", "Every 2 hours from 01:00 to 23:00"),
        ("0 9-17 * * *", "Every hour from 09:00 to 17:00"),
        ("30 9-17 * * *", "Every hour from 09:30 to 17:30"),
        ("0 22-23,0-6 * * *", "Every hour from 22:00 to 06:00"),
        ("0 1,2,3,5,7,11,13 * * *", "At 01:00, 02:00, 03:00, 05:00, 07:00, 11:00 and 13:00, every day"),
        ("30 2 * * *", "At 02:30, every day"),
        ("15 */6 * * *", "At 00:15, 06:15, 12:15 and 18:15, every day"),
        ("*/15 9 * * *", "At 09:00, 09:15, 09:30 and 09:45, every day"),
        ("*/5 9 * * *", "Every 5 minutes, from 09:00 to 09:59"),
        ("0-29 9 * * *", "Every minute from 09:00 to 09:29"),
        ("* 9 * * *", "Every minute, from 09:00 to 09:59"),
        ("1,2,3,5,7,11,13 9 * * *", "At minutes 1, 2, 3, 5, 7, 11 and 13 past 09:00"),
        ("*/15 9-17 * * *", "Every 15 minutes, from 09:00 to 17:59"),
        ("*/15 9-17 * * mon-fri", "Every 15 minutes, from 09:00 to 17:59, Monday to Friday"),
        ("*/15 9,17 * * *", "Every 15 minutes, from 09:00 to 09:59 and from 17:00 to 17:59"),
        ("*/20 0,1,5 * * *", "Every 20 minutes, from 00:00 to 01:59 and from 05:00 to 05:59"),
        ("*/15 */2 * * *", "Every 15 minutes, in every 2nd hour from 00:00"),
        ("*/15 7-21/2 * * *", "Every 15 minutes, in every 2nd hour from 07:00 to 21:59"),
        ("*/20 22-23,0-6 * * *", "Every 20 minutes, from 22:00 to 06:59"),
        ("*/20 1,4,8,13 * * *", "Every 20 minutes, in the hours 1, 4, 8 and 13"),
        ("0,30 1-4 * * *", "At minutes 0 and 30 of every hour, from 01:00 to 04:59"),
        ("*/90 * * * *", "Every hour, on the hour"),
    ]);
}

#[test]
fn seconds_in_words() {
    described(&[
        ("* * * * * *", "Every second"),
        ("*/10 * * * * *", "Every 10 seconds"),
        ("15,45 * * * * *", "At seconds 15 and 45 of every minute"),
        ("0 */5 * * * *", "Every 5 minutes"),
        ("30 * * * * *", "Every minute, at second 30"),
        ("30 */5 * * * *", "Every 5 minutes, at second 30"),
        ("30 15 * * * *", "At minute 15 of every hour, at second 30"),
        ("30 0 0 * * *", "At 00:00:30, every day"),
        ("0,30 15 * * * *", "At seconds 0 and 30, at minute 15 of every hour"),
        ("* 30 2 * * *", "Every second from 02:30:00 to 02:30:59"),
        ("*/5 30 2 * * *", "Every 5 seconds from 02:30:00 to 02:30:59"),
        ("0-9 30 2 * * *", "Every second from 02:30:00 to 02:30:09"),
        ("*/10 9-17 * * * *", "Every 10 seconds, every minute from minute 9 to minute 17 of every hour"),
    ]);
}

#[test]
fn days_in_words() {
    described(&[
        ("30 2 * * 1", "At 02:30, every Monday"),
        ("30 2 * * 7", "At 02:30, every Sunday"),
        ("30 2 * * 1-5", "At 02:30, Monday to Friday"),
        ("30 2 * * fri-sun", "At 02:30, Friday to Sunday"),
        ("30 2 * * 0-3", "At 02:30, Sunday to Wednesday"),
        ("30 2 * * 0,6", "At 02:30, every Saturday and Sunday"),
        ("30 2 * * 1,3,5", "At 02:30, every Monday, Wednesday and Friday"),
        ("30 2 * * */2", "At 02:30, every Tuesday, Thursday, Saturday and Sunday"),
        ("30 2 * * 0-7", "At 02:30, every day"),
        ("30 2 * * */7", "At 02:30, every Sunday"),
        ("0 0 1 * *", "At 00:00, on the 1st of the month"),
        ("0 0 1,15 * *", "At 00:00, on the 1st and the 15th of the month"),
        ("0 0 2,3,22,23 * *", "At 00:00, on the 2nd, the 3rd, the 22nd and the 23rd of the month"),
        ("0 0 11,12,13,21 * *", "At 00:00, on the 11th to the 13th and the 21st of the month"),
        ("0 0 */2 * *", "At 00:00, on every 2nd day of the month from the 1st"),
        ("0 0 1-7/3 * *", "At 00:00, on the 1st, the 4th and the 7th of the month"),
        ("0 0 2-30/7 * *", "At 00:00, on every 7th day of the month from the 2nd to the 30th"),
        ("0 0 13 * 5", "At 00:00, on the 13th of the month, and also every Friday"),
        ("0 0 1-7 * 1-5", "At 00:00, on the 1st to the 7th of the month, and also Monday to Friday"),
        ("0 0 */2 * 1", "At 00:00, on every 2nd day from the 1st of the month if it falls on a Monday"),
        (
            "0 0 1 * */2",
            "At 00:00, on the 1st of the month if it falls on a Tuesday, Thursday, Saturday or Sunday",
        ),
        ("0 0 1-31 * 1", "At 00:00, every day"),
        ("0 0 *,3 * 1", "At 00:00, every Monday"),
        ("0 0 3 * *,1", "At 00:00, on the 3rd of the month"),
    ]);
}

#[test]
fn months_and_years_in_words() {
    described(&[
        ("0 0 1 1 *", "At 00:00, on the 1st of January"),
        ("0 0 25 dec *", "At 00:00, on the 25th of December"),
        ("0 0 1 */3 *", "At 00:00, on the 1st of January, April, July and October"),
        ("0 0 1 6-8 *", "At 00:00, on the 1st of the month, from June to August"),
        ("0 0 1 11-12,1-2 *", "At 00:00, on the 1st of the month, from November to February"),
        ("0 0 * 1 *", "At 00:00, every day in January"),
        ("0 0 * 1-3 *", "At 00:00, every day from January to March"),
        ("*/5 * * 6 *", "Every 5 minutes, every day in June"),
        ("0 12 * 6-8 mon-fri", "At 12:00, Monday to Friday from June to August"),
        ("0 12 * jan,jul mon", "At 12:00, every Monday in January and July"),
        ("0 12 13 jan fri", "At 12:00, on the 13th of January, and also every Friday in January"),
        ("0 0 0 1 1 * 2028", "At 00:00, on the 1st of January, in 2028"),
        ("0 0 0 1 1 * 2028-2030", "At 00:00, on the 1st of January, in the years 2028 to 2030"),
        ("0 0 0 * * * 2027,2029", "At 00:00, every day, in the years 2027 and 2029"),
        ("0 0 0 1 1 * 2027-2039/4", "At 00:00, on the 1st of January, in every 4th year from 2027 to 2039"),
        ("0 0 0 1 1 * */2", "At 00:00, on the 1st of January, in every 2nd year from 1970"),
        ("0 0 0 * * * *", "At 00:00, every day"),
    ]);
}

#[test]
fn extensions_and_nicknames_in_words() {
    described(&[
        ("0 0 L * *", "At 00:00, on the last day of the month"),
        ("0 0 L 2 *", "At 00:00, on the last day of February"),
        ("0 0 1,L * *", "At 00:00, on the 1st and the last day of the month"),
        ("0 0 15W * *", "At 00:00, on the weekday nearest to the 15th of the month"),
        ("0 0 * * friL", "At 00:00, on the last Friday of the month"),
        ("0 0 * * 7L", "At 00:00, on the last Sunday of the month"),
        ("0 0 * * mon#2", "At 00:00, on the second Monday of the month"),
        ("0 0 * 3 mon#1,mon#3", "At 00:00, on the first Monday and the third Monday of March"),
        ("0 0 * * wed,friL", "At 00:00, every Wednesday, and on the last Friday of the month"),
        ("0 0 L * friL", "At 00:00, on the last day of the month, and also on the last Friday of the month"),
        ("0 0 */1,L * friL", "At 00:00, on the last Friday of the month"),
        (
            "0 0 */10 * mon,friL",
            "At 00:00, on every 10th day from the 1st of the month if it falls on a Monday or the last Friday of the month",
        ),
        ("@yearly", "At 00:00, on the 1st of January"),
        ("@monthly", "At 00:00, on the 1st of the month"),
        ("@weekly", "At 00:00, every Sunday"),
        ("@daily", "At 00:00, every day"),
        ("@midnight", "At 00:00, every day"),
        ("@hourly", "Every hour, on the hour"),
        ("5~5 3 * * *", "At 03:05, every day"),
    ]);
    assert_eq!(
        cron("0 7~7 * * *").explain_picks("job"),
        ["the hour 7 is picked from 7~7, always the same one"]
    );
    assert_eq!(cron("0 7 * * *").explain_picks("job"), Vec::<String>::new());
}

#[test]
fn triggers_in_words() {
    let end = Some(instant("2026-12-31T23:00:00Z"));
    let berlin = zone("Europe/Berlin");
    let at = At::parse("2026-12-24T18:00", &berlin, DstRules::default()).unwrap();
    let nightly = schedule("30 2 * * *", "Europe/Berlin");
    for (schedule, expected) in [
        (every(5_400), "Every 1h30m"),
        (on_clock(Trigger::At(at), "Europe/Berlin"), "Once, at 2026-12-24T18:00:00+01:00"),
        (Schedule { end, ..nightly.clone() }, "At 02:30, every day, until 2027-01-01T00:00:00+01:00"),
        (
            Schedule { start: end, jitter: std::time::Duration::from_secs(300), ..nightly.clone() },
            "At 02:30, every day, from 2027-01-01T00:00:00+01:00, up to 5m later",
        ),
        (
            on_clock(Trigger::Any([every(60), nightly.clone()].into()), "UTC"),
            "Whenever one of these is due: Every 1m; At 02:30, every day",
        ),
        (
            on_clock(Trigger::All([every(60), nightly].into()), "UTC"),
            "Whenever all of these are due at once: Every 1m; At 02:30, every day",
        ),
    ] {
        assert_eq!(schedule.describe("job"), expected);
    }
}

#[test]
fn an_explanation_is_a_few_sentences() {
    let lines = |text: &str| schedule(text, "Europe/Berlin").explain("job");
    assert_eq!(
        lines("30 2 13 * fri"),
        [
            "At 02:30, on the 13th of the month, and also every Friday.",
            "Either day field may match, because neither begins with *.",
            "A wall time that a change of the clock jumps over runs at the end of the gap, and one that comes twice \
             counts once, the first time.",
        ]
    );
    assert_eq!(
        lines("*/90 2 * * *"),
        [
            "At 02:00, every day.",
            "It follows the clock: nothing for wall times that a change of the clock jumps over, and both passes of \
             those that come twice.",
            "The step of \"*/90\" is wider than its range: only the first value matches.",
        ]
    );
    assert_eq!(lines("0 0 */2 * 1")[1], "Both day fields must match, because one of them begins with *.");
    assert_eq!(lines("0 0 30 2 *").last().unwrap(), "There is no such date: it never fires.");
    assert_eq!(lines("7~7 0 * * *")[1], "The minute 7 is picked from 7~7, always the same one.");
    let second = DstRules { gap: DstGap::Skip, fold: DstFold::Second };
    assert_eq!(
        schedule_with("30 2 * * *", "Europe/Berlin", second).explain("job")[1],
        "A wall time that a change of the clock jumps over has no run, and one that comes twice counts once, the \
         second time."
    );
    assert!(every(60).explain("job")[1].starts_with("It counts elapsed time"));
}

/// Returns the notes of the fire times after an instant, each with its wall time.
fn notes(schedule: &Schedule, from: &str, count: usize) -> Vec<String> {
    let list = schedule.preview(instant(from), instant(from), count);
    let line = |preview: &jobctl::core::trigger::Preview| {
        let at = schedule.zone.format(preview.at);
        let words = preview.words(&schedule.zone).unwrap_or_default();
        format!("{} {words}", &at[5..16])
    };
    list.iter().map(line).collect()
}

#[test]
fn fire_times_that_a_time_change_moved_merged_or_dropped_have_a_note() {
    let (gap, fold) = ("2026-03-28T12:00:00Z", "2026-10-24T12:00:00Z");
    let berlin = |text: &str, from: &str, count: usize| notes(&schedule(text, "Europe/Berlin"), from, count);
    let jump = "the clock jumps from 2026-03-29 02:00 to 03:00";
    let (first, second) = (
        "this wall time comes twice: this is the first pass",
        "this wall time comes twice: this is the second pass",
    );
    assert_eq!(
        berlin("30 2 * * *", gap, 2),
        [format!("03-29T03:00 moved to the end of the gap: {jump}"), "03-30T02:30 ".to_owned()]
    );
    assert_eq!(berlin("15,45 2 * * *", gap, 1), [format!("03-29T03:00 one run for 2 wall times: {jump}")]);
    assert_eq!(berlin("0 2,3 * * *", gap, 1), [format!("03-29T03:00 one run for 2 wall times: {jump}")]);
    assert_eq!(berlin("0 3 * * *", gap, 1), ["03-29T03:00 "]);
    assert_eq!(
        berlin("*/15 2 * * *", gap, 2),
        [format!("03-30T02:00 {jump}; the times between are left out"), "03-30T02:15 ".to_owned()]
    );
    assert_eq!(berlin("30 2 * * *", fold, 2), [format!("10-25T02:30 {first}"), "10-26T02:30 ".to_owned()]);
    assert_eq!(
        berlin("30 2-3 * * *", "2026-10-25T00:00:00Z", 2),
        [format!("10-25T02:30 {first}"), "10-25T03:30 ".to_owned()]
    );
    assert_eq!(
        berlin("0 * * * *", "2026-10-24T23:30:00Z", 3),
        [format!("10-25T02:00 {first}"), format!("10-25T02:00 {second}"), "10-25T03:00 ".to_owned()]
    );
    let skip =
        schedule_with("30 2 * * *", "Europe/Berlin", DstRules { gap: DstGap::Skip, ..DstRules::default() });
    assert_eq!(notes(&skip, gap, 1), [format!("03-30T02:30 {jump}; the times between are left out")]);
    let apia = notes(&schedule("30 2 * * *", "Pacific/Apia"), "2011-12-29T13:00:00Z", 1);
    let lost = "the clock jumps from 2011-12-30 00:00 to 2011-12-31 00:00; the times between are left out";
    assert_eq!(apia, [format!("12-31T02:30 {lost}")]);
    // Members tell what befell them; intervals have nothing to tell.
    let any = on_clock(
        Trigger::Any([every(7_200), schedule("30 2 * * *", "Europe/Berlin")].into()),
        "Europe/Berlin",
    );
    let told: Vec<String> = notes(&any, "2026-03-29T00:30:00Z", 2);
    assert_eq!(told[0], format!("03-29T03:00 moved to the end of the gap: {jump}"));
    assert_eq!(notes(&every(3_600), gap, 30).iter().filter(|line| !line.ends_with(' ')).count(), 0);
}

#[test]
fn a_preview_is_as_long_as_asked_or_as_there_are_fire_times() {
    let from = instant("2026-11-21T00:00:00Z");
    assert_eq!(schedule("* * * * *", "UTC").preview(from, from, 1_000).len(), 1_000);
    assert_eq!(schedule("0 0 0 1 1 * 2028,2029", "UTC").preview(from, from, 10).len(), 2);
    assert_eq!(schedule("0 0 30 2 *", "UTC").preview(from, from, 10).len(), 0);
    assert_eq!(schedule("* * * * *", "UTC").preview(from, from, 0).len(), 0);
}

//! Rules 20 to 24: which days.

use std::time::{Duration, Instant};

use crate::support::{cron, dates, same, schedule, times, walk};

#[test]
fn rule_20_a_star_asks_for_both_day_fields() {
    for (text, from, expected) in [
        // Neither begins with a star: either.
        ("0 0 10,13 * fri", "2026-02-09", ["2026-02-10", "2026-02-13", "2026-02-20"]),
        ("0 0 1,* * mon", "2026-02-09", ["2026-02-10", "2026-02-11", "2026-02-12"]),
        ("0 0 31 * 0,*", "2026-02-09", ["2026-02-10", "2026-02-11", "2026-02-12"]),
        // One begins with a star: both.
        ("0 0 * * fri", "2026-02-09", ["2026-02-13", "2026-02-20", "2026-02-27"]),
        ("0 0 13 * *", "2026-02-09", ["2026-02-13", "2026-03-13", "2026-04-13"]),
        ("0 0 *,13 * fri", "2026-02-09", ["2026-02-13", "2026-02-20", "2026-02-27"]),
        ("0 0 13 * *,fri", "2026-02-09", ["2026-02-13", "2026-03-13", "2026-04-13"]),
        ("0 0 */1 * fri", "2026-02-09", ["2026-02-13", "2026-02-20", "2026-02-27"]),
        ("0 0 13 * */5", "2026-02-09", ["2026-02-13", "2026-03-13", "2026-09-13"]),
        ("0 0 */31 * 6", "2026-02-09", ["2026-08-01", "2027-05-01", "2028-01-01"]),
    ] {
        assert_eq!(dates(text, from, 3), expected, "{text}");
    }
}

#[test]
fn rule_21_the_day_rule_at_work() {
    for (text, from, expected) in [
        ("0 0 13 * 5", "2026-02-01", ["2026-02-06", "2026-02-13", "2026-02-20", "2026-02-27", "2026-03-06"]),
        ("0 0 */2 * 1", "2026-11-01", ["2026-11-09", "2026-11-23", "2026-12-07", "2026-12-21", "2027-01-11"]),
        (
            "0 0 1-31 * 1",
            "2026-02-26",
            ["2026-02-27", "2026-02-28", "2026-03-01", "2026-03-02", "2026-03-03"],
        ),
        ("0 0 1 * */2", "2026-01-02", ["2026-02-01", "2026-03-01", "2026-08-01", "2026-09-01", "2026-10-01"]),
    ] {
        assert_eq!(dates(text, from, 5), expected, "{text}");
    }
    assert!(same("0 0 1-31 * 1", "0 0 * * *"));
}

#[test]
fn rule_22_short_months_and_leap_years() {
    assert_eq!(dates("0 0 31 * *", "2026-03-31", 3), ["2026-05-31", "2026-07-31", "2026-08-31"]);
    assert_eq!(dates("0 0 30 * *", "2027-01-30", 1), ["2027-03-30"]);
    assert_eq!(dates("0 0 29 2 *", "2026-03-01", 3), ["2028-02-29", "2032-02-29", "2036-02-29"]);
    // The year 2100 is no leap year, and 2000 was one.
    assert_eq!(dates("0 0 29 2 *", "2096-03-01", 1), Vec::<String>::new());
    assert_eq!(dates("0 0 29 2 *", "1996-03-01", 1), ["2000-02-29"]);
    // The month must match, whichever day field does.
    assert_eq!(dates("0 0 13 3 fri", "2026-03-07", 3), ["2026-03-13", "2026-03-20", "2026-03-27"]);
    assert_eq!(dates("0 0 13 3 fri", "2026-03-27", 1), ["2027-03-05"]);
}

#[test]
fn rule_23_dates_that_never_come_are_no_errors() {
    for never in [
        "0 0 30 2 *",
        "0 0 31 4,6 *",
        "0 0 31 2,4,6,9,11 *",
        "0 0 30,31 2 */8",
        "0 0 31W 2 *",
        "0 0 */31 * mon#2",
        "0 0 0 29 2 * 2027",
        "0 0 0 1 1 * 1999",
    ] {
        assert!(!cron(never).fires_at_all(), "{never}");
        assert!(!schedule(never, "Europe/Berlin").fires_at_all(), "{never}");
        assert_eq!(dates(never, "2026-01-01", 1), Vec::<String>::new(), "{never}");
    }
    // A date of some year is a date, also when that year is over.
    for sometime in ["0 0 29 2 *", "0 0 0 1 1 * 2001", "0 0 29 2 */7", "0 0 * 2 mon#5"] {
        assert!(cron(sometime).fires_at_all(), "{sometime}");
    }
    assert!(cron("0 0 30 2 1").fires_at_all());
    let mondays = ["2026-02-02", "2026-02-09", "2026-02-16", "2026-02-23", "2027-02-01"];
    assert_eq!(dates("0 0 30 2 1", "2026-01-01", 5), mondays);
}

#[test]
fn t13_rule_23_never_is_found_in_bounded_time() {
    // The rarest dates there are: decades apart, or none at all.
    let start = Instant::now();
    for text in [
        "0 0 30 2 *",
        "0 0 31 2,4,6,9,11 *",
        "0 0 */29 2 mon",
        "0 0 */29 2 mon#5",
        "0 0 29W 2 */7",
        "59 59 23 29 2 * 2099-2100",
    ] {
        let found = dates(text, "2026-01-01", 40).len();
        assert!(found < 40, "{text}: {found}");
    }
    // Unoptimised, and beside other tests; a search that walks seconds or minutes would take hours.
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

#[test]
fn rule_24_next_is_strictly_after_and_at_second_0() {
    assert_eq!(times("0 * * * *", "UTC", "2026-01-01T00:00:00Z", 1), ["2026-01-01T01:00:00Z"]);
    assert_eq!(times("0 * * * *", "UTC", "2025-12-31T23:59:59.999999Z", 1), ["2026-01-01T00:00:00Z"]);
    assert_eq!(times("* * * * *", "UTC", "2026-01-01T00:00:00.000001Z", 1), ["2026-01-01T00:01:00Z"]);
    let every_minute = schedule("* * * * *", "Asia/Kathmandu");
    assert!(
        walk(&every_minute, crate::support::instant("2026-01-01T00:00:31Z"))
            .take(50)
            .all(|at| at.as_secs() % 60 == 0)
    );
}

#[test]
fn rule_24_holds_to_the_ends_of_time() {
    use jobctl::core::instant::Timestamp;
    for text in ["* * * * *", "30 2 * * *", "0 0 29 2 mon", "* * * * * *", "0 0 L * *", "0 0 0 1 1 * 2100"] {
        for zone in ["UTC", "Europe/Berlin", "Pacific/Apia"] {
            let schedule = schedule(text, zone);
            let mut places = vec![Timestamp::MIN, Timestamp::MAX, Timestamp::from_micros(i64::MAX - 1)];
            places.extend((-65..=65).map(|n| Timestamp::from_secs(n * 140_000_000_000)));
            // Around the last date that dates are reckoned with.
            places.extend((-3..=3).map(|n| Timestamp::from_secs(8_210_266_876_799 + n * 86_400)));
            places.extend((-3..=3).map(|n| Timestamp::from_secs(4_133_980_799 + n * 86_400)));
            for at in places {
                assert!(
                    schedule.next_after(at, at).is_none_or(|next| next > at),
                    "{text} in {zone} after {at}"
                );
                let _ = schedule.preview(at, at, 2);
                let _ = schedule.fires_between(at, at, at.plus(Duration::from_secs(86_400)));
            }
        }
    }
}

//! Rule 17: the extensions, and what is refused with the spelling to use.

use jobctl::core::cron::{Cron, Parsed};

use crate::support::{dates, refusals, refused, same, times};

#[test]
fn rule_17_days_that_are_counted_in_their_month() {
    for (text, expected) in [
        ("0 0 L * *", ["2026-11-30", "2026-12-31", "2027-01-31", "2027-02-28"]),
        ("0 0 1,L 2 *", ["2027-02-01", "2027-02-28", "2028-02-01", "2028-02-29"]),
        ("0 0 * * friL", ["2026-11-27", "2026-12-25", "2027-01-29", "2027-02-26"]),
        ("0 0 * * 5L", ["2026-11-27", "2026-12-25", "2027-01-29", "2027-02-26"]),
        ("0 0 * * 7L", ["2026-11-29", "2026-12-27", "2027-01-31", "2027-02-28"]),
        ("0 0 * * SUNL", ["2026-11-29", "2026-12-27", "2027-01-31", "2027-02-28"]),
        ("0 0 * 2 monL", ["2027-02-22", "2028-02-28", "2029-02-26", "2030-02-25"]),
        ("0 0 * * mon#2", ["2026-12-14", "2027-01-11", "2027-02-08", "2027-03-08"]),
        ("0 0 * * 1#2", ["2026-12-14", "2027-01-11", "2027-02-08", "2027-03-08"]),
        ("0 0 * * mon#5", ["2026-11-30", "2027-03-29", "2027-05-31", "2027-08-30"]),
        ("0 0 * * mon#1,friL", ["2026-11-27", "2026-12-07", "2026-12-25", "2027-01-04"]),
        ("0 0 15W * *", ["2026-12-15", "2027-01-15", "2027-02-15", "2027-03-15"]),
        // A Saturday goes back, a Sunday on, and neither leaves its month.
        ("0 0 15W 5,8 *", ["2027-05-14", "2027-08-16", "2028-05-15", "2028-08-15"]),
        ("0 0 1W * *", ["2026-12-01", "2027-01-01", "2027-02-01", "2027-03-01"]),
        ("0 0 1W 5,8 *", ["2027-05-03", "2027-08-02", "2028-05-01", "2028-08-01"]),
        ("0 0 31W 1,10 *", ["2027-01-29", "2027-10-29", "2028-01-31", "2028-10-31"]),
        ("0 0 29W 2 *", ["2028-02-29", "2032-02-27", "2036-02-29", "2040-02-29"]),
        // The day rule: neither begins with a star, so either may match.
        ("0 0 L * friL", ["2026-11-27", "2026-11-30", "2026-12-25", "2026-12-31"]),
        ("0 0 */2 * mon#2", ["2027-01-11", "2027-08-09", "2027-09-13", "2027-10-11"]),
    ] {
        assert_eq!(dates(text, "2026-11-21", 4), expected, "{text}");
    }
    for text in
        ["L * * * *", "0 0 LW * *", "0 0 L-3 * *", "0 0 * * L", "0 0 W * *", "0 0 * jan#1 *", "0 0 * janL *"]
    {
        refused(text);
    }
    let occurrences = "#1 to #5, such as mon#2 for the second Monday; L for the last one: monL";
    refusals(&[
        ("0 0 * * mon#6", "in the day-of-week field, \"mon#6\" names no occurrence in a month", occurrences),
        ("0 0 * * mon#0", "in the day-of-week field, \"mon#0\" names no occurrence in a month", occurrences),
        ("0 0 * * mon#", "in the day-of-week field, \"mon#\" names no occurrence in a month", occurrences),
        (
            "0 0 * * mon#+1",
            "in the day-of-week field, \"mon#+1\" names no occurrence in a month",
            occurrences,
        ),
        (
            "0 0 * * fril",
            "in the day-of-week field, \"fril\" is no value",
            "the last one of a month has a capital L: friL",
        ),
        (
            "0 0 15w * *",
            "in the day-of-month field, \"15w\" has \"w\" left over",
            "the nearest weekday has a capital W, such as 15W",
        ),
    ]);
}

#[test]
fn rule_17_six_fields_begin_with_seconds_and_seven_end_with_years() {
    for (text, expected) in [
        ("30 0 0 * * *", ["2026-11-22T00:00:30Z", "2026-11-23T00:00:30Z"]),
        ("*/20 59 23 31 12 *", ["2026-12-31T23:59:00Z", "2026-12-31T23:59:20Z"]),
        ("* * * * * *", ["2026-11-21T12:00:01Z", "2026-11-21T12:00:02Z"]),
        ("0 0 0 1 1 * 2028,2030", ["2028-01-01T00:00:00Z", "2030-01-01T00:00:00Z"]),
        ("0 0 0 29 2 * 2027-2036", ["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"]),
        ("0 30 2 * * mon *", ["2026-11-23T02:30:00Z", "2026-11-30T02:30:00Z"]),
        ("5 4 3 2 1 * */50", ["2070-01-02T03:04:05Z", ""]),
    ] {
        let found = times(text, "UTC", "2026-11-21T12:00:00Z", 2);
        let expected: Vec<&str> = expected.into_iter().filter(|at| !at.is_empty()).collect();
        assert_eq!(found, expected, "{text}");
    }
    refusals(&[(
        "0 0 0 1 1 * 2028 5",
        "an expression has at most seven fields, this one has 8",
        "second minute hour day-of-month month day-of-week year",
    )]);
}

#[test]
fn rule_17_a_value_is_picked_by_the_name_and_stays() {
    let picked = |text: &str, name: &str| match Cron::parse(text, name) {
        Ok(Parsed::Cron(cron)) => cron.describe(name),
        other => panic!("{text}: {other:?}"),
    };
    assert_eq!(picked("0~59 3 * * *", "backup"), picked("0~59 3 * * *", "backup"));
    let mut minutes: Vec<String> = (0..400).map(|n| picked("0~59 3 * * *", &format!("host-{n}"))).collect();
    minutes.sort();
    minutes.dedup();
    assert!(minutes.len() > 50, "400 names share {} of 60 minutes", minutes.len());
    for n in 0..100 {
        let name = format!("host-{n}");
        let Ok(Parsed::Cron(cron)) = Cron::parse("10~12 3 * * *", &name) else { panic!() };
        assert!(["At 03:10", "At 03:11", "At 03:12"].iter().any(|at| cron.describe(&name).starts_with(at)));
    }
    assert!(same("7~7 3 * * *", "7 3 * * *"));
    assert!(same("0 0 * * fri~fri", "0 0 * * 5"));
    let found = times("0~59 3 * * *", "UTC", "2026-11-21T12:00:00Z", 2);
    assert_eq!(found[0][11..], found[1][11..]);
    // The picks of two fields are not the same number.
    assert!((0..50).any(|n| {
        let name = format!("job-{n}");
        let sentence = picked("0~23 0~23 * * *", &name);
        sentence[3..5] != sentence[6..8]
    }));
}

#[test]
fn rule_17_foreign_letters_are_refused_by_name() {
    let picks = "0~59 picks one value for good, by the job's name";
    refusals(&[
        ("? * * * *", "in the minute field, '?' is not known", "use * for \"any\""),
        ("0 0 ? * 1", "in the day-of-month field, '?' is not known", "use * for \"any\""),
        ("0 0 1 * ?", "in the day-of-week field, '?' is not known", "use * for \"any\""),
        ("H * * * *", "in the minute field, 'H' is not known", picks),
        ("H/15 * * * *", "in the minute field, 'H' is not known", picks),
        ("H(0-29) * * * *", "in the minute field, 'H' is not known", picks),
        (
            "0 H * * *",
            "in the hour field, 'H' is not known",
            "0~23 picks one value for good, by the job's name",
        ),
    ]);
}

#[test]
fn rule_17_a_whole_crontab_line_is_known_for_one() {
    for text in [
        "30 2 * * * /usr/bin/backup --all",
        "30 2 * * * root /usr/bin/backup",
        "0 5 * * 1 tar -zcf /var/backups/home.tgz /home/",
        "* * * * * monitor",
        "* * * * * %",
        "0 0 1 1 * ls",
        "@daily /usr/bin/backup",
        "@reboot /usr/bin/agent",
    ] {
        let error = refused(text);
        assert_eq!(
            error.message,
            "there is more than an expression here: this looks like a whole crontab line"
        );
        let hint = "the command goes elsewhere: cron = \"...\" and command = \"...\"";
        assert_eq!(error.hint.as_deref(), Some(hint), "{text}");
    }
}

//! Cron as a table of named fields.

use jobctl::core::cron::{Cron, CronError, CronFields, DstRules, TableField};
use jobctl::core::trigger::{CronTrigger, Schedule, Trigger};

use crate::support::{fires, on_clock};

fn table(text: &[(TableField, &str)]) -> Result<Option<Cron>, CronError> {
    let mut fields = CronFields::new("job");
    for (field, value) in text {
        fields.set(*field, value)?;
    }
    Ok(fields.build())
}

fn built(text: &[(TableField, &str)]) -> Cron {
    table(text).unwrap().unwrap()
}

fn scheduled(text: &[(TableField, &str)]) -> Schedule {
    let cron = built(text);
    on_clock(Trigger::Cron(CronTrigger { cron, dst: DstRules::default() }), "UTC")
}

use TableField::{Day, Hour, Minute, Month, Second, Week, Weekday, Year};

#[test]
fn finer_fields_are_at_their_minimum_and_coarser_ones_any() {
    for (text, expected) in [
        (vec![(Second, "*/30")], ["2026-11-21T12:00:30Z", "2026-11-21T12:01:00Z"]),
        (vec![(Minute, "30")], ["2026-11-21T12:30:00Z", "2026-11-21T13:30:00Z"]),
        (vec![(Hour, "2")], ["2026-11-22T02:00:00Z", "2026-11-23T02:00:00Z"]),
        (vec![(Hour, "2"), (Minute, "30")], ["2026-11-22T02:30:00Z", "2026-11-23T02:30:00Z"]),
        (vec![(Day, "1")], ["2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"]),
        (vec![(Weekday, "fri")], ["2026-11-27T00:00:00Z", "2026-12-04T00:00:00Z"]),
        (vec![(Month, "3,9")], ["2027-03-01T00:00:00Z", "2027-09-01T00:00:00Z"]),
        (vec![(Year, "2028,2031")], ["2028-01-01T00:00:00Z", "2031-01-01T00:00:00Z"]),
        (vec![(Year, "2028"), (Hour, "6")], ["2028-01-01T06:00:00Z", "2028-01-02T06:00:00Z"]),
        // A week alone is its Monday; 2026 has 53 of them.
        (vec![(Week, "53")], ["2026-12-28T00:00:00Z", "2032-12-27T00:00:00Z"]),
        (vec![(Week, "1")], ["2027-01-04T00:00:00Z", "2028-01-03T00:00:00Z"]),
        (
            vec![(Week, "*/2"), (Weekday, "fri"), (Hour, "9")],
            ["2026-12-04T09:00:00Z", "2026-12-18T09:00:00Z"],
        ),
    ] {
        assert_eq!(fires(&scheduled(&text), "2026-11-21T12:00:00Z", 2), expected, "{text:?}");
    }
}

#[test]
fn all_fields_of_a_table_must_match() {
    let friday_13th = scheduled(&[(Day, "13"), (Weekday, "fri")]);
    assert_eq!(
        fires(&friday_13th, "2026-11-21T12:00:00Z", 2),
        ["2027-08-13T00:00:00Z", "2028-10-13T00:00:00Z"]
    );
    let days = built(&[(Day, "13"), (Weekday, "fri")]).explain_days("job");
    assert_eq!(days, Some("both day fields must match, as all fields of a table must"));
}

#[test]
fn days_are_also_named_by_words() {
    for (day, expected) in [
        ("last", ["2026-11-30", "2026-12-31", "2027-01-31"]),
        ("LAST", ["2026-11-30", "2026-12-31", "2027-01-31"]),
        ("2nd fri", ["2026-12-11", "2027-01-08", "2027-02-12"]),
        ("second Fri", ["2026-12-11", "2027-01-08", "2027-02-12"]),
        ("last fri", ["2026-11-27", "2026-12-25", "2027-01-29"]),
        ("1st mon, 3rd mon", ["2026-12-07", "2026-12-21", "2027-01-04"]),
        ("1, last", ["2026-11-30", "2026-12-01", "2026-12-31"]),
        ("5th sat-sun", ["2026-11-29", "2027-01-30", "2027-01-31"]),
        ("L", ["2026-11-30", "2026-12-31", "2027-01-31"]),
        ("15W", ["2026-12-15", "2027-01-15", "2027-02-15"]),
    ] {
        let found = fires(&scheduled(&[(Day, day)]), "2026-11-21T12:00:00Z", 3);
        let found: Vec<&str> = found.iter().map(|at| &at[..10]).collect();
        assert_eq!(found, expected, "{day}");
    }
    for (day, message) in [
        ("6th fri", "in the day-of-month field, \"6th\" is no ordinal"),
        ("2nd fri#2", "in the day-of-month field, \"fri#2\" says twice which"),
        ("2nd friday", "in the day-of-week field, \"friday\" is too long a name"),
        ("2nd", "in the day-of-month field, \"2nd\" has \"nd\" left over"),
        ("last,", "the day-of-month field has an empty item"),
        ("32", "in the day-of-month field, 32 is out of range"),
    ] {
        assert_eq!(table(&[(Day, day)]).unwrap_err().message, message, "{day}");
    }
}

#[test]
fn a_table_is_refused_where_it_is_wrong() {
    assert_eq!(table(&[]), Ok(None));
    for (field, value, part) in [
        (Hour, "9-25", "9-25"),
        (Hour, "  9-17,25 ", "25"),
        (Week, "0", "0"),
        (Week, "54", "54"),
        (Year, "1969", "1969"),
        (Day, "1, 2nd fr", " 2nd fr"),
        (Minute, "0 1", "0 1"),
    ] {
        let error = table(&[(field, value)]).unwrap_err();
        assert_eq!(&value[error.span.clone()], part, "{value:?}: {error}");
    }
    let long = "1,".repeat(2_000);
    for field in TableField::ALL {
        assert_eq!(table(&[(field, &long)]).unwrap_err().message, "an expression of 4000 bytes is too long");
    }
}

#[test]
fn rule_25_a_table_follows_the_clock_by_the_same_rule() {
    for (text, wildcard) in [
        (vec![(Minute, "30")], true),
        (vec![(Second, "0")], true),
        (vec![(Minute, "*/15"), (Hour, "2")], true),
        (vec![(Hour, "2")], false),
        (vec![(Hour, "0-23")], false),
        (vec![(Day, "1")], false),
    ] {
        assert_eq!(built(&text).is_wildcard(), wildcard, "{text:?}");
    }
}

#[test]
fn a_table_in_words() {
    for (text, expected) in [
        (vec![(Hour, "9-17"), (Weekday, "mon-fri")], "Every hour from 09:00 to 17:00, Monday to Friday"),
        (vec![(Day, "13"), (Weekday, "fri")], "At 00:00, on the 13th of the month if it falls on a Friday"),
        (vec![(Day, "2nd fri")], "At 00:00, on the second Friday of the month"),
        (vec![(Day, "last"), (Month, "feb")], "At 00:00, on the last day of February"),
        (vec![(Week, "1")], "At 00:00, every Monday, in ISO week 1"),
        (
            vec![(Week, "*/2"), (Hour, "6"), (Weekday, "*")],
            "At 06:00, every day, in every 2nd ISO week from the 1st",
        ),
        (vec![(Week, "10-20,30")], "At 00:00, every Monday, in the ISO weeks 10 to 20 and 30"),
        (vec![(Year, "2028")], "At 00:00, on the 1st of January, in 2028"),
        (vec![(Month, "3-5")], "At 00:00, on the 1st of the month, from March to May"),
    ] {
        assert_eq!(built(&text).describe("job"), expected, "{text:?}");
    }
    let written = built(&[(Hour, " 9 "), (Day, "1st mon")]);
    assert_eq!(written.text(), "{ hour = \"9\", day = \"1st mon\" }");
}

//! Rules 1 to 19: what is an expression, and what each refusal says.

use chrono::Datelike;
use jobctl::core::cron::{Cron, Parsed};

use crate::support::{cron, dates, fires, instant, refusals, refused, same, schedule, times};

/// Returns the weekdays of the next fire times, from a Sunday on.
fn weekdays(text: &str, count: usize) -> Vec<String> {
    let list = times(text, "UTC", "2026-11-21T12:00:00Z", count);
    list.iter().map(|at| instant(at).to_utc().unwrap().weekday().to_string()).collect()
}

fn of_hour(text: &str) -> Vec<String> {
    let list = times(text, "UTC", "2026-11-21T11:59:59Z", 60);
    list.into_iter().take_while(|at| &at[11..13] == "12").map(|at| at[14..16].to_owned()).collect()
}

#[test]
fn rule_1_any_run_of_blanks_and_tabs_separates() {
    for text in ["30  2\t*\t \t* *", "  30 2 * * *", "30 2 * * *\t ", "\t30\t2\t*\t*\t*\t"] {
        assert!(same(text, "30 2 * * *"), "{text:?}");
        assert_eq!(cron(text).text(), text.trim());
    }
    for text in ["30 2 * *", "30", "30 2\n* * *", "30 2 * * *\n", "30 2 * *\u{a0}*", "30,2,*,*,*"] {
        refused(text);
    }
    refusals(&[
        (
            "30 2 * *",
            "an expression has five fields, this one has 4",
            "minute hour day-of-month month day-of-week, such as \"30 2 * * *\"",
        ),
        (
            "",
            "the expression is empty",
            "five fields: minute hour day-of-month month day-of-week, such as \"30 2 * * *\"",
        ),
        (
            " \t ",
            "the expression is empty",
            "five fields: minute hour day-of-month month day-of-week, such as \"30 2 * * *\"",
        ),
    ]);
}

#[test]
fn rule_2_values_past_their_range_are_named_with_it() {
    refusals(&[
        ("60 * * * *", "in the minute field, 60 is out of range", "minute is 0-59"),
        ("* 24 * * *", "in the hour field, 24 is out of range", "hour is 0-23"),
        ("* * 0 * *", "in the day-of-month field, 0 is out of range", "day-of-month is 1-31"),
        ("* * 32 * *", "in the day-of-month field, 32 is out of range", "day-of-month is 1-31"),
        ("* * * 0 *", "in the month field, 0 is out of range", "month is 1-12 or jan-dec"),
        ("* * * 13 *", "in the month field, 13 is out of range", "month is 1-12 or jan-dec"),
        ("* * * * 8", "in the day-of-week field, 8 is out of range", "day-of-week is 0-7 or sun-sat"),
        ("50-60 * * * *", "in the minute field, 60 is out of range", "minute is 0-59"),
        ("1,2,70-80/3 * * * *", "in the minute field, 70 is out of range", "minute is 0-59"),
        ("-1 * * * *", "in the minute field, \"-1\" is no value", "minute is 0-59"),
        ("+5 * * * *", "in the minute field, \"+5\" is no value", "minute is 0-59"),
        ("60 * * * * *", "in the second field, 60 is out of range", "second is 0-59"),
        ("0 0 0 1 1 * 1969", "in the year field, 1969 is out of range", "year is 1970-2100"),
        ("0 0 0 1 1 * 2101", "in the year field, 2101 is out of range", "year is 1970-2100"),
    ]);
    for text in ["0 0 1 1 0", "59 23 31 12 7"] {
        cron(text);
    }
}

#[test]
fn rule_2_the_place_of_what_is_wrong_is_known() {
    for (text, part) in [
        ("* 22,25 * * *", "25"),
        ("*  *\t1,32-33 * *", "32-33"),
        ("* * * foo,jan *", "foo"),
        ("30 2 * * * /bin/true", "/bin/true"),
        ("@daily /bin/true x", "/bin/true x"),
        ("* 1,,2 * * *", "1,,2"),
    ] {
        let error = refused(text);
        assert_eq!(&text[error.span], part, "{text}");
    }
}

#[test]
fn rule_3_sunday_is_0_and_7() {
    for text in ["0 0 * * 0", "0 0 * * 7", "0 0 * * 0,7", "0 0 * * 7-7", "0 0 * * sun"] {
        assert_eq!(weekdays(text, 3), ["Sun"; 3], "{text}");
    }
    assert_eq!(weekdays("0 0 * * 1", 2), ["Mon"; 2]);
    assert_eq!(weekdays("0 0 * * 5-7", 4), ["Sun", "Fri", "Sat", "Sun"]);
    assert!(same("0 0 * * 0-7", "0 0 * * *") && same("0 0 * * 1-7", "0 0 * * *"));
}

#[test]
fn rule_4_names_are_numbers_in_their_own_field() {
    for (named, plain) in [
        ("0 0 * * mon-5", "0 0 * * 1-5"),
        ("0 0 * * mon-fri/2", "0 0 * * 1,3,5"),
        ("0 0 * * 1,fri", "0 0 * * 1,5"),
        ("0 0 * * SUN,Mon,tUe", "0 0 * * 0,1,2"),
        ("0 0 * * wed,thu,sat", "0 0 * * 3,4,6"),
        ("0 0 1 jan,FEB,Mar-apr,5 *", "0 0 1 1-5 *"),
        ("0 0 1 jun-dec/2 *", "0 0 1 6,8,10,12 *"),
        ("0 0 1 jul,aug,sep,oct,nov *", "0 0 1 7-11 *"),
    ] {
        assert!(same(named, plain), "{named}");
    }
    refusals(&[
        ("mon * * * *", "in the minute field, \"mon\" is no value", "minute is 0-59"),
        ("* jan * * *", "in the hour field, \"jan\" is no value", "hour is 0-23"),
        (
            "* * mon * *",
            "in the day-of-month field, \"mon\" is no value",
            "day-of-month is 1-31, L for the last day",
        ),
        ("* * * mon *", "in the month field, \"mon\" is no value", "month is 1-12 or jan-dec"),
        ("* * * * jan", "in the day-of-week field, \"jan\" is no value", "day-of-week is 0-7 or sun-sat"),
    ]);
}

#[test]
fn rule_5_longer_names_are_refused() {
    refusals(&[
        (
            "* * * * sunday",
            "in the day-of-week field, \"sunday\" is too long a name",
            "the first three letters: sun",
        ),
        (
            "0 0 9 * * Sunday",
            "in the day-of-week field, \"Sunday\" is too long a name",
            "the first three letters: sun",
        ),
        ("* * * sept *", "in the month field, \"sept\" is too long a name", "the first three letters: sep"),
        ("* * * * mo", "in the day-of-week field, \"mo\" is no value", "day-of-week is 0-7 or sun-sat"),
    ]);
}

#[test]
fn rule_6_empty_items_are_refused() {
    for text in ["1,,2 * * * *", "1, * * * *", ",1 * * * *", ", * * * *", "1,2,,3 * * * *"] {
        let error = refused(text);
        assert_eq!(error.message, "the minute field has an empty item", "{text}");
        assert_eq!(error.hint.as_deref(), Some("a list is values joined by single commas"));
    }
    assert_eq!(of_hour("1,5,3,1 * * * *"), ["01", "03", "05"]);
}

#[test]
fn rule_7_ranges_include_both_ends() {
    assert_eq!(of_hour("5-8 * * * *"), ["05", "06", "07", "08"]);
    assert_eq!(of_hour("7-7 * * * *"), ["07"]);
    assert_eq!(of_hour("0-59 * * * *").len(), 60);
}

#[test]
fn rule_8_backwards_ranges_are_spelt_right() {
    refusals(&[
        ("* 22-6 * * *", "in the hour field, the range \"22-6\" runs backwards", "22-23,0-6"),
        ("* * * * fri-mon", "in the day-of-week field, the range \"fri-mon\" runs backwards", "fri-7,0-1"),
        ("* * * * 7-1", "in the day-of-week field, the range \"7-1\" runs backwards", "7,0-1"),
        ("* * * nov-feb *", "in the month field, the range \"nov-feb\" runs backwards", "nov-12,1-2"),
        ("* * 25-1 * *", "in the day-of-month field, the range \"25-1\" runs backwards", "25-31,1"),
        ("59-0 * * * *", "in the minute field, the range \"59-0\" runs backwards", "59,0"),
        ("50~10 * * * *", "in the minute field, the range \"50~10\" runs backwards", "10~50"),
    ]);
    for hint in ["* 22-23,0-6 * * *", "* * * * fri-7,0-1", "* * * * 7,0-1", "* * * nov-12,1-2 *"] {
        cron(hint);
    }
    assert_eq!(weekdays("0 0 * * fri-7,0-1", 5), ["Sun", "Mon", "Fri", "Sat", "Sun"]);
}

#[test]
fn rule_9_a_weekday_range_may_end_in_sunday() {
    for text in ["0 0 * * fri-sun", "0 0 * * 5-0", "0 0 * * fri-7", "0 0 * * 5-sun"] {
        assert_eq!(weekdays(text, 4), ["Sun", "Fri", "Sat", "Sun"], "{text}");
    }
    assert_eq!(weekdays("0 0 * * mon-sun", 7), ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]);
    assert_eq!(weekdays("0 0 * * sun-sun", 2), ["Sun", "Sun"]);
    // No other field ends in its beginning.
    refused("* 22-0 * * *");
}

#[test]
fn rule_10_a_step_goes_after_a_star_or_a_range() {
    assert_eq!(of_hour("10-40/15 * * * *"), ["10", "25", "40"]);
    assert_eq!(of_hour("1-5/2 * * * *"), ["01", "03", "05"]);
    assert_eq!(of_hour("*/20 * * * *"), ["00", "20", "40"]);
    assert_eq!(of_hour("*/20,5-6/1,9 * * * *"), ["00", "05", "06", "09", "20", "40"]);
    refusals(&[
        ("5/15 * * * *", "in the minute field, \"5/15\" has a step without a range", "5-59/15"),
        ("* 8/2 * * *", "in the hour field, \"8/2\" has a step without a range", "8-23/2"),
        ("* * * * mon/2", "in the day-of-week field, \"mon/2\" has a step without a range", "1-7/2"),
        ("/15 * * * *", "in the minute field, \"/15\" has a step without a range", "*/15"),
        (
            "5/x * * * *",
            "in the minute field, \"5/x\" has a step without a range",
            "a step goes after * or a range: */5, 10-40/5",
        ),
        ("*/ * * * *", "in the minute field, \"*/\" has no step after the slash", "a step is a number: */5"),
        (
            "1-9/ * * * *",
            "in the minute field, \"1-9/\" has no step after the slash",
            "a step is a number: */5",
        ),
        (
            "*/-2 * * * *",
            "in the minute field, \"*/-2\" has no step after the slash",
            "a step is a number: */5",
        ),
        (
            "* * * * */mon",
            "in the day-of-week field, \"*/mon\" has no step after the slash",
            "a step is a number: */5",
        ),
    ]);
}

#[test]
fn rule_11_steps_of_zero_and_steps_too_wide() {
    for text in ["*/0 * * * *", "0-30/0 * * * *", "*/000 * * * *"] {
        let error = refused(text);
        assert!(error.message.ends_with("has a step of 0"), "{error}");
        assert_eq!(error.hint.as_deref(), Some("a step is 1 or more"));
    }
    for (text, values) in [
        ("*/90 * * * *", vec!["00"]),
        ("*/60 * * * *", vec!["00"]),
        ("10-20/30 * * * *", vec!["10"]),
        ("7-7/5 * * * *", vec!["07"]),
    ] {
        assert_eq!(of_hour(text), values, "{text}");
        let warnings = cron(text).warnings();
        let part = text.split(' ').next().unwrap();
        let expected = format!("the step of {part:?} is wider than its range: only the first value matches");
        assert_eq!(warnings, [(expected, 0..part.len())], "{text}");
    }
    for text in ["*/59 * * * *", "*/1 * * * *", "10-20/10 * * * *", "7-7/1 * * * *", "@hourly"] {
        assert_eq!(cron(text).warnings(), [], "{text}");
    }
    assert_eq!(cron("5 */24 */31 * */8").warnings().len(), 3);
}

#[test]
fn rule_12_weekday_steps_count_from_0_to_7() {
    assert_eq!(weekdays("0 0 * * */2", 5), ["Sun", "Tue", "Thu", "Sat", "Sun"]);
    assert_eq!(weekdays("0 0 * * */3", 4), ["Sun", "Wed", "Sat", "Sun"]);
    assert_eq!(weekdays("0 0 * * */5", 3), ["Sun", "Fri", "Sun"]);
    assert_eq!(weekdays("0 0 * * */7", 2), ["Sun", "Sun"]);
    assert_eq!(weekdays("0 0 * * 1-7/3", 4), ["Sun", "Mon", "Thu", "Sun"]);
}

#[test]
fn rule_13_steps_begin_anew_in_each_field() {
    assert_eq!(of_hour("*/45 * * * *"), ["00", "45"]);
    assert_eq!(of_hour("*/7 * * * *").last().unwrap(), "56");
    let hours: Vec<String> = times("0 */23 * * *", "UTC", "2026-11-21T12:00:00Z", 4)
        .iter()
        .map(|at| at[11..13].to_owned())
        .collect();
    assert_eq!(hours, ["23", "00", "23", "00"]);
    let days = dates("0 0 */2 * *", "2026-01-28", 4);
    assert_eq!(days, ["2026-01-29", "2026-01-31", "2026-02-01", "2026-02-03"]);
    assert_eq!(dates("0 0 1 */5 *", "2026-01-01", 3), ["2026-06-01", "2026-11-01", "2027-01-01"]);
}

#[test]
fn rule_14_leading_zeros_are_decimal() {
    assert!(same("08 007 010 09 *", "8 7 10 9 *"));
    assert!(same("00-0059/0015 0 * * 07", "0-59/15 0 * * 7"));
}

#[test]
fn rule_15_what_is_left_over_is_refused() {
    let items = "an item is *, a, a-b, */n or a-b/n; items are joined by commas";
    refusals(&[
        ("*foo * * * *", "in the minute field, \"*foo\" has \"foo\" left over", items),
        ("*5 * * * *", "in the minute field, \"*5\" has \"5\" left over", items),
        ("** * * * *", "in the minute field, \"**\" has \"*\" left over", items),
        ("1-5-9 * * * *", "in the minute field, \"1-5-9\" has \"-9\" left over", items),
        ("*/5/2 * * * *", "in the minute field, \"*/5/2\" has \"/2\" left over", items),
        ("1-9/2x * * * *", "in the minute field, \"1-9/2x\" has \"x\" left over", items),
        ("10.5 * * * *", "in the minute field, \"10.5\" has \".5\" left over", items),
        ("5#3 * * * *", "in the minute field, \"5#3\" has \"#3\" left over", items),
        ("* * * * 1-5L", "in the day-of-week field, \"1-5L\" has \"L\" left over", items),
        (
            "* * * * mon#2,",
            "the day-of-week field has an empty item",
            "a list is values joined by single commas",
        ),
        ("5;6 * * * *", "in the minute field, \"5;6\" has \";6\" left over", items),
        ("30m * * * *", "in the minute field, \"30m\" has \"m\" left over", items),
        ("0~30~40 * * * *", "in the minute field, \"0~30~40\" has \"~40\" left over", items),
        (
            "8–17 * * * *",
            "in the minute field, \"8–17\" has \"–17\" left over",
            "the dash of a range is the plain one: a-b",
        ),
    ]);
    for text in ["* 9h * * *", "* * 1st * *", "* * * 1e1 *", "* 0x10 * * *", "١ * * * *", "1٫5 * * * *"] {
        refused(text);
    }
}

#[test]
fn rule_16_long_numbers_do_not_wrap_round() {
    refusals(&[
        ("4294967301 * * * *", "in the minute field, 4294967301 is out of range", "minute is 0-59"),
        (
            "18446744073709551621 * * * *",
            "in the minute field, 18446744073709551621 is out of range",
            "minute is 0-59",
        ),
        (
            "*/4294967301 * * * *",
            "in the minute field, a step of 4294967301 is out of range",
            "minute is 0-59",
        ),
        ("* * * * 256", "in the day-of-week field, 256 is out of range", "day-of-week is 0-7 or sun-sat"),
    ]);
    let long = "9".repeat(1_000);
    for text in [format!("{long} * * * *"), format!("*/{long} * * * *"), format!("0-{long} * * * *")] {
        let error = refused(&text);
        assert!(error.message.len() < 120, "{error}");
    }
    let wide = format!("{} * * * *", vec!["*"; 100_000].join(","));
    assert_eq!(refused(&wide).message, "an expression of 200007 bytes is too long");
}

#[test]
fn rule_18_nicknames() {
    for (nickname, meaning) in [
        ("@yearly", "0 0 1 1 *"),
        ("@annually", "0 0 1 1 *"),
        ("@monthly", "0 0 1 * *"),
        ("@weekly", "0 0 * * 0"),
        ("@daily", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        ("@hourly", "0 * * * *"),
    ] {
        assert!(same(nickname, meaning), "{nickname}");
        assert!(same(&format!(" {nickname}\t"), meaning), "{nickname}");
        assert_eq!(cron(nickname).text(), nickname);
    }
    assert_eq!(Cron::parse("@reboot", "job"), Ok(Parsed::Reboot));
    assert_eq!(Cron::parse("\t@reboot ", "job"), Ok(Parsed::Reboot));
    let all = "@yearly @annually @monthly @weekly @daily @midnight @hourly @reboot";
    refusals(&[
        ("@Daily", "\"@Daily\" is no nickname", "in small letters: @daily"),
        ("@REBOOT", "\"@REBOOT\" is no nickname", "in small letters: @reboot"),
        ("@fortnightly", "\"@fortnightly\" is no nickname", all),
        ("@", "\"@\" is no nickname", all),
        ("@every 1h", "\"@every\" is no nickname", "an interval has a key of its own: every = \"1h30m\""),
    ]);
}

#[test]
fn rule_19_and_25_what_follows_the_clock() {
    for wildcard in [
        "@hourly",
        "* * * * *",
        "*/15 2 * * *",
        "30 * * * *",
        "0 */2 * * *",
        "*,5 2 * * *",
        "5 *,3 * * *",
        "0 */15 2 * * *",
        "0 0 * 1 1 * 2028",
    ] {
        assert!(cron(wildcard).is_wildcard(), "{wildcard}");
    }
    for fixed in [
        "@yearly",
        "@annually",
        "@monthly",
        "@weekly",
        "@daily",
        "@midnight",
        "0,30 1-4 * * *",
        "0-59/15 2 * * *",
        "5 0-23 * * *",
        "5,* 2 * * *",
        "0-59 0-23 * * *",
        "0 0 */2 * *",
        "* 30 2 * * *",
    ] {
        assert!(!cron(fixed).is_wildcard(), "{fixed}");
    }
    // What it means: twice in the fold, or once.
    let fold = "2026-10-25T01:59:00+02:00";
    let first = |text: &str| fires(&schedule(text, "Europe/Berlin"), fold, 2);
    assert_eq!(first("@hourly"), ["2026-10-25T02:00:00+02:00", "2026-10-25T02:00:00+01:00"]);
    assert_eq!(first("0 0-23 * * *"), ["2026-10-25T02:00:00+02:00", "2026-10-25T03:00:00+01:00"]);
}

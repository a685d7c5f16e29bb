use super::{JobSet, Zones, added, job_of, loaded, refused};
use crate::core::cron::{DstFold, DstGap};
use crate::core::instant::Timestamp;
use crate::core::job::Job;
use crate::core::trigger::{Firing, Schedule, Trigger};
use crate::jobfile::{Severity, render};

fn schedule(job: &Job) -> &Schedule {
    match &job.firing {
        Firing::Clock(schedule) => schedule,
        other => panic!("{other:?}"),
    }
}

/// Loads a job in Berlin with these keys and returns its schedule.
fn berlin(keys: &str) -> Schedule {
    schedule(&job_of(&format!("command = \"x\"\ntimezone = \"Europe/Berlin\"\n{keys}"))).clone()
}

/// The first fire time after the beginning of 2026, in the zone.
fn first(schedule: &Schedule) -> String {
    let new_year = Timestamp::from_secs(1_767_225_600);
    let next = schedule.next_after(new_year, new_year).expect("it fires");
    schedule.zone.format(next)
}

#[test]
fn the_clock_of_the_jobs_zone_is_read() {
    let cases = [
        ("cron = \"30 2 29 3 *\"", "2026-03-29T03:00:00+02:00"),
        ("cron = \"30 2 29 3 *\"\ndst_gap = \"skip\"", "2027-03-29T02:30:00+01:00"),
        ("cron = \"30 2 25 10 *\"", "2026-10-25T02:30:00+02:00"),
        ("cron = \"30 2 25 10 *\"\ndst_fold = \"second\"", "2026-10-25T02:30:00+01:00"),
        (
            "cron = { hour = 9, minute = \"30\", weekday = \"mon-fri\", month = 7 }",
            "2026-07-01T09:30:00+02:00",
        ),
        ("cron = { day = \"last fri\" }", "2026-01-30T00:00:00+01:00"),
        ("at = 2026-12-24T18:00:00", "2026-12-24T18:00:00+01:00"),
        ("at = 2026-12-24 18:00:00", "2026-12-24T18:00:00+01:00"),
        ("at = 2026-07-24", "2026-07-24T00:00:00+02:00"),
        ("at = \"2026-12-24T18:00\"", "2026-12-24T18:00:00+01:00"),
        ("at = 2026-12-24T18:00:00Z", "2026-12-24T19:00:00+01:00"),
        ("at = \"2026-03-29T02:30\"", "2026-03-29T03:00:00+02:00"),
        ("cron = \"0 9 * * *\"\nstart = 2026-05-01", "2026-05-01T09:00:00+02:00"),
        ("any = [{ cron = \"0 9 * * *\" }, { at = 2026-01-01T08:00:00 }]", "2026-01-01T08:00:00+01:00"),
        ("all = [{ cron = \"0 9 * * *\" }, { cron = \"0 * * 2 *\" }]", "2026-02-01T09:00:00+01:00"),
    ];
    for (keys, expected) in cases {
        assert_eq!(first(&berlin(keys)), expected, "{keys}");
    }
    let rules = match berlin("cron = \"0 2 * * *\"\ndst_gap = \"skip\"\ndst_fold = \"both\"").trigger {
        Trigger::Cron(cron) => cron.dst,
        other => panic!("{other:?}"),
    };
    assert_eq!((rules.gap, rules.fold), (DstGap::Skip, DstFold::Both));
}

#[test]
fn bounds_are_inclusive_and_a_date_alone_ends_with_its_day() {
    let bounded = berlin("every = \"1h\"\nstart = 2026-12-24T18:00:00\nend = 2026-12-25");
    assert_eq!(bounded.zone.format(bounded.start.unwrap()), "2026-12-24T18:00:00+01:00");
    let end = bounded.end.unwrap();
    assert_eq!(end.plus(std::time::Duration::from_micros(1)).to_string(), "2026-12-25T23:00:00Z");
    let found = refused("[jobs.a]\ncommand = \"x\"\nevery = \"1h\"\nstart = 2026-12-24\nend = 2026-12-23\n");
    assert_eq!((found[0].line, &*found[0].message), (5, "\"end\" is before \"start\""));
}

#[test]
fn the_caret_points_into_the_expression() {
    let text = "[jobs.a]\ncommand = \"x\"\ncron = \"0 25 * * *\"\n[jobs.b]\ncommand = \"x\"\ncron = { hour = \"9-25\", weekday = 8 }\n";
    let found = refused(text);
    let marked: Vec<&str> = found.iter().map(|one| &one.source_line[one.span.clone()]).collect();
    assert_eq!(marked, ["25", "9-25", "8"]);
    assert_eq!((found[0].line, found[0].column), (3, 11));
    let escaped = refused("[jobs.a]\ncommand = \"x\"\ncron = \"0 25 \\u002a * *\"\n");
    assert_eq!(&escaped[0].source_line[escaped[0].span.clone()], "\"0 25 \\u002a * *\"");
    let text = "[jobs.a]\ncommand = \"x\"\ncron = \"22 5 * * fri-mon\"\n";
    insta::assert_snapshot!(render(&refused(text), false), @r#"
    error: in the day-of-week field, the range "fri-mon" runs backwards
     --> jobs.toml:3:18
      |
    3 | cron = "22 5 * * fri-mon"
      |                  ^^^^^^^
      |
      = help: fri-7,0-1
    "#);
}

#[test]
fn wrong_clock_triggers_are_refused() {
    let cases = [
        ("cron = 5", "\"cron\" must be text like \"30 2 * * *\" or a table of fields, not a number"),
        ("cron = \"\"", "\"cron\" must not be empty"),
        ("cron = {}", "\"cron\" is an empty table"),
        ("cron = { hours = 5 }", "unknown key \"hours\" in \"cron\""),
        ("cron = { hour = true }", "\"hour\" must be text, not true or false"),
        ("at = 5", "\"at\" must be a date and time, not a number"),
        (
            "at = \"tomorrow\"",
            "\"at\": \"tomorrow\" is no date and time, such as 2026-12-24T18:00 or 2026-12-24T18:00:00+01:00",
        ),
        (
            "at = 18:00:00",
            "\"at\": \"18:00:00\" is no date and time, such as 2026-12-24T18:00 or 2026-12-24T18:00:00+01:00",
        ),
        (
            "at = 2026-03-29T02:30:00\ndst_gap = \"skip\"\ntimezone = \"Europe/Berlin\"",
            "\"at\": \"2026-03-29T02:30:00\" does not exist in this zone: the clock jumps over it",
        ),
        ("any = [{ cron = \"@reboot\" }]", "a member of \"any\" must be a trigger of the clock"),
        ("any = [{ every = \"1h\", jitter = \"1m\" }]", "a member has no jitter of its own"),
        (
            "all = [{ every = \"1h\" }, { all = [{ every = \"2h\" }] }]",
            "\"all\" inside \"all\": put the members in one list",
        ),
    ];
    for (keys, message) in cases {
        let found = refused(&format!("[jobs.a]\ncommand = \"x\"\n{keys}\n"));
        let messages: Vec<&str> = found.iter().map(|one| &*one.message).collect();
        assert_eq!(messages, [message], "{keys}");
    }
    let members = |count: usize| vec!["{ every = \"1h\" }"; count].join(", ");
    let job = |key: &str, count: usize| format!("[jobs.a]\ncommand = \"x\"\n{key} = [{}]\n", members(count));
    assert_eq!(refused(&job("all", 17))[0].message, "\"all\" has more than 16 triggers in \"all\"");
    assert_eq!(refused(&job("any", 65))[0].message, "\"any\" has more than 64 triggers");
    assert_eq!(loaded(&job("all", 16)).jobs.len() + loaded(&job("any", 64)).jobs.len(), 2);
}

#[test]
fn what_never_fires_is_warned_of_in_a_file_and_refused_when_added() {
    let keys = "command = \"x\"\ncron = \"0 0 30 2 *\"\n";
    let set = loaded(&format!("[jobs.a]\n{keys}[jobs.b]\ncommand = \"x\"\ncron = \"*/90 * * * *\"\n"));
    assert_eq!(set.jobs.len(), 2);
    let shown: Vec<String> = set.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "jobs.toml:3:8: \"cron\" never fires: no date matches",
            "jobs.toml:6:9: the step of \"*/90\" is wider than its range: only the first value matches",
        ]
    );
    assert_eq!(set.warnings[0].severity, Severity::Warning);
    let found = added(keys, &JobSet::empty(&Zones)).expect_err("it never fires");
    assert_eq!(
        (found[0].severity, &*found[0].message),
        (Severity::Error, "\"cron\" never fires: no date matches")
    );
}

//! T1 to T5 and T11: changes of the wall clock by the rules of a zone, of the rules themselves, and a daemon that was
//! stopped. Nothing is set: the daemon's tz database is the test's own, and changes the clock seconds from now.

use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use super::ledger::ledger;
use super::zones::{Rule, daemon_in, seconds, write_zones};
use crate::features::support::{eventually, instant, outcomes, rows, sandbox};
use crate::harness::Sandbox;

const HOUR: i64 = 3_600;
const TWO: i64 = 2 * HOUR;
const DAY: i64 = 24 * HOUR;

/// Makes a sandbox whose zone changes the clock by so much at 02:00:00, which is so many seconds from now.
fn changing(by: i64, seconds_from_now: i64, jobs: &str) -> (Sandbox, Rule, i64) {
    let at = seconds() + seconds_from_now;
    let sandbox = sandbox(jobs);
    let rule = Rule::shifted(at, TWO, by);
    write_zones(&sandbox, &[("Test/Zone", rule)]);
    (sandbox, rule, at)
}

/// Returns the next fire time of a job in a zone of so many seconds east of UTC. The offset in the text is in whole
/// minutes (RFC 3339), that of the zone is not.
fn next(sandbox: &Sandbox, job: &str, offset: i64) -> i64 {
    instant(&sandbox.json(["show", job, "--json"])["next_fire_time"]).naive_local().and_utc().timestamp()
        - offset
}

/// Returns every fire time of a job that has an outcome; a row for a stretch stands for every `period` seconds.
fn fire_times(sandbox: &Sandbox, job: &str, period: i64) -> Vec<i64> {
    let period = usize::try_from(period).expect("a few seconds");
    let rows = ledger(sandbox, job);
    let mut times: Vec<i64> = rows.iter().flat_map(|row| (row.first..=row.last).step_by(period)).collect();
    times.sort_unstable();
    times
}

/// Waits until the job has an outcome for that second.
fn wait_until(sandbox: &Sandbox, job: &str, at: i64) {
    eventually("the time comes", || {
        sleep(Duration::from_millis(100));
        ledger(sandbox, job).iter().any(|row| row.last >= at && row.status != "queued")
    });
}

/// Fails where a job has two outcomes for an instant, or none for one between the first and the last.
fn without_hole_or_repeat(sandbox: &Sandbox, job: &str, period: i64) {
    let times = fire_times(sandbox, job, period);
    let steps: BTreeSet<i64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(steps, BTreeSet::from([period]), "{job}: {times:?}");
}

const EVERY_SECOND: &str = "[jobs.tick]\ncommand = \"true\"\ncron = \"* * * * * *\"\n\
    [jobs.even]\ncommand = \"true\"\ncron = \"*/2 * * * * *\"\n\
    [jobs.steady]\ncommand = \"true\"\nevery = \"1s\"\n";

#[test]
fn t1_a_daily_job_in_the_gap_runs_once_at_its_end() {
    let jobs = format!("{EVERY_SECOND}[jobs.daily]\ncommand = \"true\"\ncron = \"30 2 * * *\"\n");
    let (sandbox, rule, at) = changing(HOUR, 5, &jobs);
    let daemon = daemon_in(&sandbox, "Test/Zone");
    wait_until(&sandbox, "tick", at + 1);
    let found = ledger(&sandbox, "daily");
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!((found[0].status.as_str(), found[0].last), ("succeeded", at));
    assert_eq!(rows(&sandbox, "daily")[0]["note"], "dst_gap");
    // The next day at 02:30, which is half an hour before 03:00.
    assert_eq!(next(&sandbox, "daily", rule.offset + HOUR), at + DAY - HOUR / 2);
    assert!(daemon.stop().success());
}

#[test]
fn t2_a_daily_job_in_the_fold_runs_in_the_first_pass_alone() {
    // The clock goes back from 02:00:00 to 01:59:56: 01:59:58 comes twice.
    let jobs = format!("{EVERY_SECOND}[jobs.daily]\ncommand = \"true\"\ncron = \"58 59 1 * * *\"\n");
    let (sandbox, rule, at) = changing(-4, 7, &jobs);
    let daemon = daemon_in(&sandbox, "Test/Zone");
    wait_until(&sandbox, "tick", at + 3);
    let found = ledger(&sandbox, "daily");
    assert_eq!(found.len(), 1, "the second pass makes no row: {found:#?}");
    assert_eq!((found[0].status.as_str(), found[0].last), ("succeeded", at - 2));
    assert_eq!(next(&sandbox, "daily", rule.offset - 4), at - 2 + DAY + 4);
    assert!(daemon.stop().success());
}

#[test]
fn t3_wildcards_and_intervals_run_once_each_real_interval() {
    for by in [HOUR, -4] {
        let (sandbox, _, at) = changing(by, 5, EVERY_SECOND);
        let daemon = daemon_in(&sandbox, "Test/Zone");
        wait_until(&sandbox, "tick", at + 5);
        for (job, period) in [("tick", 1), ("even", 2), ("steady", 1)] {
            let times = fire_times(&sandbox, job, period);
            assert!(times.first() < Some(&at) && times.last() > Some(&at), "{job} at {at}: {times:?}");
            without_hole_or_repeat(&sandbox, job, period);
        }
        assert!(daemon.stop().success());
    }
}

#[test]
fn t5_a_changed_zone_is_seen_by_a_reload_and_nothing_runs_twice() {
    let at = seconds() + 6;
    let jobs = format!(
        "{EVERY_SECOND}[jobs.daily]\ncommand = \"true\"\ncron = \"0 0 12 * * *\"\n\
         [jobs.far]\ncommand = \"true\"\ncron = \"0 0 12 * * *\"\ntimezone = \"Test/Far\"\n\
         [jobs.once]\ncommand = \"true\"\ncron = \"0 0 2 * * *\"\n"
    );
    let sandbox = sandbox(&jobs);
    let home = Rule::fixed(at, TWO);
    write_zones(&sandbox, &[("Test/Home", home), ("Test/Far", Rule { offset: -HOUR, change: None })]);
    let daemon = daemon_in(&sandbox, "Test/Home");
    let far = next(&sandbox, "far", -HOUR);
    assert_eq!(next(&sandbox, "daily", home.offset), at + 10 * HOUR);
    // At 02:00:00 `once` runs; by the new rules it is 02:00:00 a second later, and that has passed too.
    wait_until(&sandbox, "tick", at + 2);
    assert_eq!(outcomes(&sandbox, "once"), ["succeeded -"]);
    let home = Rule { offset: home.offset - 1, change: None };
    write_zones(&sandbox, &[("Test/Home", home)]);
    sandbox.ok(["reload"]);
    assert_eq!(next(&sandbox, "daily", home.offset), at + 1 + 10 * HOUR);
    assert_eq!(next(&sandbox, "once", home.offset), at + 1 + DAY);
    assert_eq!(next(&sandbox, "far", -HOUR), far);
    wait_until(&sandbox, "tick", at + 5);
    assert_eq!(outcomes(&sandbox, "once"), ["succeeded -"], "it has run today");
    for job in ["tick", "steady"] {
        without_hole_or_repeat(&sandbox, job, 1);
    }
    assert!(daemon.stop().success());

    // The machine is moved to another zone while no daemon runs.
    let daemon = daemon_in(&sandbox, "Test/Far");
    assert_eq!((next(&sandbox, "daily", -HOUR), next(&sandbox, "far", -HOUR)), (far, far));
    wait_until(&sandbox, "tick", seconds() + 2);
    assert_eq!(outcomes(&sandbox, "once").len(), 1);
    let times = fire_times(&sandbox, "tick", 1);
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
    // An interval is the same everywhere: it goes on with what it has missed.
    without_hole_or_repeat(&sandbox, "steady", 1);
    assert!(daemon.stop().success());
}

#[test]
fn t11_a_stopped_daemon_catches_up_one_by_one_and_strict_jobs_are_missed() {
    let at = seconds() + 5;
    let due = chrono::DateTime::from_timestamp(at, 0).expect("an instant").to_rfc3339();
    let mut jobs = String::from("[daemon]\ncatch_up_parallel = 1\n");
    for job in ["one", "two", "three"] {
        jobs += &format!("[jobs.{job}]\ncommand = \"sleep 0.2\"\nat = \"{due}\"\n");
    }
    jobs += &format!("[jobs.strict]\ncommand = \"true\"\nat = \"{due}\"\ngrace = \"0s\"\n");
    jobs += "[jobs.often]\ncommand = \"true\"\ncron = \"* * * * * *\"\ngrace = \"0s\"\n";
    let sandbox = sandbox(&jobs);
    let daemon = sandbox.daemon();
    daemon.signal(Signal::STOP);
    // Lateness of a second is none.
    while seconds() < at + 3 {
        sleep(Duration::from_millis(100));
    }
    daemon.signal(Signal::CONT);
    let late = ["one", "two", "three"];
    let over = |job: &&str| outcomes(&sandbox, job) == ["succeeded -"];
    eventually("all of them catch up", || late.iter().all(over));
    assert_eq!(outcomes(&sandbox, "strict"), ["missed grace"]);
    let runs: Vec<Value> = late.iter().flat_map(|job| rows(&sandbox, job)).collect();
    let mut spans: Vec<_> =
        runs.iter().map(|row| (instant(&row["started_at"]), instant(&row["finished_at"]))).collect();
    spans.sort();
    assert!(spans.windows(2).all(|pair| pair[0].1 <= pair[1].0), "one at a time: {spans:?}");
    // One that was claimed already has its own row.
    let often = ledger(&sandbox, "often");
    let stretches = often.iter().filter(|row| row.status == "missed" && row.first < row.last).count();
    assert_eq!(stretches, 1, "one row for all of them: {often:#?}");
    without_hole_or_repeat(&sandbox, "often", 1);
    assert!(daemon.stop().success());
}

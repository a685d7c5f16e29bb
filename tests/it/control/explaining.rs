//! `why`, for every reason there is to make without breaking anything.

use crate::harness::Sandbox;

const JOBS: &str = r#"
[jobs.well]
command = "true"
every = "1s"
[jobs.ill]
command = "exit 9"
every = "1d"
[jobs.slow]
command = "exec sleep 1000"
every = "1s"
kill_after = "1s"
[jobs.limited]
command = "exec sleep 1000"
every = "1d"
timeout = "100ms"
[jobs.missing]
command = ["/no/such/program"]
every = "1d"
[jobs.hooked]
command = "true"
before = "exit 1"
every = "1d"
[jobs.again]
command = "exit 1"
every = "1d"
retries = 1
retry_delay = "1h"
[jobs.boot]
command = "true"
on = "startup"
[jobs.chained]
command = "true"
after = "well"
"#;

/// Asks about the fire time of the first row with this status.
fn why(sandbox: &Sandbox, job: &str, status: &str) -> String {
    let rows = sandbox.json(["history", job, "--status", status, "--json"]);
    let row = rows.as_array().and_then(|rows| rows.last()).expect("there is a row");
    let at = row["fire_time"].as_str().or(row["queued_at"].as_str()).expect("an instant");
    sandbox.ok(["why", job, at])
}

#[test]
fn every_outcome_is_explained() {
    let sandbox = Sandbox::with_jobs(JOBS);
    let daemon = sandbox.daemon();
    let first = sandbox.ok(["why", "ill"]);
    assert!(first.starts_with("ill has not been due yet"), "{first}");
    let mut events = sandbox.follow(["events", "-f", "--after", "0", "--only", "run.*"]);
    events.until(&["run.skipped", "slow"]);
    events.until(&["run.succeeded", "chained"]);
    drop(events);
    for job in ["ill", "limited", "missing", "hooked"] {
        sandbox.output(["run-now", job, "--wait"]);
    }
    let mut events = sandbox.events(["--only", "run.retrying"]);
    sandbox.ok(["run-now", "again"]);
    events.until(&["again"]);
    sandbox.ok(["cancel", "slow", "--reason", "in the way"]);

    for (job, status, words) in [
        ("well", "succeeded", "on time and succeeded after"),
        ("ill", "failed", "It was asked for with `jobctl run-now`"),
        ("ill", "failed", "failed with exit code 9"),
        ("slow", "skipped", "It was skipped because as many runs of it were alive as may be (max_instances)"),
        ("slow", "cancelled", "cancelled by a request (in the way)"),
        ("limited", "timed_out", "reached its time limit and was ended"),
        ("missing", "failed", "could not be started (the program \"/no/such/program\" does not exist)"),
        ("hooked", "failed", "failed before its work began: a `before` hook failed"),
        ("again", "retrying", "Attempt 1 of 2 of run"),
        ("boot", "succeeded", "It was due"),
        ("chained", "succeeded", "succeeded after"),
    ] {
        let answer = why(&sandbox, job, status);
        assert!(answer.contains(words), "{job} {status}: {answer}");
    }
    daemon.kill();
    let offline = why(&sandbox, "ill", "failed");
    assert!(offline.contains("exit code 9"), "{offline}");
    let future = sandbox.ok(["why", "ill", "2099-01-01T00:00"]);
    assert!(future.contains("is still to come"), "{future}");
    assert_eq!(sandbox.output(["why", "nobody"]).status.code(), Some(4));
}

#[test]
fn fire_times_without_a_daemon_are_explained() {
    let sandbox = Sandbox::with_jobs("[jobs.a]\ncommand = \"true\"\nevery = \"1s\"\ngrace = \"0s\"\n");
    let daemon = sandbox.daemon();
    let mut events = sandbox.events(["a", "--only", "run.succeeded"]);
    events.until(&["a"]);
    daemon.kill();
    // A clock of its own: the seconds pass without a daemon, and nobody needs to sleep for them.
    let clock = Sandbox::with_jobs("[jobs.c]\ncommand = \"true\"\nevery = \"1s\"\n");
    {
        let _other = clock.daemon();
        let mut seconds = clock.events(["c", "--only", "run.succeeded"]);
        for _ in 0..3 {
            seconds.until(&["c"]);
        }
    }
    let _daemon = sandbox.daemon();
    let mut events = sandbox.events(["a", "--only", "run.succeeded"]);
    events.until(&["a"]);
    let answer = why(&sandbox, "a", "missed");
    assert!(answer.contains("It was missed because it could not start in time"), "{answer}");
    assert!(answer.contains("before the daemon started"), "{answer}");
}

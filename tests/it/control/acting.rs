//! Pausing, holding, running now, waiting, cancelling.

use crate::harness::Sandbox;

const JOBS: &str = r#"
[jobs.witness]
command = "true"
every = "1s"
[jobs.tick]
command = "true"
every = "1s"
[jobs.talk]
command = ["sh", "-c", 'echo one; echo two; shift 0; echo "$@"; exit 7', "talk"]
every = "1d"
[jobs.slow]
command = "echo begun; exec sleep 1000"
every = "1d"
kill_after = "1s"
[jobs.suicide]
command = "kill -KILL $$"
every = "1d"
"#;

/// Waits until the daemon has started the witness so many times more: whatever else was due by then was decided.
fn wait_for_starts(sandbox: &Sandbox, times: usize) {
    let mut events = sandbox.events(["witness", "--only", "run.started"]);
    for _ in 0..times {
        events.until(&["run.started"]);
    }
}

fn starts(sandbox: &Sandbox, job: &str) -> usize {
    let runs = sandbox.json(["history", job, "--status", "succeeded", "--json"]);
    runs.as_array().expect("an array").len()
}

#[test]
fn what_is_paused_does_not_start_and_the_ledger_says_why() {
    let sandbox = Sandbox::with_jobs(JOBS);
    let daemon = sandbox.daemon();
    wait_for_starts(&sandbox, 1);
    assert_eq!(
        sandbox.ok(["pause", "tick", "--until", "1h", "--reason", "the disk is full"]),
        "paused tick\n"
    );
    let before = starts(&sandbox, "tick");
    wait_for_starts(&sandbox, 3);
    assert_eq!(starts(&sandbox, "tick"), before, "nothing starts after the answer");
    let job = sandbox.json(["show", "tick", "--json"]);
    assert_eq!(job["state"], "paused");
    assert_eq!(job["pause"]["reason"], "the disk is full");
    assert!(job["pause"]["until"].is_string());
    let shown = sandbox.ok(["show", "tick"]);
    assert!(shown.contains("paused since") && shown.contains(": the disk is full"), "{shown}");

    daemon.kill();
    let _daemon = sandbox.daemon();
    assert_eq!(sandbox.ok(["list", "--state", "paused", "--quiet"]), "tick\n", "a pause outlives the daemon");
    let mut events = sandbox.events(["tick", "--only", "run.started"]);
    assert_eq!(sandbox.ok(["resume", "tick"]), "resumed tick\n");
    events.until(&["tick"]);
    let rows = sandbox.json(["history", "tick", "--status", "skipped", "--json"]);
    assert_eq!(rows[0]["reason"], "paused");
    assert!(rows[0]["occurrences"].as_u64() >= Some(2), "{rows}");
    let first = rows[0]["first_fire_time"].as_str().expect("a row of several");
    let why = sandbox.ok(["why", "tick", first]);
    assert!(why.contains("It was skipped because the job was paused"), "{why}");
    assert_eq!(sandbox.ok(["resume", "tick"]), "nothing to be resumed\n");
}

#[test]
fn a_pause_ends_by_itself() {
    let sandbox = Sandbox::with_jobs(JOBS);
    let _daemon = sandbox.daemon();
    let mut events = sandbox.events(["tick", "--only", "job.resumed,run.started"]);
    sandbox.ok(["pause", "tick", "--until", "2s"]);
    events.until(&["job.resumed"]);
    events.until(&["run.started"]);
}

#[test]
fn catching_up_runs_once_for_what_fell_due() {
    let sandbox = Sandbox::with_jobs(JOBS);
    let _daemon = sandbox.daemon();
    sandbox.ok(["pause", "tick"]);
    wait_for_starts(&sandbox, 3);
    let mut events = sandbox.events(["tick", "--only", "run.succeeded", "--json"]);
    sandbox.ok(["resume", "tick", "--catch-up"]);
    let event: serde_json::Value = serde_json::from_str(&events.until(&["tick"])).expect("JSON lines");
    let run = event["run_id"].as_u64();
    let rows = sandbox.json(["history", "tick", "--json"]);
    let row = rows.as_array().and_then(|rows| rows.iter().find(|row| row["run_id"].as_u64() == run));
    assert!(row.is_some_and(|row| row["coalesced"].as_u64() >= Some(1)), "{rows}");
}

#[test]
fn a_hold_stops_everything_and_outlives_the_daemon() {
    let sandbox = Sandbox::with_jobs(JOBS);
    let daemon = sandbox.daemon();
    wait_for_starts(&sandbox, 1);
    sandbox.ok(["hold", "--reason", "the move"]);
    let before = (starts(&sandbox, "tick"), starts(&sandbox, "witness"));
    let status = sandbox.json(["status", "--json"]);
    assert_eq!((&status["health"], &status["held"]["reason"]), (&"held".into(), &"the move".into()));
    let held = sandbox.run(["run-now", "talk"]);
    assert!(held.contains("the scheduler is held: nothing starts until `jobctl release`"), "{held}");
    assert_eq!(sandbox.output(["wait", "talk", "--timeout", "1500ms"]).status.code(), Some(124));
    assert_eq!((starts(&sandbox, "tick"), starts(&sandbox, "witness")), before);
    daemon.kill();
    let _daemon = sandbox.daemon();
    assert_eq!(sandbox.json(["status", "--json"])["held"]["reason"], "the move");
    let mut events = sandbox.events(["--only", "daemon.released,run.started"]);
    sandbox.ok(["release"]);
    events.until(&["daemon.released"]);
    events.until(&["run.started", "tick"]);
    assert_eq!(sandbox.json(["status", "--json"])["held"], serde_json::Value::Null);
}

#[test]
fn run_now_waits_with_the_jobs_own_code() {
    let sandbox = Sandbox::with_jobs(JOBS);
    let _daemon = sandbox.daemon();
    let shown = sandbox.run(["run-now", "talk", "--wait"]);
    assert!(shown.starts_with("exit 7\n--- stderr\nnote: run "), "{shown}");
    assert_eq!(sandbox.output(["run-now", "suicide", "--wait"]).status.code(), Some(137));
    assert_eq!(sandbox.output(["run-now", "tick", "--wait"]).status.code(), Some(0));
    let shown = sandbox.run(["run-now", "slow", "--wait=100ms"]);
    assert!(shown.starts_with("exit 124\n--- stderr\nerror: the time is over\nhint: "), "{shown}");
    assert_eq!(sandbox.json(["show", "slow", "--json"])["running"], 1, "the run goes on");
    assert_eq!(sandbox.output(["wait", "slow", "--timeout", "100ms"]).status.code(), Some(124));
    let busy = sandbox.run(["run-now", "slow"]);
    assert!(busy.starts_with("exit 5\n--- stderr\nerror: slow is busy"), "{busy}");
    assert!(sandbox.output(["run-now", "slow", "--force"]).status.success());
    assert_eq!(sandbox.json(["show", "slow", "--json"])["running"], 2);
}

#[test]
fn run_now_follows_the_output_and_takes_arguments() {
    let sandbox = Sandbox::with_jobs(JOBS);
    let _daemon = sandbox.daemon();
    let shown = sandbox.run(["run-now", "talk", "--follow", "--", "a b", "$HOME"]);
    assert!(shown.starts_with("exit 7\n--- stdout\none\ntwo\na b $HOME\n--- stderr\nnote: run "), "{shown}");
    let mut lines = sandbox.follow(["run-now", "slow", "--follow"]);
    assert_eq!(lines.next().as_deref(), Some("begun"), "the output comes while the run is alive");
    let mut logs = sandbox.follow(["logs", "-f", "slow"]);
    assert_eq!(logs.next().as_deref(), Some("begun"));
    let late = sandbox.output(["run-now", "slow", "--force", "--follow", "--wait=300ms"]);
    assert_eq!(late.status.code(), Some(124), "{}", sandbox.shown(&late));
    sandbox.ok(["cancel", "slow"]);
    assert_eq!(lines.end(), (Some(143), Vec::new()));
    assert_eq!(logs.end(), (Some(0), Vec::new()), "the output ends with the run");
}

#[test]
fn only_what_is_due_runs_with_if_due() {
    let sandbox = Sandbox::with_jobs(JOBS);
    let _daemon = sandbox.daemon();
    sandbox.ok(["pause", "tick"]);
    wait_for_starts(&sandbox, 2);
    assert_eq!(sandbox.run(["run-now", "tick", "--if-due", "--wait"]), "exit 0\n");
    assert_eq!(sandbox.json(["history", "tick", "--json"])[0]["source"], "manual");
    for args in [&["run-now", "slow", "--if-due"][..], &["run-now", "slow", "--if-due", "--wait"]] {
        assert_eq!(sandbox.run(args), "exit 0\n--- stderr\nnote: nothing is due\n");
    }
}

#[test]
fn what_is_cancelled_says_so_and_why() {
    let sandbox = Sandbox::with_jobs(JOBS);
    let _daemon = sandbox.daemon();
    let run = sandbox.json(["run-now", "slow", "--json"])["runs"][0]["run_id"].to_string();
    let waiting = sandbox.follow(["wait", &run, "--json"]);
    assert_eq!(
        sandbox.ok(["cancel", &run, "--reason", "wrong host"]),
        format!("cancelled run {run} of slow\n")
    );
    let (code, lines) = waiting.end();
    assert_eq!(code, Some(143));
    assert!(lines[0].contains(r#""status":"cancelled""#), "{lines:?}");
    let row = &sandbox.json(["history", "slow", "--json"])[0];
    assert_eq!((&row["status"], &row["detail"]), (&"cancelled".into(), &"wrong host".into()));
    let none = sandbox.run(["cancel", "slow"]);
    assert_eq!(none, "exit 0\n--- stderr\nnote: no run is alive\n");
    assert_eq!(sandbox.output(["cancel", "4711"]).status.code(), Some(4));
}

#[test]
fn acting_on_many_needs_a_word_in_a_script() {
    let sandbox = Sandbox::with_jobs(JOBS);
    let _daemon = sandbox.daemon();
    sandbox.ok(["run-now", "slow"]);
    for args in [&["cancel", "s*"][..], &["cancel", "--all"], &["cancel", "--status", "running"]] {
        let asked = sandbox.run(args);
        assert!(asked.contains("and there is nobody to ask\nhint: --yes does it"), "{args:?}: {asked}");
        assert!(asked.starts_with("exit 2\n"), "{asked}");
    }
    assert_eq!(sandbox.json(["show", "slow", "--json"])["running"], 1);
    sandbox.ok(["cancel", "--status", "running", "--yes"]);
    sandbox.output(["wait", "slow"]);
    assert_eq!(sandbox.json(["history", "slow", "--json"])[0]["status"], "cancelled");
}

#[test]
fn jobs_are_chosen_by_how_their_last_run_ended() {
    let sandbox = Sandbox::with_jobs(JOBS);
    let _daemon = sandbox.daemon();
    sandbox.output(["run-now", "talk", "--wait"]);
    let started = sandbox.json(["run-now", "--status", "failed", "--json"]);
    assert_eq!(started["runs"][0]["job"], "talk");
    assert_eq!(started["runs"].as_array().map(Vec::len), Some(1));
    sandbox.output(["wait", "talk"]);
    assert_eq!(sandbox.ok(["pause", "--status", "failed"]), "paused talk\n");
}

#[test]
fn a_daemon_that_stops_tells_those_who_wait_how_runs_ended() {
    let sandbox = Sandbox::with_jobs(&format!("[daemon]\nstop_timeout = \"0s\"\n{JOBS}"));
    let daemon = sandbox.daemon();
    let mut follower = sandbox.follow(["run-now", "slow", "--follow"]);
    assert_eq!(follower.next().as_deref(), Some("begun"));
    let waiting = sandbox.follow(["wait", "slow"]);
    let mut events = sandbox.follow(["events", "-f", "--after", "0"]);
    events.until(&["run.started", "slow"]);
    sandbox.ok(["stop", "--wait"]);
    assert_eq!(follower.end().0, Some(143));
    assert_eq!(waiting.end().0, Some(143));
    events.until(&["daemon.stopped"]);
    assert_eq!(events.end().0, Some(3));
    assert!(daemon.wait().success());
}

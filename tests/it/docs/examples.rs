//! The job file of the examples: it checks without a word, and it runs.

use std::collections::BTreeSet;

use crate::harness::{Sandbox, package};

/// Waits until each of these jobs has succeeded.
fn await_success(sandbox: &Sandbox, jobs: &[&str]) {
    let mut events = sandbox.follow(["events", "-f", "--since", "1h", "--only", "run.succeeded", "--json"]);
    let mut missing: BTreeSet<&str> = jobs.iter().copied().collect();
    while !missing.is_empty() {
        let line = events.until(&["run.succeeded"]);
        let event: serde_json::Value = serde_json::from_str(&line).expect("an event is a line of JSON");
        missing.remove(event["job"].as_str().unwrap_or_default());
    }
}

#[test]
fn the_example_checks_without_a_word() {
    let sandbox = Sandbox::new();
    let file = package("examples/jobs.toml");
    let checked = sandbox.output(["check", "--strict", "--json", &file.display().to_string()]);
    assert!(checked.status.success(), "{}", sandbox.shown(&checked));
    let checked = sandbox.output(["check", &file.display().to_string()]);
    assert!(checked.stderr.is_empty(), "{}", sandbox.shown(&checked));
}

#[test]
fn the_example_runs_on_a_bare_machine() {
    let sandbox = Sandbox::with_jobs(&super::read("examples/jobs.toml"));
    let daemon = sandbox.daemon();
    await_success(&sandbox, &["hello", "rates", "heartbeat"]);
    let rates = sandbox.json(["history", "rates", "--json"]);
    assert_eq!((&rates[0]["attempts"], rates.as_array().map(Vec::len)), (&6.into(), Some(1)), "{rates}");

    // What is due at some other time of the day or the year. The state of the disk is not ours to judge.
    let later = ["load", "mirrors", "words", "backup", "updates", "cleanup", "invoices", "opening", "y2038"];
    sandbox.ok(["run-now", "--wait=1m"].into_iter().chain(later));
    await_success(&sandbox, &["report"]);
    let load = sandbox.json(["history", "load", "--limit", "1", "--json"]);
    assert!(load[0]["result"]["load"].is_number(), "{load}");

    sandbox.ok(["stop"]);
    assert!(daemon.wait().success());
    let goodbye = sandbox.json(["history", "goodbye", "--json"]);
    assert_eq!(goodbye[0]["status"], "succeeded", "{goodbye}");
    let bad = sandbox.json(["history", "--status", "failed", "--json"]);
    assert_eq!(bad, serde_json::json!([]));
    let home: BTreeSet<String> = std::fs::read_dir(sandbox.path(""))
        .expect("the sandbox can be read")
        .map(|entry| entry.expect("the entry can be read").file_name().to_string_lossy().into_owned())
        .collect();
    let expected = ["daemon.log", "jobs.toml", "notify", "state"].map(ToOwned::to_owned);
    assert_eq!(home, BTreeSet::from(expected), "nothing is written outside the state directory");
}

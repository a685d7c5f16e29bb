//! What was acknowledged is done and on disk.

use serde_json::json;

use crate::harness::Sandbox;

/// Returns the names of the jobs, as `list` has them.
fn names(sandbox: &Sandbox) -> Vec<String> {
    let jobs = sandbox.json(["list", "--json"]);
    jobs.as_array()
        .expect("an array")
        .iter()
        .map(|job| job["name"].as_str().expect("a name").to_owned())
        .collect()
}

#[test]
fn what_was_added_is_there_after_a_kill() {
    let sandbox = Sandbox::with_jobs("");
    let daemon = sandbox.daemon();
    sandbox.ok(["add", "tick", "--every", "1h", "--", "true"]);
    daemon.kill();
    assert_eq!(names(&sandbox), ["tick"], "read from the files");
    let daemon = sandbox.daemon();
    assert_eq!(names(&sandbox), ["tick"], "read by the next daemon");
    assert_eq!(
        sandbox.json(["show", "tick", "--json"])["origin"],
        json!({"kind": "added", "path": null, "line": null})
    );
    sandbox.ok(["remove", "tick"]);
    daemon.kill();
    let daemon = sandbox.daemon();
    assert_eq!(names(&sandbox), Vec::<String>::new());
    assert!(daemon.stop().success());
}

#[test]
fn what_was_removed_does_not_start_again() {
    let sandbox = Sandbox::with_jobs("[jobs.witness]\ncommand = \"true\"\nevery = \"1s\"\n");
    let daemon = sandbox.daemon();
    sandbox.ok(["add", "tick", "--every", "1s", "--", "true"]);
    let mut events = sandbox.events(["--only", "run.started,job.removed", "--json"]);
    events.until(&["\"tick\""]);
    sandbox.ok(["remove", "tick"]);
    daemon.kill();
    let _daemon = sandbox.daemon();
    let mut events = sandbox.events(["--only", "run.started", "--json"]);
    for _ in 0..2 {
        let line = events.next().expect("the witness runs");
        assert!(line.contains("\"witness\""), "{line}");
    }
    let all = sandbox.ok(["events", "tick", "--only", "job.removed,run.started"]);
    let last = all.lines().last().unwrap_or_default();
    assert!(last.contains("job.removed"), "{all}");
    assert!(sandbox.ok(["history", "tick"]).contains("succeeded"), "its history stays");
}

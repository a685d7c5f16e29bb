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

//! Changes are kept, and taken back.

use serde_json::Value;

use crate::harness::Sandbox;

fn names(sandbox: &Sandbox) -> String {
    sandbox.ok(["list", "--quiet"])
}

#[test]
fn one_undo_takes_back_one_request() {
    let sandbox = Sandbox::with_jobs("");
    let daemon = sandbox.daemon();
    for name in ["a", "b", "c"] {
        sandbox.ok(["add", name, "--every", "1h", "--", "true"]);
    }
    sandbox.ok(["pause", "b"]);
    // The accident of `crontab -r`.
    sandbox.ok(["remove", "--all", "--yes"]);
    assert_eq!(names(&sandbox), "");
    daemon.kill();
    let _daemon = sandbox.daemon();
    let undone = sandbox.ok(["undo"]);
    assert!(undone.starts_with("taken back: 3 changes\n6: c removed "), "{undone}");
    assert_eq!(names(&sandbox), "a\nb\nc\n");
    assert_eq!(sandbox.ok(["list", "--state", "paused", "--quiet"]), "b\n", "what was paused comes back so");
    sandbox.ok(["undo"]);
    assert_eq!(names(&sandbox), "", "an undo can be undone");
    sandbox.ok(["undo", "5", "--single"]);
    assert_eq!(names(&sandbox), "b\n");
}

#[test]
fn definitions_come_back_as_they_were() {
    let sandbox = Sandbox::with_jobs("");
    let _daemon = sandbox.daemon();
    let every = |sandbox: &Sandbox| sandbox.json(["show", "a", "--json"])["trigger"]["spec"].clone();
    sandbox.ok(["add", "a", "--every", "1h", "--", "true"]);
    sandbox.ok(["add", "a", "--replace", "--every", "2h", "--", "true"]);
    sandbox.ok(["reschedule", "a", "--every", "3h"]);
    sandbox.ok(["edit", "a", "--set", "every=4h"]);
    let changes = sandbox.json(["changes", "a", "--json"]);
    let actions: Vec<&str> =
        changes.as_array().expect("an array").iter().filter_map(|change| change["action"].as_str()).collect();
    assert_eq!(actions, ["edited", "rescheduled", "replaced", "added"]);
    assert_ne!(changes[0]["uid"], Value::Null, "who did it is known");
    sandbox.ok(["undo"]);
    assert_eq!(every(&sandbox), "3h");
    sandbox.ok(["undo", "2"]);
    assert_eq!(every(&sandbox), "1h");
    sandbox.ok(["undo", "1"]);
    assert_eq!(names(&sandbox), "", "to take an addition back is to remove");
    let diff = sandbox.ok(["changes", "--diff", "--limit", "1"]);
    assert!(diff.contains("a removed") && diff.contains("-every = \"1h\""), "{diff}");
}

#[test]
fn what_cannot_be_undone_says_so() {
    let sandbox = Sandbox::with_jobs("");
    let _daemon = sandbox.daemon();
    insta::assert_snapshot!(sandbox.run(["undo"]), @r"
    exit 4
    --- stderr
    error: no job has been changed yet
    hint: jobs of the job file are changed there: `jobctl edit`
    ");
    insta::assert_snapshot!(sandbox.run(["undo", "7"]), @r"
    exit 4
    --- stderr
    error: there is no change 7
    hint: `jobctl changes` shows the changes
    ");
    insta::assert_snapshot!(sandbox.run(["changes", "nobody"]), @r"
    exit 0
    --- stderr
    note: no change of nobody is known
    ");
}

//! Definitions of added jobs while the store does not have them yet, or cannot be read.

use super::ledger::{Standstill, alter};
use crate::features::support::{eventually, sandbox};
use crate::harness::Sandbox;

const JOBS: &str = "[jobs.declared]\ncommand = \"true\"\nevery = \"1h\"\n";

/// Returns the definition as it is in force.
fn definition(sandbox: &Sandbox, job: &str) -> String {
    sandbox.ok(["show", job, "--toml"])
}

fn add(sandbox: &Sandbox, job: &str) {
    sandbox.ok(["add", job, "--every", "1h", "--", "true"]);
}

#[test]
fn s2_definitions_that_are_not_durable_yet_are_shown_exported_and_changed() {
    let sandbox = sandbox(JOBS);
    let daemon = sandbox.daemon();
    add(&sandbox, "old");
    add(&sandbox, "going");
    let every = |job: &str| sandbox.json(["show", job, "--json"])["trigger"]["spec"].clone();
    let standstill = Standstill::of(&sandbox);
    let mut waiting = vec![sandbox.follow(["add", "new", "--every", "1h", "--", "true"])];
    eventually("it is taken in", || sandbox.ok(["list", "--quiet"]).contains("new"));
    assert_eq!(definition(&sandbox, "new"), "[jobs.new]\nevery = \"1h\"\ncommand = \"true\"\n");
    waiting.push(sandbox.follow(["remove", "going"]));
    eventually("it is taken out", || !sandbox.ok(["list", "--quiet"]).contains("going"));
    for job in ["new", "old"] {
        waiting.push(sandbox.follow(["reschedule", job, "--every", "2h"]));
        eventually("it is rescheduled", || every(job) == "2h");
        waiting.push(sandbox.follow(["edit", job, "--set", "timeout=7s"]));
        eventually("it is edited", || definition(&sandbox, job).contains("timeout"));
        waiting.push(sandbox.follow(["add", job, "--replace", "--every", "3h", "--", "false"]));
        eventually("it is replaced", || every(job) == "3h");
        waiting.push(sandbox.follow(["edit", job, "--set", "timeout=9s"]));
        eventually("it is edited", || definition(&sandbox, job).contains("timeout"));
    }
    sandbox.write("jobs.toml", &format!("{JOBS}[jobs.more]\ncommand = \"true\"\nevery = \"1h\"\n"));
    waiting.push(sandbox.follow(["reload"]));
    eventually("it is reloaded", || sandbox.ok(["list", "--quiet"]).contains("more"));
    let text = |job: &str| format!("[jobs.{job}]\nevery = \"3h\"\ncommand = \"false\"\ntimeout = \"9s\"\n");
    let as_it_should_be = || {
        let exported = sandbox.ok(["export"]);
        assert!(!exported.contains("going"), "{exported}");
        for job in ["new", "old"] {
            assert_eq!(definition(&sandbox, job), text(job));
            assert_eq!(sandbox.ok(["export", job]), text(job));
            assert!(exported.contains(&text(job)), "{exported}");
        }
    };
    as_it_should_be();
    drop(standstill);
    for command in waiting {
        assert_eq!(command.end().0, Some(0));
    }
    as_it_should_be();
    sandbox.ok(["undo"]);
    assert!(!definition(&sandbox, "old").contains("timeout"), "before the last edit of the last job");
    sandbox.ok(["undo"]);
    as_it_should_be();
    daemon.kill();
    as_it_should_be();
    let daemon = sandbox.daemon();
    as_it_should_be();
    assert_eq!(sandbox.ok(["export", "new", "new"]), [text("new"), text("new")].join("\n"));
    sandbox.ok(["reload"]);
    as_it_should_be();
    assert!(daemon.stop().success());
}

#[test]
fn s3_definitions_that_cannot_be_read_are_an_error_for_those_who_need_them() {
    let sandbox = sandbox(JOBS);
    let daemon = sandbox.daemon();
    for job in ["a", "b", "kept"] {
        add(&sandbox, job);
    }
    let before = sandbox.ok(["export"]);
    alter(&sandbox, "ALTER TABLE definitions RENAME TO gone");
    sandbox.write("jobs.toml", &format!("{JOBS}[jobs.more]\ncommand = \"true\"\nevery = \"1h\"\n"));
    let needing: &[&[&str]] = &[
        &["show", "a"],
        &["export"],
        &["export", "a"],
        &["edit", "a", "--set", "every=2h"],
        &["reschedule", "a", "--every", "2h"],
        &["add", "a", "--replace", "--every", "2h", "--", "true"],
        &["remove", "a"],
        &["remove", "--all", "--yes"],
        &["undo"],
        &["reload"],
    ];
    for args in needing {
        let output = sandbox.output(*args);
        let shown = sandbox.shown(&output);
        assert!(shown.starts_with("exit 1\n--- stderr\nerror: "), "{args:?}: {shown}");
        assert!(shown.contains("no such table"), "{args:?}: {shown}");
    }
    assert!(daemon.log().contains("the job set in force is kept"), "{}", daemon.log());
    assert_eq!(sandbox.ok(["list", "--quiet"]), "a\nb\ndeclared\nkept\n");
    assert!(definition(&sandbox, "declared").contains("1h"), "it stands in the file");
    assert_eq!(sandbox.output(["run-now", "a", "--wait"]).status.code(), Some(0), "jobs run on");
    alter(&sandbox, "ALTER TABLE gone RENAME TO definitions; DELETE FROM definitions WHERE job = 'b'");
    sandbox.write("jobs.toml", JOBS);
    let shown = sandbox.run(["reschedule", "b", "--every", "2h"]);
    assert!(shown.contains("the store has no definition of b"), "{shown}");
    sandbox.ok(["add", "c", "--every", "1h", "--", "true"]);
    assert!(before.contains(&definition(&sandbox, "a")), "nothing has changed");
    sandbox.ok(["reschedule", "a", "--every", "2h"]);
    assert!(definition(&sandbox, "a").contains("2h"));
    assert!(daemon.stop().success());
}

#[test]
fn changes_of_one_definition_at_a_time_are_all_made() {
    let sandbox = sandbox("");
    let daemon = sandbox.daemon();
    add(&sandbox, "a");
    let keys = 1..=12;
    let edits: Vec<_> = keys
        .clone()
        .map(|key| {
            let set = format!("env.KEY_{key}=x");
            sandbox.follow(["edit", "a", "--set", set.as_str()])
        })
        .collect();
    for edit in edits {
        assert_eq!(edit.end().0, Some(0));
    }
    let text = definition(&sandbox, "a");
    for key in keys {
        assert!(text.contains(&format!("KEY_{key} ")), "{text}");
    }
    let changes = sandbox.json(["changes", "a", "--json"]);
    let changes = changes.as_array().expect("an array");
    for pair in changes.windows(2) {
        assert_eq!(pair[0]["before"], pair[1]["after"], "each was made of the one before");
    }
    assert!(daemon.stop().success());
}

//! Adding, changing and removing definitions.

use serde_json::json;

use crate::harness::Sandbox;

const JOBS: &str = r#"
[pools.io]
workers = 2
[jobs.declared]
command = "true"
every = "1h"
"#;

#[test]
fn every_kind_of_flag_becomes_a_key() {
    let sandbox = Sandbox::with_jobs(JOBS);
    let _daemon = sandbox.daemon();
    sandbox.ok([
        "add",
        "full",
        "--cron",
        "30 2 * * *",
        "--timezone",
        "Europe/Berlin",
        "--timeout",
        "2h",
        "--retries",
        "3",
        "--retry-on",
        "75,timeout",
        "--tag",
        "nightly",
        "--tag",
        "off-site",
        "--meta",
        "owner=ops",
        "--env",
        "A=two words",
        "--pool",
        "io",
        "--priority",
        "-5",
        "--grace",
        "1h",
        "--coalesce=false",
        "--on-busy",
        "queue",
        "--max-instances",
        "2",
        "--keep",
        "runs=7",
        "--description",
        "all of it",
        "--",
        "echo",
        "$A",
        "it's",
    ]);
    let job = &sandbox.json(["show", "full", "--json"]);
    let expected = json!({
        "state": "scheduled", "origin": {"kind": "added", "path": null, "line": null},
        "pool": "io", "priority": -5, "grace": "1h", "coalesce": false, "on_busy": "queue", "max_instances": 2,
        "timeout_ms": 7_200_000, "retries": 3, "tags": ["nightly", "off-site"], "meta": {"owner": "ops"},
        "description": "all of it", "command": "echo '$A' 'it'\\''s'",
    });
    for (key, value) in expected.as_object().expect("an object") {
        assert_eq!(&job[key], value, "{key}");
    }
    let trigger = &job["trigger"];
    assert_eq!((&trigger["kind"], &trigger["spec"]), (&"cron".into(), &"30 2 * * *".into()));
    assert_eq!(trigger["timezone"], "Europe/Berlin");
}

#[test]
fn a_name_is_taken_until_it_is_to_be_replaced() {
    let sandbox = Sandbox::with_jobs(JOBS);
    let _daemon = sandbox.daemon();
    sandbox.ok(["add", "a", "--every", "1h", "--", "true"]);
    sandbox.ok(["run-now", "a", "--wait"]);
    sandbox.ok(["pause", "a", "--reason", "not now"]);
    insta::assert_snapshot!(sandbox.run(["add", "a", "--every", "2h", "--", "true"]), @r"
    exit 4
    --- stderr
    error: there is a job a already
    hint: --replace puts the new definition in its place; history and pause stay
    ");
    insta::assert_snapshot!(sandbox.run(["add", "a", "--every", "2h", "--replace", "--", "false"]), @r"
    exit 0
    --- stdout
    replaced a: paused
    ");
    let job = &sandbox.json(["show", "a", "--json"]);
    assert_eq!((&job["paused"], &job["pause"]["reason"]), (&true.into(), &"not now".into()));
    assert_eq!(job["counts"]["succeeded"], 1, "its history is kept");
    assert_eq!(job["trigger"]["spec"], "2h");
}

#[test]
fn jobs_are_added_paused_run_at_once_or_only_checked() {
    let sandbox = Sandbox::with_jobs(JOBS);
    let _daemon = sandbox.daemon();
    assert_eq!(sandbox.ok(["add", "p", "--every", "1h", "--paused", "--", "true"]), "added p: paused\n");
    let added = sandbox.json(["add", "n", "--every", "1h", "--now", "--json", "--", "exit 3"]);
    let run = added["run_id"].to_string();
    assert_eq!(sandbox.output(["wait", &run]).status.code(), Some(3));
    let checked = sandbox.run(["add", "d", "--every", "1h", "--dry-run", "--", "true"]);
    assert_eq!(checked, "exit 0\n--- stdout\nd would be added\n");
    assert_eq!(sandbox.ok(["list", "--quiet"]), "declared\nn\np\n");
    let past = sandbox.ok(["add", "past", "--at", "yesterday", "--", "true"]);
    assert_eq!(past, "added past: runs now\n");
}

#[test]
fn wrong_definitions_are_shown_with_their_place() {
    let sandbox = Sandbox::with_jobs(JOBS);
    let _daemon = sandbox.daemon();
    insta::assert_snapshot!(sandbox.run(["add", "a", "--cron", "61 * * * *", "--", "true"]), @r###"
    exit 2
    --- stderr
    error: in the minute field, 61 is out of range
     --> <a>:1:9
      |
    1 | cron = "61 * * * *"
      |         ^^
      |
      = help: minute is 0-59
    error: the definition does not load: 1 error
    "###);
    insta::assert_snapshot!(sandbox.run(["add", "a b", "--every", "1h", "--", "true"]), @r"
    exit 2
    --- stderr
    error: a name has letters, digits, '.', '_' and '-' only, not ' '
    hint: like backup or db.nightly-2
    ");
    insta::assert_snapshot!(sandbox.run(["add", "a", "--", "true"]), @r###"
    exit 2
    --- stderr
    error: the job has no trigger
     --> <a>:1:1
      |
    1 | command = "true"
      | ^^^^^^^
      |
      = help: give it one of cron, every, at, on, after, any, all
    error: the definition does not load: 1 error
    "###);
    assert_eq!(sandbox.ok(["list", "--quiet"]), "declared\n");
}

#[test]
fn words_without_their_mark_are_explained() {
    let sandbox = Sandbox::with_jobs(JOBS);
    insta::assert_snapshot!(sandbox.run(["add", "a", "--every", "1h", "echo", "hi"]), @r"
    exit 2
    --- stderr
    error: unexpected argument 'echo' found

      tip: a command and its arguments come last, after `--`

    Usage: jobctl add [OPTIONS] <NAME> [-- <CMD>...]

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(sandbox.run(["show"]), @r"
    exit 2
    --- stderr
    error: the following required arguments were not provided:
      <JOB|RUN>

    Usage: jobctl show <JOB|RUN>

    For more information, try '--help'.
    ");
}

#[test]
fn keys_are_set_and_unset() {
    let sandbox = Sandbox::with_jobs(JOBS);
    let _daemon = sandbox.daemon();
    sandbox.ok(["add", "a", "--every", "1h", "--timeout", "5m", "--", "true"]);
    let edit = ["edit", "a", "--set", "timeout=2h", "--set", "retry_on=[75, \"timeout\"]"];
    insta::assert_snapshot!(sandbox.run(edit.iter().chain(&["--dry-run"])), @r###"
    exit 0
    --- stdout
    -timeout = "5m"
    +timeout = "2h"
    +retry_on = [75, "timeout"]
    "###);
    assert_eq!(sandbox.json(["show", "a", "--json"])["timeout_ms"], 300_000);
    sandbox.ok(edit);
    assert_eq!(sandbox.json(["show", "a", "--json"])["timeout_ms"], 7_200_000);
    sandbox.ok(["edit", "a", "--unset", "timeout"]);
    assert_eq!(sandbox.json(["show", "a", "--json"])["timeout_ms"], json!(null));
    insta::assert_snapshot!(sandbox.run(["edit", "a", "--unset", "timeout"]), @r###"
    exit 2
    --- stderr
    error: there is no key "timeout" in the definition
    hint: `jobctl show` has the definition
    "###);
    assert_eq!(sandbox.output(["edit", "a", "--set", "timeout=banana"]).status.code(), Some(2));
    assert_eq!(sandbox.output(["edit", "a", "--set", "nosuch=1"]).status.code(), Some(2));
    assert_eq!(sandbox.output(["edit", "nobody", "--set", "timeout=1h"]).status.code(), Some(4));
}

#[test]
fn a_job_gets_another_trigger() {
    let sandbox = Sandbox::with_jobs(JOBS);
    let _daemon = sandbox.daemon();
    sandbox.ok(["add", "a", "--every", "1h", "--paused", "--", "true"]);
    assert_eq!(sandbox.ok(["reschedule", "a", "--cron", "0 4 * * *"]), "rescheduled a: paused\n");
    let job = &sandbox.json(["show", "a", "--json"]);
    assert_eq!((&job["trigger"]["spec"], &job["paused"]), (&"0 4 * * *".into(), &true.into()));
    assert_eq!(sandbox.output(["reschedule", "a"]).status.code(), Some(2));
    assert_eq!(sandbox.output(["reschedule", "nobody", "--every", "1h"]).status.code(), Some(4));
}

#[test]
fn jobs_of_the_file_are_changed_in_the_file() {
    let sandbox = Sandbox::with_jobs(JOBS);
    let _daemon = sandbox.daemon();
    for args in [
        &["remove", "declared"][..],
        &["edit", "declared", "--set", "timeout=1h"],
        &["reschedule", "declared", "--every", "2h"],
        &["add", "declared", "--replace", "--every", "2h", "--", "true"],
    ] {
        let shown = sandbox.run(args);
        assert_eq!(
            shown,
            "exit 4\n--- stderr\nerror: declared is declared in $ROOT/jobs.toml:4\n\
             hint: change it there, then `jobctl reload`; `jobctl edit` opens the file\n",
            "{args:?}"
        );
    }
}

#[test]
fn a_job_that_others_wait_for_is_not_taken_out_alone() {
    let sandbox = Sandbox::with_jobs(JOBS);
    let daemon = sandbox.daemon();
    sandbox.ok(["add", "first", "--every", "1h", "--", "true"]);
    sandbox.ok(["add", "second", "--after", "first", "--", "true"]);
    insta::assert_snapshot!(sandbox.run(["remove", "first"]), @r"
    exit 1
    --- stderr
    error: first is needed: second is due when it has ended
    hint: remove second too, or give another trigger with `jobctl reschedule`
    ");
    assert_eq!(sandbox.ok(["remove", "first", "second"]), "removed first and second\n");
    sandbox.ok(["undo"]);
    assert_eq!(sandbox.ok(["list", "--quiet"]), "declared\nfirst\nsecond\n");
    daemon.kill();
    let _daemon = sandbox.daemon();
    assert_eq!(sandbox.json(["show", "second", "--json"])["state"], "scheduled");
}

#[test]
fn a_broken_job_is_shown_and_heals() {
    let sandbox = Sandbox::with_jobs(&format!("{JOBS}[jobs.base]\ncommand = \"true\"\nevery = \"1h\"\n"));
    let _daemon = sandbox.daemon();
    sandbox.ok(["add", "late", "--after", "base", "--", "true"]);
    sandbox.write("jobs.toml", JOBS);
    sandbox.ok(["reload"]);
    insta::assert_snapshot!(sandbox.run(["show", "late"]), @r###"
    exit 0
    --- stdout
    Job:     late
    State:   broken
    Error:   <late>:1:10: there is no job "base"
    Origin:  added with `jobctl add`
    "###);
    let next = sandbox.run(["next", "late"]);
    assert!(next.starts_with("exit 2\n") && next.contains("there is no job \"base\""), "{next}");
    sandbox.ok(["add", "base", "--every", "1h", "--", "true"]);
    assert_eq!(sandbox.json(["show", "late", "--json"])["state"], "scheduled");
    let mut events = sandbox.events(["late", "--only", "run.succeeded"]);
    sandbox.ok(["run-now", "base", "--wait"]);
    events.until(&["late"]);
}

#[test]
fn what_is_exported_loads_to_the_same_set() {
    let sandbox = Sandbox::with_jobs(JOBS);
    let _daemon = sandbox.daemon();
    sandbox.ok(["add", "a", "--every", "90s", "--env", "A=\"q\"", "--", "printf", "%s\\n", "ü"]);
    sandbox.ok(["add", "b", "--after", "a", "--tag", "x", "--", "echo done"]);
    let set = |sandbox: &Sandbox| {
        let mut jobs = sandbox.json(["list", "--json"]);
        for job in jobs.as_array_mut().expect("an array") {
            for key in ["origin", "next_fire_time", "last_run"] {
                job.as_object_mut().expect("an object").remove(key);
            }
        }
        jobs
    };
    let text = sandbox.ok(["export"]);
    let copy = Sandbox::with_jobs(&text);
    assert!(copy.output(["check", "--strict"]).status.success(), "{text}");
    assert_eq!(set(&copy), set(&sandbox));
    let one = sandbox.ok(["export", "b"]);
    assert!(one.starts_with("[jobs.b]\n") && !one.contains("jobs.a"), "{one}");
}

#[test]
fn a_bad_job_file_changes_nothing() {
    let sandbox = Sandbox::with_jobs(JOBS);
    let daemon = sandbox.daemon();
    sandbox.write("jobs.toml", "[jobs.declared]\ncommand = \"true\"\nevry = \"1h\"\n");
    insta::assert_snapshot!(sandbox.run(["reload"]), @r###"
    exit 2
    --- stderr
    error: the job has no trigger
     --> $ROOT/jobs.toml:1:7
      |
    1 | [jobs.declared]
      |       ^^^^^^^^
      |
      = help: give it one of cron, every, at, on, after, any, all

    error: unknown key "evry" in a job
     --> $ROOT/jobs.toml:3:1
      |
    3 | evry = "1h"
      | ^^^^
      |
      = help: did you mean "every"?
    error: the definition does not load: 2 errors
    hint: the jobs in force stay as they are
    "###);
    assert_eq!(sandbox.json(["show", "declared", "--json"])["state"], "scheduled");
    let errors = sandbox.json(["status", "--json"])["config_errors"].to_string();
    assert!(errors.contains("jobs.toml:3:1"), "{errors}");
    assert!(daemon.log().contains("jobs.toml:3:1"), "{}", daemon.log());

    sandbox.write("jobs.toml", &format!("{JOBS}\n[jobs.more]\ncommand = \"true\"\nevery = \"1h\"\n"));
    assert_eq!(sandbox.ok(["reload"]), "2 jobs: 1 added, 0 changed, 0 removed, 1 as before\n");
    assert_eq!(sandbox.json(["status", "--json"])["config_errors"], json!([]));
}

//! Events, past and to come; output as it is written.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::Value;

use crate::harness::Sandbox;

const JOBS: &str = r#"
[jobs.tick]
command = "true"
every = "1s"
[jobs.other]
command = "exit 3"
every = "1d"
[jobs.drip]
command = "for i in 1 2 3; do echo grün $i; sleep 0.3; done"
every = "1d"
"#;

fn event(line: &str) -> Value {
    serde_json::from_str(line).expect("one object a line")
}

#[test]
fn a_stream_goes_on_without_a_gap_over_a_restart() {
    let sandbox = Sandbox::with_jobs(JOBS);
    let daemon = sandbox.daemon();
    let mut events = sandbox.follow(["events", "-f", "--after", "0", "--json"]);
    let mut seen: Vec<u64> = Vec::new();
    while seen.len() < 9 {
        seen.push(event(&events.next().expect("another event"))["seq"].as_u64().expect("a number"));
    }
    drop(events);
    sandbox.output(["run-now", "other", "--wait"]);
    daemon.kill();
    let daemon = sandbox.daemon();
    let after = seen.last().expect("some were seen").to_string();
    let mut events = sandbox.follow(["events", "-f", "--after", &after, "--json"]);
    while seen.len() < 25 {
        seen.push(event(&events.next().expect("another event"))["seq"].as_u64().expect("a number"));
    }
    assert_eq!(seen, (1..=seen.len() as u64).collect::<Vec<_>>(), "every number once, in order");
    assert!(daemon.stop().success());
    let last = std::iter::from_fn(|| events.next()).last().expect("a last event");
    assert_eq!(event(&last)["event"], "daemon.stopped", "the last word is heard");
    assert_eq!(events.end().0, Some(3));
}

#[test]
fn events_are_chosen_by_name_and_job() {
    let sandbox = Sandbox::with_jobs(JOBS);
    let daemon = sandbox.daemon();
    let mut failed = sandbox.events(["--only", "run.failed,job.*", "--json"]);
    let mut of_job = sandbox.events(["other", "--json"]);
    sandbox.ok(["status"]);
    sandbox.output(["run-now", "other", "--wait"]);
    sandbox.ok(["pause", "other"]);
    let first = event(&failed.next().expect("an event"));
    assert_eq!((&first["event"], &first["job"]), (&"run.failed".into(), &"other".into()));
    assert_eq!((&first["exit_code"], &first["run_id"].is_u64()), (&3.into(), &true));
    assert_eq!(event(&failed.next().expect("an event"))["event"], "job.paused");
    let names: Vec<Value> =
        (0..4).map(|_| event(&of_job.next().expect("an event"))["event"].clone()).collect();
    assert_eq!(names, ["run.queued", "run.started", "run.failed", "job.paused"]);
    assert!(daemon.stop().success());
    let past = sandbox.ok(["events", "other", "--only", "run.*"]);
    assert_eq!(past.lines().count(), 3, "{past}");
    insta::assert_snapshot!(sandbox.run(["events", "--only", "run.fialed"]), @r###"
    exit 2
    --- stderr
    error: no event is called "run.fialed"
    hint: like run.failed, 'run.*' or 'job.*'; the manual has them all
    "###);
}

#[test]
fn output_is_followed_as_it_is_written_and_ends_with_the_run() {
    let sandbox = Sandbox::with_jobs(JOBS);
    let _daemon = sandbox.daemon();
    let run = sandbox.ok(["run-now", "drip", "--quiet"]);
    let mut output = sandbox.follow(["logs", "-f", run.trim()]);
    assert_eq!(output.next().as_deref(), Some("grün 1"));
    // That it has started may not be on a slow disk yet.
    let status = sandbox.json(["show", run.trim(), "--json"])["status"].clone();
    assert!(status == "running" || status == "queued", "{status}");
    assert_eq!(output.end(), (Some(0), vec!["grün 2".to_owned(), "grün 3".to_owned()]));
    assert_eq!(sandbox.ok(["logs", "drip", "-n", "1"]), "grün 3\n");
    assert_eq!(sandbox.json(["logs", "drip", "--json"])["text"], "grün 1\ngrün 2\ngrün 3\n");
}

#[test]
fn a_stream_ends_when_its_reader_goes() {
    let sandbox =
        Sandbox::with_jobs("[jobs.quiet]\ncommand = \"echo begun; exec sleep 1000\"\nevery = \"1d\"\n");
    let _daemon = sandbox.daemon();
    sandbox.ok(["run-now", "quiet"]);
    for args in [
        &["events", "-f", "--after", "0"][..],
        &["logs", "-f", "quiet"],
        &["run-now", "quiet", "--force", "--follow"],
    ] {
        // Nothing more is ever written: that the reader has gone must be noticed all the same.
        let mut command = sandbox.command(args);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it can be run");
        let mut first = String::new();
        let stdout = child.stdout.take().expect("a pipe");
        BufReader::new(stdout).read_line(&mut first).expect("a first line");
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(sandbox.shown(&output), "exit 0\n", "{args:?}");
    }
}

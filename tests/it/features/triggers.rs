//! The table "Triggers", where the daemon is needed to show it.

use serde_json::Value;

use super::support::{Diary, outcomes, rows, run_to_end, sandbox, short};
use crate::features::support::events;

#[test]
fn an_instant_that_has_passed_is_judged_by_grace() {
    let sandbox = sandbox("");
    let _daemon = sandbox.daemon();
    let mut diary = Diary::of(&sandbox, &[]);
    for (name, grace, end) in [("late", "1m", "missed"), ("right", "until-next", "succeeded")] {
        sandbox.ok(["add", name, "--at", "2020-02-29T12:00", "--grace", grace, "--", "true"]);
        diary.until(&format!("{name} run.{end}"));
        let job = sandbox.json(["show", name, "--json"]);
        assert_eq!((&job["state"], &job["next_fire_time"]), (&"finished".into(), &Value::Null), "{name}");
    }
    assert_eq!(outcomes(&sandbox, "late"), ["missed grace"]);
    assert_eq!(rows(&sandbox, "right")[0]["fire_time"], "2020-02-29T12:00:00Z");
    let seen: Vec<_> = diary.seen.iter().filter(|event| event.starts_with("late")).collect();
    assert_eq!(seen, ["late job.added", "late run.missed", "late job.finished"]);
}

#[test]
fn add_now_has_unlimited_grace() {
    let sandbox = sandbox("");
    let _daemon = sandbox.daemon();
    let added = |args: &[&str]| {
        let line = ["add"].iter().chain(args).chain(&["--json", "--", "exit 3"]).copied();
        let run = sandbox.json(line)["run_id"].to_string();
        assert_eq!(sandbox.output(["wait", &run]).status.code(), Some(3), "{args:?}");
        (sandbox.json(["show", args[0], "--json"]), rows(&sandbox, args[0]))
    };
    // Without a trigger: once, now.
    let (job, runs) = added(&["once", "--now"]);
    assert_eq!((&job["state"], &job["trigger"]["kind"]), (&"finished".into(), &"at".into()));
    assert_eq!((runs.len(), &runs[0]["source"]), (1, &"schedule".into()));
    // An instant that has passed is that one run, however little grace the job has.
    let (job, runs) = added(&["past", "--now", "--at", "2020-02-29T12:00", "--grace", "0s"]);
    assert_eq!((&job["state"], &job["grace"]), (&"finished".into(), &"unlimited".into()));
    assert_eq!((runs.len(), &runs[0]["fire_time"]), (1, &"2020-02-29T12:00:00Z".into()));
    // One that is still to come stays.
    let (job, runs) = added(&["future", "--now", "--at", "2100-01-01T00:00"]);
    assert_eq!(
        (&job["state"], &job["next_fire_time"]),
        (&"scheduled".into(), &"2100-01-01T00:00:00Z".into())
    );
    assert_eq!((runs.len(), &runs[0]["source"]), (1, &"manual".into()));
    // During a hold it waits for the release, and it is still one.
    sandbox.ok(["hold"]);
    sandbox.ok(["add", "held", "--now", "--", "true"]);
    let mut diary = Diary::of(&sandbox, &["held"]);
    assert_eq!(outcomes(&sandbox, "held"), [""; 0]);
    sandbox.ok(["release"]);
    diary.until("held run.succeeded");
    assert_eq!(outcomes(&sandbox, "held"), ["succeeded -"]);
}

#[test]
fn intervals_keep_their_grid_over_restarts_and_requests() {
    let sandbox = sandbox("[jobs.a]\ncommand = \"true\"\nevery = \"1h\"\n");
    let next = || sandbox.json(["show", "a", "--json"])["next_fire_time"].clone();
    let daemon = sandbox.daemon();
    let first = next();
    assert!(first.is_string());
    run_to_end(&sandbox, "a");
    assert_eq!(next(), first);
    daemon.kill();
    let daemon = sandbox.daemon();
    assert_eq!(next(), first);
    sandbox.ok(["reload"]);
    assert_eq!(next(), first);
    assert!(daemon.stop().success());
    let _daemon = sandbox.daemon();
    assert_eq!(next(), first);
}

#[test]
fn startup_and_shutdown_jobs_are_runs_like_any() {
    let sandbox = sandbox(
        "[jobs.hello]\ncommand = \"exit 4\"\non = \"startup\"\n[jobs.bye]\ncommand = \"true\"\non = \"shutdown\"\n",
    );
    let daemon = sandbox.daemon();
    let mut diary = Diary::of(&sandbox, &["hello"]);
    diary.until("hello run.failed");
    assert!(daemon.stop().success());
    for (job, source, end) in [("hello", "startup", "failed exit_code"), ("bye", "shutdown", "succeeded -")] {
        assert_eq!(outcomes(&sandbox, job), [end]);
        let row = &rows(&sandbox, job)[0];
        assert_eq!(row["source"], source);
        assert!(row["fire_time"].is_string(), "{row}");
    }
    let seen: Vec<String> = events(&sandbox).iter().map(short).collect();
    let of_bye = ["bye run.queued", "bye run.started", "bye run.succeeded", "daemon.stopped"];
    assert!(seen.ends_with(&of_bye.map(str::to_owned)), "{seen:?}");
    // Once in a boot is enough for the one, not for the other.
    assert!(sandbox.daemon().stop().success());
    assert_eq!((rows(&sandbox, "hello").len(), rows(&sandbox, "bye").len()), (1, 2));
}

#[test]
fn a_chain_of_three_follows_the_ends() {
    let sandbox = sandbox(
        "[jobs.a]\ncommand = 'exit \"${1:-0}\"'\nevery = \"52w\"\n\
         [jobs.b]\ncommand = \"true\"\nafter = { job = \"a\", on = \"success\" }\n\
         [jobs.c]\ncommand = \"true\"\nafter = \"b\"\n\
         [jobs.alarm]\ncommand = \"true\"\nafter = { job = \"a\", on = \"failure\" }\n",
    );
    let _daemon = sandbox.daemon();
    let mut diary = Diary::of(&sandbox, &["a", "b", "c", "alarm"]);
    run_to_end(&sandbox, "a");
    diary.until("c run.succeeded");
    let of = |job: &str| ["queued", "started", "succeeded"].map(|event| format!("{job} run.{event}"));
    assert_eq!(diary.seen, ["a", "b", "c"].map(of).concat());
    for job in ["b", "c"] {
        assert_eq!(rows(&sandbox, job)[0]["source"], "after");
    }
    let before = diary.seen.len();
    assert_eq!(sandbox.output(["run-now", "a", "--wait", "--", "7"]).status.code(), Some(7));
    diary.until("alarm run.succeeded");
    assert_eq!(
        diary.seen[before..],
        [
            "a run.queued",
            "a run.started",
            "a run.failed",
            "alarm run.queued",
            "alarm run.started",
            "alarm run.succeeded"
        ]
    );
    sandbox.write(
        "jobs.toml",
        "[jobs.a]\ncommand = \"true\"\nafter = \"b\"\n[jobs.b]\ncommand = \"true\"\nafter = \"a\"\n",
    );
    let refused = sandbox.run(["reload"]);
    assert!(refused.starts_with("exit 2\n") && refused.contains("jobs.toml:3"), "{refused}");
}

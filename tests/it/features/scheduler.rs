//! The table "Scheduler", by the real binary.

use serde_json::Value;

use super::support::{Diary, Pipe, events, instant, run_to_end, sandbox};

#[test]
fn a_daemon_starts_tells_its_state_and_stops() {
    let sandbox = sandbox("[jobs.a]\ncommand = \"true\"\nevery = \"1h\"\n");
    assert_eq!(sandbox.output(["status"]).status.code(), Some(3));
    let daemon = sandbox.daemon();
    let status = sandbox.json(["status", "--json"]);
    assert_eq!(
        (&status["running"], &status["pid"], &status["health"]),
        (&true.into(), &daemon.pid().into(), &"ok".into())
    );
    let second = sandbox.run(["run"]);
    assert!(second.starts_with("exit 3\n") && second.contains(&daemon.pid().to_string()), "{second}");
    assert_eq!(sandbox.json(["status", "--json"])["pid"], daemon.pid(), "the first goes on");
    assert!(daemon.stop().success());
    assert_eq!(sandbox.output(["status"]).status.code(), Some(3));
    let all = events(&sandbox);
    let of_daemon: Vec<&Value> = all
        .iter()
        .map(|event| &event["event"])
        .filter(|name| name.as_str().is_some_and(|name| name.starts_with("daemon.")))
        .collect();
    assert_eq!(of_daemon, ["daemon.started", "daemon.stopped"]);
}

#[test]
fn identity_heartbeat_and_start_up_delay_are_as_set() {
    let sandbox = sandbox(
        "[daemon]\nidentity = \"web1\"\nstartup_delay = \"1500ms\"\nstore_retry = \"2s\"\n\
         [jobs.a]\ncommand = \"true\"\non = \"startup\"\n",
    );
    let _daemon = sandbox.daemon();
    let status = sandbox.json(["status", "--json"]);
    assert_eq!(status["identity"], "web1");
    assert!(status["heartbeat_age_ms"].as_u64() < Some(60_000), "{status}");
    Diary::of(&sandbox, &["a"]).until("a run.succeeded");
    let all = events(&sandbox);
    let at =
        |name: &str| instant(&all.iter().find(|event| event["event"] == name).expect("it is there")["at"]);
    let waited = at("run.started") - at("daemon.started");
    assert!(waited >= chrono::TimeDelta::milliseconds(1_400), "{waited}");
}

#[test]
fn hooks_hear_the_events_of_their_mask_and_hold_up_nothing() {
    let sandbox = sandbox(
        "[jobs.a]\ncommand = \"exit 7\"\nevery = \"52w\"\n[jobs.b]\ncommand = \"true\"\nevery = \"52w\"\n\
         [[on]]\nonly = [\"run.*\"]\ncommand = \"sleep 1000\"\ntimeout = \"200ms\"\n\
         [[on]]\nonly = [\"run.failed\", \"job.*\"]\ntimeout = \"10s\"\n\
         command = 'echo \"$JOBCTL_EVENT $JOBCTL_JOB ${JOBCTL_EXIT_CODE-}\" > \"$JOBCTL_STATE_DIR/../heard\"'\n",
    );
    let mut heard = Pipe::new(&sandbox, "heard");
    let _daemon = sandbox.daemon();
    assert!(run_to_end(&sandbox, "b").status.success());
    assert_eq!(run_to_end(&sandbox, "a").status.code(), Some(7));
    sandbox.ok(["pause", "b"]);
    let mut words = [heard.hear(), heard.hear()];
    words.sort();
    assert_eq!(words, ["job.paused b ", "run.failed a 7"]);
}

#[test]
fn reading_never_runs_anything() {
    let sandbox = sandbox(
        "[jobs.due]\ncommand = \"echo ran >> ran\"\nat = \"2020-02-29T12:00\"\n\
         [jobs.always]\ncommand = \"echo ran >> ran\"\nevery = \"1s\"\n[jobs.start]\ncommand = \"echo ran >> ran\"\non = \"startup\"\n",
    );
    let read_all = || {
        for args in [
            &["list"][..],
            &["show", "due"],
            &["next", "always"],
            &["history"],
            &["events"],
            &["why", "due"],
            &["check"],
            &["export"],
            &["explain", "* * * * *"],
        ] {
            assert!(sandbox.output(args).status.success(), "{}", sandbox.run(args));
        }
    };
    read_all();
    assert!(!sandbox.path("state").exists() && !sandbox.path("ran").exists());
    // With a store in which everything is due, and nobody to run it.
    let daemon = sandbox.daemon();
    Diary::of(&sandbox, &["due"]).until("due run.succeeded");
    sandbox.ok(["hold"]);
    assert!(daemon.stop().success());
    let before = (events(&sandbox), std::fs::read(sandbox.path("ran")).expect("they ran"));
    read_all();
    assert_eq!((events(&sandbox), std::fs::read(sandbox.path("ran")).expect("they ran")), before);
}

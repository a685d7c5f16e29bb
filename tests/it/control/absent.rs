//! No daemon, one that is gone, and one that hangs.

use std::os::unix::net::UnixListener;
use std::process::Command;

use crate::harness::Sandbox;

const JOBS: &str = "[jobs.a]\ncommand = \"true\"\nevery = \"1h\"\n";

/// Commands that need the daemon, with whatever they need.
const ACTING: [&[&str]; 17] = [
    &["add", "x", "--every", "1h", "--", "true"],
    &["edit", "a", "--set", "timeout=1h"],
    &["reschedule", "a", "--every", "2h"],
    &["pause", "a"],
    &["resume", "a"],
    &["remove", "a"],
    &["undo"],
    &["run-now", "a"],
    &["wait", "a"],
    &["cancel", "a"],
    &["hold"],
    &["release"],
    &["reload"],
    &["stop"],
    &["events", "-f"],
    &["status"],
    &["run-now", "a", "--follow"],
];

/// Commands that only read.
const READING: [&[&str]; 8] = [
    &["list"],
    &["show", "a"],
    &["next", "a"],
    &["history"],
    &["events"],
    &["why", "a"],
    &["export"],
    &["changes"],
];

#[test]
fn commands_that_act_say_how_to_start_one() {
    let sandbox = Sandbox::with_jobs(JOBS);
    for args in ACTING {
        let shown = sandbox.run(args);
        assert!(shown.starts_with("exit 3\n"), "{args:?}: {shown}");
        let hint = "hint: start one: jobctl run --config $ROOT/jobs.toml --state-dir $ROOT/state\n";
        assert!(args == ["status"] || shown.ends_with(hint), "{args:?}: {shown}");
    }
    for args in READING {
        assert!(sandbox.output(args).status.success(), "{args:?}");
    }
    assert!(!sandbox.path("state").exists(), "reading makes nothing");
    let listed = sandbox.run(["list"]);
    assert!(listed.ends_with("note: no daemon runs, so nothing starts: `jobctl run` is one\n"), "{listed}");
}

#[test]
fn a_socket_that_is_left_over_is_no_daemon() {
    let sandbox = Sandbox::with_jobs(JOBS);
    sandbox.daemon().kill();
    assert!(sandbox.socket().exists(), "a kill leaves the socket behind");
    for args in ACTING {
        assert_eq!(sandbox.output(args).status.code(), Some(3), "{args:?}");
    }
    for args in READING {
        assert!(sandbox.output(args).status.success(), "{args:?}");
    }
    assert!(sandbox.daemon().stop().success(), "the next one takes its place");
    assert!(!sandbox.socket().exists());
}

#[test]
fn an_owner_of_the_socket_that_hangs_is_not_waited_for() {
    let sandbox = Sandbox::with_jobs(JOBS);
    std::fs::create_dir(sandbox.path("state")).expect("the directory can be made");
    let _listener = UnixListener::bind(sandbox.socket()).expect("the socket can be bound");
    let running: Vec<_> = ACTING
        .iter()
        .map(|args| {
            // The clock of timeout(1) tells it apart from one that waits for ever.
            let binary = env!("CARGO_BIN_EXE_jobctl");
            let mut command = Command::new("timeout");
            command.arg("20").arg(binary).args(*args).env("JOBCTL_CONFIG", sandbox.path("jobs.toml"));
            command.env("JOBCTL_STATE_DIR", sandbox.path("state")).stdin(std::process::Stdio::null());
            command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
            (args, command.spawn().expect("the binary can be run"))
        })
        .collect();
    for (args, child) in running {
        let output = child.wait_with_output().expect("it ends");
        let shown = sandbox.shown(&output);
        assert!(shown.starts_with("exit 3\n"), "{args:?}: {shown}");
        assert!(shown.contains("hint: try again, or look at its log and restart it\n"), "{args:?}: {shown}");
    }
    let shown = sandbox.run(["list"]);
    assert!(shown.starts_with("exit 0\n") && shown.contains("; reading the files instead\n"), "{shown}");
}

#[test]
fn p9_a_second_daemon_names_the_first() {
    let sandbox = Sandbox::with_jobs(JOBS);
    let daemon = sandbox.daemon();
    let shown = sandbox.run(["run"]);
    assert!(shown.starts_with("exit 3\n"), "{shown}");
    assert!(shown.contains(&format!("pid {}", daemon.pid())), "{shown}");
    assert!(shown.contains("\nhint: `jobctl status` shows it"), "{shown}");
}

//! What crontab users ask for beyond the tables, by the real binary.

use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;

use serde_json::Value;

use super::support::{
    Diary, Pipe, events, eventually, outcomes, rows, run_now, run_to_end, sandbox, write_jobs,
};
use crate::harness::PATIENCE;

#[test]
fn n1_a_webhook_that_hangs_holds_up_neither_jobs_nor_other_notices() {
    // It takes connections and never says anything.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port of this machine");
    let port = silent.local_addr().expect("an address").port();
    let sandbox = sandbox(&format!(
        "[notify.silent]\nwebhook = \"http://127.0.0.1:{port}/\"\n\
         [notify.pipe]\ncommand = 'echo \"$JOBCTL_JOB $JOBCTL_STATUS\" > \"$JOBCTL_STATE_DIR/../heard\"'\n\
         [jobs.a]\ncommand = \"exit 4\"\nevery = \"52w\"\n\
         notify = [{{ name = \"silent\", when = \"failure\" }}, {{ name = \"pipe\", when = \"failure\" }}]\n\
         [jobs.b]\ncommand = \"exit 5\"\nevery = \"52w\"\nnotify = {{ name = \"pipe\", when = \"failure\" }}\n"
    ));
    let mut heard = Pipe::new(&sandbox, "heard");
    let daemon = sandbox.daemon();
    assert_eq!(run_to_end(&sandbox, "a").status.code(), Some(4));
    let (connection, _) = silent.accept().expect("it is asked");
    // While it hangs the slot is free and the others are heard.
    for _ in 0..3 {
        assert_eq!(run_to_end(&sandbox, "a").status.code(), Some(4));
    }
    assert_eq!(run_to_end(&sandbox, "b").status.code(), Some(5));
    let mut words: Vec<String> = (0..5).map(|_| heard.hear()).collect();
    words.sort();
    assert_eq!(words, ["a failed", "a failed", "a failed", "a failed", "b failed"]);
    assert_eq!(outcomes(&sandbox, "a"), ["failed exit_code"; 4]);
    // What was not delivered is delivered by the next daemon.
    daemon.kill();
    drop(connection);
    let _daemon = sandbox.daemon();
    silent.accept().expect("it is asked again");
}

#[test]
fn a_run_that_outlives_its_daemon_is_adopted() {
    let sandbox = sandbox(
        "[jobs.a]\ncommand = 'echo one; echo x > begun; read code < gate; echo two; exit $code'\nevery = \"52w\"\n",
    );
    let mut gate = Pipe::new(&sandbox, "gate");
    let mut begun = Pipe::new(&sandbox, "begun");
    let daemon = sandbox.daemon();
    let run = run_now(&sandbox, ["a"]);
    begun.hear();
    daemon.kill();
    let daemon = sandbox.daemon();
    let job = sandbox.json(["show", "a", "--json"]);
    assert_eq!((&job["state"], &job["running"]), (&"running".into(), &1.into()));
    assert_eq!(sandbox.output(["run-now", "a"]).status.code(), Some(5), "it counts");
    gate.tell("0");
    sandbox.output(["wait", &run]);
    assert!(sandbox.ok(["logs", &run]).ends_with("one\ntwo\n"));
    let rows = rows(&sandbox, "a");
    assert_eq!(rows.len(), 1);
    // The kernel tells its exit code only to its parent, or since 6.15.
    assert!(["succeeded", "lost"].contains(&rows[0]["status"].as_str().expect("a status")), "{}", rows[0]);
    let all = events(&sandbox);
    let started = all.iter().filter(|event| event["event"] == "run.started").count();
    assert_eq!(started, 1);
    assert!(daemon.stop().success());
}

#[test]
fn a_reload_loses_nothing() {
    let text = |more: &str| {
        format!(
            "[jobs.a]\ncommand = 'echo x > begun; read code < gate; exit $code'\nevery = \"52w\"\n\
             [jobs.kept]\ncommand = \"true\"\nevery = \"1h\"\n{more}"
        )
    };
    let sandbox = sandbox(&text("[jobs.gone]\ncommand = 'read code < gone; exit $code'\nevery = \"52w\"\n"));
    let mut gate = Pipe::new(&sandbox, "gate");
    let mut gone = Pipe::new(&sandbox, "gone");
    let mut begun = Pipe::new(&sandbox, "begun");
    let _daemon = sandbox.daemon();
    let next = || sandbox.json(["show", "kept", "--json"])["next_fire_time"].clone();
    let before = next();
    let (run, orphan) = (run_now(&sandbox, ["a"]), run_now(&sandbox, ["gone"]));
    begun.hear();
    write_jobs(&sandbox, &text("[jobs.new]\ncommand = \"true\"\nevery = \"1h\"\n"));
    sandbox.ok(["reload"]);
    assert_eq!(next(), before);
    assert_eq!(sandbox.ok(["list", "--quiet"]), "a\nkept\nnew\n");
    gone.tell("0");
    gate.tell("6");
    assert_eq!(sandbox.output(["wait", &run]).status.code(), Some(6));
    assert_eq!(sandbox.output(["wait", &orphan]).status.code(), Some(0), "its run finishes");
}

#[test]
fn a_percent_sign_means_itself() {
    let sandbox = sandbox("[jobs.a]\ncommand = 'echo 100%: $(date +%Y | wc -l)'\nevery = \"52w\"\n");
    let _daemon = sandbox.daemon();
    let run = run_now(&sandbox, ["a"]);
    sandbox.output(["wait", &run]);
    assert_eq!(sandbox.ok(["logs", &run]), "100%: 1\n");
}

#[test]
fn a_missed_run_is_visible_and_explained() {
    let sandbox = sandbox("[jobs.a]\ncommand = \"true\"\nat = \"2020-02-29T12:00\"\ngrace = \"2h\"\n");
    let _daemon = sandbox.daemon();
    Diary::of(&sandbox, &["a"]).until("a run.missed");
    let row = &rows(&sandbox, "a")[0];
    assert_eq!((&row["status"], &row["reason"]), (&"missed".into(), &"grace".into()));
    assert_eq!(row["fire_time"], "2020-02-29T12:00:00Z");
    let listed = sandbox.ok(["history"]);
    assert!(listed.contains("missed") && listed.contains("grace"), "{listed}");
    let why = sandbox.ok(["why", "a", "2020-02-29T12:00"]);
    assert!(why.contains("missed") && why.contains("before the daemon started"), "{why}");
}

#[test]
fn a_late_run_knows_its_fire_time() {
    let sandbox = sandbox(
        "[jobs.a]\ncommand = 'echo \"$JOBCTL_FIRE_TIME $JOBCTL_SOURCE\" > said'\nat = \"2020-02-29T12:00\"\n",
    );
    let mut said = Pipe::new(&sandbox, "said");
    let _daemon = sandbox.daemon();
    let words = said.hear();
    assert!(words.starts_with("2020-02-29T12:00:00") && words.ends_with(" schedule"), "{words}");
}

#[test]
fn everything_printed_is_there_as_json() {
    let sandbox = sandbox("[jobs.a]\ncommand = \"true\"\nevery = \"1h\"\n");
    let _daemon = sandbox.daemon();
    run_to_end(&sandbox, "a");
    for (args, array) in [
        (&["list", "--json"][..], true),
        (&["history", "--json"], true),
        (&["show", "a", "--json"], false),
        (&["status", "--json"], false),
        (&["next", "a", "--json"], false),
        (&["next", "--cron", "@daily", "--json"], false),
        (&["why", "a", "--json"], false),
        (&["changes", "--json"], true),
        (&["check", "--json"], true),
        (&["explain", "@daily", "--json"], false),
    ] {
        let value: Value = sandbox.json(args);
        assert!(if array { value.is_array() } else { value.is_object() }, "{args:?}: {value}");
    }
    assert!(
        sandbox.ok(["events", "--json"]).lines().all(|line| line.starts_with('{') && line.ends_with('}'))
    );
}

#[test]
fn the_service_manager_hears_of_start_life_and_end() {
    let sandbox = sandbox("");
    let manager = UnixDatagram::bind(sandbox.path("manager")).expect("a socket");
    manager.set_read_timeout(Some(PATIENCE)).expect("a time-out can be set");
    let mut command = sandbox.command(["run"]);
    command.env("NOTIFY_SOCKET", sandbox.path("manager")).env("WATCHDOG_USEC", "200000");
    let mut child = command
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("it starts");
    let hear = |wanted: &str| loop {
        let mut message = [0; 4096];
        let length = manager.recv(&mut message).expect("a message");
        if message[..length].split(|byte| *byte == b'\n').any(|line| line == wanted.as_bytes()) {
            return;
        }
    };
    hear("READY=1");
    hear("WATCHDOG=1");
    hear("WATCHDOG=1");
    sandbox.ok(["stop"]);
    hear("STOPPING=1");
    assert!(child.wait().expect("it ends").success());
}

#[test]
fn history_and_output_go_by_number() {
    let sandbox =
        sandbox("[jobs.a]\ncommand = \"echo hello\"\nevery = \"52w\"\nkeep = { runs = 2, age = \"30d\" }\n");
    let daemon = sandbox.daemon();
    // The surplus goes now and then, here with each second run.
    for _ in 0..4 {
        run_to_end(&sandbox, "a");
    }
    let logs = || std::fs::read_dir(sandbox.path("state/logs/a")).map_or(0, Iterator::count);
    eventually("the surplus goes", || rows(&sandbox, "a").len() == 2 && logs() == 2);
    assert!(daemon.stop().success());
}

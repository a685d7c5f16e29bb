//! S3: a damaged or lost store is refused, put back, and repeats nothing.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use crate::harness::{Daemon, Sandbox};

/// Writes each start's fire time into a file; the second job is due once, long ago, and any lateness is right.
const JOBS: &str = r#"
timezone = "UTC"
[jobs.tick]
command = "echo $JOBCTL_FIRE_TIME >> stamps"
every = "1s"
cwd = "."
"#;

const ONCE: &str = r#"
[jobs.once]
command = "echo once >> once"
at = "2020-01-01T00:00:00"
"#;

/// A daemon that was killed in the midst of its work, some time after a backup.
struct Wreck {
    sandbox: Sandbox,
    copy: PathBuf,
}

fn wreck() -> Wreck {
    let sandbox = Sandbox::with_jobs(JOBS);
    let copy = sandbox.path("copy.db");
    let daemon = sandbox.daemon();
    wait_for_ticks(&sandbox, 2);
    sandbox.ok(["backup", "copy.db"]);
    sandbox.write("jobs.toml", &format!("{JOBS}{ONCE}"));
    sandbox.ok(["reload"]);
    sandbox.ok(["add", "extra", "--every", "1h", "--", "true"]);
    wait_for_ticks(&sandbox, 3);
    daemon.kill();
    assert_eq!(read(&sandbox, "once"), ["once"]);
    Wreck { sandbox, copy }
}

fn wait_for_ticks(sandbox: &Sandbox, count: usize) {
    let mut events = sandbox.events(["--json", "--only", "run.succeeded"]);
    for _ in 0..count {
        events.until(&["\"tick\""]);
    }
}

fn read(sandbox: &Sandbox, file: &str) -> Vec<String> {
    fs::read_to_string(sandbox.path(file)).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// Lets a daemon run for a while and makes sure that nothing was done twice.
fn goes_on(wreck: &Wreck, daemon: Daemon) {
    let before = read(&wreck.sandbox, "stamps").len();
    wait_for_ticks(&wreck.sandbox, 2);
    assert!(daemon.stop().success());
    let stamps = read(&wreck.sandbox, "stamps");
    assert!(stamps.len() > before, "the schedule goes on");
    let different: BTreeSet<&String> = stamps.iter().collect();
    assert_eq!(different.len(), stamps.len(), "no fire time twice: {stamps:?}");
    assert_eq!(read(&wreck.sandbox, "once"), ["once"], "what the copy does not know is not repeated");
}

fn evidence(sandbox: &Sandbox) -> Vec<PathBuf> {
    let entries = fs::read_dir(sandbox.path("state")).expect("the state directory");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.filter(|path| path.to_string_lossy().contains("evidence-")).collect()
}

#[test]
fn s3_a_damaged_store_is_refused_and_a_copy_put_back() {
    type Damage = fn(&mut Vec<u8>);
    let damages: [(&str, Damage); 2] = [
        ("a broken header", |bytes| bytes[..64].fill(0xff)),
        ("a truncated file", |bytes| bytes.truncate(bytes.len() / 2)),
    ];
    for (what, damage) in damages {
        let wreck = wreck();
        let sandbox = &wreck.sandbox;
        let db = sandbox.path("state/jobctl.db");
        // What the log holds would heal some of it: fold it first, as a clean stop does.
        assert!(sandbox.daemon().stop().success());
        let mut bytes = fs::read(&db).expect("the database");
        damage(&mut bytes);
        fs::write(&db, &bytes).expect("the database can be damaged");
        let refused = sandbox.run(["run"]);
        assert!(refused.starts_with("exit 1\n") && refused.contains("is damaged"), "{what}: {refused}");
        assert!(refused.contains("`jobctl restore FILE`") && refused.contains("`jobctl restore --empty`"));
        assert_eq!(fs::read(&db).expect("the database"), bytes, "{what}: untouched");

        let said = sandbox.ok(["restore", "copy.db"]);
        assert!(said.contains("restored from copy.db") && said.contains("evidence-"), "{said}");
        let kept = evidence(sandbox);
        assert_eq!(fs::read(kept[0].join("jobctl.db")).expect("the evidence"), bytes, "{what}: kept");
        let daemon = sandbox.daemon();
        goes_on(&wreck, daemon);
        let lost = sandbox.json(["history", "tick", "--status", "lost", "--json"]);
        assert_eq!(lost[0]["reason"], "restored", "{what}: {lost}");
        let why = sandbox.ok(["why", "once"]);
        assert!(why.contains("put back from a copy"), "{why}");
        assert!(wreck.copy.exists());
    }
}

#[test]
fn s3_a_lost_store_is_missed_and_made_anew_only_when_told() {
    let wreck = wreck();
    let sandbox = &wreck.sandbox;
    for file in ["jobctl.db", "jobctl.db-wal", "jobctl.db-shm"] {
        let _ = fs::remove_file(sandbox.path("state").join(file));
    }
    let refused = sandbox.run(["run"]);
    assert!(refused.contains("it is gone") && refused.contains("`jobctl restore --empty`"), "{refused}");
    let said = sandbox.json(["restore", "--empty", "--json"]);
    assert!(said["evidence"].is_null() && said["file"].is_null(), "{said}");
    let highest = fs::read_dir(sandbox.path("state/logs/tick")).expect("its output").count();
    let daemon = sandbox.daemon();
    goes_on(&wreck, daemon);
    let runs = sandbox.json(["history", "tick", "--json"]);
    assert!(runs[0]["run_id"].as_u64().expect("a number") > highest as u64, "no number is given out again");
}

#[test]
fn an_empty_store_leaves_the_added_jobs_in_a_job_file() {
    let wreck = wreck();
    let sandbox = &wreck.sandbox;
    let said = sandbox.json(["restore", "--empty", "--json"]);
    let added = fs::read_to_string(said["added_jobs"].as_str().expect("a path")).expect("the added jobs");
    assert_eq!(added, "[jobs.extra]\nevery = \"1h\"\ncommand = \"true\"\n\n");
    let names = sandbox.json(["list", "--json"]);
    let names: Vec<_> = names.as_array().expect("jobs").iter().map(|job| job["name"].clone()).collect();
    assert_eq!(names, ["once", "tick"]);
    let daemon = sandbox.daemon();
    goes_on(&wreck, daemon);
}

#[test]
fn a_running_daemon_is_backed_up_but_not_replaced() {
    let sandbox = Sandbox::with_jobs(JOBS);
    let missing = sandbox.run(["backup", "copy.db"]);
    assert!(missing.starts_with("exit 1\n") && missing.contains("there is no store"), "{missing}");
    let daemon = sandbox.daemon();
    sandbox.ok(["backup", "copy.db"]);
    let again = sandbox.run(["backup", "copy.db"]);
    assert!(again.starts_with("exit 1\n") && again.contains("not overwritten"), "{again}");
    for args in [&["restore", "copy.db"][..], &["restore", "--empty"]] {
        let refused = sandbox.run(args);
        assert!(refused.starts_with("exit 3\n"), "{refused}");
        assert!(refused.contains(&format!("pid {}", daemon.pid())), "{refused}");
    }
    assert!(daemon.stop().success());
    sandbox.ok(["backup", "second.db"]);
    assert_eq!(sandbox.output(["restore"]).status.code(), Some(2));
    let refused = sandbox.run(["restore", "jobs.toml"]);
    assert!(refused.starts_with("exit 1\n") && refused.contains("nothing was changed"), "{refused}");
    assert!(evidence(&sandbox).is_empty());
}

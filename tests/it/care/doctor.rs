//! `doctor`: what is wrong is found, what is right is left alone.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use crate::harness::Sandbox;

const JOBS: &str = "[jobs.a]\ncommand = \"true\"\nevery = \"1h\"\n";

fn sandbox(jobs: &str) -> Sandbox {
    let sandbox = Sandbox::with_jobs(jobs);
    mode(&sandbox, "jobs.toml", 0o600);
    sandbox
}

fn mode(sandbox: &Sandbox, file: &str, mode: u32) {
    fs::set_permissions(sandbox.path(file), Permissions::from_mode(mode)).expect("a file of the sandbox");
}

/// What depends on the machine that runs the tests.
const OF_THE_MACHINE: [&str; 4] = ["cgroups", "disk", "open files", "time zones"];

/// Returns what doctor says of the instance, without notes, and its exit code.
fn examined(sandbox: &Sandbox) -> (Option<i32>, Vec<String>) {
    let output = sandbox.output(["doctor", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON, also with findings");
    let found = json["findings"].as_array().expect("findings").iter();
    let found = found.filter(|one| one["severity"] != "note");
    let found = found.filter(|one| !OF_THE_MACHINE.iter().any(|area| one["area"] == *area));
    let word = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let line = |one: &serde_json::Value| {
        format!("{} {}: {}", word(&one["severity"]), word(&one["area"]), word(&one["message"]))
    };
    let root = sandbox.path("").to_string_lossy().trim_end_matches('/').to_owned();
    (output.status.code(), found.map(line).map(|line| line.replace(&root, "$ROOT")).collect())
}

#[test]
fn a_healthy_instance_is_left_alone() {
    let sandbox = sandbox(JOBS);
    let _daemon = sandbox.daemon();
    let (code, found) = examined(&sandbox);
    assert_eq!(found, Vec::<String>::new());
    let text = sandbox.run(["doctor"]);
    let machine_is_well = OF_THE_MACHINE.iter().all(|area| !text.contains(&format!("warning: {area}")));
    if machine_is_well {
        assert_eq!(code, Some(0), "{text}");
        assert!(text.ends_with("all is well\n"), "{text}");
        assert_eq!(sandbox.ok(["doctor", "--quiet"]), "");
    }
}

#[test]
fn without_a_daemon_that_is_what_is_wrong() {
    let sandbox = sandbox(JOBS);
    let (code, found) = examined(&sandbox);
    assert_eq!((code, found.join("\n").as_str()), (Some(1), "warning daemon: none runs: nothing is started"));
    assert!(!sandbox.path("state").exists(), "nothing was made");
}

#[test]
fn what_others_may_do_is_named() {
    let sandbox = sandbox(JOBS);
    let _daemon = sandbox.daemon();
    mode(&sandbox, "jobs.toml", 0o666);
    mode(&sandbox, "state", 0o755);
    mode(&sandbox, "state/jobctl.db", 0o644);
    mode(&sandbox, "state/jobctl.sock", 0o777);
    insta::assert_snapshot!(examined(&sandbox).1.join("\n"), @r"
    problem socket: $ROOT/state/jobctl.sock may be used by everybody (mode 777)
    problem job file: $ROOT/jobs.toml can be written by others (mode 666)
    warning state: $ROOT/state is open to others (mode 755)
    warning state: $ROOT/state/jobctl.db is open to others (mode 644)
    ");
}

#[test]
fn what_the_job_file_and_its_jobs_lack_is_named() {
    let sandbox = sandbox(JOBS);
    let _daemon = sandbox.daemon();
    let more = "command = [\"/no/such\"]\nevery = \"1h\"\n[notify.n]\ncommand = [\"/nobody\"]\n";
    sandbox.write("jobs.toml", &format!("{JOBS}[jobs.b]\n{more}"));
    insta::assert_snapshot!(examined(&sandbox).1.join("\n"), @r#"
    problem notifier: n cannot speak: the program "/nobody" is not there
    warning job file: $ROOT/jobs.toml:4:7: the program "/no/such" is not there (each run will fail to start)
    warning job file: $ROOT/jobs.toml has changed since the daemon read it
    "#);
    sandbox.write("jobs.toml", "[jobs.b]\ncomand = \"x\"\nevery = \"1h\"\n");
    sandbox.output(["reload"]);
    let found = examined(&sandbox).1.join("\n");
    assert!(found.contains("problem job file: $ROOT/jobs.toml:2:1: unknown key \"comand\""), "{found}");
}

#[test]
fn a_damaged_store_and_a_clock_before_it_are_named() {
    let sandbox = sandbox(JOBS);
    assert!(sandbox.daemon().stop().success());
    let db = sandbox.path("state/jobctl.db");
    let conn = rusqlite::Connection::open(&db).expect("the store");
    let later = i64::MAX / 2;
    let sql = "INSERT OR REPLACE INTO daemon (key, at) VALUES ('heartbeat', ?1)";
    conn.execute(sql, [later]).expect("the store can be written");
    drop(conn);
    let found = examined(&sandbox).1.join("\n");
    assert!(found.contains("problem clock: the system's clock stands "), "{found}");
    let whole = fs::read(&db).expect("the store");
    fs::write(&db, &whole[..whole.len() / 2]).expect("the store can be damaged");
    let (code, found) = examined(&sandbox);
    assert_eq!(code, Some(1));
    assert!(found[0].starts_with("problem store: $ROOT/state/jobctl.db is damaged"), "{found:?}");
}

#[test]
fn a_job_that_does_not_succeed_as_it_should_is_named() {
    let sandbox =
        sandbox("[jobs.a]\ncommand = \"false\"\nevery = \"1h\"\nexpect = { success_within = \"1ms\" }\n");
    let _daemon = sandbox.daemon();
    sandbox.output(["run-now", "a", "--wait"]);
    let found = examined(&sandbox).1.join("\n");
    assert!(found.starts_with("problem job: a has never succeeded; it should every "), "{found}");
}

#[test]
fn a_daemon_on_another_socket_is_found_by_its_lock() {
    let sandbox = sandbox(JOBS);
    let other = sandbox.path("other.sock");
    let daemon = sandbox.daemon_with(|command| {
        command.arg("--socket").arg(&other);
    });
    let found = examined(&sandbox).1.join("\n");
    assert!(found.contains(&format!("process {} has the state directory", daemon.pid())), "{found}");
}

//! P5 to P13 by the real binary: what becomes of processes.

use std::fs;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

use super::ledger::{alter, ledger, until_durable};
use crate::features::support::{Diary, Pipe, eventually, outcomes, rows, run_now, run_to_end, sandbox};

const WAITS: &str = "[jobs.a]\ncommand = 'echo $$ > begun; read code < go; exit $code'\nevery = \"52w\"\n";

#[test]
fn p5_after_a_power_cut_a_run_is_lost_once_and_its_instance_is_free() {
    let sandbox = sandbox(WAITS);
    let [mut begun, mut go] = ["begun", "go"].map(|name| Pipe::new(&sandbox, name));
    let daemon = sandbox.daemon();
    run_now(&sandbox, ["a"]);
    let pid: i32 = begun.hear().parse().expect("a number");
    until_durable(&sandbox, "a", "running");
    daemon.kill();
    // What is left of the machine after the power cut: a store that was written in another boot, and no process.
    kill_process(Pid::from_raw(pid).expect("a process"), Signal::KILL).expect("it can be killed");
    eventually("it is dead", || !Path::new(&format!("/proc/{pid}")).exists());
    alter(&sandbox, "UPDATE runs SET boot_id = 'the boot before'");
    let daemon = sandbox.daemon();
    assert_eq!(outcomes(&sandbox, "a"), ["lost reboot"]);
    run_now(&sandbox, ["a"]);
    begun.hear();
    go.tell("0");
    until_durable(&sandbox, "a", "succeeded");
    let lost = sandbox.ok(["events", "--only", "run.lost", "--quiet"]);
    assert_eq!(lost.lines().count(), 1);
    assert!(daemon.stop().success());
}

#[test]
fn p6_a_process_that_has_the_number_of_one_that_is_gone_is_left_alone() {
    let sandbox = sandbox(&format!("{WAITS}kill_after = \"100ms\"\n"));
    let [mut begun, _go] = ["begun", "go"].map(|name| Pipe::new(&sandbox, name));
    let daemon = sandbox.daemon();
    let run = run_now(&sandbox, ["a"]);
    let pid: i32 = begun.hear().parse().expect("a number");
    until_durable(&sandbox, "a", "running");
    daemon.kill();
    kill_process(Pid::from_raw(pid).expect("a process"), Signal::KILL).expect("it can be killed");
    eventually("it is dead", || !Path::new(&format!("/proc/{pid}")).exists());
    // Another process has its number by now; it was started at another time.
    let mut other = std::process::Command::new("sleep").arg("1000").spawn().expect("it starts");
    alter(
        &sandbox,
        &format!("UPDATE runs SET pid = {}, ending_at = queued_at, reason = 'cancelled'", other.id()),
    );
    let daemon = sandbox.daemon();
    sandbox.output(["cancel", &run]);
    eventually("the run is over", || ledger(&sandbox, "a")[0].status != "running");
    assert_eq!(sandbox.json(["show", "a", "--json"])["running"], 0);
    assert!(daemon.stop().success());
    assert!(other.try_wait().expect("it can be asked").is_none(), "it was not signalled");
    other.kill().expect("it can be killed");
    other.wait().expect("it ends");
}

#[test]
fn p7_told_to_stop_it_starts_nothing_lets_runs_finish_and_runs_shutdown_jobs() {
    let sandbox = sandbox(&format!(
        "{WAITS}[jobs.tick]\ncommand = \"true\"\nevery = \"1s\"\n\
         [jobs.last]\ncommand = 'echo last > begun'\non = \"shutdown\"\n"
    ));
    let text = fs::read_to_string(sandbox.path("jobs.toml")).expect("it was written");
    sandbox.write("jobs.toml", &format!("[daemon]\nstop_timeout = \"1h\"\n{text}"));
    let [mut begun, mut go] = ["begun", "go"].map(|name| Pipe::new(&sandbox, name));
    let daemon = sandbox.daemon();
    let mut diary = Diary::of(&sandbox, &["tick"]);
    run_now(&sandbox, ["a"]);
    begun.hear();
    diary.until("tick run.started");
    daemon.signal(Signal::TERM);
    assert_eq!(begun.hear(), "last", "shutdown jobs run");
    let starts = || ledger(&sandbox, "tick").iter().filter(|row| row.pid.is_some()).count();
    let before = starts();
    std::thread::sleep(std::time::Duration::from_millis(2_200));
    assert_eq!(starts(), before, "nothing else starts");
    go.tell("4");
    assert!(daemon.wait().success());
    assert_eq!(ledger(&sandbox, "a")[0].exit_code, Some(4), "what ran has finished");
    assert_eq!(ledger(&sandbox, "last")[0].status, "succeeded");
}

#[test]
fn p10_a_grandchild_that_keeps_the_output_open_keeps_no_run_open() {
    let sandbox = sandbox("[jobs.a]\ncommand = 'setsid sleep 1000 & echo $!; exit 5'\nevery = \"52w\"\n");
    let daemon = sandbox.daemon();
    assert_eq!(run_to_end(&sandbox, "a").status.code(), Some(5));
    assert_eq!(sandbox.json(["show", "a", "--json"])["running"], 0);
    let pid = sandbox.ok(["logs", "a"]);
    assert!(Path::new("/proc").join(pid.trim()).exists(), "it made a session of its own and lives on");
    assert!(daemon.stop().success());
}

#[test]
fn p12_a_loud_job_is_bounded_on_disk_and_ends_as_it_would() {
    let sandbox = sandbox(
        "[jobs.a]\ncommand = 'printf begin; head -c 50000000 /dev/zero | tr \"\\0\" \"\\377\"; printf end; exit 6'\n\
         every = \"52w\"\noutput = { max = \"64KiB\" }\n",
    );
    let daemon = sandbox.daemon();
    assert_eq!(run_to_end(&sandbox, "a").status.code(), Some(6));
    let output = sandbox.path("state/logs/a/1.log");
    eventually("it is cut down", || fs::metadata(&output).expect("its output").len() <= 80 << 10);
    let text = fs::read(&output).expect("its output");
    assert!(text.starts_with(b"begin\xff") && text.ends_with(b"\xffend"), "head and tail are kept");
    assert!(text.windows(7).any(|piece| piece == b" bytes "), "and a mark between them");
    assert!(daemon.stop().success());
}

#[test]
fn p13_what_cannot_be_started_has_failed_with_the_reason_at_once() {
    let sandbox = sandbox(
        "[jobs.program]\ncommand = [\"/nonexistent/program\"]\nevery = \"52w\"\n\
         [jobs.directory]\ncommand = [\"true\"]\ncwd = \"/nonexistent/place\"\nevery = \"52w\"\n\
         [jobs.user]\ncommand = [\"true\"]\nuser = \"nobody-of-this-name\"\nevery = \"52w\"\n\
         [jobs.good]\ncommand = [\"true\"]\nevery = \"52w\"\n",
    );
    let daemon = sandbox.daemon();
    for (job, named) in [
        ("program", "/nonexistent/program"),
        ("directory", "/nonexistent/place"),
        ("user", "nobody-of-this-name"),
    ] {
        run_to_end(&sandbox, job);
        let row = &rows(&sandbox, job)[0];
        assert_eq!((&row["status"], &row["reason"]), (&"failed".into(), &"start_failed".into()), "{row:#}");
        assert!(row["detail"].as_str().is_some_and(|detail| detail.contains(named)), "{row:#}");
    }
    assert_eq!(run_to_end(&sandbox, "good").status.code(), Some(0));
    assert!(daemon.stop().success());
}

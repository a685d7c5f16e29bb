//! Jobs that are due while an earlier run is alive. What makes them due is the end of another job, so that nothing
//! depends on how fast the machine is.

use super::support::{Diary, Pipe, outcomes, rows, run_to_end, sandbox};
use crate::harness::Sandbox;

fn jobs(on_busy: &str, more: &str) -> Sandbox {
    sandbox(&format!(
        "[jobs.a]\ncommand = \"true\"\nevery = \"52w\"\n\
         [jobs.b]\ncommand = \"read code < gate; exit $code\"\nafter = \"a\"\non_busy = \"{on_busy}\"\n{more}"
    ))
}

#[test]
fn o1_on_busy_skip_writes_a_row_for_each_occurrence() {
    let sandbox = jobs("skip", "");
    let mut gate = Pipe::new(&sandbox, "gate");
    let _daemon = sandbox.daemon();
    let mut diary = Diary::of(&sandbox, &["b"]);
    run_to_end(&sandbox, "a");
    diary.until("b run.started");
    run_to_end(&sandbox, "a");
    run_to_end(&sandbox, "a");
    gate.tell("0");
    diary.until("b run.succeeded");
    assert_eq!(
        diary.seen,
        ["b run.queued", "b run.started", "b run.skipped", "b run.skipped", "b run.succeeded"]
    );
    assert_eq!(outcomes(&sandbox, "b"), ["succeeded -", "skipped busy", "skipped busy"]);
    let rows = rows(&sandbox, "b");
    assert_eq!(rows[1]["detail"], format!("run {} is not over", rows[0]["run_id"]));
    // The limit is free again.
    run_to_end(&sandbox, "a");
    diary.until("b run.started");
}

#[test]
fn o1_on_busy_queue_runs_each_occurrence_in_turn() {
    let sandbox = jobs("queue", "");
    let mut gate = Pipe::new(&sandbox, "gate");
    let _daemon = sandbox.daemon();
    let mut diary = Diary::of(&sandbox, &["b"]);
    run_to_end(&sandbox, "a");
    diary.until("b run.started");
    for _ in 0..2 {
        run_to_end(&sandbox, "a");
        diary.until("b run.queued");
    }
    assert_eq!(sandbox.json(["show", "b", "--json"])["queued"], 2);
    let waiting = diary.seen.len();
    for code in ["0", "3", "0"] {
        gate.tell(code);
        diary.until(if code == "0" { "b run.succeeded" } else { "b run.failed" });
    }
    assert_eq!(diary.seen[..waiting], ["b run.queued", "b run.started", "b run.queued", "b run.queued"]);
    assert_eq!(
        diary.seen[waiting..],
        ["b run.succeeded", "b run.started", "b run.failed", "b run.started", "b run.succeeded"]
    );
    assert_eq!(outcomes(&sandbox, "b"), ["succeeded -", "failed exit_code", "succeeded -"]);
}

#[test]
fn o1_on_busy_replace_starts_only_after_the_death_of_the_old_run() {
    let sandbox = jobs("replace", "");
    let mut gate = Pipe::new(&sandbox, "gate");
    let _daemon = sandbox.daemon();
    let mut diary = Diary::of(&sandbox, &["b"]);
    for _ in 0..3 {
        run_to_end(&sandbox, "a");
        diary.until("b run.started");
    }
    gate.tell("0");
    diary.until("b run.succeeded");
    let replaced = ["b run.queued", "b run.cancelled", "b run.started"];
    let expected =
        [&["b run.queued", "b run.started"][..], &replaced, &replaced, &["b run.succeeded"]].concat();
    assert_eq!(diary.seen, expected);
    assert_eq!(outcomes(&sandbox, "b"), ["cancelled replaced", "cancelled replaced", "succeeded -"]);
}

#[test]
fn max_instances_counts_live_processes() {
    let sandbox = jobs("skip", "max_instances = 2\n");
    let mut gate = Pipe::new(&sandbox, "gate");
    let daemon = sandbox.daemon();
    let mut diary = Diary::of(&sandbox, &["b"]);
    for _ in 0..2 {
        run_to_end(&sandbox, "a");
        diary.until("b run.started");
    }
    // Also those that another daemon has started.
    daemon.kill();
    let _daemon = sandbox.daemon();
    let mut diary = Diary::of(&sandbox, &["b"]);
    assert_eq!(sandbox.json(["show", "b", "--json"])["running"], 2);
    run_to_end(&sandbox, "a");
    diary.until("b run.skipped");
    gate.tell("0");
    diary.until("b run.succeeded");
    run_to_end(&sandbox, "a");
    diary.until("b run.started");
}

#[test]
fn overlap_control_and_time_limit_work_together() {
    // What `flock -n` and `timeout` around a crontab's command do, with rows that say so.
    let sandbox = jobs("skip", "timeout = \"3s\"\nkill_after = \"1s\"\n");
    let mut gate = Pipe::new(&sandbox, "gate");
    let _daemon = sandbox.daemon();
    let mut diary = Diary::of(&sandbox, &["b"]);
    run_to_end(&sandbox, "a");
    diary.until("b run.started");
    run_to_end(&sandbox, "a");
    diary.until("b run.timed_out");
    run_to_end(&sandbox, "a");
    diary.until("b run.started");
    gate.tell("0");
    diary.until("b run.succeeded");
    assert_eq!(outcomes(&sandbox, "b"), ["timed_out timeout", "skipped busy", "succeeded -"]);
}

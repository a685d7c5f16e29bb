//! The store, the disk, the clock at a start, reloads, chains and notices, by the real binary.

use std::fs;
use std::time::Duration;

use super::ledger::{Standstill, ledger, store, until_durable};
use super::zones::seconds;
use crate::features::support::{Pipe, eventually, outcomes, run_to_end, sandbox, write_jobs};
use crate::harness::Sandbox;

/// Fails where a job of every second has two outcomes for an instant, or none for one between the first and the last.
fn without_hole_or_repeat(sandbox: &Sandbox, job: &str) {
    let mut times: Vec<i64> = ledger(sandbox, job).iter().flat_map(|row| row.first..=row.last).collect();
    times.sort_unstable();
    assert!(times.windows(2).all(|pair| pair[1] == pair[0] + 1), "{times:?}");
}

#[test]
fn t10_a_clock_before_the_stores_last_word_holds_calendar_jobs_for_a_while() {
    let jobs = "[jobs.tick]\ncommand = \"true\"\ncron = \"* * * * * *\"\n\
        [jobs.first]\ncommand = \"true\"\non = \"startup\"\nstartup = \"start\"\n";
    let sandbox = sandbox(jobs);
    let text = fs::read_to_string(sandbox.path("jobs.toml")).expect("it was written");
    sandbox.write("jobs.toml", &format!("[daemon]\nmax_clock_wait = \"3s\"\n{text}"));
    assert!(sandbox.daemon().stop().success());
    let hour = "UPDATE daemon SET at = at + 3600000000 WHERE key = 'heartbeat'";
    assert_eq!(store(&sandbox).execute(hour, []).expect("it can be changed"), 1);
    let before = ledger(&sandbox, "tick").len();
    let begun = seconds();
    let daemon = sandbox.daemon();
    eventually("startup jobs run", || outcomes(&sandbox, "first") == ["succeeded -", "succeeded -"]);
    assert!(seconds() - begun >= 3 || ledger(&sandbox, "tick").len() == before, "calendar jobs are held");
    eventually("they are held for a while only", || ledger(&sandbox, "tick").len() > before);
    assert!(seconds() - begun >= 2);
    let warned = daemon.log().lines().filter(|line| line.contains("WARN") && line.contains("clock")).count();
    assert_eq!(warned, 1, "{}", daemon.log());
    assert!(daemon.stop().success());
}

#[test]
fn p8_a_newer_store_is_refused_in_one_line_and_left_as_it_is() {
    let sandbox = sandbox("");
    assert!(sandbox.daemon().stop().success());
    store(&sandbox).pragma_update(None, "user_version", 99).expect("it can be changed");
    let before = fs::read(sandbox.path("state/jobctl.db")).expect("the store");
    let output = sandbox.output(["run"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(
        said.lines().filter(|line| line.starts_with("error: ")).count() == 1 && said.contains("schema 99"),
        "{said}"
    );
    assert!(fs::read(sandbox.path("state/jobctl.db")).expect("the store") == before, "it is untouched");
}

#[test]
fn s2_while_another_process_has_the_lock_it_waits_and_loses_nothing() {
    let sandbox =
        sandbox("[jobs.tick]\ncommand = \"echo $JOBCTL_FIRE_TIME >> starts\"\ncron = \"* * * * * *\"\n");
    let daemon = sandbox.daemon();
    until_durable(&sandbox, "tick", "succeeded");
    let standstill = Standstill::of(&sandbox);
    let begun = fs::read_to_string(sandbox.path("starts")).expect("it runs").lines().count();
    std::thread::sleep(Duration::from_millis(2_500));
    let started = fs::read_to_string(sandbox.path("starts")).expect("it runs").lines().count();
    assert!(started <= begun + 1, "nothing is started that is not claimed, but for one that was");
    let locked_until = seconds();
    drop(standstill);
    eventually("it goes on", || ledger(&sandbox, "tick").iter().any(|row| row.last > locked_until));
    without_hole_or_repeat(&sandbox, "tick");
    let text = fs::read_to_string(sandbox.path("starts")).expect("it runs");
    let mut lines: Vec<&str> = text.lines().collect();
    let all = lines.len();
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len(), all, "nothing runs twice");
    assert!(daemon.stop().success());
}

#[test]
fn s4_without_a_directory_for_output_jobs_run_and_one_warning_is_given() {
    let sandbox = sandbox("[jobs.a]\ncommand = \"echo said; exit 4\"\nevery = \"52w\"\n");
    let daemon = sandbox.daemon();
    // No right keeps root out; a file in its place does.
    fs::remove_dir_all(sandbox.path("state/logs")).expect("it can be removed");
    sandbox.write("state/logs", "");
    for _ in 0..3 {
        assert_eq!(run_to_end(&sandbox, "a").status.code(), Some(4));
    }
    let warned = daemon.log().lines().filter(|line| line.contains("output cannot be written")).count();
    assert_eq!(warned, 1, "{}", daemon.log());
    fs::remove_file(sandbox.path("state/logs")).expect("it can be removed");
    fs::create_dir(sandbox.path("state/logs")).expect("it can be made");
    assert_eq!(run_to_end(&sandbox, "a").status.code(), Some(4));
    assert_eq!(sandbox.ok(["logs", "a"]), "said\n");
    assert!(daemon.stop().success());
}

#[test]
fn r2_reloads_around_the_due_second_run_it_once_and_keep_other_timers() {
    let text = |more: &str| {
        format!(
            "[jobs.tick]\ncommand = \"true\"\ncron = \"* * * * * *\"\n\
             [jobs.steady]\ncommand = \"true\"\nevery = \"1s\"\n{more}"
        )
    };
    let sandbox = sandbox(&text(""));
    let daemon = sandbox.daemon();
    let until = seconds() + 4;
    for number in 0.. {
        if seconds() > until {
            break;
        }
        write_jobs(&sandbox, &text(&format!("[jobs.j{number}]\ncommand = \"true\"\nevery = \"1h\"\n")));
        sandbox.ok(["reload"]);
    }
    for job in ["tick", "steady"] {
        eventually("it goes on", || ledger(&sandbox, job).iter().any(|row| row.last > until));
        without_hole_or_repeat(&sandbox, job);
        let rows = ledger(&sandbox, job);
        assert!(rows.iter().all(|row| row.status != "missed"), "{rows:#?}");
    }
    assert!(daemon.stop().success());
}

#[test]
fn o2_a_job_that_always_fails_has_one_chain_of_attempts() {
    let sandbox = sandbox(
        "[jobs.a]\ncron = \"* * * * * *\"\nretries = 3\nretry_delay = \"700ms\"\n\
         command = 'echo $JOBCTL_RUN_ID $JOBCTL_ATTEMPT >> starts; exit 1'\n",
    );
    let daemon = sandbox.daemon();
    let failed = || ledger(&sandbox, "a").iter().filter(|row| row.status == "failed").count();
    eventually("two runs have used up their attempts", || failed() >= 2);
    let text = fs::read_to_string(sandbox.path("starts")).expect("it runs");
    let starts: Vec<(u64, u32)> = text
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(run, attempt)| (run.parse().expect("a number"), attempt.parse().expect("a number")))
        .collect();
    let (first, second) = (starts[0].0, starts[4].0);
    let chain = |run| (1..=4).map(move |attempt| (run, attempt));
    assert_eq!(starts[..8], chain(first).chain(chain(second)).collect::<Vec<_>>()[..]);
    // What was due meanwhile has its row, with the reason.
    let rows = ledger(&sandbox, "a");
    let between = rows.iter().filter(|row| first < row.run && row.run < second);
    assert!(
        between.clone().count() > 0 && between.clone().all(|row| row.reason.as_deref() == Some("busy")),
        "{rows:#?}"
    );
    without_hole_or_repeat(&sandbox, "a");
    assert!(daemon.stop().success());
}

#[test]
fn n2_a_job_that_flaps_is_told_of_at_each_change() {
    let sandbox = sandbox(
        "[notify.pipe]\ncommand = 'echo \"$JOBCTL_STATUS\" > \"$JOBCTL_STATE_DIR/../told\"'\n\
         [jobs.a]\ncommand = 'exit $(cat code)'\nevery = \"52w\"\nnotify = { name = \"pipe\", when = \"change\" }\n",
    );
    let mut told = Pipe::new(&sandbox, "told");
    let daemon = sandbox.daemon();
    let mut heard = Vec::new();
    for (code, words) in [("0", 0), ("1", 1), ("1", 0), ("2", 0), ("0", 1), ("0", 0), ("3", 1)] {
        sandbox.write("code", code);
        run_to_end(&sandbox, "a");
        heard.extend((0..words).map(|_| told.hear()));
    }
    assert_eq!(heard, ["failed", "succeeded", "failed"], "the recovery too");
    let count = "SELECT count(*) FROM outbox";
    let waiting = || store(&sandbox).query_row(count, [], |row| row.get::<_, i64>(0)).expect("an answer");
    eventually("nothing else is to be told", || waiting() == 0);
    assert!(daemon.stop().success());
}

//! The real daemon, killed, stopped and starved of its disk at moments that are drawn at random. Afterwards every
//! second at which a job was due has one outcome, and what the outcome says is what the job has seen.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};
use serde_json::Value;

use crate::features::support::eventually;
use crate::harness::{Daemon, PATIENCE, Sandbox};

/// Every start leaves a line: job, fire time, run, attempt, step.
const JOBS: &str = r#"
timezone = "UTC"

[daemon]
store_retry = "100ms"

[defaults]
cwd = "."
keep = { runs = 10000 }

[jobs.tick]
cron = "* * * * * *"
command = "echo tick $JOBCTL_FIRE_TIME $JOBCTL_RUN_ID $JOBCTL_ATTEMPT - >> starts"

[jobs.slow]
cron = "* * * * * *"
command = "echo slow $JOBCTL_FIRE_TIME $JOBCTL_RUN_ID $JOBCTL_ATTEMPT - >> starts; sleep 1.4"

[jobs.queued]
cron = "*/2 * * * * *"
on_busy = "queue"
command = "echo queued $JOBCTL_FIRE_TIME $JOBCTL_RUN_ID $JOBCTL_ATTEMPT - >> starts; sleep 0.3"

[jobs.again]
cron = "* * * * * *"
retries = 1
retry_delay = "100ms"
command = "echo again $JOBCTL_FIRE_TIME $JOBCTL_RUN_ID $JOBCTL_ATTEMPT - >> starts; test $JOBCTL_ATTEMPT = 2"

[jobs.stairs]
cron = "*/2 * * * * *"
steps = [
    "echo stairs $JOBCTL_FIRE_TIME $JOBCTL_RUN_ID $JOBCTL_ATTEMPT 1 >> starts; sleep 0.1",
    "echo stairs $JOBCTL_FIRE_TIME $JOBCTL_RUN_ID $JOBCTL_ATTEMPT 2 >> starts",
]
"#;

/// The jobs and the seconds between their fire times.
const PERIODS: [(&str, i64); 5] = [("tick", 1), ("slow", 1), ("queued", 2), ("again", 1), ("stairs", 2)];

/// Numbers that look random, the same for the same seed (SplitMix64).
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ (mixed >> 27)) % bound
    }
}

/// The seed of the moments: `JOBCTL_KILL_SEED`.
fn seed() -> u64 {
    number("JOBCTL_KILL_SEED", 1)
}

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

fn secs(row: &Value, field: &str) -> Option<i64> {
    let text = row[field].as_str()?;
    Some(chrono::DateTime::parse_from_rfc3339(text).expect("an instant").timestamp())
}

fn history(sandbox: &Sandbox, job: &str) -> Vec<Value> {
    let rows = sandbox.json(["history", job, "--limit", "100000", "--json"]);
    rows.as_array().expect("a list").clone()
}

/// Lets what runs come to its end, with nothing new beside it.
fn come_to_rest(sandbox: &Sandbox) {
    sandbox.ok(["hold"]);
    let begun = Instant::now();
    // A run that waits, also for its next attempt, is held; only what is alive has to end.
    let rests = |row: &Value| row["status"] != "running";
    while !PERIODS.iter().all(|(job, _)| history(sandbox, job).iter().all(rests)) {
        assert!(begun.elapsed() < PATIENCE, "something does not end");
        sleep(Duration::from_millis(50));
    }
}

/// What the jobs have left: by run, how often each attempt and step was started.
type Starts = BTreeMap<u64, BTreeMap<(String, String), usize>>;

fn starts(sandbox: &Sandbox) -> Starts {
    let mut starts = Starts::new();
    for line in fs::read_to_string(sandbox.path("starts")).unwrap_or_default().lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [_, _, run, attempt, step] = words[..] else { panic!("a torn line: {line}") };
        let run = starts.entry(run.parse().expect("a number")).or_default();
        *run.entry((attempt.to_owned(), step.to_owned())).or_default() += 1;
    }
    starts
}

/// Holds the ledger against the clock and against what the jobs have seen.
fn judge(sandbox: &Sandbox) {
    let starts = starts(sandbox);
    let mut known = BTreeSet::new();
    for (job, period) in PERIODS {
        let rows = history(sandbox, job);
        let mut outcomes: BTreeMap<i64, u64> = BTreeMap::new();
        for row in &rows {
            let run = row["run_id"].as_u64().expect("a number");
            known.insert(run);
            let last = secs(row, "fire_time").expect("all of these have a fire time");
            let first = secs(row, "first_fire_time").unwrap_or(last);
            for at in (first..=last).step_by(usize::try_from(period).expect("a small number")) {
                if let Some(other) = outcomes.insert(at, run) {
                    panic!("{job} has two outcomes at {at}: runs {other} and {run}\n{rows:#?}");
                }
            }
            judge_row(row, starts.get(&run));
        }
        let (Some(first), Some(last)) = (outcomes.keys().next(), outcomes.keys().next_back()) else {
            panic!("{job} has no rows");
        };
        let expected = (last - first) / period + 1;
        let found = i64::try_from(outcomes.len()).expect("a small number");
        assert_eq!(found, expected, "{job} has a hole: {outcomes:?}");
    }
    let unknown: Vec<_> = starts.keys().filter(|run| !known.contains(run)).collect();
    assert!(unknown.is_empty(), "runs without a row have started: {unknown:?}");
}

fn judge_row(row: &Value, starts: Option<&BTreeMap<(String, String), usize>>) {
    let status = row["status"].as_str().unwrap_or_default();
    let twice = starts.is_some_and(|starts| starts.values().any(|count| *count > 1));
    assert!(!twice, "started twice: {starts:?} {row:#}");
    match status {
        "missed" | "skipped" | "queued" => {
            assert!(starts.is_none(), "{status}, and was started: {row:#}");
        }
        "succeeded" | "retrying" => assert!(starts.is_some(), "{status}, and was never started: {row:#}"),
        // A job has its limits from the daemon: what was started while that could not write could not either.
        "failed" if row["signal"] == "XFSZ" => {}
        // A kill between a start and the record of it leaves nothing but the output file.
        "lost" => assert!(row["reason"].is_string(), "lost without a reason: {row:#}"),
        other => panic!("a status that no job here can have: {other} {row:#}"),
    }
}

#[test]
fn p1_to_p4_a_daemon_killed_at_any_moment_loses_and_repeats_nothing() {
    let mut draw = Draw(seed());
    let sandbox = Sandbox::with_jobs(JOBS);
    let kills = number("JOBCTL_KILLS", 14);
    for _ in 0..kills {
        let daemon = sandbox.daemon();
        // Half of the moments lie around the whole second, where claims are made and jobs start.
        let near = draw.below(2) == 0;
        let wait = if near { until_second() + draw.below(60) } else { 50 + draw.below(700) };
        sleep(Duration::from_millis(wait.saturating_sub(u64::from(near) * 20)));
        daemon.kill();
    }
    let daemon = sandbox.daemon();
    sleep(Duration::from_millis(1_500));
    come_to_rest(&sandbox);
    judge(&sandbox);
    let rows: usize = PERIODS.iter().map(|(job, _)| history(&sandbox, job).len()).sum();
    println!(
        "{kills} kills, {} runs that had started, {rows} outcomes: nothing lost, nothing twice",
        starts(&sandbox).len()
    );
    assert!(daemon.stop().success());
}

/// Returns how many milliseconds of this second are left.
fn until_second() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    1_000 - u64::from(now.subsec_millis())
}

#[test]
fn t11_a_daemon_that_was_stopped_for_seconds_catches_up_once() {
    let sandbox = Sandbox::with_jobs(JOBS);
    let daemon = sandbox.daemon();
    wait_for_ticks(&sandbox, 2);
    let before = history(&sandbox, "tick").len();
    daemon.signal(Signal::STOP);
    sleep(Duration::from_secs(4));
    daemon.signal(Signal::CONT);
    wait_for_ticks(&sandbox, 2);
    come_to_rest(&sandbox);
    judge(&sandbox);
    let rows = history(&sandbox, "tick");
    let late: Vec<_> = rows.iter().filter(|row| row["reason"] == "coalesced").collect();
    assert_eq!(late.len(), 1, "{rows:#?}");
    assert!(late[0]["occurrences"].as_u64() >= Some(2) && rows.len() <= before + 6, "{rows:#?}");
    drop(daemon);
}

#[test]
fn s1_a_full_disk_starts_nothing_unclaimed_and_leaves_no_hole() {
    let sandbox = Sandbox::with_jobs(JOBS);
    let daemon = daemon_of_a_disk_that_fills(&sandbox);
    wait_for_ticks(&sandbox, 2);
    largest_file(&daemon, Some(0));
    wait_for_health(&sandbox, "degraded");
    let begun = starts(&sandbox).len();
    sleep(Duration::from_secs(3));
    assert_eq!(starts(&sandbox).len(), begun, "nothing starts that is not claimed");
    largest_file(&daemon, None);
    wait_for_health(&sandbox, "ok");
    wait_for_ticks(&sandbox, 2);
    come_to_rest(&sandbox);
    judge(&sandbox);
}

#[test]
fn s1_a_log_that_cannot_be_written_stops_nothing() {
    let sandbox = Sandbox::with_jobs("[jobs.bad]\ncommand = \"exit 3\"\nevery = \"1d\"");
    let daemon = sandbox.daemon_with(|command| {
        let full = fs::File::options().write(true).open("/dev/full").expect("a device that is always full");
        command.stderr(full);
    });
    // A failure is a warning in the log.
    assert_eq!(sandbox.output(["run-now", "bad", "--wait"]).status.code(), Some(3));
    sandbox.ok(["stop"]);
    assert!(daemon.wait().success());
}

#[test]
fn s1_a_definition_changed_on_a_full_disk_is_shown_and_becomes_durable() {
    let sandbox = Sandbox::with_jobs("[jobs.tick]\ncommand = \"true\"\nevery = \"1s\"\n");
    let daemon = daemon_of_a_disk_that_fills(&sandbox);
    sandbox.ok(["add", "a", "--every", "1h", "--", "true"]);
    largest_file(&daemon, Some(0));
    wait_for_health(&sandbox, "degraded");
    let every = || sandbox.json(["show", "a", "--json"])["trigger"]["spec"].clone();
    let mut waiting = Vec::new();
    for spec in ["2h", "3h"] {
        waiting.push(sandbox.follow(["reschedule", "a", "--every", spec]));
        eventually("it is taken in", || every() == spec);
    }
    assert!(sandbox.ok(["export", "a"]).contains("3h"));
    largest_file(&daemon, None);
    for command in waiting {
        assert_eq!(command.end().0, Some(0));
    }
    assert!(sandbox.ok(["export", "a"]).contains("3h"));
    daemon.kill();
    let _daemon = sandbox.daemon();
    assert_eq!(every(), "3h");
    let changes = sandbox.json(["changes", "a", "--json"]);
    assert_eq!(changes[0]["before"], changes[1]["after"]);
}

/// Starts a daemon that [`largest_file`] keeps from writing.
fn daemon_of_a_disk_that_fills(sandbox: &Sandbox) -> Daemon {
    // A write beyond the limit on file sizes is an error only for those who do not die of the signal.
    sandbox.daemon_with(|command| {
        let plain = std::mem::replace(command, std::process::Command::new("/bin/sh"));
        let args: Vec<_> = plain.get_args().map(ToOwned::to_owned).collect();
        command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(plain.get_program()).args(args);
        command.env_clear().envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.current_dir(plain.get_current_dir().expect("the sandbox"));
        let log = fs::File::options().append(true).create(true).open(sandbox.path("daemon.log"));
        command.stdout(log.expect("the daemon's log")).stdin(std::process::Stdio::null());
    })
}

/// Limits the size of the files that the daemon may write.
fn largest_file(daemon: &Daemon, current: Option<u64>) {
    let pid = Pid::from_raw(i32::try_from(daemon.pid()).expect("a process id"));
    prlimit(pid, Resource::Fsize, Rlimit { current, maximum: None }).expect("the limit can be set");
}

fn wait_for_health(sandbox: &Sandbox, health: &str) {
    let begun = Instant::now();
    loop {
        let status = sandbox.json(["status", "--json"]);
        if status["health"] == health {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "never {health}: {status:#}");
        sleep(Duration::from_millis(50));
    }
}

fn wait_for_ticks(sandbox: &Sandbox, count: usize) {
    let mut events = sandbox.events(["--json", "--only", "run.succeeded"]);
    for _ in 0..count {
        events.until(&["\"tick\""]);
    }
}

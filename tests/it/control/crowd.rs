//! I1: a crowd of clients that behave badly, and what it costs those who do not.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::harness::Sandbox;

const JOBS: &str = r#"
[jobs.second]
command = "true"
every = "1s"
"#;

/// A call without the NUL that ends it.
const EVENTS: &[u8] = br#"{"method":"io.jobctl.Scheduler.Events","parameters":{"after":0},"more":true}"#;
const LIST: &[u8] = br#"{"method":"io.jobctl.Scheduler.List","parameters":{}}"#;

/// Connects that many clients, none of which reads a byte: idle ones, half calls, streams, heaps of calls, garbage.
fn crowd(sandbox: &Sandbox, size: usize) -> Vec<UnixStream> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).expect("the limit can be raised");
    let client = |number: usize| {
        let mut stream = sandbox.connect();
        stream.set_nonblocking(true).expect("it can be made so");
        let many = || [LIST, b"\0"].concat().repeat(1_000);
        let words = match number % 5 {
            0 => Vec::new(),
            1 => EVENTS[..20].to_vec(),
            2 => [EVENTS, b"\0"].concat(),
            3 => many(),
            _ => vec![b'x'; 100_000],
        };
        // What does not fit into the socket's buffer is left out: nobody waits for anybody here.
        let _ = stream.write(&words);
        stream
    };
    (0..size).map(client).collect()
}

/// Waits for that many runs of the job of every second, and returns how late they were, the latest last.
fn lateness(sandbox: &Sandbox, runs: usize) -> Vec<u64> {
    let mut events = sandbox.events(["second", "--only", "run.succeeded"]);
    for _ in 0..runs {
        events.until(&["second"]);
    }
    let rows = sandbox.json(["history", "second", "--limit", &runs.to_string(), "--json"]);
    let rows = rows.as_array().expect("an array");
    let mut late: Vec<u64> = rows.iter().filter_map(|row| row["lateness_ms"].as_u64()).collect();
    late.sort_unstable();
    late
}

/// Measures how long `status` takes, the longest last.
fn status_times(sandbox: &Sandbox, times: usize) -> Vec<Duration> {
    let once = |_| {
        let began = Instant::now();
        sandbox.ok(["status", "--json"]);
        began.elapsed()
    };
    let mut times: Vec<Duration> = (0..times).map(once).collect();
    times.sort_unstable();
    times
}

#[test]
fn i1_bad_clients_cost_nobody_anything() {
    let sandbox = Sandbox::with_jobs(JOBS);
    let daemon = sandbox.daemon();
    let bad = crowd(&sandbox, 200);
    assert_eq!(lateness(&sandbox, 3).len(), 3, "every second has its run");
    let rows = sandbox.json(["history", "second", "--json"]);
    let outcomes = rows.as_array().expect("an array").iter().map(|row| row["status"].clone());
    assert!(outcomes.into_iter().all(|status| status != "missed" && status != "skipped"), "{rows}");
    sandbox.ok(["add", "a", "--every", "1h", "--", "true"]);
    assert_eq!(sandbox.output(["run-now", "a", "--wait"]).status.code(), Some(0));
    drop(bad);
    assert!(daemon.stop().success(), "nobody keeps it from going");
}

#[test]
fn i1_a_daemon_goes_though_clients_stay() {
    let sandbox = Sandbox::with_jobs(JOBS);
    let daemon = sandbox.daemon();
    let bad = crowd(&sandbox, 50);
    assert!(daemon.stop().success());
    drop(bad);
}

#[test]
#[ignore = "a measurement: cargo test --test it crowd -- --ignored --nocapture"]
fn i1_measure_a_thousand_bad_clients() {
    const RUNS: usize = 30;
    let sandbox = Sandbox::with_jobs(JOBS);
    let daemon = sandbox.daemon();
    let memory = || {
        let text = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap_or_default();
        text.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default().to_owned()
    };
    let report = |with: &str| {
        let late = lateness(&sandbox, RUNS);
        let asked = status_times(&sandbox, RUNS);
        println!(
            "{with}: lateness of {} runs: median {} ms, worst {} ms; status: median {:?}, worst {:?}; {}",
            late.len(),
            late[late.len() / 2],
            late[late.len() - 1],
            asked[asked.len() / 2],
            asked[asked.len() - 1],
            memory()
        );
    };
    report("alone");
    let bad = crowd(&sandbox, 1_000);
    report("1,000 bad clients");
    drop(bad);
    report("after they have gone");
}

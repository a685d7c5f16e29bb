//! The job file of the examples: it checks without a word, and it runs.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::harness::{Sandbox, package};

/// How long anything here may take before the test gives up: for a machine with much else to do.
const PATIENCE: Duration = Duration::from_secs(60);

/// A daemon that ends with the test.
pub(super) struct Daemon(Child);

impl Daemon {
    /// Starts a prepared `jobctl run` and waits until it says that it serves, as systemd would.
    pub(super) fn start(sandbox: &Sandbox, mut command: Command) -> Self {
        let place = sandbox.path("notify");
        let manager = UnixDatagram::bind(&place).expect("the sandbox can hold a socket");
        manager.set_read_timeout(Some(PATIENCE)).expect("a socket has a timeout");
        let log = std::fs::File::create(sandbox.path("daemon.log")).expect("the sandbox can be written to");
        command.env("NOTIFY_SOCKET", &place).stderr(log);
        let daemon = Daemon(command.spawn().expect("the binary can be run"));
        let mut text = [0; 1024];
        loop {
            let length = manager.recv(&mut text).unwrap_or_else(|error| {
                let log = std::fs::read_to_string(sandbox.path("daemon.log")).unwrap_or_default();
                panic!("the daemon is not ready: {error}\n{log}");
            });
            if String::from_utf8_lossy(&text[..length]).lines().any(|line| line == "READY=1") {
                return daemon;
            }
        }
    }

    /// Expects that it was told to stop and ends well.
    pub(super) fn has_stopped(mut self) {
        let ended = self.0.wait().expect("the daemon can be waited for");
        assert!(ended.success(), "the daemon ended with {ended}");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may be gone already, which is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until each of these jobs has succeeded.
fn await_success(sandbox: &Sandbox, jobs: &[&str]) {
    let mut command = sandbox.command(["events", "-f", "--since", "1h", "--only", "run.succeeded", "--json"]);
    let mut events = command.stdout(Stdio::piped()).spawn().expect("the binary can be run");
    let lines = BufReader::new(events.stdout.take().expect("standard output is a pipe")).lines();
    let (told, hears) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            let event: serde_json::Value = serde_json::from_str(&line).expect("an event is a line of JSON");
            if told.send(event["job"].as_str().unwrap_or_default().to_owned()).is_err() {
                return;
            }
        }
    });
    let mut missing: BTreeSet<&str> = jobs.iter().copied().collect();
    while !missing.is_empty() {
        let job = hears.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("{missing:?}: {error}"));
        missing.remove(job.as_str());
    }
    events.kill().expect("it still follows");
    events.wait().expect("it can be waited for");
}

#[test]
fn the_example_checks_without_a_word() {
    let sandbox = Sandbox::new();
    let file = package("examples/jobs.toml");
    let checked = sandbox.output(["check", "--strict", "--json", &file.display().to_string()]);
    assert!(checked.status.success(), "{}", sandbox.shown(&checked));
    let checked = sandbox.output(["check", &file.display().to_string()]);
    assert!(checked.stderr.is_empty(), "{}", sandbox.shown(&checked));
}

#[test]
fn the_example_runs_on_a_bare_machine() {
    let sandbox = Sandbox::with_jobs(&super::read("examples/jobs.toml"));
    let daemon = Daemon::start(&sandbox, sandbox.command(["run"]));
    await_success(&sandbox, &["hello", "rates", "heartbeat"]);
    let rates = sandbox.json(["history", "rates", "--json"]);
    assert_eq!((&rates[0]["attempts"], rates.as_array().map(Vec::len)), (&6.into(), Some(1)), "{rates}");

    // What is due at some other time of the day or the year. The state of the disk is not ours to judge.
    let later = ["load", "mirrors", "words", "backup", "updates", "cleanup", "invoices", "opening", "y2038"];
    let ran = sandbox.output(["run-now", "--wait=1m"].into_iter().chain(later));
    assert!(ran.status.success(), "{}", sandbox.shown(&ran));
    await_success(&sandbox, &["report"]);
    let load = sandbox.json(["history", "load", "--limit", "1", "--json"]);
    assert!(load[0]["result"]["load"].is_number(), "{load}");

    let stopped = sandbox.output(["stop"]);
    assert!(stopped.status.success(), "{}", sandbox.shown(&stopped));
    daemon.has_stopped();
    let goodbye = sandbox.json(["history", "goodbye", "--json"]);
    assert_eq!(goodbye[0]["status"], "succeeded", "{goodbye}");
    let bad = sandbox.json(["history", "--status", "failed", "--json"]);
    assert_eq!(bad, serde_json::json!([]));
    let home: BTreeSet<String> = std::fs::read_dir(sandbox.path(""))
        .expect("the sandbox can be read")
        .map(|entry| entry.expect("the entry can be read").file_name().to_string_lossy().into_owned())
        .collect();
    let expected = ["daemon.log", "jobs.toml", "notify", "state"].map(ToOwned::to_owned);
    assert_eq!(home, BTreeSet::from(expected), "nothing is written outside the state directory");
}

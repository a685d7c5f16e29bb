//! What the tests of features wait with: gates that hold commands back, and the diary of events.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::process::Output;
use std::time::Instant;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::Value;

use crate::harness::{Lines, PATIENCE, Sandbox, wait_for};

/// Makes a sandbox whose jobs run in its root.
pub(crate) fn sandbox(text: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    write_jobs(&sandbox, text);
    sandbox
}

/// Writes the job file; jobs run in the root of the sandbox.
pub(crate) fn write_jobs(sandbox: &Sandbox, text: &str) {
    sandbox.write("jobs.toml", &format!("[defaults]\ncwd = \".\"\n{text}"));
}

/// A named pipe in the root of a sandbox, which neither side waits to open.
pub(crate) struct Pipe(File);

impl Pipe {
    /// Makes one.
    pub(crate) fn new(sandbox: &Sandbox, name: &str) -> Self {
        let path = sandbox.path(name);
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a named pipe can be made");
        Pipe(File::options().read(true).write(true).open(path).expect("the pipe can be opened"))
    }

    /// Lets one command go on that waits with `read`, and tells it a word.
    pub(crate) fn tell(&mut self, word: &str) {
        writeln!(self.0, "{word}").expect("the pipe has room");
    }

    /// Waits for a line of a command.
    pub(crate) fn hear(&mut self) -> String {
        let mut line = Vec::new();
        let mut byte = [0];
        loop {
            assert!(wait_for(&[self.0.as_fd()], PATIENCE).is_some(), "nothing is said");
            self.0.read_exact(&mut byte).expect("the pipe is open");
            if byte == [b'\n'] {
                return String::from_utf8(line).expect("a line of text");
            }
            line.extend(byte);
        }
    }
}

/// Every event since the store was made, as they come.
pub(crate) struct Diary {
    lines: Lines,
    /// What was read so far, `JOB EVENT` each; without a job the event alone.
    pub(crate) seen: Vec<String>,
}

impl Diary {
    /// Begins to read the events of some jobs, or all of them.
    pub(crate) fn of(sandbox: &Sandbox, jobs: &[&str]) -> Self {
        let args = ["events", "-f", "--after", "0", "--json"].into_iter().chain(jobs.iter().copied());
        Diary { lines: sandbox.follow(args), seen: Vec::new() }
    }

    /// Waits for the next event and returns it.
    pub(crate) fn next(&mut self) -> Value {
        let line = self.lines.next().unwrap_or_else(|| panic!("no event after {:?}", self.seen));
        let event: Value = serde_json::from_str(&line).expect("one object a line");
        self.seen.push(short(&event));
        event
    }

    /// Waits for the next event of that kind, `JOB EVENT`, and returns it.
    pub(crate) fn until(&mut self, wanted: &str) -> Value {
        loop {
            let event = self.next();
            if short(&event) == wanted {
                return event;
            }
        }
    }
}

/// Names an event and its job.
pub(crate) fn short(event: &Value) -> String {
    let name = event["event"].as_str().expect("a name");
    event["job"].as_str().map_or_else(|| name.to_owned(), |job| format!("{job} {name}"))
}

/// Returns every event so far, oldest first.
pub(crate) fn events(sandbox: &Sandbox) -> Vec<Value> {
    let text = sandbox.ok(["events", "--json", "--limit", "100000"]);
    text.lines().map(|line| serde_json::from_str(line).expect("one object a line")).collect()
}

/// Returns the rows of a job, oldest first.
pub(crate) fn rows(sandbox: &Sandbox, job: &str) -> Vec<Value> {
    let mut rows = match sandbox.json(["history", job, "--json", "--limit", "100000"]) {
        Value::Array(rows) => rows,
        other => panic!("{other}"),
    };
    rows.reverse();
    rows
}

/// Returns status and reason of each row, oldest first.
pub(crate) fn outcomes(sandbox: &Sandbox, job: &str) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    rows(sandbox, job)
        .iter()
        .map(|row| format!("{} {}", text(&row["status"]), text(&row["reason"])))
        .collect()
}

/// Returns each command of a row: name, status, and code or signal.
pub(crate) fn steps(row: &Value) -> Vec<String> {
    let steps = row["steps"].as_array().expect("a list");
    let end = |step: &Value| match (&step["exit_code"], &step["signal"]) {
        (Value::Null, Value::String(signal)) => signal.clone(),
        (code, _) => code.to_string(),
    };
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    steps
        .iter()
        .map(|step| format!("{} {} {}", text(&step["name"]), text(&step["status"]), end(step)))
        .collect()
}

/// Reads an instant.
pub(crate) fn instant(value: &Value) -> chrono::DateTime<chrono::FixedOffset> {
    chrono::DateTime::parse_from_rfc3339(value.as_str().expect("an instant")).expect("RFC 3339")
}

/// Starts a run and returns its number.
pub(crate) fn run_now<const N: usize>(sandbox: &Sandbox, args: [&str; N]) -> String {
    sandbox.ok(["run-now", "--quiet"].into_iter().chain(args)).trim().to_owned()
}

/// Runs a job and waits for its end.
pub(crate) fn run_to_end(sandbox: &Sandbox, job: &str) -> Output {
    sandbox.output(["run-now", job, "--wait"])
}

/// Asks until the answer is yes. Only for what nothing tells of.
pub(crate) fn eventually(what: &str, mut asked: impl FnMut() -> bool) {
    let began = Instant::now();
    while !asked() {
        assert!(began.elapsed() < PATIENCE, "{what}");
        std::thread::yield_now();
    }
}

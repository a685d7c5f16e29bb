//! Processes of this program that do one thing and say what it took.
//!
//! What depends on memory, or must begin from nothing, gets a process of its own: this program started again, as
//! `limits --child WORK ARGUMENTS`.

use std::path::Path;
use std::process::Command;
use std::str::FromStr;
use std::thread;

use crate::{Outcome, burst, loading, sustained};

const MARK: &str = "--child";

/// Makes the command that starts such a process.
pub(crate) fn command(work: &str) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.args([MARK, work]);
    command
}

/// Runs such a process to its end and reads what it has printed.
pub(crate) fn ask<T: FromStr<Err: std::error::Error + 'static>>(work: &str, paths: &[&Path]) -> Outcome<T> {
    let output = command(work).args(paths).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

/// Returns the CPU time that this process has taken itself, seconds.
pub(crate) fn own_cpu() -> f64 {
    let taken = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    // Seconds and nanoseconds stay far below 2^53.
    taken.tv_sec as f64 + taken.tv_nsec as f64 / 1e9
}

/// Does the work of such a process; `None` in the one that measures.
pub(crate) fn run(arguments: &[String]) -> Option<Outcome<()>> {
    let (mark, rest) = arguments.split_first()?;
    let (work, rest) = rest.split_first()?;
    if mark != MARK {
        return None;
    }
    let words: Vec<&str> = rest.iter().map(String::as_str).collect();
    Some(match (work.as_str(), &words[..]) {
        ("nothing", []) => Ok(()),
        ("sleep", []) => loop {
            thread::park();
        },
        ("load", [config, state]) => loading::load(config.as_ref(), state.as_ref()),
        ("toml", [config]) => loading::parse_file(config.as_ref()),
        ("rows", [state]) => loading::parse_rows(state.as_ref()),
        ("burst", words) => burst::limit(words),
        ("sustained", words) => sustained::limit(words),
        (other, _) => Err(format!("there is no work {other} of {} arguments", words.len()).into()),
    })
}

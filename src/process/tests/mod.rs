//! Starts real processes. Nothing here waits for time to pass: a test waits for a byte or the end of a FIFO,
//! or for a death.

mod adopting;
mod ending;
mod failing;
mod starting;

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode};

use super::environment::{RunContext, environment};
use super::group::RunTag;
use super::reap::{self, Ended};
use super::{Environment, Inherited, LogFile, Logs, Sink, Spawner, Start, StartError};
use crate::core::civil::Zone;
use crate::core::instant::Timestamp;
use crate::core::job::{About, Command, Execution};
use crate::core::name::Name;
use crate::core::run::{ProcessMark, RunId, Source};

/// A state directory, a job and what it takes to start its runs.
struct Stage {
    directory: tempfile::TempDir,
    spawner: Spawner,
    logs: Logs,
    job: Name,
    execution: Execution,
    about: About,
    args: Vec<String>,
    /// Further variables, as hooks get them.
    extra: Vec<(String, String)>,
}

const RUN: RunId = RunId(42);

impl Stage {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let logs = Logs::new(directory.path().join("logs"));
        Stage {
            spawner: Spawner::new().unwrap(),
            logs,
            job: Name::new("backup").unwrap(),
            execution: Execution::default(),
            about: About::default(),
            args: Vec::new(),
            extra: Vec::new(),
            directory,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn tag(&self) -> RunTag {
        RunTag::new(self.directory.path(), RUN, 1)
    }

    fn inherited(&self) -> Inherited {
        let vars: [(OsString, OsString); 3] = [
            ("PATH".into(), "/usr/bin:/bin".into()),
            ("HOME".into(), self.directory.path().into()),
            ("NOTIFY_SOCKET".into(), "/run/notify".into()),
        ];
        Inherited::new(vars, self.directory.path())
    }

    fn environment(&self) -> Result<Environment, StartError> {
        let context = RunContext {
            job: &self.job,
            run: RUN,
            attempt: 1,
            fire_time: Some(Timestamp::from_secs(1_711_846_800)),
            source: Source::Schedule,
            last_success: None,
            about: &self.about,
            zone: &Zone::utc(),
            extra: &self.extra,
        };
        environment(&self.inherited(), &self.execution, &context)
    }

    /// Starts a command with its output in the log file of the run.
    fn start(&mut self, command: &Command) -> Result<(ProcessMark, LogFile), StartError> {
        let environment = self.environment()?;
        let log = self.logs.create(&self.job, RUN, 1).unwrap();
        let start = Start {
            job: &self.job,
            command,
            args: &self.args,
            execution: &self.execution,
            environment: &environment,
            sink: Sink::File(log.as_fd()),
            cgroup: None,
        };
        Ok((self.spawner.spawn(&start)?, log))
    }

    fn start_shell(&mut self, text: &str) -> ProcessMark {
        self.start(&shell(text)).unwrap().0
    }

    /// Runs a command to its end and returns that and what it wrote.
    fn run(&mut self, command: &Command) -> (Ended, String) {
        let (mark, log) = self.start(command).unwrap();
        let ended = reap::wait(mark).unwrap();
        (ended, String::from_utf8(fs::read(&log.path).unwrap()).unwrap())
    }

    /// Runs text in the shell and returns what it wrote.
    fn output(&mut self, text: &str) -> String {
        self.run(&shell(text)).1
    }

    fn fifo(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        path
    }
}

fn shell(text: &str) -> Command {
    Command::Shell(text.into())
}

fn argv(words: &[&str]) -> Command {
    Command::Argv(words.iter().copied().collect())
}

/// Waits until somebody has written a line into a FIFO; the reader goes on to see the end of all writers.
fn wait_for_line(fifo: &Path) -> File {
    let mut file = File::open(fifo).unwrap();
    let mut byte = [0];
    while file.read(&mut byte).unwrap() == 1 && byte != *b"\n" {}
    assert_eq!(byte, *b"\n", "the writer ended without a line");
    file
}

/// Waits until nobody holds the FIFO for writing any more.
fn wait_for_end(mut fifo: File) {
    std::io::copy(&mut fifo, &mut std::io::sink()).unwrap();
}

/// Waits until a child of ours has ended, and leaves it to be reaped.
fn wait_for_death(mark: ProcessMark) {
    let pid = rustix::process::Pid::from_raw(mark.pid).unwrap();
    let options = rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT;
    rustix::process::waitid(rustix::process::WaitId::Pid(pid), options).unwrap();
}

/// Says whether a test runs alone in its process; where not, runs it again in one of its own, to its success.
fn in_a_process_of_its_own(test: &str) -> bool {
    const ALONE: &str = "JOBCTL_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let name = format!("process::tests::{test}");
    let mut again = std::process::Command::new(std::env::current_exe().unwrap());
    let output = again.args(["--exact", &name, "--nocapture"]).env(ALONE, "1").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    false
}

fn is_root() -> bool {
    uzers::get_effective_uid() == 0
}

fn mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

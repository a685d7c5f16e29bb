//! The real program, run as people run it: as a daemon in an empty directory, and as commands.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::Outcome;

/// How long a daemon may take to listen.
const PATIENCE: Duration = Duration::from_secs(20);

/// A process that is killed when nobody waits for it any more.
pub(crate) struct Running(pub(crate) Child);

/// A directory with a job file, a state directory and a socket.
#[derive(Clone, Debug)]
pub(crate) struct Place(PathBuf);

impl Place {
    /// Makes a place with a job file of this text.
    pub(crate) fn new(directory: PathBuf, text: &str) -> Outcome<Self> {
        fs::create_dir(&directory)?;
        fs::write(directory.join("jobs.toml"), text)?;
        Ok(Place(directory))
    }

    /// Returns the state directory.
    pub(crate) fn state(&self) -> PathBuf {
        self.0.join("state")
    }

    /// Makes a command of the program at this place, silent, with nothing of the environment.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_jobctl"));
        command.args(words).env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.env("PATH", "/usr/bin:/bin").env("HOME", &self.0).env("TZ", "UTC");
        command.env("JOBCTL_CONFIG", self.0.join("jobs.toml"));
        command.env("JOBCTL_STATE_DIR", self.state()).env("JOBCTL_SOCKET", self.socket());
        command
    }

    /// Starts the daemon and waits until it listens.
    pub(crate) fn daemon(&self) -> Outcome<Running> {
        let child = self.command(&["run"]).stderr(File::create(self.0.join("log"))?).spawn()?;
        let (mut daemon, start) = (Running(child), Instant::now());
        while UnixStream::connect(self.socket()).is_err() {
            if !daemon.is_alive() || start.elapsed() > PATIENCE {
                return Err(format!("the daemon does not come up\n{}", self.log()).into());
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(daemon)
    }

    /// Returns what the daemon has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.0.join("log")).unwrap_or_default()
    }

    /// Returns the socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.0.join("socket")
    }
}

impl Running {
    /// Says whether it has not ended yet.
    pub(crate) fn is_alive(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }

    /// Returns the CPU time that all threads have taken, seconds.
    pub(crate) fn cpu(&self) -> Outcome<f64> {
        let mut nanos = 0.0;
        for task in fs::read_dir(self.proc("task"))? {
            let text = fs::read_to_string(task?.path().join("schedstat"))?;
            nanos += text.split_whitespace().next().unwrap_or_default().parse::<f64>()?;
        }
        Ok(nanos / 1e9)
    }

    /// Returns how often each thread has gone to sleep and thus been woken, by its number and name.
    pub(crate) fn sleeps(&self) -> Outcome<BTreeMap<String, f64>> {
        let mut sleeps = BTreeMap::new();
        for task in fs::read_dir(self.proc("task"))? {
            let task = task?;
            let name = fs::read_to_string(task.path().join("comm"))?;
            let name = format!("{} {}", task.file_name().to_string_lossy(), name.trim_end());
            sleeps.insert(name, figure(&task.path().join("status"), "voluntary_ctxt_switches:")?);
        }
        Ok(sleeps)
    }

    /// Waits until the process has nothing more to do, and returns its CPU time.
    pub(crate) fn cpu_at_rest(&self) -> Outcome<f64> {
        let mut before = self.cpu()?;
        loop {
            thread::sleep(Duration::from_millis(100));
            let now = self.cpu()?;
            if now - before < 0.000_2 {
                return Ok(now);
            }
            before = now;
        }
    }

    /// Returns the bytes that are resident.
    pub(crate) fn resident(&self) -> Outcome<f64> {
        Ok(figure(&self.proc("status"), "VmRSS:")? * 1024.0)
    }

    /// Waits for the end of a process that prints one figure, and returns that.
    pub(crate) fn last_word(&mut self) -> Outcome<f64> {
        let mut text = String::new();
        self.0.stdout.take().ok_or("nobody listens to the process")?.read_to_string(&mut text)?;
        self.0.wait()?;
        Ok(text.trim().parse()?)
    }

    /// Ends it in order.
    pub(crate) fn stop(mut self) -> Outcome<()> {
        if let Some(pid) = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw) {
            kill_process(pid, Signal::TERM)?;
        }
        self.0.wait()?;
        Ok(())
    }

    fn proc(&self, file: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{file}", self.0.id()))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail where it has ended in order, which is the point.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Reads a figure of a file of proc(5).
pub(crate) fn figure(file: &Path, field: &str) -> Outcome<f64> {
    let text = fs::read_to_string(file)?;
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    let figure = line.and_then(|rest| rest.split_whitespace().next());
    Ok(figure.ok_or_else(|| format!("{} has no {field}", file.display()))?.parse()?)
}

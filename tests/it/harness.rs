//! Runs the real binary in a clean environment and shows what it said.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read as _, Seek as _, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use tempfile::TempDir;

/// How long anything may take that ought to be done in a moment: a test that waits longer has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A place of its own for one test: job file, state directory and home.
pub(crate) struct Sandbox {
    root: TempDir,
}

impl Sandbox {
    /// Makes one without a job file.
    pub(crate) fn new() -> Self {
        let root = tempfile::Builder::new().prefix("jobctl-it-").tempdir().expect("a temporary directory");
        Sandbox { root }
    }

    /// Makes one with a job file.
    pub(crate) fn with_jobs(text: &str) -> Self {
        let sandbox = Sandbox::new();
        sandbox.write("jobs.toml", text);
        sandbox
    }

    /// Returns a path inside.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Writes a file inside.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).expect("the sandbox can be written to");
        path
    }

    /// Prepares a command of the binary: nothing of the environment of the tests reaches it.
    pub(crate) fn command<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_jobctl"));
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", self.root.path())
            .env("TZ", "UTC")
            .env("LANG", "C.UTF-8")
            .env("JOBCTL_CONFIG", self.path("jobs.toml"))
            .env("JOBCTL_STATE_DIR", self.path("state"))
            .current_dir(self.root.path())
            .stdin(Stdio::null())
            .args(args);
        command
    }

    /// Runs the binary and shows exit code, standard output and standard error in one text.
    pub(crate) fn run<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> String {
        self.shown(&self.output(args))
    }

    /// Runs the binary.
    pub(crate) fn output<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Output {
        self.command(args).output().expect("the binary can be run")
    }

    /// Runs the binary, expects success, and returns its standard output as JSON.
    pub(crate) fn json<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> serde_json::Value {
        let output = self.output(args);
        assert!(output.status.success(), "{}", self.shown(&output));
        serde_json::from_slice(&output.stdout).expect("the output is JSON")
    }

    /// Shows an output, with the sandbox's own path replaced.
    pub(crate) fn shown(&self, output: &Output) -> String {
        let mut text =
            format!("exit {}\n", output.status.code().map_or_else(|| "?".to_owned(), |c| c.to_string()));
        for (name, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
            if !bytes.is_empty() {
                let _ = write!(text, "--- {name}\n{}", String::from_utf8_lossy(bytes));
            }
        }
        text.replace(&*self.root.path().to_string_lossy(), "$ROOT")
    }
}

impl Drop for Sandbox {
    /// Leaves no process behind: whatever has this place in its environment is ours.
    fn drop(&mut self) {
        let place = self.root.path().as_os_str().as_encoded_bytes();
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        for entry in entries {
            let pid = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
            let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
            if let Some(pid) = pid
                && environment.windows(place.len()).any(|piece| piece == place)
            {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}

/// A running daemon of a sandbox. Killed when it is dropped.
pub(crate) struct Daemon {
    child: Child,
    log: PathBuf,
}

impl Sandbox {
    /// Starts the daemon and waits until it serves.
    pub(crate) fn daemon(&self) -> Daemon {
        self.daemon_with(|_| {})
    }

    /// Starts the daemon, with a say in its environment and options, and waits until it serves.
    pub(crate) fn daemon_with(&self, prepare: impl FnOnce(&mut Command)) -> Daemon {
        let notify = self.path("notify");
        let _ = fs::remove_file(&notify);
        let manager = UnixDatagram::bind(&notify).expect("the socket of the service manager");
        let log = self.path("daemon.log");
        let file = File::options().create(true).append(true).open(&log).expect("the daemon's log");
        let mut command = self.command(["run"]);
        command
            .env("NOTIFY_SOCKET", &notify)
            .stdout(file.try_clone().expect("a second descriptor"))
            .stderr(file);
        prepare(&mut command);
        let child = command.spawn().expect("the binary can be run");
        let daemon = Daemon { child, log };
        daemon.wait_until_ready(&manager);
        daemon
    }

    /// Returns the path of the daemon's socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.path("state/jobctl.sock")
    }

    /// Connects to the daemon's socket, for what no client of ours would send.
    pub(crate) fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(self.socket()).expect("the daemon listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out can be set");
        stream
    }

    /// Runs the binary with a text on its standard input.
    pub(crate) fn output_with_input<A: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = A>,
        input: &str,
    ) -> Output {
        let mut command = self.command(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary can be run");
        // A command that reads nothing has gone before it is written to.
        let _ = child.stdin.take().map(|mut stdin| stdin.write_all(input.as_bytes()));
        child.wait_with_output().expect("the binary ends")
    }

    /// Runs the binary and expects success; returns its standard output.
    pub(crate) fn ok<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> String {
        let output = self.output(args);
        assert!(output.status.success(), "{}", self.shown(&output));
        String::from_utf8(output.stdout).expect("the output is UTF-8")
    }

    /// Follows the events from this moment on, however long the follower takes to begin.
    pub(crate) fn events<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Lines {
        let last = self.output(["events", "--limit", "1", "--json"]);
        // Nothing has happened yet where there is no line.
        let last: serde_json::Value = serde_json::from_slice(&last.stdout).unwrap_or_default();
        let after = last["seq"].as_u64().unwrap_or(0).to_string();
        let after = format!("--after={after}");
        let first = ["events", "-f", &after].into_iter().map(ToOwned::to_owned);
        self.follow(first.chain(args.into_iter().map(ToOwned::to_owned)))
    }

    /// Starts the binary and reads its standard output line by line as it comes.
    pub(crate) fn follow<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Lines {
        let mut command = self.command(args);
        let errors = tempfile::tempfile().expect("a temporary file");
        let copy = errors.try_clone().expect("a second descriptor");
        let child = command.stdout(Stdio::piped()).stderr(copy).spawn().expect("the binary can be run");
        let mut lines = Lines::of(child);
        lines.errors = Some(errors);
        lines
    }
}

impl Daemon {
    /// Returns its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns what it has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.as_pid(), signal).expect("the daemon can be signalled");
    }

    /// Ends it without a chance to say anything.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("the daemon can be killed");
        self.child.wait().expect("the daemon can be waited for");
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn stop(self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// Waits until it has ended by itself.
    pub(crate) fn wait(mut self) -> ExitStatus {
        let ended = wait_for(&[self.pidfd().as_fd()], PATIENCE);
        assert!(ended.is_some(), "the daemon does not end:\n{}", self.log());
        self.child.wait().expect("the daemon can be waited for")
    }

    fn as_pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    fn pidfd(&self) -> OwnedFd {
        pidfd_open(self.as_pid(), PidfdFlags::empty()).expect("the daemon can be watched")
    }

    fn wait_until_ready(&self, manager: &UnixDatagram) {
        let pidfd = self.pidfd();
        let mut message = [0; 4096];
        loop {
            match wait_for(&[manager.as_fd(), pidfd.as_fd()], PATIENCE) {
                Some(0) => {
                    let length = manager.recv(&mut message).expect("a message of the daemon");
                    if message[..length].split(|byte| *byte == b'\n').any(|line| line == b"READY=1") {
                        return;
                    }
                }
                Some(_) => panic!("the daemon has ended:\n{}", self.log()),
                None => panic!("the daemon is not ready:\n{}", self.log()),
            }
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the daemon's log\n{}", self.log());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until one of these can be read, and returns which; `None` after the time-out.
pub(crate) fn wait_for(fds: &[std::os::fd::BorrowedFd<'_>], limit: Duration) -> Option<usize> {
    let mut polled: Vec<PollFd<'_>> =
        fds.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
    let limit = Timespec::try_from(limit).expect("a time-out of a test is short");
    loop {
        match poll(&mut polled, Some(&limit)) {
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => panic!("poll: {error}"),
            Ok(_) => return polled.iter().position(|fd| !fd.revents().is_empty()),
        }
    }
}

/// The standard output of a running command, line by line. The command is killed when this is dropped.
pub(crate) struct Lines {
    child: Child,
    lines: Receiver<io::Result<String>>,
    /// What it says on standard error, for a test that fails.
    errors: Option<File>,
}

impl Lines {
    /// Reads the output of a child that was started with a pipe.
    pub(crate) fn of(mut child: Child) -> Self {
        let stdout = child.stdout.take().expect("its standard output is a pipe");
        let (line, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for read in BufReader::new(stdout).lines() {
                if line.send(read).is_err() {
                    return;
                }
            }
        });
        Lines { child, lines, errors: None }
    }

    /// Waits for the next line; `None` = there will be none.
    pub(crate) fn next(&mut self) -> Option<String> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => Some(line.expect("a line of text")),
            Err(mpsc::RecvTimeoutError::Disconnected) => None,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("no further line comes"),
        }
    }

    /// Waits for a line that has all of these in it, and returns it.
    pub(crate) fn until(&mut self, parts: &[&str]) -> String {
        let begun = Instant::now();
        while let Some(line) = self.next() {
            assert!(begun.elapsed() < PATIENCE, "no line has {parts:?}");
            if parts.iter().all(|part| line.contains(part)) {
                return line;
            }
        }
        panic!("the output ended without a line that has {parts:?}");
    }

    /// Waits until the command has ended; returns its exit code and the lines that were left.
    pub(crate) fn end(mut self) -> (Option<i32>, Vec<String>) {
        let mut rest = Vec::new();
        while let Some(line) = self.next() {
            rest.push(line);
        }
        let status = self.child.wait().expect("the command can be waited for");
        (status.code(), rest)
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        if let Some(errors) = self.errors.as_mut().filter(|_| std::thread::panicking()) {
            let mut said = String::new();
            let _ = errors.rewind().and_then(|()| errors.read_to_string(&mut said));
            eprintln!("--- standard error of what was followed\n{said}");
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Says where the package is.
pub(crate) fn package(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

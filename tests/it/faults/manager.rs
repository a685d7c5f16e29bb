//! P4 and I2: what a service manager does for the daemon. The test is the manager: it keeps descriptors, counts the
//! signs of life, and starts the daemon again.

use std::fs;
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use rustix::process::{Pid, Signal, kill_process};

use super::ledger::{ledger, until_durable};
use crate::features::support::{Pipe, eventually, run_now, sandbox};
use crate::harness::{PATIENCE, Sandbox, package, wait_for};

/// How often the manager wants a sign of life.
const WATCHDOG: Duration = Duration::from_millis(400);

/// The manager of one unit.
struct Manager<'a> {
    sandbox: &'a Sandbox,
    socket: UnixDatagram,
    kept: Vec<(String, OwnedFd)>,
    daemon: Option<Child>,
}

impl<'a> Manager<'a> {
    fn new(sandbox: &'a Sandbox) -> Self {
        let socket = UnixDatagram::bind(sandbox.path("manager")).expect("a socket");
        Manager { sandbox, socket, kept: Vec::new(), daemon: None }
    }

    /// Starts the daemon with the descriptors that are kept, as sd_listen_fds(3) says, and waits until it is ready.
    fn start(&mut self) {
        let plain = self.sandbox.command(["run"]);
        // The number of the process is known only in it: a shell writes the variable, and moves the descriptor, which
        // may have any number here, to where the daemon expects it. Of shells not all know numbers above 9.
        let (handed, stdin) = match &self.kept[..] {
            [] => (String::new(), Stdio::null()),
            [(name, file)] => (
                format!("exec 3<&0 </dev/null; export LISTEN_FDS=1 LISTEN_FDNAMES={name} LISTEN_PID=$$; "),
                file.try_clone().expect("another descriptor").into(),
            ),
            _ => panic!("more is kept than the tests have"),
        };
        let script = format!("{handed}exec \"$0\" run");
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", &script]).arg(plain.get_program()).env_clear();
        shell.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell
            .env("NOTIFY_SOCKET", self.sandbox.path("manager"))
            .env("FDSTORE", "64")
            .env("WATCHDOG_USEC", WATCHDOG.as_micros().to_string())
            .current_dir(self.sandbox.path("."))
            .stdin(stdin);
        let log = fs::File::options().create(true).append(true).open(self.sandbox.path("daemon.log"));
        shell.stderr(log.expect("the daemon's log"));
        self.daemon = Some(shell.spawn().expect("it starts"));
        while !self.hear(PATIENCE).expect("it says that it is ready").iter().any(|line| line == "READY=1") {}
    }

    /// Waits for a message of the daemon and returns its lines; a descriptor that comes with it is kept.
    fn hear(&mut self, limit: Duration) -> Option<Vec<String>> {
        wait_for(&[self.socket.as_fd()], limit)?;
        let mut text = [0; 4096];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut parts = [IoSliceMut::new(&mut text)];
        let got =
            recvmsg(&self.socket, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC).expect("a message");
        let file = control.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut files) => files.next(),
            _ => None,
        });
        let lines: Vec<String> =
            String::from_utf8_lossy(&text[..got.bytes]).lines().map(str::to_owned).collect();
        let name = lines.iter().find_map(|line| line.strip_prefix("FDNAME=")).map(str::to_owned);
        if let Some((name, file)) = name.clone().zip(file) {
            self.kept.push((name, file));
        } else if lines.iter().any(|line| line == "FDSTOREREMOVE=1") {
            self.kept.retain(|(kept, _)| Some(kept) != name.as_ref());
        }
        Some(lines)
    }

    /// Waits for a sign of life; false = none has come within the time in which two are due.
    fn hears_life(&mut self) -> bool {
        while let Some(lines) = self.hear(WATCHDOG) {
            if lines.iter().any(|line| line == "WATCHDOG=1") {
                return true;
            }
        }
        false
    }

    fn signal(&self, signal: Signal) {
        let daemon = self.daemon.as_ref().expect("it runs");
        kill_process(Pid::from_child(daemon), signal).expect("it can be signalled");
    }

    fn kill(&mut self, signal: Signal) {
        self.signal(signal);
        self.daemon.take().expect("it runs").wait().expect("it ends");
    }
}

impl Drop for Manager<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", fs::read_to_string(self.sandbox.path("daemon.log")).unwrap_or_default());
        }
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

/// Linux 6.15 and later tell the exit code of a process that is not one's child.
fn kernel_tells() -> bool {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut numbers = release.split('.').map_while(|part| part.parse::<u32>().ok());
    numbers.next().zip(numbers.next()).is_some_and(|version| version >= (6, 15))
}

const JOBS: &str = "[jobs.a]\ncommand = 'echo $JOBCTL_RUN_ID >> starts; echo x > begun; read code < go; exit $code'\n\
    every = \"52w\"\non_lost = \"rerun\"\n";

#[test]
fn p4_a_run_that_ends_while_no_daemon_is_there_has_its_exact_end_from_the_managers_store() {
    let sandbox = sandbox(JOBS);
    let [mut begun, mut go] = ["begun", "go"].map(|name| Pipe::new(&sandbox, name));
    let mut manager = Manager::new(&sandbox);
    manager.start();
    let run = run_now(&sandbox, ["a"]);
    begun.hear();
    let row = until_durable(&sandbox, "a", "running");
    while manager.kept.is_empty() {
        manager.hear(PATIENCE).expect("what lasts is left with the manager");
    }
    assert_eq!(manager.kept[0].0, format!("run-{run}.1.w"));
    manager.kill(Signal::KILL);
    go.tell("7");
    // Its new parent, which is nobody of ours, collects it; only then the kernel tells.
    let place = format!("/proc/{}", row.pid.expect("a process"));
    eventually("it is collected", || !Path::new(&place).exists());
    manager.start();
    if kernel_tells() {
        let row = until_durable(&sandbox, "a", "failed");
        assert_eq!(
            (row.run.to_string(), row.exit_code, ledger(&sandbox, "a").len()),
            (run.clone(), Some(7), 1)
        );
        assert_eq!(
            fs::read_to_string(sandbox.path("starts")).expect("one"),
            format!("{run}\n"),
            "no second run"
        );
    } else {
        assert_eq!(ledger(&sandbox, "a")[0].status, "lost");
    }
    while !manager.kept.is_empty() {
        manager.hear(PATIENCE).expect("the descriptor is given back once the end is durable");
    }
}

#[test]
fn i2_the_watchdog_hears_the_loop_and_what_it_ends_goes_on_after_the_restart() {
    let unit = fs::read_to_string(package("examples/systemd/jobctl.service")).expect("the unit");
    for line in ["WatchdogSec=", "Restart=on-failure", "KillMode=process"] {
        assert!(unit.lines().any(|found| found.starts_with(line)), "the unit lacks {line}");
    }
    let sandbox = sandbox(JOBS);
    let [mut begun, mut go] = ["begun", "go"].map(|name| Pipe::new(&sandbox, name));
    let mut manager = Manager::new(&sandbox);
    manager.start();
    run_now(&sandbox, ["a"]);
    begun.hear();
    let row = until_durable(&sandbox, "a", "running");
    assert!(manager.hears_life() && manager.hears_life(), "the loop turns");
    manager.signal(Signal::STOP);
    while manager.hears_life() {}
    // What systemd does then (systemd.service(5), WatchdogSec=).
    manager.signal(Signal::ABORT);
    manager.kill(Signal::CONT);
    manager.start();
    assert!(manager.hears_life());
    assert_eq!(sandbox.json(["show", "a", "--json"])["running"], 1, "its run was adopted");
    go.tell("7");
    eventually("it ends", || ledger(&sandbox, "a")[0].status != "running");
    let rows = ledger(&sandbox, "a");
    assert_eq!((rows[0].run, rows[0].exit_code.is_none_or(|code| code == 7)), (row.run, true), "{rows:#?}");
    if kernel_tells() {
        assert_eq!((rows.len(), rows[0].status.as_str()), (1, "failed"), "{rows:#?}");
    }
}

//! Runs a command in the foreground and waits for it: what `exec` does without a daemon.
//!
//! The command is a process group of its own, as in the schedule; signals that ask this process to end are
//! handed on to it. The time limit counts on a timer of the kernel, so no clock is read here.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime,
};

use super::adopt::open_pidfd;
use super::error::StartError;
use super::group::{self, RunTag};
use super::reap;
use super::spawn::{Spawner, Start};
use crate::core::run::{Exit, ProcessMark, Usage};

/// Ask this process to end and are handed on instead.
const HANDED_ON: [i32; 4] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT];

/// How a command in the foreground may be ended.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Its time limit.
    pub timeout: Option<Duration>,
    /// The signal that asks it to end then.
    pub stop_signal: i32,
    /// From that signal, or one handed on, to KILL.
    pub kill_after: Duration,
}

/// How a command in the foreground ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Foreground {
    /// Its exit.
    pub exit: Exit,
    /// What it used.
    pub usage: Usage,
    /// True: the time limit was reached.
    pub timed_out: bool,
    /// The last signal that was handed on.
    pub interrupted: Option<i32>,
}

/// Why a command in the foreground has no end to report.
#[derive(Debug, thiserror::Error)]
pub enum ForegroundError {
    /// It was not started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// It was started, but cannot be waited for.
    #[error("cannot wait for the command: {0}")]
    Wait(#[from] io::Error),
}

/// Starts a command and waits until its main process ends.
///
/// Hands INT, TERM, HUP and QUIT on to the command's group. After a time-out or a handed-on signal nothing
/// of the group survives; otherwise what the command leaves behind lives on. To be called on the only thread
/// of a process: the signals are blocked in the calling thread meanwhile.
///
/// # Errors
/// The command was not started, or the kernel refuses the means to wait for it.
pub fn foreground(
    spawner: &mut Spawner,
    start: &Start<'_>,
    tag: &RunTag,
    terms: &Terms,
) -> Result<Foreground, ForegroundError> {
    let signals = SignalFile::new()?;
    let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
    let timer = timerfd_create(TimerfdClockId::Monotonic, flags).map_err(io::Error::from)?;
    let mark = spawner.spawn(start)?;
    if let Some(timeout) = terms.timeout {
        arm(&timer, timeout)?;
    }
    let process = open_pidfd(mark)?.ok_or_else(|| io::Error::from_raw_os_error(libc::ESRCH))?;
    let mut stopping = Stopping { mark, tag, start, begun: false };
    let (mut timed_out, mut interrupted) = (false, None);
    loop {
        let [ended, signalled, rang] = wait_for([&process, &signals.file, &timer])?;
        if ended {
            break;
        }
        if let Some(signal) = signalled.then(|| signals.next()).flatten() {
            interrupted = Some(signal);
            if stopping.ask(signal)? {
                arm(&timer, terms.kill_after)?;
            }
        } else if rang && drain(&timer) {
            if stopping.begun {
                stopping.kill()?;
            } else {
                timed_out = true;
                stopping.ask(terms.stop_signal)?;
                arm(&timer, terms.kill_after)?;
            }
        }
    }
    if stopping.begun {
        // Before the main process is reaped, so that the group's number is still its own.
        stopping.kill()?;
    }
    let reap::Ended { exit, usage, .. } = reap::wait(mark)?;
    Ok(Foreground { exit, usage, timed_out, interrupted })
}

/// The end of the command, in progress.
struct Stopping<'a> {
    mark: ProcessMark,
    tag: &'a RunTag,
    start: &'a Start<'a>,
    begun: bool,
}

impl Stopping<'_> {
    /// Sends a signal that asks; returns true when it was the first.
    fn ask(&mut self, signal: i32) -> io::Result<bool> {
        let first = !std::mem::replace(&mut self.begun, true);
        group::signal(self.mark, self.tag, signal)?;
        Ok(first)
    }

    fn kill(&self) -> io::Result<()> {
        if let Some(cgroup) = self.start.cgroup {
            cgroup.kill()?;
        }
        group::signal(self.mark, self.tag, libc::SIGKILL).map(drop)
    }
}

/// Waits until any of the descriptors is readable, and says which.
fn wait_for(files: [&OwnedFd; 3]) -> io::Result<[bool; 3]> {
    let mut polled = files.map(|file| PollFd::new(file, PollFlags::IN));
    loop {
        match poll(&mut polled, None) {
            Err(rustix::io::Errno::INTR) => {}
            other => {
                other?;
                return Ok(polled.map(|file| !file.revents().is_empty()));
            }
        }
    }
}

/// Sets the timer anew; zero means at once.
fn arm(timer: &OwnedFd, after: Duration) -> io::Result<()> {
    let after = after.max(Duration::from_nanos(1));
    let value = Timespec {
        tv_sec: i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: after.subsec_nanos().into(),
    };
    let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
    timerfd_settime(timer, TimerfdTimerFlags::empty(), &once)?;
    Ok(())
}

/// Takes the ring of a timer; false when it was armed anew in the meantime.
fn drain(timer: &OwnedFd) -> bool {
    rustix::io::read(timer, &mut [0; 8]).is_ok()
}

/// The handed-on signals as a file to wait for; they are blocked while it lives.
struct SignalFile {
    file: OwnedFd,
    before: libc::sigset_t,
}

impl SignalFile {
    fn new() -> io::Result<Self> {
        let mut set = MaybeUninit::uninit();
        let mut before = MaybeUninit::uninit();
        // SAFETY: the set is initialised first; the calls read it, write the old mask and give a descriptor.
        unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            for signal in HANDED_ON {
                libc::sigaddset(set.as_mut_ptr(), signal);
            }
            let file = libc::signalfd(-1, set.as_ptr(), libc::SFD_CLOEXEC | libc::SFD_NONBLOCK);
            if file < 0 {
                return Err(io::Error::last_os_error());
            }
            let file = OwnedFd::from_raw_fd(file);
            libc::pthread_sigmask(libc::SIG_BLOCK, set.as_ptr(), before.as_mut_ptr());
            Ok(SignalFile { file, before: before.assume_init() })
        }
    }

    /// Takes the next signal that has come.
    fn next(&self) -> Option<i32> {
        let mut info = [0_u8; size_of::<libc::signalfd_siginfo>()];
        let count = rustix::io::read(self.file.as_fd(), &mut info).ok()?;
        // `ssi_signo` is the first field (signalfd(2)).
        let number = info.first_chunk::<4>().filter(|_| count == info.len())?;
        i32::try_from(u32::from_ne_bytes(*number)).ok()
    }
}

impl Drop for SignalFile {
    fn drop(&mut self) {
        // SAFETY: restores a mask that pthread_sigmask(3) gave us.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.before, std::ptr::null_mut()) };
    }
}

//! Runs one helper program under a time limit: the system's sendmail, or the command of a notifier.
//!
//! The limit is a timer of the kernel and the end of the program an event on a descriptor, so nothing here
//! reads a clock.

use std::fs::File;
use std::io::{self, PipeReader, Read, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::MemfdFlags;
use rustix::process::{Pid, PidfdFlags, Signal};
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags};

use super::error::DeliveryError;
use super::message::one_line;

/// How much of the program's output is remembered for the error, bytes from its end.
const ANSWER_LIMIT: usize = 1024;

/// How long a killed program may take to be gone before it is left to itself.
const DEATH: Timespec = Timespec { tv_sec: 2, tv_nsec: 0 };

/// Runs a program to its end with `input` on its stdin; its output is read and the last line kept for errors.
///
/// The program leads a process group of its own. At the limit the whole group is killed. Processes that it
/// leaves behind after an end in time are not: a mail program may go on delivering in the background.
///
/// # Errors
/// It could not be started, ran into the limit, or did not end with exit code 0.
pub(super) fn run(mut command: Command, input: &[u8], limit: Duration) -> Result<(), DeliveryError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let timer = timer(limit).map_err(DeliveryError::system("setting the time limit"))?;
    let stdin = memory_file(input).map_err(DeliveryError::system("preparing stdin"))?;
    let (mut output, child) = {
        let (output, theirs) = io::pipe().map_err(DeliveryError::system("making a pipe"))?;
        rustix::io::ioctl_fionbio(&output, true)
            .map_err(|error| DeliveryError::system("making a pipe")(error.into()))?;
        let copy = theirs.try_clone().map_err(DeliveryError::system("making a pipe"))?;
        command.process_group(0).stdin(stdin).stdout(copy).stderr(theirs);
        let child = command.spawn();
        // The command holds our copies of the pipe's other end; without them its end can be seen.
        drop(command);
        (Some(output), child)
    };
    let child = child.map_err(|source| DeliveryError::NotStarted { program: program.clone(), source })?;
    let mut child = Running::new(child)?;
    let mut answer = Vec::new();
    match child.wait(&timer, &mut output, &mut answer) {
        Ok(Some(status)) => judge(program, status, &answer),
        Ok(None) => {
            child.kill();
            Err(DeliveryError::TimedOut(limit))
        }
        Err(source) => {
            child.kill();
            Err(DeliveryError::System { step: "waiting for the program", source })
        }
    }
}

/// A started program and the handle on which its end is seen.
struct Running {
    child: Child,
    handle: OwnedFd,
}

impl Running {
    fn new(mut child: Child) -> Result<Self, DeliveryError> {
        match rustix::process::pidfd_open(Pid::from_child(&child), PidfdFlags::empty()) {
            Ok(handle) => Ok(Running { child, handle }),
            Err(error) => {
                kill_group(&child);
                let _ = child.wait();
                Err(DeliveryError::system("watching the program")(error.into()))
            }
        }
    }

    /// Waits for the end, or for the limit: then `None`.
    fn wait(
        &mut self,
        timer: &OwnedFd,
        output: &mut Option<PipeReader>,
        answer: &mut Vec<u8>,
    ) -> io::Result<Option<ExitStatus>> {
        loop {
            let mut events =
                vec![PollFd::new(&self.handle, PollFlags::IN), PollFd::new(timer, PollFlags::IN)];
            events.extend(output.as_ref().map(|output| PollFd::new(output, PollFlags::IN)));
            match poll(&mut events, None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let is_set = |place: usize| !events[place].revents().is_empty();
            let (ended, late) = (is_set(0), is_set(1));
            drop(events);
            read_some(output, answer)?;
            if ended {
                return self.child.wait().map(Some);
            }
            if late {
                return Ok(None);
            }
        }
    }

    /// Kills the group and collects the program; one that the kernel cannot end is left behind.
    fn kill(&mut self) {
        kill_group(&self.child);
        let _ = poll(&mut [PollFd::new(&self.handle, PollFlags::IN)], Some(&DEATH));
        let _ = self.child.try_wait();
    }
}

/// Kills the group of a program that is not collected yet, so its number cannot belong to another.
fn kill_group(child: &Child) {
    let _ = rustix::process::kill_process_group(Pid::from_child(child), Signal::KILL);
}

/// Reads what is there, at most what a pipe holds; closes the output at its end.
fn read_some(output: &mut Option<PipeReader>, answer: &mut Vec<u8>) -> io::Result<()> {
    let mut piece = [0; 4096];
    for _ in 0..16 {
        let Some(reader) = output else { break };
        match reader.read(&mut piece) {
            Ok(0) => *output = None,
            Ok(count) => {
                answer.extend_from_slice(&piece[..count]);
                let excess = answer.len().saturating_sub(ANSWER_LIMIT);
                answer.drain(..excess);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn judge(program: String, status: ExitStatus, answer: &[u8]) -> Result<(), DeliveryError> {
    if status.success() {
        return Ok(());
    }
    let answer = String::from_utf8_lossy(answer);
    let answer = answer.lines().rfind(|line| !line.trim().is_empty()).map(one_line).unwrap_or_default();
    match (status.code(), status.signal()) {
        (Some(code), _) => Err(DeliveryError::ExitCode { program, code, answer }),
        (None, signal) => Err(DeliveryError::Signal { program, signal: signal.unwrap_or_default(), answer }),
    }
}

/// Makes a timer that becomes readable once after the limit.
fn timer(limit: Duration) -> io::Result<OwnedFd> {
    let timer = rustix::time::timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC)?;
    let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
    let seconds = i64::try_from(limit.as_secs()).unwrap_or(i64::MAX);
    let once = Timespec { tv_sec: seconds, tv_nsec: limit.subsec_nanos().into() };
    let setting = Itimerspec { it_interval: zero, it_value: once };
    rustix::time::timerfd_settime(timer.as_fd(), TimerfdTimerFlags::empty(), &setting)?;
    Ok(timer)
}

/// Makes a file without a name that holds the bytes: a program that does not read cannot hold us up.
fn memory_file(bytes: &[u8]) -> io::Result<File> {
    let mut file = File::from(rustix::fs::memfd_create("message", MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file)
}

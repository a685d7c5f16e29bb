//! Signals process groups, and only those that are still the run's.
//!
//! A pid, and with it the number of a group, is given out again once nothing bears it. So nothing is ever
//! signalled by number alone: the leader must have the start time of its mark, or, once the leader is gone,
//! a member must be recognised by the run's own variables in its environment.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use super::adopt::open_pidfd;
use super::environment::STATE_DIR;
use super::procfs::{self, Stat};
use crate::core::run::{ProcessMark, RunId};

/// What every process of an attempt carries in its environment, unless it has overwritten it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RunTag {
    state_dir: OsString,
    run: String,
    attempt: String,
}

impl RunTag {
    /// Makes the tag of an attempt; `state_dir` as in [`Inherited::new`](super::Inherited::new).
    pub fn new(state_dir: &Path, run: RunId, attempt: u32) -> Self {
        RunTag { state_dir: state_dir.into(), run: run.to_string(), attempt: attempt.to_string() }
    }

    /// Says whether a process carries this tag; `None` when it carries none that can be read.
    pub(super) fn is_on(&self, pid: i32) -> Option<bool> {
        let names = [STATE_DIR, "JOBCTL_RUN_ID", "JOBCTL_ATTEMPT"];
        let [state_dir, run, attempt] =
            procfs::variables(pid, names).map(|value| value.map(OsString::from_vec));
        let run = run?;
        Some(
            run.as_bytes() == self.run.as_bytes()
                && attempt.is_some_and(|attempt| attempt.as_bytes() == self.attempt.as_bytes())
                && state_dir.is_some_and(|dir| dir == self.state_dir),
        )
    }
}

/// Sends a signal to every process of a run's group; returns false when there is none any more.
///
/// # Errors
/// The signal's number is none, or a process may not be signalled (it has become another user's).
pub fn signal(mark: ProcessMark, tag: &RunTag, signal: i32) -> io::Result<bool> {
    // Dead or alive, the leader bears its number until it is reaped, so the group's number is no one else's.
    if let Some(stat) = leader(mark) {
        let group = signal_group_of(mark, signal)?;
        let strayed = stat.is_alive() && stat.group != mark.pid && signal_process(mark, signal)?;
        return Ok(group || strayed);
    }
    let mut any = false;
    for member in orphaned_members(mark, tag) {
        any |= signal_process(member.mark(), signal)?;
    }
    Ok(any)
}

/// Says whether any process of a run's group is alive.
pub fn is_alive(mark: ProcessMark, tag: &RunTag) -> bool {
    match leader(mark) {
        Some(stat) if stat.is_alive() => true,
        Some(_) => members(mark.pid).any(Stat::is_alive),
        None => !orphaned_members(mark, tag).is_empty(),
    }
}

/// Returns the group's first process while it is there, dead but not reaped included.
fn leader(mark: ProcessMark) -> Option<Stat> {
    procfs::stat(mark.pid).ok().filter(|stat| stat.is(mark))
}

fn members(group: i32) -> impl Iterator<Item = Stat> {
    let pids = procfs::pids().unwrap_or_default();
    pids.into_iter().filter_map(|pid| procfs::stat(pid).ok()).filter(move |stat| stat.group == group)
}

/// Finds the live members of a group whose leader is gone.
fn orphaned_members(mark: ProcessMark, tag: &RunTag) -> Vec<Stat> {
    // A process that bears the leader's number now proves that the group had died out before.
    if procfs::stat(mark.pid).is_ok() {
        return Vec::new();
    }
    let session = own_session();
    let ours = |stat: &Stat| {
        // A process that has overwritten its environment is known by the daemon's own session: there a
        // group's number could be given out again only by the daemon.
        let tagged = tag.is_on(stat.pid).unwrap_or(Some(stat.session) == session);
        stat.is_alive() && stat.start_ticks >= mark.start_ticks && tagged
    };
    members(mark.pid).filter(ours).collect()
}

/// Returns the daemon's own session; `None` where its leader is outside of our pid namespace, which the kernel
/// shows as 0 (a container entered from its host).
fn own_session() -> Option<i32> {
    let own = procfs::stat(i32::try_from(std::process::id()).ok()?).ok()?;
    (own.session != 0).then_some(own.session)
}

/// Signals one process, by a handle that cannot come to mean another one.
fn signal_process(mark: ProcessMark, signal: i32) -> io::Result<bool> {
    match open_pidfd(mark)? {
        Some(handle) => done(send_by_handle(handle.as_fd(), signal, 0)),
        None => Ok(false),
    }
}

/// Signals the group of a leader, by a handle on the leader (Linux 6.9), before that by the number just
/// checked.
fn signal_group_of(mark: ProcessMark, signal: i32) -> io::Result<bool> {
    let Some(handle) = open_pidfd(mark)? else { return Ok(false) };
    match send_by_handle(handle.as_fd(), signal, libc::PIDFD_SIGNAL_PROCESS_GROUP) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
            // SAFETY: kill(2) takes two numbers and touches no memory of ours.
            let result = unsafe { libc::kill(-mark.pid, signal) };
            done(if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) })
        }
        other => done(other),
    }
}

fn send_by_handle(handle: BorrowedFd<'_>, signal: i32, flags: libc::c_uint) -> io::Result<()> {
    let no_info = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: pidfd_send_signal(2) takes numbers and a null pointer, which stands for what kill(2) sends.
    let result =
        unsafe { libc::syscall(libc::SYS_pidfd_send_signal, handle.as_raw_fd(), signal, no_info, flags) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Turns "there is no such process" from an error into an answer.
fn done(result: io::Result<()>) -> io::Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(false),
        Err(error) => Err(error),
    }
}

//! Collects ended children: their exit codes and what they used.

use std::collections::BTreeSet;
use std::io;
use std::mem::MaybeUninit;
use std::time::Duration;

use super::procfs;
use crate::core::run::{Exit, ProcessMark, Usage};

/// A child that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its process id, as [`Spawner::spawn`](super::Spawner::spawn) returned it.
    pub pid: i32,
    /// How it ended.
    pub exit: Exit,
    /// What it and the descendants it waited for used. Linux counts the memory of the parent before execve(2)
    /// in, so `peak_memory` is never less than the daemon's own resident set at the start.
    pub usage: Usage,
}

/// Reaps the children it was told of, and leaves the children of other rooms to them.
///
/// The loop calls [`Reaper::reap`] on SIGCHLD; signals of several deaths may come as one.
#[derive(Debug, Default)]
pub struct Reaper {
    live: BTreeSet<i32>,
    /// Dead children that were not ours to collect at the last sweep.
    strangers: BTreeSet<i32>,
}

impl Reaper {
    /// Begins to wait for a process; to be called before the next [`Reaper::reap`] after its start.
    pub fn watch(&mut self, mark: ProcessMark) {
        self.live.insert(mark.pid);
    }

    /// Returns how many processes are waited for.
    pub fn live(&self) -> usize {
        self.live.len()
    }

    /// Collects every watched process that has ended, without waiting.
    pub fn reap(&mut self) -> Vec<Ended> {
        let mut ended = Vec::new();
        while !self.live.is_empty() {
            match any_dead() {
                None => break,
                Some(pid) if self.live.contains(&pid) => ended.extend(self.collect(pid)),
                // The dead child of another room hides those behind it: ask for ours one by one.
                Some(_) => {
                    for pid in self.live.clone() {
                        ended.extend(self.collect(pid));
                    }
                    break;
                }
            }
        }
        ended
    }

    fn collect(&mut self, pid: i32) -> Option<Ended> {
        match wait4(pid, libc::WNOHANG) {
            Ok(ended) => {
                if ended.is_some() {
                    self.live.remove(&pid);
                }
                ended
            }
            // Somebody else has reaped it: its end cannot be known any more, and its pid is free.
            Err(_) => {
                self.live.remove(&pid);
                None
            }
        }
    }

    /// Reaps dead children that nobody waits for: orphans handed to this process as the init of a container.
    ///
    /// To be called now and then: a child that was dead at the previous call and is still there has no room
    /// that collects it. Returns how many were reaped.
    pub fn sweep_orphans(&mut self) -> usize {
        let before = std::mem::take(&mut self.strangers);
        if any_dead().is_none() {
            return 0;
        }
        let me = i32::try_from(std::process::id()).ok();
        let stats = procfs::pids().unwrap_or_default().into_iter().filter_map(|pid| procfs::stat(pid).ok());
        let dead = stats.filter(|stat| !stat.is_alive() && Some(stat.parent) == me);
        self.strangers = dead.map(|stat| stat.pid).filter(|pid| !self.live.contains(pid)).collect();
        let old: Vec<i32> = self.strangers.intersection(&before).copied().collect();
        old.into_iter().filter(|pid| matches!(wait4(*pid, libc::WNOHANG), Ok(Some(_)))).count()
    }
}

/// Waits for one process of ours to end.
///
/// # Errors
/// It is no child of this process, or was reaped already.
pub fn wait(mark: ProcessMark) -> io::Result<Ended> {
    loop {
        match wait4(mark.pid, 0) {
            Ok(Some(ended)) => return Ok(ended),
            Ok(None) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Translates a status of wait(2); `None` for one that is no end.
pub(super) fn exit_of(status: i32) -> Option<Exit> {
    if libc::WIFEXITED(status) {
        u8::try_from(libc::WEXITSTATUS(status)).ok().map(Exit::Code)
    } else if libc::WIFSIGNALED(status) {
        u8::try_from(libc::WTERMSIG(status)).ok().map(Exit::Signal)
    } else {
        None
    }
}

/// Returns a child that has ended and is not reaped, and leaves it so.
fn any_dead() -> Option<i32> {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: waitid(2) writes one siginfo_t; zeroed, `si_pid` stays 0 when no child has ended.
    let pid = unsafe {
        if libc::waitid(libc::P_ALL, 0, info.as_mut_ptr(), flags) != 0 {
            return None;
        }
        info.assume_init().si_pid()
    };
    (pid != 0).then_some(pid)
}

/// Reaps one child; `None` when it has not ended.
fn wait4(pid: i32, flags: i32) -> io::Result<Option<Ended>> {
    let mut status = 0;
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: wait4(2) writes an int and a rusage, for which all zeroes are valid too.
    let (found, usage) = unsafe {
        let found = libc::wait4(pid, &raw mut status, flags, usage.as_mut_ptr());
        (found, usage.assume_init())
    };
    if found < 0 {
        return Err(io::Error::last_os_error());
    }
    let exit = exit_of(status).filter(|_| found != 0);
    Ok(exit.map(|exit| Ended { pid: found, exit, usage: used(&usage) }))
}

fn used(usage: &libc::rusage) -> Usage {
    let time = |value: libc::timeval| {
        let micros = u64::try_from(value.tv_usec).unwrap_or(0);
        Duration::from_secs(u64::try_from(value.tv_sec).unwrap_or(0)) + Duration::from_micros(micros)
    };
    // getrusage(2): kilobytes.
    let peak_memory = u64::try_from(usage.ru_maxrss).unwrap_or(0).saturating_mul(1024);
    Usage { user: time(usage.ru_utime), system: time(usage.ru_stime), peak_memory }
}

//! Finds the processes of runs again after a restart of the daemon, and learns how they end.
//!
//! The daemon is not their parent any more, so wait(2) is of no use: a pidfd says when a process has ended,
//! and from Linux 6.15 on also its exit code, once its new parent has reaped it (`PIDFD_GET_INFO` with
//! `PIDFD_INFO_EXIT`, ioctl_pidfd(2)).

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags};
use tokio::io::unix::AsyncFd;

use super::environment::STATE_DIR;
use super::procfs::{self, Stat};
use super::readiness::readable;
use super::reap::exit_of;
use crate::core::run::{Exit, ProcessMark, RunId};

/// What has become of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It is alive.
    Alive,
    /// It has ended, whether reaped or not.
    Gone,
    /// Its pid belongs to another process now.
    Recycled,
}

/// Looks for a process of this boot by its mark; after a reboot the answer means nothing.
pub fn find(mark: ProcessMark) -> Presence {
    match procfs::stat(mark.pid) {
        Ok(stat) if !stat.is(mark) => Presence::Recycled,
        Ok(stat) if stat.is_alive() => Presence::Alive,
        Ok(_) | Err(_) => Presence::Gone,
    }
}

/// A main process of one of our runs that is alive, and what its environment says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survivor {
    /// The run.
    pub run: RunId,
    /// The attempt, from 1.
    pub attempt: u32,
    /// The process.
    pub process: ProcessMark,
    /// Which of the run's commands it is (`JOBCTL_STEP`); `None` = the only one.
    pub step: Option<String>,
    /// How the work went (`JOBCTL_STATUS`), as closing hooks are told.
    pub status: Option<String>,
    /// With which code (`JOBCTL_EXIT_CODE`), as closing hooks are told.
    pub exit_code: Option<u8>,
}

/// Looks for the live main processes of all runs by the variables in their environment, oldest first;
/// `state_dir` as in [`Inherited::new`](super::Inherited::new).
///
/// A main process leads its own process group; an attempt has several where steps run in parallel. Where one
/// has ended and only others of its group are left, it is not found. Costs one look at every process's
/// environment.
pub fn survivors(state_dir: &Path) -> Vec<Survivor> {
    let pids = procfs::pids().unwrap_or_default();
    let stats = pids.into_iter().filter_map(|pid| procfs::stat(pid).ok());
    // What has made a session of its own has left its run on purpose.
    let leaders = stats.filter(|stat| stat.is_alive() && stat.group == stat.pid && stat.session != stat.pid);
    let mut found: Vec<_> = leaders.filter_map(|stat| survivor(stat, state_dir)).collect();
    found.sort_unstable_by_key(|survivor| (survivor.process.start_ticks, survivor.process.pid));
    found
}

fn survivor(stat: Stat, state_dir: &Path) -> Option<Survivor> {
    let names =
        [STATE_DIR, "JOBCTL_RUN_ID", "JOBCTL_ATTEMPT", "JOBCTL_STEP", "JOBCTL_STATUS", "JOBCTL_EXIT_CODE"];
    let [dir, run, attempt, step, status, code] = procfs::variables(stat.pid, names);
    if dir? != state_dir.as_os_str().as_bytes() {
        return None;
    }
    let text = |value: Option<Vec<u8>>| value.and_then(|value| String::from_utf8(value).ok());
    Some(Survivor {
        run: RunId(text(run)?.parse().ok()?),
        attempt: text(attempt)?.parse().ok()?,
        process: stat.mark(),
        step: text(step),
        status: text(status),
        exit_code: text(code).and_then(|code| code.parse().ok()),
    })
}

/// Returns how long after the boot of the machine a process was started, suspends included.
pub fn started_after_boot(mark: ProcessMark) -> Duration {
    // SAFETY: sysconf(3) takes a number and touches no memory of ours.
    let ticks_per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    let ticks_per_second = u64::try_from(ticks_per_second).unwrap_or(0).max(1);
    let rest = mark.start_ticks % ticks_per_second * 1_000_000_000 / ticks_per_second;
    Duration::from_secs(mark.start_ticks / ticks_per_second) + Duration::from_nanos(rest)
}

/// A process that is not our child, held by a pidfd.
#[derive(Debug)]
pub struct Adopted {
    handle: AsyncFd<OwnedFd>,
}

/// What the kernel tells about the end of a process that is not our child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EndRecord {
    /// This.
    Known(Exit),
    /// Nothing yet: it runs, or its parent has not reaped it.
    NotYet,
    /// Nothing ever: the kernel is older than 6.15.
    Never,
}

impl Adopted {
    /// Takes hold of a process; `None` when it is not there any more.
    ///
    /// # Errors
    /// There are no descriptors left.
    ///
    /// # Panics
    /// Outside a tokio runtime, as [`AsyncFd`] does.
    pub fn open(mark: ProcessMark) -> io::Result<Option<Self>> {
        match open_pidfd(mark)? {
            Some(handle) => Ok(Some(Adopted::from_pidfd(handle)?)),
            None => Ok(None),
        }
    }

    /// Takes a pidfd that somebody has kept for us, alive or ended.
    ///
    /// # Errors
    /// It is nothing that can be waited for.
    ///
    /// # Panics
    /// Outside a tokio runtime, as [`AsyncFd`] does.
    pub fn from_pidfd(handle: OwnedFd) -> io::Result<Self> {
        Ok(Adopted { handle: readable(handle)? })
    }

    /// Returns the pidfd, to be kept elsewhere.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.get_ref().as_fd()
    }

    /// Waits for the end of the process and returns its exit, or `None` when the kernel does not tell it.
    ///
    /// The record follows the end once init has reaped the process; `bound` is how long to wait for that.
    ///
    /// # Errors
    /// The runtime is shutting down.
    pub async fn ended(&self, bound: Duration) -> io::Result<Option<Exit>> {
        // Edge-triggered: the first wake-up says that it ended, a second one that it was reaped.
        let mut ready = self.handle.readable().await?;
        match end_record(self.as_fd()) {
            EndRecord::Known(exit) => return Ok(Some(exit)),
            EndRecord::Never => return Ok(None),
            EndRecord::NotYet => {}
        }
        let reaped = async {
            loop {
                ready.clear_ready();
                // Between the look and the clearing the process may have been reaped.
                match end_record(self.as_fd()) {
                    EndRecord::Known(exit) => return Ok(Some(exit)),
                    EndRecord::Never => return Ok(None),
                    EndRecord::NotYet => {}
                }
                ready = self.handle.readable().await?;
            }
        };
        tokio::time::timeout(bound, reaped).await.unwrap_or(Ok(None))
    }
}

/// What a pidfd tells that somebody has kept for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeptProcess {
    /// It has ended, so.
    Ended(Exit),
    /// It is alive, or its parent has not reaped it yet.
    There(ProcessMark),
    /// It has ended, and the kernel does not tell how.
    Unknown,
}

/// Looks at a pidfd that somebody has kept for us.
pub fn look_at(handle: BorrowedFd<'_>) -> KeptProcess {
    match (end_record(handle), process_of(handle)) {
        (EndRecord::Known(exit), _) => KeptProcess::Ended(exit),
        (EndRecord::NotYet | EndRecord::Never, Some(mark)) => KeptProcess::There(mark),
        // It may have been reaped between the two looks.
        (EndRecord::NotYet | EndRecord::Never, None) => match end_record(handle) {
            EndRecord::Known(exit) => KeptProcess::Ended(exit),
            EndRecord::NotYet | EndRecord::Never => KeptProcess::Unknown,
        },
    }
}

/// Finds the process of a pidfd, dead but not reaped ones included (proc_pid_fdinfo(5)).
fn process_of(handle: BorrowedFd<'_>) -> Option<ProcessMark> {
    let pid = || -> Option<i32> {
        let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", handle.as_raw_fd())).ok()?;
        info.lines().find_map(|line| line.strip_prefix("Pid:"))?.trim().parse().ok()
    };
    let mark = procfs::mark(pid()?).ok()?;
    // Asked again: if the process has gone meanwhile, which shows as -1, the mark may be another's.
    (pid() == Some(mark.pid)).then_some(mark)
}

/// Opens a pidfd on exactly the process of the mark; `None` when it is not there any more.
///
/// # Errors
/// There are no descriptors left.
pub fn open_pidfd(mark: ProcessMark) -> io::Result<Option<OwnedFd>> {
    let Some(pid) = Pid::from_raw(mark.pid) else { return Ok(None) };
    let handle = match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
        Err(Errno::SRCH) => return Ok(None),
        other => other?,
    };
    // Checked after the opening: whoever had the pid then still has it now, or is gone.
    Ok(procfs::stat(mark.pid).is_ok_and(|stat| stat.is(mark)).then_some(handle))
}

fn end_record(handle: BorrowedFd<'_>) -> EndRecord {
    let asked = ask_for_end(handle).or_else(|error| match error.raw_os_error() {
        // In the midst of being reaped a process is half gone; the record is there an instant later.
        Some(libc::ESRCH) => ask_for_end(handle),
        _ => Err(error),
    });
    match asked {
        Ok(Some(exit)) => EndRecord::Known(exit),
        Ok(None) => EndRecord::NotYet,
        // Reaped without a record, or the kernel does not know the request at all.
        Err(_) => EndRecord::Never,
    }
}

fn ask_for_end(handle: BorrowedFd<'_>) -> io::Result<Option<Exit>> {
    let wanted = u64::from(libc::PIDFD_INFO_EXIT);
    // SAFETY: all zeroes are a valid pidfd_info.
    let mut info: libc::pidfd_info = unsafe { MaybeUninit::zeroed().assume_init() };
    info.mask = wanted;
    // SAFETY: the request's number holds the size of the structure, which the kernel fills at most.
    if unsafe { libc::ioctl(handle.as_raw_fd(), libc::PIDFD_GET_INFO, &raw mut info) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(exit_of(info.exit_code).filter(|_| info.mask & wanted != 0))
}

//! Finds the processes of runs again after a restart of the daemon, and learns how they end.
//!
//! The daemon is not their parent any more, so wait(2) is of no use: a pidfd says when a process has ended,
//! and from Linux 6.15 on also its exit code, once its new parent has reaped it (`PIDFD_GET_INFO` with
//! `PIDFD_INFO_EXIT`, ioctl_pidfd(2)).

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::group::RunTag;
use super::procfs;
use super::reap::exit_of;
use crate::core::run::{Exit, ProcessMark};

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

/// Looks for the main process of an attempt by the variables in its environment.
///
/// The main process leads its own process group; where it has ended and only others of its run are left,
/// there is no answer. Costs one look at every process's environment.
pub fn find_by_tag(tag: &RunTag) -> Option<ProcessMark> {
    let stats = procfs::pids().ok()?.into_iter().filter_map(|pid| procfs::stat(pid).ok());
    // A job of the job may lead a group too (a shell's job control); the main process came first.
    let leaders = stats.filter(|stat| stat.is_alive() && stat.group == stat.pid && stat.session != stat.pid);
    let ours = leaders.filter(|stat| tag.is_on(stat.pid) == Some(true));
    ours.map(|stat| ProcessMark { pid: stat.pid, start_ticks: stat.start_ticks })
        .min_by_key(|mark| (mark.start_ticks, mark.pid))
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
    /// To be called within a tokio runtime.
    ///
    /// # Errors
    /// There are no descriptors left, or no runtime.
    pub fn open(mark: ProcessMark) -> io::Result<Option<Self>> {
        match open_pidfd(mark)? {
            Some(handle) => Ok(Some(Adopted::from_pidfd(handle)?)),
            None => Ok(None),
        }
    }

    /// Takes a pidfd that somebody has kept for us, alive or ended.
    ///
    /// # Errors
    /// It is no pidfd, or there is no runtime.
    pub fn from_pidfd(handle: OwnedFd) -> io::Result<Self> {
        // SAFETY: an `OwnedFd` is open, and the same descriptor, as long as the `AsyncFd` owns it.
        let handle = unsafe { AsyncFd::register_with_interest(handle, Interest::READABLE) };
        Ok(Adopted { handle: handle? })
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

/// Opens a pidfd on exactly the process of the mark.
pub(super) fn open_pidfd(mark: ProcessMark) -> io::Result<Option<OwnedFd>> {
    let Some(pid) = Pid::from_raw(mark.pid) else { return Ok(None) };
    let handle = match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
        Err(Errno::SRCH) => return Ok(None),
        other => other?,
    };
    // Checked after the opening: whoever had the pid then still has it now, or is gone.
    Ok(procfs::stat(mark.pid).is_ok_and(|stat| stat.is(mark)).then_some(handle))
}

fn end_record(handle: BorrowedFd<'_>) -> EndRecord {
    let wanted = u64::from(libc::PIDFD_INFO_EXIT);
    // SAFETY: all zeroes are a valid pidfd_info.
    let mut info: libc::pidfd_info = unsafe { MaybeUninit::zeroed().assume_init() };
    info.mask = wanted;
    // SAFETY: the request's number holds the size of the structure, which the kernel fills at most.
    let result = unsafe { libc::ioctl(handle.as_raw_fd(), libc::PIDFD_GET_INFO, &raw mut info) };
    if result != 0 {
        // Reaped, and the kernel has no record to give; or it does not know the request at all.
        let unknown = matches!(
            io::Error::last_os_error().raw_os_error(),
            Some(libc::ESRCH | libc::ENOTTY | libc::EINVAL | libc::ENOSYS)
        );
        return if unknown { EndRecord::Never } else { EndRecord::NotYet };
    }
    match exit_of(info.exit_code).filter(|_| info.mask & wanted != 0) {
        Some(exit) => EndRecord::Known(exit),
        None => EndRecord::NotYet,
    }
}

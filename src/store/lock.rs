//! The lock that keeps a second daemon out of a state directory.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use super::LOCK_FILE;

/// How often a lock whose owner has not yet written its pid is looked at again, and how long between.
const LOOKS: u32 = 20;
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);
/// How often a lock whose owner is dead is looked at again.
const LOOKS_AT_LEFT_OVER: u32 = 400;

/// The lock, held until it is dropped or the process ends (flock(2)); the file stays.
///
/// The file says who holds it, and whether the directory has ever had a store: `PID` and, on a second line,
/// `store`.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
    pid: i32,
    had_store: bool,
}

/// Why the lock was not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum LockError {
    #[error("another process (pid {pid}) holds the lock")]
    Held { pid: i32 },
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Lock {
    /// Takes the lock and writes the owner's pid into the file, for those who come later.
    pub(super) fn take(path: &Path, pid: i32) -> Result<Lock, LockError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.custom_flags(libc::O_NOFOLLOW).open(path)?;
        let mut looks = 0;
        while let Err(errno) = flock(&file, FlockOperation::NonBlockingLockExclusive) {
            if errno != rustix::io::Errno::WOULDBLOCK {
                return Err(io::Error::from(errno).into());
            }
            let pid = owner(&file)?;
            // A daemon that was killed between the birth of a job's process and its exec leaves the lock to that
            // process for a moment.
            let left_over = !Path::new("/proc").join(pid.to_string()).exists();
            if !left_over || looks == LOOKS_AT_LEFT_OVER {
                return Err(LockError::Held { pid });
            }
            looks += 1;
            std::thread::sleep(BETWEEN_LOOKS);
        }
        let had_store = read(&file)?.lines().nth(1) == Some(STORE);
        let lock = Lock { file, pid, had_store };
        lock.write()?;
        Ok(lock)
    }

    /// Says whether the directory has had a store, as far as its lock knows.
    pub(super) const fn had_store(&self) -> bool {
        self.had_store
    }

    /// Writes down that the directory has a store, so that its loss is noticed.
    pub(super) fn note_store(&mut self) -> io::Result<()> {
        if !self.had_store {
            self.had_store = true;
            self.write()?;
        }
        Ok(())
    }

    fn write(&self) -> io::Result<()> {
        let store = if self.had_store { STORE } else { "" };
        let text = format!("{}\n{store}", self.pid);
        // Overwritten before it is cut: at no moment is the second line missing for good.
        self.file.write_all_at(text.as_bytes(), 0)?;
        self.file.set_len(u64::try_from(text.len()).unwrap_or(u64::MAX))
    }
}

/// Returns the process that holds the lock of a state directory, without touching the lock; `None` = nobody does, or
/// it cannot be told.
///
/// /proc/locks (proc(5)) shows the holder by the file's inode.
pub fn lock_holder(dir: &Path) -> Option<i32> {
    let inode = fs::metadata(dir.join(LOCK_FILE)).ok()?.ino().to_string();
    let locks = fs::read_to_string("/proc/locks").ok()?;
    locks.lines().find_map(|line| {
        // 1: FLOCK  ADVISORY  WRITE 4711 08:01:1234567 0 EOF
        let mut words = line.split_whitespace().skip(1);
        let (kind, _, _) = (words.next()?, words.next()?, words.next()?);
        let (pid, file) = (words.next()?, words.next()?);
        let ours = kind == "FLOCK" && file.rsplit(':').next() == Some(&inode);
        pid.parse().ok().filter(|_| ours)
    })
}

/// The word in the lock of a directory that has had a store.
const STORE: &str = "store";

fn read(file: &File) -> io::Result<String> {
    let mut buffer = [0; 32];
    let read = file.read_at(&mut buffer, 0)?;
    Ok(String::from_utf8_lossy(buffer.get(..read).unwrap_or_default()).into_owned())
}

/// Reads the pid of the owner, who may be about to write it; 0 if it never appears.
fn owner(file: &File) -> io::Result<i32> {
    for _ in 0..LOOKS {
        let text = read(file)?;
        if let Some(pid) = text.split_once('\n').and_then(|(pid, _)| pid.parse().ok()) {
            return Ok(pid);
        }
        std::thread::sleep(BETWEEN_LOOKS);
    }
    Ok(0)
}

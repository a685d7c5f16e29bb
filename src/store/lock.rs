//! The lock that keeps a second daemon out of a state directory.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

/// How often a lock whose owner has not yet written its pid is looked at again, and how long between.
const LOOKS: u32 = 20;
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

/// The lock, held until it is dropped or the process ends (flock(2)); the file stays.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
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
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(LockError::Held { pid: owner(&file)? }),
            Err(errno) => return Err(io::Error::from(errno).into()),
        }
        let text = format!("{pid}\n");
        file.set_len(0)?;
        file.write_all_at(text.as_bytes(), 0)?;
        Ok(Lock { _file: file })
    }
}

/// Reads the pid of the owner, who may be about to write it; 0 if it never appears.
fn owner(file: &File) -> io::Result<i32> {
    for _ in 0..LOOKS {
        let mut buffer = [0; 16];
        let read = file.read_at(&mut buffer, 0)?;
        let text = String::from_utf8_lossy(buffer.get(..read).unwrap_or_default());
        if let Some(pid) = text.strip_suffix('\n').and_then(|pid| pid.parse().ok()) {
            return Ok(pid);
        }
        std::thread::sleep(BETWEEN_LOOKS);
    }
    Ok(0)
}

//! Copies of the store, made while the daemon goes on.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::backup::Backup;

use super::open::{OpenError, open_read_only, verify};
use super::reader::Reader;
use super::schema;

/// All pages in one step: a copy of one moment, which no commit makes begin anew.
const ALL_PAGES: i32 = i32::MAX;

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The copy cannot be written, or its file exists already.
    #[error("{path}: {source}", path = .path.display())]
    Io {
        /// The copy.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// SQLite does not copy.
    #[error("{path} cannot be written: {source}", path = .path.display())]
    Sqlite {
        /// The copy.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// The copy is as damaged as the store.
    #[error("the copy is of no use: {0}")]
    Useless(#[from] OpenError),
}

impl Reader {
    /// Writes a copy of the whole store to a new file, mode 0600, and checks it; commits go on meanwhile.
    ///
    /// # Errors
    /// [`BackupError`]; an existing file is never overwritten, and an incomplete copy is removed.
    pub fn backup(&self, to: &Path) -> Result<(), BackupError> {
        let io = |source| BackupError::Io { path: to.to_owned(), source };
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).map_err(io)?;
        let copied = copy(&self.conn, to)
            .map_err(|source| BackupError::Sqlite { path: to.to_owned(), source })
            .and_then(|()| check(to))
            .and_then(|()| File::open(to).and_then(|file| file.sync_all()).map_err(io));
        if copied.is_err() {
            // The first error is the one to report; the file is of no use either way.
            let _ = fs::remove_file(to);
        }
        copied
    }
}

/// Makes sure that a copy is of use: it is better to hear of damage now than at the restore.
fn check(copy: &Path) -> Result<(), BackupError> {
    let (conn, _) = open_read_only(copy, schema::STEPS)?;
    Ok(verify(&conn, copy)?)
}

pub(super) fn copy(from: &Connection, to: &Path) -> Result<(), rusqlite::Error> {
    let mut copy = Connection::open(to)?;
    Backup::new(from, &mut copy)?.run_to_completion(ALL_PAGES, Duration::from_millis(50), None)?;
    // A copy is one file: in this mode SQLite keeps no log beside it.
    copy.pragma_update_and_check(None, "journal_mode", "delete", |_| Ok(()))?;
    copy.close().map_err(|(_, error)| error)
}

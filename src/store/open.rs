//! Opening a store: whose file it is, whether it is whole, which version it has.
//!
//! A file that is damaged, foreign or newer is refused and left as it is: nothing is guessed and nothing is
//! overwritten, because the ledger says what has run and must not run again.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::lock::{Lock, LockError};
use super::reader::Reader;
use super::{DATABASE_FILE, LOCK_FILE, schema};

/// How long the writer waits while another process holds SQLite's lock, before it says so.
const BUSY: Duration = Duration::from_secs(5);

/// How long opening waits for the same: somebody's long transaction must not keep the daemon down.
const BUSY_AT_OPEN: Duration = Duration::from_secs(40);

/// The largest file that is checked as a whole when it is opened (about a tenth of a second). In larger ones
/// damage is found by what reads the damaged page.
const CHECKED_BYTES: u64 = 16 << 20;

/// Ends the name of a restored database whose restore has begun to replace the old one.
pub(super) const RESTORED_SUFFIX: &str = ".restored";

/// How many prepared statements a connection keeps.
const STATEMENTS: usize = 128;

/// Who opens the store: written into the rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The host's name.
    pub host: String,
    /// This boot of the machine (/proc/sys/kernel/random/boot_id).
    pub boot_id: String,
    /// The daemon's process id.
    pub pid: i32,
}

/// The writing end of the store.
#[derive(Debug)]
pub struct Store {
    /// Answers questions on the writer's own connection, and lends it to the writer.
    pub(super) reader: Reader,
    pub(super) session: Session,
    /// Dropped last: the next daemon may come once the connection is closed.
    _lock: Option<Lock>,
}

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another daemon has it.
    #[error("another daemon (pid {pid}) uses this state directory")]
    Locked {
        /// Its process id; 0 if it cannot be told.
        pid: i32,
    },
    /// A newer version wrote it; it was left as it is.
    #[error("{path} has schema {found}, this version knows up to {known}", path = .path.display())]
    Newer {
        /// The database file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest schema this version knows.
        known: i64,
    },
    /// An older version wrote it and only the daemon upgrades it.
    #[error("{path} has the older schema {found}", path = .path.display())]
    Older {
        /// The database file.
        path: PathBuf,
        /// Its schema.
        found: i64,
    },
    /// It is damaged; it was left as it is.
    #[error("{path} is damaged: {damage}", path = .path.display())]
    Corrupt {
        /// The database file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        damage: Damage,
    },
    /// It is a database of something else.
    #[error("{path} is not a store of jobctl", path = .path.display())]
    Foreign {
        /// The database file.
        path: PathBuf,
    },
    /// The file system does not let it be opened.
    #[error("{path}: {source}", path = .path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// SQLite does not open it.
    #[error("{path} cannot be opened: {source}", path = .path.display())]
    Sqlite {
        /// The database file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
}

/// What is wrong with a damaged store.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// The file has no content.
    #[error("it is empty")]
    Empty,
    /// There is a write-ahead log and no database to apply it to.
    #[error("its write-ahead log is there, the database is gone")]
    Missing,
    /// The lock says that there was a store, and there is none.
    #[error("it is gone")]
    Gone,
    /// A restore was interrupted while it replaced the files.
    #[error("a restore was interrupted")]
    HalfRestored,
    /// SQLite cannot make sense of it.
    #[error("{0}")]
    Sqlite(#[source] rusqlite::Error),
    /// SQLite's own check found something.
    #[error("{0}")]
    Check(String),
}

impl OpenError {
    /// Names the file in an error of SQLite, and tells damage from other trouble.
    pub(super) fn sqlite(path: &Path, source: rusqlite::Error) -> OpenError {
        let path = path.to_owned();
        match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                OpenError::Corrupt { path, damage: Damage::Sqlite(source) }
            }
            Some(_) | None => OpenError::Sqlite { path, source },
        }
    }

    pub(super) fn io(path: &Path, source: io::Error) -> OpenError {
        OpenError::Io { path: path.to_owned(), source }
    }
}

impl Store {
    /// Opens the store of a state directory, makes it if there is none, and upgrades an older one.
    ///
    /// # Errors
    /// [`OpenError`]; whatever the error, a file that was there is as it was.
    pub fn open(dir: &Path, session: Session) -> Result<Store, OpenError> {
        Store::open_with(dir, session, schema::STEPS)
    }

    pub(super) fn open_with(dir: &Path, session: Session, steps: &[&str]) -> Result<Store, OpenError> {
        make_private(dir)?;
        let mut lock = take_lock(dir, session.pid)?;
        let path = dir.join(DATABASE_FILE);
        match presence(&path)? {
            Presence::There => check(&path, steps)?,
            Presence::Absent if lock.had_store() => {
                // A new store would know nothing of what has run, and run it again.
                return Err(OpenError::Corrupt { path, damage: Damage::Gone });
            }
            Presence::Absent => create(dir, &path, steps)?,
        }
        lock.note_store().map_err(|source| OpenError::io(&dir.join(LOCK_FILE), source))?;
        let conn = connect(&path, steps).map_err(|source| OpenError::sqlite(&path, source))?;
        let store = Store { reader: Reader { conn }, session, _lock: Some(lock) };
        store.sign_in().map_err(|source| OpenError::sqlite(&path, source))?;
        Ok(store)
    }

    /// Makes a store in memory, for tests and simulations of the rooms above.
    ///
    /// # Errors
    /// [`OpenError::Sqlite`] when there is no memory for it.
    pub fn in_memory(session: Session) -> Result<Store, OpenError> {
        let path = Path::new(":memory:");
        let made = Connection::open_in_memory().and_then(|mut conn| {
            schema::upgrade(&mut conn, schema::STEPS)?;
            conn.set_prepared_statement_cache_capacity(STATEMENTS);
            Ok(conn)
        });
        let conn = made.map_err(|source| OpenError::sqlite(path, source))?;
        let store = Store { reader: Reader { conn }, session, _lock: None };
        store.sign_in().map_err(|source| OpenError::sqlite(path, source))?;
        Ok(store)
    }

    /// Returns the queries, answered on the writer's own connection.
    pub const fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Writes down who has the store open. This also proves that the disk takes writes, and leaves a
    /// write-ahead log by which readers know that a daemon may be there.
    fn sign_in(&self) -> Result<(), rusqlite::Error> {
        let who = serde_json::json!({
            "host": self.session.host,
            "boot_id": self.session.boot_id,
            "pid": self.session.pid,
        });
        let sql = "INSERT OR REPLACE INTO daemon (key, value) VALUES ('session', ?1)";
        self.reader.conn.execute(sql, [who.to_string()]).map(|_| ())
    }
}

/// Makes the state directory where it is missing, for its owner only.
pub(super) fn make_private(dir: &Path) -> Result<(), OpenError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|source| OpenError::io(dir, source))
}

/// Takes the lock of a state directory.
pub(super) fn take_lock(dir: &Path, pid: i32) -> Result<Lock, OpenError> {
    let path = dir.join(LOCK_FILE);
    Lock::take(&path, pid).map_err(|error| match error {
        LockError::Held { pid } => OpenError::Locked { pid },
        LockError::Io(source) => OpenError::io(&path, source),
    })
}

/// Whether a database is there at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    There,
    Absent,
}

/// Says whether there is a database file. An empty file is damage: a new store gets its name only once it
/// is complete. So is a log without a database: applied to a new database it would destroy both.
pub(super) fn presence(path: &Path) -> Result<Presence, OpenError> {
    let corrupt = |damage| OpenError::Corrupt { path: path.to_owned(), damage };
    if fs::symlink_metadata(beside(path, RESTORED_SUFFIX)).is_ok() {
        return Err(corrupt(Damage::HalfRestored));
    }
    match fs::metadata(path) {
        Ok(meta) if meta.len() == 0 => Err(corrupt(Damage::Empty)),
        Ok(_) => Ok(Presence::There),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if log_bytes(path) > 0 {
                Err(corrupt(Damage::Missing))
            } else {
                Ok(Presence::Absent)
            }
        }
        Err(source) => Err(OpenError::io(path, source)),
    }
}

/// Opens an existing file for reading only and without leaving a trace, and makes sure it is ours and not
/// newer; returns its version.
pub(super) fn open_read_only(path: &Path, steps: &[&str]) -> Result<(Connection, i64), OpenError> {
    let conn = connect_read_only(path).map_err(|source| OpenError::sqlite(path, source))?;
    let read = (|| {
        let id: i32 = conn.pragma_query_value(None, "application_id", |row| row.get(0))?;
        Ok((id, schema::version(&conn)?))
    })();
    let (id, found) = read.map_err(|source| OpenError::sqlite(path, source))?;
    if id != schema::APPLICATION_ID || found < 1 {
        return Err(OpenError::Foreign { path: path.to_owned() });
    }
    let known = schema::version_of(steps);
    if found > known {
        return Err(OpenError::Newer { path: path.to_owned(), found, known });
    }
    Ok((conn, found))
}

/// A database without a log has nobody writing to it (a daemon writes to the log first thing), and is read
/// as unchangeable: otherwise SQLite would make a log even for a reader.
fn connect_read_only(path: &Path) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = if log_bytes(path) > 0 {
        Connection::open_with_flags(path, flags)?
    } else {
        let uri = file_uri(path);
        Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_URI)?
    };
    conn.busy_timeout(BUSY)?;
    keep_plans(&conn)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(conn)
}

fn file_uri(path: &Path) -> String {
    use std::fmt::Write as _;
    use std::os::unix::ffi::OsStrExt as _;
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'-' | b'_') {
            uri.push(char::from(*byte));
        } else {
            // Writing to a String does not fail.
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri.push_str("?immutable=1");
    uri
}

/// Returns how much is in the write-ahead log; 0 if there is none.
fn log_bytes(path: &Path) -> u64 {
    fs::metadata(beside(path, "-wal")).map_or(0, |meta| meta.len())
}

/// Returns the path of a file that belongs to a database: the same name with an ending.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Checks a whole database, its indices included; takes as long as reading it.
pub(super) fn verify(conn: &Connection, path: &Path) -> Result<(), OpenError> {
    judged(conn.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)), path)
}

/// Turns the answer of a check of SQLite into a verdict.
fn judged(answer: Result<String, rusqlite::Error>, path: &Path) -> Result<(), OpenError> {
    match answer {
        Ok(word) if word == "ok" => Ok(()),
        Ok(found) => Err(OpenError::Corrupt { path: path.to_owned(), damage: Damage::Check(found) }),
        Err(source) => Err(OpenError::sqlite(path, source)),
    }
}

/// Makes sure, without changing it, that an existing file is ours, known and whole.
fn check(path: &Path, steps: &[&str]) -> Result<(), OpenError> {
    let (conn, _) = open_read_only(path, steps)?;
    let bytes = fs::metadata(path).map_err(|source| OpenError::io(path, source))?.len();
    let read = if bytes <= CHECKED_BYTES {
        conn.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0))
    } else {
        conn.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok("ok".to_owned()))
    };
    judged(read, path)
}

/// Makes a new store under another name and renames it once it is complete and on disk.
fn create(dir: &Path, path: &Path, steps: &[&str]) -> Result<(), OpenError> {
    let draft = dir.join(format!("{DATABASE_FILE}.new"));
    match fs::remove_file(&draft) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(source) => return Err(OpenError::io(&draft, source)),
    }
    let fail = |source| OpenError::io(&draft, source);
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft).map_err(fail)?;
    let mut conn = Connection::open(&draft).map_err(|source| OpenError::sqlite(&draft, source))?;
    schema::upgrade(&mut conn, steps).map_err(|source| OpenError::sqlite(&draft, source))?;
    conn.close().map_err(|(_, source)| OpenError::sqlite(&draft, source))?;
    let named = File::open(&draft)
        .and_then(|file| file.sync_all())
        .and_then(|()| fs::rename(&draft, path))
        .and_then(|()| File::open(dir)?.sync_all());
    named.map_err(fail)
}

/// Lets statements keep their plans. Otherwise SQLite plans a statement with a range anew for each value, which
/// takes ten times what running it does; indices are named where the choice matters.
fn keep_plans(conn: &Connection) -> Result<(), rusqlite::Error> {
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(|_| ())
}

/// Opens an existing, checked file for writing and upgrades it.
fn connect(path: &Path, steps: &[&str]) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(BUSY_AT_OPEN)?;
    conn.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    // FULL: a commit in the log is synced before it is reported; a power cut loses no claim.
    conn.pragma_update(None, "synchronous", "full")?;
    conn.pragma_update_and_check(None, "journal_size_limit", 64 << 20, |_| Ok(()))?;
    conn.pragma_update(None, "trusted_schema", false)?;
    keep_plans(&conn)?;
    conn.pragma_update(None, "temp_store", "memory")?;
    schema::upgrade(&mut conn, steps)?;
    conn.busy_timeout(BUSY)?;
    keep_plans(&conn)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(conn)
}

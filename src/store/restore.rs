//! The way back: puts a copy in the place of a store that is damaged or lost, or makes a new one.
//!
//! Three promises. What was there is kept: it stays in a directory of its own, under the names it had. The exchange
//! is all or nothing: from the moment at which the old files go until the new one has its name, whoever opens the
//! store is refused. And history is not repeated: the new file bears the mark of its restore
//! ([`Restored`](crate::core::change::Restored)), by which the first daemon knows what may have run already.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::backup;
use super::columns::{signed, unsigned};
use super::lock::Lock;
use super::open::{
    OpenError, RESTORED_SUFFIX, Session, beside, make_private, open_read_only, take_lock, verify,
};
use super::{DATABASE_FILE, schema};
use crate::core::instant::Timestamp;
use crate::core::name::Name;

/// What SQLite keeps beside a database.
const COMPANIONS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Run and event numbers go on at the next multiple: what the lost ledger gave out and nobody knows of any more
/// is not given out again, and people see the seam.
const NUMBERS: u64 = 1_000;

/// How many evidence directories of one second there may be.
const NAMES: u32 = 100;

/// A state directory that is held for a restore: no daemon has it, and none gets it until this is dropped.
#[derive(Debug)]
pub struct RestoreSite {
    dir: PathBuf,
    session: Session,
    lock: Lock,
}

/// What can still be read from the store that is to be replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remains {
    /// The definitions of added jobs.
    pub definitions: Vec<(Name, String)>,
    /// The highest run number it has given out.
    pub last_run: u64,
    /// The place of its last event.
    pub last_event: u64,
}

/// What a restore has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restoration {
    /// Where the replaced files are kept; `None` = there were none.
    pub evidence: Option<PathBuf>,
    /// The last thing the copy knows of; `None` for a new store or an unused one.
    pub known_until: Option<Timestamp>,
    /// How many runs of the copy were not over.
    pub unfinished: u64,
    /// How many notices of the copy were not delivered then; they may have been since, and were dropped.
    pub notices: u64,
}

impl RestoreSite {
    /// Takes the state directory from daemons.
    ///
    /// # Errors
    /// [`OpenError::Locked`] when a daemon runs on it, [`OpenError::Io`] otherwise.
    pub fn take(dir: &Path, session: Session) -> Result<RestoreSite, OpenError> {
        make_private(dir)?;
        let lock = take_lock(dir, session.pid)?;
        Ok(RestoreSite { dir: dir.to_owned(), session, lock })
    }

    /// Reads what the present store still tells; nothing where it tells nothing.
    pub fn remains(&self) -> Remains {
        let path = self.dir.join(DATABASE_FILE);
        let Ok((conn, _)) = open_read_only(&path, schema::STEPS) else { return Remains::default() };
        let last = |table: &str| {
            let sql = "SELECT seq FROM sqlite_sequence WHERE name = ?1";
            conn.query_row(sql, [table], |row| row.get(0)).map(unsigned).unwrap_or_default()
        };
        Remains { definitions: definitions(&conn), last_run: last("runs"), last_event: last("events") }
    }

    /// Puts a copy in the place of the present store, or a new store where no copy is given.
    ///
    /// `last_run` is the highest run number known to have been given out, by whatever evidence.
    ///
    /// # Errors
    /// [`OpenError`], about the copy or about the state directory. Until the exchange begins everything is as it
    /// was; once it has begun and failed, the store is refused by everyone until a restore is done.
    pub fn restore(
        mut self,
        copy: Option<&Path>,
        remains: &Remains,
        last_run: u64,
        now: Timestamp,
    ) -> Result<Restoration, OpenError> {
        let path = self.dir.join(DATABASE_FILE);
        let draft = beside(&path, ".new");
        let mut restoration = self.draft(&draft, copy, remains, last_run, now)?;
        restoration.evidence = self.keep(&path, now)?;
        exchange(&self.dir, &path, &draft)?;
        // A lock that cannot be written has been taken all the same; the mark only helps the next start.
        let _ = self.lock.note_store();
        Ok(restoration)
    }

    /// Makes the new file under another name, complete and on disk.
    fn draft(
        &self,
        draft: &Path,
        copy: Option<&Path>,
        remains: &Remains,
        last_run: u64,
        now: Timestamp,
    ) -> Result<Restoration, OpenError> {
        for stale in std::iter::once(draft.to_owned()).chain(COMPANIONS.map(|end| beside(draft, end))) {
            remove(&stale)?;
        }
        let at_draft = |source| OpenError::io(draft, source);
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft).map_err(at_draft)?;
        if let Some(copy) = copy {
            fs::metadata(copy).map_err(|source| OpenError::io(copy, source))?;
            let (from, _) = open_read_only(copy, schema::STEPS)?;
            verify(&from, copy)?;
            backup::copy(&from, draft).map_err(|source| OpenError::sqlite(copy, source))?;
        }
        let at_sqlite = |source| OpenError::sqlite(draft, source);
        let mut conn = Connection::open(draft).map_err(at_sqlite)?;
        schema::upgrade(&mut conn, schema::STEPS).map_err(at_sqlite)?;
        verify(&conn, copy.unwrap_or(draft))?;
        let restoration = self.mark(&mut conn, remains, last_run, now).map_err(at_sqlite)?;
        conn.close().map_err(|(_, source)| OpenError::sqlite(draft, source))?;
        File::open(draft).and_then(|file| file.sync_all()).map_err(at_draft)?;
        Ok(restoration)
    }

    /// Writes the mark of the restore, and takes back what must not be done again.
    fn mark(
        &self,
        conn: &mut Connection,
        remains: &Remains,
        last_run: u64,
        now: Timestamp,
    ) -> Result<Restoration, rusqlite::Error> {
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let number = |sql: &str| tx.query_row(sql, [], |row| row.get::<_, Option<i64>>(0));
        let heartbeat = number("SELECT max(at) FROM daemon WHERE key = 'heartbeat'")?;
        let last_event = tx
            .query_row("SELECT at FROM events ORDER BY seq DESC LIMIT 1", [], |row| row.get::<_, i64>(0))
            .optional()?;
        let known_until = heartbeat.max(last_event).map(Timestamp::from_micros);
        let unfinished = number("SELECT count(*) FROM runs WHERE finished_at IS NULL")?.map_or(0, unsigned);
        let notices = u64::try_from(tx.execute("DELETE FROM outbox", [])?).unwrap_or(0);
        let at = now.as_micros();
        let set = "INSERT OR REPLACE INTO daemon (key, at, value) VALUES (?1, ?2, ?3)";
        tx.execute(set, params!["restored", at, self.session.boot_id])?;
        tx.execute(set, params!["heartbeat", heartbeat.unwrap_or(at).max(at), None::<&str>])?;
        skip_numbers(&tx, "runs", remains.last_run.max(last_run))?;
        skip_numbers(&tx, "events", remains.last_event)?;
        tx.commit()?;
        Ok(Restoration { evidence: None, known_until, unfinished, notices })
    }

    /// Gives the present files a second name in a directory of their own, before anything is done to the first.
    fn keep(&self, path: &Path, now: Timestamp) -> Result<Option<PathBuf>, OpenError> {
        let there: Vec<PathBuf> = std::iter::once(path.to_owned())
            .chain(COMPANIONS.map(|end| beside(path, end)))
            .filter(|file| fs::symlink_metadata(file).is_ok())
            .collect();
        if there.is_empty() {
            return Ok(None);
        }
        let evidence = self.evidence_directory(now)?;
        for file in &there {
            let kept = evidence.join(file.file_name().unwrap_or(OsStr::new(DATABASE_FILE)));
            let made = fs::hard_link(file, &kept).or_else(|_| {
                // Not every file system has two names for a file.
                fs::copy(file, &kept)?;
                File::open(&kept)?.sync_all()
            });
            made.map_err(|source| OpenError::io(&kept, source))?;
        }
        sync_directory(&evidence)?;
        sync_directory(&self.dir)?;
        Ok(Some(evidence))
    }

    fn evidence_directory(&self, now: Timestamp) -> Result<PathBuf, OpenError> {
        let stamp = match now.to_utc() {
            Some(at) => at.format("%Y%m%dT%H%M%SZ").to_string(),
            None => now.as_micros().to_string(),
        };
        let mut path = self.dir.join(format!("evidence-{stamp}"));
        for number in 1..=NAMES {
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(path),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    path = self.dir.join(format!("evidence-{stamp}.{number}"));
                }
                Err(source) => return Err(OpenError::io(&path, source)),
            }
        }
        Err(OpenError::io(&path, io::ErrorKind::AlreadyExists.into()))
    }
}

/// Takes the old names away and gives the draft the store's name. The draft's middle name is the sign that this
/// has begun: without it, a crash in between could leave a state directory that looks like a new one.
fn exchange(dir: &Path, path: &Path, draft: &Path) -> Result<(), OpenError> {
    let begun = beside(path, RESTORED_SUFFIX);
    fs::rename(draft, &begun).map_err(|source| OpenError::io(&begun, source))?;
    sync_directory(dir)?;
    for end in COMPANIONS {
        remove(&beside(path, end))?;
    }
    sync_directory(dir)?;
    fs::rename(&begun, path).map_err(|source| OpenError::io(path, source))?;
    sync_directory(dir)
}

/// Moves a sequence on to the next thousand.
fn skip_numbers(conn: &Connection, table: &str, used: u64) -> Result<(), rusqlite::Error> {
    let find = "SELECT seq FROM sqlite_sequence WHERE name = ?1";
    let own: Option<i64> = conn.query_row(find, [table], |row| row.get(0)).optional()?;
    let used = used.max(own.map_or(0, unsigned));
    if used == 0 {
        return Ok(());
    }
    let next = used.next_multiple_of(NUMBERS);
    conn.execute("DELETE FROM sqlite_sequence WHERE name = ?1", [table])?;
    conn.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?1, ?2)", params![table, signed(next)])?;
    Ok(())
}

/// Reads definitions until the damage is met.
fn definitions(conn: &Connection) -> Vec<(Name, String)> {
    let mut found = Vec::new();
    let Ok(mut statement) = conn.prepare("SELECT job, toml FROM definitions ORDER BY job") else {
        return found;
    };
    let Ok(mut rows) = statement.query([]) else { return found };
    while let Ok(Some(row)) = rows.next() {
        let (Ok(job), Ok(toml)) = (row.get::<_, String>(0), row.get(1)) else { continue };
        found.extend(Name::new(&job).ok().map(|job| (job, toml)));
    }
    found
}

fn remove(path: &Path) -> Result<(), OpenError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(OpenError::io(path, error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn sync_directory(dir: &Path) -> Result<(), OpenError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|source| OpenError::io(dir, source))
}

//! What a daemon needs to know when it starts.

use super::columns::{RUN_COLUMNS, instant, run_row, unsigned};
use super::open::Store;
use super::reader::Reader;
use super::rows::{JobStateRow, QueryError, RunRow};
use crate::core::change::{Hold, Restored};
use crate::core::instant::Timestamp;
use crate::core::name::Name;

/// Everything the store remembers for the scheduler.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// What is remembered of each job.
    pub jobs: Vec<JobStateRow>,
    /// The definitions of added jobs, as TOML fragments.
    pub definitions: Vec<(Name, String)>,
    /// Runs that are not over, oldest first.
    pub unfinished: Vec<RunRow>,
    /// The hold in force.
    pub hold: Option<Hold>,
    /// How far the wall clock had come.
    pub heartbeat: Option<Timestamp>,
    /// The restore that no daemon has settled yet.
    pub restored: Option<Restored>,
    /// The first free run number; numbers of deleted rows are not given out again.
    pub next_run: u64,
}

impl Store {
    /// Returns everything the scheduler needs to begin.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn load(&self) -> Result<Loaded, QueryError> {
        self.reader.load()
    }
}

impl Reader {
    /// Returns everything the scheduler needs to begin, from one moment.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn load(&self) -> Result<Loaded, QueryError> {
        self.at_one_moment(|| {
            Ok(Loaded {
                jobs: self.job_states()?,
                definitions: self.definitions()?,
                unfinished: self.unfinished()?,
                hold: self.hold()?,
                heartbeat: self.heartbeat()?,
                restored: self.restored()?,
                next_run: self.next_run()?,
            })
        })
    }

    /// Returns the runs that are not over, oldest first.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn unfinished(&self) -> Result<Vec<RunRow>, QueryError> {
        let sql = format!(
            "SELECT {RUN_COLUMNS} FROM runs INDEXED BY runs_open
             WHERE finished_at IS NULL AND status IN ('queued', 'running', 'retrying') ORDER BY run_id"
        );
        self.all(&sql, [], run_row)
    }

    /// Returns the hold in force.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn hold(&self) -> Result<Option<Hold>, QueryError> {
        self.one("SELECT at, value FROM daemon WHERE key = 'hold'", [], |row| {
            Ok(Hold { at: Timestamp::from_micros(row.get(0)?), reason: row.get(1)? })
        })
    }

    /// Returns how far the wall clock had come when the daemon last said so.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn heartbeat(&self) -> Result<Option<Timestamp>, QueryError> {
        let sql = "SELECT at FROM daemon WHERE key = 'heartbeat'";
        self.one(sql, [], |row| instant(row, 0)).map(Option::flatten)
    }

    /// Returns the restore that no daemon has settled yet.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn restored(&self) -> Result<Option<Restored>, QueryError> {
        self.one("SELECT at, value FROM daemon WHERE key = 'restored'", [], |row| {
            let boot_id: Option<String> = row.get(1)?;
            Ok(Restored { at: Timestamp::from_micros(row.get(0)?), boot_id: boot_id.unwrap_or_default() })
        })
    }

    fn next_run(&self) -> Result<u64, QueryError> {
        let sql = "SELECT seq FROM sqlite_sequence WHERE name = 'runs'";
        let last = self.one(sql, [], |row| Ok(unsigned(row.get(0)?)))?;
        Ok(last.unwrap_or(0).saturating_add(1))
    }
}

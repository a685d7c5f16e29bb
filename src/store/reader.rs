//! Questions about jobs, and the read-only way in. Questions about runs are in `history`, about events in
//! `events`.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{CachedStatement, Connection, OptionalExtension, Params, Row, params};

use super::columns::{
    JOB_COLUMNS, REVISION_COLUMNS, job_state_row, name, revision_row, signed, unsigned, word,
};
use super::open::{OpenError, Presence, open_read_only, presence, verify};
use super::rows::{JobStateRow, QueryError, RevisionRow};
use super::{DATABASE_FILE, schema};
use crate::core::name::Name;
use crate::core::run::RunStatus;

/// How many fire times and requests of a job have come to each final status.
///
/// They count since the store was made, a row that stands for several fire times as that many; retention
/// does not lower them.
pub type Counts = BTreeMap<RunStatus, u64>;

/// A connection that answers questions and never writes.
///
/// Every answer is of one moment. A reader holds back nobody: the daemon commits while it reads.
#[derive(Debug)]
pub struct Reader {
    pub(super) conn: Connection,
}

impl Reader {
    /// Opens the store of a state directory for reading; `None` = there is none yet.
    ///
    /// Creates and changes nothing, and needs no daemon.
    ///
    /// # Errors
    /// [`OpenError`]: it is damaged, foreign, newer, or older than this version (the daemon upgrades it).
    pub fn open(dir: &Path) -> Result<Option<Reader>, OpenError> {
        Reader::open_with(dir, schema::STEPS)
    }

    pub(super) fn open_with(dir: &Path, steps: &[&str]) -> Result<Option<Reader>, OpenError> {
        let path = dir.join(DATABASE_FILE);
        if presence(&path)? == Presence::Absent {
            return Ok(None);
        }
        let (conn, found) = open_read_only(&path, steps)?;
        if found < schema::version_of(steps) {
            return Err(OpenError::Older { path, found });
        }
        Ok(Some(Reader { conn }))
    }

    /// Checks the whole store, its indices included; takes as long as reading it.
    ///
    /// # Errors
    /// [`OpenError::Corrupt`] says what is wrong, in the name of the state directory that it was opened from.
    pub fn verify(&self, dir: &Path) -> Result<(), OpenError> {
        verify(&self.conn, &dir.join(DATABASE_FILE))
    }

    /// Returns what is remembered of every job, by name.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn job_states(&self) -> Result<Vec<JobStateRow>, QueryError> {
        self.all(&format!("SELECT {JOB_COLUMNS} FROM jobs ORDER BY name"), [], job_state_row)
    }

    /// Returns the definitions of added jobs as TOML fragments, by name.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn definitions(&self) -> Result<Vec<(Name, String)>, QueryError> {
        let sql = "SELECT job, toml FROM definitions ORDER BY job";
        self.all(sql, [], |row| Ok((name(row, 0, "definitions.job")?, row.get(1)?)))
    }

    /// Returns the definitions of these jobs, in their order; `None` = the job has none.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn definitions_of(&self, jobs: &[Name]) -> Result<Vec<Option<String>>, QueryError> {
        let sql = "SELECT toml FROM definitions WHERE job = ?1";
        let mut statement = prepare(&self.conn, sql)?;
        self.at_one_moment(|| {
            let definition = |job: &Name| statement.query_row([job.as_str()], |row| row.get(0)).optional();
            let read: Result<_, rusqlite::Error> = jobs.iter().map(definition).collect();
            Ok(read?)
        })
    }

    /// Returns the changes of the job set, newest first.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn revisions(&self, job: Option<&Name>, limit: usize) -> Result<Vec<RevisionRow>, QueryError> {
        let limit = signed(limit as u64);
        match job {
            Some(job) => self.all(
                &format!("SELECT {REVISION_COLUMNS} FROM revisions WHERE job = ?1 ORDER BY id DESC LIMIT ?2"),
                params![job.as_str(), limit],
                revision_row,
            ),
            None => self.all(
                &format!("SELECT {REVISION_COLUMNS} FROM revisions ORDER BY id DESC LIMIT ?1"),
                [limit],
                revision_row,
            ),
        }
    }

    /// Returns the counts of every job that has any.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn counts(&self) -> Result<BTreeMap<Name, Counts>, QueryError> {
        let mut counts: BTreeMap<Name, Counts> = BTreeMap::new();
        for (job, status, count) in self.all("SELECT job, status, count FROM counts", [], count_row)? {
            counts.entry(job).or_default().insert(status, count);
        }
        Ok(counts)
    }

    /// Returns the counts of one job.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn counts_of(&self, job: &Name) -> Result<Counts, QueryError> {
        let sql = "SELECT job, status, count FROM counts WHERE job = ?1";
        let rows = self.all(sql, [job.as_str()], count_row)?;
        Ok(rows.into_iter().map(|(_, status, count)| (status, count)).collect())
    }

    /// Runs a query and reads every row.
    pub(super) fn all<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl Fn(&Row<'_>) -> Result<T, QueryError>,
    ) -> Result<Vec<T>, QueryError> {
        let mut statement = prepare(&self.conn, sql)?;
        let mut rows = statement.query(params)?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push(read(row)?);
        }
        Ok(all)
    }

    /// Runs a query and reads its first row, if it has one.
    pub(super) fn one<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl Fn(&Row<'_>) -> Result<T, QueryError>,
    ) -> Result<Option<T>, QueryError> {
        let mut statement = prepare(&self.conn, sql)?;
        let mut rows = statement.query(params)?;
        rows.next()?.map(read).transpose()
    }

    /// Answers a question that takes several queries from one moment.
    pub(super) fn at_one_moment<T>(
        &self,
        question: impl FnOnce() -> Result<T, QueryError>,
    ) -> Result<T, QueryError> {
        let moment = self.conn.unchecked_transaction()?;
        let answer = question();
        moment.finish()?;
        answer
    }
}

/// Prepares a statement, or takes it from the cache: the only way to one, for readers and writers.
pub(super) fn prepare<'c>(conn: &'c Connection, sql: &str) -> Result<CachedStatement<'c>, rusqlite::Error> {
    #[cfg(test)]
    super::tests::plans::look_at(conn, sql);
    conn.prepare_cached(sql)
}

fn count_row(row: &Row<'_>) -> Result<(Name, RunStatus, u64), QueryError> {
    Ok((
        name(row, 0, "counts.job")?,
        word(row, 1, "counts.status", RunStatus::from_word)?,
        unsigned(row.get(2)?),
    ))
}

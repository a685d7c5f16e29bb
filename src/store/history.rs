//! Questions about runs.
//!
//! Each is answered by lookups in an index, however long the ledger is: a list by several jobs or statuses
//! asks for the newest of each and merges them.

use std::cmp::Reverse;

use rusqlite::types::Value;
use rusqlite::{Row, params, params_from_iter};

use super::columns::{
    RUN_COLUMNS, STANDING_COLUMNS, STEP_COLUMNS, name, run_row, signed, standing_row, step_row, unsigned,
};
use super::reader::Reader;
use super::rows::{GapRow, QueryError, RunRow, Standing, StepRow};
use crate::core::instant::Timestamp;
use crate::core::name::Name;
use crate::core::run::{RunId, RunStatus};

/// Which runs are wanted; an empty filter wants all of them.
///
/// Without a status and without a time the newest are those with the highest numbers; with one of them,
/// those claimed last by the wall clock. The two differ only around a clock that was set back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistoryFilter {
    /// Only of these jobs; empty = of any.
    pub jobs: Vec<Name>,
    /// Only with these statuses; empty = with any.
    pub statuses: Vec<RunStatus>,
    /// Only claimed (or, without a run, decided) at or after this instant.
    pub since: Option<Timestamp>,
    /// Only claimed or decided before this instant.
    pub until: Option<Timestamp>,
    /// Only with a lower number than this: the next page.
    pub before: Option<RunId>,
    /// At most so many.
    pub limit: Option<usize>,
}

/// The rows on either side of an instant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Neighbours {
    /// The row with the latest fire time before it.
    pub before: Option<RunRow>,
    /// The row with the earliest fire time after it.
    pub after: Option<RunRow>,
}

/// A row's place in a list: when it was claimed, and its number.
type Key = (i64, i64);

impl Reader {
    /// Returns rows of the ledger, newest first.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn history(&self, filter: &HistoryFilter) -> Result<Vec<RunRow>, QueryError> {
        self.at_one_moment(|| {
            let jobs: Vec<Option<&Name>> =
                if filter.jobs.is_empty() { vec![None] } else { filter.jobs.iter().map(Some).collect() };
            let by_time = !filter.statuses.is_empty() || filter.since.is_some() || filter.until.is_some();
            let mut keys: Vec<Key> = Vec::new();
            for job in jobs {
                if by_time {
                    self.keys_by_time(job, filter, &mut keys)?;
                } else {
                    self.keys_by_number(job, filter, &mut keys)?;
                }
            }
            if by_time {
                keys.sort_unstable_by_key(|key| Reverse(*key));
            } else {
                keys.sort_unstable_by_key(|(_, run)| Reverse(*run));
            }
            keys.dedup();
            keys.truncate(filter.limit.unwrap_or(usize::MAX));
            let mut rows = Vec::with_capacity(keys.len());
            for (_, run) in keys {
                rows.extend(self.run(RunId(unsigned(run)))?);
            }
            Ok(rows)
        })
    }

    fn keys_by_number(
        &self,
        job: Option<&Name>,
        filter: &HistoryFilter,
        keys: &mut Vec<Key>,
    ) -> Result<(), QueryError> {
        let (before, limit) = (before(filter), limit(filter));
        keys.extend(match job {
            Some(job) => self.all(
                "SELECT run_id FROM runs INDEXED BY runs_job WHERE job = ?1 AND run_id < ?2
                 ORDER BY run_id DESC LIMIT ?3",
                params![job.as_str(), before, limit],
                |row| Ok((0, row.get(0)?)),
            )?,
            None => self.all(
                "SELECT run_id FROM runs WHERE run_id < ?1 ORDER BY run_id DESC LIMIT ?2",
                [before, limit],
                |row| Ok((0, row.get(0)?)),
            )?,
        });
        Ok(())
    }

    fn keys_by_time(
        &self,
        job: Option<&Name>,
        filter: &HistoryFilter,
        keys: &mut Vec<Key>,
    ) -> Result<(), QueryError> {
        let since = filter.since.unwrap_or(Timestamp::MIN).as_micros();
        let until = filter.until.unwrap_or(Timestamp::MAX).as_micros();
        let statuses = if filter.statuses.is_empty() { &RunStatus::ALL[..] } else { &filter.statuses[..] };
        for status in statuses {
            let (index, job_is) = match (status.is_final(), job) {
                (true, Some(_)) => ("runs_job_outcome WHERE finished_at IS NOT NULL", "AND job = ?"),
                (true, None) => ("runs_outcome WHERE finished_at IS NOT NULL", ""),
                (false, Some(_)) => ("runs_open WHERE finished_at IS NULL", "AND job = ?"),
                (false, None) => ("runs_open WHERE finished_at IS NULL", ""),
            };
            let sql = format!(
                "SELECT queued_at, run_id FROM runs INDEXED BY {index}
                 AND status = ? AND queued_at >= ? AND queued_at < ? AND run_id < ? {job_is}
                 ORDER BY queued_at DESC, run_id DESC LIMIT ?"
            );
            let mut values = vec![
                Value::from(status.as_str().to_owned()),
                since.into(),
                until.into(),
                before(filter).into(),
            ];
            values.extend(job.map(|job| Value::from(job.as_str().to_owned())));
            values.push(limit(filter).into());
            keys.extend(self.all(&sql, params_from_iter(values), |row| Ok((row.get(0)?, row.get(1)?)))?);
        }
        Ok(())
    }

    /// Returns one row; `None` = there is none with this number.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn run(&self, run: RunId) -> Result<Option<RunRow>, QueryError> {
        let sql = format!("SELECT {RUN_COLUMNS} FROM runs WHERE run_id = ?1");
        self.one(&sql, [signed(run.0)], run_row)
    }

    /// Returns the commands of a run in order.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn steps(&self, run: RunId) -> Result<Vec<StepRow>, QueryError> {
        let sql = format!("SELECT {STEP_COLUMNS} FROM steps WHERE run_id = ?1 ORDER BY attempt, position");
        self.all(&sql, [signed(run.0)], step_row)
    }

    /// Returns the row that holds the outcome of a fire time: its own, or one for several that covers it.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn run_at(&self, job: &Name, fire_time: Timestamp) -> Result<Option<RunRow>, QueryError> {
        let params = params![job.as_str(), fire_time.as_micros()];
        let own = format!("SELECT {RUN_COLUMNS} FROM runs WHERE job = ?1 AND fire_time = ?2");
        if let Some(row) = self.one(&own, params, run_row)? {
            return Ok(Some(row));
        }
        let covering = format!(
            "SELECT {RUN_COLUMNS} FROM runs INDEXED BY runs_ranges
             WHERE first_fire_time IS NOT NULL AND job = ?1 AND fire_time > ?2 AND first_fire_time <= ?2
             ORDER BY fire_time LIMIT 1"
        );
        self.one(&covering, params, run_row)
    }

    /// Returns the rows of a job on either side of an instant, that instant left out.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn neighbours(&self, job: &Name, at: Timestamp) -> Result<Neighbours, QueryError> {
        let params = params![job.as_str(), at.as_micros()];
        let select = format!("SELECT {RUN_COLUMNS} FROM runs WHERE job = ?1 AND");
        let before = format!("{select} fire_time < ?2 ORDER BY fire_time DESC LIMIT 1");
        let after = format!("{select} fire_time > ?2 ORDER BY fire_time LIMIT 1");
        self.at_one_moment(|| {
            Ok(Neighbours {
                before: self.one(&before, params, run_row)?,
                after: self.one(&after, params, run_row)?,
            })
        })
    }

    /// Returns the newest row of every job that has one, by name.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn latest_runs(&self) -> Result<Vec<RunRow>, QueryError> {
        self.newest(RUN_COLUMNS, run_row)
    }

    /// Returns where the newest run of every job stands, by name: a part of [`Reader::latest_runs`] for a part of
    /// its time.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn standings(&self) -> Result<Vec<(Name, Standing)>, QueryError> {
        self.newest(STANDING_COLUMNS, standing_row)
    }

    fn newest<T>(
        &self,
        columns: &str,
        read: impl Fn(&Row<'_>) -> Result<T, QueryError>,
    ) -> Result<Vec<T>, QueryError> {
        // From the newest row of one job to that of the job before it: a step in the index for each job, instead of a
        // walk over every row of the ledger.
        let sql = format!(
            "WITH RECURSIVE newest (run) AS (
                SELECT (
                    SELECT run_id FROM runs INDEXED BY runs_job WHERE job > ''
                    ORDER BY job DESC, run_id DESC LIMIT 1
                )
                UNION ALL
                SELECT (
                    SELECT run_id FROM runs INDEXED BY runs_job
                    WHERE job < (SELECT job FROM runs WHERE run_id = newest.run)
                    ORDER BY job DESC, run_id DESC LIMIT 1
                ) FROM newest WHERE newest.run IS NOT NULL
             )
             SELECT {columns} FROM newest CROSS JOIN runs ON run_id = newest.run"
        );
        let mut rows = self.all(&sql, [], read)?;
        rows.reverse();
        Ok(rows)
    }

    /// Returns the newest row of a job.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn latest_run(&self, job: &Name) -> Result<Option<RunRow>, QueryError> {
        let sql = format!(
            "SELECT {RUN_COLUMNS} FROM runs INDEXED BY runs_job WHERE job = ?1 ORDER BY run_id DESC LIMIT 1"
        );
        self.one(&sql, [job.as_str()], run_row)
    }

    /// Returns the names of all jobs that have rows, known or not: what retention goes through.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn jobs_with_history(&self) -> Result<Vec<Name>, QueryError> {
        let sql = "WITH RECURSIVE names (name) AS (
                SELECT (SELECT min(job) FROM runs INDEXED BY runs_job WHERE job > '')
                UNION ALL
                SELECT (SELECT min(job) FROM runs INDEXED BY runs_job WHERE job > names.name) FROM names
                WHERE names.name IS NOT NULL
             )
             SELECT name FROM names WHERE name IS NOT NULL";
        self.all(sql, [], |row| name(row, 0, "runs.job"))
    }

    /// Returns the `missed` and `skipped` rows whose last fire time lies after an instant.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn future_gaps(&self, after: Timestamp) -> Result<Vec<GapRow>, QueryError> {
        let sql = "SELECT run_id, job, coalesce(first_fire_time, fire_time), fire_time, occurrences
            FROM runs INDEXED BY runs_gaps
            WHERE status IN ('missed', 'skipped') AND fire_time > ?1 ORDER BY fire_time";
        self.all(sql, [after.as_micros()], |row| {
            Ok(GapRow {
                run: RunId(unsigned(row.get(0)?)),
                job: name(row, 1, "runs.job")?,
                first: Timestamp::from_micros(row.get(2)?),
                last: Timestamp::from_micros(row.get(3)?),
                count: unsigned(row.get(4)?),
            })
        })
    }
}

fn before(filter: &HistoryFilter) -> i64 {
    filter.before.map_or(i64::MAX, |run| signed(run.0))
}

/// Returns the limit as SQL has it: negative = none.
fn limit(filter: &HistoryFilter) -> i64 {
    filter.limit.map_or(-1, |limit| signed(limit as u64))
}

//! Retention: what is old goes, in pieces small enough to fit between two commits.

use rusqlite::{OptionalExtension, Row, params};

use super::columns::{signed, unsigned};
use super::commit::{CommitError, Writing};
use super::open::Store;
use super::pruned::{self, Deleted};
use crate::core::instant::Timestamp;
use crate::core::job::Keep;
use crate::core::name::Name;
use crate::core::run::{RunId, RunStatus};

/// How long events are kept.
pub(super) const EVENT_AGE: std::time::Duration = std::time::Duration::from_secs(30 * 86_400);

/// How many events are kept.
pub(super) const KEPT_EVENTS: u64 = 100_000;

/// How many changes of the job set are kept.
pub(super) const KEPT_REVISIONS: u64 = 10_000;

/// Final rows of a job that may go. Rows after its cursor stay whatever their age: they keep fire times from
/// running again after the clock was set back.
const MAY_GO: &str = "finished_at IS NOT NULL AND (fire_time IS NULL
    OR fire_time <= coalesce((SELECT cursor FROM jobs WHERE name = ?1), fire_time))";

/// What is to be deleted of a job's history.
#[derive(Clone, Debug)]
pub struct Prune {
    /// The job.
    pub job: Name,
    /// What stays.
    pub keep: Keep,
    /// The present instant, from which ages count.
    pub now: Timestamp,
}

/// What one transaction has deleted.
#[derive(Debug, Default)]
pub struct Gone {
    /// The rows, for each job that had its turn.
    pub runs: Vec<Vec<RunId>>,
    /// How many of these jobs, the first ones, have nothing left to delete.
    pub done: usize,
}

impl Store {
    /// Deletes final rows of some jobs beyond what they keep, oldest first, at most `limit` of all of them together;
    /// says which, so that their output can go too.
    ///
    /// # Errors
    /// [`CommitError`]; then nothing was deleted.
    pub fn prune(&mut self, jobs: &[&Prune], limit: usize) -> Result<Gone, CommitError> {
        Ok(self.transact(|w| {
            let (mut gone, mut room) = (Gone::default(), limit);
            for prune in jobs {
                let mut old = beyond_what_is_kept(w, prune, room)?;
                room = room.saturating_sub(old.len());
                old.sort_unstable();
                // Some are too many and too old.
                old.dedup();
                delete(w, &prune.job, &old)?;
                gone.runs.push(old.into_iter().map(|run| RunId(unsigned(run))).collect());
                if room == 0 {
                    break;
                }
                gone.done += 1;
            }
            Ok(gone)
        })?)
    }

    /// Deletes events and changes of the job set that are too old or too many, at most `limit` of each; says
    /// whether more may be left.
    ///
    /// # Errors
    /// [`CommitError`]; then nothing was deleted.
    pub fn trim(&mut self, now: Timestamp, limit: usize) -> Result<bool, CommitError> {
        let limit = signed(limit as u64);
        let trimmed = self.transact(|w| {
            let by_age = w
                .prepare(
                    "DELETE FROM events WHERE at < ?1
                     AND seq IN (SELECT seq FROM events ORDER BY seq LIMIT ?2)",
                )?
                .execute(params![now.minus(EVENT_AGE).as_micros(), limit])?;
            let by_number = beyond_newest(w, "events", "seq", KEPT_EVENTS, limit)?;
            let revisions = beyond_newest(w, "revisions", "id", KEPT_REVISIONS, limit)?;
            Ok(by_age.max(by_number).max(revisions))
        })?;
        Ok(signed(trimmed as u64) >= limit)
    }
}

/// Deletes rows of a job and remembers which fire times they were for.
fn delete(w: &Writing<'_>, job: &Name, runs: &[i64]) -> Result<(), rusqlite::Error> {
    let mut deleted = Vec::with_capacity(runs.len());
    for run in runs {
        let sql = "DELETE FROM runs WHERE run_id = ?1 RETURNING status, first_fire_time, fire_time,
            run_id <= coalesce((SELECT tracked_after FROM jobs WHERE name = job), 0)";
        let what = w.prepare(sql)?.query_row([run], what_it_stood_for).optional()?;
        deleted.extend(what.flatten());
        w.run("DELETE FROM steps WHERE run_id = ?1", [run])?;
    }
    pruned::remember(w, job, &deleted)
}

/// Reads what a row stood for; `None` for what was asked for by hand, and for rows about an earlier trigger.
fn what_it_stood_for(row: &Row<'_>) -> Result<Option<Deleted>, rusqlite::Error> {
    let (status, first, fire_time): (String, Option<i64>, Option<i64>) =
        (row.get(0)?, row.get(1)?, row.get(2)?);
    let earlier: bool = row.get(3)?;
    let had_a_run = first.is_none()
        && ![RunStatus::Missed, RunStatus::Skipped].map(RunStatus::as_str).contains(&&*status);
    Ok(fire_time.filter(|_| !earlier).map(|last| match had_a_run {
        true => Deleted::Run(last),
        false => Deleted::Gap(first.unwrap_or(last), last),
    }))
}

/// Finds rows of a job that may go, at most `limit`, some of them twice; fewer = there are no others.
fn beyond_what_is_kept(w: &Writing<'_>, prune: &Prune, limit: usize) -> Result<Vec<i64>, rusqlite::Error> {
    let Prune { job, keep, now } = prune;
    let mut old = beyond_number(w, job, keep.runs, limit)?;
    let oldest = now.minus(keep.age).as_micros();
    for status in RunStatus::ALL.into_iter().filter(|status| status.is_final()) {
        let room = limit.saturating_sub(old.len());
        if room == 0 {
            break;
        }
        old.extend(beyond_age(w, job, status, oldest, room)?);
    }
    Ok(old)
}

fn beyond_number(w: &Writing<'_>, job: &Name, kept: u32, limit: usize) -> Result<Vec<i64>, rusqlite::Error> {
    let newest = "SELECT run_id FROM runs INDEXED BY runs_job WHERE job = ?1
        ORDER BY run_id DESC LIMIT 1 OFFSET ?2";
    let newest =
        w.prepare(newest)?.query_row(params![job.as_str(), kept], |row| row.get::<_, i64>(0)).optional()?;
    let Some(newest) = newest else { return Ok(Vec::new()) };
    let sql = format!(
        "SELECT run_id FROM runs INDEXED BY runs_job WHERE job = ?1 AND run_id <= ?2 AND {MAY_GO}
         ORDER BY run_id LIMIT ?3"
    );
    let params = params![job.as_str(), newest, signed(limit as u64)];
    w.prepare(&sql)?.query_map(params, |row| row.get(0))?.collect()
}

/// Finds rows by the time of their claim, which an index has, and makes sure of the time of their end.
fn beyond_age(
    w: &Writing<'_>,
    job: &Name,
    status: RunStatus,
    oldest: i64,
    limit: usize,
) -> Result<Vec<i64>, rusqlite::Error> {
    let sql = format!(
        "SELECT run_id FROM runs INDEXED BY runs_job_outcome
         WHERE job = ?1 AND status = ?2 AND queued_at < ?3 AND finished_at < ?3 AND {MAY_GO}
         ORDER BY queued_at LIMIT ?4"
    );
    let params = params![job.as_str(), status.as_str(), oldest, signed(limit as u64)];
    w.prepare(&sql)?.query_map(params, |row| row.get(0))?.collect()
}

fn beyond_newest(
    w: &Writing<'_>,
    table: &'static str,
    key: &'static str,
    kept: u64,
    limit: i64,
) -> Result<usize, rusqlite::Error> {
    let sql = format!(
        "DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table} WHERE {key} <=
            (SELECT max({key}) FROM {table}) - ?1 ORDER BY {key} LIMIT ?2)"
    );
    w.prepare(&sql)?.execute([signed(kept), limit])
}

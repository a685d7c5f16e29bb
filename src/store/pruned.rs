//! What is remembered of runs whose rows retention has deleted: which fire times had theirs.
//!
//! The row of a fire time keeps it from being claimed again when the clock was set back to before it. Without the row
//! the stretch remembers it. A row for fire times that led to no run ends a stretch: where a wrong clock had made them
//! up, they come again once it is right, and must be free.

use rusqlite::{OptionalExtension, params};

use super::commit::Writing;
use crate::core::instant::Timestamp;
use crate::core::name::Name;

/// How many stretches of a job are remembered. Beyond it the two earliest become one: so far back that only fire times
/// of the past lie between them.
const STRETCHES: i64 = 32;

/// What a deleted row stood for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Deleted {
    /// A run, with its fire time in microseconds.
    Run(i64),
    /// Fire times that led to none, the first and the last.
    Gap(i64, i64),
}

/// Says whether a fire time had a run whose row is deleted.
pub(super) fn had_its_run(
    w: &Writing<'_>,
    job: &Name,
    fire_time: Timestamp,
) -> Result<bool, rusqlite::Error> {
    let sql = "SELECT fire_time >= ?2 FROM pruned WHERE job = ?1 AND first_fire_time <= ?2
        ORDER BY first_fire_time DESC LIMIT 1";
    let found = w.ask(sql, params![job.as_str(), fire_time.as_micros()], |row| row.get(0))?;
    Ok(found.unwrap_or(false))
}

/// Remembers rows of a job that have just been deleted.
pub(super) fn remember(w: &Writing<'_>, job: &Name, deleted: &[Deleted]) -> Result<(), rusqlite::Error> {
    // What closes a stretch comes at both ends of a gap, since runs may lie within it.
    let mut marks: Vec<(i64, bool)> = Vec::with_capacity(deleted.len());
    for row in deleted {
        match *row {
            Deleted::Run(fire_time) => marks.push((fire_time, true)),
            Deleted::Gap(first, last) => marks.extend([(first, false), (last, false)]),
        }
    }
    marks.sort_unstable();
    for (at, ran) in marks {
        if ran { grow(w, job, at)? } else { close(w, job, at)? }
    }
    merge_earliest(w, job)
}

/// A job's cursor moves on without rows, because it was not due meanwhile: no stretch reaches over that.
pub(super) fn pass_over(w: &Writing<'_>, job: &Name, cursor: Timestamp) -> Result<(), rusqlite::Error> {
    let sql = "INSERT OR IGNORE INTO pruned (job, first_fire_time, fire_time, closed)
        SELECT name, ?2, ?2, 1 FROM jobs WHERE name = ?1 AND cursor < ?2";
    if w.run(sql, params![job.as_str(), cursor.as_micros()])? { merge_earliest(w, job) } else { Ok(()) }
}

/// Forgets the fire times of a job that is gone, or whose trigger is another one.
pub(super) fn forget(w: &Writing<'_>, job: &Name) -> Result<(), rusqlite::Error> {
    w.run("DELETE FROM pruned WHERE job = ?1", [job.as_str()]).map(|_| ())
}

/// Adds a fire time to the stretch before it, or begins a new one where a row lies between them.
fn grow(w: &Writing<'_>, job: &Name, at: i64) -> Result<(), rusqlite::Error> {
    let before = "SELECT first_fire_time, fire_time, closed OR EXISTS (SELECT 1 FROM runs
            WHERE runs.job = ?1 AND runs.fire_time > pruned.fire_time AND runs.fire_time < ?2)
        FROM pruned WHERE job = ?1 AND first_fire_time <= ?2 ORDER BY first_fire_time DESC LIMIT 1";
    let stretch =
        |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, bool>(2)?));
    match w.prepare(before)?.query_row(params![job.as_str(), at], stretch).optional()? {
        Some((_, last, _)) if last >= at => {}
        Some((first, _, false)) => {
            let sql = "UPDATE pruned SET fire_time = ?3 WHERE job = ?1 AND first_fire_time = ?2";
            w.run(sql, params![job.as_str(), first, at])?;
        }
        _ => {
            let sql = "INSERT INTO pruned (job, first_fire_time, fire_time) VALUES (?1, ?2, ?2)";
            w.run(sql, params![job.as_str(), at])?;
        }
    }
    Ok(())
}

/// Lets the stretch before an instant grow no more.
fn close(w: &Writing<'_>, job: &Name, at: i64) -> Result<(), rusqlite::Error> {
    let sql = "UPDATE pruned SET closed = 1 WHERE job = ?1 AND first_fire_time =
        (SELECT max(first_fire_time) FROM pruned WHERE job = ?1 AND first_fire_time <= ?2)";
    w.run(sql, params![job.as_str(), at]).map(|_| ())
}

fn merge_earliest(w: &Writing<'_>, job: &Name) -> Result<(), rusqlite::Error> {
    let surplus = "SELECT count(*) - ?2 FROM pruned WHERE job = ?1";
    let surplus: i64 = w.prepare(surplus)?.query_row(params![job.as_str(), STRETCHES], |row| row.get(0))?;
    if surplus <= 0 {
        return Ok(());
    }
    let earliest = "SELECT first_fire_time, fire_time, closed FROM pruned WHERE job = ?1
        ORDER BY first_fire_time LIMIT ?2";
    let earliest: Vec<(i64, i64, bool)> = w
        .prepare(earliest)?
        .query_map(params![job.as_str(), surplus + 1], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<_, _>>()?;
    let (Some(begin), Some(end)) = (earliest.first(), earliest.last()) else { return Ok(()) };
    let sql = "DELETE FROM pruned WHERE job = ?1 AND first_fire_time BETWEEN ?2 AND ?3";
    w.run(sql, params![job.as_str(), begin.0, end.0])?;
    let sql = "INSERT INTO pruned (job, first_fire_time, fire_time, closed) VALUES (?1, ?2, ?3, ?4)";
    w.run(sql, params![job.as_str(), begin.0, end.1, end.2]).map(|_| ())
}

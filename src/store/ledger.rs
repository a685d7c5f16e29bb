//! What changes of runs write: claims, gaps, and the life of a row.

use rusqlite::{OptionalExtension, named_params, params};

use super::changes::{Written, set_cursor};
use super::columns::{exit_columns, json, micros, note_word, signed, unsigned};
use super::commit::{Begin, Outcome, Writing};
use super::pruned;
use crate::core::change::{Claim, Finish, Gap, Retraction, StepRecord};
use crate::core::instant::Timestamp;
use crate::core::name::Name;
use crate::core::run::{Exit, Reason, RunId, RunStatus, Source};

fn applied_if(written: bool) -> Outcome {
    if written { Outcome::Applied } else { Outcome::Refused }
}

fn has_own_row(w: &Writing<'_>, job: &Name, fire_time: Timestamp) -> Result<bool, rusqlite::Error> {
    let sql = "SELECT 1 FROM runs WHERE job = ?1 AND fire_time = ?2";
    let found = w.prepare(sql)?.query_row(params![job.as_str(), fire_time.as_micros()], |_| Ok(()));
    Ok(found.optional()?.is_some())
}

/// Returns where the row begins that stands for a stretch, covers a fire time and ends after it. Of a row of its own
/// the unique index knows.
fn covered_from(w: &Writing<'_>, job: &Name, fire_time: Timestamp) -> Result<Option<i64>, rusqlite::Error> {
    let sql = "SELECT first_fire_time FROM runs INDEXED BY runs_ranges
        WHERE first_fire_time IS NOT NULL AND job = ?1 AND fire_time > ?2 AND first_fire_time <= ?2
        ORDER BY fire_time LIMIT 1";
    w.ask(sql, params![job.as_str(), fire_time.as_micros()], |row| row.get(0))
}

/// Counts the fire times of a stretch that have their rows already. Rows about an earlier trigger of the job are
/// left out, unless one is for the last fire time: they stand between its fire times rather than for them.
fn taken(w: &Writing<'_>, job: &Name, first: Timestamp, last: Timestamp) -> Result<u64, rusqlite::Error> {
    let sql = "SELECT coalesce(sum(iif(run_id > after, occurrences, fire_time = ?3)), 0)
        FROM runs, (SELECT coalesce((SELECT tracked_after FROM jobs WHERE name = ?1), 0) AS after)
        WHERE job = ?1 AND fire_time BETWEEN ?2 AND ?3";
    let params = params![job.as_str(), first.as_micros(), last.as_micros()];
    w.prepare(sql)?.query_row(params, |row| row.get(0)).map(unsigned)
}

pub(super) fn claim(w: &mut Writing<'_>, claim: &Claim) -> Written {
    let taken = match claim.fire_time {
        Some(fire_time) => {
            covered_from(w, &claim.job, fire_time)?.is_some()
                || pruned::had_its_run(w, &claim.job, fire_time)?
        }
        None => false,
    };
    // By place: a name would be looked for in every statement.
    let sql =
        "INSERT OR IGNORE INTO runs (run_id, job, fire_time, status, source, attempts, queued_at, due_at,
            boot_id, host, coalesced, note, priority, args, forced, pool)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)";
    let written = !taken
        && w.run(
            sql,
            params![
                signed(claim.run.0),
                claim.job.as_str(),
                claim.fire_time.map(Timestamp::as_micros),
                RunStatus::Queued.as_str(),
                claim.source.as_str(),
                claim.attempts,
                claim.queued_at.as_micros(),
                claim.due_at.as_micros(),
                w.session.boot_id,
                w.session.host,
                signed(claim.coalesced),
                claim.note.map(note_word),
                claim.priority,
                json(&claim.args),
                claim.forced,
                claim.pool.as_ref().map(Name::as_str),
            ],
        )?;
    if !written {
        w.unwritten.insert(claim.run);
        return Ok(Outcome::Refused);
    }
    if let Some(cursor) = claim.cursor {
        set_cursor(w, &claim.job, cursor)?;
    }
    Ok(Outcome::Applied)
}

/// Writes one row for the fire times of a stretch that have none. Some may have: after the clock was set back
/// they come a second time.
pub(super) fn gap(w: &mut Writing<'_>, gap: &Gap) -> Written {
    let left = gap.count.saturating_sub(taken(w, &gap.job, gap.first, gap.last)?);
    let several = gap.count > 1;
    let (last, left) = match covered_from(w, &gap.job, gap.last)? {
        // The last one, and those of which nobody can tell how many, belong to a stretch that begins within this one.
        Some(covered) => (covered.saturating_sub(1), left.saturating_sub(1)),
        // Where the last one has a row of its own the stretch ends right before it.
        None => {
            let own = i64::from(several && has_own_row(w, &gap.job, gap.last)?);
            (gap.last.as_micros().saturating_sub(own), left)
        }
    };
    let sql =
        "INSERT OR IGNORE INTO runs (run_id, job, fire_time, first_fire_time, occurrences, status, reason,
            detail, source, queued_at, due_at, finished_at, boot_id, host)
        VALUES (:run, :job, :last, :first, :count, :status, :reason, :detail, :source, :at, :last, :at,
            :boot_id, :host)";
    let written = left > 0
        && last >= gap.first.as_micros()
        && w.run(
            sql,
            named_params! {
                ":run": signed(gap.run.0),
                ":job": gap.job.as_str(),
                ":last": last,
                ":first": several.then_some(gap.first.as_micros()),
                ":count": signed(left),
                ":status": gap.status.as_str(),
                ":reason": gap.reason.as_str(),
                ":detail": gap.detail,
                ":source": Source::Schedule.as_str(),
                ":at": gap.at.as_micros(),
                ":boot_id": w.session.boot_id,
                ":host": w.session.host,
            },
        )?;
    if written {
        count(w, gap.job.as_str(), gap.status.as_str(), signed(left))?;
    } else {
        w.unwritten.insert(gap.run);
    }
    if let Some(cursor) = gap.cursor {
        set_cursor(w, &gap.job, cursor)?;
    }
    Ok(Outcome::Applied)
}

/// Adds to the number of fire times of a job that came to a status.
fn count(w: &Writing<'_>, job: &str, status: &str, by: i64) -> Result<(), rusqlite::Error> {
    let sql = "INSERT INTO counts (job, status, count) VALUES (?1, ?2, max(?3, 0))
        ON CONFLICT (job, status) DO UPDATE SET count = max(count + ?3, 0)";
    w.run(sql, params![job, status, by]).map(|_| ())
}

pub(super) fn started(w: &mut Writing<'_>, run: RunId, begin: Begin) -> Written {
    if w.keep_start(run, begin) {
        return Ok(Outcome::Applied);
    }
    // A further command of an attempt that is brought to its end, such as a hook, changes nothing about that.
    let sql = "UPDATE runs SET status = ?2, attempt = ?3, started_at = coalesce(started_at, ?4),
            pid = ?5, start_ticks = ?6, boot_id = ?7, retry_at = NULL,
            reason = CASE WHEN ending_at IS NOT NULL THEN reason END,
            detail = CASE WHEN ending_at IS NOT NULL THEN detail END, exit_code = NULL, signal = NULL
        WHERE run_id = ?1 AND finished_at IS NULL";
    let params = params![
        signed(run.0),
        RunStatus::Running.as_str(),
        begin.attempt,
        begin.at.as_micros(),
        begin.process.map(|process| process.pid),
        begin.process.map(|process| signed(process.start_ticks)),
        w.session.boot_id,
    ];
    Ok(applied_if(w.run(sql, params)?))
}

pub(super) fn retrying(
    w: &Writing<'_>,
    run: RunId,
    attempt: u32,
    retry_at: Timestamp,
    reason: Reason,
    detail: Option<&str>,
    exit: Option<Exit>,
) -> Written {
    let (code, signal) = exit_columns(exit);
    let sql = "UPDATE runs SET status = :status, attempt = :attempt, retry_at = :retry_at, reason = :reason,
            detail = :detail, exit_code = :code, signal = :signal, ending_at = NULL
        WHERE run_id = :run AND finished_at IS NULL";
    let params = named_params! {
        ":status": RunStatus::Retrying.as_str(),
        ":attempt": attempt,
        ":retry_at": retry_at.as_micros(),
        ":reason": reason.as_str(),
        ":detail": detail,
        ":code": code,
        ":signal": signal,
        ":run": signed(run.0),
    };
    Ok(applied_if(w.run(sql, params)?))
}

pub(super) fn ending(
    w: &Writing<'_>,
    run: RunId,
    reason: Reason,
    detail: Option<&str>,
    at: Timestamp,
) -> Written {
    let sql = "UPDATE runs SET reason = :reason, detail = :detail, ending_at = :at
        WHERE run_id = :run AND finished_at IS NULL AND ending_at IS NULL";
    let params = named_params! {
        ":reason": reason.as_str(),
        ":detail": detail,
        ":at": at.as_micros(),
        ":run": signed(run.0),
    };
    Ok(applied_if(w.run(sql, params)?))
}

pub(super) fn step(w: &Writing<'_>, run: RunId, step: &StepRecord) -> Written {
    let (code, signal) = exit_columns(step.exit);
    let sql =
        "INSERT OR REPLACE INTO steps (run_id, attempt, position, name, status, started_at, duration_us,
            exit_code, signal, output_offset, detail)
        SELECT run_id, :attempt, :position, :name, :status, :started_at, :duration, :code, :signal, :offset,
            :detail
        FROM runs WHERE run_id = :run";
    let params = named_params! {
        ":attempt": step.attempt,
        ":position": step.position,
        ":name": step.name,
        ":status": step.status.as_str(),
        ":started_at": step.started_at.map(Timestamp::as_micros),
        ":duration": step.duration.map(micros),
        ":code": code,
        ":signal": signal,
        ":offset": step.output_offset.map(signed),
        ":detail": step.detail,
        ":run": signed(run.0),
    };
    Ok(applied_if(w.run(sql, params)?))
}

pub(super) fn finished(w: &mut Writing<'_>, finish: &Finish) -> Written {
    let begin = w.kept_start(finish.run);
    if !finish.status.is_final() {
        return Ok(Outcome::Refused);
    }
    let run = signed(finish.run.0);
    let sql = "SELECT job, started_at FROM runs WHERE run_id = ?1 AND finished_at IS NULL";
    let open = w.ask(sql, [run], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let Some((job, started_at)): Option<(String, Option<i64>)> = open else {
        w.unwritten.insert(finish.run);
        return Ok(Outcome::Refused);
    };
    let (code, signal) = exit_columns(finish.exit);
    let usage = finish.usage;
    // Where the start was kept for now (?13), it is written too.
    let sql = "UPDATE runs SET status = ?2, reason = ?3, detail = ?4, finished_at = ?5, duration_us = ?6,
            exit_code = ?7, signal = ?8, retry_at = NULL, cpu_user_us = ?9, cpu_system_us = ?10,
            peak_memory = ?11, result = ?12, attempt = coalesce(?13, attempt),
            started_at = coalesce(started_at, ?14), pid = iif(?13 IS NULL, pid, ?15),
            start_ticks = iif(?13 IS NULL, start_ticks, ?16), boot_id = iif(?13 IS NULL, boot_id, ?17)
        WHERE run_id = ?1";
    let process = begin.and_then(|begin| begin.process);
    w.run(
        sql,
        params![
            run,
            finish.status.as_str(),
            finish.reason.map(Reason::as_str),
            finish.detail,
            finish.at.as_micros(),
            finish.duration.map(micros),
            code,
            signal,
            usage.map(|usage| micros(usage.user)),
            usage.map(|usage| micros(usage.system)),
            usage.map(|usage| signed(usage.peak_memory)),
            finish.result,
            begin.map(|begin| begin.attempt),
            begin.map(|begin| begin.at.as_micros()),
            process.map(|process| process.pid),
            process.map(|process| signed(process.start_ticks)),
            w.session.boot_id,
        ],
    )?;
    count(w, &job, finish.status.as_str(), 1)?;
    remember_end(w, &job, started_at.is_some() || begin.is_some(), finish)?;
    Ok(Outcome::Applied)
}

/// Keeps with the job how its last run ended, as the scheduler does in memory: a run that could not be
/// started or was lost counts, one that was cancelled, or that a restore made unknown, says nothing about the
/// job.
fn remember_end(w: &Writing<'_>, job: &str, started: bool, finish: &Finish) -> Result<(), rusqlite::Error> {
    if finish.reason == Some(Reason::Restored) {
        return Ok(());
    }
    match finish.status {
        RunStatus::Succeeded => {
            let sql = "UPDATE jobs SET well = 1, last_success = ?2 WHERE name = ?1";
            w.run(sql, params![job, finish.at.as_micros()])?;
        }
        RunStatus::Failed | RunStatus::Lost => {
            w.run("UPDATE jobs SET well = 0 WHERE name = ?1", [job])?;
        }
        RunStatus::TimedOut if started => {
            w.run("UPDATE jobs SET well = 0 WHERE name = ?1", [job])?;
        }
        RunStatus::TimedOut
        | RunStatus::Cancelled
        | RunStatus::Missed
        | RunStatus::Skipped
        | RunStatus::Queued
        | RunStatus::Running
        | RunStatus::Retrying => {}
    }
    Ok(())
}

/// Cuts rows of fire times back, or deletes them, so that those fire times can be claimed when they come.
pub(super) fn retract(w: &Writing<'_>, job: &Name, rows: &[Retraction]) -> Written {
    for row in rows {
        let id = signed(row.run.0);
        let find = "SELECT status, occurrences, coalesce(first_fire_time, fire_time) FROM runs
            WHERE run_id = ?1 AND job = ?2 AND status IN ('missed', 'skipped')";
        let found = |row: &rusqlite::Row<'_>| {
            Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, Timestamp::from_micros(row.get(2)?)))
        };
        let found = w.prepare(find)?.query_row(params![id, job.as_str()], found).optional()?;
        let Some((status, before, first)) = found else { continue };
        let after = match row.remains {
            Some((last, count)) => cut(w, id, job, first, last, count)?,
            None => 0,
        };
        if after == 0 {
            w.run("DELETE FROM runs WHERE run_id = ?1", [id])?;
        }
        count(w, job.as_str(), &status, after.saturating_sub(before))?;
    }
    Ok(Outcome::Applied)
}

/// Ends a stretch earlier; returns for how many fire times it still stands.
fn cut(
    w: &Writing<'_>,
    run: i64,
    job: &Name,
    first: Timestamp,
    last: Timestamp,
    count: u64,
) -> Result<i64, rusqlite::Error> {
    // A row about an earlier trigger has nothing in common with the rows about this one.
    let sql = "SELECT tracked_after < ?2 FROM jobs WHERE name = ?1";
    let current = w.prepare(sql)?.query_row(params![job.as_str(), run], |row| row.get(0)).optional()?;
    let rows = if current == Some(false) { 0 } else { taken(w, job, first, last)? };
    let left = signed(count.saturating_sub(rows));
    let own = i64::from(has_own_row(w, job, last)?);
    let sql = "UPDATE OR IGNORE runs SET fire_time = ?2, occurrences = ?3 WHERE run_id = ?1";
    w.run(sql, params![run, last.as_micros().saturating_sub(own), left])?;
    Ok(left)
}

//! What each change writes.
//!
//! Every statement is written so that a change which does not fit is refused instead of failing: a failed
//! statement would fail the whole transaction, again at every retry.

use rusqlite::{OptionalExtension, named_params, params};

use super::commit::{Outcome, Writing};
use super::rows::{exit_columns, json, micros, note_word, signed};
use crate::core::change::{Actor, Change, Claim, Finish, Gap, Hold, Pause, Retraction, Revision, StepRecord};
use crate::core::event::Event;
use crate::core::instant::Timestamp;
use crate::core::name::Name;
use crate::core::run::{Exit, ProcessMark, Reason, RunId, RunStatus, Source};

type Written = Result<Outcome, rusqlite::Error>;

/// Writes one change.
pub(super) fn apply(w: &mut Writing<'_>, change: &Change) -> Written {
    match change {
        Change::Claim(claim) => apply_claim(w, claim),
        Change::Gap(gap) => apply_gap(w, gap),
        Change::Started { run, attempt, at, process } => started(w, *run, *attempt, *at, *process),
        Change::Retrying { run, attempt, retry_at, reason, detail, exit } => {
            retrying(w, *run, *attempt, *retry_at, *reason, detail.as_deref(), *exit)
        }
        Change::Step { run, step } => apply_step(w, *run, step),
        Change::Finished(finish) => finished(w, finish),
        Change::Cursor { job, cursor } => set_cursor(w, job, *cursor),
        Change::Track { job, cursor, anchor, trigger } => track(w, job, *cursor, *anchor, trigger),
        Change::Pause { job, pause } => set_pause(w, job, pause.as_ref()),
        Change::Satisfied { job, dependencies } => always(
            w,
            "INSERT INTO jobs (name, satisfied) VALUES (?1, ?2)
             ON CONFLICT (name) DO UPDATE SET satisfied = excluded.satisfied",
            params![job.as_str(), json(dependencies)],
        ),
        Change::StartupBoot { job, boot_id } => always(
            w,
            "INSERT INTO jobs (name, startup_boot) VALUES (?1, ?2)
             ON CONFLICT (name) DO UPDATE SET startup_boot = excluded.startup_boot",
            params![job.as_str(), boot_id],
        ),
        Change::Define { job, toml } => always(
            w,
            "INSERT INTO definitions (job, toml) VALUES (?1, ?2)
             ON CONFLICT (job) DO UPDATE SET toml = excluded.toml",
            params![job.as_str(), toml],
        ),
        Change::Undefine { job } => {
            w.run("DELETE FROM definitions WHERE job = ?1", [job.as_str()])?;
            forget(w, job)
        }
        Change::Forget { job } => forget(w, job),
        Change::Hold(hold) => set_hold(w, hold.as_ref()),
        Change::Heartbeat { at } => {
            always(w, "INSERT OR REPLACE INTO daemon (key, at) VALUES ('heartbeat', ?1)", [at.as_micros()])
        }
        Change::Revision(revision) => apply_revision(w, revision),
        Change::Retract { job, rows } => retract(w, job, rows),
        Change::Notify(notice) => super::outbox::enqueue(w, notice),
        Change::Event(event) => apply_event(w, event),
    }
}

fn always(w: &Writing<'_>, sql: &str, params: impl rusqlite::Params) -> Written {
    w.run(sql, params)?;
    Ok(Outcome::Applied)
}

fn applied_if(written: bool) -> Outcome {
    if written { Outcome::Applied } else { Outcome::Refused }
}

/// Says whether the ledger has a row for a fire time, its own or one that stands for several.
fn has_row(w: &Writing<'_>, job: &Name, fire_time: Timestamp) -> Result<bool, rusqlite::Error> {
    let own = "SELECT 1 FROM runs WHERE job = ?1 AND fire_time = ?2";
    let covering = "SELECT 1 FROM runs INDEXED BY runs_ranges
        WHERE occurrences > 1 AND job = ?1 AND fire_time > ?2 AND first_fire_time <= ?2 LIMIT 1";
    for sql in [own, covering] {
        let params = params![job.as_str(), fire_time.as_micros()];
        if w.conn.prepare_cached(sql)?.query_row(params, |_| Ok(())).optional()?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn apply_claim(w: &mut Writing<'_>, claim: &Claim) -> Written {
    let taken = match claim.fire_time {
        Some(fire_time) => has_row(w, &claim.job, fire_time)?,
        None => false,
    };
    let sql =
        "INSERT OR IGNORE INTO runs (run_id, job, fire_time, status, source, attempts, queued_at, due_at,
            boot_id, host, coalesced, note, priority, args)
        VALUES (:run, :job, :fire_time, :status, :source, :attempts, :queued_at, :due_at,
            :boot_id, :host, :coalesced, :note, :priority, :args)";
    let written = !taken
        && w.run(
            sql,
            named_params! {
                ":run": signed(claim.run.0),
                ":job": claim.job.as_str(),
                ":fire_time": claim.fire_time.map(Timestamp::as_micros),
                ":status": RunStatus::Queued.as_str(),
                ":source": claim.source.as_str(),
                ":attempts": claim.attempts,
                ":queued_at": claim.queued_at.as_micros(),
                ":due_at": claim.due_at.as_micros(),
                ":boot_id": w.session.boot_id,
                ":host": w.session.host,
                ":coalesced": signed(claim.coalesced),
                ":note": claim.note.map(note_word),
                ":priority": claim.priority,
                ":args": json(&claim.args),
            },
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

fn apply_gap(w: &mut Writing<'_>, gap: &Gap) -> Written {
    let taken = has_row(w, &gap.job, gap.last)?;
    let several = gap.count > 1;
    let sql =
        "INSERT OR IGNORE INTO runs (run_id, job, fire_time, first_fire_time, occurrences, status, reason,
            detail, source, queued_at, due_at, finished_at, boot_id, host)
        VALUES (:run, :job, :last, :first, :count, :status, :reason, :detail, :source, :at, :last, :at,
            :boot_id, :host)";
    let written = !taken
        && w.run(
            sql,
            named_params! {
                ":run": signed(gap.run.0),
                ":job": gap.job.as_str(),
                ":last": gap.last.as_micros(),
                ":first": several.then_some(gap.first.as_micros()),
                ":count": signed(gap.count),
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
        count(w, gap.job.as_str(), gap.status.as_str(), signed(gap.count))?;
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

fn started(
    w: &Writing<'_>,
    run: RunId,
    attempt: u32,
    at: Timestamp,
    process: Option<ProcessMark>,
) -> Written {
    let sql = "UPDATE runs SET status = :status, attempt = :attempt, started_at = coalesce(started_at, :at),
            pid = :pid, start_ticks = :ticks, boot_id = :boot_id, retry_at = NULL, reason = NULL,
            detail = NULL, exit_code = NULL, signal = NULL
        WHERE run_id = :run AND finished_at IS NULL";
    let params = named_params! {
        ":status": RunStatus::Running.as_str(),
        ":attempt": attempt,
        ":at": at.as_micros(),
        ":pid": process.map(|process| process.pid),
        ":ticks": process.map(|process| signed(process.start_ticks)),
        ":boot_id": w.session.boot_id,
        ":run": signed(run.0),
    };
    Ok(applied_if(w.run(sql, params)?))
}

fn retrying(
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
            detail = :detail, exit_code = :code, signal = :signal
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

fn apply_step(w: &Writing<'_>, run: RunId, step: &StepRecord) -> Written {
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

fn finished(w: &Writing<'_>, finish: &Finish) -> Written {
    if !finish.status.is_final() {
        return Ok(Outcome::Refused);
    }
    let (code, signal) = exit_columns(finish.exit);
    let usage = finish.usage;
    let sql = "UPDATE runs SET status = :status, reason = :reason, detail = :detail, finished_at = :at,
            duration_us = :duration, exit_code = :code, signal = :signal, retry_at = NULL,
            cpu_user_us = :user, cpu_system_us = :system, peak_memory = :memory, result = :result
        WHERE run_id = :run AND finished_at IS NULL
        RETURNING job, started_at";
    let params = named_params! {
        ":status": finish.status.as_str(),
        ":reason": finish.reason.map(Reason::as_str),
        ":detail": finish.detail,
        ":at": finish.at.as_micros(),
        ":duration": finish.duration.map(micros),
        ":code": code,
        ":signal": signal,
        ":user": usage.map(|usage| micros(usage.user)),
        ":system": usage.map(|usage| micros(usage.system)),
        ":memory": usage.map(|usage| signed(usage.peak_memory)),
        ":result": finish.result,
        ":run": signed(finish.run.0),
    };
    let job_and_start = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let ended = w.conn.prepare_cached(sql)?.query_row(params, job_and_start).optional()?;
    let Some((job, started_at)): Option<(String, Option<i64>)> = ended else { return Ok(Outcome::Refused) };
    count(w, &job, finish.status.as_str(), 1)?;
    remember_end(w, &job, started_at.is_some(), finish)?;
    Ok(Outcome::Applied)
}

/// Keeps with the job how its last run ended, as the scheduler does in memory: a run that could not be
/// started or was lost counts, one that was cancelled says nothing about the job.
fn remember_end(w: &Writing<'_>, job: &str, started: bool, finish: &Finish) -> Result<(), rusqlite::Error> {
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

fn set_cursor(w: &Writing<'_>, job: &Name, cursor: Timestamp) -> Written {
    let sql = "INSERT INTO jobs (name, cursor) VALUES (?1, ?2)
        ON CONFLICT (name) DO UPDATE SET cursor = excluded.cursor";
    always(w, sql, params![job.as_str(), cursor.as_micros()])
}

fn track(w: &Writing<'_>, job: &Name, cursor: Timestamp, anchor: Timestamp, trigger: &str) -> Written {
    let sql = "INSERT INTO jobs (name, cursor, anchor, trigger_spec) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (name) DO UPDATE
        SET cursor = excluded.cursor, anchor = excluded.anchor, trigger_spec = excluded.trigger_spec";
    always(w, sql, params![job.as_str(), cursor.as_micros(), anchor.as_micros(), trigger])
}

fn set_pause(w: &Writing<'_>, job: &Name, pause: Option<&Pause>) -> Written {
    let sql = "INSERT INTO jobs (name, paused_at, paused_until, pause_reason) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (name) DO UPDATE SET paused_at = excluded.paused_at,
            paused_until = excluded.paused_until, pause_reason = excluded.pause_reason";
    let at = pause.map(|pause| pause.at.as_micros());
    let until = pause.and_then(|pause| pause.until).map(Timestamp::as_micros);
    let reason = pause.and_then(|pause| pause.reason.as_deref());
    always(w, sql, params![job.as_str(), at, until, reason])
}

fn forget(w: &Writing<'_>, job: &Name) -> Written {
    always(w, "DELETE FROM jobs WHERE name = ?1", [job.as_str()])
}

fn set_hold(w: &Writing<'_>, hold: Option<&Hold>) -> Written {
    match hold {
        Some(hold) => always(
            w,
            "INSERT OR REPLACE INTO daemon (key, at, value) VALUES ('hold', ?1, ?2)",
            params![hold.at.as_micros(), hold.reason],
        ),
        None => always(w, "DELETE FROM daemon WHERE key = 'hold'", []),
    }
}

fn apply_revision(w: &Writing<'_>, revision: &Revision) -> Written {
    let (uid, pid) = match revision.by {
        Actor::JobFile => (None, None),
        Actor::Client { uid, pid } => (Some(uid), Some(pid)),
    };
    always(
        w,
        "INSERT INTO revisions (at, action, job, before, after, uid, pid) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            revision.at.as_micros(),
            revision.action.as_str(),
            revision.job.as_str(),
            revision.before,
            revision.after,
            uid,
            pid,
        ],
    )
}

/// Cuts rows of fire times back, or deletes them, so that those fire times can be claimed when they come.
fn retract(w: &Writing<'_>, job: &Name, rows: &[Retraction]) -> Written {
    for row in rows {
        let id = signed(row.run.0);
        let find = "SELECT status, occurrences FROM runs
            WHERE run_id = ?1 AND job = ?2 AND status IN ('missed', 'skipped')";
        let found = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?));
        let found = w.conn.prepare_cached(find)?.query_row(params![id, job.as_str()], found).optional()?;
        let Some((status, before)) = found else { continue };
        let after = match row.remains {
            Some((last, count)) => {
                cut(w, id, last, signed(count))?;
                signed(count)
            }
            None => {
                w.run("DELETE FROM runs WHERE run_id = ?1", [id])?;
                0
            }
        };
        count(w, job.as_str(), &status, after.saturating_sub(before))?;
    }
    Ok(Outcome::Applied)
}

fn cut(w: &Writing<'_>, run: i64, last: Timestamp, count: i64) -> Result<(), rusqlite::Error> {
    let sql = "UPDATE OR IGNORE runs SET fire_time = ?2, occurrences = ?3 WHERE run_id = ?1";
    if !w.run(sql, params![run, last.as_micros(), count])? {
        // A run has its own row for that fire time: the range ends right before it.
        let before = last.as_micros().saturating_sub(1);
        w.run(sql, params![run, before, count])?;
    }
    Ok(())
}

fn apply_event(w: &Writing<'_>, event: &Event) -> Written {
    if event.run.is_some_and(|run| w.unwritten.contains(&run)) {
        return Ok(Outcome::Refused);
    }
    let (code, signal) = exit_columns(event.exit);
    always(
        w,
        "INSERT INTO events (at, kind, job, run_id, attempt, fire_time, exit_code, signal, reason, detail)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        params![
            event.at.as_micros(),
            event.kind.as_str(),
            event.job.as_ref().map(Name::as_str),
            event.run.map(|run| signed(run.0)),
            event.attempt,
            event.fire_time.map(Timestamp::as_micros),
            code,
            signal,
            event.reason.map(Reason::as_str),
            event.detail,
        ],
    )
}

//! What each change writes; those of runs are in `ledger`.
//!
//! Every statement is written so that a change which does not fit is refused instead of failing: a failed
//! statement would fail the whole transaction, again at every retry.

use rusqlite::params;

use super::columns::{exit_columns, json, signed};
use super::commit::{Begin, Outcome, Writing};
use super::{ledger, pruned};
use crate::core::change::{Actor, Change, Hold, Pause, Revision};
use crate::core::event::Event;
use crate::core::instant::Timestamp;
use crate::core::name::Name;
use crate::core::run::Reason;

pub(super) type Written = Result<Outcome, rusqlite::Error>;

/// Writes one change.
pub(super) fn apply(w: &mut Writing<'_>, change: &Change) -> Written {
    match change {
        Change::Claim(claim) => ledger::claim(w, claim),
        Change::Gap(gap) => ledger::gap(w, gap),
        Change::Started { run, attempt, at, process } => {
            ledger::started(w, *run, Begin { attempt: *attempt, at: *at, process: *process })
        }
        Change::Retrying { run, attempt, retry_at, reason, detail, exit } => {
            ledger::retrying(w, *run, *attempt, *retry_at, *reason, detail.as_deref(), *exit)
        }
        Change::Ending { run, reason, detail, at } => {
            ledger::ending(w, *run, *reason, detail.as_deref(), *at)
        }
        Change::Step { run, step } => ledger::step(w, *run, step),
        Change::Finished(finish) => ledger::finished(w, finish),
        Change::Cursor { job, cursor } => {
            pruned::pass_over(w, job, *cursor)?;
            set_cursor(w, job, *cursor)
        }
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
        Change::Overdue { job, since } => always(
            w,
            "INSERT INTO jobs (name, overdue_since) VALUES (?1, ?2)
             ON CONFLICT (name) DO UPDATE SET overdue_since = excluded.overdue_since",
            params![job.as_str(), since.as_micros()],
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
        Change::RestoreSettled => always(w, "DELETE FROM daemon WHERE key = 'restored'", []),
        Change::Revision(revision) => apply_revision(w, revision),
        Change::Retract { job, rows } => ledger::retract(w, job, rows),
        Change::Notify(notice) => super::outbox::enqueue(w, notice),
        Change::Event(event) => apply_event(w, event),
    }
}

fn always(w: &Writing<'_>, sql: &'static str, params: impl rusqlite::Params) -> Written {
    w.run(sql, params)?;
    Ok(Outcome::Applied)
}

pub(super) fn set_cursor(w: &Writing<'_>, job: &Name, cursor: Timestamp) -> Written {
    let sql = "INSERT INTO jobs (name, cursor) VALUES (?1, ?2)
        ON CONFLICT (name) DO UPDATE SET cursor = excluded.cursor";
    always(w, sql, params![job.as_str(), cursor.as_micros()])
}

fn track(w: &Writing<'_>, job: &Name, cursor: Timestamp, anchor: Timestamp, trigger: &str) -> Written {
    pruned::forget(w, job)?;
    let sql = "INSERT INTO jobs (name, cursor, anchor, trigger_spec, tracked_after)
        VALUES (?1, ?2, ?3, ?4, coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'runs'), 0))
        ON CONFLICT (name) DO UPDATE
        SET cursor = excluded.cursor, anchor = excluded.anchor, trigger_spec = excluded.trigger_spec,
            tracked_after = excluded.tracked_after";
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
    pruned::forget(w, job)?;
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

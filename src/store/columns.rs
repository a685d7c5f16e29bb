//! From columns to rows and back. An unknown word is an error, never a panic: the file may have been written
//! by hand or by a newer version.

use std::time::Duration;

use rusqlite::Row;

use super::rows::{EventRow, JobStateRow, NoticeRow, QueryError, RevisionRow, RunRow, Standing, StepRow};
use crate::core::change::{Actor, NoticeKind, Pause};
use crate::core::event::EventKind;
use crate::core::instant::Timestamp;
use crate::core::name::Name;
use crate::core::run::{Exit, ProcessMark, Reason, RunId, RunStatus, Source, Usage};
use crate::core::trigger::FireNote;

/// The columns [`run_row`] reads, in its order.
pub(super) const RUN_COLUMNS: &str = "run_id, job, fire_time, first_fire_time, occurrences, status, reason, \
     detail, source, attempt, attempts, queued_at, due_at, started_at, finished_at, retry_at, duration_us, \
     exit_code, signal, pid, start_ticks, boot_id, host, coalesced, note, priority, args, cpu_user_us, \
     cpu_system_us, peak_memory, result, forced, ending_at, pool";

pub(super) fn run_row(row: &Row<'_>) -> Result<RunRow, QueryError> {
    Ok(RunRow {
        run: RunId(unsigned(row.get(0)?)),
        job: name(row, 1, "runs.job")?,
        fire_time: instant(row, 2)?,
        first_fire_time: instant(row, 3)?,
        occurrences: unsigned(row.get(4)?),
        status: word(row, 5, "runs.status", RunStatus::from_word)?,
        reason: optional_word(row, 6, "runs.reason", Reason::from_word)?,
        detail: row.get(7)?,
        source: word(row, 8, "runs.source", Source::from_word)?,
        attempt: row.get(9)?,
        attempts: row.get(10)?,
        queued_at: Timestamp::from_micros(row.get(11)?),
        due_at: Timestamp::from_micros(row.get(12)?),
        started_at: instant(row, 13)?,
        finished_at: instant(row, 14)?,
        retry_at: instant(row, 15)?,
        duration: duration(row, 16)?,
        exit: exit(row, 17)?,
        process: process(row, 19)?,
        boot_id: row.get(21)?,
        host: row.get(22)?,
        coalesced: unsigned(row.get(23)?),
        note: optional_word(row, 24, "runs.note", note_from_word)?,
        priority: row.get(25)?,
        args: texts(row, 26, "runs.args")?,
        usage: usage(row, 27)?,
        result: row.get(30)?,
        forced: row.get(31)?,
        ending_at: instant(row, 32)?,
        pool: optional_word(row, 33, "runs.pool", |word| Name::new(word).ok())?,
    })
}

/// The columns [`standing_row`] reads, in its order.
pub(super) const STANDING_COLUMNS: &str = "job, status, fire_time, queued_at, started_at, finished_at";

pub(super) fn standing_row(row: &Row<'_>) -> Result<(Name, Standing), QueryError> {
    let standing = Standing {
        status: word(row, 1, "runs.status", RunStatus::from_word)?,
        fire_time: instant(row, 2)?,
        queued_at: Timestamp::from_micros(row.get(3)?),
        started_at: instant(row, 4)?,
        finished_at: instant(row, 5)?,
    };
    Ok((name(row, 0, "runs.job")?, standing))
}

/// The columns [`step_row`] reads, in its order.
pub(super) const STEP_COLUMNS: &str = "run_id, attempt, position, name, status, started_at, duration_us, \
     exit_code, signal, output_offset, detail";

pub(super) fn step_row(row: &Row<'_>) -> Result<StepRow, QueryError> {
    let offset: Option<i64> = row.get(9)?;
    Ok(StepRow {
        run: RunId(unsigned(row.get(0)?)),
        attempt: row.get(1)?,
        position: row.get(2)?,
        name: row.get(3)?,
        status: word(row, 4, "steps.status", RunStatus::from_word)?,
        started_at: instant(row, 5)?,
        duration: duration(row, 6)?,
        exit: exit(row, 7)?,
        output_offset: offset.map(unsigned),
        detail: row.get(10)?,
    })
}

/// The columns [`job_state_row`] reads, in its order.
pub(super) const JOB_COLUMNS: &str = "name, cursor, anchor, trigger_spec, paused_at, paused_until, \
     pause_reason, satisfied, startup_boot, last_success, well, overdue_since";

pub(super) fn job_state_row(row: &Row<'_>) -> Result<JobStateRow, QueryError> {
    let paused_at = instant(row, 4)?;
    let (until, reason) = (instant(row, 5)?, row.get(6)?);
    let satisfied = texts(row, 7, "jobs.satisfied")?;
    Ok(JobStateRow {
        name: name(row, 0, "jobs.name")?,
        cursor: instant(row, 1)?,
        anchor: instant(row, 2)?,
        trigger: row.get(3)?,
        pause: paused_at.map(|at| Pause { at, until, reason }),
        satisfied: satisfied
            .into_iter()
            .map(|text| checked_name(text, "jobs.satisfied"))
            .collect::<Result<_, _>>()?,
        startup_boot: row.get(8)?,
        last_success: instant(row, 9)?,
        well: row.get(10)?,
        overdue_since: instant(row, 11)?,
    })
}

/// The columns [`event_row`] reads, in its order.
pub(super) const EVENT_COLUMNS: &str =
    "seq, at, kind, job, run_id, attempt, fire_time, exit_code, signal, reason, detail";

pub(super) fn event_row(row: &Row<'_>) -> Result<EventRow, QueryError> {
    let run: Option<i64> = row.get(4)?;
    Ok(EventRow {
        seq: unsigned(row.get(0)?),
        at: Timestamp::from_micros(row.get(1)?),
        kind: word(row, 2, "events.kind", EventKind::from_word)?,
        job: optional_name(row, 3, "events.job")?,
        run: run.map(|run| RunId(unsigned(run))),
        attempt: row.get(5)?,
        fire_time: instant(row, 6)?,
        exit: exit(row, 7)?,
        reason: optional_word(row, 9, "events.reason", Reason::from_word)?,
        detail: row.get(10)?,
    })
}

/// The columns [`revision_row`] reads, in its order.
pub(super) const REVISION_COLUMNS: &str = "id, at, action, job, before, after, uid, pid";

pub(super) fn revision_row(row: &Row<'_>) -> Result<RevisionRow, QueryError> {
    let (uid, pid): (Option<u32>, Option<i32>) = (row.get(6)?, row.get(7)?);
    Ok(RevisionRow {
        id: unsigned(row.get(0)?),
        at: Timestamp::from_micros(row.get(1)?),
        action: word(row, 2, "revisions.action", EventKind::from_word)?,
        job: name(row, 3, "revisions.job")?,
        before: row.get(4)?,
        after: row.get(5)?,
        by: match (uid, pid) {
            (Some(uid), Some(pid)) => Actor::Client { uid, pid },
            (Some(_) | None, Some(_) | None) => Actor::JobFile,
        },
    })
}

/// The columns [`notice_row`] reads, in its order.
pub(super) const NOTICE_COLUMNS: &str = "id, notifier, job, run_id, kind, at, attempts, next_at";

pub(super) fn notice_row(row: &Row<'_>) -> Result<NoticeRow, QueryError> {
    let run: Option<i64> = row.get(3)?;
    Ok(NoticeRow {
        id: unsigned(row.get(0)?),
        notifier: name(row, 1, "outbox.notifier")?,
        job: name(row, 2, "outbox.job")?,
        run: run.map(|run| RunId(unsigned(run))),
        kind: word(row, 4, "outbox.kind", NoticeKind::from_word)?,
        at: Timestamp::from_micros(row.get(5)?),
        attempts: row.get(6)?,
        next_at: Timestamp::from_micros(row.get(7)?),
    })
}

/// Returns the word for what a time change did to a fire time.
pub(super) const fn note_word(note: FireNote) -> &'static str {
    match note {
        FireNote::Gap => "dst_gap",
        FireNote::FoldFirst => "dst_fold_first",
        FireNote::FoldSecond => "dst_fold_second",
    }
}

fn note_from_word(word: &str) -> Option<FireNote> {
    [FireNote::Gap, FireNote::FoldFirst, FireNote::FoldSecond].into_iter().find(|n| note_word(*n) == word)
}

/// Returns a count or number as SQLite stores it: 63 bits; what is larger is cut, and never occurs.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Returns a stored count or number; what is negative was never written by this room and counts as zero.
pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// Returns a duration in whole microseconds.
pub(super) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

pub(super) fn instant(row: &Row<'_>, at: usize) -> Result<Option<Timestamp>, QueryError> {
    Ok(row.get::<_, Option<i64>>(at)?.map(Timestamp::from_micros))
}

pub(super) fn word<T>(
    row: &Row<'_>,
    at: usize,
    column: &'static str,
    find: fn(&str) -> Option<T>,
) -> Result<T, QueryError> {
    let word: String = row.get(at)?;
    find(&word).ok_or(QueryError::Unknown { column, word })
}

fn optional_word<T>(
    row: &Row<'_>,
    at: usize,
    column: &'static str,
    find: fn(&str) -> Option<T>,
) -> Result<Option<T>, QueryError> {
    let Some(word) = row.get::<_, Option<String>>(at)? else { return Ok(None) };
    find(&word).map(Some).ok_or(QueryError::Unknown { column, word })
}

pub(super) fn name(row: &Row<'_>, at: usize, column: &'static str) -> Result<Name, QueryError> {
    checked_name(row.get(at)?, column)
}

fn optional_name(row: &Row<'_>, at: usize, column: &'static str) -> Result<Option<Name>, QueryError> {
    row.get::<_, Option<String>>(at)?.map(|text| checked_name(text, column)).transpose()
}

fn checked_name(text: String, column: &'static str) -> Result<Name, QueryError> {
    Name::new(&text).map_err(|_| QueryError::Unknown { column, word: text })
}

fn duration(row: &Row<'_>, at: usize) -> Result<Option<Duration>, QueryError> {
    Ok(row.get::<_, Option<i64>>(at)?.map(|micros| Duration::from_micros(unsigned(micros))))
}

/// Reads an exit from two columns: the code and the signal.
fn exit(row: &Row<'_>, at: usize) -> Result<Option<Exit>, QueryError> {
    let (code, signal): (Option<u8>, Option<u8>) = (row.get(at)?, row.get(at + 1)?);
    Ok(code.map(Exit::Code).or(signal.map(Exit::Signal)))
}

fn process(row: &Row<'_>, at: usize) -> Result<Option<ProcessMark>, QueryError> {
    let (pid, ticks): (Option<i32>, Option<i64>) = (row.get(at)?, row.get(at + 1)?);
    Ok(pid.map(|pid| ProcessMark { pid, start_ticks: unsigned(ticks.unwrap_or(0)) }))
}

fn usage(row: &Row<'_>, at: usize) -> Result<Option<Usage>, QueryError> {
    let Some(user) = duration(row, at)? else { return Ok(None) };
    let peak: Option<i64> = row.get(at + 2)?;
    Ok(Some(Usage {
        user,
        system: duration(row, at + 1)?.unwrap_or_default(),
        peak_memory: unsigned(peak.unwrap_or(0)),
    }))
}

fn texts(row: &Row<'_>, at: usize, column: &'static str) -> Result<Vec<String>, QueryError> {
    let Some(json) = row.get::<_, Option<String>>(at)? else { return Ok(Vec::new()) };
    serde_json::from_str(&json).map_err(|_| QueryError::Unknown { column, word: json })
}

/// Splits an exit into its two columns.
pub(super) fn exit_columns(exit: Option<Exit>) -> (Option<u8>, Option<u8>) {
    match exit {
        Some(Exit::Code(code)) => (Some(code), None),
        Some(Exit::Signal(signal)) => (None, Some(signal)),
        None => (None, None),
    }
}

/// Writes a list of texts as JSON; an empty list as NULL.
pub(super) fn json<T: AsRef<str>>(texts: &[T]) -> Option<String> {
    let values = texts.iter().map(|text| serde_json::Value::from(text.as_ref())).collect();
    (!texts.is_empty()).then(|| serde_json::Value::Array(values).to_string())
}

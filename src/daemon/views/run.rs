//! Rows of the ledger as clients see them.

use std::path::Path;

use super::millis;
use crate::core::civil::Zone;
use crate::core::run::{Exit, RunStatus};
use crate::core::signal;
use crate::core::trigger::FireNote;
use crate::process::{Evidence, Logs};
use crate::protocol::views::{RunView, StepView};
use crate::store::{RunRow, StepRow};

/// Shows a row with its steps; instants are written in the job's zone, and `logs` says where outputs are.
pub fn run_view(row: &RunRow, steps: &[StepRow], zone: &Zone, logs: &Logs) -> RunView {
    let at = |instant: Option<_>| instant.map(|instant| zone.format_exact(instant));
    let (exit_code, signal) = exit_parts(row.exit);
    // A start is on disk before it is in the ledger, which may take its time: the output file is what it makes first.
    let tried = || logs.evidence(&row.job, row.run, 1) == Evidence::Tried;
    let started = row.started_at.is_some() || (row.status == RunStatus::Queued && tried());
    RunView {
        run_id: row.run.0,
        job: row.job.to_string(),
        status: row.status.as_str().to_owned(),
        reason: row.reason.map(|reason| reason.as_str().to_owned()),
        detail: row.detail.clone(),
        source: row.source.as_str().to_owned(),
        attempt: row.attempt,
        attempts: row.attempts,
        fire_time: at(row.fire_time),
        first_fire_time: at(row.first_fire_time.filter(|first| Some(*first) != row.fire_time)),
        occurrences: row.occurrences,
        coalesced: row.coalesced,
        note: row.note.map(|note| note_word(note).to_owned()),
        queued_at: at(Some(row.queued_at)),
        started_at: at(row.started_at),
        finished_at: at(row.finished_at),
        retry_at: at(row.retry_at.filter(|_| row.status == RunStatus::Retrying)),
        duration_ms: row.duration.map(millis),
        lateness_ms: row.started_at.map(|started| millis(started.since(row.due_at))),
        exit_code,
        signal,
        pid: row.process.map(|process| process.pid),
        host: row.host.clone(),
        cpu_ms: row.usage.map(|usage| millis(usage.user.saturating_add(usage.system))),
        peak_memory: row.usage.map(|usage| usage.peak_memory),
        steps: steps.iter().map(|step| step_view(step, zone)).collect(),
        log: started.then(|| logs.path(&row.job, row.run, row.attempt)).as_deref().map(text_of),
        result: row.result.as_deref().and_then(|result| serde_json::from_str(result).ok()),
    }
}

fn step_view(step: &StepRow, zone: &Zone) -> StepView {
    let (exit_code, signal) = exit_parts(step.exit);
    StepView {
        attempt: step.attempt,
        name: step.name.clone(),
        status: step.status.as_str().to_owned(),
        started_at: step.started_at.map(|at| zone.format_exact(at)),
        duration_ms: step.duration.map(millis),
        exit_code,
        signal,
        output_offset: step.output_offset,
        detail: step.detail.clone(),
    }
}

/// Splits an exit into the two fields of JSON, of which one is there.
pub(super) fn exit_parts(exit: Option<Exit>) -> (Option<u8>, Option<String>) {
    match exit {
        Some(Exit::Code(code)) => (Some(code), None),
        Some(Exit::Signal(signal)) => (None, Some(signal::name(signal))),
        None => (None, None),
    }
}

const fn note_word(note: FireNote) -> &'static str {
    match note {
        FireNote::Gap => "dst_gap",
        FireNote::FoldFirst => "dst_fold_first",
        FireNote::FoldSecond => "dst_fold_second",
    }
}

fn text_of(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

//! The story of one row: when it was due, whether it started, how it ended.

use crate::cli::render::text::count;
use crate::cli::render::time::{duration, exact, instant, millis};
use crate::core::instant::Timestamp;
use crate::core::run::{Reason, RunStatus};
use crate::protocol::views::RunView;

/// What is known beside the row.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// When the daemon that decided had started.
    pub(super) daemon_started: Option<Timestamp>,
}

/// Tells the story of a row in a few sentences.
pub(super) fn story(run: &RunView, facts: &Facts) -> String {
    let mut text = due(run, facts);
    let reason = run.reason.as_deref().and_then(Reason::from_word);
    match RunStatus::from_word(&run.status) {
        Some(status) if status.is_final() => text.push_str(&ended(status, reason, run)),
        Some(status) => text.push_str(&open(status, run)),
        None => text.push_str(&format!(" It is {}.", run.status)),
    }
    if run.coalesced > 0 {
        let others = count(run.coalesced, "earlier fire time");
        text.push_str(&format!(" The run also stands for {others} that came late."));
    }
    text
}

/// Says when it was due and what asked for it.
fn due(run: &RunView, facts: &Facts) -> String {
    let Some(at) = run.fire_time.as_deref() else {
        let queued = run.queued_at.as_deref().map(|at| format!(" at {}", exact(at))).unwrap_or_default();
        return match run.source.as_str() {
            "manual" => format!("It was asked for with `jobctl run-now`{queued}."),
            "startup" => format!("It was due because the daemon started{queued}."),
            "shutdown" => format!("It was due because the daemon was stopping{queued}."),
            "after" => format!("It was due because the jobs it waits for had ended{queued}."),
            "rerun" => format!("It was due because an earlier run was lost{queued}."),
            _ => format!("It was queued{queued}."),
        };
    };
    let several = run.first_fire_time.as_deref().filter(|first| run.occurrences > 1 && *first != at);
    let mut text = match several {
        Some(first) => {
            format!("It was due {} times, from {} to {}", run.occurrences, exact(first), exact(at))
        }
        None => format!("It was due at {}", exact(at)),
    };
    match run.note.as_deref() {
        Some("dst_gap") => text.push_str(" (the clock jumps over its wall time that day)"),
        Some("dst_fold_first") => text.push_str(" (the first of two such wall times that day)"),
        Some("dst_fold_second") => text.push_str(" (the second of two such wall times that day)"),
        _ => {}
    }
    let first = instant(several.unwrap_or(at));
    if let (Some(started), Some(first)) = (facts.daemon_started, first) {
        if started > first {
            text.push_str(&format!(", {} before the daemon started", duration(started.since(first))));
        } else if first.since(started).as_secs() < 60 {
            text.push_str(&format!(", {} after the daemon had started", duration(first.since(started))));
        }
    }
    text.push('.');
    text
}

/// Words a row that is not final.
fn open(status: RunStatus, run: &RunView) -> String {
    let number = run.run_id;
    match status {
        RunStatus::Queued => format!(
            " Run {number} has its place and waits: for its instant, for an earlier run of the job to end, or \
             for a worker of its pool."
        ),
        RunStatus::Retrying => {
            let again = run.retry_at.as_deref().map(|at| format!(" at {}", exact(at))).unwrap_or_default();
            format!(
                " Attempt {} of {} of run {number} failed{}; the next begins{again}.",
                run.attempt,
                run.attempts,
                because(run)
            )
        }
        _ if run.reason.is_some() => format!(
            " Run {number} was started{}, is told to end{} and is still alive.",
            started(run),
            because(run)
        ),
        _ => format!(" Run {number} was started{} and is alive.", started(run)),
    }
}

/// Words a final row.
fn ended(status: RunStatus, reason: Option<Reason>, run: &RunView) -> String {
    let number = run.run_id;
    match status {
        RunStatus::Succeeded => {
            format!(" Run {number} was started{} and succeeded{}.", started(run), took(run))
        }
        RunStatus::Failed => failed(reason, run),
        RunStatus::TimedOut => format!(
            " Run {number} was started{}, reached its time limit and was ended{}.",
            started(run),
            took(run)
        ),
        RunStatus::Cancelled => cancelled(reason, run),
        RunStatus::Missed | RunStatus::Skipped => not_started(status, reason, run),
        RunStatus::Lost => lost(reason, run),
        RunStatus::Queued | RunStatus::Running | RunStatus::Retrying => open(status, run),
    }
}

fn failed(reason: Option<Reason>, run: &RunView) -> String {
    let number = run.run_id;
    match reason {
        Some(Reason::StartFailed) => format!(" Run {number} could not be started{}.", because(run)),
        Some(Reason::HookFailed) => {
            format!(" Run {number} failed before its work began: a `before` hook failed{}.", because(run))
        }
        Some(Reason::Output) => {
            format!(" Run {number} was started{} and failed by its output{}.", started(run), because(run))
        }
        Some(Reason::Stopping) => {
            format!(" Run {number} failed because the daemon was stopping{}.", because(run))
        }
        _ => format!(
            " Run {number} was started{} and failed{}{}{}.",
            started(run),
            ending(run),
            because(run),
            took(run)
        ),
    }
}

fn cancelled(reason: Option<Reason>, run: &RunView) -> String {
    let by = match reason {
        Some(Reason::Replaced) => " in favour of a newer run (on_busy = \"replace\")",
        Some(Reason::Stopping) => " because the daemon was stopping",
        Some(Reason::Removed) => " because the job was removed or changed",
        Some(Reason::Disabled) => " because the job was disabled",
        _ => " by a request",
    };
    let when = if run.started_at.is_some() {
        format!(" was started{} and cancelled", started(run))
    } else {
        " was cancelled before its start".to_owned()
    };
    format!(" Run {}{when}{by}{}{}.", run.run_id, because(run), took(run))
}

fn not_started(status: RunStatus, reason: Option<Reason>, run: &RunView) -> String {
    let verb = format!(" It was {}", status.as_str());
    let why = match reason {
        Some(Reason::Busy) => " because as many runs of it were alive as may be (max_instances)".to_owned(),
        Some(Reason::Paused) => " because the job was paused".to_owned(),
        Some(Reason::Held) => " because the whole scheduler was held".to_owned(),
        Some(Reason::Grace) => " because it could not start in time: later than its grace allows".to_owned(),
        Some(Reason::Coalesced) => {
            " because one run stands for several late fire times, and it is not the latest of them".to_owned()
        }
        Some(Reason::Stopping) => " because the daemon was stopping".to_owned(),
        Some(Reason::Removed) => {
            " because the job was removed, or its definition changed, before the start".to_owned()
        }
        Some(Reason::Disabled) => " because the job was disabled".to_owned(),
        Some(other) => format!(": {}", other.as_str()),
        None => String::new(),
    };
    format!("{verb}{why}{}.", because(run))
}

fn lost(reason: Option<Reason>, run: &RunView) -> String {
    let number = run.run_id;
    match reason {
        Some(Reason::Reboot) => {
            format!(" Run {number} was started{}; the machine went down with it.", started(run))
        }
        Some(Reason::StartUnknown) => format!(
            " Run {number} is lost: the daemon ended at the very start, and whether anything was started cannot \
             be told."
        ),
        Some(Reason::Restored) => {
            let what = if run.occurrences > 1 { "they" } else { "it" };
            format!(
                " Whether {what} ran cannot be told: the store was put back from a copy made before, or made \
                 anew. It will not run again for that{}.",
                because(run)
            )
        }
        _ => format!(
            " Run {number} was started{}; it ended while no daemon was there to see how{}.",
            started(run),
            because(run)
        ),
    }
}

/// Says when a run started, and how late.
fn started(run: &RunView) -> String {
    let Some(at) = run.started_at.as_deref() else { return String::new() };
    match run.lateness_ms {
        Some(late) if late >= 1_000 => format!(" {} late ({})", millis(late), exact(at)),
        Some(_) => " on time".to_owned(),
        None => format!(" at {}", exact(at)),
    }
}

fn took(run: &RunView) -> String {
    run.duration_ms.map(|took| format!(" after {}", millis(took))).unwrap_or_default()
}

fn ending(run: &RunView) -> String {
    match (&run.signal, run.exit_code) {
        (Some(signal), _) => format!(": signal {signal} ended it"),
        (None, Some(code)) => format!(" with exit code {code}"),
        (None, None) => String::new(),
    }
}

fn because(run: &RunView) -> String {
    run.detail.as_deref().map(|detail| format!(" ({detail})")).unwrap_or_default()
}

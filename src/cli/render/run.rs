//! Runs as people see them.

use super::job::{both, fields};
use super::out::Out;
use super::table::{Entry, Table, Tone};
use super::text::short;
use super::time::{exact, millis, relative_text, size};
use crate::cli::error::CliError;
use crate::cli::terminal::Terminal;
use crate::core::instant::Timestamp;
use crate::protocol::views::{RunView, StepView};

/// The most characters of a reason in a table.
const SHORT: usize = 60;

/// Chooses the tone of a status.
pub(crate) fn status_tone(status: &str) -> Tone {
    match status {
        "succeeded" => Tone::Good,
        "failed" | "timed_out" | "lost" => Tone::Bad,
        "running" | "retrying" => Tone::Busy,
        "missed" | "skipped" | "cancelled" => Tone::Faint,
        _ => Tone::Normal,
    }
}

/// Renders rows of the ledger as a table.
pub(crate) fn table(runs: &[RunView], now: Timestamp, terminal: Terminal) -> String {
    let headings = ["RUN", "JOB", "STATUS", "DUE", "STARTED", "TOOK", "LATE", "EXIT", "WHY"];
    let mut table = Table::new(terminal, &headings);
    for run in runs {
        table.row([
            Entry::number(run.run_id),
            Entry::new(&run.job),
            Entry::new(&run.status).tone(status_tone(&run.status)),
            Entry::new(due(run)),
            Entry::maybe(run.started_at.as_deref().map(|at| relative_text(at, now))),
            Entry::maybe(run.duration_ms.map(millis)),
            Entry::maybe(run.lateness_ms.map(millis)),
            Entry::maybe(ending(run)),
            Entry::new(short(why(run), SHORT)),
        ]);
    }
    table.render()
}

/// Says for which instant a row stands: a fire time, several of them, or what asked for it.
fn due(run: &RunView) -> String {
    match (&run.fire_time, &run.first_fire_time) {
        (Some(last), Some(first)) if run.occurrences > 1 && first != last => {
            format!("{} times from {} to {}", run.occurrences, brief(first), brief(last))
        }
        (Some(at), _) => brief(at),
        (None, _) => run.source.clone(),
    }
}

/// Writes an instant of a view to the second, with its offset: short enough for a table.
fn brief(at: &str) -> String {
    super::time::parse(at).map_or_else(|| at.to_owned(), |at| at.format("%Y-%m-%d %H:%M:%S%:z").to_string())
}

/// Says how the process ended: its code or its signal.
fn ending(run: &RunView) -> Option<String> {
    run.signal.clone().or_else(|| run.exit_code.map(|code| code.to_string()))
}

fn why(run: &RunView) -> String {
    let mut parts = Vec::new();
    // The code and the signal have a column of their own.
    parts.extend(run.reason.clone().filter(|reason| !matches!(reason.as_str(), "exit_code" | "signal")));
    parts.extend(run.detail.clone());
    if run.coalesced > 0 {
        parts.push(format!("also for {} earlier", run.coalesced));
    }
    if run.attempts > 1 && run.attempt > 1 {
        parts.push(format!("attempt {} of {}", run.attempt, run.attempts));
    }
    parts.join(", ")
}

/// Writes a run in one line.
pub(crate) fn summary(run: &RunView, now: Timestamp) -> String {
    let mut text = format!("{} {}", run.run_id, run.status);
    if let Some(ending) = ending(run).filter(|_| run.status != "succeeded") {
        text.push_str(&format!(" ({ending})"));
    }
    let at = run.finished_at.as_deref().or(run.started_at.as_deref()).or(run.fire_time.as_deref());
    if let Some(at) = at {
        text.push_str(&format!(", {}", relative_text(at, now)));
    }
    text.extend(run.duration_ms.map(|took| format!(", took {}", millis(took))));
    text
}

/// Prints one run with everything that is known of it.
pub(crate) fn show(run: &RunView, now: Timestamp, out: &mut Out) -> Result<(), CliError> {
    let mut lines: Vec<(&str, String)> =
        vec![("Run", run.run_id.to_string()), ("Job", run.job.clone()), ("Status", run.status.clone())];
    let reason = why(run);
    if !reason.is_empty() {
        lines.push(("Why", reason));
    }
    lines.push(("Source", run.source.clone()));
    if let (Some(first), true) = (&run.first_fire_time, run.occurrences > 1) {
        lines.push(("Fire times", format!("{}, the first {}", run.occurrences, exact(first))));
    }
    lines.extend(run.fire_time.as_deref().map(|at| ("Fire time", both(at, now))));
    lines.extend(run.note.clone().map(|note| ("Time change", note)));
    let instants = [
        ("Queued", &run.queued_at),
        ("Started", &run.started_at),
        ("Next attempt", &run.retry_at),
        ("Finished", &run.finished_at),
    ];
    for (label, at) in instants {
        lines.extend(at.as_deref().map(|at| (label, both(at, now))));
    }
    lines.extend(run.lateness_ms.map(|late| ("Late by", millis(late))));
    lines.extend(run.duration_ms.map(|took| ("Took", millis(took))));
    lines.push(("Attempt", format!("{} of {}", run.attempt, run.attempts)));
    lines.extend(run.exit_code.map(|code| ("Exit code", code.to_string())));
    lines.extend(run.signal.clone().map(|signal| ("Signal", signal)));
    lines.extend(run.pid.map(|pid| ("Process", pid.to_string())));
    lines.extend(run.cpu_ms.map(|cpu| ("CPU time", millis(cpu))));
    lines.extend(run.peak_memory.map(|memory| ("Peak memory", size(memory))));
    lines.push(("Host", run.host.clone()));
    lines.extend(run.log.clone().map(|log| ("Log", log)));
    lines.extend(run.result.as_ref().map(|result| ("Result", result.to_string())));
    fields(&lines, out)?;
    if !run.steps.is_empty() {
        out.text("\n")?;
        out.text(&steps(&run.steps, out.terminal))?;
    }
    Ok(())
}

fn steps(steps: &[StepView], terminal: Terminal) -> String {
    let mut table = Table::new(terminal, &["ATTEMPT", "STEP", "STATUS", "TOOK", "EXIT", "WHY"]);
    for step in steps {
        let ending = step.signal.clone().or_else(|| step.exit_code.map(|code| code.to_string()));
        table.row([
            Entry::number(step.attempt),
            Entry::new(&step.name),
            Entry::new(&step.status).tone(status_tone(&step.status)),
            Entry::maybe(step.duration_ms.map(millis)),
            Entry::maybe(ending),
            Entry::new(short(step.detail.as_deref().unwrap_or_default(), SHORT)),
        ]);
    }
    table.render()
}

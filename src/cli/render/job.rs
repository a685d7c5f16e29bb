//! Jobs as people see them.

use std::borrow::Cow;

use super::out::Out;
use super::table::{Entry, Table, Tone};
use super::text::{count, list, short};
use super::time::{exact, instant, millis, relative, relative_text};
use crate::cli::error::CliError;
use crate::cli::terminal::Terminal;
use crate::core::instant::Timestamp;
use crate::protocol::views::{JobLine, JobView, OriginView, PauseView};

/// The most characters of a description or trigger in a table.
const SHORT: usize = 60;

/// Renders jobs as a table.
pub(crate) fn table(jobs: &[JobLine<'_>], now: Timestamp, terminal: Terminal) -> String {
    let mut table = Table::new(terminal, &["NAME", "STATE", "NEXT", "LAST", "TRIGGER", "DESCRIPTION"]);
    for job in jobs {
        table.row([
            Entry::new(&*job.name),
            Entry::new(&*job.state).tone(state_tone(&job.state)),
            Entry::maybe(job.next_fire_time.as_deref().map(|at| relative_text(at, now))),
            last(job, now),
            Entry::new(short(trigger(&job.kind, &job.spec), SHORT)),
            Entry::new(short(job.description.as_deref().unwrap_or_default(), SHORT)),
        ]);
    }
    table.render()
}

fn state_tone(state: &str) -> Tone {
    match state {
        "running" => Tone::Busy,
        "broken" => Tone::Bad,
        "paused" | "finished" => Tone::Faint,
        _ => Tone::Normal,
    }
}

/// Writes a trigger as its key and its text; texts that name the key themselves are enough.
fn trigger<'a>(kind: &'a str, spec: &'a str) -> Cow<'a, str> {
    if spec == kind || spec.strip_prefix(kind).is_some_and(|rest| rest.starts_with(' ')) {
        Cow::Borrowed(spec)
    } else {
        match spec.trim_end() {
            "" => Cow::Borrowed(kind),
            spec => Cow::Owned([kind, spec].join(" ")),
        }
    }
}

/// Says when a job is due next, or why that is not by the clock.
fn next_words(job: &JobView, now: Timestamp) -> String {
    match (&job.next_fire_time, job.trigger.kind.as_str()) {
        (Some(at), _) => both(at, now),
        (None, _) if job.paused => "not while it is paused".to_owned(),
        (None, _) if !job.enabled => "not while it is not enabled".to_owned(),
        (None, "after" | "startup" | "shutdown") => "not by the clock".to_owned(),
        (None, _) => "never".to_owned(),
    }
}

fn last(job: &JobLine<'_>, now: Timestamp) -> Entry<'static> {
    let Some(status) = &job.last_status else { return Entry::maybe(None) };
    let ago = job.last_at.as_deref().map(|at| format!(" {}", relative_text(at, now))).unwrap_or_default();
    Entry::new(format!("{status}{ago}")).tone(super::run::status_tone(status))
}

/// Prints one job with everything that is known of it.
pub(crate) fn show(job: &JobView, now: Timestamp, out: &mut Out) -> Result<(), CliError> {
    let mut lines: Vec<(&str, String)> = vec![("Job", job.name.clone())];
    lines.extend(job.description.clone().map(|text| ("Description", text)));
    lines.push(("State", state(job, now)));
    lines.extend(job.error.clone().map(|error| ("Error", error)));
    if job.error.is_some() {
        // Nothing else is known of a definition that does not load.
        lines.extend(job.last_run.as_ref().map(|run| ("Last run", super::run::summary(run, now))));
        lines.push(("Origin", origin(&job.origin)));
        return fields(&lines, out);
    }
    lines.push(("Trigger", trigger(&job.trigger.kind, &job.trigger.spec).into_owned()));
    if !job.trigger.description.is_empty() {
        lines.push(("Due", job.trigger.description.clone()));
    }
    if !job.trigger.timezone.is_empty() {
        lines.push(("Timezone", job.trigger.timezone.clone()));
    }
    lines.push(("Next", next_words(job, now)));
    lines.extend(job.last_run.as_ref().map(|run| ("Last run", super::run::summary(run, now))));
    lines.push(("Command", job.command.clone()));
    lines.push(("Origin", origin(&job.origin)));
    lines.push(("Rules", rules(job)));
    if !job.tags.is_empty() {
        lines.push(("Tags", job.tags.join(", ")));
    }
    lines.extend(job.meta.iter().map(|(key, value)| ("Meta", format!("{key} = {value}"))));
    if !job.counts.is_empty() {
        let counts: Vec<String> = job.counts.iter().map(|(status, n)| format!("{n} {status}")).collect();
        lines.push(("Runs kept", counts.join(", ")));
    }
    fields(&lines, out)
}

/// Prints lines of a label and a value each, the values aligned.
pub(crate) fn fields(lines: &[(&str, String)], out: &mut Out) -> Result<(), CliError> {
    let widest = lines.iter().map(|(label, _)| label.len() + 1).max().unwrap_or(0);
    for (label, value) in lines {
        out.line(&format!("{:widest$}  {value}", format!("{label}:")))?;
    }
    Ok(())
}

/// Writes an instant of a view exactly and as seen from now.
pub(crate) fn both(at: &str, now: Timestamp) -> String {
    match instant(at) {
        Some(when) => format!("{} ({})", exact(at), relative(when, now)),
        None => at.to_owned(),
    }
}

fn state(job: &JobView, now: Timestamp) -> String {
    let mut parts = vec![job.state.clone()];
    if let Some(pause) = &job.pause {
        let words = paused(pause, now);
        match job.state.as_str() {
            "paused" => parts = vec![format!("paused {words}")],
            _ => parts.push(format!("paused {words}")),
        }
    }
    if job.running > 0 {
        parts.push(format!("{} alive", count(job.running, "run")));
    }
    if job.queued > 0 {
        parts.push(format!("{} waiting", count(job.queued, "run")));
    }
    if !job.enabled && job.error.is_none() {
        parts.push("not enabled".to_owned());
    }
    parts.join(", ")
}

/// Words a pause or a hold: since when, until when, why.
pub(crate) fn paused(pause: &PauseView, now: Timestamp) -> String {
    let mut text = format!("since {}", both(&pause.since, now));
    if let Some(until) = &pause.until {
        text.push_str(&format!(" until {}", both(until, now)));
    }
    if let Some(reason) = &pause.reason {
        text.push_str(&format!(": {reason}"));
    }
    text
}

/// Says where a definition came from.
pub(crate) fn origin(origin: &OriginView) -> String {
    match (&origin.path, origin.line) {
        (Some(path), Some(line)) => format!("{path}:{line}"),
        (Some(path), None) => path.clone(),
        (None, _) if origin.kind == "added" => "added with `jobctl add`".to_owned(),
        (None, _) => origin.kind.clone(),
    }
}

fn rules(job: &JobView) -> String {
    let mut rules = vec![format!("grace {}", job.grace)];
    if !job.coalesce {
        rules.push("every late fire time runs".to_owned());
    }
    let instances = u64::from(job.max_instances);
    rules.push(format!("at most {} at once, else {}", count(instances, "run"), job.on_busy));
    rules.extend(job.timeout_ms.map(|timeout| format!("timeout {}", millis(timeout))));
    if job.retries > 0 {
        rules.push(count(u64::from(job.retries), "retry").replace("retrys", "retries"));
    }
    rules.extend(job.pool.as_ref().map(|pool| format!("pool {pool}")));
    if job.priority != 0 {
        rules.push(format!("priority {}", job.priority));
    }
    list(&rules)
}

//! Jobs as clients see them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::run::run_view;
use super::{millis, zone_of};
use crate::core::civil::Zone;
use crate::core::duration;
use crate::core::instant::Timestamp;
use crate::core::job::{Command, Grace, Job, OnBusy, Origin, StartupScope, Step, StepBody, Work};
use crate::core::name::Name;
use crate::core::scheduler::JobSnapshot;
use crate::core::trigger::{Firing, Trigger};
use crate::jobfile::Diagnostic;
use crate::process::Logs;
use crate::protocol::views::{JobLine, JobView, OriginView, PauseView, TriggerView};
use crate::store::{Counts, RunRow, Standing};

/// Shows a job as the scheduler has it, with what the ledger says of it. `default` is the zone of jobs that have
/// no clock.
pub fn job_view(
    snapshot: &JobSnapshot,
    last: Option<&RunRow>,
    counts: Option<&Counts>,
    default: &Zone,
    logs: &Logs,
) -> JobView {
    let job = &*snapshot.job;
    let policy = &job.policy;
    let zone = zone_of(job, default);
    JobView {
        name: job.name.to_string(),
        state: snapshot.state.as_str().to_owned(),
        paused: snapshot.pause.is_some(),
        pause: snapshot.pause.as_ref().map(|pause| PauseView {
            since: zone.format(pause.at),
            until: pause.until.map(|until| zone.format(until)),
            reason: pause.reason.clone(),
        }),
        enabled: job.policy.enabled,
        origin: origin_view(&job.origin),
        trigger: trigger_view(job, zone),
        next_fire_time: snapshot.next_fire_time.map(|at| zone.format_exact(at)),
        last_run: last.map(|row| run_view(row, &[], zone, logs)),
        running: snapshot.running as u64,
        queued: snapshot.queued as u64,
        pool: policy.pool.as_ref().map(ToString::to_string),
        priority: policy.priority,
        grace: match policy.grace {
            Grace::UntilNext => "until-next".to_owned(),
            Grace::For(limit) => duration::format(limit),
            Grace::Unlimited => "unlimited".to_owned(),
        },
        coalesce: policy.coalesce,
        max_instances: policy.max_instances,
        on_busy: on_busy(job).to_owned(),
        timeout_ms: policy.timeout.map(millis),
        retries: policy.retry.retries,
        tags: job.about.tags.clone(),
        description: job.about.description.clone(),
        meta: job.about.meta.clone(),
        command: command_line(&job.work),
        counts: counts.map(count_words).unwrap_or_default(),
        error: None,
    }
}

/// Shows a job whose definition does not load: kept, visible, never deleted.
pub fn broken_view(
    name: &Name,
    errors: &[Diagnostic],
    last: Option<&RunRow>,
    zone: &Zone,
    logs: &Logs,
) -> JobView {
    JobView {
        name: name.to_string(),
        state: "broken".to_owned(),
        origin: origin_view(&Origin::Added),
        last_run: last.map(|row| run_view(row, &[], zone, logs)),
        error: errors.first().map(ToString::to_string),
        ..JobView::default()
    }
}

/// Shows a job in a line, as the scheduler has it, with the newest row of the ledger.
pub fn job_line<'a>(snapshot: &'a JobSnapshot, last: Option<Standing>, default: &Zone) -> JobLine<'a> {
    let job = &*snapshot.job;
    let zone = zone_of(job, default);
    JobLine {
        name: Cow::Borrowed(job.name.as_str()),
        state: Cow::Borrowed(snapshot.state.as_str()),
        kind: Cow::Borrowed(job.firing.kind()),
        spec: Cow::Owned(trigger_spec(job)),
        next_fire_time: snapshot.next_fire_time.map(|at| Cow::Owned(zone.format_exact(at))),
        description: job.about.description.as_deref().map(Cow::Borrowed),
        ..last_line(last, zone)
    }
}

/// Shows a job whose definition does not load in a line.
pub fn broken_line<'a>(name: &'a Name, last: Option<Standing>, zone: &Zone) -> JobLine<'a> {
    JobLine { name: Cow::Borrowed(name.as_str()), state: Cow::Borrowed("broken"), ..last_line(last, zone) }
}

/// Makes the part of a line that tells of the newest row.
fn last_line(last: Option<Standing>, zone: &Zone) -> JobLine<'static> {
    JobLine {
        last_status: last.map(|run| Cow::Borrowed(run.status.as_str())),
        last_at: last.and_then(last_at).map(|at| Cow::Owned(zone.format_exact(at))),
        ..JobLine::default()
    }
}

fn last_at(run: Standing) -> Option<Timestamp> {
    run.finished_at.or(run.started_at).or(run.fire_time)
}

/// Writes what a job runs as one line for people.
pub fn command_line(work: &Work) -> String {
    let join = |steps: &[Step], by: &str| steps.iter().map(step_line).collect::<Vec<_>>().join(by);
    match work {
        Work::Command(command) => command_text(command),
        Work::Steps(steps) => join(steps, " && "),
        Work::Parallel(parallel) => join(&parallel.steps, " & "),
    }
}

fn step_line(step: &Step) -> String {
    match &step.body {
        StepBody::Command(command) => command_text(command),
        StepBody::Parallel { commands, .. } => {
            format!("({})", commands.iter().map(step_line).collect::<Vec<_>>().join(" & "))
        }
    }
}

fn command_text(command: &Command) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-=:@%+,".contains(c);
    match command {
        Command::Shell(text) => text.to_string(),
        Command::Argv(words) => {
            let quoted = words.iter().map(|word| match word.chars().all(plain) && !word.is_empty() {
                true => word.to_owned(),
                false => format!("'{}'", word.replace('\'', "'\\''")),
            });
            quoted.collect::<Vec<_>>().join(" ")
        }
    }
}

fn origin_view(origin: &Origin) -> OriginView {
    match origin {
        Origin::File { path, line } => OriginView {
            kind: "file".to_owned(),
            path: Some(path.to_string_lossy().into_owned()),
            line: Some(*line),
        },
        Origin::Added => OriginView { kind: "added".to_owned(), path: None, line: None },
    }
}

fn trigger_view(job: &Job, zone: &Zone) -> TriggerView {
    TriggerView {
        kind: job.firing.kind().to_owned(),
        spec: trigger_spec(job),
        timezone: zone.name().to_owned(),
        description: trigger_words(job),
    }
}

/// Writes a trigger as in the job file, without zone and bounds.
pub fn trigger_spec(job: &Job) -> String {
    match &job.firing {
        Firing::Clock(schedule) => schedule.trigger.spec(),
        Firing::Startup | Firing::Shutdown | Firing::After(_) => job.firing.spec(),
    }
}

fn trigger_words(job: &Job) -> String {
    match (&job.firing, job.policy.startup) {
        (Firing::Startup, StartupScope::Start) => "Each time the daemon starts".to_owned(),
        _ => job.firing.describe(job.name.as_str()),
    }
}

fn on_busy(job: &Job) -> &'static str {
    let one_shot =
        matches!(&job.firing, Firing::Clock(schedule) if matches!(schedule.trigger, Trigger::At(_)));
    match job.policy.on_busy {
        Some(OnBusy::Skip) => "skip",
        Some(OnBusy::Queue) => "queue",
        Some(OnBusy::Replace) => "replace",
        None if one_shot => "queue",
        None => "skip",
    }
}

fn count_words(counts: &Counts) -> BTreeMap<String, u64> {
    counts.iter().map(|(status, count)| (status.as_str().to_owned(), *count)).collect()
}

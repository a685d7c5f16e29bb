//! A row of the ledger in words: what became of a fire time, and why.

use super::text::count;
use super::time::{exact, instant, millis};
use crate::core::event::EventKind;
use crate::core::instant::Timestamp;
use crate::core::run::{Reason, RunStatus};
use crate::protocol::reply::Ledger;
use crate::protocol::views::RunView;

/// Answers `why`: a sentence or two for each row at the instant; where there is none, what lies around it.
///
/// `asked` says that somebody named the instant; otherwise it is the last fire time, or now where there is none.
pub(crate) fn answer(ledger: &Ledger, asked: bool, now: Timestamp) -> Vec<String> {
    let at = instant(&ledger.at);
    let here: Vec<&RunView> = ledger.runs.iter().filter(|run| stands_for(run, at)).collect();
    if !here.is_empty() {
        let told = |run| story(run, &Facts { daemon_started: daemon_started(ledger, run) });
        return here.into_iter().map(told).collect();
    }
    let mut lines = vec![nothing_there(ledger, at, asked, now)];
    for run in &ledger.runs {
        let place = if run_instant(run) < at { "Before that" } else { "After that" };
        lines.push(format!("{place}: {}", story(run, &Facts::default())));
    }
    lines
}

/// Says whether a row is about an instant: its fire time, one of its fire times, or the time it was alive.
fn stands_for(run: &RunView, at: Option<Timestamp>) -> bool {
    let Some(at) = at else { return true };
    let parsed = |text: &Option<String>| text.as_deref().and_then(instant);
    if let Some(last) = parsed(&run.fire_time) {
        let first = parsed(&run.first_fire_time).unwrap_or(last);
        return first <= end_of_second(at) && at <= last;
    }
    let from = parsed(&run.queued_at);
    let until = parsed(&run.finished_at);
    from.is_some_and(|from| from <= end_of_second(at)) && until.is_none_or(|until| at <= until)
}

/// Returns the end of the second that an instant names: fire times of intervals have fractions, and what people type
/// has none.
fn end_of_second(at: Timestamp) -> Timestamp {
    const REST: std::time::Duration = std::time::Duration::from_micros(999_999);
    if at.as_micros() % 1_000_000 == 0 { at.plus(REST) } else { at }
}

fn run_instant(run: &RunView) -> Option<Timestamp> {
    run.fire_time.as_deref().or(run.queued_at.as_deref()).and_then(instant)
}

/// Finds when the daemon that decided what became of a row had started.
fn daemon_started(ledger: &Ledger, run: &RunView) -> Option<Timestamp> {
    let decided = [&run.started_at, &run.finished_at, &run.queued_at].into_iter().flatten().next();
    let decided = decided.and_then(|at| instant(at))?;
    let starts = ledger.events.iter().filter(|event| event.event == EventKind::DaemonStarted.as_str());
    // What it decides at its very start has an instant just before that of the event.
    let latest = decided.plus(std::time::Duration::from_secs(1));
    starts.filter_map(|event| instant(&event.at)).filter(|start| *start <= latest).max()
}

/// Words an instant for which the ledger has no row.
fn nothing_there(ledger: &Ledger, at: Option<Timestamp>, asked: bool, now: Timestamp) -> String {
    let job = &ledger.job.name;
    let when = exact(&ledger.at);
    let next = ledger.next_fire_time.as_deref().map(exact);
    let last = ledger.last_fire_time.as_deref();
    let pause = ledger.job.pause.as_ref().map(|pause| super::job::paused(pause, now));
    if last.is_none() && next.is_none() {
        return match ledger.job.trigger.kind.as_str() {
            "startup" | "shutdown" => {
                format!("{job} is due at each {} of the daemon, not by the clock.", ledger.job.trigger.kind)
            }
            "after" => format!("{job} is due when the jobs it waits for have ended, not by the clock."),
            _ => format!("{job} is never due."),
        };
    }
    let upcoming = ledger.next_fire_time.as_deref().and_then(instant);
    let within = |at: Timestamp| upcoming.is_some_and(|next| next <= end_of_second(at));
    let due = last.is_some_and(|last| instant(last) == at) || at.is_some_and(within);
    if let (false, None, Some(next)) = (asked, last, &next) {
        let paused = pause.map(|pause| format!(" It is paused {pause}.")).unwrap_or_default();
        return format!("{job} has not been due yet; its first fire time is {next}.{paused}");
    }
    if at.is_some_and(|at| at > now) {
        return match next.filter(|_| !due) {
            Some(next) => format!("{when} is still to come; {job} is not due then, but at {next}."),
            None if due => format!("{when} is still to come; {job} is due then."),
            None => format!("{when} is still to come; {job} is not due again."),
        };
    }
    if !due {
        let around = match (last.map(exact), next) {
            (Some(last), Some(next)) => format!("its fire times around it are {last} and {next}"),
            (Some(last), None) => format!("its last fire time was {last}"),
            (None, Some(next)) => format!("its first fire time is {next}"),
            (None, None) => "it has no fire time".to_owned(),
        };
        return format!("{job} was not due at {when}: {around}.");
    }
    let paused_then = ledger.job.pause.as_ref().is_some_and(|pause| instant(&pause.since) <= at);
    if let (true, Some(pause)) = (paused_then, pause) {
        return format!(
            "{job} was due at {when} and is skipped: it is paused {pause}. The row is written when the pause ends."
        );
    }
    if let Some(since) = held_since(ledger, at) {
        return format!(
            "{job} was due at {when}, but the whole scheduler is held since {since}. On release its grace decides."
        );
    }
    let since = ledger.changes.iter().rev().find(|change| instant(&change.at) > at);
    match since {
        Some(change) => format!(
            "{job} as it is now would have been due at {when}, but it was {} only at {}.",
            change.action,
            exact(&change.at)
        ),
        None => format!(
            "{job} as it is now would have been due at {when}, but the ledger has no row for it: the job did not \
             exist yet, was defined otherwise, or its history has been deleted (`keep`)."
        ),
    }
}

/// Finds since when the whole scheduler had been held at an instant.
fn held_since(ledger: &Ledger, at: Option<Timestamp>) -> Option<String> {
    let holds = [EventKind::DaemonHeld.as_str(), EventKind::DaemonReleased.as_str()];
    let last =
        ledger.events.iter().rev().find(|event| {
            holds.contains(&event.event.as_str()) && instant(&event.at) <= at.map(end_of_second)
        })?;
    (last.event == EventKind::DaemonHeld.as_str()).then(|| exact(&last.at))
}

/// What is known beside the row.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// When the daemon that decided had started.
    pub(crate) daemon_started: Option<Timestamp>,
}

/// Tells the story of a row in a few sentences.
pub(crate) fn story(run: &RunView, facts: &Facts) -> String {
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
            text.push_str(&format!(
                ", {} before the daemon started",
                super::time::duration(started.since(first))
            ));
        } else if first.since(started).as_secs() < 60 {
            text.push_str(&format!(
                ", {} after the daemon had started",
                super::time::duration(first.since(started))
            ));
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

#[cfg(test)]
mod tests {
    use super::{Facts, answer, story};
    use crate::core::instant::Timestamp;
    use crate::core::run::{Reason, RunStatus};
    use crate::protocol::reply::Ledger;
    use crate::protocol::views::{EventView, JobView, PauseView, RunView};

    fn row(status: RunStatus, reason: Option<Reason>) -> RunView {
        RunView {
            run_id: 42,
            job: "backup".to_owned(),
            status: status.as_str().to_owned(),
            reason: reason.map(|reason| reason.as_str().to_owned()),
            source: "schedule".to_owned(),
            fire_time: Some("2026-03-28T02:30:00+01:00".to_owned()),
            occurrences: 1,
            attempt: 1,
            attempts: 1,
            ..RunView::default()
        }
    }

    #[test]
    fn a_skipped_row_names_the_run_that_was_alive_and_the_daemons_start() {
        let facts = Facts { daemon_started: Some(Timestamp::from_secs(1_774_661_397)) };
        let mut run = row(RunStatus::Skipped, Some(Reason::Busy));
        run.detail = Some("run 41 is not over".to_owned());
        assert_eq!(
            story(&run, &facts),
            "It was due at Sat 2026-03-28 02:30:00 +01:00, 3.0s after the daemon had started. It was skipped \
             because as many runs of it were alive as may be (max_instances) (run 41 is not over)."
        );
    }

    #[test]
    fn ends_are_told_with_code_time_and_lateness() {
        let mut run = row(RunStatus::Failed, Some(Reason::ExitCode));
        run.started_at = Some("2026-03-28T02:30:02+01:00".to_owned());
        run.lateness_ms = Some(2_000);
        run.duration_ms = Some(61_000);
        run.exit_code = Some(3);
        assert_eq!(
            story(&run, &Facts::default()),
            "It was due at Sat 2026-03-28 02:30:00 +01:00. Run 42 was started 2.0s late (Sat 2026-03-28 02:30:02 \
             +01:00) and failed with exit code 3 after 1m 1s."
        );
        let mut gap = row(RunStatus::Missed, Some(Reason::Grace));
        gap.first_fire_time = Some("2026-03-28T00:30:00+01:00".to_owned());
        gap.occurrences = 3;
        assert_eq!(
            story(&gap, &Facts::default()),
            "It was due 3 times, from Sat 2026-03-28 00:30:00 +01:00 to Sat 2026-03-28 02:30:00 +01:00. It was \
             missed because it could not start in time: later than its grace allows."
        );
    }

    /// 2026-03-28T02:00:00Z.
    const NOW: i64 = 1_774_663_200;

    /// Asks about 01:00, which was a fire time and has no row.
    fn without_a_row(change: impl FnOnce(&mut Ledger)) -> String {
        let job = JobView { name: "backup".to_owned(), ..JobView::default() };
        let mut ledger = Ledger {
            job,
            at: "2026-03-28T01:00:00Z".to_owned(),
            last_fire_time: Some("2026-03-28T01:00:00Z".to_owned()),
            next_fire_time: Some("2026-03-29T01:00:00Z".to_owned()),
            ..Ledger::default()
        };
        change(&mut ledger);
        answer(&ledger, false, Timestamp::from_secs(NOW)).join(" ")
    }

    #[test]
    fn what_has_no_row_yet_is_told_from_what_it_waits_for() {
        let paused = |ledger: &mut Ledger| {
            ledger.job.pause =
                Some(PauseView { since: "2026-03-28T00:00:00Z".to_owned(), until: None, reason: None });
        };
        assert!(without_a_row(paused).contains("is skipped: it is paused since Sat 2026-03-28 00:00:00"));
        let held = |ledger: &mut Ledger| {
            let event = "daemon.held".to_owned();
            let at = "2026-03-28T00:30:00Z".to_owned();
            ledger.events = vec![EventView { at, event, ..EventView::default() }];
        };
        assert!(without_a_row(held).contains("the whole scheduler is held since Sat 2026-03-28 00:30:00"));
        let unborn = |ledger: &mut Ledger| {
            ledger.at = "2026-03-28T02:00:00Z".to_owned();
            ledger.last_fire_time = None;
        };
        assert_eq!(
            without_a_row(unborn),
            "backup has not been due yet; its first fire time is Sun 2026-03-29 01:00:00 +00:00."
        );
        assert!(without_a_row(|_| {}).contains("the ledger has no row for it"));
    }

    #[test]
    fn a_second_names_the_fire_time_within_it() {
        let mut run = row(RunStatus::Skipped, Some(Reason::Busy));
        run.fire_time = Some("2026-03-28T01:00:00.609940Z".to_owned());
        let text = without_a_row(|ledger| ledger.runs = vec![run]);
        assert!(text.starts_with("It was due at Sat 2026-03-28 01:00:00.609 +00:00."), "{text}");
    }

    #[test]
    fn every_status_and_reason_has_its_words() {
        for status in RunStatus::ALL {
            for reason in Reason::ALL.into_iter().map(Some).chain([None]) {
                let text = story(&row(status, reason), &Facts::default());
                assert!(text.ends_with('.') && text.len() > 55, "{status} {reason:?}: {text}");
                assert!(!text.contains("  ") && !text.contains(".."), "{status} {reason:?}: {text}");
            }
        }
    }
}

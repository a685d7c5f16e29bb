//! A row of the ledger in words: what became of a fire time, and why.

mod story;

use story::{Facts, story};

use super::time::{exact, instant};
use crate::core::event::EventKind;
use crate::core::instant::Timestamp;
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

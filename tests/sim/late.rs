//! What is late: the rules of grace, of coalescing and of overlap at the moment a fire time is decided.

use std::time::Duration;

use jobctl::core::change::{Claim, Gap};
use jobctl::core::instant::Timestamp;
use jobctl::core::job::{Grace, Job, OnBusy};
use jobctl::core::policy;
use jobctl::core::run::{Reason, RunStatus};
use jobctl::core::trigger::{Firing, Schedule, Trigger};

/// A daemon that is busy for a moment is not late.
const MOMENT: Duration = Duration::from_secs(1);

/// How many runs of a job may wait with `on_busy = "queue"`.
const LONGEST_QUEUE: usize = 1000;

/// Whether a start may still happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lateness {
    InTime,
    TooLate,
    /// The grid of intervals has moved since: nobody can tell what comes next.
    Unsure,
}

/// What holds for a job at the moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) now: Timestamp,
    /// The job's origin of intervals.
    pub(crate) anchor: Timestamp,
    pub(crate) held: bool,
    pub(crate) stopping: bool,
    /// True: the daemon waits for the clock, or for the end of its start-up delay.
    pub(crate) closed: bool,
    pub(crate) paused: bool,
    /// How many of its runs are not over.
    pub(crate) open: usize,
}

/// Returns when a fire time is due: after a delay that goes neither past the next one nor past the end.
pub(crate) fn due_at(job: &Job, schedule: &Schedule, anchor: Timestamp, fire_time: Timestamp) -> Timestamp {
    let next = schedule.next_after(anchor, fire_time).map(|next| next.since(fire_time));
    let end = schedule.end.map(|end| end.since(fire_time));
    let window = [next, end].into_iter().flatten().min().map_or(schedule.jitter, |b| b.min(schedule.jitter));
    fire_time.plus(policy::jitter(job.name.as_str(), fire_time, window))
}

/// Judges a start of a fire time by its job's grace.
pub(crate) fn lateness(
    job: &Job,
    fire_time: Timestamp,
    due_at: Timestamp,
    anchor: Timestamp,
    now: Timestamp,
) -> Lateness {
    let late = now.since(due_at);
    let too_late = match job.policy.grace {
        _ if late <= MOMENT => false,
        Grace::Unlimited => false,
        Grace::For(limit) => late > limit,
        Grace::UntilNext => {
            // Its job has had another trigger since.
            let Firing::Clock(schedule) = &job.firing else { return Lateness::Unsure };
            let instant = Duration::from_micros(1);
            if schedule.next_after(anchor, fire_time.minus(instant)) != Some(fire_time) {
                return Lateness::Unsure;
            }
            schedule.next_after(anchor, fire_time).is_some_and(|next| next <= now)
        }
    };
    if too_late { Lateness::TooLate } else { Lateness::InTime }
}

/// Returns the rule for a fire time that finds the job busy: a one-shot waits instead of dying.
fn when_busy(job: &Job) -> OnBusy {
    let once = matches!(&job.firing, Firing::Clock(schedule) if matches!(schedule.trigger, Trigger::At(_)));
    job.policy.on_busy.unwrap_or(if once { OnBusy::Queue } else { OnBusy::Skip })
}

fn is_full(job: &Job, open: usize) -> bool {
    let busy = open >= job.policy.max_instances as usize;
    busy && when_busy(job) == OnBusy::Skip || open >= LONGEST_QUEUE
}

/// Judges the claim of a fire time by the clock.
pub(crate) fn judge_claim(job: &Job, claim: &Claim, moment: Moment) -> Result<(), String> {
    let (Firing::Clock(schedule), Some(fire_time)) = (&job.firing, claim.fire_time) else {
        return Err("a fire time of a job without a clock".to_owned());
    };
    let wrong = if moment.held {
        "during a hold"
    } else if moment.stopping {
        "by a daemon that is stopping"
    } else if moment.closed {
        "before the daemon has waited at its start"
    } else if moment.paused {
        "although its job is paused"
    } else if !job.policy.enabled {
        "although its job is disabled"
    } else if is_full(job, moment.open) {
        "although its job is busy"
    } else if claim.attempts != job.policy.retry.retries + 1 {
        "with the wrong number of attempts"
    } else if claim.due_at != due_at(job, schedule, moment.anchor, fire_time) {
        "with another delay than its own"
    } else if claim.coalesced > 0 && !job.policy.coalesce {
        "for others with it"
    } else if lateness(job, fire_time, claim.due_at, moment.anchor, moment.now) == Lateness::TooLate {
        "although it is too late"
    } else {
        return Ok(());
    };
    Err(format!("is claimed {wrong}"))
}

/// Judges a row about fire times that led to no run.
pub(crate) fn judge_gap(job: &Job, gap: &Gap, moment: Moment) -> Result<(), String> {
    let Firing::Clock(schedule) = &job.firing else { return Ok(()) };
    let of = |fire_time: Timestamp| {
        let due = due_at(job, schedule, moment.anchor, fire_time);
        lateness(job, fire_time, due, moment.anchor, moment.now)
    };
    let decided = matches!(gap.reason, Reason::Grace | Reason::Coalesced | Reason::Busy);
    let until_next = job.policy.grace == Grace::UntilNext;
    let wrong = match (gap.status, gap.reason) {
        _ if decided && (moment.held || moment.stopping || moment.closed || moment.paused) => {
            "while nothing of its job falls due"
        }
        (RunStatus::Missed, Reason::Grace) if of(gap.last) == Lateness::InTime => "although it is in time",
        (RunStatus::Missed, Reason::Grace) => return Ok(()),
        (RunStatus::Skipped, Reason::Coalesced) if !job.policy.coalesce => "although its job does not",
        (RunStatus::Skipped, Reason::Coalesced) if !until_next && of(gap.first) == Lateness::TooLate => {
            "although it is too late"
        }
        (RunStatus::Skipped, Reason::Busy) if !is_full(job, moment.open) => "although there is room",
        (RunStatus::Skipped, Reason::Busy) if gap.count != 1 => "all in one",
        (RunStatus::Skipped, Reason::Paused) if !moment.paused => "although its job is not",
        (RunStatus::Skipped, Reason::Held) if !moment.held => "although nobody holds anything",
        (RunStatus::Skipped, _) => return Ok(()),
        _ => "as nothing may be",
    };
    Err(format!("is {} ({}) {wrong}", gap.status, gap.reason.as_str()))
}

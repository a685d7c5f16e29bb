//! From a claim to an end: attempts, the waits between them, their time limits, and what they compete for.

use std::sync::Arc;
use std::time::Duration;

use jobctl::core::change::Finish;
use jobctl::core::instant::{Monotonic, Now, Timestamp};
use jobctl::core::job::{Job, OnLost, Retry, Work};
use jobctl::core::run::{Reason, RunId, RunStatus, Source};
use jobctl::core::scheduler::{Evidence, Place, RunSnapshot, Unfinished};

use super::super::late::{Lateness, lateness};
use super::{Rules, Turn};

/// A run that is not over.
#[derive(Clone, Debug)]
pub(super) struct Watched {
    /// The definition it runs with.
    pub(super) job: Arc<Job>,
    pub(super) source: Source,
    pub(super) fire_time: Option<Timestamp>,
    pub(super) due_at: Timestamp,
    pub(super) priority: i32,
    /// The origin of intervals when it was claimed.
    pub(super) anchor: Option<Timestamp>,
    /// True: the scheduler knows that its claim is durable.
    pub(super) told: bool,
    /// Since which turn it has been allowed to queue for its start. What it waits there does not count as lateness.
    pub(super) ready: Option<u64>,
    /// True: it shares the budget of late runs.
    pub(super) catch_up: bool,
    /// True: one of its commands was started once.
    pub(super) started: bool,
    pub(super) attempt: u32,
    /// Which attempt an earlier daemon had begun by the evidence; 0 = none.
    pub(super) found: u32,
    /// When the attempt at hand began; `None` = unknown, or there is none.
    pub(super) began: Option<Monotonic>,
    /// True: an attempt is alive that an earlier daemon has begun.
    pub(super) adopted: bool,
    /// Since which turn an attempt has been alive.
    pub(super) alive: Option<u64>,
    /// Before this instant there is no further attempt.
    pub(super) not_before: Option<Monotonic>,
}

impl Rules {
    pub(super) fn retrying(
        &mut self,
        id: RunId,
        attempt: u32,
        retry_at: Timestamp,
        reason: Reason,
        turn: Turn<'_>,
    ) {
        let Some(run) = self.runs.get_mut(&id) else { return };
        if attempt < run.found {
            // A later attempt was found at the start: the wait before it is over, and nobody had written it down.
            return;
        }
        let retry = &run.job.policy.retry;
        let wait = retry_at.since(turn.now.wall);
        let shortest = delay(retry, attempt);
        let longest = (shortest + shortest / 10).min(cap(retry));
        (run.alive, run.adopted) = (None, false);
        run.attempt = attempt;
        run.not_before = Some(turn.now.mono.plus(shortest));
        let began = std::mem::take(&mut run.began);
        let job = run.job.clone();
        if attempt > retry.retries {
            self.complain(format!("run {id} of {} is to be tried once more after {attempt}", job.name));
        } else if wait < shortest || wait > longest {
            self.complain(format!("run {id} waits {wait:?} after attempt {attempt}, not {shortest:?}"));
        }
        if reason == Reason::Timeout {
            self.timed_out(id, &job, began, turn.now);
        }
    }

    /// Judges a run, or an attempt, that has exceeded its time.
    fn timed_out(&mut self, id: RunId, job: &Job, began: Option<Monotonic>, now: Now) {
        if !matches!(job.work, Work::Command(_)) {
            return;
        }
        // Whoever has adopted it knows by its age.
        let Some(began) = began else { return };
        if job.policy.timeout.is_none_or(|limit| now.mono.since(began) < limit) {
            self.complain(format!("run {id} of {} is timed out before its time", job.name));
        }
    }

    pub(super) fn finished(&mut self, finish: &Finish, turn: Turn<'_>) {
        if let Some((name, was_started)) = self.ghosts.remove(&finish.run) {
            self.tell(&name, was_started, finish.status, turn);
        }
        let Some(run) = self.runs.remove(&finish.run) else { return };
        let (id, name, wall) = (finish.run, run.job.name.clone(), turn.now.wall);
        let wanted = turn.known.get(&name);
        let failed = matches!(finish.status, RunStatus::Failed | RunStatus::TimedOut);
        if failed && run.attempt <= run.job.policy.retry.retries && wanted.is_some() {
            self.complain(format!("run {id} of {name} is given up after attempt {}", run.attempt));
        }
        if finish.status == RunStatus::TimedOut {
            self.timed_out(id, &run.job, run.began, turn.now);
        }
        if finish.status == RunStatus::Missed && (run.ready.is_some() || self.is_in_time(&run, wall, turn)) {
            self.complain(format!("run {id} of {name} is missed and was in time, at {wall}: {run:?}"));
        }
        let again = run.job.policy.on_lost == OnLost::Rerun && finish.status == RunStatus::Lost;
        if again && wanted.is_some_and(|job| job.policy.enabled) && !turn.paused.contains(&name) {
            self.reruns.push(name.clone());
        }
        self.tell(&name, run.started, finish.status, turn);
    }

    fn is_in_time(&self, run: &Watched, now: Timestamp, turn: Turn<'_>) -> bool {
        self.lateness(run, now, turn) == Lateness::InTime
    }

    pub(super) fn lateness(&self, run: &Watched, now: Timestamp, turn: Turn<'_>) -> Lateness {
        let Some(fire_time) = run.fire_time.filter(|_| run.source == Source::Schedule) else {
            return Lateness::InTime;
        };
        let present = turn.scheduler.job(run.job.name.as_str()).map(|job| job.anchor);
        let anchor = run.anchor.or(present).unwrap_or(run.due_at);
        if present != Some(anchor) && now.since(run.due_at) > Duration::from_secs(1) {
            return Lateness::Unsure;
        }
        lateness(&run.job, fire_time, run.due_at, anchor, now)
    }

    /// Judges the beginning of an attempt.
    pub(crate) fn begins(&mut self, picture: &RunSnapshot, turn: Turn<'_>) {
        let id = picture.run;
        let Some(run) = self.runs.get(&id).filter(|run| run.began.is_none() && !run.adopted) else { return };
        let run = run.clone();
        let name = &run.job.name;
        let first = picture.attempt == 1;
        if !first && run.not_before.is_none_or(|at| turn.now.mono < at) {
            self.complain(format!("run {id} of {name} begins attempt {} before its time", picture.attempt));
        }
        if run.source == Source::Schedule && turn.closed {
            self.complain(format!("run {id} of {name} starts though the daemon waits at its own start"));
        }
        let boot = self.claimed_in.get(&id).filter(|_| first && run.source == Source::Startup);
        let boot = boot.map(|boot| (name.clone(), *boot));
        if boot.is_some_and(|boot| *self.startups.entry(boot).or_insert(id) != id) {
            self.complain(format!("{name} starts twice in a boot"));
        }
        let others = || self.runs.iter().filter(|(other, _)| **other != id);
        let shares = |run: &Watched| run.catch_up && run.job.policy.pool.is_none();
        let budget = others().filter(|(_, other)| shares(other) && other.alive.is_some()).count();
        let passed_over = others().find(|(_, other)| {
            let same_pool = other.job.policy.pool.is_some() && other.job.policy.pool == run.job.policy.pool;
            let only = self.runs.values().filter(|any| any.job.name == other.job.name).count() == 1;
            let waited = other.ready.is_some_and(|since| Some(since) < run.alive);
            let waits = waited && only && other.alive.is_none() && other.attempt == 0;
            let before = (-other.priority, other.due_at) < (-run.priority, run.due_at);
            same_pool && waits && before
        });
        let passed_over = passed_over.map(|(other, _)| *other);
        if shares(&run) && budget >= turn.catch_up_parallel as usize {
            self.complain(format!("run {id} of {name} is late and starts beside {budget} others"));
        }
        if let Some(other) = passed_over {
            self.complain(format!("run {id} of {name} takes the worker that run {other} waits for"));
        }
        if let Some(run) = self.runs.get_mut(&id) {
            run.attempt = picture.attempt;
            run.began = Some(turn.now.mono);
            run.not_before = None;
        }
    }

    /// Judges a process that is alive after the scheduler has looked at the clock.
    pub(crate) fn lives(&mut self, pid: i32, id: RunId, place: Place, now: Now) {
        let asked = self.asked.get(&pid).copied();
        let Some(run) = self.runs.get(&id) else { return };
        let policy = &run.job.policy;
        let over = run.began.zip(policy.timeout).is_some_and(|(began, limit)| now.mono.since(began) >= limit);
        let is_work = !matches!(place, Place::Hook(..));
        let wrong = match asked {
            None if over && is_work => "has exceeded its time",
            Some((at, false)) if now.mono.since(at) >= policy.kill_after => {
                "was asked to end and is not killed"
            }
            _ => return,
        };
        self.complain(format!("process {pid} of run {id} {wrong} at {now:?}"));
    }
}

pub(super) fn taken_back(run: &Unfinished, job: &Arc<Job>, now: Now) -> Watched {
    let never = matches!(run.evidence, Evidence::NeverStarted);
    let wait = run.retry_at.map(|at| at.since(now.wall));
    Watched {
        job: job.clone(),
        source: run.source,
        fire_time: run.fire_time,
        due_at: run.due_at,
        priority: run.priority,
        anchor: None,
        told: true,
        ready: None,
        catch_up: never,
        started: run.started_at.is_some(),
        attempt: if never { run.attempt } else { run.attempt.max(1) },
        found: if never { 0 } else { run.attempt },
        began: None,
        adopted: !never,
        alive: (!never).then_some(0),
        not_before: wait.map(|wait| now.mono.plus(wait)),
    }
}

fn cap(retry: &Retry) -> Duration {
    retry.max_delay.unwrap_or(Duration::from_secs(7 * 86_400))
}

/// Returns the wait after an attempt without the tenth that may be added to it.
fn delay(retry: &Retry, attempt: u32) -> Duration {
    let factor =
        (f64::from(retry.backoff_milli) / 1000.0).powi(i32::try_from(attempt).unwrap_or(i32::MAX) - 1);
    Duration::from_secs_f64((retry.delay.as_secs_f64() * factor).min(cap(retry).as_secs_f64()))
}

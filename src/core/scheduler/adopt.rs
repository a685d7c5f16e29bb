//! Runs that an earlier daemon left behind: taken back, they go on as if nothing had happened.

use std::time::Duration;

use super::due::run_event;
use super::io::{Effects, Evidence, Found, LeftEnding, Unfinished};
use super::live::{Cause, Ending, JobId, LiveRun, PoolKey, Progress, Stand};
use super::resume::{Resumed, resume};
use super::{MonoTimer, Scheduler};
use crate::core::change::{Change, StepRecord};
use crate::core::event::EventKind;
use crate::core::instant::{Monotonic, Now, Timestamp};
use crate::core::name::Name;
use crate::core::run::{Reason, RunEvent, RunId, RunStatus, Source, transition};

impl Scheduler {
    /// Takes back the runs that were not over, those that are alive first: they hold instances and workers.
    pub(super) fn restore_all(&mut self, runs: Vec<Unfinished>, now: Now, fx: &mut Effects) {
        let started = |run: &Unfinished| matches!(run.evidence, Evidence::Started { .. });
        let (alive, others): (Vec<_>, Vec<_>) = runs.into_iter().partition(started);
        for run in alive.into_iter().chain(others) {
            self.restore(run, now, fx);
        }
    }

    fn restore(&mut self, old: Unfinished, now: Now, fx: &mut Effects) {
        let job = match self.find(old.job.as_str()) {
            Some(id) => id,
            None => self.ghost(&old.job, now),
        };
        let mut run = self.run_of(job, old.run, old.source, old.due_at, now);
        self.next_run = self.next_run.max(old.run.0 + 1);
        run.fire_time = old.fire_time;
        run.queued_at = old.queued_at;
        run.attempt = old.attempt;
        run.status = old.status;
        run.priority = old.priority;
        run.args = old.args;
        run.forced = old.forced;
        run.ending = old.ending.as_ref().map(ending_of);
        run.durable = true;
        run.catch_up = true;
        run.started = old.started_at.map(|at| (at, backdated(at, now)));
        let known = !self.slot(job).is_removed();
        let enabled = self.slot(job).job.policy.enabled;
        let id = run.id;
        let open = &mut self.slot_mut(job).more_mut().open;
        open.push(id);
        open.sort_unstable();
        self.runs.insert(id, run);
        match old.evidence {
            Evidence::NeverStarted if !known => {
                self.finish_unstarted(id, RunStatus::Cancelled, Reason::Removed, None, now, fx);
            }
            // What was to run at the end of the last daemon has no place at the beginning of this one.
            Evidence::NeverStarted if old.status == RunStatus::Queued && old.source == Source::Shutdown => {
                self.finish_unstarted(id, RunStatus::Skipped, Reason::Stopping, None, now, fx);
            }
            Evidence::NeverStarted if old.status == RunStatus::Queued && !enabled => {
                self.finish_unstarted(id, RunStatus::Skipped, Reason::Disabled, None, now, fx);
            }
            Evidence::NeverStarted if old.status == RunStatus::Retrying => {
                let wait = old.retry_at.map_or(Duration::ZERO, |at| at.since(now.wall));
                if let Some(run) = self.runs.get_mut(&id) {
                    run.stage = Stand::Retry;
                }
                self.take_hold_of_instance(id, job);
                self.mono_timers.arm(now.mono.plus(wait), MonoTimer::Retry(id));
            }
            Evidence::NeverStarted => self.consider(id, now, fx),
            Evidence::Started { found, steps } => {
                let asked_at = old.ending.map(|ending| ending.at);
                self.take_hold_of_worker(id, old.pool);
                self.adopt(id, job, Remains { found: &found, steps: &steps, asked_at }, now, fx);
            }
            Evidence::Unknown(reason) => self.gone(id, job, reason, now, fx),
        }
    }

    /// Ends a run of which nothing is left. One that was being brought to its end has come to it; of any other
    /// nobody can tell how it ended.
    fn gone(&mut self, id: RunId, job: JobId, reason: Reason, now: Now, fx: &mut Effects) {
        // A copy of the store may be older than the end.
        let known = reason != Reason::Restored;
        match self.runs.get(&id).and_then(|run| run.ending.clone()).filter(|_| known) {
            None => self.lose(id, reason, None, now, fx),
            Some(ending) => {
                self.take_hold_of_instance(id, job);
                let Some(run) = self.runs.get_mut(&id) else { return };
                let mut progress = Progress::new(Vec::new(), false, None);
                progress.verdict = Some(progress.verdict_of(Some(ending)));
                run.progress = Some(Box::new(progress));
                self.settle(id, now, fx);
            }
        }
    }

    /// Keeps a run whose processes have outlived the last daemon, or whose end the kernel has told.
    fn adopt(&mut self, id: RunId, job: JobId, remains: Remains<'_>, now: Now, fx: &mut Effects) {
        let Remains { found, steps, asked_at } = remains;
        self.take_hold_of_instance(id, job);
        let wanted = !self.slot(job).is_removed();
        let Some(run) = self.runs.get_mut(&id) else { return };
        run.stage = Stand::Alive;
        run.catch_up = false;
        run.attempt = run.attempt.max(1);
        let age = found.iter().filter_map(|found| found.age).max();
        let begun = begun_at(run, age, steps, now);
        let (wall, _) = *run.started.get_or_insert(begun);
        let limit = run.job.policy.timeout.map(|limit| begun.1.plus(limit));
        let resumed = resume(run, &self.settings.hooks, found, steps, wanted, now);
        if run.status != RunStatus::Running {
            if run.attempt > 1 {
                // What the record says of the attempt before, such as that it was to end, is not of this one.
                fx.commit(Change::Retrying {
                    run: id,
                    attempt: run.attempt - 1,
                    retry_at: now.wall,
                    reason: Reason::EndUnseen,
                    detail: None,
                    exit: None,
                });
            }
            if let Ok(status) = transition(run.status, RunEvent::Start) {
                run.status = status;
            }
            let process = found.first().map(|found| found.process);
            fx.commit(Change::Started { run: id, attempt: run.attempt, at: wall, process });
            fx.event(run_event(run, EventKind::RunStarted, now));
        }
        match resumed {
            Resumed::Lost { detail } => self.lose(id, Reason::EndUnseen, Some(detail), now, fx),
            Resumed::WorkOver(progress) => {
                run.progress = Some(Box::new(progress));
                self.work_over(id, now, fx);
            }
            Resumed::Within { mut progress, records, ended } => {
                progress.time_limit = limit.filter(|_| progress.verdict.is_none());
                let nothing_left = progress.children.is_empty();
                run.progress = Some(Box::new(progress));
                for step in records {
                    fx.commit(Change::Step { run: id, step });
                }
                self.arm_adopted(id, now, fx);
                if let Some(asked_at) = asked_at {
                    self.go_on_ending(id, asked_at, now, fx);
                }
                for (place, exit) in ended {
                    match exit {
                        Some(exit) => self.command_exited(id, place, exit, None, now, fx),
                        None => self.command_vanished(id, place, now, fx),
                    }
                }
                if nothing_left {
                    self.start_stage(id, now, fx);
                }
            }
        }
    }

    /// Arms the deadlines of an adopted run; those that have passed meanwhile ring at once.
    fn arm_adopted(&mut self, id: RunId, now: Now, fx: &mut Effects) {
        let Some(run) = self.runs.get(&id) else { return };
        let (Some(progress), Some((_, started))) = (run.progress.as_deref(), run.started) else { return };
        let mut deadlines = Vec::new();
        deadlines.extend(progress.time_limit.map(|at| (at, MonoTimer::AttemptLimit(id))));
        let longest = run.job.policy.expect.max_duration;
        deadlines.extend(longest.map(|limit| (started.plus(limit), MonoTimer::LongRun(id))));
        let limits = progress.children.iter().filter_map(|child| Some((child.time_limit?, child.position)));
        deadlines.extend(limits.map(|(at, position)| (at, MonoTimer::CommandLimit(id, position))));
        let doomed = progress.siblings_are_doomed();
        for (at, timer) in deadlines {
            self.mono_timers.arm(at, timer);
        }
        if doomed {
            self.ask_children(id, Cause::Told, now, fx);
        }
    }

    /// Goes on with bringing a run to its end: its commands are asked once more, as it cannot be told whether they
    /// were, and killed when they would have been.
    fn go_on_ending(&mut self, id: RunId, asked_at: Timestamp, now: Now, fx: &mut Effects) {
        let Some(run) = self.runs.get(&id) else { return };
        let over = run.progress.as_ref().is_none_or(|progress| progress.verdict.is_some());
        let cause = match run.ending {
            Some(Ending::TimedOut) => Cause::TimeLimit,
            Some(Ending::Told { .. }) => Cause::Told,
            None => return,
        };
        if !over {
            let kill_at = backdated(asked_at, now).plus(run.job.policy.kill_after);
            self.ask_children_until(id, cause, kill_at, fx);
        }
    }

    fn take_hold_of_instance(&mut self, id: RunId, job: JobId) {
        if let Some(run) = self.runs.get_mut(&id) {
            run.has_instance = true;
        }
        self.slot_mut(job).more_mut().active += 1;
    }

    /// Counts a run that is alive for the pool it was started in, also over the pool's limit and where its job has
    /// left the set.
    fn take_hold_of_worker(&mut self, id: RunId, pool: Option<Name>) {
        let Some(run) = self.runs.get_mut(&id) else { return };
        let Some(key) = pool.or_else(|| run.job.policy.pool.clone()).map(PoolKey::Named) else { return };
        if let Some(pool) = self.pools.get_mut(&key) {
            pool.busy += 1;
            run.worker = Some(key);
        }
    }
}

/// What is left of a run that was started.
struct Remains<'a> {
    found: &'a [Found],
    steps: &'a [StepRecord],
    /// When it was asked to end, if it was.
    asked_at: Option<Timestamp>,
}

/// Reads back why a run was being brought to its end.
fn ending_of(left: &LeftEnding) -> Ending {
    match left.reason {
        Reason::Timeout => Ending::TimedOut,
        reason => Ending::Told { reason, detail: left.detail.clone() },
    }
}

/// Returns when the attempt at hand of a run began; `age` is that of its oldest process.
fn begun_at(run: &LiveRun, age: Option<Duration>, steps: &[StepRecord], now: Now) -> (Timestamp, Monotonic) {
    let first_step = steps.iter().filter_map(|step| step.started_at).min();
    match (first_step, age, run.started.filter(|_| run.attempt == 1)) {
        // Nothing has ended before: the process was the first, and its age does not depend on the wall clock.
        (None, Some(age), _) => {
            (now.wall.minus(age), Monotonic::from_duration(now.mono.as_duration().saturating_sub(age)))
        }
        (_, _, Some(started)) => started,
        (Some(at), _, None) => (at, backdated(at, now)),
        (None, None, None) => (now.wall, now.mono),
    }
}

/// Returns the reading of the monotonic clock at an earlier wall instant, as far back as it goes.
fn backdated(at: Timestamp, now: Now) -> Monotonic {
    let ago = now.wall.since(at);
    Monotonic::from_duration(now.mono.as_duration().saturating_sub(ago))
}

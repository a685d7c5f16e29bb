//! The end of a run and what follows from it: another attempt, other jobs, notices, alarms.

use super::due::run_event;
use super::io::{Effect, Effects};
use super::jobs::job_event;
use super::live::{Failure, JobId, Slot, Stand, Verdict};
use super::{MonoTimer, Scheduler, WallTimer, plan};
use crate::core::change::{Change, Finish, Notice, NoticeKind};
use crate::core::event::EventKind;
use crate::core::instant::{Now, Timestamp};
use crate::core::job::OnLost;
use crate::core::policy;
use crate::core::run::{Exit, Reason, RunEvent, RunId, RunStatus, Source, transition};
use crate::core::trigger::{DependencyOn, Firing};

impl Scheduler {
    /// The work of an attempt is over; the closing hooks are next.
    pub(super) fn conclude(&mut self, id: RunId, verdict: Verdict, now: Now, fx: &mut Effects) {
        let again = self.tries_again(id, &verdict);
        let Some(run) = self.runs.get_mut(&id) else { return };
        let success = if again { None } else { Some(verdict == Verdict::Succeeded) };
        let Some(progress) = run.progress.as_mut() else { return };
        progress.stages = plan::closing(&run.job, &self.settings.hooks, success);
        progress.index = 0;
        progress.verdict = Some(verdict);
        if std::mem::take(&mut progress.hook_may_have_run) {
            self.pass_over_hook(id, now, fx);
        } else {
            self.start_stage(id, now, fx);
        }
    }

    fn tries_again(&self, id: RunId, verdict: &Verdict) -> bool {
        let Some(run) = self.runs.get(&id) else { return false };
        run.tries_again(verdict, self.find(run.job.name.as_str()).is_some())
    }

    /// An attempt is over, its hooks included: the run waits for the next one, or is over too.
    pub(super) fn settle(&mut self, id: RunId, now: Now, fx: &mut Effects) {
        let Some(run) = self.runs.get_mut(&id) else { return };
        let Some(progress) = run.progress.take() else { return };
        let progress = *progress;
        let verdict = progress.verdict.unwrap_or(Verdict::Lost { reason: Reason::EndUnseen, detail: None });
        if self.tries_again(id, &verdict)
            && let Verdict::Failed(failure) | Verdict::TimedOut(failure) = verdict
        {
            self.wait_for_retry(id, failure, now, fx);
            return;
        }
        let (event, reason, detail, exit) = match verdict {
            // Steps that may fail leave no code behind: a success is a 0.
            Verdict::Succeeded => (RunEvent::Succeed, None, None, progress.exit.or(Some(Exit::Code(0)))),
            Verdict::Failed(failure) => {
                (RunEvent::Fail, Some(failure.reason), failure.detail, failure.exit.or(progress.exit))
            }
            Verdict::TimedOut(failure) => {
                (RunEvent::TimeOut, Some(Reason::Timeout), failure.detail, failure.exit.or(progress.exit))
            }
            Verdict::Cancelled { reason, detail } => (RunEvent::Cancel, Some(reason), detail, progress.exit),
            Verdict::Lost { reason, detail } => {
                self.lose(id, reason, detail, now, fx);
                return;
            }
        };
        // An attempt none of whose commands could be started was under way all the same.
        if matches!(event, RunEvent::Succeed | RunEvent::TimeOut) {
            self.ensure_started(id, now, fx);
        }
        self.finish(id, End { event, reason, detail, exit, result: progress.result }, now, fx);
    }

    fn wait_for_retry(&mut self, id: RunId, failure: Failure, now: Now, fx: &mut Effects) {
        let Some(run) = self.runs.get_mut(&id) else { return };
        let wait = policy::retry_delay(&run.job.policy.retry, run.attempt, run.job.name.as_str(), id.0);
        if let Ok(status) = transition(run.status, RunEvent::Retry) {
            run.status = status;
        }
        run.stage = Stand::Retry;
        run.ending = None;
        let mut event = run_event(run, EventKind::RunRetrying, now);
        event.exit = failure.exit;
        event.reason = Some(failure.reason);
        event.detail.clone_from(&failure.detail);
        fx.commit(Change::Retrying {
            run: id,
            attempt: run.attempt,
            retry_at: now.wall.plus(wait),
            reason: failure.reason,
            detail: failure.detail,
            exit: failure.exit,
        });
        fx.event(event);
        self.mono_timers.arm(now.mono.plus(wait), MonoTimer::Retry(id));
        self.release_worker(id, now, fx);
    }

    /// Ends a run that has not started: there is no process to wait for.
    pub(super) fn finish_unstarted(
        &mut self,
        id: RunId,
        status: RunStatus,
        reason: Reason,
        detail: Option<String>,
        now: Now,
        fx: &mut Effects,
    ) {
        let event = match status {
            RunStatus::Missed => RunEvent::Miss,
            RunStatus::Skipped => RunEvent::Skip,
            RunStatus::Lost => RunEvent::Lose,
            RunStatus::Queued
            | RunStatus::Running
            | RunStatus::Retrying
            | RunStatus::Succeeded
            | RunStatus::Failed
            | RunStatus::TimedOut
            | RunStatus::Cancelled => RunEvent::Cancel,
        };
        self.finish(id, End { event, reason: Some(reason), detail, exit: None, result: None }, now, fx);
    }

    /// Ends a run whose end nobody can tell.
    pub(super) fn lose(
        &mut self,
        id: RunId,
        reason: Reason,
        detail: Option<String>,
        now: Now,
        fx: &mut Effects,
    ) {
        // After a restore a run of the copy has most likely ended long ago, unseen only by the copy.
        let rerun = reason != Reason::Restored
            && self.runs.get(&id).is_some_and(|run| run.job.policy.on_lost == OnLost::Rerun);
        let again = self.runs.get(&id).map(|run| (run.job.name.clone(), run.args.clone()));
        let end = End { event: RunEvent::Lose, reason: Some(reason), detail, exit: None, result: None };
        self.finish(id, end, now, fx);
        let (true, Some((name, args))) = (rerun, again) else { return };
        let wanted = |job: &JobId| self.slot(*job).job.policy.enabled && self.slot(*job).pause().is_none();
        if let Some(job) = self.find(name.as_str()).filter(wanted) {
            let mut run = self.new_run(job, Source::Rerun, now.wall, now);
            run.args = args;
            self.claim(job, run, None, 0, now, fx);
        }
    }

    fn finish(&mut self, id: RunId, end: End, now: Now, fx: &mut Effects) {
        let Some(run) = self.runs.get_mut(&id) else { return };
        let Ok(status) = transition(run.status, end.event) else { return };
        run.status = status;
        let mut event = run_event(run, EventKind::of_run(status), now);
        event.exit = end.exit;
        event.reason = end.reason;
        event.detail.clone_from(&end.detail);
        let started = run.started;
        fx.commit(Change::Finished(Finish {
            run: id,
            status,
            reason: end.reason,
            detail: end.detail,
            at: now.wall,
            duration: started.map(|(_, mono)| now.mono.since(mono)).filter(|_| status != RunStatus::Lost),
            exit: end.exit,
            usage: run.usage,
            result: end.result,
        }));
        fx.event(event);
        if let (Some((_, mono)), Some(limit)) = (started, run.job.policy.expect.max_duration) {
            self.mono_timers.disarm(mono.plus(limit), MonoTimer::LongRun(id));
        }
        let name = run.job.name.clone();
        // What a restore made unknown says nothing about the job: nobody is told, and no job that waits for
        // this one is started (again).
        let known = end.reason != Some(Reason::Restored);
        let was_started =
            known && (started.is_some() || matches!(status, RunStatus::Failed | RunStatus::Lost));
        self.forget(id, now, fx);
        fx.push(Effect::Forget { run: id });
        if was_started && let Some(job) = self.find(name.as_str()) {
            self.remember_end(job, id, status, now, fx);
        }
        if was_started {
            self.tell_dependents(&name, status, now, fx);
        }
    }

    /// Keeps what a job's later runs and alarms want to know of this one, and tells the notifiers.
    fn remember_end(&mut self, job: JobId, run: RunId, status: RunStatus, now: Now, fx: &mut Effects) {
        let well = status == RunStatus::Succeeded;
        let counts = status != RunStatus::Cancelled;
        let rules = self.slot(job).job.clone();
        let before = self.slot(job).more().and_then(|more| more.well);
        for rule in &rules.policy.notify {
            if counts && policy::speaks(rule.when, before, well) {
                fx.commit(Change::Notify(Notice {
                    notifier: rule.notifier.clone(),
                    job: rules.name.clone(),
                    run: Some(run),
                    at: now.wall,
                    kind: match (well, before) {
                        (true, Some(false)) => NoticeKind::Recovered,
                        (true, Some(true) | None) => NoticeKind::Succeeded,
                        (false, _) => NoticeKind::Failed,
                    },
                }));
            }
        }
        let more = self.slot_mut(job).more_mut();
        if counts {
            more.well = Some(well);
        }
        if well {
            more.last_success = Some(now.wall);
            self.arm_overdue(job);
        }
    }

    /// Tells the jobs that wait for this one's end.
    fn tell_dependents(
        &mut self,
        name: &crate::core::name::Name,
        status: RunStatus,
        now: Now,
        fx: &mut Effects,
    ) {
        let waiting = self.dependents.get(name).cloned().unwrap_or_default();
        for id in waiting {
            let job = self.slot(id).job.clone();
            let Firing::After(dependencies) = &job.firing else { continue };
            let comes_true = dependencies.iter().any(|d| d.job == *name && ends_so(d.on, status));
            if !comes_true || self.slot(id).is_removed() || !job.policy.enabled {
                continue;
            }
            let more = self.slot_mut(id).more_mut();
            if !more.satisfied.contains(name) {
                more.satisfied.push(name.clone());
            }
            let satisfied = more.satisfied.clone();
            fx.commit(Change::Satisfied { job: job.name.clone(), dependencies: satisfied.clone() });
            if dependencies.iter().all(|dependency| satisfied.contains(&dependency.job)) {
                self.slot_mut(id).set_next(Some(now.wall));
                self.arm(id);
            }
        }
    }

    /// Arms the alarm of a job that must succeed every so often; an absence of which somebody was told already
    /// raises none again.
    pub(super) fn arm_overdue(&mut self, id: JobId) {
        let slot = self.slot(id);
        let more = slot.more();
        let old = more.and_then(|more| more.overdue_at);
        let since = absent_since(slot);
        let said = more.and_then(|more| more.overdue_since) == Some(since);
        let wanted = slot.job.policy.enabled && !slot.is_removed() && !said;
        let within = slot.job.policy.expect.success_within.filter(|_| wanted);
        let at = within.map(|within| since.plus(within));
        if old == at {
            return;
        }
        if let Some(old) = old {
            self.wall_timers.disarm(old, WallTimer::Overdue(id));
        }
        if let Some(at) = at {
            self.wall_timers.arm(at, WallTimer::Overdue(id));
        }
        self.slot_mut(id).more_mut().overdue_at = at;
    }

    /// A job has not succeeded for longer than it should; said once until it succeeds again.
    pub(super) fn overdue(&mut self, id: JobId, now: Now, fx: &mut Effects) {
        let slot = self.slot_mut(id);
        // The alarm has rung: whoever arms it again is not to take it for armed.
        slot.more_mut().overdue_at = None;
        if slot.is_removed() || slot.pause().is_some() {
            return;
        }
        let job = slot.job.clone();
        let since = absent_since(slot);
        slot.more_mut().overdue_since = Some(since);
        fx.commit(Change::Overdue { job: job.name.clone(), since });
        let mut event = job_event(now, EventKind::JobOverdue, &job.name);
        event.detail = job.policy.expect.success_within.map(crate::core::duration::format);
        fx.event(event);
        for rule in &job.policy.notify {
            fx.commit(Change::Notify(Notice {
                notifier: rule.notifier.clone(),
                job: job.name.clone(),
                run: None,
                at: now.wall,
                kind: NoticeKind::Overdue,
            }));
        }
    }

    /// The output of a run that ended well was looked at.
    pub(super) fn output_read(
        &mut self,
        id: RunId,
        result: Result<Option<String>, String>,
        now: Now,
        fx: &mut Effects,
    ) {
        let Some(progress) = self.runs.get_mut(&id).and_then(|run| run.progress.as_mut()) else { return };
        let verdict = match result {
            Ok(document) => {
                progress.result = document;
                Verdict::Succeeded
            }
            Err(detail) => {
                Verdict::Failed(Failure { reason: Reason::Output, exit: progress.exit, detail: Some(detail) })
            }
        };
        self.conclude(id, verdict, now, fx);
    }
}

/// The end of a run as its causes give it.
struct End {
    event: RunEvent,
    reason: Option<Reason>,
    detail: Option<String>,
    exit: Option<Exit>,
    result: Option<String>,
}

/// Returns since when a job has not succeeded: its last success, or the beginning of its schedule.
fn absent_since(slot: &Slot) -> Timestamp {
    slot.more().and_then(|more| more.last_success).unwrap_or(slot.anchor)
}

fn ends_so(on: DependencyOn, status: RunStatus) -> bool {
    match on {
        DependencyOn::Success => status == RunStatus::Succeeded,
        DependencyOn::Failure => matches!(status, RunStatus::Failed | RunStatus::TimedOut | RunStatus::Lost),
        DependencyOn::Any => true,
    }
}

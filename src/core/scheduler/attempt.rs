//! One attempt of a run: its stages, its commands, and how each command ends.

use super::io::{Effect, Effects};
use super::live::{Cause, Child, Dying, Failure, Progress, Stand, Verdict};
use super::plan::{self, Place, StageKind};
use super::{MonoTimer, Scheduler};
use crate::core::change::{Change, Notice, NoticeKind, StepRecord};
use crate::core::event::{Event, EventKind};
use crate::core::instant::{Monotonic, Now};
use crate::core::job::NotifyWhen;
use crate::core::run::{Exit, ProcessMark, Reason, RunEvent, RunId, RunStatus, Usage, transition};

impl Scheduler {
    /// Begins the next attempt of a run that holds all it needs.
    pub(super) fn start_attempt(&mut self, id: RunId, now: Now, fx: &mut Effects) {
        let Some(run) = self.runs.get_mut(&id) else { return };
        run.attempt = run.attempt.saturating_add(1);
        run.stage = Stand::Alive;
        let stages = plan::opening(&run.job, &self.settings.hooks);
        let limit = run.job.policy.timeout.map(|limit| now.mono.plus(limit));
        if let Some(at) = limit {
            self.mono_timers.arm(at, MonoTimer::AttemptLimit(id));
        }
        let itemised = run.itemises(&stages, &self.settings.hooks);
        run.progress = Some(Box::new(Progress::new(stages, itemised, limit)));
        self.start_stage(id, now, fx);
    }

    /// Starts all commands of the stage at hand; where there is no stage left, the work or the run is over.
    pub(super) fn start_stage(&mut self, id: RunId, now: Now, fx: &mut Effects) {
        let Some(progress) = self.runs.get_mut(&id).and_then(|run| run.progress.as_mut()) else { return };
        let Some(stage) = progress.stages.get(progress.index) else {
            if progress.verdict.is_some() {
                self.settle(id, now, fx);
            } else {
                self.work_over(id, now, fx);
            }
            return;
        };
        for place in stage.places.clone() {
            progress.expect(place);
            fx.push(Effect::Spawn { run: id, place });
        }
    }

    /// Passes over the first closing hook, whose end nobody saw if it was started.
    pub(super) fn pass_over_hook(&mut self, id: RunId, now: Now, fx: &mut Effects) {
        let Some(progress) = self.runs.get_mut(&id).and_then(|run| run.progress.as_mut()) else { return };
        let Some(stage) = progress.stages.get(progress.index).cloned() else {
            self.start_stage(id, now, fx);
            return;
        };
        for place in &stage.places {
            progress.expect(*place);
        }
        for place in stage.places {
            self.command_vanished(id, place, now, fx);
        }
    }

    /// A command has started.
    pub(super) fn command_started(
        &mut self,
        id: RunId,
        place: Place,
        process: ProcessMark,
        output_offset: Option<u64>,
        now: Now,
        fx: &mut Effects,
    ) {
        let Some(run) = self.runs.get_mut(&id) else { return };
        let job = run.job.clone();
        let Some(progress) = run.progress.as_mut() else { return };
        let stage = progress.stages.get(progress.index);
        let limit =
            stage.and_then(|stage| plan::timeout(&job, stage, place)).map(|limit| now.mono.plus(limit));
        let Some(child) = progress.children.iter_mut().find(|child| child.place == place) else { return };
        child.process = Some(process);
        child.started = Some((now.wall, now.mono));
        child.output_offset = output_offset;
        child.time_limit = limit;
        let position = child.position;
        let doomed = child.dying != Dying::No;
        if let Some(at) = limit {
            self.mono_timers.arm(at, MonoTimer::CommandLimit(id, position));
        }
        self.attempt_started(id, Some(process), now, fx);
        if doomed && let Some(run) = self.runs.get(&id) {
            fx.push(Effect::Signal { run: id, place, process, signal: run.job.policy.stop_signal });
        }
    }

    /// Writes down that an attempt ran, where none of its commands could be started.
    pub(super) fn ensure_started(&mut self, id: RunId, now: Now, fx: &mut Effects) {
        if self.runs.get(&id).is_some_and(|run| run.status != RunStatus::Running) {
            self.attempt_started(id, None, now, fx);
        }
    }

    /// Writes down that an attempt runs, at its first command.
    fn attempt_started(&mut self, id: RunId, process: Option<ProcessMark>, now: Now, fx: &mut Effects) {
        let Some(run) = self.runs.get_mut(&id) else { return };
        let first_of_run = run.started.is_none();
        if first_of_run {
            run.started = Some((now.wall, now.mono));
            if let Some(limit) = run.job.policy.expect.max_duration {
                self.mono_timers.arm(now.mono.plus(limit), MonoTimer::LongRun(id));
            }
        }
        let first_of_attempt = run.status != RunStatus::Running;
        if let Ok(status) = transition(run.status, RunEvent::Start) {
            run.status = status;
        }
        fx.commit(Change::Started { run: id, attempt: run.attempt, at: now.wall, process });
        if first_of_run {
            let always = run.job.policy.notify.iter().filter(|rule| rule.when == NotifyWhen::Always);
            for rule in always {
                fx.commit(Change::Notify(Notice {
                    notifier: rule.notifier.clone(),
                    job: run.job.name.clone(),
                    run: Some(id),
                    at: now.wall,
                    kind: NoticeKind::Started,
                }));
            }
        }
        if first_of_attempt {
            let event = super::due::run_event(run, EventKind::RunStarted, now);
            fx.event(event);
        }
    }

    /// A command could not be started: that is how it ended.
    pub(super) fn command_start_failed(
        &mut self,
        id: RunId,
        place: Place,
        detail: String,
        now: Now,
        fx: &mut Effects,
    ) {
        let failure = Failure { reason: Reason::StartFailed, exit: None, detail: Some(detail) };
        self.command_ended(id, place, Some(failure), None, now, fx);
    }

    /// A command has ended with an exit the kernel told.
    pub(super) fn command_exited(
        &mut self,
        id: RunId,
        place: Place,
        exit: Exit,
        usage: Option<Usage>,
        now: Now,
        fx: &mut Effects,
    ) {
        let Some(run) = self.runs.get_mut(&id) else { return };
        if let Some(used) = usage {
            run.usage = Some(run.usage.unwrap_or_default().with(used));
        }
        let name = plan::name(&run.job, place);
        let Some(progress) = run.progress.as_ref() else { return };
        let Some(child) = progress.children.iter().find(|child| child.place == place) else { return };
        let cause = child.dying.cause();
        if let (Some(_), Some(process)) = (cause, child.process) {
            fx.push(Effect::Sweep { run: id, process });
        }
        let detail = progress.itemised.then(|| format!("{name}: {}", exit_words(exit)));
        let failure = match (cause, exit) {
            (Some(Cause::TimeLimit), _) => {
                Some(Failure { reason: Reason::Timeout, exit: Some(exit), detail })
            }
            (None | Some(Cause::Told), exit) if exit.is_success() => None,
            (None | Some(Cause::Told), Exit::Code(_)) => {
                Some(Failure { reason: Reason::ExitCode, exit: Some(exit), detail })
            }
            (None | Some(Cause::Told), Exit::Signal(_)) => {
                Some(Failure { reason: Reason::Signal, exit: Some(exit), detail })
            }
        };
        self.command_ended(id, place, failure, Some(exit), now, fx);
    }

    /// A command has ended and nobody can tell how. The run is `lost` by that, unless the end of this command
    /// decides nothing (a closing hook, `continue_on_error`) or another one has failed for sure.
    pub(super) fn command_vanished(&mut self, id: RunId, place: Place, now: Now, fx: &mut Effects) {
        let Some(run) = self.runs.get(&id) else { return };
        let name = plan::name(&run.job, place);
        let Some(progress) = run.progress.as_ref() else { return };
        let Some(child) = progress.children.iter().find(|child| child.place == place) else { return };
        let timed_out = child.dying.cause() == Some(Cause::TimeLimit);
        let reason = if timed_out { Reason::Timeout } else { Reason::EndUnseen };
        let detail = progress.itemised.then(|| format!("{name}: nobody saw how it ended"));
        self.command_ended(id, place, Some(Failure { reason, exit: None, detail }), None, now, fx);
    }

    fn command_ended(
        &mut self,
        id: RunId,
        place: Place,
        failure: Option<Failure>,
        exit: Option<Exit>,
        now: Now,
        fx: &mut Effects,
    ) {
        let Some(run) = self.runs.get_mut(&id) else { return };
        let (job, attempt) = (run.job.clone(), run.attempt);
        let Some(progress) = run.progress.as_mut() else { return };
        let Some(at) = progress.children.iter().position(|child| child.place == place) else { return };
        let child = progress.children.remove(at);
        disarm_child(&mut self.mono_timers, id, &child);
        if progress.itemised {
            let step = step_record(&job, attempt, &child, failure.as_ref(), exit, now);
            fx.commit(Change::Step { run: id, step });
        }
        let Some(stage) = progress.stages.get(progress.index) else { return };
        let kind = stage.kind;
        let fail_fast = stage.fail_fast;
        let ignored = plan::ignores_failure(&job, stage, place);
        let failed = progress.note(kind, failure.filter(|_| !ignored), exit);
        let done = progress.children.is_empty();
        if fail_fast && failed {
            self.ask_children(id, Cause::Told, now, fx);
        }
        if done {
            self.stage_over(id, kind, now, fx);
        }
    }

    fn stage_over(&mut self, id: RunId, kind: StageKind, now: Now, fx: &mut Effects) {
        let Some(run) = self.runs.get_mut(&id) else { return };
        let stop = kind != StageKind::Closing && run.ending.is_some();
        let Some(progress) = run.progress.as_mut() else { return };
        if stop || (kind != StageKind::Closing && progress.failure.is_some()) {
            progress.index = progress.stages.len();
        } else {
            progress.index += 1;
        }
        self.start_stage(id, now, fx);
    }

    /// A run lasts longer than its job expects.
    pub(super) fn long_run(&mut self, id: RunId, now: Now, fx: &mut Effects) {
        let Some(run) = self.runs.get(&id) else { return };
        let mut event: Event = super::due::run_event(run, EventKind::RunOverdue, now);
        event.detail = run.job.policy.expect.max_duration.map(crate::core::duration::format);
        fx.event(event);
        for rule in &run.job.policy.notify {
            fx.commit(Change::Notify(Notice {
                notifier: rule.notifier.clone(),
                job: run.job.name.clone(),
                run: Some(id),
                at: now.wall,
                kind: NoticeKind::Overdue,
            }));
        }
    }

    pub(super) fn work_over(&mut self, id: RunId, now: Now, fx: &mut Effects) {
        let Some(run) = self.runs.get_mut(&id) else { return };
        let policy = run.job.policy.clone();
        let ending = run.ending.clone();
        let Some(progress) = run.progress.as_mut() else { return };
        if let Some(at) = progress.time_limit.take() {
            self.mono_timers.disarm(at, MonoTimer::AttemptLimit(id));
        }
        let verdict = progress.verdict_of(ending);
        let reads = policy.output.json || policy.expect.output_nonempty;
        if verdict == Verdict::Succeeded && reads {
            fx.push(Effect::ReadOutput { run: id });
        } else {
            self.conclude(id, verdict, now, fx);
        }
    }
}

fn disarm_child(timers: &mut super::Timers<Monotonic, MonoTimer>, id: RunId, child: &Child) {
    if let Some(at) = child.time_limit {
        timers.disarm(at, MonoTimer::CommandLimit(id, child.position));
    }
    if let Dying::Asked { kill_at, .. } = child.dying {
        timers.disarm(kill_at, MonoTimer::Kill(id, child.position));
    }
}

fn step_record(
    job: &crate::core::job::Job,
    attempt: u32,
    child: &Child,
    failure: Option<&Failure>,
    exit: Option<Exit>,
    now: Now,
) -> StepRecord {
    let status = match failure {
        None => RunStatus::Succeeded,
        Some(failure) if failure.reason == Reason::Timeout => RunStatus::TimedOut,
        Some(failure) if failure.reason == Reason::EndUnseen => RunStatus::Lost,
        Some(_) if child.dying != Dying::No => RunStatus::Cancelled,
        Some(_) => RunStatus::Failed,
    };
    StepRecord {
        attempt,
        position: child.position,
        name: plan::name(job, child.place),
        status,
        started_at: child.started.map(|(wall, _)| wall),
        duration: child.started.map(|(_, mono)| now.mono.since(mono)),
        exit,
        output_offset: child.output_offset,
        detail: failure.filter(|failure| failure.exit.is_none()).and_then(|failure| failure.detail.clone()),
    }
}

/// Says in words how a command ended.
pub(super) fn exit_words(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("exit code {code}"),
        Exit::Signal(signal) => format!("signal {signal}"),
    }
}

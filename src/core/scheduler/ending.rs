//! Bringing runs to their end: time limits, cancels, and what they do to commands that are alive.

use super::io::{Effect, Effects};
use super::live::{Cause, Dying, Ending};
use super::{MonoTimer, Scheduler, plan};
use crate::core::change::{Change, StepRecord};
use crate::core::instant::{Monotonic, Now};
use crate::core::run::{Reason, RunId, RunStatus};

/// SIGKILL, the same number on every Linux (signal(7)).
const KILL: i32 = 9;

impl Scheduler {
    /// Asks a whole run to end; what it waits for is given up, what it runs is told to stop.
    pub(super) fn end(&mut self, id: RunId, ending: Ending, now: Now, fx: &mut Effects) {
        let Some(run) = self.runs.get(&id) else { return };
        if run.progress.is_some() {
            self.begin_ending(id, ending, now, fx);
            self.ask_children(id, Cause::Told, now, fx);
        } else if let Ending::Told { reason, detail } = ending {
            self.finish_unstarted(id, RunStatus::Cancelled, reason, detail, now, fx);
        }
    }

    /// Decides and writes down that the work of a run is brought to its end. The first decision counts, and what
    /// has been judged already is not touched: then only its hooks are alive.
    fn begin_ending(&mut self, id: RunId, ending: Ending, now: Now, fx: &mut Effects) {
        let Some(run) = self.runs.get_mut(&id) else { return };
        let judged = run.progress.as_ref().is_none_or(|progress| progress.verdict.is_some());
        if judged || run.ending.is_some() {
            return;
        }
        let (reason, detail) = match &ending {
            Ending::TimedOut => (Reason::Timeout, None),
            Ending::Told { reason, detail } => (*reason, detail.clone()),
        };
        fx.commit(Change::Ending { run: id, reason, detail, at: now.wall });
        run.ending = Some(ending);
    }

    /// Asks the commands of a run to end with the job's stop signal; `kill_after` later they are killed.
    pub(super) fn ask_children(&mut self, id: RunId, cause: Cause, now: Now, fx: &mut Effects) {
        let Some(run) = self.runs.get(&id) else { return };
        let kill_at = now.mono.plus(run.job.policy.kill_after);
        self.ask_children_until(id, cause, kill_at, fx);
    }

    /// Asks the commands of a run to end; at that reading of the monotonic clock they are killed.
    pub(super) fn ask_children_until(
        &mut self,
        id: RunId,
        cause: Cause,
        kill_at: Monotonic,
        fx: &mut Effects,
    ) {
        let Some(run) = self.runs.get_mut(&id) else { return };
        let policy = run.job.policy.clone();
        let Some(progress) = run.progress.as_mut() else { return };
        for child in progress.children.iter_mut().filter(|child| child.dying == Dying::No) {
            child.dying = Dying::Asked { kill_at, cause };
            self.mono_timers.arm(kill_at, MonoTimer::Kill(id, child.position));
            if let Some(process) = child.process {
                let signal = policy.stop_signal;
                fx.push(Effect::Signal { run: id, place: child.place, process, signal });
            }
        }
    }

    /// Kills a command that was asked to end and has not.
    pub(super) fn kill(&mut self, id: RunId, position: u32, fx: &mut Effects) {
        let Some(progress) = self.runs.get_mut(&id).and_then(|run| run.progress.as_mut()) else { return };
        for child in progress.children.iter_mut().filter(|child| child.position == position) {
            let (Dying::Asked { cause, .. } | Dying::Killed { cause }) = child.dying else { continue };
            child.dying = Dying::Killed { cause };
            if let Some(process) = child.process {
                fx.push(Effect::Signal { run: id, place: child.place, process, signal: KILL });
                fx.push(Effect::Sweep { run: id, process });
            }
        }
    }

    /// The attempt has used up its time.
    pub(super) fn attempt_limit_reached(&mut self, id: RunId, now: Now, fx: &mut Effects) {
        let Some(progress) = self.runs.get(&id).and_then(|run| run.progress.as_ref()) else { return };
        if progress.verdict.is_none() && progress.time_limit.is_some_and(|at| at <= now.mono) {
            self.begin_ending(id, Ending::TimedOut, now, fx);
            self.ask_children(id, Cause::TimeLimit, now, fx);
        }
    }

    /// One command has used up its time. That is written down: should nobody see how it ends, that is how.
    pub(super) fn command_limit_reached(&mut self, id: RunId, position: u32, now: Now, fx: &mut Effects) {
        let Some(run) = self.runs.get_mut(&id) else { return };
        let (job, attempt) = (run.job.clone(), run.attempt);
        let policy = job.policy.clone();
        let kill_at = now.mono.plus(policy.kill_after);
        let Some(progress) = run.progress.as_mut() else { return };
        let child = progress.children.iter_mut().find(|child| child.position == position);
        let Some(child) = child.filter(|child| child.dying == Dying::No) else { return };
        child.dying = Dying::Asked { kill_at, cause: Cause::TimeLimit };
        self.mono_timers.arm(kill_at, MonoTimer::Kill(id, position));
        let step = StepRecord {
            attempt,
            position,
            name: plan::name(&job, child.place),
            status: RunStatus::TimedOut,
            started_at: child.started.map(|(wall, _)| wall),
            duration: None,
            exit: None,
            output_offset: child.output_offset,
            detail: None,
        };
        fx.commit(Change::Step { run: id, step });
        if let Some(process) = child.process {
            let signal = policy.stop_signal;
            fx.push(Effect::Signal { run: id, place: child.place, process, signal });
        }
    }
}

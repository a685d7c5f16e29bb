//! What clients and signals ask for.

use std::sync::Arc;

use super::due::busy_rule;
use super::io::{Answer, Command, Effect, Effects, PutAction, RunNow};
use super::jobs::job_event;
use super::live::{Ending, JobId};
use super::{MonoTimer, Scheduler, Stopping, WallTimer};
use crate::core::change::{Actor, Change, Hold, Pause, Revision};
use crate::core::event::{Event, EventKind};
use crate::core::instant::{Now, Timestamp};
use crate::core::job::{Job, OnBusy};
use crate::core::name::Name;
use crate::core::run::{Reason, RunId, Source};
use crate::core::trigger::Firing;

impl Scheduler {
    pub(super) fn command(&mut self, command: Command, now: Now, fx: &mut Effects) -> Answer {
        match command {
            Command::Put { job, toml, action, by, before } => {
                self.put(job, toml, action, by, before, now, fx)
            }
            Command::Remove { job, by, before } => self.remove(&job, by, before, now, fx),
            Command::Pause { job, until, reason } => self.pause(&job, until, reason, now, fx),
            Command::Resume { job, catch_up } => self.resume(&job, catch_up, now, fx),
            Command::RunNow(request) => self.run_now(request, now, fx),
            Command::Cancel { run, reason } => self.cancel(run, reason, now, fx),
            Command::Hold { reason } => self.take_hold(reason, now, fx),
            Command::Release => self.release(now, fx),
            Command::Stop { leave } => self.stop(leave, now, fx),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one command")]
    fn put(
        &mut self,
        job: Arc<Job>,
        toml: String,
        action: PutAction,
        by: Actor,
        before: Option<String>,
        now: Now,
        fx: &mut Effects,
    ) -> Answer {
        let kind = match action {
            PutAction::Added => EventKind::JobAdded,
            PutAction::Replaced => EventKind::JobReplaced,
            PutAction::Edited => EventKind::JobEdited,
            PutAction::Rescheduled => EventKind::JobRescheduled,
        };
        let name = job.name.clone();
        fx.commit(Change::Define { job: name.clone(), toml: toml.clone() });
        fx.commit(Change::Revision(Revision {
            at: now.wall,
            action: kind,
            job: name.clone(),
            before,
            after: Some(toml),
            by,
        }));
        match self.find(name.as_str()) {
            Some(id) => self.swap(id, job, Some(kind), now, fx),
            None => {
                fx.event(job_event(now, kind, &name));
                let memory = self.absent.remove(&job.name).unwrap_or_default();
                self.take_in(job, memory, now, fx);
            }
        }
        Answer::Done
    }

    fn remove(
        &mut self,
        name: &Name,
        by: Actor,
        before: Option<String>,
        now: Now,
        fx: &mut Effects,
    ) -> Answer {
        if self.find(name.as_str()).is_none() {
            return Answer::NoSuchJob;
        }
        self.take_out(name, now, fx);
        fx.commit(Change::Undefine { job: name.clone() });
        fx.commit(Change::Revision(Revision {
            at: now.wall,
            action: EventKind::JobRemoved,
            job: name.clone(),
            before,
            after: None,
            by,
        }));
        Answer::Done
    }

    fn pause(
        &mut self,
        name: &Name,
        until: Option<Timestamp>,
        reason: Option<String>,
        now: Now,
        fx: &mut Effects,
    ) -> Answer {
        let Some(id) = self.find(name.as_str()) else { return Answer::NoSuchJob };
        let since = self.slot(id).pause().map(|pause| (pause.at, pause.until));
        let pause = Pause { at: since.map_or(now.wall, |(at, _)| at), until, reason };
        if let Some((_, Some(old))) = since {
            self.wall_timers.disarm(old, WallTimer::PauseEnds(id));
        }
        if let Some(until) = until {
            self.wall_timers.arm(until, WallTimer::PauseEnds(id));
        }
        fx.commit(Change::Pause { job: name.clone(), pause: Some(pause.clone()) });
        let mut event = job_event(now, EventKind::JobPaused, name);
        event.detail.clone_from(&pause.reason);
        fx.event(event);
        self.slot_mut(id).more_mut().pause = Some(pause);
        self.drop_waiting(id, Reason::Paused, false, now, fx);
        self.arm(id);
        Answer::Done
    }

    fn resume(&mut self, name: &Name, catch_up: bool, now: Now, fx: &mut Effects) -> Answer {
        let Some(id) = self.find(name.as_str()) else { return Answer::NoSuchJob };
        let Some(pause) = self.slot(id).pause().cloned() else { return Answer::Nothing };
        if let Some(until) = pause.until {
            self.wall_timers.disarm(until, WallTimer::PauseEnds(id));
        }
        if !catch_up {
            self.leave_out(id, Reason::Paused, now, fx);
        }
        self.slot_mut(id).more_mut().pause = None;
        fx.commit(Change::Pause { job: name.clone(), pause: None });
        fx.event(job_event(now, EventKind::JobResumed, name));
        self.find_next(id);
        self.arm(id);
        self.arm_overdue(id);
        Answer::Done
    }

    /// A pause reaches its end.
    pub(super) fn pause_ends(&mut self, id: JobId, now: Now, fx: &mut Effects) {
        let name = self.slot(id).job.name.clone();
        let over = self.slot(id).pause().and_then(|pause| pause.until).is_some_and(|until| until <= now.wall);
        if over && !self.slot(id).is_removed() {
            self.resume(&name, false, now, fx);
        }
    }

    fn run_now(&mut self, request: RunNow, now: Now, fx: &mut Effects) -> Answer {
        if self.stopping.is_some() {
            return Answer::Stopping;
        }
        let Some(id) = self.find(request.job.as_str()) else { return Answer::NoSuchJob };
        if request.if_due && !self.is_due(id, now) {
            return Answer::Nothing;
        }
        let slot = self.slot(id);
        let job = slot.job.clone();
        let in_the_way: Vec<RunId> =
            slot.open().iter().copied().filter(|open| !self.is_ahead(*open)).collect();
        if !request.force && in_the_way.len() >= job.policy.max_instances as usize {
            match busy_rule(&job) {
                OnBusy::Skip => {
                    return in_the_way.first().map_or(Answer::Nothing, |run| Answer::Busy { run: *run });
                }
                OnBusy::Queue | OnBusy::Replace => {}
            }
        }
        let mut run = self.new_run(id, Source::Manual, now.wall, now);
        run.args = request.args;
        run.forced = request.force;
        if let Some(priority) = request.priority {
            run.priority = priority;
        }
        let number = run.id;
        self.claim(id, run, None, 0, now, fx);
        self.arm(id);
        Answer::Run(number)
    }

    /// Says whether a fire time has passed since the last success.
    fn is_due(&self, id: JobId, now: Now) -> bool {
        let slot = self.slot(id);
        let since = slot.more().and_then(|more| more.last_success);
        match &slot.job.firing {
            Firing::Clock(schedule) => {
                let after = since.unwrap_or_else(|| slot.cursor.min(slot.anchor));
                schedule.next_after(slot.anchor, after).is_some_and(|next| next <= now.wall)
            }
            Firing::Startup | Firing::Shutdown | Firing::After(_) => since.is_none(),
        }
    }

    fn cancel(&mut self, run: RunId, reason: Option<String>, now: Now, fx: &mut Effects) -> Answer {
        if !self.runs.contains_key(&run) {
            return Answer::NoSuchRun;
        }
        self.end(run, Ending::Told { reason: Reason::Cancelled, detail: reason }, now, fx);
        Answer::Run(run)
    }

    fn take_hold(&mut self, reason: Option<String>, now: Now, fx: &mut Effects) -> Answer {
        let at = self.hold.as_ref().map_or(now.wall, |hold| hold.at);
        let hold = Hold { at, reason };
        fx.commit(Change::Hold(Some(hold.clone())));
        let mut event = Event::new(now.wall, EventKind::DaemonHeld);
        event.detail.clone_from(&hold.reason);
        fx.event(event);
        self.hold = Some(hold);
        Answer::Done
    }

    fn release(&mut self, now: Now, fx: &mut Effects) -> Answer {
        if self.hold.take().is_none() {
            return Answer::Nothing;
        }
        fx.commit(Change::Hold(None));
        fx.event(Event::new(now.wall, EventKind::DaemonReleased));
        self.consider_held_back(now, fx);
        Answer::Done
    }

    /// Stops, or hurries when it is stopping already: first the runs are asked to end at once, then killed.
    fn stop(&mut self, leave: bool, now: Now, fx: &mut Effects) -> Answer {
        match self.stopping {
            None => {
                let deadline = now.mono.plus(self.settings.stop_timeout);
                self.stopping = Some(Stopping { leave, asked: false });
                self.mono_timers.arm(deadline, MonoTimer::StopDeadline);
                self.fire_at_shutdown(now, fx);
            }
            Some(stopping) if !stopping.asked => self.ask_all_to_end(now, fx),
            Some(_) => {
                let alive: Vec<(RunId, u32)> = self.alive_commands();
                for (run, position) in alive {
                    self.kill(run, position, fx);
                }
            }
        }
        Answer::Done
    }

    fn fire_at_shutdown(&mut self, now: Now, fx: &mut Effects) {
        let ids: Vec<JobId> = self.live_ids().collect();
        for id in ids {
            let slot = self.slot(id);
            let due = matches!(slot.job.firing, Firing::Shutdown) && slot.job.policy.enabled;
            if due && slot.pause().is_none() {
                let run = self.new_run(id, Source::Shutdown, now.wall, now);
                let at = self.event_time(id, now.wall);
                let run = super::live::LiveRun { fire_time: Some(at), ..run };
                self.claim(id, run, Some(at), 0, now, fx);
            }
        }
    }

    /// The time to finish is over: every run alive is asked to end.
    pub(super) fn ask_all_to_end(&mut self, now: Now, fx: &mut Effects) {
        let Some(stopping) = self.stopping.as_mut() else { return };
        stopping.asked = true;
        if stopping.leave {
            return;
        }
        let alive: Vec<RunId> =
            self.runs.values().filter(|run| run.progress.is_some()).map(|run| run.id).collect();
        for run in alive {
            self.end(run, Ending::Told { reason: Reason::Stopping, detail: None }, now, fx);
        }
    }

    fn alive_commands(&self) -> Vec<(RunId, u32)> {
        let alive = self.runs.values().filter_map(|run| Some((run.id, run.progress.as_ref()?)));
        alive.flat_map(|(id, progress)| progress.children.iter().map(move |c| (id, c.position))).collect()
    }

    /// Leaves once nothing is alive any more. What waits stays in the ledger for the next start.
    pub(super) fn leave_if_done(&mut self, fx: &mut Effects) {
        let Some(stopping) = self.stopping else { return };
        let shutdown_waits =
            self.runs.values().any(|run| run.source == Source::Shutdown && run.progress.is_none());
        let alive = self
            .runs
            .values()
            .any(|run| run.progress.is_some() && (!stopping.leave || run.source == Source::Shutdown));
        let late = stopping.asked && self.runs.values().all(|run| run.progress.is_none());
        if (!alive && !shutdown_waits) || late {
            fx.push(Effect::Exit);
        }
    }
}

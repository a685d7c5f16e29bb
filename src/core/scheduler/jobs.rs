//! The job set: how it is replaced at a reload, and changed job by job.

use std::collections::HashSet;
use std::sync::Arc;

use super::io::{Effects, Memory, Settings};
use super::live::{JobId, LiveRun, More, Slot};
use super::{Scheduler, WallTimer};
use crate::core::change::{Change, Pause};
use crate::core::event::{Event, EventKind};
use crate::core::instant::{Now, Timestamp};
use crate::core::job::{Command, Job, Origin, Policy, Pool, Words, Work};
use crate::core::name::Name;
use crate::core::policy;
use crate::core::run::{Reason, RunStatus, Source};
use crate::core::trigger::{Firing, Trigger};

impl Scheduler {
    /// Replaces the job set: untouched jobs keep their timers, runs that are alive go on.
    pub(super) fn reload(
        &mut self,
        jobs: Vec<Arc<Job>>,
        pools: &[Pool],
        settings: Settings,
        now: Now,
        fx: &mut Effects,
    ) {
        self.settings = settings;
        self.report_pools(pools, now, fx);
        self.set_pools(pools);
        let kept: HashSet<Name> = jobs.iter().map(|job| job.name.clone()).collect();
        let gone: Vec<Name> = self
            .live_slots()
            .filter(|slot| !kept.contains(&slot.job.name))
            .map(|s| s.job.name.clone())
            .collect();
        for name in gone {
            self.take_out(&name, now, fx);
            fx.commit(Change::Forget { job: name });
        }
        for job in jobs {
            match self.find(job.name.as_str()) {
                Some(id) => self.swap(id, job, None, now, fx),
                None => {
                    fx.event(job_event(now, EventKind::JobAdded, &job.name));
                    let memory = self.absent.remove(&job.name).unwrap_or_default();
                    let id = self.take_in(job, memory, now, fx);
                    self.skip_this_boot(id, fx);
                }
            }
        }
        let mut event = Event::new(now.wall, EventKind::JobsLoaded);
        event.detail = Some(format!("{} jobs", self.live_slots().count()));
        fx.event(event);
        self.drain_pools(now, fx);
    }

    /// Takes a job into memory and arms its next fire time.
    pub(super) fn take_in(&mut self, job: Arc<Job>, memory: Memory, now: Now, fx: &mut Effects) -> JobId {
        let trigger = job.firing.spec();
        let known = memory.cursor.filter(|_| memory.trigger.as_deref() == Some(trigger.as_str()));
        let (cursor, anchor) = match known {
            Some(cursor) => (cursor, memory.anchor.unwrap_or(cursor)),
            None => {
                if matches!(job.firing, Firing::Clock(_)) {
                    self.look_for_rows_ahead(now, fx);
                }
                self.track(&job, trigger, now, fx)
            }
        };
        let mut slot = Slot::new(job.clone(), cursor, anchor);
        let mut satisfied = memory.satisfied;
        if known.is_none() {
            forget_dependencies(&job.name, &mut satisfied, fx);
        }
        let pause = match memory.cursor {
            None if job.policy.paused => {
                let pause = Pause { at: now.wall, until: None, reason: None };
                fx.commit(Change::Pause { job: job.name.clone(), pause: Some(pause.clone()) });
                Some(pause)
            }
            None | Some(_) => memory.pause,
        };
        let remembers =
            memory.last_success.is_some() || memory.well.is_some() || memory.overdue_since.is_some();
        if pause.is_some() || !satisfied.is_empty() || remembers {
            let more = slot.more_mut();
            more.pause = pause;
            more.satisfied = satisfied;
            more.last_success = memory.last_success;
            more.well = memory.well;
            more.overdue_since = memory.overdue_since;
        }
        let until = slot.pause().and_then(|pause| pause.until);
        let id = self.place(slot);
        self.link(id);
        if let Some(until) = until {
            self.wall_timers.arm(until, WallTimer::PauseEnds(id));
        }
        self.find_next(id);
        self.arm(id);
        self.arm_overdue(id);
        id
    }

    /// Begins to keep a job's schedule: from now on, but an instant given by `at` is judged by its grace even
    /// when it has passed.
    fn track(&self, job: &Job, trigger: String, now: Now, fx: &mut Effects) -> (Timestamp, Timestamp) {
        let cursor = match &job.firing {
            Firing::Clock(schedule) => match &schedule.trigger {
                Trigger::At(at) => now.wall.min(Timestamp::from_micros(at.at.as_micros().saturating_sub(1))),
                Trigger::Cron(_) | Trigger::Every(_) | Trigger::Any(_) | Trigger::All(_) => now.wall,
            },
            Firing::Startup | Firing::Shutdown | Firing::After(_) => now.wall,
        };
        fx.commit(Change::Track { job: job.name.clone(), cursor, anchor: now.wall, trigger });
        (cursor, now.wall)
    }

    /// Replaces the definition of a job of the set; the pause, the history and the runs stay.
    pub(super) fn swap(
        &mut self,
        id: JobId,
        job: Arc<Job>,
        event: Option<EventKind>,
        now: Now,
        fx: &mut Effects,
    ) {
        let old = self.slot(id).job.clone();
        if old == job {
            return;
        }
        let same_rules = Job { origin: old.origin.clone(), ..(*job).clone() } == *old;
        if let Some(kind) = event.or((!same_rules).then_some(EventKind::JobEdited)) {
            fx.event(job_event(now, kind, &job.name));
        }
        let retimed = old.firing.spec() != job.firing.spec();
        if !job.policy.enabled {
            self.leave_out(id, Reason::Disabled, now, fx);
        } else if retimed {
            self.leave_out(id, Reason::Removed, now, fx);
        }
        self.unlink(id);
        self.slot_mut(id).job = job.clone();
        self.link(id);
        if retimed {
            let (cursor, anchor) = self.track(&job, job.firing.spec(), now, fx);
            let slot = self.slot_mut(id);
            slot.cursor = cursor;
            slot.anchor = anchor;
            slot.set_next(None);
            forget_dependencies(&job.name, &mut slot.more_mut().satisfied, fx);
            self.skip_this_boot(id, fx);
        }
        if retimed || old.policy.enabled != job.policy.enabled || old.firing != job.firing {
            // What has fallen due by the zone's old rules has its outcome; the new ones count from now on.
            let decided = self.slot(id).next().is_none_or(|next| next > now.wall);
            if job.policy.enabled && !retimed && (!old.policy.enabled || decided) {
                self.pass_over(id, now, fx);
            }
            self.find_next(id);
        }
        self.arm(id);
        self.arm_overdue(id);
        if !job.policy.enabled {
            self.drop_waiting(id, Reason::Disabled, true, now, fx);
        }
    }

    /// Goes on from now: a job was not due while it was disabled.
    fn pass_over(&mut self, id: JobId, now: Now, fx: &mut Effects) {
        let slot = self.slot_mut(id);
        if matches!(slot.job.firing, Firing::Clock(_)) && slot.cursor < now.wall {
            slot.cursor = now.wall;
            fx.commit(Change::Cursor { job: slot.job.name.clone(), cursor: now.wall });
        }
    }

    /// Takes a job out of the set. Runs alive go on, but are not tried again; runs that wait are skipped.
    pub(super) fn take_out(&mut self, name: &Name, now: Now, fx: &mut Effects) {
        let Some(id) = self.find(name.as_str()) else { return };
        fx.event(job_event(now, EventKind::JobRemoved, name));
        self.leave_out(id, Reason::Removed, now, fx);
        self.unlink(id);
        let slot = self.slot_mut(id);
        slot.more_mut().removed = true;
        slot.set_next(None);
        self.arm(id);
        self.drop_waiting(id, Reason::Removed, true, now, fx);
        for run in self.slot(id).open().to_vec() {
            if self
                .runs
                .get(&run)
                .is_some_and(|run| run.status == RunStatus::Retrying && run.progress.is_none())
            {
                self.finish_unstarted(run, RunStatus::Cancelled, Reason::Removed, None, now, fx);
            }
        }
        self.free_if_gone(id);
    }

    /// Frees a removed job's place once its last run is over.
    pub(super) fn free_if_gone(&mut self, id: JobId) {
        let slot = self.slot(id);
        let gone = slot.is_removed() && slot.open().is_empty();
        if gone && self.find_any(slot.job.name.as_str()) == Some(id) {
            self.by_name.remove(id, &self.slots);
            self.free.push(id);
        }
    }

    /// Skips the runs of a job that have not started yet, all of them or those that nobody asked for.
    pub(super) fn drop_waiting(&mut self, id: JobId, reason: Reason, all: bool, now: Now, fx: &mut Effects) {
        let waits = |run: &LiveRun| run.status == RunStatus::Queued && run.progress.is_none();
        let mut waiting = self.slot(id).open().to_vec();
        waiting.retain(|run| {
            self.runs.get(run).is_some_and(|run| waits(run) && (all || run.source != Source::Manual))
        });
        // None of them inherits the instance of another.
        self.slot_mut(id).more_mut().waiting.retain(|run| !waiting.contains(run));
        for run in waiting {
            self.finish_unstarted(run, RunStatus::Skipped, reason, None, now, fx);
        }
    }

    /// Computes the next fire time from the cursor; jobs without a clock have one only when something said so.
    pub(super) fn find_next(&mut self, id: JobId) {
        let slot = self.slot(id);
        let next = match &slot.job.firing {
            _ if !slot.job.policy.enabled || slot.is_removed() => None,
            Firing::Clock(schedule) => schedule.next_after(slot.anchor, slot.cursor),
            Firing::After(dependencies) => {
                let satisfied = slot.more().map_or(&[][..], |more| &more.satisfied);
                let all = dependencies.iter().all(|dependency| satisfied.contains(&dependency.job));
                all.then_some(slot.next().unwrap_or(self.last.wall))
            }
            Firing::Startup | Firing::Shutdown => slot.next(),
        };
        self.slot_mut(id).set_next(next);
    }

    /// Arms the deadline of a job's next fire time: early by the claim's lead, so that the claim is durable at
    /// the instant; on the instant where a run of the job is alive, because overlap is judged then.
    pub(super) fn arm(&mut self, id: JobId) {
        let lead = self.settings.claim_lead;
        let slot = self.slot(id);
        let at = match slot.next() {
            Some(next) if slot.pause().is_none() => {
                let due = next.plus(self.jitter_of(slot, next));
                Some(if slot.open().is_empty() { due.minus(lead) } else { due })
            }
            Some(_) | None => None,
        };
        self.job_timers.set(id, at);
    }

    /// Returns the delay on top of a fire time: never past the next one, never past the schedule's end.
    pub(super) fn jitter_of(&self, slot: &Slot, fire_time: Timestamp) -> std::time::Duration {
        let Firing::Clock(schedule) = &slot.job.firing else { return std::time::Duration::ZERO };
        if schedule.jitter.is_zero() {
            return std::time::Duration::ZERO;
        }
        let next = schedule.next_after(slot.anchor, fire_time);
        let bound = [next, schedule.end].into_iter().flatten().map(|at| at.since(fire_time)).min();
        let window = bound.map_or(schedule.jitter, |bound| bound.min(schedule.jitter));
        policy::jitter(slot.job.name.as_str(), fire_time, window)
    }

    /// Returns the jobs of the set.
    pub(super) fn live_slots(&self) -> impl Iterator<Item = &Slot> {
        self.live_ids().map(|id| self.slot(id))
    }

    /// Returns the places of the jobs of the set, always in the same order: what is decided for each in turn must not
    /// depend on how names are hashed.
    pub(super) fn live_ids(&self) -> impl Iterator<Item = JobId> {
        let places = (0..).map(JobId).zip(&self.slots);
        places.filter(|(_, slot)| !slot.is_removed()).map(|(id, _)| id)
    }

    /// Makes a place for a job that has left the set while a run of it was alive and the daemon was not.
    pub(super) fn ghost(&mut self, name: &Name, now: Now) -> JobId {
        let job = Job {
            name: name.clone(),
            origin: Origin::Added,
            firing: Firing::Shutdown,
            work: Work::Command(Command::Argv(Words::default())),
            policy: Arc::new(Policy { enabled: false, ..Policy::default() }),
            execution: Arc::default(),
            about: Arc::default(),
        };
        let mut slot = Slot::new(Arc::new(job), now.wall, now.wall);
        slot.more_mut().removed = true;
        self.place(slot)
    }

    fn place(&mut self, slot: Slot) -> JobId {
        if let Some(ghost) = self.find_any(slot.job.name.as_str()) {
            self.revive(ghost, slot);
            return ghost;
        }
        let id = match self.free.pop() {
            Some(id) => {
                *self.slot_mut(id) = slot;
                id
            }
            None => {
                let id = JobId(u32::try_from(self.slots.len()).unwrap_or(u32::MAX));
                self.slots.push(slot);
                id
            }
        };
        self.by_name.insert(id, &self.slots);
        id
    }

    /// A job of the same name comes back while runs of the old one are alive: they count for it.
    fn revive(&mut self, ghost: JobId, mut slot: Slot) {
        let old = self.slot_mut(ghost);
        let open = old.open().to_vec();
        let (active, waiting) = match old.more() {
            Some(more) => (more.active, more.waiting.clone()),
            None => (0, std::collections::VecDeque::new()),
        };
        let more: &mut More = slot.more_mut();
        more.open = open;
        more.active = active;
        more.waiting = waiting;
        *self.slot_mut(ghost) = slot;
    }

    /// Notes whose ends a job waits for.
    fn link(&mut self, id: JobId) {
        let job = self.slot(id).job.clone();
        for dependency in job.firing.dependencies() {
            self.dependents.entry(dependency.job.clone()).or_default().insert(id);
        }
    }

    /// Forgets whose ends a job waits for.
    fn unlink(&mut self, id: JobId) {
        let job = self.slot(id).job.clone();
        for dependency in job.firing.dependencies() {
            if let Some(waiting) = self.dependents.get_mut(&dependency.job) {
                waiting.remove(&id);
                if waiting.is_empty() {
                    self.dependents.remove(&dependency.job);
                }
            }
        }
    }

    /// A startup job that comes into the set later is not due before the next boot, as with cron's @reboot.
    fn skip_this_boot(&mut self, id: JobId, fx: &mut Effects) {
        let job = self.slot(id).job.clone();
        if matches!(job.firing, Firing::Startup) {
            fx.commit(Change::StartupBoot { job: job.name.clone(), boot_id: self.boot_id.clone() });
        }
    }
}

/// Forgets what a job has waited for by another trigger, also in the store: a restart must not bring it back.
fn forget_dependencies(job: &Name, satisfied: &mut Vec<Name>, fx: &mut Effects) {
    if !satisfied.is_empty() {
        satisfied.clear();
        fx.commit(Change::Satisfied { job: job.clone(), dependencies: Vec::new() });
    }
}

/// Makes an event about a job.
pub(super) fn job_event(now: Now, kind: EventKind, job: &Name) -> Event {
    let mut event = Event::new(now.wall, kind);
    event.job = Some(job.clone());
    event
}

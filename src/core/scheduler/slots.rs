//! From a claim to a start: the instant, the commit, the grace, an instance of the job, a worker of its pool.

use std::cmp::Reverse;

use super::due::busy_rule;
use super::io::Effects;
use super::live::{Ending, LiveRun, PoolKey, Stand};
use super::{Scheduler, WallTimer};
use crate::core::instant::Now;
use crate::core::job::{Grace, OnBusy};
use crate::core::policy;
use crate::core::run::{Reason, RunId, RunStatus, Source};
use crate::core::trigger::Firing;

impl Scheduler {
    /// Takes in the store's word on claims: durable ones may start, refused ones never were ours.
    pub(super) fn claimed(&mut self, claims: &[(RunId, bool)], now: Now, fx: &mut Effects) {
        for (id, applied) in claims {
            if !*applied {
                self.forget(*id, now, fx);
            } else if let Some(run) = self.runs.get_mut(id) {
                run.durable = true;
            }
        }
        for (id, _) in claims {
            self.replace_waiting(*id, now, fx);
            self.consider(*id, now, fx);
        }
    }

    /// Looks whether a run may go on towards its start.
    pub(super) fn consider(&mut self, id: RunId, now: Now, fx: &mut Effects) {
        let Some(run) = self.runs.get(&id) else { return };
        match run.stage {
            Stand::Due | Stand::Parked | Stand::Retry => {}
            Stand::Instance | Stand::Worker | Stand::Alive => return,
        }
        if !run.durable {
            return;
        }
        let has_started = run.attempt > 0;
        if now.wall < run.due_at && !has_started {
            self.wall_timers.arm(run.due_at, WallTimer::RunDue(id));
            return;
        }
        if !self.starts_allowed(run) {
            self.stand(id, Stand::Parked);
            return;
        }
        if !has_started && self.too_late(run, now) {
            self.finish_unstarted(id, RunStatus::Missed, Reason::Grace, None, now, fx);
            return;
        }
        self.take_instance(id, now, fx);
    }

    /// Looks again at every run that was held back, also in the queues for an instance or a worker.
    pub(super) fn consider_held_back(&mut self, now: Now, fx: &mut Effects) {
        let held_back = |stage: Stand| {
            let of_stage = self.runs.values().filter(move |run| run.stage == stage);
            of_stage.map(|run| run.id).collect::<Vec<_>>()
        };
        let (mut parked, waiting) = (held_back(Stand::Parked), held_back(Stand::Instance));
        parked.sort_by_key(|id| self.runs.get(id).map(|run| (Reverse(run.priority), run.due_at)));
        for id in parked {
            self.consider(id, now, fx);
        }
        for id in waiting {
            let job = self.runs.get(&id).and_then(|run| self.find_any(run.job.name.as_str()));
            if let Some(next) = job.and_then(|job| self.next_for_instance(job)) {
                self.take_instance(next, now, fx);
            }
        }
        self.drain_pools(now, fx);
    }

    /// Judges the grace of a run that is about to queue for a start; what it waits there does not count.
    fn too_late(&self, run: &LiveRun, now: Now) -> bool {
        let Some(fire_time) = run.fire_time.filter(|_| run.source == Source::Schedule) else { return false };
        let late = now.wall.since(run.due_at);
        if late <= policy::ON_TIME {
            return false;
        }
        let superseded = run.job.policy.grace == Grace::UntilNext
            && match (&run.job.firing, self.find(run.job.name.as_str())) {
                (Firing::Clock(schedule), Some(id)) => {
                    let next = schedule.next_after(self.slot(id).anchor, fire_time);
                    next.is_some_and(|next| next <= now.wall)
                }
                (Firing::Clock(_) | Firing::Startup | Firing::Shutdown | Firing::After(_), _) => false,
            };
        !policy::in_grace(run.job.policy.grace, late, superseded)
    }

    fn take_instance(&mut self, id: RunId, now: Now, fx: &mut Effects) {
        let Some(run) = self.runs.get(&id) else { return };
        if run.has_instance {
            self.take_worker(id, now, fx);
            return;
        }
        let limit = run.job.policy.max_instances;
        let forced = run.forced;
        // Between a claim ahead and its instant the job may have been started by hand.
        let is_skipped = run.source == Source::Schedule && busy_rule(&run.job) == OnBusy::Skip;
        let name = run.job.name.clone();
        if !forced {
            self.replace_active(id, now, fx);
        }
        if let Some(job) = self.find_any(name.as_str()) {
            let full = self.slot(job).more().is_some_and(|more| more.active >= limit) && !forced;
            if full && is_skipped {
                let first = self.slot(job).open().iter().find(|open| **open != id);
                let detail = first.map(|first| format!("run {first} is not over"));
                self.finish_unstarted(id, RunStatus::Skipped, Reason::Busy, detail, now, fx);
                return;
            }
            let more = self.slot_mut(job).more_mut();
            if full {
                if !more.waiting.contains(&id) {
                    more.waiting.push_back(id);
                }
                self.stand(id, Stand::Instance);
                return;
            }
            more.active += 1;
        }
        if let Some(run) = self.runs.get_mut(&id) {
            run.has_instance = true;
        }
        self.take_worker(id, now, fx);
    }

    /// Returns the runs of the same job that a run takes the place of, oldest first: as many as it needs room for.
    /// It may do so only once its claim is durable, so that nothing is ended for an occurrence that had its run.
    fn replaced_by(&self, id: RunId) -> Vec<RunId> {
        let Some(run) = self.runs.get(&id).filter(|run| busy_rule(&run.job) == OnBusy::Replace) else {
            return Vec::new();
        };
        let Some(job) = self.find_any(run.job.name.as_str()) else { return Vec::new() };
        let older: Vec<RunId> =
            self.slot(job).open().iter().copied().take_while(|open| *open != id).collect();
        let surplus = (older.len() + 1).saturating_sub(run.job.policy.max_instances as usize);
        older.into_iter().take(surplus).collect()
    }

    /// Ends what a run replaces among those that have not started.
    fn replace_waiting(&mut self, id: RunId, now: Now, fx: &mut Effects) {
        for other in self.replaced_by(id) {
            if self.runs.get(&other).is_some_and(|run| run.progress.is_none()) {
                self.end(other, Ending::Told { reason: Reason::Replaced, detail: None }, now, fx);
            }
        }
    }

    /// Ends what a run replaces, now that it could start.
    fn replace_active(&mut self, id: RunId, now: Now, fx: &mut Effects) {
        for other in self.replaced_by(id) {
            self.end(other, Ending::Told { reason: Reason::Replaced, detail: None }, now, fx);
        }
    }

    fn take_worker(&mut self, id: RunId, now: Now, fx: &mut Effects) {
        let Some(run) = self.runs.get_mut(&id) else { return };
        let key = match &run.job.policy.pool {
            Some(name) => PoolKey::Named(name.clone()),
            None if run.catch_up => PoolKey::CatchUp,
            None => {
                self.start_attempt(id, now, fx);
                return;
            }
        };
        let order = (Reverse(run.priority), run.due_at, id);
        if let Some(pool) = self.pools.get_mut(&key) {
            pool.waiting.insert(order);
            self.stand(id, Stand::Worker);
            self.drain_pool(&key, now, fx);
        } else {
            self.start_attempt(id, now, fx);
        }
    }

    /// Drops a run from memory and lets the next ones have what it held.
    pub(super) fn forget(&mut self, id: RunId, now: Now, fx: &mut Effects) {
        let freed = self.give_back_worker(id);
        self.leave_job(id, now, fx);
        // Not before: a run of the same job that has waited for this one's end competes for the worker too.
        if let Some(key) = freed {
            self.drain_pool(&key, now, fx);
        }
    }

    /// Drops a run from memory and gives its instance to the next one of its job.
    fn leave_job(&mut self, id: RunId, now: Now, fx: &mut Effects) {
        let Some(run) = self.runs.remove(&id) else { return };
        self.wall_timers.disarm(run.due_at, WallTimer::RunDue(id));
        if run.stage == Stand::Worker {
            for pool in self.pools.values_mut() {
                pool.waiting.remove(&(Reverse(run.priority), run.due_at, id));
            }
        }
        let Some(job) = self.find_any(run.job.name.as_str()) else { return };
        let more = self.slot_mut(job).more_mut();
        more.open.retain(|open| *open != id);
        more.waiting.retain(|waiting| *waiting != id);
        if run.has_instance {
            more.active = more.active.saturating_sub(1);
        }
        if let Some(next) = self.next_for_instance(job) {
            self.take_instance(next, now, fx);
        }
        self.arm(job);
        self.free_if_gone(job);
    }

    /// Takes the next run of a job that may have an instance; during a hold or a stop there is none.
    fn next_for_instance(&mut self, job: super::live::JobId) -> Option<RunId> {
        let first = self.slot(job).more()?.waiting.front()?;
        let allowed = self.runs.get(first).is_none_or(|run| self.starts_allowed(run));
        let slot = self.slot_mut(job);
        let limit = slot.job.policy.max_instances;
        let more = slot.more_mut();
        if more.active >= limit || !allowed { None } else { more.waiting.pop_front() }
    }

    fn stand(&mut self, id: RunId, stage: Stand) {
        if let Some(run) = self.runs.get_mut(&id) {
            run.stage = stage;
        }
    }
}

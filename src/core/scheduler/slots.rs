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

    /// Looks whether a run may go on towards its start, or towards its next attempt.
    pub(super) fn consider(&mut self, id: RunId, now: Now, fx: &mut Effects) {
        let Some(run) = self.runs.get(&id) else { return };
        match run.stage {
            Stand::Due | Stand::Parked | Stand::Retry => {}
            Stand::Instance | Stand::Worker | Stand::Alive => return,
        }
        if !run.durable {
            return;
        }
        // What has had its instance once was in time: what it waits after that does not count.
        let first = run.attempt == 0 && !run.has_instance;
        if first && now.wall < run.due_at {
            self.wall_timers.arm(run.due_at, WallTimer::RunDue(id));
            return;
        }
        if !self.starts_allowed(run) {
            self.stand(id, Stand::Parked);
            return;
        }
        if first && self.too_late(run, now) {
            self.finish_unstarted(id, RunStatus::Missed, Reason::Grace, None, now, fx);
            return;
        }
        self.take_instance(id, now, fx);
    }

    /// Looks again at every run that was held back, in the order in which they would wait for a worker.
    pub(super) fn consider_parked(&mut self, now: Now, fx: &mut Effects) {
        let parked = self.runs.values().filter(|run| run.stage == Stand::Parked);
        let mut parked: Vec<_> = parked.map(|run| (Reverse(run.priority), run.due_at, run.id)).collect();
        parked.sort_unstable();
        for (_, _, id) in parked {
            self.consider(id, now, fx);
        }
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
        let name = run.job.name.clone();
        if !forced && self.starts_allowed(run) {
            self.replace_active(id, now, fx);
        }
        if let Some(job) = self.by_name.get(&name).copied() {
            let more = self.slot_mut(job).more_mut();
            if more.active >= limit && !forced {
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
        let Some(job) = self.by_name.get(&run.job.name) else { return Vec::new() };
        let older: Vec<RunId> = self.slot(*job).open().iter().copied().take_while(|open| *open != id).collect();
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
        let Some(run) = self.runs.get(&id) else { return };
        if !self.starts_allowed(run) {
            self.stand(id, Stand::Parked);
            return;
        }
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

    /// Gives free workers of a pool to those who wait, in their order.
    fn drain_pool(&mut self, key: &PoolKey, now: Now, fx: &mut Effects) {
        while let Some(pool) = self.pools.get_mut(key).filter(|pool| pool.busy < pool.workers) {
            let Some((_, _, id)) = pool.waiting.pop_first() else { return };
            let Some(run) = self.runs.get(&id) else { continue };
            if !self.starts_allowed(run) {
                self.stand(id, Stand::Parked);
                continue;
            }
            if let Some(pool) = self.pools.get_mut(key) {
                pool.busy += 1;
            }
            if let Some(run) = self.runs.get_mut(&id) {
                run.worker = Some(key.clone());
            }
            self.start_attempt(id, now, fx);
        }
    }

    /// Lets every pool start what it can, after its size has changed.
    pub(super) fn drain_pools(&mut self, now: Now, fx: &mut Effects) {
        let keys: Vec<PoolKey> = self.pools.keys().cloned().collect();
        for key in keys {
            self.drain_pool(&key, now, fx);
        }
    }

    /// Gives back the worker of a run.
    pub(super) fn release_worker(&mut self, id: RunId, now: Now, fx: &mut Effects) {
        let Some(key) = self.runs.get_mut(&id).and_then(|run| run.worker.take()) else { return };
        if let Some(pool) = self.pools.get_mut(&key) {
            pool.busy = pool.busy.saturating_sub(1);
        }
        self.drain_pool(&key, now, fx);
    }

    /// Drops a run from memory and lets the next ones have what it held.
    pub(super) fn forget(&mut self, id: RunId, now: Now, fx: &mut Effects) {
        self.release_worker(id, now, fx);
        let Some(run) = self.runs.remove(&id) else { return };
        self.wall_timers.disarm(run.due_at, WallTimer::RunDue(id));
        if run.stage == Stand::Worker {
            for pool in self.pools.values_mut() {
                pool.waiting.remove(&(Reverse(run.priority), run.due_at, id));
            }
        }
        let Some(job) = self.by_name.get(&run.job.name).copied() else { return };
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

    fn next_for_instance(&mut self, job: super::live::JobId) -> Option<RunId> {
        let slot = self.slot_mut(job);
        let limit = slot.job.policy.max_instances;
        let more = slot.more_mut();
        if more.active >= limit { None } else { more.waiting.pop_front() }
    }

    fn stand(&mut self, id: RunId, stage: Stand) {
        if let Some(run) = self.runs.get_mut(&id) {
            run.stage = stage;
        }
    }
}

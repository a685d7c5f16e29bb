//! Pools: limits of workers, how they change, and who gets the next free worker.

use std::collections::BTreeMap;

use super::Scheduler;
use super::io::Effects;
use super::live::{PoolKey, PoolState};
use crate::core::event::{Event, EventKind};
use crate::core::instant::Now;
use crate::core::job::Pool;
use crate::core::name::Name;
use crate::core::run::RunId;

impl Scheduler {
    pub(super) fn set_pools(&mut self, pools: &[Pool]) {
        let catch_up = (PoolKey::CatchUp, self.settings.catch_up_parallel);
        let wanted = pools.iter().map(|pool| (PoolKey::Named(pool.name.clone()), pool.workers));
        let wanted: BTreeMap<_, _> = wanted.chain([catch_up]).collect();
        self.pools
            .retain(|key, state| wanted.contains_key(key) || state.busy > 0 || !state.waiting.is_empty());
        for (key, workers) in wanted {
            self.pools.entry(key).or_insert_with(|| PoolState::new(workers)).workers = workers.max(1);
        }
    }

    pub(super) fn report_pools(&self, pools: &[Pool], now: Now, fx: &mut Effects) {
        let has = |name: &Name| self.pools.contains_key(&PoolKey::Named(name.clone()));
        for pool in pools.iter().filter(|pool| !has(&pool.name)) {
            let mut event = Event::new(now.wall, EventKind::PoolAdded);
            event.detail = Some(pool.name.to_string());
            fx.event(event);
        }
        for key in self.pools.keys() {
            if let PoolKey::Named(name) = key
                && !pools.iter().any(|pool| pool.name == *name)
            {
                let mut event = Event::new(now.wall, EventKind::PoolRemoved);
                event.detail = Some(name.to_string());
                fx.event(event);
            }
        }
    }

    /// Gives free workers of a pool to those who wait, in their order.
    pub(super) fn drain_pool(&mut self, key: &PoolKey, now: Now, fx: &mut Effects) {
        while let Some(pool) = self.pools.get(key).filter(|pool| pool.busy < pool.workers) {
            let allowed = |id: &RunId| self.runs.get(id).is_none_or(|run| self.starts_allowed(run));
            // Only during a hold or a stop the first is not the next.
            let Some(next) = pool.waiting.iter().find(|(_, _, id)| allowed(id)).copied() else { return };
            let (_, _, id) = next;
            let Some(pool) = self.pools.get_mut(key) else { return };
            pool.waiting.remove(&next);
            if let Some(run) = self.runs.get_mut(&id) {
                pool.busy += 1;
                run.worker = Some(key.clone());
                self.start_attempt(id, now, fx);
            }
        }
    }

    /// Lets every pool start what it can, after its size has changed.
    pub(super) fn drain_pools(&mut self, now: Now, fx: &mut Effects) {
        let keys: Vec<PoolKey> = self.pools.keys().cloned().collect();
        for key in keys {
            self.drain_pool(&key, now, fx);
        }
    }

    /// Gives back the worker of a run, to whoever waits for one.
    pub(super) fn release_worker(&mut self, id: RunId, now: Now, fx: &mut Effects) {
        if let Some(key) = self.give_back_worker(id) {
            self.drain_pool(&key, now, fx);
        }
    }

    /// Takes the worker of a run back and says of which pool it is; nobody gets it yet.
    pub(super) fn give_back_worker(&mut self, id: RunId) -> Option<PoolKey> {
        let key = self.runs.get_mut(&id)?.worker.take()?;
        if let Some(pool) = self.pools.get_mut(&key) {
            pool.busy = pool.busy.saturating_sub(1);
        }
        Some(key)
    }
}

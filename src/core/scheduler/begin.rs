//! The beginning: the job set and what the store remembers of it are taken in, and startup jobs are due.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::io::{Boot, Effect, Effects};
use super::live::JobId;
use super::names::Names;
use super::timers::{JobTimers, Timers};
use super::{Gate, MonoTimer, Scheduler};
use crate::core::change::Change;
use crate::core::event::{Event, EventKind};
use crate::core::instant::{Now, Timestamp};
use crate::core::job::StartupScope;
use crate::core::policy;
use crate::core::run::{Reason, RunStatus};
use crate::core::trigger::{Fires, Firing};

impl Scheduler {
    /// Begins with a job set and what the store remembers of it.
    pub fn new(boot: Boot, now: Now) -> (Self, Vec<Effect>) {
        let mut scheduler = Scheduler {
            slots: Vec::with_capacity(boot.jobs.len()),
            by_name: Names::with_capacity(boot.jobs.len()),
            free: Vec::new(),
            dependents: HashMap::new(),
            runs: BTreeMap::new(),
            pools: BTreeMap::new(),
            job_timers: JobTimers::with_capacity(boot.jobs.len()),
            wall_timers: Timers::new(),
            mono_timers: Timers::new(),
            hold: boot.hold,
            degraded: false,
            gate: Gate::Open,
            stopping: None,
            unread_gaps: 0,
            back_to: Timestamp::MAX,
            rows_ahead: Timestamp::MIN,
            rewound: BTreeSet::new(),
            absent: BTreeMap::new(),
            next_run: boot.next_run,
            boot_id: boot.boot_id,
            last: now,
            heartbeat: boot.heartbeat.unwrap_or(Timestamp::MIN),
            settings: boot.settings,
        };
        let mut fx = Effects::default();
        scheduler.set_pools(&boot.pools);
        scheduler.close_gate(boot.heartbeat, now);
        let mut memory = boot.memory;
        let mut starting = Vec::new();
        for job in boot.jobs {
            let remembered = memory.remove(&job.name).unwrap_or_default();
            let mut ran_this_boot = remembered.startup_boot.as_ref() == Some(&scheduler.boot_id);
            let id = scheduler.take_in(job, remembered, now, &mut fx);
            if let Some(restored) = &boot.restored {
                ran_this_boot = scheduler.settle_restore(id, restored, ran_this_boot, now, &mut fx);
            }
            if boot.starting {
                starting.push((id, ran_this_boot));
            }
        }
        scheduler.absent = memory;
        scheduler.restore_all(boot.unfinished, now, &mut fx);
        // After what was left behind: a run of a startup job that is still alive counts.
        for (id, ran_this_boot) in starting {
            scheduler.fire_at_startup(id, ran_this_boot, now, &mut fx);
        }
        if boot.restored.is_some() {
            fx.event(Event::new(now.wall, EventKind::DaemonRestored));
            fx.commit(Change::RestoreSettled);
        }
        let mut event = Event::new(now.wall, EventKind::JobsLoaded);
        event.detail = Some(format!("{} jobs", scheduler.slots.len()));
        fx.event(event);
        scheduler.run_timers(now, &mut fx);
        (scheduler, fx.0)
    }

    fn close_gate(&mut self, heartbeat: Option<Timestamp>, now: Now) {
        let behind = heartbeat.filter(|beat| beat.since(now.wall) > policy::ON_TIME);
        self.gate = match behind {
            Some(reaches) => Gate::Clock { reaches, until: now.mono.plus(self.settings.max_clock_wait) },
            None if self.settings.startup_delay.is_zero() => Gate::Open,
            None => Gate::Delay { until: now.mono.plus(self.settings.startup_delay) },
        };
        if let Gate::Delay { until } | Gate::Clock { until, .. } = self.gate {
            self.mono_timers.arm(until, MonoTimer::Gate);
        }
    }

    fn fire_at_startup(&mut self, id: JobId, ran_this_boot: bool, now: Now, fx: &mut Effects) {
        let job = self.slot(id).job.clone();
        if !matches!(job.firing, Firing::Startup) || !job.policy.enabled {
            return;
        }
        if job.policy.startup == StartupScope::Boot && ran_this_boot {
            return;
        }
        fx.commit(Change::StartupBoot { job: job.name.clone(), boot_id: self.boot_id.clone() });
        let at = self.event_time(id, now.wall);
        if self.slot(id).pause().is_some() {
            let one = Fires { count: 1, first: at, last: at };
            self.gap(id, &job, RunStatus::Skipped, Reason::Paused, None, one, now, fx);
        } else {
            self.decide_one(id, &job, at, now.wall, 0, now, fx);
        }
    }
}

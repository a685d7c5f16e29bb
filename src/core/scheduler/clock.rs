//! The hands of the clock: what happens when the wall clock is set, and at a start with a wrong one.

use super::io::{Effect, Effects, FutureGap};
use super::live::JobId;
use super::{Gate, MonoTimer, Scheduler};
use crate::core::change::{Change, Retraction};
use crate::core::instant::{Now, Timestamp};
use crate::core::policy::ON_TIME;
use crate::core::trigger::{Firing, Trigger};

impl Scheduler {
    /// Compares the wall clock with the time that has really passed. A step forward needs nothing: what it
    /// jumped over is late, and grace judges it. After a step back cursors return.
    pub(super) fn look_at_clock(&mut self, now: Now, fx: &mut Effects) {
        let expected = self.last.wall.plus(now.mono.since(self.last.mono));
        let back = expected.since(now.wall);
        let before = self.last;
        self.last = now;
        if back > ON_TIME && before.wall.since(now.wall) > std::time::Duration::ZERO {
            self.set_back(back, now, fx);
        }
        if let Gate::Clock { reaches, .. } = self.gate
            && now.wall >= reaches
        {
            self.open_gate(now, fx);
        }
    }

    /// The clock was set back: fire times that lie in the future again are looked at again when they come
    /// (the ledger refuses those that had a run); intervals go on as if nothing had happened to the clock.
    fn set_back(&mut self, by: std::time::Duration, now: Now, fx: &mut Effects) {
        let ids: Vec<JobId> = self.by_name.values().copied().collect();
        for id in ids {
            self.rewind(id, by, now, fx);
        }
        fx.push(Effect::FindFutureGaps { after: now.wall });
        self.heartbeat = now.wall;
        fx.commit(Change::Heartbeat { at: now.wall });
    }

    fn rewind(&mut self, id: JobId, by: std::time::Duration, now: Now, fx: &mut Effects) {
        let job = self.slot(id).job.clone();
        let Firing::Clock(schedule) = &job.firing else { return };
        let interval = match &schedule.trigger {
            Trigger::Every(interval) if schedule.start.is_none() => Some(*interval),
            Trigger::Every(_) | Trigger::Cron(_) | Trigger::At(_) | Trigger::Any(_) | Trigger::All(_) => None,
        };
        let slot = self.slot_mut(id);
        if let Some(interval) = interval {
            // The grid moves with the clock. Were the step a multiple of the interval, the new fire times would
            // be instants that have their rows already, so the grid is moved back by a millisecond more.
            let collides = by.as_micros().checked_rem(interval.as_micros()) == Some(0);
            let extra = std::time::Duration::from_millis(u64::from(collides));
            slot.anchor = slot.anchor.minus(by + extra);
            slot.cursor = slot.cursor.min(now.wall);
            let (cursor, anchor) = (slot.cursor, slot.anchor);
            fx.commit(Change::Track { job: job.name.clone(), cursor, anchor, trigger: job.firing.spec() });
        } else if slot.cursor > now.wall {
            slot.cursor = now.wall;
            fx.commit(Change::Cursor { job: job.name.clone(), cursor: now.wall });
        }
        self.find_next(id);
        self.arm(id);
    }

    /// Cuts rows of fire times that have not come yet after all.
    pub(super) fn retract(&mut self, gaps: &[FutureGap], now: Now, fx: &mut Effects) {
        for gap in gaps {
            let remains = match self.find(gap.job.as_str()) {
                Some(id) if gap.first <= now.wall => {
                    let slot = self.slot(id);
                    match &slot.job.firing {
                        Firing::Clock(schedule) => {
                            let before = Timestamp::from_micros(gap.first.as_micros().saturating_sub(1));
                            let fires = schedule.fires_between(slot.anchor, before, now.wall);
                            Some(fires.map_or((gap.first, 1), |fires| (fires.last, fires.count)))
                        }
                        Firing::Startup | Firing::Shutdown | Firing::After(_) => continue,
                    }
                }
                Some(_) | None => None,
            };
            let rows = vec![Retraction { run: gap.run, remains }];
            fx.commit(Change::Retract { job: gap.job.clone(), rows });
        }
    }

    /// Lets jobs start: the start-up delay is over, or the clock has come to where the store left it, or
    /// nobody waits for it any longer.
    pub(super) fn open_gate(&mut self, now: Now, fx: &mut Effects) {
        let was = std::mem::replace(&mut self.gate, Gate::Open);
        match was {
            Gate::Open => return,
            Gate::Delay { until } => self.mono_timers.disarm(until, MonoTimer::Gate),
            Gate::Clock { reaches, until } => {
                self.mono_timers.disarm(until, MonoTimer::Gate);
                if now.wall < reaches {
                    self.set_back(std::time::Duration::ZERO, now, fx);
                }
            }
        }
        self.consider_held_back(now, fx);
    }
}

//! The hands of the clock: what happens when the wall clock is set, and at a start with a wrong one.

use std::time::Duration;

use super::io::{Effect, Effects, FutureGap};
use super::live::JobId;
use super::{Gate, MonoTimer, Scheduler};
use crate::core::change::{Change, Retraction};
use crate::core::instant::{Now, Timestamp};
use crate::core::policy::ON_TIME;
use crate::core::trigger::{Firing, Schedule, Trigger};

impl Scheduler {
    /// Compares the wall clock with the time that has really passed. A step forward needs nothing: what it
    /// jumped over is late, and grace judges it. After a step back cursors return.
    pub(super) fn look_at_clock(&mut self, now: Now, fx: &mut Effects) {
        let expected = self.last.wall.plus(now.mono.since(self.last.mono));
        let back = expected.since(now.wall);
        let before = self.last;
        self.last = now;
        if back > ON_TIME && before.wall.since(now.wall) > Duration::ZERO {
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
    ///
    /// Nothing falls due, and nothing of this is written, before the store has told which rows lie in the future
    /// now: a fire time of such a row would be refused although it has not come yet.
    fn set_back(&mut self, by: Duration, now: Now, fx: &mut Effects) {
        let ids: Vec<JobId> = self.live_ids().collect();
        for id in ids {
            self.rewind(id, by, now);
        }
        self.heartbeat = now.wall;
        self.ask_for_the_future(now, fx);
    }

    fn ask_for_the_future(&mut self, now: Now, fx: &mut Effects) {
        self.back_to = if self.unread_gaps == 0 { now.wall } else { self.back_to.min(now.wall) };
        self.unread_gaps += 1;
        fx.push(Effect::FindFutureGaps { after: now.wall });
    }

    /// A job begins anew that may have been in the set before. Where the clock was set back while it was not, rows
    /// of it that lie in the future would take its fire times. One question does for all that come now.
    pub(super) fn look_for_rows_ahead(&mut self, now: Now, fx: &mut Effects) {
        if self.unread_gaps == 0 && now.wall < self.rows_ahead {
            self.ask_for_the_future(now, fx);
        }
    }

    fn rewind(&mut self, id: JobId, by: Duration, now: Now) {
        let slot = self.slot_mut(id);
        let job = slot.job.clone();
        match &job.firing {
            Firing::Clock(schedule) => {
                let moves = free_interval(schedule).is_some();
                if !moves && slot.cursor <= now.wall {
                    return;
                }
                if let Some(interval) = free_interval(schedule) {
                    // The grid moves with the clock. Were the step a multiple of the interval, the new fire times
                    // would be instants that have their rows already, so the grid is moved back by a millisecond
                    // more.
                    let collides = by.as_micros().checked_rem(interval.as_micros()) == Some(0);
                    slot.anchor = slot.anchor.minus(by + Duration::from_millis(u64::from(collides)));
                }
                slot.cursor = slot.cursor.min(now.wall);
                self.rewound.insert(id);
                self.find_next(id);
            }
            Firing::Startup | Firing::Shutdown | Firing::After(_) => {
                slot.set_next(slot.next().map(|next| next.min(now.wall)));
            }
        }
        self.arm(id);
    }

    /// Cuts rows of fire times that have not come yet after all, and writes down how far jobs have come now.
    pub(super) fn retract(&mut self, gaps: &[FutureGap], now: Now, fx: &mut Effects) {
        self.unread_gaps = self.unread_gaps.saturating_sub(1);
        fx.commit(Change::Heartbeat { at: now.wall });
        for id in std::mem::take(&mut self.rewound) {
            let slot = self.slot(id);
            if slot.is_removed() {
                continue;
            }
            let Firing::Clock(schedule) = &slot.job.firing else { continue };
            let (job, cursor, anchor) = (slot.job.name.clone(), slot.cursor, slot.anchor);
            fx.commit(match free_interval(schedule) {
                Some(_) => Change::Track { job, cursor, anchor, trigger: slot.job.firing.spec() },
                None => Change::Cursor { job, cursor },
            });
        }
        for gap in gaps {
            // A job that is not in the set keeps its cursor and what was written of it, until it comes back.
            let Some(id) = self.find(gap.job.as_str()) else {
                self.rows_ahead = self.rows_ahead.max(gap.last);
                continue;
            };
            let slot = self.slot(id);
            let schedule = match &slot.job.firing {
                Firing::Clock(schedule) => Some(schedule),
                Firing::Startup | Firing::Shutdown | Firing::After(_) => None,
            };
            // Nothing falls due before this answer, also where the clock has been set forward again meanwhile;
            // only a command can have taken the cursor further.
            let through = schedule.map_or(self.back_to, |_| slot.cursor.max(self.back_to));
            let remains = match schedule {
                _ if gap.last <= through => continue,
                // An event has happened and does not come again. A stretch was of the clock, which the job may
                // follow again one day.
                None if gap.first == gap.last => continue,
                None => (gap.first <= through).then(|| share(gap, through)),
                Some(schedule) => {
                    (gap.first <= through).then(|| what_remains(gap, schedule, slot.anchor, through))
                }
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
                    self.set_back(Duration::ZERO, now, fx);
                }
            }
        }
        self.consider_held_back(now, fx);
    }
}

/// Returns the last fire time and the count of a row that is cut at an instant.
fn what_remains(
    gap: &FutureGap,
    schedule: &Schedule,
    anchor: Timestamp,
    through: Timestamp,
) -> (Timestamp, u64) {
    // A grid of intervals has moved since; the row is of the old one.
    let anchor = free_interval(schedule).map_or(anchor, |every| gap.first.minus(every));
    let instant = Duration::from_micros(1);
    let fires = |through| schedule.fires_between(anchor, gap.first.minus(instant), through);
    // A row ends right before its last fire time where that has a row of its own.
    let ours = fires(gap.last.plus(instant)).is_some_and(|all| {
        let ends = all.last == gap.last || all.last == gap.last.plus(instant);
        all.first == gap.first && ends && all.count >= gap.count
    });
    match fires(through) {
        Some(left) if ours => (left.last, left.count),
        Some(_) | None => share(gap, through),
    }
}

/// Returns the same for a row about another trigger, which nobody knows any more: its count is in proportion to
/// the time.
fn share(gap: &FutureGap, through: Timestamp) -> (Timestamp, u64) {
    let (part, whole) = (through.since(gap.first).as_micros(), gap.last.since(gap.first).as_micros());
    let count = u128::from(gap.count).saturating_mul(part).checked_div(whole).unwrap_or(0);
    (through, u64::try_from(count).unwrap_or(gap.count).clamp(1, gap.count.max(1)))
}

/// Returns the interval of a schedule that counts from the job's own origin, not from a `start`.
fn free_interval(schedule: &Schedule) -> Option<Duration> {
    match &schedule.trigger {
        Trigger::Every(interval) if schedule.start.is_none() => Some(*interval),
        Trigger::Every(_) | Trigger::Cron(_) | Trigger::At(_) | Trigger::Any(_) | Trigger::All(_) => None,
    }
}

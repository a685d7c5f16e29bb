//! The first start after a restore: what may have run between the copy and the restore gets its outcome, and
//! never runs again.
//!
//! The ledger of that time is gone. So a fire time in it is neither due nor missed, it is `lost`: one row a job
//! stands for all of them, and the schedule goes on from the restore.

use super::Scheduler;
use super::io::Effects;
use super::jobs::job_event;
use super::live::JobId;
use crate::core::change::{Change, Restored};
use crate::core::event::EventKind;
use crate::core::instant::{Now, Timestamp};
use crate::core::job::{Job, StartupScope};
use crate::core::run::{Reason, RunStatus};
use crate::core::trigger::{Fires, Firing, Schedule};

impl Scheduler {
    /// Gives what fell due before a restore its outcome; says whether a startup job counts as run in this boot.
    pub(super) fn settle_restore(
        &mut self,
        id: JobId,
        restored: &Restored,
        ran_this_boot: bool,
        now: Now,
        fx: &mut Effects,
    ) -> bool {
        let job = self.slot(id).job.clone();
        match &job.firing {
            Firing::Clock(schedule) => self.settle_clock(id, &job, schedule, restored.at, now, fx),
            Firing::After(_) => self.settle_dependencies(id, &job, restored.at, now, fx),
            Firing::Startup => {
                let may_have_run = job.policy.enabled
                    && job.policy.startup == StartupScope::Boot
                    && restored.boot_id == self.boot_id
                    && !ran_this_boot;
                if may_have_run {
                    self.lose_fires(id, &job, one(restored.at), now, fx);
                    fx.commit(Change::StartupBoot { job: job.name.clone(), boot_id: self.boot_id.clone() });
                }
                return ran_this_boot || may_have_run;
            }
            Firing::Shutdown => {}
        }
        ran_this_boot
    }

    /// The fire times from the copy's cursor to the restore. The last of them is still to come where its jitter
    /// reaches beyond the restore: it cannot have been started.
    fn settle_clock(
        &mut self,
        id: JobId,
        job: &Job,
        schedule: &Schedule,
        restored_at: Timestamp,
        now: Now,
        fx: &mut Effects,
    ) {
        let slot = self.slot(id);
        let (anchor, cursor) = (slot.anchor, slot.cursor);
        if cursor >= restored_at {
            return;
        }
        if !job.policy.enabled {
            // It has no fire times; when it is enabled it must not look back beyond the restore.
            self.slot_mut(id).cursor = restored_at;
            fx.commit(Change::Cursor { job: job.name.clone(), cursor: restored_at });
            return;
        }
        let count = |through| schedule.fires_between(anchor, cursor, through);
        let Some(all) = count(restored_at) else { return };
        let to_come = all.last.plus(self.jitter_of(slot, all.last)) > restored_at;
        let before_last = Timestamp::from_micros(all.last.as_micros().saturating_sub(1));
        let Some(fires) = (if to_come { count(before_last) } else { Some(all) }) else { return };
        self.lose_fires(id, job, fires, now, fx);
        self.find_next(id);
        self.arm(id);
        if self.slot(id).next().is_none() {
            fx.event(job_event(now, EventKind::JobFinished, &job.name));
        }
    }

    /// What a job waits for may have come true and been used up since the copy: it waits for all of it anew.
    fn settle_dependencies(
        &mut self,
        id: JobId,
        job: &Job,
        restored_at: Timestamp,
        now: Now,
        fx: &mut Effects,
    ) {
        let slot = self.slot(id);
        if slot.more().is_none_or(|more| more.satisfied.is_empty()) {
            return;
        }
        let was_due = slot.next().is_some();
        let slot = self.slot_mut(id);
        slot.set_next(None);
        slot.more_mut().satisfied.clear();
        fx.commit(Change::Satisfied { job: job.name.clone(), dependencies: Vec::new() });
        if was_due {
            self.lose_fires(id, job, one(restored_at), now, fx);
        }
        self.arm(id);
    }

    fn lose_fires(&mut self, id: JobId, job: &Job, fires: Fires, now: Now, fx: &mut Effects) {
        self.gap(id, job, RunStatus::Lost, Reason::Restored, None, fires, now, fx);
    }
}

const fn one(at: Timestamp) -> Fires {
    Fires { count: 1, first: at, last: at }
}

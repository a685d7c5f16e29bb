//! From a fire time to its outcome: a claim, or a row that says why there is no run.

use std::cmp::Reverse;

use super::Scheduler;
use super::io::Effects;
use super::jobs::job_event;
use super::live::{JobId, LiveRun, Stand};
use crate::core::change::{Change, Claim, Gap};
use crate::core::event::{Event, EventKind};
use crate::core::instant::{Now, Timestamp};
use crate::core::job::{Grace, Job, OnBusy};
use crate::core::policy;
use crate::core::run::{Reason, RunId, RunStatus, Source};
use crate::core::trigger::{Fires, Firing, Schedule, Trigger};

/// How many late fire times of one job are decided one by one before others have their turn.
const BURST: usize = 64;

/// How many runs of one job may wait for an instance with `on_busy = "queue"`.
const QUEUE_LIMIT: usize = 1000;

impl Scheduler {
    /// Decides every fire time that has come, in order: fire time, then priority, then name.
    pub(super) fn fall_due(&mut self, now: Now, fx: &mut Effects) {
        let mut due = Vec::new();
        while let Some(id) = self.job_timers.take_due(now.wall) {
            due.push(id);
        }
        if due.is_empty() {
            return;
        }
        if due.len() > 1 {
            due.sort_by_cached_key(|id| {
                let slot = self.slot(*id);
                (slot.next(), Reverse(slot.job.policy.priority), slot.job.name.clone())
            });
        }
        for id in due {
            self.decide(id, now, fx);
        }
        self.beat(now, fx);
    }

    fn decide(&mut self, id: JobId, now: Now, fx: &mut Effects) {
        let slot = self.slot(id);
        let Some(first) = slot.next() else { return };
        let due_at = first.plus(self.jitter_of(slot, first));
        let too_early = due_at > now.wall.plus(self.settings.claim_lead);
        if too_early || (due_at > now.wall && !slot.open().is_empty()) {
            self.arm(id);
            return;
        }
        let job = slot.job.clone();
        let finished = match &job.firing {
            Firing::Clock(schedule) => self.decide_clock(id, &job, schedule, first, now, fx),
            Firing::Startup | Firing::Shutdown | Firing::After(_) => {
                let fire_time = self.event_time(id, first);
                self.decide_one(id, &job, fire_time, first, 0, now, fx);
                self.event_is_over(id, fx);
                false
            }
        };
        if finished {
            fx.event(job_event(now, EventKind::JobFinished, &job.name));
        }
        self.arm(id);
    }

    /// Returns the fire time of an event at an instant. No two events have the same, also after the clock was set
    /// back; they are due at once all the same.
    pub(super) fn event_time(&self, id: JobId, at: Timestamp) -> Timestamp {
        at.max(self.slot(id).cursor.plus(std::time::Duration::from_micros(1)))
    }

    /// The event a job without a clock was due for has its outcome.
    fn event_is_over(&mut self, id: JobId, fx: &mut Effects) {
        let slot = self.slot_mut(id);
        let job = slot.job.clone();
        slot.set_next(None);
        if matches!(job.firing, Firing::After(_)) {
            slot.more_mut().satisfied.clear();
            fx.commit(Change::Satisfied { job: job.name.clone(), dependencies: Vec::new() });
        }
    }

    /// Writes down what has fallen due and is never to be decided any more, all in one row: its job was paused,
    /// everything was held or nothing could be written until this came between.
    pub(super) fn leave_out(&mut self, id: JobId, otherwise: Reason, now: Now, fx: &mut Effects) {
        let slot = self.slot(id);
        let job = slot.job.clone();
        if !job.policy.enabled || slot.is_removed() {
            return;
        }
        let reason = match (slot.pause(), &self.hold) {
            (Some(_), _) => Reason::Paused,
            (None, Some(_)) => Reason::Held,
            (None, None) => otherwise,
        };
        match (&job.firing, slot.next()) {
            (Firing::Clock(schedule), _) => {
                if let Some(fires) = schedule.fires_between(slot.anchor, slot.cursor, now.wall) {
                    self.gap(id, &job, RunStatus::Skipped, reason, None, fires, now, fx);
                }
            }
            (Firing::Startup | Firing::Shutdown | Firing::After(_), Some(at)) => {
                let at = self.event_time(id, at);
                let one = Fires { count: 1, first: at, last: at };
                self.gap(id, &job, RunStatus::Skipped, reason, None, one, now, fx);
                self.event_is_over(id, fx);
            }
            (Firing::Startup | Firing::Shutdown | Firing::After(_), None) => {}
        }
    }

    /// Decides the fire times of a clock trigger up to now; says whether there are none left.
    fn decide_clock(
        &mut self,
        id: JobId,
        job: &Job,
        schedule: &Schedule,
        first: Timestamp,
        now: Now,
        fx: &mut Effects,
    ) -> bool {
        let anchor = self.slot(id).anchor;
        let second = schedule.next_after(anchor, first);
        if second.is_none_or(|second| second > now.wall) {
            let due_at = first.plus(self.jitter_of(self.slot(id), first));
            if policy::in_grace(job.policy.grace, now.wall.since(due_at), false) {
                self.decide_one(id, job, first, due_at, 0, now, fx);
            } else {
                let one = Fires { count: 1, first, last: first };
                self.gap(id, job, RunStatus::Missed, Reason::Grace, None, one, now, fx);
            }
            self.slot_mut(id).set_next(second);
            return second.is_none();
        }
        self.decide_late(id, job, schedule, first, now, fx);
        self.find_next(id);
        self.slot(id).next().is_none()
    }

    /// Decides several late fire times: those out of grace are missed, those in grace become one run, or one
    /// each where the job does not coalesce.
    fn decide_late(
        &mut self,
        id: JobId,
        job: &Job,
        schedule: &Schedule,
        first: Timestamp,
        now: Now,
        fx: &mut Effects,
    ) {
        let anchor = self.slot(id).anchor;
        let count = |after: Timestamp, through: Timestamp| schedule.fires_between(anchor, after, through);
        let before = |at: Timestamp| Timestamp::from_micros(at.as_micros().saturating_sub(1));
        let Some(all) = count(before(first), now.wall) else { return };
        let oldest_in_grace = match job.policy.grace {
            Grace::Unlimited => first,
            Grace::For(limit) => {
                let bound = now.wall.minus(limit.max(policy::ON_TIME));
                // A delay ends before the next fire time: of those before the bound only the last may be due after.
                let last = count(before(first), before(bound)).map(|late| late.last);
                let last = last.filter(|at| at.plus(self.jitter_of(self.slot(id), *at)) >= bound);
                last.unwrap_or(bound)
            }
            Grace::UntilNext if job.policy.coalesce => first,
            Grace::UntilNext => all.last,
        };
        if let Some(late) = count(before(first), before(oldest_in_grace)) {
            self.gap(id, job, RunStatus::Missed, Reason::Grace, None, late, now, fx);
        }
        let Some(kept) = count(before(oldest_in_grace.max(first)), now.wall) else { return };
        if job.policy.coalesce {
            if let Some(left_out) = count(before(kept.first), before(kept.last)) {
                self.gap(id, job, RunStatus::Skipped, Reason::Coalesced, None, left_out, now, fx);
            }
            let due_at = kept.last.plus(self.jitter_of(self.slot(id), kept.last));
            self.decide_one(id, job, kept.last, due_at, kept.count - 1, now, fx);
            return;
        }
        let mut fire_time = Some(kept.first);
        for _ in 0..BURST {
            let Some(at) = fire_time.filter(|at| *at <= now.wall) else { break };
            let due_at = at.plus(self.jitter_of(self.slot(id), at));
            self.decide_one(id, job, at, due_at, 0, now, fx);
            fire_time = schedule.next_after(anchor, at);
        }
    }

    /// Decides one fire time that may start: claims it, or records that the job is busy.
    #[expect(clippy::too_many_arguments, reason = "one decision with everything it depends on")]
    pub(super) fn decide_one(
        &mut self,
        id: JobId,
        job: &Job,
        fire_time: Timestamp,
        due_at: Timestamp,
        coalesced: u64,
        now: Now,
        fx: &mut Effects,
    ) {
        let open = self.slot(id).open();
        let on_busy =
            if open.len() >= job.policy.max_instances as usize { busy_rule(job) } else { OnBusy::Queue };
        let full = open.len() >= QUEUE_LIMIT;
        if on_busy == OnBusy::Skip || full {
            let detail = open.first().map(|run| format!("run {run} is not over"));
            let one = Fires { count: 1, first: fire_time, last: fire_time };
            self.gap(id, job, RunStatus::Skipped, Reason::Busy, detail, one, now, fx);
            return;
        }
        let source = match job.firing {
            Firing::Clock(_) => Source::Schedule,
            Firing::Startup => Source::Startup,
            Firing::Shutdown => Source::Shutdown,
            Firing::After(_) => Source::After,
        };
        let mut run = self.new_run(id, source, due_at, now);
        run.fire_time = Some(fire_time);
        run.catch_up = source == Source::Schedule && now.wall.since(due_at) > policy::ON_TIME;
        self.slot_mut(id).cursor = fire_time;
        self.claim(id, run, Some(fire_time), coalesced, now, fx);
    }

    /// Makes a run in memory with the job's own settings and the next free number.
    pub(super) fn new_run(&mut self, id: JobId, source: Source, due_at: Timestamp, now: Now) -> LiveRun {
        let number = self.new_run_id();
        self.run_of(id, number, source, due_at, now)
    }

    /// Makes a run in memory with the job's own settings.
    pub(super) fn run_of(
        &self,
        id: JobId,
        number: RunId,
        source: Source,
        due_at: Timestamp,
        now: Now,
    ) -> LiveRun {
        let job = self.slot(id).job.clone();
        LiveRun {
            id: number,
            status: RunStatus::Queued,
            source,
            fire_time: None,
            queued_at: now.wall,
            due_at,
            attempt: 0,
            attempts: job.policy.retry.retries.saturating_add(1),
            priority: job.policy.priority,
            args: Vec::new(),
            forced: false,
            catch_up: false,
            durable: false,
            stage: Stand::Due,
            has_instance: false,
            worker: None,
            started: None,
            usage: None,
            progress: None,
            ending: None,
            job,
        }
    }

    /// Claims the occurrence of a run: from here on it waits for the store's word.
    pub(super) fn claim(
        &mut self,
        id: JobId,
        run: LiveRun,
        cursor: Option<Timestamp>,
        coalesced: u64,
        now: Now,
        fx: &mut Effects,
    ) {
        let note = match &run.job.firing {
            Firing::Clock(schedule) => run.fire_time.and_then(|at| schedule.note_at(at)),
            Firing::Startup | Firing::Shutdown | Firing::After(_) => None,
        };
        fx.commit(Change::Claim(Claim {
            run: run.id,
            job: run.job.name.clone(),
            fire_time: run.fire_time,
            cursor,
            source: run.source,
            queued_at: run.queued_at,
            due_at: run.due_at,
            attempts: run.attempts,
            coalesced,
            note,
            priority: run.priority,
            pool: run.job.policy.pool.clone(),
            args: run.args.clone(),
            forced: run.forced,
        }));
        fx.event(run_event(&run, EventKind::RunQueued, now));
        // In the order in which they come: what is asked for now comes before what is claimed ahead.
        let open = self.slot(id).open();
        let place = open.iter().position(|open| self.is_ahead(*open)).unwrap_or(open.len());
        self.slot_mut(id).more_mut().open.insert(place, run.id);
        self.runs.insert(run.id, run);
    }

    pub(super) fn is_ahead(&self, run: RunId) -> bool {
        self.runs.get(&run).is_some_and(LiveRun::is_ahead)
    }

    /// Records fire times that lead to no run.
    #[expect(clippy::too_many_arguments, reason = "one row with everything in it")]
    pub(super) fn gap(
        &mut self,
        id: JobId,
        job: &Job,
        status: RunStatus,
        reason: Reason,
        detail: Option<String>,
        fires: Fires,
        now: Now,
        fx: &mut Effects,
    ) {
        let run = self.new_run_id();
        self.slot_mut(id).cursor = fires.last;
        let mut event = Event::new(now.wall, EventKind::of_run(status));
        event.job = Some(job.name.clone());
        event.run = Some(run);
        event.fire_time = Some(fires.last);
        event.reason = Some(reason);
        event.detail.clone_from(&detail);
        fx.commit(Change::Gap(Gap {
            run,
            job: job.name.clone(),
            status,
            reason,
            detail,
            first: fires.first,
            last: fires.last,
            count: fires.count,
            at: now.wall,
            cursor: Some(fires.last),
        }));
        fx.event(event);
    }
}

/// Returns the rule for an occurrence that finds the job busy; a one-shot waits instead of dying.
pub(super) fn busy_rule(job: &Job) -> OnBusy {
    let one_shot =
        matches!(&job.firing, Firing::Clock(schedule) if matches!(schedule.trigger, Trigger::At(_)));
    job.policy.on_busy.unwrap_or(if one_shot { OnBusy::Queue } else { OnBusy::Skip })
}

/// Makes an event about a run.
pub(super) fn run_event(run: &LiveRun, kind: EventKind, now: Now) -> Event {
    let mut event = Event::new(now.wall, kind);
    event.job = Some(run.job.name.clone());
    event.run = Some(run.id);
    event.attempt = (run.attempt > 0).then_some(run.attempt);
    event.fire_time = run.fire_time;
    event
}

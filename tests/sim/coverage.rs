//! Who was due when, and whether each of these instants has its one outcome.
//!
//! A job's schedule is kept in stretches of wall-clock time: from the instant at which the scheduler has promised
//! to keep it, with that trigger and that origin of intervals, until it was told otherwise. The fire times of
//! every stretch are walked one by one.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use jobctl::core::change::Change;
use jobctl::core::instant::Timestamp;
use jobctl::core::job::Job;
use jobctl::core::name::Name;
use jobctl::core::run::{RunId, Source};
use jobctl::core::trigger::{Firing, Schedule, Trigger};
use jobctl::store::RunRow;

use super::clerk::Clerk;
use super::ledger::Ledger;
use super::oracle::Meta;

/// A stretch of time over which a job was due by one schedule.
#[derive(Clone, Debug)]
struct Stretch {
    spec: String,
    schedule: Arc<Schedule>,
    clerk: Rc<Clerk>,
    anchor: Timestamp,
    /// Fire times after this instant count.
    from: Timestamp,
    /// Up to this one; `None` = it goes on.
    until: Option<Timestamp>,
    /// How far its job had come when its grid of intervals moved with the clock, which is not written down yet.
    moved: Option<Timestamp>,
}

/// A job was enabled or disabled.
#[derive(Clone, Copy, Debug)]
struct Switch {
    /// How many decisions came before.
    decisions: u64,
    at: Timestamp,
    on: bool,
}

#[derive(Default)]
pub(crate) struct Coverage {
    stretches: BTreeMap<Name, Vec<Stretch>>,
    /// Every trigger that was ever in use, by its text.
    triggers: HashMap<String, (Arc<Schedule>, Rc<Clerk>)>,
    /// When each job was enabled and disabled: after how many decisions, at which instant.
    switches: BTreeMap<Name, Vec<Switch>>,
    /// In which stretch of its job a row was written, and rows whose count is not held against it.
    written_in: HashMap<RunId, usize>,
    rough: BTreeSet<RunId>,
    returning: BTreeSet<Name>,
    /// After how many decisions the clock was set back, and how far.
    set_backs: Vec<(u64, Timestamp)>,
    /// Jobs that were once due for something else than the clock.
    waits_for_events: BTreeSet<Name>,
}

impl Coverage {
    pub(crate) fn register(&mut self, job: &Job) {
        if let Firing::Clock(schedule) = &job.firing {
            let clerk = || (schedule.clone(), Rc::new(Clerk::of(schedule)));
            self.triggers.entry(job.firing.spec()).or_insert_with(clerk);
        } else {
            self.waits_for_events.insert(job.name.clone());
        }
    }

    /// A definition is in force from here on.
    pub(crate) fn switch(&mut self, job: &Job, at: Timestamp, decisions: u64) {
        self.register(job);
        let switches = self.switches.entry(job.name.clone()).or_default();
        let was_on = switches.last().is_none_or(|last| last.on);
        if was_on != job.policy.enabled {
            switches.push(Switch { decisions, at, on: job.policy.enabled });
            if was_on {
                self.end(&job.name, at);
            }
        }
    }

    /// Says up to when a job was due for something that was decided as the `nth`: what is decided about a disabled
    /// job becomes durable later, when it may be enabled again.
    fn enabled_until(&self, job: &Name, nth: u64, from: Timestamp) -> Option<Timestamp> {
        let switches = self.switches.get(job).map_or(&[][..], Vec::as_slice);
        let (before, later) = switches.split_at(switches.partition_point(|switch| switch.decisions < nth));
        match before.last() {
            Some(Switch { on: false, .. }) => Some(from),
            Some(_) | None => later.iter().find(|switch| !switch.on).map(|switch| switch.at),
        }
    }

    /// A job comes into the set that had left it while no daemon ran: nobody kept its schedule. Where it is not
    /// enabled nobody will say so either.
    pub(crate) fn comes_back(&mut self, job: &Job, ledger: &Ledger) {
        self.returning.insert(job.name.clone());
        let cursor = ledger.jobs.get(&job.name).and_then(|memory| memory.cursor);
        if let Some(cursor) = cursor.filter(|_| !job.policy.enabled) {
            self.close(&job.name, cursor);
        }
    }

    fn open(&mut self, job: &Name) -> Option<&mut Stretch> {
        self.stretches.get_mut(job)?.last_mut().filter(|stretch| stretch.until.is_none())
    }

    fn close(&mut self, job: &Name, at: Timestamp) {
        if let Some(open) = self.open(job) {
            open.until = Some(at);
        }
    }

    /// Closes a stretch by a decision at an instant.
    fn end(&mut self, job: &Name, at: Timestamp) {
        let moved = self.open(job).and_then(|open| open.moved);
        self.close(job, moved.map_or(at, |moved| moved.min(at)));
    }

    /// Begins a stretch; `nth` = the number of the decision to do so.
    fn begin(&mut self, job: &Name, spec: &str, from: Timestamp, anchor: Timestamp, nth: u64) {
        if let Some((schedule, clerk)) = self.triggers.get(spec).cloned() {
            let spec = spec.to_owned();
            let until = self.enabled_until(job, nth, from);
            // What was decided before the clock was set back may become durable after it.
            let moves = is_free(&schedule) && self.set_backs.iter().any(|(decisions, _)| *decisions >= nth);
            let stretch =
                Stretch { spec, schedule, clerk, anchor, from, until, moved: moves.then_some(from) };
            self.stretches.entry(job.clone()).or_default().push(stretch);
        }
    }

    /// A daemon begins with this job set and what the ledger remembers.
    pub(crate) fn boots(&mut self, jobs: &[Arc<Job>], ledger: &Ledger, at: Timestamp, decisions: u64) {
        for (job, stretches) in &mut self.stretches {
            // What was decided and did not become durable was not decided.
            let cursor = ledger.jobs.get(job).and_then(|memory| memory.cursor);
            for stretch in stretches {
                stretch.moved = None;
                stretch.until = stretch.until.map(|until| cursor.map_or(until, |cursor| cursor.min(until)));
            }
        }
        for job in jobs {
            self.switch(job, at, decisions);
            let remembered = ledger.jobs.get(&job.name);
            let Some(cursor) = remembered.and_then(|memory| memory.cursor) else { continue };
            let anchor = remembered.and_then(|memory| memory.anchor).unwrap_or(cursor);
            let spec = job.firing.spec();
            let same = remembered.and_then(|memory| memory.trigger.as_ref()) == Some(&spec);
            let is_open = self.open(&job.name).is_some();
            if !job.policy.enabled {
                // Nobody has kept its schedule since, also where the last daemon had decided to but did not live
                // to write it down.
                if let Some(last) = self.stretches.get_mut(&job.name).and_then(|all| all.last_mut()) {
                    last.until = Some(last.until.map_or(cursor, |until| until.min(cursor)));
                }
            } else if same && !is_open {
                self.begin(&job.name, &spec, cursor, anchor, u64::MAX);
            }
        }
    }

    pub(crate) fn before(&mut self, change: &Change, meta: Meta, ledger: &Ledger) {
        self.decided(change, meta, ledger);
        // The clock may have been set back since this was decided.
        let later = self.set_backs.iter().filter(|(nth, _)| *nth >= meta.nth).map(|(_, at)| *at).min();
        if let Some(at) = later {
            for stretch in self.stretches.values_mut().flatten() {
                stretch.until = stretch.until.map(|until| until.min(at));
            }
        }
    }

    fn decided(&mut self, change: &Change, meta: Meta, ledger: &Ledger) {
        match change {
            Change::Track { job, cursor, anchor, trigger } => {
                let durable = ledger.jobs.get(job).and_then(|memory| memory.cursor);
                let again = self.open(job).is_some_and(|open| open.spec == *trigger);
                if self.returning.remove(job) || meta.booting {
                    self.close(job, durable.unwrap_or(*cursor).min(meta.wall));
                } else if again {
                    self.end(job, *cursor);
                } else {
                    self.end(job, meta.wall);
                }
                self.begin(job, trigger, *cursor, *anchor, meta.nth);
            }
            Change::Cursor { job, cursor } => {
                if let Some(open) = self.open(job) {
                    open.from = open.from.min(*cursor);
                } else if let Some(memory) = ledger.jobs.get(job)
                    && let (Some(spec), Some(anchor)) = (&memory.trigger, memory.anchor)
                {
                    let spec = spec.clone();
                    self.begin(job, &spec, *cursor, anchor, meta.nth);
                }
            }
            Change::Gap(gap) => {
                let nth = self.stretches.get(&gap.job).map_or(0, Vec::len);
                self.written_in.insert(gap.run, nth);
                let last = self.stretches.get(&gap.job).and_then(|stretches| stretches.last());
                if last.is_some_and(|last| last.moved.is_some()) {
                    self.rough.insert(gap.run);
                }
            }
            Change::Retract { job, rows } => {
                let nth = self.stretches.get(job).map_or(0, Vec::len);
                let older = rows.iter().filter(|row| self.written_in.get(&row.run) != Some(&nth));
                self.rough.extend(older.map(|row| row.run));
            }
            Change::Forget { job } | Change::Undefine { job } => self.end(job, meta.wall),
            _ => {}
        }
    }

    /// The clock was set back: what is over for good and lies in the future now need not keep its outcome.
    pub(crate) fn set_back_to(&mut self, now: Timestamp, decisions: u64, ledger: &Ledger) {
        self.set_backs.push((decisions, now));
        for (job, stretches) in &mut self.stretches {
            let cursor = ledger.jobs.get(job).and_then(|memory| memory.cursor);
            for stretch in stretches {
                stretch.until = stretch.until.map(|until| until.min(now));
                let moves = is_free(&stretch.schedule);
                stretch.moved = stretch.moved.or(Some(cursor.unwrap_or(stretch.from)).filter(|_| moves));
            }
        }
    }

    /// Walks every fire time up to now.
    pub(crate) fn check(
        &self,
        ledger: &Ledger,
        now: Timestamp,
        known: &BTreeMap<Name, Arc<Job>>,
    ) -> Vec<String> {
        let mut complaints = Vec::new();
        let mut rows_of: HashMap<&Name, Vec<&RunRow>> = HashMap::new();
        for row in ledger.all_rows().filter(|row| row.source == Source::Schedule) {
            rows_of.entry(&row.job).or_default().push(row);
        }
        for (job, stretches) in &self.stretches {
            for stretch in stretches {
                let cursor = || ledger.jobs.get(job).and_then(|memory| memory.cursor).unwrap_or(stretch.from);
                let jitter = known.get(job).map(|job| match &job.firing {
                    Firing::Clock(schedule) => schedule.jitter,
                    Firing::Startup | Firing::Shutdown | Firing::After(_) => Duration::ZERO,
                });
                let through = match (stretch.until, jitter) {
                    (Some(until), _) => until,
                    (None, Some(jitter)) => now.minus(jitter + Duration::from_secs(2)),
                    (None, None) => cursor(),
                };
                complaints.extend(walk(job, stretch, through, ledger).err());
            }
            let rows = rows_of.remove(job).unwrap_or_default().into_iter();
            let rows = rows.filter(|row| !self.rough.contains(&row.run));
            let rows = rows.filter(|row| row.attempts > 0 || !self.waits_for_events.contains(job));
            complaints.extend(rows.filter_map(|row| {
                let written_in =
                    self.written_in.get(&row.run).and_then(|nth| stretches.get(nth.checked_sub(1)?));
                judge(row, stretches, written_in, ledger).err()
            }));
        }
        complaints
    }
}

/// Says whether a schedule is a grid of intervals that moves with a clock that is set back: one that counts from the
/// beginning of its job, not from an instant somebody gave.
const fn is_free(schedule: &Schedule) -> bool {
    matches!(schedule.trigger, Trigger::Every(_)) && schedule.start.is_none()
}

/// Walks the fire times of a stretch and finds the row of each.
fn walk(job: &Name, stretch: &Stretch, through: Timestamp, ledger: &Ledger) -> Result<(), String> {
    let mut at = stretch.from;
    while let Some(next) = stretch.clerk.first_in(stretch.anchor, at, through) {
        let Some(row) = ledger.outcome_of(job, next) else {
            let (spec, from) = (&stretch.spec, stretch.from);
            return Err(format!(
                "{job} was due at {next} and has no row (`{spec}` from {from} through {through})"
            ));
        };
        // A long row is taken at one step; its count is judged elsewhere.
        at = match (row.first_fire_time, row.fire_time) {
            (Some(_), Some(last)) if row.occurrences > 500 => next.max(last.min(through)),
            _ => next,
        };
    }
    Ok(())
}

/// Judges a row by itself: it is about fire times, and about as many as it says.
fn judge(
    row: &RunRow,
    stretches: &[Stretch],
    written_in: Option<&Stretch>,
    ledger: &Ledger,
) -> Result<(), String> {
    let Some(last) = row.fire_time else { return Ok(()) };
    let before = |at: Timestamp| at.minus(Duration::from_micros(1));
    let Some(first) = row.first_fire_time else {
        let fires = |stretch: &Stretch| stretch.clerk.fires_at(stretch.anchor, last);
        let is_due = stretches.iter().any(fires);
        return if is_due { Ok(()) } else { Err(format!("{} was never due at {last}: {row:?}", row.job)) };
    };
    let Some(stretch) = written_in else { return Ok(()) };
    let all = stretch.clerk.count(stretch.anchor, before(first), last);
    let fires = |at: Timestamp| stretch.clerk.fires_at(stretch.anchor, at);
    let own = ledger
        .rows_between(&row.job, first, last)
        .filter(|other| other.run != row.run && other.fire_time.is_some_and(fires));
    let own: u64 = own.map(|other| other.occurrences).sum();
    // Rows of an earlier trigger that fall on fire times of this one by chance are not left out of the count.
    let counted = row.occurrences >= all.saturating_sub(own) && row.occurrences <= all;
    if !counted || own == 0 && row.occurrences != all {
        return Err(format!("{all} fire times, {own} with rows of their own, but {row:?}"));
    }
    Ok(())
}

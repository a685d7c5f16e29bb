//! Who was due when, and whether each of these instants has its one outcome.
//!
//! A job's schedule is kept in stretches of wall-clock time: from the instant at which the scheduler has promised
//! to keep it, with that trigger and that origin of intervals, until it was told otherwise. The fire times of
//! every stretch are walked one by one.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use jobctl::core::change::Change;
use jobctl::core::instant::Timestamp;
use jobctl::core::job::Job;
use jobctl::core::name::Name;
use jobctl::core::run::Source;
use jobctl::core::trigger::{Firing, Schedule};
use jobctl::store::RunRow;

use super::ledger::Ledger;
use super::oracle::Meta;

/// A stretch of time over which a job was due by one schedule.
#[derive(Clone, Debug)]
struct Stretch {
    spec: String,
    schedule: Schedule,
    anchor: Timestamp,
    /// Fire times after this instant count.
    from: Timestamp,
    /// Up to this one; `None` = it goes on.
    until: Option<Timestamp>,
}

#[derive(Default)]
pub(crate) struct Coverage {
    stretches: BTreeMap<Name, Vec<Stretch>>,
    /// Every trigger that was ever in use, by its text.
    triggers: HashMap<String, Schedule>,
    disabled_at: BTreeMap<Name, Timestamp>,
    enabled: BTreeMap<Name, bool>,
}

impl Coverage {
    pub(crate) fn register(&mut self, job: &Job) {
        if let Firing::Clock(schedule) = &job.firing {
            self.triggers.insert(job.firing.spec(), schedule.clone());
        }
        if job.enabled {
            self.disabled_at.remove(&job.name);
        }
        self.enabled.insert(job.name.clone(), job.enabled);
    }

    pub(crate) fn disabled(&mut self, job: &Name, now: Timestamp) {
        self.disabled_at.insert(job.clone(), now);
        self.close(job, now);
    }

    fn open(&mut self, job: &Name) -> Option<&mut Stretch> {
        self.stretches.get_mut(job)?.last_mut().filter(|stretch| stretch.until.is_none())
    }

    fn close(&mut self, job: &Name, at: Timestamp) {
        if let Some(open) = self.open(job) {
            open.until = Some(at);
        }
    }

    fn begin(&mut self, job: &Name, spec: &str, from: Timestamp, anchor: Timestamp) {
        if let Some(schedule) = self.triggers.get(spec).cloned() {
            let spec = spec.to_owned();
            let until = self.disabled_at.get(job).map(|at| from.max(*at));
            let stretch = Stretch { spec, schedule, anchor, from, until };
            self.stretches.entry(job.clone()).or_default().push(stretch);
        }
    }

    /// A daemon begins with this job set and what the ledger remembers.
    pub(crate) fn boots(&mut self, jobs: &[Arc<Job>], ledger: &Ledger) {
        for job in jobs {
            self.register(job);
            let remembered = ledger.jobs.get(&job.name);
            let Some(cursor) = remembered.and_then(|memory| memory.cursor) else { continue };
            let anchor = remembered.and_then(|memory| memory.anchor).unwrap_or(cursor);
            let spec = job.firing.spec();
            let same = remembered.and_then(|memory| memory.trigger.as_ref()) == Some(&spec);
            let is_open = self.open(&job.name).is_some();
            if !job.enabled {
                self.close(&job.name, cursor);
            } else if same && !is_open {
                self.begin(&job.name, &spec, cursor, anchor);
            }
        }
    }

    pub(crate) fn before(&mut self, change: &Change, meta: Meta, ledger: &Ledger) {
        match change {
            Change::Track { job, cursor, anchor, trigger } => {
                let durable = ledger.jobs.get(job).and_then(|memory| memory.cursor);
                let again = self.open(job).is_some_and(|open| open.spec == *trigger);
                let until = if meta.booting {
                    durable.unwrap_or(*cursor)
                } else if again {
                    *cursor
                } else {
                    meta.wall
                };
                self.close(job, until);
                self.begin(job, trigger, *cursor, *anchor);
                if self.enabled.get(job) == Some(&false) {
                    self.close(job, *cursor);
                }
            }
            Change::Cursor { job, cursor } => {
                if let Some(open) = self.open(job) {
                    open.from = open.from.min(*cursor);
                } else if let Some(memory) = ledger.jobs.get(job)
                    && let (Some(spec), Some(anchor)) = (&memory.trigger, memory.anchor)
                {
                    self.begin(job, spec, *cursor, anchor);
                }
            }
            Change::Forget { job } | Change::Undefine { job } => self.close(job, meta.wall),
            _ => {}
        }
    }

    /// The clock was set back: what is over for good and lies in the future now need not keep its outcome.
    pub(crate) fn set_back_to(&mut self, now: Timestamp) {
        for stretch in self.stretches.values_mut().flatten() {
            stretch.until = stretch.until.map(|until| until.min(now));
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
        for (job, stretches) in &self.stretches {
            for stretch in stretches {
                let cursor = || ledger.jobs.get(job).and_then(|memory| memory.cursor).unwrap_or(stretch.from);
                let through = match stretch.until {
                    Some(until) => until,
                    None if known.contains_key(job) => now.minus(stretch.schedule.jitter),
                    None => cursor(),
                };
                complaints.extend(walk(job, stretch, through, ledger).err());
            }
            let rows = ledger.rows.values().filter(|row| row.job == *job && row.source == Source::Schedule);
            complaints.extend(rows.filter_map(|row| judge(row, stretches, ledger).err()));
        }
        complaints
    }
}

/// Walks the fire times of a stretch and finds the row of each.
fn walk(job: &Name, stretch: &Stretch, through: Timestamp, ledger: &Ledger) -> Result<(), String> {
    let mut at = stretch.from;
    while let Some(next) = stretch.schedule.next_after(stretch.anchor, at).filter(|next| *next <= through) {
        let Some(row) = ledger.row_of(job, next) else {
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
fn judge(row: &RunRow, stretches: &[Stretch], ledger: &Ledger) -> Result<(), String> {
    let Some(last) = row.fire_time else { return Ok(()) };
    let before = |at: Timestamp| at.minus(Duration::from_micros(1));
    let Some(first) = row.first_fire_time else {
        let fires =
            |stretch: &Stretch| stretch.schedule.next_after(stretch.anchor, before(last)) == Some(last);
        let is_due = stretches.iter().any(fires);
        return if is_due { Ok(()) } else { Err(format!("{} was never due at {last}: {row:?}", row.job)) };
    };
    let mut within = stretches
        .iter()
        .filter(|stretch| first <= stretch.until.unwrap_or(Timestamp::MAX) && last > stretch.from);
    let (Some(stretch), None) = (within.next(), within.next()) else { return Ok(()) };
    if first <= stretch.from || last > stretch.until.unwrap_or(Timestamp::MAX) {
        return Ok(());
    }
    let all =
        stretch.schedule.fires_between(stretch.anchor, before(first), last).map_or(0, |fires| fires.count);
    let own = ledger.rows.values().filter(|other| {
        other.job == row.job
            && other.run != row.run
            && other.fire_time.is_some_and(|at| first <= at && at <= last)
    });
    let own: u64 = own.map(|other| other.occurrences).sum();
    if all != own + row.occurrences {
        return Err(format!("{all} fire times, {own} with rows of their own, but {row:?}"));
    }
    Ok(())
}

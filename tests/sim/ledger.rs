//! What is durable: a second, plain implementation of what each change writes, so that the store's own has
//! something to be held against.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use jobctl::core::change::{Change, Claim, Finish, Gap, StepRecord};
use jobctl::core::event::EventKind;
use jobctl::core::instant::Timestamp;
use jobctl::core::job::Keep;
use jobctl::core::name::Name;
use jobctl::core::run::{RunId, RunStatus, Source};
use jobctl::core::scheduler::Memory;
use jobctl::store::{Outcome, RunRow};

/// Everything that outlives the daemon.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) rows: BTreeMap<RunId, RunRow>,
    by_fire_time: BTreeMap<(Name, Timestamp), RunId>,
    /// Rows that retention has deleted, and those of their fire times that do not run again.
    pruned: BTreeMap<RunId, RunRow>,
    ran: BTreeSet<(Name, Timestamp)>,
    /// The last number given out before a job's present trigger and origin of intervals.
    tracked_after: BTreeMap<Name, RunId>,
    pub(crate) steps: BTreeMap<RunId, Vec<StepRecord>>,
    pub(crate) jobs: BTreeMap<Name, Memory>,
    pub(crate) definitions: BTreeMap<Name, String>,
    pub(crate) hold: Option<jobctl::core::change::Hold>,
    pub(crate) heartbeat: Option<Timestamp>,
    pub(crate) next_run: u64,
    pub(crate) boot_id: String,
    pub(crate) last_event: Option<EventKind>,
    /// How many final events each run has.
    pub(crate) final_events: HashMap<RunId, u32>,
}

impl Ledger {
    pub(crate) fn new() -> Self {
        Ledger { next_run: 1, boot_id: "boot-0".to_owned(), ..Ledger::default() }
    }

    pub(crate) fn memory(&mut self, job: &Name) -> &mut Memory {
        self.jobs.entry(job.clone()).or_default()
    }

    /// Returns every row there ever was, but for those that were retracted.
    pub(crate) fn all_rows(&self) -> impl Iterator<Item = &RunRow> {
        self.rows.values().chain(self.pruned.values())
    }

    /// Returns the row that has, or had, the outcome of a fire time.
    pub(crate) fn outcome_of(&self, job: &Name, fire_time: Timestamp) -> Option<&RunRow> {
        self.row_of(job, fire_time).or_else(|| {
            let first = |row: &RunRow| row.first_fire_time.or(row.fire_time);
            let about = |row: &&RunRow| row.job == *job && first(row) <= Some(fire_time);
            self.pruned.values().filter(about).find(|row| row.fire_time >= Some(fire_time))
        })
    }

    /// Deletes a row because of its age or of how many there are; says what is wrong with that.
    pub(crate) fn prune(&mut self, run: RunId, keep: &Keep, now: Timestamp) -> Option<String> {
        let Some(row) = self.rows.get(&run).cloned() else {
            return Some(format!("run {run} had no row to delete"));
        };
        let cursor = self.jobs.get(&row.job).and_then(|memory| memory.cursor);
        let newer = self.rows.range(run..).filter(|(_, other)| other.job == row.job).count() - 1;
        let old = row.finished_at.is_some_and(|at| at < now.minus(keep.age));
        let wrong = if row.finished_at.is_none() {
            "is not over"
        } else if newer < keep.runs as usize && !old {
            "is to be kept"
        } else if row.fire_time.is_some_and(|at| cursor.is_some_and(|cursor| at > cursor)) {
            "keeps a fire time of the future from running again"
        } else {
            self.remove(run);
            let earlier = self.tracked_after.get(&row.job).is_some_and(|after| run <= *after);
            let idle = matches!(row.status, RunStatus::Missed | RunStatus::Skipped);
            if let Some(at) = row.fire_time.filter(|_| !earlier && !idle) {
                self.ran.insert((row.job.clone(), at));
            }
            self.pruned.insert(run, row);
            return None;
        };
        Some(format!("run {run} {wrong} and is deleted: {row:?}"))
    }

    /// Forgets which fire times of deleted rows had their run.
    fn forget_pruned(&mut self, job: &Name) {
        self.ran.retain(|(name, _)| name != job);
    }

    /// Returns the row that has the outcome of a fire time.
    pub(crate) fn row_of(&self, job: &Name, fire_time: Timestamp) -> Option<&RunRow> {
        let own = self.by_fire_time.get(&(job.clone(), fire_time));
        own.and_then(|run| self.rows.get(run)).or_else(|| {
            let later = self.by_fire_time.range((job.clone(), fire_time)..=(job.clone(), Timestamp::MAX));
            let rows = later.filter_map(|(_, run)| self.rows.get(run));
            rows.into_iter().find(|row| row.first_fire_time.is_some_and(|first| first <= fire_time))
        })
    }

    /// Returns all rows there ever were of a job about fire times from one to another, by their last.
    pub(crate) fn rows_between(
        &self,
        job: &Name,
        first: Timestamp,
        last: Timestamp,
    ) -> impl Iterator<Item = &RunRow> {
        let inside = self.by_fire_time.range((job.clone(), first)..=(job.clone(), last));
        let pruned = self
            .pruned
            .values()
            .filter(move |row| row.job == *job && row.fire_time.is_some_and(|at| first <= at && at <= last));
        inside.filter_map(|(_, run)| self.rows.get(run)).chain(pruned)
    }

    /// Writes one change; `unwritten` collects the numbers that this transaction gave no row.
    pub(crate) fn apply(&mut self, change: &Change, unwritten: &mut HashSet<RunId>) -> Outcome {
        match change {
            Change::Claim(claim) => return self.claim(claim, unwritten),
            Change::Gap(gap) => self.gap(gap, unwritten),
            Change::Started { run, .. } | Change::Retrying { run, .. } | Change::Ending { run, .. } => {
                return self.move_on(*run, change);
            }
            Change::Finished(finish) => return self.finished(finish, unwritten),
            Change::Cursor { job, cursor } => self.memory(job).cursor = Some(*cursor),
            Change::Track { job, cursor, anchor, trigger } => {
                let memory = self.memory(job);
                memory.cursor = Some(*cursor);
                memory.anchor = Some(*anchor);
                memory.trigger = Some(trigger.clone());
                self.tracked_after.insert(job.clone(), RunId(self.next_run - 1));
                self.forget_pruned(job);
            }
            Change::Pause { job, pause } => self.memory(job).pause.clone_from(pause),
            Change::Satisfied { job, dependencies } => self.memory(job).satisfied.clone_from(dependencies),
            Change::StartupBoot { job, boot_id } => self.memory(job).startup_boot = Some(boot_id.clone()),
            Change::Overdue { job, since } => self.memory(job).overdue_since = Some(*since),
            Change::Define { job, toml } => drop(self.definitions.insert(job.clone(), toml.clone())),
            Change::Undefine { job } => {
                self.definitions.remove(job);
                self.forget(job);
            }
            Change::Forget { job } => self.forget(job),
            Change::Hold(hold) => self.hold.clone_from(hold),
            Change::Heartbeat { at } => self.heartbeat = Some(*at),
            Change::Retract { rows, .. } => {
                for row in rows {
                    self.retract(row.run, row.remains);
                }
            }
            Change::Event(event) => {
                if event.run.is_some_and(|run| unwritten.contains(&run)) {
                    return Outcome::Refused;
                }
                self.last_event = Some(event.kind);
                if let Some(run) = event.run.filter(|_| ends_a_run(event.kind)) {
                    *self.final_events.entry(run).or_default() += 1;
                }
            }
            Change::Step { run, step } => {
                let steps = self.steps.entry(*run).or_default();
                steps.retain(|old| (old.attempt, old.position) != (step.attempt, step.position));
                steps.push(step.clone());
            }
            Change::Revision(_) | Change::Notify(_) | Change::RestoreSettled => {}
        }
        Outcome::Applied
    }

    fn finished(&mut self, finish: &Finish, unwritten: &mut HashSet<RunId>) -> Outcome {
        let Some(row) = self.open_row(finish.run) else {
            unwritten.insert(finish.run);
            return Outcome::Refused;
        };
        row.status = finish.status;
        row.reason = finish.reason;
        row.finished_at = Some(finish.at);
        row.retry_at = None;
        let (job, well) = (row.job.clone(), finish.status == RunStatus::Succeeded);
        if let Some(memory) = self.jobs.get_mut(&job).filter(|_| counts(finish.status)) {
            memory.well = Some(well);
            memory.last_success = if well { Some(finish.at) } else { memory.last_success };
        }
        Outcome::Applied
    }

    fn forget(&mut self, job: &Name) {
        self.jobs.remove(job);
        self.tracked_after.remove(job);
        self.forget_pruned(job);
    }

    fn open_row(&mut self, run: RunId) -> Option<&mut RunRow> {
        self.rows.get_mut(&run).filter(|row| row.finished_at.is_none())
    }

    /// Writes how far a run has come.
    fn move_on(&mut self, run: RunId, change: &Change) -> Outcome {
        let boot_id = self.boot_id.clone();
        let Some(row) = self.open_row(run) else { return Outcome::Refused };
        match change {
            Change::Started { attempt, at, process, .. } => {
                row.status = RunStatus::Running;
                row.attempt = *attempt;
                row.started_at = row.started_at.or(Some(*at));
                row.process = *process;
                row.boot_id = Some(boot_id);
                row.retry_at = None;
                row.reason = row.reason.filter(|_| row.ending_at.is_some());
            }
            Change::Retrying { attempt, retry_at, reason, .. } => {
                row.status = RunStatus::Retrying;
                row.attempt = *attempt;
                row.retry_at = Some(*retry_at);
                row.reason = Some(*reason);
                row.ending_at = None;
            }
            Change::Ending { reason, at, .. } if row.ending_at.is_none() => {
                row.reason = Some(*reason);
                row.ending_at = Some(*at);
            }
            _ => return Outcome::Refused,
        }
        Outcome::Applied
    }

    fn claim(&mut self, claim: &Claim, unwritten: &mut HashSet<RunId>) -> Outcome {
        let taken = |at| self.row_of(&claim.job, at).is_some() || self.ran.contains(&(claim.job.clone(), at));
        if claim.fire_time.is_some_and(taken) {
            unwritten.insert(claim.run);
            return Outcome::Refused;
        }
        let mut row = self.empty_row(claim.run, &claim.job, RunStatus::Queued, claim.queued_at);
        row.fire_time = claim.fire_time;
        row.source = claim.source;
        row.attempts = claim.attempts;
        row.due_at = claim.due_at;
        row.coalesced = claim.coalesced;
        row.priority = claim.priority;
        row.pool.clone_from(&claim.pool);
        row.args.clone_from(&claim.args);
        row.forced = claim.forced;
        self.insert(row);
        if let Some(cursor) = claim.cursor {
            self.memory(&claim.job).cursor = Some(cursor);
        }
        Outcome::Applied
    }

    /// A row for several fire times stands for those of them that have no row of their own.
    fn gap(&mut self, gap: &Gap, unwritten: &mut HashSet<RunId>) {
        let several = gap.count > 1;
        let mut left = gap.count.saturating_sub(self.taken(&gap.job, gap.first, gap.last));
        let mut last = if several { self.free_end(&gap.job, gap.last) } else { gap.last };
        if let Some(covered) = self.covered_from(&gap.job, gap.last) {
            // The last one at least belongs to that stretch.
            left = left.saturating_sub(1);
            last = covered.minus(std::time::Duration::from_micros(1));
        }
        let free = !self.by_fire_time.contains_key(&(gap.job.clone(), last));
        if left > 0 && last >= gap.first && free {
            let mut row = self.empty_row(gap.run, &gap.job, gap.status, gap.at);
            row.due_at = last;
            row.fire_time = Some(last);
            row.first_fire_time = several.then_some(gap.first);
            row.occurrences = left;
            row.reason = Some(gap.reason);
            row.finished_at = Some(gap.at);
            self.insert(row);
        } else {
            unwritten.insert(gap.run);
        }
        if let Some(cursor) = gap.cursor {
            self.memory(&gap.job).cursor = Some(cursor);
        }
    }

    fn retract(&mut self, run: RunId, remains: Option<(Timestamp, u64)>) {
        let idle = |row: &RunRow| matches!(row.status, RunStatus::Missed | RunStatus::Skipped);
        let Some(mut row) = self.rows.get(&run).filter(|row| idle(row)).cloned() else { return };
        self.remove(run);
        let (Some((last, count)), Some(was)) = (remains, row.fire_time) else { return };
        let current = self.tracked_after.get(&row.job).is_none_or(|after| *after < run);
        let taken = self.taken(&row.job, row.first_fire_time.unwrap_or(was), last);
        let taken = if current { taken } else { 0 };
        if count > taken {
            row.fire_time = Some(self.free_end(&row.job, last));
            row.occurrences = count - taken;
            self.insert(row);
        }
    }

    /// Counts the fire times of a stretch that have their rows, of those about the present trigger.
    fn taken(&self, job: &Name, first: Timestamp, last: Timestamp) -> u64 {
        let from = self.tracked_after.get(job).copied().unwrap_or(RunId(0));
        let inside = self.by_fire_time.range((job.clone(), first)..=(job.clone(), last));
        let rows = inside.filter_map(|(_, run)| self.rows.get(run));
        let counted = rows.map(|row| match row.run > from {
            true => row.occurrences,
            false => u64::from(row.fire_time == Some(last)),
        });
        counted.sum()
    }

    /// Returns where the next stretch begins that covers a fire time and ends after it.
    fn covered_from(&self, job: &Name, fire_time: Timestamp) -> Option<Timestamp> {
        let later = self.by_fire_time.range((job.clone(), fire_time)..=(job.clone(), Timestamp::MAX));
        let rows =
            later.filter_map(|(_, run)| self.rows.get(run)).filter(|row| row.fire_time > Some(fire_time));
        rows.filter_map(|row| row.first_fire_time).find(|first| *first <= fire_time)
    }

    /// Returns the end of a stretch: just before its last fire time where that has a row of its own.
    fn free_end(&self, job: &Name, last: Timestamp) -> Timestamp {
        let free = !self.by_fire_time.contains_key(&(job.clone(), last));
        if free { last } else { last.minus(std::time::Duration::from_micros(1)) }
    }

    fn insert(&mut self, row: RunRow) {
        self.next_run = self.next_run.max(row.run.0 + 1);
        if let Some(at) = row.fire_time {
            self.by_fire_time.insert((row.job.clone(), at), row.run);
        }
        self.rows.insert(row.run, row);
    }

    /// Takes a row away, as nothing but a retraction may.
    pub(crate) fn remove(&mut self, run: RunId) {
        if let Some(row) = self.rows.remove(&run)
            && let Some(at) = row.fire_time
        {
            self.by_fire_time.remove(&(row.job, at));
        }
    }

    fn empty_row(&self, run: RunId, job: &Name, status: RunStatus, queued_at: Timestamp) -> RunRow {
        RunRow {
            run,
            job: job.clone(),
            fire_time: None,
            first_fire_time: None,
            occurrences: 1,
            status,
            reason: None,
            detail: None,
            source: Source::Schedule,
            attempt: 0,
            attempts: 0,
            queued_at,
            due_at: queued_at,
            started_at: None,
            finished_at: None,
            retry_at: None,
            duration: None,
            exit: None,
            process: None,
            boot_id: Some(self.boot_id.clone()),
            host: "sim".to_owned(),
            coalesced: 0,
            note: None,
            priority: 0,
            pool: None,
            args: Vec::new(),
            forced: false,
            ending_at: None,
            usage: None,
            result: None,
        }
    }
}

const fn counts(status: RunStatus) -> bool {
    matches!(status, RunStatus::Succeeded | RunStatus::Failed | RunStatus::Lost | RunStatus::TimedOut)
}

const fn ends_a_run(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::RunSucceeded
            | EventKind::RunFailed
            | EventKind::RunTimedOut
            | EventKind::RunCancelled
            | EventKind::RunMissed
            | EventKind::RunSkipped
            | EventKind::RunLost
    )
}

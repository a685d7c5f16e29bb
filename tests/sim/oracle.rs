//! The judge: what must hold at every start, every commit and every look at the clock.

mod rest;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jobctl::core::change::Change;
use jobctl::core::instant::{Monotonic, Now, Timestamp};
use jobctl::core::job::{Job, Pool};
use jobctl::core::name::Name;
use jobctl::core::run::{RunId, RunStatus, Source};
use jobctl::core::scheduler::{Effect, Input, Place, RunSnapshot, Scheduler, Settings, Unfinished};
use jobctl::core::trigger::Firing;
use jobctl::store::Outcome;

use super::coverage::Coverage;
use super::jobs::JobFile;
use super::ledger::Ledger;
use super::machine::Machine;
use super::rules::{Rules, Turn};
use rest::is_explained;

/// When a change was decided.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meta {
    pub(crate) wall: Timestamp,
    /// True: by a scheduler that was just beginning.
    pub(crate) booting: bool,
    /// How many decisions came before.
    pub(crate) nth: u64,
}

/// A job's definition, origin of intervals and cursor.
type DueState = (Arc<Job>, Timestamp, Timestamp);

#[derive(Default)]
pub(crate) struct Oracle {
    /// What was broken, in order.
    pub(crate) complaints: Vec<String>,
    pub(crate) coverage: Coverage,
    rules: Rules,
    /// The start-up delay is not over before.
    delayed_until: Monotonic,
    /// The clock was behind at the start: what it must reach, and how long that is waited for.
    behind: Option<(Timestamp, Monotonic)>,
    pub(crate) known: BTreeMap<Name, Arc<Job>>,
    paused: BTreeSet<Name>,
    held: bool,
    pub(crate) stopping: bool,
    /// True: for a reason from outside nothing falls due at present.
    pub(crate) blocked: bool,
    pub(crate) forced: HashSet<RunId>,
    /// Which run has started for an occurrence.
    started: HashMap<(Name, Timestamp), RunId>,
    attempts: HashSet<(RunId, u32)>,
    commands: HashSet<(RunId, u32, Place)>,
    /// True: the clock has been set back, so that a start may lie before its instant.
    set_back: bool,
    /// When each job is due at the latest, and for which state of it this was worked out.
    due: HashMap<Name, (DueState, Option<Timestamp>)>,
    /// Runs that were adopted when their job was gone: nobody can tell which pool they count for.
    homeless: HashSet<RunId>,
    /// Runs whose claim was refused.
    never_claimed: HashSet<RunId>,
    /// How many starts were judged, and how many claims refused.
    pub(crate) starts: u64,
    pub(crate) decisions: u64,
    pub(crate) refused: u64,
}

impl Oracle {
    fn complain(&mut self, text: String) {
        self.complaints.push(text);
    }

    /// A daemon begins with this job set.
    pub(crate) fn boots(
        &mut self,
        jobs: &[Arc<Job>],
        ledger: &Ledger,
        machine: &Machine,
        unfinished: &[Unfinished],
    ) {
        self.known = jobs.iter().map(|job| (job.name.clone(), job.clone())).collect();
        let paused = ledger.jobs.iter().filter(|(_, memory)| memory.pause.is_some());
        self.paused = paused.map(|(name, _)| name.clone()).collect();
        self.held = ledger.hold.is_some();
        self.stopping = false;
        self.rules.boots(unfinished, &self.known, ledger, machine.now());
        self.coverage.boots(jobs, ledger, machine.now().wall, self.decisions);
        let homeless = machine.alive().filter(|(_, process)| !self.known.contains_key(&process.job));
        self.homeless.extend(homeless.map(|(_, process)| process.run));
        let taken_back: HashSet<RunId> = unfinished.iter().map(|run| run.run).collect();
        let open = ledger.rows.values().filter(|row| row.finished_at.is_none());
        let forgotten: Vec<_> = open.filter(|row| !taken_back.contains(&row.run)).collect();
        if let Some(row) = forgotten.first() {
            self.complaints.push(format!("run {} is not over and was not taken back", row.run));
        }
        for (pid, process) in machine.alive() {
            if !taken_back.contains(&process.run) && ledger.rows.contains_key(&process.run) {
                self.complaints.push(format!("process {pid} of run {} has no open run", process.run));
            }
        }
    }

    pub(crate) const fn clock_set(&mut self, forward: bool) {
        self.set_back |= !forward;
    }

    /// The job set has changed.
    pub(crate) fn job_set(&mut self, jobs: impl Iterator<Item = Arc<Job>>, now: Timestamp, ledger: &Ledger) {
        for job in jobs {
            let before = self.known.insert(job.name.clone(), job.clone());
            if before.is_none() {
                self.coverage.comes_back(&job, ledger);
            }
            self.coverage.switch(&job, now, self.decisions);
        }
    }

    /// Something comes to the scheduler.
    pub(crate) fn comes_in(&mut self, input: &Input) {
        self.rules.comes_in(input);
    }

    /// The scheduler begins: it lets nothing start for a while, or waits for a clock that is behind.
    pub(crate) fn begins_at(&mut self, settings: &Settings, heartbeat: Option<Timestamp>, now: Now) {
        let reaches = heartbeat.filter(|beat| beat.since(now.wall) > Duration::from_secs(1));
        self.behind = reaches.map(|reaches| (reaches, now.mono.plus(settings.max_clock_wait)));
        let delay = if reaches.is_some() { Duration::ZERO } else { settings.startup_delay };
        self.delayed_until = now.mono.plus(delay);
    }

    /// Judges all that the scheduler has decided at once.
    pub(crate) fn turn(
        &mut self,
        scheduler: &Scheduler,
        effects: &[Effect],
        machine: &Machine,
        file: &JobFile,
    ) {
        let now = machine.now();
        self.behind = self.behind.filter(|(reaches, until)| now.wall < *reaches && now.mono < *until);
        let mut rules = std::mem::take(&mut self.rules);
        for effect in effects {
            rules.decided(effect, self.picture(scheduler, machine, file));
            if let Effect::Commit(change) = effect {
                self.decided(change);
            }
        }
        rules.looks_round(self.picture(scheduler, machine, file));
        self.rules = rules;
        self.complaints.append(&mut self.rules.complaints);
    }

    fn picture<'a>(&'a self, scheduler: &'a Scheduler, machine: &Machine, file: &JobFile) -> Turn<'a> {
        let now = machine.now();
        Turn {
            now,
            known: &self.known,
            paused: &self.paused,
            held: self.held,
            stopping: self.stopping,
            scheduler,
            closed: now.mono < self.delayed_until || self.behind.is_some(),
            boot: machine.boots,
            catch_up_parallel: file.settings.catch_up_parallel,
        }
    }

    /// Judges the beginning of an attempt, and what its job has waited for.
    pub(crate) fn begins(
        &mut self,
        run: &RunSnapshot,
        scheduler: &Scheduler,
        machine: &Machine,
        file: &JobFile,
    ) {
        let mut rules = std::mem::take(&mut self.rules);
        rules.begins(run, self.picture(scheduler, machine, file));
        self.rules = rules;
    }

    /// Judges what is alive, by the daemon's own children.
    pub(crate) fn lives(&mut self, children: &HashMap<i32, (RunId, Place)>, machine: &Machine) {
        for (pid, (run, place)) in children {
            if machine.processes.get(pid).is_some_and(|process| process.alive) {
                self.rules.lives(*pid, *run, *place, machine.now());
            }
        }
        self.complaints.append(&mut self.rules.complaints);
    }

    /// The scheduler has decided something.
    fn decided(&mut self, change: &Change) {
        match change {
            Change::Pause { job, pause: Some(_) } => drop(self.paused.insert(job.clone())),
            Change::Pause { job, pause: None } => drop(self.paused.remove(job)),
            Change::Hold(hold) => self.held = hold.is_some(),
            Change::Forget { job } | Change::Undefine { job } => {
                self.paused.remove(job);
                self.known.remove(job);
            }
            _ => {}
        }
    }

    /// Judges the start of a command.
    pub(crate) fn starts(&mut self, run: &RunSnapshot, ledger: &Ledger, machine: &Machine, pools: &[Pool]) {
        let id = run.run;
        self.starts += 1;
        let Some(row) = ledger.rows.get(&id) else {
            self.complain(format!("run {id} of {} starts before its claim is durable", run.job.name));
            return;
        };
        if row.finished_at.is_some() {
            self.complain(format!("run {id} is over ({}) and starts", row.status));
        }
        if !self.attempts.insert((id, run.attempt)) {
            return;
        }
        if !self.set_back && machine.now().wall < row.due_at {
            self.complain(format!("run {id} starts before its instant {}", row.due_at));
        }
        if let Some(at) = run.fire_time {
            let first = *self.started.entry((run.job.name.clone(), at)).or_insert(id);
            if first != id {
                self.complain(format!("{} of {at} starts in run {first} and in run {id}", run.job.name));
            }
        }
        self.may_start(run);
        self.has_room(run, machine, pools);
    }

    /// A process was made for a command. Only a hook may come twice, where nobody can tell whether it had.
    pub(crate) fn spawned(&mut self, run: RunId, attempt: u32, place: Place) {
        let hook = matches!(place, Place::Hook(..));
        if !self.commands.insert((run, attempt, place)) && !hook {
            self.complain(format!("{place:?} of run {run} starts twice in attempt {attempt}"));
        }
    }

    /// Judges whether anything starts for this job at present.
    fn may_start(&mut self, run: &RunSnapshot) {
        let (id, name) = (run.run, &run.job.name);
        let definition = self.known.get(name);
        let asked = run.source == Source::Manual;
        let goes_on = run.attempt > 1;
        let wrong = if definition.is_none() {
            Some("its job was removed")
        } else if run.source == Source::Shutdown {
            None
        } else if self.held {
            Some("everything is held")
        } else if self.stopping {
            Some("the daemon is stopping")
        } else if self.paused.contains(name) && !asked && !goes_on {
            Some("its job is paused")
        } else if definition.is_some_and(|job| !job.policy.enabled) && !asked && !goes_on {
            Some("its job is disabled")
        } else {
            None
        };
        if let Some(wrong) = wrong {
            self.complain(format!("run {id} of {name} ({}) starts although {wrong}", run.source.as_str()));
        }
    }

    /// Judges the limits on what is alive.
    fn has_room(&mut self, run: &RunSnapshot, machine: &Machine, pools: &[Pool]) {
        let (id, policy) = (run.run, &run.job.policy);
        let mut others = machine.live_runs(|process| process.job == run.job.name);
        others.remove(&id);
        others.retain(|other| !self.forced.contains(other));
        let now_allowed = self.known.get(&run.job.name).map_or(0, |job| job.policy.max_instances);
        let limit = policy.max_instances.max(now_allowed) as usize;
        // A further attempt has its instance from the first one on.
        if others.len() >= limit && !self.forced.contains(&id) && run.attempt == 1 {
            self.complain(format!("run {id} of {} starts beside {others:?}, limit {limit}", run.job.name));
        }
        if let Some(pool) = pools.iter().find(|pool| Some(&pool.name) == policy.pool.as_ref()) {
            let mut busy = machine.live_runs(|process| {
                process.pool.as_ref() == Some(&pool.name) && !self.homeless.contains(&process.run)
            });
            busy.remove(&id);
            if busy.len() >= pool.workers as usize {
                self.complain(format!("run {id} starts in a full pool: {busy:?}"));
            }
        }
    }

    /// Judges a change before it is written.
    pub(crate) fn before(&mut self, change: &Change, meta: Meta, ledger: &Ledger) {
        self.coverage.before(change, meta, ledger);
        let run = match change {
            Change::Started { run, .. } | Change::Retrying { run, .. } => *run,
            Change::Finished(finish) => finish.run,
            _ => return,
        };
        let Some(row) = ledger.rows.get(&run) else {
            // It may have been given up before the store had refused its claim.
            if !self.never_claimed.contains(&run) || !matches!(change, Change::Finished(_)) {
                self.complain(format!("run {run} has no row: {change:?}"));
            }
            return;
        };
        if row.finished_at.is_some() {
            self.complain(format!("run {run} is over already ({}): {change:?}", row.status));
        }
        if let Change::Finished(finish) = change
            && !is_explained(finish.status, finish.reason)
        {
            self.complain(format!("run {run} ends as {} because of {:?}", finish.status, finish.reason));
        }
        if let (Change::Finished(finish), RunStatus::Retrying) = (change, row.status)
            && matches!(finish.status, RunStatus::Missed | RunStatus::Skipped | RunStatus::Succeeded)
        {
            self.complain(format!("run {run} was retrying and is {}", finish.status));
        }
    }

    /// Judges what became of a change.
    pub(crate) fn after(&mut self, change: &Change, _meta: Meta, outcome: Outcome, ledger: &Ledger) {
        if outcome == Outcome::Refused {
            self.refused += 1;
            match change {
                Change::Claim(claim) => drop(self.never_claimed.insert(claim.run)),
                Change::Finished(finish) if self.never_claimed.contains(&finish.run) => {}
                Change::Event(_) => {}
                _ => self.complain(format!("refused: {change:?}")),
            }
            return;
        }
        if let Change::Gap(gap) = change
            && (!is_explained(gap.status, Some(gap.reason)) || gap.first > gap.last || gap.count == 0)
        {
            self.complain(format!("a row without sense: {gap:?}"));
        }
        if let Change::Event(event) = change
            && let Some(run) = event.run
            && ledger.final_events.get(&run).is_some_and(|events| *events > 1)
        {
            self.complain(format!("run {run} has a second final event: {event:?}"));
        }
    }

    /// Judges when the scheduler wants to be woken. `idle` = it was asked because of the clock and did nothing.
    pub(crate) fn handled(&mut self, scheduler: &Scheduler, now: Now, idle: bool) {
        let wakeup = scheduler.next_wakeup();
        let past =
            wakeup.wall.is_some_and(|at| at <= now.wall) || wakeup.mono.is_some_and(|at| at <= now.mono);
        if idle && past {
            self.complain(format!(
                "at {now:?} nothing was to be done, and it wants to be woken at {wakeup:?}"
            ));
        }
        if self.blocked || self.held || self.stopping || scheduler.waits_for_clock().is_some() {
            return;
        }
        for job in scheduler.jobs() {
            let Firing::Clock(schedule) = &job.job.firing else { continue };
            if !job.job.policy.enabled || job.pause.is_some() {
                continue;
            }
            let state = (job.job.clone(), job.anchor, job.cursor);
            let kept = self
                .due
                .get(&job.job.name)
                .filter(|(kept, _)| Arc::ptr_eq(&kept.0, &state.0) && (kept.1, kept.2) == (state.1, state.2));
            let due = match kept {
                Some((_, due)) => *due,
                None => {
                    let next = schedule.next_after(job.anchor, job.cursor);
                    let due = next.map(|next| next.plus(schedule.jitter));
                    self.due.insert(job.job.name.clone(), (state, due));
                    due
                }
            };
            if due.is_some_and(|due| wakeup.wall.is_none_or(|at| at > due)) {
                let name = &job.job.name;
                self.complain(format!("{name} is due at {due:?} and the alarm is set for {wakeup:?}"));
            }
        }
    }
}

//! The rules of a run's life, turn by turn: what the scheduler decides is held against what the job's own policies
//! say of it, from the claim through every attempt to the end.

mod attempts;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use jobctl::core::change::{Change, Claim, Gap};
use jobctl::core::instant::{Monotonic, Now, Timestamp};
use jobctl::core::job::{Job, StartupScope};
use jobctl::core::name::Name;
use jobctl::core::run::{Reason, RunId, RunStatus, Source};
use jobctl::core::scheduler::{Effect, Evidence, Input, Scheduler, Unfinished};
use jobctl::core::trigger::{DependencyOn, Firing, Trigger};

use super::late::{Lateness, Moment, judge_claim, judge_gap};
use super::ledger::Ledger;
use attempts::{Watched, taken_back};

/// What the rules must know of the world at a turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn<'a> {
    pub(crate) now: Now,
    pub(crate) known: &'a BTreeMap<Name, Arc<Job>>,
    pub(crate) paused: &'a BTreeSet<Name>,
    pub(crate) held: bool,
    pub(crate) stopping: bool,
    pub(crate) scheduler: &'a Scheduler,
    /// True: the daemon has begun, and waits for the clock or for the end of its start-up delay.
    pub(crate) closed: bool,
    pub(crate) boot: u32,
    pub(crate) catch_up_parallel: u32,
}

#[derive(Default)]
pub(crate) struct Rules {
    pub(crate) complaints: Vec<String>,
    runs: BTreeMap<RunId, Watched>,
    /// Runs of jobs that had left the set when the daemon began, and whether they were started.
    ghosts: HashMap<RunId, (Name, bool)>,
    /// The trigger each job's schedule is kept by, and its origin of intervals.
    triggers: HashMap<Name, (String, Timestamp)>,
    /// What the wall clock was ahead of the monotonic one at the last turn, in microseconds.
    ahead: Option<i64>,
    /// What the wall clock showed at the end of the last turn.
    seen: Option<Timestamp>,
    /// Dependencies that have come true, for each job that waits for some.
    satisfied: HashMap<Name, BTreeSet<Name>>,
    /// Jobs that wait for something else from this turn on.
    outdated: BTreeSet<Name>,
    /// Jobs of which a lost run is run again, in this turn.
    reruns: Vec<Name>,
    /// What was left out for a later fire time, in this turn.
    coalesced: HashMap<Name, (u64, Timestamp)>,
    /// Claims by the clock, in this turn.
    claims: HashMap<Name, u64>,
    /// The turn may begin schedules anew: the clock was set back.
    set_back: bool,
    /// For which boot each run of a job that runs once in a boot was claimed, and which of them has started.
    claimed_in: HashMap<RunId, u32>,
    startups: HashMap<(Name, u32), RunId>,
    turns: u64,
    /// Processes that were asked to end, when, and whether they were killed.
    asked: HashMap<i32, (Monotonic, bool)>,
}

impl Rules {
    fn complain(&mut self, text: String) {
        self.complaints.push(text);
    }

    /// A daemon begins on what the last one left.
    pub(crate) fn boots(
        &mut self,
        unfinished: &[Unfinished],
        known: &BTreeMap<Name, Arc<Job>>,
        ledger: &Ledger,
        now: Now,
    ) {
        self.asked.clear();
        self.set_back = false;
        let memories = || ledger.jobs.iter();
        self.ahead = None;
        self.seen = None;
        let triggers = memories().filter_map(|(name, memory)| {
            Some((name.clone(), (memory.trigger.clone()?, memory.anchor.or(memory.cursor)?)))
        });
        self.triggers = triggers.collect();
        let satisfied = memories().map(|(name, memory)| {
            (name.clone(), memory.satisfied.iter().cloned().collect::<BTreeSet<Name>>())
        });
        self.satisfied = satisfied.collect();
        let (wanted, gone): (Vec<_>, Vec<_>) =
            unfinished.iter().partition(|run| known.contains_key(&run.job));
        let ghosts = gone.into_iter().map(|run| {
            let started = run.started_at.is_some() || run.evidence != Evidence::NeverStarted;
            (run.run, (run.job.clone(), started))
        });
        self.ghosts = ghosts.collect();
        let runs = wanted.into_iter().map(|run| (run.run, taken_back(run, &known[&run.job], now)));
        self.runs = runs.collect();
    }

    /// Takes in what comes to the scheduler before it decides.
    pub(crate) fn comes_in(&mut self, input: &Input) {
        self.set_back = matches!(input, Input::FutureGaps(_));
        if let Input::Claimed(claims) = input {
            for (run, applied) in claims {
                match (self.runs.get_mut(run), applied) {
                    (Some(run), true) => run.told = true,
                    (Some(_), false) => drop(self.runs.remove(run)),
                    (None, _) => {}
                }
            }
        }
    }

    /// Judges one thing that was decided; the world is as before it.
    pub(crate) fn decided(&mut self, effect: &Effect, turn: Turn<'_>) {
        match effect {
            Effect::Spawn { run, .. } => {
                if let Some(run) = self.runs.get_mut(run) {
                    run.alive = run.alive.or(Some(self.turns));
                }
            }
            Effect::Sweep { process, .. } => drop(self.asked.insert(process.pid, (turn.now.mono, true))),
            Effect::Signal { process, signal, .. } => {
                let asked = self.asked.entry(process.pid).or_insert((turn.now.mono, false));
                asked.1 |= *signal == 9;
            }
            Effect::Commit(change) => self.change(change, turn),
            Effect::FindFutureGaps { .. } => self.grids_move(turn),
            _ => {}
        }
    }

    fn change(&mut self, change: &Change, turn: Turn<'_>) {
        match change {
            Change::Claim(claim) => self.claim(claim, turn),
            Change::Gap(gap) => self.gap(gap, turn),
            Change::Finished(finish) => self.finished(finish, turn),
            Change::Retrying { run, attempt, retry_at, reason, .. } => {
                self.retrying(*run, *attempt, *retry_at, *reason, turn);
            }
            Change::Started { run, .. } => {
                if let Some(run) = self.runs.get_mut(run) {
                    run.started = true;
                }
            }
            Change::Track { job, trigger, anchor, .. } => {
                let before = self.triggers.insert(job.clone(), (trigger.clone(), *anchor));
                let before = before.map(|(before, _)| before);
                if before.as_ref() == Some(trigger) && !self.set_back {
                    self.complain(format!("{job} begins anew with the trigger it had: {trigger}"));
                }
                let changed = before.is_some_and(|before| before != *trigger);
                if changed && self.satisfied.remove(job).is_some_and(|come| !come.is_empty()) {
                    self.outdated.insert(job.clone());
                }
            }
            Change::Forget { job } | Change::Undefine { job } => {
                self.triggers.remove(job);
                self.satisfied.remove(job);
                self.startups.retain(|(name, _), _| name != job);
            }
            Change::Satisfied { job, dependencies } if dependencies.is_empty() => {
                self.satisfied.remove(job);
                self.outdated.remove(job);
            }
            _ => {}
        }
    }

    /// The clock was set back: intervals count the time that has really passed, so that their grids go with it, but
    /// for a hair by which no two fire times become the same.
    fn grids_move(&mut self, turn: Turn<'_>) {
        let Some(before) = self.ahead.replace(ahead(turn.now)) else { return };
        // A clock that shows no instant again that the scheduler has seen was not set back for it.
        let again = self.seen.is_some_and(|seen| turn.now.wall < seen);
        let back = if again { (before - ahead(turn.now)).max(0) } else { 0 };
        for picture in turn.scheduler.jobs() {
            let Firing::Clock(schedule) = &picture.job.firing else { continue };
            let Trigger::Every(interval) = schedule.trigger else { continue };
            let name = &picture.job.name;
            let Some((spec, anchor)) = self.triggers.get_mut(name) else { continue };
            if schedule.start.is_some() || *spec != picture.job.firing.spec() {
                continue;
            }
            let moved = anchor.as_micros() - picture.anchor.as_micros();
            *anchor = picture.anchor;
            let interval = i64::try_from(interval.as_micros()).unwrap();
            let off = (moved - back).rem_euclid(interval);
            let hair = 1_000.min(interval / 2);
            if off > hair && off < interval - hair || back > 0 && moved == back && back % interval == 0 {
                let text =
                    format!("{name} goes {moved} us back with a clock that went {back} us, every {interval}");
                self.complaints.push(text);
            }
        }
    }

    fn moment(&self, job: &Name, turn: Turn<'_>) -> Moment {
        Moment {
            now: turn.now.wall,
            anchor: turn.scheduler.job(job.as_str()).map_or(Timestamp::MIN, |job| job.anchor),
            held: turn.held,
            stopping: turn.stopping,
            closed: turn.closed,
            paused: turn.paused.contains(job),
            open: self.runs.values().filter(|run| run.job.name == *job).count(),
        }
    }

    fn claim(&mut self, claim: &Claim, turn: Turn<'_>) {
        let Some(job) = turn.known.get(&claim.job).cloned() else {
            return self.complain(format!("{} is claimed and not in the set", claim.job));
        };
        let moment = self.moment(&claim.job, turn);
        let name = &claim.job;
        match claim.source {
            Source::Schedule => {
                if let Err(wrong) = judge_claim(&job, claim, moment) {
                    self.complain(format!("{name} of {:?} {wrong} at {}", claim.fire_time, turn.now.wall));
                }
                let claims = self.claims.entry(name.clone()).or_default();
                *claims += 1;
                if *claims > 1 && job.policy.coalesce {
                    self.complain(format!("{name} coalesces and has two claims at {}", turn.now.wall));
                }
                let left_out = self.coalesced.remove(name).map_or(0, |(count, _)| count);
                if left_out != claim.coalesced {
                    self.complain(format!("{name} left out {left_out} fire times, and says: {claim:?}"));
                }
            }
            Source::Rerun => match self.reruns.iter().position(|rerun| rerun == name) {
                Some(at) => drop(self.reruns.remove(at)),
                None => self.complain(format!("{name} is run again and nothing of it was lost")),
            },
            Source::After => self.waited_for(&job),
            Source::Startup if job.policy.startup == StartupScope::Boot => {
                self.claimed_in.insert(claim.run, turn.boot);
            }
            Source::Startup => drop(self.claimed_in.remove(&claim.run)),
            Source::Shutdown | Source::Manual | Source::Exec => {}
        }
        let late = turn.now.wall.since(claim.due_at) > Duration::from_secs(1);
        let run = Watched {
            source: claim.source,
            fire_time: claim.fire_time,
            due_at: claim.due_at,
            priority: claim.priority,
            anchor: Some(moment.anchor),
            told: false,
            ready: None,
            catch_up: late && claim.source == Source::Schedule,
            started: false,
            attempt: 0,
            found: 0,
            began: None,
            adopted: false,
            alive: None,
            not_before: None,
            job,
        };
        self.runs.insert(claim.run, run);
    }

    fn gap(&mut self, gap: &Gap, turn: Turn<'_>) {
        // A job leaves the set by the same decision as its last row.
        let Some(job) = turn.known.get(&gap.job).cloned() else { return };
        let moment = self.moment(&gap.job, turn);
        let retimed = self.triggers.get(&gap.job).is_none_or(|(spec, _)| *spec != job.firing.spec());
        if !retimed && let Err(wrong) = judge_gap(&job, gap, moment) {
            self.complain(format!("{} of {} {wrong} at {}", gap.job, gap.last, turn.now.wall));
        }
        match gap.reason {
            Reason::Coalesced => drop(self.coalesced.insert(gap.job.clone(), (gap.count, gap.last))),
            _ => drop(self.coalesced.remove(&gap.job)),
        }
        if matches!(job.firing, Firing::After(_)) {
            self.satisfied.remove(&gap.job);
        }
    }

    /// A run has ended: jobs that wait for such an end know of it, if the run was started.
    fn tell(&mut self, name: &Name, was_started: bool, status: RunStatus, turn: Turn<'_>) {
        if was_started || matches!(status, RunStatus::Failed | RunStatus::Lost) {
            let waits = |job: &&Arc<Job>| job.policy.enabled && waits_for(job, name, status);
            for job in turn.known.values().filter(waits) {
                self.satisfied.entry(job.name.clone()).or_default().insert(name.clone());
            }
        }
    }

    /// Judges the start of a job that waits for the ends of others.
    fn waited_for(&mut self, job: &Job) {
        let Firing::After(dependencies) = &job.firing else {
            return self.complain(format!("{} waits for nobody", job.name));
        };
        let come = self.satisfied.remove(&job.name).unwrap_or_default();
        if let Some(missing) = dependencies.iter().find(|dependency| !come.contains(&dependency.job)) {
            self.complain(format!("{} is claimed and {} has not ended so", job.name, missing.job));
        }
    }

    /// Looks at everything once the scheduler has decided: what waits must still be in time.
    pub(crate) fn looks_round(&mut self, turn: Turn<'_>) {
        let allowed = !turn.held && !turn.stopping && !turn.closed;
        let now = turn.now.wall;
        let mut ready = Vec::new();
        for (id, run) in &self.runs {
            let waits = run.told && run.ready.is_none() && run.attempt == 0 && now >= run.due_at;
            if waits && allowed && !run.started {
                ready.push((*id, self.lateness(run, now, turn)));
            }
        }
        for (id, lateness) in ready {
            if lateness == Lateness::TooLate {
                self.complain(format!(
                    "run {id} goes on to its start at {now}, too late: {:?}",
                    self.runs[&id]
                ));
            }
            if let Some(run) = self.runs.get_mut(&id) {
                run.ready = Some(self.turns);
            }
        }
        if let Some(name) = std::mem::take(&mut self.reruns).first() {
            self.complain(format!("a lost run of {name} is not run again"));
        }
        for (name, (count, last)) in std::mem::take(&mut self.coalesced) {
            self.complain(format!("{count} fire times of {name} up to {last} were left out for nothing"));
        }
        if let Some(name) = std::mem::take(&mut self.outdated).first() {
            self.complain(format!("{name} will remember what it has waited for by another trigger"));
        }
        self.claims.clear();
        self.ahead = Some(ahead(turn.now));
        self.seen = Some(turn.now.wall);
        self.turns += 1;
    }

    /// Judges what is left once the world has come to rest.
    pub(crate) fn at_rest(&mut self, known: &BTreeMap<Name, Arc<Job>>) {
        for job in known.values().filter(|job| job.policy.enabled) {
            let Firing::After(dependencies) = &job.firing else { continue };
            let come = self.satisfied.get(&job.name);
            let all = dependencies.iter().all(|one| come.is_some_and(|come| come.contains(&one.job)));
            let alive = self.runs.values().any(|run| run.job.name == job.name);
            if all && !alive {
                self.complaints.push(format!("{} does not start though all it waits for has come", job.name));
            }
        }
    }
}

fn ahead(now: Now) -> i64 {
    now.wall.as_micros() - i64::try_from(now.mono.as_duration().as_micros()).unwrap()
}

fn waits_for(job: &Job, name: &Name, status: RunStatus) -> bool {
    let Firing::After(dependencies) = &job.firing else { return false };
    dependencies.iter().any(|dependency| {
        let so = match dependency.on {
            DependencyOn::Any => true,
            DependencyOn::Success => status == RunStatus::Succeeded,
            DependencyOn::Failure => {
                matches!(status, RunStatus::Failed | RunStatus::TimedOut | RunStatus::Lost)
            }
        };
        dependency.job == *name && so
    })
}

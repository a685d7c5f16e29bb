//! The rules of a run's life, turn by turn: what the scheduler decides is held against what the job's own policies
//! say of it, from the claim through every attempt to the end.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use jobctl::core::change::{Change, Claim, Finish, Gap};
use jobctl::core::instant::{Monotonic, Now, Timestamp};
use jobctl::core::job::{Job, OnLost, Retry, StartupScope, Work};
use jobctl::core::name::Name;
use jobctl::core::run::{Reason, RunId, RunStatus, Source};
use jobctl::core::scheduler::{Effect, Evidence, Input, Place, RunSnapshot, Scheduler, Unfinished};
use jobctl::core::trigger::{DependencyOn, Firing};

use super::late::{Lateness, Moment, judge_claim, judge_gap, lateness};
use super::ledger::Ledger;

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

/// A run that is not over.
#[derive(Clone, Debug)]
struct Watched {
    /// The definition it runs with.
    job: Arc<Job>,
    source: Source,
    fire_time: Option<Timestamp>,
    due_at: Timestamp,
    priority: i32,
    /// The origin of intervals when it was claimed.
    anchor: Option<Timestamp>,
    /// True: the scheduler knows that its claim is durable.
    told: bool,
    /// Since which turn it has been allowed to queue for its start. What it waits there does not count as lateness.
    ready: Option<u64>,
    /// True: it shares the budget of late runs.
    catch_up: bool,
    /// True: one of its commands was started once.
    started: bool,
    attempt: u32,
    /// When the attempt at hand began; `None` = unknown, or there is none.
    began: Option<Monotonic>,
    /// True: an attempt is alive that an earlier daemon has begun.
    adopted: bool,
    /// Since which turn an attempt has been alive.
    alive: Option<u64>,
    /// Before this instant there is no further attempt.
    not_before: Option<Monotonic>,
}

#[derive(Default)]
pub(crate) struct Rules {
    pub(crate) complaints: Vec<String>,
    runs: BTreeMap<RunId, Watched>,
    /// The trigger each job's schedule is kept by.
    triggers: HashMap<Name, String>,
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
    /// Which run of a startup job there was in which boot.
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
        let triggers = memories().filter_map(|(name, memory)| Some((name.clone(), memory.trigger.clone()?)));
        self.triggers = triggers.collect();
        let satisfied = memories().map(|(name, memory)| {
            (name.clone(), memory.satisfied.iter().cloned().collect::<BTreeSet<Name>>())
        });
        self.satisfied = satisfied.collect();
        let runs =
            unfinished.iter().filter_map(|run| Some((run.run, taken_back(run, known.get(&run.job)?, now))));
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
            Change::Track { job, trigger, .. } => {
                let before = self.triggers.insert(job.clone(), trigger.clone());
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
            }
            Change::Satisfied { job, dependencies } if dependencies.is_empty() => {
                self.satisfied.remove(job);
                self.outdated.remove(job);
            }
            _ => {}
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
            Source::Startup | Source::Shutdown | Source::Manual | Source::Exec => {}
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
        let retimed = self.triggers.get(&gap.job) != Some(&job.firing.spec());
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

    fn retrying(&mut self, id: RunId, attempt: u32, retry_at: Timestamp, reason: Reason, turn: Turn<'_>) {
        let Some(run) = self.runs.get_mut(&id) else { return };
        let retry = &run.job.policy.retry;
        let wait = retry_at.since(turn.now.wall);
        let shortest = delay(retry, attempt);
        let longest = (shortest + shortest / 10).min(cap(retry));
        (run.alive, run.adopted) = (None, false);
        run.attempt = attempt;
        run.not_before = Some(turn.now.mono.plus(shortest));
        let began = std::mem::take(&mut run.began);
        let job = run.job.clone();
        if attempt > retry.retries {
            self.complain(format!("run {id} of {} is to be tried once more after {attempt}", job.name));
        } else if wait < shortest || wait > longest {
            self.complain(format!("run {id} waits {wait:?} after attempt {attempt}, not {shortest:?}"));
        }
        if reason == Reason::Timeout {
            self.timed_out(id, &job, began, turn.now);
        }
    }

    /// Judges a run, or an attempt, that has exceeded its time.
    fn timed_out(&mut self, id: RunId, job: &Job, began: Option<Monotonic>, now: Now) {
        if !matches!(job.work, Work::Command(_)) {
            return;
        }
        // Whoever has adopted it knows by its age.
        let Some(began) = began else { return };
        if job.policy.timeout.is_none_or(|limit| now.mono.since(began) < limit) {
            self.complain(format!("run {id} of {} is timed out before its time", job.name));
        }
    }

    fn finished(&mut self, finish: &Finish, turn: Turn<'_>) {
        let Some(run) = self.runs.remove(&finish.run) else { return };
        let (id, name, wall) = (finish.run, run.job.name.clone(), turn.now.wall);
        let wanted = turn.known.get(&name);
        let failed = matches!(finish.status, RunStatus::Failed | RunStatus::TimedOut);
        if failed && run.attempt <= run.job.policy.retry.retries && wanted.is_some() {
            self.complain(format!("run {id} of {name} is given up after attempt {}", run.attempt));
        }
        if finish.status == RunStatus::TimedOut {
            self.timed_out(id, &run.job, run.began, turn.now);
        }
        if finish.status == RunStatus::Missed && (run.ready.is_some() || self.is_in_time(&run, wall, turn)) {
            self.complain(format!("run {id} of {name} is missed and was in time, at {wall}: {run:?}"));
        }
        let again = run.job.policy.on_lost == OnLost::Rerun && finish.status == RunStatus::Lost;
        if again && wanted.is_some_and(|job| job.enabled) && !turn.paused.contains(&name) {
            self.reruns.push(name.clone());
        }
        if run.started || matches!(finish.status, RunStatus::Failed | RunStatus::Lost) {
            let waits = |job: &&Arc<Job>| job.enabled && waits_for(job, &name, finish.status);
            for job in turn.known.values().filter(waits) {
                self.satisfied.entry(job.name.clone()).or_default().insert(name.clone());
            }
        }
    }

    fn is_in_time(&self, run: &Watched, now: Timestamp, turn: Turn<'_>) -> bool {
        self.lateness(run, now, turn) == Lateness::InTime
    }

    fn lateness(&self, run: &Watched, now: Timestamp, turn: Turn<'_>) -> Lateness {
        let Some(fire_time) = run.fire_time.filter(|_| run.source == Source::Schedule) else {
            return Lateness::InTime;
        };
        let present = turn.scheduler.job(run.job.name.as_str()).map(|job| job.anchor);
        let anchor = run.anchor.or(present).unwrap_or(run.due_at);
        if present != Some(anchor) && now.since(run.due_at) > Duration::from_secs(1) {
            return Lateness::Unsure;
        }
        lateness(&run.job, fire_time, run.due_at, anchor, now)
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
        self.turns += 1;
    }

    /// Judges the beginning of an attempt.
    pub(crate) fn begins(&mut self, picture: &RunSnapshot, turn: Turn<'_>) {
        let id = picture.run;
        let Some(run) = self.runs.get(&id).filter(|run| run.began.is_none() && !run.adopted) else { return };
        let run = run.clone();
        let name = &run.job.name;
        let first = picture.attempt == 1;
        if !first && run.not_before.is_none_or(|at| turn.now.mono < at) {
            self.complain(format!("run {id} of {name} begins attempt {} before its time", picture.attempt));
        }
        if run.source == Source::Schedule && turn.closed {
            self.complain(format!("run {id} of {name} starts though the daemon waits at its own start"));
        }
        let boot_job = run.source == Source::Startup && run.job.policy.startup == StartupScope::Boot;
        if first && boot_job && *self.startups.entry((name.clone(), turn.boot)).or_insert(id) != id {
            self.complain(format!("{name} starts twice in a boot"));
        }
        let others = || self.runs.iter().filter(|(other, _)| **other != id);
        let shares = |run: &Watched| run.catch_up && run.job.policy.pool.is_none();
        let budget = others().filter(|(_, other)| shares(other) && other.alive.is_some()).count();
        let passed_over = others().find(|(_, other)| {
            let same_pool = other.job.policy.pool.is_some() && other.job.policy.pool == run.job.policy.pool;
            let only = self.runs.values().filter(|any| any.job.name == other.job.name).count() == 1;
            let waited = other.ready.is_some_and(|since| Some(since) < run.alive);
            let waits = waited && only && other.alive.is_none() && other.attempt == 0;
            let before = (-other.priority, other.due_at) < (-run.priority, run.due_at);
            same_pool && waits && before
        });
        let passed_over = passed_over.map(|(other, _)| *other);
        if shares(&run) && budget >= turn.catch_up_parallel as usize {
            self.complain(format!("run {id} of {name} is late and starts beside {budget} others"));
        }
        if let Some(other) = passed_over {
            self.complain(format!("run {id} of {name} takes the worker that run {other} waits for"));
        }
        if let Some(run) = self.runs.get_mut(&id) {
            run.attempt = picture.attempt;
            run.began = Some(turn.now.mono);
            run.not_before = None;
        }
    }

    /// Judges a process that is alive after the scheduler has looked at the clock.
    pub(crate) fn lives(&mut self, pid: i32, id: RunId, place: Place, now: Now) {
        let asked = self.asked.get(&pid).copied();
        let Some(run) = self.runs.get(&id) else { return };
        let policy = &run.job.policy;
        let over = run.began.zip(policy.timeout).is_some_and(|(began, limit)| now.mono.since(began) >= limit);
        let is_work = !matches!(place, Place::Hook(..));
        let wrong = match asked {
            None if over && is_work => "has exceeded its time",
            Some((at, false)) if now.mono.since(at) >= policy.kill_after => {
                "was asked to end and is not killed"
            }
            _ => return,
        };
        self.complain(format!("process {pid} of run {id} {wrong} at {now:?}"));
    }

    /// Judges what is left once the world has come to rest.
    pub(crate) fn at_rest(&mut self, known: &BTreeMap<Name, Arc<Job>>) {
        for job in known.values().filter(|job| job.enabled) {
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

fn taken_back(run: &Unfinished, job: &Arc<Job>, now: Now) -> Watched {
    let never = matches!(run.evidence, Evidence::NeverStarted);
    let wait = run.retry_at.map(|at| at.since(now.wall));
    Watched {
        job: job.clone(),
        source: run.source,
        fire_time: run.fire_time,
        due_at: run.due_at,
        priority: run.priority,
        anchor: None,
        told: true,
        ready: None,
        catch_up: never,
        started: run.started_at.is_some(),
        attempt: if never { run.attempt } else { run.attempt.max(1) },
        began: None,
        adopted: !never,
        alive: (!never).then_some(0),
        not_before: wait.map(|wait| now.mono.plus(wait)),
    }
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

fn cap(retry: &Retry) -> Duration {
    retry.max_delay.unwrap_or(Duration::from_secs(7 * 86_400))
}

/// Returns the wait after an attempt without the tenth that may be added to it.
fn delay(retry: &Retry, attempt: u32) -> Duration {
    let factor =
        (f64::from(retry.backoff_milli) / 1000.0).powi(i32::try_from(attempt).unwrap_or(i32::MAX) - 1);
    Duration::from_secs_f64((retry.delay.as_secs_f64() * factor).min(cap(retry).as_secs_f64()))
}

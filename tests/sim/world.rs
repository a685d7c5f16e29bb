//! The daemon around the scheduler, played in a world where every step can fail: it commits, acts and
//! acknowledges in the order of the real loop, and can die between any two of those.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jobctl::core::change::Change;
use jobctl::core::event::{Event, EventKind};
use jobctl::core::instant::Timestamp;
use jobctl::core::job::Job;
use jobctl::core::run::{Exit, ProcessMark, RunId};
use jobctl::core::scheduler::{
    Answer, Boot, Effect, Evidence, FutureGap, Input, Place, RunSnapshot, Scheduler, name_of,
};
use jobctl::store::Outcome;

use super::jobs::JobFile;
use super::ledger::Ledger;
use super::machine::{Machine, Process, Tick};
use super::oracle::{Meta, Oracle};
use super::rng::Rng;
use super::{Mutation, shadow::Shadow};

const SECOND: Tick = 1_000_000;

/// The daemon has died: whatever it was about to do is not done.
pub(crate) struct Died;

pub(crate) type Alive<T> = Result<T, Died>;

/// What comes to the loop from outside the scheduler.
#[derive(Debug)]
enum Mail {
    Committed(u64, Vec<Outcome>),
    Degraded,
    Recovered,
    FutureGaps(Timestamp),
    Output(RunId),
    Exited(i32),
}

/// A running daemon.
pub(crate) struct Daemon {
    pub(crate) scheduler: Scheduler,
    batch: Vec<(Change, Meta)>,
    claims: BTreeMap<u64, Vec<(usize, RunId)>>,
    next_token: u64,
    starts: VecDeque<(RunId, Place)>,
    mail: Vec<(Tick, Mail)>,
    children: HashMap<i32, (RunId, Place)>,
    adopted: HashMap<i32, (RunId, Place)>,
    /// The loop is stopped, or slow, until then.
    pub(crate) busy_until: Tick,
    alarm: Tick,
    leaving: bool,
    degraded: bool,
    booting: bool,
    since: Tick,
}

struct Submission {
    token: u64,
    changes: Vec<(Change, Meta)>,
    ready_at: Tick,
}

/// The disk and the thread that writes to it.
#[derive(Default)]
pub(crate) struct Disk {
    queue: VecDeque<Submission>,
    pub(crate) fails_until: Tick,
    pub(crate) slow_until: Tick,
    failing: bool,
    retry_at: Tick,
}

pub(crate) struct World {
    pub(crate) rng: Rng,
    pub(crate) machine: Machine,
    pub(crate) ledger: Ledger,
    pub(crate) shadow: Option<Shadow>,
    pub(crate) oracle: Oracle,
    pub(crate) daemon: Option<Daemon>,
    pub(crate) disk: Disk,
    pub(crate) file: JobFile,
    /// Definitions of added jobs, by their text.
    pub(crate) definitions: HashMap<String, Arc<Job>>,
    /// The daemon dies at the n-th step from here.
    pub(crate) dies_in: Option<u64>,
    /// True: what starts ends at once, so that the world comes to rest.
    pub(crate) resting: bool,
    pub(crate) mutation: Option<Mutation>,
    pub(crate) trace: Option<Vec<String>>,
}

impl World {
    pub(crate) fn say(&mut self, what: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            let now = self.machine.now();
            trace.push(format!("{} {:>12} {}", now.wall, self.machine.time, what()));
        }
    }

    /// A step at which the daemon may die.
    fn step(&mut self) -> Alive<()> {
        match &mut self.dies_in {
            Some(0) => Err(Died),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn daemon(&mut self) -> &mut Daemon {
        self.daemon.as_mut().expect("only a living daemon is asked")
    }

    /// Starts a daemon on what the last one left.
    pub(crate) fn boot(&mut self) {
        let left_in_order = self.ledger.last_event.is_none_or(|kind| kind == EventKind::DaemonStopped);
        self.ledger.boot_id = self.machine.boot_id();
        let mut jobs = self.file.jobs.clone();
        jobs.extend(self.ledger.definitions.values().map(|toml| self.definitions[toml].clone()));
        let mut unfinished = self.machine.judge(&self.ledger, left_in_order);
        if self.mutation == Some(Mutation::ForgetsClaims) {
            unfinished.clear();
        }
        let found = unfinished.iter().flat_map(|run| match &run.evidence {
            Evidence::Started { found, .. } => found.iter().map(|found| (run.run, found)).collect(),
            Evidence::NeverStarted | Evidence::Unknown(_) => Vec::new(),
        });
        let alive = found.filter(|(_, found)| found.exit.is_none()).map(|(run, found)| (run, found.process));
        let alive: Vec<(RunId, ProcessMark)> = alive.collect();
        self.oracle.boots(&jobs, &self.ledger, &self.machine, &unfinished);
        let now = self.machine.now();
        let boot = Boot {
            jobs,
            pools: self.file.pools.clone(),
            settings: self.file.settings.clone(),
            memory: self.ledger.jobs.clone(),
            unfinished,
            hold: self.ledger.hold.clone(),
            heartbeat: self.ledger.heartbeat,
            next_run: self.ledger.next_run,
            boot_id: self.machine.boot_id(),
            starting: true,
            restored: None,
        };
        self.say(|| format!("== boot, in order: {left_in_order}, alive: {alive:?}"));
        let (scheduler, effects) = Scheduler::new(boot, now);
        for effect in &effects {
            if let Effect::Commit(change) = effect {
                self.oracle.decided(change);
            }
        }
        let adopted = alive.into_iter().filter_map(|(run, process)| {
            scheduler.place_of(run, process).map(|place| (process.pid, (run, place)))
        });
        let adopted: HashMap<_, _> = adopted.collect();
        self.daemon = Some(Daemon {
            scheduler,
            batch: Vec::new(),
            claims: BTreeMap::new(),
            next_token: 0,
            starts: VecDeque::new(),
            mail: Vec::new(),
            children: HashMap::new(),
            adopted,
            busy_until: self.machine.time,
            alarm: self.machine.time,
            leaving: false,
            degraded: false,
            booting: true,
            since: self.machine.time,
        });
        self.write(Change::Event(Event::new(now.wall, EventKind::DaemonStarted)));
        let begun = self.carry_out(effects).and_then(|_| {
            self.daemon().booting = false;
            self.finish_turn()
        });
        self.survive(begun);
    }

    /// Ends the daemon where a step of it has ended in its death.
    pub(crate) fn survive<T>(&mut self, outcome: Alive<T>) -> Option<T> {
        match outcome {
            Ok(value) => Some(value),
            Err(Died) => {
                self.die();
                None
            }
        }
    }

    /// Kills the daemon. What it had handed to the disk may have become durable, in order, or not.
    pub(crate) fn die(&mut self) {
        self.say(|| "== the daemon dies".to_owned());
        self.dies_in = None;
        self.daemon = None;
        let writes = self.machine.time >= self.disk.fails_until;
        while writes && self.rng.chance(1, 2) {
            let Some(submission) = self.disk.queue.pop_front() else { break };
            self.commit(&submission.changes);
        }
        self.disk.queue.clear();
        self.disk.failing = false;
    }

    /// Hands an input to the scheduler and carries out what it decides.
    pub(crate) fn feed(&mut self, input: Input) -> Alive<Option<Answer>> {
        self.say(|| format!("-> {input:?}"));
        let mut now = self.machine.now();
        if self.mutation == Some(Mutation::RunsFast) {
            now.wall = now.wall.plus(Duration::from_secs(3));
        }
        let ticks = matches!(input, Input::Tick);
        let daemon = self.daemon();
        daemon.degraded = match input {
            Input::Degraded => true,
            Input::Recovered => false,
            _ => daemon.degraded,
        };
        let effects = self.daemon().scheduler.handle(input, now);
        let idle = ticks && effects.is_empty();
        for effect in &effects {
            if let Effect::Commit(change) = effect {
                self.oracle.decided(change);
            }
        }
        self.oracle.blocked = self.is_blocked(&effects);
        let Some(daemon) = &self.daemon else { return Err(Died) };
        self.oracle.handled(&daemon.scheduler, now, idle);
        self.step()?;
        self.carry_out(effects)
    }

    /// Says whether something that only the world knows of keeps everything from falling due.
    fn is_blocked(&self, effects: &[Effect]) -> bool {
        let Some(daemon) = &self.daemon else { return true };
        let asks = effects.iter().any(|effect| matches!(effect, Effect::FindFutureGaps { .. }))
            || daemon.mail.iter().any(|(_, mail)| matches!(mail, Mail::FutureGaps(_)));
        let up = Duration::from_micros(self.machine.time - daemon.since);
        daemon.degraded || asks || up <= self.file.settings.startup_delay
    }

    fn carry_out(&mut self, effects: Vec<Effect>) -> Alive<Option<Answer>> {
        let mut answer = None;
        let time = self.machine.time;
        for effect in effects {
            self.say(|| format!("   {effect:?}"));
            match effect {
                Effect::Commit(change) => self.write(change),
                Effect::Spawn { run, place } => self.daemon().starts.push_back((run, place)),
                Effect::Signal { process, signal, .. } => self.machine.signal(process, signal, &mut self.rng),
                Effect::Sweep { process, .. } => self.machine.signal(process, 9, &mut self.rng),
                Effect::ReadOutput { run } => {
                    let at = time + self.rng.below(SECOND / 100);
                    self.daemon().mail.push((at, Mail::Output(run)));
                }
                Effect::FindFutureGaps { after } => {
                    self.oracle.coverage.set_back_to(after, &self.ledger);
                    let at = time + self.rng.below(SECOND / 4);
                    self.daemon().mail.push((at, Mail::FutureGaps(after)));
                }
                Effect::Forget { .. } => {}
                Effect::Answer(given) => answer = Some(given),
                Effect::Exit => self.daemon().leaving = true,
            }
        }
        Ok(answer)
    }

    fn write(&mut self, change: Change) {
        let wall = self.machine.now().wall;
        self.oracle.decisions += 1;
        let nth = self.oracle.decisions;
        let daemon = self.daemon();
        let meta = Meta { wall, booting: daemon.booting, nth };
        if let Change::Claim(claim) = &change {
            let place = daemon.batch.len();
            daemon.claims.entry(daemon.next_token).or_default().push((place, claim.run));
        }
        daemon.batch.push((change, meta));
    }

    /// Starts what is to be started, then hands the decisions to the disk: the end of a turn of the loop.
    pub(crate) fn finish_turn(&mut self) -> Alive<()> {
        while let Some((run, place)) = self.daemon().starts.pop_front() {
            self.step()?;
            let Some(picture) = self.daemon().scheduler.run(run) else { continue };
            let input = self.start(&picture, place)?;
            self.feed(input)?;
        }
        self.step()?;
        let slow = self.machine.time < self.disk.slow_until;
        let delay = self.rng.below(if slow { 5 * SECOND } else { SECOND / 50 });
        let ready_at = self.machine.time + delay;
        let daemon = self.daemon();
        if !daemon.batch.is_empty() {
            let token = daemon.next_token;
            daemon.next_token += 1;
            let changes = std::mem::take(&mut daemon.batch);
            let ready_at = self.disk.queue.back().map_or(ready_at, |last| last.ready_at.max(ready_at));
            self.disk.queue.push_back(Submission { token, changes, ready_at });
        }
        self.step()?;
        if self.daemon().leaving {
            self.leave();
            return Ok(());
        }
        self.set_alarm();
        Ok(())
    }

    /// Starts a command: its output file, then its process.
    fn start(&mut self, picture: &RunSnapshot, place: Place) -> Alive<Input> {
        let run = picture.run;
        self.oracle.starts(picture, &self.ledger, &self.machine, &self.file.pools);
        self.machine.create_file(run, picture.attempt);
        self.step()?;
        if self.rng.chance(1, 60) {
            return Ok(Input::StartFailed { run, place, detail: "no such program".to_owned() });
        }
        let mut process = self.process(picture, place);
        if self.resting {
            process.ends_at = self.machine.time + SECOND / 100;
        }
        if self.mutation == Some(Mutation::SpawnsTwice) && self.rng.chance(1, 10) {
            self.machine.spawn(process.clone());
            self.oracle.spawned(run, picture.attempt, place);
        }
        let mark = self.machine.spawn(process);
        self.oracle.spawned(run, picture.attempt, place);
        self.daemon().children.insert(mark.pid, (run, place));
        self.say(|| format!("   started {run} {place:?} pid {}", mark.pid));
        self.step()?;
        Ok(Input::Started { run, place, process: mark, output_offset: None })
    }

    fn process(&mut self, picture: &RunSnapshot, place: Place) -> Process {
        let longest = match (place, self.rng.below(8)) {
            (Place::Hook(..), _) => Duration::from_secs(3),
            (_, 0) => Duration::from_secs(3 * 3_600),
            (_, 1 | 2) => Duration::from_secs(900),
            _ => Duration::from_secs(20),
        };
        let lasts = self.rng.between(Duration::from_millis(2), longest);
        let exit = if self.rng.chance(2, 3) { Exit::Code(0) } else { Exit::Code(1) };
        Process {
            run: picture.run,
            attempt: picture.attempt,
            place,
            step: (place != Place::Work).then(|| name_of(&picture.job, place)),
            outcome: picture.outcome,
            job: picture.job.name.clone(),
            pool: picture.job.policy.pool.clone(),
            starts_at: self.machine.time,
            boot: self.machine.boots,
            ends_at: self.machine.time + u64::try_from(lasts.as_micros()).unwrap(),
            exit,
            ignores_term: self.rng.chance(1, 5),
            alive: true,
        }
    }

    /// Goes in order: what was decided becomes durable first, if the disk takes it.
    fn leave(&mut self) {
        let wall = self.machine.now().wall;
        self.say(|| "== the daemon leaves".to_owned());
        if self.machine.time >= self.disk.fails_until {
            for submission in std::mem::take(&mut self.disk.queue) {
                self.commit(&submission.changes);
            }
            let meta = Meta { wall, booting: false, nth: self.oracle.decisions };
            let last_words = [
                (Change::Heartbeat { at: wall }, meta),
                (Change::Event(Event::new(wall, EventKind::DaemonStopped)), meta),
            ];
            self.commit(&last_words);
        }
        self.disk.queue.clear();
        self.disk.failing = false;
        self.daemon = None;
        self.dies_in = None;
    }

    fn commit(&mut self, changes: &[(Change, Meta)]) -> Vec<Outcome> {
        let mut unwritten = HashSet::new();
        let mut outcomes = Vec::with_capacity(changes.len());
        for (change, meta) in changes {
            self.oracle.before(change, *meta, &self.ledger);
            let outcome = self.ledger.apply(change, &mut unwritten);
            self.oracle.after(change, *meta, outcome, &self.ledger);
            if outcome == Outcome::Refused {
                self.say(|| format!("   refused: {change:?}"));
            }
            outcomes.push(outcome);
        }
        if let Some(shadow) = &mut self.shadow {
            self.oracle.complaints.extend(shadow.commit(changes.iter().map(|(change, _)| change), &outcomes));
        }
        outcomes
    }

    fn set_alarm(&mut self) {
        let Some(daemon) = &mut self.daemon else { return };
        let wakeup = daemon.scheduler.next_wakeup();
        let wall = wakeup.wall.map(|at| self.machine.tick_of_wall(at));
        let mono = wakeup.mono.map(|at| self.machine.tick_of_mono(at));
        let time = self.machine.time;
        let longest = time + 60 * SECOND;
        let at = [wall, mono].into_iter().flatten().min().unwrap_or(longest).clamp(time, longest);
        let late = if self.rng.chance(1, 4) { self.rng.below(SECOND / 100) } else { 0 };
        daemon.alarm = at + late;
        if self.mutation == Some(Mutation::Oversleeps) {
            daemon.alarm = longest * 10;
        }
    }

    /// Says when something happens next, unless somebody acts before.
    pub(crate) fn next_happening(&self) -> Tick {
        let daemon = self.daemon.as_ref().map(|daemon| {
            let mail = daemon.mail.iter().map(|(at, _)| *at).min().unwrap_or(Tick::MAX);
            mail.min(daemon.alarm).max(daemon.busy_until)
        });
        let disk = self
            .disk
            .queue
            .front()
            .filter(|_| self.daemon.is_some())
            .map(|front| if self.disk.failing { self.disk.retry_at } else { front.ready_at });
        [daemon, disk, self.machine.next_end()].into_iter().flatten().min().unwrap_or(Tick::MAX)
    }

    /// Lets the next thing happen, which is due now.
    pub(crate) fn happen(&mut self) {
        for pid in self.machine.end_due() {
            let delay = self.rng.below(SECOND / 200);
            let at = self.machine.time + delay;
            if let Some(daemon) = &mut self.daemon {
                daemon.mail.push((at, Mail::Exited(pid)));
            }
        }
        self.disk_turn();
        let turn = self.loop_turn();
        self.survive(turn);
    }

    fn disk_turn(&mut self) {
        let time = self.machine.time;
        if self.daemon.is_none() || self.disk.failing && time < self.disk.retry_at {
            return;
        }
        while self.disk.queue.front().is_some_and(|front| front.ready_at <= time) {
            if time < self.disk.fails_until {
                self.disk.retry_at = time + SECOND;
                if !std::mem::replace(&mut self.disk.failing, true) {
                    self.post(Mail::Degraded);
                }
                return;
            }
            if std::mem::replace(&mut self.disk.failing, false) {
                self.post(Mail::Recovered);
            }
            let Some(submission) = self.disk.queue.pop_front() else { return };
            let drops = self.mutation == Some(Mutation::DropsCommits) && self.rng.chance(1, 20);
            let outcomes = if drops {
                vec![Outcome::Applied; submission.changes.len()]
            } else {
                self.commit(&submission.changes)
            };
            self.post(Mail::Committed(submission.token, outcomes));
        }
    }

    fn post(&mut self, mail: Mail) {
        let at = self.machine.time;
        self.daemon().mail.push((at, mail));
    }

    fn loop_turn(&mut self) -> Alive<()> {
        let time = self.machine.time;
        let Some(daemon) = &mut self.daemon else { return Ok(()) };
        if time < daemon.busy_until {
            return Ok(());
        }
        let due = daemon.mail.iter().enumerate().filter(|(_, (at, _))| *at <= time);
        if let Some((place, _)) = due.min_by_key(|(place, (at, _))| (*at, *place)) {
            let (_, mail) = daemon.mail.remove(place);
            self.say(|| format!("mail {mail:?}"));
            self.read(mail)?;
        } else if daemon.alarm <= time {
            self.feed(Input::Tick)?;
        } else {
            return Ok(());
        }
        self.finish_turn()
    }

    fn read(&mut self, mail: Mail) -> Alive<()> {
        let input = match mail {
            Mail::Committed(token, outcomes) => {
                let claims = self.daemon().claims.remove(&token).unwrap_or_default();
                let applied = |place: usize| outcomes.get(place) == Some(&Outcome::Applied);
                let claims: Vec<_> = claims.into_iter().map(|(place, run)| (run, applied(place))).collect();
                if claims.is_empty() {
                    return Ok(());
                }
                Input::Claimed(claims)
            }
            Mail::Degraded => {
                let wall = self.machine.now().wall;
                self.write(Change::Event(Event::new(wall, EventKind::DaemonDegraded)));
                Input::Degraded
            }
            Mail::Recovered => {
                let wall = self.machine.now().wall;
                self.write(Change::Event(Event::new(wall, EventKind::DaemonRecovered)));
                Input::Recovered
            }
            Mail::FutureGaps(after) if self.disk.queue.is_empty() => {
                Input::FutureGaps(self.future_gaps(after))
            }
            Mail::FutureGaps(after) => {
                // The question is asked once everything decided before it is durable.
                let at = self.machine.time + SECOND / 100;
                self.daemon().mail.push((at, Mail::FutureGaps(after)));
                return Ok(());
            }
            Mail::Output(run) => {
                let bad = self.rng.chance(1, 4);
                let result = if bad { Err("no document".to_owned()) } else { Ok(Some("{}".to_owned())) };
                Input::Output { run, result }
            }
            Mail::Exited(pid) => match self.exit_of(pid) {
                Some(input) => input,
                None => return Ok(()),
            },
        };
        self.feed(input).map(drop)
    }

    fn future_gaps(&self, after: Timestamp) -> Vec<FutureGap> {
        let rows =
            self.ledger.rows.values().filter(|row| {
                matches!(row.status.as_str(), "missed" | "skipped") && row.fire_time > Some(after)
            });
        let gaps = rows.filter_map(|row| {
            let last = row.fire_time?;
            let first = row.first_fire_time.unwrap_or(last);
            Some(FutureGap { run: row.run, job: row.job.clone(), first, last, count: row.occurrences })
        });
        gaps.collect()
    }

    fn exit_of(&mut self, pid: i32) -> Option<Input> {
        let exit = self.machine.processes.get(&pid)?.exit;
        let unseen = self.rng.chance(1, 2);
        let daemon = self.daemon();
        if let Some((run, place)) = daemon.children.remove(&pid) {
            return Some(Input::Exited { run, place, exit, usage: None });
        }
        let (run, place) = daemon.adopted.remove(&pid)?;
        Some(if unseen {
            Input::Vanished { run, place }
        } else {
            Input::Exited { run, place, exit, usage: None }
        })
    }

    /// Sets the wall clock under the daemon, which notices at once.
    pub(crate) fn shift_wall(&mut self, by: Duration, forward: bool) {
        self.say(|| format!("== the wall clock goes {} {by:?}", if forward { "forward" } else { "back" }));
        self.machine.shift_wall(by, forward);
        self.oracle.clock_set(forward);
        let time = self.machine.time;
        if let Some(daemon) = &mut self.daemon {
            daemon.alarm = time;
        }
    }
}

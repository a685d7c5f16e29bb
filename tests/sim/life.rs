//! How a daemon begins on what the last one left, and how it ends.

use std::collections::{BTreeMap, HashMap, VecDeque};

use jobctl::core::change::Change;
use jobctl::core::event::{Event, EventKind};
use jobctl::core::run::{ProcessMark, RunId, RunStatus};
use jobctl::core::scheduler::{Boot, Evidence, Scheduler};

use super::Mutation;
use super::oracle::Meta;
use super::world::{Alive, Daemon, Died, World};

impl World {
    /// Starts a daemon on what the last one left.
    pub(crate) fn boot(&mut self) {
        self.suffers("starts of the daemon");
        let left_in_order = self.ledger.last_event.is_none_or(|kind| kind == EventKind::DaemonStopped);
        self.ledger.boot_id = self.machine.boot_id();
        let mut jobs = self.file.jobs.clone();
        jobs.extend(self.ledger.definitions.values().map(|toml| self.definitions[toml].clone()));
        let mut unfinished = self.machine.judge(&self.ledger, left_in_order);
        if let Some(shadow) = &mut self.shadow {
            let differ = shadow.boots(&self.ledger, &self.machine, left_in_order, &unfinished);
            self.oracle.complaints.extend(differ);
        }
        if self.mutation == Some(Mutation::ForgetsClaims) {
            unfinished.clear();
        }
        if self.mutation == Some(Mutation::ForgetsProcesses) {
            for run in &mut unfinished {
                if let Evidence::Started { .. } = run.evidence {
                    run.evidence = Evidence::NeverStarted;
                    (run.status, run.attempt) = (RunStatus::Queued, 0);
                }
            }
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
        self.oracle.begins_at(&self.file.settings, self.ledger.heartbeat, now);
        self.oracle.turn(&scheduler, &effects, &self.machine, &self.file);
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
        self.suffers("kills");
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

    /// Goes in order: what was decided becomes durable first, if the disk takes it.
    pub(crate) fn leave(&mut self) {
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
}

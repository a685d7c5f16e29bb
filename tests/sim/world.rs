//! The daemon around the scheduler, played in a world where every step can fail: it commits, acts and
//! acknowledges in the order of the real loop, and can die between any two of those.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jobctl::core::change::Change;
use jobctl::core::instant::Timestamp;
use jobctl::core::job::Job;
use jobctl::core::run::RunId;
use jobctl::core::scheduler::{Place, Scheduler};
use jobctl::store::Outcome;

use super::Mutation;
use super::disk::Disk;
use super::jobs::{JobFile, Manner};
use super::ledger::Ledger;
use super::machine::{Machine, Tick};
use super::oracle::{Meta, Oracle};
use super::rng::Rng;
use super::shadow::Shadow;

pub(crate) const SECOND: Tick = 1_000_000;

/// The daemon has died: whatever it was about to do is not done.
pub(crate) struct Died;

pub(crate) type Alive<T> = Result<T, Died>;

/// What comes to the loop from outside the scheduler.
#[derive(Debug)]
pub(crate) enum Mail {
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
    pub(crate) batch: Vec<(Change, Meta)>,
    pub(crate) claims: BTreeMap<u64, Vec<(usize, RunId)>>,
    pub(crate) next_token: u64,
    pub(crate) starts: VecDeque<(RunId, Place)>,
    pub(crate) mail: Vec<(Tick, Mail)>,
    pub(crate) children: HashMap<i32, (RunId, Place)>,
    pub(crate) adopted: HashMap<i32, (RunId, Place)>,
    /// The loop is stopped, or slow, until then.
    pub(crate) busy_until: Tick,
    pub(crate) alarm: Tick,
    pub(crate) leaving: bool,
    pub(crate) degraded: bool,
    pub(crate) booting: bool,
    pub(crate) since: Tick,
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
    pub(crate) manner: Manner,
    /// How long the daemon sleeps at most.
    pub(crate) longest_sleep: Tick,
    /// How often each kind of fault has befallen it.
    pub(crate) faults: BTreeMap<&'static str, u64>,
}

impl World {
    /// Counts a fault of a kind.
    pub(crate) fn suffers(&mut self, kind: &'static str) {
        *self.faults.entry(kind).or_default() += 1;
    }

    pub(crate) fn say(&mut self, what: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            let now = self.machine.now();
            trace.push(format!("{} {:>12} {}", now.wall, self.machine.time, what()));
        }
    }

    /// A step at which the daemon may die.
    pub(crate) fn step(&mut self) -> Alive<()> {
        match &mut self.dies_in {
            Some(0) => Err(Died),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    pub(crate) fn daemon(&mut self) -> &mut Daemon {
        self.daemon.as_mut().expect("only a living daemon is asked")
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
        self.machine.bury(&self.ledger);
        self.disk_turn();
        let turn = self.loop_turn();
        self.survive(turn);
    }

    /// Sets the wall clock under the daemon, which notices at once.
    pub(crate) fn shift_wall(&mut self, by: Duration, forward: bool) {
        self.say(|| format!("== the wall clock goes {} {by:?}", if forward { "forward" } else { "back" }));
        self.suffers(if forward { "steps forward and suspends" } else { "steps back" });
        self.machine.shift_wall(by, forward);
        self.oracle.clock_set(forward);
        let time = self.machine.time;
        if let Some(daemon) = &mut self.daemon {
            daemon.alarm = time;
        }
    }
}

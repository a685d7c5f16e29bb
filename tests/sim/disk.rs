//! The disk and the thread that writes to it: commits, in order, as long as the disk takes them.

use std::collections::{HashSet, VecDeque};

use std::time::Duration;

use jobctl::core::change::Change;
use jobctl::core::job::Keep;
use jobctl::core::name::Name;
use jobctl::store::Outcome;

use super::Mutation;
use super::machine::Tick;
use super::oracle::Meta;
use super::world::{Mail, SECOND, World};

/// Changes that are to become durable together.
pub(crate) struct Submission {
    pub(crate) token: u64,
    pub(crate) changes: Vec<(Change, Meta)>,
    pub(crate) ready_at: Tick,
}

/// The disk and the thread that writes to it.
#[derive(Default)]
pub(crate) struct Disk {
    pub(crate) queue: VecDeque<Submission>,
    pub(crate) fails_until: Tick,
    pub(crate) slow_until: Tick,
    pub(crate) failing: bool,
    pub(crate) retry_at: Tick,
}

impl World {
    pub(crate) fn commit(&mut self, changes: &[(Change, Meta)]) -> Vec<Outcome> {
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
        if self.shadow.is_some() && self.rng.chance(1, 30) {
            self.prune();
        }
        outcomes
    }

    /// Retention has its turn with one job: the real store deletes, and the plain one follows.
    fn prune(&mut self) {
        let names: Vec<Name> = self.ledger.jobs.keys().cloned().collect();
        if names.is_empty() {
            return;
        }
        let job = self.rng.pick(&names).clone();
        let age = self.rng.between(Duration::from_secs(60), Duration::from_secs(200_000));
        let runs = u32::try_from(self.rng.below(20)).unwrap();
        let (keep, now) = (Keep { runs, age }, self.machine.now().wall);
        let Some(shadow) = &mut self.shadow else { return };
        for run in shadow.prune(&job, &keep, now) {
            self.oracle.complaints.extend(self.ledger.prune(run, &keep, now));
        }
    }

    pub(crate) fn disk_turn(&mut self) {
        let time = self.machine.time;
        if self.daemon.is_none() || self.disk.failing && time < self.disk.retry_at {
            return;
        }
        while self.disk.queue.front().is_some_and(|front| front.ready_at <= time) {
            if time < self.disk.fails_until {
                // Often, and ever more so towards the end.
                self.disk.retry_at = time + SECOND.max((self.disk.fails_until - time) / 8);
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
            } else if self.mutation == Some(Mutation::TearsCommits) && self.rng.chance(1, 20) {
                let written = submission.changes.len() / 2;
                let mut outcomes = self.commit(&submission.changes[..written]);
                outcomes.resize(submission.changes.len(), Outcome::Applied);
                outcomes
            } else {
                self.commit(&submission.changes)
            };
            self.post(Mail::Committed(submission.token, outcomes));
        }
    }

    pub(crate) fn post(&mut self, mail: Mail) {
        let at = self.machine.time;
        self.daemon().mail.push((at, mail));
    }
}

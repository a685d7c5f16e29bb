//! The jobs that were added on the socket, by name, and where the text of each definition is.
//!
//! Owns the rule which texts are held in memory: those that the store does not have yet, and those of broken jobs,
//! which are tried again whenever something is added. Any other is in the store alone, for whoever asks to read it
//! there. It must not know how definitions are checked.

mod reading;

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

pub(super) use reading::{Names, Read, dependencies, read_all};

use crate::core::job::Job;
use crate::core::name::Name;
use crate::jobfile::{Diagnostic, Peers};

/// Every added job.
#[derive(Default)]
pub(super) struct Added {
    jobs: BTreeSet<ByName>,
    broken: BTreeMap<Name, Broken>,
    /// The definitions that are not durable yet.
    fresh: BTreeMap<Name, Fresh>,
    /// The submissions that have them, in order; one that was replaced or removed since has a place here too.
    submitted: VecDeque<(u64, Name)>,
}

/// A job whose definition does not load.
struct Broken {
    toml: Arc<str>,
    errors: Box<[Diagnostic]>,
}

/// A definition that is not durable yet.
struct Fresh {
    /// The submission that has it.
    token: u64,
    toml: Arc<str>,
}

impl Added {
    /// Makes these definitions, which mean these jobs, all there are. What is not durable yet stays at hand, and a
    /// job that is as it was stays the same one.
    pub(super) fn set(&mut self, definitions: Vec<(Name, String)>, read: Vec<Read>) {
        let mut broken = BTreeMap::new();
        let jobs = definitions.into_iter().zip(read).filter_map(|((name, toml), job)| match job {
            Ok(job) => Some(ByName(unless_same(self.job(name.as_str()), job))),
            Err(errors) => {
                broken.insert(name, Broken { toml: toml.into(), errors });
                None
            }
        });
        self.jobs = jobs.collect();
        self.broken = broken;
    }

    /// Takes in a job whose definition gets durable with a submission.
    pub(super) fn put(&mut self, job: Arc<Job>, toml: String, token: u64) {
        let name = job.name.clone();
        self.submitted.push_back((token, name.clone()));
        self.fresh.insert(name, Fresh { token, toml: toml.into() });
        self.mend(job);
    }

    /// Takes in a job whose definition stays what it was.
    pub(super) fn mend(&mut self, job: Arc<Job>) {
        self.broken.remove(&job.name);
        self.jobs.replace(ByName(job));
    }

    /// Takes out a job.
    pub(super) fn remove(&mut self, name: &str) {
        self.jobs.remove(name);
        self.broken.remove(name);
        self.fresh.remove(name);
    }

    /// Notes that every submission before this one is durable: the texts in them can be read in the store.
    pub(super) fn durable_before(&mut self, token: u64) {
        while let Some((submitted, name)) = self.submitted.pop_front_if(|(submitted, _)| *submitted < token) {
            if self.fresh.get(&name).is_some_and(|fresh| fresh.token <= submitted) {
                self.fresh.remove(&name);
            }
        }
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.jobs.contains(name) || self.broken.contains_key(name)
    }

    /// Returns the jobs that load, by name.
    pub(super) fn jobs(&self) -> impl Iterator<Item = &Arc<Job>> {
        self.jobs.iter().map(|ByName(job)| job)
    }

    /// Returns a job that loads.
    pub(super) fn job(&self, name: &str) -> Option<&Arc<Job>> {
        self.jobs.get(name).map(|ByName(job)| job)
    }

    /// Returns the jobs that do not load, by name, and why.
    pub(super) fn broken(&self) -> impl Iterator<Item = (&Name, &[Diagnostic])> {
        self.broken.iter().map(|(name, broken)| (name, &*broken.errors))
    }

    /// Returns what is wrong with a job that does not load.
    pub(super) fn errors(&self, name: &str) -> Option<&[Diagnostic]> {
        self.broken.get(name).map(|broken| &*broken.errors)
    }

    /// Returns the names of all, in no order.
    pub(super) fn all_names(&self) -> impl Iterator<Item = &Name> {
        self.jobs().map(|job| &job.name).chain(self.broken.keys())
    }

    /// Returns the text of a definition where it is at hand; otherwise the store has it.
    pub(super) fn text(&self, name: &str) -> Option<&Arc<str>> {
        let fresh = self.fresh.get(name).map(|fresh| &fresh.toml);
        fresh.or_else(|| self.broken.get(name).map(|broken| &broken.toml))
    }
}

impl Peers for Added {
    fn waits_for(&self, job: &str) -> Option<Vec<Name>> {
        let loaded = self.job(job).map(|job| dependencies(job));
        loaded.or_else(|| self.broken.contains_key(job).then(Vec::new))
    }

    fn names(&self) -> Vec<Name> {
        self.all_names().cloned().collect()
    }
}

/// Returns the new job, or the old one where they are alike: others hold it too, and one copy is enough.
pub(super) fn unless_same(old: Option<&Arc<Job>>, new: Arc<Job>) -> Arc<Job> {
    old.filter(|old| **old == new).cloned().unwrap_or(new)
}

/// A job in the order of names, which it has itself.
struct ByName(Arc<Job>);

impl Borrow<str> for ByName {
    fn borrow(&self) -> &str {
        self.0.name.as_str()
    }
}

impl Ord for ByName {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.name.as_str().cmp(other.0.name.as_str())
    }
}

impl PartialOrd for ByName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ByName {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for ByName {}

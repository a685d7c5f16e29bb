//! The jobs that were added on the socket: from their definitions to jobs, all of them at a time.
//!
//! Owns the order in which definitions that name each other are read. It must not know where they are kept.

use std::collections::HashMap;
use std::sync::Arc;

use crate::core::civil::ZoneSource;
use crate::core::job::Job;
use crate::core::name::Name;
use crate::core::trigger::Firing;
use crate::jobfile::{Diagnostic, Fragments, JobSet, Peers};

/// The job that a definition means, or what keeps it from being one.
pub(super) type Read = Result<Arc<Job>, Box<[Diagnostic]>>;

/// Reads definitions, which are in the order of their names, against a job set; the answers come in the same order.
pub(super) fn read_all(definitions: &[(Name, String)], set: &JobSet, zones: &dyn ZoneSource) -> Vec<Read> {
    let mut others = Others { set, added: definitions, waits: HashMap::new() };
    let mut fragments = Fragments::new(set, zones);
    let mut all = Vec::with_capacity(definitions.len());
    for (name, toml) in definitions {
        let read = fragments.read(toml, name, &others);
        let read = read.map(|fragment| fragment.job).map_err(Vec::into_boxed_slice);
        if let Ok(job) = &read
            && let waits @ [_, ..] = &dependencies(job)[..]
        {
            others.waits.insert(name.clone(), waits.to_vec());
        }
        all.push(read);
    }
    all
}

/// Returns the jobs whose ends a job waits for.
pub(super) fn dependencies(job: &Job) -> Vec<Name> {
    match &job.firing {
        Firing::After(dependencies) => dependencies.iter().map(|dependency| dependency.job.clone()).collect(),
        Firing::Clock(_) | Firing::Startup | Firing::Shutdown => Vec::new(),
    }
}

/// The names of definitions, in order: what a job file may name beside its own jobs.
pub(super) struct Names<'a>(pub(super) &'a [(Name, String)]);

impl Peers for Names<'_> {
    fn waits_for(&self, job: &str) -> Option<Vec<Name>> {
        let found = self.0.binary_search_by(|(name, _)| name.as_str().cmp(job));
        found.is_ok().then(Vec::new)
    }

    fn names(&self) -> Vec<Name> {
        self.0.iter().map(|(name, _)| name.clone()).collect()
    }
}

/// Every job that a definition may name: those of the set, and the added ones, of which those count that were read.
struct Others<'a> {
    set: &'a JobSet,
    added: &'a [(Name, String)],
    /// What added jobs wait for, where they do.
    waits: HashMap<Name, Vec<Name>>,
}

impl Peers for Others<'_> {
    fn waits_for(&self, job: &str) -> Option<Vec<Name>> {
        if let Some(waits) = self.waits.get(job) {
            return Some(waits.clone());
        }
        match self.set.find(job) {
            Some(job) => Some(dependencies(job)),
            None => Names(self.added).waits_for(job),
        }
    }

    fn names(&self) -> Vec<Name> {
        let set = self.set.jobs.iter().map(|job| job.name.clone());
        set.chain(Names(self.added).names()).collect()
    }
}

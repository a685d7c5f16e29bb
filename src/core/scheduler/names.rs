//! Jobs by their names.

use std::hash::{BuildHasher as _, RandomState};

use hashbrown::HashTable;

use super::live::{JobId, Slot};

/// The places of jobs, to be found by name. The names themselves are in the slots: a map that had them too would
/// take five times the memory.
#[derive(Debug)]
pub(super) struct Names {
    places: HashTable<JobId>,
    // Names come from outside, so nobody may know which of them collide.
    hasher: RandomState,
}

impl Names {
    pub(super) fn with_capacity(jobs: usize) -> Self {
        Names { places: HashTable::with_capacity(jobs), hasher: RandomState::new() }
    }

    /// Finds the place of a job.
    pub(super) fn get(&self, name: &str, slots: &[Slot]) -> Option<JobId> {
        self.places.find(self.hasher.hash_one(name), |id| name_at(*id, slots) == name).copied()
    }

    /// Takes in a place, of whose name there must be none yet.
    pub(super) fn insert(&mut self, id: JobId, slots: &[Slot]) {
        let hash = |id: &JobId| self.hasher.hash_one(name_at(*id, slots));
        self.places.insert_unique(hash(&id), id, hash);
    }

    /// Takes out a place.
    pub(super) fn remove(&mut self, id: JobId, slots: &[Slot]) {
        let hash = self.hasher.hash_one(name_at(id, slots));
        if let Ok(found) = self.places.find_entry(hash, |other| *other == id) {
            found.remove();
        }
    }
}

fn name_at(id: JobId, slots: &[Slot]) -> &str {
    slots[id.0 as usize].job.name.as_str()
}

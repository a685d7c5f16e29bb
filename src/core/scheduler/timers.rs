//! Deadlines in order: what is to be looked at next, and when.

use std::collections::BTreeSet;

use super::live::JobId;
use crate::core::instant::Timestamp;

/// A set of deadlines on one clock. Adding, moving and taking cost O(log n).
#[derive(Debug)]
pub(super) struct Timers<T, K> {
    due: BTreeSet<(T, K)>,
}

impl<T: Ord + Copy, K: Ord + Copy> Timers<T, K> {
    pub(super) const fn new() -> Self {
        Timers { due: BTreeSet::new() }
    }

    /// Arms a deadline.
    pub(super) fn arm(&mut self, at: T, key: K) {
        self.due.insert((at, key));
    }

    /// Disarms a deadline that was armed for this very instant; nothing happens where there is none.
    pub(super) fn disarm(&mut self, at: T, key: K) {
        self.due.remove(&(at, key));
    }

    /// Returns the earliest deadline.
    pub(super) fn first(&self) -> Option<T> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Takes the earliest deadline if it has come.
    pub(super) fn take_due(&mut self, now: T) -> Option<K> {
        let (at, _) = self.due.first()?;
        if *at > now {
            return None;
        }
        self.due.pop_first().map(|(_, key)| key)
    }
}

/// The deadlines of jobs, of which each has one at most. Arming, moving and taking cost O(log n).
///
/// A heap that knows where each job stands in it: half the memory of a tree, and nothing has to remember for what
/// instant a job was armed.
#[derive(Debug, Default)]
pub(super) struct JobTimers {
    /// No deadline is earlier than the one at half its place; equal ones go by the job.
    heap: Vec<(Timestamp, JobId)>,
    /// The place of each job in the heap, [`NOWHERE`] for those that are not armed.
    places: Vec<u32>,
}

const NOWHERE: u32 = u32::MAX;

impl JobTimers {
    pub(super) fn with_capacity(jobs: usize) -> Self {
        JobTimers { heap: Vec::with_capacity(jobs), places: Vec::with_capacity(jobs) }
    }

    /// Returns the earliest deadline.
    pub(super) fn first(&self) -> Option<Timestamp> {
        self.heap.first().map(|(at, _)| *at)
    }

    /// Takes the earliest deadline if it has come.
    pub(super) fn take_due(&mut self, now: Timestamp) -> Option<JobId> {
        let (_, id) = *self.heap.first().filter(|(at, _)| *at <= now)?;
        self.remove(0);
        Some(id)
    }

    /// Arms the deadline of a job, in the place of the one it had; `None` disarms it.
    pub(super) fn set(&mut self, id: JobId, at: Option<Timestamp>) {
        let place = self.places.get(id.0 as usize).copied().filter(|place| *place != NOWHERE);
        match (place.map(|place| place as usize), at) {
            (Some(place), Some(at)) if self.heap[place].0 != at => {
                self.heap[place].0 = at;
                self.settle(place);
            }
            (Some(_), Some(_)) | (None, None) => {}
            (Some(place), None) => self.remove(place),
            (None, Some(at)) => {
                if self.places.len() <= id.0 as usize {
                    self.places.resize(id.0 as usize + 1, NOWHERE);
                }
                self.heap.push((at, id));
                self.settle(self.heap.len() - 1);
            }
        }
    }

    fn remove(&mut self, place: usize) {
        let (_, id) = self.heap.swap_remove(place);
        self.places[id.0 as usize] = NOWHERE;
        if place < self.heap.len() {
            self.settle(place);
        }
    }

    /// Moves what stands at a place up or down to where it belongs; all others stand right.
    fn settle(&mut self, mut place: usize) {
        let moving = self.heap[place];
        while place > 0 && moving < self.heap[(place - 1) / 2] {
            self.put(self.heap[(place - 1) / 2], place);
            place = (place - 1) / 2;
        }
        loop {
            let below = [2 * place + 1, 2 * place + 2].into_iter().filter(|below| *below < self.heap.len());
            let Some(least) = below.min_by_key(|below| self.heap[*below]) else { break };
            if moving < self.heap[least] {
                break;
            }
            self.put(self.heap[least], place);
            place = least;
        }
        self.put(moving, place);
    }

    fn put(&mut self, entry: (Timestamp, JobId), place: usize) {
        self.heap[place] = entry;
        // A job's number is a u32, and there are no more entries than jobs.
        self.places[entry.1.0 as usize] = u32::try_from(place).unwrap_or(NOWHERE);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{JobId, JobTimers, Timestamp};

    #[test]
    fn the_earliest_deadline_of_all_jobs_is_taken_first_whatever_was_moved_before() {
        const JOBS: u32 = 40;
        let mut timers = JobTimers::default();
        let mut expected: BTreeMap<u32, i64> = BTreeMap::new();
        // A linear congruential generator: the same steps every time.
        let mut state = 1_u32;
        let mut draw = |below: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) % below
        };
        for _ in 0..20_000 {
            let (job, at) = (draw(JOBS), i64::from(draw(100)));
            match draw(4) {
                0 => {
                    let now = Timestamp::from_secs(i64::from(draw(30)));
                    let first = expected.iter().map(|(job, at)| (*at, *job)).min();
                    let due = first.filter(|(at, _)| Timestamp::from_secs(*at) <= now).map(|(_, job)| job);
                    assert_eq!(timers.take_due(now), due.map(JobId));
                    due.map(|job| expected.remove(&job));
                }
                1 => {
                    timers.set(JobId(job), None);
                    expected.remove(&job);
                }
                _ => {
                    timers.set(JobId(job), Some(Timestamp::from_secs(at)));
                    expected.insert(job, at);
                }
            }
            let first = expected.values().min().map(|at| Timestamp::from_secs(*at));
            assert_eq!(timers.first(), first);
        }
    }
}

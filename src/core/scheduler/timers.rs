//! Deadlines in order: what is to be looked at next, and when.

use std::collections::BTreeSet;

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

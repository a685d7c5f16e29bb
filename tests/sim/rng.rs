//! Randomness that can be replayed: SplitMix64.

use std::time::Duration;

/// A stream of numbers that depends on its seed alone.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) const fn new(seed: u64) -> Self {
        Rng(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number below `bound`, which is at least 1.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    /// Says yes `times` out of `of`.
    pub(crate) fn chance(&mut self, times: u64, of: u64) -> bool {
        self.below(of) < times
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        let at = usize::try_from(self.below(from.len() as u64)).unwrap_or(0);
        &from[at]
    }

    /// Returns a duration between two others, short ones as likely as long ones on a logarithmic scale.
    pub(crate) fn between(&mut self, shortest: Duration, longest: Duration) -> Duration {
        let low = u64::try_from(shortest.as_micros()).unwrap_or(1).max(1);
        let high = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX).max(low);
        let doublings = u64::from((high / low).max(1).ilog2()) + 1;
        let step = self.below(doublings);
        let from = low.saturating_mul(1 << step).min(high);
        let to = from.saturating_mul(2).min(high);
        Duration::from_micros(from + self.below(to - from + 1))
    }
}

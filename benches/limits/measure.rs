//! Rounds: the two sides of a comparison in turn, and what lies in the middle of them.

use std::time::{Duration, Instant};

use crate::Outcome;

/// Two costs of the same thing, in the same unit, measured in turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Compared {
    /// Median cost in jobctl.
    pub(crate) ours: f64,
    /// Median cost of the limit.
    pub(crate) limit: f64,
    /// Median of the rounds' ratios: a machine that grows slower between rounds does not move it.
    pub(crate) ratio: f64,
    /// The quartiles of the rounds' ratios.
    pub(crate) spread: (f64, f64),
}

/// Measures two sides A B A B, after one round of each that does not count.
pub(crate) fn in_turn(
    rounds: usize,
    mut ours: impl FnMut() -> Outcome<f64>,
    mut limit: impl FnMut() -> Outcome<f64>,
) -> Outcome<Compared> {
    ours()?;
    limit()?;
    in_turn_cold(rounds, ours, limit)
}

/// Measures two sides A B A B; every round counts.
pub(crate) fn in_turn_cold(
    rounds: usize,
    mut ours: impl FnMut() -> Outcome<f64>,
    mut limit: impl FnMut() -> Outcome<f64>,
) -> Outcome<Compared> {
    let pairs = (0..rounds).map(|_| Ok((ours()?, limit()?))).collect::<Outcome<Vec<_>>>()?;
    Ok(compared(&pairs))
}

/// Sums up rounds of two costs each.
pub(crate) fn compared(pairs: &[(f64, f64)]) -> Compared {
    let ratios = sorted(pairs.iter().map(|(ours, limit)| ours / limit));
    Compared {
        ours: median(pairs.iter().map(|(ours, _)| *ours)),
        limit: median(pairs.iter().map(|(_, limit)| *limit)),
        ratio: quantile(&ratios, 0.5),
        spread: (quantile(&ratios, 0.25), quantile(&ratios, 0.75)),
    }
}

/// Returns the middle of some figures.
pub(crate) fn median(figures: impl Iterator<Item = f64>) -> f64 {
    quantile(&sorted(figures), 0.5)
}

/// Returns how long `work` takes.
pub(crate) fn time<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let result = work();
    (start.elapsed(), result)
}

/// Returns seconds for each of `count` parts of the work.
pub(crate) fn seconds_each(took: Duration, count: usize) -> f64 {
    // Counts stay far below 2^53.
    took.as_secs_f64() / count as f64
}

fn sorted(figures: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures
}

/// Returns the figure below which a share of them lies; NaN of none.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * share).round() as usize).copied().unwrap_or(f64::NAN)
}

//! When a message that was not delivered is tried again.

use std::time::Duration;

/// How long a message is tried before it is given up, from the moment it was queued.
pub const GIVE_UP: Duration = Duration::from_secs(24 * 3600);

const SHORTEST: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_secs(3600);

/// Returns how long to wait after the `attempt`-th failed delivery of a message, counted from 1.
///
/// The wait doubles with each attempt and lies between 10 s and 1 h. The seed spreads it over half of its
/// length, so that many messages to one dead server do not come back all at once; the same attempt and seed
/// give the same wait.
pub fn backoff(attempt: u32, seed: u64) -> Duration {
    let doublings = attempt.saturating_sub(1).min(16);
    let most = (SHORTEST * 2).saturating_mul(1 << doublings).min(LONGEST);
    let mut random = fastrand::Rng::with_seed(seed ^ (u64::from(attempt) << 32));
    most.mul_f64(0.5 + random.f64() / 2.0).clamp(SHORTEST, LONGEST)
}

#[cfg(test)]
mod tests {
    use super::{GIVE_UP, LONGEST, SHORTEST, backoff};
    use std::time::Duration;

    #[test]
    fn n1_waits_double_up_to_an_hour() {
        let longest_waits = [20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600];
        for (attempt, seconds) in (1..).zip(longest_waits) {
            let most = Duration::from_secs(seconds);
            for seed in 0..50 {
                let wait = backoff(attempt, seed);
                assert!(most / 2 <= wait && wait <= most, "attempt {attempt}, seed {seed}: {wait:?}");
                assert_eq!(wait, backoff(attempt, seed));
            }
        }
    }

    #[test]
    fn n1_any_attempt_and_seed_give_a_bounded_wait() {
        for attempt in [0, 1, 31, 32, 33, 64, u32::MAX] {
            for seed in [0, 1, u64::MAX] {
                assert!((SHORTEST..=LONGEST).contains(&backoff(attempt, seed)), "{attempt}, {seed}");
            }
        }
    }

    #[test]
    fn n1_seeds_spread_the_waits() {
        let waits: std::collections::BTreeSet<Duration> = (0..100).map(|seed| backoff(9, seed)).collect();
        assert!(waits.len() > 90, "{} of 100 differ", waits.len());
    }

    #[test]
    fn n1_a_message_has_a_bounded_number_of_tries() {
        let mut waited = Duration::ZERO;
        let tries = (1..).take_while(|attempt| {
            waited += backoff(*attempt, 7);
            waited < GIVE_UP
        });
        assert!((24..80).contains(&tries.count()));
    }
}

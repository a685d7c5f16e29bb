//! The rules around a fire time as pure functions: jitter, grace, what is tried again and when.
//!
//! Randomness is a hash of what it is for, so that a decision can be replayed.

use std::time::Duration;

use super::instant::Timestamp;
use super::job::{Grace, NotifyWhen, Retry, RetryOn};
use super::run::{Exit, Reason};

/// How late a start may be and still count as on time: a daemon that is busy for a moment misses nothing,
/// also with `grace = "0s"`.
pub const ON_TIME: Duration = Duration::from_secs(1);

/// Picks a delay below `window` for one fire time of a job, always the same one.
///
/// The jitter of fire times is spread evenly; a window of zero gives zero.
pub fn jitter(job: &str, fire_time: Timestamp, window: Duration) -> Duration {
    let micros = u64::try_from(window.as_micros()).unwrap_or(u64::MAX);
    match seed(job, fire_time.as_micros()).checked_rem(micros) {
        Some(delay) => Duration::from_micros(delay),
        None => Duration::ZERO,
    }
}

/// Says whether a start that comes `late` after its due instant is within a fixed grace.
///
/// [`Grace::UntilNext`] depends on the following fire time, which the caller knows: `superseded` says that it
/// has come.
pub fn in_grace(grace: Grace, late: Duration, superseded: bool) -> bool {
    late <= ON_TIME
        || match grace {
            Grace::UntilNext => !superseded,
            Grace::For(limit) => late <= limit,
            Grace::Unlimited => true,
        }
}

/// Says whether an end of an attempt is one that is tried again.
pub fn retries_on(rule: &RetryOn, reason: Reason, exit: Option<Exit>) -> bool {
    match rule {
        RetryOn::Any => true,
        RetryOn::Only { codes, timeout, signal } => match (reason, exit) {
            (Reason::Timeout, _) => *timeout,
            (_, Some(Exit::Signal(_))) => *signal,
            (_, Some(Exit::Code(code))) => codes.contains(&code),
            (_, None) => false,
        },
    }
}

/// Returns the wait after the `attempt`-th attempt (from 1) of a run: `delay * backoff^(attempt - 1)`, at
/// most `max_delay`, and up to a tenth of itself more so that failed runs do not come back in step.
///
/// The extra tenth never exceeds `max_delay` and is left out where the delay is below a second.
pub fn retry_delay(retry: &Retry, attempt: u32, job: &str, run: u64) -> Duration {
    let cap = retry.max_delay.unwrap_or(MAX_RETRY_DELAY);
    let factor = (f64::from(retry.backoff_milli) / 1000.0).powf(f64::from(attempt.saturating_sub(1)));
    let seconds = (retry.delay.as_secs_f64() * factor).min(cap.as_secs_f64());
    let wait = Duration::from_secs_f64(seconds.max(0.0));
    if wait < Duration::from_secs(1) || retry.backoff_milli <= 1000 {
        return wait.min(cap);
    }
    let salt = i64::from(attempt) ^ i64::from_ne_bytes(run.to_ne_bytes());
    let spread = u64::try_from((wait / 10).as_micros()).unwrap_or(u64::MAX).max(1);
    (wait + Duration::from_micros(seed(job, salt) % spread)).min(cap)
}

/// The longest wait between attempts where the job names none.
const MAX_RETRY_DELAY: Duration = Duration::from_secs(7 * 86_400);

/// Says whether a notifier speaks at the end of a run, given how the job's last run ended.
///
/// A job without an earlier run counts as well, so that its first failure is a change.
pub fn speaks(when: NotifyWhen, before: Option<bool>, well: bool) -> bool {
    let was_well = before.unwrap_or(true);
    match when {
        NotifyWhen::Change => was_well != well,
        NotifyWhen::Failure => !well,
        NotifyWhen::Always => true,
        NotifyWhen::Recovery => !was_well && well,
    }
}

/// Mixes a name and a number into 64 evenly spread bits (FNV-1a, then the finaliser of SplitMix64).
pub fn seed(name: &str, number: i64) -> u64 {
    let hash = name.bytes().chain(number.to_le_bytes()).fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let mixed = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{in_grace, jitter, retries_on, retry_delay};
    use crate::core::instant::Timestamp;
    use crate::core::job::{Grace, Retry, RetryOn};
    use crate::core::run::{Exit, Reason};

    #[test]
    fn jitter_is_below_its_window_stable_and_spread() {
        let window = Duration::from_secs(300);
        let delays: Vec<_> =
            (0..1000).map(|n| jitter("backup", Timestamp::from_secs(n * 60), window)).collect();
        assert!(delays.iter().all(|delay| *delay < window));
        assert_eq!(delays[7], jitter("backup", Timestamp::from_secs(7 * 60), window));
        let early = delays.iter().filter(|delay| **delay < window / 2).count();
        assert!((400..600).contains(&early), "{early} of 1000 in the first half");
        assert_eq!(jitter("backup", Timestamp::from_secs(1), Duration::ZERO), Duration::ZERO);
    }

    #[test]
    fn grace_is_a_bound_on_lateness() {
        let minute = Duration::from_secs(60);
        for (grace, late, superseded, expected) in [
            (Grace::For(Duration::ZERO), Duration::from_millis(900), true, true),
            (Grace::For(Duration::ZERO), Duration::from_secs(2), false, false),
            (Grace::For(minute), minute, true, true),
            (Grace::For(minute), minute * 2, false, false),
            (Grace::UntilNext, minute * 600, false, true),
            (Grace::UntilNext, minute, true, false),
            (Grace::Unlimited, minute * 600, true, true),
        ] {
            assert_eq!(in_grace(grace, late, superseded), expected, "{grace:?} {late:?}");
        }
    }

    #[test]
    fn only_the_named_ends_are_tried_again() {
        let only = RetryOn::Only { codes: vec![1, 75], timeout: true, signal: false };
        for (reason, exit, expected) in [
            (Reason::ExitCode, Some(Exit::Code(75)), true),
            (Reason::ExitCode, Some(Exit::Code(2)), false),
            (Reason::Timeout, Some(Exit::Signal(15)), true),
            (Reason::Signal, Some(Exit::Signal(9)), false),
            (Reason::StartFailed, None, false),
        ] {
            assert_eq!(retries_on(&only, reason, exit), expected, "{reason:?} {exit:?}");
            assert!(retries_on(&RetryOn::Any, reason, exit));
        }
    }

    #[test]
    fn waits_grow_by_the_factor_up_to_the_cap() {
        let retry = Retry {
            retries: 9,
            delay: Duration::from_secs(60),
            backoff_milli: 2000,
            max_delay: Some(Duration::from_secs(600)),
            on: RetryOn::Any,
        };
        for (attempt, base) in [(1, 60), (2, 120), (3, 240), (4, 480)] {
            let wait = retry_delay(&retry, attempt, "backup", 7);
            let base = Duration::from_secs(base);
            assert!(wait >= base && wait < base + base / 10, "attempt {attempt}: {wait:?}");
        }
        assert_eq!(retry_delay(&retry, 5, "backup", 7), Duration::from_secs(600));
        assert_eq!(retry_delay(&retry, u32::MAX, "backup", 7), Duration::from_secs(600));
        let steady = Retry { backoff_milli: 1000, max_delay: None, ..retry };
        assert_eq!(retry_delay(&steady, 5, "backup", 7), Duration::from_secs(60));
    }
}

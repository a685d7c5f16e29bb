//! Start times of processes without a look into /proc.
//!
//! The kernel notes the time since boot at each clone(2) and shows it in clock ticks (proc_pid_stat(5), field 22). A
//! clock that shows the same tick before and after the call shows that very number. Where it does not, /proc is read;
//! where the two ever disagree, /proc alone is believed from then on.

use std::io;
use std::time::Duration;

use super::procfs;
use crate::core::run::ProcessMark;

/// How often the clock has to agree with /proc before it is believed.
const PROOFS: u32 = 8;

/// How far the clock is believed.
#[derive(Debug)]
pub(super) struct Reckoning {
    since_boot: fn() -> Duration,
    ticks_per_second: u64,
    belief: Belief,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Belief {
    /// It has agreed with /proc this many times.
    Proving(u32),
    Believed,
    Refuted,
}

impl Reckoning {
    pub(super) fn new(since_boot: fn() -> Duration) -> Self {
        let ticks_per_second = procfs::ticks_per_second();
        Reckoning { since_boot, ticks_per_second, belief: Belief::Proving(0) }
    }

    /// Returns the time since boot in clock ticks, to be taken right before the process is made.
    pub(super) fn tick(&self) -> u64 {
        let now = (self.since_boot)();
        let ticks = now.as_nanos() * u128::from(self.ticks_per_second) / 1_000_000_000;
        u64::try_from(ticks).unwrap_or(u64::MAX)
    }

    /// Returns the mark of a process that was made after the tick `before`, and right before this call.
    ///
    /// # Errors
    /// As [`procfs::mark`].
    pub(super) fn mark(&mut self, pid: i32, before: u64) -> io::Result<ProcessMark> {
        let certain = self.tick() == before;
        let reckoned = ProcessMark { pid, start_ticks: before };
        if certain && self.belief == Belief::Believed {
            return Ok(reckoned);
        }
        let read = procfs::mark(pid)?;
        if let (true, Belief::Proving(proofs)) = (certain, self.belief) {
            self.belief = match proofs + 1 {
                _ if read != reckoned => Belief::Refuted,
                PROOFS => Belief::Believed,
                more => Belief::Proving(more),
            };
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustix::time::{ClockId, clock_gettime};

    use super::{Belief, PROOFS, Reckoning};
    use crate::core::run::ProcessMark;
    use crate::process::procfs;

    fn since_boot() -> Duration {
        let at = clock_gettime(ClockId::Boottime);
        Duration::new(at.tv_sec.try_into().unwrap(), at.tv_nsec.try_into().unwrap())
    }

    /// Starts a process and ends it; returns its mark as reckoned and as /proc has it.
    fn start(reckoning: &mut Reckoning) -> (ProcessMark, ProcessMark) {
        let before = reckoning.tick();
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let pair = (reckoning.mark(pid, before).unwrap(), procfs::mark(pid).unwrap());
        child.kill().unwrap();
        child.wait().unwrap();
        pair
    }

    #[test]
    fn the_time_since_boot_is_believed_once_it_has_proved_right() {
        let mut reckoning = Reckoning::new(since_boot);
        // Each start may fall on the edge between two ticks; a thousand do not.
        for _ in 0..1_000 {
            let (mark, read) = start(&mut reckoning);
            assert_eq!(mark, read);
            if reckoning.belief == Belief::Believed {
                break;
            }
        }
        assert_eq!(reckoning.belief, Belief::Believed);
        for _ in 0..20 {
            let (mark, read) = start(&mut reckoning);
            assert_eq!(mark, read);
        }
    }

    #[test]
    fn a_clock_that_is_wrong_once_is_never_believed() {
        let mut reckoning = Reckoning::new(|| Duration::from_secs(1));
        for _ in 0..=PROOFS {
            let (mark, read) = start(&mut reckoning);
            assert_eq!(mark, read);
            assert_eq!(reckoning.belief, Belief::Refuted);
        }
    }

    #[test]
    fn a_tick_between_two_looks_decides_nothing() {
        use std::sync::atomic::{AtomicU64, Ordering};
        static SECONDS: AtomicU64 = AtomicU64::new(0);
        let mut reckoning = Reckoning::new(|| Duration::from_secs(SECONDS.fetch_add(1, Ordering::Relaxed)));
        for _ in 0..=PROOFS {
            let (mark, read) = start(&mut reckoning);
            assert_eq!(mark, read);
        }
        assert_eq!(reckoning.belief, Belief::Proving(0));
    }
}

//! The clocks of the machine: the only place that reads them, and the alarm the event loop sleeps on.
//!
//! The alarm is a pair of timerfds: one on the wall clock that also fires when the clock is set or the machine
//! wakes from suspend (timerfd_create(2), TFD_TIMER_CANCEL_ON_SET), one on the monotonic clock.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};
use tokio::io::unix::AsyncFd;

use crate::core::instant::{Monotonic, Now, Timestamp};
use crate::core::scheduler::Wakeup;
use crate::process::readable;

/// The longest sleep: the wall clock is looked at again at least this often, whatever the kernel says of it.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// How long before an instant the sleep ends, to be followed by one up to it: who has slept for long finds the caches
/// of the processor cold and the processor itself at rest, which would be a tenth of a millisecond at the instant.
const AHEAD: Duration = Duration::from_millis(1);

/// Reads both clocks.
pub fn now() -> Now {
    let wall = clock_gettime(ClockId::Realtime);
    let mono = clock_gettime(ClockId::Monotonic);
    let micros = wall.tv_sec.saturating_mul(1_000_000).saturating_add(wall.tv_nsec / 1_000);
    let since_start =
        Duration::new(u64::try_from(mono.tv_sec).unwrap_or(0), u32::try_from(mono.tv_nsec).unwrap_or(0));
    Now { wall: Timestamp::from_micros(micros), mono: Monotonic::from_duration(since_start) }
}

/// Returns the time since the machine was booted, suspends included.
pub fn since_boot() -> Duration {
    let at = clock_gettime(ClockId::Boottime);
    Duration::new(u64::try_from(at.tv_sec).unwrap_or(0), u32::try_from(at.tv_nsec).unwrap_or(0))
}

/// An alarm on both clocks.
pub struct Alarm {
    wall: AsyncFd<OwnedFd>,
    mono: AsyncFd<OwnedFd>,
    armed: Wakeup,
}

impl Alarm {
    /// Makes an alarm that is not set.
    ///
    /// # Errors
    /// Where the kernel gives no timer (out of file descriptors).
    pub fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let wall = timerfd_create(TimerfdClockId::Realtime, flags)?;
        let mono = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        Ok(Alarm { wall: readable(wall)?, mono: readable(mono)?, armed: Wakeup::default() })
    }

    /// Sets the alarm to what the scheduler wants, at most a minute away. Before an instant of the wall clock that is
    /// not close it rings once more, a millisecond ahead of it.
    ///
    /// # Errors
    /// Where the kernel refuses; the loop then falls back on its other events.
    pub fn set(&mut self, wakeup: Wakeup, now: Now) -> io::Result<()> {
        let limit = now.wall.plus(LONGEST_SLEEP);
        let wanted = wakeup.wall.filter(|at| *at < limit).map_or(limit, |at| {
            let ahead = at.minus(AHEAD);
            if ahead.since(now.wall) > AHEAD { ahead } else { at }
        });
        // An alarm that is close enough to the limit is left alone: an idle daemon sets its timer once a minute.
        let keeps =
            self.armed.wall.is_some_and(|armed| armed > now.wall && armed <= limit && wanted == limit);
        if !keeps && self.armed.wall != Some(wanted) {
            let flags = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
            timerfd_settime(self.wall.get_ref(), flags, &at(wanted.as_micros()))?;
            self.armed.wall = Some(wanted);
        }
        if self.armed.mono != wakeup.mono {
            let micros =
                wakeup.mono.map_or(0, |at| i64::try_from(at.as_duration().as_micros()).unwrap_or(i64::MAX));
            timerfd_settime(self.mono.get_ref(), TimerfdTimerFlags::ABSTIME, &at(micros))?;
            self.armed.mono = wakeup.mono;
        }
        Ok(())
    }

    /// Waits until the alarm goes off or the wall clock is set.
    pub async fn wait(&mut self) {
        let rang = tokio::select! {
            () = drained(&self.wall) => Rang::Wall,
            () = drained(&self.mono) => Rang::Mono,
        };
        match rang {
            Rang::Wall => self.armed.wall = None,
            Rang::Mono => self.armed.mono = None,
        }
    }
}

/// Makes sure that the kernel has the timers of [`Alarm`].
///
/// # Errors
/// What timerfd_create(2) says.
pub fn check_alarms() -> io::Result<()> {
    for clock in [TimerfdClockId::Realtime, TimerfdClockId::Monotonic] {
        timerfd_create(clock, TimerfdFlags::CLOEXEC)?;
    }
    Ok(())
}

enum Rang {
    Wall,
    Mono,
}

/// Waits for a timer and reads its count, so that it does not ring twice.
async fn drained(timer: &AsyncFd<OwnedFd>) {
    loop {
        let Ok(mut ready) = timer.readable().await else {
            // The runtime is shutting down: there is nothing to wait for any more.
            std::future::pending::<()>().await;
            return;
        };
        let mut count = [0_u8; 8];
        match rustix::io::read(timer.get_ref(), &mut count) {
            Err(Errno::AGAIN) => ready.clear_ready(),
            // ECANCELED: the clock was set (timerfd_create(2)); any other answer is looked at as a ring too.
            Ok(_) | Err(_) => {
                ready.clear_ready();
                return;
            }
        }
    }
}

/// Makes a one-shot time; zero would disarm, so the past is the first microsecond.
fn at(micros: i64) -> Itimerspec {
    let micros = micros.max(0);
    Itimerspec {
        it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
        it_value: Timespec { tv_sec: micros / 1_000_000, tv_nsec: (micros % 1_000_000) * 1_000 },
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{AHEAD, Alarm, now};
    use crate::core::instant::Now;
    use crate::core::scheduler::Wakeup;

    #[tokio::test(flavor = "current_thread")]
    async fn the_alarm_rings_at_the_instant_and_by_the_wall_clock_once_shortly_before() {
        let mut alarm = Alarm::new().unwrap();
        for wall in [true, false] {
            let start = now();
            let delay = Duration::from_millis(20);
            let wakeup = if wall {
                Wakeup { wall: Some(start.wall.plus(delay)), mono: None }
            } else {
                Wakeup { wall: None, mono: Some(start.mono.plus(delay)) }
            };
            if wall {
                alarm.set(wakeup, start).unwrap();
                alarm.wait().await;
                assert!(now().mono.since(start.mono) >= delay - AHEAD);
            }
            // Set as of a moment close to the instant, whenever this comes to run.
            let close = Now { wall: start.wall.plus(delay - AHEAD), ..start };
            alarm.set(wakeup, close).unwrap();
            alarm.wait().await;
            assert!(now().mono.since(start.mono) >= delay);
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn an_instant_in_the_past_rings_at_once() {
        let mut alarm = Alarm::new().unwrap();
        let start = now();
        let past = start.wall.minus(Duration::from_secs(3_600));
        alarm.set(Wakeup { wall: Some(past), mono: None }, start).unwrap();
        alarm.wait().await;
        assert!(now().mono.since(start.mono) < Duration::from_secs(30));
    }
}

//! Instants and the two clocks the core is told about.
//!
//! Owns the instant type and the pair of readings handed to every decision. It must not know where the
//! readings come from: the only place that reads a clock is `daemon/clock.rs`.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};

/// An instant as microseconds since 1970-01-01T00:00:00Z, leap seconds not counted (POSIX time).
///
/// Arithmetic saturates, so that no clock reading can make the core panic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The earliest instant that can be represented.
    pub const MIN: Timestamp = Timestamp(i64::MIN);
    /// The latest instant that can be represented; as a deadline it means "never".
    pub const MAX: Timestamp = Timestamp(i64::MAX);

    /// Makes an instant from microseconds since the epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Timestamp(micros)
    }

    /// Makes an instant from whole seconds since the epoch.
    pub const fn from_secs(secs: i64) -> Self {
        Timestamp(secs.saturating_mul(1_000_000))
    }

    /// Returns microseconds since the epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Returns whole seconds since the epoch, rounded down.
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// Returns the instant `by` later, or [`Timestamp::MAX`].
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Timestamp(self.0.saturating_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)))
    }

    /// Returns the instant `by` earlier, or [`Timestamp::MIN`].
    #[must_use]
    pub fn minus(self, by: Duration) -> Self {
        Timestamp(self.0.saturating_sub(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)))
    }

    /// Returns how long after `earlier` this instant is; zero when it is not after it.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Returns the same instant for calendar arithmetic, or `None` outside chrono's range of years.
    pub fn to_utc(self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp_micros(self.0)
    }

    /// Makes an instant from a chrono date and time, cutting it to microseconds.
    pub fn from_utc(at: DateTime<Utc>) -> Self {
        Timestamp(at.timestamp_micros())
    }
}

impl fmt::Display for Timestamp {
    /// Writes RFC 3339 in UTC, with a fraction only where there is one.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_utc() {
            Some(at) => out.write_str(&at.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
            None => write!(out, "{}us", self.0),
        }
    }
}

/// A reading of the monotonic clock (CLOCK_MONOTONIC): time since some start, never set, stopped in suspend.
///
/// Time limits, retry delays and `kill_after` count on it, so that setting the wall clock ends no run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Monotonic(Duration);

impl Monotonic {
    /// Makes a reading from the time since the clock's own start.
    pub const fn from_duration(since_start: Duration) -> Self {
        Monotonic(since_start)
    }

    /// Returns the time since the clock's own start.
    pub const fn as_duration(self) -> Duration {
        self.0
    }

    /// Returns the reading `by` later.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Monotonic(self.0.saturating_add(by))
    }

    /// Returns how long after `earlier` this reading is; zero when it is not after it.
    pub fn since(self, earlier: Monotonic) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// One reading of both clocks, taken together; every decision of the core is made at one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// What the wall clock (CLOCK_REALTIME) says.
    pub wall: Timestamp,
    /// What the monotonic clock says.
    pub mono: Monotonic,
}

//! Wall-clock time and instants: what a zone is, and the rules for gaps and folds.
//!
//! A zone is plain data here: the spans of time over which its offset from UTC is constant. Where the data
//! comes from (the system's tz database, or chrono-tz's embedded copy) is behind [`ZoneSource`].

use std::fmt;
use std::sync::Arc;

use super::instant::Timestamp;

/// A time zone: its name and its offset from UTC at every instant.
///
/// Cloning shares the table. Two zones are equal when their names and tables are.
#[derive(Clone, PartialEq, Eq)]
pub struct Zone(Arc<ZoneTable>);

/// A zone's data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneTable {
    /// The IANA name, as people write it.
    pub name: String,
    /// Offset from UTC before the first transition, seconds east.
    pub first_offset: i32,
    /// Every change of the offset, in order: the instant in seconds since the epoch, and the offset from then on.
    pub transitions: Vec<(i64, i32)>,
}

/// Where zones come from.
pub trait ZoneSource {
    /// Finds a zone by its IANA name; `None` where there is no such zone.
    fn zone(&self, name: &str) -> Option<Zone>;
    /// Returns the system's own zone; UTC where it cannot be told.
    fn local(&self) -> Zone;
    /// Says which database this is and its version, for `status` (`"system 2026c"`, `"embedded 2025b"`).
    fn version(&self) -> String;
    /// Returns names for suggestions.
    fn names(&self) -> Vec<String>;
}

impl Zone {
    /// Makes a zone from its table.
    pub fn new(table: ZoneTable) -> Self {
        Zone(Arc::new(table))
    }

    /// Returns UTC.
    pub fn utc() -> Self {
        Zone::new(ZoneTable { name: "UTC".to_owned(), first_offset: 0, transitions: Vec::new() })
    }

    /// Returns the IANA name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Returns the offset from UTC at an instant, in seconds east.
    pub fn offset_at(&self, at: Timestamp) -> i32 {
        let secs = at.as_secs();
        let passed = self.0.transitions.partition_point(|(when, _)| *when <= secs);
        match passed.checked_sub(1) {
            Some(last) => self.0.transitions[last].1,
            None => self.0.first_offset,
        }
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Zone({})", self.0.name)
    }
}

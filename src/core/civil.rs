//! Wall-clock time and instants: what a zone is, and the rules for gaps and folds.
//!
//! A zone is plain data here: the spans of time over which its offset from UTC is constant. Where the data
//! comes from (the system's tz database, or chrono-tz's embedded copy) is behind [`ZoneSource`].

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use chrono::{FixedOffset, NaiveDateTime, SecondsFormat};

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

/// Where zones come from; threads that read definitions share it.
pub trait ZoneSource: Sync {
    /// Finds a zone by its IANA name; `None` where there is no such zone.
    fn zone(&self, name: &str) -> Option<Zone>;
    /// Returns the system's own zone; UTC where it cannot be told.
    fn local(&self) -> Zone;
    /// Says which database this is and its version, for `status` (`"system 2026c"`, `"embedded 2025b"`).
    fn version(&self) -> String;
    /// Returns names for suggestions.
    fn names(&self) -> Vec<String>;
}

/// A stretch of time over which a zone's offset is constant: `[start, end)`, seconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// Its place in the zone's list.
    pub(crate) index: usize,
    /// Its first second; `i64::MIN` for the first span.
    pub(crate) start: i64,
    /// The second after its last one; `i64::MAX` for the last span.
    pub(crate) end: i64,
    /// The offset from UTC, seconds east.
    pub(crate) offset: i32,
    /// The offset of the span before; its own for the first span.
    pub(crate) before: i32,
    /// The offset of the span after; its own for the last span.
    pub(crate) after: i32,
}

/// Says whether a shift, in seconds, is a correction of the clock: nothing is made up for it and nothing held back
/// (docs/time.md rule 30).
///
/// Debian's cron draws the line at a jump forward of 3 h, but at a jump back of *more* than 3 h: the folds of
/// exactly 3 h at Antarctica/Casey are folds there, and here.
pub(crate) const fn is_correction(shift: i32) -> bool {
    const LIMIT: i32 = 3 * 3600;
    shift >= LIMIT || shift < -LIMIT
}

/// What a wall-clock time is as an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Local {
    /// It comes once.
    Once(Timestamp),
    /// It does not come: the clock jumps over it.
    Gap {
        /// The first instant after the gap.
        end: Timestamp,
        /// How far the clock jumps, seconds.
        size: i32,
    },
    /// It comes twice.
    Twice(Timestamp, Timestamp),
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

    /// Says whether two zones are one in memory, as those of one source are.
    #[cfg(test)]
    pub(crate) fn shares_table_with(&self, other: &Zone) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Returns the offset from UTC at an instant, in seconds east.
    pub fn offset_at(&self, at: Timestamp) -> i32 {
        self.offset_of(self.index_at(at.as_secs()))
    }

    /// Writes an instant as RFC 3339 on the zone's wall clock, with its offset, to the second.
    pub fn format(&self, at: Timestamp) -> String {
        self.format_with(at, SecondsFormat::Secs)
    }

    /// Writes an instant as RFC 3339 on the zone's wall clock, with its offset and the fraction it has.
    pub fn format_exact(&self, at: Timestamp) -> String {
        self.format_with(at, SecondsFormat::AutoSi)
    }

    fn format_with(&self, at: Timestamp, precision: SecondsFormat) -> String {
        let offset = FixedOffset::east_opt(self.offset_at(at));
        match (at.to_utc(), offset) {
            (Some(utc), Some(offset)) if offset.local_minus_utc() == 0 => {
                utc.to_rfc3339_opts(precision, true)
            }
            (Some(utc), Some(offset)) => utc.with_timezone(&offset).to_rfc3339_opts(precision, false),
            (_, _) => at.to_string(),
        }
    }

    /// Resolves a wall-clock time.
    pub fn resolve(&self, wall: NaiveDateTime) -> Local {
        let wall = wall.and_utc().timestamp();
        // No offset is as far as two days from UTC, so the candidates are near.
        let mut span = self.span_at(wall.saturating_sub(2 * 86_400));
        let mut found = None;
        let mut gap = Local::Once(Timestamp::from_secs(wall - i64::from(span.offset)));
        loop {
            let at = wall - i64::from(span.offset);
            if at >= span.start && at < span.end {
                match found {
                    None => found = Some(at),
                    Some(first) => {
                        return Local::Twice(Timestamp::from_secs(first), Timestamp::from_secs(at));
                    }
                }
            } else if at < span.start && wall - i64::from(span.before) >= span.start {
                gap = Local::Gap { end: Timestamp::from_secs(span.start), size: span.offset - span.before };
            }
            if span.end > wall.saturating_add(2 * 86_400) {
                return found.map_or(gap, |at| Local::Once(Timestamp::from_secs(at)));
            }
            span = self.span(span.index + 1);
        }
    }

    /// Returns the span in which a second since the epoch lies.
    pub(crate) fn span_at(&self, secs: i64) -> Span {
        self.span(self.index_at(secs))
    }

    /// Returns the span of a number; the last one for numbers past the end.
    pub(crate) fn span(&self, index: usize) -> Span {
        let transitions = &self.0.transitions;
        let index = index.min(transitions.len());
        let start = index.checked_sub(1).map_or(i64::MIN, |before| transitions[before].0);
        let end = transitions.get(index).map_or(i64::MAX, |next| next.0);
        let offset = self.offset_of(index);
        Span {
            index,
            start,
            end,
            offset,
            before: index.checked_sub(1).map_or(offset, |before| self.offset_of(before)),
            after: if end == i64::MAX { offset } else { self.offset_of(index + 1) },
        }
    }

    fn index_at(&self, secs: i64) -> usize {
        self.0.transitions.partition_point(|(when, _)| *when <= secs)
    }

    fn offset_of(&self, index: usize) -> i32 {
        index.checked_sub(1).map_or(self.0.first_offset, |before| self.0.transitions[before].1)
    }
}

/// chrono-tz's own copy of the tz database, for machines that have none. It knows no time changes from 2100 on,
/// and none that were decided after it was made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Embedded;

impl ZoneSource for Embedded {
    fn zone(&self, name: &str) -> Option<Zone> {
        let index = embedded::ZONES.binary_search_by_key(&name, |(name, _)| name).ok()?;
        let (name, place) = embedded::ZONES[index];
        embedded::table(name, place).map(Zone::new)
    }

    fn local(&self) -> Zone {
        Zone::utc()
    }

    fn version(&self) -> String {
        format!("embedded {}", embedded::VERSION)
    }

    fn names(&self) -> Vec<String> {
        embedded::ZONES.iter().map(|(name, _)| (*name).to_owned()).collect()
    }
}

/// The database as `build.rs` has written it, which says what the bytes mean.
mod embedded {
    use super::ZoneTable;

    include!(concat!(env!("OUT_DIR"), "/zones.rs"));

    static DATA: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/zones.bin"));

    /// Where the seconds of a zone's first change are counted from: 1900-01-01.
    const FROM: i64 = -2_208_988_800;

    /// Reads the zone that begins at a place; `None` where none does.
    pub(super) fn table(name: &str, place: u32) -> Option<ZoneTable> {
        let mut rest = DATA.get(usize::try_from(place).ok()?..)?;
        let first_offset = i32::try_from(number(&mut rest)?).ok()?;
        let count = usize::try_from(number(&mut rest)?).ok()?;
        let mut transitions = Vec::with_capacity(count.min(rest.len()));
        let (mut at, mut offset) = (FROM, first_offset);
        for _ in 0..count {
            at += number(&mut rest)?;
            offset += i32::try_from(number(&mut rest)?).ok()?;
            transitions.push((at, offset));
        }
        Some(ZoneTable { name: name.to_owned(), first_offset, transitions })
    }

    fn number(rest: &mut &[u8]) -> Option<i64> {
        let mut number = 0_u64;
        for shift in (0..u64::BITS).step_by(7) {
            let (byte, behind) = rest.split_first()?;
            *rest = behind;
            number |= u64::from(byte & 0x7f) << shift;
            if *byte < 0x80 {
                return Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed());
            }
        }
        None
    }
}

impl Hash for Zone {
    /// Hashes the name alone: two tables of one name are rare, and equality tells them apart.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.name.hash(state);
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Zone({})", self.0.name)
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Offset as _, TimeZone as _};

    use super::{Embedded, ZoneSource as _};
    use crate::core::instant::Timestamp;

    #[test]
    fn the_embedded_zones_are_those_of_chrono_tz() {
        assert_eq!(Embedded.names().len(), chrono_tz::TZ_VARIANTS.len());
        assert_eq!(Embedded.version(), format!("embedded {}", chrono_tz::IANA_TZDB_VERSION));
        for theirs in chrono_tz::TZ_VARIANTS {
            let ours = Embedded.zone(theirs.name()).unwrap();
            assert_eq!(ours.name(), theirs.name());
            // Both sides of every change, and twice a month between 1900 and 2100.
            let changes = ours.0.transitions.iter().flat_map(|(at, _)| [at - 1, *at]);
            let every = (-2_208_988_800..4_102_444_800).step_by(15 * 86_400 + 1);
            for secs in changes.chain(every) {
                let at = DateTime::from_timestamp(secs, 0).unwrap().naive_utc();
                let offset = theirs.offset_from_utc_datetime(&at).fix().local_minus_utc();
                assert_eq!(ours.offset_at(Timestamp::from_secs(secs)), offset, "{theirs} at {secs}");
            }
        }
        assert!(Embedded.zone("Europe/Nowhere").is_none());
        assert!(Embedded.zone("europe/berlin").is_none());
    }
}

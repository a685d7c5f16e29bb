//! `cron` on the clock of a zone: which instants the wall-clock matches of an expression are.
//!
//! Time is taken span by span, each with one offset from UTC. Within a span a wall time is an instant; what a
//! time change at either end of the span does to it is decided by the size of the shift, never by its cause
//! (docs/time.md rule 32).

use super::{CronTrigger, FireNote, Fires};
use crate::core::civil::{Span, Zone, is_correction};
use crate::core::cron::{DstFold, DstGap};
use crate::core::instant::Timestamp;

/// Offsets and shifts are smaller than this, in seconds: what a wall time means as an instant is decided within so
/// much time of it.
const FAR: i64 = 3 * 86_400;

impl CronTrigger {
    /// Returns the first fire time strictly after an instant.
    ///
    /// Takes the spans in order: what the shift at a span's start makes up comes first, then the span's own matches.
    pub(super) fn next_after(&self, zone: &Zone, after: Timestamp) -> Option<Timestamp> {
        let from = after.as_secs().saturating_add(1);
        let mut span = zone.span_at(from);
        loop {
            if span.start >= from && self.made_up(span) {
                return Some(Timestamp::from_secs(span.start));
            }
            let found = self.first_in(span, from.max(span.start));
            if let Search::Found(at) = found {
                return Some(Timestamp::from_secs(at));
            }
            if span.end == i64::MAX {
                return None;
            }
            let near = zone.span(span.index + 1);
            span = match found {
                // The fold at the end of this span may bring back wall times that are over or that were held back.
                _ if near.start <= from.saturating_add(FAR) => near,
                Search::Held => near,
                // Nothing matches before `wall`: go to the span in which it could lie.
                Search::Beyond(wall) => {
                    let target = zone.span_at(wall.saturating_sub(FAR));
                    if target.index > near.index { target } else { near }
                }
                Search::Found(_) | Search::Never => return None,
            };
        }
    }

    /// Counts the fire times in `(after, through]` without listing them.
    pub(super) fn fires_between(&self, zone: &Zone, after: Timestamp, through: Timestamp) -> Option<Fires> {
        let first = self.next_after(zone, after).filter(|first| *first <= through)?;
        let (from, to) = (first.as_secs(), through.as_secs().saturating_add(1));
        let mut count = 0;
        let mut span = zone.span_at(from);
        loop {
            let (low, high) = (from.max(span.start), to.min(span.end));
            if low < high {
                count += self.count_in(span, low, high);
            }
            if span.end >= to {
                return Some(Fires { count, first, last: self.last_through(zone, first, through) });
            }
            span = zone.span(span.index + 1);
        }
    }

    /// Finds the last fire time at or before an instant, given an earlier one, by halving: whether there is one
    /// between a second and that instant changes once as the second grows.
    fn last_through(&self, zone: &Zone, known: Timestamp, through: Timestamp) -> Timestamp {
        let mut last = known;
        let mut none_after = through.as_secs();
        while last.as_secs() < none_after {
            let middle = last.as_secs() + (none_after - last.as_secs()) / 2;
            match self.next_after(zone, Timestamp::from_secs(middle)).filter(|next| *next <= through) {
                Some(next) => last = next,
                None => none_after = middle,
            }
        }
        last
    }

    /// Says what a time change did to a fire time.
    pub(super) fn note_at(&self, zone: &Zone, at: Timestamp) -> Option<FireNote> {
        let secs = at.as_secs();
        let span = zone.span_at(secs);
        let wall = secs + i64::from(span.offset);
        if secs == span.start && self.made_up(span) {
            return Some(FireNote::Gap);
        }
        if shift_at_start(span) < 0 && wall < span.start + i64::from(span.before) {
            return Some(FireNote::FoldSecond);
        }
        let next_shift = span.after - span.offset;
        if span.end != i64::MAX && next_shift < 0 && wall >= span.end + i64::from(span.after) {
            return Some(FireNote::FoldFirst);
        }
        None
    }

    /// Finds the first match of a span at or after an instant in it.
    fn first_in(&self, span: Span, from: i64) -> Search {
        let offset = i64::from(span.offset);
        let mut wall = self.cron.next_wall(from + offset - 1);
        let mut held = false;
        while let Some(found) = wall {
            if found - offset >= span.end {
                return if held { Search::Held } else { Search::Beyond(found) };
            }
            match self.held_back(span, found) {
                None => return Search::Found(found - offset),
                Some(until) => {
                    held = true;
                    wall = self.cron.next_wall(until - 1);
                }
            }
        }
        if held { Search::Held } else { Search::Never }
    }

    /// Says whether the shift at the start of a span makes up for a match that it removes (rule 27).
    pub(super) fn made_up(&self, span: Span) -> bool {
        self.moves_out_of_gap(span) && self.gap_walls(span) > 0
    }

    /// Says whether wall times that the shift at the start of a span removes run at that instant (rule 27).
    fn moves_out_of_gap(&self, span: Span) -> bool {
        let shift = shift_at_start(span);
        !self.cron.is_wildcard() && self.dst.gap == DstGap::After && shift > 0 && !is_correction(shift)
    }

    /// Counts the matching wall times that the shift at the start of a span removes. The date fields are held
    /// against the wall date that each would have had (rule 31).
    pub(super) fn gap_walls(&self, span: Span) -> u64 {
        if shift_at_start(span) <= 0 {
            return 0;
        }
        self.cron.count_walls(span.start + i64::from(span.before), span.start + i64::from(span.offset))
    }

    /// Returns the wall time up to which a fixed-time expression is held back here, if this wall time is one of a
    /// fold's passes that do not count (rule 29).
    fn held_back(&self, span: Span, wall: i64) -> Option<i64> {
        if self.cron.is_wildcard() {
            return None;
        }
        let (second, first) = passes(span);
        match self.dst.fold {
            DstFold::First => second.filter(|(from, to)| (*from..*to).contains(&wall)).map(|(_, to)| to),
            DstFold::Second => first.filter(|(from, to)| (*from..*to).contains(&wall)).map(|(_, to)| to),
            DstFold::Both => None,
        }
    }

    fn count_in(&self, span: Span, low: i64, high: i64) -> u64 {
        let offset = i64::from(span.offset);
        let (from, to) = (low + offset, high + offset);
        let mut count = self.cron.count_walls(from, to);
        let (second, first) = passes(span);
        let held_back = match self.dst.fold {
            DstFold::First => second,
            DstFold::Second => first,
            DstFold::Both => None,
        };
        if let (Some((start, end)), false) = (held_back, self.cron.is_wildcard()) {
            count -= self.cron.count_walls(from.max(start), to.min(end));
        }
        if low == span.start && self.made_up(span) {
            // A match of its own at that instant is the same run (rule 28).
            let own = self.cron.count_walls(from, from + 1);
            count += 1 - own.min(1);
        }
        count
    }
}

/// What a span holds for a search.
enum Search {
    /// A fire time, in seconds since the epoch.
    Found(i64),
    /// Matches that do not count in this pass of a fold, and perhaps do in the next span.
    Held,
    /// The next match lies at this wall time, after the span.
    Beyond(i64),
    /// There is no further match.
    Never,
}

/// Wall-clock seconds, from and to (not included).
type Walls = (i64, i64);

const fn shift_at_start(span: Span) -> i32 {
    if span.start == i64::MIN { 0 } else { span.offset - span.before }
}

/// Returns the wall times of a span that are the second pass of the fold at its start, and those that are the
/// first pass of the fold at its end; folds that are corrections have no passes (rule 30).
fn passes(span: Span) -> (Option<Walls>, Option<Walls>) {
    let fold = |shift: i32| shift < 0 && !is_correction(shift);
    let second = fold(shift_at_start(span))
        .then(|| (span.start + i64::from(span.offset), span.start + i64::from(span.before)));
    let first = (span.end != i64::MAX && fold(span.after - span.offset))
        .then(|| (span.end + i64::from(span.after), span.end + i64::from(span.offset)));
    (second, first)
}

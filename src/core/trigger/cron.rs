//! `cron` on the clock of a zone: which instants the wall-clock matches of an expression are.
//!
//! Time is taken span by span, each with one offset from UTC. Within a span a wall time is an instant; what a
//! time change at either end of the span does to it is decided by the size of the shift, never by its cause
//! (TIME.md rule 32).

use super::{CronTrigger, FireNote};
use crate::core::civil::{CORRECTION, Span, Zone};
use crate::core::cron::{DstFold, DstGap};
use crate::core::instant::Timestamp;

/// No shift and no offset is larger than this; a search that has skipped further ahead has skipped no fold that
/// could concern it.
const FAR: i64 = 3 * 86_400;

impl CronTrigger {
    /// Returns the first fire time strictly after an instant.
    pub(super) fn next_after(&self, zone: &Zone, after: Timestamp) -> Option<Timestamp> {
        let secs = after.as_secs();
        let mut span = zone.span_at(secs);
        let mut wall = self.cron.next_wall(secs.saturating_add(i64::from(span.offset)))?;
        loop {
            match self.first_in(span, wall) {
                Search::Found(at) => return Some(Timestamp::from_secs(at)),
                Search::Beyond(next) => wall = next,
                Search::Never => return None,
            }
            // Nothing matches before `wall`: go to the span it lies in, but look at the very next one in any case,
            // because its fold may bring back wall times that are over.
            let near = zone.span(span.index + 1);
            let entered = self.enter(near, wall);
            match entered {
                Entry::Fires(at) => return Some(Timestamp::from_secs(at)),
                Entry::From(next) => wall = next?,
            }
            let target = zone.span_at((wall - i64::from(near.offset)).saturating_sub(FAR));
            span = if target.index > near.index { target } else { near };
        }
    }

    /// Counts the fire times in `(after, through]` without listing them.
    pub(super) fn count(&self, zone: &Zone, after: Timestamp, through: Timestamp) -> u64 {
        let (from, to) = (after.as_secs().saturating_add(1), through.as_secs().saturating_add(1));
        let mut count = 0;
        let mut span = zone.span_at(from);
        loop {
            let (low, high) = (from.max(span.start), to.min(span.end));
            if low < high {
                count += self.count_in(span, low, high);
            }
            if span.end >= to {
                return count;
            }
            span = zone.span(span.index + 1);
        }
    }

    /// Says what a time change did to a fire time.
    pub(super) fn note_at(&self, zone: &Zone, at: Timestamp) -> Option<FireNote> {
        let secs = at.as_secs();
        let span = zone.span_at(secs);
        let wall = secs + i64::from(span.offset);
        if secs == span.start && self.moves_out_of_gap(span) && self.gap_match(span) {
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

    /// Finds the first fire time of a span at or after a matching wall time that lies at or after the search's
    /// start.
    fn first_in(&self, span: Span, mut wall: i64) -> Search {
        loop {
            let at = wall - i64::from(span.offset);
            if at >= span.end {
                return Search::Beyond(wall);
            }
            match self.held_back(span, wall) {
                None => return Search::Found(at),
                Some(until) => match self.cron.next_wall(until - 1) {
                    Some(next) => wall = next,
                    None => return Search::Never,
                },
            }
        }
    }

    /// Goes over into a span: what the shift at its start makes up, or where the search goes on.
    fn enter(&self, span: Span, wall: i64) -> Entry {
        let first_wall = span.start.saturating_add(i64::from(span.offset));
        if self.moves_out_of_gap(span) && self.gap_match(span) {
            return Entry::Fires(span.start);
        }
        if shift_at_start(span) < 0 || wall < first_wall {
            return Entry::From(self.cron.next_wall(first_wall - 1));
        }
        Entry::From(Some(wall))
    }

    /// Says whether wall times that the shift at the start of a span removes run at that instant (rule 27).
    fn moves_out_of_gap(&self, span: Span) -> bool {
        let shift = shift_at_start(span);
        !self.cron.is_wildcard() && self.dst.gap == DstGap::After && shift > 0 && shift < CORRECTION
    }

    /// Says whether any wall time that the shift at the start of a span removes matches. The date fields are
    /// held against the wall date it would have had (rule 31).
    fn gap_match(&self, span: Span) -> bool {
        let (from, to) = (span.start + i64::from(span.before), span.start + i64::from(span.offset));
        self.cron.next_wall(from - 1).is_some_and(|wall| wall < to)
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
        if low == span.start && self.moves_out_of_gap(span) && self.gap_match(span) {
            // A match of its own at that instant is the same run (rule 28).
            let own = self.cron.count_walls(from, from + 1);
            count += 1 - own.min(1);
        }
        count
    }
}

enum Search {
    /// A fire time, in seconds since the epoch.
    Found(i64),
    /// The next match lies at this wall time, after the span.
    Beyond(i64),
    /// There is no further match.
    Never,
}

enum Entry {
    /// The shift itself makes a fire time.
    Fires(i64),
    /// The search goes on from this matching wall time.
    From(Option<i64>),
}

/// Wall-clock seconds, from and to (not included).
type Walls = (i64, i64);

const fn shift_at_start(span: Span) -> i32 {
    if span.start == i64::MIN { 0 } else { span.offset - span.before }
}

/// Returns the wall times of a span that are the second pass of the fold at its start, and those that are the
/// first pass of the fold at its end; folds that are corrections have no passes (rule 30).
fn passes(span: Span) -> (Option<Walls>, Option<Walls>) {
    let fold = |shift: i32| shift < 0 && -shift < CORRECTION;
    let second = fold(shift_at_start(span))
        .then(|| (span.start + i64::from(span.offset), span.start + i64::from(span.before)));
    let first = (span.end != i64::MAX && fold(span.after - span.offset))
        .then(|| (span.end + i64::from(span.after), span.end + i64::from(span.offset)));
    (second, first)
}

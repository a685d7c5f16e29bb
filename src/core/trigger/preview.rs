//! The next fire times with what time changes did to them.

use super::{FireNote, Schedule, Trigger};
use crate::core::civil::{CORRECTION, Zone};
use crate::core::instant::Timestamp;

/// One fire time to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// When.
    pub at: Timestamp,
    /// What a time change did to it.
    pub note: Option<FireNote>,
    /// A time change since the fire time before whose gap swallowed matches without making up for them: the
    /// instant of the change and its size in seconds.
    pub dropped_at: Option<(Timestamp, i32)>,
}

impl Schedule {
    /// Lists up to `count` fire times after an instant; nothing is changed by looking.
    pub fn preview(&self, anchor: Timestamp, after: Timestamp, count: usize) -> Vec<Preview> {
        let mut from = after;
        let mut list = Vec::new();
        while list.len() < count {
            let Some(at) = self.next_after(anchor, from) else { break };
            list.push(Preview { at, note: self.note_at(at), dropped_at: self.dropped(from, at) });
            from = at;
        }
        list
    }

    /// Finds a gap between two fire times that swallowed matches of a cron expression.
    fn dropped(&self, from: Timestamp, to: Timestamp) -> Option<(Timestamp, i32)> {
        let Trigger::Cron(cron) = &self.trigger else { return None };
        gaps(&self.zone, from, to).find_map(|(at, first, last)| {
            let size = i32::try_from(last - first).unwrap_or(i32::MAX);
            let made_up = !cron.cron.is_wildcard()
                && cron.dst.gap == crate::core::cron::DstGap::After
                && size < CORRECTION;
            let swallowed = cron.cron.count_walls(first, last) > 0;
            (swallowed && !made_up).then_some((Timestamp::from_secs(at), size))
        })
    }
}

/// Returns the gaps of a zone in `(from, to]`: the instant, and the wall seconds that do not exist.
fn gaps(zone: &Zone, from: Timestamp, to: Timestamp) -> impl Iterator<Item = (i64, i64, i64)> {
    let first = zone.span_at(from.as_secs()).index;
    let last = zone.span_at(to.as_secs()).index;
    // A preview of sparse fire times passes few time changes; a bound keeps strange zones from costing more.
    (first + 1..=last.min(first + 1_000)).filter_map(|index| {
        let span = zone.span(index);
        let shift = span.offset - span.before;
        (shift > 0)
            .then(|| (span.start, span.start + i64::from(span.before), span.start + i64::from(span.offset)))
    })
}

//! The next fire times with what time changes did to them.

use chrono::{DateTime, Timelike};

use super::{CronTrigger, FireNote, Schedule, Trigger};
use crate::core::civil::Zone;
use crate::core::instant::Timestamp;

/// One fire time to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// When.
    pub at: Timestamp,
    /// What a time change did to it.
    pub note: Option<FireNote>,
    /// How many wall times it stands for: more than one where a gap merged several (docs/time.md rule 28).
    pub walls: u64,
    /// A time change since the fire time before whose gap swallowed matches without making up for them: the
    /// instant of the change and its size in seconds.
    pub dropped_at: Option<(Timestamp, i32)>,
}

impl Preview {
    /// Says in words what time changes did, on the zone's wall clock; `None` where they did nothing.
    pub fn words(&self, zone: &Zone) -> Option<String> {
        let left_out =
            self.dropped_at.map(|(at, _)| format!("{}; the times between are left out", jump(zone, at)));
        let note = self.note.map(|note| match note {
            FireNote::Gap if self.walls > 1 => {
                format!("one run for {} wall times: {}", self.walls, jump(zone, self.at))
            }
            FireNote::Gap => format!("moved to the end of the gap: {}", jump(zone, self.at)),
            FireNote::FoldFirst => "this wall time comes twice: this is the first pass".to_owned(),
            FireNote::FoldSecond => "this wall time comes twice: this is the second pass".to_owned(),
        });
        let parts: Vec<String> = left_out.into_iter().chain(note).collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

/// Says from where to where the clock jumps at the end of a gap.
fn jump(zone: &Zone, at: Timestamp) -> String {
    let span = zone.span_at(at.as_secs());
    let wall = |offset: i32| {
        let wall = DateTime::from_timestamp(span.start.saturating_add(i64::from(offset)), 0);
        wall.unwrap_or_default().naive_utc()
    };
    let (from, to) = (wall(span.before), wall(span.offset));
    let seconds = from.second() != 0 || to.second() != 0;
    let time = if seconds { "%H:%M:%S" } else { "%H:%M" };
    let whole = format!("%Y-%m-%d {time}");
    let until = if from.date() == to.date() { time } else { &whole };
    format!("the clock jumps from {} to {}", from.format(&whole), to.format(until))
}

impl Schedule {
    /// Lists up to `count` fire times after an instant; nothing is changed by looking.
    pub fn preview(&self, anchor: Timestamp, after: Timestamp, count: usize) -> Vec<Preview> {
        let mut from = after;
        let mut list = Vec::new();
        while list.len() < count {
            let Some(at) = self.next_after(anchor, from) else { break };
            let note = self.note_at(at);
            let walls = if note == Some(FireNote::Gap) { self.walls_at(at) } else { 1 };
            list.push(Preview { at, note, walls, dropped_at: self.dropped(from, at) });
            from = at;
        }
        list
    }

    /// Counts the wall times that a fire time at the end of a gap stands for.
    fn walls_at(&self, at: Timestamp) -> u64 {
        match &self.trigger {
            Trigger::Cron(cron) => cron.walls_at(&self.zone, at),
            Trigger::Every(_) | Trigger::At(_) => 1,
            Trigger::Any(members) | Trigger::All(members) => {
                let moved = members.iter().filter(|member| member.could_fire_at(at));
                moved.map(|member| member.walls_at(at)).max().unwrap_or(1)
            }
        }
    }

    /// Finds a gap between two fire times that swallowed matches of a cron expression.
    fn dropped(&self, from: Timestamp, to: Timestamp) -> Option<(Timestamp, i32)> {
        match &self.trigger {
            Trigger::Cron(cron) => cron.dropped(&self.zone, from, to),
            Trigger::Any(members) => members.iter().find_map(|member| member.dropped(from, to)),
            // What one member of `all` leaves out, the others need not have had.
            Trigger::Every(_) | Trigger::At(_) | Trigger::All(_) => None,
        }
    }
}

impl CronTrigger {
    fn walls_at(&self, zone: &Zone, at: Timestamp) -> u64 {
        let span = zone.span_at(at.as_secs());
        let own = at.as_secs() + i64::from(span.offset);
        (self.gap_walls(span) + self.cron.count_walls(own, own + 1)).max(1)
    }

    fn dropped(&self, zone: &Zone, from: Timestamp, to: Timestamp) -> Option<(Timestamp, i32)> {
        /// Sparse fire times pass few time changes; a bound keeps strange zones from costing more.
        const SPANS: usize = 1_000;
        let first = zone.span_at(from.as_secs()).index;
        let last = zone.span_at(to.as_secs()).index;
        let mut spans = (first + 1..=last.min(first + SPANS)).map(|index| zone.span(index));
        let span = spans.find(|span| self.gap_walls(*span) > 0 && !self.made_up(*span))?;
        Some((Timestamp::from_secs(span.start), span.offset - span.before))
    }
}

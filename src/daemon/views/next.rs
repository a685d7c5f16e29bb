//! Fire times to come, as `next` shows them.

use crate::core::civil::Zone;
use crate::core::instant::Timestamp;
use crate::core::trigger::{FireNote, Preview, Schedule};
use crate::protocol::views::{FireTimeView, NextView};

/// Lists up to `count` fire times of a schedule after an instant; `exhausted` says that there are no more.
pub fn next_view(
    schedule: &Schedule,
    anchor: Timestamp,
    after: Timestamp,
    count: usize,
    tzdb: String,
) -> NextView {
    // One more than wanted is looked for, to know whether there is one.
    let mut list = schedule.preview(anchor, after, count.saturating_add(1));
    let exhausted = list.len() <= count;
    list.truncate(count);
    NextView {
        job: None,
        cron: None,
        timezone: schedule.zone.name().to_owned(),
        tzdb,
        fire_times: list.iter().map(|preview| fire_time(preview, &schedule.zone)).collect(),
        exhausted,
    }
}

fn fire_time(preview: &Preview, zone: &Zone) -> FireTimeView {
    let mut notes = Vec::new();
    if let Some((at, size)) = preview.dropped_at {
        notes.push(format!(
            "the clock jumps {} ahead at {}: times before this one are left out",
            span(size),
            zone.format(at)
        ));
    }
    notes.extend(preview.note.map(|note| note_words(note).to_owned()));
    let note = (!notes.is_empty()).then(|| notes.join("; "));
    FireTimeView { at: zone.format_exact(preview.at), note }
}

/// Says in words what a time change did to a fire time.
pub const fn note_words(note: FireNote) -> &'static str {
    match note {
        FireNote::Gap => "the clock jumps over its wall time: it runs at the end of the gap",
        FireNote::FoldFirst => "this wall time comes twice: this is the first pass",
        FireNote::FoldSecond => "this wall time comes twice: this is the second pass",
    }
}

/// Writes the size of a time change, in seconds.
fn span(secs: i32) -> String {
    crate::core::duration::format(std::time::Duration::from_secs(u64::from(secs.unsigned_abs())))
}

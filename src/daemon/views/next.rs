//! Fire times to come, as `next` shows them.

use crate::core::civil::Zone;
use crate::core::instant::Timestamp;
use crate::core::trigger::{Preview, Schedule};
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
    FireTimeView { at: zone.format_exact(preview.at), note: preview.words(zone) }
}

//! Events as clients see them.

use super::run::exit_parts;
use crate::core::civil::Zone;
use crate::protocol::views::{ChangeView, EventView};
use crate::store::{EventRow, RevisionRow};

/// Shows an event; its instants are written in a zone.
pub fn event_view(row: &EventRow, zone: &Zone) -> EventView {
    let (exit_code, signal) = exit_parts(row.exit);
    EventView {
        seq: row.seq,
        at: zone.format_exact(row.at),
        event: row.kind.as_str().to_owned(),
        job: row.job.as_ref().map(ToString::to_string),
        run_id: row.run.map(|run| run.0),
        attempt: row.attempt,
        fire_time: row.fire_time.map(|at| zone.format_exact(at)),
        exit_code,
        signal,
        reason: row.reason.map(|reason| reason.as_str().to_owned()),
        detail: row.detail.clone(),
    }
}

/// Shows a change of the job set; its instant is written in a zone.
pub fn change_view(row: &RevisionRow, zone: &Zone) -> ChangeView {
    use crate::core::change::Actor;
    let (uid, pid) = match row.by {
        Actor::JobFile => (None, None),
        Actor::Client { uid, pid } => (Some(uid), Some(pid)),
    };
    ChangeView {
        revision: row.id,
        at: zone.format_exact(row.at),
        uid,
        pid,
        action: row.action.as_str().trim_start_matches("job.").to_owned(),
        job: row.job.to_string(),
        before: row.before.clone(),
        after: row.after.clone(),
    }
}

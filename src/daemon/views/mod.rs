//! Views of what the daemon knows: from the core's and the store's types to those of the protocol.
//!
//! Used by the daemon for its answers and by commands that read without one, so that both say the same.

pub mod event;
pub mod job;
pub mod next;
pub mod run;
pub mod status;

use std::time::Duration;

use crate::core::civil::Zone;
use crate::core::job::Job;
use crate::core::trigger::Firing;
use crate::jobfile::{Diagnostic, Severity};
use crate::protocol::views::DiagnosticView;

/// Returns the zone in which a job's instants are written.
pub fn zone_of<'a>(job: &'a Job, default: &'a Zone) -> &'a Zone {
    match &job.firing {
        Firing::Clock(schedule) => &schedule.zone,
        Firing::Startup | Firing::Shutdown | Firing::After(_) => default,
    }
}

/// Shows what is wrong with a definition.
pub fn diagnostic_view(diagnostic: &Diagnostic) -> DiagnosticView {
    DiagnosticView {
        severity: match diagnostic.severity {
            Severity::Error => "error".to_owned(),
            Severity::Warning => "warning".to_owned(),
        },
        file: Some(diagnostic.file.to_string_lossy().into_owned()),
        line: u32::try_from(diagnostic.line).ok(),
        column: u32::try_from(diagnostic.column).ok(),
        message: diagnostic.message.clone(),
        hint: diagnostic.hint.clone(),
        source_line: Some(diagnostic.source_line.clone()),
    }
}

/// Returns whole milliseconds.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

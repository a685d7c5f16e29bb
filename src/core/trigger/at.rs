//! `at`: one instant, written as a wall-clock time in a zone or with an offset.

use chrono::{DateTime, NaiveDate, NaiveDateTime};

use super::{At, FireNote};
use crate::core::civil::{Local, Zone, is_correction};
use crate::core::cron::{DstFold, DstGap, DstRules};
use crate::core::instant::Timestamp;

/// Why a text is no instant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AtError {
    /// It is no date with a time.
    #[error("{0:?} is no date and time, such as 2026-12-24T18:00 or 2026-12-24T18:00:00+01:00")]
    Form(String),
    /// The wall clock jumps over it, and nothing makes up for it: `dst_gap = "skip"` says so, or the jump is of 3 h
    /// or more (docs/time.md rule 30).
    #[error("{0:?} does not exist in this zone: the clock jumps over it")]
    Skipped(String),
}

impl At {
    /// Parses `2026-12-24T18:00[:SS]` (a blank for the `T` will do; a date alone means its midnight) as a
    /// wall-clock time in a zone, or with `Z` or an offset as an instant.
    ///
    /// # Errors
    /// The text has another form, or the time does not exist and is to be skipped.
    pub fn parse(text: &str, zone: &Zone, dst: DstRules) -> Result<Self, AtError> {
        let trimmed = text.trim();
        let joined = trimmed.replacen(' ', "T", 1);
        if let Some(at) = with_offset(&joined) {
            return Ok(At { at, text: trimmed.into(), note: None });
        }
        let wall = wall_time(&joined).ok_or_else(|| AtError::Form(text.to_owned()))?;
        let (at, note) = match zone.resolve(wall) {
            Local::Once(at) => (at, None),
            // A gap that is a correction of the clock makes nothing up (rule 30).
            Local::Gap { size, .. } if dst.gap == DstGap::Skip || is_correction(size) => {
                return Err(AtError::Skipped(text.to_owned()));
            }
            Local::Gap { end, .. } => (end, Some(FireNote::Gap)),
            Local::Twice(first, second) => match dst.fold {
                // One instant cannot be both: the first pass stands for it.
                DstFold::First | DstFold::Both => (first, Some(FireNote::FoldFirst)),
                DstFold::Second => (second, Some(FireNote::FoldSecond)),
            },
        };
        Ok(At { at, text: trimmed.into(), note })
    }
}

fn with_offset(text: &str) -> Option<Timestamp> {
    let parsed =
        DateTime::parse_from_rfc3339(text).or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M%:z"));
    if let Ok(at) = parsed {
        return Some(Timestamp::from_utc(at.to_utc()));
    }
    let bare = text.strip_suffix(['Z', 'z'])?;
    wall_time(bare).map(|wall| Timestamp::from_utc(wall.and_utc()))
}

fn wall_time(text: &str) -> Option<NaiveDateTime> {
    let forms = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"];
    let timed = forms.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    let dated = || NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0);
    // Years far away would overflow sums of instants.
    timed.or_else(dated).filter(|at| (1970..=9999).contains(&chrono::Datelike::year(at)))
}

//! Instants as people type them: `2026-03-29T02:30`, `18:00`, `tomorrow 7:30`, `2h ago`, `in 90m`.

use chrono::{Days, NaiveDate, NaiveDateTime, NaiveTime};

use crate::core::civil::{Local, Zone};
use crate::core::duration;
use crate::core::instant::Timestamp;

/// Where a duration by itself leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lean {
    /// `2h` is two hours ago: `--since`.
    Past,
    /// `2h` is in two hours: `--until` of a pause.
    Future,
}

/// Why a text is no instant.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WhenError {
    /// It is none of the forms.
    #[error("{0:?} is no time")]
    Unknown(String),
}

impl WhenError {
    /// Shows the forms.
    pub(crate) const HINT: &'static str =
        "like 2026-03-29T02:30, \"2026-03-29 02:30\", 18:00, tomorrow, 2h, \"2h ago\", \"in 2h\" or RFC 3339";
}

/// Reads an instant; wall times are those of `zone`.
///
/// # Errors
/// Where the text is none of the forms.
pub(crate) fn parse(text: &str, now: Timestamp, zone: &Zone, lean: Lean) -> Result<Timestamp, WhenError> {
    let text = text.trim();
    if text == "now" {
        return Ok(now);
    }
    if let Ok(at) = chrono::DateTime::parse_from_rfc3339(text) {
        return Ok(Timestamp::from_utc(at.to_utc()));
    }
    if let Some(secs) = text.strip_prefix('@') {
        let secs = secs.parse().map_err(|_| WhenError::Unknown(text.to_owned()))?;
        return Ok(Timestamp::from_secs(secs));
    }
    if let Some(at) = from_duration(text, now, lean) {
        return Ok(at);
    }
    let wall = from_wall(text, now, zone).ok_or_else(|| WhenError::Unknown(text.to_owned()))?;
    Ok(match zone.resolve(wall) {
        Local::Once(at) | Local::Gap { end: at, .. } | Local::Twice(at, _) => at,
    })
}

fn from_duration(text: &str, now: Timestamp, lean: Lean) -> Option<Timestamp> {
    let (text, lean) = if let Some(text) = text.strip_suffix(" ago") {
        (text, Lean::Past)
    } else if let Some(text) = text.strip_prefix("in ").or_else(|| text.strip_prefix('+')) {
        (text, Lean::Future)
    } else if let Some(text) = text.strip_prefix('-') {
        (text, Lean::Past)
    } else {
        (text, lean)
    };
    let distance = duration::parse(&text.replace(' ', "")).ok()?;
    Some(match lean {
        Lean::Past => now.minus(distance),
        Lean::Future => now.plus(distance),
    })
}

fn from_wall(text: &str, now: Timestamp, zone: &Zone) -> Option<NaiveDateTime> {
    let local = now.as_secs().checked_add(i64::from(zone.offset_at(now)))?;
    let today = chrono::DateTime::from_timestamp(local, 0)?.date_naive();
    let (day, time) = match text.split_once([' ', 'T']) {
        Some((day, time)) => (Some(day), Some(time.trim())),
        None if text.contains(':') => (None, Some(text)),
        None => (Some(text), None),
    };
    let date = match day {
        None | Some("today") => today,
        Some("yesterday") => today.checked_sub_days(Days::new(1))?,
        Some("tomorrow") => today.checked_add_days(Days::new(1))?,
        Some(date) => NaiveDate::parse_from_str(date, "%Y-%m-%d").ok()?,
    };
    let time = match time {
        None => NaiveTime::MIN,
        Some(time) => ["%H:%M", "%H:%M:%S", "%H:%M:%S%.f"]
            .into_iter()
            .find_map(|form| NaiveTime::parse_from_str(time, form).ok())?,
    };
    Some(date.and_time(time))
}

#[cfg(test)]
mod tests {
    use super::{Lean, WhenError, parse};
    use crate::core::civil::{Zone, ZoneTable};
    use crate::core::instant::Timestamp;

    /// Berlin around 2026: summer time from 2026-03-29T01:00Z to 2026-10-25T01:00Z.
    fn berlin() -> Zone {
        Zone::new(ZoneTable {
            name: "Europe/Berlin".to_owned(),
            first_offset: 3_600,
            transitions: vec![(1_774_746_000, 7_200), (1_792_890_000, 3_600)],
        })
    }

    fn at(text: &str, lean: Lean) -> String {
        let now = Timestamp::from_secs(1_774_692_000); // 2026-03-28T10:00:00Z
        parse(text, now, &berlin(), lean).map_or_else(|error| error.to_string(), |at| at.to_string())
    }

    #[test]
    fn every_form_is_read() {
        use Lean::{Future, Past};
        let cases = [
            ("now", Past, "2026-03-28T10:00:00Z"),
            ("2026-03-28T11:00:00+01:00", Past, "2026-03-28T10:00:00Z"),
            ("2026-03-28T11:00", Past, "2026-03-28T10:00:00Z"),
            ("2026-03-28 11:00:30", Past, "2026-03-28T10:00:30Z"),
            ("2026-03-28", Past, "2026-03-27T23:00:00Z"),
            ("18:00", Future, "2026-03-28T17:00:00Z"),
            ("yesterday 7:30", Past, "2026-03-27T06:30:00Z"),
            ("tomorrow", Future, "2026-03-28T23:00:00Z"),
            ("2h", Past, "2026-03-28T08:00:00Z"),
            ("2h", Future, "2026-03-28T12:00:00Z"),
            ("1h 30m ago", Future, "2026-03-28T08:30:00Z"),
            ("in 90m", Past, "2026-03-28T11:30:00Z"),
            ("+1d", Past, "2026-03-29T10:00:00Z"),
            ("@0", Past, "1970-01-01T00:00:00Z"),
            // The gap of 2026-03-29: 02:30 is not there, the clock jumps from 02:00 to 03:00.
            ("2026-03-29T02:30", Past, "2026-03-29T01:00:00Z"),
            // The fold of 2026-10-25: 02:30 is there twice, the first counts.
            ("2026-10-25T02:30", Past, "2026-10-25T00:30:00Z"),
        ];
        for (text, lean, expected) in cases {
            assert_eq!(at(text, lean), expected, "{text} {lean:?}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "soon", "25:00", "2026-02-30", "12", "2026-03-28T", "@x", "tomorrow at noon"] {
            let error = parse(text, Timestamp::default(), &berlin(), Lean::Past).unwrap_err();
            assert_eq!(error, WhenError::Unknown(text.to_owned()));
        }
    }
}

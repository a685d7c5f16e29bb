//! Instants and durations as people read them.

use std::time::Duration;

use chrono::{DateTime, FixedOffset};

use crate::core::instant::Timestamp;

/// Writes a duration in at most two units: `45ms`, `3.2s`, `2m 5s`, `1h 30m`, `3d 4h`.
pub(crate) fn duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    if millis < 1_000 {
        return format!("{millis}ms");
    }
    if millis < 10_000 {
        return format!("{}.{}s", millis / 1_000, millis % 1_000 / 100);
    }
    coarse(duration.as_secs())
}

/// Writes a duration of milliseconds.
pub(crate) fn millis(millis: u64) -> String {
    duration(Duration::from_millis(millis))
}

/// Writes whole seconds in at most two units.
fn coarse(secs: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let Some(first) = UNITS.iter().position(|(size, _)| secs >= *size) else {
        return "0s".to_owned();
    };
    let (size, unit) = UNITS[first];
    let mut text = format!("{}{unit}", secs / size);
    if let Some((smaller, name)) = UNITS.get(first + 1) {
        let rest = secs % size / smaller;
        // Days beyond a fortnight are precise enough by themselves.
        if rest > 0 && !(unit == "d" && secs / size >= 14) {
            text.push_str(&format!(" {rest}{name}"));
        }
    }
    text
}

/// Writes an instant as seen from now: `in 5m`, `2h ago`, `now`.
pub(crate) fn relative(at: Timestamp, now: Timestamp) -> String {
    let (ahead, behind) = (at.since(now), now.since(at));
    let secs = |distance: Duration| distance.as_secs() + u64::from(distance.subsec_millis() >= 500);
    match (secs(ahead), secs(behind)) {
        (0, 0) => "now".to_owned(),
        (secs, 0) => format!("in {}", coarse(secs)),
        (_, secs) => format!("{} ago", coarse(secs)),
    }
}

/// Reads an instant of a view, RFC 3339 with offset.
pub(crate) fn parse(text: &str) -> Option<DateTime<FixedOffset>> {
    DateTime::parse_from_rfc3339(text).ok()
}

/// Reads an instant of a view, without its offset.
pub(crate) fn instant(text: &str) -> Option<Timestamp> {
    parse(text).map(|at| Timestamp::from_utc(at.to_utc()))
}

/// Writes an instant of a view as seen from now; what is no instant stays as it is.
pub(crate) fn relative_text(text: &str, now: Timestamp) -> String {
    instant(text).map_or_else(|| text.to_owned(), |at| relative(at, now))
}

/// Writes an instant of a view for people: `Sun 2026-03-29 03:00:00 +02:00`.
pub(crate) fn exact(text: &str) -> String {
    parse(text).map_or_else(|| text.to_owned(), exact_in)
}

fn exact_in(at: DateTime<FixedOffset>) -> String {
    let fraction = if at.timestamp_subsec_millis() == 0 { "" } else { "%.3f" };
    at.format(&format!("%a %Y-%m-%d %H:%M:%S{fraction} %:z")).to_string()
}

/// Writes a number of bytes: `512 B`, `1.5 KiB`, `16 MiB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1_024 {
        return format!("{bytes} B");
    }
    let mut unit = 0;
    let mut scale = 1_024_u64;
    while unit + 1 < UNITS.len() && bytes / scale >= 1_024 {
        scale *= 1_024;
        unit += 1;
    }
    let whole = bytes / scale;
    let tenth = bytes % scale * 10 / scale;
    if whole >= 10 || tenth == 0 {
        format!("{whole} {}", UNITS[unit])
    } else {
        format!("{whole}.{tenth} {}", UNITS[unit])
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{duration, exact, relative, size};
    use crate::core::instant::Timestamp;

    #[test]
    fn durations_have_at_most_two_units() {
        let cases = [
            (0, "0ms"),
            (45, "45ms"),
            (3_249, "3.2s"),
            (45_000, "45s"),
            (125_000, "2m 5s"),
            (5_400_000, "1h 30m"),
            (3_600_000, "1h"),
            (273_600_000, "3d 4h"),
            (2_595_600_000, "30d"),
        ];
        for (millis, text) in cases {
            assert_eq!(duration(Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn instants_are_seen_from_now() {
        let now = Timestamp::from_secs(1_000_000);
        let cases = [(0, "now"), (300, "in 5m"), (-7_200, "2h ago"), (-1, "1s ago"), (90, "in 1m 30s")];
        for (offset, text) in cases {
            assert_eq!(relative(Timestamp::from_secs(1_000_000 + offset), now), text);
        }
        assert_eq!(relative(Timestamp::from_micros(1_000_000_400_000), now), "now");
    }

    #[test]
    fn exact_instants_keep_their_offset() {
        assert_eq!(exact("2026-03-29T03:00:00+02:00"), "Sun 2026-03-29 03:00:00 +02:00");
        assert_eq!(exact("2026-03-29T03:00:00.120034Z"), "Sun 2026-03-29 03:00:00.120 +00:00");
        assert_eq!(exact("later"), "later");
    }

    #[test]
    fn sizes_have_one_place_below_ten() {
        let cases = [
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_536, "1.5 KiB"),
            (16 << 20, "16 MiB"),
            (u64::MAX, "16383 PiB"),
        ];
        for (bytes, text) in cases {
            assert_eq!(size(bytes), text);
        }
    }
}

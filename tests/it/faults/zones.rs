//! Zones made for a test: a tz database of its own, in which the clock is changed when the test wants it.

use std::fs;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::harness::{Daemon, Sandbox};

/// A zone: the offset from UTC in seconds, and one change of it at an instant.
#[derive(Clone, Copy)]
pub(super) struct Rule {
    pub(super) offset: i64,
    pub(super) change: Option<(i64, i64)>,
}

impl Rule {
    /// Makes a zone in which the clock stands at `wall`, in seconds since midnight, at an instant, and is set forward
    /// by so many seconds then.
    pub(super) fn shifted(at: i64, wall: i64, by: i64) -> Self {
        let offset = offset_for(at, wall);
        Rule { offset, change: Some((at, offset + by)) }
    }

    /// Makes a zone without a change, in which the clock stands at `wall` at an instant.
    pub(super) fn fixed(at: i64, wall: i64) -> Self {
        Rule { offset: offset_for(at, wall), change: None }
    }

    /// Writes the zone as a TZif file of version 2 (RFC 9636).
    fn tzif(self) -> Vec<u8> {
        let header = |times: u32, types: u32| {
            let mut bytes = b"TZif2".to_vec();
            bytes.extend([0; 15]);
            for count in [0, 0, 0, times, types, 4] {
                bytes.extend(count.to_be_bytes());
            }
            bytes
        };
        let kind = |offset: i64| {
            let offset = i32::try_from(offset).expect("less than a day");
            [&offset.to_be_bytes()[..], &[0, 0]].concat()
        };
        let mut bytes = [header(0, 1), kind(self.offset), b"LMT\0".to_vec()].concat();
        let (times, types) = if self.change.is_some() { (1, 2) } else { (0, 1) };
        bytes.extend(header(times, types));
        if let Some((at, _)) = self.change {
            bytes.extend(at.to_be_bytes());
            bytes.push(1);
        }
        bytes.extend(kind(self.offset));
        bytes.extend(self.change.into_iter().flat_map(|(_, offset)| kind(offset)));
        bytes.extend(b"LMT\0\n\n");
        bytes
    }
}

/// Returns the offset by which the clock stands at `wall` at an instant: between -12 h and +12 h.
fn offset_for(at: i64, wall: i64) -> i64 {
    const DAY: i64 = 86_400;
    (wall - at + DAY / 2).rem_euclid(DAY) - DAY / 2
}

/// Writes zones into the sandbox's own database.
pub(super) fn write_zones(sandbox: &Sandbox, zones: &[(&str, Rule)]) {
    // A directory without it is not taken for a database.
    let london = ("Europe/London", Rule { offset: 0, change: None });
    for (name, rule) in zones.iter().copied().chain([london]) {
        let path = sandbox.path("zoneinfo").join(name);
        fs::create_dir_all(path.parent().expect("a directory")).expect("it can be made");
        let new = sandbox.path("zone.new");
        fs::write(&new, rule.tzif()).expect("it can be written");
        fs::rename(new, path).expect("it can be put in place");
    }
}

/// Lets a command use the sandbox's database; its own zone is this one.
pub(super) fn in_zone(sandbox: &Sandbox, command: &mut Command, zone: &str) {
    command.env("TZDIR", sandbox.path("zoneinfo")).env("TZ", zone);
}

/// Starts the daemon in a zone of the sandbox's database.
pub(super) fn daemon_in(sandbox: &Sandbox, zone: &str) -> Daemon {
    sandbox.daemon_with(|command| in_zone(sandbox, command, zone))
}

/// Returns the seconds since 1970.
pub(super) fn seconds() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(now.as_secs()).expect("before the end of time")
}

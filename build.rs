//! Writes chrono-tz's tz database in few bytes, for `core::civil`.
//!
//! As chrono-tz holds it, each change of an offset has the name of its time beside it: 30,000 pointers, which the
//! loader would set right in every process that is started, a megabyte of memory each. Only offsets are needed.
//!
//! Two files come of it: `zones.rs` with the names and where in `zones.bin` each zone begins, and `zones.bin`. A
//! zone is a row of numbers: the offset before the first change, how many changes there are, and for each the
//! seconds since the one before (the first: since 1900) and by how much the offset changes.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::{env, fs};

use chrono::{DateTime, Offset as _, TimeZone as _};

/// 1900-01-01 and 2100-01-01, seconds since the epoch.
const FROM: i64 = -2_208_988_800;
const TO: i64 = 4_102_444_800;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let mut bytes = Vec::new();
    let mut places: HashMap<Vec<u8>, usize> = HashMap::new();
    let mut zones: Vec<(&str, usize)> = Vec::new();
    for zone in chrono_tz::TZ_VARIANTS {
        let data = data(zone);
        // Half of the names are other names of the same zone.
        let place = *places.entry(data).or_insert_with_key(|data| {
            let place = bytes.len();
            bytes.extend_from_slice(data);
            place
        });
        zones.push((zone.name(), place));
    }
    zones.sort_unstable();
    let mut source = format!("pub(super) const VERSION: &str = {:?};\n", chrono_tz::IANA_TZDB_VERSION);
    let _ = writeln!(source, "pub(super) static ZONES: [(&str, u32); {}] = [", zones.len());
    for (name, place) in zones {
        let _ = writeln!(source, "    ({name:?}, {place}),");
    }
    source.push_str("];\n");
    let directory = PathBuf::from(env::var_os("OUT_DIR").expect("Cargo tells where to write"));
    fs::write(directory.join("zones.bin"), bytes).expect("Cargo's own directory can be written");
    fs::write(directory.join("zones.rs"), source).expect("Cargo's own directory can be written");
}

fn data(zone: chrono_tz::Tz) -> Vec<u8> {
    let first = offset(zone, FROM);
    let changes = changes(zone);
    let mut data = Vec::new();
    write(&mut data, first);
    write(&mut data, i64::try_from(changes.len()).expect("there are hundreds of changes"));
    let (mut before, mut known) = (FROM, first);
    for (at, offset) in changes {
        write(&mut data, at - before);
        write(&mut data, offset - known);
        (before, known) = (at, offset);
    }
    data
}

/// Finds the changes of a zone's offset by looking every few days and halving where it has changed. No zone has
/// changed its offset and back within so short a time since 1900.
fn changes(zone: chrono_tz::Tz) -> Vec<(i64, i64)> {
    const STEP: i64 = 5 * 86_400;
    let mut changes = Vec::new();
    let (mut at, mut known) = (FROM, offset(zone, FROM));
    while at < TO {
        let next = at + STEP;
        if offset(zone, next) == known {
            at = next;
            continue;
        }
        let (mut low, mut high) = (at, next);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if offset(zone, middle) == known { low = middle } else { high = middle }
        }
        known = offset(zone, high);
        changes.push((high, known));
        at = high;
    }
    changes
}

/// Returns a zone's offset from UTC, seconds east.
fn offset(zone: chrono_tz::Tz, secs: i64) -> i64 {
    let at = DateTime::from_timestamp(secs, 0).unwrap_or_default().naive_utc();
    zone.offset_from_utc_datetime(&at).fix().local_minus_utc().into()
}

/// Writes a number, small ones of either sign in few bytes: seven bits a byte, the lowest first, the sign in the
/// lowest bit of all.
fn write(data: &mut Vec<u8>, number: i64) {
    let mut rest = ((number << 1) ^ (number >> 63)).cast_unsigned();
    while rest >= 0x80 {
        data.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    data.push(rest as u8);
}

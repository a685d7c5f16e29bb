//! Time zones from the system's tz database, or the embedded copy where there is none.
//!
//! An adapter of `core::civil::ZoneSource`. The system's database is read through jiff, which knows the format
//! (RFC 9636) and goes on by a zone's rule after its last listed transition. It must not know jobs.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::core::civil::{Embedded, Zone, ZoneSource, ZoneTable};

/// Transitions are listed from 1900 to 2200; the crate `cron` finds no dates beyond 2100.
const FROM: i64 = -2_208_988_800;
const TO: i64 = 7_258_118_400;

/// Chooses the system's database where it exists, else the embedded one.
pub fn source() -> Box<dyn ZoneSource + Send + Sync> {
    match System::open() {
        Some(system) => Box::new(system),
        None => Box::new(Embedded),
    }
}

/// The system's tz database.
pub struct System {
    database: TimeZoneDatabase,
    directory: Option<PathBuf>,
    /// Zones already read: every job of a zone shares one table.
    known: Mutex<HashMap<String, Zone>>,
}

impl System {
    /// Opens the database at TZDIR or in its usual places; `None` where there is none.
    pub fn open() -> Option<Self> {
        let database = TimeZoneDatabase::from_env();
        if database.is_definitively_empty() || database.get("Europe/London").is_err() {
            return None;
        }
        let given = std::env::var_os("TZDIR").map(PathBuf::from);
        let usual = ["/usr/share/zoneinfo", "/usr/share/lib/zoneinfo", "/etc/zoneinfo"].map(PathBuf::from);
        let directory = given.into_iter().chain(usual).find(|path| path.is_dir());
        Some(System { database, directory, known: Mutex::new(HashMap::new()) })
    }
}

impl ZoneSource for System {
    fn zone(&self, name: &str) -> Option<Zone> {
        if let Ok(known) = self.known.lock()
            && let Some(zone) = known.get(name)
        {
            return Some(zone.clone());
        }
        let zone = Zone::new(table(&self.database.get(name).ok()?, name));
        if let Ok(mut known) = self.known.lock() {
            known.insert(name.to_owned(), zone.clone());
        }
        Some(zone)
    }

    fn local(&self) -> Zone {
        match TimeZone::try_system() {
            Ok(zone) => match zone.iana_name() {
                Some(name) => self.zone(name).unwrap_or_else(Zone::utc),
                None => Zone::new(table(&zone, "local")),
            },
            Err(_) => Zone::utc(),
        }
    }

    fn version(&self) -> String {
        let version = self.directory.as_deref().and_then(version_in);
        format!("system {}", version.as_deref().unwrap_or("of unknown version"))
    }

    fn names(&self) -> Vec<String> {
        self.database.available().map(|name| name.to_string()).collect()
    }
}

fn table(zone: &TimeZone, name: &str) -> ZoneTable {
    let from = jiff::Timestamp::from_second(FROM).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let mut transitions: Vec<(i64, i32)> = Vec::new();
    let first_offset = zone.to_offset(from).seconds();
    let mut offset = first_offset;
    for transition in zone.following(from) {
        let at = transition.timestamp().as_second();
        if at > TO {
            break;
        }
        // A change of name or of the DST flag alone moves no wall clock.
        if transition.offset().seconds() != offset {
            offset = transition.offset().seconds();
            transitions.push((at, offset));
        }
    }
    ZoneTable { name: zone.iana_name().unwrap_or(name).to_owned(), first_offset, transitions }
}

/// Finds the release of the database: `+VERSION` on BSDs, the first line of `tzdata.zi` elsewhere.
fn version_in(directory: &Path) -> Option<String> {
    let listed = std::fs::read_to_string(directory.join("+VERSION")).ok();
    listed.map(|text| text.trim().to_owned()).or_else(|| {
        use std::io::{BufRead, BufReader};
        let file = std::fs::File::open(directory.join("tzdata.zi")).ok()?;
        let mut line = String::new();
        BufReader::new(file).read_line(&mut line).ok()?;
        line.trim().strip_prefix("# version ").map(str::to_owned)
    })
}

//! Time zones from the system's tz database, or the embedded copy where there is none.
//!
//! An adapter of `core::civil::ZoneSource`. The system's database is read through jiff, which knows the format
//! (RFC 9636) and goes on by a zone's rule after its last listed transition. It must not know jobs.
//!
//! A source keeps the zones it has read: all jobs of a zone share one table, and one source gives one answer. A
//! database that has changed on disk is seen by the next source, so each reload of the job file makes its own.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::core::civil::{Embedded, Zone, ZoneSource, ZoneTable};

/// Transitions are listed from 1900 to 2200; the crate `cron` finds no dates beyond 2100.
const FROM: i64 = -2_208_988_800;
const TO: i64 = 7_258_118_400;

/// Where the system's database usually is.
const USUAL: [&str; 4] =
    ["/usr/share/zoneinfo", "/usr/share/lib/zoneinfo", "/usr/lib/zoneinfo", "/etc/zoneinfo"];

/// Chooses the system's database where it exists, else the embedded one.
pub fn source() -> Box<dyn ZoneSource + Send + Sync> {
    match System::open() {
        Some(system) => Box::new(Shared::new(system)),
        None => Box::new(Shared::new(Fallback)),
    }
}

/// The system's tz database.
///
/// A zone is read from the file of its name. Listing all files, which makes up a tenth of what a start takes, is
/// left for names that are in no file as they are written.
pub struct System {
    directory: PathBuf,
    listed: OnceLock<TimeZoneDatabase>,
}

impl System {
    /// Opens the database at TZDIR or in its usual places; `None` where there is none.
    pub fn open() -> Option<Self> {
        let given = std::env::var_os("TZDIR").map(PathBuf::from);
        let places = given.into_iter().chain(USUAL.map(PathBuf::from));
        let mut systems = places.map(|directory| System { directory, listed: OnceLock::new() });
        systems.find(|system| system.in_file("Europe/London").is_some())
    }

    /// Reads the zone from the file of its name; `None` too where that is a name in other letters.
    fn in_file(&self, name: &str) -> Option<TimeZone> {
        // Names of such parts cannot lead out of the directory. These two hold the zones once more, one of them
        // with leap seconds.
        let is_part = |part: &str| {
            let usual = |byte: u8| byte.is_ascii_alphanumeric() || b"_+-".contains(&byte);
            !part.is_empty() && part.bytes().all(usual) && part != "posix" && part != "right"
        };
        if !name.split('/').all(is_part) {
            return None;
        }
        let data = std::fs::read(self.directory.join(name)).ok()?;
        TimeZone::tzif(name, &data).ok()
    }

    fn listed(&self) -> &TimeZoneDatabase {
        let list =
            || TimeZoneDatabase::from_dir(&self.directory).unwrap_or_else(|_| TimeZoneDatabase::none());
        self.listed.get_or_init(list)
    }
}

impl ZoneSource for System {
    fn zone(&self, name: &str) -> Option<Zone> {
        let zone = self.in_file(name).or_else(|| self.listed().get(name).ok())?;
        Some(Zone::new(table(&zone, name)))
    }

    fn local(&self) -> Zone {
        if let Some(zone) = self.in_file(&local_name()) {
            return Zone::new(table(&zone, "local"));
        }
        // The process's view of /etc/localtime is remembered for minutes; a new source is a new look.
        jiff::tz::db().reset();
        jiff::tz::reset_system_time_zone_cache();
        match TimeZone::try_system() {
            Ok(zone) => {
                let named = zone.iana_name().and_then(|name| self.zone(name));
                named.unwrap_or_else(|| Zone::new(table(&zone, "local")))
            }
            Err(_) => Zone::utc(),
        }
    }

    fn version(&self) -> String {
        let version = version_in(&self.directory);
        format!("system {}", version.as_deref().unwrap_or("of unknown version"))
    }

    fn names(&self) -> Vec<String> {
        self.listed().available().map(|name| name.to_string()).collect()
    }
}

/// Returns what the machine calls its zone, in TZ or as the target of /etc/localtime; empty where it does not say.
fn local_name() -> String {
    let given = std::env::var("TZ").ok();
    let linked = || Some(std::fs::read_link("/etc/localtime").ok()?.to_str()?.to_owned());
    let name = given.or_else(linked).unwrap_or_default();
    let name = name.trim_start_matches(':');
    name.rsplit_once("zoneinfo/").map_or(name, |(_, name)| name).to_owned()
}

/// The embedded database on a machine without one of its own, which still may say what its zone is called.
struct Fallback;

impl ZoneSource for Fallback {
    fn zone(&self, name: &str) -> Option<Zone> {
        Embedded.zone(name)
    }

    fn local(&self) -> Zone {
        self.zone(&local_name()).unwrap_or_else(|| Embedded.local())
    }

    fn version(&self) -> String {
        Embedded.version()
    }

    fn names(&self) -> Vec<String> {
        Embedded.names()
    }
}

/// A source that remembers what it has been asked for.
struct Shared<S> {
    source: S,
    known: Mutex<HashMap<String, Zone>>,
}

impl<S: ZoneSource> Shared<S> {
    fn new(source: S) -> Self {
        Shared { source, known: Mutex::new(HashMap::new()) }
    }
}

impl<S: ZoneSource> ZoneSource for Shared<S> {
    fn zone(&self, name: &str) -> Option<Zone> {
        // Whoever panicked while holding the lock left a whole map behind.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(zone) = known.get(name) {
            return Some(zone.clone());
        }
        let zone = self.source.zone(name)?;
        // The same zone by another spelling shares the table of the first.
        let zone = known.entry(zone.name().to_owned()).or_insert(zone).clone();
        known.insert(name.to_owned(), zone.clone());
        Some(zone)
    }

    fn local(&self) -> Zone {
        let local = self.source.local();
        match self.zone(local.name()) {
            Some(zone) if zone == local => zone,
            Some(_) | None => local,
        }
    }

    fn version(&self) -> String {
        self.source.version()
    }

    fn names(&self) -> Vec<String> {
        self.source.names()
    }
}

fn table(zone: &TimeZone, name: &str) -> ZoneTable {
    let from = jiff::Timestamp::from_second(FROM).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let mut transitions: Vec<(i64, i32)> = Vec::new();
    let first_offset = zone.to_offset(from).seconds();
    let mut offset = first_offset;
    let mut last = FROM;
    for transition in zone.following(from) {
        let at = transition.timestamp().as_second();
        // Of a file without a rule for the time after its last transition jiff tells the last one for ever.
        if at > TO || at <= last {
            break;
        }
        last = at;
        // A change of name or of the DST flag alone moves no wall clock.
        if transition.offset().seconds() != offset {
            offset = transition.offset().seconds();
            transitions.push((at, offset));
        }
    }
    transitions.shrink_to_fit();
    ZoneTable { name: zone.iana_name().unwrap_or(name).to_owned(), first_offset, transitions }
}

/// Finds the release of the database: `+VERSION` on BSDs, the first line of `tzdata.zi` elsewhere.
fn version_in(directory: &Path) -> Option<String> {
    /// Releases are named like `2026c`.
    const LONGEST: u64 = 64;
    let first_line = |name: &str| {
        let mut line = String::new();
        let file = File::open(directory.join(name)).ok()?;
        BufReader::new(file.take(LONGEST)).read_line(&mut line).ok()?;
        Some(line.trim().to_owned())
    };
    first_line("+VERSION")
        .or_else(|| first_line("tzdata.zi")?.strip_prefix("# version ").map(str::to_owned))
        .filter(|version| !version.is_empty())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Fallback, Shared, System, source, version_in};
    use crate::core::civil::{Embedded, Zone, ZoneSource};
    use crate::core::instant::Timestamp;

    #[test]
    fn rule_45_names_that_are_no_zones_are_refused() {
        for source in [source(), Box::new(Shared::new(Fallback))] {
            for bad in [
                "",
                " ",
                "Europe",
                "Europe/",
                "Europe/Nowhere",
                "../../etc/passwd",
                "/etc/localtime",
                "/usr/share/zoneinfo/Europe/Berlin",
                "./Europe/Berlin",
                "Europe/../Europe/Berlin",
                "tzdata.zi",
                "zone.tab",
                "posix/Europe/Berlin",
                "right/Europe/Berlin",
                "Europe/Berlin\0",
                "Europe/Berlin ",
                ":Europe/Berlin",
            ] {
                assert!(source.zone(bad).is_none(), "{bad:?} by {}", source.version());
            }
            assert_eq!(source.zone("Europe/Berlin").unwrap().name(), "Europe/Berlin");
        }
    }

    #[test]
    fn jobs_of_a_zone_share_its_table() {
        let source = Shared::new(Embedded);
        let (first, second) = (source.zone("Asia/Tokyo").unwrap(), source.zone("Asia/Tokyo").unwrap());
        assert!(first.shares_table_with(&second));
    }

    #[test]
    fn a_zone_by_its_name_in_other_letters_is_the_zone() {
        let Some(system) = System::open() else { return };
        assert_eq!(system.zone("europe/BERLIN").unwrap(), system.zone("Europe/Berlin").unwrap());
        assert!(system.names().iter().any(|name| name == "Europe/Berlin"));
    }

    #[test]
    fn rule_47_the_database_and_its_version_are_told() {
        let version = source().version();
        assert!(version.starts_with("system 20") || version.starts_with("embedded 20"), "{version}");
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(version_in(directory.path()), None);
        std::fs::write(directory.path().join("tzdata.zi"), "# version 2026c\nR d 1916\n").unwrap();
        assert_eq!(version_in(directory.path()).as_deref(), Some("2026c"));
        std::fs::write(directory.path().join("+VERSION"), "2026d\n").unwrap();
        assert_eq!(version_in(directory.path()).as_deref(), Some("2026d"));
    }

    #[test]
    fn both_databases_agree_where_both_know() {
        let Some(system) = System::open() else { return };
        let at =
            |text: &str| Timestamp::from_utc(chrono::DateTime::parse_from_rfc3339(text).unwrap().to_utc());
        for name in
            ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Europe/Dublin"]
        {
            let (ours, theirs) = (system.zone(name).unwrap(), Embedded.zone(name).unwrap());
            let mut when = at("1990-01-01T00:00:00Z");
            while when < at("2030-01-01T00:00:00Z") {
                assert_eq!(ours.offset_at(when), theirs.offset_at(when), "{name} at {when}");
                when = when.plus(Duration::from_secs(3 * 3600 + 17));
            }
        }
    }

    #[test]
    fn a_file_without_a_rule_for_later_ends_with_its_last_transition() {
        let header = |times: u8, types: u8| {
            let counts = [0, 0, 0, times, types, 4].map(|count| [0, 0, 0, count]);
            [&b"TZif2"[..], &[0; 15], counts.as_flattened()].concat()
        };
        let kind = |offset: i32| [&offset.to_be_bytes()[..], &[0, 0]].concat();
        let at = 1_795_262_400_i64;
        let first = [header(0, 1), kind(0), b"LMT\0".to_vec()].concat();
        let second = [header(1, 2), at.to_be_bytes().to_vec(), vec![1], kind(0), kind(3600)].concat();
        let data = [first, second, b"LMT\0\n\n".to_vec()].concat();
        let zone = jiff::tz::TimeZone::tzif("Test/Zone", &data).unwrap();
        assert_eq!(super::table(&zone, "Test/Zone").transitions, [(at, 3600)]);
    }

    #[test]
    fn the_systems_zones_go_on_by_their_rule_after_2100() {
        let Some(system) = System::open() else { return };
        let berlin: Zone = system.zone("Europe/Berlin").unwrap();
        let at =
            |text: &str| Timestamp::from_utc(chrono::DateTime::parse_from_rfc3339(text).unwrap().to_utc());
        assert_eq!(berlin.offset_at(at("2199-07-01T00:00:00Z")), 7200);
        assert_eq!(berlin.offset_at(at("2199-12-01T00:00:00Z")), 3600);
    }
}

//! Tests of the job file: what every key means, what every mistake says, and that nothing panics.

mod errors;
mod hostile;
mod parts;
mod sets;
mod triggers;
mod values;
mod writing;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::core::civil::{Zone, ZoneSource, ZoneTable};
use crate::core::job::Job;
use crate::core::name::Name;

use super::{Diagnostic, JobSet, NoPeers, SourceFile, Sources, fragment, load};

/// A tz database of three zones.
struct Zones;

/// Berlin around 2026: +01:00, with summer time from 2026-03-29 to 2026-10-25, both at 01:00 UTC.
fn berlin() -> Zone {
    let transitions = vec![(1_774_746_000, 7_200), (1_792_890_000, 3_600)];
    Zone::new(ZoneTable { name: "Europe/Berlin".to_owned(), first_offset: 3_600, transitions })
}

impl ZoneSource for Zones {
    fn zone(&self, name: &str) -> Option<Zone> {
        match name {
            "UTC" => Some(Zone::utc()),
            "Europe/Berlin" => Some(berlin()),
            "America/New_York" => {
                let table =
                    ZoneTable { name: name.to_owned(), first_offset: -18_000, transitions: Vec::new() };
                Some(Zone::new(table))
            }
            _ => None,
        }
    }

    fn local(&self) -> Zone {
        Zone::utc()
    }

    fn version(&self) -> String {
        "test".to_owned()
    }

    fn names(&self) -> Vec<String> {
        ["UTC", "Europe/Berlin", "America/New_York"].map(ToOwned::to_owned).to_vec()
    }
}

fn sources(files: &[(&str, &str)]) -> Sources {
    let file = |(path, text): &(&str, &str)| SourceFile {
        path: Path::new(path).into(),
        directory: PathBuf::from("/etc/jobctl"),
        bytes: text.as_bytes().to_vec(),
    };
    Sources { files: files.iter().map(file).collect() }
}

fn loaded(text: &str) -> JobSet {
    match load(&sources(&[("jobs.toml", text)]), &Zones, &NoPeers) {
        Ok(set) => set,
        Err(found) => panic!("{}\n{text}", super::render(&found, false)),
    }
}

/// Loads a text that must be refused.
fn refused(text: &str) -> Vec<Diagnostic> {
    match load(&sources(&[("jobs.toml", text)]), &Zones, &NoPeers) {
        Ok(_) => panic!("this must be refused:\n{text}"),
        Err(found) => found,
    }
}

/// Loads one job, `every = "1h"` with a command, and the given keys.
fn job_with(keys: &str) -> Arc<Job> {
    let text = format!("[jobs.a]\ncommand = \"true\"\nevery = \"1h\"\n{keys}\n");
    Arc::clone(&loaded(&text).jobs[0])
}

/// Loads one job of the given keys only.
fn job_of(keys: &str) -> Arc<Job> {
    Arc::clone(&loaded(&format!("[jobs.a]\n{keys}\n")).jobs[0])
}

fn added(definition: &str, set: &JobSet) -> Result<Arc<Job>, Vec<Diagnostic>> {
    fragment(definition, &name("a"), set, &Zones, &NoPeers).map(|fragment| fragment.job)
}

fn name(text: &str) -> Name {
    Name::new(text).expect("a test uses good names")
}

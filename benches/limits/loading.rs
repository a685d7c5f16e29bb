//! From the disk to armed timers: time, and the memory that jobs take.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use jobctl::core::change::Change;
use jobctl::core::instant::{Monotonic, Now, Timestamp};
use jobctl::core::name::Name;
use jobctl::core::scheduler::{Effect, Scheduler};
use jobctl::daemon::boot::{Scene, boot};
use jobctl::daemon::catalogue::Catalogue;
use jobctl::jobfile::MAX_FILE_BYTES;
use jobctl::process::{self, Logs};
use jobctl::store::{Session, Store};
use jobctl::zoneinfo;
use toml::de::DeTable;

use crate::daemon::figure;
use crate::measure::{in_turn, median, time};
use crate::table::{self, Unit};
use crate::workload::{definitions, job_file};
use crate::{Form, Outcome, child};

/// 2026-11-21T12:00:00Z.
const NOON: Now =
    Now { wall: Timestamp::from_secs(1_795_262_400), mono: Monotonic::from_duration(Duration::ZERO) };

/// What one process found about one load.
#[derive(Clone, Copy, Debug)]
struct Load {
    /// From the files on disk to armed timers.
    seconds: f64,
    /// Bytes resident when all is armed and freed memory given back, over those before.
    resident: f64,
    /// Bytes resident at most, all told.
    peak: f64,
}

/// Prints the section.
pub(crate) fn section(form: Form) -> Outcome<()> {
    let limit =
        "the crate toml parses the same text and does nothing with it (added jobs: once read by the store)";
    table::section("A job set from the disk to armed timers, a process for each load", limit);
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let counts: &[usize] = form.pick(&[1_000, 10_000, 100_000], &[1_000, 10_000, 100_000, 1_000_000]);
    let mut small = f64::NAN;
    for count in counts.iter().copied() {
        let directory = directory.path().join(count.to_string());
        fs::create_dir(&directory)?;
        if job_file(1).len() * count < MAX_FILE_BYTES / 2 {
            of_file(form, &directory, count)?;
        }
        let resident = of_store(form, &directory, count)?;
        if count > 1_000 {
            let each = (resident - small) / (count - 1_000) as f64;
            table::fact("  resident memory for each job beyond the first 1,000", &format!("{each:.0} B"));
        } else {
            small = resident;
        }
    }
    Ok(())
}

fn of_file(form: Form, directory: &Path, count: usize) -> Outcome<()> {
    let (config, state) = (directory.join("jobs.toml"), directory.join("filed"));
    let text = job_file(count);
    fs::write(&config, &text)?;
    let mut loads: Vec<Load> = Vec::new();
    // The first load, which does not count, is the one that makes the store.
    let compared = in_turn(
        form.pick(3, 15),
        || {
            loads.push(child::ask("load", &[&config, &state])?);
            Ok(loads.last().map_or(f64::NAN, |load| load.seconds))
        },
        || child::ask("toml", &[&config]),
    )?;
    table::row(&format!("{count} jobs in a file of {} KiB", text.len() >> 10), Unit::Time, compared);
    facts(&loads, count, compared.ours, text.len());
    table::fact("  text a second", &format!("{:.1} MB", text.len() as f64 / compared.ours / 1e6));
    Ok(())
}

/// Returns the bytes that are resident for the jobs and the fixed part.
fn of_store(form: Form, directory: &Path, count: usize) -> Outcome<f64> {
    let (config, state) = (directory.join("none.toml"), directory.join("added"));
    let define = |(name, toml): (String, String)| Ok(Change::Define { job: Name::new(&name)?, toml });
    let changes = definitions(count).map(define).collect::<Outcome<Vec<_>>>()?;
    open(&state)?.commit(&changes)?;
    let mut loads: Vec<Load> = Vec::new();
    let compared = in_turn(
        form.pick(3, 15),
        || {
            loads.push(child::ask("load", &[&config, &state])?);
            Ok(loads.last().map_or(f64::NAN, |load| load.seconds))
        },
        || child::ask("rows", &[&state]),
    )?;
    table::row(&format!("{count} added jobs in the store"), Unit::Time, compared);
    let length =
        changes.iter().map(|change| if let Change::Define { toml, .. } = change { toml.len() } else { 0 });
    Ok(facts(&loads, count, compared.ours, length.sum()))
}

/// Prints what one job of the set takes, and returns the resident bytes of all of them with the fixed part.
fn facts(loads: &[Load], count: usize, seconds: f64, text: usize) -> f64 {
    let middle = |figure: fn(&Load) -> f64| median(loads.iter().skip(1).map(figure));
    let (resident, peak) = (middle(|load| load.resident), middle(|load| load.peak));
    let each = |figure: f64| figure / count as f64;
    let times = resident / text as f64;
    table::fact("  time a job", &format!("{:.1} us", each(seconds) * 1e6));
    table::fact(
        "  resident memory a job, the fixed part included",
        &format!("{:.0} B, {times:.1} x its text", each(resident)),
    );
    table::fact("  peak of the process while loading", &format!("{:.1} MiB", peak / f64::from(1 << 20)));
    resident
}

impl FromStr for Load {
    type Err = std::num::ParseFloatError;

    fn from_str(line: &str) -> Result<Self, Self::Err> {
        let mut words = line.split_whitespace();
        let mut next = || words.next().unwrap_or_default().parse();
        Ok(Load { seconds: next()?, resident: next()?, peak: next()? })
    }
}

fn open(state: &Path) -> Outcome<Store> {
    let session = Session { host: "bench".to_owned(), boot_id: "bench".to_owned(), pid: 1 };
    Ok(Store::open(state, session)?)
}

/// Loads a job set as the daemon does, prints a [`Load`], and writes down what the scheduler asks for.
pub(crate) fn load(config: &Path, state: &Path) -> Outcome<()> {
    let before = resident()?;
    let (took, armed) = time(|| armed(config, state));
    let (mut store, catalogue, scheduler, effects) = armed?;
    let commits = effects.into_iter().filter_map(|effect| match effect {
        Effect::Commit(change) => Some(change),
        _ => None,
    });
    store.commit(&commits.collect::<Vec<_>>())?;
    store.give_back_memory();
    process::give_back_memory();
    let resident = resident()? - before;
    let peak = figure(Path::new("/proc/self/status"), "VmHWM:")? * 1024.0;
    drop((catalogue, scheduler));
    println!("{} {resident} {peak}", took.as_secs_f64());
    Ok(())
}

fn armed(config: &Path, state: &Path) -> Outcome<(Store, Catalogue, Scheduler, Vec<Effect>)> {
    let store = open(state)?;
    let mut loaded = store.load()?;
    let definitions = std::mem::take(&mut loaded.definitions);
    let catalogue = Catalogue::open(config, false, Arc::from(zoneinfo::source()), definitions)?;
    let logs = Logs::new(state.join("logs"));
    let scene = Scene {
        logs: &logs,
        boot_id: "bench",
        since_boot: Duration::ZERO,
        left_in_order: true,
        survivors: Vec::new(),
        kept: Vec::new(),
        steps: HashMap::new(),
    };
    let (scheduler, effects) = Scheduler::new(boot(&catalogue, loaded, &scene), NOON);
    Ok((store, catalogue, scheduler, effects))
}

/// Parses a file and prints the seconds.
pub(crate) fn parse_file(config: &Path) -> Outcome<()> {
    let (took, parsed) = time(|| -> Outcome<usize> {
        let text = fs::read_to_string(config)?;
        Ok(DeTable::parse(&text)?.get_ref().len())
    });
    parsed?;
    println!("{}", took.as_secs_f64());
    Ok(())
}

/// Reads a store, parses the definitions in it and prints the seconds.
pub(crate) fn parse_rows(state: &Path) -> Outcome<()> {
    let (took, parsed) = time(|| -> Outcome<usize> {
        let mut keys = 0;
        for (_, toml) in open(state)?.load()?.definitions {
            keys += DeTable::parse(&toml)?.get_ref().len();
        }
        Ok(keys)
    });
    parsed?;
    println!("{}", took.as_secs_f64());
    Ok(())
}

/// Returns the bytes of this process that are resident.
fn resident() -> Outcome<f64> {
    Ok(figure(Path::new("/proc/self/smaps_rollup"), "Rss:")? * 1024.0)
}

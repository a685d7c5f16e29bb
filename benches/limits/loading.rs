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
use jobctl::process::Logs;
use jobctl::store::{Session, Store};
use jobctl::zoneinfo;
use toml::de::DeTable;

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
    /// Bytes resident when all is armed, over those before.
    resident: f64,
    /// The same once the allocator has given back what it holds in reserve.
    trimmed: f64,
    /// Bytes resident at most, all told.
    peak: f64,
}

/// Prints the section.
pub(crate) fn section(form: Form) -> Outcome<()> {
    let limit =
        "the crate toml parses the same text and does nothing with it (added jobs: once read by the store)";
    table::section("A job set from the disk to armed timers, a process for each load", limit);
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    for count in [1_000, 10_000, 100_000] {
        let directory = directory.path().join(count.to_string());
        fs::create_dir(&directory)?;
        of_file(form, &directory, count)?;
        of_store(form, &directory, count)?;
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
        form.pick(5, 15),
        || {
            loads.push(child::ask("load", &[&config, &state])?);
            Ok(loads.last().map_or(f64::NAN, |load| load.seconds))
        },
        || child::ask("toml", &[&config]),
    )?;
    table::row(&format!("{count} jobs in a file of {} KiB", text.len() >> 10), Unit::Time, compared);
    let rate = |seconds: f64| text.len() as f64 / f64::from(1 << 20) / seconds * 60.0;
    let rates = format!("{:.0} ({:.0}) MiB/min", rate(compared.ours), rate(compared.limit));
    table::fact("  text a minute (toml alone in brackets)", &rates);
    memory(&loads, count);
    Ok(())
}

fn of_store(form: Form, directory: &Path, count: usize) -> Outcome<()> {
    let (config, state) = (directory.join("none.toml"), directory.join("added"));
    let define = |(name, toml): (String, String)| Ok(Change::Define { job: Name::new(&name)?, toml });
    let changes = definitions(count).map(define).collect::<Outcome<Vec<_>>>()?;
    open(&state)?.commit(&changes)?;
    let mut loads: Vec<Load> = Vec::new();
    let compared = in_turn(
        form.pick(5, 15),
        || {
            loads.push(child::ask("load", &[&config, &state])?);
            Ok(loads.last().map_or(f64::NAN, |load| load.seconds))
        },
        || child::ask("rows", &[&state]),
    )?;
    table::row(&format!("{count} added jobs in the store"), Unit::Time, compared);
    memory(&loads, count);
    Ok(())
}

fn memory(loads: &[Load], count: usize) {
    let middle = |figure: fn(&Load) -> f64| median(loads.iter().skip(1).map(figure));
    let a_job = |bytes: f64| format!("{:.0} B", bytes / count as f64);
    table::fact("  resident memory a job", &a_job(middle(|load| load.resident)));
    table::fact("  the same, after malloc_trim(3)", &a_job(middle(|load| load.trimmed)));
    let peak = middle(|load| load.peak) / f64::from(1 << 20);
    table::fact("  peak of the process while loading", &format!("{peak:.1} MiB"));
}

impl FromStr for Load {
    type Err = std::num::ParseFloatError;

    fn from_str(line: &str) -> Result<Self, Self::Err> {
        let mut words = line.split_whitespace();
        let mut next = || words.next().unwrap_or_default().parse();
        Ok(Load { seconds: next()?, resident: next()?, trimmed: next()?, peak: next()? })
    }
}

fn open(state: &Path) -> Outcome<Store> {
    let session = Session { host: "bench".to_owned(), boot_id: "bench".to_owned(), pid: 1 };
    Ok(Store::open(state, session)?)
}

/// Loads a job set as the daemon does, prints a [`Load`], and writes down what the scheduler asks for.
pub(crate) fn load(config: &Path, state: &Path) -> Outcome<()> {
    let before = kilobytes("/proc/self/smaps_rollup", "Rss:")?;
    let (took, armed) = time(|| armed(config, state));
    let (mut store, catalogue, scheduler, effects) = armed?;
    let commits = effects.into_iter().filter_map(|effect| match effect {
        Effect::Commit(change) => Some(change),
        _ => None,
    });
    store.commit(&commits.collect::<Vec<_>>())?;
    let resident = kilobytes("/proc/self/smaps_rollup", "Rss:")? - before;
    trim();
    let trimmed = kilobytes("/proc/self/smaps_rollup", "Rss:")? - before;
    let peak = kilobytes("/proc/self/status", "VmHWM:")?;
    drop((catalogue, scheduler));
    println!("{} {resident} {trimmed} {peak}", took.as_secs_f64());
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

/// Reads a figure of proc(5) given in kB, in bytes.
fn kilobytes(file: &str, field: &str) -> Outcome<f64> {
    let text = fs::read_to_string(file)?;
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    let figure = line.and_then(|rest| rest.split_whitespace().next());
    Ok(figure.ok_or_else(|| format!("{file} has no {field}"))?.parse::<f64>()? * 1024.0)
}

#[cfg(target_env = "gnu")]
fn trim() {
    // SAFETY: malloc_trim(3) gives free pages back to the system and touches nothing that is in use.
    unsafe { libc::malloc_trim(0) };
}

#[cfg(not(target_env = "gnu"))]
const fn trim() {}

//! Loading a job file: time, and the memory that its jobs take.
//!
//! Each load is done by a process of its own, so that none finds memory that another has left. This program
//! starts itself for it: `limits --child load FILE` prints a [`Load`], `limits --child toml FILE` seconds.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

use jobctl::core::instant::{Monotonic, Now, Timestamp};
use jobctl::core::scheduler::{Boot, Scheduler, Settings};
use jobctl::{jobfile, zoneinfo};
use toml::de::DeTable;

use crate::measure::{in_turn, median, time};
use crate::table::{self, Unit};
use crate::workload::job_file;
use crate::{Form, Outcome};

const MARK: &str = "--child";

/// 2026-11-21T12:00:00Z.
const NOON: Now = Now {
    wall: Timestamp::from_secs(1_795_262_400),
    mono: Monotonic::from_duration(std::time::Duration::ZERO),
};

/// What one process found about one load.
#[derive(Clone, Copy, Debug)]
struct Load {
    /// From the text on disk to armed timers.
    seconds: f64,
    /// Bytes resident when all is armed, over those before.
    resident: f64,
    /// The same once the allocator has given back what it holds in reserve.
    trimmed: f64,
    /// Bytes resident at most, all told.
    peak: f64,
}

/// The work of a process started by this section.
#[derive(Debug)]
pub(crate) enum Child {
    Load(PathBuf),
    Toml(PathBuf),
}

/// Prints the section.
pub(crate) fn section(form: Form) -> Outcome<()> {
    let limit = "the crate toml parses the same text and does nothing with it";
    table::section("A job file to armed timers, a process for each load", limit);
    let directory = tempfile::tempdir()?;
    for count in [1_000, 10_000, 100_000] {
        let path = directory.path().join(format!("{count}.toml"));
        let text = job_file(count);
        fs::write(&path, &text)?;
        let mut loads = Vec::new();
        let compared = in_turn(
            form.pick(5, 15),
            || {
                let load: Load = child("load", &path)?;
                loads.push(load);
                Ok(load.seconds)
            },
            || child("toml", &path),
        )?;
        table::row(&format!("{count} jobs, {} KiB", text.len() >> 10), Unit::Time, compared);
        let rate = |seconds: f64| format!("{:.0}", text.len() as f64 / f64::from(1 << 20) / seconds * 60.0);
        table::fact("  MiB a minute (toml alone in brackets)", &{
            format!("{} ({})", rate(compared.ours), rate(compared.limit))
        });
        let middle = |figure: fn(&Load) -> f64| median(loads.iter().map(figure));
        let a_job = |bytes: f64| format!("{:.0} B", bytes / count as f64);
        table::fact("  resident memory a job", &a_job(middle(|load| load.resident)));
        table::fact("  the same, after malloc_trim(3)", &a_job(middle(|load| load.trimmed)));
        let peak = middle(|load| load.peak) / f64::from(1 << 20);
        table::fact("  peak of the process while loading", &format!("{peak:.1} MiB"));
    }
    Ok(())
}

/// Has a process of its own do one thing with a job file, and reads what it found.
fn child<T: FromStr<Err: std::error::Error + 'static>>(work: &str, file: &Path) -> Outcome<T> {
    let output = Command::new(std::env::current_exe()?).args([MARK, work]).arg(file).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

impl Child {
    /// Recognises the arguments of such a process.
    pub(crate) fn parse(arguments: &[String]) -> Option<Self> {
        match arguments {
            [mark, work, file] if mark == MARK && work == "load" => Some(Child::Load(file.into())),
            [mark, work, file] if mark == MARK && work == "toml" => Some(Child::Toml(file.into())),
            _ => None,
        }
    }

    /// Does the work and prints what it found.
    pub(crate) fn run(self) -> Outcome<()> {
        match self {
            Child::Load(file) => {
                let Load { seconds, resident, trimmed, peak } = load(&file)?;
                println!("{seconds} {resident} {trimmed} {peak}");
            }
            Child::Toml(file) => {
                let (took, parsed) = time(|| -> Outcome<usize> {
                    let text = fs::read_to_string(&file)?;
                    Ok(DeTable::parse(&text)?.get_ref().len())
                });
                parsed?;
                println!("{}", took.as_secs_f64());
            }
        }
        Ok(())
    }
}

impl FromStr for Load {
    type Err = std::num::ParseFloatError;

    fn from_str(line: &str) -> Result<Self, Self::Err> {
        let mut words = line.split_whitespace();
        let mut next = || words.next().unwrap_or_default().parse();
        Ok(Load { seconds: next()?, resident: next()?, trimmed: next()?, peak: next()? })
    }
}

fn load(file: &Path) -> Outcome<Load> {
    let before = kilobytes("/proc/self/smaps_rollup", "Rss:")?;
    let (took, scheduler) = time(|| armed(file));
    let scheduler = scheduler?;
    let resident = kilobytes("/proc/self/smaps_rollup", "Rss:")? - before;
    trim();
    let trimmed = kilobytes("/proc/self/smaps_rollup", "Rss:")? - before;
    let peak = kilobytes("/proc/self/status", "VmHWM:")?;
    drop(scheduler);
    Ok(Load { seconds: took.as_secs_f64(), resident, trimmed, peak })
}

fn armed(file: &Path) -> Outcome<Scheduler> {
    let sources = jobfile::read(file)?;
    let set = jobfile::load(&sources, &*zoneinfo::source(), &jobfile::NoPeers)
        .map_err(|found| jobfile::render(&found, false))?;
    drop(sources);
    let boot = Boot {
        jobs: set.jobs,
        pools: set.pools,
        settings: Settings::default(),
        memory: BTreeMap::new(),
        unfinished: Vec::new(),
        hold: None,
        heartbeat: None,
        next_run: 1,
        boot_id: String::new(),
    };
    // The effects go to the store, where a daemon has one.
    let (scheduler, _) = Scheduler::new(boot, NOON);
    Ok(scheduler)
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

//! The real store beside the plain one, on a real file: both take the same changes and must say the same, also of what
//! a daemon begins on. What became of runs while no daemon looked is judged by the daemon's own code from that store,
//! from real output files and from the processes of the simulation.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use jobctl::core::change::Change;
use jobctl::core::civil::{Zone, ZoneSource};
use jobctl::core::instant::Timestamp;
use jobctl::core::job::Keep;
use jobctl::core::name::Name;
use jobctl::core::run::{Exit, ProcessMark, Reason, RunId, RunStatus};
use jobctl::core::scheduler::{Boot, Evidence, Memory, Unfinished};
use jobctl::daemon::boot::{Kept, Scene, boot};
use jobctl::daemon::catalogue::Catalogue;
use jobctl::process::{KeptProcess, Logs, Survivor};
use jobctl::store::{HistoryFilter, Outcome, Prune, RunRow, Session, Store};
use tempfile::TempDir;

use super::ledger::Ledger;
use super::machine::{Machine, Process, mark};

/// The real store and what lies beside it.
pub(crate) struct Shadow {
    /// `None` only while it is opened anew.
    store: Option<Store>,
    logs: Logs,
    catalogue: Catalogue,
    /// The end of a run that was committed last.
    last_end: Option<Change>,
    dir: TempDir,
}

impl Shadow {
    pub(crate) fn new() -> Self {
        // In memory where there is such a place: the store waits for its disk at every commit.
        let memory = Path::new("/dev/shm");
        let dir = tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir()).unwrap();
        let zones = Arc::new(NoZones);
        let catalogue = Catalogue::open(&dir.path().join("jobs.toml"), false, zones, Vec::new());
        let logs = Logs::new(dir.path().join("logs"));
        Shadow { store: None, logs, catalogue: catalogue.ok().unwrap(), last_end: None, dir }
    }

    fn store(&mut self) -> &mut Store {
        self.store.as_mut().expect("a daemon has begun, and has opened it")
    }

    /// Commits changes and returns where the outcomes differ.
    pub(crate) fn commit<'a>(
        &mut self,
        changes: impl Iterator<Item = &'a Change>,
        expected: &[Outcome],
    ) -> Option<String> {
        let changes: Vec<Change> = changes.cloned().collect();
        let outcomes = self.store().commit(&changes).unwrap();
        // Whatever the scheduler does, a run ends once.
        if let Some(end) = self.last_end.take()
            && self.store().commit(std::slice::from_ref(&end)).unwrap() != [Outcome::Refused]
        {
            return Some(format!("the store takes a second end: {end:?}"));
        }
        self.last_end = changes.iter().rfind(|change| matches!(change, Change::Finished(_))).cloned();
        let differ = changes.iter().zip(outcomes.iter().zip(expected)).find(|(change, (real, plain))| {
            // The plain ledger keeps no steps, and does not care whose they are.
            real != plain && !matches!(change, Change::Step { .. })
        });
        differ.map(|(change, (real, plain))| format!("the store says {real:?}, not {plain:?}: {change:?}"))
    }

    /// Deletes what a job does not keep; returns which rows.
    pub(crate) fn prune(&mut self, job: &Name, keep: &Keep, now: Timestamp) -> Vec<RunId> {
        let prune = Prune { job: job.clone(), keep: *keep, now };
        self.store().prune(&[&prune], 50).unwrap().runs.into_iter().flatten().collect()
    }

    /// A start is tried: its output file is made.
    pub(crate) fn create_file(&self, job: &Name, run: RunId, attempt: u32) {
        drop(self.logs.create(job, run, attempt).unwrap());
    }

    /// A daemon begins: the store is opened anew. Returns where it, or what the daemon makes of it, differs.
    pub(crate) fn boots(
        &mut self,
        ledger: &Ledger,
        machine: &Machine,
        left_in_order: bool,
        expected: &[Unfinished],
    ) -> Option<String> {
        self.store = None;
        let session = Session { host: "sim".to_owned(), boot_id: machine.boot_id(), pid: 1 };
        self.store = Some(Store::open(self.dir.path(), session).unwrap());
        let mut loaded = self.store().load().unwrap();
        let definitions = loaded.definitions.iter().cloned().collect();
        if ledger.definitions != definitions {
            return Some(format!("the store has {definitions:?}, not {:?}", ledger.definitions));
        }
        for row in &mut loaded.unfinished {
            let alive =
                |mark: &ProcessMark| machine.processes.get(&mark.pid).is_some_and(|found| found.alive);
            // Its number belongs to another process by now: to the first of all, which is always there.
            row.process =
                row.process.map(|mark| ProcessMark { pid: if alive(&mark) { mark.pid } else { 1 }, ..mark });
        }
        let mut steps = HashMap::new();
        for row in &loaded.unfinished {
            steps.insert(row.run, self.store().reader().steps(row.run).unwrap());
        }
        let scene = Scene {
            logs: &self.logs,
            boot_id: &machine.boot_id(),
            since_boot: machine.now().mono.as_duration(),
            left_in_order,
            survivors: machine.alive().map(survivor).collect(),
            kept: machine.kept().map(kept).collect(),
            steps,
        };
        let begins = boot(&self.catalogue, loaded, &scene);
        if let Some(differ) = remembers(&begins, ledger) {
            return Some(differ);
        }
        let judged = plain(begins.unfinished);
        let expected = plain(expected.to_vec());
        let differ = judged.iter().zip(&expected).find(|(judged, expected)| judged != expected);
        let differ =
            differ.map(|(judged, expected)| format!("the daemon begins on {judged}, not {expected}"));
        differ.or_else(|| {
            (judged.len() != expected.len()).then(|| format!("not all is taken back: {judged:?}"))
        })
    }

    /// Returns where the rows differ.
    pub(crate) fn compare(&mut self, ledger: &Ledger) -> Option<String> {
        let rows = self.store().reader().history(&HistoryFilter::default()).unwrap();
        if rows.len() != ledger.rows.len() {
            return Some(format!("the store has {} rows, not {}", rows.len(), ledger.rows.len()));
        }
        let differ = rows.iter().find(|row| ledger.rows.get(&row.run).map(essence) != Some(essence(row)));
        differ.map(|row| format!("the store has {row:?}, not {:?}", ledger.rows.get(&row.run)))
    }
}

/// The zones of a job file without jobs.
struct NoZones;

impl ZoneSource for NoZones {
    fn zone(&self, _name: &str) -> Option<Zone> {
        None
    }

    fn local(&self) -> Zone {
        Zone::utc()
    }

    fn version(&self) -> String {
        String::new()
    }

    fn names(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Returns where a daemon would remember something else.
fn remembers(begins: &Boot, ledger: &Ledger) -> Option<String> {
    let nothing = Memory::default();
    for name in begins.memory.keys().chain(ledger.jobs.keys()) {
        let real = format!("{:?}", begins.memory.get(name).unwrap_or(&nothing));
        let plain = format!("{:?}", ledger.jobs.get(name).unwrap_or(&nothing));
        if real != plain {
            return Some(format!("the daemon remembers of {name} {real}, not {plain}"));
        }
    }
    if begins.next_run < ledger.next_run {
        return Some(format!(
            "{} is given out again, which is not below {}",
            begins.next_run, ledger.next_run
        ));
    }
    let real = format!("{:?} {:?}", begins.hold, begins.heartbeat);
    let plain = format!("{:?} {:?}", ledger.hold, ledger.heartbeat);
    (real != plain).then(|| format!("the daemon remembers {real}, not {plain}"))
}

fn survivor((pid, process): (&i32, &Process)) -> Survivor {
    let outcome = process.outcome;
    let code = outcome.and_then(|(_, exit)| match exit {
        Some(Exit::Code(code)) => Some(code),
        Some(Exit::Signal(_)) | None => None,
    });
    Survivor {
        run: process.run,
        attempt: process.attempt,
        process: mark(*pid),
        step: process.step.clone(),
        status: outcome.map(|(status, _)| status.as_str().to_owned()),
        exit_code: code,
    }
}

fn kept((pid, process): (&i32, &Process)) -> Kept {
    let what = if process.alive { KeptProcess::There(mark(*pid)) } else { KeptProcess::Ended(process.exit) };
    Kept { run: process.run, attempt: process.attempt, place: process.place, process: what }
}

/// Writes down what was judged without what the simulation does not model: words, and ages to the microsecond.
fn plain(unfinished: Vec<Unfinished>) -> Vec<String> {
    let plain = unfinished.into_iter().map(|mut run| {
        if let Some(ending) = &mut run.ending {
            ending.detail = None;
        }
        if let Evidence::Started { found, steps } = &mut run.evidence {
            for found in found.iter_mut() {
                found.age = None;
                found.outcome = found.outcome.map(|(status, exit)| match exit {
                    Some(Exit::Signal(_)) => (status, None),
                    exit => (status, exit),
                });
            }
            found.sort_by_key(|found| (found.process.pid, format!("{found:?}")));
            steps.sort_by_key(|step| (step.attempt, step.position));
        }
        (run.run, format!("{run:?}"))
    });
    let mut plain: Vec<_> = plain.collect();
    plain.sort();
    plain.into_iter().map(|(_, run)| run).collect()
}

type Essence<'a> =
    (RunId, &'a str, [Option<i64>; 7], u64, RunStatus, Option<Reason>, (u32, u32, u64, i32, bool));

fn essence(row: &RunRow) -> Essence<'_> {
    let micros = |at: Option<Timestamp>| at.map(Timestamp::as_micros);
    let instants = [
        row.fire_time,
        row.first_fire_time,
        Some(row.due_at),
        row.started_at,
        row.finished_at,
        row.retry_at,
        row.ending_at,
    ];
    let numbers = (row.attempt, row.attempts, row.coalesced, row.priority, row.forced);
    (row.run, row.job.as_str(), instants.map(micros), row.occurrences, row.status, row.reason, numbers)
}

//! Making occurrences and runs durable.

use std::path::Path;

use jobctl::core::change::{Change, Claim, Finish};
use jobctl::core::instant::Timestamp;
use jobctl::core::name::Name;
use jobctl::core::run::{Exit, ProcessMark, RunId, RunStatus, Source};
use jobctl::store::{Session, Store};
use rusqlite::{Connection, params};

use crate::measure::{in_turn, seconds_each, time};
use crate::table::{self, Unit};
use crate::{Form, Outcome};

/// How many runs share a commit, as in a burst.
const GROUP: u64 = 100;

/// How many jobs the runs belong to.
const JOBS: u64 = 1_000;

/// 2026-11-21T12:00:00Z.
const NOON: Timestamp = Timestamp::from_secs(1_795_262_400);

/// Prints the section.
pub(crate) fn section(form: Form) -> Outcome<()> {
    let limit =
        "SQLite, WAL, synchronous=FULL: a row with one unique index; two updates of it for start and end";
    table::section("Durable runs, 100 in a commit", limit);
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    for (what, whole) in [("claimed", false), ("claimed, started and ended", true)] {
        let mut ours = Ours::new(&directory.path().join(format!("ours-{whole}")))?;
        let mut bare = Bare::new(&directory.path().join(format!("bare-{whole}.db")))?;
        let commits = form.pick(20, 100);
        let compared = in_turn(
            form.pick(9, 31),
            || {
                let (took, done) = time(|| (0..commits).try_for_each(|_| ours.group(whole)));
                done?;
                Ok(seconds_each(took, commits) / GROUP as f64)
            },
            || {
                let (took, done) = time(|| (0..commits).try_for_each(|_| bare.group(whole)));
                done?;
                Ok(seconds_each(took, commits) / GROUP as f64)
            },
        )?;
        table::row(what, Unit::PerSecond, compared);
    }
    Ok(())
}

/// Returns the number of the job of a run and the run's fire time.
fn occurrence(run: u64) -> (u64, Timestamp) {
    let minute = i64::try_from(run / JOBS).unwrap_or(i64::MAX);
    (run % JOBS, Timestamp::from_micros(NOON.as_micros().saturating_add(minute.saturating_mul(60_000_000))))
}

/// The store.
struct Ours {
    store: Store,
    names: Vec<Name>,
    next: u64,
}

impl Ours {
    fn new(directory: &Path) -> Outcome<Self> {
        let session = Session { host: "bench".to_owned(), boot_id: "bench".to_owned(), pid: 1 };
        let mut store = Store::open(directory, session)?;
        let names =
            (0..JOBS).map(|job| Name::new(&format!("customer-{job:06}"))).collect::<Result<Vec<_>, _>>()?;
        let trigger = "* * * * * in UTC";
        let track = |job: &Name| Change::Track {
            job: job.clone(),
            cursor: NOON,
            anchor: NOON,
            trigger: trigger.to_owned(),
        };
        store.commit(&names.iter().map(track).collect::<Vec<_>>())?;
        Ok(Ours { store, names, next: 1 })
    }

    fn group(&mut self, whole: bool) -> Outcome<()> {
        let runs = self.next..self.next + GROUP;
        self.next += GROUP;
        self.store.commit(&runs.clone().map(|run| self.claim(run)).collect::<Vec<_>>())?;
        if whole {
            self.store.commit(&runs.clone().map(start).collect::<Vec<_>>())?;
            self.store.commit(&runs.map(end).collect::<Vec<_>>())?;
        }
        Ok(())
    }

    fn claim(&self, run: u64) -> Change {
        let (job, fire_time) = occurrence(run);
        Change::Claim(Claim {
            run: RunId(run),
            // `occurrence` answers with a job below JOBS, and there are as many names.
            job: self.names[job as usize].clone(),
            fire_time: Some(fire_time),
            cursor: Some(fire_time),
            source: Source::Schedule,
            queued_at: fire_time,
            due_at: fire_time,
            attempts: 1,
            coalesced: 0,
            note: None,
            priority: 0,
            args: Vec::new(),
            forced: false,
        })
    }
}

fn start(run: u64) -> Change {
    let process = Some(ProcessMark { pid: 1, start_ticks: run });
    Change::Started { run: RunId(run), attempt: 1, at: occurrence(run).1, process }
}

fn end(run: u64) -> Change {
    Change::Finished(Finish {
        run: RunId(run),
        status: RunStatus::Succeeded,
        reason: None,
        detail: None,
        at: occurrence(run).1,
        duration: Some(std::time::Duration::from_millis(1)),
        exit: Some(Exit::Code(0)),
        usage: None,
        result: None,
    })
}

/// SQLite with the least that a ledger needs.
pub(crate) struct Bare {
    connection: Connection,
    next: u64,
}

impl Bare {
    /// Makes a database.
    pub(crate) fn new(path: &Path) -> Outcome<Self> {
        let connection = Connection::open(path)?;
        connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
        connection.pragma_update(None, "synchronous", "full")?;
        connection.execute_batch(
            "CREATE TABLE runs (
                run_id INTEGER PRIMARY KEY, job TEXT NOT NULL, fire_time INTEGER NOT NULL, status TEXT NOT NULL,
                started_at INTEGER, finished_at INTEGER, exit_code INTEGER, UNIQUE (job, fire_time))",
        )?;
        Ok(Bare { connection, next: 1 })
    }

    fn group(&mut self, whole: bool) -> Outcome<()> {
        let runs = self.next..self.next + GROUP;
        self.next += GROUP;
        self.claim(runs.clone())?;
        if whole {
            // All statements take the same three values.
            let start = "UPDATE runs SET status = 'running', started_at = ?3 WHERE run_id = ?1 AND job = ?2";
            let end = "UPDATE runs SET status = 'succeeded', finished_at = ?3, exit_code = 0
                WHERE run_id = ?1 AND job = ?2";
            self.commit(start, runs.clone())?;
            self.commit(end, runs)?;
        }
        Ok(())
    }

    /// Makes claims durable.
    pub(crate) fn claim(&mut self, runs: impl Iterator<Item = u64>) -> rusqlite::Result<()> {
        let claim = "INSERT INTO runs (run_id, job, fire_time, status) VALUES (?1, ?2, ?3, 'queued')";
        self.commit(claim, runs)
    }

    fn commit(&mut self, sql: &str, runs: impl Iterator<Item = u64>) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        {
            let mut statement = transaction.prepare_cached(sql)?;
            for run in runs {
                let (job, fire_time) = occurrence(run);
                let job = format!("customer-{job:06}");
                statement.execute(params![
                    i64::try_from(run).unwrap_or(i64::MAX),
                    job,
                    fire_time.as_micros()
                ])?;
            }
        }
        transaction.commit()
    }
}

//! Making occurrences and runs durable.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use jobctl::core::change::{Change, Claim, Finish};
use jobctl::core::instant::Timestamp;
use jobctl::core::name::Name;
use jobctl::core::run::{Exit, ProcessMark, RunId, RunStatus, Source};
use jobctl::store::{Session, Store};
use rusqlite::{Connection, params};

use crate::measure::{in_turn, time};
use crate::table::{self, Unit};
use crate::{Form, Outcome};

/// How many jobs the runs belong to.
const JOBS: u64 = 1_000;

/// 2026-11-21T12:00:00Z.
const NOON: Timestamp = Timestamp::from_secs(1_795_262_400);

/// How many runs a side of a round makes durable, and how many of them in a commit.
#[derive(Clone, Copy, Debug)]
struct Case {
    runs: u64,
    group: u64,
    /// True: not only claims, but starts and ends too, in commits of their own.
    whole: bool,
}

/// Prints the section.
pub(crate) fn section(form: Form) -> Outcome<()> {
    let limit =
        "SQLite, WAL, synchronous=FULL: a row with one unique index; two updates of it for start and end";
    table::section("Durable runs", limit);
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let cases = [
        ("claimed, 5,000 in a commit", Case { runs: 5_000, group: 5_000, whole: false }),
        ("claimed, 100 in a commit", Case { runs: 2_000, group: 100, whole: false }),
        ("claimed, each in a commit of its own", Case { runs: 50, group: 1, whole: false }),
        ("claimed, started and ended, 100 in a commit", Case { runs: 2_000, group: 100, whole: true }),
    ];
    for (number, (what, case)) in cases.into_iter().enumerate() {
        let mut ours = Ours::new(&directory.path().join(format!("ours-{number}")))?;
        let mut bare = Bare::new(&directory.path().join(format!("bare-{number}.db")))?;
        let compared =
            in_turn(form.pick(9, 31), || case.time(|| ours.group(case)), || case.time(|| bare.group(case)))?;
        table::row(what, Unit::PerSecond, compared);
    }
    against_the_disk(form, directory.path())
}

/// Compares with the least that a disk asks of whoever wants to be sure of anything.
fn against_the_disk(form: Form, directory: &Path) -> Outcome<()> {
    table::section("The same against the disk", "4 KiB appended to a file and fdatasync(2)");
    let mut ours = Ours::new(&directory.join("ours-disk"))?;
    let mut file = File::create(directory.join("disk"))?;
    let case = Case { runs: 50, group: 1, whole: false };
    let append = |file: &mut File| file.write_all(&[b'x'; 4096]).and_then(|()| file.sync_data());
    let compared = in_turn(
        form.pick(9, 31),
        || case.time(|| ours.group(case)),
        || case.time(|| Ok(append(&mut file)?)),
    )?;
    table::row("claimed, each in a commit of its own", Unit::PerSecond, compared);
    Ok(())
}

impl Case {
    /// Returns seconds for one run.
    fn time(self, mut group: impl FnMut() -> Outcome<()>) -> Outcome<f64> {
        let (took, done) = time(|| (0..self.runs / self.group).try_for_each(|_| group()));
        done?;
        Ok(took.as_secs_f64() / self.runs as f64)
    }
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

    fn group(&mut self, case: Case) -> Outcome<()> {
        let runs = self.next..self.next + case.group;
        self.next += case.group;
        self.store.commit(&runs.clone().map(|run| self.claim(run)).collect::<Vec<_>>())?;
        if case.whole {
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
            pool: None,
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

    fn group(&mut self, case: Case) -> Outcome<()> {
        let runs = self.next..self.next + case.group;
        self.next += case.group;
        self.claim(runs.clone())?;
        if case.whole {
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

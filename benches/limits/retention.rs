//! A long ledger: how late a job is while most of it is deleted, and how soon questions about it are answered.

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::thread;
use std::time::Duration;

use jobctl::core::name::Name;
use jobctl::core::run::{RunId, RunStatus};
use jobctl::store::{DATABASE_FILE, HistoryFilter, Reader, Session, Store};
use rusqlite::{Connection, OpenFlags};

use crate::daemon::Place;
use crate::idle::{HALF, bare_ticks, lateness};
use crate::measure::{compared, median, time};
use crate::program::Program;
use crate::table::{self, Unit};
use crate::{Form, Outcome};

/// To how many jobs they belong; the last of them has failed in every hundredth run.
const JOBS: u64 = 100;

/// Prints the section.
pub(crate) fn section(form: Form) -> Outcome<()> {
    let limit = "start: a timerfd and posix_spawn(3), meanwhile";
    let (rows, many) = form.pick((1_000_000, "1,000,000"), (10_000_000, "10,000,000"));
    table::section(&format!("A ledger of {many} runs, of which 100 a job are kept"), limit);
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let program = Program::build(directory.path())?;
    let (ours, theirs) = (directory.path().join("ours"), directory.path().join("theirs"));
    let job = |name: &str, rest: &str| format!("[jobs.{name}]\n{rest}");
    let tick = format!("cron = '* * * * * *'\ncommand = ['{}', '{}']\n", program.text()?, ours.display());
    let old = |number: u64| job(&name_of(number), "cron = '0 0 29 2 *'\ncommand = 'true'\n");
    let text =
        "timezone = 'UTC'\n".to_owned() + &job("tick", &tick) + &(0..JOBS).map(old).collect::<String>();
    let place = Place::new(directory.path().join("place"), &text)?;
    fill(&place.state(), rows)?;
    questions(form, &place.state(), rows)?;
    let (before, daemon) = (rows_left(&place.state())?, place.daemon()?);
    // After its first run it looks through all histories.
    while fs::metadata(&ours).map_or(0, |file| file.len()) == 0 {
        thread::sleep(Duration::from_millis(10));
    }
    fs::write(&ours, "")?;
    bare_ticks(form.pick(11, 61), &program, &theirs)?;
    let (ours, theirs) = (lateness(&ours, Duration::ZERO)?, lateness(&theirs, HALF)?);
    let deleted = before.saturating_sub(rows_left(&place.state())?);
    daemon.stop()?;
    let pairs: Vec<(f64, f64)> = ours.into_iter().zip(theirs).collect();
    table::row("one job due: until its program runs", Unit::Time, compared(&pairs));
    let worst = pairs.iter().fold(0.0_f64, |worst, (ours, _)| worst.max(*ours));
    table::fact(&format!("  the latest of {} starts", pairs.len()), &format!("{:.1} ms", worst * 1e3));
    table::fact("  rows deleted meanwhile", &format!("{deleted}"));
    Ok(())
}

fn name_of(job: u64) -> String {
    format!("old-{job:02}")
}

/// Writes the ledger, one run a minute in turn of the jobs, up to the year 2025.
fn fill(state: &Path, rows: u64) -> Outcome<()> {
    let session = Session { host: "bench".to_owned(), boot_id: "bench".to_owned(), pid: 1 };
    drop(Store::open(state, session)?);
    let connection = Connection::open(state.join(DATABASE_FILE))?;
    connection.pragma_update(None, "synchronous", "off")?;
    let runs = format!(
        "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {rows})
         INSERT INTO runs (run_id, job, fire_time, status, source, attempt, attempts, queued_at, due_at, started_at,
            finished_at, duration_us, exit_code, host)
         SELECT n, printf('old-%02d', n % {JOBS}), t, iif(n % {JOBS} = {JOBS} - 1 AND n / {JOBS} % 100 = 0, 'failed',
            'succeeded'), 'schedule', 1, 1, t, t, t, t, 1000, 0, 'bench'
         FROM (SELECT n, (1735689600 - ({rows} - n) * 60) * 1000000 AS t FROM numbers)"
    );
    connection.execute_batch(&runs)?;
    Ok(())
}

fn rows_left(state: &Path) -> Outcome<u64> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let connection = Connection::open_with_flags(state.join(DATABASE_FILE), flags)?;
    let count: i64 = connection.query_row("SELECT count(*) FROM runs", [], |row| row.get(0))?;
    Ok(u64::try_from(count)?)
}

/// Prints how soon the newest twenty rows of several kinds are there.
fn questions(form: Form, state: &Path, rows: u64) -> Outcome<()> {
    let reader = Reader::open(state)?.ok_or("there is no store")?;
    let all = HistoryFilter { limit: Some(20), ..HistoryFilter::default() };
    let jobs = vec![Name::new(&name_of(JOBS - 1))?];
    let failed = vec![RunStatus::Failed];
    let since = reader.run(RunId(rows / 2))?.map(|row| row.queued_at);
    let questions = [
        ("  the newest", all.clone()),
        ("  the newest of a job", HistoryFilter { jobs: jobs.clone(), ..all.clone() }),
        ("  the newest failures", HistoryFilter { statuses: failed.clone(), ..all.clone() }),
        ("  the newest failures of a job", HistoryFilter { statuses: failed, jobs, ..all.clone() }),
        ("  the newest before the middle", HistoryFilter { until: since, ..all.clone() }),
        ("  a page from the middle", HistoryFilter { before: Some(RunId(rows / 2)), ..all.clone() }),
        ("  what is lost, of which there is none", HistoryFilter { statuses: vec![RunStatus::Lost], ..all }),
    ];
    for (what, filter) in questions {
        let took = (0..form.pick(9, 31)).map(|_| {
            let (took, found) = time(|| reader.history(&filter));
            black_box(found)?;
            Ok(took.as_secs_f64())
        });
        let took = median(took.collect::<Outcome<Vec<f64>>>()?.into_iter());
        table::fact(&format!("  history:{what}"), &format!("{:.0} us", took * 1e6));
    }
    let took = (0..form.pick(9, 31)).map(|_| {
        let (took, standings) = time(|| reader.standings());
        black_box(standings)?;
        Ok(took.as_secs_f64())
    });
    let took = median(took.collect::<Outcome<Vec<f64>>>()?.into_iter());
    let what = format!("  list: the newest run of each of {JOBS} jobs");
    table::fact(&what, &format!("{:.0} us", took * 1e6));
    Ok(())
}

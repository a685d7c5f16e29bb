//! The store as SQLite has it, for what must be seen or held up right at a commit.

use rusqlite::{Connection, OpenFlags};

use crate::features::support::eventually;
use crate::harness::{PATIENCE, Sandbox};

/// A row of the ledger, as far as the tests want to know of it.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) run: u64,
    pub(super) status: String,
    pub(super) reason: Option<String>,
    pub(super) attempt: u32,
    pub(super) pid: Option<i32>,
    pub(super) exit_code: Option<i32>,
    /// The fire times it stands for, from the first to the last, in whole seconds since 1970; 0 = it has none.
    pub(super) first: i64,
    pub(super) last: i64,
}

/// Opens the store; a statement waits for the commits of a daemon.
pub(super) fn store(sandbox: &Sandbox) -> Connection {
    let store = Connection::open(sandbox.path("state/jobctl.db")).expect("the store");
    store.busy_timeout(PATIENCE).expect("a time-out can be set");
    store
}

/// Changes the store by SQL.
pub(super) fn alter(sandbox: &Sandbox, sql: &str) {
    store(sandbox).execute_batch(sql).expect("it can be changed");
}

/// Returns the rows of a job that are durable, oldest first.
pub(super) fn ledger(sandbox: &Sandbox, job: &str) -> Vec<Row> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(sandbox.path("state/jobctl.db"), flags).expect("the store");
    connection.busy_timeout(PATIENCE).expect("a time-out can be set");
    let sql =
        "SELECT run_id, status, reason, attempt, pid, exit_code, coalesce(first_fire_time, fire_time, 0),
            coalesce(fire_time, 0) FROM runs WHERE job = ?1 ORDER BY run_id";
    let mut rows = connection.prepare(sql).expect("a statement");
    let rows = rows.query_map([job], |row| {
        Ok(Row {
            run: row.get::<_, i64>(0)?.unsigned_abs(),
            status: row.get(1)?,
            reason: row.get(2)?,
            attempt: row.get(3)?,
            pid: row.get(4)?,
            exit_code: row.get(5)?,
            first: row.get::<_, i64>(6)?.div_euclid(1_000_000),
            last: row.get::<_, i64>(7)?.div_euclid(1_000_000),
        })
    });
    rows.expect("an answer").map(|row| row.expect("a row")).collect()
}

/// Waits until the last row of a job is durable with this status, and returns it.
pub(super) fn until_durable(sandbox: &Sandbox, job: &str, status: &str) -> Row {
    let mut found = None;
    eventually(&format!("{job} becomes {status}"), || {
        found = ledger(sandbox, job).pop().filter(|row| row.status == status);
        found.is_some()
    });
    found.expect("it was found")
}

/// Nothing can be committed while this is there; what has been is seen.
pub(super) struct Standstill(Connection);

impl Standstill {
    /// Waits for the commit that is under way and lets no other come after it.
    pub(super) fn of(sandbox: &Sandbox) -> Self {
        let store = store(sandbox);
        store.execute_batch("BEGIN IMMEDIATE").expect("the lock of the store");
        Standstill(store)
    }
}

impl Drop for Standstill {
    fn drop(&mut self) {
        self.0.execute_batch("ROLLBACK").expect("nothing was written");
    }
}

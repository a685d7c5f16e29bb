//! The schema and its upgrades.

use rusqlite::{Connection, TransactionBehavior};

/// "jobc" in ASCII: says in the file's header whose it is (`PRAGMA application_id`).
pub(super) const APPLICATION_ID: i32 = 0x6a6f_6263;

/// Every step of the schema: the n-th leads from version n-1 to n. Steps are only ever added.
pub(super) const STEPS: &[&str] = &[include_str!("schema/1.sql"), include_str!("schema/2.sql")];

/// Returns the version that a list of steps leads to.
pub(super) fn version_of(steps: &[&str]) -> i64 {
    i64::try_from(steps.len()).unwrap_or(i64::MAX)
}

/// Reads the version of a file (`PRAGMA user_version`).
pub(super) fn version(conn: &Connection) -> Result<i64, rusqlite::Error> {
    conn.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Brings a file to the version the steps lead to, in one transaction: all of it or nothing.
///
/// The caller has made sure that the file is not newer.
pub(super) fn upgrade(conn: &mut Connection, steps: &[&str]) -> Result<(), rusqlite::Error> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let done = usize::try_from(version(&tx)?).unwrap_or(0);
    let Some(missing) = steps.get(done..).filter(|missing| !missing.is_empty()) else { return Ok(()) };
    for step in missing {
        tx.execute_batch(step)?;
    }
    tx.pragma_update(None, "application_id", APPLICATION_ID)?;
    tx.pragma_update(None, "user_version", version_of(steps))?;
    tx.commit()
}

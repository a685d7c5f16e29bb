//! Notices that wait for their notifiers. They survive restarts, and a notifier that never answers costs no
//! more than a bounded number of rows.

use rusqlite::params;

use super::columns::{NOTICE_COLUMNS, instant, notice_row, signed};
use super::commit::{CommitError, Outcome, Writing};
use super::open::Store;
use super::reader::Reader;
use super::rows::{NoticeRow, QueryError};
use crate::core::change::Notice;
use crate::core::instant::Timestamp;
use crate::core::run::RunId;

/// How many notices are kept; older ones make room.
pub(super) const KEPT_NOTICES: u64 = 10_000;

/// How the delivery of a notice ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It was delivered, or given up: it leaves the outbox.
    Done,
    /// It failed and is tried again then.
    Failed {
        /// When.
        next_at: Timestamp,
    },
}

/// Puts a notice into the outbox, due at once.
pub(super) fn enqueue(w: &Writing<'_>, notice: &Notice) -> Result<Outcome, rusqlite::Error> {
    w.run(
        "INSERT INTO outbox (notifier, job, run_id, kind, at, next_at) VALUES (?1, ?2, ?3, ?4, ?5, ?5)",
        params![
            notice.notifier.as_str(),
            notice.job.as_str(),
            notice.run.map(|RunId(run)| signed(run)),
            notice.kind.as_str(),
            notice.at.as_micros(),
        ],
    )?;
    w.run(
        "DELETE FROM outbox WHERE id <= (SELECT id FROM outbox ORDER BY id DESC LIMIT 1 OFFSET ?1)",
        [signed(KEPT_NOTICES)],
    )?;
    Ok(Outcome::Applied)
}

/// Writes down how a delivery ended; one that has left the outbox meanwhile stays gone.
pub(super) fn record(w: &Writing<'_>, id: u64, delivery: Delivery) -> Result<(), rusqlite::Error> {
    let id = signed(id);
    match delivery {
        Delivery::Done => w.run("DELETE FROM outbox WHERE id = ?1", [id])?,
        Delivery::Failed { next_at } => w.run(
            "UPDATE outbox SET attempts = attempts + 1, next_at = ?2 WHERE id = ?1",
            params![id, next_at.as_micros()],
        )?,
    };
    Ok(())
}

impl Store {
    /// Writes down how the delivery of a notice ended.
    ///
    /// # Errors
    /// [`CommitError`]; then nothing was written.
    pub fn deliver(&mut self, id: u64, delivery: Delivery) -> Result<(), CommitError> {
        Ok(self.transact(|writing| record(writing, id, delivery))?)
    }
}

impl Reader {
    /// Returns notices whose time has come, the longest waiting first.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn outbox_due(&self, now: Timestamp, limit: usize) -> Result<Vec<NoticeRow>, QueryError> {
        let sql =
            format!("SELECT {NOTICE_COLUMNS} FROM outbox WHERE next_at <= ?1 ORDER BY next_at, id LIMIT ?2");
        self.all(&sql, params![now.as_micros(), signed(limit as u64)], notice_row)
    }

    /// Returns when the next notice is due; `None` = the outbox is empty.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn outbox_next(&self) -> Result<Option<Timestamp>, QueryError> {
        self.one("SELECT next_at FROM outbox ORDER BY next_at LIMIT 1", [], |row| instant(row, 0))
            .map(Option::flatten)
    }
}

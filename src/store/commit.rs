//! Making changes durable: many changes, one transaction, an outcome for each.

use std::collections::HashSet;

use rusqlite::{CachedStatement, Connection, TransactionBehavior};

use super::changes;
use super::open::{Session, Store};
use super::reader::prepare;
use crate::core::change::Change;
use crate::core::run::RunId;

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is durable.
    Applied,
    /// It does not fit what the store has, and nothing of it was written: a claim whose fire time has its
    /// row already, a step on of a run that is over or unknown, an event about a run that was refused.
    Refused,
}

/// Why nothing was committed.
#[derive(Debug, thiserror::Error)]
#[error("the store cannot be written: {0}")]
pub struct CommitError(#[from] rusqlite::Error);

/// One transaction under way.
pub(super) struct Writing<'c> {
    pub(super) conn: &'c Connection,
    pub(super) session: &'c Session,
    /// Numbers whose row was not written in this transaction: their events have nothing to tell.
    pub(super) unwritten: HashSet<RunId>,
}

impl Store {
    /// Makes changes durable in one transaction, in order, and says for each whether it was applied.
    ///
    /// # Errors
    /// [`CommitError`] when the disk or a lock is in the way; then nothing of it was written and the same
    /// changes can be committed again.
    pub fn commit(&mut self, changes: &[Change]) -> Result<Vec<Outcome>, CommitError> {
        Ok(self.transact(|writing| changes.iter().map(|change| changes::apply(writing, change)).collect())?)
    }

    /// Runs one transaction: what `work` wrote is durable when this returns `Ok`, and gone otherwise.
    pub(super) fn transact<T>(
        &mut self,
        work: impl FnOnce(&mut Writing<'_>) -> Result<T, rusqlite::Error>,
    ) -> Result<T, rusqlite::Error> {
        let tx = self.reader.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut writing = Writing { conn: &tx, session: &self.session, unwritten: HashSet::new() };
        let done = work(&mut writing)?;
        tx.commit()?;
        Ok(done)
    }
}

impl<'c> Writing<'c> {
    pub(super) fn prepare(&self, sql: &str) -> Result<CachedStatement<'c>, rusqlite::Error> {
        prepare(self.conn, sql)
    }

    /// Runs one statement and says whether it changed a row.
    pub(super) fn run(&self, sql: &str, params: impl rusqlite::Params) -> Result<bool, rusqlite::Error> {
        Ok(self.prepare(sql)?.execute(params)? > 0)
    }
}

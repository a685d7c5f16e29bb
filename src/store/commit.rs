//! Making changes durable: many changes, one transaction, an outcome for each.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::ptr;

use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, TransactionBehavior};

use super::changes;
use super::open::{Session, Store};
use super::reader::prepare;
use crate::core::change::Change;
use crate::core::instant::Timestamp;
use crate::core::run::{ProcessMark, RunId};

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
    /// Runs that start and end in this transaction, with their start once it has come: one statement writes both.
    short: HashMap<RunId, Option<Begin>>,
    /// Statements in use, by their text: the connection's own cache takes longer to find one than many take to run.
    statements: RefCell<Vec<(&'static str, CachedStatement<'c>)>>,
}

/// The start of an attempt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Begin {
    pub(super) attempt: u32,
    pub(super) at: Timestamp,
    pub(super) process: Option<ProcessMark>,
}

impl Store {
    /// Makes changes durable in one transaction, in order, and says for each whether it was applied.
    ///
    /// # Errors
    /// [`CommitError`] when the disk or a lock is in the way; then nothing of it was written and the same
    /// changes can be committed again.
    pub fn commit(&mut self, changes: &[Change]) -> Result<Vec<Outcome>, CommitError> {
        Ok(self.transact(|writing| {
            writing.foresee(changes.iter());
            changes.iter().map(|change| changes::apply(writing, change)).collect()
        })?)
    }

    /// Runs one transaction: what `work` wrote is durable when this returns `Ok`, and gone otherwise.
    pub(super) fn transact<T>(
        &mut self,
        work: impl FnOnce(&mut Writing<'_>) -> Result<T, rusqlite::Error>,
    ) -> Result<T, rusqlite::Error> {
        let tx = self.reader.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut writing = Writing {
            conn: &tx,
            session: &self.session,
            unwritten: HashSet::new(),
            short: HashMap::new(),
            statements: RefCell::default(),
        };
        let done = work(&mut writing)?;
        drop(writing);
        tx.commit()?;
        Ok(done)
    }
}

impl<'c> Writing<'c> {
    pub(super) fn prepare(&self, sql: &str) -> Result<CachedStatement<'c>, rusqlite::Error> {
        prepare(self.conn, sql)
    }

    /// Runs one statement and says whether it changed a row.
    pub(super) fn run(
        &self,
        sql: &'static str,
        params: impl rusqlite::Params,
    ) -> Result<bool, rusqlite::Error> {
        self.with(sql, |statement| Ok(statement.execute(params)? > 0))
    }

    /// Asks a question and reads the first row of the answer.
    pub(super) fn ask<T>(
        &self,
        sql: &'static str,
        params: impl rusqlite::Params,
        read: impl FnOnce(&Row<'_>) -> Result<T, rusqlite::Error>,
    ) -> Result<Option<T>, rusqlite::Error> {
        self.with(sql, |statement| statement.query_row(params, read).optional())
    }

    fn with<T>(
        &self,
        sql: &'static str,
        work: impl FnOnce(&mut CachedStatement<'c>) -> Result<T, rusqlite::Error>,
    ) -> Result<T, rusqlite::Error> {
        let mut statements = self.statements.borrow_mut();
        if let Some((_, statement)) = statements.iter_mut().find(|(text, _)| ptr::eq(*text, sql)) {
            return work(statement);
        }
        let statement = &mut statements.push_mut((sql, self.prepare(sql)?)).1;
        work(statement)
    }

    /// Finds the runs among the changes to come that start and end with nothing between: short ones, of which there
    /// are many at once. Their start is answered for by their end.
    pub(super) fn foresee<'a>(&mut self, changes: impl Iterator<Item = &'a Change>) {
        let mut starts: HashMap<RunId, u32> = HashMap::new();
        for change in changes {
            match change {
                Change::Started { run, .. } => *starts.entry(*run).or_default() += 1,
                // Two of them are too many for one statement, and so is one with something else in between.
                Change::Retrying { run, .. } | Change::Ending { run, .. } => {
                    *starts.entry(*run).or_default() += 2;
                }
                Change::Finished(finish) if starts.get(&finish.run) == Some(&1) => {
                    self.short.insert(finish.run, None);
                }
                _ => {}
            }
        }
    }

    /// Keeps the start of a short run for its end; false = it is not one.
    pub(super) fn keep_start(&mut self, run: RunId, begin: Begin) -> bool {
        let Some(kept) = self.short.get_mut(&run) else { return false };
        *kept = Some(begin);
        true
    }

    /// Returns the start of a run that is written with its end.
    pub(super) fn kept_start(&mut self, run: RunId) -> Option<Begin> {
        self.short.remove(&run).flatten()
    }
}

//! Tests of the store, by the faults it must survive.

mod ledger;
mod life;
mod opening;
pub(super) mod plans;
mod questions;
mod restoring;
mod retention;
mod state;
mod writing;

use std::path::Path;

use super::{Outcome, Session, Store};
use crate::core::change::{Change, Claim, Finish, Gap};
use crate::core::instant::Timestamp;
use crate::core::name::Name;
use crate::core::run::{Exit, Reason, RunId, RunStatus, Source};

pub(super) fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(secs)
}

pub(super) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn session() -> Session {
    Session { host: "thor".to_owned(), boot_id: "boot-1".to_owned(), pid: 4711 }
}

fn memory() -> Store {
    Store::in_memory(session()).unwrap()
}

pub(super) fn open(dir: &Path) -> Store {
    Store::open(dir, session()).unwrap()
}

/// The claim of a fire time, made at that time.
fn claim(run: u64, job: &str, secs: i64) -> Change {
    Change::Claim(claim_of(run, job, secs))
}

fn claim_of(run: u64, job: &str, secs: i64) -> Claim {
    Claim {
        run: RunId(run),
        job: name(job),
        fire_time: Some(at(secs)),
        cursor: Some(at(secs)),
        source: Source::Schedule,
        queued_at: at(secs),
        due_at: at(secs),
        attempts: 1,
        coalesced: 0,
        note: None,
        priority: 0,
        pool: None,
        args: Vec::new(),
        forced: false,
    }
}

fn manual(run: u64, job: &str, secs: i64) -> Change {
    let claim = claim_of(run, job, secs);
    Change::Claim(Claim { fire_time: None, cursor: None, source: Source::Manual, ..claim })
}

fn gap(run: u64, job: &str, status: RunStatus, first: i64, last: i64, count: u64) -> Change {
    Change::Gap(Gap {
        run: RunId(run),
        job: name(job),
        status,
        reason: Reason::Grace,
        detail: None,
        first: at(first),
        last: at(last),
        count,
        at: at(last),
        cursor: Some(at(last)),
    })
}

fn started(run: u64, secs: i64) -> Change {
    Change::Started { run: RunId(run), attempt: 1, at: at(secs), process: None }
}

fn finish_of(run: u64, status: RunStatus, secs: i64) -> Finish {
    Finish {
        run: RunId(run),
        status,
        reason: None,
        detail: None,
        at: at(secs),
        duration: None,
        exit: (status == RunStatus::Succeeded).then_some(Exit::Code(0)),
        usage: None,
        result: None,
    }
}

fn finished(run: u64, status: RunStatus, secs: i64) -> Change {
    Change::Finished(finish_of(run, status, secs))
}

/// A whole run in three changes.
pub(super) fn whole(run: u64, job: &str, secs: i64, status: RunStatus) -> [Change; 3] {
    [claim(run, job, secs), started(run, secs), finished(run, status, secs + 1)]
}

fn commit(store: &mut Store, changes: &[Change]) -> Vec<Outcome> {
    store.commit(changes).unwrap()
}

fn apply(store: &mut Store, changes: &[Change]) {
    let outcomes = commit(store, changes);
    assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Applied), "{outcomes:?}");
}

fn cursor(store: &Store, job: &str) -> Option<Timestamp> {
    store.load().unwrap().jobs.into_iter().find(|row| row.name == name(job)).and_then(|row| row.cursor)
}

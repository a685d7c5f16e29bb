//! The store's thread: commits what is pending, and keeps trying when the disk does not take it.
//!
//! Work comes in through a channel. Everything that is pending is committed in one transaction; between
//! commits old rows are deleted in small pieces. When a commit fails the work is kept, in order, and tried
//! again until it works: nothing is lost but by the death of the process, and what it held was not yet
//! acknowledged to anyone.

use std::collections::VecDeque;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::changes;
use super::commit::{CommitError, Outcome};
use super::open::Store;
use super::outbox::{self, Delivery};
use super::retention::Prune;
use crate::core::change::Change;
use crate::core::instant::Timestamp;
use crate::core::job::Keep;
use crate::core::name::Name;
use crate::core::run::RunId;

/// The most changes in one transaction, unless one submission alone has more.
const GROUP: usize = 10_000;

/// After so many changes in one transaction there are pages in memory that are not needed soon.
const MANY: usize = 1_000;

/// How many rows retention deletes at once.
const PIECE: usize = 200;

/// How many jobs' histories it looks at in one transaction: after a burst that many are due at the same time, most
/// of them by a few rows.
const JOBS_AT_ONCE: usize = 64;

/// The longest pause between two tries, as a multiple of the first.
const LONGEST_PAUSE: u32 = 16;

/// How often the last commit is tried again when the writer is to end.
const LAST_TRIES: u32 = 3;

/// What the store's thread has to say.
#[derive(Debug, PartialEq, Eq)]
pub enum Report {
    /// What was submitted under this token is durable.
    Committed {
        /// The token.
        token: u64,
        /// What became of each change, in their order.
        outcomes: Vec<Outcome>,
    },
    /// The store cannot be written; said once until it recovers.
    Degraded {
        /// Why, as SQLite says it.
        error: String,
    },
    /// The store can be written again.
    Recovered,
    /// Retention has deleted these rows of a job; their output may go too.
    Pruned {
        /// The job.
        job: Name,
        /// The rows.
        runs: Vec<RunId>,
    },
}

/// The store on its own thread. When it is dropped, what is pending is committed and the log folded back
/// into the database; this waits for it.
#[derive(Debug)]
pub struct WriterHandle {
    /// `None` only while it is dropped: a closed channel tells the thread to end.
    sender: Option<Sender<Work>>,
    thread: Option<JoinHandle<()>>,
}

enum Work {
    Submit(Submission),
    Deliver(u64, Delivery),
    Prune { jobs: Vec<(Name, Keep)>, now: Timestamp },
    Trim { now: Timestamp },
}

struct Submission {
    token: u64,
    changes: Vec<Change>,
}

/// What a commit is made of, in the order in which it came.
enum Pending {
    Submission(Submission),
    Delivery(u64, Delivery),
}

impl Pending {
    fn changes(&self) -> &[Change] {
        match self {
            Pending::Submission(submission) => &submission.changes,
            Pending::Delivery(..) => &[],
        }
    }
}

/// Deleting that is still to do.
enum Chore {
    Prune(Prune),
    Trim { now: Timestamp },
}

impl WriterHandle {
    /// Gives the store to a new thread, which tells `report` what it has done, from that thread.
    ///
    /// `retry` is the first pause after a commit that failed; pauses double up to 16 times as much.
    pub fn spawn(store: Store, retry: Duration, report: impl Fn(Report) + Send + 'static) -> WriterHandle {
        let (sender, receiver) = mpsc::channel();
        let thread = thread::spawn(move || Writer::new(store, receiver, report, retry).work());
        WriterHandle { sender: Some(sender), thread: Some(thread) }
    }

    /// Hands over changes to commit; [`Report::Committed`] with this token says when they are durable.
    /// Submissions are committed in their order, several of them together.
    pub fn submit(&self, token: u64, changes: Vec<Change>) {
        self.send(Work::Submit(Submission { token, changes }));
    }

    /// Writes down how the delivery of a notice ended, with the next commit.
    pub fn deliver(&self, id: u64, delivery: Delivery) {
        self.send(Work::Deliver(id, delivery));
    }

    /// Deletes final rows of jobs beyond what each keeps, piece by piece between commits;
    /// [`Report::Pruned`] says which.
    pub fn prune(&self, jobs: Vec<(Name, Keep)>, now: Timestamp) {
        self.send(Work::Prune { jobs, now });
    }

    /// Deletes old events and changes of the job set, piece by piece between commits.
    pub fn trim(&self, now: Timestamp) {
        self.send(Work::Trim { now });
    }

    fn send(&self, work: Work) {
        if let Some(sender) = &self.sender {
            // The thread ends only when the channel is closed, unless `report` has panicked; then there is
            // nobody left who could be told.
            let _ = sender.send(work);
        }
    }
}

impl Drop for WriterHandle {
    fn drop(&mut self) {
        self.sender = None;
        if let Some(thread) = self.thread.take() {
            // A panic of `report` has been printed by its thread; there is nothing left to do about it.
            let _ = thread.join();
        }
    }
}

struct Writer<R> {
    store: Store,
    receiver: Receiver<Work>,
    report: R,
    retry: Duration,
    /// Commits that have failed in a row.
    failures: u32,
    /// True: a large commit, or the load at the start, has left pages in memory.
    has_pages: bool,
    pending: VecDeque<Pending>,
    chores: VecDeque<Chore>,
}

impl<R: Fn(Report)> Writer<R> {
    fn new(store: Store, receiver: Receiver<Work>, report: R, retry: Duration) -> Self {
        Writer {
            store,
            receiver,
            report,
            retry,
            failures: 0,
            has_pages: true,
            pending: VecDeque::new(),
            chores: VecDeque::new(),
        }
    }

    fn work(&mut self) {
        while self.wait() {
            self.take_what_is_there();
            if self.pending.is_empty() {
                self.do_a_piece();
            } else {
                self.commit();
            }
        }
        for _ in 0..=LAST_TRIES {
            while !self.pending.is_empty() && self.commit() {}
            if self.pending.is_empty() {
                break;
            }
            thread::sleep(self.retry);
        }
        self.store.fold_log();
    }

    /// Waits until there is something to do; false = the channel is closed.
    fn wait(&mut self) -> bool {
        if self.failures > 0 {
            return self.pause();
        }
        if !self.pending.is_empty() || !self.chores.is_empty() {
            return true;
        }
        if std::mem::take(&mut self.has_pages) {
            self.store.give_back_memory();
        }
        match self.receiver.recv() {
            Ok(work) => {
                self.take(work);
                true
            }
            Err(mpsc::RecvError) => false,
        }
    }

    /// Sits out the pause after a failure; what comes meanwhile joins what is pending.
    fn pause(&mut self) -> bool {
        let doublings = self.failures.saturating_sub(1).min(LONGEST_PAUSE.ilog2());
        let pause = self.retry.saturating_mul(1 << doublings);
        match self.receiver.recv_timeout(pause) {
            Ok(work) => {
                // New work shortens the pause, but no more than one try is made in the shortest one.
                self.take(work);
                thread::sleep(self.retry);
                true
            }
            Err(RecvTimeoutError::Timeout) => true,
            Err(RecvTimeoutError::Disconnected) => false,
        }
    }

    fn take_what_is_there(&mut self) {
        loop {
            match self.receiver.try_recv() {
                Ok(work) => self.take(work),
                Err(TryRecvError::Empty) => return,
                // A stop does not wait for millions of old rows to be deleted: the next start goes on with it.
                Err(TryRecvError::Disconnected) => return self.chores.clear(),
            }
        }
    }

    fn take(&mut self, work: Work) {
        match work {
            Work::Submit(submission) => self.pending.push_back(Pending::Submission(submission)),
            Work::Deliver(id, delivery) => self.pending.push_back(Pending::Delivery(id, delivery)),
            Work::Prune { jobs, now } => {
                let prunes = jobs.into_iter().map(|(job, keep)| Chore::Prune(Prune { job, keep, now }));
                self.chores.extend(prunes);
            }
            Work::Trim { now } => self.chores.push_back(Chore::Trim { now }),
        }
    }

    /// Commits what is pending, up to the size of a group; says whether that worked.
    fn commit(&mut self) -> bool {
        let group = self.group();
        let changes: usize = self.pending.iter().take(group).map(|pending| pending.changes().len()).sum();
        self.has_pages |= changes >= MANY;
        let batch: Vec<&Pending> = self.pending.iter().take(group).collect();
        let committed = self.store.transact(|w| {
            w.foresee(batch.iter().flat_map(|pending| pending.changes()));
            let mut outcomes = Vec::with_capacity(batch.len());
            for pending in batch {
                outcomes.push(match pending {
                    Pending::Submission(Submission { changes, .. }) => {
                        changes.iter().map(|change| changes::apply(w, change)).collect::<Result<_, _>>()?
                    }
                    Pending::Delivery(id, delivery) => {
                        outbox::record(w, *id, *delivery)?;
                        Vec::new()
                    }
                });
            }
            Ok(outcomes)
        });
        match committed {
            Ok(outcomes) => {
                self.succeeded();
                for (pending, outcomes) in self.pending.drain(..group).zip(outcomes) {
                    if let Pending::Submission(Submission { token, .. }) = pending {
                        (self.report)(Report::Committed { token, outcomes });
                    }
                }
                true
            }
            Err(error) => {
                self.failed(&CommitError::from(error));
                false
            }
        }
    }

    /// Returns how many pending items go into the next transaction: at least one.
    fn group(&self) -> usize {
        let mut changes = 0_usize;
        let fits = self.pending.iter().take_while(|pending| {
            changes = changes.saturating_add(pending.changes().len().max(1));
            changes <= GROUP
        });
        fits.count().max(1)
    }

    fn do_a_piece(&mut self) {
        let done = match self.chores.front() {
            None => return,
            Some(Chore::Prune(_)) => self.prune_a_piece(),
            Some(Chore::Trim { now }) => self.store.trim(*now, PIECE).map(|more| usize::from(!more)),
        };
        match done {
            Ok(done) => {
                self.succeeded();
                self.chores.drain(..done);
            }
            Err(error) => self.failed(&error),
        }
    }

    /// Deletes rows of the jobs that are next; returns how many of these have nothing left to delete.
    fn prune_a_piece(&mut self) -> Result<usize, CommitError> {
        let next = self.chores.iter().map_while(|chore| match chore {
            Chore::Prune(prune) => Some(prune),
            Chore::Trim { .. } => None,
        });
        let jobs: Vec<&Prune> = next.take(JOBS_AT_ONCE).collect();
        let gone = self.store.prune(&jobs, PIECE)?;
        for (prune, runs) in jobs.iter().zip(&gone.runs) {
            if !runs.is_empty() {
                (self.report)(Report::Pruned { job: prune.job.clone(), runs: runs.clone() });
            }
        }
        Ok(gone.done)
    }

    fn succeeded(&mut self) {
        if self.failures > 0 {
            self.failures = 0;
            (self.report)(Report::Recovered);
        }
    }

    fn failed(&mut self, error: &CommitError) {
        self.failures = self.failures.saturating_add(1);
        if self.failures == 1 {
            (self.report)(Report::Degraded { error: error.to_string() });
        }
    }
}

impl Store {
    /// Lets go of the pages that loading and large commits have left in memory.
    pub fn give_back_memory(&self) {
        self.reader.give_back_memory();
    }

    /// Folds the write-ahead log back into the database, so that a clean stop leaves one complete file.
    fn fold_log(&self) {
        // A reader may be in the way; the log then stays and is folded by whoever comes next.
        let _ = self.reader.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::{Work, Writer};
    use crate::core::change::Change;
    use crate::core::job::Keep;
    use crate::core::run::RunStatus;
    use crate::store::Reader;
    use crate::store::tests::{at, name, open, whole};

    #[test]
    fn a_stop_commits_what_is_pending_and_leaves_old_rows_to_the_next_start() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = open(dir.path());
        for run in 1..=20 {
            store.commit(&whole(run, "a", i64::try_from(run).unwrap() * 60, RunStatus::Succeeded)).unwrap();
        }
        let (sender, receiver) = mpsc::channel();
        let keep = Keep { runs: 1, age: Duration::from_secs(1 << 40) };
        sender.send(Work::Prune { jobs: vec![(name("a"), keep)], now: at(99_999) }).unwrap();
        let changes = vec![Change::Heartbeat { at: at(5_000) }];
        sender.send(Work::Submit(super::Submission { token: 1, changes })).unwrap();
        drop(sender);
        Writer::new(store, receiver, |_| {}, Duration::ZERO).work();
        let reader = Reader::open(dir.path()).unwrap().unwrap();
        assert_eq!(reader.heartbeat().unwrap(), Some(at(5_000)));
        assert_eq!(reader.counts_of(&name("a")).unwrap().values().sum::<u64>(), 20);
        assert_eq!(reader.history(&Default::default()).unwrap().len(), 20);
    }
}

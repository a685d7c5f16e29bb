//! The store's thread, and disks that do not take a commit.

use std::path::Path;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use rusqlite::Connection;

use super::{apply, at, claim, commit, memory, name, open, whole};
use crate::core::change::{Change, Notice, NoticeKind};
use crate::core::event::{Event, EventKind};
use crate::core::job::Keep;
use crate::core::run::{RunId, RunStatus};
use crate::store::{DATABASE_FILE, Delivery, EventFilter, Outcome, Reader, Report, WriterHandle};

const RETRY: Duration = Duration::from_millis(5);

fn spawn(dir: &Path) -> (WriterHandle, Receiver<Report>) {
    let store = open(dir);
    store.reader.conn.busy_timeout(Duration::from_millis(50)).unwrap();
    let (sender, receiver) = mpsc::channel();
    // The test may be over before the last report.
    let writer = WriterHandle::spawn(store, RETRY, move |report| drop(sender.send(report)));
    (writer, receiver)
}

fn next(reports: &Receiver<Report>) -> Report {
    reports.recv_timeout(Duration::from_secs(30)).unwrap()
}

fn committed(token: u64) -> Report {
    Report::Committed { token, outcomes: vec![Outcome::Applied] }
}

fn event(n: i64) -> Change {
    Change::Event(Event::new(at(n), EventKind::RunQueued))
}

/// Makes every commit of an event fail, as a full disk would, until it is healed.
fn break_disk(conn: &Connection) {
    conn.execute_batch(
        "CREATE TRIGGER full BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'disk is full'); END",
    )
    .unwrap();
}

fn heal_disk(conn: &Connection) {
    conn.busy_timeout(Duration::from_secs(30)).unwrap();
    conn.execute_batch("DROP TRIGGER full").unwrap();
}

#[test]
fn submissions_are_committed_in_order_with_their_outcomes() {
    let dir = tempfile::tempdir().unwrap();
    let (writer, reports) = spawn(dir.path());
    writer.submit(1, vec![claim(1, "a", 60), claim(2, "a", 60)]);
    writer.submit(2, vec![]);
    writer.submit(3, vec![claim(3, "a", 120)]);
    let outcomes = vec![Outcome::Applied, Outcome::Refused];
    assert_eq!(next(&reports), Report::Committed { token: 1, outcomes });
    assert_eq!(next(&reports), Report::Committed { token: 2, outcomes: vec![] });
    assert_eq!(next(&reports), committed(3));
}

#[test]
fn what_is_pending_when_the_writer_goes_is_committed() {
    let dir = tempfile::tempdir().unwrap();
    let (writer, reports) = spawn(dir.path());
    for token in 1..=500 {
        writer.submit(token, vec![event(1)]);
    }
    drop(writer);
    assert_eq!(reports.iter().collect::<Vec<_>>(), (1..=500).map(committed).collect::<Vec<_>>());
    assert!(!dir.path().join("jobctl.db-wal").exists(), "the log is folded into the database");
    assert_eq!(Reader::open(dir.path()).unwrap().unwrap().last_seq().unwrap(), 500);
}

#[test]
fn s1_a_full_disk_degrades_and_heals_without_loss_and_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let (writer, reports) = spawn(dir.path());
    writer.submit(1, vec![event(1)]);
    assert_eq!(next(&reports), committed(1));
    let disk = Connection::open(dir.path().join(DATABASE_FILE)).unwrap();
    break_disk(&disk);
    writer.submit(2, vec![claim(1, "a", 60), event(2)]);
    let Report::Degraded { error } = next(&reports) else { panic!("not degraded") };
    assert!(error.contains("disk is full"), "{error}");
    writer.submit(3, vec![event(3)]);
    writer.submit(4, vec![event(4)]);
    assert!(reports.recv_timeout(20 * RETRY).is_err(), "it is said once");
    let reader = Reader::open(dir.path()).unwrap().unwrap();
    assert!(reader.run(RunId(1)).unwrap().is_none(), "half a transaction is nothing");
    heal_disk(&disk);
    assert_eq!(next(&reports), Report::Recovered);
    let outcomes = vec![Outcome::Applied; 2];
    assert_eq!(next(&reports), Report::Committed { token: 2, outcomes });
    assert_eq!(next(&reports), committed(3));
    assert_eq!(next(&reports), committed(4));
    let instants: Vec<_> =
        reader.events(&EventFilter::default()).unwrap().into_iter().map(|event| event.at).collect();
    assert_eq!(instants, [at(1), at(2), at(3), at(4)]);
}

#[test]
fn s1_a_store_without_room_writes_nothing_of_a_transaction() {
    let mut store = memory();
    apply(&mut store, &[claim(1, "a", 60)]);
    let conn = &store.reader.conn;
    let pages: i64 = conn.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    conn.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();
    let large = Change::Define { job: name("a"), toml: "x".repeat(100_000) };
    let error = store.commit(&[claim(2, "a", 120), large.clone()]).unwrap_err();
    assert!(error.to_string().contains("full"), "{error}");
    assert!(store.reader().run(RunId(2)).unwrap().is_none());
    assert_eq!(super::cursor(&store, "a"), Some(at(60)));
    let conn = &store.reader.conn;
    conn.pragma_update_and_check(None, "max_page_count", pages + 100, |_| Ok(())).unwrap();
    apply(&mut store, &[claim(2, "a", 120), large]);
}

#[test]
fn s1_a_writer_that_must_go_while_the_disk_is_full_does_not_hang() {
    let dir = tempfile::tempdir().unwrap();
    let (writer, reports) = spawn(dir.path());
    break_disk(&Connection::open(dir.path().join(DATABASE_FILE)).unwrap());
    writer.submit(1, vec![event(1)]);
    drop(writer);
    assert!(matches!(reports.iter().collect::<Vec<_>>()[..], [Report::Degraded { .. }]));
}

#[test]
fn s2_a_lock_held_by_another_process_costs_time_only() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let other = Connection::open(dir.path().join(DATABASE_FILE)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (done, outcomes) = mpsc::channel();
    std::thread::spawn(move || done.send(commit(&mut store, &[claim(1, "a", 60)])));
    assert!(outcomes.recv_timeout(Duration::from_millis(200)).is_err(), "it waits");
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(outcomes.recv_timeout(Duration::from_secs(30)).unwrap(), [Outcome::Applied]);
}

#[test]
fn s2_a_lock_held_too_long_degrades_and_heals() {
    let dir = tempfile::tempdir().unwrap();
    let (writer, reports) = spawn(dir.path());
    let other = Connection::open(dir.path().join(DATABASE_FILE)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    writer.submit(1, vec![event(1)]);
    assert!(matches!(next(&reports), Report::Degraded { .. }));
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(next(&reports), Report::Recovered);
    assert_eq!(next(&reports), committed(1));
}

#[test]
fn retention_goes_on_between_commits() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    for run in 1..=450 {
        let secs = i64::try_from(run).unwrap() * 60;
        store.commit(&whole(run, "a", secs, RunStatus::Succeeded)).unwrap();
    }
    drop(store);
    let (writer, reports) = spawn(dir.path());
    let age = Duration::from_secs(1 << 40);
    writer.prune(vec![(name("a"), Keep { runs: 10, age })], at(99_999));
    writer.trim(at(99_999));
    let mut gone = Vec::new();
    while gone.len() < 440 {
        match next(&reports) {
            Report::Pruned { job, runs } => {
                assert_eq!(job, name("a"));
                assert!(runs.len() <= 200);
                gone.extend(runs.into_iter().map(|run| run.0));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(gone, (1..=440).collect::<Vec<_>>());
    writer.submit(1, vec![event(1)]);
    assert_eq!(next(&reports), committed(1));
}

#[test]
fn n1_deliveries_are_written_with_the_next_commit() {
    let dir = tempfile::tempdir().unwrap();
    let (writer, reports) = spawn(dir.path());
    let notice =
        Notice { notifier: name("mail"), job: name("a"), run: None, at: at(1), kind: NoticeKind::Overdue };
    writer.submit(1, vec![Change::Notify(notice)]);
    writer.deliver(1, Delivery::Failed { next_at: at(90) });
    writer.submit(2, vec![event(1)]);
    assert_eq!(next(&reports), committed(1));
    assert_eq!(next(&reports), committed(2));
    let reader = Reader::open(dir.path()).unwrap().unwrap();
    assert_eq!(reader.outbox_next().unwrap(), Some(at(90)));
    writer.deliver(1, Delivery::Done);
    drop(writer);
    assert_eq!(Reader::open(dir.path()).unwrap().unwrap().outbox_next().unwrap(), None);
}

#[test]
fn a_backup_is_made_while_the_daemon_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let (writer, reports) = spawn(dir.path());
    writer.submit(1, vec![claim(1, "a", 60)]);
    assert_eq!(next(&reports), committed(1));
    let safe = tempfile::tempdir().unwrap();
    let reader = Reader::open(dir.path()).unwrap().unwrap();
    reader.backup(&safe.path().join(DATABASE_FILE)).unwrap();
    writer.submit(2, vec![claim(2, "a", 120)]);
    assert_eq!(next(&reports), committed(2));
    assert_eq!(Reader::open(safe.path()).unwrap().unwrap().unfinished().unwrap().len(), 1);
}

//! What goes and what stays.

use std::time::Duration;

use super::{apply, at, claim, gap, manual, memory, name, whole};
use crate::core::change::{Actor, Change, Revision, StepRecord};
use crate::core::event::{Event, EventKind};
use crate::core::instant::Timestamp;
use crate::core::job::Keep;
use crate::core::run::{RunId, RunStatus};
use crate::store::retention::{EVENT_AGE, KEPT_EVENTS, KEPT_REVISIONS, Prune};
use crate::store::{EventFilter, HistoryFilter, Outcome, Store};

/// More than the tests make otherwise.
const RUNS: u64 = 1_000;

const FOREVER: Duration = Duration::from_secs(u64::MAX / 4);

fn ledger(runs: u64) -> Store {
    let mut store = memory();
    for run in 1..=runs {
        apply(&mut store, &whole(run, "a", i64::try_from(run).unwrap() * 60, RunStatus::Succeeded));
    }
    store
}

fn left(store: &Store) -> Vec<u64> {
    let rows = store.reader().history(&HistoryFilter::default()).unwrap();
    rows.into_iter().map(|row| row.run.0).collect()
}

fn prune(store: &mut Store, keep: Keep, now: Timestamp, limit: usize) -> Vec<u64> {
    let prune = Prune { job: name("a"), keep, now };
    let gone = store.prune(&[&prune], limit).unwrap();
    gone.runs.into_iter().flatten().map(|run| run.0).collect()
}

#[test]
fn rows_beyond_the_number_go_oldest_first_in_pieces() {
    let mut store = ledger(10);
    let keep = Keep { runs: 3, age: FOREVER };
    assert_eq!(prune(&mut store, keep, at(9999), 5), [1, 2, 3, 4, 5]);
    assert_eq!(prune(&mut store, keep, at(9999), 5), [6, 7]);
    assert_eq!(prune(&mut store, keep, at(9999), 5), [0; 0]);
    assert_eq!(left(&store), [10, 9, 8]);
    let counts = store.reader().counts_of(&name("a")).unwrap();
    assert_eq!(counts.get(&RunStatus::Succeeded), Some(&10), "counts outlive the rows");
}

#[test]
fn rows_beyond_the_age_go() {
    let mut store = ledger(10);
    let keep = Keep { runs: 100, age: Duration::from_secs(60) };
    // Run n is over at 60 n + 1.
    assert_eq!(prune(&mut store, keep, at(6 * 60 + 1), 100), [1, 2, 3, 4]);
    assert_eq!(prune(&mut store, keep, at(6 * 60 + 2), 100), [5]);
}

#[test]
fn what_is_not_over_and_other_jobs_stay() {
    let mut store = ledger(2);
    apply(&mut store, &[claim(3, "a", 180), manual(4, "b", 1)]);
    apply(&mut store, &whole(5, "b", 60, RunStatus::Failed));
    let keep = Keep { runs: 0, age: Duration::ZERO };
    assert_eq!(prune(&mut store, keep, at(9999), 100), [1, 2]);
    assert_eq!(left(&store), [5, 4, 3]);
}

#[test]
fn t8_rows_after_the_cursor_keep_their_fire_times_from_running_again() {
    let mut store = ledger(10);
    apply(&mut store, &[Change::Cursor { job: name("a"), cursor: at(240) }]);
    let keep = Keep { runs: 0, age: Duration::ZERO };
    assert_eq!(prune(&mut store, keep, at(9999), 100), [1, 2, 3, 4]);
}

/// Says for fire times in minutes, by trying, which can be claimed.
fn claimable(store: &mut Store, minutes: impl IntoIterator<Item = i64>) -> Vec<i64> {
    let tried =
        minutes.into_iter().map(|minute| (minute, claim(RUNS + minute.unsigned_abs(), "a", minute * 60)));
    tried
        .filter(|(_, claim)| store.commit(std::slice::from_ref(claim)).unwrap() == [Outcome::Applied])
        .map(|(minute, _)| minute)
        .collect()
}

#[test]
fn t8_a_fire_time_whose_row_was_deleted_is_not_claimed_again() {
    for piece in [1, 3, 100] {
        let mut store = ledger(10);
        let keep = Keep { runs: 2, age: FOREVER };
        while !prune(&mut store, keep, at(9999), piece).is_empty() {}
        assert_eq!(left(&store), [10, 9]);
        assert_eq!(claimable(&mut store, 0..=12), [0, 11, 12], "in pieces of {piece}");
    }
}

#[test]
fn t8_deleted_rows_of_fire_times_without_a_run_leave_them_free() {
    for piece in [1, 2, 100] {
        let mut store = memory();
        let mut run = 0;
        let mut next = || {
            run += 1;
            run
        };
        for minute in [1, 2] {
            apply(&mut store, &whole(next(), "a", minute * 60, RunStatus::Succeeded));
        }
        // A clock that was far ahead: a stretch was missed, and then runs were made.
        apply(&mut store, &[gap(next(), "a", RunStatus::Missed, 3 * 60, 50 * 60, 48)]);
        for minute in [51, 52, 54] {
            apply(&mut store, &whole(next(), "a", minute * 60, RunStatus::Failed));
        }
        let keep = Keep { runs: 0, age: FOREVER };
        while !prune(&mut store, keep, at(9999), piece).is_empty() {}
        assert_eq!(left(&store), [0; 0]);
        // Between 52 and 54 nothing was due.
        let free = claimable(&mut store, 0..=60);
        let expected: Vec<i64> = [0].into_iter().chain(3..=50).chain(55..=60).collect();
        assert_eq!(free, expected, "in pieces of {piece}");
    }
}

#[test]
fn t8_what_a_job_was_not_due_for_stays_free_between_deleted_rows() {
    for piece in [1, 100] {
        let mut store = memory();
        apply(&mut store, &whole(1, "a", 60, RunStatus::Succeeded));
        // It was disabled until minute 10.
        apply(&mut store, &[Change::Cursor { job: name("a"), cursor: at(10 * 60 - 30) }]);
        apply(&mut store, &whole(2, "a", 10 * 60, RunStatus::Succeeded));
        let keep = Keep { runs: 0, age: FOREVER };
        while !prune(&mut store, keep, at(9999), piece).is_empty() {}
        let expected: Vec<i64> = [0].into_iter().chain(2..=9).chain([11]).collect();
        assert_eq!(claimable(&mut store, 0..=11), expected, "in pieces of {piece}");
    }
}

#[test]
fn what_was_deleted_is_remembered_in_bounded_space_and_forgotten_with_the_trigger() {
    let mut store = memory();
    let keep = Keep { runs: 0, age: FOREVER };
    for nth in 0..100 {
        let minute = i64::try_from(nth).unwrap() * 2;
        apply(&mut store, &whole(nth * 2 + 1, "a", minute * 60, RunStatus::Succeeded));
        apply(
            &mut store,
            &[gap(nth * 2 + 2, "a", RunStatus::Skipped, (minute + 1) * 60, (minute + 1) * 60, 1)],
        );
        prune(&mut store, keep, at(99_999), 100);
    }
    let stretches = "SELECT count(*) FROM pruned";
    let count =
        |store: &Store| -> i64 { store.reader.conn.query_row(stretches, [], |row| row.get(0)).unwrap() };
    assert_eq!(count(&store), 32);
    assert_eq!(claimable(&mut store, 190..=200), [191, 193, 195, 197, 199, 200], "the latest are exact");
    assert_eq!(claimable(&mut store, 0..=20), [0; 0], "the earliest are one");
    let (job, cursor, anchor) = (name("a"), at(0), at(0));
    apply(&mut store, &[Change::Track { job, cursor, anchor, trigger: "every 1m".to_owned() }]);
    assert_eq!(count(&store), 0);
    assert_eq!(claimable(&mut store, [0]), [0]);
}

#[test]
fn one_piece_goes_through_several_jobs() {
    let mut store = ledger(5);
    for run in 6..=8_i64 {
        let number = u64::try_from(run).unwrap();
        apply(&mut store, &whole(number, "b", run * 60, RunStatus::Succeeded));
    }
    let jobs = ["a", "nobody", "b"].map(|job| Prune {
        job: name(job),
        keep: Keep { runs: 1, age: FOREVER },
        now: at(9999),
    });
    let mut prune = |limit| {
        let gone = store.prune(&jobs.each_ref(), limit).unwrap();
        let runs = gone.runs.iter().map(|runs| runs.iter().map(|run| run.0).collect::<Vec<_>>());
        (runs.collect::<Vec<_>>(), gone.done)
    };
    assert_eq!(prune(3), (vec![vec![1, 2, 3]], 0));
    assert_eq!(prune(2), (vec![vec![4], vec![], vec![6]], 2));
    assert_eq!(prune(2), (vec![vec![], vec![], vec![7]], 3));
    assert_eq!(left(&store), [8, 5]);
}

#[test]
fn steps_go_with_their_run() {
    let mut store = ledger(2);
    let step = StepRecord {
        attempt: 1,
        position: 0,
        name: "s".to_owned(),
        status: RunStatus::Succeeded,
        started_at: None,
        duration: None,
        exit: None,
        output_offset: None,
        detail: None,
    };
    for run in [1, 2] {
        apply(&mut store, &[Change::Step { run: RunId(run), step: step.clone() }]);
    }
    prune(&mut store, Keep { runs: 1, age: FOREVER }, at(9999), 100);
    assert!(store.reader().steps(RunId(1)).unwrap().is_empty());
    assert_eq!(store.reader().steps(RunId(2)).unwrap().len(), 1);
}

#[test]
fn a_row_beyond_number_and_age_is_named_once() {
    let mut store = ledger(10);
    assert_eq!(
        prune(&mut store, Keep { runs: 5, age: Duration::ZERO }, at(9999), 100),
        (1..=10).collect::<Vec<_>>()
    );
}

#[test]
fn old_events_go_by_age() {
    let mut store = memory();
    let changes: Vec<Change> =
        (1..=20).map(|n| Change::Event(Event::new(at(n), EventKind::RunQueued))).collect();
    apply(&mut store, &changes);
    let now = at(11).plus(EVENT_AGE);
    assert!(store.trim(now, 4).unwrap());
    assert!(store.trim(now, 4).unwrap());
    assert!(!store.trim(now, 4).unwrap());
    let left = store.reader().events(&EventFilter::default()).unwrap();
    assert_eq!(left.first().unwrap().seq, 11);
    assert_eq!(store.reader().last_seq().unwrap(), 20);
}

#[test]
fn old_events_and_revisions_go_by_number() {
    let mut store = memory();
    apply(&mut store, &[Change::Event(Event::new(at(1), EventKind::RunQueued))]);
    let revision = Revision {
        at: at(1),
        action: EventKind::JobEdited,
        job: name("a"),
        before: None,
        after: None,
        by: Actor::JobFile,
    };
    apply(&mut store, &[Change::Revision(revision.clone())]);
    // As if as many as are kept had come since.
    let skip = format!(
        "UPDATE sqlite_sequence SET seq = {KEPT_EVENTS} WHERE name = 'events';
         UPDATE sqlite_sequence SET seq = {KEPT_REVISIONS} WHERE name = 'revisions'"
    );
    store.reader.conn.execute_batch(&skip).unwrap();
    apply(&mut store, &[Change::Event(Event::new(at(1), EventKind::RunQueued)), Change::Revision(revision)]);
    store.trim(at(1), 10).unwrap();
    let events = store.reader().events(&EventFilter::default()).unwrap();
    assert_eq!(events.iter().map(|event| event.seq).collect::<Vec<_>>(), [KEPT_EVENTS + 1]);
    let revisions = store.reader().revisions(None, 10).unwrap();
    assert_eq!(revisions.iter().map(|row| row.id).collect::<Vec<_>>(), [KEPT_REVISIONS + 1]);
}

//! Claims, gaps and the life of a row.

use std::time::Duration;

use super::{
    apply, at, claim, claim_of, commit, cursor, finished, gap, manual, memory, name, session, started, whole,
};
use crate::core::change::{Change, Claim, Retraction, StepRecord};
use crate::core::event::{Event, EventKind};
use crate::core::run::{Exit, Reason, RunId, RunStatus};
use crate::store::{EventFilter, HistoryFilter, Outcome, QueryError};

const APPLIED: Outcome = Outcome::Applied;
const REFUSED: Outcome = Outcome::Refused;

#[test]
fn a_fire_time_is_claimed_once() {
    let mut store = memory();
    apply(&mut store, &[claim(1, "a", 60), claim(2, "b", 60), claim(3, "a", 120)]);
    let again = Change::Claim(Claim { cursor: Some(at(999)), ..claim_of(4, "a", 60) });
    assert_eq!(commit(&mut store, std::slice::from_ref(&again)), [REFUSED]);
    assert_eq!(commit(&mut store, &[claim(5, "a", 180), again]), [APPLIED, REFUSED]);
    assert_eq!(cursor(&store, "a"), Some(at(180)), "a refused claim moves no cursor");
    assert!(store.reader().run(RunId(4)).unwrap().is_none());
}

#[test]
fn a_fire_time_is_claimed_once_within_one_transaction() {
    let mut store = memory();
    assert_eq!(commit(&mut store, &[claim(1, "a", 60), claim(2, "a", 60)]), [APPLIED, REFUSED]);
}

#[test]
fn a_finished_run_still_holds_its_fire_time() {
    let mut store = memory();
    apply(&mut store, &whole(1, "a", 60, RunStatus::Failed));
    assert_eq!(commit(&mut store, &[claim(2, "a", 60)]), [REFUSED]);
}

#[test]
fn manual_runs_have_no_fire_time_to_hold() {
    let mut store = memory();
    apply(&mut store, &[manual(1, "a", 60), manual(2, "a", 60)]);
    assert_eq!(cursor(&store, "a"), None);
}

#[test]
fn a_number_is_used_once() {
    let mut store = memory();
    assert_eq!(commit(&mut store, &[claim(1, "a", 60), claim(1, "b", 60)]), [APPLIED, REFUSED]);
}

#[test]
fn t8_a_range_covers_its_fire_times() {
    let mut store = memory();
    apply(
        &mut store,
        &[gap(1, "a", RunStatus::Missed, 60, 600, 10), gap(2, "a", RunStatus::Skipped, 660, 660, 1)],
    );
    for (secs, expected) in
        [(59, APPLIED), (60, REFUSED), (300, REFUSED), (600, REFUSED), (630, APPLIED), (660, REFUSED)]
    {
        let run = 1000 + u64::try_from(secs).unwrap();
        assert_eq!(commit(&mut store, &[claim(run, "a", secs)]), [expected], "{secs}");
        assert_eq!(commit(&mut store, &[claim(run + 5000, "b", secs)]), [APPLIED], "{secs}");
    }
}

#[test]
fn a_gap_leaves_an_occurrence_that_has_a_row() {
    let mut store = memory();
    apply(&mut store, &whole(1, "a", 60, RunStatus::Succeeded));
    let mut told = Event::new(at(90), EventKind::RunMissed);
    told.run = Some(RunId(2));
    let outcomes = commit(&mut store, &[gap(2, "a", RunStatus::Missed, 60, 60, 1), Change::Event(told)]);
    assert_eq!(outcomes, [APPLIED, REFUSED], "there is nothing to tell of a row that was not written");
    assert!(store.reader().run(RunId(2)).unwrap().is_none());
    assert_eq!(store.reader().run_at(&name("a"), at(60)).unwrap().unwrap().status, RunStatus::Succeeded);
    assert_eq!(store.reader().counts_of(&name("a")).unwrap().get(&RunStatus::Missed), None);
}

#[test]
fn a_gap_that_runs_into_another_stretch_ends_before_it() {
    let mut store = memory();
    apply(&mut store, &[gap(1, "a", RunStatus::Missed, 600, 1200, 11)]);
    apply(&mut store, &[gap(2, "a", RunStatus::Missed, 60, 600, 10)]);
    let row = store.reader().run(RunId(2)).unwrap().unwrap();
    assert_eq!((row.first_fire_time, row.occurrences), (Some(at(60)), 9));
    assert!(row.fire_time.is_some_and(|last| last < at(600)), "{row:?}");
    apply(&mut store, &[gap(3, "a", RunStatus::Missed, 660, 900, 5)]);
    assert!(store.reader().run(RunId(3)).unwrap().is_none(), "all of it has its row");
}

#[test]
fn the_event_of_a_refused_claim_is_not_told() {
    let mut store = memory();
    apply(&mut store, &[claim(1, "a", 60)]);
    let queued = |run| {
        let mut event = Event::new(at(60), EventKind::RunQueued);
        event.run = Some(RunId(run));
        Change::Event(event)
    };
    let changes = [claim(2, "a", 60), queued(2), claim(3, "a", 120), queued(3)];
    assert_eq!(commit(&mut store, &changes), [REFUSED, REFUSED, APPLIED, APPLIED]);
    let told = store.reader().events(&EventFilter::default()).unwrap();
    assert_eq!(told.iter().map(|event| event.run).collect::<Vec<_>>(), [Some(RunId(3))]);
}

#[test]
fn cursors_move_as_told_also_back() {
    let mut store = memory();
    apply(&mut store, &[claim(1, "a", 600)]);
    assert_eq!(cursor(&store, "a"), Some(at(600)));
    apply(&mut store, &[Change::Cursor { job: name("a"), cursor: at(60) }]);
    assert_eq!(cursor(&store, "a"), Some(at(60)));
    apply(&mut store, &[gap(2, "a", RunStatus::Missed, 120, 240, 3)]);
    assert_eq!(cursor(&store, "a"), Some(at(240)));
}

#[test]
fn what_is_over_stays_as_it_is() {
    let mut store = memory();
    apply(&mut store, &whole(1, "a", 60, RunStatus::Succeeded));
    let before = store.reader().run(RunId(1)).unwrap();
    let retrying = |run| Change::Retrying {
        run: RunId(run),
        attempt: 2,
        retry_at: at(1),
        reason: Reason::Signal,
        detail: None,
        exit: None,
    };
    for run in [1, 404] {
        let late = [started(run, 90), retrying(run), finished(run, RunStatus::Lost, 99)];
        assert_eq!(commit(&mut store, &late), [REFUSED, REFUSED, REFUSED]);
    }
    assert_eq!(
        commit(&mut store, &[claim(2, "a", 120), finished(2, RunStatus::Running, 121)]),
        [APPLIED, REFUSED]
    );
    assert_eq!(store.reader().run(RunId(1)).unwrap(), before);
    assert_eq!(
        store.reader().counts_of(&name("a")).unwrap().into_iter().collect::<Vec<_>>(),
        [(RunStatus::Succeeded, 1)]
    );
}

#[test]
fn steps_are_kept_in_order_and_written_once() {
    let mut store = memory();
    apply(&mut store, &[claim(1, "a", 60), started(1, 60)]);
    let step = |attempt, position, detail: &str| StepRecord {
        attempt,
        position,
        name: format!("step-{position}"),
        status: RunStatus::Failed,
        started_at: Some(at(61)),
        duration: Some(Duration::from_secs(2)),
        exit: Some(Exit::Signal(15)),
        output_offset: Some(4096),
        detail: Some(detail.to_owned()),
    };
    let record = |run, step| Change::Step { run: RunId(run), step };
    apply(&mut store, &[record(1, step(2, 0, "c")), record(1, step(1, 1, "b")), record(1, step(1, 0, "a"))]);
    apply(&mut store, &[record(1, step(1, 1, "again"))]);
    assert_eq!(commit(&mut store, &[record(404, step(1, 0, "x"))]), [REFUSED]);
    let steps = store.reader().steps(RunId(1)).unwrap();
    let seen: Vec<_> = steps.iter().map(|s| (s.attempt, s.position, s.detail.as_deref().unwrap())).collect();
    assert_eq!(seen, [(1, 0, "a"), (1, 1, "again"), (2, 0, "c")]);
    let first = steps.first().unwrap();
    assert_eq!((first.exit, first.output_offset), (Some(Exit::Signal(15)), Some(4096)));
    assert_eq!((first.status, first.duration), (RunStatus::Failed, Some(Duration::from_secs(2))));
}

#[test]
fn t8_rows_in_the_future_are_cut_back_and_can_be_claimed() {
    let mut store = memory();
    apply(
        &mut store,
        &[gap(1, "a", RunStatus::Missed, 60, 600, 10), gap(2, "a", RunStatus::Skipped, 660, 660, 1)],
    );
    apply(&mut store, &whole(3, "a", 720, RunStatus::Succeeded));
    let rows = store.reader().future_gaps(at(300)).unwrap();
    let seen: Vec<_> = rows.iter().map(|row| (row.run.0, row.first, row.last, row.count)).collect();
    assert_eq!(seen, [(1, at(60), at(600), 10), (2, at(660), at(660), 1)]);
    assert!(store.reader().future_gaps(at(660)).unwrap().is_empty());

    let rows = vec![
        Retraction { run: RunId(1), remains: Some((at(300), 5)) },
        Retraction { run: RunId(2), remains: None },
        Retraction { run: RunId(3), remains: None },
        Retraction { run: RunId(404), remains: None },
    ];
    apply(&mut store, &[Change::Retract { job: name("a"), rows }]);
    let claims = [claim(10, "a", 300), claim(11, "a", 360), claim(12, "a", 660), claim(13, "a", 720)];
    assert_eq!(commit(&mut store, &claims), [REFUSED, APPLIED, APPLIED, REFUSED], "a run is not retracted");
    let row = store.reader().run(RunId(1)).unwrap().unwrap();
    assert_eq!((row.first_fire_time, row.fire_time, row.occurrences), (Some(at(60)), Some(at(300)), 5));
    let counts = store.reader().counts_of(&name("a")).unwrap();
    assert_eq!(counts.get(&RunStatus::Missed), Some(&5));
    assert_eq!(counts.get(&RunStatus::Skipped), Some(&0));
}

#[test]
fn t8_a_range_is_cut_back_beside_a_run_with_its_own_row() {
    let mut store = memory();
    apply(&mut store, &whole(1, "a", 300, RunStatus::Succeeded));
    apply(&mut store, &[gap(2, "a", RunStatus::Missed, 60, 600, 9)]);
    let rows = vec![Retraction { run: RunId(2), remains: Some((at(300), 4)) }];
    apply(&mut store, &[Change::Retract { job: name("a"), rows }]);
    assert_eq!(commit(&mut store, &[claim(3, "a", 240), claim(4, "a", 360)]), [REFUSED, APPLIED]);
    assert_eq!(store.reader().run_at(&name("a"), at(300)).unwrap().unwrap().run, RunId(1));
}

#[test]
fn t9_a_row_for_a_stretch_stands_for_those_without_rows_of_their_own() {
    let mut store = memory();
    for (run, secs) in [(1, 120), (2, 300)] {
        apply(&mut store, &whole(run, "a", secs, RunStatus::Succeeded));
    }
    // 60 to 300 comes a second time, and nothing of it is started; so does 120 alone.
    apply(&mut store, &[gap(3, "a", RunStatus::Skipped, 60, 300, 5)]);
    apply(&mut store, &[gap(4, "a", RunStatus::Skipped, 120, 120, 1)]);
    let row = store.reader().run(RunId(3)).unwrap().unwrap();
    assert_eq!((row.occurrences, row.first_fire_time), (3, Some(at(60))));
    assert!(store.reader().run(RunId(4)).unwrap().is_none());
    let owner = |secs| store.reader().run_at(&name("a"), at(secs)).unwrap().map(|row| row.run.0);
    assert_eq!([60, 120, 180, 240, 300].map(owner), [3, 1, 3, 3, 2].map(Some));
    assert_eq!(store.reader().counts_of(&name("a")).unwrap().get(&RunStatus::Skipped), Some(&3));
}

#[test]
fn t9_rows_of_an_earlier_trigger_are_not_taken_for_those_of_this_one() {
    let mut store = memory();
    for run in 1..=9 {
        apply(&mut store, &whole(run, "a", 60 * i64::try_from(run).unwrap() + 7, RunStatus::Succeeded));
    }
    let (cursor, anchor, trigger) = (at(0), at(0), "every 3m".to_owned());
    apply(&mut store, &[Change::Track { job: name("a"), cursor, anchor, trigger }]);
    apply(&mut store, &[gap(10, "a", RunStatus::Skipped, 180, 540, 3)]);
    assert_eq!(store.reader().run(RunId(10)).unwrap().unwrap().occurrences, 3);
}

#[test]
fn the_end_of_a_run_that_was_never_claimed_has_no_event() {
    let mut store = memory();
    apply(&mut store, &whole(1, "a", 60, RunStatus::Succeeded));
    assert_eq!(commit(&mut store, &[claim(2, "a", 60)]), [REFUSED]);
    let finish = finished(2, RunStatus::Skipped, 60);
    let mut event = Event::new(at(60), EventKind::RunSkipped);
    event.run = Some(RunId(2));
    let changes = [finish, Change::Event(event)];
    assert_eq!(commit(&mut store, &changes), [REFUSED, REFUSED]);
}

#[test]
fn numbers_are_not_given_out_again() {
    let mut store = memory();
    assert_eq!(store.load().unwrap().next_run, 1);
    apply(&mut store, &[claim(41, "a", 60), gap(42, "a", RunStatus::Missed, 120, 120, 1)]);
    let rows = vec![Retraction { run: RunId(42), remains: None }];
    apply(&mut store, &[Change::Retract { job: name("a"), rows }]);
    assert_eq!(store.load().unwrap().next_run, 43);
}

#[test]
fn a_word_from_elsewhere_is_an_error_that_names_it() {
    for (column, sql) in [
        ("runs.status", "UPDATE runs SET status = 'exploded'"),
        ("runs.reason", "UPDATE runs SET reason = 'exploded'"),
        ("runs.source", "UPDATE runs SET source = 'exploded'"),
        ("runs.note", "UPDATE runs SET note = 'exploded'"),
        ("runs.job", "UPDATE runs SET job = '/exploded'"),
        ("runs.args", "UPDATE runs SET args = 'exploded'"),
    ] {
        let mut store = memory();
        apply(&mut store, &[claim(1, "a", 60)]);
        store.reader.conn.execute_batch(sql).unwrap();
        match store.reader().history(&HistoryFilter::default()) {
            Err(QueryError::Unknown { column: found, word }) => {
                assert_eq!(found, column);
                assert!(word.contains("exploded"), "{word}");
            }
            other => panic!("{column}: {other:?}"),
        }
    }
}

#[test]
fn people_can_read_the_ledger_with_sqlite() {
    let mut store = memory();
    apply(&mut store, &whole(1, "a", 1_700_000_000, RunStatus::Succeeded));
    let sql = "SELECT fire_time, finished_at FROM ledger WHERE run_id = 1";
    let texts: (String, String) =
        store.reader.conn.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert_eq!(texts, ("2023-11-14T22:13:20.000Z".to_owned(), "2023-11-14T22:13:21.000Z".to_owned()));
}

#[test]
fn the_session_is_written_down() {
    let store = memory();
    let sql = "SELECT value FROM daemon WHERE key = 'session'";
    let text: String = store.reader.conn.query_row(sql, [], |row| row.get(0)).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["pid"], session().pid);
    assert_eq!(value["host"], "thor");
}

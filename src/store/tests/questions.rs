//! Lists and lookups.

use super::{apply, at, claim, claim_of, gap, manual, memory, name, started, whole};
use crate::core::change::{Change, Claim};
use crate::core::run::{RunId, RunStatus};
use crate::store::{HistoryFilter, Standing, Store};

/// Runs 1 to 12 of the jobs a, b and c, one a minute in turn; every fourth failed; 13 of a is running.
fn ledger() -> Store {
    let mut store = memory();
    for run in 1..=12_u64 {
        let job = ["a", "b", "c"][usize::try_from((run - 1) % 3).unwrap()];
        let status = if run % 4 == 0 { RunStatus::Failed } else { RunStatus::Succeeded };
        apply(&mut store, &whole(run, job, i64::try_from(run).unwrap() * 60, status));
    }
    apply(&mut store, &[claim(13, "a", 780), started(13, 780)]);
    store
}

fn runs(store: &Store, filter: &HistoryFilter) -> Vec<u64> {
    store.reader().history(filter).unwrap().into_iter().map(|row| row.run.0).collect()
}

#[test]
fn history_is_newest_first_and_filtered() {
    let store = ledger();
    let all = HistoryFilter::default();
    let failed = vec![RunStatus::Failed];
    let live = vec![RunStatus::Running, RunStatus::Queued];
    let table: Vec<(HistoryFilter, Vec<u64>)> = vec![
        (all.clone(), (1..=13).rev().collect()),
        (HistoryFilter { limit: Some(2), ..all.clone() }, vec![13, 12]),
        (HistoryFilter { before: Some(RunId(12)), limit: Some(2), ..all.clone() }, vec![11, 10]),
        (HistoryFilter { jobs: vec![name("a")], ..all.clone() }, vec![13, 10, 7, 4, 1]),
        (
            HistoryFilter { jobs: vec![name("a"), name("c")], limit: Some(4), ..all.clone() },
            vec![13, 12, 10, 9],
        ),
        (HistoryFilter { jobs: vec![name("a"), name("a")], limit: Some(2), ..all.clone() }, vec![13, 10]),
        (HistoryFilter { statuses: failed.clone(), ..all.clone() }, vec![12, 8, 4]),
        (HistoryFilter { statuses: failed.clone(), before: Some(RunId(12)), ..all.clone() }, vec![8, 4]),
        (HistoryFilter { statuses: failed.clone(), jobs: vec![name("b")], ..all.clone() }, vec![8]),
        (HistoryFilter { statuses: live.clone(), ..all.clone() }, vec![13]),
        (HistoryFilter { statuses: live, jobs: vec![name("b")], ..all.clone() }, vec![]),
        (HistoryFilter { since: Some(at(660)), ..all.clone() }, vec![13, 12, 11]),
        (HistoryFilter { since: Some(at(600)), until: Some(at(720)), ..all.clone() }, vec![11, 10]),
        (HistoryFilter { since: Some(at(600)), jobs: vec![name("a")], ..all.clone() }, vec![13, 10]),
        (HistoryFilter { since: Some(at(300)), statuses: failed, limit: Some(1), ..all.clone() }, vec![12]),
        (HistoryFilter { jobs: vec![name("nobody")], ..all }, vec![]),
    ];
    for (filter, expected) in table {
        assert_eq!(runs(&store, &filter), expected, "{filter:?}");
    }
}

#[test]
fn the_latest_run_has_the_highest_number_whatever_the_clock_said() {
    let mut store = ledger();
    let early = Claim { queued_at: at(1), ..claim_of(14, "b", 5) };
    apply(&mut store, &[Change::Claim(early), manual(15, "Z", 9)]);
    let latest: Vec<_> = store
        .reader()
        .latest_runs()
        .unwrap()
        .into_iter()
        .map(|row| (row.job.to_string(), row.run.0))
        .collect();
    let expected = [("Z", 15), ("a", 13), ("b", 14), ("c", 12)];
    assert_eq!(latest, expected.map(|(job, run)| (job.to_owned(), run)));
    for (job, run) in expected {
        assert_eq!(store.reader().latest_run(&name(job)).unwrap().unwrap().run, RunId(run));
    }
    let rows = store.reader().latest_runs().unwrap();
    let standings: Vec<_> = rows.iter().map(|row| (row.job.clone(), Standing::from(row))).collect();
    assert_eq!(store.reader().standings().unwrap(), standings);
    assert!(store.reader().latest_run(&name("nobody")).unwrap().is_none());
    let names = store.reader().jobs_with_history().unwrap();
    assert_eq!(names, ["Z", "a", "b", "c"].map(name));
}

#[test]
fn an_empty_ledger_has_no_answers() {
    let store = memory();
    assert!(store.reader().latest_runs().unwrap().is_empty());
    assert!(store.reader().jobs_with_history().unwrap().is_empty());
    assert!(store.reader().counts().unwrap().is_empty());
    assert!(store.reader().run(RunId(1)).unwrap().is_none());
    assert!(runs(&store, &HistoryFilter::default()).is_empty());
}

#[test]
fn a_fire_time_leads_to_its_row() {
    let mut store = memory();
    apply(&mut store, &whole(1, "a", 60, RunStatus::Succeeded));
    apply(&mut store, &[gap(2, "a", RunStatus::Missed, 120, 600, 9)]);
    apply(&mut store, &whole(3, "a", 660, RunStatus::Succeeded));
    let found = |secs| store.reader().run_at(&name("a"), at(secs)).unwrap().map(|row| row.run.0);
    let table = [
        (59, None),
        (60, Some(1)),
        (61, None),
        (120, Some(2)),
        (300, Some(2)),
        (600, Some(2)),
        (660, Some(3)),
    ];
    for (secs, expected) in table {
        assert_eq!(found(secs), expected, "{secs}");
    }
    assert!(store.reader().run_at(&name("b"), at(60)).unwrap().is_none());

    let beside = |secs| {
        let rows = store.reader().neighbours(&name("a"), at(secs)).unwrap();
        (rows.before.map(|row| row.run.0), rows.after.map(|row| row.run.0))
    };
    assert_eq!(beside(30), (None, Some(1)));
    assert_eq!(beside(60), (None, Some(2)));
    assert_eq!(beside(100), (Some(1), Some(2)));
    assert_eq!(beside(630), (Some(2), Some(3)));
    assert_eq!(beside(700), (Some(3), None));
}

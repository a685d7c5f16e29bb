//! No statement walks over the ledger, and none sorts it: a list must be as quick with ten million rows as with ten.

use rusqlite::Connection;

use crate::core::run::{RunId, RunStatus};
use crate::store::HistoryFilter;

/// Fails the test that prepares a statement whose plan visits or sorts every run or step. Every statement of every
/// test comes through here.
pub(crate) fn look_at(conn: &Connection, sql: &str) {
    let plan = plan(conn, sql);
    let walk = plan.iter().find(|detail| walks(detail));
    assert_eq!(walk, None, "{sql}");
    assert!(!sorts(&plan), "{plan:?}\n{sql}");
}

fn plan(conn: &Connection, sql: &str) -> Vec<String> {
    let mut plan = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let mut rows = plan.raw_query();
    let mut details = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        details.push(row.get(3).unwrap());
    }
    details
}

/// What is not over is a handful of rows, which may be put in order.
fn sorts(plan: &[String]) -> bool {
    let has = |words: &str| plan.iter().any(|detail| detail.contains(words));
    has("USE TEMP B-TREE") && has(" runs ") && !has(" runs_open")
}

/// To go through what is not over is no walk: only those rows are in its index.
fn walks(detail: &str) -> bool {
    let open = detail.starts_with("SCAN runs USING INDEX runs_open");
    !open && ["SCAN runs", "SCAN steps"].iter().any(|walk| detail.starts_with(walk))
}

#[test]
fn a_walk_and_a_sort_are_told_from_a_lookup() {
    let store = super::memory();
    let plan = |sql: &str| plan(&store.reader.conn, sql);
    assert!(plan("SELECT run_id FROM runs WHERE detail = 'x'").iter().any(|detail| walks(detail)));
    let lookup = plan("SELECT run_id FROM runs INDEXED BY runs_job WHERE job = 'x' ORDER BY run_id DESC");
    assert!(!lookup.iter().any(|detail| walks(detail)) && !sorts(&lookup));
    let sort = plan("SELECT run_id FROM runs INDEXED BY runs_job WHERE job = 'x' ORDER BY queued_at");
    assert!(!sort.iter().any(|detail| walks(detail)) && sorts(&sort));
    let open =
        plan("SELECT run_id FROM runs INDEXED BY runs_open WHERE finished_at IS NULL ORDER BY queued_at");
    assert!(!open.iter().any(|detail| walks(detail)) && !sorts(&open));
}

#[test]
fn lists_of_a_long_ledger_use_their_index() {
    let mut store = super::memory();
    for run in 1..=3_i64 {
        let job = format!("job-{run}");
        super::apply(&mut store, &super::whole(run.unsigned_abs(), &job, run * 60, RunStatus::Succeeded));
    }
    let (reader, some, at) = (store.reader(), Some(RunId(3)), Some(super::at(90)));
    for jobs in [vec![], vec![super::name("job-1")], vec![super::name("job-1"), super::name("job-2")]] {
        for statuses in [vec![], vec![RunStatus::Failed], RunStatus::ALL.to_vec()] {
            for (since, until, before) in
                [(None, None, None), (at, None, None), (None, at, some), (at, at, some)]
            {
                let (jobs, statuses) = (jobs.clone(), statuses.clone());
                let filter = HistoryFilter { jobs, statuses, since, until, before, limit: Some(20) };
                // Each statement of the answer is looked at.
                reader.history(&filter).unwrap();
            }
        }
    }
    for job in ["job-1", "nobody"] {
        reader.neighbours(&super::name(job), super::at(60)).unwrap();
        reader.run_at(&super::name(job), super::at(61)).unwrap();
    }
    reader.future_gaps(super::at(0)).unwrap();
    reader.unfinished().unwrap();
}

//! No statement walks over the ledger: a list must be as quick with ten million rows as with ten.

use rusqlite::Connection;

/// Fails the test that prepares a statement whose plan visits every run or step. Every statement of every
/// test comes through here.
pub(crate) fn look_at(conn: &Connection, sql: &str) {
    let mut plan = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let mut rows = plan.raw_query();
    while let Some(row) = rows.next().unwrap() {
        let detail: String = row.get(3).unwrap();
        assert!(!walks(&detail), "{detail}\n{sql}");
    }
}

fn walks(detail: &str) -> bool {
    ["SCAN runs", "SCAN steps"].iter().any(|walk| detail.starts_with(walk))
}

#[test]
fn a_walk_is_told_from_a_lookup() {
    let store = super::memory();
    let details = |sql: &str| -> Vec<String> {
        let mut plan = store.reader.conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        plan.query_map([], |row| row.get(3)).unwrap().collect::<Result<_, _>>().unwrap()
    };
    assert!(details("SELECT run_id FROM runs WHERE detail = 'x'").iter().any(|d| walks(d)));
    assert!(!details("SELECT run_id FROM runs WHERE job = 'x'").iter().any(|d| walks(d)));
}

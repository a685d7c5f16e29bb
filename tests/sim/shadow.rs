//! The real store beside the plain one: both take the same changes and must say the same.

use jobctl::core::change::Change;
use jobctl::core::run::RunId;
use jobctl::store::{HistoryFilter, Outcome, RunRow, Session, Store};

use super::ledger::Ledger;

/// The real store, in memory.
pub(crate) struct Shadow(Store);

impl Shadow {
    pub(crate) fn new() -> Self {
        let session = Session { host: "sim".to_owned(), boot_id: "boot-0".to_owned(), pid: 1 };
        Shadow(Store::in_memory(session).unwrap())
    }

    /// Commits changes and returns where the outcomes differ.
    pub(crate) fn commit<'a>(
        &mut self,
        changes: impl Iterator<Item = &'a Change>,
        expected: &[Outcome],
    ) -> Option<String> {
        let changes: Vec<Change> = changes.cloned().collect();
        let outcomes = self.0.commit(&changes).unwrap();
        let differ = changes.iter().zip(outcomes.iter().zip(expected)).find(|(change, (real, plain))| {
            // The plain ledger keeps no steps, and does not care whose they are.
            real != plain && !matches!(change, Change::Step { .. })
        });
        differ.map(|(change, (real, plain))| format!("the store says {real:?}, not {plain:?}: {change:?}"))
    }

    /// Returns where the rows differ.
    pub(crate) fn compare(&self, ledger: &Ledger) -> Option<String> {
        let rows = self.0.reader().history(&HistoryFilter::default()).unwrap();
        if rows.len() != ledger.rows.len() {
            return Some(format!("the store has {} rows, not {}", rows.len(), ledger.rows.len()));
        }
        let differ = rows.iter().find(|row| ledger.rows.get(&row.run).map(essence) != Some(essence(row)));
        differ.map(|row| format!("the store has {row:?}, not {:?}", ledger.rows.get(&row.run)))
    }
}

type Essence<'a> = (RunId, &'a str, [Option<i64>; 3], u64, &'a str, Option<&'a str>, u32);

fn essence(row: &RunRow) -> Essence<'_> {
    let micros =
        |at: Option<jobctl::core::instant::Timestamp>| at.map(jobctl::core::instant::Timestamp::as_micros);
    (
        row.run,
        row.job.as_str(),
        [micros(row.fire_time), micros(row.first_fire_time), micros(row.finished_at)],
        row.occurrences,
        row.status.as_str(),
        row.reason.map(jobctl::core::run::Reason::as_str),
        row.attempt,
    )
}

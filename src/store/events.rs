//! The sequence of events, as clients read it.

use rusqlite::types::Value;

use super::columns::{EVENT_COLUMNS, event_row, signed, unsigned};
use super::reader::Reader;
use super::rows::{EventRow, QueryError};
use crate::core::event::EventKind;
use crate::core::instant::Timestamp;
use crate::core::name::Name;

/// Which events are wanted; an empty filter wants all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Only those after this place in the sequence.
    pub after_seq: Option<u64>,
    /// Only those at or after this instant.
    pub since: Option<Timestamp>,
    /// Only of these kinds; empty = of any.
    pub kinds: Vec<EventKind>,
    /// Only about this job.
    pub job: Option<Name>,
    /// At most so many: the first ones after `after_seq`, or else the last ones there are.
    pub limit: Option<usize>,
}

impl Reader {
    /// Returns events in their order.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn events(&self, filter: &EventFilter) -> Result<Vec<EventRow>, QueryError> {
        let mut wanted = vec!["seq > ?".to_owned()];
        let mut values = vec![Value::from(signed(filter.after_seq.unwrap_or(0)))];
        if let Some(since) = filter.since {
            wanted.push("at >= ?".to_owned());
            values.push(since.as_micros().into());
        }
        if !filter.kinds.is_empty() {
            let marks = vec!["?"; filter.kinds.len()].join(", ");
            wanted.push(format!("kind IN ({marks})"));
            values.extend(filter.kinds.iter().map(|kind| Value::from(kind.as_str().to_owned())));
        }
        if let Some(job) = &filter.job {
            wanted.push("job = ?".to_owned());
            values.push(job.as_str().to_owned().into());
        }
        values.push(filter.limit.map_or(-1, |limit| signed(limit as u64)).into());
        let newest = filter.after_seq.is_none();
        let order = if newest { "DESC" } else { "ASC" };
        let wanted = wanted.join(" AND ");
        let sql = format!("SELECT {EVENT_COLUMNS} FROM events WHERE {wanted} ORDER BY seq {order} LIMIT ?");
        let mut events = self.all(&sql, rusqlite::params_from_iter(values), event_row)?;
        if newest {
            events.reverse();
        }
        Ok(events)
    }

    /// Returns the place of the last event ever written; 0 = none yet.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn last_seq(&self) -> Result<u64, QueryError> {
        let sql = "SELECT seq FROM sqlite_sequence WHERE name = 'events'";
        Ok(self.one(sql, [], |row| Ok(unsigned(row.get(0)?)))?.unwrap_or(0))
    }
}

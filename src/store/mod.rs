//! The store: the ledger and everything else that outlives the daemon, in one SQLite file.
//!
//! Owns the file, its schema, and the translation between rows and the core's words. It takes decisions
//! already made ([`Change`](crate::core::change::Change)) and answers questions; it decides nothing itself
//! and reads no clock. It must not know the scheduler, the wire format or who its clients are. No SQL is
//! written outside this room.
//!
//! - [`Store`] is the writing end, one a state directory: a lock keeps others out.
//! - [`WriterHandle`] puts a store on its own thread, commits what is pending in one transaction, and keeps
//!   trying when the disk does not take it.
//! - [`RestoreSite`] puts a copy in the place of a store that is damaged or lost.
//! - [`Reader`] answers questions from its own read-only connection, beside a running daemon or without one.

mod backup;
mod changes;
mod columns;
mod commit;
mod events;
mod history;
mod ledger;
mod load;
mod lock;
mod open;
mod outbox;
mod pruned;
mod reader;
mod restore;
mod retention;
mod rows;
mod schema;
mod writer;

#[cfg(test)]
mod tests;

pub use backup::BackupError;
pub use commit::{CommitError, Outcome};
pub use events::EventFilter;
pub use history::{HistoryFilter, Neighbours};
pub use load::Loaded;
pub use lock::lock_holder;
pub use open::{Damage, OpenError, Session, Store};
pub use outbox::Delivery;
pub use reader::{Counts, Reader};
pub use restore::{Remains, Restoration, RestoreSite};
pub use retention::{Gone, Prune};
pub use rows::{
    EventRow, GapRow, JobStateRow, NoticeRow, QueryError, RevisionRow, RunRow, Standing, StepRow,
};
pub use writer::{Report, WriterHandle};

/// The name of the database file in the state directory.
pub const DATABASE_FILE: &str = "jobctl.db";

/// The name of the lock file in the state directory.
pub const LOCK_FILE: &str = "jobctl.lock";

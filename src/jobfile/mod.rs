//! The job file: text to a job set, or everything that is wrong with it.
//!
//! Owns the language of the job file: its keys, its defaults and its messages. The definition of a job that
//! was added on the socket is the same table and goes the same way ([`fragment`]). It must not know the
//! daemon, the store, processes or the clock, and it prints nothing; only [`read`] opens files.
//!
//! The way of a text: `raw` (TOML with places) -> `resolve` (sections) -> `job` (one table) -> `triggers`,
//! `work`, `policy`, `execution`, `about` (topics), all by the typed functions of `reader`, which note what is
//! wrong and go on. Large files go this way part by part (`parts`).
//!
//! Tables inside a job (`env`, `meta`, `keep`, `limits`, `output`, `expect`) are laid over those of `[defaults]`
//! key by key; every other key of a job replaces the default.
//!
//! Relative paths start at the directory of the file they stand in; `~` and `~/...` are kept, and mean the
//! home of the user a job runs as. All files of a set are one document: `timezone`, `[daemon]`,
//! `[defaults]` and `[hooks]` may stand in any of them, but once.

mod about;
mod after;
mod clock;
mod diagnostic;
mod draft;
mod execution;
mod job;
mod mask;
mod notifiers;
mod parts;
mod places;
mod policy;
mod raw;
mod reader;
mod reference;
mod report;
mod resolve;
mod secret;
mod settings;
mod source;
mod suggest;
#[cfg(test)]
mod tests;
mod triggers;
mod units;
mod work;
pub mod write;

pub use self::after::{NoPeers, Peers};
pub use self::diagnostic::{Diagnostic, Severity};
pub use self::mask::mask;
pub use self::reference::known_keys;
pub use self::report::render;
pub use self::resolve::{Fragment, Fragments, JobSet, fragment, load};
pub use self::settings::{DaemonSettings, EventHook, StopMode};
pub use self::source::{MAX_FILE_BYTES, ReadError, SourceFile, Sources, drop_in_directory, read};

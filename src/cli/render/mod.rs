//! How answers look: tables, times, JSON, diagnostics.
//!
//! Pure functions from views to text, but for [`out`], the one place that writes to standard output and standard
//! error.

pub(crate) mod diff;
pub(crate) mod event;
pub(crate) mod job;
pub(crate) mod out;
pub(crate) mod run;
pub(crate) mod status;
pub(crate) mod table;
pub(crate) mod text;
pub(crate) mod time;
pub(crate) mod why;

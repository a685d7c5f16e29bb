//! How answers look: tables, times, JSON, diagnostics.
//!
//! Pure functions from views to text, but for [`out`], the one place that writes to standard output and standard
//! error.

pub(crate) mod out;
pub(crate) mod table;
pub(crate) mod text;
pub(crate) mod time;

//! jobctl runs commands on a schedule.

pub mod core;
pub mod daemon;
pub mod protocol;
pub mod store;

//! jobctl runs commands on a schedule.

pub mod client;
pub mod core;
pub mod daemon;
pub mod protocol;

//! jobctl runs commands on a schedule.

pub mod cli;
pub mod client;
pub mod core;
pub mod daemon;
pub mod jobfile;
pub mod notify;
pub mod process;
pub mod protocol;
pub mod store;
pub mod zoneinfo;

//! jobctl runs commands on a schedule.

pub mod core;
pub mod jobfile;
pub mod protocol;

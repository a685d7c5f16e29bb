//! The pure core: no clock, no I/O, no async, no randomness. `now` and seeds are arguments.

pub mod change;
pub mod civil;
pub mod cron;
pub mod duration;
pub mod event;
pub mod instant;
pub mod job;
pub mod name;
pub mod notifier;
pub mod policy;
pub mod run;
pub mod scheduler;
pub mod signal;
pub mod trigger;

//! The daemon: wires the rooms together and runs the loop.
//!
//! `event_loop` holds the only `select!`: one happening at a time becomes inputs of the scheduler, and what the
//! scheduler decides is committed, carried out and acknowledged, in that order. `boot` and `catalogue` say what
//! there is to begin with, `executor` starts and ends processes, `service` answers clients, `views` shows what is
//! known, `clock` is the only place that reads a clock.

mod added;
pub mod answers;
pub mod boot;
pub mod catalogue;
pub mod clock;
mod event_hooks;
mod event_loop;
mod executor;
pub mod foreground;
mod gap_questions;
mod keeper;
pub mod listener;
mod log;
mod notifier;
mod output;
pub mod pictures;
mod queries;
mod run;
mod service;
mod supervisor;
pub mod views;
mod watcher;

pub use listener::BindError;
pub use run::{Options, RunError, run};

//! Processes: starts them, bounds their output, signals their groups, reaps and adopts them.
//!
//! Owns everything between a decision "start this command" and the facts that come back from the kernel:
//! the environment, the output files under `logs/`, process groups, cgroups, exit codes and resource use.
//! It must not know the scheduler, the store, the protocol or any clock: callers say when something is due
//! and hand in what it needs. Linux only; this is the one room that calls the kernel without a safe wrapper.
//!
//! ```text
//! Inherited ──environment()──▶ Environment ─┐
//! Logs ──create()──▶ LogFile ──▶ Sink ──────┼─▶ Spawner::spawn ─▶ ProcessMark ─▶ Reaper::reap ─▶ Exit, Usage
//! Cgroups ──create()──▶ RunCgroup ──────────┘        │
//!                                                    ├─▶ OutputWatch (bounds the file while it grows)
//!                                                    └─▶ group::signal, group::is_alive
//! FdStore ◀── pidfds ──▶ after a restart: find, survivors ─▶ Adopted ─▶ Exit where the kernel tells it
//! ```

pub mod adopt;
pub mod bound;
pub mod cgroup;
pub mod environment;
pub mod fd_store;
pub mod foreground;
pub mod group;
pub mod output;
pub mod read;
pub mod reap;
pub mod spawn;

mod account;
mod child;
mod deaths;
mod env_file;
mod error;
mod limits;
mod memory;
mod procfs;
mod readiness;
mod reckoning;
mod trust;

pub use adopt::{
    Adopted, KeptProcess, Presence, Survivor, find, look_at, open_pidfd, started_after_boot, survivors,
};
pub use bound::{Kept, OutputWatch, Watched};
pub use cgroup::{Cgroups, RunCgroup};
pub use deaths::{hear_of_deaths, leave_deaths_to_others};
pub use environment::{Environment, Inherited, RunContext};
pub use error::StartError;
pub use fd_store::{FdStore, Handed, Label, handed_back};
pub use foreground::{Foreground, foreground};
pub use group::RunTag;
pub use memory::{give_back_code, give_back_memory, hold_little_memory};
pub use output::{Evidence, LogFile, Logs};
pub use procfs::{boot_id, host, open_files_limit};
pub use read::LogReader;
pub use readiness::readable;
pub use reap::{Ended, Reaper};
pub use spawn::{Sink, Spawner, Start};

#[cfg(test)]
mod tests;

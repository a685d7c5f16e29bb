//! The daemon: wires the rooms together and runs the loop.

pub mod catalogue;
pub mod clock;
mod executor;

//! The daemon: wires the rooms together and runs the loop.

pub mod answers;
pub mod boot;
pub mod catalogue;
pub mod clock;
mod executor;
pub mod foreground;
pub mod views;

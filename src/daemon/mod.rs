//! The daemon: wires the rooms together and runs the loop.

pub mod clock;
pub mod foreground;
pub mod views;

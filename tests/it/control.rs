//! The control plane: the command line and the daemon together.

mod durable;
mod socket;

//! The control plane: the command line and the daemon together.

mod acting;
mod defining;
mod durable;
mod socket;
mod undoing;

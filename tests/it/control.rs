//! The control plane: the command line and the daemon together.

mod absent;
mod acting;
mod activation;
mod completing;
mod crowd;
mod defining;
mod durable;
mod editing;
mod explaining;
mod many;
mod scripts;
mod socket;
mod streams;
mod terminal;
mod undoing;
mod watching;

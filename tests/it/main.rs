//! The integration tests: the real binary, from the outside.

mod care;
mod cli;
mod control;
mod docs;
mod faults;
mod features;
mod harness;
mod kill;
mod tidy;

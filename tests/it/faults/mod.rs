//! The faults that jobctl must survive, each by its number, by the real binary wherever the fault can be made here.

mod burst;
mod clock;
mod ledger;
mod manager;
mod steps;
mod zones;

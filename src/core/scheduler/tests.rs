//! The scheduler under a clock of its own.

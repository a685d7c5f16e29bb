//! Views of what the daemon knows: from the core's and the store's types to those of the protocol.
//!
//! Used by the daemon for its answers and by commands that read without one, so that both say the same.

pub mod next;

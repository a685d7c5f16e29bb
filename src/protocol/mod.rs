//! The control protocol: requests, replies, views and framing. No sockets here.
//!
//! The wire format is Varlink (<https://varlink.org>): JSON objects, each ended by a NUL byte. The interface is
//! described in `io.jobctl.Scheduler.varlink`, which the service hands out and a test compares with the types
//! here. This room must not know who reads or writes the bytes, nor what the core thinks of a request.

use chrono::{DateTime, FixedOffset};

pub mod candidate;
pub mod error;
pub mod filter;
pub mod frame;
pub mod message;
mod parameter;
pub mod pattern;
pub mod reply;
pub mod request;
pub mod selector;
pub mod service;
pub mod views;

/// The name of our interface.
pub const INTERFACE: &str = "io.jobctl.Scheduler";
/// The name of the interface that every Varlink service has.
pub const SERVICE_INTERFACE: &str = "org.varlink.service";
/// The description of our interface, in the language Varlink has for it.
pub const DESCRIPTION: &str = include_str!("io.jobctl.Scheduler.varlink");
/// The description of the interface that every Varlink service has.
pub const SERVICE_DESCRIPTION: &str = include_str!("org.varlink.service.varlink");

/// Reads an instant of the wire: RFC 3339 with an offset.
pub fn instant(text: &str) -> Option<DateTime<FixedOffset>> {
    DateTime::parse_from_rfc3339(text).ok()
}

#[cfg(test)]
mod tests;

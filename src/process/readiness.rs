//! Descriptors whose readiness the runtime watches.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Has the runtime watch a descriptor of ours for something to read.
///
/// # Errors
/// It is nothing that can be waited for.
///
/// # Panics
/// Outside a tokio runtime, as [`AsyncFd`] does.
pub fn readable(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: the descriptor is the `AsyncFd`'s own: it stays open, and the same file, until the `AsyncFd` is dropped and
    // takes it out of the runtime again.
    let watched = unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) };
    Ok(watched?)
}

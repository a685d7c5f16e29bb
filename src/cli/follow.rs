//! Streams whose reader may go: `jobctl events -f | head -1` ends with `head`, not with the next event.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::error::{CliError, Kind};
use crate::client::Closer;

/// Watches the reader of standard output, and ends connections when it goes.
#[derive(Debug)]
pub(crate) struct Reader(Arc<AtomicBool>);

impl Reader {
    /// Begins to watch.
    pub(crate) fn watch(connections: Vec<Closer>) -> Self {
        let gone = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&gone);
        thread::spawn(move || {
            if wait_until_gone() {
                told.store(true, Ordering::SeqCst);
                connections.iter().for_each(Closer::close);
            }
        });
        Reader(gone)
    }

    /// Says that the reader has gone, if it has: then nothing is wrong, and nothing more is to be said.
    ///
    /// # Errors
    /// The reader has gone.
    pub(crate) fn check(&self) -> Result<(), CliError> {
        if self.0.load(Ordering::SeqCst) { Err(CliError::said(Kind::BrokenPipe)) } else { Ok(()) }
    }
}

/// Waits until nobody can read standard output any more; false where that cannot be told.
fn wait_until_gone() -> bool {
    let stdout = io::stdout();
    // What a closed pipe, socket or terminal reports is not asked for: it comes by itself (poll(2)).
    let mut watched = [PollFd::new(&stdout, PollFlags::empty())];
    loop {
        match poll(&mut watched, None) {
            Err(Errno::INTR) => {}
            Err(_) => return false,
            Ok(_) => return watched[0].revents().intersects(PollFlags::ERR | PollFlags::HUP),
        }
    }
}

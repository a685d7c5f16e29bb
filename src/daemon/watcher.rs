//! Watches the job file where `[daemon] watch` asks for it: a change that has settled is read like a `reload`.
//!
//! Editors write beside the file and rename, configuration tools swap links, so directories are watched rather than
//! files; several changes in a row are one.

use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;
use tokio::io::unix::AsyncFd;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::queries::Queries;
use crate::jobfile;
use crate::process::readable;

/// How long nothing must happen before a change counts as finished.
const SETTLED: Duration = Duration::from_millis(250);

/// How many times in a row a change may go on: a file that never settles is read all the same.
const PATIENCE: u32 = 20;

/// Room for a few dozen events at a time.
const BUFFER_BYTES: usize = 4096;

/// The task that watches, while one does.
#[derive(Default)]
pub(super) struct Watcher {
    task: Option<JoinHandle<()>>,
}

impl Watcher {
    /// Watches a job file, or stops.
    pub(super) fn set(&mut self, on: bool, config: &Path, queries: &Queries) {
        match (on, &self.task) {
            (true, None) => {
                let (config, queries) = (config.to_owned(), queries.clone());
                self.task = Some(tokio::spawn(async move {
                    if let Err(error) = watch(&config, &queries).await {
                        tracing::warn!(%error, "the job file cannot be watched: `jobctl reload` reads it again");
                    }
                }));
            }
            (false, Some(task)) => {
                task.abort();
                self.task = None;
            }
            (true, Some(_)) | (false, None) => {}
        }
    }
}

async fn watch(config: &Path, queries: &Queries) -> io::Result<()> {
    let events = readable(inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?)?;
    loop {
        // Directories may have come, and links may lead elsewhere than before; what is watched already stays so.
        for directory in directories(config) {
            match inotify::add_watch(events.get_ref(), &directory, changes()) {
                Ok(_) | Err(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS) => {}
                Err(error) => return Err(error.into()),
            }
        }
        // What has changed before it was watched is found here, too.
        queries.task(|event_loop| event_loop.reload_if_changed());
        next_change(&events, config).await?;
        for _ in 0..PATIENCE {
            match timeout(SETTLED, next_change(&events, config)).await {
                Ok(changed) => changed?,
                Err(_) => break,
            }
        }
    }
}

fn changes() -> WatchFlags {
    WatchFlags::CLOSE_WRITE
        | WatchFlags::CREATE
        | WatchFlags::DELETE
        | WatchFlags::MOVED_FROM
        | WatchFlags::MOVED_TO
        | WatchFlags::ONLYDIR
}

/// Lists the directories in which a change of the job set shows: of the job file, of what a link leads to, and of the
/// files beside it.
fn directories(config: &Path) -> Vec<PathBuf> {
    let own = config.parent().map(Path::to_owned);
    let target = std::fs::canonicalize(config).ok().and_then(|file| file.parent().map(Path::to_owned));
    let mut found: Vec<PathBuf> =
        own.into_iter().chain(target).chain([jobfile::drop_in_directory(config)]).collect();
    found.dedup();
    found
}

/// Waits for a change of something that can belong to the job set.
async fn next_change(events: &AsyncFd<OwnedFd>, config: &Path) -> io::Result<()> {
    let mut buffer = [MaybeUninit::uninit(); BUFFER_BYTES];
    loop {
        let mut ready = events.readable().await?;
        let mut reader = Reader::new(events.get_ref(), &mut buffer);
        loop {
            match reader.next() {
                Ok(event) => {
                    let lost = event.events().contains(ReadFlags::QUEUE_OVERFLOW);
                    if lost || event.file_name().is_some_and(|name| concerns(name, config)) {
                        return Ok(());
                    }
                }
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        ready.clear_ready();
    }
}

/// Says whether a name is that of a job file, of their directory, or of a link by which whole directories are swapped.
fn concerns(name: &CStr, config: &Path) -> bool {
    let name = name.to_bytes();
    let own = config.file_name().is_some_and(|own| own.as_encoded_bytes() == name);
    own || name.ends_with(b".toml") || name.starts_with(b"..") || name == b"jobs.d"
}

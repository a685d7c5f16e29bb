//! Keeps a hold on running commands with the service manager: their pidfds outlive the daemon there, so that after
//! a crash even a command that has ended meanwhile tells exactly how.
//!
//! Owns the list of what is kept. Commands that end within a moment are not worth it.

use std::ffi::OsString;
use std::os::fd::AsFd;

use crate::core::run::{ProcessMark, RunId};
use crate::core::scheduler::Place;
use crate::process::{self, FdStore, Label};

/// What is left with the service manager.
#[derive(Debug)]
pub(super) struct Keeper {
    /// `None` = there is no manager, or it keeps nothing for this unit.
    store: Option<FdStore>,
    /// How many descriptors it keeps at most.
    room: usize,
    /// Commands started since the last look but one.
    young: Vec<(Command, Age)>,
    kept: Vec<Command>,
    /// No longer needed once everything decided so far is durable.
    released: Vec<Label>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Age {
    /// Started since the last look.
    New,
    /// Was there at the last look.
    Seen,
}

#[derive(Clone, Copy, Debug)]
struct Command {
    run: RunId,
    attempt: u32,
    place: Place,
    process: ProcessMark,
}

impl Command {
    fn label(&self) -> Label {
        Label { run: self.run, attempt: self.attempt, command: self.place.code() }
    }
}

impl Keeper {
    /// Finds the manager by the environment it has given us: `NOTIFY_SOCKET`, and `FDSTORE` with the number of
    /// descriptors it keeps (sd_notify(3), systemd 254).
    pub(super) fn from_env() -> Self {
        Keeper::new(std::env::var_os("NOTIFY_SOCKET"), std::env::var("FDSTORE").ok().as_deref())
    }

    fn new(socket: Option<OsString>, room: Option<&str>) -> Self {
        let room: usize = room.and_then(|text| text.parse().ok()).unwrap_or(0);
        let store = socket.filter(|_| room > 0).and_then(|socket| {
            FdStore::connect(Some(&socket))
                .inspect_err(|error| tracing::warn!(%error, "descriptors cannot be left with the manager"))
                .ok()
        });
        Keeper { store, room, young: Vec::new(), kept: Vec::new(), released: Vec::new() }
    }

    /// Takes note of a command that has started, or was adopted.
    pub(super) fn started(&mut self, run: RunId, attempt: u32, place: Place, process: ProcessMark) {
        if self.store.is_some() {
            self.young.push((Command { run, attempt, place, process }, Age::New));
        }
    }

    /// Takes note of a command that was adopted, and that the manager keeps already.
    pub(super) fn is_kept(&mut self, run: RunId, attempt: u32, place: Place, process: ProcessMark) {
        self.kept.push(Command { run, attempt, place, process });
    }

    /// Takes note of a command that has ended.
    pub(super) fn ended(&mut self, run: RunId, place: Place) {
        let is_it = |command: &Command| command.run == run && command.place == place;
        self.young.retain(|(command, _)| !is_it(command));
        let released = self.kept.extract_if(.., |command| is_it(command));
        self.released.extend(released.map(|command| command.label()));
    }

    /// Takes note of a descriptor that was handed back and is of no use any more.
    pub(super) fn release(&mut self, label: Label) {
        self.released.push(label);
    }

    /// Leaves with the manager what has lasted since the last look; to be called now and then.
    pub(super) fn keep_what_lasts(&mut self) {
        let Some(store) = &self.store else { return };
        for (command, age) in std::mem::take(&mut self.young) {
            if age == Age::New {
                self.young.push((command, Age::Seen));
            } else if self.kept.len() + self.released.len() < self.room {
                match process::open_pidfd(command.process) {
                    Ok(Some(handle)) => match store.keep(&command.label(), handle.as_fd()) {
                        Ok(()) => self.kept.push(command),
                        Err(error) => tracing::debug!(run = %command.run, %error, "not kept"),
                    },
                    Ok(None) => {}
                    Err(error) => tracing::debug!(run = %command.run, %error, "not kept"),
                }
            }
        }
    }

    /// Takes back what has ended; to be called when everything decided so far is durable.
    pub(super) fn take_back(&mut self) {
        for label in std::mem::take(&mut self.released) {
            if let Some(store) = &self.store
                && let Err(error) = store.forget(&label)
            {
                tracing::debug!(%label, %error, "the manager keeps a descriptor for longer than it is needed");
                self.released.push(label);
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::IoSliceMut;
    use std::mem::MaybeUninit;
    use std::os::fd::{AsFd, OwnedFd};
    use std::os::unix::net::UnixDatagram;

    use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};

    use super::Keeper;
    use crate::core::run::{Exit, ProcessMark, RunId};
    use crate::core::scheduler::Place;
    use crate::process::{KeptProcess, look_at};

    /// A child that waits for its end, and what identifies it.
    fn child() -> (std::process::Child, ProcessMark) {
        let child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let start_ticks = stat.rsplit(") ").next().unwrap().split(' ').nth(19).unwrap().parse().unwrap();
        (child, ProcessMark { pid, start_ticks })
    }

    fn received(manager: &UnixDatagram) -> Option<(String, Option<OwnedFd>)> {
        let mut text = [0; 256];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut parts = [IoSliceMut::new(&mut text)];
        let got = rustix::net::recvmsg(manager, &mut parts, &mut control, RecvFlags::DONTWAIT).ok()?;
        let file = control.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut files) => files.next(),
            _ => None,
        });
        Some((String::from_utf8_lossy(&text[..got.bytes]).into_owned(), file))
    }

    #[test]
    fn p4_what_lasts_is_left_with_the_manager_until_its_end_is_durable() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let mut keeper = Keeper::new(Some(path.into_os_string()), Some("1"));
        let (mut child, process) = child();
        keeper.started(RunId(7), 2, Place::Step(1), process);
        keeper.started(RunId(8), 1, Place::Work, process);
        keeper.ended(RunId(8), Place::Work);
        keeper.keep_what_lasts();
        assert!(received(&manager).is_none(), "it may end within a moment");
        keeper.keep_what_lasts();
        let (text, handle) = received(&manager).unwrap();
        assert_eq!(text, "FDSTORE=1\nFDPOLL=0\nFDNAME=run-7.2.s1\n");
        let handle = handle.unwrap();
        assert_eq!(look_at(handle.as_fd()), KeptProcess::There(process));

        // There is room for one descriptor.
        keeper.started(RunId(9), 1, Place::Work, process);
        keeper.keep_what_lasts();
        keeper.keep_what_lasts();
        assert!(received(&manager).is_none());

        child.kill().unwrap();
        child.wait().unwrap();
        let told = look_at(handle.as_fd());
        // Before Linux 6.15 the kernel does not tell.
        assert!(matches!(told, KeptProcess::Ended(Exit::Signal(9)) | KeptProcess::Unknown), "{told:?}");
        keeper.ended(RunId(7), Place::Step(1));
        assert!(received(&manager).is_none(), "its end is not durable yet");
        keeper.take_back();
        assert_eq!(received(&manager).unwrap().0, "FDSTOREREMOVE=1\nFDNAME=run-7.2.s1\n");
    }

    #[test]
    fn without_a_manager_that_keeps_descriptors_nothing_is_sent() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        for room in [None, Some("0"), Some("many")] {
            let mut keeper = Keeper::new(Some(path.clone().into_os_string()), room);
            keeper.started(RunId(1), 1, Place::Work, ProcessMark { pid: 1, start_ticks: 0 });
            keeper.keep_what_lasts();
            keeper.keep_what_lasts();
            assert!(received(&manager).is_none(), "{room:?}");
        }
    }
}

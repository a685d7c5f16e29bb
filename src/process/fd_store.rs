//! Leaves pidfds with systemd's file-descriptor store, so that they outlive the daemon (sd_notify(3)).
//!
//! After a crash even a run that has ended meanwhile tells its exact exit code: whoever holds the pidfd can
//! still ask. The unit needs `FileDescriptorStoreMax=`. Without a service manager all of this does nothing.

use std::ffi::OsStr;
use std::fmt;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};

use crate::core::run::RunId;

const PREFIX: &str = "run-";

/// Whose descriptor it is: the name under which it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Label {
    /// The run.
    pub run: RunId,
    /// The attempt, from 1.
    pub attempt: u32,
    /// Which of the run's commands, as a word of letters, digits and dashes.
    pub command: String,
}

impl fmt::Display for Label {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{PREFIX}{}.{}.{}", self.run, self.attempt, self.command)
    }
}

impl Label {
    /// Reads a descriptor's name in `LISTEN_FDNAMES`; `None` = it is not one of ours.
    pub fn parse(name: &str) -> Option<Self> {
        let (run, rest) = name.strip_prefix(PREFIX)?.split_once('.')?;
        let (attempt, command) = rest.split_once('.')?;
        let word = !command.is_empty() && command.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let command = word.then(|| command.to_owned())?;
        Some(Label { run: RunId(run.parse().ok()?), attempt: attempt.parse().ok()?, command })
    }
}

/// A descriptor that the service manager has handed back.
#[derive(Debug)]
pub struct Handed {
    /// Whose it is.
    pub label: Label,
    /// The pidfd.
    pub handle: OwnedFd,
}

/// Returns the descriptors of ours that the service manager has handed to this process (sd_listen_fds(3)).
///
/// # Errors
/// What the manager says of them in the environment makes no sense, or there are no descriptors left.
pub fn handed_back() -> io::Result<Vec<Handed>> {
    let mut handed = Vec::new();
    for (number, name) in sd_notify::listen_fds_with_names()? {
        let Some(label) = Label::parse(&name) else { continue };
        // SAFETY: the manager has left it open for us under this number, which nobody closes; were it not
        // open, the copy would fail.
        let handle = unsafe { BorrowedFd::borrow_raw(number) }.try_clone_to_owned()?;
        handed.push(Handed { label, handle });
    }
    Ok(handed)
}

/// The way to the service manager's store.
#[derive(Debug)]
pub struct FdStore {
    socket: Option<UnixDatagram>,
}

impl FdStore {
    /// Connects to the service manager by the value of `NOTIFY_SOCKET`; `None` = there is none.
    ///
    /// # Errors
    /// The socket cannot be reached.
    pub fn connect(notify_socket: Option<&OsStr>) -> io::Result<Self> {
        let Some(name) = notify_socket.filter(|name| !name.is_empty()) else {
            return Ok(FdStore { socket: None });
        };
        let socket = UnixDatagram::unbound()?;
        match name.as_bytes().strip_prefix(b"@") {
            Some(name) => socket.connect_addr(&SocketAddr::from_abstract_name(name)?)?,
            None => socket.connect(name)?,
        }
        // The loop never waits for the service manager: a pidfd that finds no room is not kept.
        socket.set_nonblocking(true)?;
        Ok(FdStore { socket: Some(socket) })
    }

    /// Leaves a pidfd with the service manager.
    ///
    /// # Errors
    /// The manager does not take it now.
    pub fn keep(&self, label: &Label, pidfd: BorrowedFd<'_>) -> io::Result<()> {
        // FDPOLL=0: by default the manager drops a descriptor that hangs up, which is when this one is needed.
        self.send(&format!("FDSTORE=1\nFDPOLL=0\nFDNAME={label}\n"), &[pidfd])
    }

    /// Takes it back once the end is in the ledger.
    ///
    /// # Errors
    /// The manager does not listen now.
    pub fn forget(&self, label: &Label) -> io::Result<()> {
        self.send(&format!("FDSTOREREMOVE=1\nFDNAME={label}\n"), &[])
    }

    fn send(&self, text: &str, files: &[BorrowedFd<'_>]) -> io::Result<()> {
        let Some(socket) = &self.socket else { return Ok(()) };
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !files.is_empty() && !control.push(SendAncillaryMessage::ScmRights(files)) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        rustix::net::sendmsg(socket, &[IoSlice::new(text.as_bytes())], &mut control, SendFlags::NOSIGNAL)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::IoSliceMut;
    use std::os::fd::AsFd;
    use std::os::linux::fs::MetadataExt;
    use std::os::unix::net::UnixDatagram;

    use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};

    use super::{FdStore, Label};
    use crate::core::run::RunId;

    #[test]
    fn p4_a_descriptor_is_handed_over_with_its_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let store = FdStore::connect(Some(path.as_os_str())).unwrap();
        let file = File::open(directory.path()).unwrap();
        let label = Label { run: RunId(7), attempt: 2, command: "s0".to_owned() };
        store.keep(&label, file.as_fd()).unwrap();
        let mut text = [0; 256];
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut parts = [IoSliceMut::new(&mut text)];
        let got = rustix::net::recvmsg(&manager, &mut parts, &mut control, RecvFlags::empty()).unwrap();
        let received = control.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut files) => files.next(),
            _ => None,
        });
        let received = File::from(received.unwrap());
        assert_eq!(received.metadata().unwrap().st_ino(), file.metadata().unwrap().st_ino());
        assert_eq!(&text[..got.bytes], b"FDSTORE=1\nFDPOLL=0\nFDNAME=run-7.2.s0\n");
        store.forget(&label).unwrap();
        let length = manager.recv(&mut text).unwrap();
        assert_eq!(&text[..length], b"FDSTOREREMOVE=1\nFDNAME=run-7.2.s0\n");
    }

    #[test]
    fn without_a_manager_nothing_happens() {
        let store = FdStore::connect(None).unwrap();
        let label = Label { run: RunId(1), attempt: 1, command: "w".to_owned() };
        store.keep(&label, std::io::stdin().as_fd()).unwrap();
        assert!(FdStore::connect(Some("/no/such/socket".as_ref())).is_err());
    }

    #[test]
    fn names_go_back_and_forth() {
        let label = Label { run: RunId(7), attempt: 2, command: "n1-0".to_owned() };
        assert_eq!(Label::parse(&label.to_string()), Some(label));
        for other in ["", "run-", "run-7", "run-7.2", "run-7.2.", "run-7.2.a:b", "run-x.1.w", "connection"] {
            assert_eq!(Label::parse(other), None);
        }
    }
}

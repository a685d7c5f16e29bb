//! Leaves pidfds with systemd's file-descriptor store, so that they outlive the daemon (sd_notify(3)).
//!
//! After a crash even a run that has ended meanwhile tells its exact exit code: whoever holds the pidfd can
//! still ask. The unit needs `FileDescriptorStoreMax=`. Without a service manager all of this does nothing.

use std::ffi::OsStr;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};

use crate::core::run::RunId;

const PREFIX: &str = "run-";

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

    /// Leaves the pidfd of an attempt's main process with the service manager.
    ///
    /// # Errors
    /// The manager does not take it now.
    pub fn keep(&self, run: RunId, attempt: u32, pidfd: BorrowedFd<'_>) -> io::Result<()> {
        // FDPOLL=0: by default the manager drops a descriptor that hangs up, which is when this one is needed.
        let text = format!("FDSTORE=1\nFDPOLL=0\nFDNAME={PREFIX}{run}.{attempt}\n");
        self.send(&text, &[pidfd])
    }

    /// Takes it back once the end is in the ledger.
    ///
    /// # Errors
    /// The manager does not listen now.
    pub fn forget(&self, run: RunId, attempt: u32) -> io::Result<()> {
        self.send(&format!("FDSTOREREMOVE=1\nFDNAME={PREFIX}{run}.{attempt}\n"), &[])
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

/// Reads the run and the attempt from a descriptor's name in `LISTEN_FDNAMES`; `None` = it is not one of ours.
pub fn kept_run(name: &str) -> Option<(RunId, u32)> {
    let (run, attempt) = name.strip_prefix(PREFIX)?.split_once('.')?;
    Some((RunId(run.parse().ok()?), attempt.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::IoSliceMut;
    use std::os::fd::AsFd;
    use std::os::linux::fs::MetadataExt;
    use std::os::unix::net::UnixDatagram;

    use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};

    use super::{FdStore, kept_run};
    use crate::core::run::RunId;

    #[test]
    fn p4_a_descriptor_is_handed_over_with_its_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let store = FdStore::connect(Some(path.as_os_str())).unwrap();
        let file = File::open(directory.path()).unwrap();
        store.keep(RunId(7), 2, file.as_fd()).unwrap();
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
        assert_eq!(&text[..got.bytes], b"FDSTORE=1\nFDPOLL=0\nFDNAME=run-7.2\n");
        store.forget(RunId(7), 2).unwrap();
        let length = manager.recv(&mut text).unwrap();
        assert_eq!(&text[..length], b"FDSTOREREMOVE=1\nFDNAME=run-7.2\n");
    }

    #[test]
    fn without_a_manager_nothing_happens() {
        let store = FdStore::connect(None).unwrap();
        store.keep(RunId(1), 1, std::io::stdin().as_fd()).unwrap();
        assert!(FdStore::connect(Some("/no/such/socket".as_ref())).is_err());
    }

    #[test]
    fn names_go_back_and_forth() {
        assert_eq!(kept_run("run-7.2"), Some((RunId(7), 2)));
        for other in ["", "run-", "run-7", "run-x.1", "connection", "varlink"] {
            assert_eq!(kept_run(other), None);
        }
    }
}

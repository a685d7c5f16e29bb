//! The socket file: made without a moment at which others could connect, replaced when it is stale, removed when
//! it is ours.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Mode};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use crate::process;

/// How many clients the kernel keeps until they are taken in; it caps this at net.core.somaxconn.
const BACKLOG: i32 = 4096;

/// Why the control socket cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another process listens there, or is about to.
    #[error("{} is in use by another daemon", path.display())]
    InUse { path: PathBuf },
    /// Something that is not a socket has the path; it is left alone.
    #[error("{} exists and is not a socket", path.display())]
    NotASocket { path: PathBuf },
    /// Everybody can replace what is in the socket's directory: clients would talk to whoever did.
    #[error("everybody can replace files in {}", path.display())]
    Unsafe { path: PathBuf },
    /// The path does not fit into a socket address (108 bytes, unix(7)).
    #[error("{} is too long for a socket", path.display())]
    PathTooLong { path: PathBuf },
    /// The group that may use the socket does not exist.
    #[error("there is no group {group:?}")]
    NoSuchGroup { group: String },
    /// What systemd has passed is not a Unix stream socket.
    #[error("the inherited descriptor is no Unix stream socket")]
    Inherited(#[source] io::Error),
    /// The system refuses.
    #[error("cannot {action} {}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
}

/// A socket that listens, and its file.
#[derive(Debug)]
pub(super) struct Bound {
    socket: UnixListener,
    /// What to remove in the end; `None` where the file is systemd's.
    file: Option<SocketFile>,
}

impl Bound {
    /// Takes the first socket systemd has passed, if it has; what it hands back from its store of descriptors
    /// is none.
    pub(super) fn inherited() -> Result<Option<Self>, BindError> {
        let passed = sd_notify::listen_fds_with_names().map_err(BindError::Inherited)?;
        let names: Vec<String> = passed.map(|(_, name)| name).collect();
        let Some(place) = names.iter().position(|name| process::Label::parse(name).is_none()) else {
            return Ok(None);
        };
        let socket =
            listenfd::ListenFd::from_env().take_unix_listener(place).map_err(BindError::Inherited)?;
        Ok(socket.map(|socket| Bound { socket, file: None }))
    }

    /// Binds a socket at a path, for this user, or for a group besides.
    pub(super) fn at(path: &Path, group: Option<u32>) -> Result<Self, BindError> {
        let failed =
            |action| move |source: io::Error| BindError::Io { action, path: path.to_owned(), source };
        let address =
            SocketAddrUnix::new(path).map_err(|_| BindError::PathTooLong { path: path.to_owned() })?;
        prepare_directory(path, group)?;
        let lock = lock(path)?;
        remove_stale(path)?;

        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
            .map_err(|errno| failed("make a socket for")(errno.into()))?;
        // Linux gives the file the mode of the socket it is bound to, so it never has a wider one.
        rustix::fs::fchmod(&socket, Mode::RUSR | Mode::WUSR)
            .map_err(|errno| failed("set the mode of")(errno.into()))?;
        rustix::net::bind(&socket, &address).map_err(|errno| match errno {
            Errno::ADDRINUSE => BindError::InUse { path: path.to_owned() },
            errno => failed("bind")(errno.into()),
        })?;
        let file = SocketFile::of(path, lock).map_err(failed("look at"))?;
        if group.is_some() {
            std::os::unix::fs::lchown(path, None, group).map_err(failed("give the group"))?;
        }
        let mode = if group.is_some() { 0o660 } else { 0o600 };
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(failed("set the mode of"))?;
        rustix::net::listen(&socket, BACKLOG).map_err(|errno| failed("listen on")(errno.into()))?;
        Ok(Bound { socket: socket.into(), file: Some(file) })
    }

    /// Hands the socket to the current runtime.
    pub(super) fn to_tokio(&self) -> Result<tokio::net::UnixListener, BindError> {
        let listen = || {
            let socket = self.socket.try_clone()?;
            socket.set_nonblocking(true)?;
            tokio::net::UnixListener::from_std(socket)
        };
        let path = || self.file.as_ref().map(|file| file.path.clone()).unwrap_or_default();
        listen().map_err(|source| BindError::Io { action: "watch", path: path(), source })
    }
}

/// A socket file that we have made.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
    /// Held until the file is removed.
    _lock: File,
}

impl SocketFile {
    fn of(path: &Path, lock: File) -> io::Result<Self> {
        let found = fs::symlink_metadata(path)?;
        Ok(SocketFile { path: path.to_owned(), device: found.dev(), inode: found.ino(), _lock: lock })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|found| (found.dev(), found.ino()) == (self.device, self.inode));
        if ours {
            // A file that cannot be removed is stale, and replaced by the next daemon.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Makes the directory of the socket where there is none, for this user, and opens it to the group.
fn prepare_directory(path: &Path, group: Option<u32>) -> Result<(), BindError> {
    let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) else {
        return Ok(());
    };
    let failed = |action| move |source| BindError::Io { action, path: directory.to_owned(), source };
    let made = !directory.exists();
    if made {
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed("make"))?;
    }
    let mode = fs::metadata(directory).map_err(failed("look at"))?.mode();
    if mode & 0o002 != 0 && mode & 0o1000 == 0 {
        return Err(BindError::Unsafe { path: directory.to_owned() });
    }
    // Only a directory that is jobctl's own is opened: somebody's home directory stays as it is.
    let own = made || directory.file_name().is_some_and(|name| name == "jobctl");
    if own && group.is_some() {
        std::os::unix::fs::lchown(directory, None, group).map_err(failed("give the group"))?;
        fs::set_permissions(directory, fs::Permissions::from_mode(0o710))
            .map_err(failed("set the mode of"))?;
    }
    Ok(())
}

/// Takes the lock beside the socket, so that of two daemons that start at once only one looks for a stale file.
/// It is the kernel's lock: it ends with the process, whatever ends that.
fn lock(path: &Path) -> Result<File, BindError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let lock_path = PathBuf::from(name);
    let failed = |source| BindError::Io { action: "open", path: lock_path.clone(), source };
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(&lock_path)
        .map_err(failed)?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(Errno::WOULDBLOCK) => Err(BindError::InUse { path: path.to_owned() }),
        Err(errno) => Err(failed(errno.into())),
    }
}

/// Removes a socket file on which nobody listens.
fn remove_stale(path: &Path) -> Result<(), BindError> {
    let failed = |action| move |source| BindError::Io { action, path: path.to_owned(), source };
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found.map_err(failed("look at"))?,
    };
    if !found.file_type().is_socket() {
        return Err(BindError::NotASocket { path: path.to_owned() });
    }
    match probe(path) {
        // A full backlog is somebody's, too.
        Ok(_) | Err(Errno::AGAIN) => Err(BindError::InUse { path: path.to_owned() }),
        Err(Errno::CONNREFUSED) => fs::remove_file(path).map_err(failed("remove")),
        Err(errno) => Err(failed("connect to")(errno.into())),
    }
}

fn probe(path: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::BindError;
    use crate::daemon::listener::Listener;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn the_socket_is_for_its_user_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("run/jobctl/socket");
        let listener = Listener::bind(&path, None).unwrap();
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        assert_eq!(mode(&path.with_extension("lock")), 0o600);
        listener.close();
        assert!(!path.exists());
    }

    #[test]
    fn a_group_may_be_let_in() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("jobctl/socket");
        let group = uzers::get_current_groupname().unwrap();
        let _listener = Listener::bind(&path, group.to_str()).unwrap();
        assert_eq!(mode(&path), 0o660);
        assert_eq!(mode(path.parent().unwrap()), 0o710);
        let unknown = Listener::bind(&directory.path().join("other"), Some("no-such-group"));
        assert!(matches!(unknown, Err(BindError::NoSuchGroup { .. })), "{unknown:?}");
    }

    #[test]
    fn a_directory_that_is_there_keeps_its_mode() {
        let directory = tempfile::tempdir().unwrap();
        let home = directory.path().join("home");
        fs::create_dir(&home).unwrap();
        fs::set_permissions(&home, fs::Permissions::from_mode(0o750)).unwrap();
        let group = uzers::get_current_groupname().unwrap();
        let _listener = Listener::bind(&home.join("socket"), group.to_str()).unwrap();
        assert_eq!(mode(&home), 0o750);
    }

    #[test]
    fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "left over by a process that was killed");
        let first = Listener::bind(&path, None).unwrap();
        let second = Listener::bind(&path, None);
        assert!(matches!(second, Err(BindError::InUse { .. })), "{second:?}");
        std::os::unix::net::UnixStream::connect(&path).unwrap();
        drop(first);
        drop(Listener::bind(&path, None).unwrap());

        let _foreign = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let third = Listener::bind(&path, None);
        assert!(matches!(third, Err(BindError::InUse { .. })), "a program that takes no lock: {third:?}");
        assert!(path.exists());
    }

    #[test]
    fn what_is_no_socket_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        fs::write(&path, "dear").unwrap();
        assert!(matches!(Listener::bind(&path, None), Err(BindError::NotASocket { .. })));
        assert_eq!(fs::read_to_string(&path).unwrap(), "dear");
        let long = directory.path().join("x".repeat(120));
        assert!(matches!(Listener::bind(&long, None), Err(BindError::PathTooLong { .. })));
        let below = path.join("socket");
        assert!(matches!(Listener::bind(&below, None), Err(BindError::Io { .. })));
    }

    #[test]
    fn only_our_own_file_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let listener = Listener::bind(&path, None).unwrap();
        fs::rename(&path, directory.path().join("kept")).unwrap();
        fs::write(&path, "another").unwrap();
        drop(listener);
        assert_eq!(fs::read_to_string(&path).unwrap(), "another");
    }
}

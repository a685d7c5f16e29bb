//! Files that a job file names and the daemon opens (`env_file`, `stdin`): whose word counts for what they are.
//!
//! A daemon with more rights than the job must not lend them: a link that the job's user has put somewhere would
//! make it read anything. So such a file is opened with the rights of the job's user. Where these do not suffice
//! (a file of secrets that only root reads), the daemon's own are used, but only along a path that nobody but
//! root and the daemon's user could have laid.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::account::{Account, Identity};

/// The most links that are followed, as the kernel does (path_resolution(7)).
const MAX_LINKS: u32 = 40;

/// Others may write.
const WORLD_WRITABLE: u32 = 0o002;

/// In a directory with this bit only owners remove and rename files.
const STICKY: u32 = 0o1000;

/// Opens a file for reading in the name of a job's user. The opening never waits, whatever the file is.
///
/// # Errors
/// What open(2) says; `PermissionDenied` too where somebody else has a say in what the path leads to.
pub(super) fn open(path: &Path, account: &Account) -> io::Result<File> {
    let me = rustix::process::geteuid().as_raw();
    let Some(identity) = &account.identity else {
        check_way(path, Way::Named, me)?;
        return open_at_once(path);
    };
    match as_user(identity, || open_at_once(path)) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            check_way(path, Way::OwnOnly, me)?;
            open_at_once(path)
        }
        other => other,
    }
}

/// Opens without waiting for the other end of a pipe; reading waits as usual.
fn open_at_once(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
    let flags = rustix::fs::fcntl_getfl(&file)?;
    rustix::fs::fcntl_setfl(&file, flags.difference(OFlags::NONBLOCK))?;
    Ok(file)
}

/// Whose things a path may lead over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Anybody's whom the job file names, but nothing that somebody else has put into a place open to everybody.
    Named,
    /// Only what root or the daemon's user has put there.
    OwnOnly,
}

/// Makes sure that no directory, link or file along a path was put there by somebody who has no say in it.
fn check_way(path: &Path, way: Way, me: u32) -> io::Result<()> {
    let mut rest: Vec<PathBuf> = parts(&std::path::absolute(path)?);
    let mut done = PathBuf::from("/");
    let mut links = 0;
    while let Some(part) = rest.pop() {
        if part.as_os_str() == ".." {
            done.pop();
            continue;
        }
        let next = done.join(&part);
        let (directory, meta) = (fs::symlink_metadata(&done)?, fs::symlink_metadata(&next)?);
        let foreign = meta.uid() != 0 && meta.uid() != me;
        let open = directory.mode() & WORLD_WRITABLE != 0;
        if open && directory.mode() & STICKY == 0 {
            return Err(refused(format!("everybody can replace what is in {}", done.display())));
        }
        if foreign && (open || way == Way::OwnOnly) {
            return Err(refused(format!("{} belongs to user {}", next.display(), meta.uid())));
        }
        if meta.is_symlink() {
            links += 1;
            if links > MAX_LINKS {
                return Err(rustix::io::Errno::LOOP.into());
            }
            let target = fs::read_link(&next)?;
            if target.is_absolute() {
                done = PathBuf::from("/");
            }
            rest.extend(parts(&target));
        } else {
            done = next;
        }
    }
    Ok(())
}

fn refused(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, why)
}

/// Returns the names in a path, the last one first.
fn parts(path: &Path) -> Vec<PathBuf> {
    use std::path::Component;
    let names = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(PathBuf::from(name)),
        Component::ParentDir => Some(PathBuf::from("..")),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    let mut names: Vec<PathBuf> = names.collect();
    names.reverse();
    names
}

/// Does something with a user's rights on files (setfsuid(2), setfsgid(2)), in this thread alone.
fn as_user<T>(identity: &Identity, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let own_groups: Vec<u32> = rustix::process::getgroups()?.iter().map(|group| group.as_raw()).collect();
    let (own_user, own_group) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    if !take_groups(&identity.groups) {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    // The group first: without root's rights on files it could still be set, but this way round never matters.
    take_ids(identity.uid, identity.gid);
    let took = current_ids() == (identity.uid, identity.gid);
    let done = if took { work() } else { Err(io::ErrorKind::PermissionDenied.into()) };
    take_ids(own_user, own_group);
    let back = take_groups(&own_groups) && current_ids() == (own_user, own_group);
    // Nothing was given up for good, so there is no way for this to fail; were there one, the daemon must not go
    // on with another user's rights.
    assert!(back, "a thread takes back the rights it has lent away");
    done
}

/// Sets the supplementary groups of this thread; the C library's call would set those of all threads.
fn take_groups(groups: &[u32]) -> bool {
    // SAFETY: the kernel reads as many numbers as it is told there are.
    unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) == 0 }
}

fn take_ids(user: u32, group: u32) {
    // SAFETY: both take a number, touch no memory, and act on this thread alone.
    unsafe {
        libc::syscall(libc::SYS_setfsgid, group);
        libc::syscall(libc::SYS_setfsuid, user);
    }
}

/// Returns whose rights on files this thread has: asked for with an id that nobody has, neither is changed.
fn current_ids() -> (u32, u32) {
    // SAFETY: as in `take_ids`; the answer is the id before the call, which fits.
    let (user, group) =
        unsafe { (libc::syscall(libc::SYS_setfsuid, u32::MAX), libc::syscall(libc::SYS_setfsgid, u32::MAX)) };
    (u32::try_from(user).unwrap_or(u32::MAX), u32::try_from(group).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::io::{self, Read};
    use std::os::unix::fs::{PermissionsExt, chown, symlink};
    use std::path::Path;

    use super::{Identity, Way, as_user, check_way, open};
    use crate::process::account::Account;

    /// A user without rights, as on every Linux.
    const NOBODY: u32 = 65_534;

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    fn of_nobody() -> Account {
        let identity = Some(Identity { uid: NOBODY, gid: NOBODY, groups: vec![NOBODY] });
        Account { identity, ..Account::own() }
    }

    fn read(path: &Path, account: &Account) -> Result<String, io::ErrorKind> {
        let mut text = String::new();
        let mut file = open(path, account).map_err(|error| error.kind())?;
        file.read_to_string(&mut text).unwrap();
        Ok(text)
    }

    #[test]
    fn what_everybody_can_replace_is_not_opened() {
        let dir = tempfile::tempdir().unwrap();
        let shared = dir.path().join("shared");
        fs::create_dir(&shared).unwrap();
        let file = shared.join("env");
        fs::write(&file, "A=1").unwrap();
        symlink(&file, dir.path().join("link")).unwrap();
        symlink("loop", dir.path().join("loop")).unwrap();
        let own = Account::own();
        assert_eq!(read(&dir.path().join("link"), &own).unwrap(), "A=1");
        assert_eq!(read(&dir.path().join("shared/../link"), &own).unwrap(), "A=1");
        assert!(check_way(&dir.path().join("loop"), Way::Named, 0).is_err());
        mode(&shared, 0o1777);
        assert_eq!(read(&file, &own).unwrap(), "A=1", "as in /tmp: the file is ours all the same");
        mode(&shared, 0o777);
        assert_eq!(read(&file, &own), Err(io::ErrorKind::PermissionDenied));
        assert_eq!(read(&dir.path().join("link"), &own), Err(io::ErrorKind::PermissionDenied));
    }

    #[test]
    fn a_pipe_without_another_end_holds_nobody_up() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        assert_eq!(read(&fifo, &Account::own()).unwrap(), "");
    }

    #[test]
    fn a_link_of_the_jobs_user_is_followed_with_that_users_rights() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        mode(dir.path(), 0o755);
        let (secret, home) = (dir.path().join("secret"), dir.path().join("home"));
        fs::write(&secret, "of root").unwrap();
        mode(&secret, 0o600);
        fs::create_dir(&home).unwrap();
        chown(&home, Some(NOBODY), Some(NOBODY)).unwrap();
        let link = home.join("env");
        symlink(&secret, &link).unwrap();
        let nobody = of_nobody();
        assert_eq!(
            read(&link, &nobody),
            Err(io::ErrorKind::PermissionDenied),
            "its own link leads nowhere new"
        );
        assert_eq!(
            read(&secret, &nobody).unwrap(),
            "of root",
            "what root has named itself is root's to give"
        );
        let own = home.join("own");
        fs::write(&own, "of nobody").unwrap();
        mode(&own, 0o600);
        chown(&own, Some(NOBODY), Some(NOBODY)).unwrap();
        assert_eq!(read(&own, &nobody).unwrap(), "of nobody");
        assert_eq!(fs::read_to_string(&secret).unwrap(), "of root", "the daemon has its rights back");
    }

    #[test]
    fn rights_come_back_also_after_a_failure() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let groups = rustix::process::getgroups().unwrap();
        let identity = Identity { uid: NOBODY, gid: NOBODY, groups: Vec::new() };
        let failed: io::Result<()> = as_user(&identity, || {
            assert!(rustix::process::getgroups().unwrap().is_empty());
            Err(io::ErrorKind::NotFound.into())
        });
        assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(rustix::process::getgroups().unwrap(), groups);
        let secret = tempfile::NamedTempFile::new().unwrap();
        chown(secret.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        mode(secret.path(), 0o000);
        assert!(fs::read(secret.path()).is_ok(), "root reads everything again");
    }
}

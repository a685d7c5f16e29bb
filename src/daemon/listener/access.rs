//! Who may talk to the daemon.

use std::io;

use tokio::net::UnixStream;

use super::socket::BindError;

/// A client as the kernel knows it (SO_PEERCRED, unix(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its user.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Its process; 0 where the kernel does not tell (another PID namespace).
    pub pid: i32,
}

impl Peer {
    pub(super) fn of(stream: &UnixStream) -> io::Result<Self> {
        let credentials = stream.peer_cred()?;
        Ok(Peer { uid: credentials.uid(), gid: credentials.gid(), pid: credentials.pid().unwrap_or(0) })
    }
}

/// The users and the group that may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Access {
    pub(super) users: Vec<u32>,
    pub(super) group: Option<u32>,
}

impl Access {
    /// Allows this process's user, root, and a group.
    pub(super) fn of_this_user(group: Option<u32>) -> Self {
        Access { users: vec![rustix::process::geteuid().as_raw(), 0], group }
    }

    /// Says whether a peer may talk to the daemon.
    pub(super) async fn allows(&self, peer: Peer) -> bool {
        if self.users.contains(&peer.uid) {
            return true;
        }
        let Some(group) = self.group else { return false };
        if peer.gid == group {
            return true;
        }
        // The user database may be on the network, so the question is not asked on the loop's thread.
        tokio::task::spawn_blocking(move || is_member(peer.uid, group)).await.unwrap_or(false)
    }
}

fn is_member(uid: u32, group: u32) -> bool {
    uzers::get_user_by_uid(uid)
        .and_then(|user| uzers::get_user_groups(user.name(), user.primary_group_id()))
        .is_some_and(|groups| groups.iter().any(|found| found.gid() == group))
}

/// Finds the number of a group.
pub(super) fn group_id(name: &str) -> Result<u32, BindError> {
    uzers::get_group_by_name(name)
        .map(|group| group.gid())
        .ok_or_else(|| BindError::NoSuchGroup { group: name.to_owned() })
}

//! Users and groups: whom a job runs as, and what the system knows about that user.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use uzers::os::unix::UserExt;

use super::error::StartError;

/// A user that jobs run as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Account {
    /// The login name; the number where the system knows no name.
    pub(super) name: OsString,
    /// The home directory; `/` where the system knows none.
    pub(super) home: PathBuf,
    /// The login shell, unless it is one that refuses logins.
    pub(super) shell: Option<PathBuf>,
    /// What the child must become; `None` = it stays what the daemon is.
    pub(super) identity: Option<Identity>,
}

/// The ids a child takes on, all of them at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// Supplementary groups; the daemon's own are dropped.
    pub(super) groups: Vec<u32>,
}

impl Account {
    /// Returns the user this process runs as.
    pub(super) fn own() -> Self {
        let uid = uzers::get_effective_uid();
        uzers::get_user_by_uid(uid).map_or_else(|| Account::nameless(uid), |user| Account::of(&user))
    }

    /// Finds whom a job runs as; without `user` and `group` that is `own`.
    ///
    /// # Errors
    /// The user or the group does not exist.
    pub(super) fn resolve(
        user: Option<&str>,
        group: Option<&str>,
        own: &Account,
    ) -> Result<Self, StartError> {
        if user.is_none() && group.is_none() {
            return Ok(own.clone());
        }
        let own_uid = uzers::get_effective_uid();
        let found = match user {
            Some(text) => Some(find_user(text).ok_or_else(|| StartError::UserUnknown(text.to_owned()))?),
            None => uzers::get_user_by_uid(own_uid),
        };
        let uid = found.as_ref().map_or(own_uid, uzers::User::uid);
        let own_gid = uzers::get_effective_gid();
        let gid = match group {
            Some(text) => find_group(text).ok_or_else(|| StartError::GroupUnknown(text.to_owned()))?,
            None => found.as_ref().map_or(own_gid, uzers::User::primary_group_id),
        };
        let mut account = match &found {
            _ if uid == own_uid => own.clone(),
            Some(user) => Account::of(user),
            None => Account::nameless(uid),
        };
        if uid != own_uid || gid != own_gid {
            let groups = uzers::get_user_groups(&account.name, gid).unwrap_or_default();
            let groups = groups.iter().map(uzers::Group::gid).collect();
            account.identity = Some(Identity { uid, gid, groups });
        }
        Ok(account)
    }

    /// Puts the home of this user in the place of a `~` that a path begins with; the job file lets no other
    /// user's through.
    pub(super) fn expand<'p>(&self, path: &'p Path) -> Cow<'p, Path> {
        match path.strip_prefix("~") {
            // Joining an empty path would add a slash, which a program's name must not end in.
            Ok(rest) if rest.as_os_str().is_empty() => self.home.clone().into(),
            Ok(rest) => self.home.join(rest).into(),
            Err(_) => path.into(),
        }
    }

    fn of(user: &uzers::User) -> Self {
        let shell = Some(user.shell().to_path_buf()).filter(|shell| takes_logins(shell));
        Account {
            name: user.name().to_os_string(),
            home: user.home_dir().to_path_buf(),
            shell,
            identity: None,
        }
    }

    fn nameless(uid: u32) -> Self {
        Account { name: uid.to_string().into(), home: PathBuf::from("/"), shell: None, identity: None }
    }
}

/// Says whether a login shell runs commands; `nologin` and `false` are there to refuse.
fn takes_logins(shell: &Path) -> bool {
    !matches!(shell.file_name().and_then(OsStr::to_str), None | Some("nologin" | "false"))
}

fn find_user(text: &str) -> Option<uzers::User> {
    uzers::get_user_by_name(text).or_else(|| uzers::get_user_by_uid(text.parse().ok()?))
}

fn find_group(text: &str) -> Option<u32> {
    let named = uzers::get_group_by_name(text).map(|group| group.gid());
    named.or_else(|| text.parse().ok())
}

//! The environment of a job, made in one place for the schedule, `run-now` and `exec`.
//!
//! In rising order of precedence: what the daemon was started with, `HOME USER LOGNAME SHELL PATH` of the
//! job's user, the `env_file`s in their order, `env`, and `JOBCTL_*`. The same inputs give the same block,
//! byte for byte.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use chrono::{FixedOffset, SecondsFormat};

use super::account::Account;
use super::env_file;
use super::error::StartError;
use crate::core::civil::Zone;
use crate::core::instant::Timestamp;
use crate::core::job::{About, Execution};
use crate::core::name::Name;
use crate::core::run::{RunId, Source};

/// Where commands are looked for when nothing says so: an ordinary user, and root.
const PATH_USER: &str = "/usr/local/bin:/usr/bin:/bin";
const PATH_ROOT: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Speaks of the daemon's own process or of the place it was started at, so no job may see it.
const PRIVATE: [&str; 21] = [
    "NOTIFY_SOCKET",
    "LISTEN_PID",
    "LISTEN_PIDFDID",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
    "JOURNAL_STREAM",
    "INVOCATION_ID",
    "MAINPID",
    "MANAGERPID",
    "SYSTEMD_EXEC_PID",
    "FDSTORE",
    "MEMORY_PRESSURE_WATCH",
    "MEMORY_PRESSURE_WRITE",
    "_",
    "PWD",
    "OLDPWD",
    "SHLVL",
    "COLUMNS",
    "LINES",
];

/// Belongs to the session of the daemon's own user; a job of another user must not reach into it.
const PERSONAL: [&str; 10] = [
    "PATH",
    "XDG_RUNTIME_DIR",
    "XDG_CONFIG_HOME",
    "XDG_CACHE_HOME",
    "XDG_DATA_HOME",
    "XDG_STATE_HOME",
    "DBUS_SESSION_BUS_ADDRESS",
    "SSH_AUTH_SOCK",
    "XAUTHORITY",
    "MAIL",
];

/// Names the run; a daemon started inside a job must not hand its own run's names on.
const RUN: [&str; 8] = [
    "JOBCTL_JOB",
    "JOBCTL_RUN_ID",
    "JOBCTL_FIRE_TIME",
    "JOBCTL_ATTEMPT",
    "JOBCTL_SOURCE",
    "JOBCTL_LAST_SUCCESS",
    "JOBCTL_STATUS",
    "JOBCTL_EXIT_CODE",
];
const META_PREFIX: &str = "JOBCTL_META_";

/// The variable that says whose run it is, where several daemons share a machine.
pub(super) const STATE_DIR: &str = "JOBCTL_STATE_DIR";

/// What the daemon was started with and who it is, captured once.
#[derive(Clone, Debug)]
pub struct Inherited {
    vars: BTreeMap<OsString, OsString>,
    own: Account,
}

/// What is said to a run about itself.
#[derive(Clone, Copy, Debug)]
pub struct RunContext<'a> {
    /// The job; `JOBCTL_JOB`.
    pub job: &'a Name,
    /// The run; `JOBCTL_RUN_ID`.
    pub run: RunId,
    /// The attempt, from 1; `JOBCTL_ATTEMPT`.
    pub attempt: u32,
    /// The fire time; `JOBCTL_FIRE_TIME`, not set where there is none.
    pub fire_time: Option<Timestamp>,
    /// Why the run exists; `JOBCTL_SOURCE`.
    pub source: Source,
    /// When the job last succeeded; `JOBCTL_LAST_SUCCESS`, not set where it never did.
    pub last_success: Option<Timestamp>,
    /// Its `meta` becomes `JOBCTL_META_<KEY>`: letters upper-case, anything but letters and digits `_`.
    pub about: &'a About,
    /// The zone in which instants are written (RFC 3339 with offset).
    pub zone: &'a Zone,
    /// Further variables, as `JOBCTL_STATUS` and `JOBCTL_EXIT_CODE` for hooks.
    pub extra: &'a [(String, String)],
}

/// A job's environment, ready for the kernel, and the user it belongs to.
#[derive(Clone, Debug)]
pub struct Environment {
    /// `NAME=value` entries, each ended by a NUL byte, sorted by name.
    block: Vec<u8>,
    /// Where each entry begins.
    starts: Vec<usize>,
    pub(super) account: Account,
}

impl Inherited {
    /// Captures the environment of this process; see [`Inherited::new`].
    pub fn capture(state_dir: &Path) -> Self {
        Inherited::new(std::env::vars_os(), state_dir)
    }

    /// Takes variables as those the daemon was started with, without what is private to it.
    ///
    /// `state_dir` (absolute) is told to every job as `JOBCTL_STATE_DIR`: a `jobctl` inside a job talks to
    /// its own daemon, and a run is found again by it among those of other daemons.
    pub fn new(vars: impl IntoIterator<Item = (OsString, OsString)>, state_dir: &Path) -> Self {
        let keep = |name: &OsStr| {
            let bytes = name.as_bytes();
            !bytes.is_empty()
                && !PRIVATE.iter().chain(&RUN).any(|other| name == *other)
                && !bytes.starts_with(META_PREFIX.as_bytes())
        };
        let mut vars: BTreeMap<_, _> = vars.into_iter().filter(|(name, _)| keep(name)).collect();
        vars.insert(STATE_DIR.into(), state_dir.into());
        let mut own = Account::own();
        // The daemon's environment may know better than the system where its own user is at home.
        if let Some(home) = vars.get(OsStr::new("HOME")).map(Path::new).filter(|home| home.is_absolute()) {
            own.home = home.to_owned();
        }
        Inherited { vars, own }
    }

    /// Takes a NUL-separated block of `NAME=value` entries, as of /proc/PID/environ (proc(5)).
    pub fn from_block(block: &[u8], state_dir: &Path) -> Self {
        let entries = block.split(|byte| *byte == 0).filter_map(|entry| {
            let equals = entry.iter().position(|byte| *byte == b'=')?;
            let text = |part: &[u8]| OsString::from_vec(part.to_vec());
            Some((text(&entry[..equals]), text(&entry[equals + 1..])))
        });
        Inherited::new(entries, state_dir)
    }

    /// Returns what is handed on to jobs, and to every other program the daemon runs.
    pub fn vars(&self) -> impl Iterator<Item = (OsString, OsString)> {
        self.vars.iter().map(|(name, value)| (name.clone(), value.clone()))
    }

    /// Returns what is handed on, as such a block; whoever stores it gives `exec` the daemon's environment.
    pub fn to_block(&self) -> Vec<u8> {
        let mut block = Vec::new();
        for (name, value) in &self.vars {
            block.extend([name.as_bytes(), b"=", value.as_bytes(), b"\0"].concat());
        }
        block
    }
}

impl Environment {
    /// Returns a variable's value.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.vars().find(|(other, _)| *other == name).map(|(_, value)| value)
    }

    /// Returns all variables, sorted by name.
    pub fn vars(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.starts.iter().filter_map(|start| {
            let entry = self.block[*start..].split(|byte| *byte == 0).next()?;
            let equals = entry.iter().position(|byte| *byte == b'=')?;
            Some((OsStr::from_bytes(&entry[..equals]), OsStr::from_bytes(&entry[equals + 1..])))
        })
    }

    /// Returns the block as execve(2) wants it: pointers into `self`, then a null.
    pub(super) fn pointers(&self) -> Vec<*const libc::c_char> {
        let entries = self.starts.iter().map(|start| self.block[*start..].as_ptr().cast());
        entries.chain([std::ptr::null()]).collect()
    }
}

/// Makes the environment of one attempt and finds its user.
///
/// # Errors
/// The user or group does not exist, an `env_file` cannot be read, or a variable cannot be one.
pub fn environment(
    inherited: &Inherited,
    execution: &Execution,
    context: &RunContext<'_>,
) -> Result<Environment, StartError> {
    let user = execution.user.as_deref();
    let account = Account::resolve(user, execution.group.as_deref(), &inherited.own)?;
    let mut files = Vec::new();
    for path in &execution.env_files {
        files.extend(env_file::read(&account.expand(path), &account)?);
    }
    let mut own = Own::new();
    own.set_account(inherited, &account, &execution.shell);
    for (name, value) in &files {
        own.set(name, value);
    }
    for (name, value) in &execution.env {
        own.set(OsStr::new(name), OsStr::new(value));
    }
    // `env` cannot take the run's own names, nor the one by which the run is found again.
    for name in RUN.into_iter().chain([STATE_DIR]) {
        own.0.remove(OsStr::new(name));
    }
    for (name, value) in run_vars(context) {
        own.0.insert(OsString::from(name.into_owned()).into(), Some(OsString::from(value).into()));
    }
    let (block, starts) = own.serialise_over(inherited)?;
    Ok(Environment { block, starts, account })
}

/// What one job's environment has of its own, by name: `None` = what is inherited under that name is left out.
///
/// Most of an environment is inherited. It is not looked up again for each of many starts, only gone through.
struct Own<'a>(BTreeMap<Cow<'a, OsStr>, Option<Cow<'a, OsStr>>>);

impl<'a> Own<'a> {
    fn new() -> Self {
        Own(BTreeMap::new())
    }

    fn set(&mut self, name: &'a OsStr, value: &'a OsStr) {
        self.0.insert(name.into(), Some(value.into()));
    }

    /// Sets what says who the user is. The daemon's PATH is good for its own user only.
    fn set_account(&mut self, inherited: &Inherited, account: &'a Account, job_shell: &'a Path) {
        let is_other = account.name != inherited.own.name;
        if is_other {
            self.0.extend(PERSONAL.map(|name| (OsStr::new(name).into(), None)));
        }
        let path = OsStr::new("PATH");
        if is_other || !inherited.vars.contains_key(path) {
            self.set(path, OsStr::new(if account.name == "root" { PATH_ROOT } else { PATH_USER }));
        }
        self.set(OsStr::new("HOME"), account.home.as_os_str());
        self.set(OsStr::new("USER"), &account.name);
        self.set(OsStr::new("LOGNAME"), &account.name);
        let shell = match &account.shell {
            Some(shell) => shell.as_os_str().into(),
            None => Cow::Owned(account.expand(job_shell).into_owned().into_os_string()),
        };
        self.0.insert(OsStr::new("SHELL").into(), Some(shell));
    }

    /// Writes the variables, own ones before inherited ones of the same name, and notes where each begins.
    fn serialise_over(self, inherited: &Inherited) -> Result<(Vec<u8>, Vec<usize>), StartError> {
        let mut block = Block::default();
        let mut own = self.0.iter().peekable();
        for (name, value) in &inherited.vars {
            while let Some((name, value)) = own.next_if(|(own, _)| ***own < **name) {
                block.put(name, value.as_deref())?;
            }
            let is_hidden = own.peek().is_some_and(|(own, _)| ***own == **name);
            if !is_hidden {
                block.put(name, Some(value))?;
            }
        }
        own.try_for_each(|(name, value)| block.put(name, value.as_deref()))?;
        Ok((block.bytes, block.starts))
    }
}

/// Entries one after the other, and where each begins.
#[derive(Default)]
struct Block {
    bytes: Vec<u8>,
    starts: Vec<usize>,
}

impl Block {
    fn put(&mut self, name: &OsStr, value: Option<&OsStr>) -> Result<(), StartError> {
        let Some(value) = value else { return Ok(()) };
        let (name, value) = (name.as_bytes(), value.as_bytes());
        if name.is_empty() || name.contains(&b'=') || name.contains(&0) || value.contains(&0) {
            return Err(StartError::Variable(String::from_utf8_lossy(name).into_owned()));
        }
        self.starts.push(self.bytes.len());
        for part in [name, b"=", value, b"\0"] {
            self.bytes.extend_from_slice(part);
        }
        Ok(())
    }
}

fn run_vars<'a>(context: &RunContext<'a>) -> Vec<(Cow<'a, str>, String)> {
    let mut vars: Vec<(Cow<'a, str>, String)> = vec![
        ("JOBCTL_JOB".into(), context.job.to_string()),
        ("JOBCTL_RUN_ID".into(), context.run.to_string()),
        ("JOBCTL_ATTEMPT".into(), context.attempt.to_string()),
        ("JOBCTL_SOURCE".into(), context.source.as_str().to_owned()),
    ];
    let instants = [("JOBCTL_FIRE_TIME", context.fire_time), ("JOBCTL_LAST_SUCCESS", context.last_success)];
    for (name, at) in instants {
        vars.extend(at.map(|at| (name.into(), rfc3339(at, context.zone))));
    }
    for (key, value) in &context.about.meta {
        let upper = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
        let key: String = META_PREFIX.chars().chain(key.chars().map(upper)).collect();
        vars.push((key.into(), value.clone()));
    }
    vars.extend(context.extra.iter().map(|(name, value)| (name.as_str().into(), value.clone())));
    vars
}

fn rfc3339(at: Timestamp, zone: &Zone) -> String {
    let offset = FixedOffset::east_opt(zone.offset_at(at));
    match at.to_utc().zip(offset) {
        Some((utc, offset)) => utc.with_timezone(&offset).to_rfc3339_opts(SecondsFormat::AutoSi, false),
        None => at.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::{Inherited, Own};
    use crate::process::account::Account;

    #[test]
    fn what_is_personal_to_the_daemons_user_is_left_out_for_another() {
        let vars =
            [("A", "1"), ("PATH", "/own"), ("SSH_AUTH_SOCK", "/agent"), ("USER", "daemon"), ("Z", "2")];
        let vars = vars.map(|(name, value)| (name.into(), value.into()));
        let inherited = Inherited::new(vars, Path::new("/state"));
        let account = |name: &std::ffi::OsStr| Account {
            name: name.to_owned(),
            home: PathBuf::from("/home/x"),
            shell: Some(PathBuf::from("/bin/zsh")),
            identity: None,
        };
        let text = |account: &Account| {
            let mut own = Own::new();
            own.set_account(&inherited, account, Path::new("/bin/sh"));
            let (block, starts) = own.serialise_over(&inherited).unwrap();
            assert_eq!(starts.len(), block.iter().filter(|byte| **byte == 0).count());
            String::from_utf8(block).unwrap().replace('\0', " ")
        };
        let own = inherited.own.name.to_str().unwrap().to_owned();
        assert_eq!(
            text(&account(&inherited.own.name)),
            format!(
                "A=1 HOME=/home/x JOBCTL_STATE_DIR=/state LOGNAME={own} PATH=/own SHELL=/bin/zsh \
                 SSH_AUTH_SOCK=/agent USER={own} Z=2 "
            )
        );
        assert_eq!(
            text(&account("somebody-else".as_ref())),
            "A=1 HOME=/home/x JOBCTL_STATE_DIR=/state LOGNAME=somebody-else PATH=/usr/local/bin:/usr/bin:/bin \
             SHELL=/bin/zsh USER=somebody-else Z=2 "
        );
    }
}

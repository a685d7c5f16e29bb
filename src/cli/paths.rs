//! Where the job file, the state directory and the socket are.
//!
//! Owns the order in which options, variables and defaults are looked at. Everything that is read from the
//! environment comes in through [`Surroundings`], so that the rules are tested without touching it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use directories::BaseDirs;

/// The longest path of a Unix socket in bytes: `sun_path` has 108, one is for the NUL (unix(7)).
const MAX_SOCKET_BYTES: usize = 107;

/// What was given on the command line or in `JOBCTL_CONFIG`, `JOBCTL_STATE_DIR` and `JOBCTL_SOCKET`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given {
    pub(crate) config: Option<PathBuf>,
    pub(crate) state_dir: Option<PathBuf>,
    pub(crate) socket: Option<PathBuf>,
}

/// What the defaults depend on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Surroundings {
    /// True for the superuser.
    root: bool,
    /// `CONFIGURATION_DIRECTORY`, `STATE_DIRECTORY` and `RUNTIME_DIRECTORY`, as systemd sets them.
    units: [Option<OsString>; 3],
    /// The user's directory for configuration, without `jobctl`.
    config_home: Option<PathBuf>,
    /// The user's directory for state, without `jobctl`.
    state_home: Option<PathBuf>,
    /// The user's runtime directory, without `jobctl`.
    runtime_dir: Option<PathBuf>,
}

/// The three places, absolute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Paths {
    pub(crate) config: PathBuf,
    pub(crate) state_dir: PathBuf,
    pub(crate) socket: PathBuf,
    /// True where the job file's place was given rather than found.
    pub(crate) config_given: bool,
    /// True where the state directory or the socket was given rather than found.
    pub(crate) instance_given: bool,
}

/// Why a place cannot be told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PathsError {
    /// There is neither an option nor a home directory to start from.
    #[error("the user has no home directory, so there is no place for {0}")]
    NoHome(&'static str),
    /// The socket's path does not fit into a socket address.
    #[error("the socket path {} has {bytes} bytes, the system takes {MAX_SOCKET_BYTES}", path.display())]
    SocketTooLong { path: PathBuf, bytes: usize },
    /// A relative path cannot be made absolute.
    #[error("cannot tell where {} is: {source}", path.display())]
    Relative { path: PathBuf, source: std::io::Error },
}

impl Surroundings {
    /// Reads what the defaults depend on from the environment of this process.
    pub(crate) fn of_process() -> Self {
        let base = BaseDirs::new();
        let unit = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let own = format!("/run/user/{}", rustix::process::geteuid().as_raw());
        // Without a session (cron, su, ssh without PAM) the variable is not set, but the directory of the
        // user's services may be there all the same, with the socket of a daemon in it.
        let session = Some(PathBuf::from(own)).filter(|path| path.is_dir());
        Surroundings {
            root: rustix::process::geteuid().is_root(),
            units: [unit("CONFIGURATION_DIRECTORY"), unit("STATE_DIRECTORY"), unit("RUNTIME_DIRECTORY")],
            config_home: base.as_ref().map(|base| base.config_dir().to_owned()),
            state_home: base.as_ref().and_then(|base| base.state_dir().map(Path::to_owned)),
            runtime_dir: base.as_ref().and_then(|base| base.runtime_dir().map(Path::to_owned)).or(session),
        }
    }

    /// Returns the first directory of one of systemd's lists.
    fn unit(&self, place: usize) -> Option<PathBuf> {
        use std::os::unix::ffi::OsStrExt as _;
        let list = self.units[place].as_ref()?;
        let first = list.as_bytes().split(|byte| *byte == b':').next()?;
        Some(PathBuf::from(std::ffi::OsStr::from_bytes(first)))
    }

    fn config(&self) -> Option<PathBuf> {
        let system = || self.root.then(|| PathBuf::from("/etc/jobctl"));
        let user = || self.config_home.as_ref().map(|home| home.join("jobctl"));
        self.unit(0).or_else(system).or_else(user).map(|directory| directory.join("jobs.toml"))
    }

    fn state_dir(&self) -> Option<PathBuf> {
        let system = || self.root.then(|| PathBuf::from("/var/lib/jobctl"));
        let user = || self.state_home.as_ref().map(|home| home.join("jobctl"));
        self.unit(1).or_else(system).or_else(user)
    }

    fn socket(&self) -> Option<PathBuf> {
        let system = || self.root.then(|| PathBuf::from("/run/jobctl"));
        let user = || self.runtime_dir.as_ref().map(|directory| directory.join("jobctl"));
        self.unit(2).or_else(system).or_else(user).map(|directory| directory.join("jobctl.sock"))
    }
}

impl Paths {
    /// Decides on the three places: what was given, then systemd's directories, then the defaults of root or
    /// of the user.
    ///
    /// A state directory that is given, and is not the default one, has its socket inside: one option is
    /// enough to keep a daemon apart.
    ///
    /// # Errors
    /// Where there is no home directory to start from, or the socket's path is too long for the system.
    pub(crate) fn resolve(given: &Given, around: &Surroundings) -> Result<Self, PathsError> {
        let config = given.config.clone().or_else(|| around.config());
        let default_state = around.state_dir();
        let state_dir = given.state_dir.clone().or_else(|| default_state.clone());
        let state_dir = absolute(state_dir.ok_or(PathsError::NoHome("the state directory"))?)?;
        let own_state = given.state_dir.is_some() && default_state.as_deref() != Some(&state_dir);
        let inside = || state_dir.join("jobctl.sock");
        let socket = match &given.socket {
            Some(socket) => socket.clone(),
            None if own_state => inside(),
            None => around.socket().unwrap_or_else(inside),
        };
        let socket = absolute(socket)?;
        let bytes = socket.as_os_str().len();
        if bytes > MAX_SOCKET_BYTES {
            return Err(PathsError::SocketTooLong { path: socket, bytes });
        }
        Ok(Paths {
            config: absolute(config.ok_or(PathsError::NoHome("the job file"))?)?,
            state_dir,
            socket,
            config_given: given.config.is_some(),
            instance_given: own_state || given.socket.is_some(),
        })
    }
}

fn absolute(path: PathBuf) -> Result<PathBuf, PathsError> {
    std::path::absolute(&path).map_err(|source| PathsError::Relative { path, source })
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::{Given, Paths, PathsError, Surroundings};

    fn user() -> Surroundings {
        Surroundings {
            root: false,
            units: [None, None, None],
            config_home: Some(PathBuf::from("/home/ann/.config")),
            state_home: Some(PathBuf::from("/home/ann/.local/state")),
            runtime_dir: Some(PathBuf::from("/run/user/1000")),
        }
    }

    fn places(given: &Given, around: &Surroundings) -> [String; 3] {
        let paths = Paths::resolve(given, around).unwrap();
        [paths.config, paths.state_dir, paths.socket].map(|path| path.display().to_string())
    }

    #[test]
    fn defaults_of_root_of_a_user_and_of_a_unit() {
        let none = Given::default();
        let root = Surroundings { root: true, ..user() };
        assert_eq!(
            places(&none, &root),
            ["/etc/jobctl/jobs.toml", "/var/lib/jobctl", "/run/jobctl/jobctl.sock"]
        );
        assert_eq!(
            places(&none, &user()),
            [
                "/home/ann/.config/jobctl/jobs.toml",
                "/home/ann/.local/state/jobctl",
                "/run/user/1000/jobctl/jobctl.sock"
            ]
        );
        let session_less = Surroundings { runtime_dir: None, ..user() };
        assert_eq!(places(&none, &session_less)[2], "/home/ann/.local/state/jobctl/jobctl.sock");
        let units = ["/etc/x:/etc/y", "/var/lib/x", "/run/x"].map(|path| Some(path.into()));
        let unit = Surroundings { units, ..root };
        assert_eq!(places(&none, &unit), ["/etc/x/jobs.toml", "/var/lib/x", "/run/x/jobctl.sock"]);
    }

    #[test]
    fn a_given_state_directory_has_its_socket_inside() {
        let given = Given { state_dir: Some("/tmp/x".into()), ..Given::default() };
        assert_eq!(places(&given, &user())[1..], ["/tmp/x", "/tmp/x/jobctl.sock"]);
        let both = Given { socket: Some("/tmp/y.sock".into()), ..given };
        assert_eq!(places(&both, &user())[1..], ["/tmp/x", "/tmp/y.sock"]);
        // Jobs are told their daemon's state directory; that of the default daemon means the default socket.
        let told = Given { state_dir: Some("/home/ann/.local/state/jobctl".into()), ..Given::default() };
        assert_eq!(places(&told, &user())[2], "/run/user/1000/jobctl/jobctl.sock");
    }

    #[test]
    fn a_socket_path_that_is_too_long_is_one_clear_error() {
        let long = Path::new("/tmp").join("x".repeat(100));
        let given = Given { state_dir: Some(long), ..Given::default() };
        let error = Paths::resolve(&given, &user()).unwrap_err();
        assert!(matches!(error, PathsError::SocketTooLong { bytes: 117, .. }), "{error}");
    }

    #[test]
    fn without_a_home_only_what_is_missing_is_asked_for() {
        let given = Given { config: Some("/a/jobs.toml".into()), ..Given::default() };
        let error = Paths::resolve(&given, &Surroundings::default()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the user has no home directory, so there is no place for the state directory"
        );
        let given = Given { state_dir: Some("/a".into()), ..given };
        assert_eq!(places(&given, &Surroundings::default()), ["/a/jobs.toml", "/a", "/a/jobctl.sock"]);
    }
}

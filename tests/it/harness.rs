//! Runs the real binary in a clean environment and shows what it said.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A place of its own for one test: job file, state directory and home.
pub(crate) struct Sandbox {
    root: TempDir,
}

impl Sandbox {
    /// Makes one without a job file.
    pub(crate) fn new() -> Self {
        let root = tempfile::Builder::new().prefix("jobctl-it-").tempdir().expect("a temporary directory");
        Sandbox { root }
    }

    /// Makes one with a job file.
    pub(crate) fn with_jobs(text: &str) -> Self {
        let sandbox = Sandbox::new();
        sandbox.write("jobs.toml", text);
        sandbox
    }

    /// Returns a path inside.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Writes a file inside.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).expect("the sandbox can be written to");
        path
    }

    /// Prepares a command of the binary: nothing of the environment of the tests reaches it.
    pub(crate) fn command<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_jobctl"));
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", self.root.path())
            .env("TZ", "UTC")
            .env("LANG", "C.UTF-8")
            .env("JOBCTL_CONFIG", self.path("jobs.toml"))
            .env("JOBCTL_STATE_DIR", self.path("state"))
            .current_dir(self.root.path())
            .stdin(Stdio::null())
            .args(args);
        command
    }

    /// Runs the binary and shows exit code, standard output and standard error in one text.
    pub(crate) fn run<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> String {
        self.shown(&self.output(args))
    }

    /// Runs the binary.
    pub(crate) fn output<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Output {
        self.command(args).output().expect("the binary can be run")
    }

    /// Runs the binary, expects success, and returns its standard output as JSON.
    pub(crate) fn json<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> serde_json::Value {
        let output = self.output(args);
        assert!(output.status.success(), "{}", self.shown(&output));
        serde_json::from_slice(&output.stdout).expect("the output is JSON")
    }

    /// Shows an output, with the sandbox's own path replaced.
    pub(crate) fn shown(&self, output: &Output) -> String {
        let mut text =
            format!("exit {}\n", output.status.code().map_or_else(|| "?".to_owned(), |c| c.to_string()));
        for (name, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
            if !bytes.is_empty() {
                let _ = write!(text, "--- {name}\n{}", String::from_utf8_lossy(bytes));
            }
        }
        text.replace(&*self.root.path().to_string_lossy(), "$ROOT")
    }
}

/// Says where the package is.
pub(crate) fn package(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

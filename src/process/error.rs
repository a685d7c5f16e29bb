//! Why a process could not be started.

use std::io;
use std::path::PathBuf;

/// Why a start failed: the attempt ends as `failed` with this text, and nothing of it runs.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No such program.
    #[error("the program {program:?} does not exist")]
    NotFound {
        /// The program as the job names it.
        program: String,
    },
    /// A name without a slash is in no directory of the job's PATH.
    #[error("the program {program:?} is not in the job's PATH ({path})")]
    NotInPath {
        /// The program as the job names it.
        program: String,
        /// The PATH that was searched.
        path: String,
    },
    /// The program is there, but its interpreter (`#!` line or dynamic loader) is not.
    #[error("the interpreter of {program:?} does not exist")]
    NoInterpreter {
        /// The program as the job names it.
        program: String,
    },
    /// The program is no executable file, or not for this user.
    #[error("{program:?} cannot be executed: {source}")]
    NotExecutable {
        /// The program as the job names it.
        program: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The arguments and the environment together are longer than the kernel takes.
    #[error("the arguments and the environment of {program:?} are too long")]
    TooLong {
        /// The program as the job names it.
        program: String,
    },
    /// The working directory that the job names cannot be entered.
    #[error("the working directory {cwd:?} cannot be entered: {source}")]
    Cwd {
        /// The directory.
        cwd: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The job names no working directory and its user's home cannot be entered.
    #[error("the home {home:?} of user {user} cannot be entered (set cwd): {source}")]
    Home {
        /// The user.
        user: String,
        /// The user's home.
        home: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// No such user.
    #[error("the user {0:?} does not exist")]
    UserUnknown(String),
    /// No such group.
    #[error("the group {0:?} does not exist")]
    GroupUnknown(String),
    /// The daemon may not become that user or group.
    #[error("only root can run a job as user {user}, group {group}: {source}")]
    UserRefused {
        /// The user wanted.
        user: String,
        /// The group id wanted.
        group: u32,
        /// What the kernel said.
        source: io::Error,
    },
    /// The system gives out no more processes or memory for them (EAGAIN, ENOMEM).
    #[error("the system has no room for another process: {0}")]
    OutOfProcesses(#[source] io::Error),
    /// A file of `env_file` cannot be read.
    #[error("the environment file {path:?} cannot be read: {source}")]
    EnvFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line of an `env_file` is no assignment.
    #[error("{path:?} line {line}: {problem}")]
    EnvFileLine {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        problem: super::env_file::Problem,
    },
    /// A variable that no environment can hold.
    #[error("the environment variable {0:?} has an empty name, a '=' in its name, or a NUL byte")]
    Variable(String),
    /// A NUL byte where the kernel takes none.
    #[error("{0} holds a NUL byte")]
    Nul(&'static str),
    /// The file for standard input cannot be opened.
    #[error("the stdin file {path:?} cannot be opened: {source}")]
    Stdin {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A limit cannot be set, mostly because it is above the daemon's own hard limit.
    #[error("the limit {name} cannot be set to {value}: {source}")]
    Limit {
        /// The job key under `limits`.
        name: &'static str,
        /// What was asked for, in the unit of setrlimit(2).
        value: u64,
        /// What the kernel said.
        source: io::Error,
    },
    /// The niceness cannot be set; below the daemon's own only root may.
    #[error("the niceness {nice} cannot be set: {source}")]
    Nice {
        /// What was asked for.
        nice: i8,
        /// What the kernel said.
        source: io::Error,
    },
    /// Anything else the kernel refused on the way.
    #[error("{step} failed: {source}")]
    System {
        /// The step of the start.
        step: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}

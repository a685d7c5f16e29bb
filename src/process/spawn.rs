//! Starts a command as a process: makes the `Plan`, hands it to the child, and turns failures into words.

use std::borrow::Cow;
use std::ffi::{CString, OsStr, c_char};
use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use rustix::fs::MemfdFlags;
use rustix::process::{Pid, Resource, Rlimit, Signal};

use super::account::Account;
use super::cgroup::RunCgroup;
use super::child::{LaunchError, Launcher, Plan, Stage, collect};
use super::environment::Environment;
use super::error::StartError;
use super::limits::{ResourceLimit, resource_limits};
use super::procfs;
use super::reckoning::Reckoning;
use super::trust;
use crate::core::job::{Command, Execution, Stdin};
use crate::core::name::Name;
use crate::core::run::ProcessMark;

/// Where a command's standard output and error go, both to the same place.
#[derive(Clone, Copy, Debug)]
pub enum Sink<'a> {
    /// Into this file; opened for appending, so that the two stay in order.
    File(BorrowedFd<'a>),
    /// To where this process's own go.
    Inherit,
    /// Nowhere.
    Null,
}

/// One command to start.
#[derive(Clone, Copy, Debug)]
pub struct Start<'a> {
    /// The job, which a shell command sees as `$0`.
    pub job: &'a Name,
    /// What to run.
    pub command: &'a Command,
    /// Further arguments (`run-now JOB -- ARGS`): appended to an argv command; `"$@"` of a shell command.
    pub args: &'a [String],
    /// The surroundings.
    pub execution: &'a Execution,
    /// The environment, and with it the user.
    pub environment: &'a Environment,
    /// Where the output goes.
    pub sink: Sink<'a>,
    /// The cgroup of the run.
    pub cgroup: Option<&'a RunCgroup>,
}

/// Starts processes, one at a time; each becomes a process group of its own.
///
/// A start blocks until the program is being executed, some hundred microseconds.
pub struct Spawner {
    launcher: Launcher,
    null: OwnedFd,
    /// The limit on open files that jobs get when this process has raised its own.
    open_files: Option<ResourceLimit>,
    reckoning: Option<Reckoning>,
}

impl Spawner {
    /// Prepares for starts.
    ///
    /// # Errors
    /// /proc is not mounted, /dev/null is missing, or there is no memory.
    pub fn new() -> io::Result<Self> {
        procfs::boot_id()?;
        let null = above_stdio(File::options().read(true).write(true).open("/dev/null")?.into())?;
        Ok(Spawner { launcher: Launcher::new()?, null, open_files: None, reckoning: None })
    }

    /// Raises this process's limit on open files as far as it goes; jobs still start with the present one.
    pub fn raise_open_files(&mut self) {
        let now = rustix::process::getrlimit(Resource::Nofile);
        let (soft, hard) = (now.current.unwrap_or(u64::MAX), now.maximum.unwrap_or(u64::MAX));
        let raised = Rlimit { current: now.maximum, maximum: now.maximum };
        if soft < hard && rustix::process::setrlimit(Resource::Nofile, raised).is_ok() {
            let limit = ResourceLimit { name: "open_files", resource: libc::RLIMIT_NOFILE, soft, hard };
            self.open_files = Some(limit);
        }
    }

    /// Lets the start times of processes be reckoned from a clock, where that is certain, instead of being read
    /// from /proc at each start: `since_boot` is the time since the boot of the machine, suspends included.
    pub fn reckon_start_times(&mut self, since_boot: fn() -> Duration) {
        self.reckoning = Some(Reckoning::new(since_boot));
    }

    /// Starts a command and returns what identifies its process.
    ///
    /// A text command is run as `SHELL -c TEXT JOB ARGS...`, so that `"$@"` in the text stands for the
    /// further arguments and messages of the shell begin with the job's name. A program without a slash is
    /// looked for in the job's own PATH.
    ///
    /// # Errors
    /// See [`StartError`]; then no process is left. A program that cannot be executed is an error, never an
    /// exit code.
    pub fn spawn(&mut self, start: &Start<'_>) -> Result<ProcessMark, StartError> {
        let Start { execution, environment, .. } = *start;
        let argv = arguments(start)?;
        let programs = programs(&argv[0], environment)?;
        let cwd = c_string(working_directory(start).as_os_str(), "the working directory")?;
        let stdin = open_stdin(&execution.stdin, &environment.account)?;
        let (output, held);
        match start.sink {
            Sink::Inherit => output = None,
            Sink::Null => output = Some(self.null.as_fd()),
            Sink::File(file) if file.as_raw_fd() > 2 => output = Some(file),
            Sink::File(file) => {
                held = file.try_clone_to_owned().and_then(above_stdio);
                let held = held.as_ref().map_err(|error| system("opening the output")(copy_error(error)))?;
                output = Some(held.as_fd());
            }
        }
        let output = output.map(|file| file.as_raw_fd());
        let limits = self.limits(start);
        let pointers = |list: &[CString]| -> Vec<*const c_char> {
            list.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect()
        };
        let (argv_pointers, program_pointers) = (pointers(&argv), pointers(&programs));
        let plan = Plan {
            programs: &program_pointers[..programs.len()],
            argv: &argv_pointers,
            envp: &environment.pointers(),
            cwd: cwd.as_ptr(),
            stdio: [Some(stdin.as_ref().map_or(self.null.as_raw_fd(), AsRawFd::as_raw_fd)), output, output],
            identity: environment.account.identity.as_ref(),
            umask: execution.umask,
            nice: execution.nice,
            limits: &limits,
            cgroup: start.cgroup.map(RunCgroup::procs),
        };
        let before = self.reckoning.as_ref().map(Reckoning::tick);
        let pid = self.launcher.launch(&plan).map_err(|error| explain(error, start, &limits))?;
        let mark = match (&mut self.reckoning, before) {
            (Some(reckoning), Some(before)) => reckoning.mark(pid, before),
            _ => procfs::mark(pid),
        };
        mark.map_err(|source| {
            // Without a mark it could never be told from a later process of the same number.
            abandon(pid);
            system("reading the new process's start time")(source)
        })
    }

    fn limits(&self, start: &Start<'_>) -> Vec<ResourceLimit> {
        let held = start.cgroup.map(RunCgroup::holds).unwrap_or_default();
        let mut limits = resource_limits(&start.execution.limits, held.memory, held.tasks);
        if start.execution.limits.open_files.is_none() {
            limits.extend(self.open_files);
        }
        limits
    }
}

/// Kills and reaps a child just started, with its group.
fn abandon(pid: i32) {
    if let Some(group) = Pid::from_raw(pid) {
        let _ = rustix::process::kill_process_group(group, Signal::KILL);
    }
    collect(pid);
}

/// Moves a descriptor above the standard three, where a dup2(2) in the child cannot overwrite it.
fn above_stdio(file: OwnedFd) -> io::Result<OwnedFd> {
    if file.as_raw_fd() > 2 { Ok(file) } else { Ok(rustix::io::fcntl_dupfd_cloexec(&file, 3)?) }
}

fn system(step: &'static str) -> impl FnOnce(io::Error) -> StartError {
    move |source| StartError::System { step, source }
}

fn copy_error(error: &io::Error) -> io::Error {
    error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error)
}

fn c_string(text: &OsStr, what: &'static str) -> Result<CString, StartError> {
    CString::new(text.as_bytes()).map_err(|_| StartError::Nul(what))
}

/// Returns the directory in which the command begins.
fn working_directory<'a>(start: &Start<'a>) -> Cow<'a, Path> {
    let account = &start.environment.account;
    start.execution.cwd.as_deref().map_or_else(|| account.home.as_path().into(), |cwd| account.expand(cwd))
}

/// Returns the job's shell: a path, or a name to be looked for in the job's PATH.
fn shell<'a>(start: &Start<'a>) -> Cow<'a, Path> {
    start.environment.account.expand(&start.execution.shell)
}

/// Makes the argument list; it is never empty.
fn arguments(start: &Start<'_>) -> Result<Vec<CString>, StartError> {
    let shell = shell(start);
    let own: Vec<&OsStr> = match start.command {
        Command::Shell(text) => {
            vec![shell.as_os_str(), OsStr::new("-c"), OsStr::new(&**text), OsStr::new(start.job.as_str())]
        }
        Command::Argv(words) => words.iter().map(OsStr::new).collect(),
    };
    let all = own.into_iter().chain(start.args.iter().map(OsStr::new));
    let all = all.map(|word| c_string(word, "an argument")).collect::<Result<Vec<_>, _>>()?;
    if all.is_empty() { Err(StartError::NotFound { program: String::new() }) } else { Ok(all) }
}

/// Lists the files that a program's name may mean, as execvp(3) with the job's PATH would try them.
fn programs(name: &CString, environment: &Environment) -> Result<Vec<CString>, StartError> {
    let bytes = name.as_bytes();
    if bytes.is_empty() || bytes.contains(&b'/') {
        return Ok(vec![name.clone()]);
    }
    let path = environment.get("PATH").unwrap_or_default().as_bytes();
    let candidates = path.split(|byte| *byte == b':').map(|directory| {
        // An empty member of PATH is the working directory.
        let directory = if directory.is_empty() { &b"."[..] } else { directory };
        let file = [directory, b"/", bytes].concat();
        CString::new(file).map_err(|_| StartError::Nul("PATH"))
    });
    candidates.collect()
}

fn open_stdin(stdin: &Stdin, account: &Account) -> Result<Option<OwnedFd>, StartError> {
    match stdin {
        Stdin::Null => Ok(None),
        Stdin::File(path) => {
            let path = account.expand(path);
            let file = trust::open(&path, account).map(OwnedFd::from).and_then(above_stdio);
            file.map(Some).map_err(|source| StartError::Stdin { path: path.into_owned(), source })
        }
        Stdin::Text(text) => memory_file(text).map(Some).map_err(system("preparing stdin")),
    }
}

/// Makes a file without a name that holds the text, to be read from its beginning.
fn memory_file(text: &str) -> io::Result<OwnedFd> {
    let file = rustix::fs::memfd_create("stdin", MemfdFlags::CLOEXEC)?;
    let mut file = File::from(above_stdio(file)?);
    file.write_all(text.as_bytes())?;
    file.rewind()?;
    Ok(file.into())
}

/// Turns the step that failed into the reason that people read.
fn explain(error: LaunchError, start: &Start<'_>, limits: &[ResourceLimit]) -> StartError {
    let (stage, source) = match error {
        LaunchError::Clone(source) => return StartError::OutOfProcesses(source),
        LaunchError::Child(stage, source) => (stage, source),
    };
    let account = &start.environment.account;
    let user = || account.name.to_string_lossy().into_owned();
    match stage {
        Stage::Exec => explain_exec(source, start),
        Stage::Cwd => match &start.execution.cwd {
            Some(cwd) => StartError::Cwd { cwd: account.expand(cwd).into_owned(), source },
            None => StartError::Home { user: user(), home: account.home.clone(), source },
        },
        Stage::Identity => {
            let group = account.identity.as_ref().map_or(0, |identity| identity.gid);
            StartError::UserRefused { user: user(), group, source }
        }
        Stage::Limit(place) => match limits.get(place as usize) {
            Some(limit) => StartError::Limit { name: limit.name, value: limit.soft, source },
            None => system("setting a limit")(source),
        },
        Stage::Nice => StartError::Nice { nice: start.execution.nice.unwrap_or_default(), source },
        Stage::Group => system("making the process group")(source),
        Stage::Cgroup => system("entering the cgroup")(source),
        Stage::Stdio => system("setting up stdin and the output")(source),
        Stage::Signals => system("resetting signals")(source),
    }
}

fn explain_exec(source: io::Error, start: &Start<'_>) -> StartError {
    let program = match start.command {
        Command::Shell(_) => shell(start).to_string_lossy().into_owned(),
        Command::Argv(words) => words.first().unwrap_or_default().to_owned(),
    };
    match source.raw_os_error() {
        Some(libc::ENOENT | libc::ENOTDIR) if program.contains('/') || program.is_empty() => {
            let cwd = working_directory(start);
            // The kernel says the same for a missing program and for a missing interpreter of it.
            let there = !program.is_empty() && cwd.join(Path::new(&program)).is_file();
            if there { StartError::NoInterpreter { program } } else { StartError::NotFound { program } }
        }
        Some(libc::ENOENT | libc::ENOTDIR) => {
            let path = start.environment.get("PATH").unwrap_or_default().to_string_lossy().into_owned();
            StartError::NotInPath { program, path }
        }
        Some(libc::EAGAIN | libc::ENOMEM) => StartError::OutOfProcesses(source),
        Some(libc::E2BIG) => StartError::TooLong { program },
        _ => StartError::NotExecutable { program, source },
    }
}

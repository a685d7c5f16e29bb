//! A job and its policies as values: what the job file means once every text in it is understood.
//!
//! Owns the vocabulary of definitions. It must not know TOML, rows, wire views or processes. The parts that
//! most jobs share ([`Policy`], [`Execution`], the schedule) are behind `Arc` and interned by the job file's
//! resolver, so that a hundred thousand jobs cost little more than their names and commands.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::name::Name;
use super::trigger::Firing;

/// One job: a name, when it is due, what it runs and the rules around it.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// The job's name, unique in the job set.
    pub name: Name,
    /// Where the definition came from.
    pub origin: Origin,
    /// When the job is due.
    pub firing: Firing,
    /// What a run executes.
    pub work: Work,
    /// The scheduling rules.
    pub policy: Arc<Policy>,
    /// The surroundings of its processes.
    pub execution: Arc<Execution>,
    /// What people and tools say about the job.
    pub about: Arc<About>,
}

/// Where a job's definition came from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// Declared in a job file.
    File {
        /// The file, as it was opened. A thin pointer: each job has one.
        path: Arc<PathBuf>,
        /// Line of the job's table header or key, from 1.
        line: u32,
    },
    /// Added over the socket; the definition lives in the store.
    Added,
}

/// What a run executes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// `command`: a single command.
    Command(Command),
    /// `steps`: commands in order, up to the first failure.
    Steps(Box<[Step]>),
    /// `parallel`: commands all at once.
    Parallel(Box<Parallel>),
}

/// Commands that run all at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parallel {
    /// The commands.
    pub steps: Box<[Step]>,
    /// True: the first failure ends the others.
    pub fail_fast: bool,
}

impl Work {
    /// Returns the members of `steps` or `parallel`; a single command has none.
    pub fn steps(&self) -> &[Step] {
        match self {
            Work::Command(_) => &[],
            Work::Steps(steps) => steps,
            Work::Parallel(parallel) => &parallel.steps,
        }
    }
}

/// A command as the job file gives it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// Text for the job's shell: `SHELL -c TEXT`.
    Shell(Box<str>),
    /// A program and its arguments, no shell; never empty.
    Argv(Words),
}

/// The words of a command, in order.
///
/// They stand in one text, each ended by a NUL byte, which no argument of a process can hold (execve(2)): a block
/// of memory for each word and one for their list would be half of what an idle job takes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Words(Box<str>);

impl Words {
    /// Returns the words.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.split_terminator('\0')
    }

    /// Returns the program.
    pub fn first(&self) -> Option<&str> {
        self.iter().next()
    }
}

impl<'a> FromIterator<&'a str> for Words {
    /// Joins words; one with a NUL byte ends there, as it would for the kernel.
    fn from_iter<I: IntoIterator<Item = &'a str>>(words: I) -> Self {
        let mut text = String::new();
        for word in words {
            text.push_str(word.split('\0').next().unwrap_or_default());
            text.push('\0');
        }
        Words(text.into())
    }
}

/// One member of `steps` or `parallel`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The name in views; default is the number from 1.
    pub name: Box<str>,
    /// What the step runs.
    pub body: StepBody,
    /// The step's own time limit.
    pub timeout: Option<Duration>,
    /// True: a failure of this step does not end the run nor fail it.
    pub continue_on_error: bool,
}

/// What a step runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepBody {
    /// One command.
    Command(Command),
    /// Several commands at once; the step ends when all have ended.
    Parallel {
        /// The commands, each with a name of its own.
        commands: Box<[Step]>,
        /// True: the first failure ends the others.
        fail_fast: bool,
    },
}

/// The scheduling rules of a job.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Policy {
    /// False: the job is kept and shown, but never due.
    pub enabled: bool,
    /// True: the job starts its life paused (a later resume is remembered and wins).
    pub paused: bool,
    /// Higher goes first among runs that wait.
    pub priority: i32,
    /// The pool whose workers the job's runs use.
    pub pool: Option<Name>,
    /// How late a start may be.
    pub grace: Grace,
    /// True: several late fire times become one run.
    pub coalesce: bool,
    /// How many runs of the job may be alive at once; at least 1.
    pub max_instances: u32,
    /// What happens to an occurrence that finds `max_instances` alive; `None` = the default for its trigger
    /// (`skip`, but `queue` for a one-shot).
    pub on_busy: Option<OnBusy>,
    /// Time limit of one attempt.
    pub timeout: Option<Duration>,
    /// From the stop signal to KILL.
    pub kill_after: Duration,
    /// The signal that asks a run to end (a Linux signal number; default 15, TERM).
    pub stop_signal: i32,
    /// Further attempts after a failure.
    pub retry: Retry,
    /// What becomes of a run whose end nobody saw.
    pub on_lost: OnLost,
    /// What the ledger keeps of this job.
    pub keep: Keep,
    /// What `on = "startup"` means.
    pub startup: StartupScope,
    /// Commands around the run.
    pub hooks: Hooks,
    /// Notifiers and when they speak.
    pub notify: Vec<NotifyRule>,
    /// What must hold for the job to be in order.
    pub expect: Expect,
    /// What is kept of the output.
    pub output: Output,
}

impl Default for Policy {
    /// The documented defaults of docs/design.md section 3 and 4.
    fn default() -> Self {
        Policy {
            enabled: true,
            paused: false,
            priority: 0,
            pool: None,
            grace: Grace::UntilNext,
            coalesce: true,
            max_instances: 1,
            on_busy: None,
            timeout: None,
            kill_after: Duration::from_secs(10),
            stop_signal: 15,
            retry: Retry::default(),
            on_lost: OnLost::Skip,
            keep: Keep::default(),
            startup: StartupScope::Boot,
            hooks: Hooks::default(),
            notify: Vec::new(),
            expect: Expect::default(),
            output: Output::default(),
        }
    }
}

/// How late a start may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Grace {
    /// Late is right until the following fire time supersedes it.
    UntilNext,
    /// At most this late.
    For(Duration),
    /// However late.
    Unlimited,
}

/// What happens to an occurrence that finds the job busy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OnBusy {
    /// It gets a `skipped` row with reason `busy`.
    Skip,
    /// It waits for an instance to end.
    Queue,
    /// The running instance is ended first; the new one starts after its death.
    Replace,
}

/// Further attempts after a failure.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Retry {
    /// How many further attempts.
    pub retries: u32,
    /// Wait before the first further attempt.
    pub delay: Duration,
    /// Factor on the wait for each attempt after that, in thousandths; at least 1000.
    pub backoff_milli: u32,
    /// The longest wait.
    pub max_delay: Option<Duration>,
    /// Which ends are tried again.
    pub on: RetryOn,
}

impl Default for Retry {
    fn default() -> Self {
        Retry { retries: 0, delay: Duration::ZERO, backoff_milli: 1000, max_delay: None, on: RetryOn::Any }
    }
}

/// Which ends of an attempt are tried again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RetryOn {
    /// Every failure: a non-zero code, a signal, a time-out, a failed start.
    Any,
    /// Only these.
    Only {
        /// Exit codes, sorted.
        codes: Vec<u8>,
        /// True: a time-out counts.
        timeout: bool,
        /// True: death by a signal counts.
        signal: bool,
    },
}

/// What becomes of a run whose end nobody saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OnLost {
    /// It stays `lost`.
    Skip,
    /// It stays `lost` and one new run is made for it.
    Rerun,
}

/// What the ledger keeps of a job: rows beyond either bound are deleted with their logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Keep {
    /// Final runs kept.
    pub runs: u32,
    /// How long a final run is kept.
    pub age: Duration,
}

impl Default for Keep {
    fn default() -> Self {
        Keep { runs: 100, age: Duration::from_secs(30 * 86_400) }
    }
}

/// What `on = "startup"` means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StartupScope {
    /// Once a boot, as cron's @reboot.
    Boot,
    /// At each start of the daemon.
    Start,
}

/// Commands around the run, each list in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Hooks {
    /// Before the work; a failure fails the run.
    pub before: Vec<Command>,
    /// After the work, also on failure.
    pub after_run: Vec<Command>,
    /// After the work when it succeeded.
    pub on_success: Vec<Command>,
    /// After the work when it failed for good.
    pub on_failure: Vec<Command>,
}

impl Hooks {
    /// Says whether there is no hook at all.
    pub fn is_empty(&self) -> bool {
        self.before.is_empty()
            && self.after_run.is_empty()
            && self.on_success.is_empty()
            && self.on_failure.is_empty()
    }
}

/// One notifier of a job and when it speaks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NotifyRule {
    /// The notifier's name, `[notify.NAME]`.
    pub notifier: Name,
    /// When it speaks.
    pub when: NotifyWhen,
}

/// When a notifier speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NotifyWhen {
    /// When a job that was well fails, and when it is well again.
    Change,
    /// At every failure.
    Failure,
    /// At the end of every run.
    Always,
    /// Only when a job that failed is well again.
    Recovery,
}

/// What must hold for a job to be in order; a breach raises an event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Expect {
    /// A success at least this often.
    pub success_within: Option<Duration>,
    /// A run lasts at most this long.
    pub max_duration: Option<Duration>,
    /// A successful run has written something.
    pub output_nonempty: bool,
}

/// What is kept of a run's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Output {
    /// Bytes kept on disk of one run, head and tail together.
    pub max_bytes: u64,
    /// True: the output must end in a JSON document, kept as the run's result.
    pub json: bool,
}

impl Default for Output {
    fn default() -> Self {
        Output { max_bytes: 16 << 20, json: false }
    }
}

/// The surroundings of a job's processes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Execution {
    /// Variables set on top of the daemon's environment and the user's own.
    pub env: BTreeMap<String, String>,
    /// Files of `NAME=value` lines read at each start; later files win, `env` wins over all.
    pub env_files: Vec<PathBuf>,
    /// The working directory; default is the user's home.
    pub cwd: Option<PathBuf>,
    /// The user to run as (name or number), if not the daemon's.
    pub user: Option<String>,
    /// The primary group (name or number), if not the user's own.
    pub group: Option<String>,
    /// File mode creation mask, `0o022` style.
    pub umask: Option<u32>,
    /// Scheduling niceness, -20 to 19.
    pub nice: Option<i8>,
    /// The shell of text commands; default `/bin/sh`.
    pub shell: PathBuf,
    /// A file to read on stdin instead of /dev/null.
    pub stdin: Stdin,
    /// Resource limits.
    pub limits: Limits,
}

impl Default for Execution {
    fn default() -> Self {
        Execution {
            env: BTreeMap::new(),
            env_files: Vec::new(),
            cwd: None,
            user: None,
            group: None,
            umask: None,
            nice: None,
            shell: PathBuf::from("/bin/sh"),
            stdin: Stdin::Null,
            limits: Limits::default(),
        }
    }
}

/// What a job reads on its standard input.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Stdin {
    /// /dev/null.
    Null,
    /// A file, opened for reading at each start.
    File(PathBuf),
    /// This text.
    Text(String),
}

/// Resource limits of a job's processes (setrlimit(2); `memory cpu tasks` also by cgroup v2 where delegated).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Address space or cgroup memory, bytes.
    pub memory: Option<u64>,
    /// CPU as a share of one core in percent (200 = two cores); cgroup only.
    pub cpu_percent: Option<u32>,
    /// Processes and threads.
    pub tasks: Option<u64>,
    /// Open files (RLIMIT_NOFILE).
    pub open_files: Option<u64>,
    /// CPU time (RLIMIT_CPU), whole seconds.
    pub cpu_time: Option<Duration>,
    /// Largest file written, bytes (RLIMIT_FSIZE).
    pub file_size: Option<u64>,
    /// Largest core dump, bytes (RLIMIT_CORE).
    pub core: Option<u64>,
}

/// What people and tools say about a job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct About {
    /// One line for people.
    pub description: Option<String>,
    /// Labels for bulk operations, sorted, each once; same characters as names.
    pub tags: Vec<String>,
    /// Free pairs, handed to runs as `JOBCTL_META_<KEY>`.
    pub meta: BTreeMap<String, String>,
}

/// `[pools.NAME]`: runs that share a limit of workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// The pool's name.
    pub name: Name,
    /// How many runs of the pool may be alive at once; at least 1.
    pub workers: u32,
}

#[cfg(test)]
mod tests {
    use super::{Job, Words};

    #[test]
    fn a_job_is_no_larger_than_it_has_to_be() {
        // A hundred thousand of them are in memory at a time, each with the two counts of its `Arc`; what grows one
        // here is better put into a part that jobs share, or behind a pointer that most do not have.
        assert!(size_of::<Job>() <= 104, "{}", size_of::<Job>());
    }

    #[test]
    fn words_come_back_as_they_were() {
        for words in [&[][..], &[""], &["a"], &["a", "", "b c", ""]] {
            let joined: Words = words.iter().copied().collect();
            assert_eq!(joined.iter().collect::<Vec<_>>(), words);
            assert_eq!(joined.first(), words.first().copied());
        }
        assert_eq!(Words::from_iter(["a\0b", "c"]).iter().collect::<Vec<_>>(), ["a", "c"]);
    }
}

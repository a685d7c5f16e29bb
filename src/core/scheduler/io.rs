//! What goes into the scheduler and what comes out of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::plan::Place;
use crate::core::change::{Actor, Change, Hold, Pause, Restored, StepRecord};
use crate::core::event::Event;
use crate::core::instant::{Monotonic, Timestamp};
use crate::core::job::{Hooks, Job, Pool};
use crate::core::name::Name;
use crate::core::run::{Exit, ProcessMark, Reason, RunId, RunStatus, Source, Usage};

/// Settings of the scheduler that the job file may change at a reload.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// How long running jobs may finish once the daemon is told to stop.
    pub stop_timeout: Duration,
    /// How many late runs may be alive at once after a boot, a resume or a release.
    pub catch_up_parallel: u32,
    /// How long after its start the daemon begins to start jobs.
    pub startup_delay: Duration,
    /// How long calendar jobs wait for a clock that stands before the store's last heartbeat.
    pub max_clock_wait: Duration,
    /// How long before their instant occurrences are claimed, so that the commit is not on the way of the start.
    pub claim_lead: Duration,
    /// Hooks around every job.
    pub hooks: Hooks,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            stop_timeout: Duration::from_secs(30),
            catch_up_parallel: 1,
            startup_delay: Duration::ZERO,
            max_clock_wait: Duration::from_secs(600),
            claim_lead: Duration::from_millis(250),
            hooks: Hooks::default(),
        }
    }
}

/// What the store remembers of a job.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    /// Every fire time up to here has its outcome; `None` = the job is new.
    pub cursor: Option<Timestamp>,
    /// The origin of its intervals.
    pub anchor: Option<Timestamp>,
    /// The trigger with which the cursor was reached, as text.
    pub trigger: Option<String>,
    /// Its pause.
    pub pause: Option<Pause>,
    /// Dependencies that have come true since its last start.
    pub satisfied: Vec<Name>,
    /// The boot in which it last ran as a startup job.
    pub startup_boot: Option<String>,
    /// When it last succeeded.
    pub last_success: Option<Timestamp>,
    /// Whether its last run that was started ended well; `None` = none has ended yet.
    pub well: Option<bool>,
    /// The beginning of the absence of a success of which somebody was told last.
    pub overdue_since: Option<Timestamp>,
}

/// A run that was not over when the store was last written, and what is known of it now.
#[derive(Clone, Debug, PartialEq)]
pub struct Unfinished {
    /// The run.
    pub run: RunId,
    /// Its job.
    pub job: Name,
    /// Its fire time, if it has one.
    pub fire_time: Option<Timestamp>,
    /// Why it exists.
    pub source: Source,
    /// `queued`, `running` or `retrying`.
    pub status: RunStatus,
    /// When it was claimed.
    pub queued_at: Timestamp,
    /// When it may start.
    pub due_at: Timestamp,
    /// The attempt that was alive or has last ended; 0 before the first.
    pub attempt: u32,
    /// When the first attempt started.
    pub started_at: Option<Timestamp>,
    /// When the next attempt is due.
    pub retry_at: Option<Timestamp>,
    /// Its priority.
    pub priority: i32,
    /// The pool of which it takes a worker, where that is on record.
    pub pool: Option<Name>,
    /// Extra arguments of a manual request.
    pub args: Vec<String>,
    /// True: it goes past the instance limit.
    pub forced: bool,
    /// Why it was being brought to its end, if it was.
    pub ending: Option<LeftEnding>,
    /// What the evidence says.
    pub evidence: Evidence,
}

/// The end to which an earlier daemon was bringing a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftEnding {
    /// Since when.
    pub at: Timestamp,
    /// Why; `timeout` = its time limit, anything else = it was told to end.
    pub reason: Reason,
    /// More about the reason, for people.
    pub detail: Option<String>,
}

/// What became of an unfinished run while no daemon looked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// The attempt that was next was never started: the run is due again.
    NeverStarted,
    /// The attempt was started in this boot.
    Started {
        /// Its commands that are alive, or whose end the kernel has told.
        found: Vec<Found>,
        /// Its commands that had ended before, in order.
        steps: Vec<StepRecord>,
    },
    /// It was started, or may have been, and its end is unknown.
    Unknown(Reason),
}

/// A command that an earlier daemon started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its process; means nothing where it has ended.
    pub process: ProcessMark,
    /// Which of the run's commands it is.
    pub command: FoundCommand,
    /// How long ago it was started, where that can be told.
    pub age: Option<Duration>,
    /// How it ended; `None` = it is alive.
    pub exit: Option<Exit>,
    /// How the work went, where a closing hook was told so.
    pub outcome: Option<(RunStatus, Option<Exit>)>,
}

/// Which of a run's commands a process is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FoundCommand {
    /// The one of this name, as [`name_of`](super::name_of) gives it.
    Named(String),
    /// The one at this place.
    At(Place),
    /// The one that was started last.
    Latest,
}

/// Everything the scheduler needs to begin.
#[derive(Clone, Debug)]
pub struct Boot {
    /// The job set.
    pub jobs: Vec<Arc<Job>>,
    /// The pools.
    pub pools: Vec<Pool>,
    /// The settings.
    pub settings: Settings,
    /// What the store remembers, by job name.
    pub memory: BTreeMap<Name, Memory>,
    /// Runs that were not over.
    pub unfinished: Vec<Unfinished>,
    /// The hold in force.
    pub hold: Option<Hold>,
    /// The latest instant the store knows of.
    pub heartbeat: Option<Timestamp>,
    /// The restore that no daemon has settled yet.
    pub restored: Option<Restored>,
    /// The first free run number.
    pub next_run: u64,
    /// This boot of the machine.
    pub boot_id: String,
    /// True: startup jobs are due; false where nothing is to start, only to be looked at.
    pub starting: bool,
}

/// What the scheduler is told.
#[derive(Clone, Debug)]
pub enum Input {
    /// The clock has come to a deadline, or nothing else has happened for a while.
    Tick,
    /// The job set was read again: the new set replaces the old one, job by job.
    Reloaded { jobs: Vec<Arc<Job>>, pools: Vec<Pool>, settings: Settings },
    /// Claims are durable (true), or refused because the ledger already has the occurrence (false).
    Claimed(Vec<(RunId, bool)>),
    /// The store cannot be written.
    Degraded,
    /// The store can be written again.
    Recovered,
    /// A command has started.
    Started { run: RunId, place: Place, process: ProcessMark, output_offset: Option<u64> },
    /// A command could not be started.
    StartFailed { run: RunId, place: Place, detail: String },
    /// A command has ended.
    Exited { run: RunId, place: Place, exit: Exit, usage: Option<Usage> },
    /// A command has ended and nobody can tell how.
    Vanished { run: RunId, place: Place },
    /// The output of a successful run with `output = "json"` or `expect.output` was looked at.
    Output { run: RunId, result: Result<Option<String>, String> },
    /// Rows of fire times that lie in the future since the clock was set back: row, job, first, last, count.
    FutureGaps(Vec<FutureGap>),
    /// A client or a signal asks for something.
    Command(Command),
}

/// A row of fire times that did not lead to a run, and now lie in the future.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FutureGap {
    /// The row.
    pub run: RunId,
    /// Its job.
    pub job: Name,
    /// The first fire time.
    pub first: Timestamp,
    /// The last fire time.
    pub last: Timestamp,
    /// How many fire times it stands for.
    pub count: u64,
}

/// What clients and signals ask for. Every command is answered with one [`Effect::Answer`].
#[derive(Clone, Debug)]
pub enum Command {
    /// Takes a job into the set, or replaces one; `toml` is its definition for the store.
    Put { job: Arc<Job>, toml: String, action: PutAction, by: Actor, before: Option<String> },
    /// Takes an added job out of the set; its runs go on, its history stays.
    Remove { job: Name, by: Actor, before: Option<String> },
    /// Pauses a job.
    Pause { job: Name, until: Option<Timestamp>, reason: Option<String> },
    /// Ends a pause; with `catch_up` what fell due meanwhile is judged by its grace.
    Resume { job: Name, catch_up: bool },
    /// Runs a job now.
    RunNow(RunNow),
    /// Ends a run.
    Cancel { run: RunId, reason: Option<String> },
    /// Starts nothing until released.
    Hold { reason: Option<String> },
    /// Ends the hold.
    Release,
    /// Stops: no new starts, `stop_timeout` for those alive; said again, it hurries.
    Stop { leave: bool },
}

/// Why a definition is put into the set; decides the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutAction {
    Added,
    Replaced,
    Edited,
    Rescheduled,
}

/// A request to run a job now.
#[derive(Clone, Debug)]
pub struct RunNow {
    /// The job.
    pub job: Name,
    /// Extra arguments.
    pub args: Vec<String>,
    /// Only if a fire time has passed since the last success.
    pub if_due: bool,
    /// Also over the instance limit.
    pub force: bool,
    /// A priority for this run only.
    pub priority: Option<i32>,
}

/// What the scheduler wants done. Commits come first in time: what they make durable is acted upon only
/// after the store has said so, except for starts and signals, which concern claims already durable.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Make this durable.
    Commit(Change),
    /// Start a command of a run.
    Spawn { run: RunId, place: Place },
    /// Send a signal to the process group of a command.
    Signal { run: RunId, place: Place, process: ProcessMark, signal: i32 },
    /// Kill what is left of the process group of a command whose main process is dead or will be.
    Sweep { run: RunId, process: ProcessMark },
    /// Look at the output of a run that ended well.
    ReadOutput { run: RunId },
    /// Ask the store for rows of fire times after this instant.
    FindFutureGaps { after: Timestamp },
    /// A run is over and forgotten here; its output may be compacted.
    Forget { run: RunId },
    /// The answer to the command, to be given once all commits before it are durable.
    Answer(Answer),
    /// Everything has ended: leave.
    Exit,
}

/// The answer to a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is done.
    Done,
    /// It is done, and this is the run.
    Run(RunId),
    /// It was so already, or there was nothing to do.
    Nothing,
    /// There is no such job.
    NoSuchJob,
    /// There is no such live run.
    NoSuchRun,
    /// `max_instances` runs of the job are alive.
    Busy {
        /// One of them.
        run: RunId,
    },
    /// The daemon is stopping.
    Stopping,
}

/// When the scheduler wants to be called again, on either clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wakeup {
    /// By the wall clock.
    pub wall: Option<Timestamp>,
    /// By the monotonic clock.
    pub mono: Option<Monotonic>,
}

/// Builds up the effects of one input.
#[derive(Debug, Default)]
pub(super) struct Effects(pub(super) Vec<Effect>);

impl Effects {
    pub(super) fn commit(&mut self, change: Change) {
        self.0.push(Effect::Commit(change));
    }

    pub(super) fn event(&mut self, event: Event) {
        self.commit(Change::Event(event));
    }

    pub(super) fn push(&mut self, effect: Effect) {
        self.0.push(effect);
    }
}

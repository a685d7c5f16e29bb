//! What the scheduler keeps in memory of jobs, of runs that are not over, and of pools.

use std::cmp::Reverse;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use super::plan::{self, Place, Stage, StageKind};
use crate::core::change::Pause;
use crate::core::instant::{Monotonic, Timestamp};
use crate::core::job::{Hooks, Job};
use crate::core::name::Name;
use crate::core::policy;
use crate::core::run::{Exit, ProcessMark, Reason, RunId, RunStatus, Source, Usage};

/// A job's place in the scheduler's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct JobId(pub(super) u32);

/// One job. What few jobs have at any moment is in `more`, so that an idle job costs little.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) job: Arc<Job>,
    /// Every fire time up to here has its outcome.
    pub(super) cursor: Timestamp,
    /// The origin of intervals.
    pub(super) anchor: Timestamp,
    /// The next fire time; for a job without a clock, the pending one.
    next: Deadline,
    more: Option<Box<More>>,
}

/// An instant, or none, in half the bytes of an `Option`: the end of time, which no clock reaches, stands for none.
#[derive(Clone, Copy, Debug)]
struct Deadline(Timestamp);

impl Deadline {
    fn new(at: Option<Timestamp>) -> Self {
        Deadline(at.unwrap_or(Timestamp::MAX))
    }

    fn get(self) -> Option<Timestamp> {
        (self.0 != Timestamp::MAX).then_some(self.0)
    }
}

/// What only some jobs have.
#[derive(Debug, Default)]
pub(super) struct More {
    /// True: the job has left the set and waits for the end of its runs.
    pub(super) removed: bool,
    pub(super) pause: Option<Pause>,
    /// Runs that are not over, oldest first.
    pub(super) open: Vec<RunId>,
    /// How many of them have taken an instance.
    pub(super) active: u32,
    /// Runs that wait for an instance, in order.
    pub(super) waiting: VecDeque<RunId>,
    /// Dependencies that have come true since the last start.
    pub(super) satisfied: Vec<Name>,
    pub(super) last_success: Option<Timestamp>,
    /// Whether the last run that was started ended well.
    pub(super) well: Option<bool>,
    /// The beginning of the absence of a success of which somebody was told last.
    pub(super) overdue_since: Option<Timestamp>,
    /// The deadline of `expect.success_within` that is armed.
    pub(super) overdue_at: Option<Timestamp>,
}

impl Slot {
    pub(super) fn new(job: Arc<Job>, cursor: Timestamp, anchor: Timestamp) -> Self {
        Slot { job, cursor, anchor, next: Deadline::new(None), more: None }
    }

    pub(super) fn next(&self) -> Option<Timestamp> {
        self.next.get()
    }

    pub(super) fn set_next(&mut self, next: Option<Timestamp>) {
        self.next = Deadline::new(next);
    }

    pub(super) fn is_removed(&self) -> bool {
        self.more().is_some_and(|more| more.removed)
    }

    /// Returns the rare part for reading.
    pub(super) fn more(&self) -> Option<&More> {
        self.more.as_deref()
    }

    /// Returns the rare part for writing, making it where there is none.
    pub(super) fn more_mut(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }

    pub(super) fn pause(&self) -> Option<&Pause> {
        self.more().and_then(|more| more.pause.as_ref())
    }

    /// Counts the runs that are not over.
    pub(super) fn open(&self) -> &[RunId] {
        self.more().map_or(&[], |more| &more.open)
    }
}

/// A run that is not over.
#[derive(Debug)]
pub(super) struct LiveRun {
    pub(super) id: RunId,
    /// The definition it runs with; a reload does not change it.
    pub(super) job: Arc<Job>,
    pub(super) status: RunStatus,
    pub(super) source: Source,
    pub(super) fire_time: Option<Timestamp>,
    pub(super) queued_at: Timestamp,
    pub(super) due_at: Timestamp,
    /// The attempt alive or last ended; 0 before the first.
    pub(super) attempt: u32,
    pub(super) attempts: u32,
    pub(super) priority: i32,
    pub(super) args: Vec<String>,
    /// True: goes past the instance limit.
    pub(super) forced: bool,
    /// True: it is late because the daemon was away, and takes part in the catch-up budget.
    pub(super) catch_up: bool,
    /// True: its claim is committed.
    pub(super) durable: bool,
    pub(super) stage: Stand,
    /// True: it has taken an instance of its job.
    pub(super) has_instance: bool,
    /// The pool in which it has taken a worker.
    pub(super) worker: Option<PoolKey>,
    /// When its first attempt started.
    pub(super) started: Option<(Timestamp, Monotonic)>,
    pub(super) usage: Option<Usage>,
    /// The attempt that is alive.
    pub(super) progress: Option<Box<Progress>>,
    pub(super) ending: Option<Ending>,
}

/// What a run that is not over waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stand {
    /// Its instant, or its commit.
    Due,
    /// The end of a hold, or of the start-up delay.
    Parked,
    /// An instance of its job.
    Instance,
    /// A worker of a pool.
    Worker,
    /// The end of its processes.
    Alive,
    /// Its next attempt.
    Retry,
}

/// Which pool.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PoolKey {
    /// The built-in limit on late runs after a boot, a resume or a release.
    CatchUp,
    /// `[pools.NAME]`.
    Named(Name),
}

/// A limit of workers and those who wait for one.
#[derive(Debug)]
pub(super) struct PoolState {
    pub(super) workers: u32,
    pub(super) busy: u32,
    /// Higher priority first, then the earlier due instant, then the lower number.
    pub(super) waiting: BTreeSet<(Reverse<i32>, Timestamp, RunId)>,
}

impl PoolState {
    pub(super) const fn new(workers: u32) -> Self {
        PoolState { workers, busy: 0, waiting: BTreeSet::new() }
    }
}

/// An attempt that is alive.
#[derive(Debug)]
pub(super) struct Progress {
    pub(super) stages: Vec<Stage>,
    pub(super) index: usize,
    pub(super) children: Vec<Child>,
    /// Commands begun so far, which numbers the next one.
    pub(super) begun: u32,
    /// True: each command gets a row of its own.
    pub(super) itemised: bool,
    /// The first failure that counts.
    pub(super) failure: Option<Failure>,
    /// How the work went, once it is over and the closing hooks run.
    pub(super) verdict: Option<Verdict>,
    pub(super) exit: Option<Exit>,
    pub(super) result: Option<String>,
    pub(super) time_limit: Option<Monotonic>,
    /// True: an earlier daemon may have started the first closing hook; it is not run twice.
    pub(super) hook_may_have_run: bool,
}

impl LiveRun {
    /// Says whether its occurrence was claimed ahead and has not come yet: such a run is in nobody's way.
    pub(super) fn is_ahead(&self) -> bool {
        self.stage == Stand::Due && self.queued_at < self.due_at
    }

    /// Says whether an attempt that ended so is followed by another; `wanted` = the job is still in the set.
    pub(super) fn tries_again(&self, verdict: &Verdict, wanted: bool) -> bool {
        let (Verdict::Failed(failure) | Verdict::TimedOut(failure)) = verdict else { return false };
        let rule = &self.job.policy.retry.on;
        wanted && self.attempt < self.attempts && policy::retries_on(rule, failure.reason, failure.exit)
    }

    /// Says whether each command of an attempt gets a row of its own.
    pub(super) fn itemises(&self, stages: &[Stage], global: &Hooks) -> bool {
        let hooks = !self.job.policy.hooks.is_empty() || !global.is_empty();
        let commands: usize = stages.iter().map(|stage| stage.places.len()).sum();
        // That the time of a command was over is written down with the command.
        let limited = |stage: &Stage| {
            stage.places.iter().any(|place| plan::timeout(&self.job, stage, *place).is_some())
        };
        hooks || commands > 1 || self.attempts > 1 || stages.iter().any(limited)
    }
}

impl Progress {
    /// Begins an attempt.
    pub(super) fn new(stages: Vec<Stage>, itemised: bool, time_limit: Option<Monotonic>) -> Self {
        Progress {
            stages,
            index: 0,
            children: Vec::new(),
            begun: 0,
            itemised,
            failure: None,
            verdict: None,
            exit: None,
            result: None,
            time_limit,
            hook_may_have_run: false,
        }
    }

    /// Counts a command among those that are to be waited for.
    pub(super) fn expect(&mut self, place: Place) {
        self.children.push(Child {
            place,
            position: self.begun,
            process: None,
            started: None,
            output_offset: None,
            dying: Dying::No,
            time_limit: None,
        });
        self.begun += 1;
    }

    /// Says whether a failure has happened by which the commands beside it are to end too.
    pub(super) fn siblings_are_doomed(&self) -> bool {
        let fail_fast = self.stages.get(self.index).is_some_and(|stage| stage.fail_fast);
        let sure = self.failure.as_ref().is_some_and(|failure| failure.reason != Reason::EndUnseen);
        self.verdict.is_none() && fail_fast && sure
    }

    /// Takes in how a command of a stage has ended; says whether the attempt fails by it.
    ///
    /// The first failure decides, but one that is sure goes before one that is only feared because nobody saw
    /// the end. `failure` is `None` also where the job ignores it: such an end says nothing about the run.
    pub(super) fn note(&mut self, kind: StageKind, failure: Option<Failure>, exit: Option<Exit>) -> bool {
        let sure = |failure: &Failure| failure.reason != Reason::EndUnseen;
        match (kind, failure) {
            (StageKind::Closing, _) | (StageKind::Before, None) => false,
            (StageKind::Work, None) => {
                let good = exit.filter(|exit| exit.is_success());
                self.exit = if self.failure.is_none() { good.or(self.exit) } else { self.exit };
                false
            }
            (StageKind::Before | StageKind::Work, Some(failure)) => {
                if kind == StageKind::Work {
                    self.exit = failure.exit;
                }
                let fails = sure(&failure);
                let hook = kind == StageKind::Before && fails;
                let reason = if hook { Reason::HookFailed } else { failure.reason };
                if self.failure.as_ref().is_none_or(|old| fails && !sure(old)) {
                    self.failure = Some(Failure { reason, ..failure });
                }
                fails
            }
        }
    }

    /// Judges the work, once it is over; `ending` = somebody, or the time limit, has ended it.
    pub(super) fn verdict_of(&self, ending: Option<Ending>) -> Verdict {
        match (ending, self.failure.clone()) {
            (Some(Ending::Told { reason, detail }), _) => Verdict::Cancelled { reason, detail },
            (Some(Ending::TimedOut), failure) => Verdict::TimedOut(failure.unwrap_or(Failure {
                reason: Reason::Timeout,
                exit: self.exit,
                detail: None,
            })),
            (None, Some(Failure { reason: Reason::EndUnseen, detail, .. })) => {
                Verdict::Lost { reason: Reason::EndUnseen, detail }
            }
            (None, Some(failure)) if failure.reason == Reason::Timeout => Verdict::TimedOut(failure),
            (None, Some(failure)) => Verdict::Failed(failure),
            (None, None) => Verdict::Succeeded,
        }
    }
}

/// One command of an attempt.
#[derive(Debug)]
pub(super) struct Child {
    pub(super) place: Place,
    pub(super) position: u32,
    pub(super) process: Option<ProcessMark>,
    pub(super) started: Option<(Timestamp, Monotonic)>,
    pub(super) output_offset: Option<u64>,
    pub(super) dying: Dying,
    pub(super) time_limit: Option<Monotonic>,
}

/// How far the end of a command has been brought about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dying {
    /// It runs on.
    No,
    /// It was asked to end; it is killed at that reading of the monotonic clock.
    Asked { kill_at: Monotonic, cause: Cause },
    /// It was killed.
    Killed { cause: Cause },
}

impl Dying {
    /// Says why the command is brought to its end, if it is.
    pub(super) const fn cause(self) -> Option<Cause> {
        match self {
            Dying::No => None,
            Dying::Asked { cause, .. } | Dying::Killed { cause } => Some(cause),
        }
    }
}

/// Why a command is brought to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// Its own time limit or the attempt's.
    TimeLimit,
    /// A sibling has failed and `fail_fast` is set, or the run is to end.
    Told,
}

/// Why a whole run is brought to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    TimedOut,
    Told { reason: Reason, detail: Option<String> },
}

/// A failure that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) reason: Reason,
    pub(super) exit: Option<Exit>,
    pub(super) detail: Option<String>,
}

/// How an attempt went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Succeeded,
    Failed(Failure),
    TimedOut(Failure),
    Cancelled { reason: Reason, detail: Option<String> },
    Lost { reason: Reason, detail: Option<String> },
}

#[cfg(test)]
mod tests {
    use super::Slot;

    #[test]
    fn an_idle_job_takes_five_words_of_a_slot() {
        // What only some jobs have at a time belongs into `More`.
        assert!(size_of::<Slot>() <= 5 * size_of::<u64>(), "{}", size_of::<Slot>());
    }
}

//! The scheduler: decides what happens to every fire time and every run, and does nothing itself.
//!
//! Owns the job set in memory, the deadlines and the runs that are not over. [`Scheduler::handle`] takes one
//! [`Input`] and one reading of the clocks and returns the [`Effect`]s; [`Scheduler::next_wakeup`] says when it
//! wants to be called again. It must not know a file, a socket, a process or a thread.
//!
//! - `due`: from a fire time to a claim or a row that says why not.
//! - `slots`: from a claim to a start: instant, commit, grace, instance; `pools`: who gets the next worker.
//! - `attempt`: from a start to an end: stages and commands; `ending`: time limits, cancels, kills.
//! - `finish`: the end, and what follows from it.
//! - `adopt`: runs that an earlier daemon left behind; `resume`: how far they had come.
//! - `restored`: what a restore of the store made unknown.
//! - `begin`: the job set and the memory of it at a start; `jobs`: its changes; `commands`: what clients ask for.
//! - `clock`: the hands of the clock.

mod adopt;
mod attempt;
mod begin;
mod clock;
mod commands;
mod due;
mod ending;
mod finish;
mod io;
mod jobs;
mod live;
mod names;
mod plan;
mod pools;
mod restored;
mod resume;
mod slots;
mod snapshot;
#[cfg(test)]
mod tests;
mod timers;

use std::collections::{BTreeMap, BTreeSet, HashMap};

pub use io::{
    Answer, Boot, Command, Effect, Evidence, Found, FoundCommand, FutureGap, Input, LeftEnding, Memory,
    PutAction, RunNow, Settings, Unfinished, Wakeup,
};
pub use plan::{HookKind, HookOwner, Place, command as command_at, name as name_of};
pub use snapshot::{JobSnapshot, JobState, PoolSnapshot, RunSnapshot};

use io::Effects;
use live::{JobId, LiveRun, PoolKey, PoolState, Slot};
use names::Names;
use timers::{JobTimers, Timers};

use super::change::{Change, Hold};
use super::instant::{Monotonic, Now, Timestamp};
use super::name::Name;
use super::run::{RunId, Source};

/// The scheduler's whole state.
#[derive(Debug)]
pub struct Scheduler {
    settings: Settings,
    slots: Vec<Slot>,
    by_name: Names,
    free: Vec<JobId>,
    /// For each name, the jobs that wait for the end of that job.
    dependents: HashMap<Name, BTreeSet<JobId>>,
    runs: BTreeMap<RunId, LiveRun>,
    pools: BTreeMap<PoolKey, PoolState>,
    job_timers: JobTimers,
    wall_timers: Timers<Timestamp, WallTimer>,
    mono_timers: Timers<Monotonic, MonoTimer>,
    hold: Option<Hold>,
    degraded: bool,
    gate: Gate,
    stopping: Option<Stopping>,
    /// Questions for rows of the future that the store has not answered yet.
    unread_gaps: u32,
    /// The earliest instant to which the clock was set back since the first of them.
    back_to: Timestamp,
    /// The last fire time of the rows that lie in the future and are of jobs that are not in the set.
    rows_ahead: Timestamp,
    /// Jobs whose schedule has gone back with the clock, to be written down with the answer.
    rewound: BTreeSet<JobId>,
    /// What the store remembers of jobs that are not in the set: they may come back.
    absent: BTreeMap<Name, Memory>,
    next_run: u64,
    boot_id: String,
    last: Now,
    heartbeat: Timestamp,
}

/// What holds back the start of jobs after the daemon's own start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gate {
    /// Nothing.
    Open,
    /// The start-up delay.
    Delay { until: Monotonic },
    /// The wall clock stands before the store's last heartbeat.
    Clock { reaches: Timestamp, until: Monotonic },
}

/// The way out.
#[derive(Clone, Copy, Debug)]
struct Stopping {
    /// True: runs are left alive for the next daemon.
    leave: bool,
    /// True: the runs have been asked.
    asked: bool,
}

/// Deadlines on the wall clock other than fire times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum WallTimer {
    RunDue(RunId),
    PauseEnds(JobId),
    Overdue(JobId),
}

/// Deadlines on the monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum MonoTimer {
    Gate,
    StopDeadline,
    Retry(RunId),
    AttemptLimit(RunId),
    /// The time limit of a command, by its position.
    CommandLimit(RunId, u32),
    Kill(RunId, u32),
    LongRun(RunId),
}

impl Scheduler {
    /// Takes in one thing that has happened and returns what is to be done about it, in order.
    pub fn handle(&mut self, input: Input, now: Now) -> Vec<Effect> {
        let mut fx = Effects::default();
        self.look_at_clock(now, &mut fx);
        match input {
            Input::Tick => {}
            Input::Reloaded { jobs, pools, settings } => self.reload(jobs, &pools, settings, now, &mut fx),
            Input::Claimed(claims) => self.claimed(&claims, now, &mut fx),
            Input::Degraded => self.degraded = true,
            Input::Recovered => self.degraded = false,
            Input::Started { run, place, process, output_offset } => {
                self.command_started(run, place, process, output_offset, now, &mut fx);
            }
            Input::StartFailed { run, place, detail } => {
                self.command_start_failed(run, place, detail, now, &mut fx);
            }
            Input::Exited { run, place, exit, usage } => {
                self.command_exited(run, place, exit, usage, now, &mut fx);
            }
            Input::Vanished { run, place } => self.command_vanished(run, place, now, &mut fx),
            Input::Output { run, result } => self.output_read(run, result, now, &mut fx),
            Input::FutureGaps(gaps) => self.retract(&gaps, now, &mut fx),
            Input::Command(command) => {
                let answer = self.command(command, now, &mut fx);
                fx.push(Effect::Answer(answer));
            }
        }
        self.run_timers(now, &mut fx);
        self.leave_if_done(&mut fx);
        fx.0
    }

    /// Says when the scheduler wants to be called again if nothing happens before.
    pub fn next_wakeup(&self) -> Wakeup {
        let jobs = if self.jobs_may_fall_due() { self.job_timers.first() } else { None };
        let clock = match self.gate {
            Gate::Clock { reaches, .. } => Some(reaches),
            Gate::Open | Gate::Delay { .. } => None,
        };
        let wall = [jobs, self.wall_timers.first(), clock].into_iter().flatten().min();
        Wakeup { wall, mono: self.mono_timers.first() }
    }

    /// Says whether fire times are acted upon at present. While the store cannot be written nothing could be
    /// claimed; during a hold and while stopping nothing may start: what falls due then is judged afterwards.
    fn jobs_may_fall_due(&self) -> bool {
        let free = !self.degraded && self.hold.is_none() && self.unread_gaps == 0;
        free && self.stopping.is_none() && self.gate == Gate::Open
    }

    /// Says whether a run that is ready may start now.
    fn starts_allowed(&self, run: &LiveRun) -> bool {
        match run.source {
            Source::Shutdown => true,
            Source::Manual => self.stopping.is_none() && self.hold.is_none(),
            Source::Startup | Source::Schedule | Source::After | Source::Rerun | Source::Exec => {
                let clock_only = matches!(self.gate, Gate::Clock { .. }) && run.source == Source::Startup;
                self.stopping.is_none() && self.hold.is_none() && (self.gate == Gate::Open || clock_only)
            }
        }
    }

    fn run_timers(&mut self, now: Now, fx: &mut Effects) {
        while let Some(timer) = self.mono_timers.take_due(now.mono) {
            self.mono_timer(timer, now, fx);
        }
        while let Some(timer) = self.wall_timers.take_due(now.wall) {
            self.wall_timer(timer, now, fx);
        }
        if self.jobs_may_fall_due() {
            self.fall_due(now, fx);
        }
    }

    fn mono_timer(&mut self, timer: MonoTimer, now: Now, fx: &mut Effects) {
        match timer {
            MonoTimer::Gate => self.open_gate(now, fx),
            MonoTimer::StopDeadline => self.ask_all_to_end(now, fx),
            MonoTimer::Retry(run) => self.consider(run, now, fx),
            MonoTimer::AttemptLimit(run) => self.attempt_limit_reached(run, now, fx),
            MonoTimer::CommandLimit(run, position) => self.command_limit_reached(run, position, now, fx),
            MonoTimer::Kill(run, position) => self.kill(run, position, fx),
            MonoTimer::LongRun(run) => self.long_run(run, now, fx),
        }
    }

    fn wall_timer(&mut self, timer: WallTimer, now: Now, fx: &mut Effects) {
        match timer {
            WallTimer::RunDue(run) => self.consider(run, now, fx),
            WallTimer::PauseEnds(job) => self.pause_ends(job, now, fx),
            WallTimer::Overdue(job) => self.overdue(job, now, fx),
        }
    }

    fn new_run_id(&mut self) -> RunId {
        let id = RunId(self.next_run);
        self.next_run += 1;
        id
    }

    fn slot(&self, id: JobId) -> &Slot {
        &self.slots[id.0 as usize]
    }

    fn slot_mut(&mut self, id: JobId) -> &mut Slot {
        &mut self.slots[id.0 as usize]
    }

    /// Finds a job of the set by its name; a job that has left it is not found.
    fn find(&self, name: &str) -> Option<JobId> {
        self.find_any(name).filter(|id| !self.slot(*id).is_removed())
    }

    /// Finds a job by its name, also one that has left the set and waits for the end of its runs.
    fn find_any(&self, name: &str) -> Option<JobId> {
        self.by_name.get(name, &self.slots)
    }

    /// Writes down how far the wall clock has come, now and then.
    fn beat(&mut self, now: Now, fx: &mut Effects) {
        if now.wall.since(self.heartbeat) >= HEARTBEAT {
            self.heartbeat = now.wall;
            fx.commit(Change::Heartbeat { at: now.wall });
        }
    }
}

/// How often the clock's progress is written down when nothing else is.
const HEARTBEAT: std::time::Duration = std::time::Duration::from_secs(600);

//! The scheduler in a world of its own: a clock that jumps to the next deadline, processes that end when the test
//! says so, a store that is a list.

mod adopted;
mod clock;
mod due;
mod ends;
mod overlap;
mod promise;
mod restart;
mod restored;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{Answer, Boot, Command, Effect, FutureGap, Input, Memory, Place, Scheduler, Settings};
use crate::core::change::{Change, Finish, Gap, Retraction};
use crate::core::civil::Zone;
use crate::core::cron::{Cron, DstRules, Parsed};
use crate::core::event::EventKind;
use crate::core::instant::{Monotonic, Now, Timestamp};
use crate::core::job::{self, Job, Origin, Policy, Pool, Work};
use crate::core::name::Name;
use crate::core::run::{Exit, ProcessMark, RunId, RunStatus};
use crate::core::trigger::{CronTrigger, Firing, Schedule, Trigger};

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const HOUR: Duration = Duration::from_secs(3_600);

/// 2026-11-21T12:00:00Z.
pub(super) const NOON: Timestamp = Timestamp::from_secs(1_795_262_400);

pub(super) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub(super) fn clock(trigger: Trigger) -> Firing {
    let schedule = Schedule { trigger, zone: Zone::utc(), start: None, end: None, jitter: Duration::ZERO };
    Firing::Clock(schedule.into())
}

pub(super) fn cron(text: &str) -> Firing {
    let Ok(Parsed::Cron(cron)) = Cron::parse(text, "job") else { panic!("{text}") };
    clock(Trigger::Cron(Box::new(CronTrigger { cron, dst: DstRules::default() })))
}

/// Makes a job; `change` sets its policy.
pub(super) fn job(text: &str, firing: Firing, change: impl FnOnce(&mut Policy)) -> Job {
    let mut policy = Policy::default();
    change(&mut policy);
    Job {
        name: name(text),
        origin: Origin::Added,
        firing,
        work: Work::Command(job::Command::Shell("true".into())),
        policy: Arc::new(policy),
        execution: Arc::default(),
        about: Arc::default(),
    }
}

pub(super) struct World {
    pub(super) scheduler: Scheduler,
    pub(super) now: Now,
    /// Everything that was committed, in order.
    pub(super) ledger: Vec<Change>,
    /// Commands that are alive.
    pub(super) alive: Vec<(RunId, Place)>,
    /// Signals sent, with the time since the world began.
    pub(super) signals: Vec<(RunId, i32)>,
    pub(super) answers: Vec<Answer>,
    pub(super) exited: bool,
    /// True: no command can be started.
    pub(super) starts_fail: bool,
    /// False: the store says nothing of claims until the test does.
    pub(super) store_answers: bool,
    pub(super) unanswered: Vec<RunId>,
    /// False: questions for rows of the future wait for the test.
    pub(super) answers_gaps: bool,
    /// True: no program can be started.
    pub(super) cannot_start: bool,
    gap_questions: Vec<Timestamp>,
}

impl World {
    pub(super) fn new(jobs: Vec<Job>) -> Self {
        World::boot(jobs, |_| {})
    }

    pub(super) fn boot(jobs: Vec<Job>, change: impl FnOnce(&mut Boot)) -> Self {
        let mut boot = Boot {
            jobs: jobs.into_iter().map(Arc::new).collect(),
            pools: Vec::new(),
            settings: Settings { catch_up_parallel: 100, ..Settings::default() },
            memory: BTreeMap::new(),
            unfinished: Vec::new(),
            hold: None,
            heartbeat: None,
            restored: None,
            next_run: 1,
            boot_id: "boot-1".to_owned(),
            starting: true,
        };
        change(&mut boot);
        World::at(boot, Now { wall: NOON, mono: Monotonic::from_duration(HOUR) })
    }

    pub(super) fn at(boot: Boot, now: Now) -> Self {
        let (scheduler, effects) = Scheduler::new(boot, now);
        let mut world = World {
            scheduler,
            now,
            ledger: Vec::new(),
            alive: Vec::new(),
            signals: Vec::new(),
            answers: Vec::new(),
            exited: false,
            starts_fail: false,
            store_answers: true,
            unanswered: Vec::new(),
            answers_gaps: true,
            cannot_start: false,
            gap_questions: Vec::new(),
        };
        world.carry_out(effects);
        world
    }

    pub(super) fn handle(&mut self, input: Input) {
        let effects = self.scheduler.handle(input, self.now);
        self.carry_out(effects);
    }

    pub(super) fn ask(&mut self, command: Command) -> Answer {
        self.handle(Input::Command(command));
        self.answers.pop().unwrap()
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        let mut claims = Vec::new();
        let mut inputs = Vec::new();
        for effect in effects {
            match effect {
                Effect::Commit(change) => {
                    if let Change::Claim(claim) = &change {
                        let taken = claim.fire_time.is_some_and(|at| self.has_row(&claim.job, at));
                        claims.push((claim.run, !taken));
                        if taken {
                            continue;
                        }
                    }
                    if let Change::Retract { rows, .. } = &change {
                        self.retract(rows);
                    }
                    self.ledger.push(change);
                }
                Effect::Spawn { run, place } if self.starts_fail => {
                    let detail = "no such program".to_owned();
                    inputs.push(Input::StartFailed { run, place, detail });
                }
                Effect::Spawn { run, place } if self.cannot_start => {
                    inputs.push(Input::StartFailed { run, place, detail: "no such program".to_owned() });
                }
                Effect::Spawn { run, place } => {
                    self.alive.push((run, place));
                    let pid = i32::try_from(run.0).unwrap();
                    let process = ProcessMark { pid, start_ticks: 1 };
                    inputs.push(Input::Started { run, place, process, output_offset: None });
                }
                Effect::Signal { run, signal, .. } => self.signals.push((run, signal)),
                Effect::Answer(answer) => self.answers.push(answer),
                Effect::Exit => self.exited = true,
                Effect::FindFutureGaps { after } if self.answers_gaps => {
                    inputs.push(Input::FutureGaps(self.future_gaps(after)));
                }
                Effect::FindFutureGaps { after } => self.gap_questions.push(after),
                Effect::Sweep { .. } | Effect::ReadOutput { .. } | Effect::Forget { .. } => {}
            }
        }
        for input in inputs {
            self.handle(input);
        }
        if self.store_answers {
            if !claims.is_empty() {
                self.handle(Input::Claimed(claims));
            }
        } else {
            self.unanswered.extend(claims.into_iter().map(|(run, _)| run));
        }
    }

    /// Answers the questions for rows of the future that have waited.
    pub(super) fn answer_gaps(&mut self) {
        for after in std::mem::take(&mut self.gap_questions) {
            self.handle(Input::FutureGaps(self.future_gaps(after)));
        }
    }

    fn future_gaps(&self, after: Timestamp) -> Vec<FutureGap> {
        let gaps = self.gaps().into_iter().filter(|gap| gap.last > after);
        let gap = |gap: &Gap| FutureGap {
            run: gap.run,
            job: gap.job.clone(),
            first: gap.first,
            last: gap.last,
            count: gap.count,
        };
        gaps.map(gap).collect()
    }

    fn retract(&mut self, rows: &[Retraction]) {
        for row in rows {
            self.ledger.retain_mut(|change| match change {
                Change::Gap(gap) if gap.run == row.run => {
                    if let Some((last, count)) = row.remains {
                        (gap.last, gap.count) = (last, count);
                    }
                    row.remains.is_some()
                }
                _ => true,
            });
        }
    }

    fn has_row(&self, job: &Name, at: Timestamp) -> bool {
        self.ledger.iter().any(|change| match change {
            Change::Claim(claim) => claim.job == *job && claim.fire_time == Some(at),
            Change::Gap(gap) => gap.job == *job && gap.first <= at && at <= gap.last,
            _ => false,
        })
    }

    /// Lets time pass, stopping at each deadline of the scheduler.
    pub(super) fn pass(&mut self, by: Duration) {
        let end = self.now.wall.plus(by);
        loop {
            let wakeup = self.scheduler.next_wakeup();
            let wall = wakeup.wall.map(|at| at.since(self.now.wall));
            let mono = wakeup.mono.map(|at| at.since(self.now.mono));
            let left = end.since(self.now.wall);
            let step = [wall, mono].into_iter().flatten().min().unwrap_or(left).min(left);
            self.now = Now { wall: self.now.wall.plus(step), mono: self.now.mono.plus(step) };
            self.handle(Input::Tick);
            let again = self.scheduler.next_wakeup();
            let due = again.wall.is_some_and(|at| at <= end) || {
                again.mono.is_some_and(|at| at <= self.now.mono.plus(end.since(self.now.wall)))
            };
            if self.now.wall >= end || !due {
                let rest = end.since(self.now.wall);
                self.now = Now { wall: self.now.wall.plus(rest), mono: self.now.mono.plus(rest) };
                return;
            }
        }
    }

    /// The machine sleeps or the daemon is stopped: time passes unseen, by both clocks or by the wall clock alone.
    pub(super) fn sleep(&mut self, by: Duration) {
        self.now.wall = self.now.wall.plus(by);
        self.now.mono = self.now.mono.plus(by);
        self.handle(Input::Tick);
    }

    /// Ends the oldest command that is alive.
    pub(super) fn end(&mut self, exit: Exit) {
        let (run, place) = self.alive.remove(0);
        self.handle(Input::Exited { run, place, exit, usage: None });
    }

    /// Ends the command of a run.
    pub(super) fn end_run(&mut self, run: RunId, exit: Exit) {
        let at = self.alive.iter().position(|(alive, _)| *alive == run).unwrap();
        let (run, place) = self.alive.remove(at);
        self.handle(Input::Exited { run, place, exit, usage: None });
    }

    pub(super) fn claims(&self) -> Vec<(RunId, Option<Timestamp>)> {
        let claims = self.ledger.iter().filter_map(|change| match change {
            Change::Claim(claim) => Some((claim.run, claim.fire_time)),
            _ => None,
        });
        claims.collect()
    }

    pub(super) fn gaps(&self) -> Vec<&Gap> {
        let gaps = self.ledger.iter().filter_map(|change| match change {
            Change::Gap(gap) => Some(gap),
            _ => None,
        });
        gaps.collect()
    }

    pub(super) fn ends(&self) -> Vec<&Finish> {
        let ends = self.ledger.iter().filter_map(|change| match change {
            Change::Finished(finish) => Some(finish),
            _ => None,
        });
        ends.collect()
    }

    /// Returns the final statuses in order.
    pub(super) fn statuses(&self) -> Vec<RunStatus> {
        self.ends().iter().map(|finish| finish.status).collect()
    }

    pub(super) fn events(&self) -> Vec<&'static str> {
        let events = self.ledger.iter().filter_map(|change| match change {
            Change::Event(event) if event.kind != EventKind::JobsLoaded => Some(event.kind.as_str()),
            _ => None,
        });
        events.collect()
    }
}

pub(super) fn pool(text: &str, workers: u32) -> Pool {
    Pool { name: name(text), workers }
}

/// What a store would remember of a job after the ledger of a world.
pub(super) fn memory(cursor: Timestamp, firing: &Firing) -> Memory {
    Memory { cursor: Some(cursor), anchor: Some(cursor), trigger: Some(firing.spec()), ..Memory::default() }
}

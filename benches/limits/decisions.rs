//! What the scheduler takes for its decisions, without a store and without processes.

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use jobctl::core::change::Change;
use jobctl::core::civil::Zone;
use jobctl::core::cron::{Cron, DstRules, Parsed};
use jobctl::core::instant::{Monotonic, Now, Timestamp};
use jobctl::core::job::{Command, Job, Origin, Work};
use jobctl::core::name::Name;
use jobctl::core::run::{Exit, ProcessMark, RunId};
use jobctl::core::scheduler::{Boot, Effect, Input, Place, Scheduler, Settings};
use jobctl::core::trigger::{CronTrigger, Firing, Schedule, Trigger};

use crate::measure::{in_turn, seconds_each, time};
use crate::table::{self, Unit};
use crate::{Form, Outcome};

/// 2026-11-21T12:00:30Z.
const START: Timestamp = Timestamp::from_secs(1_795_262_430);

/// What one instant cost, seconds for each job that was due.
#[derive(Clone, Copy, Debug)]
struct Costs {
    claims: f64,
    starts: f64,
    ends: f64,
}

/// A figure of the costs and what it is called.
type Stage = (&'static str, fn(&Costs) -> f64);

const STAGES: [Stage; 3] = [
    ("claimed", |costs| costs.claims),
    ("told to start", |costs| costs.starts),
    ("started and ended", |costs| costs.ends),
];

/// Prints the section.
pub(crate) fn section(form: Form) -> Outcome<()> {
    let limit = "a B-tree of as many deadlines, the first taken out and put in again a minute later";
    table::section("Decisions of the scheduler, for each run", limit);
    for count in [5_000, 100_000] {
        let mut clockwork = Clockwork::new(count, count)?;
        let mut queue = Queue::new(count);
        for (stage, figure) in STAGES {
            let compared = in_turn(
                form.pick(3, 15),
                || Ok(figure(&clockwork.minute())),
                || Ok(queue.turn(count.max(10_000))),
            )?;
            table::row(&format!("{count} jobs due at one instant: {stage}"), Unit::Time, compared);
        }
    }
    let all = 100_000;
    let mut clockwork = Clockwork::new(1, all)?;
    let mut queue = Queue::new(all);
    let minutes = form.pick(1_000, 10_000);
    let rounds = form.pick(7, 31);
    let compared = in_turn(
        rounds,
        || {
            let (took, ()) = time(|| (0..minutes).for_each(|_| _ = clockwork.minute()));
            Ok(seconds_each(took, minutes))
        },
        || Ok(queue.turn(minutes)),
    )?;
    table::row(&format!("1 job due of {all}: claim to end"), Unit::Time, compared);
    let compared = in_turn(rounds, || Ok(clockwork.idle(minutes)), || Ok(queue.turn(minutes)))?;
    table::row(&format!("0 jobs due of {all}: tick and next wake-up"), Unit::Time, compared);
    Ok(())
}

/// A scheduler and a clock that jumps from instant to instant.
struct Clockwork {
    scheduler: Scheduler,
    now: Now,
}

impl Clockwork {
    /// Makes a scheduler with some jobs that are due every minute and others that are due once a year.
    fn new(busy: usize, all: usize) -> Outcome<Self> {
        let (busy_firing, idle_firing) = (firing("* * * * *")?, firing("0 0 1 6 *")?);
        let jobs = (0..all).map(|number| {
            let firing = if number < busy { &busy_firing } else { &idle_firing };
            job(number, firing.clone()).map(Arc::new)
        });
        let boot = Boot {
            jobs: jobs.collect::<Outcome<Vec<_>>>()?,
            pools: Vec::new(),
            settings: Settings::default(),
            memory: BTreeMap::new(),
            unfinished: Vec::new(),
            hold: None,
            heartbeat: None,
            restored: None,
            next_run: 1,
            boot_id: String::new(),
            starting: true,
        };
        let now = Now { wall: START, mono: Monotonic::from_duration(Duration::ZERO) };
        let (scheduler, _) = Scheduler::new(boot, now);
        Ok(Clockwork { scheduler, now })
    }

    /// Goes to the next wake-up.
    fn wake(&mut self) {
        if let Some(at) = self.scheduler.next_wakeup().wall {
            self.now.mono = self.now.mono.plus(at.since(self.now.wall));
            self.now.wall = self.now.wall.max(at);
        }
    }

    /// Takes the next instant from the claims to the ends of all runs.
    fn minute(&mut self) -> Costs {
        self.wake();
        let (claiming, effects) = time(|| self.scheduler.handle(Input::Tick, self.now));
        let claims: Vec<(RunId, bool)> = effects.iter().filter_map(claim_of).map(|run| (run, true)).collect();
        let due = claims.len().max(1);
        let (claimed, _) = time(|| self.scheduler.handle(Input::Claimed(claims), self.now));
        self.wake();
        let (starting, effects) = time(|| self.scheduler.handle(Input::Tick, self.now));
        let spawns: Vec<(RunId, Place)> = effects.iter().filter_map(spawn_of).collect();
        let (ending, ()) = time(|| {
            for (run, place) in spawns {
                let process = ProcessMark { pid: 1, start_ticks: 1 };
                let started = Input::Started { run, place, process, output_offset: None };
                black_box(self.scheduler.handle(started, self.now));
                let exited = Input::Exited { run, place, exit: Exit::Code(0), usage: None };
                black_box(self.scheduler.handle(exited, self.now));
            }
        });
        Costs {
            claims: seconds_each(claiming, due),
            starts: seconds_each(claimed + starting, due),
            ends: seconds_each(ending, due),
        }
    }

    /// Returns seconds for a call that finds nothing to do.
    fn idle(&mut self, count: usize) -> f64 {
        let (took, ()) = time(|| {
            for _ in 0..count {
                black_box(self.scheduler.handle(Input::Tick, self.now));
                black_box(self.scheduler.next_wakeup());
            }
        });
        seconds_each(took, count)
    }
}

fn firing(text: &str) -> Outcome<Firing> {
    let Parsed::Cron(cron) = Cron::parse(text, text)? else {
        return Err(format!("{text} has no fire times").into());
    };
    let trigger = Trigger::Cron(CronTrigger { cron, dst: DstRules::default() });
    let schedule = Schedule { trigger, zone: Zone::utc(), start: None, end: None, jitter: Duration::ZERO };
    Ok(Firing::Clock(schedule.into()))
}

fn job(number: usize, firing: Firing) -> Outcome<Job> {
    Ok(Job {
        name: Name::new(&format!("customer-{number:06}"))?,
        origin: Origin::Added,
        firing,
        work: Work::Command(Command::Shell("true".into())),
        policy: Arc::default(),
        execution: Arc::default(),
        about: Arc::default(),
    })
}

fn claim_of(effect: &Effect) -> Option<RunId> {
    match effect {
        Effect::Commit(Change::Claim(claim)) => Some(claim.run),
        _ => None,
    }
}

fn spawn_of(effect: &Effect) -> Option<(RunId, Place)> {
    match effect {
        Effect::Spawn { run, place } => Some((*run, *place)),
        _ => None,
    }
}

/// Deadlines and nothing else.
struct Queue(BTreeSet<(i64, u32)>);

impl Queue {
    fn new(count: usize) -> Self {
        Queue((0..).take(count).map(|number| (START.as_micros(), number)).collect())
    }

    /// Returns seconds for one deadline taken out and put in again.
    fn turn(&mut self, count: usize) -> f64 {
        let (took, ()) = time(|| {
            for _ in 0..count {
                if let Some((at, number)) = self.0.pop_first() {
                    self.0.insert((at + 60_000_000, black_box(number)));
                }
            }
        });
        seconds_each(took, count)
    }
}

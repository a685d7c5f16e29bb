//! A simulation of the daemon around the real scheduler: years of faults in seconds.
//!
//! A seed draws a job set and what befalls it: steps of the clock, a full disk, commands, kills between any two
//! steps of a start. Afterwards the world comes to rest, and every instant at which a job was due must have exactly
//! one outcome with its reason, with nothing started twice, early, unclaimed or against somebody's word. When a job
//! was due is worked out by a clerk, a second reading of the rules of time.
//!
//! There are two kinds of life. A dense one is some hours in which something happens every few minutes, in a zone
//! whose clock changes every day. A long one is ten to sixty years somewhere between 1980 and 2100, in zones of this
//! world, with jobs that are due a few times a year and faults strewn in, mostly about the nights in which the clocks
//! change.
//!
//! `JOBCTL_SIM_SEEDS=N` runs N dense seeds instead of a few hundred, from `JOBCTL_SIM_FROM` on; `JOBCTL_SIM_SEED=S`
//! runs one and tells its story. `JOBCTL_SIM_ENOUGH=N` stops a run once N seeds are broken. `JOBCTL_YEARS_SEEDS` and
//! its like do the same for long lives.

#![cfg(test)]

mod clerk;
mod coverage;
mod disk;
#[path = "../time/expression.rs"]
mod expression;
mod jobs;
mod late;
mod ledger;
mod life;
mod machine;
mod oracle;
mod rng;
mod rules;
mod runner;
mod script;
mod shadow;
mod sparse;
mod turns;
mod world;
mod years;

use std::collections::{BTreeMap, HashMap};

use jobctl::core::instant::Timestamp;
use jobctl::core::scheduler::Command;

use disk::Disk;
use jobs::{BEGIN, Manner};
use ledger::Ledger;
use machine::Machine;
use oracle::Oracle;
use rng::Rng;
use runner::{Kind, Tally};
use shadow::Shadow;
use world::{SECOND, World};

/// How many seeds are run unless somebody asks for more.
const SEEDS: u64 = 200;

/// How many long lives are lived unless somebody asks for more.
const LIVES: u64 = 100;

/// How many things happen in one seed before it comes to rest.
const HAPPENINGS: usize = 900;

/// What is broken on purpose, so that the judge can be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutation {
    /// The store says that something is durable, and it is not.
    DropsCommits,
    /// A new daemon knows nothing of the runs that were not over.
    ForgetsClaims,
    /// A new daemon believes that runs that are alive were never started.
    ForgetsProcesses,
    /// Of what is committed together only the beginning is written.
    TearsCommits,
    /// A start makes two processes.
    SpawnsTwice,
    /// A row is deleted.
    LosesRows,
    /// The clock of the scheduler runs ahead.
    RunsFast,
    /// The alarm does not ring.
    Oversleeps,
}

/// Makes a world with a job file; the daemon is yet to be started.
fn world_of(mut rng: Rng, manner: Manner, begin: Timestamp) -> World {
    let file = jobs::job_file(&mut rng, &manner, begin);
    let keeps_pidfds = rng.chance(1, 2);
    World {
        machine: Machine::new(begin, keeps_pidfds),
        ledger: Ledger::new(),
        shadow: None,
        oracle: Oracle::default(),
        daemon: None,
        disk: Disk::default(),
        file,
        definitions: HashMap::new(),
        dies_in: None,
        resting: false,
        mutation: None,
        trace: None,
        manner,
        longest_sleep: 60 * SECOND,
        faults: BTreeMap::new(),
        rng,
    }
}

fn world(seed: u64, mutation: Option<Mutation>, traced: bool) -> World {
    let mut world = world_of(Rng::new(seed), Manner::Dense, BEGIN);
    world.shadow = (mutation.is_none() && seed.is_multiple_of(8)).then(Shadow::new);
    world.mutation = mutation;
    world.trace = traced.then(Vec::new);
    world
}

/// Lets the world go to its next happening, or to `until` if that is sooner; says which it was.
fn advance(world: &mut World, until: u64) -> bool {
    let next = world.next_happening();
    let time = next.min(until).max(world.machine.time);
    world.machine.time = time;
    if next <= time {
        world.happen();
    }
    next <= time
}

/// Runs one seed and returns its world, at rest or with a complaint.
fn live(seed: u64, mutation: Option<Mutation>, traced: bool) -> World {
    let mut world = world(seed, mutation, traced);
    world.boot();
    let mut befalls_at = world.machine.time + script::pause(&mut world);
    for _ in 0..HAPPENINGS {
        if !world.oracle.complaints.is_empty() {
            return world;
        }
        if !advance(&mut world, befalls_at) {
            script::befall(&mut world);
            befalls_at = world.machine.time + script::pause(&mut world);
        }
        if mutation == Some(Mutation::LosesRows) && world.rng.chance(1, 100) {
            let over: Vec<_> = world.ledger.rows.values().filter(|row| row.finished_at.is_some()).collect();
            if let Some(run) = over.last().map(|row| row.run) {
                world.ledger.remove(run);
            }
        }
    }
    come_to_rest(&mut world);
    world
}

/// Ends all faults, lets everything go on for a while, and judges what is left.
fn come_to_rest(world: &mut World) {
    const MINUTE: u64 = 60_000_000;
    let time = world.machine.time;
    world.dies_in = None;
    world.disk.fails_until = time;
    world.disk.slow_until = time;
    world.resting = true;
    for process in world.machine.processes.values_mut().filter(|process| process.alive) {
        process.ends_at = process.ends_at.min(time + MINUTE / 60);
    }
    if let Some(daemon) = &mut world.daemon {
        daemon.busy_until = time;
    }
    let mut until = time + 13 * MINUTE;
    let mut told = false;
    while world.oracle.complaints.is_empty() {
        if world.daemon.is_none() {
            world.boot();
            until = world.machine.time + 13 * MINUTE;
            told = false;
        }
        if !told {
            told = true;
            script::tell(world, Command::Release);
            for job in world.oracle.known.keys().cloned().collect::<Vec<_>>() {
                script::tell(world, Command::Resume { job, catch_up: false });
            }
        }
        if !advance(world, until) && world.daemon.is_some() {
            break;
        }
    }
    if world.oracle.complaints.is_empty() {
        world.oracle.at_rest(&world.ledger, &world.machine);
        let differ = world.shadow.as_mut().and_then(|shadow| shadow.compare(&world.ledger));
        world.oracle.complaints.extend(differ);
    }
}

#[test]
fn every_instant_has_one_outcome_whatever_happens() {
    let lived = Kind {
        name: "seed",
        prefix: "JOBCTL_SIM",
        seeds: SEEDS,
        live: |seed, traced| (live(seed, None, traced), HAPPENINGS as u64),
    };
    let Tally { starts, occurrences, .. } = lived.run();
    assert!(starts > 0 && occurrences > starts / 2, "hardly anything happened: {starts} starts");
}

#[test]
fn every_instant_of_many_years_has_one_outcome() {
    let lived = Kind { name: "life", prefix: "JOBCTL_YEARS", seeds: LIVES, live: years::live };
    let Tally { seeds, time, occurrences, .. } = lived.run();
    let years = time / (366 * 86_400_000_000);
    assert!(years >= seeds * 5 && occurrences > years, "{years} years, {occurrences} occurrences");
}

/// Runs seeds with something broken on purpose, until the judge complains of it in these words.
fn sees(mutation: Mutation, words: &str) {
    for seed in 1_000_000..1_000_200 {
        let complaints = live(seed, Some(mutation), false).oracle.complaints;
        if complaints.iter().any(|complaint| complaint.contains(words)) {
            return;
        }
    }
    panic!("nobody noticed: {mutation:?}");
}

#[test]
fn sees_a_commit_that_is_dropped_in_silence() {
    sees(Mutation::DropsCommits, "before its claim is durable");
}

#[test]
fn sees_claims_that_a_restart_forgets() {
    sees(Mutation::ForgetsClaims, "was not taken back");
}

#[test]
fn sees_processes_that_a_restart_forgets() {
    sees(Mutation::ForgetsProcesses, "starts twice");
}

#[test]
fn sees_a_commit_that_is_torn() {
    sees(Mutation::TearsCommits, "has no row");
}

#[test]
fn sees_a_second_process() {
    sees(Mutation::SpawnsTwice, "starts twice");
}

#[test]
fn sees_a_lost_row() {
    sees(Mutation::LosesRows, "has no row");
}

#[test]
fn sees_an_early_start() {
    sees(Mutation::RunsFast, "before its instant");
}

#[test]
fn sees_an_alarm_that_does_not_ring() {
    sees(Mutation::Oversleeps, "has no row");
}

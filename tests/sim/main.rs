//! A simulation of the daemon around the real scheduler: years of faults in seconds.
//!
//! A seed draws a job set and what befalls it: steps of the clock, a full disk, commands, kills between any two
//! steps of a start. Afterwards the world comes to rest, and every instant at which a job was due must have exactly
//! one outcome with its reason, with nothing started twice, early, unclaimed or against somebody's word.
//!
//! `JOBCTL_SIM_SEEDS=N` runs N seeds instead of a few hundred, from `JOBCTL_SIM_FROM` on; `JOBCTL_SIM_SEED=S` runs one
//! and tells its story. `JOBCTL_SIM_ENOUGH=N` stops a run once N seeds are broken.

#![cfg(test)]

mod coverage;
mod disk;
mod jobs;
mod late;
mod ledger;
mod life;
mod machine;
mod oracle;
mod rng;
mod rules;
mod script;
mod shadow;
mod turns;
mod world;

use std::fmt;

use jobctl::core::scheduler::Command;

use disk::Disk;
use jobs::BEGIN;
use ledger::Ledger;
use machine::Machine;
use oracle::Oracle;
use rng::Rng;
use shadow::Shadow;
use world::World;

/// How many seeds are run unless somebody asks for more.
const SEEDS: u64 = 400;

/// How many things happen in one seed before it comes to rest.
const HAPPENINGS: usize = 900;

/// What is broken on purpose, so that the judge can be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutation {
    /// The store says that something is durable, and it is not.
    DropsCommits,
    /// A new daemon knows nothing of the runs that were not over.
    ForgetsClaims,
    /// A start makes two processes.
    SpawnsTwice,
    /// A row is deleted.
    LosesRows,
    /// The clock of the scheduler runs ahead.
    RunsFast,
    /// The alarm does not ring.
    Oversleeps,
}

fn world(seed: u64, mutation: Option<Mutation>, traced: bool) -> World {
    let mut rng = Rng::new(seed);
    let file = jobs::job_file(&mut rng);
    let keeps_pidfds = rng.chance(1, 2);
    World {
        machine: Machine::new(BEGIN, keeps_pidfds),
        ledger: Ledger::new(),
        shadow: (mutation.is_none() && seed.is_multiple_of(8)).then(Shadow::new),
        oracle: Oracle::default(),
        daemon: None,
        disk: Disk::default(),
        file,
        definitions: std::collections::HashMap::new(),
        dies_in: None,
        resting: false,
        mutation,
        trace: traced.then(Vec::new),
        rng,
    }
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

/// Says on a panic which seed it was.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("replay with JOBCTL_SIM_SEED={} cargo test --test sim", self.0);
        }
    }
}

/// What has been lived through.
#[derive(Default)]
struct Tally {
    seeds: u64,
    /// Simulated time, µs, on the clock that no step of the wall clock touches.
    time: u64,
    happenings: u64,
    starts: u64,
    rows: u64,
}

impl Tally {
    fn add(&mut self, other: &Tally) {
        self.seeds += other.seeds;
        self.time += other.time;
        self.happenings += other.happenings;
        self.starts += other.starts;
        self.rows += other.rows;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { seeds, time, happenings, starts, rows } = self;
        let days = time / 86_400_000_000;
        write!(out, "{seeds} seeds, {days} simulated days, {happenings} happenings, ")?;
        write!(out, "{starts} starts, {rows} outcomes: nothing lost, nothing twice")
    }
}

/// Runs one seed; returns how much happened, or what was broken.
fn judge(seed: u64) -> Result<Tally, String> {
    let _named = Seed(seed);
    let world = live(seed, None, false);
    match world.oracle.complaints.first() {
        None => Ok(Tally {
            seeds: 1,
            time: world.machine.time,
            happenings: HAPPENINGS as u64,
            starts: world.oracle.starts,
            rows: world.ledger.rows.len() as u64,
        }),
        Some(complaint) => Err(format!("seed {seed}: {complaint}")),
    }
}

/// Tells the story of a seed: all of it where it was asked for, otherwise its end.
fn tell(seed: u64) {
    let story = live(seed, None, true).trace.unwrap_or_default();
    let all = number("JOBCTL_SIM_SEED").is_some();
    let from = if all { 0 } else { story.len().saturating_sub(60) };
    eprintln!("{}", story[from..].join("\n"));
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Runs a share of the seeds, so that the test runner can run the shares side by side.
fn share(nth: u64, of: u64) {
    let seeds = match (number("JOBCTL_SIM_SEED"), number("JOBCTL_SIM_SEEDS").unwrap_or(SEEDS)) {
        (Some(seed), _) => seed..seed + of,
        (None, seeds) => {
            let from = number("JOBCTL_SIM_FROM").unwrap_or(0);
            from..from + seeds
        }
    };
    let one = number("JOBCTL_SIM_SEED").filter(|_| nth == 0);
    let mine = seeds.clone().filter(|seed| one.map_or(seed % of == nth, |one| *seed == one));
    let (mut tally, mut broken) = (Tally::default(), Vec::new());
    for seed in mine {
        match judge(seed) {
            Ok(more) => tally.add(&more),
            Err(complaint) => broken.push((seed, complaint)),
        }
        if broken.len() as u64 == number("JOBCTL_SIM_ENOUGH").unwrap_or(u64::MAX) {
            break;
        }
    }
    if let Some((seed, _)) = broken.first() {
        tell(*seed);
        let complaints: Vec<_> = broken.iter().map(|(_, complaint)| complaint.as_str()).collect();
        panic!("{}\nreplay one with JOBCTL_SIM_SEED={seed} cargo test --test sim", complaints.join("\n"));
    }
    println!("{tally}");
    let Tally { starts, rows, .. } = tally;
    assert!(starts > 0 && rows > starts / 2, "hardly anything happened: {starts} starts, {rows} rows");
}

#[test]
fn every_instant_has_one_outcome_whatever_happens_0() {
    share(0, 2);
}

#[test]
fn every_instant_has_one_outcome_whatever_happens_1() {
    share(1, 2);
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

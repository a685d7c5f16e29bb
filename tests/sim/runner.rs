//! Runs seeds side by side, says in a line what they have lived through, and tells the story of one that was broken.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::world::World;

/// A kind of life.
pub(crate) struct Kind {
    /// What its seeds are called.
    pub(crate) name: &'static str,
    /// The beginning of the variables that ask for seeds.
    pub(crate) prefix: &'static str,
    /// How many seeds are run unless somebody asks for more.
    pub(crate) seeds: u64,
    /// Lives through a seed, and writes its story down if it is traced; returns the world and how much happened in it.
    pub(crate) live: fn(seed: u64, traced: bool) -> (World, u64),
}

/// What has been lived through.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) seeds: u64,
    /// Simulated time, µs, on the clock that no step of the wall clock touches.
    pub(crate) time: u64,
    happenings: u64,
    pub(crate) starts: u64,
    rows: u64,
    /// Instants that were due, by their rows.
    pub(crate) occurrences: u64,
    faults: BTreeMap<&'static str, u64>,
}

impl Tally {
    fn of(world: &World, happenings: u64) -> Self {
        let rows = || world.ledger.all_rows().filter(|row| row.fire_time.is_some());
        Tally {
            seeds: 1,
            time: world.machine.time,
            happenings,
            starts: world.oracle.starts,
            rows: rows().count() as u64,
            occurrences: rows().map(|row| row.occurrences).sum(),
            faults: world.faults.clone(),
        }
    }

    fn add(&mut self, other: &Tally) {
        self.seeds += other.seeds;
        self.time += other.time;
        self.happenings += other.happenings;
        self.starts += other.starts;
        self.rows += other.rows;
        self.occurrences += other.occurrences;
        for (kind, count) in &other.faults {
            *self.faults.entry(kind).or_default() += count;
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { seeds, time, happenings, starts, rows, occurrences, faults } = self;
        let days = time / 86_400_000_000;
        match days / 366 {
            0..100 => write!(out, "{seeds} seeds, {days} simulated days, ")?,
            years => write!(out, "{seeds} seeds, {years} simulated years, ")?,
        }
        write!(out, "{happenings} happenings, {starts} starts, {occurrences} occurrences in {rows} rows; ")?;
        let faults: Vec<_> = faults.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        write!(out, "{}: nothing lost, nothing twice", faults.join(", "))
    }
}

impl Kind {
    fn asked(&self, what: &str) -> Option<u64> {
        std::env::var(format!("{}_{what}", self.prefix)).ok()?.parse().ok()
    }

    /// Runs the seeds that were asked for.
    pub(crate) fn run(&self) -> Tally {
        let seeds: Vec<u64> = match self.asked("SEED") {
            Some(seed) => vec![seed],
            None => {
                let from = self.asked("FROM").unwrap_or(0);
                (from..from + self.asked("SEEDS").unwrap_or(self.seeds)).collect()
            }
        };
        let enough = self.asked("ENOUGH").unwrap_or(u64::MAX);
        let (next, done) = (AtomicUsize::new(0), Mutex::new((Tally::default(), BTreeMap::new())));
        let work = || {
            while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
                let judged = self.judge(*seed);
                let mut done = done.lock().unwrap();
                match judged {
                    Ok(more) => done.0.add(&more),
                    Err(complaint) => drop(done.1.insert(*seed, complaint)),
                }
                if done.1.len() as u64 >= enough {
                    break;
                }
            }
        };
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(work);
            }
        });
        let (tally, broken) = done.into_inner().unwrap();
        if let Some(seed) = broken.keys().next() {
            self.tell(*seed);
            let complaints: Vec<_> = broken.values().map(String::as_str).collect();
            panic!("{}\nreplay one: {}", complaints.join("\n"), self.replay(*seed));
        }
        println!("{tally}");
        tally
    }

    fn replay(&self, seed: u64) -> String {
        format!("{}_SEED={seed} cargo test --test sim", self.prefix)
    }

    /// Runs one seed; returns how much happened, or what was broken.
    fn judge(&self, seed: u64) -> Result<Tally, String> {
        let _named = Named(self, seed);
        let (world, happenings) = (self.live)(seed, false);
        match world.oracle.complaints.first() {
            None => Ok(Tally::of(&world, happenings)),
            Some(complaint) => Err(format!("{} {seed}: {complaint}", self.name)),
        }
    }

    /// Tells the story of a seed: all of it where it was asked for, otherwise its end.
    fn tell(&self, seed: u64) {
        let story = (self.live)(seed, true).0.trace.unwrap_or_default();
        let all = self.asked("SEED").is_some();
        let from = if all { 0 } else { story.len().saturating_sub(60) };
        eprintln!("{}", story[from..].join("\n"));
    }
}

/// Says on a panic which seed it was.
struct Named<'a>(&'a Kind, u64);

impl Drop for Named<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("replay: {}", self.0.replay(self.1));
        }
    }
}

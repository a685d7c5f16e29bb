//! Long lives: ten to sixty years of a daemon with little to do, from wake-up to wake-up, and what befalls it meanwhile,
//! mostly around the nights in which the clocks change.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use jobctl::core::instant::Timestamp;
use jobctl::core::name::Name;
use jobctl::core::scheduler::{Command, RunNow};

use super::jobs::Manner;
use super::machine::Tick;
use super::rng::Rng;
use super::script::{self, ticks};
use super::shadow::Shadow;
use super::sparse::Era;
use super::world::World;
use super::{advance, come_to_rest};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// 2100-06-01: no life goes on for longer by the wall clock, because no date is found beyond that year.
const LAST: Timestamp = Timestamp::from_secs(4_115_491_200);

/// What is to happen later because of something that has happened.
#[derive(Debug)]
enum Plan {
    Start,
    /// Somebody notices that the clock is wrong.
    Correct {
        by: Duration,
        forward: bool,
    },
    Release,
    Resume(Name),
}

/// A life on its way.
struct Life {
    era: Rc<Era>,
    plans: BTreeMap<(Tick, u64), Plan>,
    planned: u64,
    happenings: u64,
}

/// Lives through one seed; returns its world, at rest or with a complaint, and how much has happened.
pub(crate) fn live(seed: u64, traced: bool) -> (World, u64) {
    let mut rng = Rng::new(seed ^ 0x0079_6561_7273);
    let era = Rc::new(Era::draw(&mut rng));
    let mut world = super::world_of(rng, Manner::Sparse(era.clone()), era.begins_at);
    world.longest_sleep = Tick::MAX / 4;
    world.shadow = seed.is_multiple_of(16).then(Shadow::new);
    world.trace = traced.then(Vec::new);
    let mut life = Life { era: era.clone(), plans: BTreeMap::new(), planned: 0, happenings: 0 };
    world.boot();
    let begins = world.machine.time;
    let rests = 1 + world.rng.below(3);
    for rest in 1..=rests {
        let until = begins + era.years * ticks(DAY) * 36_525 / 100 * rest / rests;
        life.live_until(&mut world, until);
        come_to_rest(&mut world);
        world.resting = false;
        if !world.oracle.complaints.is_empty() {
            break;
        }
    }
    (world, life.happenings)
}

impl Life {
    fn live_until(&mut self, world: &mut World, until: Tick) {
        let until = until.min(world.machine.tick_of_wall(LAST));
        let mut befalls_at = world.machine.time + self.pause(world);
        while world.machine.time < until
            && world.machine.now().wall < LAST
            && world.oracle.complaints.is_empty()
        {
            self.happenings += 1;
            let starts = self.plans.values().any(|plan| matches!(plan, Plan::Start));
            if world.daemon.is_none() && !starts {
                let downtime = downtime(&mut world.rng);
                self.plan(world, downtime, Plan::Start);
            }
            let planned = self.plans.first_key_value().map_or(Tick::MAX, |(key, _)| key.0);
            if advance(world, planned.min(befalls_at).min(until)) {
                continue;
            }
            if planned <= world.machine.time {
                if let Some((_, plan)) = self.plans.pop_first() {
                    self.carry_out(world, plan);
                }
            } else {
                self.befall(world);
                befalls_at = world.machine.time + self.pause(world);
            }
        }
    }

    fn plan(&mut self, world: &World, after: Duration, plan: Plan) {
        self.planned += 1;
        self.plans.insert((world.machine.time + ticks(after), self.planned), plan);
    }

    /// How long until something befalls the world: at once again, when a clock changes next, or after a while.
    fn pause(&self, world: &mut World) -> Tick {
        let now = world.machine.now().wall;
        let longest = DAY * 400;
        let later = match world.rng.below(8) {
            0 | 1 => world.rng.between(Duration::from_millis(1), HOUR * 3),
            2..=4 => match self.era.shift_after(&mut world.rng, now, 3) {
                // Some hours around it: what is awake then, sleeps or is down over it.
                Some(shift) => {
                    let around = world.rng.between(SECOND, HOUR * 30);
                    let at = Timestamp::from_secs(shift.at);
                    let at = if world.rng.chance(2, 3) { at.minus(around) } else { at.plus(around) };
                    at.since(now).min(longest)
                }
                None => world.rng.between(HOUR, longest),
            },
            _ => world.rng.between(HOUR, longest),
        };
        ticks(later)
    }

    fn carry_out(&mut self, world: &mut World, plan: Plan) {
        match plan {
            Plan::Start if world.daemon.is_some() => {}
            Plan::Start => self.start(world),
            Plan::Correct { by, forward } => world.shift_wall(by, forward),
            Plan::Release => script::tell(world, Command::Release),
            Plan::Resume(job) => {
                let catch_up = world.rng.chance(1, 2);
                script::tell(world, Command::Resume { job, catch_up });
            }
        }
    }

    /// The daemon starts, after a boot of the machine or not, with a right clock or a wrong one.
    fn start(&mut self, world: &mut World) {
        if world.rng.chance(1, 2) {
            script::reboot(world);
        }
        if world.rng.chance(1, 6) {
            world.suffers("boots with a wrong clock");
            let forward = world.rng.chance(1, 3);
            let by = world.rng.between(MINUTE, DAY * 40);
            self.astray(world, by, forward);
        }
        if world.rng.chance(1, 6) {
            script::edit_file(world);
        }
        world.boot();
    }

    /// The clock goes wrong until somebody notices.
    fn astray(&mut self, world: &mut World, by: Duration, forward: bool) {
        world.shift_wall(by, forward);
        let noticed = world.rng.between(SECOND, DAY * 2);
        self.plan(world, noticed, Plan::Correct { by, forward: !forward });
    }

    /// Lets something happen that the scheduler has not asked for.
    fn befall(&mut self, world: &mut World) {
        if world.daemon.is_none() {
            return;
        }
        match world.rng.below(20) {
            0..=4 => {
                let steps = world.rng.below(60);
                world.dies_in = Some(steps);
                world.say(|| format!("== dies in {steps} steps"));
            }
            5 => world.die(),
            6..=8 => self.clock(world),
            9 => {
                let lasts = world.rng.between(SECOND, DAY * 3);
                script::wear_out(world, lasts);
            }
            10 => {
                let stopped = ticks(world.rng.between(SECOND, DAY * 4));
                script::stand_still(world, stopped);
            }
            11 | 12 => {
                script::edit_file(world);
                script::reload(world);
            }
            _ => self.ask(world),
        }
    }

    fn clock(&mut self, world: &mut World) {
        match world.rng.below(8) {
            // A lid is closed and opened.
            0..=2 => {
                let by = world.rng.between(MINUTE, DAY * 30);
                world.shift_wall(by, true);
            }
            3 => {
                let by = world.rng.between(Duration::from_millis(1), SECOND * 3);
                let forward = world.rng.chance(1, 2);
                world.shift_wall(by, forward);
            }
            4 => {
                let by = world.rng.between(SECOND, HOUR * 30);
                world.shift_wall(by, false);
            }
            5 => {
                let by = world.rng.between(SECOND, DAY * 100);
                world.shift_wall(by, true);
            }
            6 => self.astray(world, DAY * 30, true),
            _ => {
                let by = world.rng.between(MINUTE, DAY * 30);
                let forward = world.rng.chance(1, 2);
                self.astray(world, by, forward);
            }
        }
    }

    fn ask(&mut self, world: &mut World) {
        let Some(job) = script::some_job(world) else { return };
        let wall = world.machine.now().wall;
        let later = world.rng.between(MINUTE, DAY * 60);
        let command = match world.rng.below(12) {
            0 | 1 => {
                let until = world.rng.chance(1, 2).then(|| wall.plus(later));
                self.plan(world, later, Plan::Resume(job.clone()));
                Command::Pause { job, until, reason: None }
            }
            2 | 3 => {
                self.plan(world, later, Plan::Release);
                Command::Hold { reason: None }
            }
            4 | 5 => {
                let (if_due, force) = (world.rng.chance(1, 6), world.rng.chance(1, 4));
                Command::RunNow(RunNow { job, args: Vec::new(), if_due, force, priority: None })
            }
            6 => Command::Stop { leave: world.rng.chance(1, 3) },
            7 => match script::some_run(world) {
                Some(run) => Command::Cancel { run, reason: None },
                None => return,
            },
            8 | 9 => script::put(world, None),
            _ => script::put(world, Some(job)),
        };
        script::tell(world, command);
    }
}

/// How long nobody starts the daemon again: mostly a moment, now and then for months.
fn downtime(rng: &mut Rng) -> Duration {
    let longest = *rng.pick(&[MINUTE, MINUTE, HOUR, HOUR * 30, DAY * 120]);
    rng.between(SECOND, longest)
}

//! What befalls the world: commands of people, faults of the clock, the disk and the daemon.

use std::sync::Arc;
use std::time::Duration;

use jobctl::core::change::Actor;
use jobctl::core::instant::Timestamp;
use jobctl::core::job::{Grace, Job, Origin};
use jobctl::core::name::Name;
use jobctl::core::run::RunId;
use jobctl::core::scheduler::{Answer, Command, Input, PutAction, RunNow};
use jobctl::core::trigger::Firing;

use super::jobs;
use super::machine::Tick;
use super::world::World;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

pub(crate) fn ticks(duration: Duration) -> Tick {
    u64::try_from(duration.as_micros()).unwrap()
}

/// How long until something befalls the world again.
pub(crate) fn pause(world: &mut World) -> Tick {
    ticks(world.rng.between(Duration::from_millis(1), MINUTE * 40))
}

/// Lets something happen that the scheduler has not asked for.
pub(crate) fn befall(world: &mut World) {
    if world.daemon.is_none() {
        away(world);
        return;
    }
    match world.rng.below(20) {
        0..=10 => ask(world),
        11 | 12 => clock(world),
        13 | 14 => disk(world),
        15..=17 => {
            let steps = world.rng.below(40);
            world.dies_in = Some(steps);
            world.say(|| format!("== dies in {steps} steps"));
        }
        18 => world.die(),
        _ => {
            let stopped = ticks(world.rng.between(SECOND, HOUR * 2));
            stand_still(world, stopped);
        }
    }
}

/// The power goes, and comes back.
pub(crate) fn reboot(world: &mut World) {
    world.suffers("reboots");
    world.machine.reboot();
    world.say(|| "== reboot".to_owned());
}

/// The loop does not turn for so long.
pub(crate) fn stand_still(world: &mut World, stopped: Tick) {
    world.suffers("stand-stills");
    let time = world.machine.time;
    world.say(|| format!("== the loop stands still for {stopped} us"));
    if let Some(daemon) = &mut world.daemon {
        daemon.busy_until = time + stopped;
    }
}

/// Something happens while no daemon runs, in the end its start.
fn away(world: &mut World) {
    if world.rng.chance(1, 4) {
        reboot(world);
    }
    if world.rng.chance(1, 6) {
        let by = world.rng.between(SECOND, HOUR * 4);
        let forward = world.rng.chance(1, 2);
        world.shift_wall(by, forward);
    }
    if world.rng.chance(1, 6) {
        edit_file(world);
    }
    if world.rng.chance(2, 3) {
        world.boot();
    }
}

/// Steps of the wall clock; what suspend does to it is the same as a step forward.
fn clock(world: &mut World) {
    let patient = |job: &Arc<Job>| !job.policy.coalesce && job.policy.grace != Grace::For(Duration::ZERO);
    let far = if world.oracle.known.values().any(patient) { HOUR } else { HOUR * 24 * 30 };
    match world.rng.below(6) {
        0 => {
            let by = world.rng.between(Duration::from_millis(1), SECOND * 3);
            let forward = world.rng.chance(1, 2);
            world.shift_wall(by, forward);
        }
        1 | 2 => {
            let by = world.rng.between(SECOND, far);
            world.shift_wall(by, true);
        }
        3 => {
            let by = world.rng.between(HOUR, far);
            world.shift_wall(by, true);
            world.happen();
            if world.daemon.is_some() {
                world.shift_wall(by, false);
            }
        }
        _ => {
            let by = world.rng.between(SECOND, HOUR * 5);
            world.shift_wall(by, false);
        }
    }
}

fn disk(world: &mut World) {
    let lasts = world.rng.between(Duration::from_millis(100), MINUTE * 15);
    wear_out(world, lasts);
}

/// The disk takes nothing for so long, or is slow.
pub(crate) fn wear_out(world: &mut World, lasts: Duration) {
    let until = world.machine.time + ticks(lasts);
    if world.rng.chance(1, 2) {
        world.suffers("full disks");
        world.disk.fails_until = until;
        world.say(|| format!("== the disk fails until {until}"));
    } else {
        world.suffers("slow disks");
        world.disk.slow_until = until;
    }
}

pub(crate) fn some_job(world: &mut World) -> Option<Name> {
    let names: Vec<Name> = world.oracle.known.keys().cloned().collect();
    (!names.is_empty()).then(|| world.rng.pick(&names).clone())
}

fn ask(world: &mut World) {
    let Some(job) = some_job(world) else { return };
    let wall = world.machine.now().wall;
    let command = match world.rng.below(16) {
        0 | 1 => {
            let until = world.rng.chance(1, 2).then(|| wall.plus(world.rng.between(SECOND, HOUR * 2)));
            Command::Pause { job, until, reason: None }
        }
        2 | 3 => Command::Resume { job, catch_up: world.rng.chance(1, 3) },
        4 => Command::Hold { reason: None },
        5 | 6 => Command::Release,
        7 | 8 => {
            let (if_due, force) = (world.rng.chance(1, 6), world.rng.chance(1, 4));
            Command::RunNow(RunNow { job, args: Vec::new(), if_due, force, priority: None })
        }
        9 => match some_run(world) {
            Some(run) => Command::Cancel { run, reason: None },
            None => return,
        },
        10 => Command::Stop { leave: world.rng.chance(1, 3) },
        11 => put(world, None),
        12 => put(world, Some(job)),
        13 => match added(world, &job) {
            true => Command::Remove { job, by: Actor::JobFile, before: None },
            false => return,
        },
        _ => {
            edit_file(world);
            reload(world);
            return;
        }
    };
    tell(world, command);
}

/// Hands a command to the daemon.
pub(crate) fn tell(world: &mut World, command: Command) {
    let wall = world.machine.now().wall;
    world.suffers("commands");
    let busy = world.daemon.as_ref().is_none_or(|daemon| world.machine.time < daemon.busy_until);
    if busy {
        return;
    }
    let forced = matches!(&command, Command::RunNow(request) if request.force);
    if let Command::Put { job, .. } = &command {
        world.oracle.job_set(std::iter::once(job.clone()), wall, &world.ledger);
    }
    world.oracle.stopping |= matches!(command, Command::Stop { .. });
    let said = world.feed(Input::Command(command));
    if let (Ok(Some(Answer::Run(run))), true) = (&said, forced) {
        world.oracle.forced.insert(*run);
    }
    let turned = said.and_then(|_| world.finish_turn());
    world.survive(turned);
}

pub(crate) fn some_run(world: &mut World) -> Option<RunId> {
    let runs: Vec<RunId> = world.daemon.as_ref()?.scheduler.live_runs().map(|(run, _)| run).collect();
    (!runs.is_empty()).then(|| *world.rng.pick(&runs))
}

pub(crate) fn added(world: &World, job: &Name) -> bool {
    world.oracle.known.get(job).is_some_and(|job| job.origin == Origin::Added)
}

/// Adds a job, or changes one: another trigger, other rules, or whether it is enabled.
pub(crate) fn put(world: &mut World, job: Option<Name>) -> Command {
    let wall = world.machine.now().wall;
    let old = job.filter(|job| added(world, job)).and_then(|job| world.oracle.known.get(&job).cloned());
    let (job, action) = match old {
        None => {
            let text = format!("added-{}", world.rng.below(4));
            let files: Vec<Name> = world.file.jobs.iter().map(|job| job.name.clone()).collect();
            let action = if world.oracle.known.contains_key(text.as_str()) {
                PutAction::Replaced
            } else {
                PutAction::Added
            };
            let mut job = jobs::job(&mut world.rng, &world.manner, &text, Origin::Added, &files, wall);
            if let Some(old) = world.oracle.known.get(text.as_str()) {
                // Runs that are alive count for the pool they were started in.
                let pool = old.policy.pool.clone();
                job.policy = Arc::new(jobctl::core::job::Policy { pool, ..(*job.policy).clone() });
            }
            (job, action)
        }
        Some(old) => (changed(world, &old, wall), PutAction::Edited),
    };
    let job = Arc::new(job);
    let toml = format!("definition {}", world.definitions.len());
    world.definitions.insert(toml.clone(), job.clone());
    Command::Put { job, toml, action, by: Actor::JobFile, before: None }
}

fn changed(world: &mut World, old: &Job, wall: Timestamp) -> Job {
    let mut job = old.clone();
    match world.rng.below(3) {
        0 => {
            let policy = Arc::make_mut(&mut job.policy);
            policy.enabled = !policy.enabled;
        }
        1 => {
            let firing = jobs::firing(&mut world.rng, &world.manner, &[], wall);
            // Others may wait for it: a job that waits itself could close a circle.
            let keeps = matches!((&old.firing, &firing), (Firing::After(_), _) | (_, Firing::After(_)));
            job.firing = if keeps { old.firing.clone() } else { firing };
        }
        _ => {
            let pool = old.policy.pool.clone();
            job.policy = Arc::new(jobctl::core::job::Policy { pool, ..jobs::policy(&mut world.rng) });
        }
    }
    job
}

/// Somebody edits the job file: a job changes, goes, or comes.
pub(crate) fn edit_file(world: &mut World) {
    world.suffers("edits of the job file");
    let wall = world.machine.now().wall;
    if world.file.jobs.is_empty() || world.rng.chance(1, 4) {
        let text = format!("file-{}", world.rng.below(9));
        if world.file.jobs.iter().all(|job| job.name.as_str() != text) {
            let job = jobs::job(&mut world.rng, &world.manner, &text, jobs::file_origin(), &[], wall);
            world.file.jobs.push(Arc::new(job));
        }
        return;
    }
    let at = usize::try_from(world.rng.below(world.file.jobs.len() as u64)).unwrap();
    if world.rng.chance(1, 3) {
        world.file.jobs.remove(at);
    } else {
        let old = world.file.jobs[at].clone();
        world.file.jobs[at] = Arc::new(changed(world, &old, wall));
    }
}

/// The daemon reads the job file again.
pub(crate) fn reload(world: &mut World) {
    let busy = world.daemon.as_ref().is_none_or(|daemon| world.machine.time < daemon.busy_until);
    if busy {
        return;
    }
    let wall = world.machine.now().wall;
    let added = world.oracle.known.values().filter(|job| job.origin == Origin::Added).cloned();
    let jobs: Vec<Arc<Job>> = world.file.jobs.iter().cloned().chain(added).collect();
    world.oracle.job_set(jobs.clone().into_iter(), wall, &world.ledger);
    let (pools, settings) = (world.file.pools.clone(), world.file.settings.clone());
    let turned = world.feed(Input::Reloaded { jobs, pools, settings }).and_then(|_| world.finish_turn());
    world.survive(turned);
}

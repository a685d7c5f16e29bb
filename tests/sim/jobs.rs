//! Job sets drawn at random.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use jobctl::core::civil::{Zone, ZoneTable};
use jobctl::core::cron::{Cron, DstRules, Parsed};
use jobctl::core::instant::Timestamp;
use jobctl::core::job::{
    Command, Grace, Hooks, Job, OnBusy, OnLost, Origin, Parallel, Policy, Pool, Retry, RetryOn, StartupScope,
    Step, StepBody, Work,
};
use jobctl::core::name::Name;
use jobctl::core::scheduler::Settings;
use jobctl::core::trigger::{At, CronTrigger, Dependency, DependencyOn, Firing, Schedule, Trigger};

use super::rng::Rng;
use super::sparse::Era;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

const CRONS: &[&str] = &[
    "* * * * *",
    "*/5 * * * *",
    "*/10 * * * *",
    "0 * * * *",
    "30 2 * * *",
    "30 1 * * *",
    "15,45 0-4 * * *",
    "*/7 1-3 * * *",
    "0 */2 * * *",
    "*/20 * * * * *",
];

/// How job sets are drawn.
#[derive(Clone, Debug)]
pub(crate) enum Manner {
    /// Jobs that are due every few minutes, in a zone whose clock changes every day.
    Dense,
    /// Jobs that are due a few times a year, in zones of this world.
    Sparse(Rc<Era>),
}

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// 2026-03-28T12:00:00Z, a day before the gap of Berlin.
pub(crate) const BEGIN: Timestamp = Timestamp::from_secs(1_774_699_200);

/// A zone whose clock changes every twenty hours or so: an hour on, an hour back, half an hour on, and back.
fn restless() -> Zone {
    let begin = BEGIN.as_secs() - 40 * 3_600;
    let changes = (0..400_i64).map(|n| {
        let offset = match n % 4 {
            0 | 2 => 3_600,
            1 => 7_200,
            _ => 5_400,
        };
        (begin + n * 19 * 3_600 + 1_800, offset)
    });
    Zone::new(ZoneTable {
        name: "Sim/Restless".to_owned(),
        first_offset: 3_600,
        transitions: changes.collect(),
    })
}

fn cron(rng: &mut Rng, zone: &Zone) -> Schedule {
    let text = rng.pick(CRONS);
    let Ok(Parsed::Cron(cron)) = Cron::parse(text, "sim") else { panic!("{text}") };
    let trigger = Trigger::Cron(Box::new(CronTrigger { cron, dst: DstRules::default() }));
    Schedule { trigger, zone: zone.clone(), start: None, end: None, jitter: Duration::ZERO }
}

fn every(rng: &mut Rng, zone: &Zone) -> Schedule {
    let interval = rng.between(Duration::from_secs(7), HOUR * 3);
    let interval = if rng.chance(1, 3) { interval } else { Duration::from_secs(interval.as_secs()) };
    Schedule {
        trigger: Trigger::Every(interval),
        zone: zone.clone(),
        start: None,
        end: None,
        jitter: Duration::ZERO,
    }
}

fn schedule(rng: &mut Rng, now: Timestamp) -> Schedule {
    let zone = if rng.chance(1, 2) { restless() } else { Zone::utc() };
    let mut schedule = match rng.below(12) {
        0..=4 => cron(rng, &zone),
        5..=7 => every(rng, &zone),
        8 => {
            let at = now.plus(rng.between(Duration::from_secs(1), HOUR * 12)).minus(HOUR);
            let at = Timestamp::from_secs(at.as_secs());
            let trigger = Trigger::At(At { at, text: at.to_string().into(), note: None });
            Schedule { trigger, zone, start: None, end: None, jitter: Duration::ZERO }
        }
        9 | 10 => {
            let members = [cron(rng, &zone), every(rng, &zone), cron(rng, &zone)];
            Schedule { trigger: Trigger::Any(members.into()), ..every(rng, &zone) }
        }
        _ => {
            let members = [cron(rng, &zone), cron(rng, &zone)];
            Schedule { trigger: Trigger::All(members.into()), ..every(rng, &zone) }
        }
    };
    if rng.chance(1, 5) {
        schedule.jitter = rng.between(Duration::from_millis(100), MINUTE * 10);
    }
    if rng.chance(1, 8) {
        schedule.start = Some(Timestamp::from_secs(now.plus(rng.between(MINUTE, HOUR * 5)).as_secs()));
    }
    if rng.chance(1, 8) {
        schedule.end = Some(now.plus(rng.between(HOUR, HOUR * 60)));
    }
    schedule
}

/// Draws when a job is due; `others` are those it may wait for.
pub(crate) fn firing(rng: &mut Rng, manner: &Manner, others: &[Name], now: Timestamp) -> Firing {
    match rng.below(10) {
        0 => Firing::Startup,
        1 if rng.chance(1, 2) => Firing::Shutdown,
        2 | 3 if !others.is_empty() => {
            let on = *rng.pick(&[DependencyOn::Success, DependencyOn::Failure, DependencyOn::Any]);
            let mut dependencies = vec![Dependency { job: rng.pick(others).clone(), on }];
            let second = rng.pick(others).clone();
            if rng.chance(1, 3) && second != dependencies[0].job {
                dependencies.push(Dependency { job: second, on: DependencyOn::Any });
            }
            Firing::After(Arc::new(dependencies))
        }
        _ => Firing::Clock(Arc::new(match manner {
            Manner::Dense => schedule(rng, now),
            Manner::Sparse(era) => era.schedule(rng, now),
        })),
    }
}

fn step(number: usize, body: StepBody, rng: &mut Rng) -> Step {
    let timeout = rng.chance(1, 6).then(|| rng.between(Duration::from_secs(2), MINUTE * 10));
    Step { name: number.to_string().into(), body, timeout, continue_on_error: rng.chance(1, 4) }
}

fn command() -> Command {
    Command::Shell("work".into())
}

fn work(rng: &mut Rng) -> Work {
    let steps = |rng: &mut Rng| {
        let count = 2 + usize::try_from(rng.below(2)).unwrap();
        (1..=count).map(|n| step(n, StepBody::Command(command()), rng)).collect::<Vec<_>>()
    };
    match rng.below(8) {
        0 => {
            let mut list = steps(rng);
            if rng.chance(1, 2) {
                let commands = steps(rng).into();
                list.push(step(9, StepBody::Parallel { commands, fail_fast: rng.chance(1, 2) }, rng));
            }
            Work::Steps(list.into())
        }
        1 => Work::Parallel(Box::new(Parallel { steps: steps(rng).into(), fail_fast: rng.chance(1, 2) })),
        _ => Work::Command(command()),
    }
}

pub(crate) fn policy(rng: &mut Rng) -> Policy {
    let mut policy = Policy {
        priority: i32::try_from(rng.below(3)).unwrap(),
        grace: match rng.below(5) {
            0 => Grace::For(Duration::ZERO),
            1 => Grace::For(rng.between(Duration::from_secs(10), HOUR * 3)),
            2 => Grace::Unlimited,
            _ => Grace::UntilNext,
        },
        coalesce: !rng.chance(1, 6),
        max_instances: if rng.chance(1, 4) { 2 } else { 1 },
        on_busy: *rng.pick(&[None, Some(OnBusy::Skip), Some(OnBusy::Queue), Some(OnBusy::Replace)]),
        on_lost: if rng.chance(1, 3) { OnLost::Rerun } else { OnLost::Skip },
        startup: if rng.chance(1, 2) { StartupScope::Boot } else { StartupScope::Start },
        ..Policy::default()
    };
    if rng.chance(1, 3) {
        policy.timeout = Some(rng.between(Duration::from_secs(5), HOUR));
    }
    if rng.chance(1, 3) {
        policy.retry = Retry {
            retries: 1 + u32::try_from(rng.below(3)).unwrap(),
            delay: if rng.chance(1, 3) {
                Duration::ZERO
            } else {
                rng.between(Duration::from_secs(1), MINUTE * 30)
            },
            backoff_milli: 2000,
            max_delay: None,
            on: RetryOn::Any,
        };
    }
    if rng.chance(1, 6) {
        policy.hooks = Hooks { before: vec![command()], after_run: vec![command()], ..Hooks::default() };
    }
    policy.output.json = rng.chance(1, 10);
    policy
}

/// Draws a job.
pub(crate) fn job(
    rng: &mut Rng,
    manner: &Manner,
    text: &str,
    origin: Origin,
    others: &[Name],
    now: Timestamp,
) -> Job {
    let mut policy = policy(rng);
    policy.pool = rng.chance(1, 4).then(|| name("io"));
    let (firing, work) = (firing(rng, manner, others, now), work(rng));
    policy.enabled = !rng.chance(1, 12);
    policy.paused = rng.chance(1, 15);
    Job {
        name: name(text),
        origin,
        firing,
        work,
        policy: Arc::new(policy),
        execution: Arc::default(),
        about: Arc::default(),
    }
}

/// The job file.
#[derive(Clone, Debug)]
pub(crate) struct JobFile {
    pub(crate) jobs: Vec<Arc<Job>>,
    pub(crate) pools: Vec<Pool>,
    pub(crate) settings: Settings,
}

pub(crate) fn file_origin() -> Origin {
    Origin::File { path: Arc::new("jobs.toml".into()), line: 1 }
}

pub(crate) fn job_file(rng: &mut Rng, manner: &Manner, begin: Timestamp) -> JobFile {
    let mut names: Vec<Name> = Vec::new();
    let mut jobs = Vec::new();
    for number in 0..2 + rng.below(4) {
        let job = job(rng, manner, &format!("file-{number}"), file_origin(), &names, begin);
        names.push(job.name.clone());
        jobs.push(Arc::new(job));
    }
    let settings = Settings {
        catch_up_parallel: 1 + u32::try_from(rng.below(3)).unwrap(),
        startup_delay: if rng.chance(1, 5) { MINUTE } else { Duration::ZERO },
        ..Settings::default()
    };
    let workers = 1 + u32::try_from(rng.below(2)).unwrap();
    JobFile { jobs, pools: vec![Pool { name: name("io"), workers }], settings }
}

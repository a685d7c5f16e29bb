//! What a new daemon makes of the runs an old one left behind.

use std::time::Duration;

use super::{HOUR, MINUTE, NOON, World, cron, job, memory, name};
use crate::core::job::{Grace, OnLost};
use crate::core::run::{Exit, ProcessMark, Reason, RunId, RunStatus, Source};
use crate::core::scheduler::{Boot, Evidence, Found, FoundCommand, Place, Unfinished};
use crate::core::trigger::Firing;

const HALF_HOUR: Duration = Duration::from_secs(1_800);

fn alive() -> Evidence {
    Evidence::Started { found: vec![found(FoundCommand::At(Place::Work), None)], steps: Vec::new() }
}

/// A process that was started when the run was.
fn found(command: FoundCommand, exit: Option<Exit>) -> Found {
    Found { process: PROCESS, command, age: Some(HALF_HOUR), exit, outcome: None }
}

fn left_behind(status: RunStatus, evidence: Evidence) -> impl FnOnce(&mut Boot) {
    move |boot| {
        let fire_time = NOON.minus(HALF_HOUR);
        boot.memory.insert(name("a"), memory(fire_time, &cron("30 * * * *")));
        boot.next_run = 8;
        boot.unfinished.push(Unfinished {
            run: RunId(7),
            job: name("a"),
            fire_time: Some(fire_time),
            source: Source::Schedule,
            status,
            queued_at: fire_time,
            due_at: fire_time,
            attempt: u32::from(status != RunStatus::Queued),
            started_at: (status != RunStatus::Queued).then_some(fire_time),
            retry_at: (status == RunStatus::Retrying).then(|| NOON.plus(MINUTE)),
            priority: 0,
            args: Vec::new(),
            evidence,
        });
    }
}

const PROCESS: ProcessMark = ProcessMark { pid: 4711, start_ticks: 99 };

#[test]
fn p2_a_claim_that_was_never_started_is_due_again_under_its_number() {
    let world = World::boot(
        vec![job("a", cron("30 * * * *"), |_| {})],
        left_behind(RunStatus::Queued, Evidence::NeverStarted),
    );
    assert_eq!(world.alive.first().map(|(run, _)| *run), Some(RunId(7)));
    assert!(world.claims().is_empty(), "its row is there already");
}

#[test]
fn p2_its_grace_judges_it() {
    let grace = Grace::For(Duration::from_secs(30));
    let world = World::boot(
        vec![job("a", cron("30 * * * *"), |policy| policy.grace = grace)],
        left_behind(RunStatus::Queued, Evidence::NeverStarted),
    );
    assert_eq!(world.statuses(), [RunStatus::Missed]);
}

#[test]
fn p3_a_live_run_is_adopted_and_counts() {
    let mut world = World::boot(
        vec![job("a", cron("30 * * * *"), |policy| policy.timeout = Some(HOUR * 3))],
        left_behind(RunStatus::Running, alive()),
    );
    world.pass(HOUR);
    assert!(world.alive.is_empty(), "no second run beside it");
    assert_eq!(world.gaps()[0].reason, Reason::Busy);
    let run = RunId(7);
    world.alive.push((run, Place::Work));
    world.end(Exit::Code(3));
    let end = world.ends()[0].clone();
    assert_eq!((end.run, end.status, end.duration), (run, RunStatus::Failed, Some(HOUR + HALF_HOUR)));
}

#[test]
fn p4_an_end_that_went_unseen_is_lost_once() {
    let mut world = World::boot(
        vec![job("a", cron("30 * * * *"), |_| {})],
        left_behind(RunStatus::Running, Evidence::Unknown(Reason::EndUnseen)),
    );
    assert_eq!(world.statuses(), [RunStatus::Lost]);
    world.pass(HOUR);
    assert_eq!(world.alive.len(), 1, "the limit is free again");
}

#[test]
fn p4_lost_runs_are_run_again_only_where_the_job_says_so() {
    let world = World::boot(
        vec![job("a", cron("30 * * * *"), |policy| policy.on_lost = OnLost::Rerun)],
        left_behind(RunStatus::Running, Evidence::Unknown(Reason::Reboot)),
    );
    assert_eq!(world.statuses(), [RunStatus::Lost]);
    assert_eq!(world.scheduler.run(world.alive[0].0).unwrap().source, Source::Rerun);
}

#[test]
fn p4_an_end_the_kernel_told_is_taken() {
    let world = World::boot(
        vec![job("a", cron("30 * * * *"), |_| {})],
        left_behind(RunStatus::Running, {
            let work = found(FoundCommand::At(Place::Work), Some(Exit::Code(0)));
            Evidence::Started { found: vec![work], steps: Vec::new() }
        }),
    );
    assert_eq!(world.statuses(), [RunStatus::Succeeded]);
}

#[test]
fn retries_survive_a_restart_in_mid_wait() {
    let mut world = World::boot(
        vec![job("a", cron("30 * * * *"), |policy| policy.retry.retries = 2)],
        left_behind(RunStatus::Retrying, Evidence::NeverStarted),
    );
    assert!(world.alive.is_empty());
    world.pass(MINUTE);
    assert_eq!(world.alive.len(), 1);
    assert_eq!(world.scheduler.run(RunId(7)).unwrap().attempt, 2);
}

#[test]
fn startup_jobs_run_once_a_boot_or_once_a_start() {
    use crate::core::job::StartupScope;
    for (scope, boot_id, runs) in [
        (StartupScope::Boot, "boot-1", 0),
        (StartupScope::Boot, "boot-0", 1),
        (StartupScope::Start, "boot-1", 1),
    ] {
        let world = World::boot(vec![job("a", Firing::Startup, |policy| policy.startup = scope)], |boot| {
            let mut memory = memory(NOON.minus(HOUR), &Firing::Startup);
            memory.startup_boot = Some(boot_id.to_owned());
            boot.memory.insert(name("a"), memory);
        });
        assert_eq!(world.alive.len(), runs, "{scope:?} {boot_id}");
    }
}

#[test]
fn a_trigger_changed_while_the_daemon_was_down_begins_anew() {
    let world = World::boot(vec![job("a", cron("0 * * * *"), |_| {})], |boot| {
        boot.memory.insert(name("a"), memory(NOON.minus(HOUR * 9), &cron("30 * * * *")));
    });
    assert!(world.claims().is_empty() && world.gaps().is_empty());
    assert_eq!(world.scheduler.job("a").unwrap().cursor, NOON);
}

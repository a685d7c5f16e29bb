//! Overlap, pools and queues.

use std::time::Duration;

use super::{MINUTE, SECOND, World, clock, cron, job, name, pool};
use crate::core::job::{Grace, OnBusy};
use crate::core::run::{Exit, Reason, RunStatus};
use crate::core::scheduler::{Command, RunNow};
use crate::core::trigger::{At, Trigger};

#[test]
fn o1_skip_writes_a_row_for_each_occurrence() {
    let mut world = World::new(vec![job("a", cron("* * * * *"), |_| {})]);
    world.pass(MINUTE * 3);
    assert_eq!(world.alive.len(), 1);
    let reasons: Vec<_> = world.gaps().iter().map(|gap| (gap.status, gap.reason, gap.count)).collect();
    assert_eq!(reasons, [(RunStatus::Skipped, Reason::Busy, 1); 2]);
    assert_eq!(world.gaps()[0].detail.as_deref(), Some("run 1 is not over"));
}

#[test]
fn o1_queue_waits_for_an_instance() {
    let mut world =
        World::new(vec![job("a", cron("* * * * *"), |policy| policy.on_busy = Some(OnBusy::Queue))]);
    world.pass(MINUTE * 3);
    assert_eq!((world.alive.len(), world.claims().len()), (1, 3));
    world.end(Exit::Code(0));
    assert_eq!(world.alive.len(), 1);
    world.end(Exit::Code(0));
    world.end(Exit::Code(0));
    assert!(world.alive.is_empty());
    assert_eq!(world.statuses(), [RunStatus::Succeeded; 3]);
    assert!(world.gaps().is_empty());
}

#[test]
fn o1_replace_waits_for_the_death_before_the_start() {
    let mut world =
        World::new(vec![job("a", cron("* * * * *"), |policy| policy.on_busy = Some(OnBusy::Replace))]);
    world.pass(MINUTE * 2);
    assert_eq!(world.alive.len(), 1, "the old one is still alive");
    assert_eq!(world.signals.len(), 1);
    world.pass(SECOND * 11);
    assert_eq!(world.signals[1].1, 9, "it is killed after kill_after");
    world.end(Exit::Signal(9));
    assert_eq!(world.alive.len(), 1, "now the new one runs");
    assert_eq!(world.ends()[0].reason, Some(Reason::Replaced));
    assert_eq!(world.ends()[0].status, RunStatus::Cancelled);
}

#[test]
fn a_one_shot_is_never_lost_to_a_limit() {
    let at = At { at: super::NOON.plus(MINUTE), text: "then".into(), note: None };
    let mut world = World::new(vec![job("a", clock(Trigger::At(at)), |_| {})]);
    let request = RunNow { job: name("a"), args: Vec::new(), if_due: false, force: false, priority: None };
    world.ask(Command::RunNow(request));
    world.pass(MINUTE * 2);
    assert_eq!(world.alive.len(), 1);
    world.end(Exit::Code(0));
    assert_eq!(world.alive.len(), 1, "the one-shot follows");
}

#[test]
fn a_pool_of_one_runs_by_priority() {
    let jobs = (0..10).map(|n| {
        job(&format!("j{n}"), cron("* * * * *"), move |policy| {
            policy.pool = Some(name("one"));
            policy.priority = n;
        })
    });
    let mut world = World::boot(jobs.collect(), |boot| boot.pools = vec![pool("one", 1)]);
    world.pass(MINUTE);
    let mut order = Vec::new();
    while let Some((run, _)) = world.alive.first().copied() {
        assert_eq!(world.alive.len(), 1);
        order.push(world.scheduler.run(run).unwrap().job.policy.priority);
        world.end(Exit::Code(0));
    }
    assert_eq!(order, (0..10).rev().collect::<Vec<_>>());
}

#[test]
fn waiting_in_a_pool_is_no_lateness() {
    let slow = |text| {
        job(text, cron("0 * * * *"), |policy| {
            policy.pool = Some(name("one"));
            policy.grace = Grace::For(Duration::ZERO);
        })
    };
    let mut world = World::boot(vec![slow("a"), slow("b")], |boot| boot.pools = vec![pool("one", 1)]);
    world.pass(super::HOUR);
    world.pass(MINUTE * 30);
    world.end(Exit::Code(0));
    assert_eq!(world.alive.len(), 1, "half an hour in the queue does not count");
}

#[test]
fn t11_late_runs_share_the_catch_up_budget() {
    let jobs: Vec<_> = (0..20).map(|n| job(&format!("j{n}"), cron("0 * * * *"), |_| {})).collect();
    let mut world = World::boot(jobs, |boot| boot.settings.catch_up_parallel = 2);
    world.sleep(super::HOUR * 7 + MINUTE);
    assert_eq!(world.alive.len(), 2);
    let mut done = 0;
    while !world.alive.is_empty() {
        assert!(world.alive.len() <= 2);
        world.end(Exit::Code(0));
        done += 1;
    }
    assert_eq!(done, 20, "at most one catch-up a job, and each of them runs");
}

#[test]
fn o2_a_job_that_fails_and_waits_has_no_second_chain() {
    let mut world = World::new(vec![job("a", cron("* * * * *"), |policy| {
        policy.retry.retries = 3;
        policy.retry.delay = MINUTE * 2;
    })]);
    world.pass(MINUTE);
    world.end(Exit::Code(1));
    world.pass(MINUTE);
    assert!(world.alive.is_empty());
    assert_eq!(world.gaps()[0].reason, Reason::Busy);
}

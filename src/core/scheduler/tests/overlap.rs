//! Overlap, pools and queues.

use std::time::Duration;

use super::{MINUTE, SECOND, World, clock, cron, job, name, pool};
use crate::core::job::{Grace, OnBusy};
use crate::core::run::{Exit, Reason, RunId, RunStatus};
use crate::core::scheduler::{Answer, Command, RunNow};
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

fn by_hand() -> Command {
    let request = RunNow { job: name("a"), args: Vec::new(), if_due: false, force: false, priority: None };
    Command::RunNow(request)
}

/// A job whose next occurrence is claimed, 100 ms before its instant.
fn claimed_ahead(rule: OnBusy) -> World {
    let mut world = World::new(vec![job("a", cron("* * * * *"), |policy| policy.on_busy = Some(rule))]);
    world.pass(MINUTE - Duration::from_millis(100));
    assert_eq!((world.claims().len(), world.alive.len()), (1, 0));
    world
}

#[test]
fn what_is_claimed_ahead_is_next_and_in_nobodys_way() {
    let mut world = claimed_ahead(OnBusy::Skip);
    let shown = world.scheduler.job("a").unwrap();
    assert_eq!((shown.next_fire_time, shown.queued), (Some(super::NOON.plus(MINUTE)), 0));
    assert_eq!(world.ask(by_hand()), Answer::Run(RunId(2)));
    assert_eq!(world.alive.len(), 1);
    assert_eq!(world.ask(by_hand()), Answer::Busy { run: RunId(2) });
    world.pass(Duration::from_millis(100));
    let end = world.ends()[0];
    assert_eq!((end.run, end.status, end.reason), (RunId(1), RunStatus::Skipped, Some(Reason::Busy)));
    assert_eq!(end.detail.as_deref(), Some("run 2 is not over"));
    assert_eq!(world.alive.len(), 1);
}

#[test]
fn what_was_claimed_ahead_waits_for_a_run_by_hand_or_replaces_it() {
    let mut world = claimed_ahead(OnBusy::Queue);
    world.ask(by_hand());
    world.pass(SECOND);
    assert_eq!((world.alive.len(), world.ends().len()), (1, 0));
    world.end(Exit::Code(0));
    assert_eq!(world.alive.len(), 1, "the occurrence follows");

    let mut world = claimed_ahead(OnBusy::Replace);
    world.ask(by_hand());
    assert!(world.ends().is_empty(), "what has not come is not replaced");
    world.pass(SECOND);
    assert_eq!(world.signals.len(), 1);
    world.end(Exit::Signal(15));
    let end = world.ends()[0];
    assert_eq!((end.run, end.reason), (RunId(2), Some(Reason::Replaced)));
    assert_eq!(world.alive.len(), 1);
}

#[test]
fn a_one_shot_is_never_lost_to_a_limit() {
    let at = At { at: super::NOON.plus(MINUTE), text: "then".into(), note: None };
    let mut world = World::new(vec![job("a", clock(Trigger::At(at)), |_| {})]);
    world.ask(by_hand());
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
fn the_next_run_of_the_job_that_has_ended_competes_for_its_worker() {
    let in_pool = |text, firing, priority| {
        job(text, firing, move |policy| {
            policy.pool = Some(name("one"));
            policy.priority = priority;
            policy.on_busy = Some(OnBusy::Queue);
        })
    };
    let jobs = vec![in_pool("a", cron("* * * * *"), 1), in_pool("b", cron("1 * * * *"), 0)];
    let mut world = World::boot(jobs, |boot| boot.pools = vec![pool("one", 1)]);
    world.pass(MINUTE * 2);
    assert_eq!((world.alive.len(), world.claims().len()), (1, 3));
    world.end(Exit::Code(0));
    let alive = world.scheduler.run(world.alive[0].0).unwrap();
    assert_eq!(
        alive.job.name,
        name("a"),
        "it waited for an instance, and comes before the other for the worker"
    );
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

#[test]
fn a_pool_of_32_runs_2000_by_priority_then_fire_time() {
    // Five jobs whose fire times differ, each four hundred times in the queue; the pool is full meanwhile.
    let jobs = (0..5).map(|n| {
        job(&format!("j{n}"), cron(&format!("{} * * * * *", n * 7)), move |policy| {
            policy.pool = Some(name("wide"));
            policy.priority = n % 2;
            policy.on_busy = Some(OnBusy::Queue);
            policy.max_instances = 400;
        })
    });
    let mut world = World::boot(jobs.collect(), |boot| boot.pools = vec![pool("wide", 32)]);
    world.pass(MINUTE * 400);
    assert_eq!(world.claims().len(), 2_000);
    assert_eq!(world.alive.len(), 32);
    let mut order = Vec::new();
    for _ in 0..2_000 {
        assert!(world.alive.len() <= 32);
        world.end(Exit::Code(0));
        if let Some((run, _)) = world.alive.get(31) {
            let run = world.scheduler.run(*run).unwrap();
            order.push((std::cmp::Reverse(run.job.policy.priority), run.fire_time, run.run));
        }
    }
    assert_eq!((order.len(), world.statuses().len()), (2_000 - 32, 2_000));
    assert!(order.is_sorted(), "by priority, then by fire time");
}

#[test]
fn priority_may_be_given_for_one_run() {
    let pooled = |text| job(text, cron("0 * * * *"), |policy| policy.pool = Some(name("one")));
    let jobs = ["a", "b", "c"].map(pooled).into();
    let mut world = World::boot(jobs, |boot| boot.pools = vec![pool("one", 1)]);
    for (text, priority) in [("a", None), ("b", None), ("c", Some(5))] {
        let request = RunNow { job: name(text), args: Vec::new(), if_due: false, force: false, priority };
        world.ask(Command::RunNow(request));
    }
    let mut order = Vec::new();
    while let Some((run, _)) = world.alive.first().copied() {
        order.push(world.scheduler.run(run).unwrap().job.name.to_string());
        world.end(Exit::Code(0));
    }
    assert_eq!(order, ["a", "c", "b"]);
}

#[test]
fn p7_what_waits_does_not_start_once_the_daemon_stops() {
    let jobs = || {
        vec![
            job("pooled", cron("* * * * *"), |policy| {
                policy.pool = Some(name("one"));
                policy.max_instances = 2;
            }),
            job("queued", cron("* * * * *"), |policy| policy.on_busy = Some(OnBusy::Queue)),
            job("retried", cron("* * * * *"), |policy| {
                policy.retry.retries = 1;
                policy.retry.delay = SECOND * 5;
            }),
        ]
    };
    let world = || World::boot(jobs(), |boot| boot.pools = vec![pool("one", 1)]);
    let prepare = |world: &mut World| {
        world.pass(MINUTE * 2);
        assert_eq!(world.alive.len(), 3);
        let retried = world.alive.iter().map(|(run, _)| *run);
        let name = |run| world.scheduler.run(run).unwrap().job.name.to_string();
        let retried = retried.into_iter().find(|run| name(*run) == "retried").unwrap();
        world.end_run(retried, Exit::Code(1));
    };

    let mut stopped = world();
    prepare(&mut stopped);
    stopped.ask(Command::Stop { leave: false });
    stopped.pass(SECOND * 10);
    stopped.end(Exit::Code(0));
    stopped.end(Exit::Code(0));
    assert!(stopped.alive.is_empty(), "{:?}", stopped.alive);
    assert!(stopped.exited);

    // A hold is the same, but for its end.
    let mut held = world();
    prepare(&mut held);
    held.ask(Command::Hold { reason: None });
    held.pass(SECOND * 10);
    held.end(Exit::Code(0));
    held.end(Exit::Code(0));
    assert!(held.alive.is_empty(), "{:?}", held.alive);
    held.ask(Command::Release);
    assert_eq!(held.alive.len(), 3, "the pooled, the queued and the retried one");
    let retried = held.alive.iter().map(|(run, _)| held.scheduler.run(*run).unwrap().attempt).max();
    assert_eq!(retried, Some(2));
}

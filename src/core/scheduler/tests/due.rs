//! From fire times to claims and rows.

use std::time::Duration;

use super::{HOUR, MINUTE, NOON, SECOND, World, clock, cron, job, memory, name};
use crate::core::instant::Timestamp;
use crate::core::job::{Grace, Policy};
use crate::core::policy::jitter;
use crate::core::run::{Exit, Reason, RunStatus};
use crate::core::scheduler::{Answer, Command, Input, JobState};
use crate::core::trigger::{At, Firing, Schedule, Trigger};

#[test]
fn a_job_starts_at_its_fire_time_and_never_early() {
    let mut world = World::new(vec![job("a", cron("* * * * *"), |_| {})]);
    world.pass(MINUTE - SECOND / 10);
    assert_eq!(world.claims().len(), 1, "the claim is made shortly before");
    assert!(world.alive.is_empty(), "the start is not");
    world.pass(SECOND / 10);
    assert_eq!(world.alive.len(), 1);
    assert_eq!(world.claims()[0].1, Some(NOON.plus(MINUTE)));
    world.end(Exit::Code(0));
    assert_eq!(world.events(), ["run.queued", "run.started", "run.succeeded"]);
}

#[test]
fn nothing_starts_before_its_claim_is_durable() {
    let mut world = World::new(vec![job("a", cron("* * * * *"), |_| {})]);
    world.store_answers = false;
    world.pass(MINUTE * 2);
    assert!(world.alive.is_empty());
    let claims = world.unanswered.drain(..).map(|run| (run, true)).collect();
    world.handle(Input::Claimed(claims));
    // It is a minute late by now, and superseded: its grace is over.
    assert!(world.alive.is_empty());
    assert_eq!(world.statuses(), [RunStatus::Missed]);
}

#[test]
fn a_refused_claim_is_forgotten() {
    let mut world = World::new(vec![job("a", cron("* * * * *"), |_| {})]);
    world.store_answers = false;
    world.pass(MINUTE);
    let claims = world.unanswered.drain(..).map(|run| (run, false)).collect();
    world.handle(Input::Claimed(claims));
    assert!(world.alive.is_empty() && world.statuses().is_empty());
    assert_eq!(world.scheduler.job("a").unwrap().queued, 0);
}

/// A day of a job that was due every hour, unseen: what the rules make of it.
#[test]
fn grace_and_coalesce_judge_what_was_missed() {
    let day = HOUR * 24;
    // grace, coalesce, runs, (missed by grace), (left out as coalesced)
    for (grace, coalesce, runs, missed, coalesced) in [
        (Grace::UntilNext, true, 1, 0, 23),
        (Grace::UntilNext, false, 1, 23, 0),
        (Grace::For(Duration::ZERO), true, 0, 24, 0),
        (Grace::For(MINUTE * 40), true, 1, 23, 0),
        (Grace::For(HOUR * 3), true, 1, 21, 2),
        (Grace::Unlimited, true, 1, 0, 23),
        (Grace::Unlimited, false, 24, 0, 0),
    ] {
        let firing = cron("30 * * * *");
        let policy = |policy: &mut Policy| {
            policy.grace = grace;
            policy.coalesce = coalesce;
            policy.max_instances = 100;
        };
        let mut world = World::boot(vec![job("a", firing.clone(), policy)], |boot| {
            boot.memory.insert(name("a"), memory(NOON.minus(day), &firing));
        });
        world.handle(Input::Tick);
        let of =
            |reason| world.gaps().iter().filter(|gap| gap.reason == reason).map(|gap| gap.count).sum::<u64>();
        let found = (world.claims().len(), of(Reason::Grace), of(Reason::Coalesced));
        assert_eq!(found, (runs, missed, coalesced), "{grace:?} coalesce {coalesce}");
        assert!(world.gaps().len() <= 2, "one row stands for many");
        let covered = runs as u64 + missed + coalesced;
        assert_eq!(covered, 24, "every occurrence has one outcome");
        assert_eq!(world.scheduler.job("a").unwrap().cursor, NOON.minus(MINUTE * 30));
    }
}

#[test]
fn thirty_days_of_a_second_are_counted_not_listed() {
    let firing = clock(Trigger::Every(SECOND));
    let since = NOON.minus(HOUR * 24 * 30);
    let world = World::boot(vec![job("a", firing.clone(), |_| {})], |boot| {
        boot.memory.insert(name("a"), memory(since, &firing));
    });
    assert_eq!(world.gaps().iter().map(|gap| gap.count).sum::<u64>(), 30 * 86_400 - 1);
    assert_eq!(world.claims().len(), 1);
}

#[test]
fn a_one_shot_in_the_past_is_judged_by_its_grace() {
    let at = |grace| {
        let at = At { at: NOON.minus(HOUR), text: "then".into(), note: None };
        World::new(vec![job("a", clock(Trigger::At(at)), |policy| policy.grace = grace)])
    };
    let late = at(Grace::UntilNext);
    assert_eq!(late.alive.len(), 1);
    let missed = at(Grace::For(MINUTE));
    assert!(missed.alive.is_empty());
    assert_eq!(missed.gaps()[0].reason, Reason::Grace);
    assert_eq!(missed.scheduler.job("a").unwrap().state, JobState::Finished);
    assert!(missed.events().contains(&"job.finished"));
}

#[test]
fn due_order_is_fire_time_then_priority_then_name() {
    let with = |text, priority| job(text, cron("* * * * *"), move |policy| policy.priority = priority);
    let mut world = World::new(vec![with("b", 0), with("a", 0), with("z", 5)]);
    world.pass(MINUTE);
    let order: Vec<String> =
        world.alive.iter().map(|(run, _)| world.scheduler.run(*run).unwrap().job.name.to_string()).collect();
    assert_eq!(order, ["z", "a", "b"]);
}

#[test]
fn a_pause_drops_what_falls_due_and_resuming_goes_on_the_grid() {
    let mut world = World::new(vec![job("a", cron("*/10 * * * *"), |_| {})]);
    let pause = Command::Pause { job: name("a"), until: None, reason: Some("holiday".to_owned()) };
    assert_eq!(world.ask(pause), Answer::Done);
    world.pass(HOUR + MINUTE);
    assert!(world.claims().is_empty());
    assert_eq!(world.scheduler.job("a").unwrap().state, JobState::Paused);
    world.ask(Command::Resume { job: name("a"), catch_up: false });
    let gap = world.gaps()[0];
    assert_eq!((gap.reason, gap.count, gap.last), (Reason::Paused, 6, NOON.plus(HOUR)));
    world.pass(MINUTE * 9);
    assert_eq!(world.claims()[0].1, Some(NOON.plus(MINUTE * 70)));
}

#[test]
fn resume_with_catch_up_is_judged_by_grace() {
    let mut world = World::new(vec![job("a", cron("*/10 * * * *"), |_| {})]);
    world.ask(Command::Pause { job: name("a"), until: None, reason: None });
    world.pass(HOUR + MINUTE);
    world.ask(Command::Resume { job: name("a"), catch_up: true });
    assert_eq!(world.claims().len(), 1);
    assert_eq!(world.gaps()[0].count, 5);
}

#[test]
fn a_pause_ends_by_itself() {
    let mut world = World::new(vec![job("a", cron("*/10 * * * *"), |_| {})]);
    world.ask(Command::Pause { job: name("a"), until: Some(NOON.plus(MINUTE * 25)), reason: None });
    world.pass(MINUTE * 30);
    assert_eq!(world.claims()[0].1, Some(NOON.plus(MINUTE * 30)));
    assert_eq!(world.gaps()[0].count, 2);
}

#[test]
fn no_start_after_a_pause_even_when_claimed() {
    let mut world = World::new(vec![job("a", cron("* * * * *"), |_| {})]);
    world.pass(MINUTE - SECOND / 10);
    assert_eq!(world.claims().len(), 1);
    world.ask(Command::Pause { job: name("a"), until: None, reason: None });
    world.pass(MINUTE);
    assert!(world.alive.is_empty());
    assert_eq!(world.ends()[0].reason, Some(Reason::Paused));
}

#[test]
fn a_hold_starts_nothing_and_a_release_judges_by_grace() {
    let mut world = World::new(vec![job("a", cron("0 * * * *"), |_| {})]);
    world.ask(Command::Hold { reason: None });
    world.pass(HOUR * 5 + MINUTE);
    assert!(world.claims().is_empty());
    world.ask(Command::Release);
    assert_eq!(world.claims().len(), 1);
    assert_eq!(world.gaps()[0].count, 4);
}

#[test]
fn run_now_moves_no_schedule_and_obeys_the_limit() {
    let mut world = World::new(vec![job("a", cron("0 * * * *"), |_| {})]);
    let next = world.scheduler.job("a").unwrap().next_fire_time;
    let request = |force| {
        Command::RunNow(crate::core::scheduler::RunNow {
            job: name("a"),
            args: Vec::new(),
            if_due: false,
            force,
            priority: None,
        })
    };
    assert!(matches!(world.ask(request(false)), Answer::Run(_)));
    assert_eq!(world.alive.len(), 1);
    assert!(matches!(world.ask(request(false)), Answer::Busy { .. }));
    assert!(matches!(world.ask(request(true)), Answer::Run(_)));
    assert_eq!(world.alive.len(), 2);
    assert_eq!(world.scheduler.job("a").unwrap().next_fire_time, next);
}

#[test]
fn while_the_store_is_degraded_nothing_is_claimed_and_afterwards_grace_judges() {
    let mut world = World::new(vec![job("a", cron("* * * * *"), |_| {})]);
    world.handle(Input::Degraded);
    world.pass(MINUTE * 10 + SECOND);
    assert!(world.claims().is_empty());
    world.handle(Input::Recovered);
    assert_eq!(world.claims().len(), 1);
    assert_eq!(world.gaps()[0].count, 9);
}

#[test]
fn jitter_delays_the_start_and_keeps_the_nominal_time() {
    let mut firing = cron("* * * * *");
    if let Firing::Clock(schedule) = &mut firing {
        std::sync::Arc::make_mut(schedule).jitter = MINUTE * 5;
    }
    let mut world = World::new(vec![job("a", firing, |_| {})]);
    for _ in 0..20 {
        world.pass(MINUTE);
        while !world.alive.is_empty() {
            world.end(Exit::Code(0));
        }
    }
    let times: Vec<Timestamp> = world.claims().iter().filter_map(|(_, at)| *at).collect();
    assert!(times.len() >= 19, "no slot is skipped: {}", times.len());
    assert!(times.windows(2).all(|pair| pair[1].since(pair[0]) == MINUTE));
    assert!(world.gaps().is_empty());
}

#[test]
fn a_fire_time_whose_delay_is_not_over_is_not_missed_with_those_before_it() {
    let Firing::Clock(schedule) = cron("0 * * * *") else { panic!() };
    let firing = Firing::Clock(Schedule { jitter: HOUR, ..(*schedule).clone() }.into());
    let late = job("a", firing, |policy| policy.grace = Grace::For(SECOND * 10));
    let mut world = World::new(vec![late]);
    let (fourteen, due_at) = (NOON.plus(HOUR * 2), jitter("a", NOON.plus(HOUR * 2), HOUR));
    assert!(due_at > MINUTE, "the test wants one that is due a while after its fire time: {due_at:?}");
    world.sleep(HOUR * 2 + MINUTE);
    assert_eq!(world.gaps().iter().map(|gap| gap.count).collect::<Vec<_>>(), [1], "13:00 alone is too late");
    assert_eq!(world.claims()[0].1, Some(fourteen));
    world.pass(HOUR);
    assert_eq!(world.alive.len(), 1);
}

//! Steps of the clock.

use super::{HOUR, MINUTE, NOON, SECOND, World, clock, cron, job, memory, name};
use crate::core::run::Exit;
use crate::core::scheduler::Input;
use crate::core::trigger::{Firing, Trigger};

/// Lets time pass and ends every run at once.
fn live(world: &mut World, minutes: u32) {
    for _ in 0..minutes {
        world.pass(MINUTE);
        while !world.alive.is_empty() {
            world.end(Exit::Code(0));
        }
    }
}

fn set(world: &mut World, forward: bool, by: std::time::Duration) {
    world.now.wall = if forward { world.now.wall.plus(by) } else { world.now.wall.minus(by) };
    world.handle(Input::Tick);
    while !world.alive.is_empty() {
        world.end(Exit::Code(0));
    }
}

#[test]
fn t7_ten_minutes_forward_is_lateness() {
    let mut world = World::new(vec![job("a", cron("* * * * *"), |_| {})]);
    set(&mut world, true, MINUTE * 10 + SECOND * 5);
    assert_eq!(world.claims().len(), 1);
    assert_eq!(world.gaps()[0].count, 9);
}

#[test]
fn t8_thirty_days_forward_and_back_runs_nothing_twice() {
    let mut world = World::new(vec![job("a", cron("0 * * * *"), |_| {})]);
    let month = HOUR * 24 * 30;
    set(&mut world, true, month + MINUTE);
    assert_eq!(world.claims().len(), 1, "at most one run");
    set(&mut world, false, month);
    let before = world.claims().len();
    live(&mut world, 180);
    assert_eq!(world.claims().len() - before, 3, "the cursor has returned");
    let mut times: Vec<_> = world.claims().into_iter().map(|(_, at)| at).collect();
    times.sort();
    times.dedup();
    assert_eq!(times.len(), world.claims().len(), "no occurrence twice");
}

#[test]
fn t9_two_hours_back_repeats_no_fixed_time_and_intervals_go_on() {
    let mut world = World::new(vec![
        job("fixed", cron("30 12 * * *"), |_| {}),
        job("every", clock(Trigger::Every(MINUTE * 10)), |_| {}),
    ]);
    live(&mut world, 120);
    let before = world.claims().len();
    assert_eq!(before, 1 + 12);
    set(&mut world, false, HOUR * 2);
    live(&mut world, 120);
    assert_eq!(world.claims().len() - before, 12, "the interval goes on, 12:30 does not come again");
}

#[test]
fn t10_a_boot_before_the_last_heartbeat_holds_calendar_jobs() {
    let firing = cron("* * * * *");
    let jobs = || vec![job("a", firing.clone(), |_| {}), job("hello", Firing::Startup, |_| {})];
    let boot = |world: &mut super::Boot| {
        world.heartbeat = Some(NOON.plus(MINUTE * 5));
        world.memory.insert(name("a"), memory(NOON.plus(MINUTE * 5), &firing));
    };
    let mut caught_up = World::boot(jobs(), boot);
    assert_eq!(caught_up.alive.len(), 1, "startup jobs run");
    caught_up.end(Exit::Code(0));
    live(&mut caught_up, 5);
    assert_eq!(caught_up.claims().len(), 1);
    live(&mut caught_up, 2);
    assert_eq!(caught_up.claims().len(), 3, "the clock has caught up");

    let mut given_up = World::boot(jobs(), |world| {
        boot(world);
        world.heartbeat = Some(NOON.plus(HOUR * 24 * 365));
        if let Some(memory) = world.memory.get_mut("a") {
            memory.cursor = world.heartbeat;
        }
    });
    live(&mut given_up, 9);
    assert_eq!(given_up.claims().len(), 1);
    live(&mut given_up, 5);
    assert!(given_up.claims().len() >= 4, "after max_clock_wait the cursor returns");
}

#[test]
fn time_limits_do_not_mind_a_clock_that_is_set() {
    let mut world = World::new(vec![job("a", cron("0 * * * *"), |policy| policy.timeout = Some(MINUTE * 5))]);
    world.pass(HOUR);
    world.now.wall = world.now.wall.plus(HOUR / 2);
    world.handle(Input::Tick);
    assert!(world.signals.is_empty());
    world.pass(MINUTE * 5);
    assert_eq!(world.signals.len(), 1);
}

//! One outcome for each occurrence: what the simulation (`tests/sim`) has found, each in its shortest form.

use std::sync::Arc;
use std::time::Duration;

use super::{HOUR, MINUTE, NOON, SECOND, World, clock, cron, job, memory, name};
use crate::core::change::{Actor, Change, Hold, Pause};
use crate::core::instant::Timestamp;
use crate::core::job::{Command as Program, Job, OnBusy, OnLost, Policy, Step, StepBody, Work};
use crate::core::run::{Exit, Reason, RunId, RunStatus, Source};
use crate::core::scheduler::{Answer, Command, Evidence, Input, PutAction, Settings, Unfinished};
use crate::core::trigger::{Dependency, DependencyOn, Firing, Trigger};

fn set(world: &mut World, forward: bool, by: Duration) {
    world.now.wall = if forward { world.now.wall.plus(by) } else { world.now.wall.minus(by) };
    world.handle(Input::Tick);
}

fn reload(world: &mut World, jobs: Vec<Job>) {
    let jobs = jobs.into_iter().map(Arc::new).collect();
    let settings = Settings { catch_up_parallel: 100, ..Settings::default() };
    world.handle(Input::Reloaded { jobs, pools: Vec::new(), settings });
}

fn edit(world: &mut World, job: Job) {
    let (action, by) = (PutAction::Edited, Actor::JobFile);
    world.ask(Command::Put { job: Arc::new(job), toml: String::new(), action, by, before: None });
}

/// Returns reason, first, last and count of the rows of fire times without a run.
fn gaps(world: &World) -> Vec<(Reason, Timestamp, Timestamp, u64)> {
    world.gaps().iter().map(|gap| (gap.reason, gap.first, gap.last, gap.count)).collect()
}

fn hold(world: &mut World) {
    world.ask(Command::Hold { reason: None });
}

#[test]
fn what_is_pending_gets_its_row_before_the_job_goes() {
    let minute = |n: u32| NOON.plus(MINUTE * n);
    for leave in 0..4 {
        let mut world = World::new(vec![job("a", cron("* * * * *"), |_| {})]);
        hold(&mut world);
        world.pass(MINUTE * 3 + SECOND);
        match leave {
            0 => drop(world.ask(Command::Remove { job: name("a"), by: Actor::JobFile, before: None })),
            1 => reload(&mut world, Vec::new()),
            2 => edit(&mut world, job("a", cron("0 0 * * *"), |_| {})),
            _ => edit(&mut world, job("a", cron("* * * * *"), |policy| policy.enabled = false)),
        }
        assert_eq!(gaps(&world), [(Reason::Held, minute(1), minute(3), 3)], "{leave}");
    }
}

#[test]
fn a_job_was_not_due_while_it_was_disabled() {
    let mut world = World::new(vec![job("a", cron("0 * * * *"), |_| {})]);
    edit(&mut world, job("a", cron("0 * * * *"), |policy| policy.enabled = false));
    world.pass(HOUR * 5);
    edit(&mut world, job("a", cron("0 * * * *"), |_| {}));
    assert!(world.claims().is_empty() && world.gaps().is_empty());
    world.pass(HOUR);
    assert_eq!(world.claims().len(), 1);
}

#[test]
fn r2_a_removed_job_starts_nothing_that_waited() {
    let queue = |policy: &mut Policy| {
        policy.on_busy = Some(OnBusy::Queue);
        policy.retry.retries = 3;
        policy.retry.delay = HOUR;
    };
    let mut world = World::new(vec![job("a", cron("* * * * *"), queue)]);
    world.pass(MINUTE * 3);
    world.end(Exit::Code(1));
    assert!(world.alive.is_empty(), "the first one waits for its next attempt, the others for it");
    reload(&mut world, Vec::new());
    world.pass(HOUR * 2);
    assert!(world.alive.is_empty());
    assert_eq!(world.statuses(), [RunStatus::Skipped, RunStatus::Skipped, RunStatus::Cancelled]);
}

#[test]
fn t8_a_claim_is_not_refused_for_a_row_of_the_future_that_is_still_being_looked_for() {
    let mut world = World::new(vec![job("a", cron("* * * * *"), |_| {})]);
    set(&mut world, true, HOUR);
    world.end(Exit::Code(0));
    world.store_answers = false;
    world.answers_gaps = false;
    set(&mut world, false, HOUR);
    world.pass(MINUTE * 2);
    let claims = world.claims().len();
    assert_eq!(claims, 1, "nothing falls due before the answer");
    world.store_answers = true;
    world.answer_gaps();
    assert_eq!(world.claims().len(), claims + 1);
    assert_eq!(world.claims().last().unwrap().1, Some(NOON.plus(MINUTE * 2)));
}

#[test]
fn t8_set_back_and_forward_again_cuts_rows_where_the_clock_had_been() {
    let mut world = World::new(vec![job("a", cron("0 * * * *"), |_| {})]);
    set(&mut world, true, HOUR * 5 + MINUTE);
    world.end(Exit::Code(0));
    assert_eq!(gaps(&world), [(Reason::Coalesced, NOON.plus(HOUR), NOON.plus(HOUR * 4), 4)]);
    world.answers_gaps = false;
    set(&mut world, false, HOUR * 3);
    set(&mut world, true, HOUR * 3);
    world.answer_gaps();
    let expected = [
        (Reason::Coalesced, NOON.plus(HOUR), NOON.plus(HOUR * 2), 2),
        (Reason::Coalesced, NOON.plus(HOUR * 3), NOON.plus(HOUR * 4), 2),
    ];
    assert_eq!(gaps(&world), expected);
}

#[test]
fn t9_a_row_of_an_earlier_trigger_is_cut_by_its_share_of_time() {
    let mut world = World::new(vec![job("a", cron("* * * * *"), |_| {})]);
    hold(&mut world);
    world.pass(HOUR + SECOND);
    edit(&mut world, job("a", cron("30 3 * * *"), |_| {}));
    assert_eq!(gaps(&world)[0].3, 60);
    set(&mut world, false, HOUR / 2);
    let (_, first, last, count) = gaps(&world)[0];
    assert_eq!((first, last), (NOON.plus(MINUTE), world.now.wall));
    assert!((28..=31).contains(&count), "{count}");
}

#[test]
fn t9_rows_of_the_clock_are_cut_also_where_the_job_follows_it_no_longer() {
    for (jobs, expected) in [(vec![job("a", Firing::Shutdown, |_| {})], 28..=31), (Vec::new(), 60..=60)] {
        let mut world = World::new(vec![job("a", cron("* * * * *"), |_| {})]);
        hold(&mut world);
        world.pass(HOUR);
        reload(&mut world, jobs);
        set(&mut world, false, HOUR / 2);
        assert_eq!(gaps(&world).len(), 1);
        assert!(expected.contains(&gaps(&world)[0].3), "a removed job is not due again and keeps its rows");
    }
}

#[test]
fn t9_a_job_that_comes_back_is_due_where_the_clock_comes_once_more() {
    let job = || job("a", cron("* * * * *"), |_| {});
    for add in [false, true] {
        let mut world = World::new(vec![job()]);
        hold(&mut world);
        world.pass(HOUR);
        reload(&mut world, Vec::new());
        set(&mut world, false, HOUR / 2);
        world.ask(Command::Release);
        if add {
            edit(&mut world, job())
        } else {
            reload(&mut world, vec![job()])
        }
        assert_eq!(gaps(&world), [(Reason::Held, NOON.plus(MINUTE), NOON.plus(HOUR / 2), 30)]);
        world.pass(MINUTE);
        assert_eq!(world.claims()[0].1, Some(NOON.plus(HOUR / 2 + MINUTE)));
        assert_eq!(world.alive.len(), 1);
    }
}

#[test]
fn t9_a_job_that_waits_for_another_does_not_wait_for_the_clock() {
    let after = Firing::After(Arc::new(vec![Dependency { job: name("a"), on: DependencyOn::Any }]));
    let mut world = World::new(vec![job("a", cron("* * * * *"), |_| {}), job("b", after, |_| {})]);
    world.pass(MINUTE);
    world.end(Exit::Code(0));
    world.end(Exit::Code(0));
    assert_eq!(world.claims().len(), 2);
    set(&mut world, false, HOUR * 2);
    world.pass(MINUTE);
    world.end(Exit::Code(0));
    let claims = world.claims();
    assert_eq!(claims.len(), 4, "b follows a at once");
    assert!(claims[3].1 > claims[1].1, "under a fire time of its own");
}

#[test]
fn t9_o1_an_occurrence_that_had_its_run_replaces_nobody() {
    let mut world =
        World::new(vec![job("a", cron("* * * * *"), |policy| policy.on_busy = Some(OnBusy::Replace))]);
    world.pass(MINUTE);
    world.end(Exit::Code(0));
    world.pass(MINUTE);
    assert_eq!(world.alive.len(), 1);
    set(&mut world, false, MINUTE * 2);
    world.pass(MINUTE * 2);
    assert!(world.signals.is_empty(), "12:01 and 12:02 have their runs");
    world.pass(MINUTE);
    assert_eq!(world.signals.len(), 1, "12:03 is new");
}

#[test]
fn o1_nobody_is_replaced_by_a_claim_that_is_not_durable() {
    let mut world =
        World::new(vec![job("a", cron("* * * * *"), |policy| policy.on_busy = Some(OnBusy::Replace))]);
    world.pass(MINUTE);
    world.store_answers = false;
    world.pass(MINUTE);
    assert!(world.signals.is_empty());
    let claims = std::mem::take(&mut world.unanswered).into_iter().map(|run| (run, true)).collect();
    world.handle(Input::Claimed(claims));
    assert_eq!(world.signals.len(), 1);
}

#[test]
fn what_an_after_job_was_due_for_in_a_pause_is_skipped() {
    let after = Firing::After(Arc::new(vec![Dependency { job: name("a"), on: DependencyOn::Any }]));
    let mut world = World::new(vec![job("a", cron("0 * * * *"), |_| {}), job("b", after, |_| {})]);
    world.ask(Command::Pause { job: name("b"), until: None, reason: None });
    world.pass(HOUR);
    world.end(Exit::Code(0));
    assert_eq!(world.ask(Command::Resume { job: name("b"), catch_up: false }), Answer::Done);
    assert!(world.alive.is_empty());
    assert_eq!(gaps(&world).iter().map(|gap| gap.0).collect::<Vec<_>>(), [Reason::Paused]);
}

#[test]
fn p4_a_lost_run_is_not_run_again_while_its_job_is_paused_or_disabled() {
    for paused in [true, false] {
        let rerun = job("a", cron("0 0 * * *"), |policy| {
            policy.on_lost = OnLost::Rerun;
            policy.enabled = paused;
        });
        let world = World::boot(vec![rerun], |boot| {
            let mut memory = memory(NOON.minus(HOUR), &cron("0 0 * * *"));
            let pause = Pause { at: NOON, until: None, reason: None };
            memory.pause = paused.then_some(pause);
            boot.memory.insert(name("a"), memory);
            boot.unfinished.push(left(RunStatus::Running, Evidence::Unknown(Reason::Reboot)));
        });
        assert_eq!(world.statuses(), [RunStatus::Lost]);
        assert!(world.claims().is_empty());
    }
}

#[test]
fn p2_a_claim_of_a_job_that_was_disabled_meanwhile_is_skipped() {
    let off = job("a", cron("0 * * * *"), |policy| policy.enabled = false);
    let world = World::boot(vec![off], |boot| {
        boot.unfinished.push(left(RunStatus::Queued, Evidence::NeverStarted));
    });
    assert_eq!(world.ends()[0].reason, Some(Reason::Disabled));
    assert!(world.alive.is_empty());
}

#[test]
fn r1_a_pause_outlasts_the_time_in_which_a_job_was_not_in_the_set() {
    let mut world = World::boot(Vec::new(), |boot| {
        let mut memory = memory(NOON.minus(MINUTE), &cron("* * * * *"));
        memory.pause = Some(Pause { at: NOON, until: None, reason: None });
        boot.memory.insert(name("a"), memory);
    });
    reload(&mut world, vec![job("a", cron("* * * * *"), |_| {})]);
    world.pass(MINUTE * 5);
    assert!(world.claims().is_empty(), "as the store has it, so after the next start too");
}

#[test]
fn intervals_keep_their_count_of_rows_cut_back() {
    let mut world = World::new(vec![job("a", clock(Trigger::Every(MINUTE * 10)), |_| {})]);
    hold(&mut world);
    world.pass(HOUR);
    world.ask(Command::Pause { job: name("a"), until: None, reason: None });
    world.ask(Command::Release);
    world.ask(Command::Resume { job: name("a"), catch_up: false });
    assert_eq!(gaps(&world)[0].3, 6);
    set(&mut world, false, MINUTE * 25);
    assert_eq!(gaps(&world)[0].2, NOON.plus(MINUTE * 30));
    assert_eq!(gaps(&world)[0].3, 3);
}

#[test]
fn a_release_starts_what_was_held_by_priority() {
    let io = |priority: i32| {
        move |policy: &mut Policy| {
            policy.pool = Some(name("io"));
            policy.priority = priority;
        }
    };
    let jobs = vec![job("a", cron("0 0 * * *"), io(0)), job("b", cron("0 0 * * *"), io(5))];
    let mut world = World::boot(jobs, |boot| {
        boot.pools.push(super::pool("io", 1));
        boot.hold = Some(Hold { at: NOON, reason: None });
        for (run, job) in [(7, "a"), (8, "b")] {
            let old = left(RunStatus::Queued, Evidence::NeverStarted);
            boot.unfinished.push(Unfinished { run: RunId(run), job: name(job), priority: run as i32, ..old });
        }
    });
    world.ask(Command::Release);
    assert_eq!(world.alive.iter().map(|(run, _)| *run).collect::<Vec<_>>(), [RunId(8)]);
}

/// A run of job `a` that the last daemon left.
fn left(status: RunStatus, evidence: Evidence) -> Unfinished {
    Unfinished {
        run: RunId(7),
        job: name("a"),
        fire_time: Some(NOON.minus(MINUTE)),
        source: Source::Schedule,
        status,
        queued_at: NOON.minus(MINUTE),
        due_at: NOON.minus(MINUTE),
        attempt: u32::from(status != RunStatus::Queued),
        started_at: None,
        retry_at: None,
        priority: 0,
        pool: None,
        args: Vec::new(),
        forced: false,
        ending: None,
        evidence,
    }
}

#[test]
fn set_back_is_written_down_with_the_answer_and_not_before() {
    let mut world = World::new(vec![job("a", cron("* * * * *"), |_| {})]);
    world.pass(MINUTE);
    world.end(Exit::Code(0));
    world.answers_gaps = false;
    let before = world.ledger.len();
    set(&mut world, false, HOUR);
    assert_eq!(world.ledger.len(), before, "a daemon that dies now leaves cursor and rows that fit");
    world.answer_gaps();
    let cursor = Change::Cursor { job: name("a"), cursor: world.now.wall };
    assert!(world.ledger[before..].contains(&cursor));
}

#[test]
fn p7_a_shutdown_run_that_was_not_started_does_not_greet_the_next_daemon() {
    let world = World::boot(vec![job("a", Firing::Shutdown, |_| {})], |boot| {
        let old = left(RunStatus::Queued, Evidence::NeverStarted);
        boot.unfinished.push(Unfinished { source: Source::Shutdown, ..old });
    });
    assert!(world.alive.is_empty());
    assert_eq!(world.ends()[0].reason, Some(Reason::Stopping));
}

#[test]
fn p13_steps_that_may_fail_and_cannot_be_started_leave_no_run_behind() {
    let step = Step {
        name: "1".into(),
        body: StepBody::Command(Program::Shell("nothing".into())),
        timeout: None,
        continue_on_error: true,
    };
    let work = Work::Steps(Box::new([step]));
    let mut world = World::new(vec![Job { work, ..job("a", cron("* * * * *"), |_| {}) }]);
    world.cannot_start = true;
    world.pass(MINUTE);
    assert_eq!(world.statuses(), [RunStatus::Succeeded]);
    assert!(world.scheduler.live_runs().next().is_none(), "its instance is free again");
}

#[test]
fn a_dependent_follows_what_its_definition_of_the_moment_names() {
    let waits_for = |text: &str| {
        let dependency = Dependency { job: name(text), on: DependencyOn::Success };
        job("d", Firing::After(Arc::new(vec![dependency])), |_| {})
    };
    let hourly = |text: &str| job(text, cron("0 * * * *"), |_| {});
    let mut world = World::new(vec![hourly("a"), hourly("b"), waits_for("a")]);
    // Lets an hour pass and a and b end well; returns after which of them d has started.
    let followed = |world: &mut World| {
        world.pass(HOUR);
        let mut followed = Vec::new();
        for text in ["a", "b"] {
            let [run] = world.scheduler.open_runs(text)[..] else { panic!("{text} is not alive") };
            world.end_run(run, Exit::Code(0));
            world.pass(SECOND);
            if let [run] = world.scheduler.open_runs("d")[..] {
                followed.push(text);
                world.end_run(run, Exit::Code(0));
            }
        }
        followed
    };
    let remove = |world: &mut World| {
        world.ask(Command::Remove { job: name("d"), by: Actor::JobFile, before: None });
    };
    assert_eq!(followed(&mut world), ["a"]);
    edit(&mut world, waits_for("b"));
    assert_eq!(followed(&mut world), ["b"]);
    remove(&mut world);
    assert_eq!(followed(&mut world), [""; 0]);
    edit(&mut world, waits_for("a"));
    assert_eq!(followed(&mut world), ["a"]);
    reload(&mut world, vec![hourly("a"), hourly("b"), waits_for("b")]);
    assert_eq!(followed(&mut world), ["b"]);
    reload(&mut world, vec![hourly("a"), hourly("b")]);
    assert_eq!(followed(&mut world), [""; 0]);
}

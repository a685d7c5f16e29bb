//! How runs end: exits, time limits, retries, steps, hooks, chains, stops.

use std::sync::Arc;

use super::{HOUR, MINUTE, NOON, SECOND, World, cron, job, name};
use crate::core::change::{Change, NoticeKind};
use crate::core::job::{
    Command as JobCommand, Job, NotifyRule, NotifyWhen, Parallel, Policy, RetryOn, Step, StepBody, Work,
};
use crate::core::run::{Exit, Reason, RunStatus};
use crate::core::scheduler::{Command, Input, Place};
use crate::core::trigger::{Dependency, DependencyOn, Firing};

fn step(text: &str) -> Step {
    let body = StepBody::Command(JobCommand::Shell(text.into()));
    Step { name: text.into(), body, timeout: None, continue_on_error: false }
}

fn with_work(work: Work, change: impl FnOnce(&mut Policy)) -> Job {
    Job { work, ..job("a", cron("0 * * * *"), change) }
}

fn steps_of(world: &World) -> Vec<(String, RunStatus)> {
    let steps = world.ledger.iter().filter_map(|change| match change {
        Change::Step { step, .. } => Some((step.name.clone(), step.status)),
        _ => None,
    });
    steps.collect()
}

#[test]
fn exits_become_statuses() {
    for (exit, status, reason) in [
        (Exit::Code(0), RunStatus::Succeeded, None),
        (Exit::Code(3), RunStatus::Failed, Some(Reason::ExitCode)),
        (Exit::Signal(11), RunStatus::Failed, Some(Reason::Signal)),
    ] {
        let mut world = World::new(vec![job("a", cron("0 * * * *"), |_| {})]);
        world.pass(HOUR);
        world.pass(SECOND * 5);
        world.end(exit);
        let end = world.ends()[0].clone();
        assert_eq!((end.status, end.reason, end.exit), (status, reason, Some(exit)));
        assert_eq!(end.duration, Some(SECOND * 5));
    }
}

#[test]
fn a_time_limit_asks_then_kills() {
    let mut world = World::new(vec![job("a", cron("0 * * * *"), |policy| {
        policy.timeout = Some(MINUTE);
        policy.kill_after = SECOND * 5;
        policy.stop_signal = 2;
    })]);
    world.pass(HOUR + MINUTE);
    assert_eq!(world.signals.iter().map(|(_, signal)| *signal).collect::<Vec<_>>(), [2]);
    world.pass(SECOND * 5);
    assert_eq!(world.signals.iter().map(|(_, signal)| *signal).collect::<Vec<_>>(), [2, 9]);
    world.end(Exit::Signal(9));
    assert_eq!(world.statuses(), [RunStatus::TimedOut]);
}

#[test]
fn retries_are_attempts_of_one_run_with_growing_waits() {
    let mut world = World::new(vec![job("a", cron("0 * * * *"), |policy| {
        policy.retry.retries = 3;
        policy.retry.delay = MINUTE;
        policy.retry.backoff_milli = 2000;
        policy.retry.max_delay = Some(MINUTE * 3);
    })]);
    world.pass(HOUR);
    for wait in [MINUTE, MINUTE * 2, MINUTE * 3] {
        world.end(Exit::Code(1));
        world.pass(wait - SECOND);
        assert!(world.alive.is_empty());
        world.pass(wait / 10 + SECOND * 2);
        assert_eq!(world.alive.len(), 1);
    }
    world.end(Exit::Code(7));
    assert_eq!(world.claims().len(), 1);
    assert_eq!(world.statuses(), [RunStatus::Failed]);
    let expected = [
        "run.queued",
        "run.started",
        "run.retrying",
        "run.started",
        "run.retrying",
        "run.started",
        "run.retrying",
        "run.started",
        "run.failed",
    ];
    assert_eq!(world.events(), expected);
}

#[test]
fn only_named_ends_are_tried_again() {
    let mut world = World::new(vec![job("a", cron("0 * * * *"), |policy| {
        policy.retry.retries = 3;
        policy.retry.on = RetryOn::Only { codes: vec![75], timeout: false, signal: false };
    })]);
    world.pass(HOUR);
    world.end(Exit::Code(75));
    world.pass(SECOND);
    world.end(Exit::Code(1));
    assert_eq!(world.statuses(), [RunStatus::Failed]);
}

#[test]
fn steps_run_in_order_and_stop_at_the_first_failure() {
    let steps = || Work::Steps([step("one"), step("two"), step("three")].into());
    let mut world = World::new(vec![with_work(steps(), |_| {})]);
    world.pass(HOUR);
    assert_eq!(world.alive, [(crate::core::run::RunId(1), Place::Step(0))]);
    world.end(Exit::Code(0));
    world.end(Exit::Code(4));
    assert!(world.alive.is_empty());
    assert_eq!(world.statuses(), [RunStatus::Failed]);
    assert_eq!(steps_of(&world), [("one".into(), RunStatus::Succeeded), ("two".into(), RunStatus::Failed)]);
    assert_eq!(world.ends()[0].detail.as_deref(), Some("two: exit code 4"));
}

#[test]
fn a_step_may_fail_where_it_says_so() {
    let mut steps = [step("one"), step("two")];
    steps[0].continue_on_error = true;
    let mut world = World::new(vec![with_work(Work::Steps(steps.into()), |_| {})]);
    world.pass(HOUR);
    world.end(Exit::Code(1));
    world.end(Exit::Code(0));
    assert_eq!(world.statuses(), [RunStatus::Succeeded]);
}

#[test]
fn a_success_has_code_0_whatever_its_last_step_was_allowed() {
    let last = Step { continue_on_error: true, ..step("two") };
    let mut world = World::new(vec![with_work(Work::Steps([step("one"), last].into()), |_| {})]);
    world.pass(HOUR);
    world.end(Exit::Code(0));
    world.end(Exit::Code(9));
    assert_eq!((world.ends()[0].status, world.ends()[0].exit), (RunStatus::Succeeded, Some(Exit::Code(0))));
    assert_eq!(steps_of(&world)[1], ("two".into(), RunStatus::Failed), "its own code is kept");
}

#[test]
fn a_group_among_steps_ends_before_the_next_one() {
    let commands = [step("x"), step("y")].into();
    let group = Step { body: StepBody::Parallel { commands, fail_fast: false }, ..step("group") };
    for (code, status) in [(0, RunStatus::Succeeded), (3, RunStatus::Failed)] {
        let work = Work::Steps([step("one"), group.clone(), step("last")].into());
        let mut world = World::new(vec![with_work(work, |_| {})]);
        world.pass(HOUR);
        world.end(Exit::Code(0));
        assert_eq!(world.alive.len(), 2, "the members run side by side");
        world.end(Exit::Code(code));
        assert_eq!(world.alive.len(), 1, "the next step waits for both");
        world.end(Exit::Code(0));
        if code == 0 {
            world.end(Exit::Code(0));
        }
        assert_eq!(world.statuses(), [status]);
        let names: Vec<String> = steps_of(&world).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names[..3], ["one", "group/x", "group/y"]);
        assert_eq!(names.len(), if code == 0 { 4 } else { 3 });
    }
}

#[test]
fn a_step_has_a_time_limit_of_its_own() {
    let slow = Step { timeout: Some(MINUTE), ..step("slow") };
    let mut world = World::new(vec![with_work(Work::Steps([step("one"), slow].into()), |_| {})]);
    world.pass(HOUR + MINUTE * 5);
    assert!(world.signals.is_empty(), "the limit is not the first step's");
    world.end(Exit::Code(0));
    world.pass(MINUTE);
    assert_eq!(world.signals.len(), 1);
    world.end(Exit::Signal(15));
    assert_eq!(world.statuses(), [RunStatus::TimedOut]);
}

#[test]
fn a_time_limit_holds_for_every_kind_of_job() {
    let two = || [step("one"), step("two")].into();
    for work in [
        Work::Command(JobCommand::Shell("sleep 1000".into())),
        Work::Steps(two()),
        Work::Parallel(Box::new(Parallel { steps: two(), fail_fast: false })),
    ] {
        let mut world = World::new(vec![with_work(work.clone(), |policy| policy.timeout = Some(MINUTE))]);
        world.pass(HOUR + MINUTE);
        assert_eq!(world.signals.len(), world.alive.len());
        while !world.alive.is_empty() {
            world.end(Exit::Signal(15));
        }
        assert_eq!(world.statuses(), [RunStatus::TimedOut], "{work:?}");
    }
}

#[test]
fn p13_a_start_that_fails_is_told_at_once_and_may_be_tried_again() {
    let mut world = World::new(vec![job("a", cron("0 * * * *"), |policy| {
        policy.retry.retries = 1;
        policy.retry.delay = MINUTE;
    })]);
    world.starts_fail = true;
    world.pass(HOUR);
    assert_eq!(world.events().last(), Some(&"run.retrying"));
    world.pass(MINUTE);
    let end = world.ends()[0].clone();
    assert_eq!((end.status, end.reason, end.exit), (RunStatus::Failed, Some(Reason::StartFailed), None));
    assert_eq!(end.detail.as_deref(), Some("no such program"));
}

#[test]
fn an_output_that_is_not_as_expected_fails_the_run() {
    for (result, status, kept) in [
        (Ok(Some("{}".to_owned())), RunStatus::Succeeded, Some("{}".to_owned())),
        (Err("it wrote nothing".to_owned()), RunStatus::Failed, None),
    ] {
        let mut world = World::new(vec![job("a", cron("0 * * * *"), |policy| {
            policy.expect.output_nonempty = true;
            policy.output.json = true;
        })]);
        world.pass(HOUR);
        let run = world.alive[0].0;
        world.end(Exit::Code(0));
        assert!(world.ends().is_empty(), "the output is to be looked at first");
        world.handle(Input::Output { run, result });
        let end = world.ends()[0].clone();
        assert_eq!((end.status, end.result), (status, kept));
        assert_eq!(end.reason, (status == RunStatus::Failed).then_some(Reason::Output));
    }
}

#[test]
fn global_hooks_surround_those_of_the_job() {
    let command = |text: &str| vec![JobCommand::Shell(text.into())];
    let own = |policy: &mut Policy| {
        policy.hooks.before = command("b");
        policy.hooks.after_run = command("a");
    };
    let mut world = World::boot(vec![job("a", cron("0 * * * *"), own)], |boot| {
        boot.settings.hooks.before = command("gb");
        boot.settings.hooks.after_run = command("ga");
    });
    world.pass(HOUR);
    while !world.alive.is_empty() {
        world.end(Exit::Code(0));
    }
    let names: Vec<String> = steps_of(&world).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["global before 1", "before 1", "command", "after_run 1", "global after_run 1"]);
}

#[test]
fn failure_hooks_run_once_the_last_attempt_has_failed() {
    let mut world = World::new(vec![job("a", cron("0 * * * *"), |policy| {
        policy.retry.retries = 1;
        policy.hooks.on_failure = vec![JobCommand::Shell("bad".into())];
        policy.hooks.after_run = vec![JobCommand::Shell("after".into())];
    })]);
    world.pass(HOUR);
    while !world.alive.is_empty() {
        let hook = matches!(world.alive[0].1, Place::Hook(..));
        world.end(Exit::Code(u8::from(!hook)));
        world.pass(SECOND);
    }
    let names: Vec<String> = steps_of(&world).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["command", "after_run 1", "command", "on_failure 1", "after_run 1"]);
    assert_eq!(world.statuses(), [RunStatus::Failed]);
}

#[test]
fn a_cancelled_wait_for_a_retry_is_over_at_once() {
    let mut world = World::new(vec![job("a", cron("0 * * * *"), |policy| {
        policy.retry.retries = 5;
        policy.retry.delay = MINUTE;
    })]);
    world.pass(HOUR);
    let run = world.alive[0].0;
    world.end(Exit::Code(1));
    world.ask(Command::Cancel { run, reason: Some("enough".to_owned()) });
    assert_eq!(world.statuses(), [RunStatus::Cancelled]);
    world.pass(MINUTE * 5);
    assert!(world.alive.is_empty());
}

#[test]
fn parallel_lets_siblings_finish_unless_it_fails_fast() {
    for fail_fast in [false, true] {
        let steps = [step("one"), step("two"), step("three")].into();
        let work = Work::Parallel(Box::new(Parallel { steps, fail_fast }));
        let mut world = World::new(vec![with_work(work, |_| {})]);
        world.pass(HOUR);
        assert_eq!(world.alive.len(), 3);
        world.end(Exit::Code(1));
        assert_eq!(world.signals.len(), if fail_fast { 2 } else { 0 });
        world.end(Exit::Code(0));
        assert!(world.statuses().is_empty(), "the run is not over");
        world.end(Exit::Code(0));
        assert_eq!(world.statuses(), [RunStatus::Failed]);
        assert_eq!(steps_of(&world).len(), 3);
    }
}

#[test]
fn hooks_surround_the_work_and_a_failing_before_fails_the_run() {
    let command = |text: &str| vec![JobCommand::Shell(text.into())];
    let hooks = |policy: &mut Policy| {
        policy.hooks.before = command("before");
        policy.hooks.after_run = command("after");
        policy.hooks.on_success = command("good");
        policy.hooks.on_failure = command("bad");
    };
    let work = || Work::Command(JobCommand::Shell("true".into()));
    let mut good = World::new(vec![with_work(work(), hooks)]);
    good.pass(HOUR);
    for _ in 0..4 {
        good.end(Exit::Code(0));
    }
    let names: Vec<String> = steps_of(&good).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["before 1", "command", "on_success 1", "after_run 1"]);
    assert_eq!(good.statuses(), [RunStatus::Succeeded]);

    let mut bad = World::new(vec![with_work(work(), hooks)]);
    bad.pass(HOUR);
    for code in [1, 0, 0] {
        bad.end(Exit::Code(code));
    }
    let names: Vec<String> = steps_of(&bad).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["before 1", "on_failure 1", "after_run 1"]);
    assert_eq!(bad.ends()[0].reason, Some(Reason::HookFailed));
}

#[test]
fn a_hook_that_hangs_is_ended() {
    let mut world = World::new(vec![job("a", cron("0 * * * *"), |policy| {
        policy.hooks.after_run = vec![JobCommand::Shell("sleep 1000".into())];
    })]);
    world.pass(HOUR);
    world.end(Exit::Code(0));
    world.pass(MINUTE);
    assert_eq!(world.signals.len(), 1);
    world.end(Exit::Signal(15));
    assert_eq!(world.statuses(), [RunStatus::Succeeded], "a closing hook changes nothing");
}

#[test]
fn a_chain_follows_the_ends_it_waits_for() {
    let after = |text: &str, on| Firing::After(Arc::new(vec![Dependency { job: name(text), on }]));
    let mut world = World::new(vec![
        job("a", cron("0 * * * *"), |_| {}),
        job("b", after("a", DependencyOn::Success), |_| {}),
        job("c", after("b", DependencyOn::Any), |_| {}),
        job("x", after("a", DependencyOn::Failure), |_| {}),
    ]);
    world.pass(HOUR);
    let mut order = Vec::new();
    while let Some((run, _)) = world.alive.first().copied() {
        order.push(world.scheduler.run(run).unwrap().job.name.to_string());
        world.end(Exit::Code(0));
        world.pass(SECOND);
    }
    assert_eq!(order, ["a", "b", "c"]);
}

#[test]
fn a_list_of_dependencies_waits_for_all_since_the_last_start() {
    let both = ["a", "b"].map(|text| Dependency { job: name(text), on: DependencyOn::Success });
    let both = Firing::After(Arc::new(both.into()));
    let mut world = World::new(vec![
        job("a", cron("0 * * * *"), |_| {}),
        job("b", cron("30 * * * *"), |_| {}),
        job("c", both, |_| {}),
    ]);
    let mut starts = 0;
    for _ in 0..8 {
        world.pass(MINUTE * 30);
        while let Some((run, _)) = world.alive.first().copied() {
            starts += usize::from(world.scheduler.run(run).unwrap().job.name == name("c"));
            world.end(Exit::Code(0));
            world.pass(SECOND);
        }
    }
    assert_eq!(starts, 4);
}

#[test]
fn cancel_ends_a_run_with_its_reason() {
    let mut world = World::new(vec![job("a", cron("0 * * * *"), |policy| policy.retry.retries = 5)]);
    world.pass(HOUR);
    let run = world.alive[0].0;
    world.ask(Command::Cancel { run, reason: Some("wrong data".to_owned()) });
    assert_eq!(world.signals, [(run, 15)]);
    world.end(Exit::Signal(15));
    assert_eq!(world.statuses(), [RunStatus::Cancelled], "no retry");
    assert_eq!(world.ends()[0].detail.as_deref(), Some("wrong data"));
}

#[test]
fn p7_a_stop_lets_runs_finish_then_ends_them_and_runs_shutdown_jobs() {
    let mut world =
        World::new(vec![job("a", cron("0 * * * *"), |_| {}), job("bye", Firing::Shutdown, |_| {})]);
    world.pass(HOUR);
    world.ask(Command::Stop { leave: false });
    assert_eq!(world.alive.len(), 2, "the shutdown job runs beside");
    world.pass(SECOND * 29);
    assert!(world.signals.is_empty());
    world.end_run(crate::core::run::RunId(2), Exit::Code(0));
    world.pass(SECOND);
    assert_eq!(world.signals.len(), 1);
    assert!(!world.exited);
    world.end(Exit::Signal(15));
    assert!(world.exited);
    assert_eq!(world.ends()[1].reason, Some(Reason::Stopping));
    world.pass(HOUR * 2);
    assert!(world.alive.is_empty(), "no new starts");
}

#[test]
fn what_is_decided_for_several_jobs_is_decided_in_their_order() {
    let names: Vec<String> = (0..20).map(|number| format!("bye-{number:02}")).collect();
    let jobs = names.iter().map(|name| job(name, Firing::Shutdown, |_| {})).collect();
    let mut world = World::new(jobs);
    world.ask(Command::Stop { leave: false });
    let claimed = world.ledger.iter().filter_map(|change| match change {
        Change::Claim(claim) => Some(claim.job.as_str()),
        _ => None,
    });
    assert_eq!(claimed.collect::<Vec<_>>(), names);
}

#[test]
fn a_second_stop_hurries_and_a_third_kills() {
    let mut world = World::new(vec![job("a", cron("0 * * * *"), |_| {})]);
    world.pass(HOUR);
    for _ in 0..3 {
        world.ask(Command::Stop { leave: false });
    }
    assert_eq!(world.signals.iter().map(|(_, signal)| *signal).collect::<Vec<_>>(), [15, 9]);
}

#[test]
fn a_removed_job_finishes_its_run() {
    let mut world = World::new(vec![job("a", cron("0 * * * *"), |_| {})]);
    world.pass(HOUR);
    let by = crate::core::change::Actor::JobFile;
    world.ask(Command::Remove { job: name("a"), by, before: None });
    assert!(world.scheduler.job("a").is_none());
    world.end(Exit::Code(0));
    assert_eq!(world.statuses(), [RunStatus::Succeeded]);
    world.pass(HOUR * 3);
    assert_eq!(world.claims().len(), 1);
}

fn notices(world: &World) -> Vec<NoticeKind> {
    let notices = world.ledger.iter().filter_map(|change| match change {
        Change::Notify(notice) => Some(notice.kind),
        _ => None,
    });
    notices.collect()
}

fn notify(when: NotifyWhen) -> impl FnOnce(&mut Policy) {
    move |policy| policy.notify = vec![NotifyRule { notifier: name("ops"), when }]
}

#[test]
fn n2_a_notifier_speaks_when_its_rule_says() {
    use NoticeKind as Kind;
    for (when, expected) in [
        (NotifyWhen::Change, vec![Kind::Failed, Kind::Recovered]),
        (NotifyWhen::Failure, vec![Kind::Failed, Kind::Failed]),
        (NotifyWhen::Recovery, vec![Kind::Recovered]),
        (
            NotifyWhen::Always,
            vec![
                Kind::Started,
                Kind::Failed,
                Kind::Started,
                Kind::Failed,
                Kind::Started,
                Kind::Recovered,
                Kind::Started,
                Kind::Succeeded,
            ],
        ),
    ] {
        let mut world = World::new(vec![job("a", cron("0 * * * *"), notify(when))]);
        for code in [1, 1, 0, 0] {
            world.pass(HOUR);
            world.end(Exit::Code(code));
        }
        assert_eq!(notices(&world), expected, "{when:?}");
    }
}

#[test]
fn n2_a_retry_that_helps_is_no_news() {
    let mut world = World::new(vec![job("a", cron("0 * * * *"), |policy| {
        notify(NotifyWhen::Change)(policy);
        policy.retry.retries = 1;
    })]);
    world.pass(HOUR);
    world.end(Exit::Code(1));
    world.pass(SECOND);
    world.end(Exit::Code(0));
    assert_eq!(notices(&world), []);
}

#[test]
fn a_run_that_lasts_too_long_raises_an_alarm_once() {
    let mut world = World::new(vec![job("a", cron("0 * * * *"), |policy| {
        notify(NotifyWhen::Change)(policy);
        policy.expect.max_duration = Some(MINUTE);
    })]);
    world.pass(HOUR + MINUTE * 30);
    assert_eq!(world.events().last(), Some(&"run.overdue"));
    assert_eq!(notices(&world), [NoticeKind::Overdue]);
    assert!(world.signals.is_empty(), "it may go on");
    world.end(Exit::Code(0));
    // One in time raises none.
    world.pass(MINUTE * 30);
    world.end(Exit::Code(0));
    world.pass(MINUTE * 10);
    assert_eq!(notices(&world), [NoticeKind::Overdue]);
}

#[test]
fn an_overdue_job_raises_an_alarm_once() {
    let mut world = World::new(vec![job("a", cron("0 0 1 1 *"), |policy| {
        policy.expect.success_within = Some(HOUR * 26);
    })]);
    world.pass(HOUR * 100);
    assert_eq!(world.events(), ["job.overdue"]);
}

#[test]
fn an_alarm_that_falls_due_during_a_pause_is_raised_after_it() {
    let mut world = World::new(vec![job("a", cron("0 0 1 1 *"), |policy| {
        policy.expect.success_within = Some(HOUR * 26);
    })]);
    world.ask(Command::Pause { job: name("a"), until: Some(NOON.plus(HOUR * 50)), reason: None });
    world.pass(HOUR * 49);
    assert_eq!(world.events(), ["job.paused"]);
    world.pass(HOUR * 100);
    assert_eq!(world.events(), ["job.paused", "job.resumed", "job.overdue"]);
}

//! P3: runs of several commands that outlive their daemon go on as if nothing had happened.

use std::time::Duration;

use super::{HOUR, MINUTE, NOON, SECOND, World, cron, job, memory, name, pool};
use crate::core::change::{Change, Finish, StepRecord};
use crate::core::job::{Command as JobCommand, Job, OnLost, Parallel, Policy, Step, StepBody, Work};
use crate::core::run::{Exit, ProcessMark, Reason, RunId, RunStatus, Source};
use crate::core::scheduler::{
    Evidence, Found, FoundCommand, HookKind, HookOwner, Input, LeftEnding, Place, Unfinished,
};

const RUN: RunId = RunId(7);
const AGO: Duration = Duration::from_secs(1_800);
const OK: Exit = Exit::Code(0);

fn step(text: &str) -> Step {
    let body = StepBody::Command(JobCommand::Shell(text.into()));
    Step { name: text.into(), body, timeout: None, continue_on_error: false }
}

fn steps(names: &[&str]) -> Work {
    Work::Steps(names.iter().map(|name| step(name)).collect())
}

fn parallel(names: &[&str], fail_fast: bool) -> Work {
    Work::Parallel(Box::new(Parallel { steps: names.iter().map(|name| step(name)).collect(), fail_fast }))
}

fn with(work: Work, change: impl FnOnce(&mut Policy)) -> Job {
    Job { work, ..job("a", cron("30 * * * *"), change) }
}

/// A command that had ended before the daemon went, `position` minutes after the start.
fn record(position: u32, name: &str, exit: Exit) -> StepRecord {
    StepRecord {
        attempt: 1,
        position,
        name: name.to_owned(),
        status: if exit.is_success() { RunStatus::Succeeded } else { RunStatus::Failed },
        started_at: Some(NOON.minus(AGO).plus(MINUTE * position)),
        duration: Some(SECOND),
        exit: Some(exit),
        output_offset: None,
        detail: None,
    }
}

fn process(pid: i32) -> ProcessMark {
    ProcessMark { pid, start_ticks: 99 }
}

/// A live process that says which command it is.
fn alive(pid: i32, name: &str) -> Found {
    let command = FoundCommand::Named(name.to_owned());
    Found { process: process(pid), command, age: Some(MINUTE), exit: None, outcome: None }
}

fn ended(name: &str, exit: Exit) -> Found {
    Found { process: process(0), age: None, exit: Some(exit), ..alive(1, name) }
}

/// A new daemon with a run that the old one had started half an hour ago.
fn adopt(job: Job, found: Vec<Found>, records: Vec<StepRecord>) -> World {
    adopt_attempt(job, 1, found, records)
}

fn adopt_attempt(job: Job, attempt: u32, found: Vec<Found>, records: Vec<StepRecord>) -> World {
    adopt_ending(job, attempt, None, found, records)
}

fn adopt_ending(
    job: Job,
    attempt: u32,
    ending: Option<LeftEnding>,
    found: Vec<Found>,
    records: Vec<StepRecord>,
) -> World {
    adopt_of(vec![job], attempt, ending, found, records)
}

/// The same, with any job set; the run was started in the pool "io".
fn adopt_of(
    jobs: Vec<Job>,
    attempt: u32,
    ending: Option<LeftEnding>,
    found: Vec<Found>,
    records: Vec<StepRecord>,
) -> World {
    let at = NOON.minus(AGO);
    let mut world = World::boot(jobs, |boot| {
        boot.memory.insert(name("a"), memory(at, &cron("30 * * * *")));
        boot.pools = vec![pool("io", 1)];
        boot.next_run = 8;
        boot.unfinished.push(Unfinished {
            run: RUN,
            job: name("a"),
            fire_time: Some(at),
            source: Source::Schedule,
            status: RunStatus::Running,
            queued_at: at,
            due_at: at,
            attempt,
            started_at: Some(at),
            retry_at: None,
            priority: 0,
            pool: Some(name("io")),
            args: Vec::new(),
            forced: false,
            ending,
            evidence: Evidence::Started { found: found.clone(), steps: records },
        });
    });
    let places = found.iter().filter_map(|found| world.scheduler.place_of(RUN, found.process));
    let adopted: Vec<_> = places.map(|place| (RUN, place)).collect();
    world.alive.splice(0..0, adopted);
    world
}

fn places(world: &World) -> Vec<Place> {
    world.alive.iter().map(|(_, place)| *place).collect()
}

fn end(world: &World) -> Finish {
    world.ends().into_iter().find(|end| end.run == RUN).unwrap().clone()
}

fn written(world: &World) -> Vec<(u32, String, RunStatus)> {
    let steps = world.ledger.iter().filter_map(|change| match change {
        Change::Step { step, .. } => Some((step.position, step.name.clone(), step.status)),
        _ => None,
    });
    steps.collect()
}

#[test]
fn p3_steps_go_on_after_the_adopted_one() {
    let job = with(steps(&["one", "two", "three"]), |_| {});
    let mut world = adopt(job, vec![alive(1, "two")], vec![record(0, "one", OK)]);
    assert_eq!(places(&world), [Place::Step(1)]);
    world.end(OK);
    assert_eq!(places(&world), [Place::Step(2)]);
    world.end(OK);
    assert_eq!((end(&world).status, end(&world).exit), (RunStatus::Succeeded, Some(OK)));
    let expected = [(1, "two", RunStatus::Succeeded), (2, "three", RunStatus::Succeeded)];
    assert_eq!(written(&world), expected.map(|(at, name, status)| (at, name.to_owned(), status)));
}

#[test]
fn p3_a_failure_of_the_adopted_step_stops_the_run() {
    let job = with(steps(&["one", "two", "three"]), |_| {});
    let mut world = adopt(job, vec![alive(1, "two")], vec![record(0, "one", OK)]);
    world.end(Exit::Code(4));
    assert!(world.alive.is_empty());
    let end = end(&world);
    assert_eq!((end.status, end.reason), (RunStatus::Failed, Some(Reason::ExitCode)));
    assert_eq!(end.detail.as_deref(), Some("two: exit code 4"));
}

#[test]
fn p3_a_step_that_was_started_says_that_the_one_before_went_well() {
    // The daemon died before the end of "one" was durable.
    let job = with(steps(&["one", "two"]), |_| {});
    let mut world = adopt(job, vec![alive(1, "two")], Vec::new());
    world.end(OK);
    assert_eq!(end(&world).status, RunStatus::Succeeded);
    assert_eq!(written(&world)[0], (0, "one".to_owned(), RunStatus::Succeeded));
}

#[test]
fn p3_a_parallel_group_is_judged_whole() {
    for (recorded, last, status) in [
        (OK, OK, RunStatus::Succeeded),
        (Exit::Code(1), OK, RunStatus::Failed),
        (OK, Exit::Signal(9), RunStatus::Failed),
    ] {
        let job = with(parallel(&["one", "two", "three"], false), |_| {});
        let found = vec![alive(1, "three"), alive(2, "two")];
        let mut world = adopt(job, found, vec![record(0, "one", recorded)]);
        assert_eq!(world.alive.len(), 2);
        world.end(OK);
        assert!(world.ends().is_empty(), "the run is not over");
        world.end(last);
        assert_eq!(end(&world).status, status, "{recorded:?} {last:?}");
    }
}

#[test]
fn p3_a_group_that_fails_fast_is_ended_after_all() {
    let job = with(parallel(&["one", "two"], true), |policy| policy.kill_after = SECOND);
    let mut world = adopt(job, vec![alive(1, "two")], vec![record(0, "one", Exit::Code(1))]);
    world.pass(SECOND);
    assert_eq!(world.signals, [(RUN, 15), (RUN, 9)]);
    world.end(Exit::Signal(9));
    assert_eq!(end(&world).detail.as_deref(), Some("one: exit code 1"));
}

#[test]
fn p3_a_nested_group_is_found_by_its_names() {
    let commands = [step("x"), step("y")].into();
    let body = StepBody::Parallel { commands, fail_fast: false };
    let group = Step { body, ..step("group") };
    let work = Work::Steps([step("one"), group, step("last")].into());
    let found = vec![alive(1, "group/x"), alive(2, "group/y")];
    let mut world = adopt(with(work, |_| {}), found, vec![record(0, "one", OK)]);
    assert_eq!(places(&world), [Place::Nested(1, 0), Place::Nested(1, 1)]);
    world.end(OK);
    world.end(OK);
    assert_eq!(places(&world), [Place::Step(2)]);
}

#[test]
fn p4_a_member_that_ended_unseen_makes_the_run_lost_once_the_others_have_ended() {
    let job = || with(parallel(&["one", "two"], false), |policy| policy.on_lost = OnLost::Rerun);
    let mut world = adopt(job(), vec![alive(1, "two")], Vec::new());
    assert!(world.ends().is_empty());
    world.end(OK);
    let end = end(&world);
    assert_eq!((end.status, end.reason), (RunStatus::Lost, Some(Reason::EndUnseen)));
    assert_eq!(end.detail.as_deref(), Some("one: nobody saw how it ended"));
    assert_eq!(world.scheduler.run(world.alive[0].0).unwrap().source, Source::Rerun);
    // A failure that was seen decides.
    let mut world = adopt(job(), vec![alive(1, "two")], Vec::new());
    world.end(Exit::Code(3));
    assert_eq!(self::end(&world).status, RunStatus::Failed);
}

#[test]
fn p4_an_unseen_end_that_decides_nothing_does_not_stop_the_run() {
    let commands = [Step { continue_on_error: true, ..step("x") }, step("y")].into();
    let group = Step { body: StepBody::Parallel { commands, fail_fast: false }, ..step("group") };
    let work = Work::Steps([group, step("last")].into());
    let mut world = adopt(with(work, |_| {}), vec![alive(1, "group/y")], Vec::new());
    world.end(OK);
    assert_eq!(places(&world), [Place::Step(1)]);
    world.end(OK);
    assert_eq!(end(&world).status, RunStatus::Succeeded);
}

#[test]
fn p4_a_step_that_ended_unseen_is_named() {
    let job = with(steps(&["one", "two", "three"]), |_| {});
    let world = adopt(job, Vec::new(), vec![record(0, "one", OK)]);
    assert!(world.alive.is_empty());
    let end = end(&world);
    assert_eq!((end.status, end.reason), (RunStatus::Lost, Some(Reason::EndUnseen)));
    assert_eq!(end.detail.as_deref(), Some("two: nobody saw how it ended"));
}

#[test]
fn p4_a_step_whose_end_the_kernel_told_is_followed_by_the_next() {
    let job = || with(steps(&["one", "two"]), |_| {});
    let mut world = adopt(job(), vec![ended("one", OK)], Vec::new());
    assert_eq!(places(&world), [Place::Step(1)]);
    world.end(OK);
    assert_eq!(end(&world).status, RunStatus::Succeeded);
    let world = adopt(job(), vec![ended("one", Exit::Code(9))], Vec::new());
    assert_eq!((end(&world).status, end(&world).exit), (RunStatus::Failed, Some(Exit::Code(9))));
}

#[test]
fn p3_a_run_whose_work_is_on_record_ends_as_it_says() {
    for (exit, status) in [(OK, RunStatus::Succeeded), (Exit::Code(2), RunStatus::Failed)] {
        let job = with(steps(&["one", "two"]), |_| {});
        let world = adopt(job, Vec::new(), vec![record(0, "one", OK), record(1, "two", exit)]);
        assert_eq!((end(&world).status, end(&world).exit), (status, Some(exit)));
    }
}

#[test]
fn p3_hooks_run_after_the_adopted_work() {
    let hooks = |policy: &mut Policy| {
        policy.hooks.before = vec![JobCommand::Shell("b".into())];
        policy.hooks.on_success = vec![JobCommand::Shell("s".into())];
        policy.hooks.after_run = vec![JobCommand::Shell("a".into())];
    };
    let job = || with(Work::Command(JobCommand::Shell("true".into())), hooks);
    let hook = |kind| Place::Hook(kind, HookOwner::Job, 0);
    let mut world = adopt(job(), vec![alive(1, "command")], vec![record(0, "before 1", OK)]);
    for place in [Place::Work, hook(HookKind::OnSuccess), hook(HookKind::AfterRun)] {
        assert_eq!(places(&world), [place]);
        world.end(OK);
    }
    assert_eq!(end(&world).status, RunStatus::Succeeded);

    // A closing hook is alive; the record of the work never became durable, but the hook was told.
    let outcome = Some((RunStatus::Failed, Some(Exit::Code(3))));
    let closing = Found { outcome, ..alive(1, "after_run 1") };
    let mut world = adopt(job(), vec![closing], vec![record(0, "before 1", OK)]);
    assert_eq!(places(&world), [hook(HookKind::AfterRun)]);
    world.end(OK);
    assert_eq!((end(&world).status, end(&world).exit), (RunStatus::Failed, Some(Exit::Code(3))));

    // A hook that may have run is not run again.
    let records = vec![record(0, "before 1", OK), record(1, "command", OK)];
    let mut world = adopt(job(), Vec::new(), records);
    assert_eq!(places(&world), [hook(HookKind::AfterRun)]);
    world.end(OK);
    assert_eq!(end(&world).status, RunStatus::Succeeded);
    assert_eq!(written(&world)[0], (2, "on_success 1".to_owned(), RunStatus::Lost));
}

#[test]
fn p3_retries_go_on_counting() {
    let job = with(Work::Command(JobCommand::Shell("true".into())), |policy| policy.retry.retries = 2);
    let mut world = adopt_attempt(job, 2, vec![alive(1, "command")], vec![]);
    world.end(Exit::Code(1));
    world.pass(SECOND);
    assert_eq!(world.scheduler.run(RUN).unwrap().attempt, 3);
    world.end(Exit::Code(1));
    assert_eq!(end(&world).status, RunStatus::Failed, "the third was the last");
}

#[test]
fn p3_time_limits_count_from_the_original_start() {
    // The attempt began half an hour ago; of that the adopted step has run for a minute.
    let job = with(steps(&["one", "two"]), |policy| policy.timeout = Some(AGO + MINUTE));
    let mut world = adopt(job, vec![alive(1, "two")], vec![record(0, "one", OK)]);
    world.pass(SECOND * 59);
    assert!(world.signals.is_empty());
    world.pass(SECOND);
    assert_eq!(world.signals, [(RUN, 15)]);
    world.end(Exit::Signal(15));
    assert_eq!(end(&world).status, RunStatus::TimedOut);

    let limited = Step { timeout: Some(MINUTE * 3), ..step("two") };
    let job = with(Work::Steps([step("one"), limited].into()), |_| {});
    let mut world = adopt(job, vec![alive(1, "two")], vec![record(0, "one", OK)]);
    world.pass(MINUTE * 2 - SECOND);
    assert!(world.signals.is_empty());
    world.pass(SECOND);
    assert_eq!(world.signals, [(RUN, 15)]);

    // One that had passed while nobody looked ends the run at once.
    let job = with(steps(&["one", "two"]), |policy| policy.timeout = Some(MINUTE * 10));
    let world = adopt(job, vec![alive(1, "two")], vec![record(0, "one", OK)]);
    assert_eq!(world.signals, [(RUN, 15)]);
}

#[test]
fn p3_a_process_that_hides_its_environment_is_taken_for_the_latest_command() {
    let job = with(steps(&["one", "two", "three"]), |_| {});
    let hidden = Found { command: FoundCommand::Latest, ..alive(1, "") };
    let mut world = adopt(job, vec![hidden], vec![record(0, "one", OK)]);
    assert_eq!(places(&world), [Place::Step(1)]);
    world.end(OK);
    assert_eq!(places(&world), [Place::Step(2)]);
}

#[test]
fn p3_a_definition_that_has_changed_is_no_guide() {
    let job = with(steps(&["new"]), |_| {});
    let records = vec![record(0, "one", OK)];
    let mut world = adopt(job, vec![alive(1, "two")], records);
    assert_eq!(world.alive.len(), 1, "the process is followed");
    world.end(Exit::Code(5));
    assert!(world.alive.is_empty(), "nothing of the new definition runs in its name");
    assert_eq!((end(&world).status, end(&world).exit), (RunStatus::Failed, Some(Exit::Code(5))));
}

#[test]
fn p3_an_adopted_run_keeps_its_worker() {
    let job = with(steps(&["one", "two"]), |policy| {
        policy.pool = Some(name("io"));
        policy.max_instances = 2;
    });
    let mut world = adopt(job, vec![alive(1, "one")], Vec::new());
    world.pass(HOUR);
    assert_eq!(world.alive.len(), 1, "the next one waits for the worker");
    world.end(OK);
    world.end(OK);
    assert_eq!(world.alive.len(), 1);
    assert_ne!(world.alive[0].0, RUN);
}

#[test]
fn p3_an_adopted_run_whose_job_has_gone_keeps_its_worker() {
    let other = job("b", cron("30 * * * *"), |policy| policy.pool = Some(name("io")));
    let mut world = adopt_of(vec![other], 1, None, vec![alive(1, "command")], Vec::new());
    world.pass(HOUR);
    assert_eq!(world.alive.len(), 1, "b waits for the worker");
    world.end(OK);
    assert_eq!(world.alive.len(), 1);
    assert_ne!(world.alive[0].0, RUN);
}

#[test]
fn p3_an_adopted_startup_run_is_not_joined_by_another() {
    use crate::core::job::StartupScope;
    use crate::core::trigger::Firing;
    let work = Work::Command(JobCommand::Shell("true".into()));
    let change = |policy: &mut Policy| policy.startup = StartupScope::Start;
    let job = Job { work, ..job("a", Firing::Startup, change) };
    let work = Found { command: FoundCommand::At(Place::Work), ..alive(1, "") };
    let world = adopt(job, vec![work], Vec::new());
    assert_eq!(world.alive.len(), 1);
    assert_eq!(world.gaps()[0].reason, Reason::Busy);
}

#[test]
fn a_cancel_in_progress_starts_nothing_new_but_closing_hooks() {
    let job = || {
        with(steps(&["one", "two"]), |policy| {
            policy.hooks.after_run = vec![JobCommand::Shell("tell".into())];
        })
    };
    let ending = || Some(LeftEnding { at: NOON, reason: Reason::Cancelled, detail: Some("why".into()) });
    let hook = Place::Hook(HookKind::AfterRun, HookOwner::Job, 0);
    for found in [vec![alive(1, "one")], vec![ended("one", OK)], vec![]] {
        let living = found.iter().filter(|found: &&Found| found.exit.is_none()).count();
        let mut world = adopt_ending(job(), 1, ending(), found, Vec::new());
        assert_eq!(world.signals.len(), living);
        for _ in 0..living {
            world.end(OK);
        }
        assert_eq!(world.alive, [(RUN, hook)]);
        world.end(OK);
        let end = world.ends()[0].clone();
        assert_eq!((end.status, end.reason), (RunStatus::Cancelled, Some(Reason::Cancelled)));
        assert_eq!(end.detail.as_deref(), Some("why"));
    }
    // The hook was started when the step had ended, and has gone.
    let world = adopt_ending(job(), 1, ending(), Vec::new(), vec![record(0, "one", OK)]);
    assert_eq!((world.alive.len(), world.ends()[0].detail.as_deref()), (0, Some("why")));
    // The daemon went while the hook ran: it is not asked to end.
    let told =
        Found { outcome: Some((RunStatus::Cancelled, None)), age: Some(SECOND), ..alive(3, "after_run 1") };
    let mut world = adopt_ending(job(), 1, ending(), vec![told], vec![record(0, "one", OK)]);
    assert!(world.signals.is_empty());
    world.end(OK);
    assert_eq!(world.ends()[0].detail.as_deref(), Some("why"));
}

#[test]
fn p3_a_group_that_has_become_a_sequence_is_followed_while_it_is_alive() {
    let world = adopt(
        with(steps(&["one", "two"]), |_| {}),
        vec![alive(21, "one")],
        vec![record(1, "two", Exit::Code(1))],
    );
    assert!(world.ends().is_empty(), "one is alive, so two was not after it");
    assert_eq!(world.scheduler.live_runs().count(), 1);
}

#[test]
fn p4_a_run_that_was_ended_comes_to_its_end_also_where_its_definition_is_gone() {
    let ending = LeftEnding { at: NOON.minus(MINUTE), reason: Reason::Timeout, detail: None };
    let records = vec![record(0, "one", OK), record(1, "two", OK)];
    let world = adopt_ending(with(steps(&["other"]), |_| {}), 1, Some(ending), Vec::new(), records);
    assert_eq!(end(&world).status, RunStatus::TimedOut);
    assert!(world.scheduler.live_runs().next().is_none());
}

#[test]
fn p4_a_closing_hook_that_may_have_run_is_not_run_again_for_a_job_whose_output_is_read() {
    let hooks = |policy: &mut Policy| {
        policy.output.json = true;
        policy.hooks.on_success = vec![JobCommand::Shell("s".into())];
        policy.hooks.after_run = vec![JobCommand::Shell("a".into())];
    };
    let job = with(Work::Command(JobCommand::Shell("true".into())), hooks);
    let mut world = adopt(job, Vec::new(), vec![record(0, "command", OK)]);
    assert!(world.alive.is_empty(), "its output is looked at once more");
    world.handle(Input::Output { run: RUN, result: Ok(Some("{}".to_owned())) });
    assert_eq!(places(&world), [Place::Hook(HookKind::AfterRun, HookOwner::Job, 0)]);
    assert_eq!(written(&world), [(1, "on_success 1".to_owned(), RunStatus::Lost)]);
    world.end(OK);
    assert_eq!((end(&world).status, end(&world).result.as_deref()), (RunStatus::Succeeded, Some("{}")));
}

/// A run of two steps, the second of which had been asked to end because its time was over.
fn overrun(found: Vec<Found>) -> World {
    let limited = Step { timeout: Some(SECOND * 30), ..step("two") };
    let job = with(Work::Steps([step("one"), limited].into()), |_| {});
    let asked =
        StepRecord { status: RunStatus::TimedOut, duration: None, exit: None, ..record(1, "two", OK) };
    adopt(job, found, vec![record(0, "one", OK), asked])
}

#[test]
fn p3_a_step_whose_time_was_over_has_timed_out_however_it_ends() {
    let mut world = overrun(vec![alive(1, "two")]);
    assert_eq!(world.signals, [(RUN, 15)], "it is asked once more");
    world.end(Exit::Code(0));
    assert_eq!((end(&world).status, end(&world).exit), (RunStatus::TimedOut, Some(OK)));
    assert_eq!(written(&world).last(), Some(&(1, "two".to_owned(), RunStatus::TimedOut)));
}

#[test]
fn p4_a_step_whose_time_was_over_and_that_ended_unseen_has_timed_out() {
    let world = overrun(Vec::new());
    assert_eq!((end(&world).status, end(&world).reason), (RunStatus::TimedOut, Some(Reason::Timeout)));
    let world = overrun(vec![ended("two", Exit::Signal(15))]);
    assert_eq!((end(&world).status, end(&world).exit), (RunStatus::TimedOut, Some(Exit::Signal(15))));
}

#[test]
fn p3_that_the_time_of_a_step_is_over_is_written_down_at_once() {
    let limited = Step { timeout: Some(SECOND * 30), ..step("one") };
    let mut world = World::new(vec![with(Work::Steps([limited].into()), |_| {})]);
    world.pass(HOUR / 2 + SECOND * 31);
    assert_eq!(world.signals.len(), 1);
    assert_eq!(written(&world), [(0, "one".to_owned(), RunStatus::TimedOut)]);
    assert!(world.ends().is_empty());
}

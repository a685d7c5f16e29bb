//! What a new daemon makes of the runs an old one left behind.

use std::time::Duration;

use super::{HOUR, MINUTE, NOON, SECOND, World, cron, job, memory, name};
use crate::core::change::Change;
use crate::core::instant::Timestamp;
use crate::core::job::{Grace, OnLost};
use crate::core::run::{Exit, ProcessMark, Reason, RunId, RunStatus, Source};
use crate::core::scheduler::{
    Boot, Command, Evidence, Found, FoundCommand, LeftEnding, Memory, Place, RunNow, Unfinished,
};
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
    left_ending(status, None, evidence)
}

/// Like `left_behind`, but the old daemon was bringing the run to its end.
fn left_ending(status: RunStatus, ending: Option<LeftEnding>, evidence: Evidence) -> impl FnOnce(&mut Boot) {
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
            pool: None,
            args: Vec::new(),
            forced: false,
            ending,
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
fn t8_a_start_after_the_clock_was_set_back_has_a_fire_time_of_its_own() {
    let world = World::boot(vec![job("a", Firing::Startup, |_| {})], |boot| {
        boot.memory.insert(name("a"), memory(NOON.plus(HOUR), &Firing::Startup));
    });
    let (_, fire_time) = world.claims()[0];
    assert!(fire_time > Some(NOON.plus(HOUR)), "the ledger may have rows up to the cursor: {fire_time:?}");
    assert_eq!(world.alive.len(), 1, "it is due at once all the same");
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

fn cancelled() -> (RunStatus, Option<Reason>, Option<String>) {
    (RunStatus::Cancelled, Some(Reason::Cancelled), Some("why".to_owned()))
}

/// The old daemon had sent TERM this long ago.
fn told(reason: Reason, ago: Duration) -> Option<LeftEnding> {
    Some(LeftEnding { at: NOON.minus(ago), reason, detail: Some("why".to_owned()) })
}

fn world_of_ending(reason: Reason, ago: Duration, evidence: Evidence, retries: u32) -> World {
    let slow = job("a", cron("30 * * * *"), |policy| {
        policy.kill_after = MINUTE;
        policy.retry.retries = retries;
    });
    World::boot(vec![slow], left_ending(RunStatus::Running, told(reason, ago), evidence))
}

#[test]
fn a_cancel_in_progress_goes_on_after_a_restart() {
    let mut world = world_of_ending(Reason::Cancelled, SECOND * 20, alive(), 2);
    assert_eq!(world.signals, [(RunId(7), 15)]);
    world.pass(SECOND * 39);
    assert_eq!(world.signals.len(), 1, "the time it was given is not over");
    world.pass(SECOND);
    assert_eq!(world.signals, [(RunId(7), 15), (RunId(7), 9)]);
    world.alive.push((RunId(7), Place::Work));
    world.end(Exit::Code(0));
    let end = world.ends()[0].clone();
    assert_eq!((end.status, end.reason, end.detail), cancelled(), "whatever its code says, and no retry");
    let written = world.ledger.iter().any(|change| matches!(change, Change::Ending { .. }));
    assert!(!written, "it was written down already");
}

#[test]
fn a_cancel_whose_time_ran_out_meanwhile_kills_at_once() {
    let world = world_of_ending(Reason::Cancelled, MINUTE * 2, alive(), 0);
    assert_eq!(world.signals, [(RunId(7), 15), (RunId(7), 9)]);
}

#[test]
fn a_run_that_was_told_to_end_and_has_gone_is_cancelled_not_lost() {
    let nothing = Evidence::Started { found: Vec::new(), steps: Vec::new() };
    for evidence in [nothing, Evidence::Unknown(Reason::Reboot)] {
        let world = world_of_ending(Reason::Cancelled, MINUTE, evidence.clone(), 2);
        let end = world.ends()[0].clone();
        assert_eq!((end.status, end.reason, end.detail), cancelled(), "{evidence:?}");
        assert_eq!(world.scheduler.job("a").unwrap().running, 0);
    }
}

#[test]
fn a_time_limit_that_was_reached_before_a_restart_is_kept() {
    let gone = Evidence::Unknown(Reason::Reboot);
    let ended = {
        let work = found(FoundCommand::At(Place::Work), Some(Exit::Signal(15)));
        Evidence::Started { found: vec![work], steps: Vec::new() }
    };
    for evidence in [gone, ended] {
        let world = world_of_ending(Reason::Timeout, SECOND, evidence.clone(), 0);
        assert_eq!(world.statuses(), [RunStatus::TimedOut], "{evidence:?}");
        let mut world = world_of_ending(Reason::Timeout, SECOND, evidence, 1);
        world.pass(SECOND);
        assert_eq!(world.scheduler.run(RunId(7)).unwrap().attempt, 2, "and it is tried again");
    }
}

#[test]
fn what_brings_a_run_to_its_end_is_written_down_once() {
    let mut world = World::new(vec![job("a", cron("0 * * * *"), |policy| policy.kill_after = MINUTE)]);
    world.pass(HOUR);
    let run = world.alive[0].0;
    for reason in ["first", "second"] {
        world.ask(Command::Cancel { run, reason: Some(reason.to_owned()) });
    }
    let written: Vec<_> =
        world.ledger.iter().filter(|change| matches!(change, Change::Ending { .. })).collect();
    let (reason, detail) = (Reason::Cancelled, Some("first".to_owned()));
    assert_eq!(written, [&Change::Ending { run, reason, detail, at: NOON.plus(HOUR) }]);
}

#[test]
fn run_numbers_have_no_holes_by_restarts() {
    for (status, evidence) in [
        (RunStatus::Queued, Evidence::NeverStarted),
        (RunStatus::Running, alive()),
        (RunStatus::Retrying, Evidence::NeverStarted),
    ] {
        let world = World::boot(vec![job("a", cron("30 * * * *"), |_| {})], left_behind(status, evidence));
        assert_eq!(world.scheduler.next_run(), RunId(8), "{status}");
    }
}

#[test]
fn a_forced_run_that_waits_is_forced_after_a_restart() {
    let mut world = World::boot(vec![job("a", cron("30 * * * *"), |_| {})], |boot| {
        left_behind(RunStatus::Running, alive())(boot);
        let waiting = boot.unfinished[0].clone();
        boot.next_run = 9;
        boot.unfinished.push(Unfinished {
            run: RunId(8),
            fire_time: None,
            source: Source::Manual,
            status: RunStatus::Queued,
            attempt: 0,
            forced: true,
            evidence: Evidence::NeverStarted,
            ..waiting
        });
    });
    assert_eq!(world.alive.iter().map(|(run, _)| *run).collect::<Vec<_>>(), [RunId(8)]);
    world.end(Exit::Code(0));
    assert_eq!(world.statuses(), [RunStatus::Succeeded]);
}

#[test]
fn an_absence_is_told_once_whatever_restarts() {
    let yearly = || job("a", cron("0 0 1 1 *"), |policy| policy.expect.success_within = Some(HOUR * 26));
    let memory_of = |world: &World, since: Timestamp| {
        let said = world.ledger.iter().find_map(|change| match change {
            Change::Overdue { since, .. } => Some(*since),
            _ => None,
        });
        Memory { overdue_since: said, ..memory(since, &yearly().firing) }
    };
    let mut first = World::new(vec![yearly()]);
    first.pass(HOUR * 25);
    assert_eq!(first.events(), [""; 0]);
    // A restart does not begin the wait anew.
    let at = |memory: Memory, now: Timestamp| {
        let mut world = World::boot(vec![yearly()], |boot| {
            boot.memory.insert(name("a"), memory);
        });
        world.sleep(now.since(NOON));
        world
    };
    let second = at(memory_of(&first, NOON), NOON.plus(HOUR * 27));
    assert_eq!(second.events(), ["job.overdue"]);
    let mut third = at(memory_of(&second, NOON), NOON.plus(HOUR * 30));
    third.pass(HOUR * 100);
    assert_eq!(third.events(), [""; 0]);
    // A success begins a new absence.
    third.ask(Command::RunNow(RunNow {
        job: name("a"),
        args: Vec::new(),
        if_due: false,
        force: false,
        priority: None,
    }));
    third.end(Exit::Code(0));
    third.pass(HOUR * 27);
    assert_eq!(third.events().last(), Some(&"job.overdue"));
}

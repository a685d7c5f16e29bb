//! S3: after a restore nothing that may have run runs again, and everything has its outcome.

use std::sync::Arc;
use std::time::Duration;

use super::{HOUR, MINUTE, NOON, World, clock, cron, job, memory, name};
use crate::core::change::{Change, Restored};
use crate::core::instant::Timestamp;
use crate::core::job::{Grace, Job, NotifyRule, NotifyWhen, OnLost, StartupScope};
use crate::core::run::{Reason, RunId, RunStatus, Source};
use crate::core::scheduler::{Boot, Evidence, Unfinished};
use crate::core::trigger::{At, Dependency, DependencyOn, Firing, Trigger};

/// The copy is from 09:00, the restore from 11:30, the daemon starts at noon.
const COPY: Duration = Duration::from_secs(3 * 3_600);
const RESTORE: Duration = Duration::from_secs(1_800);

fn restored(boot: &mut Boot) {
    boot.restored = Some(Restored { at: NOON.minus(RESTORE), boot_id: "boot-1".to_owned() });
    for job in &boot.jobs {
        boot.memory.entry(job.name.clone()).or_insert_with(|| memory(NOON.minus(COPY), &job.firing));
    }
}

fn world(jobs: Vec<Job>, change: impl FnOnce(&mut Boot)) -> World {
    World::boot(jobs, |boot| {
        restored(boot);
        change(boot);
    })
}

fn at(at: Timestamp) -> Firing {
    clock(Trigger::At(At { at, text: "then".into(), note: None }))
}

#[test]
fn what_fell_due_is_lost_in_one_row_and_the_schedule_goes_on_from_the_restore() {
    let mut world =
        world(vec![job("a", cron("15,45 * * * *"), |policy| policy.grace = Grace::Unlimited)], |_| {});
    let gap = world.gaps()[0].clone();
    // 09:15 to 11:15; 11:45 was due when nothing could run: its grace judges it.
    assert_eq!((gap.status, gap.reason, gap.count), (RunStatus::Lost, Reason::Restored, 5));
    assert_eq!((gap.first, gap.last), (NOON.minus(MINUTE * 165), NOON.minus(MINUTE * 45)));
    assert_eq!(world.claims(), [(RunId(2), Some(NOON.minus(MINUTE * 15)))]);
    assert!(world.ledger.contains(&Change::RestoreSettled));
    assert!(world.events().contains(&"daemon.restored"));
    world.pass(MINUTE * 15);
    assert_eq!(world.gaps().len(), 2, "11:45 is alive at 12:15: busy, nothing else");
}

#[test]
fn a_one_shot_that_the_copy_does_not_know_is_not_due_again() {
    let past = job("past", at(NOON.minus(HOUR)), |_| {});
    let since = job("since", at(NOON.minus(MINUTE)), |_| {});
    let world = World::boot(vec![past, since], |boot| {
        boot.restored = Some(Restored { at: NOON.minus(RESTORE), boot_id: "boot-0".to_owned() });
    });
    assert_eq!(world.gaps().len(), 1);
    assert_eq!((world.gaps()[0].job.as_str(), world.gaps()[0].status), ("past", RunStatus::Lost));
    assert!(world.events().contains(&"job.finished"));
    assert_eq!(
        world.claims(),
        [(RunId(2), Some(NOON.minus(MINUTE)))],
        "nothing ran between restore and start"
    );
}

#[test]
fn jitter_that_reaches_beyond_the_restore_is_still_to_come() {
    let Firing::Clock(mut schedule) = cron("29 * * * *") else { panic!("a clock") };
    Arc::make_mut(&mut schedule).jitter = Duration::from_secs(1_500);
    let firing = Firing::Clock(schedule);
    // 11:29 and its jitter of this name is due after the restore at 11:30.
    let world = world(vec![job("a", firing, |policy| policy.grace = Grace::Unlimited)], |_| {});
    assert_eq!((world.gaps()[0].count, world.gaps()[0].last), (2, NOON.minus(MINUTE * 91)));
    assert_eq!(world.claims(), [(RunId(2), Some(NOON.minus(MINUTE * 31)))]);
}

#[test]
fn disabled_jobs_do_not_look_back_when_they_are_enabled() {
    let disabled = job("a", cron("0 * * * *"), |policy| policy.enabled = false);
    let world = world(vec![disabled], |_| {});
    assert!(world.gaps().is_empty());
    assert_eq!(world.scheduler.job("a").unwrap().cursor, NOON.minus(RESTORE));
}

#[test]
fn startup_jobs_of_this_boot_may_have_run() {
    for (boot_id, scope, lost, runs) in [
        ("boot-1", StartupScope::Boot, 1, 0),
        ("boot-1", StartupScope::Start, 0, 1),
        ("boot-0", StartupScope::Boot, 0, 1),
    ] {
        let jobs = vec![job("a", Firing::Startup, |policy| policy.startup = scope)];
        let world = World::boot(jobs, |boot| {
            let at = NOON.minus(RESTORE);
            boot.restored = Some(Restored { at, boot_id: boot_id.to_owned() });
        });
        assert_eq!((world.gaps().len(), world.alive.len()), (lost, runs), "{boot_id} {scope:?}");
    }
}

#[test]
fn dependencies_that_came_true_before_the_copy_may_have_been_used_up() {
    let after = |jobs: &[&str]| {
        let any = jobs.iter().map(|job| Dependency { job: name(job), on: DependencyOn::Any });
        Firing::After(Arc::new(any.collect()))
    };
    let jobs = || {
        let hourly = |text| job(text, cron("0 0 * * *"), |_| {});
        vec![
            hourly("a"),
            hourly("b"),
            job("one", after(&["a"]), |_| {}),
            job("both", after(&["a", "b"]), |_| {}),
        ]
    };
    let world = world(jobs(), |boot| {
        for text in ["one", "both"] {
            boot.memory.get_mut(&name(text)).unwrap().satisfied = vec![name("a")];
        }
    });
    assert!(world.claims().is_empty());
    let lost: Vec<_> = world.gaps().iter().map(|gap| gap.job.to_string()).collect();
    assert_eq!(lost, ["one"]);
    assert!(world.scheduler.job("both").unwrap().satisfied.is_empty());
}

#[test]
fn runs_of_the_copy_are_lost_without_consequences() {
    let follows = Firing::After(Arc::new(vec![Dependency { job: name("a"), on: DependencyOn::Any }]));
    for status in [RunStatus::Queued, RunStatus::Running, RunStatus::Retrying] {
        let a = job("a", cron("0 0 * * *"), |policy| {
            policy.on_lost = OnLost::Rerun;
            policy.notify = [NotifyRule { notifier: name("n"), when: NotifyWhen::Always }].into();
        });
        let world = world(vec![a, job("b", follows.clone(), |_| {})], |boot| {
            boot.next_run = 8;
            boot.unfinished.push(Unfinished {
                run: RunId(7),
                job: name("a"),
                fire_time: Some(NOON.minus(HOUR * 12)),
                source: Source::Schedule,
                status,
                queued_at: NOON.minus(COPY),
                due_at: NOON.minus(COPY),
                attempt: 1,
                started_at: None,
                retry_at: None,
                priority: 0,
                pool: None,
                args: Vec::new(),
                forced: false,
                ending: None,
                evidence: Evidence::Unknown(Reason::Restored),
            });
        });
        assert_eq!(world.statuses(), [RunStatus::Lost]);
        assert!(world.claims().is_empty(), "{status}: neither again nor the job that waits for it");
        assert!(!world.ledger.iter().any(|change| matches!(change, Change::Notify(_))), "{status}");
    }
}

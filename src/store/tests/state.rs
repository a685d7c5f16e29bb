//! What is remembered besides runs: jobs, definitions, events, revisions, notices.

use super::{apply, at, claim, finished, memory, name, started, whole};
use crate::core::change::{Actor, Change, Hold, Notice, NoticeKind, Pause, Revision};
use crate::core::event::{Event, EventKind};
use crate::core::run::{Exit, Reason, RunId, RunStatus};
use crate::store::outbox::KEPT_NOTICES;
use crate::store::{Delivery, EventFilter, JobStateRow, Store};

fn state(store: &Store, job: &str) -> Option<JobStateRow> {
    store.load().unwrap().jobs.into_iter().find(|row| row.name == name(job))
}

fn track(job: &str) -> Change {
    Change::Track { job: name(job), cursor: at(10), anchor: at(5), trigger: "every 1m".to_owned() }
}

#[test]
fn a_jobs_state_comes_back_as_it_was() {
    let mut store = memory();
    let pause = Pause { at: at(20), until: Some(at(90)), reason: Some("holidays".to_owned()) };
    apply(
        &mut store,
        &[
            track("a"),
            Change::Pause { job: name("a"), pause: Some(pause.clone()) },
            Change::Satisfied { job: name("a"), dependencies: vec![name("b"), name("c")] },
            Change::StartupBoot { job: name("a"), boot_id: "boot-1".to_owned() },
            Change::Overdue { job: name("a"), since: at(7) },
        ],
    );
    let expected = JobStateRow {
        name: name("a"),
        cursor: Some(at(10)),
        anchor: Some(at(5)),
        trigger: Some("every 1m".to_owned()),
        pause: Some(pause),
        satisfied: vec![name("b"), name("c")],
        startup_boot: Some("boot-1".to_owned()),
        last_success: None,
        well: None,
        overdue_since: Some(at(7)),
    };
    assert_eq!(state(&store, "a"), Some(expected.clone()));
    apply(
        &mut store,
        &[
            Change::Pause { job: name("a"), pause: None },
            Change::Satisfied { job: name("a"), dependencies: Vec::new() },
        ],
    );
    assert_eq!(state(&store, "a"), Some(JobStateRow { pause: None, satisfied: Vec::new(), ..expected }));
    apply(&mut store, &[Change::Forget { job: name("a") }]);
    assert_eq!(state(&store, "a"), None);
}

#[test]
fn how_a_jobs_last_run_ended_is_kept_with_it() {
    let mut store = memory();
    let well = |store: &Store| {
        let row = state(store, "a").unwrap();
        (row.well, row.last_success)
    };
    apply(&mut store, &[track("a")]);
    apply(&mut store, &[claim(1, "a", 60), finished(1, RunStatus::Cancelled, 61)]);
    assert_eq!(well(&store), (None, None), "what never started says nothing");
    apply(&mut store, &whole(2, "a", 120, RunStatus::Succeeded));
    assert_eq!(well(&store), (Some(true), Some(at(121))));
    apply(&mut store, &whole(3, "a", 180, RunStatus::TimedOut));
    assert_eq!(well(&store), (Some(false), Some(at(121))));
    apply(&mut store, &whole(4, "a", 240, RunStatus::Succeeded));
    apply(&mut store, &whole(5, "a", 300, RunStatus::Cancelled));
    assert_eq!(well(&store), (Some(true), Some(at(241))), "a cancelled run is not the job's fault");
    apply(&mut store, &[claim(6, "a", 360), finished(6, RunStatus::Failed, 361)]);
    assert_eq!(well(&store), (Some(false), Some(at(241))), "it could not be started");
}

#[test]
fn the_end_of_a_forgotten_jobs_run_brings_no_state_back() {
    let mut store = memory();
    apply(&mut store, &[track("a"), claim(1, "a", 60), started(1, 60), Change::Forget { job: name("a") }]);
    apply(&mut store, &[finished(1, RunStatus::Succeeded, 61)]);
    assert_eq!(state(&store, "a"), None);
    assert!(store.reader().run(RunId(1)).unwrap().is_some(), "the history stays");
}

#[test]
fn definitions_are_replaced_and_removed_with_their_state() {
    let mut store = memory();
    let define = |toml: &str| Change::Define { job: name("a"), toml: toml.to_owned() };
    apply(&mut store, &[define("x = 1"), define("x = 2"), track("a")]);
    assert_eq!(store.load().unwrap().definitions, [(name("a"), "x = 2".to_owned())]);
    let of = store.reader().definitions_of(&[name("b"), name("a")]);
    assert_eq!(of.unwrap(), [None, Some("x = 2".to_owned())]);
    apply(&mut store, &[Change::Undefine { job: name("a") }]);
    let loaded = store.load().unwrap();
    assert!(loaded.definitions.is_empty() && loaded.jobs.is_empty());
}

#[test]
fn hold_and_heartbeat_come_back() {
    let mut store = memory();
    let hold = Hold { at: at(7), reason: Some("maintenance".to_owned()) };
    apply(&mut store, &[Change::Hold(Some(hold.clone())), Change::Heartbeat { at: at(8) }]);
    let loaded = store.load().unwrap();
    assert_eq!((loaded.hold, loaded.heartbeat), (Some(hold), Some(at(8))));
    apply(&mut store, &[Change::Hold(None), Change::Heartbeat { at: at(3) }]);
    let loaded = store.load().unwrap();
    assert_eq!((loaded.hold, loaded.heartbeat), (None, Some(at(3))));
}

#[test]
fn counts_follow_the_outcomes() {
    let mut store = memory();
    apply(&mut store, &whole(1, "a", 60, RunStatus::Succeeded));
    apply(&mut store, &whole(2, "a", 120, RunStatus::Succeeded));
    apply(&mut store, &whole(3, "b", 120, RunStatus::Lost));
    apply(&mut store, &[super::gap(4, "a", RunStatus::Missed, 180, 2_000_000, 33_000)]);
    apply(&mut store, &[claim(5, "a", 2_000_060)]);
    let counts = store.reader().counts().unwrap();
    let a: Vec<_> = counts.get("a").unwrap().iter().map(|(status, count)| (*status, *count)).collect();
    assert_eq!(a, [(RunStatus::Succeeded, 2), (RunStatus::Missed, 33_000)]);
    assert_eq!(counts.get("b"), Some(&store.reader().counts_of(&name("b")).unwrap()));
}

fn events(store: &mut Store, count: i64) {
    let changes: Vec<Change> = (1..=count)
        .map(|n| {
            let kind = if n % 2 == 0 { EventKind::RunFailed } else { EventKind::RunQueued };
            let mut event = Event::new(at(n), kind);
            event.job = Some(name(if n % 3 == 0 { "three" } else { "other" }));
            Change::Event(event)
        })
        .collect();
    apply(store, &changes);
}

#[test]
fn events_keep_their_fields_and_their_order() {
    let mut store = memory();
    assert_eq!(store.reader().last_seq().unwrap(), 0);
    let event = Event {
        at: at(1),
        kind: EventKind::RunFailed,
        job: Some(name("a")),
        run: Some(RunId(7)),
        attempt: Some(2),
        fire_time: Some(at(0)),
        exit: Some(Exit::Code(3)),
        reason: Some(Reason::ExitCode),
        detail: Some("text".to_owned()),
    };
    apply(
        &mut store,
        &[Change::Event(event.clone()), Change::Event(Event::new(at(0), EventKind::JobsLoaded))],
    );
    let rows = store.reader().events(&EventFilter::default()).unwrap();
    let row = rows.first().unwrap();
    let back = Event {
        at: row.at,
        kind: row.kind,
        job: row.job.clone(),
        run: row.run,
        attempt: row.attempt,
        fire_time: row.fire_time,
        exit: row.exit,
        reason: row.reason,
        detail: row.detail.clone(),
    };
    assert_eq!(back, event);
    assert_eq!(rows.iter().map(|row| row.seq).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(store.reader().last_seq().unwrap(), 2);
}

#[test]
fn events_are_filtered() {
    let mut store = memory();
    events(&mut store, 12);
    let seqs = |filter: EventFilter| -> Vec<u64> {
        store.reader().events(&filter).unwrap().into_iter().map(|event| event.seq).collect()
    };
    let all = EventFilter::default();
    assert_eq!(seqs(EventFilter { limit: Some(3), ..all.clone() }), [10, 11, 12]);
    assert_eq!(seqs(EventFilter { after_seq: Some(2), limit: Some(3), ..all.clone() }), [3, 4, 5]);
    assert_eq!(seqs(EventFilter { after_seq: Some(12), ..all.clone() }), [0; 0]);
    assert_eq!(seqs(EventFilter { since: Some(at(11)), ..all.clone() }), [11, 12]);
    assert_eq!(seqs(EventFilter { job: Some(name("three")), ..all.clone() }), [3, 6, 9, 12]);
    let failed = EventFilter { kinds: vec![EventKind::RunFailed, EventKind::RunLost], ..all };
    assert_eq!(seqs(EventFilter { job: Some(name("three")), ..failed }), [6, 12]);
}

#[test]
fn revisions_say_who_did_what() {
    let mut store = memory();
    let revision = |n, job: &str, by| {
        Change::Revision(Revision {
            at: at(n),
            action: EventKind::JobEdited,
            job: name(job),
            before: None,
            after: Some("x = 1".to_owned()),
            by,
        })
    };
    let client = Actor::Client { uid: 1000, pid: 77 };
    apply(
        &mut store,
        &[revision(1, "a", client), revision(2, "b", Actor::JobFile), revision(3, "a", Actor::JobFile)],
    );
    let all = store.reader().revisions(None, 2).unwrap();
    assert_eq!(all.iter().map(|row| row.id).collect::<Vec<_>>(), [3, 2]);
    let of_a = store.reader().revisions(Some(&name("a")), 10).unwrap();
    assert_eq!(
        of_a.iter().map(|row| (row.id, row.by)).collect::<Vec<_>>(),
        [(3, Actor::JobFile), (1, client)]
    );
    assert_eq!(of_a.first().unwrap().after.as_deref(), Some("x = 1"));
}

fn notice(secs: i64) -> Change {
    Change::Notify(Notice {
        notifier: name("mail"),
        job: name("a"),
        run: Some(RunId(1)),
        at: at(secs),
        kind: NoticeKind::Failed,
    })
}

#[test]
fn n1_notices_wait_until_they_are_delivered() {
    let mut store = memory();
    apply(&mut store, &[notice(10), notice(20), notice(30)]);
    let due = |store: &Store, secs| -> Vec<u64> {
        store.reader().outbox_due(at(secs), 10).unwrap().into_iter().map(|notice| notice.id).collect()
    };
    assert_eq!(due(&store, 25), [1, 2]);
    store.deliver(1, Delivery::Failed { next_at: at(60) }).unwrap();
    store.deliver(2, Delivery::Done).unwrap();
    assert_eq!(due(&store, 40), [3]);
    assert_eq!(store.reader().outbox_next().unwrap(), Some(at(30)));
    assert_eq!(due(&store, 60), [3, 1]);
    let rows = store.reader().outbox_due(at(60), 10).unwrap();
    let again = rows.iter().find(|notice| notice.id == 1).unwrap();
    assert_eq!((again.attempts, again.kind, again.at), (1, NoticeKind::Failed, at(10)));
    for id in [1, 3] {
        store.deliver(id, Delivery::Done).unwrap();
    }
    assert_eq!(store.reader().outbox_next().unwrap(), None);
}

#[test]
fn n1_a_notifier_that_never_answers_costs_a_bounded_number_of_rows() {
    let mut store = memory();
    let many: Vec<Change> = (0..i64::try_from(KEPT_NOTICES).unwrap() + 5).map(notice).collect();
    apply(&mut store, &many);
    let waiting = store.reader().outbox_due(at(i64::MAX / 2_000_000), usize::MAX).unwrap();
    assert_eq!(waiting.len() as u64, KEPT_NOTICES);
    assert_eq!(waiting.first().unwrap().id, 6, "the oldest made room");
}

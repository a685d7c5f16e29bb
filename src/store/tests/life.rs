//! The life of one row, every column of it.

use std::time::Duration;

use super::{apply, at, claim_of, finish_of, memory, name};
use crate::core::change::{Change, Claim, Finish};
use crate::core::event::{Event, EventKind};
use crate::core::run::{Exit, ProcessMark, Reason, RunId, RunStatus, Source, Usage};
use crate::core::trigger::FireNote;
use crate::store::{Outcome, RunRow, Store};

const RUN: RunId = RunId(7);

fn rich_claim() -> Claim {
    Claim {
        attempts: 3,
        coalesced: 4,
        note: Some(FireNote::Gap),
        priority: -5,
        pool: Some(name("io")),
        args: vec!["--force".to_owned(), "\"ä\n".to_owned()],
        forced: true,
        due_at: at(65),
        ..claim_of(RUN.0, "a", 60)
    }
}

fn queued() -> RunRow {
    RunRow {
        run: RUN,
        job: name("a"),
        fire_time: Some(at(60)),
        first_fire_time: None,
        occurrences: 1,
        status: RunStatus::Queued,
        reason: None,
        detail: None,
        source: Source::Schedule,
        attempt: 0,
        attempts: 3,
        queued_at: at(60),
        due_at: at(65),
        started_at: None,
        finished_at: None,
        retry_at: None,
        duration: None,
        exit: None,
        process: None,
        boot_id: Some("boot-1".to_owned()),
        host: "thor".to_owned(),
        coalesced: 4,
        note: Some(FireNote::Gap),
        priority: -5,
        pool: Some(name("io")),
        args: vec!["--force".to_owned(), "\"ä\n".to_owned()],
        forced: true,
        ending_at: None,
        usage: None,
        result: None,
    }
}

fn running() -> RunRow {
    RunRow {
        status: RunStatus::Running,
        attempt: 1,
        started_at: Some(at(66)),
        process: Some(ProcessMark { pid: 99, start_ticks: 123_456 }),
        boot_id: Some("boot-2".to_owned()),
        ..queued()
    }
}

/// A store of the second boot in which the run of the first has started.
fn with_running() -> Store {
    let mut store = memory();
    apply(&mut store, &[Change::Claim(rich_claim())]);
    store.session.boot_id = "boot-2".to_owned();
    apply(&mut store, &[Change::Started { run: RUN, attempt: 1, at: at(66), process: running().process }]);
    store
}

fn retrying() -> Change {
    Change::Retrying {
        run: RUN,
        attempt: 1,
        retry_at: at(90),
        reason: Reason::Signal,
        detail: Some("signal 9".to_owned()),
        exit: Some(Exit::Signal(9)),
    }
}

#[track_caller]
fn unfinished_is(store: &Store, expected: RunRow) {
    assert_eq!(store.load().unwrap().unfinished, [expected]);
}

#[test]
fn p2_a_claim_comes_back_as_it_was() {
    let mut store = memory();
    apply(&mut store, &[Change::Claim(rich_claim())]);
    unfinished_is(&store, queued());
}

#[test]
fn p3_a_running_run_comes_back_with_its_process_and_boot() {
    unfinished_is(&with_running(), running());
}

#[test]
fn a_waiting_run_comes_back_with_its_failure_and_its_next_start() {
    let mut store = with_running();
    apply(&mut store, &[retrying()]);
    let waiting = RunRow {
        status: RunStatus::Retrying,
        retry_at: Some(at(90)),
        reason: Some(Reason::Signal),
        detail: Some("signal 9".to_owned()),
        exit: Some(Exit::Signal(9)),
        ..running()
    };
    unfinished_is(&store, waiting);
}

#[test]
fn the_next_attempt_leaves_the_first_start() {
    let mut store = with_running();
    apply(&mut store, &[retrying(), Change::Started { run: RUN, attempt: 2, at: at(91), process: None }]);
    unfinished_is(&store, RunRow { attempt: 2, process: None, ..running() });
}

#[test]
fn the_end_is_written_down_in_full() {
    let mut store = with_running();
    let usage = Usage {
        user: Duration::from_micros(1_500_000),
        system: Duration::from_micros(7),
        peak_memory: 1 << 40,
    };
    let finish = Finish {
        reason: Some(Reason::ExitCode),
        detail: Some("exit code 3".to_owned()),
        duration: Some(Duration::from_millis(26_001)),
        exit: Some(Exit::Code(3)),
        usage: Some(usage),
        result: Some("{}".to_owned()),
        ..finish_of(RUN.0, RunStatus::Failed, 92)
    };
    apply(&mut store, &[Change::Finished(finish)]);
    let ended = RunRow {
        status: RunStatus::Failed,
        reason: Some(Reason::ExitCode),
        detail: Some("exit code 3".to_owned()),
        finished_at: Some(at(92)),
        duration: Some(Duration::from_millis(26_001)),
        exit: Some(Exit::Code(3)),
        usage: Some(usage),
        result: Some("{}".to_owned()),
        ..running()
    };
    assert_eq!(store.reader().run(RUN).unwrap(), Some(ended));
    assert_eq!(store.load().unwrap().unfinished, []);
}

#[test]
fn what_brings_a_run_to_its_end_comes_back_with_it() {
    let mut store = with_running();
    let ending = |secs, detail: &str| Change::Ending {
        run: RUN,
        reason: Reason::Cancelled,
        detail: Some(detail.to_owned()),
        at: at(secs),
    };
    apply(&mut store, &[ending(70, "why")]);
    assert_eq!(store.commit(&[ending(71, "again")]).unwrap(), [Outcome::Refused]);
    let asked = RunRow {
        reason: Some(Reason::Cancelled),
        detail: Some("why".to_owned()),
        ending_at: Some(at(70)),
        ..running()
    };
    unfinished_is(&store, asked.clone());
    // A hook is started after the work.
    let process = running().process;
    apply(&mut store, &[Change::Started { run: RUN, attempt: 1, at: at(72), process }]);
    unfinished_is(&store, asked);
    let again = Change::Retrying {
        run: RUN,
        attempt: 1,
        retry_at: at(90),
        reason: Reason::Timeout,
        detail: None,
        exit: None,
    };
    apply(&mut store, &[again, Change::Started { run: RUN, attempt: 2, at: at(90), process }]);
    unfinished_is(&store, RunRow { attempt: 2, ..running() });
}

#[test]
fn a_run_has_the_same_row_however_its_changes_are_grouped() {
    let process = Some(ProcessMark { pid: 99, start_ticks: 123_456 });
    let started = |attempt, secs| Change::Started { run: RUN, attempt, at: at(secs), process };
    let ending =
        || Change::Ending { run: RUN, reason: Reason::Cancelled, detail: Some("why".to_owned()), at: at(70) };
    let end = |status| {
        let reason = (status != RunStatus::Succeeded).then_some(Reason::ExitCode);
        Change::Finished(Finish { reason, ..finish_of(RUN.0, status, 92) })
    };
    let mut told = Event::new(at(66), EventKind::RunStarted);
    told.run = Some(RUN);
    let lives: [Vec<Change>; 7] = [
        vec![started(1, 66), end(RunStatus::Succeeded)],
        vec![started(1, 66), Change::Event(told), end(RunStatus::Failed)],
        vec![started(1, 66), end(RunStatus::TimedOut)],
        vec![started(1, 66), started(1, 67), end(RunStatus::Succeeded)],
        vec![started(1, 66), ending(), end(RunStatus::Cancelled)],
        vec![started(1, 66), retrying(), started(2, 91), end(RunStatus::Succeeded)],
        vec![end(RunStatus::Cancelled)],
    ];
    for life in lives {
        let result = |groups: Vec<&[Change]>| {
            let mut store = memory();
            apply(&mut store, &[Change::Claim(rich_claim())]);
            store.session.boot_id = "boot-2".to_owned();
            groups.into_iter().for_each(|group| apply(&mut store, group));
            let reader = store.reader();
            let counts = reader.counts().unwrap();
            (reader.run(RUN).unwrap(), counts, reader.job_states().unwrap())
        };
        let together = result(vec![&life]);
        assert_eq!(together.0.as_ref().and_then(|row| row.finished_at), Some(at(92)));
        assert_eq!(together, result(life.chunks(1).collect()), "{life:?}");
        assert_eq!(together, result(life.chunks(2).collect()), "{life:?}");
    }
}

#[test]
fn a_run_that_nobody_has_claimed_leaves_nothing_behind() {
    let mut store = memory();
    let started = Change::Started { run: RUN, attempt: 1, at: at(66), process: None };
    let outcomes =
        store.commit(&[started, Change::Finished(finish_of(RUN.0, RunStatus::Succeeded, 67))]).unwrap();
    assert_eq!(outcomes[1], Outcome::Refused);
    assert_eq!(store.reader().run(RUN).unwrap(), None);
    assert!(store.reader().counts().unwrap().is_empty());
}

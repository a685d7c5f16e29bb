//! Deliveries to servers and programs that behave well, badly and not at all.

mod programs;
mod web;

use std::path::PathBuf;
use std::time::Duration;

use super::{Courier, Message};
use crate::core::change::NoticeKind;
use crate::core::name::Name;
use crate::core::notifier::{Channel, NotifierSettings};
use crate::core::run::{Exit, Reason, RunId, RunStatus};

/// A limit that a healthy delivery never comes near.
const AMPLE: Duration = Duration::from_secs(60);

/// A limit for deliveries that must run into it.
const SHORT: Duration = Duration::from_millis(500);

pub(in crate::notify) fn message() -> Message {
    Message {
        notifier: Name::new("ops").unwrap(),
        kind: NoticeKind::Failed,
        job: Name::new("backup").unwrap(),
        run: Some(RunId(42)),
        status: Some(RunStatus::Failed),
        reason: Some(Reason::ExitCode),
        detail: Some("exit code 3 after 2 attempts".to_owned()),
        exit: Some(Exit::Code(3)),
        fire_time: Some("2026-03-29T03:00:00+02:00".to_owned()),
        started_at: Some("2026-03-29T03:00:00.120+02:00".to_owned()),
        finished_at: Some("2026-03-29T03:01:02.120+02:00".to_owned()),
        duration: Some(Duration::from_secs(62)),
        host: "web1".to_owned(),
        log: Some(PathBuf::from("/var/lib/jobctl/logs/backup/42.log")),
        output_tail: "tar: größe: cannot open\n.\n".as_bytes().to_vec(),
        output_cut: false,
    }
}

fn settings(channel: Channel, timeout: Duration) -> NotifierSettings {
    NotifierSettings { name: Name::new("ops").unwrap(), channel, timeout }
}

fn courier() -> Courier {
    let path = std::env::var_os("PATH").unwrap();
    Courier::new([("PATH".into(), path), ("JOBCTL_REASON".into(), "inherited".into())]).without_proxy()
}

#[test]
fn n1_the_output_is_bounded_and_begins_with_a_whole_line() {
    let mut message = message();
    assert_eq!(message.tail(), (&message.output_tail[..], false));
    message.output_tail = b"0123456789\n".repeat(10_000);
    let (tail, cut) = message.tail();
    assert!(cut && tail.len() <= super::OUTPUT_LIMIT && tail.starts_with(b"0123456789\n"));
    message.output_tail = vec![b'x'; 100_000];
    assert_eq!(message.tail().0.len(), super::OUTPUT_LIMIT);
}

#[test]
fn n2_each_change_of_state_has_its_own_words() {
    let failed = |status, exit| (NoticeKind::Failed, Some(status), exit);
    for ((kind, status, exit), expected) in [
        ((NoticeKind::Started, None, None), "backup started on web1"),
        ((NoticeKind::Succeeded, None, Some(Exit::Code(0))), "backup succeeded on web1"),
        ((NoticeKind::Recovered, None, Some(Exit::Code(0))), "backup succeeds again on web1"),
        ((NoticeKind::Overdue, None, None), "backup runs for longer than expected on web1"),
        (failed(RunStatus::Failed, Some(Exit::Code(3))), "backup failed on web1 (exit code 3)"),
        (failed(RunStatus::TimedOut, Some(Exit::Signal(9))), "backup timed out on web1 (signal 9)"),
        (failed(RunStatus::Missed, None), "backup was missed on web1"),
        (failed(RunStatus::Lost, None), "backup was lost on web1"),
    ] {
        let message = Message { kind, status, exit, ..message() };
        assert_eq!(message.summary(), expected);
    }
    // Not one run is late, but the next success.
    let message = Message { kind: NoticeKind::Overdue, run: None, ..message() };
    assert_eq!(message.summary(), "backup is overdue on web1");
}

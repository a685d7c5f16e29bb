//! Mail and commands against programs of a few lines of shell.

use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command as Process;

use rustix::fs::{CWD, FileType, Mode, OFlags};

use super::{AMPLE, SHORT, courier, message, settings};
use crate::core::job::{Command, Words};
use crate::core::notifier::Channel;
use crate::notify::{Courier, DeliveryError, Message};

/// Writes a script. A shell does it: a file that this process had open for writing could not be executed
/// while another test's child still holds the descriptor.
fn script(directory: &Path, text: &str) -> PathBuf {
    let file = directory.join("sendmail");
    let write = "printf '#!/bin/sh\\n%s\\n' \"$1\" > \"$0\" && chmod 700 \"$0\"";
    assert!(Process::new("/bin/sh").args(["-c", write]).arg(&file).arg(text).status().unwrap().success());
    file
}

fn mail() -> Channel {
    Channel::Mail { to: vec!["ops@example.org".to_owned()], from: None }
}

fn shell(text: String) -> Channel {
    Channel::Command(Command::Shell(text.into()))
}

#[test]
fn mail_goes_through_sendmail() {
    let directory = tempfile::tempdir().unwrap();
    let sendmail = script(directory.path(), "cd \"${0%/*}\"; echo \"$@\" > args; cat > mail");
    courier().with_sendmail(sendmail).deliver(&settings(mail(), AMPLE), &message()).unwrap();
    let read = |name: &str| std::fs::read_to_string(directory.path().join(name)).unwrap();
    assert_eq!(read("args"), "-i -t\n");
    let mail = read("mail");
    assert!(mail.starts_with("To: ops@example.org\nSubject: [jobctl] backup failed on web1 (exit code 3)\n"));
    assert!(mail.contains("attachment; filename=\"backup-42.txt\""), "{mail}");
    assert!(mail.contains("\ntar: gr=C3=B6=C3=9Fe: cannot open\n.\n"), "{mail}");
}

#[test]
fn n1_a_sendmail_that_fails_says_why_and_is_tried_again() {
    let directory = tempfile::tempdir().unwrap();
    let sendmail = script(directory.path(), "echo first; echo 'queue is full' >&2; exit 75");
    let error = courier().with_sendmail(sendmail.clone()).deliver(&settings(mail(), AMPLE), &message());
    let error = error.unwrap_err();
    assert_eq!(error.to_string(), format!("{} ended with exit code 75: queue is full", sendmail.display()));
    assert!(!error.is_permanent());
}

#[test]
fn n1_a_sendmail_that_does_not_read_does_not_hang_the_delivery() {
    let directory = tempfile::tempdir().unwrap();
    let sendmail = script(directory.path(), "exit 0");
    let message = Message { output_tail: vec![0xff; 1 << 20], ..message() };
    courier().with_sendmail(sendmail).deliver(&settings(mail(), AMPLE), &message).unwrap();
}

#[test]
fn a_missing_sendmail_may_be_installed_later() {
    let missing = courier().with_sendmail(PathBuf::from("/nonexistent/sendmail"));
    let error = missing.deliver(&settings(mail(), AMPLE), &message()).unwrap_err();
    assert!(matches!(error, DeliveryError::NotStarted { .. }) && !error.is_permanent(), "{error:?}");
    let none = Courier { sendmail: None, ..courier() };
    let error = none.deliver(&settings(mail(), AMPLE), &message()).unwrap_err();
    assert!(matches!(error, DeliveryError::NoSendmail) && !error.is_permanent(), "{error:?}");
}

#[test]
fn a_command_gets_the_message_in_its_environment_and_on_stdin() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().display();
    let command = shell(format!("env | grep ^JOBCTL_ | sort > {place}/env; cat > {place}/input"));
    let quiet = Message { reason: None, detail: Some("two\nlines\0end".to_owned()), ..message() };
    courier().deliver(&settings(command, AMPLE), &quiet).unwrap();
    insta::assert_snapshot!(std::fs::read_to_string(directory.path().join("env")).unwrap());
    let input = std::fs::read_to_string(directory.path().join("input")).unwrap();
    assert!(input.starts_with("backup failed on web1 (exit code 3).\n"), "{input}");
    assert!(input.ends_with("Its output:\n\ntar: größe: cannot open\n.\n"), "{input}");
}

#[test]
fn a_command_of_words_needs_no_shell() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("a file; with $odd name");
    let words = ["cp", "/dev/stdin", file.to_str().unwrap()].into_iter().collect();
    courier().deliver(&settings(Channel::Command(Command::Argv(words)), AMPLE), &message()).unwrap();
    assert!(std::fs::read_to_string(file).unwrap().contains("jobctl why backup"));
    let empty = Channel::Command(Command::Argv(Words::default()));
    let error = courier().deliver(&settings(empty, AMPLE), &message()).unwrap_err();
    assert!(matches!(error, DeliveryError::NoCommand) && error.is_permanent(), "{error:?}");
}

#[test]
fn a_command_that_is_ended_by_a_signal_has_failed() {
    let error = courier().deliver(&settings(shell("kill -9 $$".to_owned()), AMPLE), &message()).unwrap_err();
    assert!(matches!(error, DeliveryError::Signal { signal: 9, .. }), "{error:?}");
}

#[test]
fn n1_a_command_that_floods_its_output_is_remembered_by_its_last_line() {
    let flood = "head -c 3000000 /dev/zero | tr '\\0' x; echo; echo last; exit 1";
    let error = courier().deliver(&settings(shell(flood.to_owned()), AMPLE), &message()).unwrap_err();
    assert!(matches!(&error, DeliveryError::ExitCode { answer, .. } if answer == "last"), "{error:?}");
}

/// Makes a FIFO whose end of file shows that no process holds it open for writing any more.
fn witness(file: &Path) -> std::fs::File {
    rustix::fs::mknodat(CWD, file, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    let reader = std::fs::File::options()
        .read(true)
        .custom_flags(i32::try_from(OFlags::NONBLOCK.bits()).unwrap())
        .open(file)
        .unwrap();
    rustix::fs::fcntl_setfl(&reader, OFlags::empty()).unwrap();
    reader
}

/// Lets a command say that it has started, then hang; returns once no process of it is left.
fn hang(how: &str) {
    let directory = tempfile::tempdir().unwrap();
    let fifo = directory.path().join("alive");
    let mut alive = witness(&fifo);
    let command = shell(format!("exec 9>{}; echo started >&9; {how}", fifo.display()));
    let error = courier().deliver(&settings(command, SHORT * 4), &message()).unwrap_err();
    assert!(matches!(error, DeliveryError::TimedOut(_)) && !error.is_permanent(), "{error:?}");
    let mut seen = String::new();
    alive.read_to_string(&mut seen).unwrap();
    assert_eq!(seen, "started\n", "{how}");
}

#[test]
fn n1_a_command_that_hangs_is_killed_with_its_children() {
    std::thread::scope(|scope| {
        for how in [
            "sleep 1000 & wait",
            "trap '' TERM INT HUP; (trap '' TERM; sleep 1000; sleep 1000) & sleep 1000",
            "exec >&- 2>&-; sleep 1000 & wait",
            "while :; do echo flood; done",
        ] {
            scope.spawn(move || hang(how));
        }
    });
}

#[test]
fn a_program_may_leave_work_behind() {
    let directory = tempfile::tempdir().unwrap();
    let fifo = directory.path().join("alive");
    let go = directory.path().join("go");
    let mut alive = witness(&fifo);
    drop(witness(&go));
    let (fifo, go) = (fifo.display(), go.display());
    let background = format!("exec 9>{fifo}; (read word < {go}; echo $word >&9) & exit 0");
    // The child keeps the output open, too; the delivery is over all the same.
    courier().deliver(&settings(shell(background), AMPLE), &message()).unwrap();
    std::fs::write(go.to_string(), "late\n").unwrap();
    let mut seen = String::new();
    alive.read_to_string(&mut seen).unwrap();
    assert_eq!(seen, "late\n");
}

//! The notifier that is a command: the message in its environment and on its stdin.

use std::process::Command;

use super::error::DeliveryError;
use super::message::{Message, one_line};
use crate::core::job;
use crate::core::run::Exit;

/// The shell of a text command.
const SHELL: &str = "/bin/sh";

/// Makes the command without arguments of its own as the job file gives it: a text runs in `/bin/sh -c`.
pub(super) fn program(command: &job::Command) -> Result<(&str, Vec<&str>), DeliveryError> {
    match command {
        job::Command::Shell(text) => Ok((SHELL, vec!["-c", text])),
        job::Command::Argv(words) => {
            let mut words = words.iter();
            let program = words.next().ok_or(DeliveryError::NoCommand)?;
            Ok((program, words.collect()))
        }
    }
}

/// Puts the message into the environment of a command; a variable that does not apply is not set.
///
/// `JOBCTL_NOTIFIER`, `JOBCTL_NOTIFY_KIND`, `JOBCTL_JOB` and `JOBCTL_HOST` are always there; `JOBCTL_SUMMARY`
/// is the message in one line. `JOBCTL_EXIT_CODE` is the code as a shell reports it, 128 + N for signal N.
pub(super) fn set_variables(command: &mut Command, message: &Message) {
    let exit_code = message.exit.map(|exit: Exit| exit.shell_code().to_string());
    let variables = [
        ("JOBCTL_NOTIFIER", Some(message.notifier.to_string())),
        ("JOBCTL_NOTIFY_KIND", Some(message.kind.as_str().to_owned())),
        ("JOBCTL_JOB", Some(message.job.to_string())),
        ("JOBCTL_HOST", Some(message.host.clone())),
        ("JOBCTL_SUMMARY", Some(message.summary())),
        ("JOBCTL_RUN_ID", message.run.map(|run| run.to_string())),
        ("JOBCTL_STATUS", message.status.map(|status| status.to_string())),
        ("JOBCTL_REASON", message.reason.map(|reason| reason.as_str().to_owned())),
        ("JOBCTL_DETAIL", message.detail.clone()),
        ("JOBCTL_EXIT_CODE", exit_code),
        ("JOBCTL_FIRE_TIME", message.fire_time.clone()),
        ("JOBCTL_STARTED_AT", message.started_at.clone()),
        ("JOBCTL_FINISHED_AT", message.finished_at.clone()),
        ("JOBCTL_DURATION_MS", message.duration.map(|length| length.as_millis().to_string())),
        ("JOBCTL_LOG", message.log.as_ref().map(|path| path.to_string_lossy().into_owned())),
    ];
    for (name, value) in variables {
        match value {
            Some(value) => command.env(name, one_line(&value)),
            None => command.env_remove(name),
        };
    }
}

/// Returns what the command reads on its stdin: the text of a mail, an empty line and the output.
pub(super) fn input(message: &Message) -> Vec<u8> {
    let mut text = message.body().into_bytes();
    let (output, cut) = message.tail();
    if !output.is_empty() {
        text.extend_from_slice(if cut { b"\nThe end of its output:\n\n" } else { b"\nIts output:\n\n" });
        text.extend_from_slice(output);
    }
    // What is appended to a file must not run into what comes next.
    if !text.ends_with(b"\n") {
        text.push(b'\n');
    }
    text
}

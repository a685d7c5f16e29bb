//! A message: what a notifier is to say, and its wording for people.

use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

use crate::core::change::NoticeKind;
use crate::core::duration;
use crate::core::name::Name;
use crate::core::run::{Exit, Reason, RunId, RunStatus};

/// How much of a run's output goes with a message, bytes. More is cut from the front.
pub const OUTPUT_LIMIT: usize = 64 * 1024;

/// The longest text of one field, characters: a detail comes from outside and may be of any length.
const FIELD_LIMIT: usize = 2000;

/// What a notifier is to say. Everything in it is as it was when the notice was queued.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Which notifier says it.
    pub notifier: Name,
    /// What became true.
    pub kind: NoticeKind,
    /// About which job.
    pub job: Name,
    /// About which run, if one is meant.
    pub run: Option<RunId>,
    /// How the run stands.
    pub status: Option<RunStatus>,
    /// Why.
    pub reason: Option<Reason>,
    /// More about the reason.
    pub detail: Option<String>,
    /// How the deciding command ended.
    pub exit: Option<Exit>,
    /// When the run was due, RFC 3339 with the offset of the job's zone.
    pub fire_time: Option<String>,
    /// When it started, RFC 3339.
    pub started_at: Option<String>,
    /// When it ended, RFC 3339.
    pub finished_at: Option<String>,
    /// How long it took.
    pub duration: Option<Duration>,
    /// The name of this machine.
    pub host: String,
    /// The file with the run's output.
    pub log: Option<PathBuf>,
    /// The end of the run's output; only the last [`OUTPUT_LIMIT`] bytes are sent.
    pub output_tail: Vec<u8>,
    /// True: the run's output begins before `output_tail`.
    pub output_cut: bool,
}

impl Message {
    /// Says in one line what became true, as in the subject of a mail.
    pub fn summary(&self) -> String {
        let (job, host) = (&self.job, one_line(&self.host));
        let mut text = match self.kind {
            NoticeKind::Started => format!("{job} started on {host}"),
            NoticeKind::Succeeded => format!("{job} succeeded on {host}"),
            NoticeKind::Recovered => format!("{job} succeeds again on {host}"),
            NoticeKind::Overdue if self.run.is_some() => {
                format!("{job} runs for longer than expected on {host}")
            }
            NoticeKind::Overdue => format!("{job} is overdue on {host}"),
            NoticeKind::Failed => match self.status {
                Some(RunStatus::TimedOut) => format!("{job} timed out on {host}"),
                Some(RunStatus::Cancelled) => format!("{job} was cancelled on {host}"),
                Some(RunStatus::Missed) => format!("{job} was missed on {host}"),
                Some(RunStatus::Skipped) => format!("{job} was skipped on {host}"),
                Some(RunStatus::Lost) => format!("{job} was lost on {host}"),
                _ => format!("{job} failed on {host}"),
            },
        };
        if let (NoticeKind::Failed, Some(exit)) = (self.kind, self.exit) {
            text.push_str(&format!(" ({})", exit_text(exit)));
        }
        text
    }

    /// Says everything but the output, in lines of plain text, with what to do next.
    pub fn body(&self) -> String {
        let mut text = format!("{}.\n\n", self.summary());
        for (name, value) in self.facts() {
            let _ = writeln!(text, "  {name:<10}{}", one_line(&value));
        }
        text.push_str("\nWhat to do next:\n");
        let mut advice = |command: String, purpose: &str| {
            let _ = writeln!(text, "  {command}\n      {purpose}");
        };
        advice(format!("jobctl why {}", self.job), "says what became of each time the job was due");
        if let Some(run) = self.run {
            advice(format!("jobctl logs {run}"), "shows all of this run's output that is kept");
        }
        if matches!(self.kind, NoticeKind::Failed | NoticeKind::Overdue) {
            advice(format!("jobctl run-now {}", self.job), "runs it once more; its schedule stays as it is");
        }
        text
    }

    /// Returns the output to send, and whether there was more before it.
    ///
    /// What is cut off ends with a line where there is one, so that the first line sent is whole.
    pub fn tail(&self) -> (&[u8], bool) {
        let excess = self.output_tail.len().saturating_sub(OUTPUT_LIMIT);
        if excess == 0 {
            return (&self.output_tail, self.output_cut);
        }
        let kept = &self.output_tail[excess..];
        let line = kept.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let whole = &kept[line..];
        (if whole.is_empty() { kept } else { whole }, true)
    }

    fn facts(&self) -> Vec<(&'static str, String)> {
        let facts = [
            ("job", Some(self.job.to_string())),
            ("run", self.run.map(|run| run.to_string())),
            ("status", self.status.map(|status| status.to_string())),
            ("reason", self.reason.map(|reason| reason.as_str().to_owned())),
            ("detail", self.detail.clone()),
            ("ended", self.exit.map(exit_text)),
            ("due", self.fire_time.clone()),
            ("started", self.started_at.clone()),
            ("finished", self.finished_at.clone()),
            ("took", self.duration.map(duration::format)),
            ("host", Some(self.host.clone())),
            ("output", self.log.as_ref().map(|path| path.to_string_lossy().into_owned())),
        ];
        facts.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

fn exit_text(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("exit code {code}"),
        Exit::Signal(signal) => format!("signal {signal}"),
    }
}

/// Makes a text from outside one line of bounded length without control characters: it must not add headers
/// to a mail, end an environment variable early or drive a terminal.
pub(super) fn one_line(text: &str) -> String {
    let mut shown = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut line: String = shown.by_ref().take(FIELD_LIMIT).collect();
    if shown.next().is_some() {
        line.push('…');
    }
    line
}

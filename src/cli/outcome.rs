//! The end of a run as jobctl's own: its exit code, and a word on standard error where the code does not say it all.

use super::context::Context;
use crate::core::run::RunStatus;
use crate::core::signal;
use crate::protocol::views::RunView;

/// Where an exit code begins to mean a signal, as in sh(1).
const SIGNALLED: u8 = 128;

/// Returns the code of a run that is over: the job's own, 128 + its number for a signal, 1 for a run that failed
/// without one or never started.
pub(crate) fn exit_code(run: &RunView) -> u8 {
    if run.status == RunStatus::Succeeded.as_str() {
        return run.exit_code.unwrap_or(0);
    }
    let signal =
        run.signal.as_deref().and_then(signal::number).map(|number| SIGNALLED.saturating_add(number));
    signal.or(run.exit_code).filter(|code| *code != 0).unwrap_or(1)
}

/// Says how a run ended that did not succeed.
pub(crate) fn tell(run: &RunView, context: &Context) {
    if run.status == RunStatus::Succeeded.as_str() {
        return;
    }
    let mut text = format!("run {} of {}: {}", run.run_id, run.job, run.status);
    if let Some(detail) = &run.detail {
        // It names the command, and how that ended.
        text.push_str(&format!(", {detail}"));
    } else if let Some(signal) = &run.signal {
        text.push_str(&format!(", signal {signal}"));
    } else if let Some(code) = run.exit_code {
        text.push_str(&format!(", exit code {code}"));
    } else if let Some(reason) = &run.reason {
        text.push_str(&format!(", {reason}"));
    }
    context.out.note(&text);
}

#[cfg(test)]
mod tests {
    use super::exit_code;
    use crate::protocol::views::RunView;

    #[test]
    fn the_code_of_a_run_is_the_jobs_own() {
        let cases = [
            ("succeeded", Some(0), None, 0),
            // An exit code that the job's own steps tolerated.
            ("succeeded", Some(3), None, 3),
            ("failed", Some(75), None, 75),
            ("failed", Some(0), None, 1),
            ("failed", None, None, 1),
            ("timed_out", None, Some("TERM"), 143),
            ("failed", None, Some("64"), 192),
            ("skipped", None, None, 1),
        ];
        for (status, exit_code_of_job, signal, expected) in cases {
            let run = RunView {
                status: status.to_owned(),
                exit_code: exit_code_of_job,
                signal: signal.map(ToOwned::to_owned),
                ..RunView::default()
            };
            assert_eq!(exit_code(&run), expected, "{status} {exit_code_of_job:?} {signal:?}");
        }
    }
}

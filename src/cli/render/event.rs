//! Events as people see them: one line each.

use super::time::parse;
use crate::protocol::views::EventView;

/// Writes an event as one line: when, what, about which job and run, how and why.
pub(crate) fn line(event: &EventView) -> String {
    let at = parse(&event.at)
        .map_or_else(|| event.at.clone(), |at| at.format("%Y-%m-%d %H:%M:%S%.3f%:z").to_string());
    let mut text = format!("{at}  {:<15}", event.event);
    if let Some(job) = &event.job {
        text.push_str(&format!("  {job}"));
    }
    if let Some(run) = event.run_id {
        text.push_str(&format!("  run {run}"));
    }
    if let Some(attempt) = event.attempt.filter(|attempt| *attempt > 1) {
        text.push_str(&format!("  attempt {attempt}"));
    }
    if let Some(code) = event.exit_code {
        text.push_str(&format!("  exit {code}"));
    }
    if let Some(signal) = &event.signal {
        text.push_str(&format!("  {signal}"));
    }
    if let Some(reason) = &event.reason {
        text.push_str(&format!("  {reason}"));
    }
    if let Some(detail) = &event.detail {
        text.push_str(&format!("  {detail}"));
    }
    text.trim_end().to_owned()
}

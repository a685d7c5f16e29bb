//! The daemon as people see it.

use super::job::{both, fields, paused};
use super::out::Out;
use super::table::{Entry, Table};
use super::time::{millis, relative_text};
use crate::cli::error::CliError;
use crate::core::instant::Timestamp;
use crate::protocol::views::{PoolView, StatusView};

/// Prints what `status` says.
pub(crate) fn show(status: &StatusView, now: Timestamp, out: &mut Out) -> Result<(), CliError> {
    let mut lines: Vec<(&str, String)> = vec![("Daemon", daemon(status, now))];
    if status.running {
        lines.push(("Health", health(status, now)));
    } else if let Some(held) = &status.held {
        lines.push(("Held", paused(held, now)));
    }
    lines.extend(status.identity.clone().map(|identity| ("Identity", identity)));
    lines.push(("Jobs", jobs(status)));
    lines.push(("Runs", format!("{} alive, {} waiting", status.runs_running, status.runs_queued)));
    if let (Some(at), Some(job)) = (&status.next_fire_time, &status.next_job) {
        lines.push(("Next", format!("{job}, {}", both(at, now))));
    }
    let kept =
        if status.config_errors.is_empty() { "" } else { " (has errors: an earlier version is in force)" };
    lines.push(("Job file", format!("{}{kept}", status.config)));
    lines.extend(status.config_errors.iter().map(|error| ("Error", error.clone())));
    lines.push(("State", status.state_dir.clone()));
    lines.push(("Socket", status.socket.clone()));
    lines.push(("Timezone", format!("{} (tz database: {})", status.timezone, status.tzdb)));
    lines.push(("Version", status.version.clone()));
    fields(&lines, out)?;
    if !status.pools.is_empty() {
        out.text("\n")?;
        let text = pools(&status.pools, out);
        out.text(&text)?;
    }
    Ok(())
}

fn daemon(status: &StatusView, now: Timestamp) -> String {
    if !status.running {
        return "not running".to_owned();
    }
    let mut text = "running".to_owned();
    text.extend(status.pid.map(|pid| format!(", pid {pid}")));
    text.push_str(&format!(" on {}", status.host));
    text.extend(status.started_at.as_deref().map(|at| format!(", started {}", relative_text(at, now))));
    text.extend(status.heartbeat_age_ms.map(|age| format!(", heartbeat {} ago", millis(age))));
    text
}

fn health(status: &StatusView, now: Timestamp) -> String {
    let mut text = status.health.clone();
    if let Some(held) = &status.held {
        let held = paused(held, now);
        match status.health.as_str() {
            "held" => text = format!("held {held}"),
            _ => text.push_str(&format!(", held {held}")),
        }
    }
    if let Some(why) = &status.degraded {
        text.push_str(&format!(": {why}"));
    }
    text
}

fn jobs(status: &StatusView) -> String {
    let total: u64 = status.jobs.values().sum();
    let states: Vec<String> = status.jobs.iter().map(|(state, count)| format!("{count} {state}")).collect();
    if states.is_empty() { total.to_string() } else { format!("{total} ({})", states.join(", ")) }
}

fn pools(pools: &[PoolView], out: &Out) -> String {
    let mut table = Table::new(out.terminal, &["POOL", "WORKERS", "RUNNING", "WAITING"]);
    for pool in pools {
        table.row([
            Entry::new(&pool.name),
            Entry::number(pool.workers),
            Entry::number(pool.running),
            Entry::number(pool.queued),
        ]);
    }
    table.render()
}

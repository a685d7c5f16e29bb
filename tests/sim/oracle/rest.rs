//! The ledger as it must be once the world has come to rest.

use std::time::Duration;

use jobctl::core::run::{Reason, RunStatus};

use super::super::ledger::Ledger;
use super::super::machine::Machine;
use super::Oracle;

impl Oracle {
    /// Judges the ledger once the world has come to rest.
    pub(crate) fn at_rest(&mut self, ledger: &Ledger, machine: &Machine) {
        let now = machine.now().wall;
        let minute = Duration::from_secs(60);
        for row in ledger.rows.values() {
            if row.finished_at.is_some() {
                if !is_explained(row.status, row.reason) {
                    self.complaints
                        .push(format!("run {} is {} because of {:?}", row.run, row.status, row.reason));
                }
                if ledger.final_events.get(&row.run) != Some(&1) {
                    let events = ledger.final_events.get(&row.run);
                    self.complaints
                        .push(format!("run {} ({}) has {events:?} final events", row.run, row.status));
                }
                continue;
            }
            let recent = row.queued_at.plus(minute) > now || row.due_at.plus(minute) > now;
            let retries =
                row.status == RunStatus::Retrying && row.retry_at.is_some_and(|at| at.plus(minute) > now);
            // It waits for a run whose next attempt is due later.
            let waits = ledger.rows.values().any(|other| {
                let alive = other.job == row.job && other.finished_at.is_none() && other.run != row.run;
                alive && other.retry_at.is_some_and(|at| at.plus(minute) > now)
            });
            if !recent && !retries && !waits {
                self.complaints
                    .push(format!("run {} of {} is left {}: {row:?}", row.run, row.job, row.status));
            }
        }
        for (pid, process) in machine.alive() {
            let over = ledger.rows.get(&process.run).is_none_or(|row| row.finished_at.is_some());
            if over {
                self.complaints.push(format!("process {pid} has outlived its run {}", process.run));
            }
        }
        self.rules.at_rest(&self.known);
        self.complaints.append(&mut self.rules.complaints);
        let complaints = self.coverage.check(ledger, now, &self.known);
        self.complaints.extend(complaints);
    }
}

/// The table of statuses and the reasons that go with them.
pub(super) fn is_explained(status: RunStatus, reason: Option<Reason>) -> bool {
    use Reason as R;
    match status {
        RunStatus::Succeeded => reason.is_none(),
        RunStatus::Failed => matches!(
            reason,
            Some(R::StartFailed | R::HookFailed | R::ExitCode | R::Signal | R::Output | R::Timeout)
        ),
        RunStatus::TimedOut => reason == Some(R::Timeout),
        RunStatus::Cancelled => {
            matches!(reason, Some(R::Cancelled | R::Replaced | R::Stopping | R::Removed))
        }
        RunStatus::Missed => reason == Some(R::Grace),
        RunStatus::Skipped => {
            matches!(
                reason,
                Some(R::Busy | R::Paused | R::Held | R::Coalesced | R::Removed | R::Disabled | R::Stopping)
            )
        }
        RunStatus::Lost => matches!(reason, Some(R::EndUnseen | R::Reboot | R::StartUnknown)),
        RunStatus::Queued | RunStatus::Running | RunStatus::Retrying => false,
    }
}

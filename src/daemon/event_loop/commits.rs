//! From decisions to what is durable: changes are gathered and handed to the store in one piece, and what hangs
//! on them (starts, hooks, notices, answers) waits for its word.

use std::time::Duration;

use super::EventLoop;
use crate::core::change::Change;
use crate::core::event::{Event, EventKind};
use crate::core::instant::Timestamp;
use crate::core::name::Name;
use crate::core::run::RunId;
use crate::core::scheduler::Input;
use crate::daemon::service::Acknowledge;
use crate::daemon::{clock, log};
use crate::store::{Outcome, Report};

/// How many changes are gathered at most while starts are carried out one after the other: a commit for every few
/// of them would cost a burst more than the starts.
const BATCH: usize = 256;

/// How long it is not yet made durable that a run has started. Most commands end within that time, and one commit is
/// enough for both: whoever finds the claim and the output file knows as much (the run was tried).
const LINGER: Duration = Duration::from_millis(10);

/// An answer that leaves once the submission of this token is durable and that many starts are carried out.
pub(super) struct WaitingAnswer {
    pub(super) token: u64,
    pub(super) starts: u64,
    pub(super) acknowledge: Acknowledge,
}

/// A submission that is not durable yet.
#[derive(Default)]
pub(super) struct Pending {
    /// Which of its changes claim which runs.
    pub(super) claims: Vec<(usize, RunId)>,
    /// Jobs whose runs are claimed ahead of their instant.
    pub(super) ahead: Vec<Name>,
    /// Events in it that somebody wants to hear of, with their places.
    pub(super) events: Vec<(usize, Event)>,
    /// True: it puts something into the outbox.
    pub(super) notices: bool,
}

impl EventLoop {
    /// Asks for rows of the future, once everything decided so far is durable and can be seen.
    pub(in crate::daemon) fn find_future_gaps(&mut self, after: Timestamp) {
        self.gap_questions.wait_for(self.next_token, after);
    }

    /// Queues a change for the next submission.
    pub(in crate::daemon) fn write(&mut self, change: Change) {
        let place = self.batch.len();
        match &change {
            Change::Claim(claim) => {
                let at_hand = self.at_hand();
                at_hand.claims.push((place, claim.run));
                if claim.queued_at < claim.due_at {
                    at_hand.ahead.push(claim.job.clone());
                }
            }
            Change::Notify(_) => self.at_hand().notices = true,
            Change::Event(event) => {
                log::tell(event);
                if !self.service.event_hooks.is_empty() {
                    let event = event.clone();
                    self.at_hand().events.push((place, event));
                }
            }
            _ => {}
        }
        self.only_starts &= match &change {
            Change::Started { .. } => true,
            Change::Event(event) => event.kind == EventKind::RunStarted,
            _ => false,
        };
        self.batch.push(change);
    }

    /// Returns what is noted about the submission at hand.
    fn at_hand(&mut self) -> &mut Pending {
        self.pending.entry(self.next_token).or_default()
    }

    /// Returns the submission that has what is decided now.
    pub(in crate::daemon) fn submission_at_hand(&self) -> u64 {
        self.next_token
    }

    /// Answers once everything decided so far is durable and carried out.
    pub(in crate::daemon) fn acknowledge(&mut self, acknowledge: Acknowledge) {
        let starts = self.starts_queued;
        self.answers.push_back(WaitingAnswer { token: self.next_token, starts, acknowledge });
    }

    /// Hands the changes decided so far to the store, in one piece; not yet where more of them are about to come
    /// and nothing but their own durability hangs on them.
    pub(super) fn submit(&mut self) {
        if self.batch.is_empty() {
            self.send_answers();
            return;
        }
        let nobody_waits = self.answers.is_empty() && !self.pending.contains_key(&self.next_token);
        if !(nobody_waits && self.batch.len() < BATCH && self.more_is_about_to_come()) {
            self.hand_over();
        }
    }

    /// Says whether the batch at hand is soon to be a larger one.
    fn more_is_about_to_come(&mut self) -> bool {
        if !self.starts.is_empty() {
            return true;
        }
        if !self.only_starts {
            return false;
        }
        let now = clock::now().mono;
        *self.lingers_until.get_or_insert(now.plus(LINGER)) > now
    }

    /// Hands the changes decided so far to the store, whatever they are.
    pub(super) fn hand_over(&mut self) {
        let token = self.next_token;
        self.next_token += 1;
        self.pending.entry(token).or_default();
        self.only_starts = true;
        self.lingers_until = None;
        self.store.submit(token, std::mem::take(&mut self.batch));
    }

    pub(super) fn store_reports(&mut self, report: Report) {
        match report {
            Report::Committed { token, outcomes } => {
                let pending = self.pending.remove(&token).unwrap_or_default();
                let word = |(index, run): (usize, RunId)| {
                    (run, matches!(outcomes.get(index), Some(Outcome::Applied)))
                };
                let claims: Vec<(RunId, bool)> = pending.claims.into_iter().map(word).collect();
                let applied = |place: usize| matches!(outcomes.get(place), Some(Outcome::Applied));
                for (_, event) in pending.events.iter().filter(|(place, _)| applied(*place)) {
                    self.service.event_hooks.tell(event);
                }
                if pending.notices {
                    self.service.notifier.look();
                }
                self.service.committed();
                if self.batch.is_empty() && self.pending.is_empty() {
                    self.executor.keeper.take_back();
                }
                if !claims.is_empty() {
                    self.feed(Input::Claimed(claims));
                }
                if !pending.ahead.is_empty() {
                    self.executor.prepare(pending.ahead);
                }
            }
            Report::Degraded { error } => {
                tracing::error!(%error, "the store cannot be written: nothing new is started until it can");
                self.supervisor.status(&format!("degraded: {error}"));
                let mut event = Event::new(clock::now().wall, EventKind::DaemonDegraded);
                event.detail = Some(error.clone());
                self.service.degraded(Some(error));
                self.write(Change::Event(event));
                self.feed(Input::Degraded);
            }
            Report::Recovered => {
                tracing::info!("the store can be written again");
                self.supervisor.status("running");
                self.service.degraded(None);
                self.write(Change::Event(Event::new(clock::now().wall, EventKind::DaemonRecovered)));
                self.feed(Input::Recovered);
            }
            Report::Pruned { job, runs } => {
                let logs = self.executor.logs().clone();
                tokio::task::spawn_blocking(move || {
                    if let Err(error) = logs.remove(&job, &runs) {
                        tracing::debug!(%job, %error, "old output cannot be deleted");
                    }
                });
            }
        }
        self.send_answers();
    }

    /// Sends the answers whose changes are durable and whose earlier starts have been carried out.
    pub(super) fn send_answers(&mut self) {
        let oldest = self.oldest_open();
        self.service.tell_ends(oldest);
        self.service.catalogue.durable_before(oldest);
        self.gap_questions.ask(oldest, self.service.queries());
        while let Some(next) = self.answers.front() {
            if next.token >= oldest || next.starts > self.starts_done {
                return;
            }
            if let Some(next) = self.answers.pop_front() {
                next.acknowledge.send();
            }
        }
    }

    /// Returns the oldest submission that is not durable; all before it are.
    fn oldest_open(&self) -> u64 {
        // A token that was not submitted yet is durable when there is nothing to submit under it.
        let unsubmitted = if self.batch.is_empty() { self.next_token + 1 } else { self.next_token };
        self.pending.keys().next().copied().unwrap_or(u64::MAX).min(unsubmitted)
    }
}

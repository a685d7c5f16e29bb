//! What clients ask for: from a request to a question, a command or a stream, and back to a reply.
//!
//! Owns the catalogue and everybody who waits for something. Requests that change something are answered only
//! after the change is durable; history and definitions are read by the thread that reads the store. No sentence
//! for people is made here: clients render.

mod acting;
mod asking;
mod defining;
mod removing;
mod streams;
mod survey;
mod texts;

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value;
use tokio::sync::{oneshot, watch};

use super::catalogue::Catalogue;
use super::clock;
use super::event_hooks::EventHooks;
use super::event_loop::EventLoop;
use super::listener::{Incoming, ReplyHandle};
use super::notifier::Notifier;
use super::queries::Queries;
use super::watcher::Watcher;
use crate::core::change::Actor;
use crate::core::instant::{Now, Timestamp};
use crate::core::job::Keep;
use crate::core::name::Name;
use crate::core::run::RunId;
use crate::core::scheduler::{Answer, JobSnapshot};
use crate::jobfile::StopMode;
use crate::process::Logs;
use crate::protocol::error::ServiceError;
use crate::protocol::request::Request;

/// After how many runs of a job its history is held against what it keeps.
const PRUNE_EVERY: u32 = 10;

/// How often every job's history and the events are held against what is kept.
const SWEEP_EVERY: std::time::Duration = std::time::Duration::from_secs(6 * 3_600);

/// Who the daemon is and where it lives.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) started_at: Timestamp,
    pub(super) host: String,
    pub(super) state_dir: PathBuf,
    pub(super) socket: PathBuf,
}

/// The state of the service.
pub(super) struct Service {
    pub(super) catalogue: Catalogue,
    pub(super) notifier: Notifier,
    pub(super) event_hooks: EventHooks,
    queries: Queries,
    logs: Logs,
    identity: Identity,
    degraded: Option<String>,
    /// Clients that wait for the end of a run.
    waiting: HashMap<RunId, Vec<oneshot::Sender<()>>>,
    /// Runs whose end is not durable yet, with the submission that has it: those who wait are told after it.
    ended: VecDeque<Ended>,
    /// How far the ledger is. Whoever waits for something or follows it holds a receiver until it has been told.
    progress: watch::Sender<Progress>,
    runs_since_prune: HashMap<Name, u32>,
    last_sweep: Option<Now>,
    watcher: Watcher,
}

/// A run whose end is not durable yet.
struct Ended {
    /// The submission that has it.
    token: u64,
    run: RunId,
    /// Its job, where it had started.
    job: Option<Name>,
}

/// How far the ledger is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Progress {
    /// How many commits there were.
    commits: u64,
    /// True: there will be no more.
    over: bool,
}

/// Waits until the daemon goes.
async fn end(progress: &mut watch::Receiver<Progress>) {
    // Where the sender is gone, so is the daemon.
    drop(progress.wait_for(|progress| progress.over).await);
}

/// A reply that waits for a commit.
pub(super) struct Acknowledge {
    reply: ReplyHandle,
    result: Result<Value, ServiceError>,
}

impl Acknowledge {
    fn new(reply: ReplyHandle, result: Result<impl Serialize, ServiceError>) -> Self {
        let result = result.and_then(|value| {
            serde_json::to_value(value).map_err(|error| ServiceError::Internal { message: error.to_string() })
        });
        Acknowledge { reply, result }
    }

    /// Sends the reply; a client that has gone is nobody's concern.
    pub(super) fn send(self) {
        self.reply.finish(self.result);
    }
}

impl Service {
    pub(super) fn new(
        catalogue: Catalogue,
        notifier: Notifier,
        event_hooks: EventHooks,
        queries: Queries,
        logs: Logs,
        identity: Identity,
    ) -> Self {
        Service {
            catalogue,
            notifier,
            event_hooks,
            queries,
            logs,
            identity,
            degraded: None,
            waiting: HashMap::new(),
            ended: VecDeque::new(),
            progress: watch::Sender::new(Progress::default()),
            runs_since_prune: HashMap::new(),
            last_sweep: None,
            watcher: Watcher::default(),
        }
    }

    /// Watches the job file, or stops, as its setting says.
    pub(super) fn watch_as_set(&mut self) {
        let on = self.catalogue.set().daemon.watch;
        self.watcher.set(on, self.catalogue.config(), &self.queries);
    }

    pub(super) fn queries(&self) -> &Queries {
        &self.queries
    }

    /// Says whether runs are left alive when the daemon stops.
    pub(super) fn leaves_jobs_at_stop(&self) -> bool {
        self.catalogue.set().daemon.stop == StopMode::Leave
    }

    /// Notes whether the store can be written.
    pub(super) fn degraded(&mut self, error: Option<String>) {
        self.degraded = error;
    }

    /// Notes that a run is over by a change of a submission; whoever waits for it is told once that is durable.
    pub(super) fn run_is_over(&mut self, run: RunId, job: Option<Name>, token: u64) {
        self.ended.push_back(Ended { token, run, job });
    }

    /// Tells those who follow the events that there are new ones.
    pub(super) fn committed(&self) {
        self.progress.send_modify(|progress| progress.commits += 1);
    }

    /// Tells those who wait for runs whose ends are in submissions before `token`, which are durable.
    pub(super) fn tell_ends(&mut self, token: u64) {
        while let Some(Ended { run, .. }) = self.ended.pop_front_if(|ended| ended.token < token) {
            for waiting in self.waiting.remove(&run).into_iter().flatten() {
                let _ = waiting.send(());
            }
        }
    }

    /// Tells those who wait and those who follow that nothing will come any more, and returns what is closed once
    /// all of them have got their last word.
    pub(super) fn end_streams(&self) -> watch::Sender<Progress> {
        self.progress.send_modify(|progress| progress.over = true);
        self.progress.clone()
    }

    /// Finds the latest run of a job that is over without that being durable yet.
    fn just_ended(&self, job: &str) -> Option<RunId> {
        let of_job = |ended: &&Ended| ended.job.as_ref().is_some_and(|name| name.as_str() == job);
        self.ended.iter().rev().find(of_job).map(|ended| ended.run)
    }

    /// Says whether a run is over and that is durable, where the scheduler does not know it any more.
    fn is_end_durable(&self, run: RunId) -> bool {
        self.ended.iter().all(|ended| ended.run != run)
    }

    /// Says whether a job's history is to be held against what it keeps, now that another run is over.
    fn is_prune_due(&mut self, job: &Name, keep: Keep) -> bool {
        let count = self.runs_since_prune.entry(job.clone()).or_default();
        *count += 1;
        let due = *count >= PRUNE_EVERY.min(keep.runs.max(1));
        if due {
            *count = 0;
        }
        due
    }
}

impl EventLoop {
    /// Takes in one request of a client.
    pub(super) fn client_asks(&mut self, incoming: Incoming) {
        let Incoming { peer, request, more, reply } = incoming;
        let by = Actor::Client { uid: peer.uid, pid: peer.pid };
        if let Some(name) = request.jobs_named().find(|name| !self.is_known(name)) {
            return self.refuse_unknown(name.to_owned(), reply);
        }
        match request {
            Request::Status => self.status(reply),
            Request::List(list) => self.list(list, reply),
            Request::Overview(overview) => self.overview(overview, reply),
            Request::Show(show) => self.show(show, reply),
            Request::Next(next) => reply.finish(self.next_fire_times(&next)),
            Request::History(history) => self.history(history, reply),
            Request::Run(run) => self.run_row(RunId(run.run_id), reply),
            Request::Why(why) => self.why(why, reply),
            Request::Events(events) => self.events(events, more, reply),
            Request::Logs(logs) => self.logs(logs, reply),
            Request::Export(export) => self.export(export, reply),
            Request::Changes(changes) => self.changes(changes, reply),
            Request::Add(add) => self.add(add, by, reply),
            Request::Edit(edit) => self.edit(edit, by, reply),
            Request::Reschedule(reschedule) => self.reschedule(reschedule, by, reply),
            Request::Remove(remove) => self.remove(remove, by, reply),
            Request::Undo(undo) => self.undo(undo, by, reply),
            Request::Pause(pause) => self.pause(pause, reply),
            Request::Resume(resume) => self.resume(resume, reply),
            Request::RunNow(run_now) => self.run_now(run_now, reply),
            Request::Wait(wait) => self.wait(wait, reply),
            Request::Cancel(cancel) => self.cancel(cancel, reply),
            Request::Hold(hold) => self.hold(hold.reason, reply),
            Request::Release => self.release(reply),
            Request::Reload => self.reload_for(reply),
            Request::Stop => {
                self.stop();
                self.acknowledge(Acknowledge::new(reply, Ok(crate::protocol::reply::Done {})));
            }
        }
    }

    /// Holds histories against what is kept, when the time has come.
    pub(super) fn sweep_history(&mut self, now: Now) {
        let last = self.service.last_sweep;
        if last.is_some_and(|last| now.mono.since(last.mono) < SWEEP_EVERY) {
            return;
        }
        self.service.last_sweep = Some(now);
        self.store.trim(now.wall);
        let look = |kept: &mut Vec<(Name, Keep)>, job: JobSnapshot| {
            kept.push((job.job.name.clone(), job.job.policy.keep));
        };
        self.survey(Vec::new(), look, move |event_loop, kept| event_loop.store.prune(kept, now.wall));
    }

    /// Holds one job's history against what it keeps, now and then.
    pub(super) fn prune_now_and_then(&mut self, job: &Name) {
        let Some(keep) = self.scheduler.definition(job.as_str()).map(|job| job.policy.keep) else { return };
        if self.service.is_prune_due(job, keep) {
            self.store.prune(vec![(job.clone(), keep)], clock::now().wall);
        }
    }
}

/// Makes an error of an answer of the scheduler that is none of the good ones.
fn refusal(answer: &Answer, job: &str) -> Option<ServiceError> {
    match answer {
        Answer::Done | Answer::Run(_) | Answer::Nothing => None,
        Answer::NoSuchJob => Some(ServiceError::NoSuchJob { name: job.to_owned(), suggestion: None }),
        Answer::NoSuchRun => Some(ServiceError::NoSuchRun { run_id: 0 }),
        Answer::Busy { run } => Some(ServiceError::Busy { job: job.to_owned(), run_id: Some(run.0) }),
        Answer::Stopping => Some(ServiceError::Stopping),
    }
}

fn internal(message: impl ToString) -> ServiceError {
    ServiceError::Internal { message: message.to_string() }
}

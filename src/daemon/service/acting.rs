//! Requests that act on jobs and runs: each is a command to the scheduler, answered once it is durable.

use std::time::Duration;

use super::{Acknowledge, internal, refusal};
use crate::core::name::Name;
use crate::core::run::RunId;
use crate::core::scheduler::{Answer, Command, Input, RunNow};
use crate::daemon::answers;
use crate::daemon::event_loop::EventLoop;
use crate::daemon::listener::ReplyHandle;
use crate::protocol::error::ServiceError;
use crate::protocol::selector::Selector;
use crate::protocol::{filter, reply, request};

impl EventLoop {
    pub(super) fn pause(&mut self, pause: request::Pause, reply: ReplyHandle) {
        let until = match pause.until.as_deref().map(|text| answers::instant(text, "until")).transpose() {
            Ok(until) => until,
            Err(error) => return reply.finish(Err::<reply::Names, _>(error)),
        };
        let reason = pause.reason;
        self.each(&pause.selector, reply, move |job| Command::Pause { job, until, reason: reason.clone() });
    }

    pub(super) fn resume(&mut self, resume: request::Resume, reply: ReplyHandle) {
        let catch_up = resume.catch_up;
        self.each(&resume.selector, reply, move |job| Command::Resume { job, catch_up });
    }

    /// Gives a command for every job selected and answers with those for which it did something.
    fn each(&mut self, selector: &Selector, reply: ReplyHandle, command: impl Fn(Name) -> Command) {
        let result = self.selected(selector).map(|names| {
            let mut done = Vec::new();
            for name in names {
                if self.command(command(name.clone())) == Answer::Done {
                    done.push(name.to_string());
                }
            }
            reply::Names { names: done }
        });
        self.acknowledge(Acknowledge::new(reply, result));
    }

    /// Returns the jobs a request acts on. What the ledger knows of them takes no part: acting must not wait
    /// for the disk.
    pub(super) fn selected(&self, selector: &Selector) -> Result<Vec<Name>, ServiceError> {
        let views = self.pictures(None).bare_views();
        let selected = filter::select_to_act(selector, &views)?;
        Ok(selected.into_iter().filter_map(|view| Name::new(&view.name).ok()).collect())
    }

    /// Gives one command to the scheduler.
    pub(super) fn command(&mut self, command: Command) -> Answer {
        self.feed(Input::Command(command)).unwrap_or(Answer::Nothing)
    }

    pub(super) fn run_now(&mut self, request: request::RunNow, reply: ReplyHandle) {
        let result = self.selected(&request.selector).and_then(|names| {
            let mut runs = Vec::new();
            let mut refused = None;
            for name in names {
                let answer = self.command(Command::RunNow(RunNow {
                    job: name.clone(),
                    args: request.args.clone(),
                    if_due: request.if_due,
                    force: request.force,
                    priority: request.priority,
                }));
                match answer {
                    Answer::Run(run) => runs.push(reply::RunRef { run_id: run.0, job: name.to_string() }),
                    other => refused = refused.or(refusal(&other, name.as_str())),
                }
            }
            // Where nothing was started at all, the first refusal is the answer.
            match (runs.is_empty(), refused) {
                (true, Some(error)) => Err(error),
                (_, _) => Ok(reply::RunIds { runs }),
            }
        });
        self.acknowledge(Acknowledge::new(reply, result));
    }

    pub(super) fn cancel(&mut self, cancel: request::Cancel, reply: ReplyHandle) {
        let chosen = self.to_cancel(&cancel);
        let result = chosen.map(|runs| {
            let mut ended = Vec::new();
            for run in runs {
                let job = self.scheduler.run(run).map(|run| run.job.name.to_string());
                let answer = self.command(Command::Cancel { run, reason: cancel.reason.clone() });
                if let (Answer::Run(run), Some(job)) = (answer, job) {
                    ended.push(reply::RunRef { run_id: run.0, job });
                }
            }
            reply::RunIds { runs: ended }
        });
        self.acknowledge(Acknowledge::new(reply, result));
    }

    fn to_cancel(&self, cancel: &request::Cancel) -> Result<Vec<RunId>, ServiceError> {
        let mut runs: Vec<RunId> = cancel.run_ids.iter().map(|run| RunId(*run)).collect();
        if let Some(unknown) = runs.iter().find(|run| self.scheduler.run(**run).is_none()) {
            return Err(ServiceError::NoSuchRun { run_id: unknown.0 });
        }
        if !cancel.selector.selects_nothing() {
            for name in self.selected(&cancel.selector)? {
                runs.extend(self.scheduler.open_runs(name.as_str()));
            }
        } else if runs.is_empty() {
            return Err(ServiceError::NothingSelected);
        }
        Ok(runs)
    }

    pub(super) fn wait(&mut self, wait: request::Wait, reply: ReplyHandle) {
        let run = match self.run_to_wait_for(&wait) {
            Ok(run) => run,
            Err(error) => return reply.finish(Err::<reply::OneRun, _>(error)),
        };
        let pictures = self.pictures(None);
        let queries = self.service.queries.clone();
        let answer = move |reply: ReplyHandle| {
            queries.ask(move |reader| {
                let result = reader.map_err(internal).and_then(|reader| answers::run(run, &pictures, reader));
                reply.finish(result.map(|run| reply::OneRun { run }));
            });
        };
        if self.scheduler.run(run).is_none() && self.service.is_end_durable(run) {
            return answer(reply);
        }
        let (told, over) = tokio::sync::oneshot::channel();
        self.service.waiting.entry(run).or_default().push(told);
        let limit = wait.timeout_ms.map(Duration::from_millis);
        tokio::spawn(async move {
            match limit {
                None => {
                    drop(over.await);
                    answer(reply);
                }
                Some(limit) => match tokio::time::timeout(limit, over).await {
                    Ok(_) => answer(reply),
                    Err(_) => reply.finish(Err::<reply::OneRun, _>(ServiceError::Timeout)),
                },
            }
        });
    }

    /// Finds the run: the one named, or the job's latest that is alive.
    fn run_to_wait_for(&self, wait: &request::Wait) -> Result<RunId, ServiceError> {
        match (wait.run_id, wait.job.as_deref()) {
            (Some(run), _) => Ok(RunId(run)),
            (None, Some(job)) => {
                self.known(job)?;
                let open = self.scheduler.open_runs(job);
                open.last().copied().ok_or(ServiceError::NothingSelected)
            }
            (None, None) => Err(ServiceError::invalid_parameter("run_id")),
        }
    }

    pub(super) fn hold(&mut self, reason: Option<String>, reply: ReplyHandle) {
        self.command(Command::Hold { reason });
        self.acknowledge(Acknowledge::new(reply, Ok(reply::Done {})));
    }

    pub(super) fn release(&mut self, reply: ReplyHandle) {
        self.command(Command::Release);
        self.acknowledge(Acknowledge::new(reply, Ok(reply::Done {})));
    }
}

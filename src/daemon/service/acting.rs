//! Requests that act on jobs and runs: each is a command to the scheduler, answered once it is durable.

use std::time::Duration;

use super::survey::Whom;
use super::{Acknowledge, internal, refusal};
use crate::core::instant::Now;
use crate::core::name::Name;
use crate::core::run::RunId;
use crate::core::scheduler::{Answer, Command, Input, RunNow};
use crate::daemon::answers;
use crate::daemon::clock;
use crate::daemon::event_loop::EventLoop;
use crate::daemon::listener::ReplyHandle;
use crate::daemon::pictures::{Latest, Pictures};
use crate::protocol::error::ServiceError;
use crate::protocol::selector::Selector;
use crate::protocol::{reply, request};

impl EventLoop {
    pub(super) fn pause(&mut self, pause: request::Pause, reply: ReplyHandle) {
        let until = match pause.until.as_deref().map(|text| answers::instant(text, "until")).transpose() {
            Ok(until) => until,
            Err(error) => return reply.finish(Err::<reply::Names, _>(error)),
        };
        let reason = pause.reason;
        self.each(pause.selector, reply, move |job| Command::Pause { job, until, reason: reason.clone() });
    }

    pub(super) fn resume(&mut self, resume: request::Resume, reply: ReplyHandle) {
        let catch_up = resume.catch_up;
        self.each(resume.selector, reply, move |job| Command::Resume { job, catch_up });
    }

    /// Gives a command for every job selected and answers with those for which it did something.
    fn each(
        &mut self,
        selector: Selector,
        reply: ReplyHandle,
        command: impl Fn(Name) -> Command + Send + 'static,
    ) {
        self.with_selected(selector, move |event_loop, names| {
            let result = names.map(|names| {
                let did = |name: &Name| event_loop.command(command(name.clone())) == Answer::Done;
                let done = names.into_iter().filter(did).map(|name| name.to_string());
                reply::Names { names: done.collect() }
            });
            event_loop.acknowledge(Acknowledge::new(reply, result));
        });
    }

    /// Finds the jobs a request acts on, then acts. Those that are not simply named are chosen by the thread that reads
    /// the store, also where that takes no look into it: the loop waits neither for the disk nor for a long list.
    pub(super) fn with_selected(
        &mut self,
        selector: Selector,
        act: impl FnOnce(&mut EventLoop, Result<Vec<Name>, ServiceError>) + Send + 'static,
    ) {
        let whom = self.meant_by(&selector);
        let is_about_runs = selector.is_about_runs();
        if matches!(whom, Whom::These(_)) && !is_about_runs {
            return self.with_pictures(whom, move |event_loop, pictures| {
                act(event_loop, pictures.select_to_act(&selector, &Latest::new()));
            });
        }
        self.with_pictures(whom, move |event_loop, pictures| {
            let queries = event_loop.service.queries.clone();
            event_loop.service.queries.ask(move |reader| {
                let latest = match is_about_runs {
                    true => reader.map_err(internal).and_then(Pictures::latest),
                    false => Ok(Latest::new()),
                };
                let names = latest.and_then(|latest| pictures.select_to_act(&selector, &latest));
                queries.task(move |event_loop| act(event_loop, names));
            });
        });
    }

    /// Gives one command to the scheduler.
    pub(super) fn command(&mut self, command: Command) -> Answer {
        self.command_at(command, clock::now())
    }

    /// Gives one of several commands of a request to the scheduler, all of them as of one instant.
    pub(super) fn command_at(&mut self, command: Command, now: Now) -> Answer {
        self.feed_at(Input::Command(command), now).unwrap_or(Answer::Nothing)
    }

    pub(super) fn run_now(&mut self, request: request::RunNow, reply: ReplyHandle) {
        let selector = request.selector.clone();
        self.with_selected(selector, move |event_loop, names| {
            let result = names.and_then(|names| event_loop.run_each(names, &request));
            event_loop.acknowledge(Acknowledge::new(reply, result));
        });
    }

    fn run_each(
        &mut self,
        names: Vec<Name>,
        request: &request::RunNow,
    ) -> Result<reply::RunIds, ServiceError> {
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
    }

    pub(super) fn cancel(&mut self, cancel: request::Cancel, reply: ReplyHandle) {
        let runs: Vec<RunId> = cancel.run_ids.iter().map(|run| RunId(*run)).collect();
        let unknown = runs.iter().find(|run| self.scheduler.run(**run).is_none());
        let refused = match unknown {
            Some(run) => Some(ServiceError::NoSuchRun { run_id: run.0 }),
            None if cancel.selector.selects_nothing() && runs.is_empty() => {
                Some(ServiceError::NothingSelected)
            }
            None => None,
        };
        if let Some(error) = refused {
            return self.acknowledge(Acknowledge::new(reply, Err::<reply::RunIds, _>(error)));
        }
        if cancel.selector.selects_nothing() {
            let ended = self.cancel_each(runs, &cancel);
            return self.acknowledge(Acknowledge::new(reply, Ok(ended)));
        }
        // Statuses are those of the runs to cancel, not of the jobs' last ones.
        let selector = Selector { status: Vec::new(), ..cancel.selector.clone() };
        let selector = Selector { all: selector.selects_nothing(), ..selector };
        self.with_selected(selector, move |event_loop, names| {
            let result = names.map(|names| {
                let found = names.iter().flat_map(|name| event_loop.scheduler.open_runs(name.as_str()));
                let all: Vec<RunId> = runs.into_iter().chain(found).collect();
                event_loop.cancel_each(all, &cancel)
            });
            event_loop.acknowledge(Acknowledge::new(reply, result));
        });
    }

    fn cancel_each(&mut self, runs: Vec<RunId>, cancel: &request::Cancel) -> reply::RunIds {
        let statuses = &cancel.selector.status;
        let mut ended = Vec::new();
        for run in runs {
            let Some(picture) = self.scheduler.run(run) else { continue };
            if !statuses.is_empty() && !statuses.iter().any(|status| status == picture.status.as_str()) {
                continue;
            }
            let answer = self.command(Command::Cancel { run, reason: cancel.reason.clone() });
            if let Answer::Run(run) = answer {
                ended.push(reply::RunRef { run_id: run.0, job: picture.job.name.to_string() });
            }
        }
        reply::RunIds { runs: ended }
    }

    pub(super) fn wait(&mut self, wait: request::Wait, reply: ReplyHandle) {
        let run = match self.run_to_wait_for(&wait) {
            Ok(run) => run,
            Err(error) => return reply.finish(Err::<reply::OneRun, _>(error)),
        };
        let queries = self.service.queries.clone();
        let mut progress = self.service.progress.subscribe();
        if self.scheduler.run(run).is_none() && self.service.is_end_durable(run) {
            return self.run_row(run, reply);
        }
        let (told, over) = tokio::sync::oneshot::channel();
        self.service.waiting.entry(run).or_default().push(told);
        let limit = wait.timeout_ms.map(Duration::from_millis);
        tokio::spawn(async move {
            let timeout = async {
                match limit {
                    Some(limit) => tokio::time::sleep(limit).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                _ = over => queries.task(move |event_loop| event_loop.run_row(run, reply)),
                // The daemon goes and leaves the run alive.
                () = super::end(&mut progress) => {
                    reply.finish(Err::<reply::OneRun, _>(ServiceError::Stopping));
                }
                () = timeout => reply.finish(Err::<reply::OneRun, _>(ServiceError::Timeout)),
            }
        });
    }

    /// Finds the run: the one named, or the job's latest that is alive.
    fn run_to_wait_for(&self, wait: &request::Wait) -> Result<RunId, ServiceError> {
        match (wait.run_id, wait.job.as_deref()) {
            (Some(run), _) => Ok(RunId(run)),
            (None, Some(job)) => {
                let open = self.scheduler.open_runs(job);
                let run = open.last().copied().or_else(|| self.service.just_ended(job));
                run.ok_or(ServiceError::NothingSelected)
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

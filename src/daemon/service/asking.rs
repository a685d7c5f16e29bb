//! Questions of clients: taken to the thread that reads the store, answered there.

use super::internal;
use crate::core::run::RunId;
use crate::daemon::answers;
use crate::daemon::clock;
use crate::daemon::event_loop::EventLoop;
use crate::daemon::listener::ReplyHandle;
use crate::daemon::pictures::Pictures;
use crate::daemon::views::status;
use crate::protocol::error::ServiceError;
use crate::protocol::views::JobView;
use crate::protocol::{filter, reply, request};
use crate::store::Reader;

use super::Acknowledge;

/// [`reply::Jobs`] or [`reply::Lines`], whose members are made while they are written.
#[derive(serde::Serialize)]
struct JobsReply<'a, T> {
    jobs: &'a T,
}

impl EventLoop {
    /// Takes a picture of every job, or of one.
    pub(super) fn pictures(&self, only: Option<&str>) -> Pictures {
        Pictures::take(&self.scheduler, &self.service.catalogue, &self.service.logs, only)
    }

    /// Has a question answered from the store.
    pub(super) fn answer<T: serde::Serialize + Send + 'static>(
        &self,
        reply: ReplyHandle,
        ask: impl FnOnce(&Reader) -> Result<T, ServiceError> + Send + 'static,
    ) {
        self.service.queries.ask(move |reader| reply.finish(reader.map_err(internal).and_then(ask)));
    }

    pub(super) fn status(&self) -> reply::Status {
        let service = &self.service;
        let view = status::status_view(&status::Facts {
            scheduler: &self.scheduler,
            catalogue: &service.catalogue,
            started_at: service.identity.started_at,
            host: &service.identity.host,
            state_dir: &service.identity.state_dir,
            socket: &service.identity.socket,
            degraded: service.degraded.as_deref(),
            now: clock::now().wall,
        });
        reply::Status { status: view }
    }

    pub(super) fn list(&self, list: request::List, reply: ReplyHandle) {
        let pictures = self.pictures(None);
        self.answer_in_place(reply, move |reader, reply| {
            pictures.list(&list.selector, Some(reader), |views| finish(reply, views))
        });
    }

    pub(super) fn overview(&self, overview: request::Overview, reply: ReplyHandle) {
        let pictures = self.pictures(None);
        self.answer_in_place(reply, move |reader, reply| {
            pictures.lines(&overview.selector, Some(reader), |lines| finish(reply, lines))
        });
    }

    /// Has a list answered from the store. The reply is written where the members are made, one at a time: nothing
    /// holds all of them. Who asks takes the reply, or says why there is none.
    fn answer_in_place(
        &self,
        reply: ReplyHandle,
        ask: impl FnOnce(&Reader, &mut Option<ReplyHandle>) -> Result<(), ServiceError> + Send + 'static,
    ) {
        self.service.queries.ask(move |reader| {
            let mut reply = Some(reply);
            let asked = reader.map_err(internal).and_then(|reader| ask(reader, &mut reply));
            if let (Err(error), Some(reply)) = (asked, reply) {
                reply.refuse(error);
            }
        });
    }

    pub(super) fn show(&self, show: request::Show, reply: ReplyHandle) {
        let definition = self.known(&show.name).and_then(|()| {
            let definition = self.service.catalogue.definition(&show.name).map_err(internal)?;
            Ok(definition.unwrap_or_default())
        });
        let toml = match definition {
            Ok(toml) => toml,
            Err(error) => return reply.finish(Err::<reply::Shown, _>(error)),
        };
        let pictures = self.pictures(Some(&show.name));
        self.answer(reply, move |reader| {
            let job = pictures.view(&show.name, reader).map_err(internal)?;
            Ok(reply::Shown { job: job.ok_or_else(|| filter::no_such_job(&show.name, []))?, toml })
        });
    }

    /// Says whether there is a job of this name, broken ones included.
    pub(super) fn known(&self, name: &str) -> Result<(), ServiceError> {
        answers::known(name, &self.scheduler, &self.service.catalogue)
    }

    pub(super) fn next_fire_times(&self, next: &request::Next) -> Result<reply::FireTimes, ServiceError> {
        let now = clock::now().wall;
        let next = answers::fire_times(next, &self.scheduler, &self.service.catalogue, now)?;
        Ok(reply::FireTimes { next })
    }

    pub(super) fn history(&self, history: request::History, reply: ReplyHandle) {
        let pictures = self.pictures(None);
        self.answer(reply, move |reader| {
            let runs = answers::history(&history.selector, &pictures, reader)?;
            Ok(reply::Runs { runs })
        });
    }

    pub(super) fn run_row(&self, run_id: u64, reply: ReplyHandle) {
        let pictures = self.pictures(None);
        self.answer(reply, move |reader| {
            let run = answers::run(RunId(run_id), &pictures, reader)?;
            Ok(reply::OneRun { run })
        });
    }

    pub(super) fn why(&self, why: request::Why, reply: ReplyHandle) {
        let now = clock::now().wall;
        let around = match answers::around(&why, &self.scheduler, &self.service.catalogue, now) {
            Ok(around) => around,
            Err(error) => return reply.finish(Err::<reply::Ledger, _>(error)),
        };
        let pictures = self.pictures(Some(&why.job));
        self.answer(reply, move |reader| answers::ledger(&why.job, around, &pictures, reader));
    }

    pub(super) fn export(&self, names: &[String]) -> Result<reply::Exported, ServiceError> {
        for name in names {
            self.known(name)?;
        }
        let toml = self.service.catalogue.export(names).map_err(internal)?;
        Ok(reply::Exported { toml })
    }

    pub(super) fn changes(&self, changes: request::Changes, reply: ReplyHandle) {
        let pictures = self.pictures(None);
        self.answer(reply, move |reader| {
            let changes = answers::changes(&changes, &pictures, reader)?;
            Ok(reply::Changes { changes })
        });
    }

    /// Answers with the view of a job after a change, once the change is durable.
    pub(super) fn acknowledge_with_job<T: serde::Serialize + Send + 'static>(
        &mut self,
        name: &str,
        reply: ReplyHandle,
        make: impl FnOnce(JobView) -> T,
    ) {
        let view = self.pictures(Some(name)).bare_view(name);
        let result = view.map(make).ok_or_else(|| internal("the job is gone"));
        self.acknowledge(Acknowledge::new(reply, result));
    }
}

fn finish(reply: &mut Option<ReplyHandle>, jobs: &impl serde::Serialize) {
    if let Some(reply) = reply.take() {
        reply.finish(Ok(JobsReply { jobs }));
    }
}

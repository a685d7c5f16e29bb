//! Questions of clients: taken to the thread that reads the store, answered there.

use std::collections::BTreeSet;

use super::internal;
use crate::core::name::Name;
use crate::core::run::RunId;
use crate::daemon::answers;
use crate::daemon::clock;
use crate::daemon::event_loop::EventLoop;
use crate::daemon::listener::ReplyHandle;
use crate::daemon::views::status::{self, Census};
use crate::protocol::error::ServiceError;
use crate::protocol::views::{JobView, RunView};
use crate::protocol::{filter, reply, request};
use crate::store::{Reader, RunRow};

use super::Acknowledge;
use super::texts::Whose;

/// [`reply::Jobs`] or [`reply::Lines`], whose members are made while they are written.
#[derive(serde::Serialize)]
struct JobsReply<'a, T> {
    jobs: &'a T,
}

impl EventLoop {
    /// Has a question answered from the store.
    pub(super) fn answer<T: serde::Serialize + Send + 'static>(
        &self,
        reply: ReplyHandle,
        ask: impl FnOnce(&Reader) -> Result<T, ServiceError> + Send + 'static,
    ) {
        self.service.queries.ask(move |reader| reply.finish(reader.map_err(internal).and_then(ask)));
    }

    pub(super) fn status(&mut self, reply: ReplyHandle) {
        self.survey(
            Census::default(),
            |census, job| census.count(&job),
            move |event_loop, census| {
                let service = &event_loop.service;
                let facts = status::Facts {
                    scheduler: &event_loop.scheduler,
                    catalogue: &service.catalogue,
                    started_at: service.identity.started_at,
                    host: &service.identity.host,
                    state_dir: &service.identity.state_dir,
                    socket: &service.identity.socket,
                    degraded: service.degraded.as_deref(),
                    now: clock::now().wall,
                };
                reply.finish(Ok(reply::Status { status: status::status_view(&facts, census) }));
            },
        );
    }

    pub(super) fn list(&mut self, list: request::List, reply: ReplyHandle) {
        let whom = self.meant_by(&list.selector);
        self.with_pictures(whom, move |event_loop, pictures| {
            event_loop.answer_in_place(reply, move |reader, reply| {
                pictures.list(&list.selector, Some(reader), |views| finish(reply, views))
            });
        });
    }

    pub(super) fn overview(&mut self, overview: request::Overview, reply: ReplyHandle) {
        let whom = self.meant_by(&overview.selector);
        self.with_pictures(whom, move |event_loop, pictures| {
            event_loop.answer_in_place(reply, move |reader, reply| {
                pictures.lines(&overview.selector, Some(reader), |lines| finish(reply, lines))
            });
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
        let place = self.service.catalogue.place(&show.name);
        let pictures = self.picture(&show.name);
        self.answer(reply, move |reader| {
            let toml = answers::definition(&show.name, &place, Some(reader))?;
            let job = pictures.view(&show.name, reader).map_err(internal)?;
            Ok(reply::Shown { job: job.ok_or_else(|| filter::no_such_job(&show.name, []))?, toml })
        });
    }

    pub(super) fn next_fire_times(&self, next: &request::Next) -> Result<reply::FireTimes, ServiceError> {
        let now = clock::now().wall;
        let next = answers::fire_times(next, &self.scheduler, &self.service.catalogue, now)?;
        Ok(reply::FireTimes { next })
    }

    pub(super) fn history(&mut self, history: request::History, reply: ReplyHandle) {
        let whom = self.narrowed_by(&history.selector);
        self.with_pictures(whom, move |event_loop, pictures| {
            event_loop.show_runs(
                reply,
                move |reader| answers::history(&history.selector, &pictures, reader),
                |runs| Ok(reply::Runs { runs }),
            );
        });
    }

    pub(super) fn run_row(&self, run: RunId, reply: ReplyHandle) {
        self.show_runs(
            reply,
            move |reader| Ok(vec![answers::run(run, reader)?]),
            move |mut runs| {
                let run = runs.pop().ok_or(ServiceError::NoSuchRun { run_id: run.0 })?;
                Ok(reply::OneRun { run })
            },
        );
    }

    /// Reads rows and shows them, each in the zone of its job, which only the loop knows. A daemon that goes waits for
    /// the answer.
    fn show_runs<T: serde::Serialize>(
        &self,
        reply: ReplyHandle,
        read: impl FnOnce(&Reader) -> Result<Vec<RunRow>, ServiceError> + Send + 'static,
        show: impl FnOnce(Vec<RunView>) -> Result<T, ServiceError> + Send + 'static,
    ) {
        let queries = self.service.queries.clone();
        let held = self.service.progress.subscribe();
        self.service.queries.ask(move |reader| {
            let rows = match reader.map_err(internal).and_then(read) {
                Ok(rows) => rows,
                Err(error) => return reply.refuse(error),
            };
            queries.task(move |event_loop| {
                let jobs: BTreeSet<&str> = rows.iter().map(|row| row.job.as_str()).collect();
                let pictures = event_loop.pictures_of(jobs);
                event_loop.service.queries.ask(move |reader| {
                    let views = reader.map_err(internal);
                    let views = views.and_then(|reader| answers::run_views(&rows, &pictures, reader));
                    reply.finish(views.and_then(show));
                    drop(held);
                });
            });
        });
    }

    pub(super) fn why(&self, why: request::Why, reply: ReplyHandle) {
        let now = clock::now().wall;
        let around = match answers::around(&why, &self.scheduler, &self.service.catalogue, now) {
            Ok(around) => around,
            Err(error) => return reply.finish(Err::<reply::Ledger, _>(error)),
        };
        let pictures = self.picture(&why.job);
        self.answer(reply, move |reader| answers::ledger(&why.job, around, &pictures, reader));
    }

    pub(super) fn export(&mut self, export: request::Export, reply: ReplyHandle) {
        let names = export.names;
        let checked: Result<BTreeSet<Name>, ServiceError> =
            names.iter().map(|name| Name::new(name).map_err(internal)).collect();
        let whose = match checked {
            Ok(checked) if checked.is_empty() => Whose::All,
            Ok(checked) => Whose::Of(checked),
            Err(error) => return reply.finish(Err::<reply::Exported, _>(error)),
        };
        self.with_texts(whose, move |event_loop, texts| {
            let sources = event_loop.service.catalogue.sources();
            // A large set takes a moment to write, and the loop does not wait for that either.
            event_loop.service.queries.ask(move |_| {
                let toml =
                    texts.and_then(|texts| answers::export(&names, &sources, &texts).map_err(internal));
                reply.finish(toml.map(|toml| reply::Exported { toml }));
            });
        });
    }

    pub(super) fn changes(&self, changes: request::Changes, reply: ReplyHandle) {
        let pictures = self.pictures_of([]);
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
        let view = self.picture(name).bare_view(name);
        let result = view.map(make).ok_or_else(|| internal("the job is gone"));
        self.acknowledge(Acknowledge::new(reply, result));
    }
}

fn finish(reply: &mut Option<ReplyHandle>, jobs: &impl serde::Serialize) {
    if let Some(reply) = reply.take() {
        reply.finish(Ok(JobsReply { jobs }));
    }
}

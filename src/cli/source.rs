//! Where commands that only read get their answers: from a daemon when one answers, otherwise from the job file
//! and the store as they are on disk, through the same code. Nothing is created or changed, and nothing runs.

mod offline;

use serde_json::value::RawValue;

use super::context::Context;
use super::error::CliError;
use super::service::{call, call_failed, no_daemon, service};
use crate::client::{Client, ClientError};
use crate::core::run::RunId;
use crate::daemon::answers;
use crate::protocol::error::ServiceError;
use crate::protocol::request::{self, Request};
use crate::protocol::selector::Selector;
use crate::protocol::views::{ChangeView, EventView, JobLine, JobView, NextView, RunView, StatusView};
use crate::protocol::{filter, reply};

use offline::unread;
pub(crate) use offline::{Offline, added_names, logs_dir, nothing, unopened};

/// Where answers come from.
pub(crate) enum Source {
    /// A daemon that answers.
    Daemon(Client),
    /// The files.
    Files(Box<Offline>),
}

impl Source {
    /// Connects to the daemon, or reads the files where none runs.
    ///
    /// # Errors
    /// The files cannot be read or do not load; the errors of a job file have been printed.
    pub(crate) fn open(context: &Context) -> Result<Self, CliError> {
        Source::open_or(context, |error| {
            context.out.warning(&format!("{}; reading the files instead", error.message));
            Ok(())
        })
    }

    /// Connects to the daemon, or reads the files where certainly none runs.
    ///
    /// # Errors
    /// As [`Source::open`], and where a daemon does not answer.
    pub(crate) fn open_surely(context: &Context) -> Result<Self, CliError> {
        Source::open_or(context, Err)
    }

    fn open_or(
        context: &Context,
        silent: impl FnOnce(CliError) -> Result<(), CliError>,
    ) -> Result<Self, CliError> {
        let paths = context.paths()?;
        match Client::connect(&paths.socket) {
            Ok(client) => return Ok(Source::Daemon(client)),
            Err(ClientError::NoSocket { .. } | ClientError::Refused { .. }) => {}
            Err(error) => silent(no_daemon(&error, &paths))?,
        }
        Ok(Source::Files(Box::new(Offline::open(context)?)))
    }

    /// Lists jobs with everything there is to see of them.
    ///
    /// # Errors
    /// A plain name that no job has, or there is no answer.
    pub(crate) fn list(&mut self, selector: Selector, context: &Context) -> Result<Vec<JobView>, CliError> {
        match self {
            Source::Daemon(client) => {
                let request = Request::List(request::List { selector });
                call::<reply::Jobs>(client, &request, context).map(|reply| reply.jobs)
            }
            Source::Files(files) => files.list(&selector, context),
        }
    }

    /// Prints jobs as one JSON text, which is passed on as the daemon has written it.
    ///
    /// # Errors
    /// As [`Source::list`], and those of the output.
    pub(crate) fn print_json(&mut self, selector: Selector, context: &mut Context) -> Result<(), CliError> {
        #[derive(serde::Deserialize)]
        struct Jobs<'a> {
            #[serde(borrow)]
            jobs: &'a RawValue,
        }
        match self {
            Source::Daemon(client) => {
                let request = Request::List(request::List { selector });
                let answer = client.ask(&request).map_err(|error| call_failed(&error, context))?;
                let reply: Jobs<'_> = answer.read().map_err(|error| call_failed(&error, context))?;
                context.out.json(&reply.jobs)
            }
            Source::Files(files) => files
                .pictures()
                .list(&selector, files.reader.as_ref(), |views| context.out.json(views))
                .map_err(|error| service(&error, context))?,
        }
    }

    /// Lists jobs in a line each, and hands the lines to `then`.
    ///
    /// # Errors
    /// As [`Source::list`], and those of `then`.
    pub(crate) fn lines<T>(
        &mut self,
        selector: Selector,
        context: &mut Context,
        then: impl FnOnce(&[JobLine<'_>], &mut Context) -> Result<T, CliError>,
    ) -> Result<T, CliError> {
        match self {
            Source::Daemon(client) => {
                let request = Request::Overview(request::Overview { selector });
                let answer = client.ask(&request).map_err(|error| call_failed(&error, context))?;
                let reply: reply::Lines<'_> = answer.read().map_err(|error| call_failed(&error, context))?;
                then(&reply.jobs, context)
            }
            Source::Files(files) => {
                let pictures = files.pictures();
                let listed = pictures.lines(&selector, files.reader.as_ref(), |lines| {
                    then(&lines.iter().collect::<Vec<_>>(), context)
                });
                listed.map_err(|error| service(&error, context))?
            }
        }
    }

    /// Shows one job and its definition.
    ///
    /// # Errors
    /// There is no such job, or no answer.
    pub(crate) fn show(&mut self, name: &str, context: &Context) -> Result<reply::Shown, CliError> {
        match self {
            Source::Daemon(client) => {
                call(client, &Request::Show(request::Show { name: name.to_owned() }), context)
            }
            Source::Files(files) => {
                let mut jobs = files.list(&Selector::named(name), context)?;
                let job = jobs.pop().ok_or_else(|| service(&filter::no_such_job(name, []), context))?;
                let place = files.catalogue.place(name);
                let toml = answers::definition(name, &place, files.reader.as_ref());
                Ok(reply::Shown { job, toml: toml.map_err(|error| service(&error, context))? })
            }
        }
    }

    /// Computes the coming fire times of a job.
    ///
    /// # Errors
    /// There is no such job, or no answer.
    pub(crate) fn next(&mut self, request: request::Next, context: &Context) -> Result<NextView, CliError> {
        match self {
            Source::Daemon(client) => {
                call::<reply::FireTimes>(client, &Request::Next(request), context).map(|reply| reply.next)
            }
            Source::Files(files) => files.next(&request, context),
        }
    }

    /// Lists runs, the latest first.
    ///
    /// # Errors
    /// A plain name that nothing has, or there is no answer.
    pub(crate) fn history(
        &mut self,
        selector: Selector,
        context: &Context,
    ) -> Result<Vec<RunView>, CliError> {
        match self {
            Source::Daemon(client) => {
                let request = Request::History(request::History { selector });
                call::<reply::Runs>(client, &request, context).map(|reply| reply.runs)
            }
            Source::Files(files) => files.answer(context, Vec::new, |pictures, reader| {
                let rows = answers::history(&selector, pictures, reader)?;
                answers::run_views(&rows, pictures, reader)
            }),
        }
    }

    /// Shows one run.
    ///
    /// # Errors
    /// There is no such run, or no answer.
    pub(crate) fn run(&mut self, run_id: u64, context: &Context) -> Result<RunView, CliError> {
        match self {
            Source::Daemon(client) => {
                let request = Request::Run(request::Run { run_id });
                call::<reply::OneRun>(client, &request, context).map(|reply| reply.run)
            }
            Source::Files(files) => match &files.reader {
                Some(reader) => answers::run(RunId(run_id), reader)
                    .and_then(|row| answers::run_view_of(&row, &files.pictures(), reader))
                    .map_err(|error| service(&error, context)),
                None => Err(service(&ServiceError::NoSuchRun { run_id }, context)),
            },
        }
    }

    /// Lists events in their order.
    ///
    /// # Errors
    /// There is no answer.
    pub(crate) fn events(
        &mut self,
        request: request::Events,
        context: &Context,
    ) -> Result<Vec<EventView>, CliError> {
        match self {
            Source::Daemon(client) => {
                call::<reply::Events>(client, &Request::Events(request), context).map(|reply| reply.events)
            }
            Source::Files(files) => files.answer(context, Vec::new, |pictures, reader| {
                answers::events(&request, Some(answers::events_limit(&request)), pictures, reader)
            }),
        }
    }

    /// Lists changes of the job set, the latest first.
    ///
    /// # Errors
    /// There is no answer.
    pub(crate) fn changes(
        &mut self,
        request: request::Changes,
        context: &Context,
    ) -> Result<Vec<ChangeView>, CliError> {
        match self {
            Source::Daemon(client) => {
                call::<reply::Changes>(client, &Request::Changes(request), context).map(|reply| reply.changes)
            }
            Source::Files(files) => files
                .answer(context, Vec::new, |pictures, reader| answers::changes(&request, pictures, reader)),
        }
    }

    /// Collects what is known of a job around an instant.
    ///
    /// # Errors
    /// There is no such job, or no answer.
    pub(crate) fn why(
        &mut self,
        request: request::Why,
        context: &Context,
    ) -> Result<reply::Ledger, CliError> {
        match self {
            Source::Daemon(client) => call(client, &Request::Why(request), context),
            Source::Files(files) => files.why(&request, context),
        }
    }

    /// Writes jobs as one job file; no names = all of them, with the settings.
    ///
    /// # Errors
    /// There is no such job, or no answer.
    pub(crate) fn export(&mut self, names: &[String], context: &Context) -> Result<String, CliError> {
        match self {
            Source::Daemon(client) => {
                let request = Request::Export(request::Export { names: names.to_vec() });
                call::<reply::Exported>(client, &request, context).map(|reply| reply.toml)
            }
            Source::Files(files) => {
                for name in names {
                    files.known(name).map_err(|error| service(&error, context))?;
                }
                let added = files.definitions().map_err(unread)?;
                answers::export(names, &files.catalogue.sources(), &added)
                    .map_err(|error| CliError::failed(&error))
            }
        }
    }

    /// Says how the daemon is.
    ///
    /// # Errors
    /// There is no answer.
    pub(crate) fn status(&mut self, context: &Context) -> Result<StatusView, CliError> {
        match self {
            Source::Daemon(client) => {
                call::<reply::Status>(client, &Request::Status, context).map(|reply| reply.status)
            }
            Source::Files(files) => files.status(),
        }
    }
}

//! Where commands that only read get their answers: from a daemon when one answers, otherwise from the job file
//! and the store as they are on disk, through the same code. Nothing is created or changed, and nothing runs.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::value::RawValue;

use super::context::Context;
use super::error::{CliError, Kind, chain};
use super::files::no_catalogue;
use super::paths::Paths;
use super::service::{call, call_failed, no_daemon, service};
use crate::client::{Client, ClientError};
use crate::core::instant::Timestamp;
use crate::core::job::Job;
use crate::core::name::Name;
use crate::core::run::RunId;
use crate::core::scheduler::Scheduler;
use crate::daemon::answers;
use crate::daemon::boot::picture;
use crate::daemon::catalogue::Catalogue;
use crate::daemon::clock;
use crate::daemon::pictures::Pictures;
use crate::daemon::views::status::{Facts, resting_view};
use crate::process::{self, Logs};
use crate::protocol::error::ServiceError;
use crate::protocol::request::{self, Request};
use crate::protocol::selector::Selector;
use crate::protocol::views::{
    ChangeView, EventView, JobLine, JobView, NextView, PauseView, RunView, StatusView,
};
use crate::protocol::{filter, reply};
use crate::store::{Loaded, OpenError, QueryError, Reader};

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
                let toml = files.catalogue.definition(name).map_err(|error| CliError::failed(&error))?;
                Ok(reply::Shown { job, toml: toml.unwrap_or_default() })
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
            Source::Files(files) => files
                .answer(context, Vec::new, |pictures, reader| answers::history(&selector, pictures, reader)),
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
                Some(reader) => answers::run(RunId(run_id), &files.pictures(), reader)
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
                files.catalogue.export(names).map_err(|error| CliError::failed(&error))
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

/// The files of one instance.
pub(crate) struct Offline {
    /// Every definition.
    pub(crate) catalogue: Catalogue,
    /// The store, where there is one.
    reader: Option<Reader>,
    scheduler: Scheduler,
    paths: Paths,
}

impl Offline {
    /// Reads the job file and opens the store, where there is one.
    ///
    /// # Errors
    /// The job file does not load (its errors have been printed), or the store cannot be read.
    pub(crate) fn open(context: &Context) -> Result<Self, CliError> {
        let paths = context.paths()?;
        let reader = Reader::open(&paths.state_dir).map_err(|error| unopened(&error))?;
        let loaded = match &reader {
            Some(reader) => reader.load().map_err(unread)?,
            None => nothing(),
        };
        let zones = Arc::clone(context.zones());
        let catalogue = Catalogue::open(&paths.config, paths.config_given, zones, loaded.definitions.clone())
            .map_err(|error| no_catalogue(&error, context))?;
        let scheduler = picture(&catalogue, loaded, clock::now());
        Ok(Offline { catalogue, reader, scheduler, paths })
    }

    /// Finds a job that loads.
    ///
    /// # Errors
    /// There is none, or its definition does not load.
    pub(crate) fn job(&self, name: &str, context: &Context) -> Result<Arc<Job>, CliError> {
        if let Some(job) = self.scheduler.job(name) {
            return Ok(job.job);
        }
        self.known(name).map_err(|error| service(&error, context))?;
        let broken = self.catalogue.broken().find(|(broken, _)| broken.as_str() == name);
        let why = broken.and_then(|(_, found)| found.first()).map(ToString::to_string).unwrap_or_default();
        Err(CliError::usage(format!("the definition of {name} does not load: {why}")))
    }

    /// Says when a job last succeeded.
    pub(crate) fn last_success(&self, name: &str) -> Option<Timestamp> {
        self.scheduler.job(name).and_then(|job| job.last_success)
    }

    fn known(&self, name: &str) -> Result<(), ServiceError> {
        answers::known(name, &self.scheduler, &self.catalogue)
    }

    fn pictures(&self) -> Pictures {
        let logs = Logs::existing(logs_dir(&self.paths));
        Pictures::take(&self.scheduler, &self.catalogue, &logs, None)
    }

    fn list(&self, selector: &Selector, context: &Context) -> Result<Vec<JobView>, CliError> {
        self.pictures()
            .list(selector, self.reader.as_ref(), |views| views.iter().collect())
            .map_err(|error| service(&error, context))
    }

    /// Asks the store; without one the answer is what `without` makes.
    fn answer<T>(
        &self,
        context: &Context,
        without: impl FnOnce() -> T,
        ask: impl FnOnce(&Pictures, &Reader) -> Result<T, ServiceError>,
    ) -> Result<T, CliError> {
        match &self.reader {
            Some(reader) => ask(&self.pictures(), reader).map_err(|error| service(&error, context)),
            None => Ok(without()),
        }
    }

    fn next(&self, request: &request::Next, context: &Context) -> Result<NextView, CliError> {
        answers::fire_times(request, &self.scheduler, &self.catalogue, context.now)
            .map_err(|error| service(&error, context))
    }

    fn why(&self, request: &request::Why, context: &Context) -> Result<reply::Ledger, CliError> {
        let around = answers::around(request, &self.scheduler, &self.catalogue, context.now)
            .map_err(|error| service(&error, context))?;
        let pictures = self.pictures();
        let answer = match &self.reader {
            Some(reader) => answers::ledger(&request.job, around, &pictures, reader),
            None => pictures.blank_ledger(&request.job, around),
        };
        answer.map_err(|error| service(&error, context))
    }

    fn status(&self) -> Result<StatusView, CliError> {
        let host = process::host();
        let view = resting_view(&Facts {
            scheduler: &self.scheduler,
            catalogue: &self.catalogue,
            started_at: Timestamp::default(),
            host: &host,
            state_dir: &self.paths.state_dir,
            socket: &self.paths.socket,
            degraded: None,
            now: clock::now().wall,
        });
        let hold = match &self.reader {
            Some(reader) => reader.hold().map_err(unread)?,
            None => None,
        };
        let zone = self.catalogue.zone();
        let held =
            hold.map(|hold| PauseView { since: zone.format(hold.at), until: None, reason: hold.reason });
        Ok(StatusView { held, ..view })
    }
}

/// Returns the names of the jobs that live in the store, for texts that wait for them; none where it cannot be read.
pub(crate) fn added_names(context: &Context) -> HashMap<Name, Vec<Name>> {
    let loaded = || -> Option<Loaded> {
        let paths = context.paths().ok()?;
        Reader::open(&paths.state_dir).ok()??.load().ok()
    };
    let definitions = loaded().map(|loaded| loaded.definitions).unwrap_or_default();
    definitions.into_iter().map(|(name, _)| (name, Vec::new())).collect()
}

pub(crate) fn logs_dir(paths: &Paths) -> PathBuf {
    paths.state_dir.join("logs")
}

/// What a store that is not there remembers.
pub(crate) fn nothing() -> Loaded {
    Loaded {
        jobs: Vec::new(),
        definitions: Vec::new(),
        unfinished: Vec::new(),
        hold: None,
        heartbeat: None,
        restored: None,
        next_run: 1,
    }
}

pub(crate) fn unopened(error: &OpenError) -> CliError {
    let hint = match error {
        OpenError::Older { .. } => "start the daemon once: it upgrades the store",
        OpenError::Newer { .. } => "use the version of jobctl that wrote it",
        OpenError::Corrupt { .. } => {
            "`jobctl restore FILE` puts a backup back, `jobctl restore --empty` begins anew; both keep the old files"
        }
        OpenError::Foreign { .. } => "move it away, or name another directory with --state-dir",
        OpenError::Locked { .. } | OpenError::Io { .. } | OpenError::Sqlite { .. } => {
            "name another directory with --state-dir"
        }
    };
    CliError::new(Kind::Failed, chain(error)).hint(hint)
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err hands over")]
fn unread(error: QueryError) -> CliError {
    CliError::failed(&error)
}

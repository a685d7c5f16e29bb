//! Answers without a daemon: the job file and the store as they are on disk.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use crate::cli::context::Context;
use crate::cli::error::{CliError, Kind, chain};
use crate::cli::files::no_catalogue;
use crate::cli::paths::Paths;
use crate::cli::service::service;
use crate::core::instant::Timestamp;
use crate::core::job::Job;
use crate::core::name::Name;
use crate::core::scheduler::Scheduler;
use crate::daemon::answers;
use crate::daemon::boot::picture;
use crate::daemon::catalogue::Catalogue;
use crate::daemon::clock;
use crate::daemon::pictures::Pictures;
use crate::daemon::views::status::{Census, Facts, resting_view};
use crate::process::{self, Logs};
use crate::protocol::error::ServiceError;
use crate::protocol::selector::Selector;
use crate::protocol::views::{JobView, NextView, PauseView, StatusView};
use crate::protocol::{reply, request};
use crate::store::{Loaded, OpenError, QueryError, Reader};

/// The files of one instance.
pub(crate) struct Offline {
    /// Every definition.
    pub(crate) catalogue: Catalogue,
    /// The store, where there is one.
    pub(super) reader: Option<Reader>,
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
        let mut loaded = match &reader {
            Some(reader) => reader.load().map_err(unread)?,
            None => nothing(),
        };
        let definitions = std::mem::take(&mut loaded.definitions);
        let zones = Arc::clone(context.zones());
        let catalogue = Catalogue::open(&paths.config, paths.config_given, zones, definitions)
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
        let errors = self.catalogue.errors_of(name).unwrap_or_default();
        let why = errors.first().map(ToString::to_string).unwrap_or_default();
        Err(CliError::usage(format!("the definition of {name} does not load: {why}")))
    }

    /// Says when a job last succeeded.
    pub(crate) fn last_success(&self, name: &str) -> Option<Timestamp> {
        self.scheduler.job(name).and_then(|job| job.last_success)
    }

    /// Reads the definitions of all added jobs.
    pub(super) fn definitions(&self) -> Result<BTreeMap<Name, String>, QueryError> {
        let read = self.reader.as_ref().map_or_else(|| Ok(Vec::new()), Reader::definitions)?;
        Ok(read.into_iter().collect())
    }

    pub(super) fn known(&self, name: &str) -> Result<(), ServiceError> {
        answers::known(name, &self.scheduler, &self.catalogue)
    }

    pub(super) fn pictures(&self) -> Pictures {
        let logs = Logs::existing(logs_dir(&self.paths));
        Pictures::of_all(&self.scheduler, &self.catalogue, &logs)
    }

    pub(super) fn list(&self, selector: &Selector, context: &Context) -> Result<Vec<JobView>, CliError> {
        self.pictures()
            .list(selector, self.reader.as_ref(), |views| views.iter().collect())
            .map_err(|error| service(&error, context))
    }

    /// Asks the store; without one the answer is what `without` makes.
    pub(super) fn answer<T>(
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

    pub(super) fn next(&self, request: &request::Next, context: &Context) -> Result<NextView, CliError> {
        answers::fire_times(request, &self.scheduler, &self.catalogue, context.now)
            .map_err(|error| service(&error, context))
    }

    pub(super) fn why(&self, request: &request::Why, context: &Context) -> Result<reply::Ledger, CliError> {
        let around = answers::around(request, &self.scheduler, &self.catalogue, context.now)
            .map_err(|error| service(&error, context))?;
        let pictures = self.pictures();
        let answer = match &self.reader {
            Some(reader) => answers::ledger(&request.job, around, &pictures, reader),
            None => pictures.blank_ledger(&request.job, around),
        };
        answer.map_err(|error| service(&error, context))
    }

    pub(super) fn status(&self) -> Result<StatusView, CliError> {
        let host = process::host();
        let facts = Facts {
            scheduler: &self.scheduler,
            catalogue: &self.catalogue,
            started_at: Timestamp::default(),
            host: &host,
            state_dir: &self.paths.state_dir,
            socket: &self.paths.socket,
            degraded: None,
            now: clock::now().wall,
        };
        let mut census = Census::default();
        self.scheduler.jobs().for_each(|job| census.count(&job));
        let view = resting_view(&facts, census);
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
pub(super) fn unread(error: QueryError) -> CliError {
    CliError::failed(&error)
}

//! The job file and the added jobs, read straight from disk: what commands that only read go by when no daemon
//! answers. Nothing is created or changed.

use std::collections::HashMap;
use std::sync::Arc;

use super::context::Context;
use super::error::{CliError, Kind, chain};
use super::paths::Paths;
use crate::core::job::Job;
use crate::core::name::Name;
use crate::core::trigger::Firing;
use crate::jobfile::{self, Diagnostic, JobSet, NoPeers, Peers, ReadError, Severity, Sources};

/// A job set as it is on disk.
#[derive(Debug)]
pub(crate) struct Files {
    /// The texts.
    pub(crate) sources: Sources,
    /// What they mean; empty where there is no job file.
    pub(crate) set: JobSet,
    /// Definitions of added jobs, as TOML.
    pub(crate) added: Vec<(Name, String)>,
    /// The added jobs that load.
    pub(crate) added_jobs: Vec<Arc<Job>>,
    /// The added jobs that do not, and why.
    pub(crate) broken: Vec<(Name, Vec<Diagnostic>)>,
}

impl Files {
    /// Reads the job file and the definitions of added jobs.
    ///
    /// Where there is no job file and none was named, the set has no declared jobs.
    ///
    /// # Errors
    /// The files cannot be read or do not load; then their errors have been printed.
    pub(crate) fn load(
        paths: &Paths,
        added: Vec<(Name, String)>,
        context: &Context,
    ) -> Result<Self, CliError> {
        let sources = match jobfile::read(&paths.config) {
            Ok(sources) => sources,
            Err(ReadError::Missing { .. }) if !paths.config_given => Sources::default(),
            Err(error) => return Err(unreadable(&error)),
        };
        let set = if sources.files.is_empty() {
            JobSet::empty(context.zones())
        } else {
            match jobfile::load(&sources, context.zones(), &waits(&added, context)) {
                Ok(set) => set,
                Err(diagnostics) => return Err(refused(&diagnostics, context)),
            }
        };
        let mut files = Files { sources, set, added: Vec::new(), added_jobs: Vec::new(), broken: Vec::new() };
        files.add(added, context);
        Ok(files)
    }

    fn add(&mut self, added: Vec<(Name, String)>, context: &Context) {
        let mut peers: HashMap<Name, Vec<Name>> = waits(&added, context);
        peers.extend(self.set.jobs.iter().map(|job| (job.name.clone(), dependencies(job))));
        for (name, text) in &added {
            match jobfile::fragment(text, name, &self.set, context.zones(), &peers) {
                Ok(fragment) => self.added_jobs.push(fragment.job),
                Err(diagnostics) => self.broken.push((name.clone(), diagnostics)),
            }
        }
        self.added = added;
    }

    /// Returns every job that loads.
    pub(crate) fn jobs(&self) -> impl Iterator<Item = &Arc<Job>> {
        self.set.jobs.iter().chain(&self.added_jobs)
    }

    /// Finds a job by its name.
    ///
    /// # Errors
    /// There is none, or its definition does not load.
    pub(crate) fn job(&self, name: &str) -> Result<&Arc<Job>, CliError> {
        if let Some(job) = self.jobs().find(|job| job.name.as_str() == name) {
            return Ok(job);
        }
        if let Some((_, diagnostics)) = self.broken.iter().find(|(broken, _)| broken.as_str() == name) {
            let why = diagnostics.first().map(ToString::to_string).unwrap_or_default();
            return Err(CliError::usage(format!("the definition of {name} does not load: {why}")));
        }
        Err(no_such_job(name, self.jobs().map(|job| job.name.as_str())))
    }
}

/// Says that there is no such job, with the nearest name.
pub(crate) fn no_such_job<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> CliError {
    let limit = (name.chars().count() / 3).clamp(1, 3);
    let near = names
        .take(10_000)
        .map(|other| (strsim::osa_distance(name, other), other))
        .filter(|(distance, _)| *distance <= limit)
        .min();
    let hint = match near {
        Some((_, near)) => format!("did you mean {near}?"),
        None => "`jobctl list` shows the jobs".to_owned(),
    };
    CliError::new(Kind::Name, format!("there is no job {name}")).hint(hint)
}

/// Returns the jobs a job waits for.
fn dependencies(job: &Job) -> Vec<Name> {
    match &job.firing {
        Firing::After(dependencies) => dependencies.iter().map(|dependency| dependency.job.clone()).collect(),
        Firing::Clock(_) | Firing::Startup | Firing::Shutdown => Vec::new(),
    }
}

/// Returns the added jobs with what they wait for, for the check of circles.
fn waits(added: &[(Name, String)], context: &Context) -> HashMap<Name, Vec<Name>> {
    let empty = JobSet::empty(context.zones());
    let all: HashMap<Name, Vec<Name>> = added.iter().map(|(name, _)| (name.clone(), Vec::new())).collect();
    let waits = added.iter().map(|(name, text)| {
        // Pools and notifiers are not known yet; jobs that name one wait for nothing here, which is only
        // a coarser check.
        let job = jobfile::fragment(text, name, &empty, context.zones(), &Everybody(&all)).ok();
        (name.clone(), job.map(|fragment| dependencies(&fragment.job)).unwrap_or_default())
    });
    waits.collect()
}

/// Peers among whom every name exists: used where only what a definition says itself is of interest.
struct Everybody<'a>(&'a HashMap<Name, Vec<Name>>);

impl Peers for Everybody<'_> {
    fn waits_for(&self, _job: &str) -> Option<Vec<Name>> {
        Some(Vec::new())
    }

    fn names(&self) -> Vec<Name> {
        self.0.keys().cloned().collect()
    }
}

/// Words a job file that cannot be read.
pub(crate) fn unreadable(error: &ReadError) -> CliError {
    let hint = match error {
        ReadError::Missing { .. } => "write one, or name another with --config FILE",
        ReadError::Unreadable { .. } => "name another with --config FILE",
        ReadError::TooMany { .. } => "merge some of them",
    };
    CliError::usage(chain(error)).hint(hint)
}

/// Prints what is wrong with a job file and makes the error that ends the command.
pub(crate) fn refused(diagnostics: &[Diagnostic], context: &Context) -> CliError {
    context.out.diagnostics(&jobfile::render(diagnostics, context.out.colour_on_stderr()));
    let errors = diagnostics.iter().filter(|one| one.severity == Severity::Error).count();
    let count = super::render::text::count(errors as u64, "error");
    CliError::usage(format!("the job file does not load: {count}")).hint("`jobctl check` shows them again")
}

/// Says that no other jobs are known.
pub(crate) const NOBODY: NoPeers = NoPeers;

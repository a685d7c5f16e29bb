//! Where commands that only read get their answers without a daemon: the job file and the store, as they are on
//! disk. Nothing is created or changed, and nothing runs.

use std::sync::Arc;

use super::context::Context;
use super::error::CliError;
use super::files::{no_catalogue, no_such_job};
use crate::core::job::Job;
use crate::daemon::catalogue::Catalogue;

/// The files of one instance.
pub(crate) struct Offline {
    /// Every definition.
    pub(crate) catalogue: Catalogue,
}

impl Offline {
    /// Reads the job file and opens the store, where there is one.
    ///
    /// # Errors
    /// The job file does not load (its errors have been printed), or the store cannot be read.
    pub(crate) fn open(context: &Context) -> Result<Self, CliError> {
        let paths = context.paths()?;
        let zones = Arc::clone(context.zones());
        let catalogue = Catalogue::open(&paths.config, paths.config_given, zones, Vec::new())
            .map_err(|error| no_catalogue(&error, context))?;
        Ok(Offline { catalogue })
    }

    /// Finds a job by its name.
    ///
    /// # Errors
    /// There is none, or its definition does not load.
    pub(crate) fn job(&self, name: &str) -> Result<Arc<Job>, CliError> {
        let jobs = self.catalogue.jobs();
        if let Some(job) = jobs.iter().find(|job| job.name.as_str() == name) {
            return Ok(Arc::clone(job));
        }
        if let Some((_, diagnostics)) = self.catalogue.broken().find(|(broken, _)| broken.as_str() == name) {
            let why = diagnostics.first().map(ToString::to_string).unwrap_or_default();
            return Err(CliError::usage(format!("the definition of {name} does not load: {why}")));
        }
        Err(no_such_job(name, jobs.iter().map(|job| job.name.as_str())))
    }
}

//! The catalogue: every definition there is, from the job file and from the store, and what it means.
//!
//! Owns the rule that a bad text never replaces a good set, and knows where each text is: those of added jobs are
//! in the store, and are handed in when they are wanted. Used by the daemon and by commands that read without one,
//! so that both see the same jobs. It must not know runs.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::core::civil::{Zone, ZoneSource};
use crate::core::job::{Job, Origin};
use crate::core::name::Name;
use crate::core::scheduler::Settings;
use crate::jobfile::{self, Diagnostic, Fragment, JobSet, Peers, ReadError, Sources};

use super::added::{Added, Names, dependencies, read_all, unless_same};

/// Everything that defines jobs.
pub struct Catalogue {
    config: PathBuf,
    /// True: the job file must exist, because somebody named it.
    required: bool,
    zones: Arc<dyn ZoneSource + Send + Sync>,
    sources: Arc<Sources>,
    set: JobSet,
    added: Added,
    /// What is wrong with the job file as it is on disk, when an older set is kept.
    errors: Vec<Diagnostic>,
    /// Stands for the text that was read last, good or bad.
    read: u64,
}

/// Where the text of a job's definition is.
#[derive(Clone, Debug)]
pub enum Place {
    /// In these files, declared at this place of them.
    Files(Arc<Sources>, Option<(Arc<Path>, u32)>),
    /// Here: the store does not have it yet, or it does not load.
    AtHand(Arc<str>),
    /// In the store, for as long as the job is this one.
    Store(Arc<Job>),
}

/// Why there is no catalogue.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// The job file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The job file is not in order.
    #[error("the job file has {} error(s)", .0.len())]
    Invalid(Vec<Diagnostic>),
}

impl Catalogue {
    /// Reads the job file and takes in the added jobs, whose definitions are those the store has. An added job that
    /// does not load is kept as broken.
    ///
    /// # Errors
    /// The job file cannot be read (it may be absent unless it is `required`), or is not in order.
    pub fn open(
        config: &Path,
        required: bool,
        zones: Arc<dyn ZoneSource + Send + Sync>,
        mut definitions: Vec<(Name, String)>,
    ) -> Result<Self, CatalogueError> {
        let set = JobSet::empty(zones.as_ref());
        let mut catalogue = Catalogue {
            config: config.to_owned(),
            required,
            zones,
            sources: Arc::default(),
            set,
            added: Added::default(),
            errors: Vec::new(),
            read: 0,
        };
        definitions.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        let sources = catalogue.read()?;
        catalogue.set = catalogue.load(&sources, &Names(&definitions))?;
        catalogue.sources = Arc::new(sources);
        catalogue.take_in(definitions);
        Ok(catalogue)
    }

    /// Reads the job file again, and with it what the tz database says by now; on any error the set in force stays,
    /// and the errors are remembered. `definitions` are those of all added jobs, in the order of their names.
    ///
    /// # Errors
    /// As for [`Catalogue::open`].
    pub fn reload(
        &mut self,
        zones: Arc<dyn ZoneSource + Send + Sync>,
        definitions: Vec<(Name, String)>,
    ) -> Result<(), CatalogueError> {
        let earlier = std::mem::replace(&mut self.zones, zones);
        let reloaded = self.reload_in_these_zones(definitions);
        if reloaded.is_err() {
            self.zones = earlier;
        }
        reloaded
    }

    fn reload_in_these_zones(&mut self, definitions: Vec<(Name, String)>) -> Result<(), CatalogueError> {
        let read = self.read().and_then(|sources| {
            let set = self.load(&sources, &self.added)?;
            let homeless = self.without_their_pool(&definitions, &set);
            if homeless.is_empty() { Ok((sources, set)) } else { Err(CatalogueError::Invalid(homeless)) }
        });
        match read {
            Ok((sources, mut set)) => {
                for job in &mut set.jobs {
                    *job = unless_same(self.set.find(job.name.as_str()), Arc::clone(job));
                }
                self.sources = Arc::new(sources);
                self.set = set;
                self.errors.clear();
                self.take_in(definitions);
                Ok(())
            }
            Err(error) => {
                self.errors = match &error {
                    CatalogueError::Invalid(diagnostics) => diagnostics.clone(),
                    CatalogueError::Read(_) => Vec::new(),
                };
                Err(error)
            }
        }
    }

    /// Says whether the text on disk is another one than that which was read last. One that cannot be read is.
    pub fn has_changed(&self) -> bool {
        self.sources_on_disk().map_or(true, |sources| fingerprint(&sources) != self.read)
    }

    fn sources_on_disk(&self) -> Result<Sources, ReadError> {
        match jobfile::read(&self.config) {
            Err(ReadError::Missing { .. }) if !self.required => Ok(Sources::default()),
            read => read,
        }
    }

    fn read(&mut self) -> Result<Sources, CatalogueError> {
        let sources = self.sources_on_disk()?;
        self.read = fingerprint(&sources);
        Ok(sources)
    }

    fn load(&self, sources: &Sources, added: &dyn Peers) -> Result<JobSet, CatalogueError> {
        jobfile::load(sources, self.zones.as_ref(), added).map_err(CatalogueError::Invalid)
    }

    /// Says what is wrong with added jobs that would lose their pool to a new set: a pool in use is not removed.
    fn without_their_pool(&self, definitions: &[(Name, String)], set: &JobSet) -> Vec<Diagnostic> {
        let peers = Everyone { set, added: &self.added, coming: &BTreeSet::new() };
        let loses = |name: &Name| {
            let pool = self.added.job(name.as_str()).and_then(|job| job.policy.pool.as_ref());
            pool.is_some_and(|name| set.pools.iter().all(|pool| pool.name != *name))
        };
        let homeless = definitions.iter().filter(|(name, _)| loses(name));
        let wrong = homeless
            .filter_map(|(name, toml)| jobfile::fragment(toml, name, set, self.zones.as_ref(), &peers).err());
        wrong.flatten().collect()
    }

    /// Loads added jobs, which are in the order of their names, against the set.
    fn take_in(&mut self, definitions: Vec<(Name, String)>) {
        let threads = usize::try_from(processors()).unwrap_or(1);
        let read = read_all(&definitions, &self.set, self.zones.as_ref(), threads);
        self.added.set(definitions, read);
    }

    /// Checks the definition of one job to be added or replaced.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn check(&self, name: &Name, toml: &str) -> Result<Fragment, Vec<Diagnostic>> {
        self.check_with(name, toml, &BTreeSet::new())
    }

    /// Checks the definition of one job that comes together with others.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn check_with(
        &self,
        name: &Name,
        toml: &str,
        others: &BTreeSet<Name>,
    ) -> Result<Fragment, Vec<Diagnostic>> {
        let peers = Everyone { set: &self.set, added: &self.added, coming: others };
        jobfile::fragment(toml, name, &self.set, self.zones.as_ref(), &peers)
    }

    /// Takes in a definition that has been checked, and keeps its text until the submission that has it is durable.
    pub fn put(&mut self, job: Arc<Job>, toml: String, token: u64) {
        self.added.put(job, toml, token);
    }

    /// Notes that every submission before this one is durable.
    pub fn durable_before(&mut self, token: u64) {
        self.added.durable_before(token);
    }

    /// Takes in the added jobs that did not load, if they do by now: what they lacked may have been added. Says
    /// whether one does.
    pub fn heal(&mut self) -> bool {
        let broken: Vec<Name> = self.added.broken().map(|(name, _)| name.clone()).collect();
        let mut healed = false;
        for name in broken {
            let Some(toml) = self.added.text(name.as_str()) else { continue };
            if let Ok(fragment) = self.check(&name, toml) {
                self.added.mend(fragment.job);
                healed = true;
            }
        }
        healed
    }

    /// Takes out an added job.
    pub fn remove(&mut self, name: &str) {
        self.added.remove(name);
    }

    /// Returns every job that loads, those of the files first.
    pub fn jobs(&self) -> Vec<Arc<Job>> {
        self.set.jobs.iter().chain(self.added.jobs()).cloned().collect()
    }

    /// Returns the added jobs that do not load, and why.
    pub fn broken(&self) -> impl Iterator<Item = (&Name, &[Diagnostic])> {
        self.added.broken()
    }

    /// Returns what is wrong with an added job that does not load.
    pub fn errors_of(&self, name: &str) -> Option<&[Diagnostic]> {
        self.added.errors(name)
    }

    /// Says whether a job was added, one that does not load included.
    pub fn is_added(&self, name: &str) -> bool {
        self.added.contains(name)
    }

    /// Returns the names of all added jobs, in no order.
    pub fn added_names(&self) -> impl Iterator<Item = &Name> {
        self.added.all_names()
    }

    /// Returns the place in the job file where a job is declared.
    pub fn declared(&self, name: &str) -> Option<(Arc<Path>, u32)> {
        match &self.set.find(name)?.origin {
            Origin::File { path, line } => Some((path.as_path().into(), *line)),
            Origin::Added => None,
        }
    }

    /// Says where the text of a job's definition is: that of one which was not added is in the files, if anywhere.
    pub fn place(&self, name: &str) -> Place {
        match (self.added.text(name), self.added.job(name)) {
            (Some(toml), _) => Place::AtHand(Arc::clone(toml)),
            (None, Some(job)) => Place::Store(Arc::clone(job)),
            (None, None) => Place::Files(self.sources(), self.declared(name)),
        }
    }

    /// Returns the files in force.
    pub fn sources(&self) -> Arc<Sources> {
        Arc::clone(&self.sources)
    }

    /// Returns what the scheduler takes from the settings.
    pub fn settings(&self) -> Settings {
        let daemon = &self.set.daemon;
        Settings {
            stop_timeout: daemon.stop_timeout,
            catch_up_parallel: daemon.catch_up_parallel.unwrap_or_else(processors),
            startup_delay: daemon.startup_delay,
            max_clock_wait: daemon.max_clock_wait,
            hooks: self.set.global_hooks.clone(),
            ..Settings::default()
        }
    }

    /// Returns the job set of the files, with every setting.
    pub fn set(&self) -> &JobSet {
        &self.set
    }

    /// Returns the job file's path.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// Returns what is wrong with the job file on disk, when an older set is in force.
    pub fn errors(&self) -> &[Diagnostic] {
        &self.errors
    }

    /// Returns the zone of jobs that name none.
    pub fn zone(&self) -> &Zone {
        &self.set.timezone
    }

    /// Returns the tz database.
    pub fn zones(&self) -> &dyn ZoneSource {
        self.zones.as_ref()
    }
}

/// Every job that a definition may name: those of the files, the added ones, and those that come with it.
struct Everyone<'a> {
    set: &'a JobSet,
    added: &'a Added,
    coming: &'a BTreeSet<Name>,
}

impl Peers for Everyone<'_> {
    fn waits_for(&self, job: &str) -> Option<Vec<Name>> {
        let of_files = self.set.find(job).map(|job| dependencies(job));
        let known = of_files.or_else(|| self.added.waits_for(job));
        known.or_else(|| self.coming.contains(job).then(Vec::new))
    }

    fn names(&self) -> Vec<Name> {
        let set = self.set.jobs.iter().map(|job| &job.name);
        set.chain(self.added.all_names()).chain(self.coming).cloned().collect()
    }
}

/// Makes a number that stands for a text.
fn fingerprint(sources: &Sources) -> u64 {
    let mut hasher = DefaultHasher::new();
    for file in &sources.files {
        (&file.path, &file.bytes).hash(&mut hasher);
    }
    hasher.finish()
}

/// Returns how many processors the daemon may use.
fn processors() -> u32 {
    std::thread::available_parallelism().map_or(1, |count| u32::try_from(count.get()).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests;

//! The catalogue: every definition there is, from the job file and from the store, and what it means.
//!
//! Owns the texts, and the rule that a bad text never replaces a good set. Used by the daemon and by commands
//! that read without one, so that both see the same jobs. It must not know runs.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::core::civil::{Zone, ZoneSource};
use crate::core::job::{Job, Origin};
use crate::core::name::Name;
use crate::core::scheduler::Settings;
use crate::jobfile::write::{self, WriteError};
use crate::jobfile::{self, Diagnostic, Fragment, JobSet, Peers, ReadError, Sources};

use super::added::{self, Read, dependencies};

/// Everything that defines jobs.
pub struct Catalogue {
    config: PathBuf,
    /// True: the job file must exist, because somebody named it.
    required: bool,
    zones: Arc<dyn ZoneSource + Send + Sync>,
    sources: Sources,
    set: JobSet,
    added: BTreeMap<Name, Added>,
    /// What is wrong with the job file as it is on disk, when an older set is kept.
    errors: Vec<Diagnostic>,
    /// Stands for the text that was read last, good or bad.
    read: u64,
}

/// A job that was added on the socket.
#[derive(Clone, Debug)]
pub struct Added {
    /// Its definition, the body of a `[jobs.NAME]` table.
    pub toml: Box<str>,
    /// The job, or what keeps the definition from being one.
    pub job: Read,
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
    /// Reads the job file and takes in the added jobs. An added job that does not load is kept as broken.
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
            sources: Sources::default(),
            set,
            added: BTreeMap::new(),
            errors: Vec::new(),
            read: 0,
        };
        definitions.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        let (sources, set) = catalogue.read(&added::Names(&definitions))?;
        catalogue.sources = sources;
        catalogue.set = set;
        catalogue.take_in(definitions);
        Ok(catalogue)
    }

    /// Reads the job file again, and with it what the tz database says by now; on any error the set in force stays,
    /// and the errors are remembered.
    ///
    /// # Errors
    /// As for [`Catalogue::open`].
    pub fn reload(&mut self, zones: Arc<dyn ZoneSource + Send + Sync>) -> Result<(), CatalogueError> {
        let earlier = std::mem::replace(&mut self.zones, zones);
        let reloaded = self.reload_in_these_zones();
        if reloaded.is_err() {
            self.zones = earlier;
        }
        reloaded
    }

    fn reload_in_these_zones(&mut self) -> Result<(), CatalogueError> {
        let peers = self.added_peers();
        let read = self.read(&peers).and_then(|(sources, set)| {
            let homeless = self.without_their_pool(&set);
            if homeless.is_empty() { Ok((sources, set)) } else { Err(CatalogueError::Invalid(homeless)) }
        });
        match read {
            Ok((sources, set)) => {
                self.sources = sources;
                self.set = set;
                self.errors.clear();
                let definitions =
                    self.added.iter().map(|(name, added)| (name.clone(), added.toml.to_string()));
                self.take_in(definitions.collect());
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

    fn read(&mut self, added: &dyn Peers) -> Result<(Sources, JobSet), CatalogueError> {
        let sources = self.sources_on_disk()?;
        self.read = fingerprint(&sources);
        let set = jobfile::load(&sources, self.zones.as_ref(), added).map_err(CatalogueError::Invalid)?;
        Ok((sources, set))
    }

    /// Says what is wrong with added jobs that would lose their pool to a new set: a pool in use is not removed.
    fn without_their_pool(&self, set: &JobSet) -> Vec<Diagnostic> {
        let mut peers = self.added_peers();
        peers.extend(set.jobs.iter().map(|job| (job.name.clone(), dependencies(job))));
        let loses = |added: &&Added| {
            let pool = added.job.as_ref().ok().and_then(|job| job.policy.pool.as_ref());
            pool.is_some_and(|name| set.pools.iter().all(|pool| pool.name != *name))
        };
        let homeless = self.added.iter().filter(|(_, added)| loses(added));
        let wrong = homeless.filter_map(|(name, added)| {
            jobfile::fragment(&added.toml, name, set, self.zones.as_ref(), &peers).err()
        });
        wrong.flatten().collect()
    }

    /// Loads added jobs, which are in the order of their names, against the set.
    fn take_in(&mut self, definitions: Vec<(Name, String)>) {
        let threads = usize::try_from(processors()).unwrap_or(1);
        let read = added::read_all(&definitions, &self.set, self.zones.as_ref(), threads);
        let taken = definitions.into_iter().zip(read);
        self.added = taken.map(|((name, toml), job)| (name, Added { toml: toml.into(), job })).collect();
    }

    /// Checks the definition of one job to be added or replaced.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn check(&self, name: &Name, toml: &str) -> Result<Fragment, Vec<Diagnostic>> {
        self.check_with(name, toml, &[])
    }

    /// Checks the definition of one job that comes together with others.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn check_with(&self, name: &Name, toml: &str, others: &[Name]) -> Result<Fragment, Vec<Diagnostic>> {
        let mut peers: HashMap<Name, Vec<Name>> =
            others.iter().map(|name| (name.clone(), Vec::new())).collect();
        peers.extend(self.added_peers());
        peers.extend(self.set.jobs.iter().map(|job| (job.name.clone(), dependencies(job))));
        jobfile::fragment(toml, name, &self.set, self.zones.as_ref(), &peers)
    }

    /// Takes in a definition that has been checked.
    pub fn put(&mut self, job: Arc<Job>, toml: String) {
        self.added.insert(job.name.clone(), Added { toml: toml.into(), job: Ok(job) });
    }

    /// Takes in the added jobs that did not load, if they do by now: what they lacked may have been added. Says
    /// whether one does.
    pub fn heal(&mut self) -> bool {
        let broken: Vec<(Name, String)> =
            self.broken().map(|(name, _)| (name.clone(), self.added[name].toml.to_string())).collect();
        let mut healed = false;
        for (name, toml) in broken {
            if let Ok(fragment) = self.check(&name, &toml) {
                self.put(fragment.job, toml);
                healed = true;
            }
        }
        healed
    }

    /// Returns the jobs that are due when this one has ended.
    pub fn needed_by(&self, name: &Name) -> Vec<Name> {
        let jobs = self.jobs().into_iter();
        jobs.filter(|job| dependencies(job).contains(name)).map(|job| job.name.clone()).collect()
    }

    /// Takes out an added job and returns its definition.
    pub fn remove(&mut self, name: &str) -> Option<String> {
        self.added.remove(name).map(|added| added.toml.into())
    }

    /// Returns every job that loads, those of the files first.
    pub fn jobs(&self) -> Vec<Arc<Job>> {
        let added = self.added.values().filter_map(|added| added.job.as_ref().ok());
        self.set.jobs.iter().chain(added).cloned().collect()
    }

    /// Returns the added jobs that do not load, and why.
    pub fn broken(&self) -> impl Iterator<Item = (&Name, &[Diagnostic])> {
        self.added.iter().filter_map(|(name, added)| Some((name, added.job.as_ref().err()?.as_ref())))
    }

    /// Returns an added job.
    pub fn added(&self, name: &str) -> Option<&Added> {
        self.added.get(name)
    }

    /// Returns the place in the job file where a job is declared.
    pub fn declared(&self, name: &str) -> Option<(Arc<Path>, u32)> {
        match &self.set.find(name)?.origin {
            Origin::File { path, line } => Some((path.as_path().into(), *line)),
            Origin::Added => None,
        }
    }

    /// Returns the definition of a job as TOML, the body of its table.
    ///
    /// # Errors
    /// A text is not TOML any more.
    pub fn definition(&self, name: &str) -> Result<Option<String>, WriteError> {
        match self.added.get(name) {
            Some(added) => Ok(Some(added.toml.to_string())),
            None => write::definition(&self.sources, name),
        }
    }

    /// Writes jobs as one job file that loads to the same set; no names = all of them, with the settings.
    ///
    /// # Errors
    /// A text is not TOML any more.
    pub fn export(&self, names: &[String]) -> Result<String, WriteError> {
        if names.is_empty() {
            let added = self.added.iter().map(|(name, added)| (name, &*added.toml));
            return write::export(&self.sources, added);
        }
        let mut text = String::new();
        for name in names {
            let (Ok(checked), Some(definition)) = (Name::new(name), self.definition(name)?) else { continue };
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&write::table(&checked, &definition)?);
        }
        Ok(text)
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

    fn added_peers(&self) -> HashMap<Name, Vec<Name>> {
        let waits = |added: &Added| added.job.as_ref().map(|job| dependencies(job)).unwrap_or_default();
        self.added.iter().map(|(name, added)| (name.clone(), waits(added))).collect()
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
mod tests {
    use std::sync::Arc;

    use super::Catalogue;

    #[test]
    fn as_many_late_runs_as_processors_unless_set() {
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("jobs.toml");
        let processors = std::thread::available_parallelism().unwrap().get();
        for (text, expected) in [("", processors), ("[daemon]\ncatch_up_parallel = 3\n", 3)] {
            std::fs::write(&config, text).unwrap();
            let zones = Arc::from(crate::zoneinfo::source());
            let catalogue = Catalogue::open(&config, true, zones, Vec::new()).unwrap();
            assert_eq!(catalogue.settings().catch_up_parallel as usize, expected);
        }
    }
}

//! From the definitions of added jobs to jobs, all of them at a time.
//!
//! Owns the order in which definitions that name each other are read. It must not know where they are kept.

use std::collections::HashMap;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread;

use crate::core::civil::ZoneSource;
use crate::core::job::Job;
use crate::core::name::Name;
use crate::jobfile::{Diagnostic, Fragments, JobSet, Peers};

/// The job that a definition means, or what keeps it from being one.
pub(in crate::daemon) type Read = Result<Arc<Job>, Box<[Diagnostic]>>;

/// So many definitions are worth a thread of their own.
const WORTH_A_THREAD: usize = 2_000;

/// Reads definitions, which are in the order of their names, against a job set; the answers come in the same order.
/// Many are read by several threads.
pub(in crate::daemon) fn read_all(
    definitions: &[(Name, String)],
    set: &JobSet,
    zones: &(dyn ZoneSource + Sync),
    threads: usize,
) -> Vec<Read> {
    let mut others = Others { set, added: definitions, waits: HashMap::new() };
    let threads = threads.min(definitions.len() / WORTH_A_THREAD).max(1);
    let parts = definitions.chunks(definitions.len().div_ceil(threads).max(1));
    let read_part = |part: &[(Name, String)]| -> Vec<Read> {
        let mut fragments = Fragments::new(set, zones);
        part.iter().map(|(name, toml)| read(&mut fragments, name, toml, &others)).collect()
    };
    let mut all: Vec<Read> = Vec::with_capacity(definitions.len());
    if threads == 1 {
        all.extend(parts.flat_map(read_part));
    } else {
        thread::scope(|scope| {
            let readers: Vec<_> = parts.map(|part| scope.spawn(|| read_part(part))).collect();
            for reader in readers {
                all.extend(reader.join().unwrap_or_else(|panic| resume_unwind(panic)));
            }
        });
    }
    // Of jobs that wait for each other in a circle the last one is wrong: these few are read again, one by one.
    let mut fragments = Fragments::new(set, zones);
    for ((name, toml), job) in definitions.iter().zip(&mut all) {
        let waits = job.as_ref().map(|job| dependencies(job)).unwrap_or_default();
        if !waits.is_empty() {
            *job = read(&mut fragments, name, toml, &others);
            if job.is_ok() {
                others.waits.insert(name.clone(), waits);
            }
        }
    }
    all
}

fn read(fragments: &mut Fragments<'_>, name: &Name, toml: &str, others: &Others<'_>) -> Read {
    let read = fragments.read(toml, name, others);
    read.map(|fragment| fragment.job).map_err(Vec::into_boxed_slice)
}

/// Returns the jobs whose ends a job waits for.
pub(in crate::daemon) fn dependencies(job: &Job) -> Vec<Name> {
    job.firing.dependencies().iter().map(|dependency| dependency.job.clone()).collect()
}

/// The names of definitions, in order: what a job file may name beside its own jobs.
pub(in crate::daemon) struct Names<'a>(pub(in crate::daemon) &'a [(Name, String)]);

impl Peers for Names<'_> {
    fn waits_for(&self, job: &str) -> Option<Vec<Name>> {
        let found = self.0.binary_search_by(|(name, _)| name.as_str().cmp(job));
        found.is_ok().then(Vec::new)
    }

    fn names(&self) -> Vec<Name> {
        self.0.iter().map(|(name, _)| name.clone()).collect()
    }
}

/// Every job that a definition may name: those of the set, and the added ones, of which those count that were read.
struct Others<'a> {
    set: &'a JobSet,
    added: &'a [(Name, String)],
    /// What added jobs wait for, where they do.
    waits: HashMap<Name, Vec<Name>>,
}

impl Peers for Others<'_> {
    fn waits_for(&self, job: &str) -> Option<Vec<Name>> {
        if let Some(waits) = self.waits.get(job) {
            return Some(waits.clone());
        }
        match self.set.find(job) {
            Some(job) => Some(dependencies(job)),
            None => Names(self.added).waits_for(job),
        }
    }

    fn names(&self) -> Vec<Name> {
        let set = self.set.jobs.iter().map(|job| job.name.clone());
        set.chain(Names(self.added).names()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{WORTH_A_THREAD, read_all};
    use crate::core::civil::Embedded;
    use crate::core::name::Name;
    use crate::jobfile::JobSet;

    #[test]
    fn many_threads_read_what_one_reads() {
        let set = JobSet::empty(&Embedded);
        // Every other job waits for the next one. One of these waits for it in turn, and one for nobody there is.
        let count = 2 * WORTH_A_THREAD;
        let definition = |number: usize| {
            let waits = format!("after = 'j{:05}'", (number + 1) % count);
            let firing = if number.is_multiple_of(2) { waits } else { "every = '1h'".to_owned() };
            (Name::new(&format!("j{number:05}")).unwrap(), format!("command = 'true'\n{firing}\n"))
        };
        let mut definitions: Vec<(Name, String)> = (0..count).map(definition).collect();
        definitions[1].1 = "command = 'true'\nafter = 'j00000'\n".to_owned();
        definitions[9].1 = "command = 'true'\nafter = 'nobody'\n".to_owned();
        let one = read_all(&definitions, &set, &Embedded, 1);
        let wrong: Vec<usize> = (0..count).filter(|number| one[*number].is_err()).collect();
        assert_eq!(wrong, [1, 9]);
        assert_eq!(read_all(&definitions, &set, &Embedded, 2), one);
    }
}

//! The texts of definitions, for requests that build on them: read where they are, handed over as they are in force.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::internal;
use crate::core::job::Job;
use crate::core::name::Name;
use crate::daemon::catalogue::{Catalogue, Place};
use crate::daemon::event_loop::EventLoop;
use crate::protocol::error::ServiceError;

/// Definitions of added jobs, by name.
pub(super) type Texts = BTreeMap<Name, String>;

/// What is done with texts.
type Act = Box<dyn FnOnce(&mut EventLoop, Result<Texts, ServiceError>) + Send>;

/// Whose texts are wanted; a job that was not added has none.
pub(super) enum Whose {
    /// Those of all added jobs.
    All,
    /// Those of these.
    Of(BTreeSet<Name>),
}

/// What the store had for a job. That is in force for as long as the job is the same one: whatever replaces the
/// text replaces the job.
struct Read {
    job: Arc<Job>,
    toml: Option<String>,
}

type AllRead = HashMap<Name, Read>;

impl EventLoop {
    /// Acts on texts in one step in which they are those in force. What is not at hand is read by the thread that
    /// reads the store: the loop does not wait for the disk.
    pub(super) fn with_texts(
        &mut self,
        whose: Whose,
        act: impl FnOnce(&mut EventLoop, Result<Texts, ServiceError>) + Send + 'static,
    ) {
        self.gather(whose, AllRead::new(), Box::new(act));
    }

    /// Asks for what is missing, and again for what has been replaced meanwhile, until nothing is.
    fn gather(&mut self, whose: Whose, mut read: AllRead, act: Act) {
        let missing = missing(&self.service.catalogue, &whose, &read);
        if missing.is_empty() {
            let texts = assemble(&self.service.catalogue, &whose, read);
            return act(self, texts);
        }
        let names: Vec<Name> = missing.iter().map(|job| job.name.clone()).collect();
        self.service.queries.then(
            move |reader| reader.definitions_of(&names),
            move |event_loop, found| match found {
                Ok(found) => {
                    let found = missing.into_iter().zip(found);
                    read.extend(found.map(|(job, toml)| (job.name.clone(), Read { job, toml })));
                    event_loop.gather(whose, read, act);
                }
                Err(error) => act(event_loop, Err(internal(error))),
            },
        );
    }
}

/// Finds the jobs whose text is neither at hand nor read.
fn missing(catalogue: &Catalogue, whose: &Whose, read: &AllRead) -> Vec<Arc<Job>> {
    let in_store = |name: &Name| match catalogue.place(name.as_str()) {
        Place::Store(job) => Some(job),
        Place::AtHand(_) | Place::Files(..) => None,
    };
    let is_read = |job: &Arc<Job>| read.get(&job.name).is_some_and(|read| Arc::ptr_eq(&read.job, job));
    let missing = |name: &Name| in_store(name).filter(|job| !is_read(job));
    match whose {
        Whose::All => catalogue.added_names().filter_map(missing).collect(),
        Whose::Of(names) => names.iter().filter_map(missing).collect(),
    }
}

/// Puts together the texts, of which none is missing.
fn assemble(catalogue: &Catalogue, whose: &Whose, mut read: AllRead) -> Result<Texts, ServiceError> {
    let mut text = |name: &Name| match catalogue.place(name.as_str()) {
        Place::AtHand(toml) => Some(Ok((name.clone(), toml.to_string()))),
        Place::Store(_) => {
            let toml = read.remove(name).and_then(|read| read.toml);
            let gone = || internal(format!("the store has no definition of {name}"));
            Some(toml.map(|toml| (name.clone(), toml)).ok_or_else(gone))
        }
        Place::Files(..) => None,
    };
    match whose {
        Whose::All => catalogue.added_names().filter_map(&mut text).collect(),
        Whose::Of(names) => names.iter().filter_map(&mut text).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::{AllRead, Read, Whose, assemble, missing};
    use crate::core::civil::Embedded;
    use crate::core::name::Name;
    use crate::daemon::catalogue::Catalogue;

    fn text(every: &str) -> String {
        format!("command = 'true'\nevery = '{every}'\n")
    }

    fn put(catalogue: &mut Catalogue, toml: &str, token: u64) {
        let checked = catalogue.check(&Name::new("a").unwrap(), toml).unwrap();
        catalogue.put(checked.job, toml.to_owned(), token);
    }

    /// Reads what is missing, of which the store has this text; says how many that are.
    fn ask(catalogue: &Catalogue, whose: &Whose, read: &mut AllRead, toml: Option<&str>) -> usize {
        let missing = missing(catalogue, whose, read);
        let count = missing.len();
        let toml = toml.map(ToOwned::to_owned);
        read.extend(missing.into_iter().map(|job| (job.name.clone(), Read { job, toml: toml.clone() })));
        count
    }

    #[test]
    fn a_text_is_read_again_where_it_was_replaced_meanwhile() {
        let name = Name::new("a").unwrap();
        let definitions = vec![(name.clone(), text("1h"))];
        let mut catalogue =
            Catalogue::open(Path::new("/nowhere/jobs.toml"), false, Arc::new(Embedded), definitions.clone())
                .unwrap();
        for whose in [Whose::All, Whose::Of([name.clone(), Name::new("other").unwrap()].into())] {
            catalogue.reload(Arc::new(Embedded), definitions.clone()).unwrap();
            let mut read = AllRead::new();
            assert_eq!(ask(&catalogue, &whose, &mut read, Some(&text("1h"))), 1);
            assert_eq!(ask(&catalogue, &whose, &mut read, None), 0, "it is known");

            put(&mut catalogue, &text("2h"), 7);
            assert_eq!(ask(&catalogue, &whose, &mut read, None), 0, "it is at hand");
            catalogue.durable_before(7);
            assert_eq!(ask(&catalogue, &whose, &mut read, None), 0, "it is not durable yet");
            catalogue.durable_before(8);
            assert_eq!(ask(&catalogue, &whose, &mut read, Some(&text("2h"))), 1, "it is another one now");
            let texts = assemble(&catalogue, &whose, read).unwrap();
            assert_eq!(texts.into_iter().collect::<Vec<_>>(), [(name.clone(), text("2h"))]);
        }
    }

    #[test]
    fn who_is_gone_has_no_text_and_who_has_none_in_the_store_is_an_error() {
        let definitions = vec![(Name::new("a").unwrap(), text("1h"))];
        let config = Path::new("/nowhere/jobs.toml");
        let mut catalogue = Catalogue::open(config, false, Arc::new(Embedded), definitions).unwrap();
        let mut read = AllRead::new();
        assert_eq!(ask(&catalogue, &Whose::All, &mut read, None), 1);
        assert_eq!(ask(&catalogue, &Whose::All, &mut read, None), 0, "nobody asks for ever");
        assert!(assemble(&catalogue, &Whose::All, read).is_err());
        catalogue.remove("a");
        assert!(missing(&catalogue, &Whose::All, &AllRead::new()).is_empty());
        assert!(assemble(&catalogue, &Whose::All, AllRead::new()).unwrap().is_empty());
    }
}

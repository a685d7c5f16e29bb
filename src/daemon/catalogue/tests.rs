//! Where texts are, and what a reload does with them.

use std::sync::Arc;

use super::{Catalogue, CatalogueError, Place};
use crate::core::civil::Embedded;
use crate::core::name::Name;

const BASE: &str = "[jobs.base]\ncommand = 'true'\nevery = '1h'\n";

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// Where the text of a definition is, in a word and with the text, where that is at hand.
fn place(catalogue: &Catalogue, job: &str) -> String {
    match catalogue.place(job) {
        Place::Files(..) => "files".to_owned(),
        Place::AtHand(toml) => format!("at hand: {toml}"),
        Place::Store(job) => format!("store: {}", job.name),
    }
}

#[test]
fn a_text_is_at_hand_until_it_is_durable() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("jobs.toml");
    std::fs::write(&config, BASE).unwrap();
    let stored = vec![(name("old"), "command = 'true'\nevery = '1h'\n".to_owned())];
    let mut catalogue = Catalogue::open(&config, true, Arc::new(Embedded), stored).unwrap();
    let put = |catalogue: &mut Catalogue, job: &str, every: &str, token: u64| {
        let toml = format!("command='true'\nevery='{every}'");
        let checked = catalogue.check(&name(job), &toml).unwrap();
        catalogue.put(checked.job, toml, token);
    };
    assert_eq!(["old", "base"].map(|job| place(&catalogue, job)), ["store: old", "files"]);
    put(&mut catalogue, "old", "2h", 3);
    put(&mut catalogue, "new", "1h", 3);
    put(&mut catalogue, "new", "2h", 4);
    put(&mut catalogue, "going", "1h", 4);
    catalogue.remove("going");
    catalogue.durable_before(3);
    assert!(["old", "new"].iter().all(|job| place(&catalogue, job).contains("2h")));
    catalogue.durable_before(4);
    assert_eq!(place(&catalogue, "old"), "store: old");
    assert!(place(&catalogue, "new").contains("2h"), "another text of it is durable");
    put(&mut catalogue, "going", "5h", 5);
    catalogue.durable_before(5);
    assert_eq!(["new", "nobody"].map(|job| place(&catalogue, job)), ["store: new", "files"]);
    assert!(place(&catalogue, "going").contains("5h"), "it is back");
    catalogue.durable_before(6);
    assert_eq!(place(&catalogue, "going"), "store: going");
}

#[test]
fn a_reload_reads_every_definition_again() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("jobs.toml");
    std::fs::write(&config, BASE).unwrap();
    let late = "command = 'true'\nafter = 'base'\n".to_owned();
    let definitions = vec![(name("late"), late.clone())];
    let mut catalogue = Catalogue::open(&config, true, Arc::new(Embedded), definitions.clone()).unwrap();
    let broken = |catalogue: &Catalogue| catalogue.broken().map(|(job, _)| job.clone()).collect::<Vec<_>>();
    assert!(broken(&catalogue).is_empty());

    std::fs::write(&config, "").unwrap();
    catalogue.reload(Arc::new(Embedded), definitions.clone()).unwrap();
    assert_eq!(broken(&catalogue), [name("late")]);
    assert!(catalogue.errors_of("late").unwrap()[0].to_string().contains("base"));
    assert_eq!(
        place(&catalogue, "late"),
        format!("at hand: {late}"),
        "it is tried again with every addition"
    );
    assert!(catalogue.is_added("late") && catalogue.jobs().is_empty());

    let base = catalogue.check(&name("base"), "command = 'true'\nevery = '1h'\n").unwrap();
    assert!(!catalogue.heal());
    catalogue.put(base.job, String::new(), 0);
    assert!(catalogue.heal());
    assert!(broken(&catalogue).is_empty());
    assert_eq!(place(&catalogue, "late"), "store: late");

    // What an added job waits for is known to the file too.
    catalogue.remove("base");
    std::fs::write(&config, BASE.replace("every = '1h'", "after = 'late'")).unwrap();
    let circle = catalogue.reload(Arc::new(Embedded), definitions);
    assert!(matches!(circle, Err(CatalogueError::Invalid(_))), "{circle:?}");
    assert_eq!(catalogue.jobs().len(), 1, "the set in force is kept");
}

#[test]
fn a_job_that_a_reload_leaves_as_it_was_stays_the_same_one() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("jobs.toml");
    let other = |every: &str| format!("{BASE}[jobs.other]\ncommand = 'true'\nevery = '{every}'\n");
    std::fs::write(&config, other("1h")).unwrap();
    let stored = vec![(name("added"), "command = 'true'\nevery = '1h'\n".to_owned())];
    let mut catalogue = Catalogue::open(&config, true, Arc::new(Embedded), stored.clone()).unwrap();
    let before = catalogue.jobs();
    std::fs::write(&config, other("2h")).unwrap();
    catalogue.reload(Arc::new(Embedded), stored).unwrap();
    let after = catalogue.jobs();
    assert_eq!(before.iter().map(|job| job.name.as_str()).collect::<Vec<_>>(), ["base", "other", "added"]);
    let same: Vec<bool> = before.iter().zip(&after).map(|(one, other)| Arc::ptr_eq(one, other)).collect();
    assert_eq!(same, [true, false, true]);
}

#[test]
fn as_many_late_runs_as_processors_unless_set() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("jobs.toml");
    let processors = std::thread::available_parallelism().unwrap().get();
    for (text, expected) in [("", processors), ("[daemon]\ncatch_up_parallel = 3\n", 3)] {
        std::fs::write(&config, text).unwrap();
        let catalogue = Catalogue::open(&config, true, Arc::new(Embedded), Vec::new()).unwrap();
        assert_eq!(catalogue.settings().catch_up_parallel as usize, expected);
    }
}

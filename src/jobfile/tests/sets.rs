use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::{Zones, added, loaded, name, sources};
use crate::core::job::{Grace, Origin};
use crate::core::name::Name;
use crate::core::trigger::Firing;
use crate::jobfile::{JobSet, NoPeers, ReadError, fragment, load, read};

const TWO_JOBS: &str = "[defaults]\ngrace = \"5m\"\nretries = 2\nenv = { A = \"1\", B = \"2\" }\ntags = [\"x\"]\n\
    jitter = \"1m\"\ntimezone = \"Europe/Berlin\"\nlimits = { tasks = 9, core = 0 }\n\
    [jobs.plain]\ncommand = \"x\"\nevery = \"1h\"\n\
    [jobs.own]\ncommand = \"x\"\nevery = \"1h\"\ngrace = \"unlimited\"\nenv = { B = \"3\" }\ntags = []\n\
    jitter = \"0s\"\ntimezone = \"UTC\"\nlimits = { tasks = 5 }\n";

#[test]
fn defaults_apply_and_a_jobs_own_key_wins() {
    let set = loaded(TWO_JOBS);
    let (own, plain) = (&set.jobs[0], &set.jobs[1]);
    assert_eq!((plain.policy.grace, plain.policy.retry.retries), (Grace::For(Duration::from_secs(300)), 2));
    assert_eq!((own.policy.grace, own.policy.retry.retries), (Grace::Unlimited, 2));
    assert_eq!((&plain.execution.env["A"], &plain.execution.env["B"]), (&"1".to_owned(), &"2".to_owned()));
    assert_eq!((&own.execution.env["A"], &own.execution.env["B"]), (&"1".to_owned(), &"3".to_owned()));
    assert_eq!((own.execution.limits.tasks, own.execution.limits.core), (Some(5), Some(0)));
    assert_eq!((plain.about.tags.len(), own.about.tags.len()), (1, 0));
    let timing = |job: &crate::core::job::Job| match &job.firing {
        Firing::Clock(schedule) => (schedule.jitter.as_secs(), schedule.zone.name().to_owned()),
        other => panic!("{other:?}"),
    };
    assert_eq!(timing(plain), (60, "Europe/Berlin".to_owned()));
    assert_eq!(timing(own), (0, "UTC".to_owned()));
}

#[test]
fn added_jobs_start_from_the_same_defaults() {
    let set = loaded(TWO_JOBS);
    let job = added("command = \"y\"\nevery = \"2h\"\nenv = { C = \"4\" }\n", &set).expect("it is sound");
    assert_eq!((&job.origin, job.name.as_str()), (&Origin::Added, "a"));
    assert_eq!(job.execution.env.len(), 3);
    assert!(Arc::ptr_eq(&job.policy, &set.jobs[1].policy));
}

#[test]
fn added_jobs_are_refused_with_their_own_places() {
    let set = loaded("");
    let found = added("command = \"y\"\nevery = 5\ncwd = \"here\"\n", &set).expect_err("two errors");
    let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "<a>:2:9: \"every\" must be a duration, not a number (with a unit: \"5s\")",
            "<a>:3:7: \"cwd\" is a relative path, and an added job has no directory (give the whole path)",
        ]
    );
}

#[test]
fn equal_parts_are_one_value() {
    let job = |name: &str, keys: &str| format!("[jobs.{name}]\ncommand = \"x\"\nevery = \"1h\"\n{keys}\n");
    let text = [job("a", ""), job("b", ""), job("c", "retries = 1"), job("d", "retries = 1\ncwd = \"/\"")];
    let set = loaded(&text.concat());
    let jobs = &set.jobs;
    assert!(Arc::ptr_eq(&jobs[0].policy, &jobs[1].policy));
    assert!(Arc::ptr_eq(&jobs[0].execution, &jobs[2].execution));
    assert!(Arc::ptr_eq(&jobs[2].policy, &jobs[3].policy));
    assert!(!Arc::ptr_eq(&jobs[0].policy, &jobs[2].policy));
    assert!(!Arc::ptr_eq(&jobs[0].execution, &jobs[3].execution));
    let same = loaded(&job("a", "retries = 0"));
    assert!(Arc::ptr_eq(&same.jobs[0].policy, &same.defaults.draft.clone().parts().0));
}

#[test]
fn origins_name_file_and_line() {
    let set = sources(&[
        ("jobs.toml", "# first\n\n[jobs.a]\ncommand = \"x\"\nevery = \"1h\"\n"),
        ("jobs.d/b.toml", "[jobs]\nb = { command = \"x\", every = \"1h\" }\n"),
    ]);
    let set = load(&set, &Zones, &NoPeers).expect("both are sound");
    let at = |path: &str, line| Origin::File { path: Arc::new(path.into()), line };
    assert_eq!((&set.jobs[0].origin, &set.jobs[1].origin), (&at("jobs.toml", 3), &at("jobs.d/b.toml", 2)));
}

#[test]
fn other_jobs_of_the_set_count_for_after_and_for_names() {
    let peers: HashMap<Name, Vec<Name>> =
        HashMap::from([(name("x"), vec![name("y")]), (name("y"), vec![name("a")])]);
    let text = |after: &str| format!("[jobs.a]\ncommand = \"x\"\nafter = \"{after}\"\n");
    let found = load(&sources(&[("j", &text("x"))]), &Zones, &peers).expect_err("it is a circle");
    assert_eq!(found[0].message, "these jobs wait for each other: a -> x -> y -> a");
    let found = load(&sources(&[("j", &text("x").replace("[jobs.a]", "[jobs.x]"))]), &Zones, &peers);
    let found = found.expect_err("x is there already");
    assert_eq!(found[0].message, "the job \"x\" was also added with `jobctl add`");
    let set = JobSet::empty(&Zones);
    let one = fragment("command = \"x\"\nafter = \"y\"", &name("b"), &set, &Zones, &peers);
    assert!(one.is_ok());
    let one = fragment("command = \"x\"\nafter = \"z\"", &name("b"), &set, &Zones, &peers);
    assert_eq!(one.expect_err("no such job")[0].message, "there is no job \"z\"");
}

#[test]
fn an_empty_set_is_a_set() {
    let set = loaded("");
    assert!(set.jobs.is_empty() && set.warnings.is_empty());
    assert_eq!(set.timezone.name(), "UTC");
    assert_eq!(JobSet::empty(&Zones).daemon, set.daemon);
}

#[test]
fn files_are_found_beside_the_job_file_by_name() {
    let home = tempfile::tempdir().expect("a directory");
    let config = home.path().join("jobs.toml");
    assert!(matches!(read(&config), Err(ReadError::Missing { .. })));
    let parts = home.path().join("jobs.d");
    std::fs::create_dir(&parts).expect("a directory");
    for file in ["b.toml", "a.toml", ".hidden.toml", "c.txt"] {
        std::fs::write(parts.join(file), "# empty").expect("a file");
    }
    let names = |sources: crate::jobfile::Sources| -> Vec<String> {
        let names =
            sources.files.iter().map(|file| file.path.file_name().unwrap().to_string_lossy().into_owned());
        names.collect()
    };
    assert_eq!(names(read(&config).unwrap()), ["a.toml", "b.toml"]);
    std::fs::write(&config, "[jobs.a]\ncommand = \"x\"\nevery = \"1h\"\ncwd = \"sub\"\n").expect("a file");
    let found = read(&config).unwrap();
    let set = load(&found, &Zones, &NoPeers).unwrap();
    assert_eq!(set.jobs[0].execution.cwd, Some(home.path().join("sub")));
    assert_eq!(names(found), ["jobs.toml", "a.toml", "b.toml"]);
    assert!(matches!(read(home.path()), Err(ReadError::Unreadable { .. })));
}

#[test]
fn keys_without_effect_are_warned_of() {
    let set = loaded(
        "[jobs.a]\ncommand = \"x\"\non = \"startup\"\ntimezone = \"UTC\"\n\
         [jobs.b]\ncommand = \"x\"\nevery = \"1h\"\ndst_gap = \"skip\"\n",
    );
    let shown: Vec<String> = set.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "jobs.toml:4:1: \"timezone\" changes nothing beside \"on\"",
            "jobs.toml:8:1: \"dst_gap\" changes nothing beside \"every\"",
        ]
    );
}

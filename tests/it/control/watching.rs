//! `[daemon] watch`: the job file is read again whenever it has changed, once for each change.

use std::fs;
use std::os::unix::fs::symlink;

use crate::harness::Sandbox;

fn text(jobs: &[&str]) -> String {
    let jobs = jobs.iter().map(|job| format!("[jobs.{job}]\ncommand = \"true\"\nevery = \"1d\"\n"));
    format!("[daemon]\nwatch = true\n{}", jobs.collect::<String>())
}

fn names(sandbox: &Sandbox) -> String {
    sandbox.ok(["list", "--quiet"])
}

/// How often the job set has been loaded since the daemon began.
fn loads(sandbox: &Sandbox) -> usize {
    sandbox.ok(["events", "--only", "jobs.loaded", "--quiet"]).lines().count()
}

#[test]
fn r3_a_rename_and_a_swap_of_links_are_one_reload_each() {
    let sandbox = Sandbox::new();
    // As configuration tools do it: the file is a link through a directory that is swapped as a whole.
    for (directory, jobs) in [("..one", &["a"][..]), ("..two", &["a", "b"]), ("..three", &["c"])] {
        fs::create_dir(sandbox.path(directory)).expect("the sandbox can be written to");
        sandbox.write(&format!("{directory}/jobs.toml"), &text(jobs));
    }
    symlink("..one", sandbox.path("..data")).expect("a link");
    symlink("..data/jobs.toml", sandbox.path("jobs.toml")).expect("a link");
    let _daemon = sandbox.daemon();
    assert_eq!((names(&sandbox).as_str(), loads(&sandbox)), ("a\n", 1));

    let mut events = sandbox.events(["--only", "jobs.loaded"]);
    symlink("..two", sandbox.path("..next")).expect("a link");
    fs::rename(sandbox.path("..next"), sandbox.path("..data")).expect("the link can be swapped");
    events.until(&["jobs.loaded"]);
    assert_eq!(names(&sandbox), "a\nb\n");

    // As editors do it: a new file is written beside the old one and takes its name.
    sandbox.write("jobs.toml.new", &text(&["d", "e"]));
    fs::rename(sandbox.path("jobs.toml.new"), sandbox.path("jobs.toml")).expect("the file can be renamed");
    events.until(&["jobs.loaded"]);
    assert_eq!(names(&sandbox), "d\ne\n");

    // A drop-in in a directory that was not there before; the same text once more changes nothing.
    sandbox.write("jobs.toml", &text(&["d", "e"]));
    fs::create_dir(sandbox.path("jobs.d")).expect("the sandbox can be written to");
    sandbox.write("jobs.d/f.toml", "[jobs.f]\ncommand = \"true\"\nevery = \"1d\"\n");
    events.until(&["jobs.loaded"]);
    assert_eq!((names(&sandbox).as_str(), loads(&sandbox)), ("d\ne\nf\n", 4));
}

#[test]
fn r1_a_broken_text_is_told_and_the_set_in_force_stays() {
    let sandbox = Sandbox::with_jobs(&text(&["a"]));
    let daemon = sandbox.daemon();
    sandbox.write("jobs.toml", "[jobs.a]\ncommand = \"true\"\nevry = \"1d\"\n");
    let mut log = String::new();
    while !log.contains("the job set in force is kept") {
        std::thread::yield_now();
        log = daemon.log();
    }
    assert!(log.contains("jobs.toml:3:1"), "{log}");
    assert_eq!(names(&sandbox), "a\n");
    let mut events = sandbox.events(["--only", "jobs.loaded"]);
    sandbox.write("jobs.toml", &text(&["b"]));
    events.until(&["jobs.loaded"]);
    assert_eq!(names(&sandbox), "b\n");
}

//! What the shells are told when the tab key is pressed.

use crate::harness::Sandbox;

const JOBS: &str = r#"
[pools.disks]
workers = 1
[jobs.backup]
command = "true"
every = "1h"
tags = ["nightly"]
description = "Off-site: all of it"
[jobs.report]
command = "true"
every = "1h"
tags = ["weekly"]
"#;

/// Asks for the candidates of the last word, as a shell's script does.
fn candidates(sandbox: &Sandbox, shell: &str, words: &[&str]) -> String {
    let mut command = sandbox.command(["--"].iter().chain(words));
    command
        .env("JOBCTL_COMPLETE", shell)
        .env("_CLAP_COMPLETE_INDEX", (words.len() - 1).to_string())
        .env("_CLAP_COMPLETE_COMP_TYPE", "9")
        .env("_CLAP_COMPLETE_SPACE", "false")
        .env("_CLAP_IFS", "\n")
        .env("IFS", "\n");
    let output = command.output().expect("the binary can be run");
    assert!(output.status.success(), "{}", sandbox.shown(&output));
    assert!(output.stderr.is_empty(), "{}", sandbox.shown(&output));
    String::from_utf8(output.stdout).expect("candidates are text")
}

fn has(text: &str, word: &str) -> bool {
    text.split(['\n', '\t', ':']).any(|candidate| candidate == word)
}

#[test]
fn jobs_tags_runs_and_events_are_live() {
    let sandbox = Sandbox::with_jobs(JOBS);
    let daemon = sandbox.daemon();
    sandbox.ok(["add", "added", "--every", "1h", "--tag", "mine", "--", "true"]);
    let run = sandbox.ok(["run-now", "added", "--quiet"]);
    sandbox.ok(["wait", run.trim()]);
    for _ in 0..2 {
        for shell in ["bash", "zsh", "fish"] {
            let of = |words: &[&str]| candidates(&sandbox, shell, words);
            let jobs = of(&["jobctl", "pause", ""]);
            for job in ["backup", "report", "added"] {
                assert!(has(&jobs, job), "{shell}: {jobs}");
            }
            assert!(!has(&of(&["jobctl", "pause", "b"]), "report"), "{shell}");
            let tags = of(&["jobctl", "list", "--tag", ""]);
            assert!(["nightly", "weekly", "mine"].iter().all(|tag| has(&tags, tag)), "{shell}: {tags}");
            assert!(has(&of(&["jobctl", "logs", ""]), run.trim()), "{shell}: numbers of runs");
            assert!(has(&of(&["jobctl", "list", "--pool", ""]), "disks"), "{shell}");
            assert!(has(&of(&["jobctl", "events", "--only", "run.f"]), "run.failed"), "{shell}");
            assert!(has(&of(&["jobctl", "res"]), "reschedule"), "{shell}");
        }
        // The second time there is no daemon.
        daemon.signal(rustix::process::Signal::KILL);
    }
}

#[test]
fn a_broken_world_completes_to_nothing() {
    let sandbox = Sandbox::with_jobs("[jobs.a\n");
    let text = candidates(&sandbox, "bash", &["jobctl", "pause", ""]);
    assert!(!text.contains("error"), "{text}");
}

//! The README: its tour is walked, its tables are complete.

use std::process::Command;

use jobctl::core::run::{Reason, RunStatus};

use super::{blocks, read};
use crate::harness::Sandbox;

/// Returns the part of the README below a heading.
fn section(heading: &str) -> String {
    let readme = read("README.md");
    let (_, rest) = readme.split_once(&format!("\n## {heading}\n")).expect("the section is there");
    rest.split("\n## ").next().unwrap_or_default().to_owned()
}

/// Runs a part of the tour as the reader would; the first command that fails ends it.
fn walk(sandbox: &Sandbox, script: &str) {
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_jobctl"));
    let programs = binary.parent().expect("the binary is in a directory");
    let mut shell = Command::new("sh");
    shell
        .args(["-eu", "-c", script])
        .env_clear()
        .env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", programs.display()))
        .env("HOME", sandbox.path(""))
        .env("LANG", "C.UTF-8")
        .current_dir(sandbox.path(""));
    let output = shell.output().expect("sh can be run");
    assert!(output.status.success(), "{}", sandbox.shown(&output));
}

#[test]
fn the_tour_can_be_walked() {
    let script = blocks(&section("Five minutes"), "sh").concat();
    let (before, after) = script.split_once("jobctl run &\n").expect("the tour starts a daemon");
    let sandbox = Sandbox::new();
    walk(&sandbox, before);
    let daemon = sandbox.daemon_with(|command| {
        command.env("JOBCTL_CONFIG", sandbox.path("tour/jobs.toml"));
        command.env("JOBCTL_STATE_DIR", sandbox.path("tour/state"));
    });
    let surroundings: String = before.lines().filter(|line| line.starts_with("export ")).collect();
    walk(&sandbox, &format!("{surroundings}\ncd ~/tour\n{after}"));
    assert!(daemon.wait().success());
    assert!(sandbox.path("tour/accounts.tgz").exists(), "the backup was tried");
}

#[test]
fn the_first_commands_are_those_of_ci() {
    let readme = read("README.md");
    let first = blocks(&readme, "sh").into_iter().next().unwrap_or_default();
    let test =
        first.lines().find(|line| line.starts_with("cargo test")).expect("the README says how to test");
    assert!(read(".ci/run").lines().any(|line| line == test), ".ci/run does not call {test:?}");
    assert!(first.contains("--config examples/jobs.toml"));
}

#[test]
fn every_status_reason_and_exit_code_is_explained() {
    let text = section("When things go wrong");
    let rows: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("| ")).collect();
    let explained = |word: &str| {
        rows.iter()
            .any(|row| row.split(" | ").next().is_some_and(|first| first.contains(&format!("`{word}`"))))
    };
    for status in RunStatus::ALL {
        assert!(explained(status.as_str()), "the README does not explain the status {status}");
    }
    for reason in Reason::ALL {
        assert!(explained(reason.as_str()), "the README does not explain the reason {}", reason.as_str());
    }
    for code in ["0", "1", "2", "3", "4", "5", "124"] {
        assert!(rows.iter().any(|row| row.starts_with(&format!("{code} | "))), "exit code {code}");
    }
}

#[test]
fn links_lead_somewhere() {
    for name in ["README.md", "CHANGELOG.md", "docs/design.md", "docs/time.md"] {
        for part in read(name).split("](").skip(1) {
            let target = part.split(')').next().unwrap_or_default();
            if target.starts_with("http") || target.starts_with('#') {
                continue;
            }
            let path = crate::harness::package(name).with_file_name(target);
            assert!(path.exists(), "{name} links to {target}");
        }
    }
}

//! P13: a start that fails says why, at once, and leaves nothing behind.

use std::fs;
use std::path::Path;

use super::{Stage, argv, is_root, mode, shell};
use crate::core::job::{Command, Limits, Stdin};
use crate::core::run::Exit;
use crate::process::{StartError, group, reap};

/// Starts something that must fail, and then something that must not.
fn failure(stage: &mut Stage, command: &Command) -> StartError {
    let error = stage.start(command).expect_err("the start fails");
    let mut other = Stage::new();
    assert_eq!(other.run(&shell("exit 5")).0.exit, Exit::Code(5));
    error
}

#[test]
fn p13_a_missing_program_is_named() {
    let mut stage = Stage::new();
    let error = failure(&mut stage, &argv(&["/no/such/program", "x"]));
    assert!(matches!(error, StartError::NotFound { .. }));
    assert_eq!(error.to_string(), "the program \"/no/such/program\" does not exist");
    let error = failure(&mut stage, &argv(&["no-such-program"]));
    assert!(matches!(error, StartError::NotInPath { .. }));
    let expected = "the program \"no-such-program\" is not in the job's PATH (/usr/bin:/bin)";
    assert_eq!(error.to_string(), expected);
    stage.execution.shell = "/no/such/shell".into();
    assert!(matches!(failure(&mut stage, &shell("true")), StartError::NotFound { .. }));
    assert!(matches!(failure(&mut stage, &argv(&[""])), StartError::NotFound { .. }));
    assert!(matches!(failure(&mut stage, &argv(&[])), StartError::NotFound { .. }));
}

#[test]
fn p13_what_cannot_be_executed_is_named() {
    let mut stage = Stage::new();
    let file = stage.path("file");
    fs::write(&file, "#!/bin/sh\n").unwrap();
    mode(&file, 0o644);
    let name = file.to_str().unwrap().to_owned();
    let error = failure(&mut stage, &argv(&[&name]));
    assert!(matches!(&error, StartError::NotExecutable { .. }), "{error}");
    let error = failure(&mut stage, &argv(&["/"]));
    assert!(matches!(&error, StartError::NotExecutable { .. }), "{error}");
    fs::write(&file, "no interpreter line\n").unwrap();
    mode(&file, 0o755);
    let error = failure(&mut stage, &argv(&[&name]));
    assert!(matches!(&error, StartError::NotExecutable { .. }), "{error}");
    fs::write(&file, "#!/no/such/interpreter\n").unwrap();
    let error = failure(&mut stage, &argv(&[&name]));
    assert!(matches!(&error, StartError::NoInterpreter { .. }), "{error}");
}

#[test]
fn p13_a_missing_directory_is_named() {
    let mut stage = Stage::new();
    stage.execution.cwd = Some("/no/such/directory".into());
    let error = failure(&mut stage, &shell("true"));
    assert!(matches!(&error, StartError::Cwd { cwd, .. } if cwd == Path::new("/no/such/directory")));
    assert!(error.to_string().starts_with("the working directory \"/no/such/directory\" cannot be entered"));
    if is_root() {
        stage.execution.cwd = None;
        stage.execution.user = Some("nobody".to_owned());
        let error = failure(&mut stage, &shell("true"));
        assert!(matches!(&error, StartError::Home { user, .. } if user == "nobody"), "{error}");
        // The directory is judged with the rights of the job's user.
        stage.execution.cwd = Some(stage.directory.path().into());
        mode(stage.directory.path(), 0o700);
        let error = failure(&mut stage, &shell("true"));
        assert!(matches!(&error, StartError::Cwd { .. }), "{error}");
    }
}

#[test]
fn p13_an_unknown_user_or_group_is_named() {
    let mut stage = Stage::new();
    stage.execution.user = Some("no-such-user".to_owned());
    let error = failure(&mut stage, &shell("true"));
    assert_eq!(error.to_string(), "the user \"no-such-user\" does not exist");
    stage.execution.user = Some("bad\0name".to_owned());
    assert!(matches!(failure(&mut stage, &shell("true")), StartError::UserUnknown(_)));
    stage.execution.user = None;
    stage.execution.group = Some("no-such-group".to_owned());
    let error = failure(&mut stage, &shell("true"));
    assert_eq!(error.to_string(), "the group \"no-such-group\" does not exist");
}

#[test]
fn p13_another_user_is_refused_to_all_but_root() {
    if is_root() {
        eprintln!("skipped: root may become anybody");
        return;
    }
    let mut stage = Stage::new();
    stage.execution.user = Some("root".to_owned());
    assert!(matches!(failure(&mut stage, &shell("true")), StartError::UserRefused { .. }));
}

#[test]
fn p13_no_room_for_another_process_is_told() {
    if !is_root() {
        eprintln!("skipped: only root can be over another user's limit on purpose");
        return;
    }
    let mut stage = Stage::new();
    stage.execution.user = Some("nobody".to_owned());
    stage.execution.cwd = Some("/".into());
    // One process that counts against the user.
    let mark = stage.start_shell("exec sleep 1000");
    stage.execution.limits = Limits { tasks: Some(0), ..Limits::default() };
    let error = failure(&mut stage, &argv(&["/bin/true"]));
    assert!(matches!(&error, StartError::OutOfProcesses(_)), "{error}");
    assert!(group::signal(mark, &stage.tag(), libc::SIGKILL).unwrap());
    reap::wait(mark).unwrap();
}

#[test]
fn p13_limits_that_cannot_be_set_are_named() {
    let mut stage = Stage::new();
    stage.execution.limits = Limits { core: Some(0), open_files: Some(u64::MAX), ..Limits::default() };
    let error = failure(&mut stage, &shell("true"));
    assert!(matches!(&error, StartError::Limit { name: "open_files", .. }), "{error}");
}

#[test]
fn p13_bad_inputs_are_named() {
    let mut stage = Stage::new();
    stage.execution.stdin = Stdin::File("/no/such/file".into());
    assert!(matches!(failure(&mut stage, &shell("true")), StartError::Stdin { .. }));
    stage.execution.stdin = Stdin::Null;
    assert!(matches!(failure(&mut stage, &shell("a\0b")), StartError::Nul(_)));
    let long = "x".repeat(4 << 20);
    assert!(matches!(failure(&mut stage, &argv(&["/bin/true", &long])), StartError::TooLong { .. }));
    for name in ["", "a=b", "a\0b"] {
        stage.execution.env = [(name.to_owned(), "x".to_owned())].into();
        assert!(matches!(failure(&mut stage, &shell("true")), StartError::Variable(_)), "{name:?}");
    }
    stage.execution.env.clear();
    stage.execution.env_files = vec![stage.path("missing.env")];
    assert!(matches!(failure(&mut stage, &shell("true")), StartError::EnvFile { .. }));
    fs::write(stage.path("missing.env"), "A=1\nnot this\n").unwrap();
    let error = failure(&mut stage, &shell("true"));
    assert!(error.to_string().ends_with("line 2: expected NAME=value"), "{error}");
}

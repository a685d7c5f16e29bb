//! `edit` with an editor, which is a script here.

use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use crate::harness::Sandbox;

const JOBS: &str = "[jobs.declared]\ncommand = \"true\"\nevery = \"1h\"\n";

/// Runs `edit` with an editor that is this script; `$1` is the file, `$N` says for which time it is opened.
fn edit(sandbox: &Sandbox, args: &[&str], script: &str) -> Output {
    let count = sandbox.write("count", "0");
    let text = format!(
        "#!/bin/sh\nN=$(($(cat {0}) + 1)); echo $N > {0}\ncp \"$1\" \"$(dirname {0})/seen.$N\"\n{script}\n",
        count.display()
    );
    let editor = sandbox.write("editor", &text);
    std::fs::set_permissions(&editor, std::fs::Permissions::from_mode(0o755))
        .expect("it can be made a program");
    let mut command = sandbox.command(["edit"].iter().chain(args));
    command.env("EDITOR", &editor).env("TMPDIR", sandbox.path("")).output().expect("the binary can be run")
}

fn times(sandbox: &Sandbox) -> String {
    std::fs::read_to_string(sandbox.path("count")).expect("the editor has counted").trim().to_owned()
}

fn added() -> (Sandbox, crate::harness::Daemon) {
    let sandbox = Sandbox::with_jobs(JOBS);
    let daemon = sandbox.daemon();
    sandbox.ok(["add", "a", "--every", "1h", "--", "true"]);
    (sandbox, daemon)
}

#[test]
fn a_definition_is_edited() {
    let (sandbox, _daemon) = added();
    let output = edit(&sandbox, &["a"], r#"sed -i s/1h/2h/ "$1""#);
    assert_eq!(sandbox.shown(&output), "exit 0\n--- stdout\n-every = \"1h\"\n+every = \"2h\"\n");
    assert_eq!(sandbox.json(["show", "a", "--json"])["trigger"]["spec"], "2h");
    let same = edit(&sandbox, &["a"], "true");
    assert_eq!(sandbox.shown(&same), "exit 0\n--- stderr\nnote: nothing changes\n");
}

#[test]
fn a_bad_definition_is_opened_again_with_its_errors() {
    let (sandbox, _daemon) = added();
    let script = r#"if [ $N = 1 ]; then sed -i s/1h/banana/ "$1"; else sed -i s/banana/3h/ "$1"; fi"#;
    let output = edit(&sandbox, &["a"], script);
    assert!(output.status.success(), "{}", sandbox.shown(&output));
    assert_eq!(times(&sandbox), "2");
    let seen = std::fs::read_to_string(sandbox.path("seen.2")).expect("it was opened twice");
    assert!(seen.starts_with("#! ") && seen.contains("\"banana\" is no number with a unit"), "{seen}");
    assert_eq!(sandbox.json(["show", "a", "--json"])["trigger"]["spec"], "3h");
    let leftovers = std::fs::read_dir(sandbox.path("")).expect("it can be read").flatten();
    assert_eq!(
        leftovers.filter(|entry| entry.path().extension().is_some_and(|end| end == "toml")).count(),
        1
    );
}

#[test]
fn who_gives_up_changes_nothing_and_keeps_the_text() {
    let (sandbox, _daemon) = added();
    let output = edit(&sandbox, &["a"], r#"[ $N = 1 ] && sed -i s/1h/banana/ "$1"; true"#);
    let shown = sandbox.shown(&output);
    assert!(
        shown.starts_with(
            "exit 2\n--- stderr\nerror: the text still has errors: nothing is changed\nhint: your text is kept in "
        ),
        "{shown}"
    );
    assert_eq!(sandbox.json(["show", "a", "--json"])["trigger"]["spec"], "1h");
    let failed = sandbox.shown(&edit(&sandbox, &["a"], "exit 3"));
    assert!(failed.starts_with("exit 1\n--- stderr\nerror: the editor failed: exit status: 3\n"), "{failed}");
}

#[test]
fn the_job_file_is_edited_and_read_again() {
    let (sandbox, _daemon) = added();
    let script = r#"
        if [ $N = 1 ]; then printf '[jobs.a]\ncommand = "x"\nevery = "1h"\n' >> "$1"
        else sed -i s/jobs.a]/jobs.b]/ "$1"; fi"#;
    let output = edit(&sandbox, &[], script);
    assert_eq!(
        sandbox.shown(&output),
        "exit 0\n--- stdout\n3 jobs: 1 added, 0 changed, 0 removed, 2 as before\n",
        "a name that was added is taken"
    );
    assert_eq!(times(&sandbox), "2");
    assert_eq!(sandbox.ok(["list", "--quiet"]), "a\nb\ndeclared\n");
    let text = std::fs::read_to_string(sandbox.path("jobs.toml")).expect("the job file is there");
    assert!(text.starts_with(JOBS) && !text.contains("#! "), "{text}");
    let declared = sandbox.shown(&edit(&sandbox, &["declared"], "true"));
    assert!(declared.starts_with("exit 4\n") && declared.contains("opens the job file"), "{declared}");
}

#[test]
fn the_job_file_is_edited_without_a_daemon() {
    let sandbox = Sandbox::with_jobs(JOBS);
    let output = edit(&sandbox, &[], r#"sed -i s/1h/2h/ "$1""#);
    assert_eq!(
        sandbox.shown(&output),
        "exit 0\n--- stderr\nnote: no daemon runs: the file is read at its next start\n"
    );
    assert_eq!(sandbox.json(["show", "declared", "--json"])["trigger"]["spec"], "2h");
}

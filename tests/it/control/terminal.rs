//! Questions on a terminal, which script(1) makes.

use std::process::{Command, Stdio};

use crate::harness::{Lines, Sandbox};

/// Starts the binary on a terminal of its own; `None` where script(1) is missing.
fn on_terminal(sandbox: &Sandbox, args: &str, input: &str) -> Option<String> {
    if Command::new("script").arg("--version").output().is_err() {
        eprintln!("skipped: there is no script(1)");
        return None;
    }
    let line = format!("exec {} {args}", env!("CARGO_BIN_EXE_jobctl"));
    let prepared = sandbox.command([""; 0]);
    let mut command = Command::new("script");
    command.args(["-q", "-e", "-c", &line, "/dev/null"]).env_clear().current_dir(sandbox.path(""));
    for (name, value) in prepared.get_envs() {
        command.envs(value.map(|value| (name, value)));
    }
    command.env("SHELL", "/bin/sh").env("TERM", "dumb").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("script(1) can be run");
    let mut stdin = child.stdin.take().expect("its standard input is a pipe");
    std::io::Write::write_all(&mut stdin, input.as_bytes()).expect("it reads");
    let (code, lines) = Lines::of(child).end();
    drop(stdin);
    Some(format!("{}\nexit {code:?}", lines.join("\n").replace('\r', "")))
}

#[test]
fn many_jobs_are_removed_only_after_a_yes() {
    let sandbox = Sandbox::with_jobs("");
    let _daemon = sandbox.daemon();
    sandbox.ok(["add", "a", "--every", "1h", "--", "true"]);
    sandbox.ok(["add", "b", "--every", "1h", "--", "true"]);
    let Some(refused) = on_terminal(&sandbox, "remove --all", "n\n") else { return };
    assert!(refused.contains("remove 2 jobs (a and b)? [y/N]"), "{refused}");
    assert!(refused.contains("error: nothing is done") && refused.ends_with("exit Some(1)"), "{refused}");
    assert_eq!(sandbox.ok(["list", "--quiet"]), "a\nb\n");
    let agreed = on_terminal(&sandbox, "remove --all", "y\n").expect("it was there a moment ago");
    assert!(agreed.contains("removed a and b") && agreed.ends_with("exit Some(0)"), "{agreed}");
    assert_eq!(sandbox.ok(["list", "--quiet"]), "");
}

#[test]
fn a_terminal_gets_colour_unless_it_is_not_wanted() {
    let sandbox = Sandbox::with_jobs("");
    let Some(plain) = on_terminal(&sandbox, "explain x", "") else { return };
    assert!(!plain.contains('\u{1b}'), "a dumb terminal has none: {plain}");
    let line = "explain x --color always";
    let coloured = on_terminal(&sandbox, line, "").expect("it was there a moment ago");
    assert!(coloured.contains("\u{1b}["), "{coloured}");
}

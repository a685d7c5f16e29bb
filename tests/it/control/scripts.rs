//! What others write against jobctl: a shell script, and a stock Varlink client.

use std::process::{Command, Output};

use crate::harness::{Sandbox, package};

/// Runs a program in the environment of the sandbox.
fn run(sandbox: &Sandbox, program: &str, args: &[&str]) -> std::io::Result<Output> {
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_jobctl"));
    let directory = binary.parent().expect("the binary is in a directory").display();
    let mut command = Command::new(program);
    command.args(args).env_clear().current_dir(sandbox.path("")).stdin(std::process::Stdio::null());
    for (name, value) in sandbox.command([""; 0]).get_envs() {
        command.envs(value.map(|value| (name, value)));
    }
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{directory}:{path}")).output()
}

#[test]
fn the_script_of_a_sysadmin_works() {
    let sandbox = Sandbox::with_jobs("");
    let _daemon = sandbox.daemon();
    let script = package("tests/it/control/sysadmin.sh");
    let output = run(&sandbox, "/bin/sh", &[&script.to_string_lossy()]).expect("there is a shell");
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}", sandbox.shown(&output));
}

#[test]
fn a_stock_varlink_client_works() {
    let sandbox = Sandbox::with_jobs("");
    let _daemon = sandbox.daemon();
    let script = package("tests/it/control/varlink_client.py");
    // CI names the interpreter that has the package.
    let python = std::env::var("JOBCTL_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let socket = sandbox.socket();
    let Ok(output) = run(&sandbox, &python, &[&script.to_string_lossy(), &socket.to_string_lossy()]) else {
        return eprintln!("skipped: {python} cannot be run");
    };
    if output.status.code() == Some(77) {
        return eprintln!("skipped: {}", String::from_utf8_lossy(&output.stdout).trim());
    }
    assert!(output.status.success(), "{}", sandbox.shown(&output));
}

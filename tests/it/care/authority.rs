//! Least authority: secrets stay where they are, and a job has the rights of its user and no others.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;

use crate::harness::Sandbox;

const SECRET: &str = "s3cret-value";

#[test]
fn values_of_env_are_given_out_by_export_alone() {
    let jobs = format!(
        "[jobs.file]\ncommand = \"true\"\nevery = \"1h\"\nenv = {{ TOKEN = \"{SECRET}\" }}\nenv_file = \"env\"\n"
    );
    let sandbox = Sandbox::with_jobs(&jobs);
    sandbox.write("env", &format!("OTHER={SECRET}\n"));
    let credentials = sandbox.path("credentials");
    fs::create_dir(&credentials).expect("a directory");
    sandbox.write("credentials/token", SECRET);
    let daemon = sandbox.daemon_with(|command| {
        command.env("CREDENTIALS_DIRECTORY", &credentials).env("JOBCTL_LOG", "trace");
    });
    let add = ["add", "added", "--every", "1h", "--env"];
    let added = format!("TOKEN={SECRET}");
    let mut said = sandbox.run(add.iter().copied().chain([added.as_str(), "--", "true"]));
    let changed = format!("env.TOKEN={SECRET}2");
    for args in [
        &["edit", "added", "--set", &changed][..],
        &["edit", "added", "--set", "tags=[\"x\"]", "--json"],
        &["show", "file"],
        &["show", "file", "--json"],
        &["show", "file", "--toml"],
        &["show", "added", "--toml"],
        &["list", "--json"],
        &["status", "--json"],
        &["run-now", "file", "--wait"],
        &["run-now", "added", "--wait"],
        &["why", "file"],
        &["history", "--json"],
        &["events", "--json"],
        &["changes", "--json"],
        &["changes", "--diff"],
        &["undo"],
        &["doctor", "--json"],
    ] {
        let text = sandbox.run(args);
        assert!(!text.contains("exit 2"), "{args:?}: {text}");
        said.push_str(&text);
    }
    sandbox.write("env", &format!("not an assignment {SECRET}\n"));
    said.push_str(&sandbox.run(["run-now", "file", "--wait"]));
    // An error of the job file shows its line, but not this one's value.
    sandbox.write("jobs.toml", &format!("[jobs.file]\ncommand = \"true\"\nenv.TOKEN = {SECRET}\n"));
    for args in [&["reload"][..], &["status"], &["status", "--json"], &["check"], &["check", "--json"]] {
        said.push_str(&sandbox.run(args));
    }
    assert!(said.contains("jobs.toml:3:13"), "{said}");
    said.push_str(&daemon.log());
    assert!(said.contains("TOKEN = \"***\"") && said.contains("values of env"), "{said}");
    let leaks: Vec<&str> = said.lines().filter(|line| line.contains(SECRET)).collect();
    assert!(leaks.is_empty(), "{leaks:#?}");
    assert!(sandbox.ok(["export"]).contains(SECRET));
}

#[test]
fn a_job_of_another_user_has_its_groups_and_no_way_back() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let sandbox = Sandbox::with_jobs(
        "[jobs.a]\ncommand = \"grep -E '^(Uid|Gid|Groups|Cap(Inh|Prm|Eff|Amb))' /proc/self/status\"\nuser = \"nobody\"\ncwd = \"/\"\nevery = \"1h\"\n",
    );
    let status = sandbox.ok(["exec", "a"]);
    let numbers = |name: &str| -> BTreeSet<String> {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line of the status");
        line.trim_start_matches(':').split_whitespace().map(str::to_owned).collect()
    };
    let id = |option: &str| -> BTreeSet<String> {
        let output = std::process::Command::new("id").args([option, "nobody"]).output().expect("id(1)");
        String::from_utf8_lossy(&output.stdout).split_whitespace().map(str::to_owned).collect()
    };
    // Real, effective, saved and file system ids are one and the same: none is left to go back to.
    assert_eq!(numbers("Uid"), id("-u"));
    assert_eq!(numbers("Gid"), id("-g"));
    assert_eq!(numbers("Groups"), id("-G"));
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        let none = numbers(set).iter().all(|bits| bits.bytes().all(|digit| digit == b'0'));
        assert!(none, "{set}: {status}");
    }
}

#[test]
fn links_of_others_are_not_followed_in_a_place_open_to_everybody() {
    let sandbox = Sandbox::with_jobs("");
    let open = sandbox.path("open");
    fs::create_dir(&open).expect("a directory");
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    fs::set_permissions(&open, permissions).expect("a mode");
    sandbox.write("secret", "TOKEN=x\n");
    symlink(sandbox.path("secret"), open.join("env")).expect("a link");
    let jobs = "[jobs.env]\ncommand = \"true\"\nevery = \"1h\"\nenv_file = \"open/env\"\n\
                [jobs.stdin]\ncommand = \"cat\"\nevery = \"1h\"\nstdin = \"open/env\"\n";
    sandbox.write("jobs.toml", jobs);
    for job in ["env", "stdin"] {
        let refused = sandbox.run(["exec", job]);
        assert!(refused.contains("everybody can replace what is in $ROOT/open"), "{refused}");
    }
    let refused = sandbox.run(["run", "--socket", "open/jobctl.sock"]);
    assert!(refused.contains("everybody can replace files in $ROOT/open"), "{refused}");
}

#[test]
fn a_draft_that_somebody_has_prepared_is_not_written_to() {
    let sandbox = Sandbox::with_jobs("");
    let _daemon = sandbox.daemon();
    sandbox.ok(["add", "a", "--every", "1h", "--", "true"]);
    // The editor learns the draft's name, and makes a link of it before the next round writes to it.
    let editor = sandbox.write(
        "editor.sh",
        "rm \"$1\"; ln -s \"$HOME/target\" \"$1\"; echo 'every = 1' > \"$HOME/target\"\n",
    );
    let mut command = sandbox.command(["edit", "a"]);
    command.env("EDITOR", format!("sh {}", editor.display())).env("TMPDIR", sandbox.path(""));
    let output = command.output().expect("the binary can be run");
    let said = sandbox.shown(&output);
    assert!(said.contains("cannot edit"), "{said}");
    assert_eq!(fs::read_to_string(sandbox.path("target")).expect("the target"), "every = 1\n");
}

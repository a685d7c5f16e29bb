//! The systemd units: systemd itself reads them, where it is there.

use std::process::Command;

use super::read;

const UNITS: [&str; 3] = ["jobctl.service", "jobctl.socket", "user/jobctl.service"];
const DROP_INS: [&str; 2] = ["delegate.conf", "sandbox.conf"];

#[test]
fn units_start_programs_that_are_installed_there() {
    let readme = read("README.md");
    for (unit, program) in
        [("jobctl.service", "/usr/local/bin/jobctl run"), ("user/jobctl.service", "%h/.cargo/bin/jobctl run")]
    {
        let text = read(&format!("examples/systemd/{unit}"));
        assert!(text.lines().any(|line| line == format!("ExecStart={program}")), "{unit}");
        assert!(readme.contains(&format!("examples/systemd/{unit}")), "the README installs {unit}");
        // Adoption needs jobs that outlive the daemon, and systemd needs to hear from it.
        for line in ["Type=notify", "KillMode=process", "Restart=on-failure", "RestartPreventExitStatus=2 3"]
        {
            assert!(text.lines().any(|found| found == line), "{unit} lacks {line}");
        }
    }
}

#[test]
fn systemd_has_nothing_to_say_against_the_units() {
    let there = Command::new("systemd-analyze").arg("--version").output();
    if !there.is_ok_and(|output| output.status.success()) {
        return;
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    let drop_ins = DROP_INS.map(|name| (name, read(&format!("examples/systemd/jobctl.service.d/{name}"))));
    for unit in UNITS {
        let text = read(&format!("examples/systemd/{unit}"));
        let program = env!("CARGO_BIN_EXE_jobctl");
        let text = text.replace("/usr/local/bin/jobctl", program).replace("%h/.cargo/bin/jobctl", program);
        let path = directory.path().join(unit);
        std::fs::create_dir_all(path.parent().expect("it has a directory")).expect("it can be made");
        std::fs::write(&path, text).expect("the unit can be written");
        let mut verify = Command::new("systemd-analyze");
        if unit.starts_with("user/") {
            verify.arg("--user").env("XDG_RUNTIME_DIR", directory.path());
        }
        if unit == "jobctl.service" {
            let beside = path.with_extension("service.d");
            std::fs::create_dir(&beside).expect("it can be made");
            for (name, text) in &drop_ins {
                std::fs::write(beside.join(name), text).expect("the drop-in can be written");
            }
        }
        let said = verify.args(["verify", "--man=no"]).arg(&path).output().expect("systemd-analyze runs");
        let about_us = String::from_utf8_lossy(&said.stderr);
        // Systemd before 254 does not know DelegateSubgroup=, which delegate.conf says itself.
        let counts = |line: &&str| line.contains("jobctl") && !line.contains("'DelegateSubgroup'");
        let about_us: Vec<&str> = about_us.lines().filter(counts).collect();
        assert!(about_us.is_empty(), "{unit}: {about_us:#?}");
    }
}

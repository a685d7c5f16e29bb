//! Generated files are up to date.

use std::collections::BTreeSet;
use std::path::Path;

use jobctl::cli::completions::Shell;
use jobctl::cli::man;

use crate::harness::package;

/// Holds files against what they should be, or writes them where that was asked for.
fn hold(directory: &Path, files: &[(String, String)]) {
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(directory).expect("the directory can be made");
        for (name, text) in files {
            std::fs::write(directory.join(name), text).expect("the file can be written");
        }
    }
    for (name, text) in files {
        let path = directory.join(name);
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(found == *text, "{} is out of date: UPDATE=1 cargo test docs", path.display());
    }
    let expected: BTreeSet<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    for entry in std::fs::read_dir(directory).expect("the directory can be read") {
        let name = entry.expect("the entry can be read").file_name();
        assert!(expected.contains(&*name.to_string_lossy()), "{name:?} is not generated any more");
    }
}

#[test]
fn man_pages_are_up_to_date() {
    hold(&package("man"), &man::pages().expect("pages are written to memory"));
}

#[test]
fn completions_are_up_to_date() {
    let scripts = Shell::ALL
        .map(|shell| (shell.file_name().to_owned(), shell.script().expect("scripts are written to memory")));
    hold(&package("completions"), &scripts);
}

#[test]
fn man_pages_have_no_errors_of_roff() {
    // Checked by the reader of manual pages itself, where there is one.
    let Ok(found) = std::process::Command::new("groff").arg("--version").output() else { return };
    if !found.status.success() {
        return;
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    for (name, text) in man::pages().expect("pages are written to memory") {
        let path = directory.path().join(&name);
        std::fs::write(&path, text).expect("the page can be written");
        let output = std::process::Command::new("groff")
            .args(["-man", "-Tutf8", "-ww", "-z"])
            .arg(&path)
            .output()
            .expect("groff can be run");
        assert!(output.stderr.is_empty(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

//! What is written about jobctl is true: generated files are up to date, examples run, commands exist.
//!
//! `UPDATE=1 cargo test docs` writes the generated files anew.

mod commands;
mod examples;
mod generated;
mod pages;
mod readme;
mod units;

use std::path::Path;

use crate::harness::package;

/// Reads a file of the package.
fn read(name: &str) -> String {
    let path = package(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Lists the files below a directory of the package, in order.
fn files_below(name: &str) -> Vec<std::path::PathBuf> {
    fn walk(directory: &Path, found: &mut Vec<std::path::PathBuf>) {
        for entry in std::fs::read_dir(directory).expect("the directory can be read") {
            let path = entry.expect("the entry can be read").path();
            if path.is_dir() { walk(&path, found) } else { found.push(path) }
        }
    }
    let mut found = Vec::new();
    walk(&package(name), &mut found);
    found.sort();
    found
}

/// Returns the fenced blocks of a language in a Markdown text.
fn blocks(markdown: &str, language: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Option<String> = None;
    for line in markdown.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some(block), None) => {
                block.push_str(line);
                block.push('\n');
            }
            (None, Some(tag)) if tag == language => open = Some(String::new()),
            (None, _) => {}
        }
    }
    found
}

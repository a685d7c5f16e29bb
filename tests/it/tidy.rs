//! The walls of the house, checked by reading the source: which room may import which, and where a thing may be done
//! that only one room does.

use std::fs;
use std::path::{Path, PathBuf};

use crate::harness::package;

/// The rooms by floor, from the ground. A room imports from itself and from floors below, never sideways.
const FLOORS: [&[&str]; 4] = [
    &["core"],
    &["jobfile", "notify", "process", "protocol", "store", "zoneinfo"],
    &["client", "daemon"],
    &["cli"],
];

/// What the core may import besides itself; `hashbrown` is the table that the standard library's maps are made of.
const OF_CORE: [&str; 6] = ["std", "chrono", "chrono_tz", "cron", "hashbrown", "thiserror"];

/// What the core may not have of the standard library: everything that looks at the world.
const NOT_OF_CORE: [&str; 8] = [
    "std::fs",
    "std::net",
    "std::process",
    "std::env",
    "std::thread",
    "std::os",
    "std::time::Instant",
    "std::time::SystemTime",
];

/// Words that may stand in certain places only.
const ONLY_IN: [(&[&str], &[&str]); 8] = [
    // The clock.
    (&["Instant::now", "SystemTime::now", "Utc::now", "Local::now", "clock_gettime"], &["daemon/clock.rs"]),
    // The database.
    (&["rusqlite"], &["store"]),
    (&["SELECT ", "INSERT INTO ", "DELETE FROM ", "PRAGMA "], &["store"]),
    // The exit.
    (&["process::exit"], &["main.rs"]),
    // What people read.
    (&["println!", "print!(", "io::stdout()", "io::stderr()"], &["cli"]),
    (&["clap::", "comfy_table", "anstyle"], &["cli"]),
    // The crontab language of a library.
    (&["cron::Schedule", "use cron::"], &["core/cron"]),
    // System calls without a safe wrapper.
    (&["unsafe {"], &["process"]),
];

/// The most lines of a file, its tests not counted: what is longer has several topics.
const MOST_LINES: usize = 500;

/// A file of the library without its tests.
struct Source {
    /// Its path below `src`.
    path: String,
    /// Its lines with their numbers; comments are left out.
    lines: Vec<(usize, String)>,
}

impl Source {
    fn room(&self) -> &str {
        self.path.split(['/', '.']).next().unwrap_or_default()
    }

    fn is_in(&self, place: &str) -> bool {
        self.path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '.']))
    }
}

fn sources() -> Vec<Source> {
    let root = package("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    let mut sources: Vec<Source> = files.iter().map(|file| read(file, &root)).collect();
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(sources.len() > 100, "the source is found");
    sources
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("the source can be read") {
        let path = entry.expect("the source can be read").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && name != "tests" {
            collect(&path, files);
        } else if name.ends_with(".rs") && name != "tests.rs" {
            files.push(path);
        }
    }
}

fn read(file: &Path, root: &Path) -> Source {
    let text = fs::read_to_string(file).expect("the source can be read");
    let path = file.strip_prefix(root).expect("it is below the root").to_string_lossy().into_owned();
    // Tests stand at the end of a file.
    let code = text.split("\n#[cfg(test)]\nmod ").next().unwrap_or_default();
    let lines = code.lines().enumerate().map(|(place, line)| (place + 1, line.to_owned()));
    let lines = lines.filter(|(_, line)| !line.trim_start().starts_with("//")).collect();
    Source { path, lines }
}

/// Fails with every finding at once.
fn none(findings: &[String]) {
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
}

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

#[test]
fn rooms_import_only_from_floors_below() {
    let mut findings = Vec::new();
    for source in sources() {
        let room = source.room().to_owned();
        if matches!(room.as_str(), "main" | "lib") {
            continue;
        }
        let Some(own) = floor(&room) else {
            findings.push(format!("{}: the room {room} is on no floor", source.path));
            continue;
        };
        for (number, line) in &source.lines {
            for part in line.split("crate::").skip(1) {
                let other = part.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
                if other != room && floor(other).is_none_or(|floor| floor >= own) {
                    findings.push(format!("{}:{number}: {room} imports {other}", source.path));
                }
            }
        }
    }
    none(&findings);
}

#[test]
fn the_core_imports_nothing_that_looks_at_the_world() {
    let mut findings = Vec::new();
    for source in sources().iter().filter(|source| source.is_in("core")) {
        for (number, line) in &source.lines {
            let found = NOT_OF_CORE.iter().filter(|name| line.contains(**name));
            findings.extend(found.map(|name| format!("{}:{number}: {name}", source.path)));
            let Some(import) = line.trim_start().strip_prefix("use ") else { continue };
            let from = import.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
            let own = matches!(from, "crate" | "super" | "self");
            // A path that begins with a capital or with a module of the same file is the file's own.
            let local = from.starts_with(char::is_uppercase)
                || source.lines.iter().any(|(_, line)| line.contains(&format!("mod {from}")));
            if !own && !local && !OF_CORE.contains(&from) {
                findings.push(format!("{}:{number}: {from}", source.path));
            }
        }
    }
    none(&findings);
}

#[test]
fn what_one_room_does_is_done_nowhere_else() {
    let mut findings = Vec::new();
    for source in sources() {
        for (words, places) in ONLY_IN {
            if places.iter().any(|place| source.is_in(place.trim_end_matches(".rs"))) {
                continue;
            }
            for (number, line) in &source.lines {
                let found = words.iter().filter(|word| line.contains(**word));
                findings.extend(found.map(|word| format!("{}:{number}: {word}", source.path)));
            }
        }
    }
    none(&findings);
}

#[test]
fn files_have_one_topic_and_say_which() {
    let mut findings = Vec::new();
    for source in sources() {
        let text = fs::read_to_string(package("src").join(&source.path)).expect("the source can be read");
        if !text.starts_with("//! ") {
            findings.push(format!("{}: does not say what it is", source.path));
        }
        if source.lines.len() > MOST_LINES {
            findings.push(format!("{}: {} lines", source.path, source.lines.len()));
        }
    }
    none(&findings);
}

#[test]
fn the_mistakes_of_the_mutants_can_be_made() {
    let script = fs::read_to_string(package("tests/mutants.sh")).expect("the script");
    let rows = script.split_once("<<'END'\n").and_then(|(_, rest)| rest.split_once("\nEND\n"));
    let (rows, _) = rows.expect("the list of mistakes");
    for row in rows.lines() {
        // As the script reads it: a bar of the code has a backslash before it, a new line is \n.
        let row = row.replace("\\|", "\u{1}");
        let [name, file, from, to] = row.split('|').collect::<Vec<_>>()[..] else { panic!("{row}") };
        let [from, to] = [from, to].map(|code| code.replace('\u{1}', "|").replace("\\n", "\n"));
        let source =
            fs::read_to_string(package(file)).unwrap_or_else(|error| panic!("{name}: {file}: {error}"));
        assert!(source.contains(&from), "{name}: {file} does not have: {from}");
        assert_ne!(from, to, "{name}");
    }
}

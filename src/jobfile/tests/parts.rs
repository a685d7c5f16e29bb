//! Large files, which are read in parts: they mean what they mean as a whole.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use super::Zones;
use crate::core::name::Name;
use crate::jobfile::diagnostic::{FileText, Home, Problems};
use crate::jobfile::resolve::load_whole;
use crate::jobfile::{Diagnostic, JobSet, NoPeers, Peers, parts};

const SETTINGS: &str = "timezone = \"Europe/Berlin\"\n[pools.io]\nworkers = 2\n[defaults]\npool = \"io\"\n";

/// More jobs than a part holds: with tables and long texts inside them, and what is waited for elsewhere.
fn many_jobs() -> String {
    let mut text = String::new();
    for job in 0..1_200 {
        let _ = match job % 5 {
            0 => writeln!(
                text,
                "[jobs.j{job}]\nevery = \"{}m\"\ncommand = \"x\"\nenv.A = \"{job}\"\n",
                job + 1
            ),
            1 => writeln!(text, "[jobs.j{job}]\nafter = \"j{}\"\ncommand = '''\nx\n [x]'''\n", 1_199 - job),
            2 => writeln!(
                text,
                "[jobs.j{job}] # here\ncron = \"0 3 * * *\"\ncommand = [\n\"x\",\n\"y\"]\n[jobs.j{job}.env]\nB = \"{job}\""
            ),
            3 => writeln!(text, "[jobs.\"j{job}\"]\ncron = \"{} 3 31 2 *\"\ncommand = \"x\"\n", job % 60),
            _ => writeln!(
                text,
                "[jobs.j{job}]\non = \"startup\"\n[[jobs.j{job}.steps]]\ncommand = \"x\"\n[[jobs.j{job}.steps]]\ncommand = \"y\"\n"
            ),
        };
    }
    text
}

fn file<'t>(path: &str, text: &'t str) -> FileText<'t> {
    FileText::new(Home::File { path: Arc::new(path.into()), directory: Path::new("/etc") }, text)
}

fn in_parts(files: &[FileText<'_>], peers: &dyn Peers) -> Option<JobSet> {
    let one = parts::load(files, 1, &Zones, peers);
    let three = parts::load(files, 3, &Zones, peers);
    assert_eq!(one.as_ref().map(|set| &set.jobs), three.as_ref().map(|set| &set.jobs));
    three
}

fn whole(files: &[FileText<'_>]) -> Result<JobSet, Vec<Diagnostic>> {
    load_whole(files, Problems::default(), &Zones, &NoPeers)
}

#[test]
fn a_large_file_means_in_parts_what_it_means_as_a_whole() {
    let jobs = many_jobs();
    let (head, tail) = (format!("{SETTINGS}{jobs}"), format!("{jobs}[hooks]\nbefore = \"x\"\n{SETTINGS}"));
    let tail = tail.replace("timezone = \"Europe/Berlin\"\n", "");
    let blank = head.replace('\n', "\r\n");
    let small = "[jobs.small]\nafter = \"j7\"\ncommand = \"x\"\npool = \"io\"\n";
    for text in [&head, &tail, &format!("\u{feff}{head}"), &blank] {
        let files = [file("jobs.toml", text), file("jobs.d/small.toml", small)];
        let set = in_parts(&files, &NoPeers).expect("the file is in order");
        let expected = whole(&files).expect("the file is in order");
        assert_eq!((set.jobs.len(), set.warnings.len()), (1_201, 240));
        assert!(set.jobs == expected.jobs);
        assert_eq!(set.warnings, expected.warnings);
        assert_eq!((&set.pools, &set.timezone), (&expected.pools, &expected.timezone));
        assert_eq!(set.global_hooks, expected.global_hooks);
    }
}

#[test]
fn what_is_wrong_with_a_large_file_is_left_to_the_reader_of_the_whole() {
    let jobs = many_jobs();
    let wrong = [
        "[jobs.j1]\nevery = \"1h\"\ncommand = \"x\"\n",
        "[pools.io]\nworkers = 3\n",
        "[jobs.b]\nafter = \"nobody\"\ncommand = \"x\"\n",
        "[jobs.b]\nafter = \"b\"\ncommand = \"x\"\n",
        "[jobs.b]\ncommand = \"x\"\n",
        "[jobs.b]\nevery = \"1h\"\ncommand = '''\n",
        "[jobs.b]\nevery = \"1h\"\ncommand = [\n[jobs.c]\n",
        "[jobs.b\nevery = \"1h\"\n",
        "[[jobs.b]]\nevery = \"1h\"\ncommand = \"x\"\n",
        "[job.b]\n",
    ];
    for end in wrong {
        let text = format!("{SETTINGS}{jobs}{end}");
        let files = [file("jobs.toml", &text)];
        assert!(in_parts(&files, &NoPeers).is_none(), "{end}");
        assert!(whole(&files).is_err(), "{end}");
    }
    // In order, but not in parts: tables that stand far from each other, and texts in which a cut is.
    let far = format!("{SETTINGS}{jobs}[jobs.j1.env]\nX = \"y\"\n");
    let open = format!("{SETTINGS}[jobs.b]\nevery = \"1h\"\ncommand = \"\"\"\n{jobs}\"\"\"\n");
    let twice = format!("{SETTINGS}{jobs}[jobs]\nb = {{ command = \"x\", every = \"1h\" }}\n");
    let header = format!("{SETTINGS}{jobs}[jobs.b]\nevery = \"1h\"\ncommand = \"\"\"x\n[x]\"\"\"\n");
    for (text, count) in [(far, 1_200), (open, 1), (twice, 1_201), (header, 1_201)] {
        let files = [file("jobs.toml", &text)];
        assert!(in_parts(&files, &NoPeers).is_none());
        assert_eq!(whole(&files).expect("the file is in order").jobs.len(), count);
    }
}

#[test]
fn a_name_that_an_added_job_has_is_seen_in_every_part() {
    struct Added(&'static str);
    impl Peers for Added {
        fn waits_for(&self, job: &str) -> Option<Vec<Name>> {
            (job == self.0).then(Vec::new)
        }
        fn names(&self) -> Vec<Name> {
            Vec::new()
        }
    }
    let text = format!("{SETTINGS}{}", many_jobs());
    let files = [file("jobs.toml", &text)];
    for (name, fine) in [("j1100", false), ("another", true)] {
        assert_eq!(in_parts(&files, &Added(name)).is_some(), fine, "{name}");
    }
}

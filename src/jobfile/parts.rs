//! Large job files, part by part.
//!
//! The tables of a text take thirty times its memory, and most of a large file is jobs that do not depend on each
//! other. So such a file is cut where a job begins; the other sections are read first, then the parts with jobs, a
//! few at a time, each of them forgotten before the next.
//!
//! A part that begins where the part before it ended, outside of every value, means what it means in the whole
//! file, and a part that ends inside of one is not in order. So cuts need no care about what a line is: where any
//! part is not in order, or two of them have the same table, the set is read as a whole, which also has all words
//! for what is wrong with it.

use std::collections::HashSet;
use std::iter;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use toml::de::DeTable;

use crate::core::civil::ZoneSource;
use crate::core::job::Job;
use crate::core::name::Name;

use super::after::{self, Peers, Wait};
use super::diagnostic::{FileText, Problems};
use super::draft::{Defaults, Interner};
use super::raw::items;
use super::reader::{Known, Reader};
use super::resolve::{JobSet, Sections, jobs};
use super::settings::named;

/// Larger files are read in parts.
const LARGE_BYTES: usize = 64 << 10;

/// The size of a part with jobs: its tables fit into a processor's cache.
const PART_BYTES: usize = 32 << 10;

/// So much text is worth a thread of its own.
const WORTH_A_THREAD_BYTES: usize = 256 << 10;

/// How often a file may change between jobs and other sections.
const MAX_TURNS: usize = 16;

/// A part of a file.
struct Part<'t> {
    text: FileText<'t>,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// All of a file.
    Whole,
    /// Sections other than jobs, of the file with that number.
    Settings(usize),
    /// Jobs.
    Jobs,
}

/// Returns how many threads should read a set.
pub(super) fn threads_for(files: &[FileText<'_>]) -> usize {
    let worth = files.iter().map(|file| file.text.len()).sum::<usize>() / WORTH_A_THREAD_BYTES;
    thread::available_parallelism().map_or(1, usize::from).min(worth).max(1)
}

/// Loads a set with a large file in it. `None`: there is none, or something is wrong, or not as plain as it could be.
pub(super) fn load(
    files: &[FileText<'_>],
    threads: usize,
    zones: &dyn ZoneSource,
    peers: &dyn Peers,
) -> Option<JobSet> {
    if files.iter().all(|file| file.text.len() <= LARGE_BYTES) {
        return None;
    }
    let mut parts = Vec::new();
    for (number, file) in files.iter().enumerate() {
        split(number, file, &mut parts)?;
    }
    let (texts, kinds): (Vec<FileText<'_>>, Vec<Kind>) =
        parts.into_iter().map(|part| (part.text, part.kind)).unzip();
    let tables = texts.iter().zip(&kinds).map(|(text, kind)| match kind {
        Kind::Jobs => Some(DeTable::new()),
        Kind::Whole | Kind::Settings(_) => Some(DeTable::parse(text.text).ok()?.into_inner()),
    });
    let tables = tables.collect::<Option<Vec<_>>>()?;
    if !are_apart(&tables, &kinds) {
        return None;
    }
    let mut reader = Reader::new(&texts, zones);
    let sections = Sections::gather(&tables, &mut reader);
    let mut set = sections.settings(&mut reader);
    let entries = sections.named("jobs", &mut reader);
    set.jobs = jobs(&entries, &set.defaults, &mut Interner::new(&set.defaults), &mut reader);
    let with_jobs = |(part, kind): (usize, &Kind)| (*kind == Kind::Jobs).then_some(part);
    let numbers: Vec<usize> = kinds.iter().enumerate().filter_map(with_jobs).collect();
    for found in read_all(&numbers, threads, &texts, zones, &reader.known, &set.defaults)? {
        set.jobs.extend(found.jobs);
        reader.waits.extend(found.waits);
        if !reader.problems.append(found.problems) {
            return None;
        }
    }
    // Mostly a few rows in order, one from each thread, which a stable sort takes as they are.
    set.jobs.sort_by(|one, other| one.name.cmp(&other.name));
    let names: Vec<&Name> = set.jobs.iter().map(|job| &job.name).collect();
    let twice = names.windows(2).any(|pair| pair[0] == pair[1]);
    if twice || names.iter().any(|name| peers.waits_for(name.as_str()).is_some()) {
        return None;
    }
    after::check(&names, peers, &mut reader);
    if reader.problems.any_error() {
        return None;
    }
    set.warnings = reader.problems.locate(&texts);
    Some(set)
}

/// Cuts a file; `None` where it changes too often between jobs and other sections.
fn split<'t>(number: usize, file: &FileText<'t>, parts: &mut Vec<Part<'t>>) -> Option<()> {
    let end = file.text.len();
    if end <= LARGE_BYTES {
        parts.push(Part { text: file.part(0..end, 0), kind: Kind::Whole });
        return Some(());
    }
    let (mut kind, mut begin, mut begin_line, mut turns) = (Kind::Settings(number), 0, 0, 0);
    let mut at = 0;
    for (line_number, line) in file.text.split_inclusive('\n').enumerate() {
        if line.starts_with('[') {
            let is_job = line.starts_with("[jobs.") || line.starts_with("[[jobs.");
            let next = if is_job { Kind::Jobs } else { Kind::Settings(number) };
            let is_full = is_job && at - begin >= PART_BYTES && begins_job(line);
            if next != kind || is_full {
                parts.push(Part { text: file.part(begin..at, begin_line), kind });
                turns += usize::from(next != kind);
                (kind, begin, begin_line) = (next, at, line_number);
            }
        }
        at += line.len();
    }
    parts.push(Part { text: file.part(begin..end, begin_line), kind });
    (turns <= MAX_TURNS).then_some(())
}

/// Says whether a line is the header of a job, and not of a table inside one.
fn begins_job(line: &str) -> bool {
    let key = line.strip_prefix("[jobs.").and_then(|rest| rest.split_once(']'));
    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    key.is_some_and(|(key, _)| !key.is_empty() && key.chars().all(bare))
}

/// Says whether no section is in two parts of a file, nor its jobs in one for other sections.
fn are_apart(tables: &[DeTable<'_>], kinds: &[Kind]) -> bool {
    let mut seen: HashSet<(usize, &str)> = HashSet::new();
    tables.iter().zip(kinds).all(|(table, kind)| match kind {
        Kind::Whole | Kind::Jobs => true,
        Kind::Settings(file) => items(table).all(|item| item.key != "jobs" && seen.insert((*file, item.key))),
    })
}

/// What one thread has read.
#[derive(Default)]
struct Found {
    jobs: Vec<Arc<Job>>,
    waits: Vec<Wait>,
    problems: Problems,
}

/// Reads the parts with jobs; this thread and others take them in turn.
fn read_all(
    parts: &[usize],
    threads: usize,
    texts: &[FileText<'_>],
    zones: &dyn ZoneSource,
    known: &Known,
    defaults: &Defaults,
) -> Option<Vec<Found>> {
    let next = AtomicUsize::new(0);
    let read = || {
        let mut reader = Reader::new(texts, zones);
        reader.known = known.clone();
        let mut interner = Interner::new(defaults);
        let mut all = Vec::new();
        while let Some(part) = parts.get(next.fetch_add(1, Ordering::Relaxed)) {
            let Some(jobs) = read_part(*part, defaults, &mut interner, &mut reader) else {
                next.store(parts.len(), Ordering::Relaxed);
                return None;
            };
            all.extend(jobs);
        }
        Some(Found { jobs: all, waits: reader.waits, problems: reader.problems })
    };
    thread::scope(|scope| {
        // Where the system gives no more threads, those that are there take more turns.
        let start = |_| thread::Builder::new().spawn_scoped(scope, read).ok();
        let others: Vec<_> = (1..threads).filter_map(start).collect();
        let own = read();
        let joined =
            others.into_iter().map(|other| other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        iter::once(own).chain(joined).collect()
    })
}

/// Reads one part with jobs; `None` when something is wrong with it.
fn read_part(
    part: usize,
    defaults: &Defaults,
    interner: &mut Interner,
    reader: &mut Reader<'_>,
) -> Option<Vec<Arc<Job>>> {
    let table = DeTable::parse(reader.files[part].text).ok()?.into_inner();
    reader.file = part;
    let sections = items(&table).flat_map(|item| named(item, reader));
    let entries: Vec<_> = sections.map(|(name, item)| (part, name, item)).collect();
    let jobs = jobs(&entries, defaults, interner, reader);
    (!reader.problems.any_error()).then_some(jobs)
}

//! A job set as meant: the sections of all its files, in the order in which they need each other.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::de::DeTable;

use crate::core::civil::{Zone, ZoneSource};
use crate::core::job::{Hooks, Job, NotifyWhen, Origin, Pool};
use crate::core::name::Name;
use crate::core::notifier::NotifierSettings;

use super::after::{self, Peers};
use super::diagnostic::{Diagnostic, FileText, Problem, Problems, Severity};
use super::draft::{Defaults, Draft, Interner, Timing};
use super::job;
use super::notifiers::{notifier, usual_when};
use super::raw::{self, Item, Span, items};
use super::reader::{Known, Reader};
use super::settings::{DAEMON_FIELDS, DaemonSettings, EventHook, HOOK_FIELDS, event_hooks, named, pool};
use super::source::{MAX_FILE_BYTES, Sources};

/// The sections of a file.
pub(crate) const SECTIONS: [&str; 8] =
    ["timezone", "daemon", "defaults", "pools", "hooks", "notify", "on", "jobs"];

/// A file with more syntax errors is not read any further.
const MAX_SYNTAX_ERRORS: usize = 100;

/// Everything that the files of a job set say.
#[derive(Clone, Debug)]
pub struct JobSet {
    /// The jobs, by name.
    pub jobs: Vec<Arc<Job>>,
    /// The pools, by name.
    pub pools: Vec<Pool>,
    /// `[daemon]`.
    pub daemon: DaemonSettings,
    /// The notifiers, by name.
    pub notifiers: Vec<NotifierSettings>,
    /// `[[on]]`, as written.
    pub event_hooks: Vec<EventHook>,
    /// `[hooks]`: commands around every run.
    pub global_hooks: Hooks,
    /// `timezone`: the zone of jobs that give none.
    pub timezone: Zone,
    /// What is hardly meant so.
    pub warnings: Vec<Diagnostic>,
    /// What added jobs start from too.
    pub(crate) defaults: Defaults,
}

impl JobSet {
    /// Finds a job by its name.
    pub fn find(&self, name: &str) -> Option<&Arc<Job>> {
        let place = self.jobs.binary_search_by(|job| job.name.as_str().cmp(name)).ok()?;
        self.jobs.get(place)
    }

    /// Returns the set of no files: no jobs, everything else as documented.
    pub fn empty(zones: &dyn ZoneSource) -> Self {
        let defaults = plain_defaults(zones.local());
        JobSet {
            jobs: Vec::new(),
            pools: Vec::new(),
            daemon: DaemonSettings::default(),
            notifiers: Vec::new(),
            event_hooks: Vec::new(),
            global_hooks: Hooks::default(),
            timezone: defaults.timing.zone.clone(),
            warnings: Vec::new(),
            defaults,
        }
    }
}

/// The definition of an added job, understood.
#[derive(Clone, Debug)]
pub struct Fragment {
    /// The job.
    pub job: Arc<Job>,
    /// What is hardly meant so.
    pub warnings: Vec<Diagnostic>,
}

fn plain_defaults(zone: Zone) -> Defaults {
    let timing = Timing { zone, jitter: std::time::Duration::ZERO, dst: Default::default() };
    Defaults { draft: Draft::default(), timing }
}

/// Turns the text of a job set into jobs and settings.
///
/// `peers` are the jobs that were added on the socket: `after` may name them, and a name that a file and
/// one of them share is an error.
///
/// # Errors
/// Everything that is wrong in any of the files, in their order, up to a thousand.
pub fn load(sources: &Sources, zones: &dyn ZoneSource, peers: &dyn Peers) -> Result<JobSet, Vec<Diagnostic>> {
    let mut problems = Problems::default();
    let files: Vec<FileText<'_>> = sources
        .files
        .iter()
        .enumerate()
        .map(|(file, source)| {
            let text = text_of(&source.bytes, file, &mut problems);
            FileText::new(Arc::clone(&source.path), Some(&source.directory), text)
        })
        .collect();
    let mut reader = Reader::new(&files, zones);
    reader.partial = problems.any_error();
    reader.problems = problems;
    let tables: Vec<DeTable<'_>> =
        files.iter().enumerate().map(|(file, text)| reader.parse(file, text)).collect();
    let sections = Sections::gather(&tables, &mut reader);
    let set = sections.resolve(peers, &mut reader);
    let failed = reader.problems.any_error();
    let found = reader.problems.locate(&files);
    if failed { Err(found) } else { Ok(JobSet { warnings: found, ..set }) }
}

/// Turns the definition of one added job, the body of a table `[jobs.NAME]`, into a job.
///
/// It starts from the `[defaults]`, the zone, the pools and the notifiers of `set`. `peers` are all other
/// jobs, those of the file too; one of the same name is ignored (it is what the new definition replaces).
/// Relative paths are refused: the daemon does not know where the client stands.
///
/// # Errors
/// Everything that is wrong with it; also a schedule that never fires, which in a file is only a warning.
pub fn fragment(
    text: &str,
    name: &Name,
    set: &JobSet,
    zones: &dyn ZoneSource,
    peers: &dyn Peers,
) -> Result<Fragment, Vec<Diagnostic>> {
    Fragments::new(set, zones).read(text, name, peers)
}

/// Turns the definitions of many added jobs into jobs, one after the other, as [`fragment`] does. What they have in
/// common is read once, and kept once.
pub struct Fragments<'a> {
    set: &'a JobSet,
    zones: &'a dyn ZoneSource,
    known: Known,
    interner: Interner,
}

impl<'a> Fragments<'a> {
    /// Prepares for definitions that start from the `[defaults]`, the zone, the pools and the notifiers of `set`.
    pub fn new(set: &'a JobSet, zones: &'a dyn ZoneSource) -> Self {
        let known = Known {
            pools: set.pools.iter().map(|pool| pool.name.clone()).collect(),
            notifiers: set.notifiers.iter().map(|n| (n.name.clone(), usual_when(&n.channel))).collect(),
            ..Known::default()
        };
        Fragments { set, zones, known, interner: Interner::new(&set.defaults) }
    }

    /// Turns one definition into a job.
    ///
    /// # Errors
    /// As for [`fragment`].
    pub fn read(&mut self, text: &str, name: &Name, peers: &dyn Peers) -> Result<Fragment, Vec<Diagnostic>> {
        let mut problems = Problems::default();
        let path: Arc<Path> = Path::new(&format!("<{name}>")).into();
        let text = text_of(text.as_bytes(), 0, &mut problems);
        let files = [FileText::new(path, None, text)];
        let mut reader = Reader::new(&files, self.zones);
        reader.partial = problems.any_error();
        reader.problems = problems;
        reader.known = std::mem::take(&mut self.known);
        reader.never_is_error = true;
        let table = reader.parse(0, &files[0]);
        let place = Span { start: 0, end: text.lines().next().map_or(0, str::len) };
        let defaults = &self.set.defaults;
        let job = job::job(name, place, Origin::Added, &table, defaults, &mut self.interner, &mut reader);
        after::check(&[name], peers, &mut reader);
        self.known = reader.known;
        let failed = reader.problems.any_error();
        let found = reader.problems.locate(&files);
        match job {
            Some(job) if !failed => Ok(Fragment { job, warnings: found }),
            _ => Err(found),
        }
    }
}

/// Checks that bytes are text of a bearable size; what is not becomes the part of it that is.
fn text_of<'a>(bytes: &'a [u8], file: usize, problems: &mut Problems) -> &'a str {
    let mut refuse = |at: usize, message: &str, hint: &str| {
        let span = Span { start: at, end: at };
        let (message, hint) = (message.to_owned(), Some(hint.to_owned()));
        problems.push(Problem { severity: Severity::Error, file, span, message, hint });
    };
    if bytes.len() > MAX_FILE_BYTES {
        refuse(0, "the file is larger than 64 MiB", "split it into jobs.d/*.toml");
        return "";
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            refuse(error.valid_up_to(), "the file is not UTF-8 from here on", "save it as UTF-8");
            std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default()
        }
    }
}

/// The sections of all files, each with the file it stands in.
#[derive(Default)]
struct Sections<'d> {
    found: HashMap<&'static str, Vec<(usize, Item<'d>)>>,
}

impl<'d> Sections<'d> {
    fn gather(tables: &'d [DeTable<'d>], reader: &mut Reader<'_>) -> Self {
        let mut sections = Sections::default();
        for (file, table) in tables.iter().enumerate() {
            reader.file = file;
            for item in items(table) {
                match SECTIONS.into_iter().find(|known| *known == item.key) {
                    Some(known) => sections.found.entry(known).or_default().push((file, item)),
                    None if job::is_key(item.key) => {
                        let message = format!("{:?} is a key of a job", item.key);
                        let hint = Some("put it under a header like [jobs.NAME]".to_owned());
                        reader.error(item.key_span, message, hint);
                    }
                    None => reader.unknown_key(item, "the job file", SECTIONS.into_iter()),
                }
            }
        }
        sections
    }

    fn of(&self, section: &str) -> &[(usize, Item<'d>)] {
        self.found.get(section).map_or(&[], Vec::as_slice)
    }

    /// Returns a section that a job set has once.
    fn once(&self, section: &str, reader: &mut Reader<'_>) -> Option<Item<'d>> {
        let (first, others) = self.of(section).split_first()?;
        for (file, item) in others {
            reader.file = *file;
            let place = reader.files[first.0].place(first.1.key_span.start);
            let message = format!("{section:?} is in two files of the job set");
            reader.error(item.key_span, message, Some(format!("it is at {place} too")));
        }
        reader.file = first.0;
        Some(first.1)
    }

    /// Returns the named tables of a section in all files; a name that comes twice is an error.
    fn named(&self, section: &str, reader: &mut Reader<'_>) -> Vec<(usize, Name, Item<'d>)> {
        let mut seen: HashMap<Name, (usize, Span)> = HashMap::new();
        let mut all = Vec::new();
        for (file, item) in self.of(section) {
            reader.file = *file;
            for (name, entry) in named(*item, reader) {
                match seen.get(&name) {
                    Some((first, span)) => {
                        let place = reader.files[*first].place(span.start);
                        let message = format!("[{section}.{name}] is in two files of the job set");
                        reader.error(entry.key_span, message, Some(format!("it is at {place} too")));
                    }
                    None => {
                        seen.insert(name.clone(), (*file, entry.key_span));
                        all.push((*file, name, entry));
                    }
                }
            }
        }
        all.sort_by(|(_, one, _), (_, other, _)| one.cmp(other));
        all
    }

    /// Reads everything; jobs last, for they name what the other sections declare.
    fn resolve(&self, peers: &dyn Peers, reader: &mut Reader<'_>) -> JobSet {
        let mut defaults = plain_defaults(reader.local_zone());
        if let Some(item) = self.once("timezone", reader)
            && let Some(zone) = reader.zone(item)
        {
            defaults.timing.zone = zone;
        }
        let timezone = defaults.timing.zone.clone();
        let mut daemon = DaemonSettings::default();
        if let Some(table) = self.once("daemon", reader).and_then(|item| reader.as_table(item)) {
            reader.table(table, "[daemon]", DAEMON_FIELDS, &mut daemon);
        }
        let mut global_hooks = Hooks::default();
        if let Some(table) = self.once("hooks", reader).and_then(|item| reader.as_table(item)) {
            reader.table(table, "[hooks]", HOOK_FIELDS, &mut global_hooks);
        }
        let pools = self.pools(reader);
        let notifiers = self.notifiers(reader);
        let mut event_hooks = Vec::new();
        for (file, item) in self.of("on") {
            reader.file = *file;
            event_hooks.extend(self::event_hooks(*item, reader));
        }
        if let Some(table) = self.once("defaults", reader).and_then(|item| reader.as_table(item)) {
            job::defaults(table, &mut defaults, reader);
        }
        let jobs = self.jobs(&defaults, peers, reader);
        JobSet {
            jobs,
            pools,
            daemon,
            notifiers,
            event_hooks,
            global_hooks,
            timezone,
            warnings: Vec::new(),
            defaults,
        }
    }

    fn pools(&self, reader: &mut Reader<'_>) -> Vec<Pool> {
        let mut pools = Vec::new();
        for (file, name, item) in self.named("pools", reader) {
            reader.file = file;
            pools.extend(pool(&name, item, reader));
            // A pool that is declared badly is still declared: its jobs need no error of their own.
            reader.known.pools.insert(name);
        }
        pools
    }

    fn notifiers(&self, reader: &mut Reader<'_>) -> Vec<NotifierSettings> {
        let mut notifiers = Vec::new();
        for (file, name, item) in self.named("notify", reader) {
            reader.file = file;
            let found = notifier(&name, item, reader);
            let when = found.as_ref().map_or(NotifyWhen::Change, |found| usual_when(&found.channel));
            reader.known.notifiers.insert(name, when);
            notifiers.extend(found);
        }
        notifiers
    }

    fn jobs(&self, defaults: &Defaults, peers: &dyn Peers, reader: &mut Reader<'_>) -> Vec<Arc<Job>> {
        let entries = self.named("jobs", reader);
        let mut interner = Interner::new(defaults);
        let mut jobs = Vec::with_capacity(entries.len());
        let paths: Vec<Arc<PathBuf>> =
            reader.files.iter().map(|file| Arc::new(file.path.to_path_buf())).collect();
        for (file, name, item) in &entries {
            reader.file = *file;
            if peers.waits_for(name.as_str()).is_some() {
                let message = format!("the job {:?} was also added with `jobctl add`", name.as_str());
                let hint = format!("`jobctl remove {name}` drops the added one, or rename this one");
                reader.error(item.key_span, message, Some(hint));
            }
            let Some(table) = reader.as_table(*item) else { continue };
            let text = &reader.files[*file];
            let line = u32::try_from(text.line_of(item.key_span.start) + 1).unwrap_or(u32::MAX);
            let origin = Origin::File { path: Arc::clone(&paths[*file]), line };
            jobs.extend(job::job(name, item.key_span, origin, table, defaults, &mut interner, reader));
        }
        let names: Vec<&Name> = entries.iter().map(|(_, name, _)| name).collect();
        after::check(&names, peers, reader);
        jobs
    }
}

impl Reader<'_> {
    /// Parses a file, notes its syntax errors, and remembers which places are unreliable because of them.
    fn parse<'t>(&mut self, file: usize, text: &FileText<'t>) -> DeTable<'t> {
        self.file = file;
        let (table, errors) = raw::parse(text.text, |at| text.is_secret(at));
        self.partial |= !errors.is_empty();
        // What the parser makes of a text with so many errors is not worth reading.
        let hopeless = errors.len() > MAX_SYNTAX_ERRORS;
        for error in errors {
            // The keys of a table that is there twice are too, mostly; the header says it all.
            if error.repeated && self.is_distrusted(error.span.start) {
                continue;
            }
            let header = text.text[text.line_start(text.line_of(error.span.start))..].starts_with('[');
            self.syntax_error(error.span, error.message, error.hint);
            if !hopeless && (header || !error.repeated) {
                self.distrust(text, error.span);
            }
        }
        if hopeless { DeTable::new() } else { table }
    }
}

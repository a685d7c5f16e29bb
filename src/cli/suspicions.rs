//! What a job file says that is valid but hardly meant, seen from this machine: programs, directories, files and
//! users that are not there, and crowds of jobs due in the same second.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::core::instant::Timestamp;
use crate::core::job::{Command, Execution, Job, Origin, Step, StepBody, Work};
use crate::core::trigger::Firing;
use crate::jobfile::{Diagnostic, JobSet, Severity, Sources};

/// How far crowds are looked for.
const HORIZON: Duration = Duration::from_secs(86_400);

/// The most fire times looked at, of all jobs together: a check answers within seconds whatever the file says.
const MOST_FIRE_TIMES: usize = 500_000;

/// Words that shells know themselves, and what can begin a command without being a program.
const BUILTINS: &[&str] = &[
    "!", ".", ":", "[", "[[", "alias", "bg", "break", "case", "cd", "command", "continue", "declare", "echo",
    "eval", "exec", "exit", "export", "false", "fg", "for", "function", "getopts", "hash", "if", "jobs",
    "kill", "let", "local", "printf", "pwd", "read", "readonly", "return", "select", "set", "shift", "shopt",
    "source", "test", "time", "times", "trap", "true", "type", "typeset", "ulimit", "umask", "unalias",
    "unset", "until", "wait", "while", "{", "}",
];

/// Looks at every job of a set.
pub(crate) fn all(set: &JobSet, sources: &Sources, crowd: u32, now: Timestamp) -> Vec<Diagnostic> {
    let texts = Texts::new(sources);
    let mut found = Vec::new();
    let mut programs = Programs::default();
    for job in &set.jobs {
        for (message, hint) in of_job(job, &mut programs) {
            found.push(at_job(job, &texts, message, hint));
        }
    }
    found.extend(crowds(set, &texts, crowd, now));
    found.sort_by_cached_key(|one| (texts.place(&one.file), one.line));
    found
}

/// The files by line: a set with many suspicions is looked through once.
struct Texts<'a>(HashMap<&'a Path, (usize, Vec<&'a [u8]>)>);

impl<'a> Texts<'a> {
    fn new(sources: &'a Sources) -> Self {
        let files = sources.files.iter().enumerate();
        let lines = |bytes: &'a [u8]| bytes.split(|byte| *byte == b'\n').collect();
        Texts(files.map(|(place, file)| (&*file.path, (place, lines(&file.bytes)))).collect())
    }

    /// Returns the place of a file among all of them.
    fn place(&self, file: &Path) -> Option<usize> {
        self.0.get(file).map(|(place, _)| *place)
    }

    /// Returns a line, from 1; empty where the file has no such line.
    fn line(&self, file: &Path, line: usize) -> Cow<'a, str> {
        let lines = self.0.get(file).map(|(_, lines)| lines.as_slice()).unwrap_or_default();
        let line = line.checked_sub(1).and_then(|at| lines.get(at)).copied().unwrap_or_default();
        String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line))
    }
}

/// Makes a warning that stands at a job's header.
fn at_job(job: &Job, texts: &Texts<'_>, message: String, hint: String) -> Diagnostic {
    let (file, line): (Arc<Path>, usize) = match &job.origin {
        Origin::File { path, line } => (path.as_path().into(), usize::try_from(*line).unwrap_or(1)),
        Origin::Added => (Path::new(job.name.as_str()).into(), 1),
    };
    let source_line = texts.line(&file, line).into_owned();
    // The header is [jobs.NAME]; a short name is part of other words too.
    let name = job.name.as_str();
    let after_dot = source_line.find(&format!(".{name}")).map(|at| at + 1);
    let start = after_dot.or_else(|| source_line.find(name)).unwrap_or(0);
    let end = (start + job.name.as_str().len()).min(source_line.len());
    Diagnostic {
        severity: Severity::Warning,
        message,
        file,
        line,
        column: start + 1,
        span: start..end,
        source_line,
        hint: Some(hint),
    }
}

/// Says what of one job is not there, and what follows from that.
pub(crate) fn of_job(job: &Job, programs: &mut Programs) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let execution = &job.execution;
    let other_user = execution.user.as_deref();
    if let Some(user) = other_user
        && user.parse::<u32>().is_err()
        && uzers::get_user_by_name(user).is_none()
    {
        found.push((format!("there is no user {user:?} here"), "each run will fail to start".to_owned()));
    }
    if let Some(cwd) = execution.cwd.as_deref().filter(|cwd| cwd.is_absolute() && !cwd.is_dir()) {
        let message = format!("the directory {} is not there", cwd.display());
        found.push((message, "each run will fail to start".to_owned()));
    }
    for file in execution.env_files.iter().filter(|file| file.is_absolute() && !file.is_file()) {
        let message = format!("the environment file {} is not there", file.display());
        found.push((message, "each run will fail to start".to_owned()));
    }
    if !programs.has(execution.shell.as_os_str(), execution) {
        let message = format!("the shell {} is not there", execution.shell.display());
        found.push((message, "text commands will fail to start".to_owned()));
    }
    let hooks = &job.policy.hooks;
    let hooks = [&hooks.before, &hooks.after_run, &hooks.on_success, &hooks.on_failure].into_iter().flatten();
    let mut missing: Vec<String> = commands(&job.work)
        .into_iter()
        .chain(hooks)
        .filter_map(program)
        .filter(|program| !programs.has(OsStr::new(program), execution))
        .collect();
    missing.sort_unstable();
    missing.dedup();
    for program in missing {
        let (place, hint) = match program.contains('/') {
            true => ("not there", "each run will fail to start"),
            false => ("not in the job's PATH", "give its whole path, or set PATH in env"),
        };
        found.push((format!("the program {program:?} is {place}"), hint.to_owned()));
    }
    found
}

/// Returns the commands of a job's work.
fn commands(work: &Work) -> Vec<&Command> {
    fn of_step(step: &Step) -> Vec<&Command> {
        match &step.body {
            StepBody::Command(command) => vec![command],
            StepBody::Parallel { commands, .. } => commands.iter().flat_map(of_step).collect(),
        }
    }
    match work {
        Work::Command(command) => vec![command],
        Work::Steps(_) | Work::Parallel(_) => work.steps().iter().flat_map(of_step).collect(),
    }
}

/// Returns the program that a command begins with, where that can be told without a shell.
fn program(command: &Command) -> Option<String> {
    match command {
        Command::Argv(words) => words.first().map(str::to_owned),
        Command::Shell(text) => {
            let word = text.split_whitespace().next()?;
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+');
            let told = word.chars().all(plain) && !BUILTINS.contains(&word) && !word.starts_with('-');
            // A relative path starts where the job does, which may be another user's home.
            (told && (!word.contains('/') || word.starts_with('/'))).then(|| word.to_owned())
        }
    }
}

/// The files that have been looked at, and whether they can be executed: most jobs of a set run the same few.
#[derive(Default)]
pub(crate) struct Programs(HashMap<PathBuf, bool>);

impl Programs {
    /// Says whether a program can be found as a start of the job would look for it.
    fn has(&mut self, program: &OsStr, execution: &Execution) -> bool {
        let path = Path::new(program);
        if path.is_absolute() {
            return self.is_executable(path);
        }
        if path.components().count() > 1 || program.as_encoded_bytes().starts_with(b"~") {
            // Relative to a directory that may be another user's home: it cannot be told from here.
            let cwd = execution.cwd.as_deref();
            return cwd.is_none_or(|cwd| !cwd.is_absolute() || self.is_executable(&cwd.join(path)));
        }
        let list = match execution.env.get("PATH") {
            Some(list) => list.into(),
            None if !execution.env_files.is_empty() || execution.user.is_some() => return true,
            None => std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into()),
        };
        std::env::split_paths(&list).any(|directory: PathBuf| self.is_executable(&directory.join(path)))
    }

    /// Says whether a program can be found in our own PATH.
    pub(crate) fn has_in_path(&mut self, program: &str) -> bool {
        self.has(OsStr::new(program), &Execution::default())
    }

    fn is_executable(&mut self, path: &Path) -> bool {
        if let Some(known) = self.0.get(path) {
            return *known;
        }
        let found =
            path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0);
        self.0.insert(path.to_owned(), found);
        found
    }
}

/// Finds the second of the coming day in which the most jobs are due, and warns where it is a crowd.
fn crowds(set: &JobSet, texts: &Texts<'_>, crowd: u32, now: Timestamp) -> Vec<Diagnostic> {
    let crowd = usize::try_from(crowd).unwrap_or(usize::MAX);
    let mut due: BTreeMap<i64, Vec<&Job>> = BTreeMap::new();
    let mut looked_at = 0;
    for job in &set.jobs {
        let Firing::Clock(schedule) = &job.firing else { continue };
        // Jitter and pools are what spreads a crowd; these jobs have taken care.
        if !job.policy.enabled || !schedule.jitter.is_zero() || job.policy.pool.is_some() {
            continue;
        }
        let mut after = now;
        while let Some(at) = schedule.next_after(now, after).filter(|at| at.since(now) <= HORIZON) {
            due.entry(at.as_secs()).or_default().push(job);
            after = at;
            looked_at += 1;
            if looked_at >= MOST_FIRE_TIMES {
                return worst(&due, crowd, set, texts);
            }
        }
    }
    worst(&due, crowd, set, texts)
}

fn worst(due: &BTreeMap<i64, Vec<&Job>>, crowd: usize, set: &JobSet, texts: &Texts<'_>) -> Vec<Diagnostic> {
    // Of equal crowds the earliest.
    let Some((at, jobs)) = due.iter().rev().max_by_key(|(_, jobs)| jobs.len()) else { return Vec::new() };
    let Some(first) = jobs.first().filter(|_| jobs.len() >= crowd) else { return Vec::new() };
    let when = set.timezone.format(Timestamp::from_secs(*at));
    let names = super::render::text::first(jobs.iter().map(|job| job.name.to_string()));
    let message = format!("{} jobs are due in the same second, {when}: {names}", jobs.len());
    let hint = "spread them with jitter = \"5m\", or let a pool limit how many run at once";
    vec![at_job(first, texts, message, hint.to_owned())]
}

#[cfg(test)]
mod tests {
    use super::{all, program};
    use crate::core::civil::Embedded;
    use crate::core::instant::Timestamp;
    use crate::core::job::Command;
    use crate::jobfile::{self, NoPeers, SourceFile, Sources};

    fn suspicions(text: &str, crowd: u32) -> Vec<String> {
        let bytes = text.as_bytes().to_vec();
        let path = std::path::Path::new("jobs.toml").into();
        let sources = Sources { files: vec![SourceFile { path, directory: "/".into(), bytes }] };
        let set = jobfile::load(&sources, &Embedded, &NoPeers).unwrap();
        let found = all(&set, &sources, crowd, Timestamp::from_secs(1_774_692_000));
        found.iter().map(|one| format!("{}: {}", one.line, one.message)).collect()
    }

    #[test]
    fn what_is_not_there_is_named() {
        let text = r#"
[jobs.good]
command = "sh -c true"
every = "1h"
[jobs.program]
command = ["no-such-program", "x"]
every = "1h"
[jobs.shell]
command = "/no/such/script --now"
every = "1h"
[jobs.around]
command = "cd / && FOO=1 unknown_here"
every = "1h"
cwd = "/no/such/directory"
user = "no-such-user"
env_file = "/no/such/file"
"#;
        let expected = [
            "5: the program \"no-such-program\" is not in the job's PATH",
            "8: the program \"/no/such/script\" is not there",
            "11: there is no user \"no-such-user\" here",
            "11: the directory /no/such/directory is not there",
            "11: the environment file /no/such/file is not there",
        ];
        assert_eq!(suspicions(text, 20), expected);
    }

    #[test]
    fn a_crowd_is_counted_without_those_who_spread() {
        let mut text = "timezone = \"UTC\"\n[pools.p]\nworkers = 1\n".to_owned();
        for number in 0..4 {
            text.push_str(&format!("[jobs.j{number}]\ncommand = \"true\"\ncron = \"0 3 * * *\"\n"));
        }
        text.push_str("jitter = \"1m\"\n");
        assert_eq!(suspicions(&text, 4), Vec::<String>::new());
        assert_eq!(
            suspicions(&text, 3),
            ["4: 3 jobs are due in the same second, 2026-03-29T03:00:00Z: j0, j1 and j2"]
        );
    }

    #[test]
    fn programs_of_shell_text_are_told_only_where_that_is_safe() {
        let cases = [
            ("rsync -a x y", Some("rsync")),
            ("/usr/bin/env x", Some("/usr/bin/env")),
            ("./here", None),
            ("echo x", None),
            ("A=1 x", None),
            ("$HOME/x", None),
            ("(x)", None),
            ("~/x", None),
        ];
        for (text, expected) in cases {
            assert_eq!(program(&Command::Shell(text.into())).as_deref(), expected, "{text}");
        }
    }
}

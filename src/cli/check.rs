//! `check`: everything that is wrong with a job file, and what is valid but hardly meant.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::builder::ValueHint;
use serde::Serialize;

use super::context::Context;
use super::error::{CliError, Kind};
use super::files::unreadable;
use super::render::text::{count, first};
use super::source::added_names;
use super::suspicions;
use crate::core::job::{Job, Origin};
use crate::jobfile::{self, Diagnostic, Severity};

/// How many warnings of one text are shown; the others are counted.
const ALIKE: usize = 3;

pub(crate) const EXAMPLES: &str = "
jobctl check
jobctl check new.toml && mv new.toml ~/.config/jobctl/jobs.toml
jobctl check --strict --quiet      # in a commit hook";

/// Check the job file: errors, and what is hardly meant
///
/// Warns of jobs that never fire, of programs, directories and users that are not there, and of crowds of jobs
/// due in the same second. Of warnings that say the same the first three are shown, and for which other jobs they
/// hold. Ends with 2 where there are errors.
#[derive(Debug, clap::Args)]
#[command(after_long_help = super::help::examples(EXAMPLES))]
pub(crate) struct Check {
    /// The job file; default is that of --config
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: Option<PathBuf>,
    /// Warnings are errors
    #[arg(long)]
    strict: bool,
    /// Show every warning, also those that say the same as others
    #[arg(long)]
    all: bool,
    /// How many jobs due in the same second are a crowd
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(2..))]
    crowd: u32,
}

/// A diagnostic as `--json` prints it.
#[derive(Debug, Serialize)]
struct Found<'a> {
    severity: &'static str,
    message: &'a str,
    file: String,
    line: usize,
    column: usize,
    hint: Option<&'a str>,
}

impl Check {
    pub(crate) fn run(&self, context: &mut Context) -> Result<u8, CliError> {
        let config = match &self.file {
            Some(file) => file.clone(),
            None => context.paths()?.config,
        };
        let sources = jobfile::read(&config).map_err(|error| unreadable(&error))?;
        let (set, found) = match jobfile::load(&sources, context.zones().as_ref(), &added_names(context)) {
            Ok(set) => {
                let mut found = set.warnings.clone();
                found.extend(suspicions::all(&set, &sources, self.crowd, context.now));
                (set.jobs, found)
            }
            Err(errors) => (Vec::new(), errors),
        };
        let errors = found.iter().filter(|one| one.severity == Severity::Error).count();
        let warnings = found.len() - errors;
        if context.json() {
            let found: Vec<Found<'_>> = found.iter().map(as_json).collect();
            context.out.json(&found)?;
        } else {
            self.print(&found, &set, context);
            let jobs = set.len();
            let verdict = if errors > 0 {
                format!("{}: {}", config.display(), count(errors as u64, "error"))
            } else if warnings > 0 {
                format!(
                    "{}: {}, {}",
                    config.display(),
                    count(jobs as u64, "job"),
                    count(warnings as u64, "warning")
                )
            } else {
                format!("{}: {}, nothing to complain about", config.display(), count(jobs as u64, "job"))
            };
            context.out.done(&verdict)?;
        }
        if errors > 0 || (self.strict && warnings > 0) { Err(CliError::said(Kind::Usage)) } else { Ok(0) }
    }

    fn print(&self, found: &[Diagnostic], jobs: &[Arc<Job>], context: &Context) {
        let most = if self.all { usize::MAX } else { ALIKE };
        let (shown, counted) = fold(found, most);
        context.out.diagnostics(&jobfile::render(&shown, context.out.colour_on_stderr()));
        let headers = headers(jobs);
        for alike in &counted {
            let where_ = first(alike.iter().map(|one| place(one, &headers)));
            let [one, ..] = alike.as_slice() else { continue };
            let more = count(alike.len() as u64, "time");
            context.out.warning(&format!("{}: {more} more, for {where_}", one.message));
        }
        if !counted.is_empty() {
            context.out.note("`jobctl check --all` shows every warning");
        }
    }
}

/// Parts what is shown from warnings whose text has been shown often enough; these come together by their text.
fn fold(found: &[Diagnostic], most: usize) -> (Vec<Diagnostic>, Vec<Vec<&Diagnostic>>) {
    let mut texts: BTreeMap<_, (usize, Vec<&Diagnostic>)> = BTreeMap::new();
    let mut shown = Vec::new();
    for one in found {
        let (times, more) = texts.entry((&one.message, &one.hint)).or_default();
        *times += 1;
        if *times <= most || one.severity == Severity::Error {
            shown.push(one.clone());
        } else {
            more.push(one);
        }
    }
    (shown, texts.into_values().map(|(_, more)| more).filter(|more| !more.is_empty()).collect())
}

/// Returns the names of the jobs by the places of their headers.
fn headers(jobs: &[Arc<Job>]) -> BTreeMap<(&Path, usize), &str> {
    let mut headers = BTreeMap::new();
    for job in jobs {
        if let Origin::File { path, line } = &job.origin {
            let file: &Path = path;
            headers.insert((file, usize::try_from(*line).unwrap_or(usize::MAX)), job.name.as_str());
        }
    }
    headers
}

/// Names the job that a diagnostic is about, or else its place.
fn place(one: &Diagnostic, headers: &BTreeMap<(&Path, usize), &str>) -> String {
    match headers.range(..=(&*one.file, one.line)).next_back() {
        Some(((file, _), name)) if **file == *one.file => (*name).to_owned(),
        _ => format!("{}:{}", one.file.display(), one.line),
    }
}

fn as_json(diagnostic: &Diagnostic) -> Found<'_> {
    Found {
        severity: match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        message: &diagnostic.message,
        file: diagnostic.file.display().to_string(),
        line: diagnostic.line,
        column: diagnostic.column,
        hint: diagnostic.hint.as_deref(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::fold;
    use crate::jobfile::{Diagnostic, Severity};

    fn diagnostic(severity: Severity, message: &str, line: usize) -> Diagnostic {
        Diagnostic {
            severity,
            message: message.to_owned(),
            file: Path::new("jobs.toml").into(),
            line,
            column: 1,
            source_line: String::new(),
            span: 0..0,
            hint: None,
        }
    }

    #[test]
    fn warnings_of_one_text_are_counted_after_the_third_and_errors_never() {
        let mut found = Vec::new();
        for line in 1..=5 {
            found.push(diagnostic(Severity::Warning, "far", line));
            found.push(diagnostic(Severity::Error, "bad", line));
            found.push(diagnostic(Severity::Warning, &format!("near {line}"), line));
        }
        let (shown, counted) = fold(&found, 3);
        assert_eq!((shown.len(), counted.len()), (13, 1));
        let lines: Vec<usize> = counted[0].iter().map(|one| one.line).collect();
        assert_eq!(lines, [4, 5], "{counted:?}");
        assert_eq!(fold(&found, usize::MAX), (found.clone(), Vec::new()));
    }
}

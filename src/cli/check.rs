//! `check`: everything that is wrong with a job file, and what is valid but hardly meant.

use std::path::PathBuf;

use clap::builder::ValueHint;
use serde::Serialize;

use super::context::Context;
use super::error::{CliError, Kind};
use super::files::unreadable;
use super::render::text::count;
use super::source::added_names;
use super::suspicions;
use crate::jobfile::{self, Diagnostic, Severity};

pub(crate) const EXAMPLES: &str = "
jobctl check
jobctl check new.toml && mv new.toml ~/.config/jobctl/jobs.toml
jobctl check --strict --quiet      # in a commit hook";

/// Check the job file: errors, and what is hardly meant
///
/// Warns of jobs that never fire, of programs, directories and users that are not there, and of crowds of jobs
/// due in the same second. Ends with 2 where there are errors.
#[derive(Debug, clap::Args)]
#[command(after_long_help = super::help::examples(EXAMPLES))]
pub(crate) struct Check {
    /// The job file; default is that of --config
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: Option<PathBuf>,
    /// Warnings are errors
    #[arg(long)]
    strict: bool,
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
        let (jobs, found) = match jobfile::load(&sources, context.zones().as_ref(), &added_names(context)) {
            Ok(set) => {
                let mut found = set.warnings.clone();
                found.extend(suspicions::all(&set, &sources, self.crowd, context.now));
                (set.jobs.len(), found)
            }
            Err(errors) => (0, errors),
        };
        let errors = found.iter().filter(|one| one.severity == Severity::Error).count();
        let warnings = found.len() - errors;
        if context.json() {
            let found: Vec<Found<'_>> = found.iter().map(as_json).collect();
            context.out.json(&found)?;
        } else {
            context.out.diagnostics(&jobfile::render(&found, context.out.colour_on_stderr()));
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

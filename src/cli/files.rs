//! What goes wrong with job files and the names in them, in words.

use super::context::Context;
use super::error::{CliError, Kind, chain};
use super::render::text::count;
use crate::daemon::catalogue::CatalogueError;
use crate::jobfile::{self, Diagnostic, ReadError, Severity};

/// The most names among which a near one is looked for.
const MOST_NAMES: usize = 10_000;

/// Words a catalogue that cannot be had; errors of the job file are printed first.
pub(crate) fn no_catalogue(error: &CatalogueError, context: &Context) -> CliError {
    match error {
        CatalogueError::Read(error) => unreadable(error),
        CatalogueError::Invalid(diagnostics) => refused(diagnostics, "the job file does not load", context),
    }
}

/// Words a job file that cannot be read.
pub(crate) fn unreadable(error: &ReadError) -> CliError {
    let hint = match error {
        ReadError::Missing { .. } => "write one, or name another with --config FILE",
        ReadError::Unreadable { .. } => "name another with --config FILE",
        ReadError::TooMany { .. } => "merge some of them",
    };
    CliError::usage(chain(error)).hint(hint)
}

/// Prints what is wrong with a text and makes the error that ends the command.
pub(crate) fn refused(diagnostics: &[Diagnostic], what: &str, context: &Context) -> CliError {
    context.out.diagnostics(&jobfile::render(diagnostics, context.out.colour_on_stderr()));
    let errors = diagnostics.iter().filter(|one| one.severity == Severity::Error).count();
    CliError::usage(format!("{what}: {}", count(errors as u64, "error")))
}

/// Says that there is no such job, with the nearest name.
pub(crate) fn no_such_job<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> CliError {
    let limit = (name.chars().count() / 3).clamp(1, 3);
    let near = names
        .take(MOST_NAMES)
        .map(|other| (strsim::osa_distance(name, other), other))
        .filter(|(distance, _)| *distance <= limit)
        .min();
    let hint = match near {
        Some((_, near)) => format!("did you mean {near}?"),
        None => "`jobctl list` shows the jobs".to_owned(),
    };
    CliError::new(Kind::Name, format!("there is no job {name}")).hint(hint)
}

//! What goes wrong with job files, in words.

use super::context::Context;
use super::error::{CliError, chain};
use super::render::text::count;
use crate::daemon::catalogue::CatalogueError;
use crate::jobfile::{self, Diagnostic, ReadError, Severity};

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

//! Errors at the edge: what went wrong becomes one line saying what, one saying how to go on, and an exit code.
//!
//! Owns the exit codes. Every error of the rooms below is turned into a [`CliError`] by the command that meets
//! it; nothing above looks at kinds again.

use std::fmt;
use std::io;

/// What kind of failure it is; decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The request failed.
    Failed,
    /// Wrong usage, or a job file or definition that does not load.
    Usage,
    /// No daemon runs (or, for `run`, one does already).
    NoDaemon,
    /// There is no such job or run, or the name is taken.
    Name,
    /// `max_instances` runs of the job are alive.
    Busy,
    /// The wait is over, the run is not.
    TimedOut,
    /// The reader of our output has gone away: nothing is wrong.
    BrokenPipe,
}

impl Kind {
    /// Returns the exit code.
    pub(crate) const fn exit_code(self) -> u8 {
        match self {
            Kind::BrokenPipe => 0,
            Kind::Failed => 1,
            Kind::Usage => 2,
            Kind::NoDaemon => 3,
            Kind::Name => 4,
            Kind::Busy => 5,
            Kind::TimedOut => 124,
        }
    }
}

/// An error as the user meets it.
#[derive(Debug)]
pub(crate) struct CliError {
    pub(crate) kind: Kind,
    /// What went wrong, one line; empty where everything has been said already.
    pub(crate) message: String,
    /// How to go on, one line.
    pub(crate) hint: Option<String>,
}

impl CliError {
    /// Makes an error of a kind.
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        CliError { kind, message: message.into(), hint: None }
    }

    /// Makes an error of usage.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        CliError::new(Kind::Usage, message)
    }

    /// Makes an error of the kind whose text has been printed already.
    pub(crate) fn said(kind: Kind) -> Self {
        CliError::new(kind, "")
    }

    /// Adds how to go on.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Wraps an error of a room below, with its causes, as a failure.
    pub(crate) fn failed(error: &dyn std::error::Error) -> Self {
        CliError::new(Kind::Failed, chain(error))
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}

impl From<io::Error> for CliError {
    /// Turns an error of writing our own output; readers that have gone away are no error.
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            CliError::said(Kind::BrokenPipe)
        } else {
            CliError::new(Kind::Failed, format!("cannot write the output: {error}"))
        }
    }
}

impl From<super::paths::PathsError> for CliError {
    fn from(error: super::paths::PathsError) -> Self {
        use super::paths::PathsError;
        let hint = match &error {
            PathsError::NoHome(_) => "give --config and --state-dir, or set HOME",
            PathsError::SocketTooLong { .. } => "give a shorter one: --socket PATH",
            PathsError::Relative { .. } => "give an absolute path",
        };
        CliError::usage(error.to_string()).hint(hint)
    }
}

/// Joins an error and its causes into one line; a cause that its parent has quoted already is left out.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let said = inner.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = inner.source();
    }
    text.replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::{CliError, Kind};

    #[test]
    fn exit_codes_are_as_documented() {
        let codes = [
            (Kind::Failed, 1),
            (Kind::Usage, 2),
            (Kind::NoDaemon, 3),
            (Kind::Name, 4),
            (Kind::Busy, 5),
            (Kind::TimedOut, 124),
            (Kind::BrokenPipe, 0),
        ];
        for (kind, code) in codes {
            assert_eq!(kind.exit_code(), code, "{kind:?}");
        }
    }

    #[test]
    fn a_reader_that_has_gone_away_is_quiet() {
        let error = CliError::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!((error.kind, error.message.as_str()), (Kind::BrokenPipe, ""));
        let error = CliError::from(io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!(error.kind, Kind::Failed);
    }
}

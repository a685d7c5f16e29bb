//! What daemons say, as errors people read: kind, words, hint.

use std::path::Path;

use super::context::Context;
use super::error::{CliError, Kind, chain};
use super::files::refused;
use super::paths::Paths;
use super::render::text::list;
use crate::client::{CallError, Client, ClientError};
use crate::jobfile::{Diagnostic, Severity};
use crate::protocol::error::ServiceError;
use crate::protocol::request::Request;
use crate::protocol::views::DiagnosticView;

/// Connects to the daemon.
///
/// # Errors
/// There is none to talk to; the error says how to start one.
pub(crate) fn connect(context: &Context) -> Result<Client, CliError> {
    let paths = context.paths()?;
    Client::connect(&paths.socket).map_err(|error| no_daemon(&error, &paths))
}

/// Makes one request on a connection of its own.
///
/// # Errors
/// There is no daemon, or it refuses.
pub(crate) fn ask<T: serde::de::DeserializeOwned>(
    request: &Request,
    context: &Context,
) -> Result<T, CliError> {
    call(&mut connect(context)?, request, context)
}

/// Makes a request.
///
/// # Errors
/// The daemon refuses, or is gone.
pub(crate) fn call<T: serde::de::DeserializeOwned>(
    client: &mut Client,
    request: &Request,
    context: &Context,
) -> Result<T, CliError> {
    client.call(request).map_err(|error| call_failed(&error, context))
}

/// Words a request that was not done.
pub(crate) fn call_failed(error: &CallError, context: &Context) -> CliError {
    match error {
        CallError::Service(error) => service(error, context),
        CallError::Client(ClientError::Closed) => {
            CliError::new(Kind::Failed, "the daemon has ended the connection")
                .hint("whether the request was done is unknown: `jobctl status` and `jobctl events` tell")
        }
        CallError::Client(error) => match context.paths() {
            Ok(paths) => no_daemon(error, &paths),
            Err(error) => error,
        },
    }
}

/// Words why there is no daemon to talk to, and how to come by one.
pub(crate) fn no_daemon(error: &ClientError, paths: &Paths) -> CliError {
    match error {
        ClientError::NoSocket { path } | ClientError::Refused { path } => {
            let message = format!("no daemon runs (nobody listens on {})", path.display());
            CliError::new(Kind::NoDaemon, message).hint(format!("start one: {}", start_command(paths)))
        }
        ClientError::Hung { .. } | ClientError::TooManyClients { .. } => {
            CliError::new(Kind::NoDaemon, chain(error)).hint("try again, or look at its log and restart it")
        }
        ClientError::Foreign { .. } => CliError::new(Kind::NoDaemon, chain(error))
            .hint("restart the daemon with this version, or name another socket with --socket"),
        ClientError::NotAllowed { .. } => CliError::new(Kind::Failed, chain(error))
            .hint("it takes its own user, root and the group that [daemon] names"),
        ClientError::PathTooLong { .. } | ClientError::Closed | ClientError::Io { .. } => {
            CliError::new(Kind::Failed, chain(error))
        }
    }
}

/// Writes the command that starts the daemon a command was meant for.
fn start_command(paths: &Paths) -> String {
    let mut command = "jobctl run".to_owned();
    let mut option = |given: bool, name: &str, path: &Path| {
        if given {
            command.push_str(&format!(" --{name} {}", quoted(&path.display().to_string())));
        }
    };
    option(paths.config_given, "config", &paths.config);
    option(paths.instance_given, "state-dir", &paths.state_dir);
    let inside = paths.socket == paths.state_dir.join("jobctl.sock");
    option(paths.instance_given && !inside, "socket", &paths.socket);
    command
}

/// Quotes a word for a shell where it needs that.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-=:@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// Words what the daemon, or the code that answers in its place, refuses.
pub(crate) fn service(error: &ServiceError, context: &Context) -> CliError {
    let restart = "the daemon may be of another version: restart it";
    match error {
        ServiceError::NoSuchJob { name, suggestion } => {
            let shown = if name.is_empty() { "without a name" } else { name };
            let error = CliError::new(Kind::Name, format!("there is no job {shown}"));
            match suggestion {
                Some(near) => error.hint(format!("did you mean {near}?")),
                None => error.hint("`jobctl list` shows the jobs"),
            }
        }
        ServiceError::NoSuchRun { run_id } => CliError::new(Kind::Name, format!("there is no run {run_id}"))
            .hint("`jobctl history` shows the runs; old ones are deleted as `keep` says"),
        ServiceError::NoSuchChange { revision: Some(revision) } => {
            CliError::new(Kind::Name, format!("there is no change {revision}"))
                .hint("`jobctl changes` shows the changes")
        }
        ServiceError::NoSuchChange { revision: None } => {
            CliError::new(Kind::Name, "no job has been changed yet")
                .hint("jobs of the job file are changed there: `jobctl edit`")
        }
        ServiceError::StillNeeded { name, by } => {
            let (who, verb) = (list(by), if by.len() == 1 { "is" } else { "are" });
            CliError::new(Kind::Failed, format!("{name} is needed: {who} {verb} due when it has ended"))
                .hint(format!("remove {who} too, or give another trigger with `jobctl reschedule`"))
        }
        ServiceError::NameTaken { name } => {
            CliError::new(Kind::Name, format!("there is a job {name} already"))
                .hint("--replace puts the new definition in its place; history and pause stay")
        }
        ServiceError::DeclaredInFile { name, path, line } => {
            let place = line.map_or_else(|| path.clone(), |line| format!("{path}:{line}"));
            CliError::new(Kind::Name, format!("{name} is declared in {place}"))
                .hint("change it there, then `jobctl reload`; `jobctl edit` opens the file")
        }
        ServiceError::InvalidDefinition { diagnostics } => {
            if let [DiagnosticView { line: None, message, hint, .. }] = diagnostics.as_slice() {
                // It is about no place of a text.
                let error = CliError::usage(message.clone());
                return match hint {
                    Some(hint) => error.hint(hint.clone()),
                    None => error,
                };
            }
            let found: Vec<Diagnostic> = diagnostics.iter().map(diagnostic).collect();
            refused(&found, "the definition does not load", context)
        }
        ServiceError::NeverFires { name } => CliError::usage(format!("{name} would never be due"))
            .hint("`jobctl explain` and `jobctl next --cron` show what an expression means"),
        ServiceError::Busy { job, run_id } => {
            let run = run_id.map(|run| format!(" (run {run})")).unwrap_or_default();
            CliError::new(Kind::Busy, format!("{job} is busy: as many runs as may be are alive{run}"))
                .hint("wait for its end, cancel it, or start one more with --force")
        }
        ServiceError::NotAllowed => CliError::new(Kind::Failed, "this user may not talk to the daemon")
            .hint("it takes its own user, root and the group that [daemon] names"),
        ServiceError::Stopping => {
            CliError::new(Kind::Failed, "the daemon is stopping").hint("ask again when it runs again")
        }
        ServiceError::Degraded { error } => {
            CliError::new(Kind::Failed, format!("the store cannot be written: {error}"))
                .hint("the daemon keeps trying and takes requests again once it can write")
        }
        ServiceError::NothingSelected => CliError::new(Kind::Name, "no job is selected")
            .hint("`jobctl list` with the same filters shows what is"),
        ServiceError::Timeout => {
            CliError::new(Kind::TimedOut, "the time is over").hint("what it waited for goes on")
        }
        ServiceError::TooManyClients => {
            CliError::new(Kind::Failed, "the daemon has too many clients").hint("try again")
        }
        ServiceError::Internal { message } => CliError::new(Kind::Failed, message.clone()),
        ServiceError::InvalidFrame { .. }
        | ServiceError::InterfaceNotFound { .. }
        | ServiceError::MethodNotFound { .. }
        | ServiceError::InvalidParameter { .. }
        | ServiceError::ExpectedMore
        | ServiceError::Unknown { .. } => CliError::new(Kind::Failed, chain(error)).hint(restart),
    }
}

/// Turns a diagnostic of the wire back into one that can be rendered with its line.
pub(crate) fn diagnostic(view: &DiagnosticView) -> Diagnostic {
    let source_line = view.source_line.clone().unwrap_or_default();
    let column = view.column.map_or(1, |column| usize::try_from(column).unwrap_or(1)).max(1);
    let start = source_line.char_indices().nth(column - 1).map_or(source_line.len(), |(at, _)| at);
    let rest = &source_line[start..];
    // The wire has no end of the place; the word that begins there is what it is about.
    let length = match rest.chars().next() {
        Some('"') => rest[1..].find('"').map_or(rest.len(), |end| end + 2),
        _ => rest.find([' ', '=', ',', ']', '}']).unwrap_or(rest.len()),
    };
    Diagnostic {
        severity: if view.severity == "warning" { Severity::Warning } else { Severity::Error },
        message: view.message.clone(),
        file: Path::new(view.file.as_deref().unwrap_or("definition")).into(),
        line: view.line.map_or(1, |line| usize::try_from(line).unwrap_or(1)),
        column,
        span: start..start + length,
        source_line,
        hint: view.hint.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{diagnostic, quoted, start_command};
    use crate::cli::paths::Paths;
    use crate::protocol::views::DiagnosticView;

    #[test]
    fn the_command_that_starts_the_daemon_has_the_places_that_were_given() {
        let mut paths = Paths {
            config: PathBuf::from("/etc/my jobs.toml"),
            state_dir: PathBuf::from("/tmp/x"),
            socket: PathBuf::from("/tmp/x/jobctl.sock"),
            config_given: false,
            instance_given: false,
        };
        assert_eq!(start_command(&paths), "jobctl run");
        (paths.config_given, paths.instance_given) = (true, true);
        assert_eq!(start_command(&paths), "jobctl run --config '/etc/my jobs.toml' --state-dir /tmp/x");
        paths.socket = PathBuf::from("/tmp/s");
        assert!(start_command(&paths).ends_with(" --state-dir /tmp/x --socket /tmp/s"));
        assert_eq!(quoted("it's"), "'it'\\''s'");
    }

    #[test]
    fn the_place_of_a_diagnostic_is_found_again() {
        let place = |line: &str, column: u32| {
            let view = DiagnosticView {
                source_line: Some(line.to_owned()),
                column: Some(column),
                ..DiagnosticView::default()
            };
            let found = diagnostic(&view);
            found.source_line[found.span].to_owned()
        };
        assert_eq!(place("every = \"5 x\" # c", 9), "\"5 x\"");
        assert_eq!(place("evry = 5", 1), "evry");
        assert_eq!(place("ü = 5", 5), "5");
        assert_eq!(place("", 7), "");
    }
}

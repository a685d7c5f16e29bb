//! `edit`: keys of an added job, its definition in an editor, or the job file in an editor.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use clap_complete::ArgValueCandidates;

use super::complete;
use super::context::Context;
use super::editor::{self, Edited, draft_beside};
use super::error::{CliError, Kind};
use super::files::unreadable;
use super::reload;
use super::render::diff;
use super::service::{call, call_failed, connect, diagnostic};
use super::source::added_names;
use crate::client::{CallError, Client};
use crate::jobfile::{self, Diagnostic, Peers, ReadError, Severity, SourceFile, Sources, mask};
use crate::protocol::error::ServiceError;
use crate::protocol::reply;
use crate::protocol::request::{self, Request};

pub(crate) const EXAMPLES: &str = "
jobctl edit backup --set timeout=2h --set 'retry_on=[75, \"timeout\"]'
jobctl edit backup --unset jitter --dry-run
jobctl edit backup                # its definition, in $EDITOR
jobctl edit                       # the job file, in $EDITOR";

/// Change an added job, or the job file
///
/// With a job and --set or --unset: its keys. With a job alone: its definition, in $VISUAL or $EDITOR. Without
/// arguments: the job file. A text is taken only if it checks; otherwise the editor opens again with the errors
/// above the text, until it checks or is left as it is.
#[derive(Debug, clap::Args)]
#[command(after_long_help = super::help::examples(EXAMPLES))]
pub(crate) struct Edit {
    /// The job
    #[arg(add = ArgValueCandidates::new(complete::jobs))]
    job: Option<String>,
    /// Set a key; the value is TOML, or plain text (repeatable)
    #[arg(long, value_name = "KEY=VALUE", requires = "job", value_parser = key_value)]
    set: Vec<(String, String)>,
    /// Take a key out (repeatable)
    #[arg(long, value_name = "KEY", requires = "job")]
    unset: Vec<String>,
    /// Only show what would change
    #[arg(long, requires = "job")]
    dry_run: bool,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()));
    pair.filter(|(key, _)| !key.is_empty()).ok_or_else(|| "it must be KEY=VALUE".to_owned())
}

impl Edit {
    pub(crate) fn run(&self, context: &mut Context) -> Result<u8, CliError> {
        match &self.job {
            None => edit_job_file(context),
            Some(job) if self.set.is_empty() && self.unset.is_empty() => {
                edit_definition(job, self.dry_run, context)
            }
            Some(job) => self.edit_keys(job, context),
        }
    }

    fn edit_keys(&self, job: &str, context: &mut Context) -> Result<u8, CliError> {
        let request = request::Edit {
            name: job.to_owned(),
            set: self.set.iter().cloned().collect::<BTreeMap<_, _>>(),
            unset: self.unset.clone(),
            dry_run: self.dry_run,
        };
        let mut edited: reply::Edited = call(&mut connect(context)?, &Request::Edit(request), context)?;
        let changes = changes(&edited.before, &edited.after);
        if context.json() {
            edited.before = mask(&edited.before);
            edited.after = mask(&edited.after);
            context.out.json(&edited)?;
            return Ok(0);
        }
        let warnings: Vec<_> = edited.warnings.iter().map(diagnostic).collect();
        context.out.diagnostics(&jobfile::render(&warnings, context.out.colour_on_stderr()));
        if changes.is_empty() {
            context.out.note("nothing changes");
        } else if !context.quiet() {
            context.out.text(&changes)?;
        }
        Ok(0)
    }
}

/// Shows a change line by line, without the values of `env`; where nothing else has changed, that it has.
fn changes(before: &str, after: &str) -> String {
    let shown = diff::lines(&mask(before), &mask(after));
    if shown.is_empty() && before != after { "  values of env\n".to_owned() } else { shown }
}

/// Lets the user edit the definition of an added job.
fn edit_definition(job: &str, dry_run: bool, context: &mut Context) -> Result<u8, CliError> {
    let mut client = connect(context)?;
    let shown: reply::Shown =
        call(&mut client, &Request::Show(request::Show { name: job.to_owned() }), context)?;
    if let (Some(file), "file") = (&shown.job.origin.path, shown.job.origin.kind.as_str()) {
        let error = CliError::new(Kind::Name, format!("{job} is declared in {file}"));
        return Err(error.hint("`jobctl edit` without a name opens the job file"));
    }
    let draft = std::env::temp_dir().join(format!("jobctl-{job}-{}.toml", std::process::id()));
    let add = |toml: &str, dry_run: bool| request::Add {
        name: job.to_owned(),
        toml: toml.to_owned(),
        replace: true,
        dry_run,
        ..request::Add::default()
    };
    let asked = |text: &str| refusals(&mut client, &Request::Add(add(text, true)), context);
    let Edited::Text(text) = editor::edit(&shown.toml, &draft, asked)? else {
        context.out.note("nothing changes");
        return Ok(0);
    };
    if !dry_run {
        let _: reply::Put = call(&mut client, &Request::Add(add(&text, false)), context)?;
    }
    if !context.quiet() {
        context.out.text(&changes(&shown.toml, &text))?;
    }
    Ok(0)
}

/// Asks the daemon what it would refuse.
fn refusals(
    client: &mut Client,
    request: &Request,
    context: &Context,
) -> Result<Result<(), Vec<Diagnostic>>, CliError> {
    match client.call::<reply::Put>(request) {
        Ok(_) => Ok(Ok(())),
        Err(CallError::Service(ServiceError::InvalidDefinition { diagnostics })) => {
            Ok(Err(diagnostics.iter().map(diagnostic).collect()))
        }
        Err(error) => Err(call_failed(&error, context)),
    }
}

/// Lets the user edit the job file, and the daemon read it again.
fn edit_job_file(context: &mut Context) -> Result<u8, CliError> {
    let config = context.paths()?.config;
    let file = fs::canonicalize(&config).unwrap_or_else(|_| config.clone());
    let sources = match jobfile::read(&config) {
        Ok(sources) => sources,
        Err(ReadError::Missing { .. }) => Sources::default(),
        Err(error) => return Err(unreadable(&error)),
    };
    let text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => {
            return Err(CliError::new(Kind::Failed, format!("cannot read {}: {error}", file.display())));
        }
    };
    if let Some(directory) = file.parent() {
        fs::create_dir_all(directory).map_err(|error| not_written(&file, &error))?;
    }
    let peers = added_names(context);
    let checked = |text: &str| Ok(check(text, &config, &sources, &peers, context));
    let Edited::Text(edited) = editor::edit(&text, &draft_beside(&file), checked)? else {
        context.out.note("nothing changes");
        return Ok(0);
    };
    replace(&file, &edited).map_err(|error| not_written(&file, &error))?;
    reload::reload_if_running(context)
}

/// Checks a text in the place of the job file, together with its neighbours.
fn check(
    text: &str,
    config: &Path,
    sources: &Sources,
    peers: &dyn Peers,
    context: &Context,
) -> Result<(), Vec<Diagnostic>> {
    let mut files = sources.files.clone();
    match files.iter_mut().find(|source| *source.path == *config) {
        Some(source) => source.bytes = text.as_bytes().to_vec(),
        None => {
            let absolute = std::path::absolute(config).unwrap_or_else(|_| config.to_owned());
            let directory = absolute.parent().unwrap_or(Path::new("/")).to_owned();
            files.insert(0, SourceFile { path: config.into(), directory, bytes: text.as_bytes().to_vec() });
        }
    }
    match jobfile::load(&Sources { files }, context.zones().as_ref(), peers) {
        Ok(_) => Ok(()),
        Err(found) => Err(found.into_iter().filter(|one| one.severity == Severity::Error).collect()),
    }
}

/// Puts a text in the place of a file: whole or not at all, with the mode the file had.
fn replace(file: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    let directory = file.parent().unwrap_or(Path::new("/"));
    let staged = directory.join(format!(".jobctl.{}.new", std::process::id()));
    let written = (|| {
        let mut new = fs::File::create(&staged)?;
        if let Ok(metadata) = fs::metadata(file) {
            new.set_permissions(metadata.permissions())?;
        }
        new.write_all(text.as_bytes())?;
        new.sync_all()?;
        fs::rename(&staged, file)
    })();
    if written.is_err() {
        // What could not be put in place is of no use.
        let _ = fs::remove_file(&staged);
    }
    written
}

fn not_written(file: &Path, error: &std::io::Error) -> CliError {
    CliError::new(Kind::Failed, format!("cannot write {}: {error}", file.display()))
}

//! `add`: takes a job into the set, with every key of the job file as a flag.

use std::path::Path;

use super::context::Context;
use super::error::CliError;
use super::keys::JobKeys;
use super::render::time::relative_text;
use super::select::future;
use super::service::{ask, diagnostic};
use crate::jobfile;
use crate::protocol::reply::Put;
use crate::protocol::request::{self, Request};
use crate::protocol::views::JobView;

pub(crate) const EXAMPLES: &str = "
jobctl add backup --cron '30 2 * * *' -- restic backup /home
jobctl add ping --every 90s --timeout 10s -- 'curl -fsS https://example.org > /dev/null'
jobctl add upload --now -- ./upload.sh
jobctl add reminder --at 'tomorrow 9:00' -- notify-send 'call the bank'
jobctl add report --step ./fetch.sh --step ./render.sh --after backup --cwd /srv/report
jobctl add backup --replace --every 6h --retries 3 -- restic backup /home";

/// Add a job
///
/// Every key of the job file is a flag; `jobctl man jobs` explains each. One word after -- is a text for the
/// shell, several are a program and its arguments. The job outlives restarts, and `jobctl undo` takes it back.
#[derive(Debug, clap::Args)]
#[command(after_long_help = super::help::examples(EXAMPLES))]
pub(crate) struct Add {
    /// Name of the new job
    name: String,
    #[command(flatten)]
    keys: JobKeys,
    /// Put it in the place of an added job of this name; history and pause stay
    #[arg(long)]
    replace: bool,
    /// Run it at once, too; without a trigger, this once
    #[arg(long)]
    now: bool,
    /// Only check
    #[arg(long, conflicts_with = "now")]
    dry_run: bool,
    /// The command and its arguments
    #[arg(last = true, value_name = "CMD")]
    words: Vec<String>,
}

impl Add {
    pub(crate) fn run(&self, context: &mut Context) -> Result<u8, CliError> {
        let request = request::Add {
            name: self.name.clone(),
            toml: self.definition(context)?,
            replace: self.replace,
            paused: false,
            run_now: self.now,
            dry_run: self.dry_run,
        };
        let put: Put = ask(&Request::Add(request), context)?;
        if context.json() {
            context.out.json(&put)?;
            return Ok(0);
        }
        let warnings: Vec<_> = put.warnings.iter().map(diagnostic).collect();
        context.out.diagnostics(&jobfile::render(&warnings, context.out.colour_on_stderr()));
        if self.dry_run {
            context.out.done(&format!("{} would be {}", self.name, verb(put.replaced)))?;
        } else {
            context.out.done(&said(verb(put.replaced), &put.job, context))?;
        }
        if let Some(run) = put.run_id {
            context.out.done(&format!("run {run} of {}", self.name))?;
        }
        Ok(0)
    }

    /// Writes the job's table.
    fn definition(&self, context: &Context) -> Result<String, CliError> {
        let named = ["command", "steps", "parallel"].into_iter().find(|key| self.keys.has(key));
        if let (Some(key), false) = (named, self.words.is_empty()) {
            let error = CliError::usage(format!("the job has two works: {key} and the command after --"));
            return Err(error.hint("give one of them"));
        }
        let mut toml = definition(self.keys.clone(), context)?;
        if self.now && !self.keys.has_trigger() {
            toml.push_str(&format!("at = \"{}\"\n", context.zones().local().format_exact(context.now)));
        }
        let command = match self.words.as_slice() {
            [] => return Ok(toml),
            [text] => toml::Value::String(anchored(text)),
            [program, args @ ..] => {
                let words = std::iter::once(anchored(program)).chain(args.iter().cloned());
                toml::Value::Array(words.map(toml::Value::String).collect())
            }
        };
        toml.push_str(&format!("command = {command}\n"));
        Ok(toml)
    }
}

/// Writes flags as a job's table; times that are relative to now become instants.
///
/// # Errors
/// A value has not the shape of its key, or is no time.
pub(crate) fn definition(mut keys: JobKeys, context: &Context) -> Result<String, CliError> {
    for key in ["at", "start", "end"] {
        // A date with a wall time is left to the parser: it is meant in the job's own zone.
        keys.change(key, |text| if is_dated(text) { Ok(text.to_owned()) } else { future(text, context) })?;
    }
    keys.toml()
}

fn is_dated(text: &str) -> bool {
    text.len() >= 10 && text.as_bytes()[4] == b'-' && text.as_bytes()[..4].iter().all(u8::is_ascii_digit)
}

/// Makes a program that is named from the directory one stands in mean the same to the daemon.
fn anchored(program: &str) -> String {
    let relative = program.starts_with("./") || program.starts_with("../");
    if !relative || program.contains(char::is_whitespace) {
        return program.to_owned();
    }
    std::path::absolute(Path::new(program))
        .ok()
        .and_then(|path| path.to_str().map(ToOwned::to_owned))
        .unwrap_or_else(|| program.to_owned())
}

const fn verb(replaced: bool) -> &'static str {
    if replaced { "replaced" } else { "added" }
}

/// Says what became of a job and when it is due.
pub(crate) fn said(verb: &str, job: &JobView, context: &Context) -> String {
    let next = match &job.next_fire_time {
        Some(at) => format!("next {}", relative_text(at, context.now)),
        None if job.paused => return format!("{verb} {}: paused", job.name),
        None if job.running + job.queued > 0 => "runs now".to_owned(),
        None if job.trigger.kind == "after" => job.trigger.description.clone(),
        None if matches!(job.trigger.kind.as_str(), "startup" | "shutdown") => {
            format!("due at each {}", job.trigger.kind)
        }
        None => "never due again".to_owned(),
    };
    let paused = if job.paused { ", paused" } else { "" };
    format!("{verb} {}: {next}{paused}", job.name)
}

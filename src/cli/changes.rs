//! `changes`: who changed which definition when.

use clap_complete::ArgValueCandidates;

use super::complete;
use super::context::Context;
use super::error::CliError;
use super::render::diff;
use super::render::table::{Entry, Table};
use super::render::time::{exact, relative_text};
use super::source::Source;
use crate::jobfile::mask;
use crate::protocol::request;
use crate::protocol::views::ChangeView;

pub(crate) const EXAMPLES: &str = "
jobctl changes
jobctl changes backup --diff
jobctl undo                       # takes the latest back";

/// Show the changes of the job set, the latest first
///
/// Every change of an added job is kept with when, who and what; `jobctl undo` takes one back. Works without a
/// daemon.
#[derive(Debug, clap::Args)]
#[command(after_long_help = super::help::examples(EXAMPLES))]
pub(crate) struct Changes {
    /// Only of this job
    #[arg(value_name = "JOB", add = ArgValueCandidates::new(complete::jobs))]
    job: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: u64,
    /// Show the definitions line by line, before and after
    #[arg(long, conflicts_with = "json")]
    diff: bool,
}

impl Changes {
    pub(crate) fn run(&self, context: &mut Context) -> Result<u8, CliError> {
        let request = request::Changes { job: self.job.clone(), limit: Some(self.limit) };
        let mut changes = Source::open(context)?.changes(request, context)?;
        for change in &mut changes {
            hide_secrets(change);
        }
        if context.json() {
            context.out.json(&changes)?;
        } else if changes.is_empty() {
            let of = self.job.as_ref().map(|job| format!(" of {job}")).unwrap_or_default();
            context.out.note(&format!("no change{of} is known"));
        } else if self.diff {
            for change in &changes {
                print_diff(change, context)?;
            }
        } else {
            let table = table(&changes, context);
            context.out.text(&table)?;
        }
        Ok(0)
    }
}

fn table(changes: &[ChangeView], context: &Context) -> String {
    let mut table = Table::new(context.out.terminal, &["CHANGE", "WHEN", "WHO", "WHAT", "JOB"]);
    for change in changes {
        table.row([
            Entry::number(change.revision),
            Entry::new(relative_text(&change.at, context.now)),
            Entry::new(who(change)),
            Entry::new(&change.action),
            Entry::new(&change.job),
        ]);
    }
    table.render()
}

/// Takes the values of `env` out of a change's definitions.
pub(crate) fn hide_secrets(change: &mut ChangeView) {
    for definition in [&mut change.before, &mut change.after].into_iter().flatten() {
        *definition = mask(definition);
    }
}

/// Names who asked for a change.
fn who(change: &ChangeView) -> String {
    let Some(uid) = change.uid else { return "the job file".to_owned() };
    let user = uzers::get_user_by_uid(uid);
    let name = user.map_or_else(|| uid.to_string(), |user| user.name().to_string_lossy().into_owned());
    change.pid.map_or_else(|| name.clone(), |pid| format!("{name} (pid {pid})"))
}

/// Prints what a change did to a definition.
pub(crate) fn print_diff(change: &ChangeView, context: &mut Context) -> Result<(), CliError> {
    let ChangeView { revision, action, job, at, .. } = change;
    context.out.line(&format!("{revision}: {job} {action} {} by {}", exact(at), who(change)))?;
    let before = change.before.as_deref().unwrap_or_default();
    let after = change.after.as_deref().unwrap_or_default();
    for line in diff::lines(before, after).lines() {
        context.out.line(&format!("  {line}"))?;
    }
    Ok(())
}

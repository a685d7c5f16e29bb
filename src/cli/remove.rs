//! `remove`: takes added jobs out of the set.

use super::confirm::confirm;
use super::context::Context;
use super::error::CliError;
use super::render::text::names;
use super::select::Select;
use super::service::{call, connect};
use crate::protocol::reply::{Jobs, Names};
use crate::protocol::request::{self, Request};
use crate::protocol::selector::Selector;

pub(crate) const EXAMPLES: &str = "
jobctl remove backup
jobctl remove --tag old --yes
jobctl undo                       # brings it back";

/// Remove added jobs
///
/// Their runs go on, their history stays, and `jobctl undo` brings them back. Jobs that are declared in a job file
/// are removed there, and left alone by globs and filters. With globs or filters it asks first; in a script it needs --yes.
#[derive(Debug, clap::Args)]
#[command(after_long_help = super::help::examples(EXAMPLES))]
pub(crate) struct Remove {
    #[command(flatten)]
    select: Select,
    /// Do not ask
    #[arg(short = 'y', long)]
    yes: bool,
}

impl Remove {
    pub(crate) fn run(&self, context: &mut Context) -> Result<u8, CliError> {
        let mut selector = self.select.selector(context)?;
        let mut client = connect(context)?;
        if selector.is_bulk() && !self.yes {
            let found: Jobs = call(&mut client, &Request::List(request::List { selector }), context)?;
            let added = found.jobs.into_iter().filter(|job| job.origin.kind == "added");
            let found: Vec<String> = added.map(|job| job.name).collect();
            confirm("remove", &found, context)?;
            // Exactly those that were agreed to, whatever has changed since.
            selector = Selector { names: found, ..Selector::default() };
        }
        let done: Names = call(&mut client, &Request::Remove(request::Remove { selector }), context)?;
        if context.json() {
            context.out.json(&done)?;
        } else {
            context.out.done(&names("removed", &done.names))?;
        }
        Ok(0)
    }
}

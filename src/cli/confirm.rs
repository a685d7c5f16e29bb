//! The question before something is done to many jobs at once.

use std::io::{self, IsTerminal as _, Write as _};

use super::context::Context;
use super::error::{CliError, Kind};
use super::render::text::{count, list};

/// The most names that the question shows.
const SHOWN: usize = 10;

/// Asks whether to do something to jobs; only "y" or "yes" is agreement.
///
/// # Errors
/// Nobody is there to answer, nothing is selected, or the answer is no.
pub(crate) fn confirm(verb: &str, jobs: &[String], context: &Context) -> Result<(), CliError> {
    if jobs.is_empty() {
        let error = CliError::new(Kind::Name, "no job is selected");
        return Err(error.hint("`jobctl list` with the same filters shows what is"));
    }
    let number = count(jobs.len() as u64, "job");
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        let error = CliError::usage(format!("this would {verb} {number}, and there is nobody to ask"));
        return Err(error.hint("--yes does it without asking"));
    }
    let mut shown: Vec<String> = jobs.iter().take(SHOWN).cloned().collect();
    if jobs.len() > SHOWN {
        shown.push(format!("{} more", jobs.len() - SHOWN));
    }
    context.out.ask(&format!("{verb} {number} ({})? [y/N] ", list(&shown)));
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).map_err(|error| CliError::failed(&error))?;
    let _ = io::stderr().flush();
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        return Ok(());
    }
    Err(CliError::new(Kind::Failed, "nothing is done"))
}

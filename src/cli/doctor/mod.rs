//! `doctor`: what is wrong with an instance, seen from outside: its files, its store, its daemon, its jobs, its
//! machine. Looks and changes nothing; works with and without a daemon.

mod jobs;
mod machine;
mod places;
mod state;

use serde::Serialize;

use super::context::Context;
use super::error::CliError;
use super::render::text::count;
use crate::daemon::clock;

pub(crate) const EXAMPLES: &str = "
jobctl doctor
jobctl doctor --quiet || mail -s 'jobctl needs a look' root
jobctl doctor --json | jq -r '.findings[] | select(.severity == \"problem\") | .message'";

/// Look for what is wrong
///
/// Checks the store, the permissions of its files, of the socket and of the job file, the daemon and its clock, disk
/// space, the log directory, the jobs and what they need, the time zones, and what the machine grants. One line a
/// finding, with a hint. Ends with 1 where there is a problem or a warning; notes alone are fine. Changes nothing and
/// works without a daemon.
#[derive(Debug, clap::Args)]
#[command(after_long_help = super::help::examples(EXAMPLES))]
pub(crate) struct Doctor {}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Severity {
    /// Jobs do not run, or not as they should, or somebody may do what nobody but the owner should.
    Problem,
    /// It works, and will not for long, or hardly as meant.
    Warning,
    /// Good to know.
    Note,
}

impl Severity {
    const fn as_str(self) -> &'static str {
        match self {
            Severity::Problem => "problem",
            Severity::Warning => "warning",
            Severity::Note => "note",
        }
    }
}

/// One thing found.
#[derive(Debug, Serialize)]
struct Finding {
    severity: Severity,
    /// What was looked at, one word.
    area: &'static str,
    message: String,
    hint: Option<String>,
}

/// Everything found so far.
#[derive(Debug, Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn problem(&mut self, area: &'static str, message: impl Into<String>, hint: impl Into<String>) {
        self.add(Severity::Problem, area, message, hint);
    }

    fn warning(&mut self, area: &'static str, message: impl Into<String>, hint: impl Into<String>) {
        self.add(Severity::Warning, area, message, hint);
    }

    fn note(&mut self, area: &'static str, message: impl Into<String>, hint: impl Into<String>) {
        self.add(Severity::Note, area, message, hint);
    }

    fn add(
        &mut self,
        severity: Severity,
        area: &'static str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        let hint = Some(hint.into()).filter(|hint| !hint.is_empty());
        self.0.push(Finding { severity, area, message: message.into(), hint });
    }

    fn count(&self, severity: Severity) -> u64 {
        self.0.iter().filter(|finding| finding.severity == severity).count() as u64
    }
}

/// What `doctor --json` prints.
#[derive(Debug, Serialize)]
struct Examined<'a> {
    healthy: bool,
    findings: &'a [Finding],
}

impl Doctor {
    pub(crate) fn run(&self, context: &mut Context) -> Result<u8, CliError> {
        let paths = context.paths()?;
        let mut found = Findings::default();
        let begun = clock::now();
        places::look(&paths, &mut found);
        let state = state::look(&paths, context, &mut found);
        jobs::look(&paths, &state, context, &mut found);
        machine::look(&paths, &state, context, &mut found);
        state::compare_clocks(begun, &mut found);
        found.0.sort_by_key(|finding| finding.severity);
        let (problems, warnings) = (found.count(Severity::Problem), found.count(Severity::Warning));
        let healthy = problems + warnings == 0;
        if context.json() {
            context.out.json(&Examined { healthy, findings: &found.0 })?;
        } else {
            let quiet = context.quiet();
            for finding in found.0.iter().filter(|one| !quiet || one.severity != Severity::Note) {
                let hint = finding.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
                let (severity, area) = (finding.severity.as_str(), finding.area);
                context.out.line(&format!("{severity}: {area}: {}{hint}", finding.message))?;
            }
            context.out.done(&match (problems, warnings) {
                (0, 0) => "all is well".to_owned(),
                (problems, 0) => count(problems, "problem"),
                (0, warnings) => count(warnings, "warning"),
                (problems, warnings) => {
                    format!("{}, {}", count(problems, "problem"), count(warnings, "warning"))
                }
            })?;
        }
        Ok(u8::from(!healthy))
    }
}

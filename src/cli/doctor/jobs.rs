//! The job file, the jobs, and what they and their notifiers need.

use std::sync::Arc;
use std::time::Duration;

use super::Findings;
use super::state::State;
use crate::cli::context::Context;
use crate::cli::error::chain;
use crate::cli::paths::Paths;
use crate::cli::render::time::{self, instant};
use crate::cli::source::Source;
use crate::cli::suspicions::{self, Programs};
use crate::core::instant::Timestamp;
use crate::core::job::Command;
use crate::core::notifier::Channel;
use crate::core::run::RunStatus;
use crate::daemon::catalogue::{Catalogue, CatalogueError};
use crate::jobfile::{self, write};
use crate::notify;
use crate::protocol::selector::Selector;
use crate::protocol::views::JobView;

/// How many jobs due in the same second are a crowd, as in `check`.
const CROWD: u32 = 20;

/// A fire time that a daemon has not acted upon for so long is overdue.
const OVERDUE: Duration = Duration::from_secs(300);

/// A job that has done nothing but fail for so long needs somebody.
const LONG: Duration = Duration::from_secs(86_400);

/// Looks at all of them.
pub(super) fn look(paths: &Paths, state: &State, context: &Context, found: &mut Findings) {
    let Some(loaded) = &state.loaded else { return };
    let zones = Arc::clone(context.zones());
    let definitions = loaded.definitions.clone();
    let catalogue = match Catalogue::open(&paths.config, paths.config_given, zones, definitions) {
        Ok(catalogue) => catalogue,
        Err(CatalogueError::Read(error)) => {
            found.problem("job file", chain(&error), "");
            return;
        }
        Err(CatalogueError::Invalid(errors)) => {
            for error in errors {
                found.problem("job file", error.to_string(), "");
            }
            return;
        }
    };
    if let Ok(sources) = jobfile::read(&paths.config) {
        let set = catalogue.set();
        for one in set.warnings.iter().chain(&suspicions::all(set, &sources, CROWD, context.now)) {
            found.warning("job file", one.to_string(), "");
        }
    }
    added(&catalogue, found);
    in_force(&catalogue, state, found);
    notifiers(&catalogue, found);
    if let Ok(jobs) = Source::open(context).and_then(|mut source| source.list(Selector::default(), context)) {
        for view in &jobs {
            job(view, &catalogue, state, context.now, found);
        }
    }
}

/// What was added on the socket: it stands in no file.
fn added(catalogue: &Catalogue, found: &mut Findings) {
    let mut programs = Programs::default();
    for (name, errors) in catalogue.broken() {
        let first = errors.first().map(ToString::to_string).unwrap_or_default();
        let hint = format!("`jobctl edit {name} --set KEY=VALUE`, or `jobctl remove {name}`");
        found.problem("job", format!("{name} does not load: {first}"), hint);
    }
    for job in catalogue.jobs().iter().filter(|job| catalogue.is_added(job.name.as_str())) {
        for (message, hint) in suspicions::of_job(job, &mut programs) {
            found.warning("job", format!("{}: {message}", job.name), hint);
        }
    }
}

/// Holds the job file on disk against what the daemon goes by.
fn in_force(catalogue: &Catalogue, state: &State, found: &mut Findings) {
    let (Some(in_force), Some(loaded)) = (&state.in_force, &state.loaded) else { return };
    let added = loaded.definitions.iter().map(|(name, toml)| (name, toml.as_str()));
    let Ok(on_disk) = write::export(&catalogue.sources(), added) else { return };
    let other_file =
        state.status.as_ref().is_some_and(|status| status.config != catalogue.config().to_string_lossy());
    if other_file {
        let file = state.status.as_ref().map(|status| status.config.clone()).unwrap_or_default();
        let message = format!("the daemon reads {file}, not {}", catalogue.config().display());
        found.warning("job file", message, "name the same one with --config");
    } else if *in_force != on_disk {
        let message = format!("{} has changed since the daemon read it", catalogue.config().display());
        found.warning("job file", message, "`jobctl check`, then `jobctl reload`");
    }
}

fn notifiers(catalogue: &Catalogue, found: &mut Findings) {
    for notifier in &catalogue.set().notifiers {
        let missing = match &notifier.channel {
            Channel::Mail { .. } if notify::sendmail(std::env::var_os("PATH").as_deref()).is_none() => {
                Some("there is no sendmail".to_owned())
            }
            Channel::Command(Command::Argv(words)) => {
                let program = words.first().unwrap_or_default();
                (!Programs::default().has_in_path(program))
                    .then(|| format!("the program {program:?} is not there"))
            }
            Channel::Mail { .. }
            | Channel::Command(Command::Shell(_))
            | Channel::Webhook { .. }
            | Channel::Ping { .. } => None,
        };
        if let Some(missing) = missing {
            let message = format!("{} cannot speak: {missing}", notifier.name);
            found.problem("notifier", message, "install it, or change [notify]");
        }
    }
}

fn job(view: &JobView, catalogue: &Catalogue, state: &State, now: Timestamp, found: &mut Findings) {
    let idle = view.running == 0 && view.queued == 0 && !view.paused;
    let free = state.status.as_ref().is_some_and(|status| status.health == "ok");
    if let Some(at) = view.next_fire_time.as_deref().and_then(instant)
        && idle
        && free
        && now.since(at) > OVERDUE
    {
        let message =
            format!("{} was due {} and nothing was done about it", view.name, time::relative(at, now));
        found.problem("job", message, "look at the daemon's log");
    }
    let success = state.loaded.as_ref().and_then(|loaded| {
        let row = loaded.jobs.iter().find(|row| row.name.as_str() == view.name)?;
        Some((row.last_success, row.anchor))
    });
    let (last_success, since) = success.unwrap_or_default();
    let rules = catalogue.jobs().into_iter().find(|job| job.name.as_str() == view.name);
    let expected = rules.and_then(|job| job.policy.expect.success_within);
    let reference = last_success.or(since);
    let last = match last_success {
        Some(at) => format!("last succeeded {}", time::relative(at, now)),
        None => "has never succeeded".to_owned(),
    };
    let hint = format!("`jobctl why {0}`, `jobctl logs {0}`", view.name);
    if let (Some(within), Some(at)) = (expected, reference)
        && view.enabled
        && now.since(at) > within
    {
        let within = crate::core::duration::format(within);
        found.problem("job", format!("{} {last}; it should every {within}", view.name), hint);
        return;
    }
    let Some(run) = &view.last_run else { return };
    let bad = [RunStatus::Failed, RunStatus::TimedOut, RunStatus::Lost]
        .iter()
        .any(|bad| bad.as_str() == run.status);
    if bad && reference.is_none_or(|at| now.since(at) > LONG) {
        found.warning("job", format!("{} {last}; run {} is {}", view.name, run.run_id, run.status), hint);
    }
}

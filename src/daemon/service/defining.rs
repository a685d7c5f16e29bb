//! Requests that change definitions. All of them go through the one parser, and every change of the job set is
//! written down with who made it.

use std::collections::HashMap;
use std::sync::Arc;

use super::texts::{Texts, Whose};
use super::{Acknowledge, internal};
use crate::core::change::Actor;
use crate::core::instant::Now;
use crate::core::job::Job;
use crate::core::name::Name;
use crate::core::scheduler::{Answer, Command, Input, PutAction, RunNow};
use crate::core::trigger::{Firing, Trigger};
use crate::daemon::catalogue::CatalogueError;
use crate::daemon::clock;
use crate::daemon::event_loop::EventLoop;
use crate::daemon::listener::ReplyHandle;
use crate::daemon::views::diagnostic_view;
use crate::jobfile::{Diagnostic, Fragment, write};
use crate::process;
use crate::protocol::error::ServiceError;
use crate::protocol::views::{DiagnosticView, JobView};
use crate::protocol::{reply, request};
use crate::zoneinfo;

/// Says whether a job is due once, at an instant that has passed.
fn has_passed(job: &Job, now: Now) -> bool {
    let Firing::Clock(schedule) = &job.firing else { return false };
    matches!(&schedule.trigger, Trigger::At(at) if at.at <= now.wall)
}

impl EventLoop {
    pub(super) fn add(&mut self, add: request::Add, by: Actor, reply: ReplyHandle) {
        let name = match checked_name(&add.name) {
            Ok(name) => name,
            Err(error) => return reply.finish(Err::<reply::Put, _>(error)),
        };
        self.with_texts(Whose::Of([name.clone()].into()), move |event_loop, texts| {
            let before = texts.map(|mut texts| texts.remove(&name));
            match before.and_then(|before| event_loop.try_add(name, &add, before, by)) {
                Ok(done) if add.dry_run => {
                    let job = JobView { name: add.name, ..Default::default() };
                    reply.finish(Ok(done.reply(job)));
                }
                Ok(done) => event_loop.acknowledge_with_job(&add.name, reply, |job| done.reply(job)),
                Err(error) => reply.finish(Err::<reply::Put, _>(error)),
            }
        });
    }

    fn try_add(
        &mut self,
        name: Name,
        add: &request::Add,
        before: Option<String>,
        by: Actor,
    ) -> Result<Done, ServiceError> {
        self.not_declared(&name)?;
        if before.is_some() && !add.replace {
            return Err(ServiceError::NameTaken { name: name.to_string() });
        }
        let mut toml = if add.paused {
            write::set(&add.toml, "paused", "true").map_err(internal)?
        } else {
            add.toml.clone()
        };
        let mut checked = self.check(&name, &toml)?;
        let passed = add.run_now && has_passed(&checked.job, clock::now());
        if passed {
            toml = write::set(&toml, "grace", "\"unlimited\"").map_err(internal)?;
            checked = self.check(&name, &toml)?;
        }
        let replaced = before.is_some();
        if add.dry_run {
            return Ok(Done { warnings: checked.warnings, replaced, run_id: None });
        }
        let action = if replaced { PutAction::Replaced } else { PutAction::Added };
        self.put(&checked, toml, action, before, by, clock::now())?;
        let run_id = if add.run_now { self.run_added(name, passed) } else { None };
        Ok(Done { warnings: checked.warnings, replaced, run_id })
    }

    /// Runs a job that was added a moment ago at once. Where that has made it due already, this is the run meant;
    /// during a hold it comes with the release.
    fn run_added(&mut self, name: Name, passed: bool) -> Option<u64> {
        if passed {
            let run = self.scheduler.open_runs(name.as_str()).last().map(|run| run.0);
            let due = self.scheduler.job(name.as_str()).is_some_and(|job| job.next_fire_time.is_some());
            if run.is_some() || due {
                return run;
            }
        }
        let request = RunNow { job: name, args: Vec::new(), if_due: false, force: false, priority: None };
        match self.command(Command::RunNow(request)) {
            Answer::Run(run) => Some(run.0),
            _ => None,
        }
    }

    pub(super) fn edit(&mut self, edit: request::Edit, by: Actor, reply: ReplyHandle) {
        let request::Edit { name, set, unset, dry_run } = edit;
        let changed = move |before: &str| {
            let mut after = before.to_owned();
            for key in &unset {
                after = write::unset(&after, key)?;
            }
            for (key, value) in &set {
                after = write::set(&after, key, value)?;
            }
            Ok(after)
        };
        let change = Change { name, action: PutAction::Edited, dry_run, by };
        self.change(change, reply, changed, |job, Changed { before, after, warnings }| reply::Edited {
            job,
            before,
            after,
            warnings,
        });
    }

    pub(super) fn reschedule(&mut self, request: request::Reschedule, by: Actor, reply: ReplyHandle) {
        let request::Reschedule { name, toml } = request;
        let changed = move |before: &str| write::retrigger(before, &toml);
        let change = Change { name, action: PutAction::Rescheduled, dry_run: false, by };
        self.change(change, reply, changed, |job, Changed { warnings, .. }| reply::Put {
            job,
            run_id: None,
            replaced: true,
            warnings,
        });
    }

    /// Changes the definition of an added job, and answers with what `make` makes of that.
    fn change<T: serde::Serialize + Send + 'static>(
        &mut self,
        change: Change,
        reply: ReplyHandle,
        changed: impl FnOnce(&str) -> Result<String, write::WriteError> + Send + 'static,
        make: impl FnOnce(JobView, Changed) -> T + Send + 'static,
    ) {
        let name = match self.changeable(&change.name) {
            Ok(name) => name,
            Err(error) => return reply.finish(Err::<T, _>(error)),
        };
        self.with_texts(Whose::Of([name.clone()].into()), move |event_loop, texts| {
            let result = texts.and_then(|mut texts| {
                // By now it may be gone, or be declared in the file.
                event_loop.changeable(name.as_str())?;
                let before = texts.remove(&name).ok_or_else(|| internal("the job has no definition"))?;
                event_loop.try_change(&name, before, changed, &change)
            });
            match result {
                Ok(done) => event_loop.acknowledge_with_job(name.as_str(), reply, |job| make(job, done)),
                Err(error) => reply.finish(Err::<T, _>(error)),
            }
        });
    }

    fn try_change(
        &mut self,
        name: &Name,
        before: String,
        changed: impl FnOnce(&str) -> Result<String, write::WriteError>,
        change: &Change,
    ) -> Result<Changed, ServiceError> {
        let after = changed(&before).map_err(|error| invalid(&error, "`jobctl show` has the definition"))?;
        let checked = self.check(name, &after)?;
        if !change.dry_run {
            self.put(&checked, after.clone(), change.action, Some(before.clone()), change.by, clock::now())?;
        }
        Ok(Changed { before, after, warnings: views(&checked.warnings) })
    }

    /// Finds a job that a request may change: one that was added.
    fn changeable(&self, name: &str) -> Result<Name, ServiceError> {
        self.known(name)?;
        let name = checked_name(name)?;
        self.not_declared(&name)?;
        Ok(name)
    }

    fn check(&self, name: &Name, toml: &str) -> Result<Fragment, ServiceError> {
        self.service.catalogue.check(name, toml).map_err(|found| not_loaded(&found))
    }

    /// Takes a definition that has been checked into the set.
    pub(super) fn put(
        &mut self,
        checked: &Fragment,
        toml: String,
        action: PutAction,
        before: Option<String>,
        by: Actor,
        now: Now,
    ) -> Result<(), ServiceError> {
        let job = checked.job.clone();
        let command = Command::Put { job: job.clone(), toml: toml.clone(), action, by, before };
        if self.command_at(command, now) == Answer::Stopping {
            return Err(ServiceError::Stopping);
        }
        self.service.catalogue.put(job, toml, self.submission_at_hand());
        if self.service.catalogue.heal() {
            let catalogue = &self.service.catalogue;
            let (jobs, pools) = (catalogue.jobs(), catalogue.set().pools.clone());
            let settings = catalogue.settings();
            self.feed_at(Input::Reloaded { jobs, pools, settings }, now);
        }
        Ok(())
    }

    pub(super) fn reload_for(&mut self, reply: ReplyHandle) {
        self.with_texts(Whose::All, |event_loop, texts| {
            let result = event_loop.reload_with(texts);
            event_loop.acknowledge(Acknowledge::new(reply, result));
        });
    }

    /// Reads the job file again if its text has changed since it was read last.
    pub(in crate::daemon) fn reload_if_changed(&mut self) {
        if self.service.catalogue.has_changed() {
            self.with_texts(Whose::All, |event_loop, texts| {
                // Somebody else may have asked for the same meanwhile.
                if event_loop.service.catalogue.has_changed() {
                    // What is wrong has been logged, and `status` has it.
                    drop(event_loop.reload_with(texts));
                }
            });
        }
    }

    /// Reads the job file again, for nobody in particular.
    pub(in crate::daemon) fn reload(&mut self) {
        // What is wrong is logged.
        self.with_texts(Whose::All, |event_loop, texts| drop(event_loop.reload_with(texts)));
    }

    /// Reads the job file again, and every definition; a bad file or a store that cannot be read changes nothing.
    fn reload_with(&mut self, texts: Result<Texts, ServiceError>) -> Result<reply::Reloaded, ServiceError> {
        self.supervisor.reloading();
        let before: HashMap<Name, Arc<Job>> =
            self.scheduler.jobs().map(|job| (job.job.name.clone(), job.job)).collect();
        let outcome = texts.inspect_err(|error| tell_kept(error)).and_then(|definitions| {
            let zones = Arc::from(zoneinfo::source());
            let reloaded = self.service.catalogue.reload(zones, definitions.into_iter().collect());
            reloaded.map_err(|error| not_reloaded(&error))
        });
        self.supervisor.ready();
        outcome?;
        let catalogue = &self.service.catalogue;
        let (jobs, pools, settings) = (catalogue.jobs(), catalogue.set().pools.clone(), catalogue.settings());
        self.executor.reconfigure(settings.hooks.clone(), catalogue.zone().clone());
        let (set, zone) = (catalogue.set(), catalogue.zone().clone());
        self.service.notifier.reconfigure(set.notifiers.clone(), zone.clone());
        self.service.event_hooks.reconfigure(set.event_hooks.clone(), zone);
        let warnings = views(&set.warnings);
        let known = jobs.iter().filter(|job| before.contains_key(&job.name)).count() as u64;
        let unchanged = jobs.iter().filter(|job| before.get(&job.name) == Some(job)).count() as u64;
        let total = jobs.len() as u64;
        let (added, removed) = (total - known, before.len() as u64 - known);
        tracing::info!(jobs = total, added, removed, "the job file was read again");
        self.service.watch_as_set();
        self.feed(Input::Reloaded { jobs, pools, settings });
        drop(before);
        process::give_back_memory();
        let changed = known - unchanged;
        Ok(reply::Reloaded { jobs: total, added, changed, removed, unchanged, warnings })
    }

    /// Refuses to change a job that is declared in the job file, and says where it is.
    pub(super) fn not_declared(&self, name: &Name) -> Result<(), ServiceError> {
        match self.service.catalogue.declared(name.as_str()) {
            Some((path, line)) => Err(ServiceError::DeclaredInFile {
                name: name.to_string(),
                path: path.to_string_lossy().into_owned(),
                line: Some(line),
            }),
            None => Ok(()),
        }
    }
}

/// What became of an addition.
struct Done {
    warnings: Vec<Diagnostic>,
    replaced: bool,
    run_id: Option<u64>,
}

impl Done {
    fn reply(self, job: JobView) -> reply::Put {
        reply::Put { job, run_id: self.run_id, replaced: self.replaced, warnings: views(&self.warnings) }
    }
}

/// A change of the definition of one job.
struct Change {
    name: String,
    action: PutAction,
    dry_run: bool,
    by: Actor,
}

/// A definition before and after a change.
struct Changed {
    before: String,
    after: String,
    warnings: Vec<DiagnosticView>,
}

fn checked_name(name: &str) -> Result<Name, ServiceError> {
    Name::new(name).map_err(|error| invalid(&error, "like backup or db.nightly-2"))
}

/// Makes an error that is about no place of the definition.
fn invalid(error: &dyn std::error::Error, hint: &str) -> ServiceError {
    let diagnostic = DiagnosticView {
        severity: "error".to_owned(),
        message: error.to_string(),
        hint: Some(hint.to_owned()),
        ..Default::default()
    };
    ServiceError::InvalidDefinition { diagnostics: vec![diagnostic] }
}

/// Logs that a reload has changed nothing.
fn tell_kept(error: &dyn std::error::Error) {
    tracing::error!(%error, "the job set in force is kept");
}

/// Logs why the job file was not taken in, and makes an error of it.
fn not_reloaded(error: &CatalogueError) -> ServiceError {
    if let CatalogueError::Invalid(diagnostics) = error {
        for diagnostic in diagnostics {
            tracing::error!("{diagnostic}");
        }
    }
    tell_kept(error);
    match error {
        CatalogueError::Invalid(diagnostics) => not_loaded(diagnostics),
        CatalogueError::Read(error) => {
            let message = error.to_string();
            let diagnostic = DiagnosticView { severity: "error".to_owned(), message, ..Default::default() };
            ServiceError::InvalidDefinition { diagnostics: vec![diagnostic] }
        }
    }
}

pub(super) fn not_loaded(diagnostics: &[Diagnostic]) -> ServiceError {
    ServiceError::InvalidDefinition { diagnostics: views(diagnostics) }
}

fn views(diagnostics: &[Diagnostic]) -> Vec<DiagnosticView> {
    diagnostics.iter().map(diagnostic_view).collect()
}

//! Requests that change definitions. All of them go through the one parser, and every change of the job set is
//! written down with who made it.

use std::collections::HashMap;
use std::sync::Arc;

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
use crate::protocol::views::DiagnosticView;
use crate::protocol::{reply, request};
use crate::zoneinfo;

/// Says whether a job is due once, at an instant that has passed.
fn has_passed(job: &Job, now: Now) -> bool {
    let Firing::Clock(schedule) = &job.firing else { return false };
    matches!(&schedule.trigger, Trigger::At(at) if at.at <= now.wall)
}

impl EventLoop {
    pub(super) fn add(&mut self, add: request::Add, by: Actor, reply: ReplyHandle) {
        match self.try_add(&add, by) {
            Ok(done) => {
                let warnings = views(&done.warnings);
                let (replaced, run_id) = (done.replaced, done.run_id);
                if add.dry_run {
                    let job = crate::protocol::views::JobView { name: add.name, ..Default::default() };
                    return reply.finish(Ok(reply::Put { job, run_id, replaced, warnings }));
                }
                self.acknowledge_with_job(&add.name, reply, move |job| reply::Put {
                    job,
                    run_id,
                    replaced,
                    warnings,
                });
            }
            Err(error) => reply.finish(Err::<reply::Put, _>(error)),
        }
    }

    fn try_add(&mut self, add: &request::Add, by: Actor) -> Result<Done, ServiceError> {
        let name = checked_name(&add.name)?;
        self.not_declared(&name)?;
        let before = self.service.catalogue.added(name.as_str()).map(|added| added.toml.to_string());
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
        let changed = |before: &str| {
            let mut after = before.to_owned();
            for key in &edit.unset {
                after = write::unset(&after, key)?;
            }
            for (key, value) in &edit.set {
                after = write::set(&after, key, value)?;
            }
            Ok(after)
        };
        match self.change(&edit.name, changed, PutAction::Edited, edit.dry_run, by) {
            Ok((before, after, warnings)) => {
                let warnings = views(&warnings);
                self.acknowledge_with_job(&edit.name, reply, move |job| reply::Edited {
                    job,
                    before,
                    after,
                    warnings,
                });
            }
            Err(error) => reply.finish(Err::<reply::Edited, _>(error)),
        }
    }

    pub(super) fn reschedule(&mut self, request: request::Reschedule, by: Actor, reply: ReplyHandle) {
        let changed = |before: &str| write::retrigger(before, &request.toml);
        match self.change(&request.name, changed, PutAction::Rescheduled, false, by) {
            Ok((_, _, warnings)) => {
                let warnings = views(&warnings);
                self.acknowledge_with_job(&request.name, reply, move |job| reply::Put {
                    job,
                    run_id: None,
                    replaced: true,
                    warnings,
                });
            }
            Err(error) => reply.finish(Err::<reply::Put, _>(error)),
        }
    }

    /// Changes the definition of an added job; returns it before and after.
    fn change(
        &mut self,
        name: &str,
        changed: impl FnOnce(&str) -> Result<String, write::WriteError>,
        action: PutAction,
        dry_run: bool,
        by: Actor,
    ) -> Result<(String, String, Vec<Diagnostic>), ServiceError> {
        self.known(name)?;
        let name = checked_name(name)?;
        self.not_declared(&name)?;
        let before = self.service.catalogue.added(name.as_str()).map(|added| added.toml.to_string());
        let before = before.ok_or_else(|| internal("the job has no definition"))?;
        let after = changed(&before).map_err(|error| invalid(&error, "`jobctl show` has the definition"))?;
        let checked = self.check(&name, &after)?;
        if !dry_run {
            self.put(&checked, after.clone(), action, Some(before.clone()), by, clock::now())?;
        }
        Ok((before, after, checked.warnings))
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
        self.service.catalogue.put(job.clone(), toml.clone());
        if self.command_at(Command::Put { job, toml, action, by, before }, now) == Answer::Stopping {
            return Err(ServiceError::Stopping);
        }
        if self.service.catalogue.heal() {
            let catalogue = &self.service.catalogue;
            let (jobs, pools) = (catalogue.jobs(), catalogue.set().pools.clone());
            let settings = catalogue.settings();
            self.feed_at(Input::Reloaded { jobs, pools, settings }, now);
        }
        Ok(())
    }

    pub(super) fn reload_for(&mut self, reply: ReplyHandle) {
        let result = self.reload();
        self.acknowledge(Acknowledge::new(reply, result));
    }

    /// Reads the job file again if its text has changed since it was read last.
    pub(in crate::daemon) fn reload_if_changed(&mut self) {
        if self.service.catalogue.has_changed() {
            // What is wrong has been logged, and `status` has it.
            drop(self.reload());
        }
    }

    /// Reads the job file again; a bad one changes nothing.
    pub(in crate::daemon) fn reload(&mut self) -> Result<reply::Reloaded, ServiceError> {
        self.supervisor.reloading();
        let before: HashMap<Name, Arc<Job>> =
            self.scheduler.jobs().map(|job| (job.job.name.clone(), job.job)).collect();
        let outcome = self.service.catalogue.reload(Arc::from(zoneinfo::source()));
        self.supervisor.ready();
        match outcome {
            Ok(()) => {}
            Err(error) => {
                let diagnostics = match &error {
                    CatalogueError::Invalid(diagnostics) => views(diagnostics),
                    CatalogueError::Read(error) => {
                        vec![DiagnosticView {
                            severity: "error".to_owned(),
                            message: error.to_string(),
                            ..Default::default()
                        }]
                    }
                };
                for diagnostic in self.service.catalogue.errors() {
                    tracing::error!("{diagnostic}");
                }
                tracing::error!(%error, "the job set in force is kept");
                return Err(ServiceError::InvalidDefinition { diagnostics });
            }
        }
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

pub(super) fn not_loaded(diagnostics: &[Diagnostic]) -> ServiceError {
    ServiceError::InvalidDefinition { diagnostics: views(diagnostics) }
}

fn views(diagnostics: &[Diagnostic]) -> Vec<DiagnosticView> {
    diagnostics.iter().map(diagnostic_view).collect()
}

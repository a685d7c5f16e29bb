//! Requests that take definitions out of the set, and those that bring them back.

use std::collections::{BTreeMap, BTreeSet};

use super::defining::not_loaded;
use super::texts::{Texts, Whose};
use super::{Acknowledge, internal};
use crate::core::change::{Actor, Change, Revision};
use crate::core::event::EventKind;
use crate::core::instant::Now;
use crate::core::name::Name;
use crate::core::scheduler::{Answer, Command, PutAction};
use crate::core::trigger::Firing;
use crate::daemon::clock;
use crate::daemon::event_loop::EventLoop;
use crate::daemon::listener::ReplyHandle;
use crate::daemon::views::event::change_view;
use crate::jobfile::{Fragment, write};
use crate::protocol::error::ServiceError;
use crate::protocol::{reply, request};
use crate::store::RevisionRow;

impl EventLoop {
    pub(super) fn remove(&mut self, remove: request::Remove, by: Actor, reply: ReplyHandle) {
        let bulk = remove.selector.is_bulk();
        self.with_selected(remove.selector, move |event_loop, names| {
            let names = match names {
                Ok(names) => names,
                Err(error) => {
                    return event_loop.acknowledge(Acknowledge::new(reply, Err::<reply::Names, _>(error)));
                }
            };
            event_loop.with_texts(Whose::Of(names.iter().cloned().collect()), move |event_loop, texts| {
                let result = texts.and_then(|texts| {
                    let names = if bulk { event_loop.added_of(names)? } else { names };
                    event_loop.try_remove(&names, texts, by)
                });
                event_loop.acknowledge(Acknowledge::new(reply, result.map(|names| reply::Names { names })));
            });
        });
    }

    /// Leaves out the jobs of the job file: who asks for many means those that can be removed.
    fn added_of(&self, names: Vec<Name>) -> Result<Vec<Name>, ServiceError> {
        let is_added = |name: &Name| self.service.catalogue.is_added(name.as_str());
        let (added, declared): (Vec<Name>, Vec<Name>) = names.into_iter().partition(is_added);
        match (added.is_empty(), declared.first()) {
            (true, Some(name)) => self.not_declared(name).map(|()| added),
            _ => Ok(added),
        }
    }

    /// Takes jobs out: all of them or none.
    fn try_remove(
        &mut self,
        names: &[Name],
        mut texts: Texts,
        by: Actor,
    ) -> Result<Vec<String>, ServiceError> {
        for name in names {
            // Between the selection and this it may have gone.
            self.known(name.as_str())?;
            self.not_declared(name)?;
        }
        self.not_needed(names)?;
        let now = clock::now();
        for name in names {
            self.take_out(name, texts.remove(name), by, now);
        }
        Ok(names.iter().map(ToString::to_string).collect())
    }

    /// Refuses to take out a job without which another one could never be due.
    fn not_needed(&self, going: &[Name]) -> Result<(), ServiceError> {
        let among: BTreeSet<&Name> = going.iter().collect();
        for name in going {
            let by = self.scheduler.dependents(name.as_str()).filter(|by| !among.contains(by));
            let by: Vec<String> = by.map(ToString::to_string).collect();
            if !by.is_empty() {
                return Err(ServiceError::StillNeeded { name: name.to_string(), by });
            }
        }
        Ok(())
    }

    fn take_out(&mut self, name: &Name, before: Option<String>, by: Actor, now: Now) {
        let paused = self.scheduler.job(name.as_str()).is_some_and(|job| job.pause.is_some());
        self.service.catalogue.remove(name.as_str());
        // A job that was paused comes back paused, if it does: what was stopped on purpose must not start by itself.
        let before = before.map(|toml| match paused {
            true => write::set(&toml, "paused", "true").unwrap_or(toml),
            false => toml,
        });
        let command = Command::Remove { job: name.clone(), by, before: before.clone() };
        if self.command_at(command, now) == Answer::NoSuchJob {
            // A broken job: the scheduler never knew it, the store does.
            let (at, action, after) = (now.wall, EventKind::JobRemoved, None);
            self.write(Change::Undefine { job: name.clone() });
            self.write(Change::Revision(Revision { at, action, job: name.clone(), before, after, by }));
        }
    }

    pub(super) fn undo(&self, undo: request::Undo, by: Actor, reply: ReplyHandle) {
        self.service.queries.then(
            |reader| reader.revisions(None, usize::MAX),
            move |event_loop, rows| {
                let undone = rows.map_err(internal).and_then(|rows| changes_to_undo(rows, &undo));
                let undone = match undone {
                    Ok(undone) => undone,
                    Err(error) => {
                        return event_loop
                            .acknowledge(Acknowledge::new(reply, Err::<reply::Undone, _>(error)));
                    }
                };
                let names = undone.iter().map(|row| row.job.clone()).collect();
                event_loop.with_texts(Whose::Of(names), move |event_loop, texts| {
                    let result = texts.and_then(|texts| event_loop.try_undo(&undone, texts, by));
                    event_loop.acknowledge(Acknowledge::new(reply, result));
                });
            },
        );
    }

    /// Makes definitions what they were before the changes of a request, all of them or none. That is a request
    /// too, and can be undone. `texts` are those in force.
    fn try_undo(
        &mut self,
        undone: &[RevisionRow],
        mut texts: Texts,
        by: Actor,
    ) -> Result<reply::Undone, ServiceError> {
        // Of several changes of one job the earliest says what it was before.
        let before: BTreeMap<&Name, Option<&str>> =
            undone.iter().map(|row| (&row.job, row.before.as_deref())).collect();
        let names: BTreeSet<Name> = before.keys().map(|name| (*name).clone()).collect();
        let (mut back, mut going): (Vec<(Fragment, String)>, Vec<Name>) = (Vec::new(), Vec::new());
        for (name, toml) in before {
            self.not_declared(name)?;
            match toml {
                Some(toml) => {
                    let checked = self.service.catalogue.check_with(name, toml, &names);
                    back.push((checked.map_err(|found| not_loaded(&found))?, toml.to_owned()));
                }
                None if self.service.catalogue.is_added(name.as_str()) => going.push(name.clone()),
                None => {}
            }
        }
        self.not_needed(&going)?;
        // Jobs that wait for others come after those.
        back.sort_by_key(|(checked, _)| matches!(checked.job.firing, Firing::After(_)));
        let now = clock::now();
        for (checked, toml) in back {
            let current = texts.remove(&checked.job.name);
            let action = if current.is_some() { PutAction::Replaced } else { PutAction::Added };
            self.put(&checked, toml, action, current, by, now)?;
        }
        for name in &going {
            self.take_out(name, texts.remove(name), by, now);
        }
        let zone = self.service.catalogue.zone();
        Ok(reply::Undone { undone: undone.iter().map(|row| change_view(row, zone)).collect() })
    }
}

/// Finds the changes to take back, the latest first. The changes of one request have one instant and one client.
fn changes_to_undo(
    mut rows: Vec<RevisionRow>,
    undo: &request::Undo,
) -> Result<Vec<RevisionRow>, ServiceError> {
    let wanted = undo.revision;
    let row = rows.iter().find(|row| wanted.is_none_or(|revision| revision == row.id));
    let row = row.ok_or(ServiceError::NoSuchChange { revision: wanted })?;
    let (id, at, by) = (row.id, row.at, row.by);
    rows.retain(|other| if undo.single { other.id == id } else { (other.at, other.by) == (at, by) });
    Ok(rows)
}

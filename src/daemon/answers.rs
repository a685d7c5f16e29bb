//! Answers to questions, from a picture of the jobs and the store.
//!
//! The daemon asks on the thread that reads the store, commands that read without a daemon ask in their own
//! process: both get the same answer. Nothing here changes anything or runs anything.

mod definitions;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::catalogue::Catalogue;
use super::pictures::{Known, Latest, Pictures};
use super::views::diagnostic_view;
use super::views::event::{change_view, event_view};
use super::views::next::next_view;
use super::views::run::run_view;
use crate::core::civil::Zone;
use crate::core::event::EventKind;
use crate::core::instant::Timestamp;
use crate::core::name::Name;
use crate::core::run::{RunId, RunStatus};
use crate::core::scheduler::Scheduler;
use crate::core::trigger::Firing;
use crate::protocol::error::ServiceError;
use crate::protocol::selector::Selector;
use crate::protocol::views::{ChangeView, EventView, NextView, RunView};
use crate::protocol::{filter, pattern, reply, request};
use crate::store::{EventFilter, HistoryFilter, QueryError, Reader, RunRow};

pub use definitions::{definition, export};

/// How many fire times `next` shows where nobody says.
const NEXT_DEFAULT: u32 = 10;
/// How many fire times `next` shows at most.
const NEXT_LIMIT: u32 = 1_000;
/// How many rows a question returns where nobody says.
const ROWS_DEFAULT: u64 = 100;
/// How many events and changes around an instant `why` looks at.
const AROUND: usize = 20;
/// How far before an instant `why` looks for events.
const BEFORE: Duration = Duration::from_secs(3_600);

/// Says whether there is a job of this name, broken ones included.
pub fn is_known(name: &str, scheduler: &Scheduler, catalogue: &Catalogue) -> bool {
    scheduler.knows(name) || catalogue.errors_of(name).is_some()
}

/// Asserts that there is a job of this name, broken ones included.
///
/// # Errors
/// There is none; the error has the nearest name, which takes a look at every other.
pub fn known(name: &str, scheduler: &Scheduler, catalogue: &Catalogue) -> Result<(), ServiceError> {
    if is_known(name, scheduler, catalogue) {
        return Ok(());
    }
    let names: Vec<String> = scheduler.jobs().map(|job| job.job.name.to_string()).collect();
    Err(filter::no_such_job(name, names.iter().map(String::as_str)))
}

fn not_loaded(name: &str, catalogue: &Catalogue) -> ServiceError {
    let found = catalogue.errors_of(name).unwrap_or_default();
    ServiceError::InvalidDefinition { diagnostics: found.iter().map(diagnostic_view).collect() }
}

/// Computes the coming fire times of a job.
///
/// # Errors
/// The instant is none, or the job's definition does not load.
pub fn fire_times(
    request: &request::Next,
    scheduler: &Scheduler,
    catalogue: &Catalogue,
    now: Timestamp,
) -> Result<NextView, ServiceError> {
    known(&request.name, scheduler, catalogue)?;
    let job = scheduler.job(&request.name).ok_or_else(|| not_loaded(&request.name, catalogue))?;
    let count = request.count.unwrap_or(NEXT_DEFAULT).min(NEXT_LIMIT);
    let after = request.from.as_deref().map_or(Ok(now), |text| instant(text, "from"))?;
    let tzdb = catalogue.zones().version();
    let view = match &job.job.firing {
        Firing::Clock(schedule) => {
            next_view(schedule, job.anchor, after, usize::try_from(count).unwrap_or(0), tzdb)
        }
        Firing::Startup | Firing::Shutdown | Firing::After(_) => {
            NextView { timezone: catalogue.zone().name().to_owned(), tzdb, ..NextView::default() }
        }
    };
    Ok(NextView { job: Some(request.name.clone()), ..view })
}

/// Reads the rows a selector asks for, the latest first; filters on jobs choose the jobs first.
///
/// # Errors
/// A plain name that neither a job nor the ledger has, an instant that is none, or the store cannot be read.
pub fn history(
    selector: &Selector,
    pictures: &Pictures,
    reader: &Reader,
) -> Result<Vec<RunRow>, ServiceError> {
    let jobs = match jobs_of(selector, pictures, reader)? {
        Some(jobs) if jobs.is_empty() => return Ok(Vec::new()),
        Some(jobs) => jobs,
        None => Vec::new(),
    };
    let filter = HistoryFilter {
        jobs,
        statuses: selector.status.iter().filter_map(|word| RunStatus::from_word(word)).collect(),
        since: selector.since.as_deref().map(|text| instant(text, "selector.since")).transpose()?,
        until: None,
        before: None,
        limit: Some(rows(selector.limit)),
    };
    reader.history(&filter).map_err(internal)
}

/// Reads one row.
///
/// # Errors
/// There is none of this number, or the store cannot be read.
pub fn run(run: RunId, reader: &Reader) -> Result<RunRow, ServiceError> {
    reader.run(run).map_err(internal)?.ok_or(ServiceError::NoSuchRun { run_id: run.0 })
}

/// Shows rows with their steps, each in the zone of its job; that of a job which is not in the picture is the
/// daemon's.
///
/// # Errors
/// The store cannot be read.
pub fn run_views(
    rows: &[RunRow],
    pictures: &Pictures,
    reader: &Reader,
) -> Result<Vec<RunView>, ServiceError> {
    let zones = pictures.zones();
    rows.iter().map(|row| with_steps(row, &zones, pictures, reader)).collect()
}

/// Shows one row in the same way.
///
/// # Errors
/// The store cannot be read.
pub fn run_view_of(row: &RunRow, pictures: &Pictures, reader: &Reader) -> Result<RunView, ServiceError> {
    with_steps(row, &pictures.zones(), pictures, reader)
}

fn with_steps(
    row: &RunRow,
    zones: &HashMap<Name, Zone>,
    pictures: &Pictures,
    reader: &Reader,
) -> Result<RunView, ServiceError> {
    let steps = if row.attempts > 0 { reader.steps(row.run).map_err(internal)? } else { Vec::new() };
    Ok(run_view(row, &steps, zones.get(&row.job).unwrap_or(pictures.zone()), pictures.logs()))
}

/// Returns how many events a list without a limit of its own has at most.
pub fn events_limit(request: &request::Events) -> usize {
    rows(request.selector.limit)
}

/// Reads events in their order: those after a place in the sequence, or the last there are; `limit` = `None`: all.
///
/// # Errors
/// As [`history`].
pub fn events(
    request: &request::Events,
    limit: Option<usize>,
    pictures: &Pictures,
    reader: &Reader,
) -> Result<Vec<EventView>, ServiceError> {
    let selector = &request.selector;
    let jobs = jobs_of(selector, pictures, reader)?;
    let kinds = EventKind::ALL
        .into_iter()
        .filter(|kind| request.only.iter().any(|only| pattern::matches(only, kind.as_str())));
    let kinds: Vec<EventKind> = kinds.collect();
    if (kinds.is_empty() && !request.only.is_empty()) || jobs.as_ref().is_some_and(Vec::is_empty) {
        return Ok(Vec::new());
    }
    // The store knows events by one job; several jobs and statuses are picked out afterwards.
    let (job, picked) = match jobs {
        Some(mut jobs) if jobs.len() == 1 => (jobs.pop(), None),
        other => (None, other),
    };
    let narrowed = picked.is_some() || !selector.status.is_empty();
    let filter = EventFilter {
        after_seq: request.after,
        since: selector.since.as_deref().map(|text| instant(text, "selector.since")).transpose()?,
        kinds,
        job,
        limit: limit.filter(|_| !narrowed),
    };
    let names = picked.map(|jobs| jobs.iter().map(ToString::to_string).collect()).unwrap_or_default();
    let narrow = request::Events {
        selector: Selector { names, status: selector.status.clone(), ..Selector::default() },
        ..request::Events::default()
    };
    let found = reader.events(&filter).map_err(internal)?;
    // One zone for all: a sequence of events is read as a whole.
    let views = found.iter().map(|row| event_view(row, pictures.zone()));
    let mut views: Vec<EventView> = views.filter(|view| filter::takes_event(&narrow, view)).collect();
    let limit = limit.unwrap_or(usize::MAX);
    if request.after.is_some() {
        views.truncate(limit);
    } else {
        views.drain(..views.len().saturating_sub(limit));
    }
    Ok(views)
}

/// Reads changes of the job set, the latest first.
///
/// # Errors
/// The store cannot be read.
pub fn changes(
    request: &request::Changes,
    pictures: &Pictures,
    reader: &Reader,
) -> Result<Vec<ChangeView>, ServiceError> {
    let job = request
        .job
        .as_deref()
        .map(Name::new)
        .transpose()
        .map_err(|_| filter::no_such_job(request.job.as_deref().unwrap_or_default(), []))?;
    let found = reader.revisions(job.as_ref(), rows(request.limit)).map_err(internal)?;
    Ok(found.iter().map(|row| change_view(row, pictures.zone())).collect())
}

/// Finds what `why` is asked about: the instant (the last fire time where nobody says), and the fire times on
/// either side of it.
///
/// # Errors
/// There is no such job, or the instant is none.
pub fn around(
    request: &request::Why,
    scheduler: &Scheduler,
    catalogue: &Catalogue,
    now: Timestamp,
) -> Result<Around, ServiceError> {
    known(&request.job, scheduler, catalogue)?;
    let asked = request.time.as_deref().map(|text| instant(text, "time")).transpose()?;
    let at = asked.unwrap_or(now);
    let job = scheduler.job(&request.job);
    Ok(match job.as_ref().map(|job| (&job.job.firing, job.anchor)) {
        Some((Firing::Clock(schedule), anchor)) => {
            let (last, next) = schedule.around(anchor, at);
            Around { at: asked.or(last).unwrap_or(now), last, next }
        }
        Some((Firing::Startup | Firing::Shutdown | Firing::After(_), _)) | None => {
            Around { at, last: None, next: None }
        }
    })
}

/// An instant `why` is asked about, with the fire times on either side of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Around {
    /// The instant.
    pub at: Timestamp,
    /// The last fire time not after it.
    pub last: Option<Timestamp>,
    /// The first fire time after it.
    pub next: Option<Timestamp>,
}

/// Collects what the ledger knows of a job around an instant.
///
/// # Errors
/// The job is not in the picture, or the store cannot be read.
pub fn ledger(
    name: &str,
    Around { at, last, next }: Around,
    pictures: &Pictures,
    reader: &Reader,
) -> Result<reply::Ledger, ServiceError> {
    let job = pictures.view(name, reader).map_err(internal)?;
    let job = job.ok_or_else(|| filter::no_such_job(name, []))?;
    let name = Name::new(name).map_err(internal)?;
    let zones = pictures.zones();
    let zone = zones.get(&name).unwrap_or(pictures.zone());
    let rows = rows_around(&name, at, reader).map_err(internal)?;
    let runs = run_views(&rows, pictures, reader)?;
    let changes = reader.revisions(Some(&name), AROUND).map_err(internal)?;
    Ok(reply::Ledger {
        job,
        at: zone.format_exact(at),
        last_fire_time: last.map(|at| zone.format_exact(at)),
        next_fire_time: next.map(|at| zone.format_exact(at)),
        runs,
        events: events_around(&name, at, zone, reader)?,
        changes: changes.iter().rev().map(|row| change_view(row, zone)).collect(),
    })
}

/// Reads the row of a fire time, and the runs without one that were alive then; where there is nothing, what lies on
/// either side.
fn rows_around(job: &Name, at: Timestamp, reader: &Reader) -> Result<Vec<RunRow>, QueryError> {
    // What people type has no fractions of a second: all of the second is meant.
    let until = at.plus(Duration::from_secs(1));
    let recent = HistoryFilter {
        jobs: vec![job.clone()],
        until: Some(until),
        limit: Some(AROUND),
        ..HistoryFilter::default()
    };
    let alive = |row: &RunRow| row.fire_time.is_none() && row.finished_at.is_none_or(|end| at <= end);
    let mut rows: Vec<RunRow> = reader.history(&recent)?.into_iter().filter(alive).collect();
    rows.reverse();
    rows.extend(reader.run_at(job, at)?);
    let near = reader.neighbours(job, at)?;
    let within = |row: &RunRow| row.first_fire_time.or(row.fire_time).is_some_and(|first| first < until);
    if rows.is_empty() {
        rows.extend(near.before.into_iter().chain(near.after));
    } else {
        rows.extend(near.after.filter(within));
    }
    Ok(rows)
}

/// Reads the events of a job and of the daemon around an instant.
fn events_around(
    job: &Name,
    at: Timestamp,
    zone: &Zone,
    reader: &Reader,
) -> Result<Vec<EventView>, ServiceError> {
    let of_daemon = [
        EventKind::DaemonStarted,
        EventKind::DaemonStopped,
        EventKind::DaemonHeld,
        EventKind::DaemonReleased,
    ];
    let about = |job: Option<Name>, kinds: Vec<EventKind>, since: Timestamp| EventFilter {
        since: Some(since),
        kinds,
        job,
        limit: None,
        after_seq: None,
    };
    let mut events =
        reader.events(&about(Some(job.clone()), Vec::new(), at.minus(BEFORE))).map_err(internal)?;
    events.truncate(AROUND);
    // The daemon may have started long before: what it did last before the instant is what matters.
    let daemons = reader.events(&about(None, of_daemon.to_vec(), Timestamp::MIN)).map_err(internal)?;
    let passed = daemons.partition_point(|event| event.at <= at);
    let near = passed.saturating_sub(AROUND / 2)..(passed + AROUND / 2).min(daemons.len());
    events.extend(daemons[near].iter().cloned());
    events.sort_by_key(|event| event.seq);
    events.dedup_by_key(|event| event.seq);
    Ok(events.iter().map(|row| event_view(row, zone)).collect())
}

/// Chooses jobs by everything but status, instant and number; names with a history but without a definition count
/// too. `None` = the selector does not narrow the jobs.
fn jobs_of(
    selector: &Selector,
    pictures: &Pictures,
    reader: &Reader,
) -> Result<Option<Vec<Name>>, ServiceError> {
    if !selector.narrows_jobs() {
        return Ok(None);
    }
    let chosen = selector.of_jobs();
    let no_rows = Latest::new();
    let mut candidates = pictures.candidates(&no_rows);
    let known: HashSet<&str> = candidates.iter().map(|known| known.name().as_str()).collect();
    // Where every name is that of a job, the ledger, which is long, is not asked for others.
    let all_known = !chosen.is_bulk() && chosen.names.iter().all(|name| known.contains(name.as_str()));
    let past = if all_known { Vec::new() } else { reader.jobs_with_history().map_err(internal)? };
    let gone: Vec<&Name> = past.iter().filter(|name| !known.contains(name.as_str())).collect();
    candidates.extend(gone.into_iter().map(Known::Gone));
    let found = filter::select(&chosen, &candidates)?;
    Ok(Some(found.into_iter().map(|known| known.name().clone()).collect()))
}

/// Reads an instant of a request.
///
/// # Errors
/// It is none; the error names the parameter.
pub fn instant(text: &str, parameter: &str) -> Result<Timestamp, ServiceError> {
    let at = crate::protocol::instant(text).ok_or_else(|| ServiceError::invalid_parameter(parameter))?;
    Ok(Timestamp::from_utc(at.to_utc()))
}

fn rows(limit: Option<u64>) -> usize {
    usize::try_from(limit.unwrap_or(ROWS_DEFAULT)).unwrap_or(usize::MAX)
}

fn internal(error: impl ToString) -> ServiceError {
    ServiceError::Internal { message: error.to_string() }
}

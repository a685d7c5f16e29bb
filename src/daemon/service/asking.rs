//! Questions: nothing here changes anything or runs anything.

use std::collections::{BTreeMap, HashMap};

use super::{Acknowledge, internal};
use crate::core::civil::Zone;
use crate::core::event::EventKind;
use crate::core::instant::Timestamp;
use crate::core::name::Name;
use crate::core::run::{RunId, RunStatus};
use crate::core::scheduler::JobSnapshot;
use crate::core::trigger::Firing;
use crate::daemon::clock;
use crate::daemon::event_loop::EventLoop;
use crate::daemon::listener::ReplyHandle;
use crate::daemon::views::event::{change_view, event_view};
use crate::daemon::views::job::{broken_view, job_view};
use crate::daemon::views::next::next_view;
use crate::daemon::views::run::run_view;
use crate::daemon::views::{status, zone_of};
use crate::jobfile::Diagnostic;
use crate::process::Logs;
use crate::protocol::error::ServiceError;
use crate::protocol::views::{JobView, NextView, RunView};
use crate::protocol::{filter, reply, request};
use crate::store::{Counts, EventFilter, HistoryFilter, QueryError, Reader, RunRow};

/// How many fire times `next` shows where nobody says.
const NEXT_DEFAULT: u32 = 10;
/// How many fire times `next` shows at most.
const NEXT_LIMIT: u32 = 1_000;
/// How many rows a question returns where nobody says.
const ROWS_DEFAULT: u64 = 100;
/// How many events around an instant `why` looks at.
const EVENTS_AROUND: usize = 20;

/// Everything of the loop that views of jobs are made from, to be taken to another thread.
pub(super) struct Pictures {
    jobs: Vec<JobSnapshot>,
    broken: Vec<(Name, Vec<Diagnostic>)>,
    zone: Zone,
    logs: Logs,
}

impl Pictures {
    /// Makes views of every job, with what the ledger says of them.
    fn views(&self, reader: &Reader) -> Result<Vec<JobView>, QueryError> {
        let latest: HashMap<Name, RunRow> =
            reader.latest_runs()?.into_iter().map(|row| (row.job.clone(), row)).collect();
        let counts: BTreeMap<Name, Counts> = reader.counts()?;
        Ok(self.views_with(&latest, &counts))
    }

    fn views_with(&self, latest: &HashMap<Name, RunRow>, counts: &BTreeMap<Name, Counts>) -> Vec<JobView> {
        let jobs = self.jobs.iter().map(|job| {
            let name = &job.job.name;
            job_view(job, latest.get(name), counts.get(name), &self.zone, &self.logs)
        });
        let broken = self
            .broken
            .iter()
            .map(|(name, errors)| broken_view(name, errors, latest.get(name), &self.zone, &self.logs));
        jobs.chain(broken).collect()
    }

    /// Makes views without the ledger: enough to select by what the scheduler knows.
    pub(super) fn bare_views(&self) -> Vec<JobView> {
        self.views_with(&HashMap::new(), &BTreeMap::new())
    }

    /// Returns the zone of every job, for instants of rows.
    fn zones(&self) -> HashMap<Name, Zone> {
        let zone = |job: &JobSnapshot| (job.job.name.clone(), zone_of(&job.job, &self.zone).clone());
        self.jobs.iter().map(zone).collect()
    }
}

impl EventLoop {
    /// Takes a picture of every job, or of one.
    pub(super) fn pictures(&self, only: Option<&str>) -> Pictures {
        let service = &self.service;
        let broken =
            service.catalogue.broken().filter(|(name, _)| only.is_none_or(|only| name.as_str() == only));
        Pictures {
            jobs: match only {
                Some(name) => self.scheduler.job(name).into_iter().collect(),
                None => self.scheduler.jobs().collect(),
            },
            broken: broken.map(|(name, errors)| (name.clone(), errors.to_vec())).collect(),
            zone: service.catalogue.zone().clone(),
            logs: service.logs.clone(),
        }
    }

    pub(super) fn status(&self) -> reply::Status {
        let service = &self.service;
        let view = status::status_view(&status::Facts {
            scheduler: &self.scheduler,
            catalogue: &service.catalogue,
            started_at: service.identity.started_at,
            host: &service.identity.host,
            state_dir: &service.identity.state_dir,
            socket: &service.identity.socket,
            degraded: service.degraded.as_deref(),
            now: clock::now().wall,
        });
        reply::Status { status: view }
    }

    pub(super) fn list(&self, list: request::List, reply: ReplyHandle) {
        let pictures = self.pictures(None);
        self.service.queries.ask(move |reader| {
            let answer = reader.map_err(internal).and_then(|reader| {
                let views = pictures.views(reader).map_err(internal)?;
                let jobs = filter::select(&list.selector, &views)?.into_iter().cloned().collect();
                Ok(reply::Jobs { jobs })
            });
            reply.finish(answer);
        });
    }

    pub(super) fn show(&self, show: request::Show, reply: ReplyHandle) {
        let toml = match self.known(&show.name).and_then(|()| {
            let definition = self.service.catalogue.definition(&show.name).map_err(internal)?;
            Ok(definition.unwrap_or_default())
        }) {
            Ok(toml) => toml,
            Err(error) => return reply.finish(Err::<reply::Shown, _>(error)),
        };
        let pictures = self.pictures(Some(&show.name));
        self.service.queries.ask(move |reader| {
            let answer = reader.map_err(internal).and_then(|reader| {
                let job = one_view(&pictures, reader, &show.name)?;
                Ok(reply::Shown { job, toml })
            });
            reply.finish(answer);
        });
    }

    /// Says whether there is a job of this name, broken ones included.
    pub(super) fn known(&self, name: &str) -> Result<(), ServiceError> {
        let is_broken = || self.service.catalogue.broken().any(|(broken, _)| broken.as_str() == name);
        if self.scheduler.job(name).is_some() || is_broken() {
            return Ok(());
        }
        let names: Vec<String> = self.scheduler.jobs().map(|job| job.job.name.to_string()).collect();
        Err(filter::no_such_job(name, names.iter().map(String::as_str)))
    }

    pub(super) fn next_fire_times(&self, next: &request::Next) -> Result<reply::FireTimes, ServiceError> {
        self.known(&next.name)?;
        let job =
            self.scheduler.job(&next.name).ok_or_else(|| internal("the job's definition does not load"))?;
        let zones = self.service.catalogue.zones();
        let count = next.count.unwrap_or(NEXT_DEFAULT).min(NEXT_LIMIT);
        let after = match next.from.as_deref() {
            Some(text) => instant(text, "from")?,
            None => clock::now().wall,
        };
        let view = match &job.job.firing {
            Firing::Clock(schedule) => {
                next_view(schedule, job.anchor, after, usize::try_from(count).unwrap_or(0), zones.version())
            }
            Firing::Startup | Firing::Shutdown | Firing::After(_) => NextView {
                timezone: self.service.catalogue.zone().name().to_owned(),
                tzdb: zones.version(),
                exhausted: false,
                ..NextView::default()
            },
        };
        Ok(reply::FireTimes { next: NextView { job: Some(next.name.clone()), ..view } })
    }

    pub(super) fn history(&self, history: request::History, reply: ReplyHandle) {
        let pictures = self.pictures(None);
        self.service.queries.ask(move |reader| {
            let answer = reader.map_err(internal).and_then(|reader| {
                let runs = history_rows(&history.selector, &pictures, reader)?;
                Ok(reply::Runs { runs })
            });
            reply.finish(answer);
        });
    }

    pub(super) fn run_row(&self, run_id: u64, reply: ReplyHandle) {
        let pictures = self.pictures(None);
        self.service.queries.ask(move |reader| {
            let answer =
                reader.map_err(internal).and_then(|reader| one_run(RunId(run_id), &pictures, reader));
            reply.finish(answer.map(|run| reply::OneRun { run }));
        });
    }

    pub(super) fn why(&self, why: request::Why, reply: ReplyHandle) {
        let around = || -> Result<(Timestamp, Option<Timestamp>, Option<Timestamp>), ServiceError> {
            self.known(&why.job)?;
            let now = clock::now().wall;
            let asked = why.time.as_deref().map(|text| instant(text, "time")).transpose()?;
            let at = asked.unwrap_or(now);
            Ok(match self.scheduler.job(&why.job) {
                Some(job) => match &job.job.firing {
                    Firing::Clock(schedule) => {
                        let (last, next) = schedule.around(job.anchor, at);
                        (asked.or(last).unwrap_or(now), last, next)
                    }
                    Firing::Startup | Firing::Shutdown | Firing::After(_) => (at, None, None),
                },
                None => (at, None, None),
            })
        };
        let (at, last, next) = match around() {
            Ok(found) => found,
            Err(error) => return reply.finish(Err::<reply::Ledger, _>(error)),
        };
        let pictures = self.pictures(Some(&why.job));
        self.service.queries.ask(move |reader| {
            let answer = reader
                .map_err(internal)
                .and_then(|reader| ledger(&pictures, reader, &why.job, at, last, next));
            reply.finish(answer);
        });
    }

    pub(super) fn export(&self, names: &[String]) -> Result<reply::Exported, ServiceError> {
        for name in names {
            self.known(name)?;
        }
        let toml = self.service.catalogue.export(names).map_err(internal)?;
        Ok(reply::Exported { toml })
    }

    pub(super) fn changes(&self, changes: request::Changes, reply: ReplyHandle) {
        let zone = self.service.catalogue.zone().clone();
        self.service.queries.ask(move |reader| {
            let answer = reader.map_err(internal).and_then(|reader| {
                let job = changes.job.as_deref().and_then(|job| Name::new(job).ok());
                let limit = usize::try_from(changes.limit.unwrap_or(ROWS_DEFAULT)).unwrap_or(usize::MAX);
                let rows = reader.revisions(job.as_ref(), limit).map_err(internal)?;
                Ok(reply::Changes { changes: rows.iter().map(|row| change_view(row, &zone)).collect() })
            });
            reply.finish(answer);
        });
    }

    /// Answers with the view of a job after a change, once the change is durable.
    pub(super) fn acknowledge_with_job<T: serde::Serialize + Send + 'static>(
        &mut self,
        name: &str,
        reply: ReplyHandle,
        make: impl FnOnce(JobView) -> T,
    ) {
        let views = self.pictures(Some(name)).bare_views();
        let result = views.into_iter().next().map(make).ok_or_else(|| internal("the job is gone"));
        self.acknowledge(Acknowledge::new(reply, result));
    }
}

fn one_view(pictures: &Pictures, reader: &Reader, name: &str) -> Result<JobView, ServiceError> {
    let checked = Name::new(name).map_err(internal)?;
    let latest = reader.latest_run(&checked).map_err(internal)?;
    let counts = reader.counts_of(&checked).map_err(internal)?;
    let latest: HashMap<Name, RunRow> = latest.into_iter().map(|row| (row.job.clone(), row)).collect();
    let views = pictures.views_with(&latest, &BTreeMap::from([(checked, counts)]));
    views.into_iter().next().ok_or_else(|| internal("the job is gone"))
}

/// Reads the rows a selector asks for; filters on jobs choose the jobs first.
fn history_rows(
    selector: &crate::protocol::selector::Selector,
    pictures: &Pictures,
    reader: &Reader,
) -> Result<Vec<RunView>, ServiceError> {
    let by_job = !selector.names.is_empty()
        || !selector.tags.is_empty()
        || !selector.pool.is_empty()
        || !selector.trigger.is_empty()
        || !selector.state.is_empty()
        || selector.q.is_some();
    let jobs = if by_job { jobs_of(selector, pictures, reader)? } else { Vec::new() };
    if by_job && jobs.is_empty() {
        return Ok(Vec::new());
    }
    let filter = HistoryFilter {
        jobs,
        statuses: selector.status.iter().filter_map(|word| RunStatus::from_word(word)).collect(),
        since: selector.since.as_deref().map(|text| instant(text, "since")).transpose()?,
        until: None,
        before: None,
        limit: Some(usize::try_from(selector.limit.unwrap_or(ROWS_DEFAULT)).unwrap_or(usize::MAX)),
    };
    let rows = reader.history(&filter).map_err(internal)?;
    let zones = pictures.zones();
    rows.iter()
        .map(|row| {
            let steps = if row.attempts > 0 { reader.steps(row.run).map_err(internal)? } else { Vec::new() };
            Ok(run_view(row, &steps, zones.get(&row.job).unwrap_or(&pictures.zone), &pictures.logs))
        })
        .collect()
}

/// Chooses jobs by everything but status and number; names with a history but without a definition count too.
fn jobs_of(
    selector: &crate::protocol::selector::Selector,
    pictures: &Pictures,
    reader: &Reader,
) -> Result<Vec<Name>, ServiceError> {
    let chosen = crate::protocol::selector::Selector {
        status: Vec::new(),
        limit: None,
        since: None,
        sort: None,
        ..selector.clone()
    };
    let mut views = pictures.bare_views();
    let past = reader.jobs_with_history().map_err(internal)?;
    let gone = past.into_iter().filter(|name| !views.iter().any(|view| view.name == name.as_str()));
    let gone: Vec<JobView> =
        gone.map(|name| JobView { name: name.to_string(), ..JobView::default() }).collect();
    views.extend(gone);
    let found = filter::select(&chosen, &views)?;
    Ok(found.into_iter().filter_map(|view| Name::new(&view.name).ok()).collect())
}

fn one_run(run: RunId, pictures: &Pictures, reader: &Reader) -> Result<RunView, ServiceError> {
    let row = reader.run(run).map_err(internal)?.ok_or(ServiceError::NoSuchRun { run_id: run.0 })?;
    let steps = reader.steps(run).map_err(internal)?;
    let zones = pictures.zones();
    Ok(run_view(&row, &steps, zones.get(&row.job).unwrap_or(&pictures.zone), &pictures.logs))
}

fn ledger(
    pictures: &Pictures,
    reader: &Reader,
    job: &str,
    at: Timestamp,
    last: Option<Timestamp>,
    next: Option<Timestamp>,
) -> Result<reply::Ledger, ServiceError> {
    let name = Name::new(job).map_err(internal)?;
    let view = one_view(pictures, reader, job)?;
    let zones = pictures.zones();
    let zone = zones.get(&name).unwrap_or(&pictures.zone);
    let mut rows = Vec::new();
    match reader.run_at(&name, at).map_err(internal)? {
        Some(row) => rows.push(row),
        None => {
            let near = reader.neighbours(&name, at).map_err(internal)?;
            rows.extend(near.before.into_iter().chain(near.after));
        }
    }
    let mut runs = Vec::new();
    for row in &rows {
        let steps = reader.steps(row.run).map_err(internal)?;
        runs.push(run_view(row, &steps, zone, &pictures.logs));
    }
    let hour = std::time::Duration::from_secs(3_600);
    let kinds = [
        EventKind::DaemonStarted,
        EventKind::DaemonStopped,
        EventKind::DaemonHeld,
        EventKind::DaemonReleased,
    ];
    let about = |job: Option<Name>, kinds: Vec<EventKind>| EventFilter {
        since: Some(at.minus(hour)),
        kinds,
        job,
        limit: Some(EVENTS_AROUND),
        after_seq: None,
    };
    let mut events = reader.events(&about(Some(name.clone()), Vec::new())).map_err(internal)?;
    events.extend(reader.events(&about(None, kinds.to_vec())).map_err(internal)?);
    events.sort_by_key(|event| event.seq);
    events.dedup_by_key(|event| event.seq);
    let changes = reader.revisions(Some(&name), EVENTS_AROUND).map_err(internal)?;
    Ok(reply::Ledger {
        job: view,
        at: zone.format_exact(at),
        last_fire_time: last.map(|at| zone.format_exact(at)),
        next_fire_time: next.map(|at| zone.format_exact(at)),
        runs,
        events: events.iter().map(|row| event_view(row, zone)).collect(),
        changes: changes.iter().rev().map(|row| change_view(row, zone)).collect(),
    })
}

/// Reads an instant of a request.
pub(super) fn instant(text: &str, parameter: &str) -> Result<Timestamp, ServiceError> {
    let at = crate::protocol::instant(text).ok_or_else(|| ServiceError::invalid_parameter(parameter))?;
    Ok(Timestamp::from_utc(at.to_utc()))
}

/// Waits for the end of a run in the ledger's words.
pub(super) fn run_answer(
    run: RunId,
    pictures: &Pictures,
    reader: &Reader,
) -> Result<reply::OneRun, ServiceError> {
    one_run(run, pictures, reader).map(|run| reply::OneRun { run })
}

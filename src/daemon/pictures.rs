//! Pictures of the jobs: taken by the loop in an instant, turned into views elsewhere.
//!
//! Jobs are selected by what is known of them, and only those that were asked for become views, each when it is
//! written: a picture of a hundred thousand jobs is never a hundred thousand views at once.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};

use super::answers::Around;
use super::catalogue::Catalogue;
use super::views::job::{broken_line, broken_view, command_line, job_line, job_view, trigger_spec};
use super::views::zone_of;
use crate::core::civil::Zone;
use crate::core::instant::Timestamp;
use crate::core::name::Name;
use crate::core::scheduler::{JobSnapshot, Scheduler};
use crate::jobfile::Diagnostic;
use crate::process::Logs;
use crate::protocol::candidate::Candidate;
use crate::protocol::error::ServiceError;
use crate::protocol::selector::Selector;
use crate::protocol::views::{JobLine, JobView};
use crate::protocol::{filter, reply};
use crate::store::{Counts, QueryError, Reader, RunRow, Standing};

/// The newest row of each job.
pub type Latest = HashMap<Name, RunRow>;

/// Everything that views of jobs are made from, to be taken to another thread.
#[derive(Clone, Debug)]
pub struct Pictures {
    jobs: Vec<JobSnapshot>,
    broken: Vec<(Name, Vec<Diagnostic>)>,
    zone: Zone,
    logs: Logs,
}

impl Pictures {
    /// Takes a picture without jobs.
    pub fn blank(catalogue: &Catalogue, logs: &Logs) -> Self {
        Pictures { jobs: Vec::new(), broken: Vec::new(), zone: catalogue.zone().clone(), logs: logs.clone() }
    }

    /// Takes a picture of every job at once.
    pub fn of_all(scheduler: &Scheduler, catalogue: &Catalogue, logs: &Logs) -> Self {
        let mut pictures = Pictures::blank(catalogue, logs);
        pictures.add_broken(catalogue);
        pictures.jobs = scheduler.jobs().collect();
        pictures
    }

    /// Adds a job.
    pub fn add(&mut self, job: JobSnapshot) {
        self.jobs.push(job);
    }

    /// Adds the jobs that do not load.
    pub fn add_broken(&mut self, catalogue: &Catalogue) {
        self.broken.extend(catalogue.broken().map(|(name, errors)| (name.clone(), errors.to_vec())));
    }

    /// Adds those of these jobs that there are, broken ones too.
    pub fn add_named<'n>(
        &mut self,
        names: impl IntoIterator<Item = &'n str>,
        scheduler: &Scheduler,
        catalogue: &Catalogue,
    ) {
        for name in names {
            match (scheduler.job(name), catalogue.errors_of(name), Name::new(name)) {
                (Some(job), ..) => self.jobs.push(job),
                (None, Some(errors), Ok(name)) => self.broken.push((name, errors.to_vec())),
                (None, _, _) => {}
            }
        }
    }

    /// Returns the names of the jobs.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let broken = self.broken.iter().map(|(name, _)| name.as_str());
        self.jobs.iter().map(|job| job.job.name.as_str()).chain(broken)
    }

    /// Returns the zone of what belongs to no job.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// Returns where outputs are.
    pub fn logs(&self) -> &Logs {
        &self.logs
    }

    /// Returns the zone of every job, for instants of rows.
    pub fn zones(&self) -> HashMap<Name, Zone> {
        let zone = |job: &JobSnapshot| (job.job.name.clone(), zone_of(&job.job, &self.zone).clone());
        self.jobs.iter().map(zone).collect()
    }

    /// Returns the jobs as a selector sees them, with what the ledger says of them last.
    pub fn candidates(&self, latest: &Latest) -> Vec<Known<'_>> {
        self.all_known(|name| latest.get(name).map(Standing::from))
    }

    fn all_known(&self, last: impl Fn(&Name) -> Option<Standing>) -> Vec<Known<'_>> {
        let jobs = self.jobs.iter().map(|job| Known::Job(job, last(&job.job.name)));
        let broken = self.broken.iter().map(|(name, errors)| Known::Broken(name, errors, last(name)));
        jobs.chain(broken).collect()
    }

    /// Selects jobs for a request that acts on them.
    ///
    /// # Errors
    /// As [`filter::select_to_act`].
    pub fn select_to_act(&self, selector: &Selector, latest: &Latest) -> Result<Vec<Name>, ServiceError> {
        let candidates = self.candidates(latest);
        let selected = filter::select_to_act(selector, &candidates)?;
        Ok(selected.into_iter().map(|known| known.name().clone()).collect())
    }

    /// Reads the newest row of each job.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn latest(reader: &Reader) -> Result<Latest, ServiceError> {
        let rows = reader.latest_runs().map_err(internal)?;
        Ok(rows.into_iter().map(|row| (row.job.clone(), row)).collect())
    }

    /// Lists jobs with everything there is to see of them, and hands that to `then`; `None` = without a ledger.
    ///
    /// # Errors
    /// As [`filter::select`], or the store cannot be read.
    pub fn list<T>(
        &self,
        selector: &Selector,
        reader: Option<&Reader>,
        then: impl FnOnce(&Views<'_>) -> T,
    ) -> Result<T, ServiceError> {
        let counts = reader.map_or_else(|| Ok(BTreeMap::new()), Reader::counts).map_err(internal)?;
        let latest = reader.map_or_else(|| Ok(Latest::new()), Pictures::latest)?;
        let candidates = self.candidates(&latest);
        let chosen = filter::select(selector, &candidates)?;
        Ok(then(&Views { chosen, latest: &latest, counts: &counts, pictures: self }))
    }

    /// Lists jobs in a line each, and hands the lines to `then`; `None` = without a ledger.
    ///
    /// # Errors
    /// As [`filter::select`], or the store cannot be read.
    pub fn lines<T>(
        &self,
        selector: &Selector,
        reader: Option<&Reader>,
        then: impl FnOnce(&Lines<'_>) -> T,
    ) -> Result<T, ServiceError> {
        let standings = reader.map_or_else(|| Ok(Vec::new()), Reader::standings).map_err(internal)?;
        let standings: HashMap<Name, Standing> = standings.into_iter().collect();
        let candidates = self.all_known(|name| standings.get(name).copied());
        let chosen = filter::select(selector, &candidates)?;
        Ok(then(&Lines { chosen, pictures: self }))
    }

    /// Makes the view of one job, with what the ledger says of it; `None` = there is no such job.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn view(&self, name: &str, reader: &Reader) -> Result<Option<JobView>, QueryError> {
        let Ok(checked) = Name::new(name) else { return Ok(None) };
        let latest = reader.latest_run(&checked)?.into_iter().map(|row| (row.job.clone(), row)).collect();
        let counts = reader.counts_of(&checked)?;
        Ok(self.view_with(name, &latest, &BTreeMap::from([(checked, counts)])))
    }

    /// Makes the view of one job without the ledger; `None` = there is no such job.
    pub fn bare_view(&self, name: &str) -> Option<JobView> {
        self.view_with(name, &Latest::new(), &BTreeMap::new())
    }

    /// Tells of a job and its fire times around an instant where there is no ledger.
    ///
    /// # Errors
    /// The job is not in the picture.
    pub fn blank_ledger(&self, name: &str, around: Around) -> Result<reply::Ledger, ServiceError> {
        let job = self.bare_view(name).ok_or_else(|| filter::no_such_job(name, []))?;
        let zone = self.zones().into_iter().find(|(job, _)| job.as_str() == name);
        let zone = zone.map_or_else(|| self.zone.clone(), |(_, zone)| zone);
        Ok(reply::Ledger {
            at: zone.format_exact(around.at),
            last_fire_time: around.last.map(|at| zone.format_exact(at)),
            next_fire_time: around.next.map(|at| zone.format_exact(at)),
            job,
            ..reply::Ledger::default()
        })
    }

    fn view_with(&self, name: &str, latest: &Latest, counts: &BTreeMap<Name, Counts>) -> Option<JobView> {
        let known = self.candidates(latest).into_iter().find(|known| known.name().as_str() == name)?;
        Some(self.view_of(&known, latest, counts))
    }

    fn view_of(&self, known: &Known<'_>, latest: &Latest, counts: &BTreeMap<Name, Counts>) -> JobView {
        let last = latest.get(known.name());
        match *known {
            Known::Job(job, _) => job_view(job, last, counts.get(&job.job.name), &self.zone, &self.logs),
            Known::Broken(name, errors, _) => broken_view(name, errors, last, &self.zone, &self.logs),
            Known::Gone(name) => JobView { name: name.to_string(), ..JobView::default() },
        }
    }

    fn line<'a>(&'a self, known: &Known<'a>) -> JobLine<'a> {
        match *known {
            Known::Job(job, last) => job_line(job, last, &self.zone),
            Known::Broken(name, _, last) => broken_line(name, last, &self.zone),
            Known::Gone(name) => JobLine { name: Cow::Borrowed(name.as_str()), ..JobLine::default() },
        }
    }
}

/// The jobs that were chosen; serialized, they become lines one after the other.
pub struct Lines<'a> {
    chosen: Vec<&'a Known<'a>>,
    pictures: &'a Pictures,
}

impl Lines<'_> {
    /// Makes the lines.
    pub fn iter(&self) -> impl Iterator<Item = JobLine<'_>> {
        self.chosen.iter().map(|known| self.pictures.line(known))
    }
}

impl Serialize for Lines<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

/// The jobs that were chosen; serialized, they become views one after the other.
pub struct Views<'a> {
    chosen: Vec<&'a Known<'a>>,
    latest: &'a Latest,
    counts: &'a BTreeMap<Name, Counts>,
    pictures: &'a Pictures,
}

impl Views<'_> {
    /// Makes the views.
    pub fn iter(&self) -> impl Iterator<Item = JobView> {
        self.chosen.iter().map(|known| self.pictures.view_of(known, self.latest, self.counts))
    }
}

impl Serialize for Views<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

/// What is known of a job before there is a view of it.
#[derive(Clone, Copy, Debug)]
pub enum Known<'a> {
    /// A job of the set, and where its newest run stands.
    Job(&'a JobSnapshot, Option<Standing>),
    /// A job whose definition does not load.
    Broken(&'a Name, &'a [Diagnostic], Option<Standing>),
    /// A name that has a history and no definition.
    Gone(&'a Name),
}

impl<'a> Known<'a> {
    /// Returns the job's name.
    pub fn name(&self) -> &'a Name {
        match self {
            Known::Job(job, _) => &job.job.name,
            Known::Broken(name, ..) | Known::Gone(name) => name,
        }
    }

    fn job(&self) -> Option<&'a JobSnapshot> {
        match self {
            Known::Job(job, _) => Some(job),
            Known::Broken(..) | Known::Gone(_) => None,
        }
    }

    fn last(&self) -> Option<Standing> {
        match self {
            Known::Job(_, last) | Known::Broken(.., last) => *last,
            Known::Gone(_) => None,
        }
    }
}

impl Candidate for Known<'_> {
    fn name(&self) -> &str {
        Known::name(self).as_str()
    }

    fn state(&self) -> &str {
        match self {
            Known::Job(job, _) => job.state.as_str(),
            Known::Broken(..) => "broken",
            Known::Gone(_) => "",
        }
    }

    fn kind(&self) -> &str {
        self.job().map_or("", |job| job.job.firing.kind())
    }

    fn spec(&self) -> Cow<'_, str> {
        self.job().map_or(Cow::Borrowed(""), |job| Cow::Owned(trigger_spec(&job.job)))
    }

    fn pool(&self) -> Option<&str> {
        self.job().and_then(|job| job.job.policy.pool.as_ref()).map(Name::as_str)
    }

    fn tags(&self) -> &[String] {
        self.job().map_or(&[], |job| &job.job.about.tags)
    }

    fn description(&self) -> Option<&str> {
        self.job().and_then(|job| job.job.about.description.as_deref())
    }

    fn command(&self) -> Cow<'_, str> {
        self.job().map_or(Cow::Borrowed(""), |job| Cow::Owned(command_line(&job.job.work)))
    }

    fn next_at(&self) -> Option<DateTime<Utc>> {
        self.job().and_then(|job| job.next_fire_time).and_then(Timestamp::to_utc)
    }

    fn last_status(&self) -> Option<&str> {
        self.last().map(|run| run.status.as_str())
    }

    fn last_started_at(&self) -> Option<DateTime<Utc>> {
        self.last().and_then(|run| run.started_at.or(run.fire_time)).and_then(Timestamp::to_utc)
    }

    fn last_active_at(&self) -> Option<DateTime<Utc>> {
        let at = |run: Standing| run.finished_at.or(run.started_at).unwrap_or(run.queued_at);
        self.last().map(at).and_then(Timestamp::to_utc)
    }
}

fn internal(error: impl ToString) -> ServiceError {
    ServiceError::Internal { message: error.to_string() }
}

//! Filters and sorting: what a selector takes from the jobs, and which events a client asked for.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::candidate::Candidate;
use super::error::ServiceError;
use super::request::Events;
use super::selector::{Selector, SortKey};
use super::views::EventView;
use super::{instant, pattern};

/// Returns the jobs that a question is about, in the order and number it asks for.
///
/// # Errors
/// [`ServiceError::NoSuchJob`] for a plain name that no job has, with the closest one; a glob may match nothing.
pub fn select<'a, C: Candidate>(selector: &Selector, jobs: &'a [C]) -> Result<Vec<&'a C>, ServiceError> {
    let mut missing: BTreeSet<&str> =
        selector.names.iter().map(String::as_str).filter(|name| !pattern::is_glob(name)).collect();
    if !missing.is_empty() {
        for job in jobs {
            missing.remove(job.name());
        }
    }
    match selector.names.iter().find(|name| missing.contains(name.as_str())) {
        Some(name) => Err(no_such_job(name, jobs.iter().map(Candidate::name))),
        None => Ok(matching(selector, jobs)),
    }
}

/// Returns the jobs that a request acts on.
///
/// # Errors
/// As [`select`], and [`ServiceError::NothingSelected`] where the selector is empty or nothing matches it.
pub fn select_to_act<'a, C: Candidate>(
    selector: &Selector,
    jobs: &'a [C],
) -> Result<Vec<&'a C>, ServiceError> {
    if selector.selects_nothing() {
        return Err(ServiceError::NothingSelected);
    }
    let selected = select(selector, jobs)?;
    if selected.is_empty() { Err(ServiceError::NothingSelected) } else { Ok(selected) }
}

/// Returns the jobs that match, in order; names that no job has are passed over.
pub fn matching<'a, C: Candidate>(selector: &Selector, jobs: &'a [C]) -> Vec<&'a C> {
    let filter = JobFilter::new(selector);
    let mut found: Vec<&C> = jobs.iter().filter(|job| filter.takes(*job)).collect();
    sort(&mut found, selector.sort.unwrap_or(SortKey::Name), selector.desc);
    if let Some(limit) = selector.limit {
        found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    }
    found
}

/// Sorts jobs; those without the value come last in both directions, equal ones by name.
pub fn sort<C: Candidate>(jobs: &mut Vec<&C>, key: SortKey, descending: bool) {
    let mut keyed: Vec<(Option<SortValue<'_>>, &C)> =
        jobs.drain(..).map(|job| (sort_value(job, key), job)).collect();
    keyed.sort_by(|(a, left), (b, right)| {
        let order = match (a, b) {
            (Some(a), Some(b)) if descending => b.cmp(a),
            (Some(a), Some(b)) => a.cmp(b),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        };
        order.then_with(|| left.name().cmp(right.name()))
    });
    jobs.extend(keyed.into_iter().map(|(_, job)| job));
}

/// Makes the error for a name that no job has, with the closest of those that exist.
pub fn no_such_job<'a>(name: &str, existing: impl IntoIterator<Item = &'a str>) -> ServiceError {
    ServiceError::NoSuchJob { name: name.to_owned(), suggestion: closest(name, existing) }
}

/// Returns the name that is most like another one, if one is like it at all: at most a third of it differs.
pub fn closest<'a>(name: &str, existing: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let allowed = (name.chars().count() / 3).max(1);
    existing
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate.to_owned())
}

/// Says whether a client that asked for events wants this one.
///
/// Filters by tag, pool, trigger, state or text are about jobs: whoever knows the jobs turns them into names
/// first (see [`Selector::of_jobs`]).
pub fn takes_event(request: &Events, event: &EventView) -> bool {
    let selector = &request.selector;
    let since = selector.since.as_deref().and_then(instant);
    request.after.is_none_or(|seq| event.seq > seq)
        && since.is_none_or(|since| instant(&event.at).is_some_and(|at| at >= since))
        && any_pattern(&request.only, &event.event)
        && (selector.names.is_empty()
            || event.job.as_ref().is_some_and(|job| any_pattern(&selector.names, job)))
        && (selector.status.is_empty()
            || event
                .event
                .strip_prefix("run.")
                .is_some_and(|name| selector.status.iter().any(|status| status == status_after(name))))
}

/// Returns the status a run has after the event `run.<name>`.
fn status_after(name: &str) -> &str {
    if name == "started" { "running" } else { name }
}

fn any_pattern(patterns: &[String], text: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| pattern::matches(pattern, text))
}

/// A selector made ready to be asked about many jobs.
struct JobFilter<'a> {
    selector: &'a Selector,
    names: BTreeSet<&'a str>,
    globs: Vec<&'a str>,
    text: Option<String>,
    since: Option<DateTime<Utc>>,
}

impl<'a> JobFilter<'a> {
    fn new(selector: &'a Selector) -> Self {
        let (globs, names): (Vec<&str>, Vec<&str>) =
            selector.names.iter().map(String::as_str).partition(|name| pattern::is_glob(name));
        JobFilter {
            selector,
            names: names.into_iter().collect(),
            globs,
            text: selector.q.as_ref().map(|text| text.to_lowercase()),
            since: selector.since.as_deref().and_then(instant).map(|at| at.to_utc()),
        }
    }

    fn takes(&self, job: &impl Candidate) -> bool {
        let Selector { tags, state, status, pool, trigger, .. } = self.selector;
        self.takes_name(job.name())
            && (tags.is_empty() || tags.iter().any(|tag| job.tags().contains(tag)))
            && one_of(state, Some(job.state()))
            && one_of(status, job.last_status())
            && one_of(pool, job.pool())
            && one_of(trigger, Some(job.kind()))
            && self.text.as_ref().is_none_or(|text| has_text(job, text))
            && self.since.is_none_or(|since| job.last_active_at().is_some_and(|at| at >= since))
    }

    fn takes_name(&self, name: &str) -> bool {
        (self.names.is_empty() && self.globs.is_empty())
            || self.names.contains(name)
            || self.globs.iter().any(|glob| pattern::matches(glob, name))
    }
}

fn one_of(wanted: &[String], value: Option<&str>) -> bool {
    wanted.is_empty() || value.is_some_and(|value| wanted.iter().any(|wanted| wanted == value))
}

fn has_text(job: &impl Candidate, text: &str) -> bool {
    let has = |part: &str| part.to_lowercase().contains(text);
    has(job.name())
        || job.description().is_some_and(has)
        || has(&job.command())
        || job.tags().iter().any(|tag| has(tag))
}

/// What jobs are compared by. Instants are compared as instants: their texts have the offsets of many zones.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum SortValue<'a> {
    Text(&'a str),
    Pair(&'a str, Cow<'a, str>),
    At(DateTime<Utc>),
}

fn sort_value(job: &impl Candidate, key: SortKey) -> Option<SortValue<'_>> {
    match key {
        SortKey::Name => Some(SortValue::Text(job.name())),
        SortKey::State => Some(SortValue::Text(job.state())),
        SortKey::Pool => job.pool().map(SortValue::Text),
        SortKey::Trigger => Some(SortValue::Pair(job.kind(), job.spec())),
        SortKey::Next => job.next_at().map(SortValue::At),
        SortKey::Last => job.last_started_at().map(SortValue::At),
    }
}

#[cfg(test)]
mod tests {
    use super::{closest, matching, select, select_to_act, takes_event};
    use crate::protocol::error::ServiceError;
    use crate::protocol::request::Events;
    use crate::protocol::selector::{Selector, SortKey};
    use crate::protocol::views::{EventView, JobView, RunView, TriggerView};

    fn job(name: &str, state: &str, next: Option<&str>, last: Option<(&str, &str)>) -> JobView {
        JobView {
            name: name.to_owned(),
            state: state.to_owned(),
            next_fire_time: next.map(str::to_owned),
            last_run: last.map(|(status, at)| RunView {
                status: status.to_owned(),
                started_at: Some(at.to_owned()),
                ..RunView::default()
            }),
            trigger: TriggerView { kind: "cron".to_owned(), ..TriggerView::default() },
            ..JobView::default()
        }
    }

    fn jobs() -> Vec<JobView> {
        let mut backup = job(
            "backup",
            "scheduled",
            // 09:00 UTC: before `report`, though its text is greater.
            Some("2026-03-29T11:00:00+02:00"),
            Some(("failed", "2026-03-28T11:00:00+02:00")),
        );
        backup.tags = vec!["nightly".to_owned(), "disk".to_owned()];
        backup.pool = Some("io".to_owned());
        backup.command = "restic backup /Home".to_owned();
        let mut report = job(
            "report",
            "paused",
            Some("2026-03-29T10:00:00Z"),
            Some(("succeeded", "2026-03-27T10:00:00Z")),
        );
        report.tags = vec!["nightly".to_owned()];
        report.trigger.kind = "every".to_owned();
        report.description = Some("Monthly FIGURES".to_owned());
        vec![report, job("db-main", "finished", None, None), backup, job("db-copy", "broken", None, None)]
    }

    fn list(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    #[test]
    fn filters_narrow() {
        let named = |names: &[&str]| Selector { names: list(names), ..Selector::default() };
        let table = [
            (Selector::default(), "backup db-copy db-main report"),
            (Selector { all: true, ..Selector::default() }, "backup db-copy db-main report"),
            (named(&["db-*"]), "db-copy db-main"),
            (named(&["db-*", "report"]), "db-copy db-main report"),
            (named(&["nothing*"]), ""),
            (Selector { tags: list(&["nightly"]), ..Selector::default() }, "backup report"),
            (Selector { tags: list(&["disk", "none"]), ..Selector::default() }, "backup"),
            (Selector { state: list(&["paused", "broken"]), ..Selector::default() }, "db-copy report"),
            (Selector { status: list(&["failed"]), ..Selector::default() }, "backup"),
            (Selector { pool: list(&["io"]), ..Selector::default() }, "backup"),
            (Selector { trigger: list(&["every"]), ..Selector::default() }, "report"),
            (Selector { q: Some("figures".to_owned()), ..Selector::default() }, "report"),
            (Selector { q: Some("/hOmE".to_owned()), ..Selector::default() }, "backup"),
            (Selector { q: Some("DISK".to_owned()), ..Selector::default() }, "backup"),
            (Selector { since: Some("2026-03-28T09:00:00Z".to_owned()), ..Selector::default() }, "backup"),
            (Selector { limit: Some(2), ..Selector::default() }, "backup db-copy"),
            (
                Selector { tags: list(&["nightly"]), state: list(&["paused"]), ..Selector::default() },
                "report",
            ),
        ];
        for (selector, expected) in table {
            let all = jobs();
            let names: Vec<&str> = matching(&selector, &all).iter().map(|job| job.name.as_str()).collect();
            assert_eq!(names.join(" "), expected, "{selector:?}");
        }
    }

    #[test]
    fn jobs_without_a_value_come_last_in_both_directions() {
        let table = [
            (SortKey::Name, false, "backup db-copy db-main report"),
            (SortKey::Name, true, "report db-main db-copy backup"),
            (SortKey::Next, false, "backup report db-copy db-main"),
            (SortKey::Next, true, "report backup db-copy db-main"),
            (SortKey::Last, false, "report backup db-copy db-main"),
            (SortKey::Last, true, "backup report db-copy db-main"),
            (SortKey::Pool, true, "backup db-copy db-main report"),
            (SortKey::State, false, "db-copy db-main report backup"),
            (SortKey::Trigger, true, "report backup db-copy db-main"),
        ];
        for (key, desc, expected) in table {
            let all = jobs();
            let selector = Selector { sort: Some(key), desc, ..Selector::default() };
            let names: Vec<&str> = matching(&selector, &all).iter().map(|job| job.name.as_str()).collect();
            assert_eq!(names.join(" "), expected, "{key:?} desc={desc}");
        }
    }

    #[test]
    fn a_name_that_no_job_has_is_an_error_with_a_suggestion() {
        let all = jobs();
        let error = select(&Selector::named("bakcup"), &all).unwrap_err();
        let suggestion = Some("backup".to_owned());
        assert_eq!(error, ServiceError::NoSuchJob { name: "bakcup".to_owned(), suggestion });
        let error = select(&Selector::named("zzz"), &all).unwrap_err();
        assert_eq!(error, ServiceError::NoSuchJob { name: "zzz".to_owned(), suggestion: None });
        assert_eq!(closest("job-a", ["job-c", "job-b"]).as_deref(), Some("job-b"));
    }

    #[test]
    fn acting_needs_something_to_act_on() {
        let all = jobs();
        let refused = Err(ServiceError::NothingSelected);
        assert_eq!(select_to_act(&Selector::default(), &all), refused);
        let only_sorted = Selector { sort: Some(SortKey::Name), limit: Some(1), ..Selector::default() };
        assert_eq!(select_to_act(&only_sorted, &all), refused);
        assert_eq!(select_to_act(&Selector::named("x*"), &all), refused);
        assert_eq!(select_to_act(&Selector { all: true, ..Selector::default() }, &all).unwrap().len(), 4);
        assert_eq!(select_to_act(&Selector::named("report"), &all).unwrap().len(), 1);
    }

    #[test]
    fn events_are_filtered_by_name_job_status_number_and_instant() {
        let event = EventView {
            seq: 5,
            at: "2026-03-28T10:00:00Z".to_owned(),
            event: "run.started".to_owned(),
            job: Some("backup".to_owned()),
            ..EventView::default()
        };
        let with = |selector: Selector| Events { selector, ..Events::default() };
        let table = [
            (Events::default(), true),
            (Events { only: list(&["run.*"]), ..Events::default() }, true),
            (Events { only: list(&["job.*", "run.failed"]), ..Events::default() }, false),
            (Events { after: Some(4), ..Events::default() }, true),
            (Events { after: Some(5), ..Events::default() }, false),
            (with(Selector::named("b*")), true),
            (with(Selector::named("c*")), false),
            (with(Selector { status: list(&["running"]), ..Selector::default() }), true),
            (with(Selector { status: list(&["failed"]), ..Selector::default() }), false),
            (
                with(Selector { since: Some("2026-03-28T11:00:00+01:00".to_owned()), ..Selector::default() }),
                true,
            ),
            (with(Selector { since: Some("2026-03-28T10:00:01Z".to_owned()), ..Selector::default() }), false),
        ];
        for (request, expected) in table {
            assert_eq!(takes_event(&request, &event), expected, "{request:?}");
        }
        let of_the_daemon = EventView { event: "daemon.held".to_owned(), ..EventView::default() };
        assert!(!takes_event(&with(Selector::named("b*")), &of_the_daemon));
    }
}

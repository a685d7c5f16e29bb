//! Which jobs a command is about: names, globs and the filters that all commands share.

use std::cmp::Ordering;

use clap::ValueEnum;
use clap_complete::ArgValueCandidates;

use super::complete;
use super::error::CliError;
use crate::protocol::views::JobView;

/// The filters of jobs.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Filters")]
pub(crate) struct JobFilter {
    /// Only jobs in this state (repeatable)
    #[arg(long, value_name = "STATE", value_delimiter = ',',
          value_parser = ["scheduled", "running", "paused", "finished", "broken"])]
    pub(crate) state: Vec<String>,
    /// Only jobs of this pool
    #[arg(long, value_name = "POOL", add = ArgValueCandidates::new(complete::pools))]
    pub(crate) pool: Option<String>,
    /// Only jobs with this kind of trigger (repeatable)
    #[arg(long, value_name = "KIND", value_delimiter = ',',
          value_parser = ["cron", "every", "at", "startup", "shutdown", "after", "any", "all"])]
    pub(crate) trigger: Vec<String>,
    /// Only jobs with this tag (repeatable: with any of them)
    #[arg(long, value_name = "TAG", value_delimiter = ',', add = ArgValueCandidates::new(complete::tags))]
    pub(crate) tag: Vec<String>,
    /// Only jobs with this text in name, description, command or trigger
    #[arg(short = 'q', long = "query", value_name = "TEXT")]
    pub(crate) text: Option<String>,
}

/// The order and number of jobs shown.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Order")]
pub(crate) struct JobOrder {
    /// Sort by this
    #[arg(long, value_enum, value_name = "KEY", default_value_t)]
    pub(crate) sort: SortKey,
    /// Sort downwards
    #[arg(long)]
    pub(crate) desc: bool,
    /// Show at most this many
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
}

/// By what jobs are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum SortKey {
    /// Name
    #[default]
    Name,
    /// Next fire time; jobs without one come last, either way
    Next,
    /// State
    State,
    /// Pool; jobs without one come last, either way
    Pool,
    /// Kind of trigger
    Trigger,
    /// End of the last run; jobs without one come last, either way
    Last,
}

impl JobFilter {
    /// Says whether no filter was given.
    pub(crate) fn is_empty(&self) -> bool {
        self.state.is_empty()
            && self.pool.is_none()
            && self.trigger.is_empty()
            && self.tag.is_empty()
            && self.text.is_none()
    }

    /// Says whether a job passes every filter.
    pub(crate) fn takes(&self, job: &JobView) -> bool {
        let one_of = |wanted: &[String], word: &str| wanted.is_empty() || wanted.iter().any(|w| w == word);
        one_of(&self.state, &job.state)
            && one_of(&self.trigger, &job.trigger.kind)
            && (self.pool.is_none() || self.pool == job.pool)
            && (self.tag.is_empty() || job.tags.iter().any(|tag| self.tag.contains(tag)))
            && self.text.as_ref().is_none_or(|text| mentions(job, text))
    }
}

fn mentions(job: &JobView, text: &str) -> bool {
    let text = text.to_lowercase();
    let places = [Some(&job.name), job.description.as_ref(), Some(&job.command), Some(&job.trigger.spec)];
    places.into_iter().flatten().any(|place| place.to_lowercase().contains(&text))
}

impl JobOrder {
    /// Sorts jobs and cuts their number.
    pub(crate) fn apply(&self, jobs: &mut Vec<JobView>) {
        jobs.sort_by(|one, other| {
            let by_key = match self.sort {
                SortKey::Name => Ordering::Equal,
                SortKey::Next => self.times(one.next_fire_time.as_deref(), other.next_fire_time.as_deref()),
                SortKey::State => self.turned(one.state.cmp(&other.state)),
                SortKey::Pool => self.known(one.pool.as_ref(), other.pool.as_ref()),
                SortKey::Trigger => self.turned(one.trigger.kind.cmp(&other.trigger.kind)),
                SortKey::Last => self.times(last(one), last(other)),
            };
            by_key.then_with(|| match self.sort {
                SortKey::Name => self.turned(one.name.cmp(&other.name)),
                _ => one.name.cmp(&other.name),
            })
        });
        if let Some(limit) = self.limit {
            jobs.truncate(limit);
        }
    }

    fn turned(&self, order: Ordering) -> Ordering {
        if self.desc { order.reverse() } else { order }
    }

    /// Orders what may be absent: absent comes last in both directions.
    fn known<T: Ord>(&self, one: Option<T>, other: Option<T>) -> Ordering {
        match (one, other) {
            (Some(one), Some(other)) => self.turned(one.cmp(&other)),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        }
    }

    fn times(&self, one: Option<&str>, other: Option<&str>) -> Ordering {
        let instant = super::render::time::instant;
        self.known(one.and_then(instant), other.and_then(instant))
    }
}

fn last(job: &JobView) -> Option<&str> {
    let run = job.last_run.as_ref()?;
    run.finished_at.as_deref().or(run.started_at.as_deref()).or(run.fire_time.as_deref())
}

/// Jobs for a command that acts on them.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Select {
    /// Jobs by name; * and ? stand for any characters and any one character
    #[arg(value_name = "JOB", add = ArgValueCandidates::new(complete::jobs))]
    pub(crate) jobs: Vec<String>,
    /// Every job
    #[arg(long, conflicts_with = "jobs")]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) filter: JobFilter,
}

impl Select {
    /// Says whether it may be about more jobs than its names show.
    pub(crate) fn is_bulk(&self) -> bool {
        self.jobs.iter().any(|job| is_glob(job)) || self.jobs.is_empty()
    }

    /// Refuses a selection that selects by nothing.
    ///
    /// # Errors
    /// No name, no filter and not `--all`.
    pub(crate) fn check(&self) -> Result<(), CliError> {
        if self.jobs.is_empty() && !self.all && self.filter.is_empty() {
            return Err(
                CliError::usage("which jobs?").hint("name them, or give --tag TAG, another filter, or --all")
            );
        }
        Ok(())
    }

    /// Says whether a job is selected.
    pub(crate) fn takes(&self, job: &JobView) -> bool {
        takes_name(&self.jobs, &job.name) && self.filter.takes(job)
    }

    /// Picks the selected jobs.
    ///
    /// # Errors
    /// A name without wildcards that no job has.
    pub(crate) fn pick<'j>(&self, jobs: &'j [JobView]) -> Result<Vec<&'j JobView>, CliError> {
        for name in self.jobs.iter().filter(|name| !is_glob(name)) {
            if !jobs.iter().any(|job| job.name == *name) {
                return Err(super::files::no_such_job(name, jobs.iter().map(|job| job.name.as_str())));
            }
        }
        Ok(jobs.iter().filter(|job| self.takes(job)).collect())
    }
}

/// Says whether a name passes a list of names and globs; an empty list takes every name.
pub(crate) fn takes_name(patterns: &[String], name: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| matches(pattern, name))
}

/// Says whether a text has wildcards.
pub(crate) fn is_glob(text: &str) -> bool {
    text.contains(['*', '?'])
}

/// Says whether a text matches a pattern in which `*` stands for any characters and `?` for any one.
///
/// Takes time proportional to the product of the lengths at worst, never more.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                // The last star takes one character more.
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    p = at + 1;
                    t = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::{JobFilter, JobOrder, Select, SortKey, matches};
    use crate::protocol::views::{JobView, TriggerView};

    fn job(name: &str, next: Option<&str>) -> JobView {
        let trigger = TriggerView { kind: "cron".to_owned(), ..TriggerView::default() };
        JobView {
            name: name.to_owned(),
            state: "scheduled".to_owned(),
            next_fire_time: next.map(str::to_owned),
            command: format!("run {name}"),
            tags: vec!["nightly".to_owned()],
            trigger,
            ..JobView::default()
        }
    }

    #[test]
    fn wildcards_match_and_take_bounded_time() {
        let cases = [
            ("backup", "backup", true),
            ("back*", "backup", true),
            ("*up", "backup", true),
            ("b?ckup", "backup", true),
            ("*a*u*", "backup", true),
            ("*", "", true),
            ("b", "backup", false),
            ("?", "", false),
            ("*x", "backup", false),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
        let (pattern, text) = ("*a".repeat(60), "a".repeat(59));
        assert!(!matches(&pattern, &text));
    }

    #[test]
    fn absent_fire_times_come_last_in_both_directions() {
        let all = || {
            vec![
                job("never", None),
                job("east", Some("2026-01-02T01:00:00+02:00")),
                job("utc", Some("2026-01-01T23:30:00Z")),
            ]
        };
        for (desc, expected) in [(false, ["east", "utc", "never"]), (true, ["utc", "east", "never"])] {
            let mut jobs = all();
            JobOrder { sort: SortKey::Next, desc, limit: None }.apply(&mut jobs);
            let names: Vec<&str> = jobs.iter().map(|job| job.name.as_str()).collect();
            assert_eq!(names, expected);
        }
    }

    #[test]
    fn filters_are_joined_by_and() {
        let mut filter = JobFilter { text: Some("RUN A".to_owned()), ..JobFilter::default() };
        assert!(filter.takes(&job("a", None)));
        assert!(!filter.takes(&job("b", None)));
        filter.tag = vec!["weekly".to_owned()];
        assert!(!filter.takes(&job("a", None)));
    }

    #[test]
    fn a_selection_names_what_is_not_there() {
        let jobs = [job("backup", None), job("report", None)];
        let select = |names: &[&str]| Select {
            jobs: names.iter().map(ToString::to_string).collect(),
            ..Select::default()
        };
        let picked = select(&["b*", "report"]).pick(&jobs).unwrap();
        assert_eq!(picked.len(), 2);
        let error = select(&["bakup"]).pick(&jobs).unwrap_err();
        assert_eq!(error.hint.as_deref(), Some("did you mean backup?"));
        assert!(select(&["x*"]).pick(&jobs).unwrap().is_empty());
        assert!(select(&[]).check().is_err());
        assert!(select(&["b*"]).is_bulk() && !select(&["backup"]).is_bulk());
    }
}

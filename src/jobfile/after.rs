//! `after`: jobs that wait for other jobs, and the circles they must not form.

use std::collections::HashMap;

use toml::de::DeValue;

use crate::core::name::Name;
use crate::core::trigger::{Dependency, DependencyOn};

use super::raw::{Item, Span};
use super::reader::{Field, Reader};

/// The most names that a message shows of a circle.
const SHOWN: usize = 8;

const ENDS: &[(&str, DependencyOn)] =
    &[("success", DependencyOn::Success), ("failure", DependencyOn::Failure), ("any", DependencyOn::Any)];

/// The jobs of the set that are defined elsewhere: for a load the added ones, for an added job all others.
pub trait Peers {
    /// Returns what a job waits for (nothing, for most); `None` = there is no such job.
    fn waits_for(&self, job: &str) -> Option<Vec<Name>>;
    /// Returns all names, for suggestions.
    fn names(&self) -> Vec<Name>;
}

/// No other jobs.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoPeers;

impl Peers for NoPeers {
    fn waits_for(&self, _job: &str) -> Option<Vec<Name>> {
        None
    }

    fn names(&self) -> Vec<Name> {
        Vec::new()
    }
}

impl<S: std::hash::BuildHasher> Peers for HashMap<Name, Vec<Name>, S> {
    fn waits_for(&self, job: &str) -> Option<Vec<Name>> {
        self.get(job).cloned()
    }

    fn names(&self) -> Vec<Name> {
        self.keys().cloned().collect()
    }
}

/// One job that waits for another, with the place that says so.
#[derive(Debug)]
pub(crate) struct Wait {
    file: usize,
    span: Span,
    job: Name,
    on: Name,
}

#[derive(Default)]
struct Draft {
    job: Option<Name>,
    on: Option<DependencyOn>,
}

/// Reads what a job waits for: a name, a table `{ job, on }`, or a list of both.
pub(crate) fn dependencies(item: Item<'_>, job: &str, reader: &mut Reader<'_>) -> Option<Vec<Dependency>> {
    let members = match item.value {
        DeValue::Array(_) => reader.list(item)?,
        _ => vec![item],
    };
    let mut found: Vec<Dependency> = Vec::with_capacity(members.len());
    let mut whole = true;
    for member in members {
        match dependency(member, reader) {
            None => whole = false,
            Some(one) if found.iter().any(|other| other.job == one.job) => {
                reader.error(member.span, format!("{:?} is there twice", one.job.as_str()), None);
            }
            Some(one) => {
                if let Ok(job) = Name::new(job) {
                    let wait = Wait { file: reader.file, span: member.span, job, on: one.job.clone() };
                    reader.waits.push(wait);
                }
                found.push(one);
            }
        }
    }
    whole.then_some(found)
}

fn dependency(item: Item<'_>, reader: &mut Reader<'_>) -> Option<Dependency> {
    const FIELDS: &[Field<Draft>] = &[
        Field { key: "job", read: |draft, item, reader| draft.job = reader.name(item) },
        Field { key: "on", read: |draft, item, reader| draft.on = reader.word(item, ENDS) },
    ];
    let mut draft = Draft::default();
    match item.value {
        DeValue::Table(table) => {
            reader.table(table, "\"after\"", FIELDS, &mut draft);
            if !table.contains_key("job") {
                reader.absent(item.span, "\"after\" needs the name of a job", None);
            }
        }
        DeValue::String(_) => draft.job = reader.name(item),
        _ => return reader.wrong(item, "the name of a job or a table { job, on }"),
    }
    Some(Dependency { job: draft.job?, on: draft.on.unwrap_or(DependencyOn::Success) })
}

/// Notes jobs that do not exist and circles; `own` are the jobs that were read, whether they are sound or not.
pub(crate) fn check(own: &[&Name], peers: &dyn Peers, reader: &mut Reader<'_>) {
    let waits = std::mem::take(&mut reader.waits);
    if waits.is_empty() {
        return;
    }
    let mut graph: HashMap<&str, Vec<&Wait>> = own.iter().map(|name| (name.as_str(), Vec::new())).collect();
    for wait in &waits {
        graph.entry(wait.job.as_str()).or_default().push(wait);
    }
    if !reader.partial {
        unknown_jobs(&waits, &graph, peers, reader);
    }
    circles(&waits, &graph, peers, reader);
}

fn unknown_jobs(
    waits: &[Wait],
    graph: &HashMap<&str, Vec<&Wait>>,
    peers: &dyn Peers,
    reader: &mut Reader<'_>,
) {
    let mut others: Option<Vec<Name>> = None;
    for wait in waits {
        if graph.contains_key(wait.on.as_str()) || peers.waits_for(wait.on.as_str()).is_some() {
            continue;
        }
        let others = others.get_or_insert_with(|| peers.names());
        let known = graph.keys().copied().chain(others.iter().map(Name::as_str));
        let known = known.filter(|name| *name != wait.job.as_str());
        let hint = reader.suggester.hint(wait.on.as_str(), known);
        reader.file = wait.file;
        reader.error(wait.span, format!("there is no job {:?}", wait.on.as_str()), hint);
    }
}

/// How far the search has come with a job.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    OnPath,
    Done,
}

/// Finds each circle once: a depth-first search with a stack of its own, for chains may be long.
fn circles(waits: &[Wait], graph: &HashMap<&str, Vec<&Wait>>, peers: &dyn Peers, reader: &mut Reader<'_>) {
    let follow = |job: &str| -> Vec<Name> {
        match graph.get(job) {
            Some(waits) => waits.iter().map(|wait| wait.on.clone()).collect(),
            None => peers.waits_for(job).unwrap_or_default(),
        }
    };
    let mut marks: HashMap<Name, Mark> = HashMap::new();
    for first in waits {
        if marks.contains_key(&first.job) {
            continue;
        }
        let mut path: Vec<(Name, Vec<Name>)> = vec![(first.job.clone(), follow(first.job.as_str()))];
        marks.insert(first.job.clone(), Mark::OnPath);
        while let Some((job, rest)) = path.last_mut() {
            let Some(next) = rest.pop() else {
                marks.insert(job.clone(), Mark::Done);
                path.pop();
                continue;
            };
            match marks.get(&next) {
                Some(Mark::Done) => {}
                Some(Mark::OnPath) => {
                    let from = path.iter().position(|(job, _)| *job == next).unwrap_or(0);
                    let circle: Vec<&Name> = path[from..].iter().map(|(job, _)| job).collect();
                    note_circle(&circle, graph, reader);
                }
                None => {
                    let rest = follow(next.as_str());
                    marks.insert(next.clone(), Mark::OnPath);
                    path.push((next, rest));
                }
            }
        }
    }
}

/// Notes a circle at the first of its members that this load has read.
fn note_circle(circle: &[&Name], graph: &HashMap<&str, Vec<&Wait>>, reader: &mut Reader<'_>) {
    let places = circle.iter().enumerate().filter_map(|(at, job)| {
        let next = circle[(at + 1) % circle.len()];
        let wait = graph.get(job.as_str())?.iter().find(|wait| wait.on == *next)?;
        Some((at, *wait))
    });
    let Some((at, wait)) = places.min_by_key(|(_, wait)| (wait.file, wait.span.start)) else { return };
    let message = if circle.len() == 1 {
        "a job cannot wait for itself".to_owned()
    } else {
        let turned = circle[at..].iter().chain(&circle[..=at]);
        let mut names: Vec<&str> = turned.map(|name| name.as_str()).collect();
        if names.len() > SHOWN {
            names.splice(SHOWN - 2..names.len() - 1, ["..."]);
        }
        format!("these jobs wait for each other: {}", names.join(" -> "))
    };
    reader.file = wait.file;
    reader.error(wait.span, message, None);
}

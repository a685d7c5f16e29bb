//! What a job runs: `command`, `steps` or `parallel`.

use std::collections::HashSet;
use std::time::Duration;

use toml::de::DeValue;

use crate::core::job::{Command, Parallel, Step, StepBody, Work};

use super::diagnostic::quoted;
use super::raw::{Item, Span};
use super::reader::{Field, Reader, set};

/// The keys that say what a job runs, and `fail_fast` beside `parallel`.
pub(crate) const KEYS: [&str; 4] = ["command", "steps", "parallel", "fail_fast"];

/// The longest name of a step, in bytes.
const MAX_STEP_NAME_BYTES: usize = 128;

/// Reads the work of a job from the items of [`KEYS`]; `place` is the job's own name, for what is absent.
pub(crate) fn resolve(found: &[Option<Item<'_>>; 4], place: Span, reader: &mut Reader<'_>) -> Option<Work> {
    let [command, steps, parallel, fail_fast] = *found;
    let mut given = [command, steps, parallel].into_iter().flatten();
    let Some(first) = given.next() else {
        reader.absent(
            place,
            "the job has nothing to run",
            Some("give it one of command, steps, parallel".to_owned()),
        );
        return None;
    };
    for second in given {
        let message = format!("{:?} beside {:?}: a job has one of them", second.key, first.key);
        reader.error(second.key_span, message, None);
    }
    let mut fast = false;
    if let Some(item) = fail_fast {
        set(&mut fast, reader.truth(item));
        if parallel.is_none() {
            reader.error(item.key_span, "\"fail_fast\" goes with \"parallel\"", None);
        }
    }
    match first.key {
        "command" => command_of(first, reader).map(Work::Command),
        "steps" => members(first, Nesting::Steps, reader).map(Work::Steps),
        _ => members(first, Nesting::Parallel, reader)
            .map(|steps| Work::Parallel(Box::new(Parallel { steps, fail_fast: fast }))),
    }
}

/// Reads a command: text for the shell, or a list of a program and its arguments.
pub(crate) fn command_of(item: Item<'_>, reader: &mut Reader<'_>) -> Option<Command> {
    match item.value {
        DeValue::String(_) => reader.text(item).map(|text| Command::Shell(text.into())),
        DeValue::Array(_) => {
            let members = reader.list(item)?;
            let mut words: Vec<&str> = Vec::with_capacity(members.len());
            for member in members {
                words.push(reader.any_text(member)?);
            }
            if words.first().is_some_and(|program| program.trim().is_empty()) {
                reader.error(item.span, format!("{:?} names no program", item.key), None);
                return None;
            }
            Some(Command::Argv(words.into_iter().collect()))
        }
        _ => reader.wrong(item, "text or a list of texts"),
    }
}

/// Reads the commands of a hook: one text, or a list of texts and argument lists.
pub(crate) fn commands(item: Item<'_>, reader: &mut Reader<'_>) -> Option<Vec<Command>> {
    let mut commands = Vec::new();
    for member in reader.one_or_more(item) {
        commands.push(command_of(member, reader)?);
    }
    Some(commands)
}

/// Where a step stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Nesting {
    /// In `steps` of a job: it may itself be a group.
    Steps,
    /// In `parallel`: a single command.
    Parallel,
}

fn members(item: Item<'_>, nesting: Nesting, reader: &mut Reader<'_>) -> Option<Box<[Step]>> {
    let members = reader.list(item)?;
    let mut names: HashSet<Box<str>> = HashSet::with_capacity(members.len());
    let mut steps = Vec::with_capacity(members.len());
    let mut whole = true;
    for (position, member) in members.into_iter().enumerate() {
        let Some(step) = step(member, position + 1, nesting, reader) else {
            whole = false;
            continue;
        };
        if !names.insert(step.name.clone()) {
            reader.error(member.span, format!("there are two steps {}", quoted(&step.name)), None);
        }
        steps.push(step);
    }
    whole.then(|| steps.into())
}

/// A step while its keys are read.
#[derive(Default)]
pub(crate) struct StepDraft {
    name: Option<Box<str>>,
    command: Option<Option<Command>>,
    parallel: Option<Option<Box<[Step]>>>,
    fail_fast: Option<bool>,
    timeout: Option<Duration>,
    continue_on_error: bool,
}

/// The keys of a member of `steps` or `parallel`.
pub(crate) const STEP_FIELDS: &[Field<StepDraft>] = &[
    Field { key: "name", read: |step, item, reader| step.name = step_name(item, reader) },
    Field { key: "command", read: |step, item, reader| step.command = Some(command_of(item, reader)) },
    Field {
        key: "parallel",
        read: |step, item, reader| step.parallel = Some(members(item, Nesting::Parallel, reader)),
    },
    Field { key: "fail_fast", read: |step, item, reader| step.fail_fast = reader.truth(item) },
    Field { key: "timeout", read: |step, item, reader| step.timeout = reader.positive(item) },
    Field {
        key: "continue_on_error",
        read: |step, item, reader| set(&mut step.continue_on_error, reader.truth(item)),
    },
];

fn step(item: Item<'_>, number: usize, nesting: Nesting, reader: &mut Reader<'_>) -> Option<Step> {
    let numbered = || number.to_string().into();
    let DeValue::Table(table) = item.value else {
        let body = StepBody::Command(command_of(item, reader)?);
        return Some(Step { name: numbered(), body, timeout: None, continue_on_error: false });
    };
    if let (Nesting::Parallel, Some((key, _))) = (nesting, table.get_key_value("parallel")) {
        let span = Span::of(&key.span());
        reader.error(
            span,
            "\"parallel\" inside \"parallel\"",
            Some("put the commands in one list".to_owned()),
        );
        return None;
    }
    let mut draft = StepDraft::default();
    reader.table(table, "a step", STEP_FIELDS, &mut draft);
    if draft.fail_fast.is_some() && draft.parallel.is_none() {
        reader.error(item.span, "\"fail_fast\" goes with \"parallel\"", None);
    }
    let body = match (draft.command, draft.parallel) {
        (Some(command), None) => StepBody::Command(command?),
        (None, Some(commands)) => {
            StepBody::Parallel { commands: commands?, fail_fast: draft.fail_fast.unwrap_or(false) }
        }
        (None, None) => {
            reader.absent(item.span, "the step has nothing to run", Some("give it a command".to_owned()));
            return None;
        }
        (Some(_), Some(_)) => {
            reader.error(item.span, "\"command\" beside \"parallel\": a step has one of them", None);
            return None;
        }
    };
    Some(Step {
        name: draft.name.unwrap_or_else(numbered),
        body,
        timeout: draft.timeout,
        continue_on_error: draft.continue_on_error,
    })
}

fn step_name(item: Item<'_>, reader: &mut Reader<'_>) -> Option<Box<str>> {
    let text = reader.text(item)?;
    if text.len() > MAX_STEP_NAME_BYTES || text.contains(char::is_control) {
        let message =
            format!("the name of a step has at most {MAX_STEP_NAME_BYTES} bytes and no control ones");
        reader.error(item.span, message, None);
        return None;
    }
    Some(text.into())
}

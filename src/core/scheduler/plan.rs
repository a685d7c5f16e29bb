//! The plan of one attempt: which commands, in which order, which of them side by side.
//!
//! A plan names commands by their place in the job, so that nothing is copied. The stages before the end
//! (hooks, then the work) are fixed when the attempt starts; the closing stages depend on how it went.

use std::time::Duration;

use crate::core::job::{Command, Hooks, Job, Step, StepBody, Work};

/// The time limit of a hook: hooks are contained and never hold a run for long.
pub(super) const HOOK_TIMEOUT: Duration = Duration::from_secs(60);

/// Where in a job (or in the global hooks) a command stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// The only command of a job.
    Work,
    /// A member of `steps` or `parallel`.
    Step(usize),
    /// A member of a step that is itself parallel.
    Nested(usize, usize),
    /// A hook.
    Hook(HookKind, HookOwner, usize),
}

/// Which list of hooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HookKind {
    Before,
    AfterRun,
    OnSuccess,
    OnFailure,
}

/// Whose hooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HookOwner {
    Global,
    Job,
}

impl Place {
    /// Returns a short word of letters, digits and dashes that stands for the place.
    pub fn code(self) -> String {
        match self {
            Place::Work => "w".to_owned(),
            Place::Step(index) => format!("s{index}"),
            Place::Nested(outer, inner) => format!("n{outer}-{inner}"),
            Place::Hook(kind, owner, index) => {
                let kind = match kind {
                    HookKind::Before => 'b',
                    HookKind::AfterRun => 'a',
                    HookKind::OnSuccess => 's',
                    HookKind::OnFailure => 'f',
                };
                let owner = match owner {
                    HookOwner::Global => 'g',
                    HookOwner::Job => 'j',
                };
                format!("h{kind}{owner}{index}")
            }
        }
    }

    /// Reads such a word back.
    pub fn from_code(code: &str) -> Option<Self> {
        if code == "w" {
            return Some(Place::Work);
        }
        if let Some(index) = code.strip_prefix('s') {
            return index.parse().ok().map(Place::Step);
        }
        if let Some((outer, inner)) = code.strip_prefix('n').and_then(|rest| rest.split_once('-')) {
            return Some(Place::Nested(outer.parse().ok()?, inner.parse().ok()?));
        }
        let mut letters = code.strip_prefix('h')?.chars();
        let kind = match letters.next()? {
            'b' => HookKind::Before,
            'a' => HookKind::AfterRun,
            's' => HookKind::OnSuccess,
            'f' => HookKind::OnFailure,
            _ => return None,
        };
        let owner = match letters.next()? {
            'g' => HookOwner::Global,
            'j' => HookOwner::Job,
            _ => return None,
        };
        Some(Place::Hook(kind, owner, letters.as_str().parse().ok()?))
    }
}

/// Commands that run side by side; the next stage begins when all have ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stage {
    pub(super) kind: StageKind,
    pub(super) places: Vec<Place>,
    /// True: the first failure ends the others.
    pub(super) fail_fast: bool,
    /// True: a failure here does not fail the attempt.
    pub(super) continue_on_error: bool,
    /// Limit of the stage's commands, each.
    pub(super) timeout: Option<Duration>,
}

/// What a failure of a stage means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StageKind {
    /// It fails the attempt, and the work is not done.
    Before,
    /// It fails the attempt.
    Work,
    /// It is recorded and changes nothing.
    Closing,
}

/// Makes the stages up to the end of the work.
pub(super) fn opening(job: &Job, global: &Hooks) -> Vec<Stage> {
    let mut stages = hooks(HookKind::Before, job, global, StageKind::Before);
    match &job.work {
        Work::Command(_) => stages.push(work(vec![Place::Work], false, false, None)),
        Work::Steps(steps) => {
            stages.extend(steps.iter().enumerate().map(|(index, step)| step_stage(index, step)));
        }
        Work::Parallel(parallel) => {
            let places = (0..parallel.steps.len()).map(Place::Step).collect();
            stages.push(work(places, parallel.fail_fast, false, None));
        }
    }
    stages
}

/// Makes the stages after the end of the work; `success` is `None` while another attempt will follow.
pub(super) fn closing(job: &Job, global: &Hooks, success: Option<bool>) -> Vec<Stage> {
    let mut stages = match success {
        Some(true) => hooks(HookKind::OnSuccess, job, global, StageKind::Closing),
        Some(false) => hooks(HookKind::OnFailure, job, global, StageKind::Closing),
        None => Vec::new(),
    };
    stages.extend(hooks(HookKind::AfterRun, job, global, StageKind::Closing));
    stages
}

/// Makes the stage of commands that have outlived the daemon that started them and the definition they are from.
pub(super) fn orphaned(places: Vec<Place>) -> Stage {
    work(places, false, false, None)
}

/// Finds the command at a place; `None` for a place that is not in this job.
pub fn command<'a>(job: &'a Job, global: &'a Hooks, place: Place) -> Option<&'a Command> {
    match (place, &job.work) {
        (Place::Work, Work::Command(command)) => Some(command),
        (Place::Work, Work::Steps(_) | Work::Parallel(_)) => None,
        (Place::Step(_) | Place::Nested(..), _) => match &step(job, place)?.body {
            StepBody::Command(command) => Some(command),
            StepBody::Parallel { .. } => None,
        },
        (Place::Hook(kind, owner, index), _) => hook_list(kind, owner, job, global).get(index),
    }
}

/// Names the command at a place, as views and `JOBCTL_STEP` show it; numbers count from 1.
pub fn name(job: &Job, place: Place) -> String {
    match place {
        Place::Work => "command".to_owned(),
        Place::Step(index) => {
            step(job, place).map_or_else(|| (index + 1).to_string(), |s| s.name.to_string())
        }
        Place::Nested(outer, _) => {
            let group = step(job, Place::Step(outer)).map_or_else(String::new, |s| s.name.to_string());
            let member = step(job, place).map_or_else(String::new, |s| s.name.to_string());
            format!("{group}/{member}")
        }
        Place::Hook(kind, owner, index) => {
            let list = match kind {
                HookKind::Before => "before",
                HookKind::AfterRun => "after_run",
                HookKind::OnSuccess => "on_success",
                HookKind::OnFailure => "on_failure",
            };
            match owner {
                HookOwner::Global => format!("global {list} {}", index + 1),
                HookOwner::Job => format!("{list} {}", index + 1),
            }
        }
    }
}

/// Returns the time limit of one command of a stage.
pub(super) fn timeout(job: &Job, stage: &Stage, place: Place) -> Option<Duration> {
    match stage.kind {
        StageKind::Before | StageKind::Closing => Some(HOOK_TIMEOUT),
        StageKind::Work => step(job, place).and_then(|step| step.timeout).or(stage.timeout),
    }
}

/// Says whether a failure of this one command is to be ignored.
pub(super) fn ignores_failure(job: &Job, stage: &Stage, place: Place) -> bool {
    stage.continue_on_error || step(job, place).is_some_and(|step| step.continue_on_error)
}

fn step(job: &Job, place: Place) -> Option<&Step> {
    let steps = job.work.steps();
    match place {
        Place::Step(index) => steps.get(index),
        Place::Nested(outer, inner) => match &steps.get(outer)?.body {
            StepBody::Parallel { commands, .. } => commands.get(inner),
            StepBody::Command(_) => None,
        },
        Place::Work | Place::Hook(..) => None,
    }
}

fn step_stage(index: usize, step: &Step) -> Stage {
    match &step.body {
        StepBody::Command(_) => work(vec![Place::Step(index)], false, step.continue_on_error, step.timeout),
        StepBody::Parallel { commands, fail_fast } => {
            let places = (0..commands.len()).map(|inner| Place::Nested(index, inner)).collect();
            work(places, *fail_fast, step.continue_on_error, step.timeout)
        }
    }
}

fn work(places: Vec<Place>, fail_fast: bool, continue_on_error: bool, timeout: Option<Duration>) -> Stage {
    Stage { kind: StageKind::Work, places, fail_fast, continue_on_error, timeout }
}

/// Global `before` hooks come first, global `after` hooks last.
fn hooks(kind: HookKind, job: &Job, global: &Hooks, stage: StageKind) -> Vec<Stage> {
    let owners = match kind {
        HookKind::Before => [HookOwner::Global, HookOwner::Job],
        HookKind::AfterRun | HookKind::OnSuccess | HookKind::OnFailure => [HookOwner::Job, HookOwner::Global],
    };
    let places = owners.into_iter().flat_map(|owner| {
        let count = hook_list(kind, owner, job, global).len();
        (0..count).map(move |index| Place::Hook(kind, owner, index))
    });
    places
        .map(|place| Stage {
            kind: stage,
            places: vec![place],
            fail_fast: false,
            continue_on_error: false,
            timeout: None,
        })
        .collect()
}

fn hook_list<'a>(kind: HookKind, owner: HookOwner, job: &'a Job, global: &'a Hooks) -> &'a [Command] {
    let hooks = match owner {
        HookOwner::Global => global,
        HookOwner::Job => &job.policy.hooks,
    };
    match kind {
        HookKind::Before => &hooks.before,
        HookKind::AfterRun => &hooks.after_run,
        HookKind::OnSuccess => &hooks.on_success,
        HookKind::OnFailure => &hooks.on_failure,
    }
}

#[cfg(test)]
mod tests {
    use super::{HookKind, HookOwner, Place};

    #[test]
    fn codes_go_back_and_forth() {
        let hook = |kind| Place::Hook(kind, HookOwner::Job, 3);
        for (place, code) in [
            (Place::Work, "w"),
            (Place::Step(12), "s12"),
            (Place::Nested(1, 0), "n1-0"),
            (hook(HookKind::Before), "hbj3"),
            (hook(HookKind::AfterRun), "haj3"),
            (hook(HookKind::OnSuccess), "hsj3"),
            (Place::Hook(HookKind::OnFailure, HookOwner::Global, 0), "hfg0"),
        ] {
            assert_eq!((place.code().as_str(), Place::from_code(code)), (code, Some(place)));
        }
        for bad in ["", "x", "s", "s-1", "n1", "n1-", "h", "hb", "hbj", "hxj1", "hbx1", "w1"] {
            assert_eq!(Place::from_code(bad), None, "{bad}");
        }
    }
}

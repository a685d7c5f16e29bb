//! How far an attempt had come when the daemon that ran it went, worked out from the records of the commands
//! that had ended by then and from the processes that are left.
//!
//! The plan is the one of today's definition. Where that does not know the commands any more, only what is
//! alive is followed to its end.

use super::attempt::exit_words;
use super::io::{Found, FoundCommand};
use super::live::{Cause, Child, Dying, Failure, LiveRun, Progress, Verdict};
use super::plan::{self, HookKind, Place, Stage, StageKind};
use crate::core::change::StepRecord;
use crate::core::instant::{Monotonic, Now};
use crate::core::job::{Hooks, Job};
use crate::core::run::{Exit, Reason, RunStatus};

/// Where an attempt goes on.
pub(super) enum Resumed {
    /// In the midst of a stage.
    Within {
        progress: Progress,
        /// What was not written down of commands that have ended for sure, as far as it can be told.
        records: Vec<StepRecord>,
        /// Commands of the stage that are not alive, and how they ended where the kernel told.
        ended: Vec<(Place, Option<Exit>)>,
    },
    /// After the work, which is to be judged.
    WorkOver(Progress),
    /// Nowhere: what was alive last has ended unseen.
    Lost { detail: String },
}

/// What is known of a command.
#[derive(Clone, Copy)]
enum Sight<'a> {
    Recorded(&'a StepRecord),
    Found(&'a Found),
}

/// How the work went, as a closing hook that was seen tells it; `None` = it does not say.
type Hint = (Option<RunStatus>, Option<Exit>);

/// Everything known of an attempt.
struct Scene<'a> {
    run: &'a LiveRun,
    global: &'a Hooks,
    sights: Vec<(Place, Sight<'a>)>,
    /// Names of commands that were asked to end because their time was over, and whose end is not on record.
    overrun: Vec<&'a str>,
    wanted: bool,
    now: Now,
}

/// Works out where the attempt at hand of a run goes on; `wanted` = the job is still in the set.
pub(super) fn resume(
    run: &LiveRun,
    global: &Hooks,
    found: &[Found],
    steps: &[StepRecord],
    wanted: bool,
    now: Now,
) -> Resumed {
    let opening = plan::opening(&run.job, global);
    let itemised = run.itemises(&opening, global);
    let (overrun, steps): (Vec<_>, Vec<_>) = steps.iter().partition(|step| has_overrun(step));
    let overrun: Vec<&str> = overrun.into_iter().map(|step| step.name.as_str()).collect();
    let scene = sights(&run.job, global, &opening, found, &steps)
        .map(|sights| Scene { run, global, sights, overrun: overrun.clone(), wanted, now })
        .filter(|scene| scene.agrees_with(&opening));
    match scene {
        Some(scene) => scene.walk(Progress::new(opening, itemised, None)),
        None => {
            let known = run.job.work.steps().len();
            let places: Vec<Place> = (known..).map(Place::Step).take(found.len()).collect();
            let stage = plan::orphaned(places.clone());
            let sights = places.into_iter().zip(found.iter().map(Sight::Found)).collect();
            let scene = Scene { run, global, sights, overrun, wanted, now };
            let mut progress = Progress::new(vec![stage], itemised, None);
            progress.begun = steps.iter().map(|step| step.position + 1).max().unwrap_or(0);
            scene.within(progress, Vec::new())
        }
    }
}

/// Finds the place of each command that was seen; `None` when the definition does not have it any more.
fn sights<'a>(
    job: &Job,
    global: &Hooks,
    opening: &[Stage],
    found: &'a [Found],
    steps: &[&'a StepRecord],
) -> Option<Vec<(Place, Sight<'a>)>> {
    let closing = [true, false].into_iter().flat_map(|success| plan::closing(job, global, Some(success)));
    let stages = opening.iter().cloned().chain(closing);
    let places: Vec<Place> = stages.flat_map(|stage| stage.places).collect();
    let mut sights: Vec<(Place, Sight<'a>)> = Vec::new();
    let free = |sights: &[(Place, Sight<'a>)], place: Place| !sights.iter().any(|(seen, _)| *seen == place);
    let named = |sights: &[(Place, Sight<'a>)], name: &str| {
        places.iter().copied().find(|place| free(sights, *place) && plan::name(job, *place) == name)
    };
    for step in steps.iter().copied() {
        // A step may bear the name of a hook: where the position agrees it is meant.
        let there = places.get(step.position as usize).copied();
        let there = there.filter(|place| free(&sights, *place) && plan::name(job, *place) == step.name);
        let place = there.or_else(|| named(&sights, &step.name))?;
        sights.push((place, Sight::Recorded(step)));
    }
    let (latest, known): (Vec<_>, Vec<_>) =
        found.iter().partition(|found| found.command == FoundCommand::Latest);
    for found in known.into_iter().chain(latest) {
        let place = match &found.command {
            FoundCommand::Named(name) => named(&sights, name),
            FoundCommand::At(place) => places.contains(place).then_some(*place),
            FoundCommand::Latest => places.iter().copied().find(|place| free(&sights, *place)),
        };
        let place = place?;
        if free(&sights, place) {
            sights.push((place, Sight::Found(found)));
        }
    }
    Some(sights)
}

impl<'a> Scene<'a> {
    /// Says whether what was seen can be of these stages: nothing of a stage is alive once a later one has begun.
    fn agrees_with(&self, stages: &[Stage]) -> bool {
        let is_seen = |place: &Place| self.sights.iter().any(|(seen, _)| seen == place);
        let is_alive = |place: &Place| self.found(*place).is_some_and(|found| found.exit.is_none());
        let last_seen = stages.iter().rposition(|stage| stage.places.iter().any(is_seen));
        let first_alive = stages.iter().position(|stage| stage.places.iter().any(is_alive));
        first_alive.is_none_or(|alive| last_seen <= Some(alive))
    }

    /// Goes through the stages up to the one in whose midst the attempt is.
    fn walk(&self, mut progress: Progress) -> Resumed {
        let is_seen = |place: &Place| self.sights.iter().any(|(seen, _)| seen == place);
        let stages = progress.stages.clone();
        let last_seen = stages.iter().rposition(|stage| stage.places.iter().any(is_seen));
        let hint = self.hint();
        let succeeded = hint.is_some_and(|(status, _)| status == Some(RunStatus::Succeeded));
        let mut records = Vec::new();
        let mut all_known = true;
        for (index, stage) in stages.iter().enumerate() {
            progress.index = index;
            let first = progress.begun;
            self.note_records(&mut progress, stage);
            let unrecorded: Vec<(u32, Place)> = (first..)
                .zip(stage.places.iter().copied())
                .filter(|(_, place)| self.record(*place).is_none())
                .collect();
            // What was started after it says that it had ended, and not so that the attempt failed by it.
            let passed = succeeded || (hint.is_none() && last_seen.is_some_and(|last| index < last));
            if passed {
                let missing = unrecorded.iter().map(|(position, place)| self.unrecorded(*position, *place));
                records.extend(missing);
            } else if !unrecorded.is_empty() {
                if hint.is_none() {
                    return self.within(progress, records);
                }
                all_known = false;
                break;
            }
            progress.begun += u32::try_from(stage.places.len()).unwrap_or(u32::MAX);
            // Who brings a run to its end starts nothing new.
            let ended = self.run.ending.is_some() && last_seen.is_none_or(|last| index >= last);
            if progress.failure.is_some() || ended {
                break;
            }
        }
        progress.index = progress.stages.len();
        if hint.is_none() && !self.has_closing_hooks() {
            return Resumed::WorkOver(progress);
        }
        self.closing(progress, hint, all_known, records)
    }

    /// Takes in the ends that were written down of a stage, in the order in which they came.
    fn note_records(&self, progress: &mut Progress, stage: &Stage) {
        let places = stage.places.iter();
        let mut ends: Vec<_> = places.filter_map(|place| Some((*place, self.record(*place)?))).collect();
        ends.sort_by_key(|(_, step)| step.started_at.zip(step.duration).map(|(at, took)| at.plus(took)));
        for (place, step) in ends {
            let ignored = plan::ignores_failure(&self.run.job, stage, place);
            progress.note(stage.kind, failure_of(step).filter(|_| !ignored), step.exit);
        }
    }

    /// Makes the progress in the midst of a stage: children are those of its commands that were not written
    /// down as ended.
    fn within(&self, mut progress: Progress, records: Vec<StepRecord>) -> Resumed {
        let Some(stage) = progress.stages.get(progress.index).cloned() else {
            return Resumed::Within { progress, records, ended: Vec::new() };
        };
        let mut ended = Vec::new();
        let mut known = false;
        for place in &stage.places {
            let position = progress.begun;
            progress.begun += 1;
            if self.record(*place).is_some() {
                continue;
            }
            let found = self.found(*place);
            match found.map(|found| found.exit) {
                Some(None) => known = true,
                Some(Some(exit)) => {
                    known = true;
                    ended.push((*place, Some(exit)));
                }
                None => {
                    known |= self.has_overrun(*place);
                    ended.push((*place, None));
                }
            }
            progress.children.push(self.child(&stage, *place, position, found));
        }
        if !known && stage.kind != StageKind::Closing && self.run.ending.is_none() {
            let names: Vec<_> = ended.iter().map(|(place, _)| plan::name(&self.run.job, *place)).collect();
            let what = if progress.itemised { format!("{}: ", names.join(", ")) } else { String::new() };
            return Resumed::Lost { detail: format!("{what}nobody saw how it ended") };
        }
        if progress.children.is_empty() && stage.kind != StageKind::Closing {
            return Resumed::WorkOver(progress);
        }
        Resumed::Within { progress, records, ended }
    }

    fn child(&self, stage: &Stage, place: Place, position: u32, found: Option<&Found>) -> Child {
        let started = found.and_then(|found| found.age).map(|age| {
            let mono = self.now.mono.as_duration().saturating_sub(age);
            (self.now.wall.minus(age), Monotonic::from_duration(mono))
        });
        let limit = plan::timeout(&self.run.job, stage, place);
        let process = found.filter(|found| found.exit.is_none()).map(|found| found.process);
        let overrun = self.has_overrun(place);
        // What lives is asked once more: its limit rings at once.
        let dying = match process {
            None if overrun => Dying::Killed { cause: Cause::TimeLimit },
            None | Some(_) => Dying::No,
        };
        let over = overrun.then_some(self.now.mono);
        Child {
            place,
            position,
            process,
            started,
            output_offset: None,
            dying,
            time_limit: over.or(limit.zip(started).map(|(limit, (_, mono))| mono.plus(limit))),
        }
    }

    /// Says whether a command was asked to end because its time was over.
    fn has_overrun(&self, place: Place) -> bool {
        let name = plan::name(&self.run.job, place);
        self.overrun.contains(&name.as_str())
    }

    /// Makes the progress of an attempt whose work is over and whose closing hooks run.
    ///
    /// A hook that is neither written down nor alive was most likely started and has ended: it is recorded as
    /// `lost` rather than run twice. It changes nothing for the run.
    fn closing(
        &self,
        mut progress: Progress,
        hint: Option<Hint>,
        all_known: bool,
        mut records: Vec<StepRecord>,
    ) -> Resumed {
        let reads = self.run.job.policy.output.json || self.run.job.policy.expect.output_nonempty;
        let verdict = match hint {
            _ if self.run.ending.is_some() => progress.verdict_of(self.run.ending.clone()),
            Some(hint) if progress.failure.is_none() => verdict_of(hint, all_known),
            Some((Some(RunStatus::Cancelled), _)) => {
                Verdict::Cancelled { reason: Reason::Cancelled, detail: None }
            }
            Some(_) | None => progress.verdict_of(None),
        };
        if hint.is_none() && reads && verdict == Verdict::Succeeded {
            progress.hook_may_have_run = true;
            return Resumed::WorkOver(progress);
        }
        let again = self.run.tries_again(&verdict, self.wanted);
        let success = if again { None } else { Some(verdict == Verdict::Succeeded) };
        progress.stages = plan::closing(&self.run.job, self.global, success);
        progress.verdict = Some(verdict);
        let is_seen = |stage: &Stage| {
            stage.places.iter().any(|place| self.sights.iter().any(|(seen, _)| seen == place))
        };
        let last_seen = progress.stages.iter().rposition(is_seen);
        progress.index = 0;
        while let Some(stage) = progress.stages.get(progress.index) {
            let passed = last_seen.is_some_and(|last| progress.index < last);
            let unrecorded: Vec<Place> =
                stage.places.iter().copied().filter(|place| self.record(*place).is_none()).collect();
            if !unrecorded.is_empty() && !passed {
                break;
            }
            records.extend(unrecorded.into_iter().map(|place| StepRecord {
                status: RunStatus::Lost,
                exit: None,
                ..self.unrecorded(progress.begun, place)
            }));
            progress.begun += 1;
            progress.index += 1;
        }
        self.within(progress, records)
    }

    /// Says how the work went where a closing hook was seen: by what it was told, or by what it is for.
    fn hint(&self) -> Option<Hint> {
        let closing = self.sights.iter().filter_map(|(place, sight)| match place {
            Place::Hook(kind, ..) if *kind != HookKind::Before => Some((*kind, sight)),
            Place::Hook(..) | Place::Work | Place::Step(_) | Place::Nested(..) => None,
        });
        let hints = closing.map(|(kind, sight)| match (sight, kind) {
            (Sight::Found(Found { outcome: Some((status, exit)), .. }), _) => (Some(*status), *exit),
            (_, HookKind::OnSuccess) => (Some(RunStatus::Succeeded), None),
            (_, HookKind::OnFailure) => (Some(RunStatus::Failed), None),
            // `after_run` says only that the work is over.
            (_, HookKind::AfterRun | HookKind::Before) => (None, None),
        });
        hints.min_by_key(|(status, exit)| (status.is_none(), exit.is_none()))
    }

    fn has_closing_hooks(&self) -> bool {
        [true, false].into_iter().any(|success| {
            let stages = plan::closing(&self.run.job, self.global, Some(success));
            !stages.is_empty()
        })
    }

    fn record(&self, place: Place) -> Option<&'a StepRecord> {
        self.sights.iter().find_map(|(seen, sight)| match sight {
            Sight::Recorded(step) if *seen == place => Some(*step),
            Sight::Recorded(_) | Sight::Found(_) => None,
        })
    }

    fn found(&self, place: Place) -> Option<&'a Found> {
        self.sights.iter().find_map(|(seen, sight)| match sight {
            Sight::Found(found) if *seen == place => Some(*found),
            Sight::Recorded(_) | Sight::Found(_) => None,
        })
    }

    /// Makes the record of a command whose end is known only from what was started after it.
    fn unrecorded(&self, position: u32, place: Place) -> StepRecord {
        let job = &self.run.job;
        let stage = plan::opening(job, self.global).into_iter().find(|stage| stage.places.contains(&place));
        let ignored = stage.is_some_and(|stage| plan::ignores_failure(job, &stage, place));
        StepRecord {
            attempt: self.run.attempt,
            position,
            name: plan::name(job, place),
            status: if ignored { RunStatus::Lost } else { RunStatus::Succeeded },
            started_at: None,
            duration: None,
            exit: (!ignored).then_some(Exit::Code(0)),
            output_offset: None,
            detail: Some("nobody saw how it ended, but the next command was started".to_owned()),
        }
    }
}

/// Says whether a record is of a command that was asked to end because its time was over, and not of its end.
fn has_overrun(step: &StepRecord) -> bool {
    step.status == RunStatus::TimedOut && step.duration.is_none() && step.exit.is_none()
}

/// Reads the failure back out of a record.
fn failure_of(step: &StepRecord) -> Option<Failure> {
    let reason = match (step.status, step.exit) {
        (RunStatus::Succeeded, _) => return None,
        (RunStatus::TimedOut, _) => Reason::Timeout,
        (RunStatus::Lost, _) => Reason::EndUnseen,
        (_, Some(Exit::Code(_))) => Reason::ExitCode,
        (_, Some(Exit::Signal(_))) => Reason::Signal,
        (_, None) => Reason::StartFailed,
    };
    let words = step.exit.map(|exit| format!("{}: {}", step.name, exit_words(exit)));
    Some(Failure { reason, exit: step.exit, detail: step.detail.clone().or(words) })
}

/// Judges the work by what a closing hook was told of it, where the failing command itself is not recorded.
fn verdict_of((status, exit): Hint, all_known: bool) -> Verdict {
    let failure = |reason| Failure { reason, exit, detail: None };
    match status {
        Some(RunStatus::Succeeded) => Verdict::Succeeded,
        Some(RunStatus::TimedOut) => Verdict::TimedOut(failure(Reason::Timeout)),
        Some(RunStatus::Cancelled) => Verdict::Cancelled { reason: Reason::Cancelled, detail: None },
        Some(RunStatus::Failed) => Verdict::Failed(failure(match exit {
            Some(Exit::Code(_)) => Reason::ExitCode,
            Some(Exit::Signal(_)) => Reason::Signal,
            None => Reason::EndUnseen,
        })),
        // Nothing was said, but every command of the work is on record and none has failed.
        None if all_known => Verdict::Succeeded,
        Some(_) | None => Verdict::Lost { reason: Reason::EndUnseen, detail: None },
    }
}

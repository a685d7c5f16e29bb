//! `[[on]]`: commands that run for events, after the events are durable, on threads of their own.
//!
//! Contained: each has its time limit, few run at once, and when more wait than can be waited for the newest are
//! left out with a warning. What becomes of them changes nothing for any job.

use std::sync::mpsc::{self, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::core::civil::Zone;
use crate::core::event::Event;
use crate::core::job::Command;
use crate::jobfile::EventHook;
use crate::notify::Courier;
use crate::process;
use crate::protocol::pattern;

/// How many commands run at once.
const WORKERS: usize = 4;

/// How many wait for a worker.
const WAITING: usize = 1_000;

/// The hooks and the threads that run them.
pub(super) struct EventHooks {
    hooks: Vec<EventHook>,
    zone: Zone,
    work: mpsc::SyncSender<Errand>,
}

/// One command to run for one event.
struct Errand {
    command: Command,
    timeout: Duration,
    variables: Vec<(&'static str, String)>,
}

impl EventHooks {
    /// Starts the threads.
    pub(super) fn start(courier: &Courier, hooks: Vec<EventHook>, zone: Zone) -> Self {
        let (work, errands) = mpsc::sync_channel::<Errand>(WAITING);
        let errands = Arc::new(Mutex::new(errands));
        for _ in 0..WORKERS {
            let (errands, courier) = (errands.clone(), courier.clone());
            thread::spawn(move || {
                loop {
                    let next = errands.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok(errand) = next else { return };
                    process::hear_of_deaths();
                    if let Err(error) = courier.run(&errand.command, &errand.variables, &[], errand.timeout) {
                        tracing::warn!(%error, "a command of [[on]] failed");
                    }
                    process::leave_deaths_to_others();
                }
            });
        }
        EventHooks { hooks, zone, work }
    }

    /// Takes over what a reload has changed.
    pub(super) fn reconfigure(&mut self, hooks: Vec<EventHook>, zone: Zone) {
        self.hooks = hooks;
        self.zone = zone;
    }

    /// Says whether any event is of interest.
    pub(super) fn is_empty(&self) -> bool {
        self.hooks.is_empty()
    }

    /// Runs what is to run for an event.
    pub(super) fn tell(&self, event: &Event) {
        for hook in self.hooks.iter().filter(|hook| wants(hook, event)) {
            let errand = Errand {
                command: hook.command.clone(),
                timeout: hook.timeout,
                variables: variables(event, &self.zone),
            };
            if let Err(TrySendError::Full(_)) = self.work.try_send(errand) {
                tracing::warn!(
                    event = event.kind.as_str(),
                    "too many commands of [[on]] wait: one is left out"
                );
            }
        }
    }
}

fn wants(hook: &EventHook, event: &Event) -> bool {
    let of_job = |name: &str| hook.jobs.iter().any(|glob| pattern::matches(glob, name));
    hook.only.contains(&event.kind)
        && (hook.jobs.is_empty() || event.job.as_ref().is_some_and(|job| of_job(job.as_str())))
}

/// Says what has happened: `JOBCTL_EVENT`, and what applies of the others.
fn variables(event: &Event, zone: &Zone) -> Vec<(&'static str, String)> {
    let fields = [
        ("JOBCTL_EVENT", Some(event.kind.as_str().to_owned())),
        ("JOBCTL_EVENT_AT", Some(zone.format(event.at))),
        ("JOBCTL_JOB", event.job.as_ref().map(ToString::to_string)),
        ("JOBCTL_RUN_ID", event.run.map(|run| run.to_string())),
        ("JOBCTL_ATTEMPT", event.attempt.map(|attempt| attempt.to_string())),
        ("JOBCTL_FIRE_TIME", event.fire_time.map(|at| zone.format(at))),
        ("JOBCTL_EXIT_CODE", event.exit.map(|exit| exit.shell_code().to_string())),
        ("JOBCTL_REASON", event.reason.map(|reason| reason.as_str().to_owned())),
        ("JOBCTL_DETAIL", event.detail.clone()),
    ];
    fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

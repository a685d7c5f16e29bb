//! `jobctl run`: from places on disk to a running loop, and out again.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::boot::{self, Kept, Scene};
use super::catalogue::{Catalogue, CatalogueError};
use super::clock;
use super::event_hooks::EventHooks;
use super::event_loop::{Channels, EventLoop};
use super::executor::Executor;
use super::listener::{BindError, Listener};
use super::notifier::{Notifier, Premises};
use super::queries::Queries;
use super::service::{Identity, Service};
use super::supervisor::Supervisor;
use crate::core::event::EventKind;
use crate::core::run::{RunId, RunStatus};
use crate::core::scheduler::{Evidence, Place, Scheduler};
use crate::notify::Courier;
use crate::process::{self, Handed, Label, Logs};
use crate::store::{
    EventFilter, Loaded, OpenError, QueryError, Reader, Session, StepRow, Store, WriterHandle,
};
use crate::zoneinfo;

/// Where the daemon finds its things.
#[derive(Clone, Debug)]
pub struct Options {
    /// The job file.
    pub config: PathBuf,
    /// True: somebody named the job file, so it has to exist.
    pub config_required: bool,
    /// The state directory, absolute.
    pub state_dir: PathBuf,
    /// The socket.
    pub socket: PathBuf,
}

/// Why the daemon does not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The job file cannot be used.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// The store cannot be opened, or another daemon has it.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The store cannot be read.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The socket cannot be opened, or another daemon listens on it.
    #[error(transparent)]
    Socket(#[from] BindError),
    /// The machine does not give what is needed.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system says.
        source: io::Error,
    },
}

/// Runs the daemon until it is told to stop.
///
/// # Errors
/// [`RunError`]: it could not start, or the machine took away what it needs.
pub fn run(options: &Options) -> Result<(), RunError> {
    process::hold_little_memory();
    // Until the loop listens: threads that are made meanwhile do not.
    process::leave_deaths_to_others();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .on_thread_start(process::leave_deaths_to_others)
        .build()
        .map_err(|source| RunError::System { what: "starting the runtime", source })?;
    runtime.block_on(serve(options))
}

async fn serve(options: &Options) -> Result<(), RunError> {
    let system = |what| move |source| RunError::System { what, source };
    let boot_id = process::boot_id().map_err(system("reading this boot's id"))?;
    let host = process::host();
    let pid = i32::try_from(std::process::id()).unwrap_or(0);
    let session = Session { host: host.clone(), boot_id: boot_id.clone(), pid };
    let store = Store::open(&options.state_dir, session)?;
    let mut loaded = store.load()?;
    let definitions = std::mem::take(&mut loaded.definitions);
    let zones: Arc<_> = Arc::from(zoneinfo::source());
    let catalogue = Catalogue::open(&options.config, options.config_required, zones, definitions)?;
    report(&catalogue);
    let settings = catalogue.set();
    let mut listener = Listener::open(&options.socket, settings.daemon.group.as_deref())?;
    let clients = listener.serve()?;

    let (executor, adopted_ends) =
        Executor::new(&options.state_dir, settings.global_hooks.clone(), catalogue.zone().clone())
            .map_err(system("preparing to start processes"))?;
    let (report, reports) = mpsc::unbounded_channel();
    let store = WriterHandle::spawn(store, settings.daemon.store_retry, move |said| drop(report.send(said)));
    let (back, tasks) = mpsc::unbounded_channel();
    let queries = Queries::start(options.state_dir.clone(), back);
    let courier = Courier::new(executor.inherited().vars());
    let zone = catalogue.zone().clone();
    let notifiers = settings.notifiers.clone();
    let premises = Premises { state_dir: options.state_dir.clone(), host: host.clone() };
    let back = queries.clone();
    let notifier =
        Notifier::start(courier.clone(), notifiers, zone.clone(), premises, move |id, delivery| {
            back.task(move |event_loop| event_loop.store.deliver(id, delivery));
        });
    let event_hooks = EventHooks::start(&courier, settings.event_hooks.clone(), zone);
    let identity = Identity {
        started_at: clock::now().wall,
        host,
        state_dir: options.state_dir.clone(),
        socket: options.socket.clone(),
    };
    let (scheduler, first, executor) = begin(options, &catalogue, loaded, &boot_id, executor)?;
    if let Some(reaches) = scheduler.waits_for_clock() {
        tracing::warn!(%reaches, "the clock stands before what the store has seen: jobs by the clock wait for it");
    }
    tracing::info!(jobs = catalogue.jobs().len(), socket = %options.socket.display(), "ready");
    let logs = executor.logs().clone();
    let mut service = Service::new(catalogue, notifier, event_hooks, queries, logs, identity);
    service.watch_as_set();
    let channels = Channels { reports, adopted_ends, clients, tasks };
    let event_loop =
        EventLoop::new(scheduler, executor, service, Supervisor::new(), store, listener, channels)
            .map_err(system("making the alarm"))?;
    process::give_back_memory();
    process::give_back_code();
    event_loop.run(first).await.map_err(system("listening to signals"))
}

/// Judges what was left behind, adopts what lives, and begins to schedule.
fn begin(
    options: &Options,
    catalogue: &Catalogue,
    loaded: Loaded,
    boot_id: &str,
    mut executor: Executor,
) -> Result<(Scheduler, Vec<crate::core::scheduler::Effect>, Executor), RunError> {
    let (kept, mut handles) = take_kept(&mut executor);
    let survivors = process::survivors(&options.state_dir);
    let logs: Logs = executor.logs().clone();
    let (left_in_order, steps) = match Reader::open(&options.state_dir)? {
        Some(reader) => (left_in_order(&reader)?, steps_of(&loaded, &reader)?),
        None => (true, HashMap::new()),
    };
    let since_boot = clock::since_boot();
    let scene = Scene { logs: &logs, boot_id, since_boot, left_in_order, survivors, kept, steps };
    let boot = boot::boot(catalogue, loaded, &scene);
    let mut started = Vec::new();
    for run in &boot.unfinished {
        if let Evidence::Started { found, .. } = &run.evidence {
            started.push((run.run, found.iter().map(|found| found.process).collect::<Vec<_>>()));
        }
    }
    let (scheduler, first) = Scheduler::new(boot, clock::now());
    for (run, processes) in started {
        // A run whose end was clear is over by now.
        let Some(picture) = scheduler.run(run) else { continue };
        executor.reopen(run, &picture.job, picture.attempt);
        for process in processes {
            if let Some(place) = scheduler.place_of(run, process) {
                tracing::info!(%run, job = %picture.job.name, pid = process.pid, "adopted");
                let handle = handles.remove(&(run, picture.attempt, place));
                executor.adopt(run, place, process, handle);
            }
        }
    }
    for (run, attempt, place) in handles.into_keys() {
        executor.keeper.release(Label { run, attempt, command: place.code() });
    }
    Ok((scheduler, first, executor))
}

/// Which command of which attempt of which run.
type Whose = (RunId, u32, Place);

/// Takes the pidfds that the service manager has kept, and says what they tell.
fn take_kept(executor: &mut Executor) -> (Vec<Kept>, HashMap<Whose, OwnedFd>) {
    let handed = process::handed_back().unwrap_or_else(|error| {
        tracing::warn!(%error, "the descriptors the service manager has kept cannot be taken");
        Vec::new()
    });
    let (mut kept, mut handles) = (Vec::new(), HashMap::new());
    for Handed { label, handle } in handed {
        let Some(place) = Place::from_code(&label.command) else {
            executor.keeper.release(label);
            continue;
        };
        let process = process::look_at(handle.as_fd());
        kept.push(Kept { run: label.run, attempt: label.attempt, place, process });
        handles.insert((label.run, label.attempt, place), handle);
    }
    (kept, handles)
}

/// Says whether the last daemon went in order: its last word is the last event.
fn left_in_order(reader: &Reader) -> Result<bool, QueryError> {
    let last = reader.events(&EventFilter { limit: Some(1), ..EventFilter::default() })?;
    Ok(last.last().is_none_or(|event| event.kind == EventKind::DaemonStopped))
}

/// Returns what was written down of the commands of runs that are not over.
fn steps_of(loaded: &Loaded, reader: &Reader) -> Result<HashMap<RunId, Vec<StepRow>>, QueryError> {
    let alive = loaded.unfinished.iter().filter(|row| row.status != RunStatus::Queued);
    alive.map(|row| Ok((row.run, reader.steps(row.run)?))).collect()
}

/// Logs what is hardly meant so.
fn report(catalogue: &Catalogue) {
    for warning in &catalogue.set().warnings {
        tracing::warn!("{warning}");
    }
    for (name, errors) in catalogue.broken() {
        if let Some(error) = errors.first() {
            tracing::error!(job = %name, %error, "the definition does not load: the job is kept as broken");
        }
    }
}

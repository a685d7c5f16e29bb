//! The loop: the only `select!` of the daemon. One happening at a time is turned into inputs for the scheduler,
//! and what the scheduler decides is carried out in order: commit, act, acknowledge.
//!
//! Owns the scheduler alone, so there is no lock around it. Nothing here waits for a client, a notifier or a
//! job; the store works on its own thread, and answers leave only after it has said that they are durable
//! (`commits`).

mod commits;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use commits::{Pending, WaitingAnswer};

use super::clock::{self, Alarm};
use super::executor::{AdoptedEnd, Executor};
use super::gap_questions::GapQuestions;
use super::listener::{Incoming, Listener};
use super::output;
use super::queries::Task;
use super::service::Service;
use super::supervisor::Supervisor;
use crate::core::change::Change;
use crate::core::event::{Event, EventKind};
use crate::core::instant::{Monotonic, Now};
use crate::core::run::RunId;
use crate::core::scheduler::{Answer, Command, Effect, Input, Place, Scheduler};
use crate::process;
use crate::store::{Report, WriterHandle};

/// How many starts are carried out before the loop looks at its other events again: a burst of thousands must
/// not keep clients waiting.
const STARTS_AT_ONCE: usize = 16;

/// How often the output of runs that are alive is held against its limit.
const OUTPUT_WATCH: Duration = Duration::from_secs(1);

/// Everything the loop owns.
pub(super) struct EventLoop {
    pub(super) scheduler: Scheduler,
    pub(super) executor: Executor,
    pub(super) service: Service,
    pub(super) supervisor: Supervisor,
    pub(super) store: WriterHandle,
    listener: Listener,
    reports: mpsc::UnboundedReceiver<Report>,
    adopted_ends: mpsc::UnboundedReceiver<AdoptedEnd>,
    clients: mpsc::Receiver<Incoming>,
    tasks: mpsc::UnboundedReceiver<Task>,
    alarm: Alarm,
    /// When the output of runs that are alive is looked at next.
    next_look: Option<Monotonic>,
    /// Changes decided since the last submission.
    batch: Vec<Change>,
    /// True: the batch says of runs that they have started, and nothing else.
    only_starts: bool,
    /// Until when such a batch waits for the ends of these runs.
    lingers_until: Option<Monotonic>,
    /// What is to be done when a submission is durable, by its token.
    pending: BTreeMap<u64, Pending>,
    next_token: u64,
    starts: VecDeque<Start>,
    /// How many starts have been queued and how many carried out: an answer waits for those decided before it.
    starts_queued: u64,
    starts_done: u64,
    answers: VecDeque<WaitingAnswer>,
    gap_questions: GapQuestions,
    /// True: the service manager knows that what a start decides is durable, or that the disk takes nothing.
    ready: bool,
    leaving: bool,
}

struct Start {
    run: RunId,
    place: Place,
}

/// What the loop was woken by.
enum Happening {
    Store(Report),
    ChildDied,
    AdoptedEnded(AdoptedEnd),
    Client(Box<Incoming>),
    Task(Task),
    Alarm,
    Terminate,
    Reload,
    Heartbeat,
    MoreStarts,
}

struct Signals {
    child: Signal,
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl EventLoop {
    /// Puts the loop together.
    ///
    /// # Errors
    /// The kernel gives no timer.
    pub(super) fn new(
        scheduler: Scheduler,
        executor: Executor,
        service: Service,
        supervisor: Supervisor,
        store: WriterHandle,
        listener: Listener,
        channels: Channels,
    ) -> std::io::Result<Self> {
        Ok(EventLoop {
            scheduler,
            executor,
            service,
            supervisor,
            store,
            listener,
            reports: channels.reports,
            adopted_ends: channels.adopted_ends,
            clients: channels.clients,
            tasks: channels.tasks,
            alarm: Alarm::new()?,
            next_look: None,
            batch: Vec::new(),
            only_starts: true,
            lingers_until: None,
            pending: BTreeMap::new(),
            next_token: 0,
            starts: VecDeque::new(),
            starts_queued: 0,
            starts_done: 0,
            answers: VecDeque::new(),
            gap_questions: GapQuestions::default(),
            ready: false,
            leaving: false,
        })
    }

    /// Runs until the scheduler has nothing alive after a stop.
    ///
    /// # Errors
    /// Signals cannot be listened to.
    pub(super) async fn run(mut self, first: Vec<Effect>) -> std::io::Result<()> {
        let mut signals = Signals {
            child: signal(SignalKind::child())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        };
        process::hear_of_deaths();
        let started = Event::new(clock::now().wall, EventKind::DaemonStarted);
        self.write(Change::Event(started));
        self.carry_out(first);
        self.submit();
        while !self.leaving {
            self.set_alarm();
            let happening = self.next(&mut signals).await;
            self.take_in(happening);
            self.submit();
        }
        self.leave().await;
        self.listener.flushed().await;
        Ok(())
    }

    async fn next(&mut self, signals: &mut Signals) -> Happening {
        let starts_wait = !self.starts.is_empty();
        tokio::select! {
            biased;
            Some(report) = self.reports.recv() => Happening::Store(report),
            _ = signals.terminate.recv() => Happening::Terminate,
            _ = signals.interrupt.recv() => Happening::Terminate,
            _ = signals.hangup.recv() => Happening::Reload,
            () = self.alarm.wait() => Happening::Alarm,
            _ = signals.child.recv() => Happening::ChildDied,
            Some(end) = self.adopted_ends.recv() => Happening::AdoptedEnded(end),
            Some(task) = self.tasks.recv() => Happening::Task(task),
            Some(incoming) = self.clients.recv() => Happening::Client(Box::new(incoming)),
            () = self.supervisor.watchdog() => Happening::Heartbeat,
            () = tokio::task::yield_now(), if starts_wait => Happening::MoreStarts,
        }
    }

    fn take_in(&mut self, happening: Happening) {
        match happening {
            Happening::Store(report) => {
                self.store_reports(report);
                self.say_ready();
            }
            Happening::ChildDied => {
                for input in self.executor.reap() {
                    self.feed(input);
                }
            }
            Happening::AdoptedEnded((run, place, exit)) => {
                self.executor.keeper.ended(run, place);
                self.feed(match exit {
                    Some(exit) => Input::Exited { run, place, exit, usage: None },
                    None => Input::Vanished { run, place },
                });
            }
            Happening::Client(incoming) => self.client_asks(*incoming),
            Happening::Task(task) => task(self),
            Happening::Alarm => {
                self.feed(Input::Tick);
                // What is due comes before the housekeeping.
                self.start_some();
                let now = clock::now();
                self.sweep_history(now);
                self.executor.tidy_now_and_then(now.mono);
                self.look_at_outputs(now.mono);
            }
            Happening::Terminate => self.stop(),
            Happening::Reload => self.reload(),
            Happening::Heartbeat => self.supervisor.beat(),
            Happening::MoreStarts => {}
        }
        self.start_some();
    }

    /// Tells the service manager once that the daemon is up.
    fn say_ready(&mut self) {
        if !std::mem::replace(&mut self.ready, true) {
            self.supervisor.ready();
        }
    }

    /// Begins to stop, or hurries when that has begun already.
    pub(super) fn stop(&mut self) {
        self.supervisor.stopping();
        let leave = self.service.leaves_jobs_at_stop();
        self.feed(Input::Command(Command::Stop { leave }));
    }

    /// Hands one input to the scheduler and carries out what it decides. A command has an answer.
    pub(super) fn feed(&mut self, input: Input) -> Option<Answer> {
        self.feed_at(input, clock::now())
    }

    /// Hands one input to the scheduler as of an instant: what one request does to several jobs it does at one.
    pub(super) fn feed_at(&mut self, input: Input, now: Now) -> Option<Answer> {
        let effects = self.scheduler.handle(input, now);
        self.carry_out(effects)
    }

    fn carry_out(&mut self, effects: Vec<Effect>) -> Option<Answer> {
        let mut answer = None;
        for effect in effects {
            match effect {
                Effect::Commit(change) => self.write(change),
                Effect::Spawn { run, place } => {
                    self.starts.push_back(Start { run, place });
                    self.starts_queued += 1;
                }
                Effect::Signal { run, process, signal, .. } => self.executor.signal(run, process, signal),
                Effect::Sweep { run, process } => self.executor.sweep(run, process),
                Effect::ReadOutput { run } => self.read_output(run),
                Effect::FindFutureGaps { after } => self.find_future_gaps(after),
                Effect::Forget { run } => {
                    let job = self.executor.close(run);
                    self.service.run_is_over(run, job.clone(), self.next_token);
                    if let Some(job) = job {
                        self.prune_now_and_then(&job);
                    }
                }
                Effect::Answer(given) => answer = Some(given),
                Effect::Exit => self.leaving = true,
            }
        }
        answer
    }

    /// Looks at the output of a run beside the loop.
    fn read_output(&mut self, run: RunId) {
        let path = self.executor.output_of(run);
        let rules = self
            .scheduler
            .run(run)
            .map(|run| (run.job.policy.output.json, run.job.policy.expect.output_nonempty));
        let (json, nonempty) = rules.unwrap_or_default();
        let queries = self.service.queries().clone();
        tokio::task::spawn_blocking(move || {
            let result = output::judge(path.as_deref(), json, nonempty);
            queries.task(move |event_loop| {
                event_loop.feed(Input::Output { run, result });
            });
        });
    }

    /// Carries out some of the starts that are due.
    fn start_some(&mut self) {
        for _ in 0..STARTS_AT_ONCE {
            let Some(start) = self.starts.pop_front() else { break };
            self.starts_done += 1;
            let Some(run) = self.scheduler.run(start.run) else { continue };
            let input = self.executor.start(&run, start.place);
            self.feed(input);
        }
        self.send_answers();
    }

    fn set_alarm(&mut self) {
        let now = clock::now();
        if self.executor.is_idle() {
            self.next_look = None;
        } else if self.next_look.is_none() {
            self.next_look = Some(now.mono.plus(OUTPUT_WATCH));
        }
        let mut wakeup = self.scheduler.next_wakeup();
        wakeup.mono = [wakeup.mono, self.next_look, self.lingers_until].into_iter().flatten().min();
        if let Err(error) = self.alarm.set(wakeup, now) {
            tracing::error!(%error, "the alarm cannot be set");
        }
    }

    /// Looks at what runs that are alive have written, once a second.
    fn look_at_outputs(&mut self, now: Monotonic) {
        if self.next_look.is_some_and(|at| at <= now) {
            self.next_look = None;
            self.executor.watch_outputs();
            self.executor.keeper.keep_what_lasts();
        }
    }

    /// The last words: everything decided is made durable before the daemon goes.
    async fn leave(&mut self) {
        self.write(Change::Heartbeat { at: clock::now().wall });
        self.write(Change::Event(Event::new(clock::now().wall, EventKind::DaemonStopped)));
        self.hand_over();
        while !self.pending.is_empty() {
            match tokio::time::timeout(LAST_COMMIT, self.reports.recv()).await {
                Ok(Some(Report::Committed { token, .. })) => drop(self.pending.remove(&token)),
                Ok(Some(Report::Degraded { .. } | Report::Recovered | Report::Pruned { .. })) => {}
                Ok(None) | Err(_) => break,
            }
        }
        self.service.tell_ends(u64::MAX);
        for waiting in self.answers.drain(..) {
            waiting.acknowledge.send();
        }
        self.see_off().await;
    }

    /// Lets those who wait for runs and follow events hear the last word; what they ask for on their way is
    /// still answered.
    async fn see_off(&mut self) {
        let followers = self.service.end_streams();
        let patience = tokio::time::sleep(LAST_WORD);
        tokio::pin!(patience);
        loop {
            tokio::select! {
                () = followers.closed() => return,
                Some(task) = self.tasks.recv() => task(self),
                () = &mut patience => return,
            }
        }
    }
}

/// How long those who wait and follow are given to hear the last word.
const LAST_WORD: Duration = Duration::from_secs(2);

/// How long the last commit may take before the daemon goes without it.
const LAST_COMMIT: Duration = Duration::from_secs(5);

/// The ends of channels on which the loop listens.
pub(super) struct Channels {
    pub(super) reports: mpsc::UnboundedReceiver<Report>,
    pub(super) adopted_ends: mpsc::UnboundedReceiver<AdoptedEnd>,
    pub(super) clients: mpsc::Receiver<Incoming>,
    pub(super) tasks: mpsc::UnboundedReceiver<Task>,
}

//! The machine: its clocks, its processes and the files that starts leave behind.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jobctl::core::instant::{Monotonic, Now, Timestamp};
use jobctl::core::name::Name;
use jobctl::core::run::{Exit, ProcessMark, Reason, RunId, RunStatus};
use jobctl::core::scheduler::{Evidence, Found, FoundCommand, LeftEnding, Place, Unfinished};
use jobctl::store::RunRow;

use super::ledger::Ledger;
use super::rng::Rng;

/// Microseconds of the simulation's own time: it stands still in suspend and never goes back.
pub(crate) type Tick = u64;

/// One process: the main process of a command.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    pub(crate) run: RunId,
    pub(crate) attempt: u32,
    pub(crate) place: Place,
    /// What the environment says of the step and of how the work went.
    pub(crate) step: Option<String>,
    pub(crate) outcome: Option<(RunStatus, Option<Exit>)>,
    pub(crate) job: Name,
    pub(crate) pool: Option<Name>,
    pub(crate) starts_at: Tick,
    pub(crate) ends_at: Tick,
    pub(crate) exit: Exit,
    pub(crate) ignores_term: bool,
    pub(crate) alive: bool,
    pub(crate) boot: u32,
}

/// The machine.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) time: Tick,
    /// What the wall clock shows beyond `time`, in microseconds.
    offset: i64,
    booted_at: Tick,
    pub(crate) boots: u32,
    pub(crate) processes: BTreeMap<i32, Process>,
    next_pid: i32,
    /// With how many processes it is time to bury the dead.
    full_at: usize,
    /// True: the service manager keeps the pidfds, so that ends are told afterwards.
    keeps_pidfds: bool,
    /// Output files: run and attempt.
    files: BTreeSet<(RunId, u32)>,
}

impl Machine {
    pub(crate) fn new(wall: Timestamp, keeps_pidfds: bool) -> Self {
        Machine {
            time: 3_600_000_000,
            offset: wall.as_micros() - 3_600_000_000,
            booted_at: 0,
            boots: 0,
            processes: BTreeMap::new(),
            next_pid: 5_000_000,
            full_at: 32,
            keeps_pidfds,
            files: BTreeSet::new(),
        }
    }

    pub(crate) fn now(&self) -> Now {
        let since_boot = self.time - self.booted_at;
        Now {
            wall: Timestamp::from_micros(i64::try_from(self.time).unwrap() + self.offset),
            mono: Monotonic::from_duration(Duration::from_micros(since_boot)),
        }
    }

    pub(crate) fn boot_id(&self) -> String {
        format!("boot-{}", self.boots)
    }

    /// Says at which tick the wall clock will show an instant, if nobody sets it.
    pub(crate) fn tick_of_wall(&self, at: Timestamp) -> Tick {
        u64::try_from(at.as_micros().saturating_sub(self.offset)).unwrap_or(0)
    }

    pub(crate) fn tick_of_mono(&self, at: Monotonic) -> Tick {
        self.booted_at + u64::try_from(at.as_duration().as_micros()).unwrap_or(u64::MAX / 2)
    }

    /// Sets the wall clock, or sleeps: to those who look at both clocks it is the same.
    pub(crate) fn shift_wall(&mut self, by: Duration, forward: bool) {
        let by = i64::try_from(by.as_micros()).unwrap();
        self.offset += if forward { by } else { -by };
    }

    pub(crate) fn create_file(&mut self, run: RunId, attempt: u32) {
        self.files.insert((run, attempt));
    }

    pub(crate) fn spawn(&mut self, process: Process) -> ProcessMark {
        self.next_pid += 1;
        self.processes.insert(self.next_pid, process);
        mark(self.next_pid)
    }

    /// Forgets processes that are long dead and of whose runs nobody will ask again.
    pub(crate) fn bury(&mut self, ledger: &Ledger) {
        const MINUTE: Tick = 60_000_000;
        if self.processes.len() < self.full_at {
            return;
        }
        let time = self.time;
        let is_open = |run: &RunId| ledger.rows.get(run).is_none_or(|row| row.finished_at.is_none());
        self.processes
            .retain(|_, process| process.alive || process.ends_at + MINUTE > time || is_open(&process.run));
        self.full_at = 32 + 2 * self.processes.len();
        let oldest = ledger.rows.values().find(|row| row.finished_at.is_none()).map(|row| row.run);
        if let Some(first) = oldest {
            self.files = self.files.split_off(&(first, 0));
        }
    }

    /// Returns the first end of a process that is alive.
    pub(crate) fn next_end(&self) -> Option<Tick> {
        self.processes.values().filter(|process| process.alive).map(|process| process.ends_at).min()
    }

    /// Ends every process whose time has come; returns their pids.
    pub(crate) fn end_due(&mut self) -> Vec<i32> {
        let time = self.time;
        let due = self.processes.iter_mut().filter(|(_, process)| process.alive && process.ends_at <= time);
        due.map(|(pid, process)| {
            process.alive = false;
            *pid
        })
        .collect()
    }

    pub(crate) fn signal(&mut self, process: ProcessMark, signal: i32, rng: &mut Rng) {
        let time = self.time;
        let Some(process) = self.processes.get_mut(&process.pid).filter(|process| process.alive) else {
            return;
        };
        let kill = signal == 9;
        if kill || !process.ignores_term {
            let after = if kill { 0 } else { rng.below(200_000) };
            process.ends_at = process.ends_at.min(time + after);
            process.exit = Exit::Signal(u8::try_from(signal).unwrap());
        }
    }

    /// The power goes: nothing is alive afterwards, and the monotonic clock begins anew.
    pub(crate) fn reboot(&mut self) {
        self.boots += 1;
        self.booted_at = self.time.saturating_sub(5_000_000);
        for process in self.processes.values_mut() {
            process.alive = false;
        }
    }

    pub(crate) fn alive(&self) -> impl Iterator<Item = (&i32, &Process)> {
        self.processes.iter().filter(|(_, process)| process.alive)
    }

    /// Returns the processes whose pidfds the service manager has.
    pub(crate) fn kept(&self) -> impl Iterator<Item = (&i32, &Process)> {
        self.processes.iter().filter(|(_, process)| self.keeps_pidfds && process.boot == self.boots)
    }

    /// Finds the runs of a job, or of a pool, that have a live process.
    pub(crate) fn live_runs(&self, of: impl Fn(&Process) -> bool) -> BTreeSet<RunId> {
        self.alive().filter(|(_, process)| of(process)).map(|(_, process)| process.run).collect()
    }

    /// Says what became of the runs that were not over while no daemon looked, by the rules of the daemon's own
    /// boot.
    pub(crate) fn judge(&self, ledger: &Ledger, left_in_order: bool) -> Vec<Unfinished> {
        let open = ledger.rows.values().filter(|row| row.finished_at.is_none());
        open.map(|row| self.judge_row(row.clone(), ledger, left_in_order)).collect()
    }

    fn judge_row(&self, row: RunRow, ledger: &Ledger, left_in_order: bool) -> Unfinished {
        let (attempt, evidence) = self.evidence(&row, ledger, left_in_order);
        Unfinished {
            run: row.run,
            job: row.job,
            fire_time: row.fire_time,
            source: row.source,
            status: if attempt > row.attempt && row.status == RunStatus::Running {
                RunStatus::Retrying
            } else {
                row.status
            },
            queued_at: row.queued_at,
            due_at: row.due_at,
            attempt,
            started_at: row.started_at,
            retry_at: row.retry_at,
            priority: row.priority,
            pool: row.pool,
            args: row.args,
            forced: row.forced,
            ending: row
                .ending_at
                .zip(row.reason)
                .filter(|_| attempt == row.attempt)
                .map(|(at, reason)| LeftEnding { at, reason, detail: row.detail }),
            evidence,
        }
    }

    fn evidence(&self, row: &RunRow, ledger: &Ledger, left_in_order: bool) -> (u32, Evidence) {
        let same_boot = row.boot_id.as_deref() == Some(self.boot_id().as_str());
        // Attempts may have gone on while the disk took nothing.
        let tried = (row.attempt + 1..).take_while(|attempt| self.files.contains(&(row.run, *attempt)));
        let (next, next_tried) = tried.last().map_or((row.attempt + 1, false), |last| (last, true));
        if row.status == RunStatus::Running && !same_boot {
            return (if next_tried { next } else { row.attempt }, Evidence::Unknown(Reason::Reboot));
        }
        if row.status == RunStatus::Running && !next_tried {
            return (row.attempt, self.of_started(row.run, row.attempt, ledger));
        }
        if !next_tried && (same_boot || left_in_order || row.attempt > 0) {
            return (row.attempt, Evidence::NeverStarted);
        }
        let evidence = self.of_started(row.run, next, ledger);
        let nothing = matches!(&evidence, Evidence::Started { found, .. } if found.is_empty());
        (next, if nothing { Evidence::Unknown(Reason::StartUnknown) } else { evidence })
    }

    fn of_started(&self, run: RunId, attempt: u32, ledger: &Ledger) -> Evidence {
        let ours =
            self.processes.iter().filter(|(_, process)| process.run == run && process.attempt == attempt);
        let seen =
            ours.filter(|(_, process)| process.alive || self.keeps_pidfds && process.boot == self.boots);
        let found = seen.map(|(pid, process)| Found {
            process: if process.alive { mark(*pid) } else { ProcessMark { pid: 0, start_ticks: 0 } },
            command: match (&process.step, process.alive) {
                (Some(step), true) => FoundCommand::Named(step.clone()),
                (None, _) | (Some(_), false) => FoundCommand::At(process.place),
            },
            age: process.alive.then(|| Duration::from_micros(self.time - process.starts_at)),
            exit: (!process.alive).then_some(process.exit),
            outcome: process.outcome.filter(|_| process.alive),
        });
        let steps = ledger.steps.get(&run).into_iter().flatten();
        let steps = steps.filter(|step| step.attempt == attempt).cloned().collect();
        Evidence::Started { found: found.collect(), steps }
    }
}

/// Returns the mark of a process; no process of the machine underneath began so late.
pub(crate) const fn mark(pid: i32) -> ProcessMark {
    ProcessMark { pid, start_ticks: 1 << 50 }
}

//! The turns of the loop: one thing comes in, the scheduler decides, starts are carried out, decisions are handed
//! to the disk.

use std::time::Duration;

use jobctl::core::change::Change;
use jobctl::core::event::{Event, EventKind};
use jobctl::core::instant::Timestamp;
use jobctl::core::run::Exit;
use jobctl::core::scheduler::{Answer, Effect, FutureGap, Input, Place, RunSnapshot, name_of};
use jobctl::store::Outcome;

use super::Mutation;
use super::disk::Submission;
use super::machine::Process;
use super::oracle::Meta;
use super::world::{Alive, Died, Mail, SECOND, World};

impl World {
    /// Hands an input to the scheduler and carries out what it decides.
    pub(crate) fn feed(&mut self, input: Input) -> Alive<Option<Answer>> {
        self.say(|| format!("-> {input:?}"));
        let mut now = self.machine.now();
        if self.mutation == Some(Mutation::RunsFast) {
            now.wall = now.wall.plus(Duration::from_secs(3));
        }
        let ticks = matches!(input, Input::Tick);
        let daemon = self.daemon();
        daemon.degraded = match input {
            Input::Degraded => true,
            Input::Recovered => false,
            _ => daemon.degraded,
        };
        self.oracle.comes_in(&input);
        let effects = self.daemon().scheduler.handle(input, now);
        let idle = ticks && effects.is_empty();
        let Some(daemon) = &self.daemon else { return Err(Died) };
        self.oracle.turn(&daemon.scheduler, &effects, &self.machine, &self.file);
        self.oracle.blocked = self.is_blocked(&effects);
        self.oracle.handled(&daemon.scheduler, now, idle);
        self.step()?;
        let answer = self.carry_out(effects)?;
        let Some(daemon) = &self.daemon else { return Err(Died) };
        self.oracle.lives(&daemon.children, &self.machine);
        Ok(answer)
    }

    /// Says whether something that only the world knows of keeps everything from falling due.
    pub(crate) fn is_blocked(&self, effects: &[Effect]) -> bool {
        let Some(daemon) = &self.daemon else { return true };
        let asks = effects.iter().any(|effect| matches!(effect, Effect::FindFutureGaps { .. }))
            || daemon.mail.iter().any(|(_, mail)| matches!(mail, Mail::FutureGaps(_)));
        let up = Duration::from_micros(self.machine.time - daemon.since);
        daemon.degraded || asks || up <= self.file.settings.startup_delay
    }

    pub(crate) fn carry_out(&mut self, effects: Vec<Effect>) -> Alive<Option<Answer>> {
        let mut answer = None;
        let time = self.machine.time;
        for effect in effects {
            self.say(|| format!("   {effect:?}"));
            match effect {
                Effect::Commit(change) => self.write(change),
                Effect::Spawn { run, place } => self.daemon().starts.push_back((run, place)),
                Effect::Signal { process, signal, .. } => self.machine.signal(process, signal, &mut self.rng),
                Effect::Sweep { process, .. } => self.machine.signal(process, 9, &mut self.rng),
                Effect::ReadOutput { run } => {
                    let at = time + self.rng.below(SECOND / 100);
                    self.daemon().mail.push((at, Mail::Output(run)));
                }
                Effect::FindFutureGaps { after } => {
                    let decisions = self.oracle.decisions;
                    self.oracle.coverage.set_back_to(after, decisions, &self.ledger);
                    let at = time + self.rng.below(SECOND / 4);
                    self.daemon().mail.push((at, Mail::FutureGaps(after)));
                }
                Effect::Forget { .. } => {}
                Effect::Answer(given) => answer = Some(given),
                Effect::Exit => self.daemon().leaving = true,
            }
        }
        Ok(answer)
    }

    pub(crate) fn write(&mut self, change: Change) {
        let wall = self.machine.now().wall;
        self.oracle.decisions += 1;
        let nth = self.oracle.decisions;
        let daemon = self.daemon();
        let meta = Meta { wall, booting: daemon.booting, nth };
        if let Change::Claim(claim) = &change {
            let place = daemon.batch.len();
            daemon.claims.entry(daemon.next_token).or_default().push((place, claim.run));
        }
        daemon.batch.push((change, meta));
    }

    /// Starts what is to be started, then hands the decisions to the disk: the end of a turn of the loop.
    pub(crate) fn finish_turn(&mut self) -> Alive<()> {
        while let Some((run, place)) = self.daemon().starts.pop_front() {
            self.step()?;
            let Some(picture) = self.daemon().scheduler.run(run) else { continue };
            let input = self.start(&picture, place)?;
            self.feed(input)?;
        }
        self.step()?;
        let slow = self.machine.time < self.disk.slow_until;
        let delay = self.rng.below(if slow { 5 * SECOND } else { SECOND / 50 });
        let ready_at = self.machine.time + delay;
        let daemon = self.daemon();
        if !daemon.batch.is_empty() {
            let token = daemon.next_token;
            daemon.next_token += 1;
            let changes = std::mem::take(&mut daemon.batch);
            let ready_at = self.disk.queue.back().map_or(ready_at, |last| last.ready_at.max(ready_at));
            self.disk.queue.push_back(Submission { token, changes, ready_at });
        }
        self.step()?;
        if self.daemon().leaving {
            self.leave();
            return Ok(());
        }
        self.set_alarm();
        Ok(())
    }

    /// Starts a command: its output file, then its process.
    pub(crate) fn start(&mut self, picture: &RunSnapshot, place: Place) -> Alive<Input> {
        let run = picture.run;
        self.oracle.starts(picture, &self.ledger, &self.machine, &self.file.pools);
        if let Some(daemon) = &self.daemon {
            self.oracle.begins(picture, &daemon.scheduler, &self.machine, &self.file);
        }
        self.machine.create_file(run, picture.attempt);
        if let Some(shadow) = &self.shadow {
            shadow.create_file(&picture.job.name, run, picture.attempt);
        }
        self.step()?;
        if self.rng.chance(1, 60) {
            return Ok(Input::StartFailed { run, place, detail: "no such program".to_owned() });
        }
        let mut process = self.process(picture, place);
        if self.resting {
            process.ends_at = self.machine.time + SECOND / 100;
        }
        if self.mutation == Some(Mutation::SpawnsTwice) && self.rng.chance(1, 10) {
            self.machine.spawn(process.clone());
            self.oracle.spawned(run, picture.attempt, place);
        }
        let mark = self.machine.spawn(process);
        self.oracle.spawned(run, picture.attempt, place);
        self.daemon().children.insert(mark.pid, (run, place));
        self.say(|| format!("   started {run} {place:?} pid {}", mark.pid));
        self.step()?;
        Ok(Input::Started { run, place, process: mark, output_offset: None })
    }

    pub(crate) fn process(&mut self, picture: &RunSnapshot, place: Place) -> Process {
        let longest = match (place, self.rng.below(8)) {
            (Place::Hook(..), _) => Duration::from_secs(3),
            (_, 0) => Duration::from_secs(3 * 3_600),
            (_, 1 | 2) => Duration::from_secs(900),
            _ => Duration::from_secs(20),
        };
        let lasts = self.rng.between(Duration::from_millis(2), longest);
        let exit = if self.rng.chance(2, 3) { Exit::Code(0) } else { Exit::Code(1) };
        Process {
            run: picture.run,
            attempt: picture.attempt,
            place,
            step: (place != Place::Work).then(|| name_of(&picture.job, place)),
            outcome: picture.outcome,
            job: picture.job.name.clone(),
            pool: picture.job.policy.pool.clone(),
            starts_at: self.machine.time,
            boot: self.machine.boots,
            ends_at: self.machine.time + u64::try_from(lasts.as_micros()).unwrap(),
            exit,
            ignores_term: self.rng.chance(1, 5),
            alive: true,
        }
    }

    pub(crate) fn set_alarm(&mut self) {
        let Some(daemon) = &mut self.daemon else { return };
        let wakeup = daemon.scheduler.next_wakeup();
        let wall = wakeup.wall.map(|at| self.machine.tick_of_wall(at));
        let mono = wakeup.mono.map(|at| self.machine.tick_of_mono(at));
        let time = self.machine.time;
        let longest = time + self.longest_sleep;
        let at = [wall, mono].into_iter().flatten().min().unwrap_or(longest).clamp(time, longest);
        let late = if self.rng.chance(1, 4) { self.rng.below(SECOND / 100) } else { 0 };
        daemon.alarm = at + late;
        if self.mutation == Some(Mutation::Oversleeps) {
            daemon.alarm = longest.saturating_mul(10);
        }
    }

    pub(crate) fn loop_turn(&mut self) -> Alive<()> {
        let time = self.machine.time;
        let Some(daemon) = &mut self.daemon else { return Ok(()) };
        if time < daemon.busy_until {
            return Ok(());
        }
        let due = daemon.mail.iter().enumerate().filter(|(_, (at, _))| *at <= time);
        if let Some((place, _)) = due.min_by_key(|(place, (at, _))| (*at, *place)) {
            let (_, mail) = daemon.mail.remove(place);
            self.say(|| format!("mail {mail:?}"));
            self.read(mail)?;
        } else if daemon.alarm <= time {
            self.feed(Input::Tick)?;
        } else {
            return Ok(());
        }
        self.finish_turn()
    }

    pub(crate) fn read(&mut self, mail: Mail) -> Alive<()> {
        let input = match mail {
            Mail::Committed(token, outcomes) => {
                let claims = self.daemon().claims.remove(&token).unwrap_or_default();
                let applied = |place: usize| outcomes.get(place) == Some(&Outcome::Applied);
                let claims: Vec<_> = claims.into_iter().map(|(place, run)| (run, applied(place))).collect();
                if claims.is_empty() {
                    return Ok(());
                }
                Input::Claimed(claims)
            }
            Mail::Degraded => {
                let wall = self.machine.now().wall;
                self.write(Change::Event(Event::new(wall, EventKind::DaemonDegraded)));
                Input::Degraded
            }
            Mail::Recovered => {
                let wall = self.machine.now().wall;
                self.write(Change::Event(Event::new(wall, EventKind::DaemonRecovered)));
                Input::Recovered
            }
            Mail::FutureGaps(after) if self.disk.queue.is_empty() => {
                Input::FutureGaps(self.future_gaps(after))
            }
            Mail::FutureGaps(after) => {
                // The question is asked once everything decided before it is durable.
                let soon = self.machine.time + SECOND / 100;
                let at = if self.disk.failing { self.disk.retry_at.max(soon) } else { soon };
                self.daemon().mail.push((at, Mail::FutureGaps(after)));
                return Ok(());
            }
            Mail::Output(run) => {
                let bad = self.rng.chance(1, 4);
                let result = if bad { Err("no document".to_owned()) } else { Ok(Some("{}".to_owned())) };
                Input::Output { run, result }
            }
            Mail::Exited(pid) => match self.exit_of(pid) {
                Some(input) => input,
                None => return Ok(()),
            },
        };
        self.feed(input).map(drop)
    }

    pub(crate) fn future_gaps(&self, after: Timestamp) -> Vec<FutureGap> {
        let rows =
            self.ledger.rows.values().filter(|row| {
                matches!(row.status.as_str(), "missed" | "skipped") && row.fire_time > Some(after)
            });
        let gaps = rows.filter_map(|row| {
            let last = row.fire_time?;
            let first = row.first_fire_time.unwrap_or(last);
            Some(FutureGap { run: row.run, job: row.job.clone(), first, last, count: row.occurrences })
        });
        gaps.collect()
    }

    pub(crate) fn exit_of(&mut self, pid: i32) -> Option<Input> {
        let exit = self.machine.processes.get(&pid)?.exit;
        let unseen = self.rng.chance(1, 2);
        let daemon = self.daemon();
        if let Some((run, place)) = daemon.children.remove(&pid) {
            return Some(Input::Exited { run, place, exit, usage: None });
        }
        let (run, place) = daemon.adopted.remove(&pid)?;
        Some(if unseen {
            Input::Vanished { run, place }
        } else {
            Input::Exited { run, place, exit, usage: None }
        })
    }
}

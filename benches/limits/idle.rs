//! The daemon at rest, and how late it is when one job is due.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

use crate::daemon::{Place, Running};
use crate::measure::{compared, median};
use crate::program::Program;
use crate::starts::{bare_start, collect};
use crate::table::{self, Unit};
use crate::{Form, Outcome, child};

/// Half of the time between two instants of a side: the two sides take turns.
pub(crate) const HALF: Duration = Duration::from_millis(500);

/// Prints the section.
pub(crate) fn section(form: Form) -> Outcome<()> {
    let limit = "memory: a process of the same build that sleeps; start: a timerfd and posix_spawn(3)";
    table::section("A daemon with 1,000 jobs, at rest and with one job every second", limit);
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    for count in [100, 1_000] {
        let resting = Place::new(directory.path().join(count.to_string()), &yearly_jobs(count))?;
        let daemon = resting.daemon()?;
        resident(&daemon, count)?;
        if count == 1_000 {
            at_rest(form, &daemon)?;
        }
        daemon.stop()?;
    }
    every_second(form, directory.path())
}

/// Writes jobs of which none is due soon.
fn yearly_jobs(count: usize) -> String {
    let mut text = "timezone = 'UTC'\n".to_owned();
    for job in 0..count {
        // Writing to a String does not fail.
        let _ = writeln!(
            text,
            "[jobs.yearly-{job:04}]\ncron = '{} {} 29 2 *'\ncommand = 'true'",
            job % 60,
            job / 60
        );
    }
    text
}

fn resident(daemon: &Running, count: usize) -> Outcome<()> {
    daemon.cpu_at_rest()?;
    let mut sleeper = child::command("sleep");
    let sleeper = Running(sleeper.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?);
    thread::sleep(Duration::from_millis(200));
    let resident = compared(&[(daemon.resident()?, sleeper.resident()?)]);
    table::row(&format!("resident memory with {count} jobs"), Unit::Bytes, resident);
    Ok(())
}

fn at_rest(form: Form, daemon: &Running) -> Outcome<()> {
    // Soon after its start it gives back memory, and after a minute it looks through all histories: rest comes then.
    thread::sleep(Duration::from_secs(form.pick(3, 63)));
    let (cpu, sleeps) = (daemon.cpu()?, daemon.sleeps()?);
    let seconds = form.pick(3, 60);
    thread::sleep(Duration::from_secs(seconds));
    let cpu = daemon.cpu()? - cpu;
    table::fact("  CPU time an hour, nothing due", &format!("{:.1} ms", cpu * 3.6e6 / seconds as f64));
    let (mut all, mut named) = (0.0, String::new());
    for (thread, after) in daemon.sleeps()? {
        let woken = after - sleeps.get(&thread).unwrap_or(&0.0);
        if woken > 0.0 {
            all += woken;
            named += &format!("  ({woken} of thread {thread})");
        }
    }
    table::fact(&format!("  wake-ups in {seconds} s, nothing due"), &format!("{all}{named}"));
    Ok(())
}

fn every_second(form: Form, directory: &Path) -> Outcome<()> {
    let program = Program::build(directory)?;
    let (ours, theirs) = (directory.join("ours"), directory.join("theirs"));
    let job = format!(
        "[jobs.tick]\ncron = '* * * * * *'\ncommand = ['{}', '{}']\n",
        program.text()?,
        ours.display()
    );
    let busy = Place::new(directory.join("busy"), &(yearly_jobs(1_000) + &job))?;
    let daemon = busy.daemon()?;
    let rounds = form.pick(11, 61);
    // After its first run it looks through all histories once: what follows is the daily grind.
    while fs::metadata(&ours).map_or(0, |file| file.len()) == 0 {
        thread::sleep(Duration::from_millis(10));
    }
    daemon.cpu_at_rest()?;
    let cpu = daemon.cpu()?;
    fs::write(&ours, "")?;
    let wakes = bare_ticks(rounds, &program, &theirs)?;
    let cpu = (daemon.cpu()? - cpu) / rounds as f64;
    daemon.stop()?;
    let (ours, theirs) = (lateness(&ours, Duration::ZERO)?, lateness(&theirs, HALF)?);
    let pairs: Vec<(f64, f64)> = ours.into_iter().zip(theirs).collect();
    let both = compared(&pairs);
    table::row("one job due: until its program runs", Unit::Time, both);
    table::fact("  later than the limit, p50", &format!("{:.3} ms", (both.ours - both.limit) * 1e3));
    let worst = pairs.iter().fold(0.0_f64, |worst, (ours, _)| worst.max(*ours));
    table::fact(&format!("  the latest of {} starts", pairs.len()), &format!("{:.1} ms", worst * 1e3));
    table::fact("  the bare timer's own lateness", &format!("{:.0} us", median(wakes.into_iter()) * 1e6));
    table::fact("  the daemon's CPU time for each run, start to end", &format!("{:.2} ms", cpu * 1e3));
    Ok(())
}

/// Starts the program at each half second, as barely as can be; returns how late the timer was each time.
pub(crate) fn bare_ticks(rounds: usize, program: &Program, stamps: &Path) -> Outcome<Vec<f64>> {
    let (path, stamps) = (program.c_path()?, Program::c_string(stamps)?);
    let timer = timerfd_create(TimerfdClockId::Realtime, TimerfdFlags::CLOEXEC)?;
    let first = Duration::from_secs(since_epoch().as_secs() + 1) + HALF;
    let spec = |at: Duration| -> Outcome<Timespec> {
        Ok(Timespec { tv_sec: i64::try_from(at.as_secs())?, tv_nsec: at.subsec_nanos().into() })
    };
    let times = Itimerspec { it_value: spec(first)?, it_interval: spec(Duration::from_secs(1))? };
    timerfd_settime(&timer, TimerfdTimerFlags::ABSTIME, &times)?;
    let mut wakes = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        rustix::io::read(&timer, &mut [0_u8; 8])?;
        wakes.push(late(since_epoch(), HALF));
        bare_start(&[&path, &stamps])?;
        collect(0);
    }
    Ok(wakes)
}

/// Reads how late each start was, seconds after the nearest instant of its side.
pub(crate) fn lateness(stamps: &Path, phase: Duration) -> Outcome<Vec<f64>> {
    let bytes = fs::read(stamps)?;
    let stamps = bytes.chunks_exact(8).map(|stamp| stamp.try_into().map_or(0, u64::from_ne_bytes));
    Ok(stamps.map(|stamp| late(Duration::from_nanos(stamp), phase)).collect())
}

/// Returns seconds since the last whole second and phase.
fn late(at: Duration, phase: Duration) -> f64 {
    f64::from((at - phase).subsec_nanos()) / 1e9
}

fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

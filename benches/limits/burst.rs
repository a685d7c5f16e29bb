//! The whole daemon: many jobs due at one instant, and when the last of them has started.
//!
//! The jobs say so themselves: each is a tiny program that writes down the instant at which it began.

use std::ffi::{CStr, CString};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Utc};
use rustix::thread::{ClockId, clock_nanosleep_absolute};
use rustix::time::Timespec;

use crate::claims::Bare;
use crate::daemon::{Place, Running};
use crate::measure::{self, in_turn_cold};
use crate::program::Program;
use crate::starts::{bare_start, collect};
use crate::table::{self, Unit};
use crate::{Form, Outcome, child};

/// How long before the instant the daemon is started, whole seconds at least.
const AHEAD: Duration = Duration::from_secs(2);

/// How many starts the limit makes durable in one commit.
pub(crate) const GROUP: u64 = 100;

/// The bytes that each program writes down.
pub(crate) const STAMP: u64 = 8;

/// What the CPU time of both sides is called.
pub(crate) const CPU_OF_A_RUN: &str = "  its own CPU time for each run, start to end";

/// How long the last start may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// One kind of burst.
#[derive(Clone, Copy, Debug)]
struct Case {
    count: u64,
    /// True: each command goes through `sh -c`.
    shell: bool,
}

/// Prints the section.
pub(crate) fn section(form: Form) -> Outcome<()> {
    let limit = "a loop: a new file for the output, posix_spawn(3); a commit to SQLite before each 100";
    table::section("All due at one instant: time until the last job has started, by its own clock", limit);
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let program = Program::build(directory.path())?;
    for (count, shell) in
        [(5_000, false), (1_000, true), (1_000, false), (5_000, true)].into_iter().take(form.pick(2, 4))
    {
        let case = Case { count, shell };
        let mut bench = Bench { case, program: &program, root: directory.path(), rounds: 0, cpu: Vec::new() };
        let mut other = Bench { cpu: Vec::new(), ..bench };
        let compared = in_turn_cold(form.pick(2, 11), || bench.daemon(), || other.limit())?;
        let way = if shell { "through sh -c" } else { "argv" };
        table::row(&format!("{count} jobs, {way}"), Unit::Time, compared);
        let each = |cpu: &f64| cpu / count as f64;
        let cpu: Vec<(f64, f64)> = bench.cpu.iter().map(each).zip(other.cpu.iter().map(each)).collect();
        table::row(CPU_OF_A_RUN, Unit::Time, measure::compared(&cpu));
    }
    Ok(())
}

/// Bursts of one kind.
struct Bench<'a> {
    case: Case,
    program: &'a Program,
    root: &'a Path,
    rounds: u32,
    /// Seconds of CPU that each burst took, the programs that were started left out.
    cpu: Vec<f64>,
}

impl Bench<'_> {
    /// Makes an empty directory for one round.
    fn room(&mut self, side: &str) -> io::Result<PathBuf> {
        self.rounds += 1;
        let Case { count, shell } = self.case;
        let room = self.root.join(format!("{side}-{count}-{shell}-{}", self.rounds));
        fs::create_dir(&room)?;
        File::create(room.join("stamps"))?;
        Ok(room)
    }

    /// Returns seconds from the instant to the last start under the daemon.
    fn daemon(&mut self) -> Outcome<f64> {
        let room = self.room("daemon")?;
        let (stamps, due) = (room.join("stamps"), next_instant());
        let place = Place::new(room.join("place"), &self.job_file(due, &stamps)?)?;
        let mut daemon = place.daemon()?;
        sleep_until(due.saturating_sub(Duration::from_millis(300)))?;
        let before = daemon.cpu()?;
        let last = wait_for(&stamps, self.case.count, due, || daemon.is_alive());
        let last = last.map_err(|error| format!("{error}\n{}", place.log()))?;
        self.cpu.push(daemon.cpu_at_rest()? - before);
        daemon.stop()?;
        Ok(last)
    }

    /// Returns the same without a daemon.
    fn limit(&mut self) -> Outcome<f64> {
        let room = self.room("limit")?;
        let stamps = room.join("stamps");
        let due = next_instant().saturating_sub(AHEAD) + Duration::from_secs(1);
        let Case { count, shell } = self.case;
        let mut command = child::command("burst");
        command.args([count.to_string(), due.as_nanos().to_string(), shell.to_string()]);
        command.args([&self.program.path, &stamps, &room]);
        let mut limit = Running(command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?);
        let last = wait_for(&stamps, count, due, || limit.is_alive())?;
        self.cpu.push(limit.last_word()?);
        Ok(last)
    }

    fn job_file(&self, due: Duration, stamps: &Path) -> Outcome<String> {
        let at = DateTime::<Utc>::from(UNIX_EPOCH + due).format("%S %M %H %d %m *");
        let program = self.program.text()?;
        let stamps = stamps.to_str().ok_or("the target directory is not UTF-8")?;
        let command = if self.case.shell {
            format!("'''{program} {stamps}'''")
        } else {
            format!("['''{program}''', '''{stamps}''']")
        };
        let job = |number| format!("[jobs.job-{number:04}]\ncron = \"{at}\"\ncommand = {command}\n");
        Ok("timezone = \"UTC\"\n".to_owned() + &(0..self.case.count).map(job).collect::<String>())
    }
}

/// Returns a whole second that is [`AHEAD`] of now, since 1970.
fn next_instant() -> Duration {
    let ahead = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + AHEAD;
    Duration::from_secs(ahead.as_secs() + 1)
}

pub(crate) fn sleep_until(at: Duration) -> Outcome<()> {
    let at = Timespec { tv_sec: i64::try_from(at.as_secs())?, tv_nsec: at.subsec_nanos().into() };
    while let Err(error) = clock_nanosleep_absolute(ClockId::Realtime, &at) {
        if error != rustix::io::Errno::INTR {
            return Err(error.into());
        }
    }
    Ok(())
}

/// Waits for the stamps of all jobs; returns seconds from the instant to the last of them.
fn wait_for(stamps: &Path, count: u64, due: Duration, mut alive: impl FnMut() -> bool) -> Outcome<f64> {
    sleep_until(due)?;
    let (start, mut rest) = (std::time::Instant::now(), false);
    while fs::metadata(stamps)?.len() < count * STAMP {
        if rest || start.elapsed() > PATIENCE {
            let started = fs::metadata(stamps)?.len() / STAMP;
            return Err(format!("{started} of {count} jobs have started").into());
        }
        // Who has ended may have left its last jobs behind: they get one more moment.
        rest = !alive();
        thread::sleep(Duration::from_millis(if rest { 500 } else { 10 }));
    }
    let bytes = fs::read(stamps)?;
    let stamps = bytes.chunks_exact(8).map(|stamp| stamp.try_into().map_or(0, u64::from_ne_bytes));
    let last = Duration::from_nanos(stamps.max().unwrap_or(0));
    let early = || format!("a job started {:?} before its instant", due.saturating_sub(last));
    Ok(last.checked_sub(due).ok_or_else(early)?.as_secs_f64())
}

/// Does without a daemon what a burst needs: sleeps, makes claims durable, starts, collects.
pub(crate) fn limit(words: &[&str]) -> Outcome<()> {
    let [count, due, shell, program, stamps, room] = words else {
        return Err("a limit takes six arguments".into());
    };
    let (count, due): (u64, u64) = (count.parse()?, due.parse()?);
    let text = CString::new(format!("{program} {stamps}"))?;
    let (program, stamps) = (CString::new(*program)?, CString::new(*stamps)?);
    let shell: bool = shell.parse()?;
    let (through_shell, plain): ([&CStr; 3], [&CStr; 2]) = ([c"/bin/sh", c"-c", &text], [&program, &stamps]);
    let words: &[&CStr] = if shell { &through_shell } else { &plain };
    let room = Path::new(room);
    let mut store = Bare::new(&room.join("limit.db"))?;
    sleep_until(Duration::from_nanos(due))?;
    for first in (0..count).step_by(usize::try_from(GROUP)?) {
        let group = first..count.min(first + GROUP);
        store.claim(group.clone().map(|run| run + 1))?;
        for run in group {
            let _output = File::create_new(room.join(format!("{run}.log")))?;
            bare_start(words)?;
            collect(libc::WNOHANG);
        }
    }
    while collect(0) {}
    println!("{}", child::own_cpu());
    Ok(())
}

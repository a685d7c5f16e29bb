//! The whole daemon, second after second: as many jobs due in each as this machine could start without a daemon.
//!
//! What cannot be started within its second is skipped by the next, and that is written down too.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

use crate::burst::{CPU_OF_A_RUN, GROUP, STAMP, sleep_until};
use crate::claims::Bare;
use crate::daemon::{Place, Running};
use crate::measure::compared;
use crate::program::Program;
use crate::starts::{bare_start, collect};
use crate::table::{self, Unit};
use crate::{Form, Outcome, child};

/// What both sides are given before they are measured.
const WARM: Duration = Duration::from_secs(1);

/// Prints the section.
pub(crate) fn section(form: Form) -> Outcome<()> {
    let limit =
        "a loop: timerfd, a new file for the output, posix_spawn(3), waitpid(2); a commit before each 100";
    table::section("Short runs, as many every second as the limit can do", limit);
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let program = Program::build(directory.path())?;
    let window = Duration::from_secs(form.pick(2, 20));
    let (mut pairs, mut cpu) = (Vec::new(), Vec::new());
    for round in 0..form.pick(2, 7) {
        let bench =
            Bench { program: &program, room: directory.path().join(format!("round-{round}")), window };
        fs::create_dir(&bench.room)?;
        let (limit, least) = bench.limit()?;
        let (ours, burnt) = bench.daemon(limit)?;
        let seconds = window.as_secs_f64();
        pairs.push((seconds / ours as f64, seconds / limit as f64));
        cpu.push((burnt / ours as f64, least));
    }
    table::row("runs with starts, ends and history", Unit::PerSecond, compared(&pairs));
    table::row(CPU_OF_A_RUN, Unit::Time, compared(&cpu));
    Ok(())
}

/// One round.
struct Bench<'a> {
    program: &'a Program,
    room: PathBuf,
    window: Duration,
}

impl Bench<'_> {
    /// Returns how many programs the limit has started within the window, and the seconds of CPU that it took for
    /// each of all it has started.
    fn limit(&self) -> Outcome<(u64, f64)> {
        let stamps = self.room.join("limit-stamps");
        let from = next_second();
        let mut command = child::command("sustained");
        command.args([from.as_nanos().to_string(), (from + WARM + self.window).as_nanos().to_string()]);
        command.args([&self.program.path, &stamps, &self.room]);
        let mut limit = Running(command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?);
        let cpu = limit.last_word()?;
        let all = fs::metadata(&stamps)?.len() / STAMP;
        Ok((self.count(&stamps, from + WARM)?, cpu / all as f64))
    }

    /// Returns how many programs the daemon has started within the window, where as many are due as the limit has
    /// started, and the seconds of CPU that it took for them.
    fn daemon(&self, limit: u64) -> Outcome<(u64, f64)> {
        let stamps = self.room.join("stamps");
        File::create(&stamps)?;
        let jobs = limit / self.window.as_secs();
        let place = Place::new(self.room.join("place"), &self.job_file(jobs, &stamps)?)?;
        let daemon = place.daemon()?;
        let from = next_second() + WARM;
        sleep_until(from)?;
        let before = daemon.cpu()?;
        sleep_until(from + self.window)?;
        let cpu = daemon.cpu()? - before;
        daemon.stop()?;
        Ok((self.count(&stamps, from)?, cpu))
    }

    fn job_file(&self, jobs: u64, stamps: &Path) -> Outcome<String> {
        let (program, stamps) = (self.program.text()?, stamps.display());
        let job = |number| {
            format!("[jobs.job-{number:04}]\ncron = '* * * * * *'\ncommand = ['{program}', '{stamps}']\n")
        };
        Ok("timezone = 'UTC'\n".to_owned() + &(0..jobs).map(job).collect::<String>())
    }

    /// Counts the stamps of the window.
    fn count(&self, stamps: &Path, from: Duration) -> Outcome<u64> {
        let bytes = fs::read(stamps)?;
        let stamps = bytes.chunks_exact(8).map(|stamp| stamp.try_into().map_or(0, u64::from_ne_bytes));
        let window = from..from + self.window;
        Ok(u64::try_from(stamps.filter(|at| window.contains(&Duration::from_nanos(*at))).count())?)
    }
}

fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn next_second() -> Duration {
    Duration::from_secs(since_epoch().as_secs() + 1)
}

/// Does without a daemon what short runs need, as often as it can: waits, makes claims durable, starts, collects.
pub(crate) fn limit(words: &[&str]) -> Outcome<()> {
    let [from, until, program, stamps, room] = words else {
        return Err("a limit takes five arguments".into());
    };
    let (from, until) = (Duration::from_nanos(from.parse()?), Duration::from_nanos(until.parse()?));
    let (path, stamps) = (Program::c_string(Path::new(program))?, Program::c_string(Path::new(stamps))?);
    let room = Path::new(room);
    let mut store = Bare::new(&room.join("limit.db"))?;
    let timer = timerfd_create(TimerfdClockId::Realtime, TimerfdFlags::CLOEXEC)?;
    let first = Timespec { tv_sec: i64::try_from(from.as_secs())?, tv_nsec: from.subsec_nanos().into() };
    // Due again at every look: what it costs to wait, without a wait.
    let times = Itimerspec { it_value: first, it_interval: Timespec { tv_sec: 0, tv_nsec: 1_000 } };
    timerfd_settime(&timer, TimerfdTimerFlags::ABSTIME, &times)?;
    for first in (1..).step_by(usize::try_from(GROUP)?) {
        rustix::io::read(&timer, &mut [0_u8; 8])?;
        if since_epoch() >= until {
            break;
        }
        store.claim(first..first + GROUP)?;
        for run in first..first + GROUP {
            let _output = File::create_new(room.join(format!("{run}.log")))?;
            bare_start(&[&path, &stamps])?;
            collect(libc::WNOHANG);
        }
    }
    while collect(0) {}
    println!("{}", child::own_cpu());
    Ok(())
}

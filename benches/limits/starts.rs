//! Starting processes.

use std::ffi::{CStr, c_char};
use std::io;
use std::path::Path;
use std::ptr;

use jobctl::core::civil::Zone;
use jobctl::core::job::{About, Command, Execution, Words};
use jobctl::core::name::Name;
use jobctl::core::run::{RunId, Source};
use jobctl::process::environment::environment;
use jobctl::process::{Inherited, Logs, Reaper, RunContext, Sink, Spawner, Start};

use crate::measure::{Compared, in_turn, seconds_each, time};
use crate::program::Program;
use crate::table::{self, Unit};
use crate::{Form, Outcome};

/// How many are started before the first of them is collected, as in a burst.
const BATCH: usize = 100;

/// Prints the section.
pub(crate) fn section(form: Form) -> Outcome<()> {
    let limit = "posix_spawn(3) and waitpid(2) of the same tiny program, nothing else";
    table::section("Starts with their ends, a hundred alive at a time", limit);
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let mut starter = Starter::new(directory.path())?;
    let program = Program::build(directory.path())?;
    let (text, path) = (program.text()?, program.c_path()?);
    let argv = Command::Argv(Words::from_iter([text]));
    let shell = Command::Shell(text.into());
    let plain: [&CStr; 1] = [&path];
    let through_shell: [&CStr; 3] = [c"/bin/sh", c"-c", &path];
    let cases: [(&str, &Command, &[&CStr], bool); 4] = [
        ("argv, output to /dev/null", &argv, &plain, false),
        ("argv, output to a file each", &argv, &plain, true),
        ("sh -c, output to /dev/null", &shell, &through_shell, false),
        ("sh -c, output to a file each", &shell, &through_shell, true),
    ];
    for (what, command, bare, logged) in cases {
        table::row(what, Unit::PerSecond, starter.against(form, command, bare, logged)?);
    }
    Ok(())
}

/// All that a start of jobctl needs.
struct Starter {
    spawner: Spawner,
    reaper: Reaper,
    inherited: Inherited,
    logs: Logs,
    job: Name,
    execution: Execution,
    about: About,
    zone: Zone,
    run: u64,
}

impl Starter {
    fn new(directory: &Path) -> Outcome<Self> {
        Ok(Starter {
            spawner: Spawner::new()?,
            reaper: Reaper::default(),
            inherited: Inherited::capture(directory),
            logs: Logs::new(directory.join("logs")),
            job: Name::new("true")?,
            execution: Execution::default(),
            about: About::default(),
            zone: Zone::utc(),
            run: 0,
        })
    }

    fn against(&mut self, form: Form, command: &Command, bare: &[&CStr], log: bool) -> Outcome<Compared> {
        let batches = form.pick(1, 10);
        in_turn(
            form.pick(7, 31),
            || self.batches(batches, command, log),
            || {
                let (took, done) = time(|| (0..batches).try_for_each(|_| bare_batch(bare)));
                done?;
                Ok(seconds_each(took, batches * BATCH))
            },
        )
    }

    /// Returns seconds for one start with its end.
    fn batches(&mut self, batches: usize, command: &Command, log: bool) -> Outcome<f64> {
        let (took, done) = time(|| (0..batches).try_for_each(|_| self.batch(command, log)));
        done?;
        let first = self.run + 1 - if log { u64::try_from(batches * BATCH)? } else { 0 };
        self.logs.remove(&self.job, &(first..=self.run).map(RunId).collect::<Vec<_>>())?;
        self.run = first - 1;
        Ok(seconds_each(took, batches * BATCH))
    }

    fn batch(&mut self, command: &Command, log: bool) -> Outcome<()> {
        for _ in 0..BATCH {
            if log {
                self.run += 1;
            }
            self.start(command, log)?;
        }
        while self.reaper.live() > 0 {
            await_a_death()?;
            self.reaper.reap();
        }
        Ok(())
    }

    fn start(&mut self, command: &Command, log: bool) -> Outcome<()> {
        let run = RunId(self.run);
        let context = RunContext {
            job: &self.job,
            run,
            attempt: 1,
            fire_time: None,
            source: Source::Schedule,
            last_success: None,
            about: &self.about,
            zone: &self.zone,
            extra: &[],
        };
        let environment = environment(&self.inherited, &self.execution, &context)?;
        let file = if log { Some(self.logs.create(&self.job, run, 1)?) } else { None };
        let mark = self.spawner.spawn(&Start {
            job: &self.job,
            command,
            args: &[],
            execution: &self.execution,
            environment: &environment,
            sink: file.as_ref().map_or(Sink::Null, |file| Sink::File(file.as_fd())),
            cgroup: None,
        })?;
        self.reaper.watch(mark);
        Ok(())
    }
}

/// Waits until a child has ended, and leaves it to be collected.
fn await_a_death() -> io::Result<()> {
    let options = rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT;
    rustix::process::waitid(rustix::process::WaitId::All, options)?;
    Ok(())
}

fn bare_batch(words: &[&CStr]) -> io::Result<()> {
    let mut pids = [0; BATCH];
    for pid in &mut pids {
        *pid = bare_start(words)?;
    }
    for pid in pids {
        // SAFETY: waitpid(2) allows a null status pointer; the child is ours.
        if unsafe { libc::waitpid(pid, ptr::null_mut(), 0) } != pid {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Starts a program with the least that the C library offers for it.
pub(crate) fn bare_start(words: &[&CStr]) -> io::Result<libc::pid_t> {
    unsafe extern "C" {
        static environ: *const *mut c_char;
    }
    let argv: Vec<*mut c_char> =
        words.iter().map(|word| word.as_ptr().cast_mut()).chain([ptr::null_mut()]).collect();
    let mut pid = 0;
    // SAFETY: the strings and the lists outlive the call, both lists end in null, and null stands for no
    // attributes and no file actions. Nothing in this program changes the environment.
    let error =
        unsafe { libc::posix_spawn(&raw mut pid, argv[0], ptr::null(), ptr::null(), argv.as_ptr(), environ) };
    if error == 0 { Ok(pid) } else { Err(io::Error::from_raw_os_error(error)) }
}

/// Collects a child that has ended; says whether there was one.
pub(crate) fn collect(flags: libc::c_int) -> bool {
    // SAFETY: waitpid(2) allows a null status pointer.
    unsafe { libc::waitpid(-1, ptr::null_mut(), flags) > 0 }
}

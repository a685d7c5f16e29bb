//! Commands from a cold process: what a person or a script waits for.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::claims::Bare;
use crate::daemon::Place;
use crate::measure::{in_turn, seconds_each, time};
use crate::table::{self, Unit};
use crate::workload::job_file;
use crate::{Form, Outcome, child};

/// How many processes make up one side of a round.
const BATCH: usize = 10;

/// A job that may always be started once more.
const BRIEF: &str = "[jobs.brief]\nevery = '1w'\ncommand = ['true']\nmax_instances = 1000\n";

/// Prints the section.
pub(crate) fn section(form: Form) -> Outcome<()> {
    let limit = "a process of the same build whose main does nothing; for run-now a durable commit besides";
    table::section("Commands with 1,000 jobs, from the start of the process to its end", limit);
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let place = Place::new(directory.path().join("place"), &(job_file(1_000) + BRIEF))?;
    let alone: [&[&str]; 4] = [&["--version"], &["explain", "*/5 * * * *"], &["list"], &["check"]];
    for words in alone {
        row(form, &format!("jobctl {}, no daemon", words.join(" ")), || place.command(words))?;
    }
    let daemon = place.daemon()?;
    let asking: [&[&str]; 7] = [
        &["status"],
        &["list"],
        &["list", "--json"],
        &["show", "customer-000007"],
        &["history"],
        &["run-now", "brief"],
        &["add", "added", "--replace", "--every", "1w", "--", "true"],
    ];
    for words in asking {
        row(form, &format!("jobctl {}", words.join(" ")), || place.command(words))?;
    }
    let mut bare = Bare::new(&directory.path().join("bare.db"))?;
    let mut claimed = 0;
    let compared = in_turn(
        form.pick(5, 31),
        || batch(|| place.command(&["run-now", "customer-000007", "--force"]), || Ok(())),
        || {
            batch(nothing, || {
                claimed += 1;
                Ok(bare.claim(std::iter::once(claimed))?)
            })
        },
    )?;
    table::row("jobctl run-now customer-000007", Unit::Time, compared);
    grown(form, directory.path(), &place)?;
    daemon.stop()
}

/// Compares commands that are about little with the same where there are a hundred times as many jobs.
fn grown(form: Form, directory: &Path, few: &Place) -> Outcome<()> {
    table::section("The same with 100,000 jobs", "with 1,000 jobs");
    let many = Place::new(directory.join("many"), &(job_file(100_000) + BRIEF))?;
    let daemon = many.daemon()?;
    // What so many new jobs leave to be written down is not what a command costs.
    daemon.cpu_at_rest()?;
    let about_little: [&[&str]; 6] = [
        &["status"],
        &["show", "customer-000007"],
        &["history"],
        &["why", "customer-000007"],
        &["run-now", "brief"],
        &["add", "added", "--replace", "--every", "1w", "--", "true"],
    ];
    for words in about_little {
        let compared = in_turn(
            form.pick(3, 31),
            || batch(|| many.command(words), || Ok(())),
            || batch(|| few.command(words), || Ok(())),
        )?;
        table::row(&format!("jobctl {}", words.join(" ")), Unit::Time, compared);
    }
    daemon.stop()
}

fn row(form: Form, what: &str, command: impl Fn() -> Command) -> Outcome<()> {
    let compared = in_turn(form.pick(5, 31), || batch(&command, || Ok(())), || batch(nothing, || Ok(())))?;
    table::row(what, Unit::Time, compared);
    Ok(())
}

/// Makes the command that does nothing.
fn nothing() -> Command {
    let mut command = child::command("nothing");
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Returns seconds for one process and what else there is to do.
fn batch(command: impl Fn() -> Command, mut besides: impl FnMut() -> Outcome<()>) -> Outcome<f64> {
    let mut run = || -> Outcome<()> {
        let status = command().status()?;
        if status.success() { besides() } else { Err(format!("a command ended with {status}").into()) }
    };
    let (took, done) = time(|| (0..BATCH).try_for_each(|_| run()));
    done?;
    Ok(seconds_each(took, BATCH))
}

//! `restore`: the way back from a damaged or lost store.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::builder::ValueHint;
use serde::Serialize;

use super::context::Context;
use super::error::{CliError, Kind, chain};
use super::render::text::count;
use super::render::time::{exact, relative};
use super::source::logs_dir;
use crate::jobfile::write;
use crate::process::{self, Logs, Survivor};
use crate::store::{OpenError, Remains, Restoration, RestoreSite, Session};

pub(crate) const EXAMPLES: &str = "
jobctl restore /backup/jobctl.db && jobctl run
jobctl restore --empty            # there is no copy
jobctl why backup                 # afterwards: what is unknown says so";

/// The file in the evidence directory with the added jobs of the store that was replaced.
const ADDED_JOBS: &str = "added-jobs.toml";

/// Put a copy of the store back, or begin a new one
///
/// For a store that is damaged or lost. The daemon must not run. The files that were there are kept in a directory of
/// their own beside the store, evidence-DATE, and never deleted. What was due between the copy and the restore may have
/// run: it is `lost` in the ledger, with the reason `restored`, and does not run again; schedules go on from the
/// restore. Runs that were not over in the copy are `lost` too, unless they are still alive.
#[derive(Debug, clap::Args)]
#[command(after_long_help = super::help::examples(EXAMPLES))]
pub(crate) struct Restore {
    /// A copy made by `jobctl backup`
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath, required_unless_present = "empty")]
    file: Option<PathBuf>,
    /// Begin with an empty store and the job file alone; added jobs that can still be read are written to a file
    #[arg(long, conflicts_with = "file")]
    empty: bool,
}

/// What `restore --json` prints.
#[derive(Debug, Serialize)]
struct Restored {
    state_dir: PathBuf,
    /// The copy; `null` = a new store.
    file: Option<PathBuf>,
    known_until: Option<String>,
    evidence: Option<PathBuf>,
    added_jobs: Option<PathBuf>,
    runs_lost: u64,
    notices_dropped: u64,
    alive: Vec<StillAlive>,
}

/// A process of a run that the new store may know nothing of.
#[derive(Debug, Serialize)]
struct StillAlive {
    pid: i32,
    run_id: u64,
}

impl Restore {
    pub(crate) fn run(&self, context: &mut Context) -> Result<u8, CliError> {
        let paths = context.paths()?;
        let boot_id = process::boot_id()
            .map_err(|error| CliError::new(Kind::Failed, format!("cannot read this boot's id: {error}")))?;
        let pid = i32::try_from(std::process::id()).unwrap_or(0);
        let session = Session { host: process::host(), boot_id, pid };
        let site = RestoreSite::take(&paths.state_dir, session).map_err(|error| failed(&error))?;
        let remains = site.remains();
        let last_run = Logs::existing(logs_dir(&paths)).last_run();
        let restoration = site
            .restore(self.file.as_deref(), &remains, last_run, context.now)
            .map_err(|error| failed(&error))?;
        let added_jobs = keep_definitions(&remains, restoration.evidence.as_deref(), context);
        let strays = process::survivors(&paths.state_dir);
        if context.json() {
            let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
            context.out.json(&Restored {
                state_dir: paths.state_dir,
                file: self.file.as_ref().map(absolute),
                known_until: restoration.known_until.map(|at| at.to_string()),
                evidence: restoration.evidence,
                added_jobs,
                runs_lost: restoration.unfinished,
                notices_dropped: restoration.notices,
                alive: strays.into_iter().map(StillAlive::from).collect(),
            })?;
        } else {
            self.tell(&restoration, added_jobs.as_deref(), &strays, context)?;
        }
        Ok(0)
    }

    fn tell(
        &self,
        restoration: &Restoration,
        added_jobs: Option<&Path>,
        strays: &[Survivor],
        context: &mut Context,
    ) -> Result<(), CliError> {
        context.out.done(&match (&self.file, restoration.known_until) {
            (Some(file), Some(at)) => format!(
                "restored from {}, which knows everything until {} ({})",
                file.display(),
                exact(&at.to_string()),
                relative(at, context.now)
            ),
            (Some(file), None) => format!("restored from {}", file.display()),
            (None, _) => "a new store, with the jobs of the job file alone".to_owned(),
        })?;
        if let Some(evidence) = &restoration.evidence {
            context.out.done(&format!("the old files are kept in {}", evidence.display()))?;
        }
        if let Some(added_jobs) = added_jobs {
            let what = if self.empty { "" } else { " as they were in it" };
            context.out.note(&format!(
                "the added jobs{what} are in {}: move what is wanted to jobs.d/ beside the job file",
                added_jobs.display()
            ));
        }
        if restoration.unfinished > 0 {
            let runs = count(restoration.unfinished, "run");
            context.out.note(&format!("{runs} of the copy will be lost, unless still alive"));
        }
        for stray in strays {
            context.out.warning(&format!(
                "process {} of run {} is alive; unless the copy has that run, nobody will watch it",
                stray.process.pid, stray.run
            ));
        }
        Ok(())
    }
}

impl From<Survivor> for StillAlive {
    fn from(survivor: Survivor) -> Self {
        StillAlive { pid: survivor.process.pid, run_id: survivor.run.0 }
    }
}

/// Writes the added jobs that could be read from the old store beside its files; says where.
fn keep_definitions(remains: &Remains, evidence: Option<&Path>, context: &Context) -> Option<PathBuf> {
    let path = evidence.filter(|_| !remains.definitions.is_empty())?.join(ADDED_JOBS);
    let mut text = String::new();
    for (name, toml) in &remains.definitions {
        match write::table(name, toml) {
            Ok(table) => text.push_str(&format!("{table}\n")),
            Err(error) => context.out.warning(&format!("the definition of {name} is lost: {error}")),
        }
    }
    match private_file(&path, &text) {
        Ok(()) => Some(path),
        Err(error) => {
            // The restore is done, and the definitions are still in the evidence.
            context.out.warning(&format!("cannot write {}: {error}", path.display()));
            None
        }
    }
}

fn private_file(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn failed(error: &OpenError) -> CliError {
    let (kind, hint) = match error {
        OpenError::Locked { .. } => (Kind::NoDaemon, "stop it first: `jobctl stop --wait`"),
        OpenError::Newer { .. } => (Kind::Failed, "use the version of jobctl that wrote it"),
        OpenError::Corrupt { .. } => (
            Kind::Failed,
            "try an older copy, or begin anew with `jobctl restore --empty`; nothing was changed",
        ),
        OpenError::Foreign { .. } => {
            (Kind::Failed, "name a copy that `jobctl backup` made; nothing was changed")
        }
        OpenError::Older { .. } | OpenError::Io { .. } | OpenError::Sqlite { .. } => {
            (Kind::Failed, "once that is out of the way, restore again")
        }
    };
    CliError::new(kind, chain(error)).hint(hint)
}

//! `backup`: a copy of the store, beside a running daemon or without one.

use std::path::PathBuf;

use clap::builder::ValueHint;
use serde::Serialize;

use super::context::Context;
use super::error::{CliError, Kind, chain};
use super::render::time;
use super::source::unopened;
use crate::store::{BackupError, Reader};

pub(crate) const EXAMPLES: &str = "
jobctl backup /backup/jobctl.db
jobctl backup \"/backup/jobctl-$(date +%F).db\"      # from a job of its own
jobctl restore /backup/jobctl.db";

/// Copy the store to a file
///
/// The copy is of one moment, checked, and a single file that only its owner reads; it holds the runs, the added jobs,
/// pauses and changes, but neither the output of runs nor the job file. A running daemon is not held up. An existing
/// file is never overwritten.
#[derive(Debug, clap::Args)]
#[command(after_long_help = super::help::examples(EXAMPLES))]
pub(crate) struct Backup {
    /// The copy; it must not exist
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,
}

/// What `backup --json` prints.
#[derive(Debug, Serialize)]
struct BackedUp {
    file: PathBuf,
    bytes: u64,
}

impl Backup {
    pub(crate) fn run(&self, context: &mut Context) -> Result<u8, CliError> {
        let state_dir = context.paths()?.state_dir;
        let reader = Reader::open(&state_dir).map_err(|error| unopened(&error))?;
        let reader = reader.ok_or_else(|| {
            CliError::new(Kind::Failed, format!("there is no store in {}", state_dir.display()))
                .hint("a daemon makes one when it starts; name another directory with --state-dir")
        })?;
        reader.backup(&self.file).map_err(|error| failed(&error))?;
        let file = std::path::absolute(&self.file).unwrap_or_else(|_| self.file.clone());
        let bytes = std::fs::metadata(&file).map_or(0, |meta| meta.len());
        if context.json() {
            context.out.json(&BackedUp { file, bytes })?;
        } else {
            context.out.done(&format!("{}: {}", file.display(), time::size(bytes)))?;
        }
        Ok(0)
    }
}

fn failed(error: &BackupError) -> CliError {
    let hint = match error {
        BackupError::Io { source, .. } if source.kind() == std::io::ErrorKind::AlreadyExists => {
            "an older copy is not overwritten: name another file, or remove it first"
        }
        BackupError::Io { .. } | BackupError::Sqlite { .. } => "name a file in a directory that takes it",
        BackupError::Useless(_) => {
            "the store is damaged: `jobctl restore FILE` puts an older copy back, `jobctl restore --empty` begins anew"
        }
    };
    CliError::new(Kind::Failed, chain(error)).hint(hint)
}

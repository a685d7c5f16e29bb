//! Where the text of a job set comes from: the job file and `jobs.d/*.toml` beside it.
//!
//! The only part of the room that opens files; everything else works on what is read here.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The most bytes of one file; a job file of a hundred thousand jobs has about a quarter of it.
pub const MAX_FILE_BYTES: usize = 64 << 20;

/// The most files of `jobs.d`.
const MAX_FILES: usize = 10_000;

/// The files of one job set, in the order in which they are read.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The job file first, then `jobs.d/*.toml` by name.
    pub files: Vec<SourceFile>,
}

/// One file as it was found.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// The file, as it was opened and as messages call it.
    pub path: Arc<Path>,
    /// Where relative paths in it start: its directory, absolute.
    pub directory: PathBuf,
    /// What is in it; cut just above [`MAX_FILE_BYTES`], so that the load can refuse it.
    pub bytes: Vec<u8>,
}

/// Why the files could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is no job file, and nothing in `jobs.d` either.
    #[error("there is no job file {}", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A file or directory cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// Which one.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// `jobs.d` holds more files than anybody writes.
    #[error("{} holds more than {MAX_FILES} files", path.display())]
    TooMany {
        /// The directory.
        path: PathBuf,
    },
}

/// Reads the job file and `jobs.d/*.toml` beside it.
///
/// Hidden files are left out. A job file that does not exist is no error where `jobs.d` has one.
///
/// # Errors
/// Names the file that cannot be read; [`ReadError::Missing`] when there is nothing at all.
pub fn read(config: &Path) -> Result<Sources, ReadError> {
    let mut files = Vec::new();
    match read_file(config) {
        Ok(file) => files.push(file),
        Err(ReadError::Unreadable { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    for path in drop_ins(&drop_in_directory(config))? {
        files.push(read_file(&path)?);
    }
    if files.is_empty() { Err(ReadError::Missing { path: config.to_owned() }) } else { Ok(Sources { files }) }
}

/// Returns the directory whose `*.toml` files belong to a job file.
pub fn drop_in_directory(config: &Path) -> PathBuf {
    config.with_file_name("jobs.d")
}

/// Lists the `*.toml` files of a directory by name; a directory that does not exist has none.
fn drop_ins(directory: &Path) -> Result<Vec<PathBuf>, ReadError> {
    let unreadable = |source| ReadError::Unreadable { path: directory.to_owned(), source };
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(unreadable(error)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(unreadable)?.path();
        let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && path.extension().is_some_and(|extension| extension == "toml") && !path.is_dir() {
            paths.push(path);
        }
        if paths.len() > MAX_FILES {
            return Err(ReadError::TooMany { path: directory.to_owned() });
        }
    }
    paths.sort();
    Ok(paths)
}

fn read_file(path: &Path) -> Result<SourceFile, ReadError> {
    let unreadable = |source| ReadError::Unreadable { path: path.to_owned(), source };
    let absolute = std::path::absolute(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    let most = u64::try_from(MAX_FILE_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes)).map_err(unreadable)?;
    let directory = absolute.parent().unwrap_or(Path::new("/")).to_owned();
    Ok(SourceFile { path: path.into(), directory, bytes })
}

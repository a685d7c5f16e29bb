//! The output files: `logs/<job>/<run>.log`, and `<run>.<attempt>.log` from the second attempt on.
//!
//! A file is made right before the start of its attempt, so that its existence is the evidence, after a
//! crash, that the start was tried.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, CWD, Mode, RenameFlags};

use crate::core::name::Name;
use crate::core::run::RunId;

/// The directory of all output files.
#[derive(Clone, Debug)]
pub struct Logs {
    root: PathBuf,
}

/// An output file, open for appending.
#[derive(Debug)]
pub struct LogFile {
    /// Its path.
    pub path: PathBuf,
    file: OwnedFd,
}

/// What the disk says about whether an attempt was started, if the machine has not been down since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// Its output file exists: the start was tried.
    Tried,
    /// The directory is in order and has no such file: the start was not tried.
    NotTried,
    /// The directory is missing or cannot be written to, so a start would have left nothing.
    Unknown,
}

impl LogFile {
    /// Returns the open file, for [`Sink::File`](super::Sink::File).
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Returns how many bytes the file holds now: where the next command's output begins.
    ///
    /// # Errors
    /// What fstat(2) says.
    pub fn length(&self) -> io::Result<u64> {
        Ok(u64::try_from(rustix::fs::fstat(&self.file)?.st_size).unwrap_or(0))
    }
}

impl Logs {
    /// Names the directory (`logs` under the state directory) and makes it where it is missing.
    ///
    /// A directory that cannot be made is no error here: each start says so again, and jobs still run.
    pub fn new(root: PathBuf) -> Self {
        let logs = Logs { root };
        drop(private_directory(&logs.root));
        logs
    }

    /// Names the directory and leaves it as it is: for those who only read.
    pub fn existing(root: PathBuf) -> Self {
        Logs { root }
    }

    /// Returns the path of an attempt's output file.
    pub fn path(&self, job: &Name, run: RunId, attempt: u32) -> PathBuf {
        let name = if attempt <= 1 { format!("{run}.log") } else { format!("{run}.{attempt}.log") };
        self.root.join(job.as_str()).join(name)
    }

    /// Makes the directory of a job's output files where it is missing: what a first start would have to do.
    ///
    /// A directory is no evidence of anything. One that cannot be made is no error here: the start says so.
    pub fn prepare(&self, job: &Name) {
        let _ = rustix::fs::mkdir(self.root.join(job.as_str()), Mode::RWXU);
    }

    /// Makes the output file of an attempt, mode 0600, directories 0700.
    ///
    /// A file that is there already belongs to a run that the ledger has forgotten: it is moved aside to
    /// `<name>.old`, `<name>.old1`, ..., and never written to.
    ///
    /// # Errors
    /// The directory is missing and cannot be made, is read-only, or is full. The caller warns once and
    /// starts the job with [`Sink::Null`](super::Sink::Null).
    pub fn create(&self, job: &Name, run: RunId, attempt: u32) -> io::Result<LogFile> {
        let path = self.path(job, run, attempt);
        let made = match append_only(&path, true) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                private_directory(&self.root.join(job.as_str()))?;
                append_only(&path, true)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                move_aside(&path)?;
                append_only(&path, true)
            }
            other => other,
        };
        Ok(LogFile { file: made?.into(), path })
    }

    /// Opens the output file of an attempt again, for its next step or hook.
    ///
    /// # Errors
    /// There is no such file, or it cannot be opened.
    pub fn reopen(&self, job: &Name, run: RunId, attempt: u32) -> io::Result<LogFile> {
        let path = self.path(job, run, attempt);
        Ok(LogFile { file: append_only(&path, false)?.into(), path })
    }

    /// Returns the highest number of a run that has an output file; 0 where there is none.
    ///
    /// Every start makes one, so this is evidence of numbers where the ledger is lost.
    pub fn last_run(&self) -> u64 {
        let directories = fs::read_dir(&self.root).into_iter().flatten().flatten();
        let files = directories.flat_map(|job| fs::read_dir(job.path()).into_iter().flatten().flatten());
        let runs = files.filter_map(|file| attempt_of(file.file_name().to_str()?).map(|(run, _)| run.0));
        runs.max().unwrap_or(0)
    }

    /// Says what the disk knows about an attempt's start.
    pub fn evidence(&self, job: &Name, run: RunId, attempt: u32) -> Evidence {
        match fs::symlink_metadata(self.path(job, run, attempt)) {
            Ok(_) => Evidence::Tried,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let usable = Access::WRITE_OK | Access::EXEC_OK;
                let directory = self.root.join(job.as_str());
                let nearest = if directory.exists() { &directory } else { &self.root };
                let usable = rustix::fs::access(nearest, usable).is_ok();
                if usable { Evidence::NotTried } else { Evidence::Unknown }
            }
            Err(_) => Evidence::Unknown,
        }
    }

    /// Lists the attempts of a run that have an output file, in order.
    ///
    /// # Errors
    /// The directory cannot be read; a missing one has no attempts.
    pub fn attempts(&self, job: &Name, run: RunId) -> io::Result<Vec<u32>> {
        let mut attempts = Vec::new();
        self.each_output(job, |of, attempt| {
            attempts.extend((of == run).then_some(attempt));
            Ok(())
        })?;
        attempts.sort_unstable();
        Ok(attempts)
    }

    /// Deletes the output files of runs of a job, all attempts, and the job's directory once it is empty. Goes
    /// through the directory once, however many runs there are.
    ///
    /// # Errors
    /// A file is there and cannot be deleted.
    pub fn remove(&self, job: &Name, runs: &[RunId]) -> io::Result<()> {
        let runs: BTreeSet<RunId> = runs.iter().copied().collect();
        self.each_output(job, |run, attempt| {
            if !runs.contains(&run) {
                return Ok(());
            }
            match fs::remove_file(self.path(job, run, attempt)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            }
        })?;
        // Other runs' files keep it: that refusal is the point.
        drop(fs::remove_dir(self.root.join(job.as_str())));
        Ok(())
    }

    /// Visits the output files of a job, in no particular order.
    fn each_output(&self, job: &Name, mut visit: impl FnMut(RunId, u32) -> io::Result<()>) -> io::Result<()> {
        let entries = match fs::read_dir(self.root.join(job.as_str())) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other?,
        };
        for entry in entries {
            if let Some((run, attempt)) = entry?.file_name().to_str().and_then(attempt_of) {
                visit(run, attempt)?;
            }
        }
        Ok(())
    }
}

/// Reads the run and the attempt from a file's name; `None` for anything that [`Logs::path`] does not make.
fn attempt_of(name: &str) -> Option<(RunId, u32)> {
    let stem = name.strip_suffix(".log")?;
    let (run, attempt) = match stem.split_once('.') {
        None => (stem.parse().ok()?, 1),
        Some((run, attempt)) => (run.parse().ok()?, attempt.parse().ok().filter(|n| *n > 1)?),
    };
    Some((RunId(run), attempt))
}

fn append_only(path: &Path, create: bool) -> io::Result<File> {
    let mut options = File::options();
    options.append(true).create_new(create).mode(0o600).custom_flags(libc::O_NOFOLLOW);
    options.open(path)
}

fn private_directory(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn move_aside(path: &Path) -> io::Result<()> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(".old");
    for number in 0..1_000 {
        let mut target = aside.clone();
        if number > 0 {
            target.push(number.to_string());
        }
        match rustix::fs::renameat_with(CWD, path, CWD, &target, RenameFlags::NOREPLACE) {
            Err(rustix::io::Errno::EXIST) => {}
            other => return Ok(other?),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    use super::{Evidence, Logs, attempt_of};
    use crate::core::name::Name;
    use crate::core::run::RunId;

    fn logs() -> (tempfile::TempDir, Logs, Name) {
        let directory = tempfile::tempdir().unwrap();
        let logs = Logs::new(directory.path().join("state/logs"));
        (directory, logs, Name::new("job.a").unwrap())
    }

    #[test]
    fn a_file_is_private_and_evidence() {
        let (directory, logs, job) = logs();
        assert_eq!(logs.evidence(&job, RunId(7), 1), Evidence::NotTried);
        let file = logs.create(&job, RunId(7), 1).unwrap();
        assert!(file.path.ends_with("state/logs/job.a/7.log"));
        assert_eq!(logs.evidence(&job, RunId(7), 1), Evidence::Tried);
        assert_eq!(logs.evidence(&job, RunId(7), 2), Evidence::NotTried);
        let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&file.path), mode(file.path.parent().unwrap())), (0o600, 0o700));
        assert_eq!(mode(&directory.path().join("state/logs")), 0o700);
        fs::remove_dir_all(directory.path().join("state")).unwrap();
        assert_eq!(logs.evidence(&job, RunId(7), 1), Evidence::Unknown);
    }

    #[test]
    fn a_directory_made_ahead_is_private_and_no_evidence() {
        let (_directory, logs, job) = logs();
        for _ in 0..2 {
            logs.prepare(&job);
            let made = fs::metadata(logs.path(&job, RunId(7), 1).parent().unwrap()).unwrap();
            assert_eq!(made.permissions().mode() & 0o777, 0o700);
            assert_eq!(logs.evidence(&job, RunId(7), 1), Evidence::NotTried);
        }
    }

    #[test]
    fn attempts_are_found_and_removed_and_others_stay() {
        let (directory, logs, job) = logs();
        assert!(logs.attempts(&job, RunId(1)).unwrap().is_empty());
        for (run, attempt) in [(1, 1), (1, 10), (1, 2), (11, 1)] {
            logs.create(&job, RunId(run), attempt).unwrap();
        }
        fs::write(directory.path().join("state/logs/job.a/1.x.log"), "").unwrap();
        assert_eq!(logs.attempts(&job, RunId(1)).unwrap(), [1, 2, 10]);
        logs.remove(&job, &[RunId(1), RunId(5)]).unwrap();
        assert!(logs.attempts(&job, RunId(1)).unwrap().is_empty());
        assert_eq!(logs.attempts(&job, RunId(11)).unwrap(), [1]);
        assert!(directory.path().join("state/logs/job.a/1.x.log").exists());
    }

    #[test]
    fn a_forgotten_run_keeps_its_output() {
        let (_directory, logs, job) = logs();
        for round in ["first", "second", "third"] {
            let file = logs.create(&job, RunId(3), 1).unwrap();
            fs::File::from(file.file).write_all(round.as_bytes()).unwrap();
        }
        let read = |suffix: &str| {
            let path = format!("{}{suffix}", logs.path(&job, RunId(3), 1).display());
            fs::read_to_string(path).unwrap()
        };
        assert_eq!([read(""), read(".old"), read(".old1")], ["third", "first", "second"]);
        assert_eq!(logs.attempts(&job, RunId(3)).unwrap(), [1]);
    }

    #[test]
    fn a_symlink_is_not_followed() {
        let (directory, logs, job) = logs();
        let target = directory.path().join("precious");
        fs::write(&target, "keep").unwrap();
        fs::create_dir_all(directory.path().join("state/logs/job.a")).unwrap();
        std::os::unix::fs::symlink(&target, logs.path(&job, RunId(4), 1)).unwrap();
        logs.create(&job, RunId(4), 1).unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "keep");
        fs::remove_file(logs.path(&job, RunId(4), 1)).unwrap();
        std::os::unix::fs::symlink(&target, logs.path(&job, RunId(4), 1)).unwrap();
        assert!(logs.reopen(&job, RunId(4), 1).is_err());
    }

    #[test]
    fn s4_a_missing_log_directory_is_told() {
        let (directory, _, job) = logs();
        let blocked = directory.path().join("file");
        fs::write(&blocked, "").unwrap();
        let logs = Logs::new(blocked.join("logs"));
        assert!(logs.create(&job, RunId(1), 1).is_err());
        assert_eq!(logs.evidence(&job, RunId(1), 1), Evidence::Unknown);
    }

    #[test]
    fn only_our_names_are_attempts() {
        assert_eq!(attempt_of("12.log"), Some((RunId(12), 1)));
        assert_eq!(attempt_of("12.3.log"), Some((RunId(12), 3)));
        for other in ["12.log.old", "12.1.log", "x.log", "12.x.log", "12", ".log", "12.3.4.log"] {
            assert_eq!(attempt_of(other), None, "{other}");
        }
    }
}

//! The files of an instance: whose they are, who may read and write them, and whether there is room for more.

use std::fs::Metadata;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use rustix::fs::{Access, access, statvfs};

use super::Findings;
use crate::cli::paths::Paths;
use crate::cli::render::time::size;
use crate::cli::source::logs_dir;
use crate::jobfile;
use crate::store::{DATABASE_FILE, LOCK_FILE};

/// Below this much room the store may fail any moment.
const NO_ROOM: u64 = 16 << 20;

/// Below this much room it is time to do something.
const LITTLE_ROOM: u64 = 128 << 20;

/// Below so many free inodes it is time to do something: each run makes a file.
const FEW_INODES: u64 = 1_000;

/// Write permission of group and others.
const OTHERS_WRITE: u32 = 0o022;

/// Any permission of group and others.
const OTHERS: u32 = 0o077;

/// The sticky bit: in such a directory only owners remove and rename files.
const STICKY: u32 = 0o1000;

/// Looks at all of them.
pub(super) fn look(paths: &Paths, found: &mut Findings) {
    state_directory(paths, found);
    socket(paths, found);
    job_files(paths, found);
}

fn state_directory(paths: &Paths, found: &mut Findings) {
    let dir = &paths.state_dir;
    let Ok(meta) = dir.metadata() else {
        found.note(
            "state",
            format!("{} is not there yet", dir.display()),
            "the daemon makes it at its start",
        );
        return;
    };
    if !meta.is_dir() {
        found.problem("state", format!("{} is no directory", dir.display()), "move it away");
        return;
    }
    own("state", dir, &meta, found);
    private("state", dir, &meta, found);
    for name in [DATABASE_FILE, "jobctl.db-wal", LOCK_FILE] {
        let file = dir.join(name);
        if let Ok(meta) = file.symlink_metadata() {
            own("state", &file, &meta, found);
            private("state", &file, &meta, found);
        }
    }
    if access(dir, Access::WRITE_OK | Access::EXEC_OK).is_err() {
        found.problem("state", format!("{} cannot be written", dir.display()), "the daemon needs that");
    }
    room(dir, found);
    let logs = logs_dir(paths);
    if let Ok(meta) = logs.symlink_metadata() {
        if !meta.is_dir() {
            found.problem(
                "logs",
                format!("{} is no directory", logs.display()),
                "move it away: no output is kept",
            );
            return;
        }
        own("logs", &logs, &meta, found);
        private("logs", &logs, &meta, found);
        if access(&logs, Access::WRITE_OK | Access::EXEC_OK).is_err() {
            let message = format!("{} cannot be written", logs.display());
            found.problem("logs", message, "jobs run, but their output is lost");
        }
    }
}

fn room(dir: &Path, found: &mut Findings) {
    let Ok(disk) = statvfs(dir) else { return };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let message = format!("{} left for {}", size(free), dir.display());
    if free < NO_ROOM {
        found.problem("disk", message, "make room: without it nothing can be claimed and nothing starts");
    } else if free < LITTLE_ROOM {
        found.warning("disk", message, "make room, or keep fewer runs (`keep`, `output.max`)");
    }
    // Some file systems do not count inodes and say 0 of 0.
    if disk.f_files > 0 && disk.f_favail < FEW_INODES {
        let message = format!("{} inodes left for {}", disk.f_favail, dir.display());
        found.warning("disk", message, "remove small files, or keep fewer runs (`keep`)");
    }
    if disk.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY) {
        let message = format!("{} is on a file system mounted read-only", dir.display());
        found.problem("disk", message, "look at dmesg: file systems with errors become so");
    }
}

fn socket(paths: &Paths, found: &mut Findings) {
    let Ok(meta) = paths.socket.symlink_metadata() else { return };
    let socket = paths.socket.display();
    if !meta.file_type().is_socket() {
        found.problem(
            "socket",
            format!("{socket} is no socket"),
            "move it away, or name another with --socket",
        );
        return;
    }
    own("socket", &paths.socket, &meta, found);
    if meta.mode() & 0o007 != 0 {
        let message = format!("{socket} may be used by everybody (mode {:o})", meta.mode() & 0o777);
        found.problem("socket", message, "restart the daemon: it makes it 0600, or 0660 for its `group`");
    }
    replaceable("socket", &paths.socket, found);
}

fn job_files(paths: &Paths, found: &mut Findings) {
    let Ok(sources) = jobfile::read(&paths.config) else { return };
    for file in &sources.files {
        let Ok(meta) = file.path.metadata() else { continue };
        own("job file", &file.path, &meta, found);
        let name = file.path.display();
        if meta.mode() & OTHERS_WRITE != 0 {
            let message = format!("{name} can be written by others (mode {:o})", meta.mode() & 0o777);
            found.problem(
                "job file",
                message,
                format!("whoever can change it runs commands as you: chmod go-w {name}"),
            );
        }
        replaceable("job file", &file.path, found);
    }
}

/// A file in a directory of others is theirs to replace.
fn replaceable(area: &'static str, path: &Path, found: &mut Findings) {
    let Some((directory, meta)) = path.parent().and_then(|dir| Some((dir, dir.metadata().ok()?))) else {
        return;
    };
    if meta.mode() & OTHERS_WRITE != 0 && meta.mode() & STICKY == 0 {
        let message = format!("others can replace files in {}", directory.display());
        found.problem(area, message, format!("chmod go-w {}", directory.display()));
    }
}

fn own(area: &'static str, path: &Path, meta: &Metadata, found: &mut Findings) {
    let me = rustix::process::geteuid().as_raw();
    // What belongs to root is as safe as root; and root may look after anybody's instance.
    if meta.uid() != me && meta.uid() != 0 && me != 0 {
        let message = format!("{} belongs to user {}, not to you", path.display(), meta.uid());
        found.problem(area, message, "run jobctl as that user, or name your own place");
    }
}

fn private(area: &'static str, path: &Path, meta: &Metadata, found: &mut Findings) {
    if meta.mode() & OTHERS != 0 {
        let message = format!("{} is open to others (mode {:o})", path.display(), meta.mode() & 0o777);
        let hint = format!("definitions and output may hold secrets: chmod go= {}", path.display());
        found.warning(area, message, hint);
    }
}

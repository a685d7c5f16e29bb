//! Control groups (cgroup v2): limits that hold for a whole run, and a KILL that nothing escapes.
//!
//! Used only where the machine's manager has delegated a part of the tree to the daemon (`Delegate=yes` in a
//! systemd unit, or a container's own tree). Elsewhere runs have process groups and setrlimit(2) only.
//!
//! ```text
//! <delegated>/daemon/          the daemon itself: a cgroup with members may not share out its controllers
//! <delegated>/runs/<run>.<attempt>/
//! ```

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use crate::core::job::Limits;
use crate::core::run::RunId;

/// The period of `cpu.max`, microseconds, which is the kernel's default.
const CPU_PERIOD: u64 = 100_000;
const CONTROLLERS: [&str; 3] = ["memory", "cpu", "pids"];

/// The daemon's part of the tree.
#[derive(Clone, Debug)]
pub struct Cgroups {
    runs: PathBuf,
}

/// The cgroup of one attempt.
#[derive(Debug)]
pub struct RunCgroup {
    path: PathBuf,
    procs: OwnedFd,
    holds: Holds,
}

/// Which limits a run's cgroup enforces; the others are left to setrlimit(2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Holds {
    pub(super) memory: bool,
    pub(super) cpu: bool,
    pub(super) tasks: bool,
}

impl Cgroups {
    /// Finds the delegated part of the tree and prepares it; `None` where there is none.
    ///
    /// Moves this process into a leaf of its own. To be called once, before the first start.
    pub fn detect() -> Option<Self> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        let membership = fs::read_to_string("/proc/self/cgroup").ok()?;
        let own = own_directory(&mounts, &membership)?;
        // With `DelegateSubgroup=` the unit's manager has put us into a leaf already.
        let delegated =
            [Some(own.as_path()), own.parent()].into_iter().flatten().find(|dir| is_delegated(dir))?;
        Cgroups::prepare(delegated).ok()
    }

    /// Takes a cgroup as delegated: moves its members into a leaf and shares out what controllers there are.
    ///
    /// # Errors
    /// The tree may not be written to.
    pub(super) fn prepare(delegated: &Path) -> io::Result<Self> {
        let (leaf, runs) = (delegated.join("daemon"), delegated.join("runs"));
        for directory in [&leaf, &runs] {
            make(directory)?;
        }
        for pid in fs::read_to_string(delegated.join("cgroup.procs"))?.lines() {
            fs::write(leaf.join("cgroup.procs"), pid)?;
        }
        // A controller that the manager keeps for itself is no reason to go without the others.
        for controller in CONTROLLERS {
            for directory in [delegated, &runs] {
                drop(fs::write(directory.join("cgroup.subtree_control"), format!("+{controller}")));
            }
        }
        Ok(Cgroups { runs })
    }

    /// Makes the cgroup of an attempt and sets its limits.
    ///
    /// # Errors
    /// The tree may not be written to any more; the caller starts the run without a cgroup.
    pub fn create(&self, run: RunId, attempt: u32, limits: &Limits) -> io::Result<RunCgroup> {
        let path = self.path(run, attempt);
        make(&path)?;
        let set = |file: &str, value: Option<String>| {
            value.is_some_and(|value| fs::write(path.join(file), value).is_ok())
        };
        let quota = limits.cpu_percent.map(|percent| u64::from(percent) * (CPU_PERIOD / 100));
        let holds = Holds {
            cpu: set("cpu.max", quota.map(|quota| format!("{quota} {CPU_PERIOD}"))),
            memory: set("memory.max", limits.memory.map(|bytes| bytes.to_string())),
            tasks: set("pids.max", limits.tasks.map(|count| count.to_string())),
        };
        let procs = File::options().write(true).open(path.join("cgroup.procs"))?;
        Ok(RunCgroup { path, procs: procs.into(), holds })
    }

    /// Finds the cgroup of an attempt that was started before a restart.
    pub fn find(&self, run: RunId, attempt: u32) -> Option<RunCgroup> {
        let path = self.path(run, attempt);
        let procs = File::options().write(true).open(path.join("cgroup.procs")).ok()?;
        Some(RunCgroup { path, procs: procs.into(), holds: Holds::default() })
    }

    /// Removes the cgroups that nothing lives in any more, as those of runs that left a grandchild behind.
    pub fn sweep(&self) {
        for entry in fs::read_dir(&self.runs).into_iter().flatten().flatten() {
            // Refused while there are members: then it stays for the next time.
            drop(fs::remove_dir(entry.path()));
        }
    }

    fn path(&self, run: RunId, attempt: u32) -> PathBuf {
        self.runs.join(format!("{run}.{attempt}"))
    }
}

impl RunCgroup {
    /// Kills everything in it, also what has left the process group (`cgroup.kill`, Linux 5.14).
    ///
    /// # Errors
    /// The kernel is older, or the cgroup is gone.
    pub fn kill(&self) -> io::Result<()> {
        fs::write(self.path.join("cgroup.kill"), "1")
    }

    /// Says whether anything lives in it.
    pub fn is_populated(&self) -> bool {
        let events = fs::read_to_string(self.path.join("cgroup.events")).unwrap_or_default();
        events.lines().any(|line| line == "populated 1")
    }

    /// Says whether a limit on CPU time per time is in force, for which there is nothing but a cgroup.
    pub fn holds_cpu(&self) -> bool {
        self.holds.cpu
    }

    /// Removes it; returns false when something lives in it still and [`Cgroups::sweep`] has to come again.
    pub fn remove(self) -> bool {
        fs::remove_dir(&self.path).is_ok()
    }

    /// The descriptor through which a child enters.
    pub(super) fn procs(&self) -> i32 {
        self.procs.as_raw_fd()
    }

    pub(super) fn holds(&self) -> Holds {
        self.holds
    }
}

fn make(directory: &Path) -> io::Result<()> {
    match fs::create_dir(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Finds this process's cgroup v2 directory (cgroups(7), proc_pid_mountinfo(5)).
fn own_directory(mounts: &str, membership: &str) -> Option<PathBuf> {
    let path = membership.lines().find_map(|line| line.strip_prefix("0::"))?;
    let mount = mounts.lines().find_map(|line| {
        let (front, back) = line.split_once(" - ")?;
        let mut front = front.split(' ').skip(3);
        let (root, point) = (front.next()?, front.next()?);
        (back.starts_with("cgroup2 ") && root == "/").then_some(point)
    })?;
    Some(Path::new(mount).join(path.trim_start_matches('/')))
}

/// Says whether a part of the tree was given to a process to share out, without touching anything; `None` = to this
/// one.
pub fn is_delegated_to(pid: Option<i32>) -> bool {
    let process = pid.map_or_else(|| "self".to_owned(), |pid| pid.to_string());
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let membership = fs::read_to_string(format!("/proc/{process}/cgroup")).unwrap_or_default();
    // The daemon moves itself one or two levels below what it was given.
    own_directory(&mounts, &membership).is_some_and(|own| own.ancestors().take(3).any(is_delegated))
}

/// Says whether a cgroup was given to this process to share out.
fn is_delegated(directory: &Path) -> bool {
    // systemd marks what it delegates; the mark of a user's manager is readable without privileges.
    let marked = ["trusted.delegate", "user.delegate"].iter().any(|name| {
        let mut value = [0_u8; 1];
        rustix::fs::getxattr(directory, *name, &mut value[..]).is_ok_and(|length| length == 1)
            && value == *b"1"
    });
    // A container sees its own part as the root, which unlike the machine's root has a type.
    let container =
        directory.join("cgroup.type").exists() && !directory.join("..").join("cgroup.procs").exists();
    (marked || container) && rustix::fs::access(directory, rustix::fs::Access::WRITE_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::{Cgroups, Holds, own_directory};
    use crate::core::job::Limits;
    use crate::core::run::RunId;

    #[test]
    fn the_limits_of_a_job_reach_the_cgroup_of_its_run() {
        // A plain directory in which the kernel's one file is there already.
        let directory = tempfile::tempdir().unwrap();
        let run = directory.path().join("7.2");
        fs::create_dir(&run).unwrap();
        fs::write(run.join("cgroup.procs"), "").unwrap();
        let cgroups = Cgroups { runs: directory.path().to_owned() };
        let limits =
            Limits { memory: Some(1 << 30), cpu_percent: Some(150), tasks: Some(64), ..Limits::default() };
        let cgroup = cgroups.create(RunId(7), 2, &limits).unwrap();
        assert_eq!(cgroup.holds(), Holds { memory: true, cpu: true, tasks: true });
        let read = |file: &str| fs::read_to_string(run.join(file)).unwrap();
        assert_eq!(
            [read("memory.max"), read("cpu.max"), read("pids.max")],
            ["1073741824", "150000 100000", "64"]
        );
        cgroup.kill().unwrap();
        assert_eq!(read("cgroup.kill"), "1");
        assert!(cgroups.find(RunId(7), 2).is_some() && cgroups.find(RunId(7), 1).is_none());
    }

    #[test]
    fn the_own_cgroup_is_found_beside_old_hierarchies() {
        let mounts = "25 30 0:23 / /proc rw - proc proc rw\n\
             36 25 0:30 / /sys/fs/cgroup/cpu rw,relatime shared:9 - cgroup cgroup rw,cpu\n\
             42 25 0:26 / /sys/fs/cgroup/unified rw,nosuid shared:4 - cgroup2 cgroup2 rw\n";
        let membership = "3:cpu:/x\n0::/system.slice/jobctl.service\n";
        let expected = Path::new("/sys/fs/cgroup/unified/system.slice/jobctl.service");
        assert_eq!(own_directory(mounts, membership).as_deref(), Some(expected));
        assert_eq!(own_directory(mounts, "0::/\n"), Some(PathBuf::from("/sys/fs/cgroup/unified/")));
        assert_eq!(own_directory(mounts, "3:cpu:/x\n"), None);
        assert_eq!(own_directory("", membership), None);
    }
}

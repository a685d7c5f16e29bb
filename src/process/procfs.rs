//! What /proc says about processes (proc(5)), parsed by hand: one read a process, no allocation to speak of.

use std::fs::{self, File};
use std::io::{self, Read};

use crate::core::run::ProcessMark;

/// The most bytes of an environment that are looked at.
const MAX_ENVIRONMENT: u64 = 4 << 20;
/// How often an empty environment is looked at before it is believed.
const EMPTY_LOOKS: usize = 20;

/// The fields of /proc/PID/stat that identify a process and its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) pid: i32,
    /// One letter; `Z` and `X` are dead.
    pub(super) state: u8,
    pub(super) parent: i32,
    /// The process group.
    pub(super) group: i32,
    /// The session.
    pub(super) session: i32,
    /// Start time in clock ticks since boot.
    pub(super) start_ticks: u64,
}

impl Stat {
    /// Says whether the process has not ended yet.
    pub(super) fn is_alive(self) -> bool {
        !matches!(self.state, b'Z' | b'X' | b'x')
    }

    /// Returns what identifies the process.
    pub(super) fn mark(self) -> ProcessMark {
        ProcessMark { pid: self.pid, start_ticks: self.start_ticks }
    }

    /// Says whether this is the very process of the mark, alive or not yet reaped.
    pub(super) fn is(self, mark: ProcessMark) -> bool {
        self.mark() == mark
    }
}

/// Reads /proc/PID/stat.
///
/// # Errors
/// `NotFound` when there is no such process.
pub(super) fn stat(pid: i32) -> io::Result<Stat> {
    // The line has 52 numbers and a name of at most 64 bytes; the fields used are in front.
    let mut buffer = [0; 1024];
    let mut file = File::open(format!("/proc/{pid}/stat"))?;
    let length = match file.read(&mut buffer) {
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {
            return Err(io::ErrorKind::NotFound.into());
        }
        other => other?,
    };
    parse_stat(pid, &buffer[..length]).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn parse_stat(pid: i32, line: &[u8]) -> Option<Stat> {
    // The name is in parentheses and may hold anything, parentheses and blanks too: count from the last one.
    let after_name = line.iter().rposition(|byte| *byte == b')')? + 1;
    let mut fields = line[after_name..].split(u8::is_ascii_whitespace).filter(|field| !field.is_empty());
    let state = *fields.next()?.first()?;
    let mut number = |skip: usize| -> Option<u64> { str::from_utf8(fields.nth(skip)?).ok()?.parse().ok() };
    let parent = i32::try_from(number(0)?).ok()?;
    let group = i32::try_from(number(0)?).ok()?;
    let session = i32::try_from(number(0)?).ok()?;
    Some(Stat { pid, state, parent, group, session, start_ticks: number(15)? })
}

/// Returns the mark of a process, dead but not reaped ones included.
///
/// # Errors
/// `NotFound` when there is no such process.
pub(super) fn mark(pid: i32) -> io::Result<ProcessMark> {
    Ok(stat(pid)?.mark())
}

/// Returns how many clock ticks of start times make a second.
pub(super) fn ticks_per_second() -> u64 {
    // SAFETY: sysconf(3) takes a number and touches no memory of ours.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    u64::try_from(ticks).unwrap_or(0).max(1)
}

/// Returns the ids of all processes that /proc shows.
pub(super) fn pids() -> io::Result<Vec<i32>> {
    let entries = fs::read_dir("/proc")?;
    Ok(entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect())
}

/// Looks for variables in a process's environment as it was at its last exec.
///
/// Returns for each name its value; `None` where the process does not have it, or its environment is not
/// ours to read. At most 4 MiB are looked at.
pub(super) fn variables<const N: usize>(pid: i32, names: [&str; N]) -> [Option<Vec<u8>>; N] {
    let mut block = Vec::new();
    // In the midst of execve(2) a process has no environment for some microseconds.
    for _ in 0..EMPTY_LOOKS {
        let file = File::open(format!("/proc/{pid}/environ"));
        let read = file.and_then(|file| file.take(MAX_ENVIRONMENT).read_to_end(&mut block));
        if !matches!(read, Ok(0)) {
            break;
        }
        std::thread::yield_now();
    }
    let entries = || block.split(|byte| *byte == 0);
    names.map(|name| {
        let value = entries().find_map(|entry| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"="));
        value.map(<[u8]>::to_vec)
    })
}

/// Returns how many files a process may have open (the soft RLIMIT_NOFILE); `None` = cannot be told. Without a pid:
/// this process.
pub fn open_files_limit(pid: Option<i32>) -> Option<u64> {
    let process = pid.map_or_else(|| "self".to_owned(), |pid| pid.to_string());
    let limits = fs::read_to_string(format!("/proc/{process}/limits")).ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}

/// Returns the id of this boot: pids and start times mean nothing across boots.
///
/// # Errors
/// /proc is not mounted.
pub fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

/// Returns this machine's name, as uname(2) says it.
pub fn host() -> String {
    let name = rustix::system::uname();
    String::from_utf8_lossy(name.nodename().to_bytes()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::{Stat, boot_id, host, mark, parse_stat, stat, variables};

    #[test]
    fn a_name_may_hold_anything() {
        let line = b"42 (a) R (1 2) S 1 40 39 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 987654 10 11";
        let expected = Stat { pid: 42, state: b'S', parent: 1, group: 40, session: 39, start_ticks: 987_654 };
        assert_eq!(parse_stat(42, line), Some(expected));
        for cut in [&b""[..], b"42 (x", b"42 (x)", b"42 (x) S 1 40 39", b"42 (x) S 1 -1 39 0 0 0 0"] {
            assert_eq!(parse_stat(42, cut), None);
        }
    }

    #[test]
    fn this_process_is_known() {
        let me = i32::try_from(std::process::id()).unwrap();
        let stat = stat(me).unwrap();
        assert!(stat.is_alive() && stat.is(mark(me).unwrap()));
        assert_eq!(boot_id().unwrap().len(), 36);
        assert!(!host().is_empty());
        let [missing] = variables(me, ["JOBCTL_NO_SUCH_VARIABLE"]);
        assert_eq!(missing, None);
    }
}

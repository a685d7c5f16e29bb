//! `limits` as setrlimit(2) knows them.

use crate::core::job::Limits;

/// One resource limit, soft and hard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ResourceLimit {
    /// The job key under `limits`.
    pub(super) name: &'static str,
    pub(super) resource: libc::__rlimit_resource_t,
    pub(super) soft: u64,
    pub(super) hard: u64,
}

/// Between the soft CPU limit (XCPU) and the hard one (KILL), seconds.
const CPU_LAST_WORDS: u64 = 5;

/// Translates limits; `memory` and `tasks` only where no cgroup holds them already.
///
/// Without a cgroup `memory` is address space of each process (RLIMIT_AS), and `tasks` counts all processes
/// of the user and does not bind root (RLIMIT_NPROC). `cpu_percent` has no counterpart.
pub(super) fn resource_limits(limits: &Limits, memory_held: bool, tasks_held: bool) -> Vec<ResourceLimit> {
    let same = |name, resource, value: Option<u64>| {
        value.map(|value| ResourceLimit { name, resource, soft: value, hard: value })
    };
    let cpu = limits.cpu_time.map(|time| {
        let soft = time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0)).max(1);
        let hard = soft.saturating_add(CPU_LAST_WORDS);
        ResourceLimit { name: "cpu_time", resource: libc::RLIMIT_CPU, soft, hard }
    });
    let all = [
        same("memory", libc::RLIMIT_AS, limits.memory.filter(|_| !memory_held)),
        same("tasks", libc::RLIMIT_NPROC, limits.tasks.filter(|_| !tasks_held)),
        same("open_files", libc::RLIMIT_NOFILE, limits.open_files),
        same("file_size", libc::RLIMIT_FSIZE, limits.file_size),
        same("core", libc::RLIMIT_CORE, limits.core),
        cpu,
    ];
    all.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::resource_limits;
    use crate::core::job::Limits;

    #[test]
    fn each_key_has_its_resource() {
        let limits = Limits {
            memory: Some(1 << 30),
            cpu_percent: Some(50),
            tasks: Some(64),
            open_files: Some(100),
            cpu_time: Some(Duration::from_millis(1_500)),
            file_size: Some(9),
            core: Some(0),
        };
        let names = |memory, tasks| -> Vec<(&str, u64, u64)> {
            let all = resource_limits(&limits, memory, tasks);
            all.iter().map(|limit| (limit.name, limit.soft, limit.hard)).collect()
        };
        let rest = [("open_files", 100, 100), ("file_size", 9, 9), ("core", 0, 0), ("cpu_time", 2, 7)];
        assert_eq!(names(true, true), rest);
        assert_eq!(names(false, false)[..2], [("memory", 1 << 30, 1 << 30), ("tasks", 64, 64)]);
        assert_eq!(resource_limits(&Limits::default(), false, false), []);
    }
}

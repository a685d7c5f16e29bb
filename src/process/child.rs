//! The way from the daemon to a job's process: clone(2), the child's preparations, execve(2).
//!
//! Owns the unsafe part of a start. Every start goes this one way, so that a job with a user, a umask or a
//! limit is started like one without.
//!
//! The parent stands still until the child has called execve(2) or has ended (`CLONE_VFORK`), and by default
//! the two share their memory meanwhile (`CLONE_VM`), as in posix_spawn(3): copying the page tables of a
//! daemon with a large job set would cost more than the rest of the start. A child that changes its user gets
//! a copy of the memory, so that at no instant a process of another user maps the daemon's.
//!
//! The child follows the rules for that state: it allocates nothing, takes no lock, calls only the kernel
//! (by plain system calls where the C library would act on all threads of the parent, as in setuid(2)), and
//! leaves by execve(2) or _exit(2). It reports a failure through a page that both share.

use std::ffi::{c_char, c_int, c_void};
use std::io;
use std::mem::MaybeUninit;
use std::ptr;

use super::account::Identity;
use super::limits::ResourceLimit;

/// The child's stack, bytes; a guard that no page size exceeds lies below.
const STACK_BYTES: usize = 64 << 10;
const GUARD_BYTES: usize = 64 << 10;
/// The size of the kernel's set of 64 signals.
const SIGNAL_SET_BYTES: usize = 8;
/// How many signals there are.
const SIGNALS: c_int = 64;
/// The kernel's own structure for what a signal does, all zeroes, which is SIG_DFL without flags; with room for any
/// architecture's.
const KERNEL_ACTION: [u64; 8] = [0; 8];
/// Room for a [`Report`] at the top of the mapping; keeps the stack's top aligned.
const REPORT_BYTES: usize = 64;

/// Everything the child reads, made by the parent beforehand; pointers live as long as their owners there.
pub(super) struct Plan<'a> {
    /// Paths to try in order, as execvp(3) does; NUL-terminated.
    pub(super) programs: &'a [*const c_char],
    /// Null-terminated.
    pub(super) argv: &'a [*const c_char],
    /// Null-terminated.
    pub(super) envp: &'a [*const c_char],
    pub(super) cwd: *const c_char,
    /// Descriptors that become 0, 1 and 2; each above 2. `None` = stays as it is.
    pub(super) stdio: [Option<c_int>; 3],
    pub(super) identity: Option<&'a Identity>,
    pub(super) umask: Option<u32>,
    pub(super) nice: Option<i8>,
    pub(super) limits: &'a [ResourceLimit],
    /// An open `cgroup.procs`.
    pub(super) cgroup: Option<c_int>,
}

/// The step of the child's preparations that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Stage {
    Group,
    Cgroup,
    Stdio,
    /// The limit at this place of the plan.
    Limit(u32),
    Nice,
    Identity,
    Cwd,
    Signals,
    Exec,
}

/// Why there is no process.
#[derive(Debug)]
pub(super) enum LaunchError {
    /// clone(2) itself failed.
    Clone(io::Error),
    /// The child could not become the job.
    Child(Stage, io::Error),
}

/// What the child says before it ends in vain.
#[derive(Clone, Copy)]
struct Report {
    failure: Option<(Stage, c_int)>,
}

/// The memory that parent and child share for a start; one serves all starts of a thread.
pub(super) struct Launcher {
    base: *mut c_void,
    length: usize,
    top: *mut c_void,
    /// Signals that this process does not leave at their default; looked up at the first start.
    changed_signals: Option<Box<[c_int]>>,
}

/// What the child gets as its argument.
struct Order<'a> {
    plan: &'a Plan<'a>,
    changed_signals: &'a [c_int],
    report: *mut Report,
}

impl Launcher {
    /// Maps the child's stack and the report.
    ///
    /// # Errors
    /// The system has no memory.
    pub(super) fn new() -> io::Result<Self> {
        let length = GUARD_BYTES + STACK_BYTES;
        // SAFETY: an anonymous mapping at an address of the kernel's choice touches no other memory.
        let base = unsafe {
            libc::mmap(
                ptr::null_mut(),
                length,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: `base` is the start of the mapping just made, `length` bytes long, so its end is in bounds.
        let top = unsafe { base.add(length - REPORT_BYTES) };
        let launcher = Launcher { base, length, top, changed_signals: None };
        // SAFETY: the guard is the lower part of the mapping, where nothing is stored.
        if unsafe { libc::mprotect(base, GUARD_BYTES, libc::PROT_NONE) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(launcher)
    }

    /// Starts a process and returns its id once it executes the program.
    ///
    /// Which signals have another action than the default is looked up once: this process sets its handlers
    /// before its first start and changes none afterwards.
    ///
    /// # Errors
    /// The clone or one of the child's steps failed; no process is left in either case.
    pub(super) fn launch(&mut self, plan: &Plan<'_>) -> Result<i32, LaunchError> {
        let report = self.top.cast::<Report>();
        // SAFETY: `report` points to REPORT_BYTES of the mapping above the stack, aligned to a page's end
        // minus 64, used by nobody else: `&mut self` keeps a second start out.
        unsafe { report.write_volatile(Report { failure: None }) };
        let changed_signals = self.changed_signals.get_or_insert_with(changed_signals);
        let mut order = Order { plan, changed_signals, report };
        let memory = if plan.identity.is_some() { 0 } else { libc::CLONE_VM };
        let flags = memory | libc::CLONE_VFORK | libc::SIGCHLD;
        let signals = BlockedSignals::block();
        // SAFETY: `child_main` runs on a stack of its own while this thread waits, so `order`, `plan` and what
        // they point to outlive the child's use of them. No handler of ours runs in it: signals are blocked.
        let pid = unsafe { libc::clone(child_main, self.top, flags, (&raw mut order).cast()) };
        let clone_error = io::Error::last_os_error();
        drop(signals);
        if pid < 0 {
            return Err(LaunchError::Clone(clone_error));
        }
        // SAFETY: as above; the child has ended or left this memory by execve(2).
        match unsafe { report.read_volatile() }.failure {
            None => Ok(pid),
            Some((stage, errno)) => {
                collect(pid);
                Err(LaunchError::Child(stage, io::Error::from_raw_os_error(errno)))
            }
        }
    }
}

impl Drop for Launcher {
    fn drop(&mut self) {
        // SAFETY: unmaps exactly what `new` mapped; no child uses it, since starts end before `launch` returns.
        unsafe { libc::munmap(self.base, self.length) };
    }
}

/// Reaps a child that has ended without becoming the job, so that nobody takes it for a run.
pub(super) fn collect(pid: i32) {
    loop {
        // SAFETY: a null status pointer is allowed; `pid` is our own child.
        let done = unsafe { libc::waitpid(pid, ptr::null_mut(), 0) };
        if done >= 0 || io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return;
        }
    }
}

/// All signals blocked in this thread; what was blocked before comes back on drop.
struct BlockedSignals(libc::sigset_t);

impl BlockedSignals {
    fn block() -> Self {
        let mut all = MaybeUninit::uninit();
        let mut before = MaybeUninit::uninit();
        // SAFETY: sigfillset(3) initialises the set; pthread_sigmask(3) reads it and writes the old mask.
        unsafe {
            libc::sigfillset(all.as_mut_ptr());
            libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
            BlockedSignals(before.assume_init())
        }
    }
}

impl Drop for BlockedSignals {
    fn drop(&mut self) {
        // SAFETY: restores a mask that pthread_sigmask(3) gave us.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, ptr::null_mut()) };
    }
}

extern "C" fn child_main(order: *mut c_void) -> c_int {
    // SAFETY: `launch` hands in a pointer to an `Order` that lives while the parent waits for this child.
    let order = unsafe { &*order.cast::<Order<'_>>() };
    // SAFETY: this is the child, alone on its stack, with all signals blocked.
    let stage = unsafe { become_job(order.plan, order.changed_signals) };
    // SAFETY: `errno` belongs to this thread or to the parent's, which stands still; the report is ours.
    unsafe {
        let errno = *libc::__errno_location();
        order.report.write_volatile(Report { failure: Some((stage, errno)) });
        libc::_exit(127)
    }
}

/// Takes the child through its preparations and into the program; returns only the step that failed.
///
/// # Safety
/// To be called in the child only: it changes signal dispositions, ids and descriptors of the process.
unsafe fn become_job(plan: &Plan<'_>, changed_signals: &[c_int]) -> Stage {
    // SAFETY: plain system calls on values and NUL-terminated strings that the plan keeps alive.
    unsafe {
        if libc::setpgid(0, 0) != 0 {
            return Stage::Group;
        }
        // "0" is the writer itself (cgroups(7)); as the daemon's user, before anything else can go wrong.
        if plan.cgroup.is_some_and(|procs| libc::write(procs, b"0".as_ptr().cast(), 1) != 1) {
            return Stage::Cgroup;
        }
        for (target, source) in (0..).zip(plan.stdio) {
            if source.is_some_and(|source| libc::dup2(source, target) < 0) {
                return Stage::Stdio;
            }
        }
        close_the_rest_on_exec();
        if let Some(failed) = set_limits(plan.limits) {
            return Stage::Limit(failed);
        }
        if plan.nice.is_some_and(|nice| libc::setpriority(libc::PRIO_PROCESS, 0, nice.into()) != 0) {
            return Stage::Nice;
        }
        if let Some(mask) = plan.umask {
            libc::umask(mask);
        }
        if plan.identity.is_some_and(|identity| !take_identity(identity)) {
            return Stage::Identity;
        }
        // After the change of user: it is the job's user who must be allowed in.
        if libc::chdir(plan.cwd) != 0 {
            return Stage::Cwd;
        }
        if !reset_signals(changed_signals) {
            return Stage::Signals;
        }
        execute(plan);
    }
    Stage::Exec
}

/// Marks every descriptor above 2, also those the daemon itself inherited without the mark.
///
/// # Safety
/// As [`become_job`].
unsafe fn close_the_rest_on_exec() {
    const CLOSE_RANGE_CLOEXEC: c_int = 1 << 2;
    // SAFETY: changes flags in the child's own table only (no CLONE_FILES). Kernels before 5.11 refuse; there
    // the descriptors that the daemon opened itself are marked from birth, which is all that is lost.
    unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, CLOSE_RANGE_CLOEXEC) };
}

/// # Safety
/// As [`become_job`].
unsafe fn set_limits(limits: &[ResourceLimit]) -> Option<u32> {
    for (place, limit) in (0..).zip(limits) {
        let value = libc::rlimit64 { rlim_cur: limit.soft, rlim_max: limit.hard };
        // SAFETY: reads one rlimit64; a null pointer for the old value is allowed.
        if unsafe { libc::prlimit64(0, limit.resource, &raw const value, ptr::null_mut()) } != 0 {
            return Some(place);
        }
    }
    None
}

/// # Safety
/// As [`become_job`].
unsafe fn take_identity(identity: &Identity) -> bool {
    let Identity { uid, gid, groups } = identity;
    // SAFETY: plain system calls: the C library's wrappers would make every thread of the parent follow.
    unsafe {
        libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) == 0
            && libc::syscall(libc::SYS_setresgid, *gid, *gid, *gid) == 0
            && libc::syscall(libc::SYS_setresuid, *uid, *uid, *uid) == 0
    }
}

/// Lists the signals that are ignored or handled in this process.
///
/// By the kernel's own call: the C library's does not show the signals it keeps for itself, which an ancestor may
/// have left ignored.
fn changed_signals() -> Box<[c_int]> {
    let changed = |signal: &c_int| {
        let mut action = KERNEL_ACTION;
        // SAFETY: a null new action changes nothing; the kernel writes the old one, for which there is room.
        unsafe {
            let new = ptr::null::<c_void>();
            libc::syscall(libc::SYS_rt_sigaction, *signal, new, action.as_mut_ptr(), SIGNAL_SET_BYTES);
        }
        action != KERNEL_ACTION
    };
    (1..=SIGNALS).filter(changed).collect()
}

/// Gives every signal its default action and blocks none, SIGPIPE (which Rust ignores) included.
///
/// # Safety
/// As [`become_job`].
unsafe fn reset_signals(changed: &[c_int]) -> bool {
    // SAFETY: the kernel reads the structure; the table is the child's own (no CLONE_SIGHAND). KILL and STOP are
    // never changed. Only then are signals let in, so that no handler of the parent's runs here.
    unsafe {
        for signal in changed {
            let old = ptr::null_mut::<c_void>();
            libc::syscall(libc::SYS_rt_sigaction, *signal, KERNEL_ACTION.as_ptr(), old, SIGNAL_SET_BYTES);
        }
        let none = 0_u64;
        let old = ptr::null_mut::<c_void>();
        let set = libc::SIG_SETMASK;
        libc::syscall(libc::SYS_rt_sigprocmask, set, &raw const none, old, SIGNAL_SET_BYTES) == 0
    }
}

/// Tries the programs in order; returns with `errno` of the most telling failure.
///
/// # Safety
/// As [`become_job`].
unsafe fn execute(plan: &Plan<'_>) {
    let mut refused = false;
    for program in plan.programs {
        // SAFETY: NUL-terminated strings and null-terminated lists that the plan keeps alive.
        unsafe {
            libc::execve(*program, plan.argv.as_ptr(), plan.envp.as_ptr());
            match *libc::__errno_location() {
                libc::ENOENT | libc::ENOTDIR => {}
                libc::EACCES => refused = true,
                _ => return,
            }
        }
    }
    if refused {
        // SAFETY: `errno` as above. A program that is there but refused tells more than one that is not.
        unsafe { *libc::__errno_location() = libc::EACCES };
    }
}

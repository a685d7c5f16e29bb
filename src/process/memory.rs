//! The memory of this process itself.

/// Keeps the memory that this process holds close to what it uses; called before it has threads.
///
/// The GNU allocator would make an arena for each of them, and once it has freed a large block it would take all
/// smaller ones from its heap, where they are not handed back: after one answer about a hundred thousand jobs the
/// daemon would be as large for good. See mallopt(3).
pub fn hold_little_memory() {
    #[cfg(target_env = "gnu")]
    {
        const LARGE_BYTES: libc::c_int = 128 << 10;
        for (parameter, value) in [
            (libc::M_ARENA_MAX, 2),
            (libc::M_MMAP_THRESHOLD, LARGE_BYTES),
            (libc::M_TRIM_THRESHOLD, LARGE_BYTES),
        ] {
            // SAFETY: mallopt(3) takes two numbers; no other thread is there to allocate meanwhile.
            unsafe {
                libc::mallopt(parameter, value);
            }
        }
    }
}

/// Returns freed memory to the system.
///
/// Reading a job file takes several times the memory that its jobs keep. The GNU allocator hands freed memory
/// back only from the top of its heap, where the jobs now are; other allocators need no telling. Walks the free
/// lists, some milliseconds for a hundred thousand jobs.
pub fn give_back_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim(3) takes no pointers, locks the arenas itself and touches only what has been freed.
    unsafe {
        libc::malloc_trim(0);
    }
}

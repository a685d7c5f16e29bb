//! The memory of this process itself.

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

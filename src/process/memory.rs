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

/// Unmaps the pages of the program and its libraries that are as they are on disk: what is called again comes back
/// by itself, from memory that the kernel holds anyway. Called once after the start, whose code, from the command
/// line to the parser of the job file, is most of what a daemon at rest would be seen to hold.
pub fn give_back_code() {
    // SAFETY: the loader calls `unmap_code` with descriptions of what is loaded, which stay valid for the call; the
    // function does not unwind.
    unsafe {
        libc::dl_iterate_phdr(Some(unmap_code), std::ptr::null_mut());
    }
}

/// Unmaps the read-only segments of one loaded object; zero = go on with the next.
unsafe extern "C" fn unmap_code(
    object: *mut libc::dl_phdr_info,
    _size: libc::size_t,
    _data: *mut libc::c_void,
) -> libc::c_int {
    // SAFETY: dl_iterate_phdr(3) hands in a valid description, with so many headers at that address.
    let (object, headers) = unsafe {
        let object = &*object;
        (object, std::slice::from_raw_parts(object.dlpi_phdr, usize::from(object.dlpi_phnum)))
    };
    let page = rustix::param::page_size();
    for header in headers.iter().filter(|h| h.p_type == libc::PT_LOAD && h.p_flags & libc::PF_W == 0) {
        // Whole pages only: what a segment shares a page with is none of it.
        let start = object.dlpi_addr as usize + header.p_vaddr as usize;
        let begin = start.next_multiple_of(page);
        let end = (start + header.p_memsz as usize) / page * page;
        if begin < end {
            // SAFETY: the pages are mapped from a file and were never written, nor can they be: they read as before,
            // even those of this function.
            unsafe {
                libc::madvise(begin as *mut libc::c_void, end - begin, libc::MADV_DONTNEED);
            }
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::give_back_code;

    #[test]
    fn code_that_was_given_back_is_there_when_it_is_called() {
        let resident = || {
            let text = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap();
            let line = text.lines().find_map(|line| line.strip_prefix("Rss:")).unwrap();
            line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
        };
        let before = resident();
        give_back_code();
        assert!(resident() < before, "{before} kB, and no less");
    }
}

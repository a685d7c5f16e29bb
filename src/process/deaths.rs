//! Which thread hears of the deaths of children.
//!
//! SIGCHLD goes to any thread that takes it. While a start has it blocked in the thread of the loop, each death would
//! wake one of the idle threads instead, which has nothing to do with it and only passes it on.

use std::mem::MaybeUninit;

/// Leaves the deaths of children to other threads; threads that this one makes do so, too.
pub fn leave_deaths_to_others() {
    change(libc::SIG_BLOCK);
}

/// Hears of the deaths of children in this thread, as a program that is started from it will.
pub fn hear_of_deaths() {
    change(libc::SIG_UNBLOCK);
}

fn change(how: libc::c_int) {
    let mut set = MaybeUninit::uninit();
    // SAFETY: sigemptyset(3) initialises the set, which the other calls read; the old mask is not asked for. With a
    // valid set and a valid word none of them fails.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), libc::SIGCHLD);
        libc::pthread_sigmask(how, set.as_ptr(), std::ptr::null_mut());
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::thread;

    use super::{hear_of_deaths, leave_deaths_to_others};

    /// The signals that a program finds blocked when it is started from this thread.
    fn blocked() -> u64 {
        let output = Command::new("grep").args(["SigBlk", "/proc/self/status"]).output().unwrap();
        let line = String::from_utf8(output.stdout).unwrap();
        u64::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap()
    }

    #[test]
    fn a_thread_and_those_it_makes_are_left_alone_until_they_listen() {
        const DEATH: u64 = 1 << (libc::SIGCHLD - 1);
        let threads = thread::spawn(|| {
            assert_eq!(blocked() & DEATH, 0);
            leave_deaths_to_others();
            thread::spawn(|| {
                assert_eq!(blocked() & DEATH, DEATH);
                hear_of_deaths();
                assert_eq!(blocked() & DEATH, 0);
            })
            .join()
            .unwrap();
            assert_eq!(blocked() & DEATH, DEATH);
        });
        threads.join().unwrap();
    }
}

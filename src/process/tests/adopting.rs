//! Finding processes again, as after a restart of the daemon.

use std::time::Duration;

use super::{RUN, Stage, is_root, wait_for_death, wait_for_line};
use crate::core::run::{Exit, ProcessMark};
use crate::process::{Adopted, Presence, Survivor, find, group, reap, started_after_boot, survivors};

/// Linux 6.15 and later tell the exit code of a process that is not one's child.
fn kernel_tells() -> bool {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut numbers = release.split('.').map_while(|part| part.parse::<u32>().ok());
    let told = numbers.next().zip(numbers.next()).is_some_and(|version| version >= (6, 15));
    if !told {
        eprintln!("skipped in part: Linux {release} does not tell exit codes by pidfd");
    }
    told
}

#[tokio::test(flavor = "current_thread")]
async fn p3_an_adopted_process_tells_its_exit() {
    for (script, exit) in [("exit 17", Exit::Code(17)), ("kill -KILL $$", Exit::Signal(9))] {
        let mut stage = Stage::new();
        let fifo = stage.fifo("fifo");
        let mark = stage.start_shell(&format!("echo up > fifo; read x < fifo; {script}"));
        drop(wait_for_line(&fifo));
        let adopted = Adopted::open(mark).unwrap().unwrap();
        std::fs::write(&fifo, "go\n").unwrap();
        // Whoever is the parent reaps it; here that is this process itself.
        let reaper = std::thread::spawn(move || reap::wait(mark).unwrap());
        let told = adopted.ended(Duration::from_secs(60)).await.unwrap();
        assert_eq!(reaper.join().unwrap().exit, exit);
        assert_eq!(told, kernel_tells().then_some(exit));
    }
}

#[tokio::test(flavor = "current_thread")]
async fn p3_the_exit_is_told_once_the_dead_process_is_reaped() {
    let mut stage = Stage::new();
    let mark = stage.start_shell("exit 5");
    wait_for_death(mark);
    let adopted = Adopted::open(mark).unwrap().unwrap();
    let other = Adopted::open(mark).unwrap().unwrap();
    let reap_later = async {
        // When this one has looked in vain, the other one has too.
        assert_eq!(other.ended(Duration::from_millis(1)).await.unwrap(), None);
        tokio::task::yield_now().await;
        reap::wait(mark).unwrap();
    };
    let (told, ()) = tokio::join!(adopted.ended(Duration::from_secs(60)), reap_later);
    assert_eq!(told.unwrap(), kernel_tells().then_some(Exit::Code(5)));
}

#[tokio::test(flavor = "current_thread")]
async fn p4_a_kept_pidfd_tells_the_exit_afterwards() {
    let mut stage = Stage::new();
    let mark = stage.start_shell("exec sleep 1000");
    let kept = Adopted::open(mark).unwrap().unwrap().as_fd().try_clone_to_owned().unwrap();
    group::signal(mark, &stage.tag(), libc::SIGTERM).unwrap();
    reap::wait(mark).unwrap();
    assert!(Adopted::open(mark).unwrap().is_none());
    let adopted = Adopted::from_pidfd(kept).unwrap();
    let told = adopted.ended(Duration::from_secs(60)).await.unwrap();
    assert_eq!(told, kernel_tells().then_some(Exit::Signal(15)));
}

#[tokio::test(flavor = "current_thread")]
async fn p4_an_end_that_nobody_collects_is_unknown_after_the_bound() {
    let mut stage = Stage::new();
    let mark = stage.start_shell("exit 1");
    wait_for_death(mark);
    let adopted = Adopted::open(mark).unwrap().unwrap();
    assert_eq!(adopted.ended(Duration::from_millis(1)).await.unwrap(), None);
    reap::wait(mark).unwrap();
}

#[test]
fn p6_presence_is_judged_by_pid_and_start_time() {
    let mut stage = Stage::new();
    let mark = stage.start_shell("exec sleep 1000");
    assert_eq!(find(mark), Presence::Alive);
    assert_eq!(find(ProcessMark { start_ticks: mark.start_ticks - 1, ..mark }), Presence::Recycled);
    group::signal(mark, &stage.tag(), libc::SIGKILL).unwrap();
    wait_for_death(mark);
    assert_eq!(find(mark), Presence::Gone);
    reap::wait(mark).unwrap();
    assert_ne!(find(mark), Presence::Alive);
}

fn marks(stage: &Stage) -> Vec<ProcessMark> {
    survivors(stage.directory.path()).into_iter().map(|survivor| survivor.process).collect()
}

#[test]
fn p2_a_process_is_found_by_its_run() {
    let mut stage = Stage::new();
    let fifo = stage.fifo("fifo");
    // A member of the group that carries the same variables is not the main process.
    let mark = stage.start_shell("sleep 1000 & echo up > fifo; wait");
    drop(wait_for_line(&fifo));
    let found = Survivor { run: RUN, attempt: 1, process: mark, step: None, status: None, exit_code: None };
    assert_eq!(survivors(stage.directory.path()), [found]);
    assert_eq!(survivors(std::path::Path::new("/another/daemon")), []);
    group::signal(mark, &stage.tag(), libc::SIGKILL).unwrap();
    reap::wait(mark).unwrap();
    assert_eq!(marks(&stage), []);
}

#[test]
fn p2_a_process_tells_which_command_of_its_run_it_is() {
    let mut stage = Stage::new();
    let told = [("JOBCTL_STEP", "after_run 1"), ("JOBCTL_STATUS", "failed"), ("JOBCTL_EXIT_CODE", "75")];
    stage.extra = told.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let mark = stage.start_shell("exec sleep 1000");
    let found = survivors(stage.directory.path()).pop().unwrap();
    assert_eq!((found.process, found.step.as_deref()), (mark, Some("after_run 1")));
    assert_eq!((found.status.as_deref(), found.exit_code), (Some("failed"), Some(75)));
    group::signal(mark, &stage.tag(), libc::SIGKILL).unwrap();
    reap::wait(mark).unwrap();
}

#[test]
fn a_mark_says_when_its_process_was_started() {
    let uptime = || {
        let text = std::fs::read_to_string("/proc/uptime").unwrap();
        Duration::from_secs_f64(text.split(' ').next().unwrap().parse().unwrap())
    };
    let mut stage = Stage::new();
    // Ticks are hundredths of a second, mostly.
    let before = uptime().saturating_sub(Duration::from_millis(20));
    let mark = stage.start_shell("true");
    let after = uptime() + Duration::from_millis(20);
    let started = started_after_boot(mark);
    assert!(before <= started && started <= after, "{before:?} {started:?} {after:?}");
    reap::wait(mark).unwrap();
}

#[test]
fn p2_a_process_of_another_user_is_found_by_root() {
    if !is_root() {
        eprintln!("skipped: only root starts processes of other users");
        return;
    }
    let mut stage = Stage::new();
    stage.execution.user = Some("nobody".to_owned());
    stage.execution.cwd = Some("/".into());
    let mark = stage.start_shell("exec sleep 1000");
    assert_eq!(marks(&stage), [mark]);
    group::signal(mark, &stage.tag(), libc::SIGKILL).unwrap();
    assert_eq!(reap::wait(mark).unwrap().exit, Exit::Signal(9));
}

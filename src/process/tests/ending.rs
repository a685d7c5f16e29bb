//! How processes end: reaping, groups, cgroups, output limits, the foreground.

use std::fs;
use std::process::Command as StdCommand;
use std::time::Duration;

use super::{RUN, Stage, argv, in_a_process_of_its_own, shell, wait_for_death, wait_for_end, wait_for_line};
use crate::core::job::{Command, Limits};
use crate::core::run::{Exit, ProcessMark, RunId};
use crate::process::cgroup::Cgroups;
use crate::process::foreground::Terms;
use crate::process::{
    Foreground, LogReader, OutputWatch, Reaper, RunTag, Sink, Start, foreground, group, reap,
};

/// Waits for the moment between a process's last closed file and its death, which no event marks.
fn wait_until(mut done: impl FnMut() -> bool) {
    while !done() {
        std::thread::yield_now();
    }
}

#[test]
fn ends_are_told_with_code_signal_and_use() {
    let mut stage = Stage::new();
    let (ended, _) = stage.run(&shell("exit 75"));
    assert_eq!(ended.exit, Exit::Code(75));
    assert!(ended.usage.peak_memory > 100 << 10);
    let (ended, _) = stage.run(&shell("kill -USR1 $$"));
    assert_eq!(ended.exit, Exit::Signal(10));
    let (ended, _) = stage.run(&shell("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done"));
    assert!(ended.usage.user > Duration::ZERO);
}

#[test]
fn the_reaper_takes_its_own_and_leaves_others() {
    let mut stage = Stage::new();
    let mut reaper = Reaper::default();
    // A child of another room that is dead first, so that it hides the one behind it.
    let mut stranger = StdCommand::new("/bin/sh").args(["-c", "exit 9"]).spawn().unwrap();
    let stranger_mark = ProcessMark { pid: stranger.id().try_into().unwrap(), start_ticks: 0 };
    wait_for_death(stranger_mark);
    let mark = stage.start_shell("exit 4");
    reaper.watch(mark);
    assert_eq!(reaper.live(), 1);
    wait_for_death(mark);
    let ended = reaper.reap();
    assert_eq!(ended.iter().map(|end| (end.pid, end.exit)).collect::<Vec<_>>(), [(mark.pid, Exit::Code(4))]);
    assert_eq!((reaper.live(), reaper.reap()), (0, Vec::new()));
    assert_eq!(stranger.wait().unwrap().code(), Some(9));
}

#[test]
fn orphans_are_reaped_at_the_second_sweep() {
    if !in_a_process_of_its_own("ending::orphans_are_reaped_at_the_second_sweep") {
        return;
    }
    let mut stage = Stage::new();
    let mut reaper = Reaper::default();
    assert_eq!(reaper.sweep_orphans(), 0);
    let ours = stage.start_shell("exit 1");
    reaper.watch(ours);
    let orphan = stage.start_shell("exit 2");
    for mark in [ours, orphan] {
        wait_for_death(mark);
    }
    assert_eq!((reaper.sweep_orphans(), reaper.sweep_orphans(), reaper.sweep_orphans()), (0, 1, 0));
    assert_eq!(reaper.reap().len(), 1);
    assert!(reap::wait(orphan).is_err());
}

#[test]
fn several_deaths_in_one_signal_are_all_told() {
    let mut stage = Stage::new();
    let mut reaper = Reaper::default();
    let marks: Vec<_> = (0..8).map(|code| stage.start_shell(&format!("exit {code}"))).collect();
    for mark in &marks {
        reaper.watch(*mark);
        wait_for_death(*mark);
    }
    let mut codes: Vec<_> = reaper.reap().iter().map(|end| end.exit.shell_code()).collect();
    codes.sort_unstable();
    assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn p10_the_main_process_ends_the_run_and_its_grandchild_stays() {
    let mut stage = Stage::new();
    let fifo = stage.fifo("fifo");
    // The grandchild keeps the output and the FIFO open.
    let mark = stage.start_shell("(exec 3>fifo; echo up >&3; exec sleep 1000) & exit 0");
    let open = wait_for_line(&fifo);
    assert_eq!(reap::wait(mark).unwrap().exit, Exit::Code(0));
    // The leader is reaped; its group is known by the run's variables.
    assert!(group::is_alive(mark, &stage.tag()));
    let other = RunTag::new(stage.directory.path(), RunId(43), 1);
    assert!(!group::is_alive(mark, &other));
    assert!(!group::signal(mark, &other, libc::SIGKILL).unwrap());
    assert!(group::signal(mark, &stage.tag(), libc::SIGKILL).unwrap());
    wait_for_end(open);
    wait_until(|| !group::is_alive(mark, &stage.tag()));
}

#[test]
fn p11_a_dead_leader_still_stands_for_its_group() {
    let mut stage = Stage::new();
    let fifo = stage.fifo("fifo");
    let mark = stage.start_shell("(exec 3>fifo; echo up >&3; exec sleep 1000) & exit 0");
    let open = wait_for_line(&fifo);
    wait_for_death(mark);
    // The group is the leader's own even where the tag is on none of its members.
    let other = RunTag::new(stage.directory.path(), RunId(43), 1);
    assert!(group::is_alive(mark, &other));
    assert!(group::signal(mark, &other, libc::SIGKILL).unwrap());
    wait_for_end(open);
    assert_eq!(reap::wait(mark).unwrap().exit, Exit::Code(0));
}

#[test]
fn p11_what_ignores_term_is_killed_with_all_its_children() {
    let mut stage = Stage::new();
    let fifo = stage.fifo("fifo");
    let script = "trap '' TERM; exec 3>fifo; for i in 1 2 3; do sh -c 'sleep 1000' & done; echo up >&3; wait";
    let mark = stage.start_shell(script);
    let open = wait_for_line(&fifo);
    assert!(group::signal(mark, &stage.tag(), libc::SIGTERM).unwrap());
    assert!(group::is_alive(mark, &stage.tag()));
    assert!(group::signal(mark, &stage.tag(), libc::SIGKILL).unwrap());
    wait_for_end(open);
    assert_eq!(reap::wait(mark).unwrap().exit, Exit::Signal(9));
    wait_until(|| !group::signal(mark, &stage.tag(), libc::SIGKILL).unwrap());
    assert!(!group::is_alive(mark, &stage.tag()));
}

#[test]
fn p11_in_a_cgroup_nothing_escapes() {
    let tree = std::path::Path::new("/sys/fs/cgroup/unified");
    let tree = if tree.exists() { tree } else { std::path::Path::new("/sys/fs/cgroup") };
    let delegated = tree.join(format!("jobctl-test-{}", std::process::id()));
    if !tree.join("cgroup.procs").exists() || fs::create_dir(&delegated).is_err() {
        eprintln!("skipped: no cgroup v2 tree to write to");
        return;
    }
    let mut stage = Stage::new();
    let fifo = stage.fifo("fifo");
    let cgroups = Cgroups::prepare(&delegated).unwrap();
    let cgroup = cgroups.create(RUN, 1, &Limits { cpu_percent: Some(50), ..Limits::default() }).unwrap();
    let environment = stage.environment().unwrap();
    let start = Start {
        job: &stage.job,
        command: &shell("exec 3>fifo; setsid sh -c 'echo up >&3; exec sleep 1000' & wait"),
        args: &[],
        execution: &stage.execution,
        environment: &environment,
        sink: Sink::Null,
        cgroup: Some(&cgroup),
    };
    let mark = stage.spawner.spawn(&start).unwrap();
    let open = wait_for_line(&fifo);
    let member = fs::read_to_string(format!("/proc/{}/cgroup", mark.pid)).unwrap();
    assert!(member.contains("/runs/42.1"), "{member}");
    group::signal(mark, &stage.tag(), libc::SIGKILL).unwrap();
    assert_eq!(reap::wait(mark).unwrap().exit, Exit::Signal(9));
    // The group is dead, what has left it is not.
    assert!(cgroup.is_populated());
    cgroups.find(RUN, 1).unwrap().kill().unwrap();
    wait_for_end(open);
    drop(cgroup);
    // An orphan leaves its cgroup when init reaps it: the sweep comes again until then, as the daemon's does.
    wait_until(|| {
        cgroups.sweep();
        !delegated.join("runs/42.1").exists()
    });
    for directory in ["runs", "daemon", ""] {
        fs::remove_dir(delegated.join(directory)).unwrap();
    }
}

#[test]
fn p6_a_recycled_pid_is_never_signalled() {
    let mut stage = Stage::new();
    let mark = stage.start_shell("exec sleep 1000");
    let recycled = ProcessMark { start_ticks: mark.start_ticks + 1, ..mark };
    assert!(!group::signal(recycled, &stage.tag(), libc::SIGKILL).unwrap());
    assert!(!group::is_alive(recycled, &stage.tag()));
    assert!(group::is_alive(mark, &stage.tag()));
    assert!(group::signal(mark, &stage.tag(), libc::SIGKILL).unwrap());
    assert_eq!(reap::wait(mark).unwrap().exit, Exit::Signal(9));
}

#[test]
fn p12_a_loud_job_is_bounded_and_not_blocked() {
    const MAX: u64 = 1 << 20;
    let mut stage = Stage::new();
    let command = argv(&["sh", "-c", "echo begin; head -c 30000000 /dev/urandom; printf end"]);
    let (mark, log) = stage.start(&command).unwrap();
    let mut watch = OutputWatch::new(log.path.clone(), MAX);
    let mut reaper = Reaper::default();
    reaper.watch(mark);
    while reaper.reap().is_empty() {
        watch.check().unwrap();
    }
    let kept = watch.finish().unwrap();
    assert!(kept.size <= MAX && fs::metadata(&log.path).unwrap().len() == kept.size);
    assert_eq!(kept.place(6 + 30_000_000 + 3), kept.size);
    let all = LogReader::open(&log.path, 0).unwrap().rest(usize::MAX).unwrap();
    assert!(all.starts_with(b"begin\n") && all.ends_with(b"end"));
}

fn in_foreground(stage: &mut Stage, command: &Command, terms: Terms) -> Foreground {
    let environment = stage.environment().unwrap();
    let tag = stage.tag();
    let start = Start {
        job: &stage.job,
        command,
        args: &[],
        execution: &stage.execution,
        environment: &environment,
        sink: Sink::Null,
        cgroup: None,
    };
    foreground(&mut stage.spawner, &start, &tag, &terms).unwrap()
}

fn terms(timeout: Option<Duration>, kill_after: Duration) -> Terms {
    Terms { timeout, stop_signal: libc::SIGTERM, kill_after }
}

#[test]
fn the_foreground_tells_how_it_ended() {
    let mut stage = Stage::new();
    let ended = in_foreground(&mut stage, &shell("exit 7"), terms(None, Duration::ZERO));
    assert_eq!((ended.exit, ended.timed_out, ended.interrupted), (Exit::Code(7), false, None));
}

#[test]
fn p11_the_foreground_has_a_time_limit_that_holds() {
    let mut stage = Stage::new();
    let limit = terms(Some(Duration::from_millis(1)), Duration::from_secs(3_600));
    let ended = in_foreground(&mut stage, &shell("exec sleep 1000"), limit);
    assert_eq!((ended.exit, ended.timed_out), (Exit::Signal(15), true));
    let fifo = stage.fifo("fifo");
    let reader = std::thread::spawn(move || wait_for_end(wait_for_line(&fifo)));
    let script = "trap '' TERM; exec 3>fifo; echo up >&3; sleep 1000 & while :; do sleep 1000; done";
    let limit = terms(Some(Duration::from_millis(300)), Duration::from_millis(1));
    let ended = in_foreground(&mut stage, &shell(script), limit);
    assert_eq!((ended.exit, ended.timed_out), (Exit::Signal(9), true));
    reader.join().unwrap();
}

#[test]
fn the_foreground_hands_signals_on() {
    let mut stage = Stage::new();
    let fifo = stage.fifo("fifo");
    // SAFETY: pthread_self(3) has no preconditions.
    let thread = unsafe { libc::pthread_self() };
    let interrupter = std::thread::spawn(move || {
        let open = wait_for_line(&fifo);
        // SAFETY: the thread waits for the end of the command, which waits for this signal.
        assert_eq!(unsafe { libc::pthread_kill(thread, libc::SIGINT) }, 0);
        wait_for_end(open);
    });
    let script = "trap 'exit 33' INT; exec 3>fifo; echo up >&3; while :; do read x <&3 || sleep 0.01; done";
    let ended = in_foreground(&mut stage, &shell(script), terms(None, Duration::from_secs(3_600)));
    assert_eq!((ended.exit, ended.interrupted), (Exit::Code(33), Some(libc::SIGINT)));
    interrupter.join().unwrap();
}

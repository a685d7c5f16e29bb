//! P1 to P4: the daemon is killed at each numbered step of a start, not at a moment that may or may not be it. A lock
//! on the store holds the daemon at a commit; a pool whose worker is taken holds it before a start; named pipes hold
//! the commands. Afterwards the ledger is held against what the commands have left.
//!
//! The steps: (1) the claim is committed, (2) the command is started, (3) its process is committed, (4) it runs,
//! (5) its end is seen, (6) its end is committed, (7) who wants to know is told.

use std::fs;
use std::path::Path;

use rustix::process::Signal;

use super::ledger::{Row, Standstill, ledger, until_durable};
use super::zones::seconds;
use crate::features::support::{Pipe, events, eventually, run_now, sandbox};
use crate::harness::{Daemon, Sandbox};

/// `due` is due at an instant and takes the worker of a pool, which `gate` may have. Each command leaves a line.
struct Scene {
    sandbox: Sandbox,
    at: i64,
    begun: Pipe,
    gate: Pipe,
    go: Pipe,
}

impl Scene {
    /// Makes the jobs; `more` = further keys of `due`.
    fn new(more: &str) -> Self {
        let at = seconds() + 3;
        let due = chrono::DateTime::from_timestamp(at, 0).expect("an instant").to_rfc3339();
        let sandbox = sandbox(&format!(
            "[pools.one]\nworkers = 1\n\
             [jobs.gate]\ncommand = 'echo gate > begun; read code < gate; exit $code'\nevery = \"52w\"\npool = \"one\"\n\
             [jobs.due]\nat = \"{due}\"\ngrace = \"unlimited\"\npool = \"one\"\n{more}\n"
        ));
        let [begun, gate, go] = ["begun", "gate", "go"].map(|name| Pipe::new(&sandbox, name));
        Scene { sandbox, at, begun, gate, go }
    }

    /// With a single command, which waits for its exit code.
    fn of_one_command(more: &str) -> Self {
        let command =
            "echo $JOBCTL_RUN_ID $JOBCTL_ATTEMPT >> starts; echo one; echo due > begun; read code < go";
        Scene::new(&format!("command = '{command}; echo two; exit $code'\n{more}"))
    }

    /// Returns what the commands of `due` have left, a line each.
    fn starts(&self) -> Vec<String> {
        let text = fs::read_to_string(self.sandbox.path("starts")).unwrap_or_default();
        text.lines().map(ToOwned::to_owned).collect()
    }

    /// Starts the daemon, and a run of `gate` that takes the worker.
    fn with_the_worker_taken(&mut self) -> Daemon {
        let daemon = self.sandbox.daemon();
        run_now(&self.sandbox, ["gate"]);
        assert_eq!(self.begun.hear(), "gate");
        daemon
    }

    /// Starts the daemon and waits until the claim of `due` is durable, and nothing else: there is no worker.
    fn claimed(&mut self) -> (Daemon, Row) {
        let daemon = self.with_the_worker_taken();
        let row = until_durable(&self.sandbox, "due", "queued");
        assert_eq!((row.last, row.pid, self.output(&row).exists()), (self.at, None, false));
        (daemon, row)
    }

    /// Starts the daemon and waits until the process of `due` is durable.
    fn running(&mut self) -> (Daemon, Row) {
        let daemon = self.sandbox.daemon();
        assert_eq!(self.begun.hear(), "due");
        let row = until_durable(&self.sandbox, "due", "running");
        assert!(row.pid.is_some());
        (daemon, row)
    }

    fn output(&self, row: &Row) -> std::path::PathBuf {
        self.sandbox.path(&format!("state/logs/due/{}.log", row.run))
    }

    /// Waits until the only row of `due` is final, and returns it.
    fn outcome(&self) -> Row {
        let mut rows = Vec::new();
        eventually("it ends", || {
            rows = ledger(&self.sandbox, "due");
            rows.iter().all(|row| !["queued", "running", "retrying"].contains(&row.status.as_str()))
        });
        assert_eq!(rows.len(), 1, "{rows:#?}");
        let row = rows.remove(0);
        assert_eq!(row.last, self.at);
        let finals = ["run.succeeded", "run.failed", "run.lost", "run.timed_out", "run.cancelled"];
        let told = events(&self.sandbox).into_iter().filter(|event| {
            event["run_id"] == row.run && finals.contains(&event["event"].as_str().unwrap_or_default())
        });
        assert_eq!(told.count(), 1, "its end is told once");
        row
    }

    /// Expects that the run has ended with this code, as far as the kernel tells it to a daemon that is not the
    /// parent (Linux 6.15).
    fn ended_with(&self, code: i32) -> Row {
        let row = self.outcome();
        let told = if code == 0 { "succeeded" } else { "failed" };
        match row.status.as_str() {
            "lost" => assert!(row.reason.is_some()),
            status => assert_eq!((status, row.exit_code), (told, Some(code)), "{row:?}"),
        }
        row
    }
}

/// Waits until a process has been reaped: its parent has seen the end.
fn until_reaped(pid: i32) {
    let place = format!("/proc/{pid}");
    eventually("its end is seen", || !Path::new(&place).exists());
}

fn pid_of(row: &Row) -> i32 {
    row.pid.expect("its process is durable")
}

#[test]
fn p1_killed_before_the_claim_is_durable_it_is_due_again() {
    let mut scene = Scene::of_one_command("");
    let daemon = scene.sandbox.daemon();
    let standstill = Standstill::of(&scene.sandbox);
    // The daemon has decided, and stands at the commit.
    eventually("it is claimed", || daemon.log().contains("job.finished job=due"));
    while seconds() <= scene.at {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    daemon.kill();
    drop(standstill);
    assert!(ledger(&scene.sandbox, "due").is_empty() && scene.starts().is_empty());
    let _daemon = scene.sandbox.daemon();
    assert_eq!(scene.begun.hear(), "due");
    scene.go.tell("0");
    let row = scene.outcome();
    assert_eq!((row.status.as_str(), scene.starts()), ("succeeded", vec![format!("{} 1", row.run)]));
}

#[test]
fn p2_killed_between_the_claim_and_the_start_it_is_due_again_under_its_number() {
    let mut scene = Scene::of_one_command("");
    let (daemon, claimed) = scene.claimed();
    daemon.kill();
    let _daemon = scene.sandbox.daemon();
    assert!(scene.starts().is_empty(), "the worker is still taken: the run of gate was adopted");
    scene.gate.tell("0");
    assert_eq!(scene.begun.hear(), "due");
    scene.go.tell("0");
    let row = scene.outcome();
    assert_eq!((row.run, row.status.as_str()), (claimed.run, "succeeded"));
    assert_eq!(scene.starts(), [format!("{} 1", claimed.run)]);
}

#[test]
fn p2_killed_right_before_the_process_is_made_it_is_lost_or_run_again_as_the_job_says() {
    for (more, runs) in [("", 0), ("on_lost = \"rerun\"", 1)] {
        let mut scene = Scene::of_one_command(more);
        let (daemon, claimed) = scene.claimed();
        daemon.kill();
        // The output file is what a start makes first; nothing else of it can be seen.
        fs::create_dir_all(scene.sandbox.path("state/logs/due")).expect("it can be made");
        fs::write(scene.output(&claimed), "").expect("it can be made");
        scene.gate.tell("0");
        let _daemon = scene.sandbox.daemon();
        for _ in 0..runs {
            assert_eq!(scene.begun.hear(), "due");
            scene.go.tell("0");
            until_durable(&scene.sandbox, "due", "succeeded");
        }
        let rows = ledger(&scene.sandbox, "due");
        assert_eq!((rows.len(), rows[0].status.as_str()), (1 + runs, "lost"), "{rows:#?}");
        assert_eq!(rows[0].reason.as_deref(), Some("start_unknown"));
        assert_eq!(scene.starts().len(), runs, "the run that is lost has started nothing");
    }
}

/// Lets `due` start while nothing can be committed, and kills the daemon.
fn killed_before_the_process_is_durable(scene: &mut Scene) -> Row {
    let (daemon, claimed) = scene.claimed();
    let standstill = Standstill::of(&scene.sandbox);
    scene.gate.tell("0");
    assert_eq!(scene.begun.hear(), "due");
    daemon.kill();
    drop(standstill);
    let row = ledger(&scene.sandbox, "due").remove(0);
    assert_eq!((row.status.as_str(), row.pid), ("queued", None), "its process is not on record");
    claimed
}

#[test]
fn p2_killed_before_the_process_is_durable_it_is_found_by_its_environment() {
    let mut scene = Scene::of_one_command("");
    let claimed = killed_before_the_process_is_durable(&mut scene);
    let _daemon = scene.sandbox.daemon();
    let row = until_durable(&scene.sandbox, "due", "running");
    assert_eq!(row.run, claimed.run);
    scene.go.tell("5");
    assert_eq!(scene.ended_with(5).run, claimed.run);
    assert_eq!(scene.starts(), [format!("{} 1", claimed.run)]);
    // What ended while nothing could be written of it is lost, once.
    assert_eq!(ledger(&scene.sandbox, "gate").len(), 1);
}

#[test]
fn p2_killed_before_the_process_is_durable_and_it_ends_unseen() {
    for (more, runs) in [("", 0), ("on_lost = \"rerun\"", 1)] {
        let mut scene = Scene::of_one_command(more);
        let claimed = killed_before_the_process_is_durable(&mut scene);
        scene.go.tell("0");
        let output = scene.output(&claimed);
        eventually("it ends", || fs::read_to_string(&output).is_ok_and(|text| text.ends_with("two\n")));
        let alive = || process::any_with(&scene.sandbox, "JOBCTL_JOB=due");
        eventually("it ends", || !alive());
        let _daemon = scene.sandbox.daemon();
        for _ in 0..runs {
            assert_eq!(scene.begun.hear(), "due");
            scene.go.tell("0");
            until_durable(&scene.sandbox, "due", "succeeded");
        }
        let rows = ledger(&scene.sandbox, "due");
        assert_eq!((rows.len(), rows[0].status.as_str()), (1 + runs, "lost"), "{rows:#?}");
        assert_eq!(scene.starts().len(), 1 + runs);
    }
}

#[test]
fn s2_the_output_of_a_run_is_followed_while_its_start_waits_for_the_store() {
    let mut scene = Scene::of_one_command("");
    let (daemon, _) = scene.claimed();
    let standstill = Standstill::of(&scene.sandbox);
    scene.gate.tell("0");
    assert_eq!(scene.begun.hear(), "due");
    let mut output = scene.sandbox.follow(["logs", "-f", "due"]);
    assert_eq!(output.next().as_deref(), Some("one"));
    drop(standstill);
    scene.go.tell("0");
    assert_eq!(output.end(), (Some(0), vec!["two".to_owned()]));
    assert_eq!(scene.outcome().status, "succeeded");
    assert!(daemon.stop().success());
}

#[test]
fn p3_killed_once_the_process_is_durable_it_is_adopted_and_counts() {
    let mut scene = Scene::of_one_command("");
    let (daemon, row) = scene.running();
    daemon.kill();
    let daemon = scene.sandbox.daemon();
    let shown = scene.sandbox.json(["show", "due", "--json"]);
    assert_eq!((&shown["state"], &shown["running"]), (&"running".into(), &1.into()));
    scene.go.tell("7");
    assert_eq!(scene.ended_with(7).run, row.run);
    assert_eq!(fs::read_to_string(scene.output(&row)).expect("its output"), "one\ntwo\n");
    assert_eq!(scene.starts(), [format!("{} 1", row.run)]);
    assert!(daemon.stop().success());
}

#[test]
fn p3_occurrences_of_an_adopted_run_are_busy_and_none_is_started_beside_it() {
    let sandbox = sandbox(
        "[jobs.tick]\ncron = \"* * * * * *\"\n\
         command = 'echo $JOBCTL_RUN_ID >> starts; echo x > begun; read code < go; exit $code'\n",
    );
    let [mut begun, mut go] = ["begun", "go"].map(|name| Pipe::new(&sandbox, name));
    let daemon = sandbox.daemon();
    begun.hear();
    let first = until_durable(&sandbox, "tick", "running");
    daemon.kill();
    let daemon = sandbox.daemon();
    let is_busy = |row: &Row| row.status == "skipped" && row.reason.as_deref() == Some("busy");
    let busy = || ledger(&sandbox, "tick").iter().filter(|row| is_busy(row)).count();
    eventually("it is due beside the run", || busy() >= 2);
    assert_eq!(fs::read_to_string(sandbox.path("starts")).expect("it runs"), format!("{}\n", first.run));
    go.tell("0");
    begun.hear();
    let rows = ledger(&sandbox, "tick");
    assert_eq!(rows.iter().filter(|row| row.run == first.run).count(), 1);
    assert!(["succeeded", "lost"].contains(&rows[0].status.as_str()), "{rows:#?}");
    let times: Vec<i64> = rows.iter().flat_map(|row| row.first..=row.last).collect();
    assert!(times.windows(2).all(|pair| pair[1] == pair[0] + 1), "no hole and no repeat: {times:?}");
    go.tell("0");
    daemon.signal(Signal::TERM);
    daemon.wait();
}

#[test]
fn p4_killed_once_the_end_is_seen_and_before_it_is_durable_it_is_lost_once() {
    for (more, runs) in [("", 0), ("on_lost = \"rerun\"", 1)] {
        let mut scene = Scene::of_one_command(more);
        let (daemon, row) = scene.running();
        let standstill = Standstill::of(&scene.sandbox);
        scene.go.tell("0");
        until_reaped(pid_of(&row));
        daemon.kill();
        drop(standstill);
        let _daemon = scene.sandbox.daemon();
        for _ in 0..runs {
            assert_eq!(scene.begun.hear(), "due");
            scene.go.tell("0");
            until_durable(&scene.sandbox, "due", "succeeded");
        }
        let rows = ledger(&scene.sandbox, "due");
        assert_eq!((rows.len(), rows[0].status.as_str()), (1 + runs, "lost"), "{rows:#?}");
        assert_eq!(rows[0].reason.as_deref(), Some("end_unseen"));
        let lost = events(&scene.sandbox).into_iter().filter(|event| event["event"] == "run.lost").count();
        assert_eq!((lost, scene.starts().len()), (1, 1 + runs));
    }
}

#[test]
fn p4_killed_once_the_end_is_durable_nothing_is_left_to_do() {
    let mut scene = Scene::of_one_command("on_lost = \"rerun\"");
    let (daemon, row) = scene.running();
    scene.go.tell("3");
    let ended = until_durable(&scene.sandbox, "due", "failed");
    daemon.kill();
    let daemon = scene.sandbox.daemon();
    let after = scene.outcome();
    assert_eq!((after.run, after.exit_code, ended.run), (row.run, Some(3), row.run));
    assert_eq!(scene.starts().len(), 1);
    assert!(daemon.stop().success());
}

#[test]
fn p4_n1_killed_while_somebody_is_told_they_are_told_again() {
    let sandbox = sandbox(
        "[notify.slow]\ncommand = 'echo $JOBCTL_RUN_ID > \"$JOBCTL_STATE_DIR/../told\"; read x < \"$JOBCTL_STATE_DIR/../go\"'\n\
         [jobs.a]\ncommand = 'echo x >> starts; exit 3'\nevery = \"52w\"\nnotify = \"slow\"\n",
    );
    let [mut told, mut go] = ["told", "go"].map(|name| Pipe::new(&sandbox, name));
    let daemon = sandbox.daemon();
    let run = run_now(&sandbox, ["a"]);
    assert_eq!(told.hear(), run);
    assert_eq!(until_durable(&sandbox, "a", "failed").run.to_string(), run);
    daemon.kill();
    let daemon = sandbox.daemon();
    assert_eq!(told.hear(), run, "the notice was durable with the end");
    go.tell("");
    go.tell("");
    eventually("it is delivered", || {
        sandbox.json(["status", "--json"])["notices"].as_u64().unwrap_or(0) == 0
    });
    assert_eq!(
        (ledger(&sandbox, "a").len(), fs::read_to_string(sandbox.path("starts")).expect("one")),
        (1, "x\n".into())
    );
    assert!(daemon.stop().success());
}

#[test]
fn p3_killed_between_two_steps_the_one_that_ended_is_not_run_again() {
    let step = |number: u32| {
        format!(
            "'echo $JOBCTL_RUN_ID {number} >> starts; echo step {number} > begun; read code < go; exit $code'"
        )
    };
    let mut scene = Scene::new(&format!("steps = [{}, {}]", step(1), step(2)));
    let daemon = scene.sandbox.daemon();
    assert_eq!(scene.begun.hear(), "step 1");
    let row = until_durable(&scene.sandbox, "due", "running");
    let standstill = Standstill::of(&scene.sandbox);
    scene.go.tell("0");
    assert_eq!(scene.begun.hear(), "step 2", "the end of the first one is not durable");
    daemon.kill();
    drop(standstill);
    let _daemon = scene.sandbox.daemon();
    scene.go.tell("0");
    scene.ended_with(0);
    assert_eq!(scene.starts(), [format!("{} 1", row.run), format!("{} 2", row.run)]);
}

#[test]
fn p3_killed_in_a_closing_hook_neither_the_work_nor_the_hook_is_run_again() {
    let stamp =
        "echo $JOBCTL_RUN_ID ${JOBCTL_STEP:-work} $JOBCTL_STATUS >> starts; echo x > begun; read code < go";
    let mut scene = Scene::new(&format!("command = '{stamp}; exit $code'\non_success = ['{stamp}']"));
    let daemon = scene.sandbox.daemon();
    scene.begun.hear();
    let row = until_durable(&scene.sandbox, "due", "running");
    let standstill = Standstill::of(&scene.sandbox);
    scene.go.tell("0");
    scene.begun.hear();
    daemon.kill();
    drop(standstill);
    let _daemon = scene.sandbox.daemon();
    scene.go.tell("0");
    let ended = scene.outcome();
    assert_eq!((ended.status.as_str(), ended.exit_code), ("succeeded", Some(0)), "the hook was told so");
    let expected = [format!("{} work", row.run), format!("{} on_success 1 succeeded", row.run)];
    assert_eq!(scene.starts(), expected);
}

#[test]
fn p3_killed_in_the_second_attempt_the_first_is_not_run_again() {
    let mut scene = Scene::of_one_command("retries = 2\nretry_delay = \"10ms\"");
    let (daemon, row) = scene.running();
    let standstill = Standstill::of(&scene.sandbox);
    scene.go.tell("1");
    assert_eq!(scene.begun.hear(), "due", "the end of the first attempt is not durable");
    daemon.kill();
    drop(standstill);
    let _daemon = scene.sandbox.daemon();
    eventually("it is adopted", || ledger(&scene.sandbox, "due")[0].attempt == 2);
    scene.go.tell("0");
    scene.ended_with(0);
    assert_eq!(scene.starts(), [format!("{} 1", row.run), format!("{} 2", row.run)]);
}

/// What can be seen of processes.
mod process {
    use super::Sandbox;

    /// Says whether there is a process of this sandbox with that in its environment.
    pub(super) fn any_with(sandbox: &Sandbox, variable: &str) -> bool {
        let place = sandbox.path("state");
        let place = place.as_os_str().as_encoded_bytes();
        let has = |text: &[u8], part: &[u8]| text.windows(part.len()).any(|piece| piece == part);
        std::fs::read_dir("/proc").expect("/proc").flatten().any(|entry| {
            let text = std::fs::read(entry.path().join("environ")).unwrap_or_default();
            has(&text, place) && has(&text, variable.as_bytes())
        })
    }
}

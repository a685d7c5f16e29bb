//! The table "Runs", by the real binary.

use std::time::Duration;

use serde_json::{Value, json};

use super::support::{
    Diary, Pipe, events, eventually, instant, outcomes, rows, run_now, run_to_end, sandbox, short, steps,
    write_jobs,
};

#[test]
fn a_pool_of_one_starts_what_waits_by_priority() {
    let mut text = String::from("[pools.one]\nworkers = 1\n");
    text += "[jobs.first]\ncommand = \"read code < gate\"\nevery = \"52w\"\npool = \"one\"\n";
    let priorities = [3, 9, 1, 7, 5, 0, 8, 2, 6, 4];
    for priority in priorities {
        text += &format!(
            "[jobs.p{priority}]\ncommand = \"true\"\nevery = \"52w\"\npool = \"one\"\npriority = {priority}\n"
        );
    }
    let sandbox = sandbox(&text);
    let mut gate = Pipe::new(&sandbox, "gate");
    let _daemon = sandbox.daemon();
    let mut diary = Diary::of(&sandbox, &[]);
    run_now(&sandbox, ["first"]);
    diary.until("first run.started");
    for priority in priorities {
        run_now(&sandbox, [&format!("p{priority}")]);
    }
    // A request may have a priority of its own.
    run_now(&sandbox, ["p0", "--force", "--priority", "100"]);
    let pool = sandbox.json(["status", "--json"])["pools"][0].clone();
    assert_eq!(pool, json!({"name": "one", "workers": 1, "running": 1, "queued": 11}));
    gate.tell("");
    diary.until("p1 run.succeeded");
    diary.until("p0 run.succeeded");
    let started: Vec<&str> =
        diary.seen.iter().filter_map(|event| event.strip_suffix(" run.started")).collect();
    let expected = ["first", "p0", "p9", "p8", "p7", "p6", "p5", "p4", "p3", "p2", "p1", "p0"];
    assert_eq!(started, expected);
    // One worker: nothing starts before the one before it has ended.
    let alive = diary.seen.iter().skip_while(|event| !event.starts_with("first run.succeeded")).skip(1);
    let pairs: Vec<&String> = alive.collect();
    assert!(pairs.chunks(2).all(|pair| {
        let name = |event: &String| event.split(' ').next().map(str::to_owned);
        pair[0].ends_with("started") && pair[1].ends_with("succeeded") && name(pair[0]) == name(pair[1])
    }));
}

#[test]
fn a_pool_in_use_is_not_removed() {
    let sandbox =
        sandbox("[pools.io]\nworkers = 2\n[jobs.a]\ncommand = \"true\"\nevery = \"52w\"\npool = \"io\"\n");
    let _daemon = sandbox.daemon();
    write_jobs(&sandbox, "[jobs.a]\ncommand = \"true\"\nevery = \"52w\"\npool = \"io\"\n");
    let refused = sandbox.run(["reload"]);
    assert!(refused.starts_with("exit 2\n") && refused.contains("io"), "{refused}");
    assert_eq!(sandbox.json(["status", "--json"])["pools"][0]["workers"], 2, "the old set stays");
    // A job that was added is a use too.
    write_jobs(&sandbox, "[pools.io]\nworkers = 3\n");
    sandbox.ok(["reload"]);
    sandbox.ok(["add", "b", "--on", "shutdown", "--pool", "io", "--", "true"]);
    write_jobs(&sandbox, "");
    let refused = sandbox.run(["reload"]);
    assert!(refused.starts_with("exit 2\n") && refused.contains("io"), "{refused}");
    assert_eq!(sandbox.json(["status", "--json"])["pools"][0]["workers"], 3);
}

#[test]
fn two_thousand_due_at_once_go_through_a_pool_in_order_and_once() {
    const JOBS: usize = 2_000;
    let sandbox = sandbox("");
    let _daemon = sandbox.daemon();
    sandbox.ok(["hold"]);
    let mut text = String::from("[pools.wide]\nworkers = 32\n");
    let mut expected = Vec::new();
    for number in 0..JOBS {
        let priority = number * 7_919 % 13;
        text += &format!(
            "[jobs.j{number:04}]\ncommand = [\"true\"]\nat = \"2020-02-29T12:00:00Z\"\npool = \"wide\"\n\
             priority = {priority}\ngrace = \"unlimited\"\n"
        );
        expected.push((std::cmp::Reverse(priority), format!("j{number:04} run.started")));
    }
    write_jobs(&sandbox, &text);
    sandbox.ok(["reload"]);
    sandbox.ok(["release"]);
    let mut diary = Diary::of(&sandbox, &[]);
    let mut full = false;
    let mut ended = 0;
    while ended < JOBS {
        let event = diary.next();
        ended += usize::from(event["event"] == "run.succeeded");
        if event["event"] == "run.succeeded" && ended % 200 == 1 {
            let pool = sandbox.json(["status", "--json"])["pools"][0].clone();
            assert!(pool["running"].as_u64() <= Some(32), "{pool}");
            full |= pool["running"] == 32;
        }
    }
    assert!(full, "the pool was full while the daemon answered");
    expected.sort();
    let expected: Vec<String> = expected.into_iter().map(|(_, event)| event).collect();
    let all = events(&sandbox);
    let named = |name: &str| all.iter().filter(|event| event["event"] == name).map(short).collect::<Vec<_>>();
    assert!(named("run.started") == expected, "by priority, then by name, and each once");
    assert_eq!(named("run.succeeded").len(), JOBS);
}

#[test]
fn p11_a_time_limit_asks_then_kills_the_whole_group() {
    let command =
        r#"trap "" TERM; sh -c 'trap "" TERM; echo $$ > child; while :; do sleep 1000; done' & wait; wait"#;
    let sandbox = sandbox(&format!(
        "[jobs.one]\ncommand = '''{command}'''\n[jobs.two]\nsteps = [\"true\", '''{command}''']\n\
         [jobs.polite]\ncommand = 'trap \"echo asked > asked; exit 0\" TERM; echo 1 > child; sleep 1000 & wait'\n"
    )
    .replace("command", "every = \"52w\"\ntimeout = \"1500ms\"\nkill_after = \"500ms\"\ncommand")
    .replace("steps", "every = \"52w\"\ntimeout = \"1500ms\"\nkill_after = \"500ms\"\nsteps"));
    let mut child = Pipe::new(&sandbox, "child");
    let mut asked = Pipe::new(&sandbox, "asked");
    let _daemon = sandbox.daemon();
    for job in ["one", "two"] {
        let run = run_now(&sandbox, [job]);
        let pid = child.hear();
        assert_eq!(sandbox.output(["wait", &run]).status.code(), Some(137), "{job}");
        let row = &rows(&sandbox, job)[0];
        assert_eq!((&row["status"], &row["signal"]), (&"timed_out".into(), &"KILL".into()), "{job}");
        assert!(
            row["duration_ms"].as_u64() >= Some(1_900),
            "{job}: the time limit and the patience after it"
        );
        let stat = format!("/proc/{pid}/stat");
        eventually("the child is dead", || {
            std::fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z "))
        });
    }
    let run = run_now(&sandbox, ["polite"]);
    child.hear();
    assert_eq!(asked.hear(), "asked");
    sandbox.output(["wait", &run]);
    let row = &rows(&sandbox, "polite")[0];
    assert_eq!((&row["status"], &row["exit_code"]), (&"timed_out".into(), &0.into()));
}

#[test]
fn three_retries_back_off_also_over_a_kill_of_the_daemon() {
    let sandbox = sandbox(
        "[jobs.a]\ncommand = 'echo $JOBCTL_ATTEMPT; exit 75'\nevery = \"52w\"\nretries = 3\n\
         retry_delay = \"1s\"\nretry_backoff = 2.0\nretry_on = [75]\n",
    );
    let daemon = sandbox.daemon();
    let mut diary = Diary::of(&sandbox, &["a"]);
    let run: u64 = run_now(&sandbox, ["a"]).parse().expect("a number");
    diary.until("a run.retrying");
    diary.until("a run.retrying");
    daemon.kill();
    let row = rows(&sandbox, "a")[0].clone();
    assert_eq!(
        (&row["status"], &row["attempt"], &row["attempts"]),
        (&"retrying".into(), &2.into(), &4.into())
    );
    let _daemon = sandbox.daemon();
    let mut diary = Diary::of(&sandbox, &["a"]);
    diary.until("a run.failed");
    let tries = ["a run.started", "a run.retrying"];
    assert_eq!(
        diary.seen,
        [&["a run.queued"][..], &tries, &tries, &tries, &["a run.started", "a run.failed"]].concat()
    );
    let all = events(&sandbox);
    let of_run: Vec<&Value> = all.iter().filter(|event| event["job"] == "a").collect();
    assert!(of_run.iter().all(|event| event["run_id"] == run), "one run");
    let attempts: Vec<&Value> = of_run.iter().skip(1).map(|event| &event["attempt"]).collect();
    assert_eq!(attempts, [1, 1, 2, 2, 3, 3, 4, 4]);
    // From each failure to the next start: never less than the delay, which doubles.
    for (attempt, least) in [(1, 1_000), (2, 2_000), (3, 4_000)] {
        let at = |event: &str, attempt: u64| {
            let found = of_run.iter().find(|e| e["event"] == event && e["attempt"] == attempt);
            instant(&found.expect("it is there")["at"])
        };
        let waited = at("run.started", attempt + 1) - at("run.retrying", attempt);
        assert!(waited >= chrono::TimeDelta::milliseconds(least), "{attempt}: {waited}");
    }
    let row = &rows(&sandbox, "a")[0];
    assert_eq!((&row["attempt"], &row["exit_code"]), (&4.into(), &75.into()));
    assert_eq!(steps(row).len(), 4);
    assert_eq!(run_now(&sandbox, ["a"]), (run + 1).to_string(), "no holes");
}

#[test]
fn only_the_named_ends_are_tried_again() {
    let sandbox = sandbox(
        "[jobs.a]\ncommand = 'exit 2'\nevery = \"52w\"\nretries = 3\nretry_delay = \"1ms\"\nretry_on = [1, 75, \"timeout\", \"signal\"]\n\
         [jobs.b]\ncommand = 'kill -USR1 $$'\nevery = \"52w\"\nretries = 1\nretry_delay = \"1ms\"\nretry_on = [\"signal\"]\n",
    );
    let _daemon = sandbox.daemon();
    for (job, code, attempts) in [("a", 2, 1), ("b", 138, 2)] {
        assert_eq!(run_to_end(&sandbox, job).status.code(), Some(code));
        assert_eq!(rows(&sandbox, job)[0]["attempt"], attempts, "{job}");
    }
}

#[test]
fn hooks_run_around_the_work_and_a_failing_before_fails_that_run_only() {
    let sandbox = sandbox(
        "[hooks]\nbefore = 'echo before all >> said'\nafter = 'echo \"after all $JOBCTL_STATUS\" >> said'\n\
         [jobs.well]\ncommand = 'echo work >> said'\nevery = \"52w\"\nbefore = ['echo one >> said', 'echo two >> said']\n\
         on_success = 'echo good >> said'\non_failure = 'echo bad >> said'\n\
         [jobs.ill]\ncommand = 'echo work >> said; exit 5'\nevery = \"52w\"\n\
         after_run = 'echo \"after $JOBCTL_STATUS $JOBCTL_EXIT_CODE\" >> said'\non_success = 'echo good >> said'\non_failure = 'echo bad >> said'\n\
         [jobs.barred]\ncommand = 'echo work >> said'\nevery = \"52w\"\nbefore = 'exit 9'\nafter_run = 'echo after >> said'\n",
    );
    let _daemon = sandbox.daemon();
    let said = |job: &str, code: i32| {
        sandbox.write("said", "");
        assert_eq!(run_to_end(&sandbox, job).status.code(), Some(code), "{job}");
        let text = std::fs::read_to_string(sandbox.path("said")).expect("the hooks have said something");
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(said("well", 0), ["before all", "one", "two", "work", "good", "after all succeeded"]);
    assert_eq!(said("ill", 5), ["before all", "work", "bad", "after failed 5", "after all failed"]);
    assert_eq!(said("barred", 9), ["before all", "after", "after all failed"]);
    assert_eq!(outcomes(&sandbox, "barred"), ["failed hook_failed"]);
    assert_eq!(said("well", 0).len(), 6, "the daemon and the other jobs go on");
}

#[test]
fn steps_stop_at_the_first_failure_unless_they_may_fail() {
    let sandbox = sandbox(
        "[jobs.a]\nsteps = ['true', 'exit 3', 'true']\nevery = \"52w\"\n\
         [jobs.b]\nsteps = ['true', { name = \"two\", command = 'exit 3', continue_on_error = true }, 'true']\nevery = \"52w\"\n",
    );
    let _daemon = sandbox.daemon();
    assert_eq!(run_to_end(&sandbox, "a").status.code(), Some(3));
    assert_eq!(steps(&rows(&sandbox, "a")[0]), ["1 succeeded 0", "2 failed 3"]);
    assert_eq!(run_to_end(&sandbox, "b").status.code(), Some(0));
    let shown = steps(&rows(&sandbox, "b")[0]);
    assert_eq!((shown.len(), shown[1].as_str()), (3, "two failed 3"));
}

#[test]
fn a_group_lets_siblings_finish_or_fails_fast() {
    let group = |fail_fast: bool| {
        sandbox(&format!(
            "[jobs.a]\nparallel = [{{ name = \"long\", command = 'echo long > begun; read code < gate; exit $code' }}, \
             {{ name = \"bad\", command = 'echo bad > begun; read code < fail; exit $code' }}]\nfail_fast = {fail_fast}\nevery = \"52w\"\n"
        ))
    };
    for fail_fast in [false, true] {
        let sandbox = group(fail_fast);
        let [mut gate, mut fail, mut begun] = ["gate", "fail", "begun"].map(|name| Pipe::new(&sandbox, name));
        let _daemon = sandbox.daemon();
        let run = run_now(&sandbox, ["a"]);
        let mut names = [begun.hear(), begun.hear()];
        names.sort();
        assert_eq!(names, ["bad", "long"]);
        fail.tell("3");
        if !fail_fast {
            // Its end has been taken in, and nothing has happened to the other.
            eventually("the end is written down", || steps(&rows(&sandbox, "a")[0]) == ["bad failed 3"]);
            assert_eq!(sandbox.json(["show", "a", "--json"])["running"], 1);
            gate.tell("0");
        }
        assert_eq!(sandbox.output(["wait", &run]).status.code(), Some(3), "{fail_fast}");
        assert_eq!(outcomes(&sandbox, "a"), ["failed exit_code"]);
        let long = if fail_fast { "long cancelled TERM" } else { "long succeeded 0" };
        assert_eq!(steps(&rows(&sandbox, "a")[0]), [long, "bad failed 3"]);
    }
}

#[test]
fn what_was_started_and_forgotten_is_awaited_at_shutdown_and_then_really_dies() {
    let stubborn =
        r#"trap "" TERM; sh -c 'trap "" TERM; echo $$ > child; while :; do sleep 1000; done' & wait; wait"#;
    let sandbox = sandbox(&format!(
        "[daemon]\nstop_timeout = \"1s\"\n\
         [jobs.quick]\ncommand = \"echo 1 > child; read code < gate; exit $code\"\non = \"startup\"\nkill_after = \"1s\"\n\
         [jobs.slow]\ncommand = '''{stubborn}'''\nafter = \"nothing\"\nkill_after = \"500ms\"\n[jobs.nothing]\ncommand = \"true\"\nevery = \"1d\"\n"
    ));
    let mut child = Pipe::new(&sandbox, "child");
    let mut gate = Pipe::new(&sandbox, "gate");
    let daemon = sandbox.daemon();
    child.hear();
    run_now(&sandbox, ["slow"]);
    let pid = child.hear();
    daemon.signal(rustix::process::Signal::TERM);
    let mut stopping = false;
    eventually("it stops", || {
        let output = sandbox.output(["status", "--json"]);
        stopping |= String::from_utf8_lossy(&output.stdout).contains("\"stopping\"");
        stopping || !output.status.success()
    });
    gate.tell("0");
    assert!(daemon.wait().success());
    assert_eq!(outcomes(&sandbox, "quick"), ["succeeded -"]);
    assert_eq!(outcomes(&sandbox, "slow"), ["cancelled stopping"]);
    assert_eq!(rows(&sandbox, "slow")[0]["signal"], "KILL");
    let stat = format!("/proc/{pid}/stat");
    eventually("the grandchild is dead", || {
        std::fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z "))
    });
}

#[test]
fn a_test_run_leaves_the_store_untouched() {
    let sandbox = sandbox(
        "[jobs.a]\ncommand = 'echo \"$JOBCTL_JOB\"; exit 6'\non = \"startup\"\nbefore = 'echo first'\n",
    );
    let shown = sandbox.run(["exec", "a"]);
    assert!(shown.starts_with("exit 6\n--- stdout\nfirst\na\n"), "{shown}");
    assert!(!sandbox.path("state").exists());
    let daemon = sandbox.daemon();
    Diary::of(&sandbox, &["a"]).until("a run.failed");
    let before = (events(&sandbox), rows(&sandbox, "a"));
    assert_eq!(sandbox.output(["exec", "a"]).status.code(), Some(6));
    assert_eq!((events(&sandbox), rows(&sandbox, "a")), before);
    assert!(daemon.stop().success());
}

#[test]
fn a_cancel_goes_on_over_a_kill_of_the_daemon() {
    let sandbox = sandbox(
        "[jobs.a]\ncommand = 'trap \"echo asked > said\" TERM; echo begun > said; while :; do read code < gate; done'\n\
         every = \"52w\"\nkill_after = \"3s\"\nretries = 3\n",
    );
    let mut said = Pipe::new(&sandbox, "said");
    let _gate = Pipe::new(&sandbox, "gate");
    let daemon = sandbox.daemon();
    let run = run_now(&sandbox, ["a"]);
    assert_eq!(said.hear(), "begun");
    let mut cancel = sandbox.follow(["cancel", &run, "--reason", "enough"]);
    assert_eq!(said.hear(), "asked");
    eventually("it is written down", || rows(&sandbox, "a")[0]["reason"] == "cancelled");
    daemon.kill();
    while cancel.next().is_some() {}
    let _daemon = sandbox.daemon();
    assert_eq!(said.hear(), "asked", "once more");
    sandbox.output(["wait", &run]);
    let row = &rows(&sandbox, "a")[0];
    assert_eq!(
        (&row["status"], &row["reason"], &row["detail"]),
        (&"cancelled".into(), &"cancelled".into(), &"enough".into())
    );
    let took = Duration::from_millis(row["duration_ms"].as_u64().expect("it was started"));
    assert!(took >= Duration::from_secs(3), "killed after its time: {took:?}");
}

#[test]
fn the_last_json_document_is_the_result() {
    let sandbox = sandbox(
        "[jobs.a]\ncommand = 'echo noise; echo \"{\\\"load\\\": [1, 2]}\"'\nevery = \"52w\"\noutput = \"json\"\n\
         [jobs.b]\ncommand = 'echo no json'\nevery = \"52w\"\noutput = \"json\"\n",
    );
    let _daemon = sandbox.daemon();
    assert!(run_to_end(&sandbox, "a").status.success());
    let row = &rows(&sandbox, "a")[0];
    assert_eq!(row["result"], json!({"load": [1, 2]}));
    assert!(row["duration_ms"].is_u64() && row["exit_code"] == 0 && row["log"].is_string(), "{row}");
    assert!(!run_to_end(&sandbox, "b").status.success());
    assert_eq!(outcomes(&sandbox, "b"), ["failed output"]);
}

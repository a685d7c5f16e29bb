//! Commands that read, without a daemon.

use std::process::Stdio;

use crate::harness::Sandbox;

const JOBS: &str = r#"
timezone = "Europe/Berlin"

[jobs.backup]
command = "exit 3"
cron = "30 2 * * *"
description = "Off-site backup"
tags = ["nightly"]

[jobs.report]
command = ["printf", "%s\n", "fixed"]
every = "1h"
"#;

#[test]
fn next_of_an_expression_notes_changes_of_the_clock() {
    let sandbox = Sandbox::new();
    let args = [
        "next",
        "--cron",
        "30 2 * * *",
        "--timezone",
        "Europe/Berlin",
        "--from",
        "2026-03-28T12:00",
        "-n",
        "2",
    ];
    let json = sandbox.json(args.iter().chain(&["--json"]));
    assert_eq!(
        json["fire_times"],
        serde_json::json!([
            {
                "at": "2026-03-29T03:00:00+02:00",
                "note": "moved to the end of the gap: the clock jumps from 2026-03-29 02:00 to 03:00"
            },
            { "at": "2026-03-30T02:30:00+02:00", "note": null },
        ])
    );
    assert_eq!(json["exhausted"], false);
    assert_eq!(json["cron"], "30 2 * * *");
    let text = sandbox.run(args);
    assert!(text.contains("Sun 2026-03-29 03:00:00 +02:00") && text.contains("end of the gap"), "{text}");
}

#[test]
fn a_wrong_expression_names_field_value_and_way_out() {
    let sandbox = Sandbox::new();
    insta::assert_snapshot!(sandbox.run(["next", "--cron", "61 * * * *"]), @r"
    exit 2
    --- stderr
    error: in the minute field, 61 is out of range
    hint: minute is 0-59
    ");
    insta::assert_snapshot!(sandbox.run(["explain", "5#3 * * * *"]), @r###"
    exit 2
    --- stderr
    error: in the minute field, "5#3" has "#3" left over
    hint: an item is *, a, a-b, */n or a-b/n; items are joined by commas
    "###);
    insta::assert_snapshot!(sandbox.run(["next", "--cron", "0 0 30 2 *"]), @r"
    exit 0
    --- stdout
    never
    ");
}

#[test]
fn explain_says_it_in_english() {
    let sandbox = Sandbox::new();
    let text = sandbox.run(["explain", "30", "2", "*", "*", "1-5"]);
    assert!(text.starts_with("exit 0\n--- stdout\nAt 02:30, Monday to Friday.\n"), "{text}");
    let json = sandbox.json(["explain", "@reboot", "--json"]);
    assert_eq!(json["description"], "Once after each boot of the machine");
}

#[test]
fn unknown_jobs_get_the_nearest_name_and_exit_code_4() {
    let sandbox = Sandbox::with_jobs(JOBS);
    insta::assert_snapshot!(sandbox.run(["next", "bakup"]), @r"
    exit 4
    --- stderr
    error: there is no job bakup
    hint: did you mean backup?
    ");
    insta::assert_snapshot!(sandbox.run(["exec", "nothing-like-it"]), @r"
    exit 4
    --- stderr
    error: there is no job nothing-like-it
    hint: `jobctl list` shows the jobs
    ");
}

#[test]
fn exec_has_the_exit_code_and_the_output_of_the_job() {
    let sandbox = Sandbox::with_jobs(JOBS);
    insta::assert_snapshot!(sandbox.run(["exec", "backup"]), @"exit 3");
    insta::assert_snapshot!(sandbox.run(["exec", "report", "--", "more"]), @r"
    exit 0
    --- stdout
    fixed
    more
    ");
    assert!(!sandbox.path("state").exists(), "the state directory is not made");
}

#[test]
fn exec_runs_hooks_steps_and_time_limits_as_the_daemon_does() {
    let sandbox = Sandbox::with_jobs(
        r#"
[hooks]
before = "echo first"
[jobs.steps]
steps = ["echo $JOBCTL_JOB $JOBCTL_SOURCE", { name = "both", parallel = ["true", "true"] }, "exit 4", "echo never"]
every = "1h"
retries = 5
after_run = "echo $JOBCTL_STATUS $JOBCTL_EXIT_CODE"
[jobs.slow]
command = "sleep 100"
every = "1h"
timeout = "100ms"
[jobs.missing]
command = ["/no/such/program"]
every = "1h"
"#,
    );
    insta::assert_snapshot!(sandbox.run(["exec", "steps"]), @r"
    exit 4
    --- stdout
    first
    steps exec
    failed 4
    --- stderr
    note: steps failed at 3: exit code 4
    ");
    insta::assert_snapshot!(sandbox.run(["exec", "slow"]), @r"
    exit 143
    --- stdout
    first
    --- stderr
    warning: slow was ended by its time limit
    ");
    insta::assert_snapshot!(sandbox.run(["exec", "missing"]), @r#"
    exit 1
    --- stdout
    first
    --- stderr
    error: missing did not run: the program "/no/such/program" does not exist
    "#);
}

#[test]
fn check_reports_errors_with_place_and_hint() {
    let sandbox = Sandbox::with_jobs("[jobs.a]\ncomand = \"true\"\nevery = \"0s\"\n");
    insta::assert_snapshot!(sandbox.run(["check"]), @r#"
    exit 2
    --- stdout
    $ROOT/jobs.toml: 3 errors
    --- stderr
    error: the job has nothing to run
     --> $ROOT/jobs.toml:1:7
      |
    1 | [jobs.a]
      |       ^
      |
      = help: give it one of command, steps, parallel

    error: unknown key "comand" in a job
     --> $ROOT/jobs.toml:2:1
      |
    2 | comand = "true"
      | ^^^^^^
      |
      = help: did you mean "command"?

    error: "every" must be longer than nothing
     --> $ROOT/jobs.toml:3:9
      |
    3 | every = "0s"
      |         ^^^^
    "#);
    let json: serde_json::Value =
        serde_json::from_slice(&sandbox.output(["check", "--json"]).stdout).expect("JSON also on errors");
    assert_eq!(json[1]["line"], 2);
}

#[test]
fn check_warns_and_strict_makes_it_an_error() {
    let sandbox = Sandbox::with_jobs("[jobs.a]\ncommand = [\"/no/such\"]\nevery = \"1h\"\n");
    insta::assert_snapshot!(sandbox.run(["check"]), @r#"
    exit 0
    --- stdout
    $ROOT/jobs.toml: 1 job, 1 warning
    --- stderr
    warning: the program "/no/such" is not there
     --> $ROOT/jobs.toml:1:7
      |
    1 | [jobs.a]
      |       ^
      |
      = help: each run will fail to start
    "#);
    assert_eq!(sandbox.output(["check", "--strict"]).status.code(), Some(2));
    sandbox.write("jobs.toml", JOBS);
    insta::assert_snapshot!(sandbox.run(["check", "--strict"]), @r"
    exit 0
    --- stdout
    $ROOT/jobs.toml: 2 jobs, nothing to complain about
    ");
}

#[test]
fn check_counts_warnings_that_say_the_same() {
    let job = |name: u32| format!("[jobs.j{name}]\ncommand = ['/no/such']\nevery = '1h'\n");
    let sandbox = Sandbox::with_jobs(&(1..=10).map(job).collect::<String>());
    let output = sandbox.run(["check"]);
    assert_eq!(output.matches("--> $ROOT/jobs.toml:").count(), 3, "{output}");
    let counted = "warning: the program \"/no/such\" is not there: 7 times more, for j4, j5, j6, j7, j8 and 2 more\n\
        note: `jobctl check --all` shows every warning\n";
    assert!(output.contains(counted), "{output}");
    assert!(output.contains("10 jobs, 10 warnings"), "{output}");
    assert_eq!(sandbox.output(["check", "--strict"]).status.code(), Some(2));
    let all = sandbox.run(["check", "--all"]);
    assert_eq!(all.matches("--> $ROOT/jobs.toml:").count(), 10, "{all}");
    let json: serde_json::Value =
        serde_json::from_slice(&sandbox.output(["check", "--json"]).stdout).expect("JSON");
    assert_eq!(json.as_array().map(Vec::len), Some(10));
}

#[test]
fn a_missing_job_file_is_named() {
    let sandbox = Sandbox::new();
    insta::assert_snapshot!(sandbox.run(["check"]), @r"
    exit 2
    --- stderr
    error: there is no job file $ROOT/jobs.toml
    hint: write one, or name another with --config FILE
    ");
}

#[test]
fn wrong_usage_ends_with_2() {
    let sandbox = Sandbox::new();
    for args in
        [vec!["no-such-command"], vec!["next"], vec!["next", "x", "--cron", "y"], vec!["list", "--sort", "x"]]
    {
        assert_eq!(sandbox.output(&args).status.code(), Some(2), "{args:?}");
    }
    assert_eq!(sandbox.output(["--help"]).status.code(), Some(0));
    assert_eq!(sandbox.output(["--version"]).status.code(), Some(0));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let sandbox = Sandbox::new();
    let mut child = sandbox
        .command(["next", "--cron", "* * * * *", "-n", "1000"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary can be run");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("the binary ends");
    assert_eq!(sandbox.shown(&output), "exit 0\n");
}

#[test]
fn without_utf_8_only_ascii_is_printed_and_json_stays_whole() {
    let sandbox =
        Sandbox::with_jobs("[jobs.a]\ncommand = \"true\"\nevery = \"1h\"\ndescription = \"Größe\"\n");
    let plain =
        sandbox.command(["explain", "Größe"]).env("LANG", "C").output().expect("the binary can be run");
    assert!(plain.stderr.is_ascii(), "{}", sandbox.shown(&plain));
}

#[test]
fn colour_comes_only_when_asked_for_in_a_pipe() {
    let sandbox = Sandbox::new();
    let coloured = |args: &[&str]| sandbox.output(args).stderr.contains(&0x1b);
    assert!(!coloured(&["explain", "x"]));
    assert!(coloured(&["explain", "x", "--color", "always"]));
    let forced = sandbox.command(["explain", "x"]).env("CLICOLOR_FORCE", "1").output().expect("it runs");
    assert!(forced.stderr.contains(&0x1b));
}

#[test]
fn a_socket_path_that_is_too_long_is_one_clear_error() {
    let sandbox = Sandbox::new();
    let long = "x".repeat(120);
    let output = sandbox.output(["exec", "a", "--state-dir", &format!("/tmp/{long}")]);
    let text = sandbox.shown(&output).replace(&long, "X...");
    insta::assert_snapshot!(text, @r"
    exit 2
    --- stderr
    error: the socket path /tmp/X.../jobctl.sock has 137 bytes, the system takes 107
    hint: give a shorter one: --socket PATH
    ");
}

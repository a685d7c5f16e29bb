use std::path::PathBuf;
use std::time::Duration;

use super::{job_of, job_with, loaded};
use crate::core::job::{
    Command, Grace, NotifyWhen, OnBusy, OnLost, RetryOn, StartupScope, Stdin, Step, StepBody, Words, Work,
};
use crate::core::notifier::Channel;
use crate::core::trigger::{DependencyOn, Firing, Trigger};
use crate::jobfile::StopMode;

fn shell(text: &str) -> Command {
    Command::Shell(text.into())
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[test]
fn a_job_of_two_keys_has_the_documented_defaults() {
    let job = job_with("");
    assert_eq!(*job.policy, crate::core::job::Policy::default());
    assert_eq!(*job.execution, crate::core::job::Execution::default());
    assert_eq!(*job.about, crate::core::job::About::default());
    assert_eq!((job.policy.enabled, job.policy.paused), (true, false));
    assert_eq!(job.work, Work::Command(shell("true")));
    let Firing::Clock(schedule) = &job.firing else { panic!("{:?}", job.firing) };
    assert_eq!(schedule.trigger, Trigger::Every(seconds(3_600)));
    assert_eq!((schedule.start, schedule.end, schedule.jitter), (None, None, Duration::ZERO));
    assert_eq!(schedule.zone.name(), "UTC");
}

#[test]
fn every_policy_key_is_read() {
    let job = job_with(
        "priority = -3\ngrace = \"90m\"\ncoalesce = false\nmax_instances = 4\non_busy = \"replace\"\n\
         timeout = \"2h\"\nkill_after = \"0s\"\nstop_signal = \"SIGINT\"\nretries = 3\nretry_delay = \"1m\"\n\
         retry_backoff = 2.5\nretry_max_delay = \"1h\"\nretry_on = [75, 1, \"timeout\", 1]\non_lost = \"rerun\"\n\
         keep = { runs = 7, age = \"1w\" }\nstartup = \"start\"\nbefore = \"a\"\nafter_run = [\"b\", [\"c\", \"d\"]]\n\
         on_success = \"e\"\non_failure = \"f\"\nexpect = { success_within = \"26h\", max_duration = \"3h\", output_nonempty = true }\n\
         output = { max = \"1MiB\", format = \"json\" }",
    );
    let policy = &job.policy;
    assert_eq!((policy.priority, policy.grace), (-3, Grace::For(seconds(5_400))));
    assert_eq!((policy.coalesce, policy.max_instances, policy.on_busy), (false, 4, Some(OnBusy::Replace)));
    assert_eq!((policy.timeout, policy.kill_after), (Some(seconds(7_200)), Duration::ZERO));
    assert_eq!((policy.stop_signal, policy.on_lost, policy.startup), (2, OnLost::Rerun, StartupScope::Start));
    assert_eq!((policy.retry.retries, policy.retry.delay), (3, seconds(60)));
    assert_eq!((policy.retry.backoff_milli, policy.retry.max_delay), (2_500, Some(seconds(3_600))));
    assert_eq!(policy.retry.on, RetryOn::Only { codes: vec![1, 75], timeout: true, signal: false });
    assert_eq!((policy.keep.runs, policy.keep.age), (7, seconds(604_800)));
    assert_eq!(policy.hooks.before, [shell("a")]);
    assert_eq!(policy.hooks.after_run, [shell("b"), Command::Argv(Words::from_iter(["c", "d"]))]);
    assert_eq!(
        (&*policy.hooks.on_success, &*policy.hooks.on_failure),
        (&[shell("e")][..], &[shell("f")][..])
    );
    assert_eq!(policy.expect.success_within, Some(seconds(26 * 3_600)));
    assert_eq!((policy.expect.max_duration, policy.expect.output_nonempty), (Some(seconds(10_800)), true));
    assert_eq!((policy.output.max_bytes, policy.output.json), (1 << 20, true));
}

#[test]
fn values_have_short_forms() {
    assert_eq!(job_with("grace = \"until-next\"").policy.grace, Grace::UntilNext);
    assert_eq!(job_with("grace = \"unlimited\"").policy.grace, Grace::Unlimited);
    assert_eq!(job_with("grace = \"0s\"").policy.grace, Grace::For(Duration::ZERO));
    assert!(job_with("output = \"json\"").policy.output.json);
    assert_eq!(job_with("stop_signal = 9").policy.stop_signal, 9);
    assert_eq!(job_with("retry_on = \"any\"").policy.retry.on, RetryOn::Any);
    assert_eq!(job_with("retry_backoff = 2").policy.retry.backoff_milli, 2_000);
    assert_eq!(job_with("tags = \"b\"").about.tags, ["b"]);
    assert_eq!(job_with("tags = [\"b\", \"a\", \"b\"]").about.tags, ["a", "b"]);
    assert_eq!(job_with("umask = \"077\"").execution.umask, Some(0o77));
    assert_eq!(job_with("umask = 0o022").execution.umask, Some(0o22));
    assert_eq!(job_with("user = 1000").execution.user.as_deref(), Some("1000"));
    assert_eq!(job_with("stdin = \"/dev/null\"").execution.stdin, Stdin::Null);
    assert_eq!(job_with("stdin = { text = \"yes\" }").execution.stdin, Stdin::Text("yes".to_owned()));
    let off = job_with("enabled = false\npaused = true");
    assert_eq!((off.policy.enabled, off.policy.paused), (false, true));
}

#[test]
fn the_surroundings_are_read_and_paths_start_at_the_file() {
    let job = job_with(
        "env = { A = \"1\", B = 2, C = true }\nenv_file = [\"a.env\", \"./sub/../b.env\", \"/c.env\"]\ncwd = \"~/x\"\n\
         user = \"nobody\"\ngroup = \"adm\"\nnice = -5\nshell = \"bash\"\nstdin = \"in.txt\"\n\
         meta = { team = \"ops\" }\ndescription = \"d\"\n\
         limits = { memory = \"512M\", cpu = \"150%\", tasks = 64, open_files = 100, cpu_time = \"5m\", file_size = \"1G\", core = 0 }",
    );
    let execution = &job.execution;
    let env: Vec<(&str, &str)> = execution.env.iter().map(|(key, value)| (&**key, &**value)).collect();
    assert_eq!(env, [("A", "1"), ("B", "2"), ("C", "true")]);
    let files = ["/etc/jobctl/a.env", "/etc/jobctl/sub/../b.env", "/c.env"].map(PathBuf::from);
    assert_eq!(execution.env_files, files);
    assert_eq!(execution.cwd, Some(PathBuf::from("~/x")));
    assert_eq!(execution.stdin, Stdin::File(PathBuf::from("/etc/jobctl/in.txt")));
    assert_eq!(execution.shell, PathBuf::from("bash"));
    assert_eq!((execution.user.as_deref(), execution.group.as_deref()), (Some("nobody"), Some("adm")));
    assert_eq!(execution.nice, Some(-5));
    let limits = execution.limits;
    assert_eq!((limits.memory, limits.cpu_percent, limits.tasks), (Some(512 << 20), Some(150), Some(64)));
    assert_eq!((limits.open_files, limits.cpu_time), (Some(100), Some(seconds(300))));
    assert_eq!((limits.file_size, limits.core), (Some(1 << 30), Some(0)));
    assert_eq!(job.about.meta.get("team").map(String::as_str), Some("ops"));
    assert_eq!(job.about.description.as_deref(), Some("d"));
}

fn step(name: &str, body: StepBody) -> Step {
    Step { name: name.into(), body, timeout: None, continue_on_error: false }
}

#[test]
fn steps_are_texts_lists_and_tables() {
    let job = job_of(
        "every = \"1h\"\nsteps = [\"one\", [\"two\", \"2\"], { name = \"three\", command = \"3\", timeout = \"5s\", continue_on_error = true },\n\
         { name = \"four\", parallel = [\"x\", { name = \"why\", command = \"y\" }], fail_fast = true }]",
    );
    let Work::Steps(steps) = &job.work else { panic!("{:?}", job.work) };
    let expected = [
        step("1", StepBody::Command(shell("one"))),
        step("2", StepBody::Command(Command::Argv(Words::from_iter(["two", "2"])))),
        Step {
            timeout: Some(seconds(5)),
            continue_on_error: true,
            ..step("three", StepBody::Command(shell("3")))
        },
        step(
            "four",
            StepBody::Parallel {
                commands: [
                    step("1", StepBody::Command(shell("x"))),
                    step("why", StepBody::Command(shell("y"))),
                ]
                .into(),
                fail_fast: true,
            },
        ),
    ];
    assert_eq!(**steps, expected);
    let job = job_of("every = \"1h\"\nparallel = [\"a\", \"b\"]\nfail_fast = true");
    assert!(matches!(&job.work, Work::Parallel(all) if all.fail_fast && all.steps.len() == 2));
}

#[test]
fn triggers_without_a_clock_are_read() {
    assert_eq!(job_of("command = \"x\"\non = \"startup\"").firing, Firing::Startup);
    assert_eq!(job_of("command = \"x\"\non = \"shutdown\"").firing, Firing::Shutdown);
    let reboot = job_of("command = \"x\"\nstartup = \"start\"\ncron = \"@reboot\"");
    assert_eq!((&reboot.firing, reboot.policy.startup), (&Firing::Startup, StartupScope::Boot));
    let text = "[jobs.a]\ncommand = \"x\"\nevery = \"1h\"\n[jobs.c]\ncommand = \"x\"\nevery = \"1h\"\n\
                [jobs.b]\ncommand = \"x\"\nafter = [\"a\", { job = \"c\", on = \"failure\" }]\n";
    let set = loaded(text);
    let Firing::After(dependencies) = &set.jobs[1].firing else { panic!("{:?}", set.jobs[1]) };
    let found: Vec<(&str, DependencyOn)> =
        dependencies.iter().map(|one| (one.job.as_str(), one.on)).collect();
    assert_eq!(found, [("a", DependencyOn::Success), ("c", DependencyOn::Failure)]);
}

#[test]
fn members_have_zones_of_their_own_or_the_jobs() {
    let job = job_of(
        "command = \"x\"\ntimezone = \"Europe/Berlin\"\njitter = \"5m\"\n\
         any = [{ every = \"1h\" }, { every = \"90m\", timezone = \"UTC\" }]",
    );
    let Firing::Clock(schedule) = &job.firing else { panic!("{:?}", job.firing) };
    let Trigger::Any(members) = &schedule.trigger else { panic!("{:?}", schedule.trigger) };
    let found: Vec<(&str, Duration)> =
        members.iter().map(|member| (member.zone.name(), member.jitter)).collect();
    assert_eq!(found, [("Europe/Berlin", Duration::ZERO), ("UTC", Duration::ZERO)]);
    assert_eq!((schedule.zone.name(), schedule.jitter), ("Europe/Berlin", seconds(300)));
}

#[test]
fn settings_beside_the_jobs_are_read() {
    let set = loaded(
        "timezone = \"Europe/Berlin\"\n\
         [daemon]\nstop_timeout = \"5s\"\nstop = \"leave\"\ncatch_up_parallel = 2\nstartup_delay = \"1s\"\n\
         store_retry = \"2s\"\nidentity = \"web1\"\nmax_clock_wait = \"3m\"\nwatch = true\ngroup = \"adm\"\n\
         [pools.io]\nworkers = 4\n[hooks]\nbefore = \"b\"\nafter = [\"a1\", \"a2\"]\n\
         [notify.m]\nmail = [\"a@b\", \"root\"]\ntimeout = \"5s\"\n\
         [notify.w]\nwebhook = { url = \"https://x/y\", headers = { A = \"b\" } }\n\
         [notify.p]\nping = { start = \"http://x\", failure = \"http://y\" }\n\
         [notify.c]\ncommand = [\"say\", \"hi\"]\n\
         [[on]]\nonly = [\"run.failed\", \"pool.*\"]\njob = \"web-*\"\ncommand = \"x\"\n\
         [jobs.a]\ncommand = \"x\"\nevery = \"1h\"\npool = \"io\"\nnotify = [\"m\", { name = \"w\", when = \"always\" }, \"p\"]\n",
    );
    assert_eq!(set.timezone.name(), "Europe/Berlin");
    let daemon = &set.daemon;
    assert_eq!(
        (daemon.stop_timeout, daemon.stop, daemon.catch_up_parallel),
        (seconds(5), StopMode::Leave, Some(2))
    );
    assert_eq!((daemon.startup_delay, daemon.store_retry), (seconds(1), seconds(2)));
    assert_eq!((daemon.identity.as_deref(), daemon.group.as_deref()), (Some("web1"), Some("adm")));
    assert_eq!((daemon.max_clock_wait, daemon.watch), (seconds(180), true));
    assert_eq!((set.pools[0].name.as_str(), set.pools[0].workers), ("io", 4));
    assert_eq!((set.global_hooks.before.len(), set.global_hooks.after_run.len()), (1, 2));
    let names: Vec<&str> = set.notifiers.iter().map(|notifier| notifier.name.as_str()).collect();
    assert_eq!(names, ["c", "m", "p", "w"]);
    let mail = Channel::Mail { to: vec!["a@b".to_owned(), "root".to_owned()], from: None };
    assert_eq!((&set.notifiers[1].channel, set.notifiers[1].timeout), (&mail, seconds(5)));
    assert!(matches!(&set.notifiers[3].channel, Channel::Webhook { headers, .. } if headers.len() == 1));
    let hook = &set.event_hooks[0];
    let kinds: Vec<&str> = hook.only.iter().map(|kind| kind.as_str()).collect();
    assert_eq!(kinds, ["pool.added", "pool.removed", "run.failed"]);
    assert_eq!((&*hook.jobs, hook.timeout), (&["web-*".to_owned()][..], seconds(30)));
    let job = &set.jobs[0];
    let rules: Vec<(&str, NotifyWhen)> =
        job.policy.notify.iter().map(|rule| (rule.notifier.as_str(), rule.when)).collect();
    // A dead-man service hears of every run unless the job says otherwise.
    assert_eq!(rules, [("m", NotifyWhen::Change), ("w", NotifyWhen::Always), ("p", NotifyWhen::Always)]);
    assert_eq!(job.policy.pool.as_ref().map(|pool| pool.as_str()), Some("io"));
}

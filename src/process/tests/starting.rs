//! What a started process finds around it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::{RUN, Stage, argv, in_a_process_of_its_own, is_root, mode, shell};
use crate::core::civil::{Zone, ZoneTable};
use crate::core::instant::Timestamp;
use crate::core::job::{Limits, Stdin};
use crate::core::run::{Exit, RunId, Source};
use crate::process::environment::environment;
use crate::process::procfs;
use crate::process::{Inherited, RunContext, Sink, Start, reap};

#[test]
fn the_environment_is_the_one_made_for_it() {
    let mut stage = Stage::new();
    stage.execution.env = BTreeMap::from([("LANG".to_owned(), "C.UTF-8".to_owned())]);
    let expected: String = stage
        .environment()
        .unwrap()
        .vars()
        .map(|(name, value)| format!("{}={}\n", name.to_str().unwrap(), value.to_str().unwrap()))
        .collect();
    let (ended, output) = stage.run(&argv(&["env"]));
    assert_eq!((ended.exit, output), (Exit::Code(0), expected.clone()));
    assert!(expected.contains("JOBCTL_RUN_ID=42\n") && !expected.contains("NOTIFY_SOCKET"));
}

#[test]
fn the_environment_has_its_order_of_precedence() {
    let mut stage = Stage::new();
    let files = [stage.path("first.env"), stage.path("second.env")];
    fs::write(&files[0], "A=first\nB=first\nC=first\n").unwrap();
    fs::write(&files[1], "B=second\nC=second\nHOME=/from/file\n").unwrap();
    stage.execution.env_files = files.to_vec();
    let own = [("C", "own"), ("JOBCTL_JOB", "forged"), ("JOBCTL_STATUS", "forged")];
    stage.execution.env = own.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    stage.about.meta = BTreeMap::from([("owner-team".to_owned(), "ops".to_owned())]);
    let table =
        ZoneTable { name: "X".to_owned(), first_offset: 3_600, transitions: vec![(1_711_846_800, 7_200)] };
    let context = RunContext {
        job: &stage.job,
        run: RunId(7),
        attempt: 3,
        // 31 March 2024, 03:00 in Berlin: the first instant after the spring gap.
        fire_time: Some(Timestamp::from_secs(1_711_846_800)),
        source: Source::Manual,
        last_success: Some(Timestamp::from_secs(1_711_846_799)),
        about: &stage.about,
        zone: &Zone::new(table),
        extra: &[("JOBCTL_EXIT_CODE".to_owned(), "75".to_owned())],
    };
    let inherited = [("A", "daemon"), ("D", "daemon"), ("JOBCTL_META_OLD", "x"), ("JOBCTL_RUN_ID", "1")];
    let inherited = inherited.map(|(name, value)| (name.into(), value.into()));
    let inherited = Inherited::new(inherited, Path::new("/state"));
    let made = environment(&inherited, &stage.execution, &context).unwrap();
    let get = |name: &str| made.get(name).map(|value| value.to_str().unwrap().to_owned());
    let expected = [
        ("A", Some("first")),
        ("B", Some("second")),
        ("C", Some("own")),
        ("D", Some("daemon")),
        ("HOME", Some("/from/file")),
        ("JOBCTL_JOB", Some("backup")),
        ("JOBCTL_RUN_ID", Some("7")),
        ("JOBCTL_ATTEMPT", Some("3")),
        ("JOBCTL_SOURCE", Some("manual")),
        ("JOBCTL_FIRE_TIME", Some("2024-03-31T03:00:00+02:00")),
        ("JOBCTL_LAST_SUCCESS", Some("2024-03-31T01:59:59+01:00")),
        ("JOBCTL_META_OWNER_TEAM", Some("ops")),
        ("JOBCTL_META_OLD", None),
        ("JOBCTL_STATUS", None),
        ("JOBCTL_EXIT_CODE", Some("75")),
        ("JOBCTL_STATE_DIR", Some("/state")),
    ];
    for (name, value) in expected {
        assert_eq!(get(name).as_deref(), value, "{name}");
    }
    assert!(["USER", "LOGNAME", "SHELL", "PATH"].iter().all(|name| get(name).is_some()));
    let again = environment(&inherited, &stage.execution, &context).unwrap();
    assert!(made.vars().eq(again.vars()));
    let copied = Inherited::from_block(&inherited.to_block(), Path::new("/state"));
    assert!(environment(&copied, &stage.execution, &context).unwrap().vars().eq(made.vars()));
}

#[test]
fn stdin_is_empty_a_file_or_a_text() {
    let mut stage = Stage::new();
    let file = stage.path("in");
    fs::write(&file, "from a file").unwrap();
    let cases =
        [(Stdin::Null, ""), (Stdin::File(file), "from a file"), (Stdin::Text("a text\n".into()), "a text\n")];
    for (stdin, expected) in cases {
        stage.execution.stdin = stdin;
        assert_eq!(stage.run(&argv(&["cat"])).1, expected);
    }
}

#[test]
fn stdout_and_stderr_stay_in_order() {
    let mut stage = Stage::new();
    assert_eq!(stage.output("echo 1; echo 2 >&2; echo 3; echo 4 >&2"), "1\n2\n3\n4\n");
}

#[test]
fn further_arguments_reach_both_kinds_of_command() {
    let mut stage = Stage::new();
    stage.args = vec!["a b".to_owned(), "c".to_owned()];
    assert_eq!(stage.output(r#"echo "$0"; printf '<%s>' "$@""#), "backup\n<a b><c>");
    assert_eq!(stage.run(&argv(&["printf", "<%s>", "x"])).1, "<x><a b><c>");
}

#[test]
fn a_process_leads_its_own_group() {
    let mut stage = Stage::new();
    let fifo = stage.fifo("fifo");
    let mark = stage.start_shell("read line < fifo");
    let stat = procfs::stat(mark.pid).unwrap();
    assert_eq!((stat.group, stat.start_ticks), (mark.pid, mark.start_ticks));
    fs::write(&fifo, "go\n").unwrap();
    assert_eq!(reap::wait(mark).unwrap().exit, Exit::Code(0));
}

#[test]
fn no_descriptor_of_the_daemon_gets_through() {
    let mut stage = Stage::new();
    // Inherited by the daemon without the mark that closes it on exec.
    let leaked = rustix::io::dup(fs::File::open("/dev/null").unwrap()).unwrap();
    // The shell's own descriptor for the directory is closed again when the links are read.
    let open = stage.output("readlink /proc/$$/fd/*; true");
    assert_eq!(open.lines().count(), 3, "{open}");
    drop(leaked);
}

#[test]
fn signals_are_as_a_program_expects_them() {
    let mut stage = Stage::new();
    let status = stage.run(&argv(&["grep", "-E", "Sig(Blk|Ign|Cgt)", "/proc/self/status"])).1;
    let masks: Vec<_> = status.lines().filter_map(|line| line.split('\t').nth(1)).collect();
    // Rust's own runtime ignores SIGPIPE, so this test fails without the reset.
    assert_eq!(masks[..2], ["0000000000000000"; 2], "{status}");
}

#[test]
fn limits_umask_and_niceness_are_set() {
    let mut stage = Stage::new();
    stage.execution.umask = Some(0o027);
    stage.execution.nice = Some(7);
    stage.execution.limits = Limits {
        open_files: Some(99),
        core: Some(0),
        file_size: Some(1 << 20),
        cpu_time: Some(Duration::from_secs(60)),
        memory: Some(1 << 30),
        ..Limits::default()
    };
    let output = stage.output("umask; nice; ulimit -n; ulimit -c; ulimit -f; ulimit -S -t; ulimit -v");
    assert_eq!(output, "0027\n7\n99\n0\n2048\n60\n1048576\n");
}

#[test]
fn a_raised_limit_on_open_files_is_not_handed_on() {
    if !in_a_process_of_its_own("starting::a_raised_limit_on_open_files_is_not_handed_on") {
        return;
    }
    let limit = rustix::process::Rlimit { current: Some(200), maximum: Some(300) };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).unwrap();
    let mut stage = Stage::new();
    stage.spawner.raise_open_files();
    let now = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    assert_eq!(now.current, Some(300));
    assert_eq!(stage.output("ulimit -S -n; ulimit -H -n"), "200\n300\n");
}

#[test]
fn programs_are_found_in_the_path_of_the_job() {
    let mut stage = Stage::new();
    for name in ["one", "two"] {
        fs::create_dir(stage.path(name)).unwrap();
    }
    fs::write(stage.path("one/tool"), "#!/bin/sh\necho one").unwrap();
    fs::write(stage.path("two/tool"), "#!/bin/sh\necho two").unwrap();
    mode(&stage.path("two/tool"), 0o755);
    let path = format!("{}:{}", stage.path("one").display(), stage.path("two").display());
    stage.execution.env = BTreeMap::from([("PATH".to_owned(), path)]);
    // The first one is there but may not be executed.
    assert_eq!(stage.run(&argv(&["tool"])).1, "two\n");
    stage.execution.cwd = Some(stage.path("two"));
    assert_eq!(stage.run(&argv(&["./tool"])).1, "two\n");
    stage.execution.env = BTreeMap::from([("PATH".to_owned(), "/nowhere:".to_owned())]);
    assert_eq!(stage.run(&argv(&["tool"])).1, "two\n");
}

#[test]
fn the_working_directory_is_the_home_unless_set() {
    let mut stage = Stage::new();
    let home = fs::canonicalize(stage.directory.path()).unwrap();
    assert_eq!(stage.output("pwd -P").trim_end(), home.to_str().unwrap());
    stage.execution.cwd = Some("/".into());
    assert_eq!(stage.output("pwd -P"), "/\n");
}

#[test]
fn a_tilde_is_the_home_of_the_jobs_user() {
    let mut stage = Stage::new();
    let home = fs::canonicalize(stage.directory.path()).unwrap();
    stage.execution.cwd = Some("~".into());
    assert_eq!(stage.output("pwd -P").trim_end(), home.to_str().unwrap());
    fs::create_dir(stage.path("work")).unwrap();
    stage.execution.cwd = Some("~/work".into());
    assert_eq!(stage.output("pwd -P").trim_end(), home.join("work").to_str().unwrap());
    fs::write(stage.path("job.env"), "FROM_FILE=yes\n").unwrap();
    stage.execution.env_files = vec!["~/job.env".into()];
    fs::write(stage.path("in"), "from a file").unwrap();
    stage.execution.stdin = Stdin::File("~/in".into());
    fs::write(stage.path("sh"), "#!/bin/sh\necho mine; shift; exec /bin/sh -c \"$@\"").unwrap();
    mode(&stage.path("sh"), 0o755);
    stage.execution.shell = "~/sh".into();
    assert_eq!(stage.output("echo $FROM_FILE; cat"), "mine\nyes\nfrom a file");
    stage.execution.cwd = Some("~/gone".into());
    let error = stage.start(&shell("true")).unwrap_err().to_string();
    assert!(error.contains(home.join("gone").to_str().unwrap()), "{error}");
}

#[test]
fn a_tilde_follows_the_user_of_the_job() {
    if !is_root() {
        eprintln!("skipped: only root can become another user");
        return;
    }
    let mut stage = Stage::new();
    stage.execution.user = Some("bin".to_owned());
    stage.execution.cwd = Some("~".into());
    let home = uzers::get_user_by_name("bin").unwrap();
    let home = fs::canonicalize(uzers::os::unix::UserExt::home_dir(&home)).unwrap();
    assert_eq!(stage.output("pwd -P").trim_end(), home.to_str().unwrap());
}

#[test]
fn a_shell_without_a_slash_is_looked_up_in_the_jobs_path() {
    let mut stage = Stage::new();
    fs::create_dir(stage.path("tools")).unwrap();
    fs::write(stage.path("tools/mysh"), "#!/bin/sh\necho mine; shift; exec /bin/sh -c \"$@\"").unwrap();
    mode(&stage.path("tools/mysh"), 0o755);
    stage.execution.shell = "mysh".into();
    let error = stage.start(&shell("true")).unwrap_err();
    let expected = "the program \"mysh\" is not in the job's PATH (/usr/bin:/bin)";
    assert_eq!(error.to_string(), expected);
    fs::remove_dir_all(stage.path("logs")).unwrap();
    let path = format!("{}:/usr/bin:/bin", stage.path("tools").display());
    stage.execution.env = BTreeMap::from([("PATH".to_owned(), path)]);
    assert_eq!(stage.output("echo $1"), "mine\n\n");
}

#[test]
fn another_user_is_taken_on_whole() {
    if !is_root() {
        eprintln!("skipped: only root can become another user");
        return;
    }
    let mut stage = Stage::new();
    stage.execution.user = Some("nobody".to_owned());
    stage.execution.cwd = Some("/".into());
    let nobody = uzers::get_user_by_name("nobody").unwrap();
    let (uid, gid) = (nobody.uid(), nobody.primary_group_id());
    let script = "id -u; id -g; id -G; echo $USER $LOGNAME $HOME $SHELL; grep Uid /proc/self/status";
    let output = stage.output(script);
    let lines: Vec<_> = output.lines().collect();
    assert_eq!(lines[..3], [uid.to_string(), gid.to_string(), gid.to_string()]);
    assert_eq!(lines[3], "nobody nobody /nonexistent /bin/sh");
    assert_eq!(lines[4], format!("Uid:\t{uid}\t{uid}\t{uid}\t{uid}"));
    stage.execution.group = Some("0".to_owned());
    assert_eq!(stage.output("id -g"), "0\n");
    // The daemon itself is what it was.
    assert!(is_root());
}

#[test]
fn s4_a_job_runs_without_a_place_for_its_output() {
    let mut stage = Stage::new();
    let environment = stage.environment().unwrap();
    let start = Start {
        job: &stage.job,
        command: &shell("echo lost; exit 3"),
        args: &[],
        execution: &stage.execution,
        environment: &environment,
        sink: Sink::Null,
        cgroup: None,
    };
    let mark = stage.spawner.spawn(&start).unwrap();
    assert_eq!(reap::wait(mark).unwrap().exit, Exit::Code(3));
    assert!(stage.logs.attempts(&stage.job, RUN).unwrap().is_empty());
}

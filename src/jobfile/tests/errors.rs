use std::fmt::Write as _;

use super::{NoPeers, Zones, refused, sources};
use crate::jobfile::{load, render};

/// Prepends a sound job to the keys under test, which begin on line 4.
fn in_job(keys: &str) -> String {
    format!("[jobs.a]\ncommand = \"true\"\nevery = \"1h\"\n{keys}\n")
}

/// One diagnostic as `line:column message | hint`.
fn told(text: &str) -> String {
    let mut out = String::new();
    for found in refused(text) {
        let hint = found.hint.map(|hint| format!(" | {hint}")).unwrap_or_default();
        let _ = writeln!(out, "{}:{} {}{hint}", found.line, found.column, found.message);
    }
    out
}

fn check(cases: &[(&str, &str)], wrap: impl Fn(&str) -> String) {
    let mut wrong = String::new();
    for (text, expected) in cases {
        let found = told(&wrap(text));
        if found.trim_end() != *expected {
            let _ = writeln!(wrong, "--- {text}\n    is: {}\nwanted: {expected}", found.trim_end());
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Keys of a job, and what is said of them.
const WRONG_VALUES: &[(&str, &str)] = &[
    ("tiemout = \"5m\"", "4:1 unknown key \"tiemout\" in a job | did you mean \"timeout\"?"),
    ("colour = 1", "4:1 unknown key \"colour\" in a job"),
    ("timeout = 90", "4:11 \"timeout\" must be a duration, not a number | with a unit: \"90s\""),
    ("timeout = \"90\"", "4:11 \"timeout\": the number \"90\" has no unit (w, d, h, m, s or ms) | \"90s\""),
    ("timeout = \"0s\"", "4:11 \"timeout\" must be longer than nothing"),
    ("timeout = \"-5s\"", "4:11 \"timeout\": \"-5s\" is no number with a unit | like \"90s\" or \"1h30m\""),
    ("coalesce = \"true\"", "4:12 \"coalesce\" must be true or false, not text | without quotes: true"),
    ("max_instances = 0", "4:17 \"max_instances\" must be from 1 to 1000000"),
    ("max_instances = \"2\"", "4:17 \"max_instances\" must be a whole number, not text | without quotes: 2"),
    ("max_instances = 99999999999999999999", "4:17 \"max_instances\" must be from 1 to 1000000"),
    (
        "on_busy = \"quueue\"",
        "4:11 \"on_busy\" must be \"skip\" or \"queue\" or \"replace\", not \"quueue\" | did you mean \"queue\"?",
    ),
    (
        "grace = \"until_next\"",
        "4:9 \"grace\" must be \"until-next\", \"unlimited\" or a duration, not \"until_next\" | did you mean \"until-next\"?",
    ),
    ("retry_backoff = 0.5", "4:17 \"retry_backoff\" must be from 1.0 to 1000.0"),
    ("retry_backoff = nan", "4:17 \"retry_backoff\" must be from 1.0 to 1000.0"),
    ("retry_on = [0]", "4:13 \"retry_on\" must be from 1 to 255"),
    ("retry_on = []", "4:12 \"retry_on\" is an empty list"),
    ("retries = -1", "4:11 \"retries\" must be from 0 to 1000000"),
    (
        "stop_signal = \"TREM\"",
        "4:15 \"stop_signal\": there is no signal \"TREM\" that ends a process | did you mean \"TERM\"?",
    ),
    ("stop_signal = 19", "4:15 signal 19 (STOP) ends no process"),
    ("pool = \"io\"", "4:8 there is no pool \"io\" | declare it: [pools.io] with workers = 1 or more"),
    (
        "notify = [\"ops\"]",
        "4:11 there is no notifier \"ops\" | declare it: [notify.ops] with mail, webhook, ping or command",
    ),
    ("keep = { runs = 0 }", "4:17 \"runs\" must be from 1 to 1000000"),
    ("keep = { days = 3 }", "4:10 unknown key \"days\" in \"keep\" | the keys here are runs, age"),
    (
        "output = \"jsn\"",
        "4:10 \"output\" must be \"json\" or \"text\", not \"jsn\" | did you mean \"json\"?",
    ),
    ("output = { max = \"16Mb\" }", "4:18 \"max\" is no size | like \"512K\", \"16MiB\" or \"2G\""),
    ("output = { max = 10 }", "4:18 \"max\" must be at least 1024 bytes"),
    (
        "limits = { cpu = \"half\" }",
        "4:18 \"cpu\" must be a share of one core above zero | \"50%\" is half a core, \"200%\" two cores",
    ),
    ("limits = { cpu_time = \"1500ms\" }", "4:23 \"cpu_time\" counts in whole seconds"),
    ("umask = 22", "4:9 \"umask\" must be from 000 to 777 in octal | in octal: \"022\" or 0o022"),
    ("umask = \"089\"", "4:9 \"umask\" must be from 000 to 777 in octal | in octal: \"022\" or 0o022"),
    ("nice = 20", "4:8 \"nice\" must be from -20 to 19"),
    ("user = \"a b\"", "4:8 \"user\" is no name of a user or group"),
    ("cwd = \"\"", "4:7 \"cwd\" must not be empty"),
    ("cwd = \"a\\u0000b\"", "4:7 \"cwd\" must not have a NUL byte"),
    (
        "cwd = \"~ben/x\"",
        "4:7 \"cwd\" names somebody's home | \"~/...\" is the home of the job's user; for another user give the whole path",
    ),
    (
        "env = { \"A=B\" = \"1\" }",
        "4:9 \"A=B\" cannot be the name of a variable | letters, digits and underscores",
    ),
    ("env = { A = \"x\\u0000\" }", "4:13 \"A\" must not have a NUL byte"),
    ("env = { A = [1] }", "4:13 \"A\" must be text, not a list"),
    ("tags = [\"a b\"]", "4:9 a name has letters, digits, '.', '_' and '-' only, not ' '"),
    ("description = 5", "4:15 \"description\" must be text, not a number | in quotes: \"5\""),
    ("stdin = { }", "4:9 \"stdin\" needs either \"file\" or \"text\""),
    ("before = [\"\"]", "4:11 \"before\" must not be empty"),
    ("expect = \"26h\"", "4:10 \"expect\" must be a table, not text"),
    ("fail_fast = true", "4:1 \"fail_fast\" goes with \"parallel\""),
    (
        "timezone = \"Europe/Berln\"",
        "4:12 there is no time zone \"Europe/Berln\" | did you mean \"Europe/Berlin\"?",
    ),
    ("timezone = \"Berlin\"", "4:12 there is no time zone \"Berlin\" | did you mean \"Europe/Berlin\"?"),
    (
        "timezone = \"new york\"",
        "4:12 there is no time zone \"new york\" | give an IANA name like \"Europe/Berlin\" or \"UTC\"",
    ),
    (
        "dst_gap = \"before\"",
        "4:1 \"dst_gap\" changes nothing beside \"every\"\n4:11 \"dst_gap\" must be \"after\" or \"skip\", not \"before\"",
    ),
    (
        "cron = \"0 2 * * *\"",
        "4:1 \"cron\" beside \"every\": the job has one trigger | any = [ {..}, {..} ] is due at the times of each",
    ),
    ("steps = [\"a\"]", "4:1 \"steps\" beside \"command\": a job has one of them"),
];

#[test]
fn wrong_values_of_job_keys_say_what_is_wanted() {
    check(WRONG_VALUES, in_job);
}

#[test]
fn jobs_without_their_parts_say_what_is_absent() {
    let cases = [
        (
            "[jobs.a]\n",
            "1:7 the job has nothing to run | give it one of command, steps, parallel\n\
             1:7 the job has no trigger | give it one of cron, every, at, on, after, any, all",
        ),
        ("[jobs.a]\ncommand = \" \"\nevery = \"1h\"", "2:11 \"command\" must not be empty"),
        ("[jobs.a]\ncommand = []\nevery = \"1h\"", "2:11 \"command\" is an empty list"),
        ("[jobs.a]\ncommand = [\"\"]\nevery = \"1h\"", "2:11 \"command\" names no program"),
        (
            "[jobs.a]\ncommand = [\"ls\", 5]\nevery = \"1h\"",
            "2:18 \"command\" must be text, not a number | in quotes: \"5\"",
        ),
        (
            "[jobs.a]\ncommand = true\nevery = \"1h\"",
            "2:11 \"command\" must be text or a list of texts, not true or false",
        ),
        ("[jobs.a]\ncommand = \"x\"\nevery = \"0s\"", "3:9 \"every\" must be longer than nothing"),
        ("[jobs.a]\ncommand = \"x\"\nevery = \"10ms\"", "3:9 \"every\" must be at least 1s"),
        (
            "[jobs.a]\ncommand = \"x\"\non = \"start\"",
            "3:6 \"on\" must be \"startup\" or \"shutdown\", not \"start\" | did you mean \"startup\"?",
        ),
        ("[jobs.a]\ncommand = \"x\"\nany = []", "3:7 \"any\" is an empty list"),
        (
            "[jobs.a]\ncommand = \"x\"\nany = [\"1h\"]",
            "3:8 \"any\" must be a list of tables like { cron = \"0 9 * * *\" }, not text",
        ),
        (
            "[jobs.a]\ncommand = \"x\"\nany = [{ on = \"startup\" }]",
            "3:10 a member of \"any\" must be a trigger of the clock | one of cron, every, at, any, all",
        ),
        (
            "[jobs.a]\ncommand = \"x\"\nall = [{ every = \"1h\", evry = \"2h\" }]",
            "3:24 unknown key \"evry\" in a member | did you mean \"every\"?",
        ),
        (
            "[jobs.a]\ncommand = \"x\"\non = \"startup\"\njitter = \"5m\"",
            "4:1 \"jitter\" means nothing beside \"on\" | it goes with a trigger of the clock",
        ),
        (
            "[jobs.a]\nevery = \"1h\"\nsteps = [{ name = \"x\" }]",
            "3:10 the step has nothing to run | give it a command",
        ),
        (
            "[jobs.a]\nevery = \"1h\"\nsteps = [{ name = \"x\", command = \"a\" }, { name = \"x\", command = \"b\" }]",
            "3:41 there are two steps \"x\"",
        ),
        (
            "[jobs.a]\nevery = \"1h\"\nparallel = [{ parallel = [\"a\"] }]",
            "3:15 \"parallel\" inside \"parallel\" | put the commands in one list",
        ),
        (
            "[jobs.\"a b\"]\ncommand = \"x\"\nevery = \"1h\"",
            "1:7 a name has letters, digits, '.', '_' and '-' only, not ' '",
        ),
        ("[jobs.-a]\ncommand = \"x\"\nevery = \"1h\"", "1:7 a name must not begin with '-'"),
        ("jobs = 5", "1:8 \"jobs\" must be a table, not a number"),
        ("[jobs]\na = 5", "2:5 \"a\" must be a table, not a number"),
    ];
    check(&cases, ToOwned::to_owned);
}

#[test]
fn other_sections_have_their_own_messages() {
    let cases = [
        ("[job.a]\ncron = 1", "1:2 unknown key \"job\" in the job file | did you mean \"jobs\"?"),
        ("timeout = \"5m\"", "1:1 \"timeout\" is a key of a job | put it under a header like [jobs.NAME]"),
        (
            "timezone = \"Mars\"",
            "1:12 there is no time zone \"Mars\" | give an IANA name like \"Europe/Berlin\" or \"UTC\"",
        ),
        ("timezone = 5", "1:12 \"timezone\" must be text, not a number | in quotes: \"5\""),
        (
            "[daemon]\nstop_timout = \"3s\"",
            "2:1 unknown key \"stop_timout\" in [daemon] | did you mean \"stop_timeout\"?",
        ),
        ("[daemon]\nstop = \"kill\"", "2:8 \"stop\" must be \"terminate\" or \"leave\", not \"kill\""),
        ("[defaults]\ncron = \"* * * * *\"", "2:1 \"cron\" cannot be a default | give it to each job"),
        ("[defaults]\ncommand = \"x\"", "2:1 \"command\" cannot be a default | give it to each job"),
        ("[pools.io]", "1:8 the pool \"io\" needs \"workers\" | workers = 1 or more"),
        ("[pools.io]\nworkers = 0", "2:11 \"workers\" must be from 1 to 1000000"),
        (
            "[hooks]\nafter_run = \"x\"",
            "2:1 unknown key \"after_run\" in [hooks] | the keys here are before, after",
        ),
        (
            "[notify.ops]",
            "1:9 the notifier \"ops\" goes nowhere | give it one of mail, webhook, ping, command",
        ),
        (
            "[notify.ops]\nmail = \"a@b\"\nping = \"https://x\"",
            "3:1 a notifier has one of mail, webhook, ping, command | make it two notifiers; a job's \"notify\" takes a list",
        ),
        (
            "[notify.ops]\nwebhook = \"ftp://x\"",
            "2:11 \"ftp://x\" is no web address | an address like \"https://example.org/hook\"",
        ),
        ("[notify.ops]\nmail = \"a\\nBcc: b\"", "2:8 \"a\\nBcc: b\" is no mail address"),
        ("[notify.ops]\nmail = \"-oQ/tmp\"", "2:8 \"-oQ/tmp\" is no mail address"),
        (
            "[on]\nonly = \"run.failed\"\ncommand = \"x\"",
            "1:2 \"on\" must be a list of tables | write the header with two brackets: [[on]]",
        ),
        ("[[on]]\ncommand = \"x\"", "1:1 [[on]] needs \"only\""),
        (
            "[[on]]\nonly = \"run.faild\"\ncommand = \"x\"",
            "2:8 there is no event \"run.faild\" | did you mean \"run.failed\"?",
        ),
    ];
    check(&cases, ToOwned::to_owned);
}

#[test]
fn syntax_errors_do_not_hide_other_errors_nor_make_up_new_ones() {
    let cases = [
        ("timezone = ", "1:12 there is no value"),
        ("timezone = utc", "1:12 \"utc\" is no value | text needs quotes: \"utc\""),
        (
            "[jobs.a]\ncommand = \"x\nevery = \"1h\"\n[jobs.b]\ncommand = \"x\"\nevery = \"0s\"",
            "2:13 invalid basic string, expected `\"`\n6:9 \"every\" must be longer than nothing",
        ),
        (
            "[jobs.a]\ncommand = \"x\"\nevery = \"1h\"\n[jobs.a]\ncommand = \"y\"\n",
            "4:7 \"a\" is there already | a table has each key, and a file each table, once: delete or rename one",
        ),
        ("[jobs.a\ncommand = 5\n[jobs.b]\n", "1:8 unclosed table, expected `]`"),
        ("a b = 1", "1:3 key with no value, expected `=`"),
    ];
    check(&cases, ToOwned::to_owned);
}

#[test]
fn jobs_must_not_wait_for_nothing_or_in_circles() {
    let job = |name: &str, after: &str| format!("[jobs.{name}]\ncommand = \"x\"\nafter = {after}\n");
    let text = [job("a", "\"b\""), job("b", "[{ job = \"c\", on = \"any\" }]"), job("c", "\"a\"")].concat();
    assert_eq!(told(&text), "3:9 these jobs wait for each other: a -> b -> c -> a\n");
    assert_eq!(told(&job("a", "\"a\"")), "3:9 a job cannot wait for itself\n");
    let text = [job("backup", "\"report\""), job("report", "\"bakup\"")].concat();
    assert_eq!(told(&text), "6:9 there is no job \"bakup\" | did you mean \"backup\"?\n");
    assert_eq!(told(&job("a", "[\"b\", \"b\"]")).lines().count(), 2);
    let on = job("a", "{ job = \"b\", on = \"succes\" }");
    assert!(told(&on).contains("did you mean \"success\"?"), "{}", told(&on));
}

#[test]
fn places_of_two_files_are_both_shown() {
    let one = "timezone = \"UTC\"\n[jobs.a]\ncommand = \"x\"\nevery = \"1h\"\n";
    let two = "timezone = \"UTC\"\n\n[jobs.a]\ncommand = \"y\"\nevery = \"1h\"\n";
    let set = sources(&[("jobs.toml", one), ("jobs.d/b.toml", two)]);
    let found = load(&set, &Zones, &NoPeers).expect_err("the names are there twice");
    let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "jobs.d/b.toml:1:1: \"timezone\" is in two files of the job set (it is at jobs.toml:1 too)",
            "jobs.d/b.toml:3:7: [jobs.a] is in two files of the job set (it is at jobs.toml:2 too)",
        ]
    );
}

#[test]
fn columns_count_characters_and_byte_order_marks_do_not() {
    let found = refused("\u{feff}timezone = \"Möhre\"\n[daemon]\nidentity = \"äöü\" # 1\nstop = { ä = 1 }\n");
    let places: Vec<(usize, usize)> = found.iter().map(|found| (found.line, found.column)).collect();
    assert_eq!(places[0], (1, 12));
    let text = "[daemon]\nidentity = \"äöü\"\n\"äö\" = 1\r\n";
    let found = refused(text);
    assert_eq!((found[0].line, found[0].column), (3, 1));
    assert_eq!(found[0].source_line, "\"äö\" = 1");
    assert_eq!(&found[0].source_line[found[0].span.clone()], "\"äö\"");
}

#[test]
fn long_lines_are_cut_around_the_place() {
    let text = format!(
        "[jobs.a]\nevery = \"1h\"\ncommand = [\"{}\", 5, \"{}\"]\n",
        "x".repeat(9_000),
        "y".repeat(9_000)
    );
    let found = refused(&text);
    assert_eq!((found[0].line, found[0].column), (3, 9_016));
    assert!(found[0].source_line.len() <= 4_096);
    assert_eq!(&found[0].source_line[found[0].span.clone()], "5");
}

#[test]
fn a_report_shows_line_caret_and_hint() {
    let found = refused(&in_job("tiemout = \"5m\"\nretries = \"3\""));
    insta::assert_snapshot!(render(&found, false), @r#"
    error: unknown key "tiemout" in a job
     --> jobs.toml:4:1
      |
    4 | tiemout = "5m"
      | ^^^^^^^
      |
      = help: did you mean "timeout"?

    error: "retries" must be a whole number, not text
     --> jobs.toml:5:11
      |
    5 | retries = "3"
      |           ^^^
      |
      = help: without quotes: 3
    "#);
    assert!(render(&found, true).contains('\u{1b}'));
    assert_eq!(render(&[], false), "");
}

#[test]
fn values_of_env_are_in_no_error() {
    for text in [
        "[jobs.a]\nevery = \"1h\"\ncommand = \"x\"\n[jobs.a.env]\nTOKEN = hunter2\n",
        "[jobs.a]\nevery = \"1h\"\ncommand = \"x\"\nenv = { TOKEN = hunter2 }\n",
        "[jobs.a]\nevery = \"1h\"\ncommand = \"x\"\nenv.TOKEN = \"hunter2\n",
        "[jobs.a]\nevery = \"1h\"\ncommand = \"x\"\nenv.TOKEN = \"hunter2\" hunter2\n",
        "[jobs.a]\nevery = \"1h\"\ncommand = \"x\"\nenv.TOKEN = '''a\nhunter2\n''' hunter2\n",
        "[jobs.a]\nevery = \"1h\"\ncommand = \"x\"\nenv = [\"hunter2\"]\n",
        "[defaults.env]\nTOKEN = [\"hunter2\"]\n",
        "[defaults.env]\nhunter2\n",
        "[defaults]\nenv = {\n TOKEN = hunter2,\n}\n",
    ] {
        let found = refused(text);
        assert!(!found.is_empty(), "{text}");
        for one in &found {
            let said = format!("{one} {one:?} {}", render(std::slice::from_ref(one), false));
            assert!(!said.contains("hunter2"), "{text}: {said}");
        }
    }
}

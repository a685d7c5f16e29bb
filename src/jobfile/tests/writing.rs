use super::{JobSet, NoPeers, Zones, added, loaded, name, sources};
use crate::core::job::{Job, Origin};
use crate::jobfile::load;
use crate::jobfile::write::{WriteError, definition, export, reschedule, set, table, unset};

const FILE: &str = "timezone = \"Europe/Berlin\" # ours\n[defaults]\nretries = 2\n\n[pools.io]\nworkers = 4\n\
    [[on]]\nonly = \"run.failed\"\ncommand = \"x\"\n\
    [jobs.a]\n# why\ncommand = '''\nmulti\nline'''\nevery = \"1h\" # hourly\numask = 0o022\npool = \"io\"\nenv.X = \"1\"\nenv.Y = \"2\"\n\
    [jobs.a.limits]\nmemory = \"1G\"\n[jobs.a.meta]\n\"odd key\" = \"\\u00e4\"\n\
    [jobs.b]\nevery = \"2h\"\n[[jobs.b.steps]]\ncommand = \"x\"\n[[jobs.b.steps]]\nname = \"y\"\nparallel = [\n  \"p\", # one\n  \"q\",\n]\n";

#[test]
fn a_definition_keeps_its_spelling() {
    let set = sources(&[("jobs.toml", FILE)]);
    let body = definition(&set, "a", None).unwrap().unwrap();
    assert_eq!(
        body,
        "command = '''\nmulti\nline'''\nevery = \"1h\"\numask = 0o022\npool = \"io\"\n\
         env = { X = \"1\", Y = \"2\" }\nlimits = { memory = \"1G\" }\nmeta = { \"odd key\" = \"\\u00e4\" }\n"
    );
    assert!(table(&name("a"), &body).unwrap().starts_with("[jobs.a]\ncommand"));
    assert_eq!(table(&name("a.b"), "x = 1").unwrap(), "[jobs.\"a.b\"]\nx = 1\n");
    let body = definition(&set, "b", None).unwrap().unwrap();
    assert_eq!(
        body,
        "every = \"2h\"\nsteps = [{ command = \"x\" }, { name = \"y\", parallel = [\n  \"p\", # one\n  \"q\",\n] }]\n"
    );
    assert_eq!(definition(&set, "c", None), Ok(None));
    assert_eq!(definition(&sources(&[("j", "x =")]), "c", None), Err(WriteError::Syntax));
}

#[test]
fn where_a_job_is_declared_makes_no_difference_to_its_definition() {
    let cut = "[jobs.c]\ncommand = [\n[\"not a header\"],\n]\n[jobs.d]\ncommand = \"x\"\n";
    let apart = "[jobs.c]\ncommand = \"x\"\n[jobs.d]\ncommand = \"y\"\n[jobs.c.env]\nX = \"1\"\n";
    for text in [FILE, cut, apart, "[jobs]\nc = { command = \"x\" }\nd.command = \"y\"\n"] {
        let set = sources(&[("jobs.toml", text), ("jobs.d/e.toml", "[jobs.e]\ncommand = \"e\"\n")]);
        for name in ["a", "b", "c", "d", "e"] {
            let whole = definition(&set, name, None).unwrap();
            for file in &set.files {
                for line in 0..=40 {
                    let placed = definition(&set, name, Some((&file.path, line))).unwrap();
                    assert_eq!(placed, whole, "{name} in line {line} of {text}");
                }
            }
        }
    }
}

/// Forgets where jobs came from, which is what an export cannot keep.
fn unplaced(set: &JobSet) -> Vec<Job> {
    set.jobs.iter().map(|job| Job { origin: Origin::Added, ..(**job).clone() }).collect()
}

#[test]
fn an_export_loads_to_the_same_set() {
    let file = FILE.replace("\"odd key\"", "odd_key");
    let two =
        "[jobs.c]\ncommand = \"x\"\nafter = [\"a\"]\n[jobs.'d.e']\ncommand = [\"x\"]\non = \"startup\"\n";
    let before = sources(&[("jobs.toml", &file), ("jobs.d/two.toml", two)]);
    let first = load(&before, &Zones, &NoPeers).unwrap();
    let fragment = "command = \"late\"\nevery = \"3h\"\n[env]\nA = \"1\"\n";
    let text = export(&before, [(&name("a0"), fragment)].into_iter()).unwrap();
    let again = loaded(&text);
    let mut jobs = unplaced(&first);
    let mut late = Job::clone(&added(fragment, &first).unwrap());
    late.name = name("a0");
    jobs.insert(1, late);
    assert_eq!(unplaced(&again), jobs);
    assert_eq!((&again.pools, &again.daemon), (&first.pools, &first.daemon));
    assert_eq!((&again.event_hooks, again.timezone.name()), (&first.event_hooks, "Europe/Berlin"));
    assert_eq!(export(&sources(&[("x", &text)]), std::iter::empty()).unwrap(), text);
}

#[test]
fn keys_are_set_and_unset() {
    let body = "command = \"x\"\nevery = \"1h\"\n";
    let cases = [
        ("timeout", "5m", "timeout = \"5m\""),
        ("retries", "3", "retries = 3"),
        ("tags", "[\"a\", 'b']", "tags = [\"a\", 'b']"),
        ("umask", "022", "umask = \"022\""),
        ("description", "5", "description = \"5\""),
        ("command", "true", "command = \"true\""),
        ("command", "[\"ls\", \"-l\"]", "command = [\"ls\", \"-l\"]"),
        ("description", "a \"b\" \\ \n\u{7}", "description = \"a \\\"b\\\" \\\\ \\n\\u0007\""),
        ("env.PATH", "/bin", "env = { PATH = \"/bin\" }"),
        ("env.N", "1", "env = { N = 1 }"),
        ("retries", "1\nevil = 2", "retries = \"1\\nevil = 2\""),
        ("retries", "1 # one", "retries = "),
    ];
    for (key, value, line) in cases {
        let text = set(body, key, value).unwrap();
        assert!(text.lines().any(|found| found.starts_with(line)), "{key} {value}: {text}");
        assert!(!text.lines().any(|found| found.starts_with("evil")), "{text}");
        assert!(definition(&sources(&[("j", &format!("[jobs.a]\n{text}"))]), "a", None).is_ok(), "{text}");
    }
    assert_eq!(set(body, "every", "2h").unwrap(), "command = \"x\"\nevery = \"2h\"\n");
    assert_eq!(unset(body, "every").unwrap(), "command = \"x\"\n");
    let inline = "env = { A = \"1\", B = \"2\" }\n";
    assert_eq!(set(inline, "env.A", "x").unwrap(), "env = { A = \"x\", B = \"2\" }\n");
    assert_eq!(unset(inline, "env.A").unwrap(), "env = { B = \"2\" }\n");
    assert_eq!(unset(inline, "env").unwrap(), "");
    let key = |key: &str| key.to_owned();
    assert_eq!(unset(body, "timeout"), Err(WriteError::Absent { key: key("timeout") }));
    assert_eq!(unset(body, "env.A"), Err(WriteError::Absent { key: key("env.A") }));
    assert_eq!(
        set("output = \"json\"", "output.max", "1M"),
        Err(WriteError::NotATable { key: key("output") })
    );
    assert_eq!(set(body, "", "1"), Err(WriteError::Key { key: key("") }));
    assert_eq!(set(body, "a.", "1"), Err(WriteError::Key { key: key("a.") }));
    assert_eq!(set("x =", "a", "1"), Err(WriteError::Syntax));
}

#[test]
fn a_new_trigger_replaces_any_old_one() {
    let body = "command = \"x\"\nevery = \"1h\"\njitter = \"5m\"\n";
    let text = reschedule(body, "cron", "0 2 * * *").unwrap();
    assert_eq!(text, "command = \"x\"\njitter = \"5m\"\ncron = \"0 2 * * *\"\n");
    assert_eq!(
        reschedule(body, "every", "2h").unwrap(),
        "command = \"x\"\nevery = \"2h\"\njitter = \"5m\"\n"
    );
}

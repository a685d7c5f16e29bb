//! The table "Jobs", where the daemon is needed to show it.

use serde_json::{Value, json};

use super::support::{Diary, Pipe, outcomes, run_to_end, sandbox};

#[test]
fn run_now_moves_no_schedule_ends_no_pause_and_deletes_no_one_shot() {
    let sandbox = sandbox(
        "[jobs.once]\ncommand = \"true\"\nat = \"2100-01-01T00:00\"\n\
         [jobs.daily]\ncommand = \"true\"\ncron = \"@daily\"\n\
         [jobs.past]\ncommand = \"true\"\nat = \"2020-02-29T12:00\"\n",
    );
    let _daemon = sandbox.daemon();
    Diary::of(&sandbox, &["past"]).until("past run.succeeded");
    sandbox.ok(["pause", "daily"]);
    let before = sandbox.json(["list", "--json"]);
    let of = |jobs: &Value, field: &str| {
        let jobs = jobs.as_array().expect("an array").clone();
        jobs.into_iter().map(|job| job[field].clone()).collect::<Vec<_>>()
    };
    for job in ["once", "daily", "past"] {
        assert!(run_to_end(&sandbox, job).status.success(), "{job}");
    }
    let after = sandbox.json(["list", "--json"]);
    for field in ["name", "state", "paused", "next_fire_time", "trigger"] {
        assert_eq!(of(&before, field), of(&after, field), "{field}");
    }
    assert_eq!(of(&after, "name"), ["daily", "once", "past"]);
    assert_eq!(of(&after, "state"), ["paused", "scheduled", "finished"]);
    assert_eq!(outcomes(&sandbox, "past"), ["succeeded -", "succeeded -"]);
}

#[test]
fn tags_choose_jobs_and_meta_reaches_the_command() {
    let sandbox = sandbox(
        "[jobs.a]\ncommand = 'echo \"$JOBCTL_META_OWNER of $JOBCTL_JOB\" > said'\nevery = \"52w\"\ntags = [\"night\", \"db\"]\nmeta = { owner = \"ops\" }\ndescription = \"Copies\"\n\
         [jobs.b]\ncommand = 'echo b > said'\nevery = \"52w\"\ntags = [\"night\"]\n\
         [jobs.c]\ncommand = 'echo c > said'\nevery = \"52w\"\n",
    );
    let mut said = Pipe::new(&sandbox, "said");
    let _daemon = sandbox.daemon();
    let job = sandbox.json(["show", "a", "--json"]);
    assert_eq!(
        (&job["tags"], &job["meta"], &job["description"]),
        (&json!(["db", "night"]), &json!({"owner": "ops"}), &"Copies".into())
    );
    sandbox.ok(["pause", "--tag", "night"]);
    assert_eq!(sandbox.ok(["list", "--state", "paused", "--quiet"]), "a\nb\n");
    sandbox.ok(["resume", "--tag", "night"]);
    sandbox.ok(["run-now", "--tag", "db"]);
    assert_eq!(said.hear(), "ops of a");
    assert_eq!(sandbox.ok(["list", "--tag", "night", "--quiet"]), "a\nb\n");
    assert_eq!(sandbox.ok(["list", "-q", "copies", "--quiet"]), "a\n");
}

#[test]
fn what_waits_in_a_pool_is_not_late() {
    let sandbox = sandbox(
        "[pools.one]\nworkers = 1\n\
         [jobs.first]\ncommand = \"echo x > begun; read code < gate\"\non = \"startup\"\npool = \"one\"\n",
    );
    let mut gate = Pipe::new(&sandbox, "gate");
    let mut begun = Pipe::new(&sandbox, "begun");
    let _daemon = sandbox.daemon();
    begun.hear();
    sandbox.ok(["add", "second", "--at", "in 1s", "--grace", "2s", "--pool", "one", "--", "true"]);
    let mut diary = Diary::of(&sandbox, &["second"]);
    let due = diary.until("second run.queued");
    // It is due and waits; by now it is later than its grace.
    assert_eq!(
        sandbox.output(["wait", &due["run_id"].to_string(), "--timeout", "4s"]).status.code(),
        Some(124)
    );
    gate.tell("");
    diary.until("second run.succeeded");
    let row = &sandbox.json(["history", "second", "--json"])[0];
    assert!(row["lateness_ms"].as_u64() > Some(2_000), "{row}");
}

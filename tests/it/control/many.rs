//! Sets so large that the daemon looks at them a piece at a time.

use std::fmt::Write as _;

use crate::harness::Sandbox;

/// More than two pieces, and the last one not full.
const COUNT: usize = 2_500;

fn jobs() -> String {
    let mut text = String::new();
    for job in 0..COUNT {
        let tags = if job % 500 == 7 { "tags = ['odd']\n" } else { "" };
        writeln!(text, "[jobs.job-{job:04}]\nevery = '1w'\ncommand = 'true'\n{tags}").expect("to a string");
    }
    text
}

/// Returns the field of each row that a command lists.
fn names<'a>(sandbox: &Sandbox, args: impl IntoIterator<Item = &'a str>, field: &str) -> Vec<String> {
    let rows = sandbox.json(args);
    let rows = rows.as_array().expect("a list").iter();
    rows.map(|row| row[field].as_str().expect("a name").to_owned()).collect()
}

#[test]
fn every_job_is_seen_once_wherever_it_is() {
    let sandbox = Sandbox::with_jobs(&jobs());
    let _daemon = sandbox.daemon();
    let all: Vec<String> = (0..COUNT).map(|job| format!("job-{job:04}")).collect();
    let odd: Vec<String> = all.iter().skip(7).step_by(500).cloned().collect();

    assert_eq!(names(&sandbox, ["list", "--json"], "name"), all);
    assert_eq!(names(&sandbox, ["list", "job-2499", "job-0000", "--json"], "name"), ["job-0000", "job-2499"]);
    assert_eq!(names(&sandbox, ["list", "--tag", "odd", "--json"], "name"), odd);
    assert_eq!(sandbox.json(["status", "--json"])["jobs"]["scheduled"], COUNT);

    let refused = sandbox.run(["show", "job-24999"]);
    assert!(refused.contains("did you mean") && refused.contains("job-2499"), "{refused}");
    let refused = sandbox.run(["pause", "job-0001", "job-x499"]);
    assert!(refused.contains("did you mean") && refused.contains("job-"), "{refused}");

    sandbox.ok(["pause", "--tag", "odd"]);
    let status = sandbox.json(["status", "--json"]);
    assert_eq!((&status["jobs"]["paused"], &status["jobs"]["scheduled"]), (&5.into(), &(COUNT - 5).into()));
    assert_eq!(names(&sandbox, ["list", "--state", "paused", "--json"], "name"), odd);
    sandbox.ok(["resume", "job-*"]);
    assert_eq!(sandbox.json(["status", "--json"])["jobs"]["scheduled"], COUNT);

    sandbox.ok(["run-now", "job-2499", "--wait"]);
    sandbox.ok(["run-now", "job-0007", "--wait"]);
    assert_eq!(names(&sandbox, ["history", "--json"], "job"), ["job-0007", "job-2499"]);
    assert_eq!(names(&sandbox, ["history", "job-2499", "--json"], "job"), ["job-2499"]);
    assert_eq!(names(&sandbox, ["history", "--tag", "odd", "--json"], "job"), ["job-0007"]);
    assert_eq!(names(&sandbox, ["history", "job-2*", "--json"], "job"), ["job-2499"]);
}

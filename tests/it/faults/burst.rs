//! P14: thousands of jobs due in one second.

use std::cmp::Reverse;

use crate::features::support::{Diary, events, sandbox, short, write_jobs};

use super::zones::seconds;

#[test]
fn p14_five_thousand_due_in_one_second_run_once_each_by_priority_and_the_socket_answers() {
    const JOBS: usize = 5_000;
    let sandbox = sandbox("");
    let _daemon = sandbox.daemon();
    // Where the machine takes longer than that to read them, they are late together.
    let due = chrono::DateTime::from_timestamp(seconds() + 8, 0).expect("an instant").to_rfc3339();
    let mut text = String::new();
    let mut expected = Vec::with_capacity(JOBS);
    for number in 0..JOBS {
        let priority = number * 7_919 % 13;
        text +=
            &format!("[jobs.j{number:04}]\ncommand = [\"true\"]\nat = \"{due}\"\npriority = {priority}\n");
        expected.push((Reverse(priority), format!("j{number:04} run.started")));
    }
    write_jobs(&sandbox, &text);
    sandbox.ok(["reload"]);
    let mut diary = Diary::of(&sandbox, &[]);
    let (mut ended, mut answers) = (0, 0);
    while ended < JOBS {
        let event = diary.next();
        ended += usize::from(event["event"] == "run.succeeded");
        if event["event"] == "run.succeeded" && ended % 500 == 1 {
            let status = sandbox.json(["status", "--json"]);
            answers += usize::from(
                status["runs_running"].as_u64() > Some(0) || status["runs_queued"].as_u64() > Some(0),
            );
        }
    }
    assert!(answers > 0, "it answers while the burst is under way");
    expected.sort();
    let expected: Vec<String> = expected.into_iter().map(|(_, event)| event).collect();
    let all = events(&sandbox);
    let named = |name: &str| all.iter().filter(|event| event["event"] == name).map(short).collect::<Vec<_>>();
    assert!(named("run.started") == expected, "by priority, then by name, and each once");
    assert_eq!(named("run.succeeded").len(), JOBS);
}

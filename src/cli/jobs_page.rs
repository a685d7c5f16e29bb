//! The manual page of the job file, jobctl-jobs(5): its prose is `pages/jobs.md`, the keys of a job come from the
//! table of flags.

use super::keys::{Group, KEYS, Key, Shape};
use super::markdown;

/// The page without the keys of a job.
const PROSE: &str = include_str!("pages/jobs.md");

/// Where they go.
const PLACE: &str = "{keys}\n";

/// Makes the body of the page.
pub(crate) fn body() -> String {
    markdown::to_roff(&PROSE.replacen(PLACE, &keys(), 1))
}

/// Writes every key of a job as Markdown.
fn keys() -> String {
    let mut text = String::new();
    for group in Group::ALL {
        let heading = match group {
            Group::Trigger => "Triggers (exactly one)",
            Group::Work => "What runs (exactly one of the first three)",
            group => group.heading(),
        };
        text.push_str(&format!("### {heading}\n\n"));
        for key in KEYS.iter().filter(|key| key.group == group) {
            let help = key.help.replace(" (repeatable)", "");
            text.push_str(&format!("`{}` = {}\n: {}.", key.name, plain(&form(key)), plain(&help)));
            text.extend(more(key.name).map(|more| format!(" {more}.")));
            text.extend(default(key.name).map(|default| format!(" Default: {default}.")));
            text.push_str("\n\n");
        }
    }
    text
}

/// Takes the meaning from characters that have one in Markdown.
fn plain(text: &str) -> String {
    text.chars().flat_map(|c| "\\`*[".contains(c).then_some('\\').into_iter().chain([c])).collect()
}

/// Shows the TOML form of a key's value.
fn form(key: &Key) -> String {
    match (key.name, key.shape) {
        ("cron", _) => "\"EXPR\" or { minute = .., hour = .., .. }".to_owned(),
        ("command", _) => "\"TEXT\" or [\"PROGRAM\", \"ARGUMENT\", ..]".to_owned(),
        ("steps" | "parallel", _) => "[\"TEXT\", { name = .., command = .., timeout = .. }, ..]".to_owned(),
        ("before" | "after_run" | "on_success" | "on_failure", _) => "\"TEXT\" or [\"TEXT\", ..]".to_owned(),
        ("stdin", _) => "\"FILE\", { file = \"FILE\" } or { text = \"TEXT\" }".to_owned(),
        ("notify", _) => "\"NAME\", { name = \"NAME\", when = \"WHEN\" }, or a list".to_owned(),
        ("output", _) => "\"json\", \"text\" or { format = .., max = \"SIZE\" }".to_owned(),
        ("keep", _) => "{ runs = N, age = \"DURATION\" }".to_owned(),
        ("expect", _) => {
            "{ success_within = \"DURATION\", max_duration = \"DURATION\", output_nonempty = true }"
                .to_owned()
        }
        ("limits", _) => "{ memory = \"SIZE\", cpu = \"PERCENT\", tasks = N, .. }".to_owned(),
        (_, Shape::Word(words)) => {
            let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
            words.join(" | ")
        }
        ("user" | "group" | "stop_signal", Shape::Scalar) => format!("\"{}\" or a number", key.value),
        (_, Shape::Scalar) => key.value.to_owned(),
        (_, Shape::Switch) => "true | false".to_owned(),
        (_, Shape::Texts | Shape::Paths) => format!("\"{0}\" or [\"{0}\", ..]", key.value),
        (_, Shape::Scalars) => "[1, 75, \"timeout\", ..]".to_owned(),
        (_, Shape::Pairs | Shape::Settings | Shape::WordOrSettings) => "{ NAME = \"VALUE\", .. }".to_owned(),
        (_, Shape::Jobs) => "\"JOB\", { job = \"JOB\", on = \"END\" }, or a list".to_owned(),
        (_, Shape::Members) => "[{ TRIGGER }, { TRIGGER }, ..]".to_owned(),
        (_, Shape::Text | Shape::Path) => format!("\"{}\"", key.value),
    }
}

/// Says what the help of the flag has no room for.
fn more(key: &str) -> Option<&'static str> {
    Some(match key {
        "at" => {
            "In a job file it is a date and a time; `jobctl add` takes the other forms too. An instant that has passed is \
             judged by `grace`"
        }
        "every" => "At least 1s. No change of the clock touches it",
        "after" => {
            "*END* is `success`, `failure` or `any`, default `success`. Of several jobs, all have to have ended so"
        }
        "any" => {
            "Members may have a `timezone`, `start` and `end` of their own, and be `any` or `all` themselves"
        }
        "all" => "Members as those of `any`. Times that never agree are found out within a bounded search",
        "start" | "end" => "Inclusive",
        "jitter" => "The delay is the same for the same fire time, and never leads past `end`",
        "dst_gap" | "dst_fold" => "For fixed times only, see jobctl-time(7)",
        "command" => "A list is a program and its arguments, without a shell",
        "steps" | "parallel" => "Members are described below",
        "enabled" => "Unlike a pause it is part of the definition, and `jobctl resume` does not change it",
        "meta" => "Letters become upper-case, anything but letters and digits becomes an underscore",
        "grace" => {
            "`until-next`: late is right until the next fire time; `unlimited`; \"0s\": never late, but for a second"
        }
        "max_instances" => "Counted from what is alive, also after a restart",
        "on_busy" => "What is skipped has a row in the ledger",
        "pool" => "The job file declares it: `[pools.NAME]`",
        "startup" => "`cron = \"@reboot\"` is `on = \"startup\"` with `boot`",
        "timeout" => "It ends the whole process group",
        "stop_signal" => "A name like `INT`, or a number",
        "retries" => "Attempts of one run, which has one end",
        "retry_backoff" => {
            "From 1 to 1000; above 1 up to a tenth of the wait is added, so that failed runs do not come back in step"
        }
        "retry_on" => "A code is from 1 to 255",
        "env" => "On top of `env_file`",
        "env_file" => "Read at each start; later files win",
        "user" | "group" => "Needs a daemon of root",
        "umask" => "As text, or as 0o022",
        "limits" => {
            "`memory` and `file_size` and `core` are sizes, `cpu` is a share of one core (\"150%\"), `tasks` and `open_files` \
             are numbers, `cpu_time` is a duration of whole seconds. `cpu` needs a delegated cgroup; `memory` and `tasks` \
             hold for the whole run with one, for each process (or user) without"
        }
        "before" => "After those of `[hooks]`",
        "notify" => {
            "*WHEN* is `change` (it breaks, or is well again), `failure`, `always` or `recovery`; default `change`"
        }
        "expect" => {
            "A breach is the event `job.overdue` (no success within the time) or `run.overdue` (a run takes longer), \
             or fails the run (it has written nothing)"
        }
        "output" => {
            "`json`: the output has to end in a JSON document, which is kept as the result of the run. `max`: how much of a \
             run is kept on disk, head and tail together"
        }
        "keep" => "What goes beyond either is deleted with its output",
        _ => return None,
    })
}

/// Says what holds where the key is not given; absent where that is nothing.
fn default(key: &str) -> Option<&'static str> {
    Some(match key {
        "timezone" => "that of the file, or the system's",
        "jitter" | "retry_delay" => "0s",
        "dst_gap" => "after",
        "dst_fold" => "first",
        "fail_fast" | "paused" => "false",
        "enabled" | "coalesce" => "true",
        "grace" => "until-next",
        "max_instances" => "1",
        "on_busy" => "skip; for `at`, queue",
        "priority" | "retries" => "0",
        "on_lost" => "skip",
        "startup" => "boot",
        "kill_after" => "10s",
        "stop_signal" => "TERM",
        "retry_backoff" => "1.0",
        "retry_max_delay" => "7d",
        "retry_on" => "any",
        "user" => "the daemon's",
        "group" => "the user's own",
        "umask" | "nice" => "the daemon's",
        "shell" => "/bin/sh",
        "stdin" => "/dev/null",
        "output" => "text, 16MiB",
        "keep" => "100 runs, 30d",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{body, default};
    use crate::cli::keys::KEYS;
    use crate::core::job::{Execution, Policy};

    #[test]
    fn every_key_is_on_the_page() {
        let page = body();
        for key in KEYS {
            let entry = format!(".TP\n\\fB{}\\fR = ", key.name);
            assert!(page.contains(&entry), "{}", key.name);
        }
    }

    #[test]
    fn defaults_are_those_of_the_core() {
        let policy = Policy::default();
        assert_eq!(default("kill_after"), Some("10s"));
        assert_eq!(policy.kill_after, Duration::from_secs(10));
        assert_eq!((default("max_instances"), policy.max_instances), (Some("1"), 1));
        assert_eq!((default("retries"), policy.retry.retries), (Some("0"), 0));
        assert_eq!((default("priority"), policy.priority), (Some("0"), 0));
        assert_eq!((default("coalesce"), policy.coalesce), (Some("true"), true));
        assert_eq!((default("output"), policy.output.max_bytes), (Some("text, 16MiB"), 16 << 20));
        assert_eq!((policy.keep.runs, policy.keep.age), (100, Duration::from_secs(30 * 86_400)));
        assert_eq!((default("stop_signal"), policy.stop_signal), (Some("TERM"), 15));
        assert_eq!(Execution::default().shell.to_str(), default("shell"));
    }
}

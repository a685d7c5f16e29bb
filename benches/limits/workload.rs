//! The job sets that are measured.

use std::fmt::Write as _;

/// Returns names and definitions of jobs as people write them: mostly a cron expression and a command, with a
/// zone, an interval, a time limit or a description here and there.
pub(crate) fn definitions(count: usize) -> impl Iterator<Item = (String, String)> {
    (0..count).map(|job| {
        let (minute, hour, day) = (job % 60, job / 60 % 24, job / 1440 % 28 + 1);
        let firing = match job % 10 {
            0 => format!("cron = \"{minute} {hour} * * *\"\ntimezone = \"Europe/Berlin\"\n"),
            1 => format!("every = \"{}m\"\n", minute + 15),
            2 => format!("cron = \"{minute} {hour} * * mon-fri\"\ntimeout = \"10m\"\n"),
            3 => {
                format!("cron = \"{minute} {hour} {day} * *\"\ndescription = \"Report of customer {job}\"\n")
            }
            _ => format!("cron = \"{minute} {hour} * * *\"\n"),
        };
        let command = format!("command = [\"/usr/local/bin/report\", \"--customer\", \"{job:06}\"]\n");
        (format!("customer-{job:06}"), firing + &command)
    })
}

/// Writes a job file of such jobs.
pub(crate) fn job_file(count: usize) -> String {
    let mut text = String::new();
    for (name, definition) in definitions(count) {
        // Writing to a String does not fail.
        let _ = writeln!(text, "[jobs.{name}]\n{definition}");
    }
    text
}

//! The job sets that are measured.

use std::fmt::Write as _;

/// Writes a job file of `count` jobs as people write them: mostly a name, a cron expression and a command, with
/// a zone, an interval, a time limit or a description here and there.
pub(crate) fn job_file(count: usize) -> String {
    let mut text = String::new();
    for job in 0..count {
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
        // Writing to a String does not fail.
        let _ = write!(
            text,
            "[jobs.customer-{job:06}]\n{firing}command = [\"/usr/local/bin/report\", \"--customer\", \"{job:06}\"]\n\n"
        );
    }
    text
}

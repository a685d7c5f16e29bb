//! The manual page of the job file, jobctl-jobs(5): written by hand but for the keys of a job, which come from
//! the table of flags.

use super::keys::{Group, KEYS, Key, Shape};
use super::man::escaped;

/// Makes the page.
pub(crate) fn text() -> String {
    let mut page = String::from(OPENING);
    for group in Group::ALL {
        let heading = match group {
            Group::Trigger => "Triggers (exactly one)",
            Group::Work => "What runs (exactly one of the first three)",
            group => group.heading(),
        };
        page.push_str(&format!(".SS \"{}\"\n", escaped(heading)));
        for key in KEYS.iter().filter(|key| key.group == group) {
            let form = escaped(&form(key));
            page.push_str(&format!(".TP\n\\fB{}\\fR = {form}\n{}.\n", escaped(key.name), escaped(key.help)));
        }
    }
    page.push_str(CLOSING);
    page
}

/// Shows the TOML form of a key's value.
fn form(key: &Key) -> String {
    match (key.name, key.shape) {
        ("cron", _) => "\"EXPR\" or { minute = .., hour = .., .. }".to_owned(),
        ("command", _) => "\"TEXT\" or [\"PROGRAM\", \"ARGUMENT\", ..]".to_owned(),
        ("steps" | "parallel", _) => "[\"TEXT\", { name = .., command = .., timeout = .. }, ..]".to_owned(),
        ("stdin", _) => "\"FILE\" or { text = \"..\" }".to_owned(),
        ("notify", _) => {
            "\"NAME\" or { name = \"NAME\", when = \"change\" | \"failure\" | \"always\" | \"recovery\" }"
                .to_owned()
        }
        ("output", _) => "\"json\", \"text\" or { format = .., max = \"SIZE\" }".to_owned(),
        (_, Shape::Word(words)) => {
            let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
            words.join(" | ")
        }
        (_, Shape::Scalar) => key.value.to_owned(),
        (_, Shape::Switch) => "true | false".to_owned(),
        (_, Shape::Texts | Shape::Paths) => format!("[\"{}\", ..]", key.value),
        (_, Shape::Scalars) => "[1, 75, \"timeout\", ..]".to_owned(),
        (_, Shape::Pairs | Shape::Settings | Shape::WordOrSettings) => "{ NAME = .., .. }".to_owned(),
        (_, Shape::Jobs) => {
            "\"JOB\" or { job = \"JOB\", on = \"success\" | \"failure\" | \"any\" }, or a list".to_owned()
        }
        (_, Shape::Members) => "[{ TRIGGER }, { TRIGGER }, ..]".to_owned(),
        (_, Shape::Text | Shape::Path) => format!("\"{}\"", key.value),
    }
}

const OPENING: &str = r#".ie \n(.g .ds Aq \(aq
.el .ds Aq '
.TH JOBCTL\-JOBS 5 "" "jobctl" "jobctl"
.SH NAME
jobctl\-jobs \- the job file of jobctl
.SH DESCRIPTION
A TOML file that says which commands run when.
It is found at \fB\-\-config\fR, else at \fB$JOBCTL_CONFIG\fR, else at \fI~/.config/jobctl/jobs.toml\fR, for root at \fI/etc/jobctl/jobs.toml\fR; every \fIjobs.d/*.toml\fR beside it belongs to the same set.
\fBjobctl check\fR reads it and says everything that is wrong with it; a daemon that is told to reload a file with errors keeps the jobs it has.
.SH EXAMPLE
.nf
timezone = "Europe/Berlin"

[defaults]
timeout = "1h"

[pools.io]
workers = 2

[jobs.backup]
description = "Off\-site backup"
command = "restic backup /home"
cron = "30 2 * * *"
jitter = "5m"
pool = "io"
retries = 3
retry_delay = "1m"

[jobs.report]
steps = ["./fetch.sh", "./render.sh"]
after = { job = "backup", on = "success" }
.fi
.SH SECTIONS
.TP
\fBtimezone\fR = "ZONE"
The zone of jobs that name none; default is the system\*(Aqs.
.TP
\fB[jobs.NAME]\fR
A job; the keys are below. Names have letters, digits, \fB.\fR, \fB_\fR and \fB\-\fR, at most 128 bytes, no leading dot or dash.
.TP
\fB[defaults]\fR
Keys for every job that does not have them itself; any key but the trigger and what runs. Tables such as \fBenv\fR are laid over each other key by key.
.TP
\fB[pools.NAME]\fR
Runs that share a limit: \fBworkers\fR = N.
.TP
\fB[hooks]\fR
Commands around every run: \fBbefore\fR and \fBafter\fR.
.TP
\fB[notify.NAME]\fR
Where messages go: one of \fBmail\fR, \fBwebhook\fR, \fBping\fR, \fBcommand\fR, and a \fBtimeout\fR.
.TP
\fB[[on]]\fR
A \fBcommand\fR that runs for events: \fBonly\fR = ["run.failed", "job.*"], \fBjob\fR = ["NAME"], \fBtimeout\fR.
.TP
\fB[daemon]\fR
\fBstop_timeout\fR, \fBstop\fR = "terminate" | "leave", \fBcatch_up_parallel\fR, \fBstartup_delay\fR, \fBstore_retry\fR, \fBidentity\fR, \fBmax_clock_wait\fR, \fBgroup\fR.
.SH "KEYS OF A JOB"
Each is also an option of \fBjobctl add\fR.
"#;

const CLOSING: &str = r#".SH VALUES
.TP
Durations
\fB1w2d3h4m5s\fR, also \fBms\fR: parts combine, the largest unit first, and a unit is required.
.TP
Times
\fB2026\-12\-24T18:00\fR in the zone of the job, or with an offset.
.TP
Sizes
\fB512K\fR, \fB16MiB\fR, \fB2G\fR: one letter and \fBiB\fR count in 1024, \fBkB MB GB\fR in 1000.
.SH "CRON EXPRESSIONS"
Five fields: minute (0\-59), hour (0\-23), day of the month (1\-31), month (1\-12 or jan\-dec), day of the week (0\-7 or sun\-sat, 0 and 7 are Sunday).
A field is \fB*\fR, or values and ranges joined by commas; \fB*\fR and ranges take a step, as in \fB*/15\fR or \fB8\-18/2\fR.
Where neither field of the day begins with \fB*\fR, a day that matches either is due; otherwise both must match.
.PP
Six fields begin with seconds, seven also end in the year.
\fBL\fR is the last day of the month, \fBfriL\fR the last Friday, \fBmon#2\fR the second Monday, \fB15W\fR the weekday nearest to the 15th.
\fBa~b\fR is one value from a to b that depends on the name of the job, so that a fleet spreads and a job stays put.
.PP
Nicknames: \fB@yearly @annually @monthly @weekly @daily @midnight @hourly @reboot\fR.
.SH "CHANGES OF THE CLOCK"
A job whose minute or hour begins with \fB*\fR follows the clock: nothing where a change leaves an hour out, twice where an hour comes twice.
Every other job keeps its number of runs: a time that is left out runs at the end of the gap, a time that comes twice counts once, the first time.
\fBdst_gap\fR and \fBdst_fold\fR choose otherwise; \fBjobctl next\fR shows what happens.
\fBevery\fR counts elapsed time and knows no wall clock.
.SH ENVIRONMENT
A job has the environment of the daemon, then \fBHOME USER LOGNAME SHELL PATH\fR of its user, then \fBenv_file\fR, then \fBenv\fR, then
\fBJOBCTL_JOB JOBCTL_RUN_ID JOBCTL_FIRE_TIME JOBCTL_ATTEMPT JOBCTL_SOURCE JOBCTL_LAST_SUCCESS\fR and \fBJOBCTL_META_*\fR.
Standard input is \fI/dev/null\fR. There is no magic in \fB%\fR.
.SH "SEE ALSO"
\fBjobctl\fR(1), \fBjobctl\-check\fR(1), \fBjobctl\-next\fR(1), \fBcrontab\fR(5)
"#;

#[cfg(test)]
mod tests {
    use super::text;
    use crate::cli::keys::KEYS;

    #[test]
    fn every_key_is_on_the_page() {
        let page = text();
        for key in KEYS {
            let entry = format!("\\fB{}\\fR = ", key.name);
            assert!(page.contains(&entry), "{}", key.name);
        }
    }
}

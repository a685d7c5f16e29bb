//! `man`: the manual pages of commands, made from the same argument structs as the help, and those about the job
//! file and about time.

use std::io::Write as _;
use std::path::PathBuf;

use clap::Command;
use clap::builder::ValueHint;

use super::context::Context;
use super::error::{CliError, Kind};
use super::{help, jobs_page, time_page};

pub(crate) const EXAMPLES: &str = "
jobctl man run-now | man -l -
jobctl man jobs | man -l -
jobctl man time | man -l -
sudo jobctl man --dir /usr/local/share/man";

/// Print a manual page, or write all of them
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::examples(EXAMPLES))]
pub(crate) struct Man {
    /// The command the page is about, `jobs` for the job file, or `time`; default is jobctl itself
    #[arg(value_name = "COMMAND")]
    page: Option<String>,
    /// Write every page below this directory, as man1/*.1, man5/*.5 and man7/*.7
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, conflicts_with = "page")]
    dir: Option<PathBuf>,
}

impl Man {
    pub(crate) fn run(&self, context: &mut Context) -> Result<u8, CliError> {
        let pages = pages()?;
        if let Some(dir) = &self.dir {
            for (name, text) in &pages {
                let section = name.rsplit('.').next().unwrap_or("1");
                let dir = dir.join(format!("man{section}"));
                let written =
                    std::fs::create_dir_all(&dir).and_then(|()| std::fs::write(dir.join(name), text));
                written.map_err(|error| {
                    CliError::new(Kind::Failed, format!("cannot write {}: {error}", dir.join(name).display()))
                })?;
            }
            context.out.done(&format!("{} pages written to {}", pages.len(), dir.display()))?;
            return Ok(0);
        }
        let stem = self.page.as_ref().map_or_else(|| "jobctl".to_owned(), |page| format!("jobctl-{page}"));
        let page = pages.iter().find(|(name, _)| name.rsplit_once('.').is_some_and(|(name, _)| name == stem));
        let Some((_, text)) = page else {
            let error = CliError::usage(format!(
                "there is no manual page for {:?}",
                stem.trim_start_matches("jobctl-")
            ));
            return Err(error.hint("`jobctl --help` lists the commands"));
        };
        context.out.text(text)?;
        Ok(0)
    }
}

/// Makes every manual page: its file name and its text.
///
/// # Errors
/// None in practice: it is written to memory.
pub fn pages() -> std::io::Result<Vec<(String, String)>> {
    let mut command = super::plain_command();
    command.build();
    let mut pages = vec![("jobctl.1".to_owned(), overview(&command)?)];
    for sub in command.get_subcommands() {
        let name = sub.get_name();
        pages.push((format!("jobctl-{name}.1"), page(sub.clone(), &format!("jobctl-{name}"))?));
    }
    let jobs = topic("jobctl-jobs", 5, "the job file of jobctl", &jobs_page::body());
    let time = topic("jobctl-time", 7, "when jobs of jobctl are due", &time_page::body());
    pages.extend([jobs, time]);
    Ok(pages)
}

/// Returns the examples of every command, by its name.
pub fn examples() -> Vec<(String, String)> {
    let command = super::plain_command();
    let of = |sub: &Command| Some((sub.get_name().to_owned(), help::examples_of(sub)?));
    command.get_subcommands().filter_map(of).collect()
}

/// Makes a page that is about no command.
fn topic(name: &str, section: u8, about: &str, body: &str) -> (String, String) {
    let title = escaped(&name.to_ascii_uppercase());
    let text = format!(
        ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n.TH {title} {section} \"\" \"{SOURCE}\" \"jobctl\"\n\
         .SH NAME\n{} \\- {}\n{body}",
        escaped(name),
        escaped(about),
    );
    (format!("{name}.{section}"), text)
}

/// What all pages say they are from. Pages of the same sources are the same, whenever they are made: no date.
const SOURCE: &str = concat!("jobctl ", env!("CARGO_PKG_VERSION"));

/// Starts a page with what all pages have: title, name, synopsis, description, options.
fn beginning(command: Command, title: &str, out: &mut Vec<u8>) -> std::io::Result<()> {
    let man = clap_mangen::Man::new(command.clone().display_name(title.to_owned()))
        .title(title.to_ascii_uppercase())
        .source(SOURCE)
        .manual("jobctl");
    man.render_title(out)?;
    man.render_name_section(out)?;
    // As in the help: a list of sixty options says nothing that the options themselves do not say.
    let usage = command.clone().render_usage().to_string();
    writeln!(out, ".SH SYNOPSIS\n{}", escaped(usage.trim_start_matches("Usage: ").trim()))?;
    if let Some(description) = description(&command) {
        writeln!(out, ".SH DESCRIPTION\n{description}")?;
    }
    man.render_options_section(out)
}

/// Returns what a command's long description has beyond its first line, which is the page's name section.
fn description(command: &Command) -> Option<String> {
    let long = command.get_long_about()?.to_string();
    let (_, rest) = long.split_once("\n\n")?;
    Some(escaped(rest).replace("\n\n", "\n.PP\n"))
}

fn page(command: Command, title: &str) -> std::io::Result<String> {
    let examples = help::examples_of(&command);
    let mut out = Vec::new();
    beginning(command, title, &mut out)?;
    let mut text = String::from_utf8_lossy(&out).into_owned();
    if let Some(examples) = examples {
        text.push_str(".SH EXAMPLES\n.nf\n");
        text.push_str(&escaped(&examples));
        text.push_str(".fi\n");
    }
    text.push_str(".SH \"SEE ALSO\"\n\\fBjobctl\\fR(1), \\fBjobctl\\-jobs\\fR(5)\n");
    Ok(text)
}

fn overview(command: &Command) -> std::io::Result<String> {
    let mut out = Vec::new();
    beginning(command.clone(), "jobctl", &mut out)?;
    let mut text = String::from_utf8_lossy(&out).into_owned();
    text.push_str(".SH COMMANDS\n");
    for (heading, names) in help::GROUPS {
        text.push_str(&format!(".SS {heading}\n"));
        for name in *names {
            let about = command.find_subcommand(name).and_then(Command::get_about);
            let about = about.map(ToString::to_string).unwrap_or_default();
            text.push_str(&format!(".TP\n\\fBjobctl\\-{}\\fR(1)\n{}\n", escaped(name), escaped(&about)));
        }
    }
    text.push_str(CLOSING);
    Ok(text)
}

/// What the first page says of all commands.
const CLOSING: &str = r#".SH "EXIT STATUS"
.TP
0
Done.
.TP
1
The job or the request failed.
.TP
2
Wrong usage, or a job file that does not load.
.TP
3
No daemon runs; for \fBrun\fR: one runs already.
.TP
4
There is no such job or run, or the name is taken.
.TP
5
Busy: as many runs of the job are alive as may be.
.TP
124
The wait timed out; the run goes on.
.PP
\fBrun\-now \-\-wait\fR, \fBexec\fR and \fBwait\fR end with the code of the job itself, or with 128 and the number of the signal that ended it.
.SH FILES
.TP
\fI~/.config/jobctl/jobs.toml\fR, \fI/etc/jobctl/jobs.toml\fR (root)
The job file, and \fIjobs.d/*.toml\fR beside it; see \fBjobctl\-jobs\fR(5).
.TP
\fI~/.local/state/jobctl\fR, \fI/var/lib/jobctl\fR (root)
The state directory: the ledger of runs, the definitions of added jobs, the output of runs.
.TP
\fI$XDG_RUNTIME_DIR/jobctl/jobctl.sock\fR, \fI/run/jobctl/jobctl.sock\fR (root)
The daemon's socket. Where a state directory is given, the socket is in it.
.SH ENVIRONMENT
.TP
\fBJOBCTL_CONFIG\fR, \fBJOBCTL_STATE_DIR\fR, \fBJOBCTL_SOCKET\fR
As \fB\-\-config\fR, \fB\-\-state\-dir\fR and \fB\-\-socket\fR.
.TP
\fBCONFIGURATION_DIRECTORY\fR, \fBSTATE_DIRECTORY\fR, \fBRUNTIME_DIRECTORY\fR
Set by systemd for a unit that asks for them; used where neither an option nor the variables above say otherwise.
.TP
\fBNO_COLOR\fR, \fBCLICOLOR\fR, \fBCLICOLOR_FORCE\fR
Whether to use colour, where \fB\-\-color\fR does not say.
.TP
\fBVISUAL\fR, \fBEDITOR\fR
The editor of \fBjobctl edit\fR.
.SH "SEE ALSO"
\fBjobctl\-jobs\fR(5), \fBjobctl\-time\fR(7), \fBcrontab\fR(5), \fBsystemd.service\fR(5)
"#;

/// Makes text safe for roff: backslashes, dashes, and lines that begin like requests.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        if line.starts_with(['.', '\'']) {
            out.push_str("\\&");
        }
        for c in line.chars() {
            match c {
                '\\' => out.push_str("\\e"),
                '-' => out.push_str("\\-"),
                c => out.push(c),
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn text_cannot_be_taken_for_requests() {
        assert_eq!(escaped("a -b \\c\n.d\n'e"), "a \\-b \\ec\n\\&.d\n\\&'e");
    }
}

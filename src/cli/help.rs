//! The help texts that are not about one option: groups of commands, examples.
//!
//! One source for `--help`, the manual pages and the completions: the argument structs and these tables.

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// The commands as `jobctl --help` shows them: each in exactly one group.
pub(crate) const GROUPS: &[(&str, &[&str])] = &[
    ("Run", &["run", "status", "reload", "stop", "hold", "release"]),
    ("Look at jobs", &["list", "show", "next", "explain", "check", "export"]),
    ("Look at runs", &["history", "logs", "events", "why"]),
    ("Change jobs", &["add", "edit", "reschedule", "pause", "resume", "remove", "changes", "undo"]),
    ("Act on runs", &["run-now", "exec", "wait", "cancel"]),
    ("Care", &["doctor", "backup", "restore"]),
    ("Shell", &["completions", "man"]),
];

const TEMPLATE: &str = "{about-with-newline}\n{usage-heading} {usage}\n{before-help}\n\u{1b}[1m\u{1b}[4mGlobal options:\u{1b}[0m\n{options}{after-help}";

/// Marks text of examples for the long help of a command.
pub(crate) fn examples(text: &str) -> String {
    let mut help = format!("{EXAMPLES_HEADING}\n");
    for line in text.trim().lines() {
        help.push_str("  ");
        help.push_str(line);
        help.push('\n');
    }
    help
}

/// The line above examples; bold and underlined like clap's own headings, stripped where there is no colour.
const EXAMPLES_HEADING: &str = "\u{1b}[1m\u{1b}[4mExamples:\u{1b}[0m";

/// Adds to an error of usage what clap cannot know: that the words of a job's command come after `--`.
pub(crate) fn with_tip(mut error: clap::Error) -> clap::Error {
    let word = error.get(ContextKind::InvalidArg).is_some_and(
        |value| matches!(value, ContextValue::String(word) if !word.is_empty() && !word.starts_with('-')),
    );
    if word && error.kind() == ErrorKind::UnknownArgument && error.get(ContextKind::Suggested).is_none() {
        let tip = "a command and its arguments come last, after `--`";
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    }
    error
}

/// Returns the examples of a command as they were given to [`examples`].
pub(crate) fn examples_of(command: &Command) -> Option<String> {
    let help = command.get_after_long_help()?.to_string();
    let (_, text) = help.split_once('\n')?;
    Some(text.lines().map(|line| format!("{}\n", line.strip_prefix("  ").unwrap_or(line))).collect())
}

/// Puts the commands into the top-level help in their groups.
pub(crate) fn grouped(command: Command) -> Command {
    let widest = command.get_subcommands().map(|sub| sub.get_name().len()).max().unwrap_or(0);
    let mut text = String::new();
    for (heading, names) in GROUPS {
        text.push_str(&format!("\n\u{1b}[1m\u{1b}[4m{heading}:\u{1b}[0m\n"));
        for name in *names {
            let about = command.find_subcommand(name).and_then(Command::get_about);
            let about = about.map(ToString::to_string).unwrap_or_default();
            text.push_str(&format!("  \u{1b}[1m{name:widest$}\u{1b}[0m  {about}\n"));
        }
    }
    command.help_template(TEMPLATE).before_help(text)
}

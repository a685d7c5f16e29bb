//! The command line: arguments to requests, answers to text, errors to exit codes.
//!
//! One file a subcommand: its arguments, what it asks for, what it prints. This is the only room that prints,
//! that writes sentences for people, and that knows exit codes. It decides nothing about jobs: what a daemon
//! would answer comes from the daemon, or, for commands that only read, from the same files through the same
//! code (`source`).

mod add;
mod backup;
mod cancel;
mod changes;
mod check;
mod complete;
pub mod completions;
mod confirm;
mod context;
mod doctor;
mod edit;
mod editor;
mod error;
mod events;
mod exec;
mod explain;
mod export;
mod files;
mod follow;
mod help;
mod history;
mod hold;
mod jobs_page;
mod keys;
mod list;
mod logging;
mod logs;
pub mod man;
mod markdown;
mod next;
mod outcome;
mod paths;
mod pause;
mod release;
mod reload;
mod remove;
mod render;
mod reschedule;
mod restore;
mod resume;
mod run;
mod run_now;
mod select;
mod service;
mod show;
mod source;
mod status;
mod stop;
mod suspicions;
mod terminal;
mod time_page;
mod undo;
mod wait;
mod when;
mod why;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::ValueHint;
use clap::{ArgMatches, Args, CommandFactory as _, FromArgMatches as _, Parser};
use clap_complete::CompleteEnv;

use context::Context;
use error::{CliError, Kind};
use terminal::ColorChoice;

/// Runs commands on a schedule, and keeps a record of every time one was due.
#[derive(Debug, Parser)]
#[command(
    name = "jobctl",
    version,
    disable_help_subcommand = true,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "`jobctl COMMAND --help` explains a command with examples."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    global: Global,
}

/// The options that every command has.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    // The variables are read in `Global::given`: clap would show options that come from them in every usage line.
    /// The job file [env: JOBCTL_CONFIG]
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    config: Option<PathBuf>,
    /// Where runs, logs and added jobs are kept [env: JOBCTL_STATE_DIR]
    #[arg(long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    state_dir: Option<PathBuf>,
    /// The daemon's socket [env: JOBCTL_SOCKET]
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    socket: Option<PathBuf>,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
    /// Print only what was asked for: no confirmations, no notes, bare names
    #[arg(long, global = true)]
    quiet: bool,
    /// When to use colour: auto, always or never
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        default_value_t,
        hide_possible_values = true
    )]
    color: ColorChoice,
}

/// What a command is made of: its name, its arguments, and what is done with them.
struct Command {
    name: &'static str,
    arguments: fn(clap::Command) -> clap::Command,
    run: fn(&ArgMatches, &mut Context) -> Result<u8, CliError>,
}

/// Makes the entry of a command: its name, and its arguments, which have a function `run`.
macro_rules! command {
    ($name:literal, $arguments:ty) => {
        Command {
            name: $name,
            arguments: <$arguments>::augment_args,
            run: |matches, context| <$arguments>::from_arg_matches(matches).map_err(misread)?.run(context),
        }
    };
}

/// The commands.
const COMMANDS: [Command; 33] = [
    command!("run", run::Run),
    command!("status", status::Status),
    command!("reload", reload::Reload),
    command!("stop", stop::Stop),
    command!("hold", hold::Hold),
    command!("release", release::Release),
    command!("list", list::List),
    command!("show", show::Show),
    command!("next", next::Next),
    command!("explain", explain::Explain),
    command!("check", check::Check),
    command!("export", export::Export),
    command!("history", history::History),
    command!("logs", logs::Log),
    command!("events", events::Events),
    command!("why", why::Why),
    command!("add", add::Add),
    command!("edit", edit::Edit),
    command!("reschedule", reschedule::Reschedule),
    command!("pause", pause::Pause),
    command!("resume", resume::Resume),
    command!("remove", remove::Remove),
    command!("changes", changes::Changes),
    command!("undo", undo::Undo),
    command!("run-now", run_now::RunNow),
    command!("exec", exec::Exec),
    command!("wait", wait::Wait),
    command!("cancel", cancel::Cancel),
    command!("doctor", doctor::Doctor),
    command!("backup", backup::Backup),
    command!("restore", restore::Restore),
    command!("completions", completions::Completions),
    command!("man", man::Man),
];

/// Runs jobctl: arguments in, exit code out.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    match CompleteEnv::with_factory(command).var(completions::VARIABLE).try_complete(args.clone(), None) {
        Ok(true) => return ExitCode::SUCCESS,
        Ok(false) => {}
        Err(error) => return parse_failed(&error),
    }
    let matches = match command_for(&args).try_get_matches_from(args) {
        Ok(matches) => matches,
        Err(error) => return parse_failed(&help::with_tip(error)),
    };
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => return parse_failed(&error),
    };
    let mut context = Context::new(cli.global);
    let ended = run(&matches, &mut context).and_then(|code| context.out.flush().map(|()| code));
    match ended {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            // What was said before the error is still worth reading; if it cannot be, the error says more.
            let _ = context.out.flush();
            context.out.error(&error);
            ExitCode::from(error.kind.exit_code())
        }
    }
}

fn run(matches: &ArgMatches, context: &mut Context) -> Result<u8, CliError> {
    let chosen = matches.subcommand().and_then(|(name, matches)| {
        COMMANDS.iter().find(|command| command.name == name).map(|command| (command, matches))
    });
    // Without a command clap has shown the help.
    let (command, matches) = chosen.ok_or_else(|| CliError::said(Kind::Usage))?;
    (command.run)(matches, context)
}

/// Says whether jobctl would take these arguments, which come after its name; nothing is done with them.
///
/// # Errors
/// What is wrong with them, as it would be printed; help and version are no errors.
pub fn check_arguments(arguments: &[String]) -> Result<(), String> {
    let words = std::iter::once("jobctl").chain(arguments.iter().map(String::as_str));
    match command().try_get_matches_from(words) {
        Err(error) if error.use_stderr() => Err(error.to_string()),
        _ => Ok(()),
    }
}

/// Returns as much of the command line's definition as these arguments can need.
///
/// To define the options of every command takes longer than most commands do their work. Where the first word is
/// a command, of all others no more than the names can be asked for.
fn command_for(args: &[OsString]) -> clap::Command {
    match COMMANDS.iter().find(|command| args.get(1).is_some_and(|word| word == command.name)) {
        Some(chosen) => defined(|name| name == chosen.name),
        None => command(),
    }
}

/// Returns the command line's definition, with the commands in groups: what the help is made from.
fn command() -> clap::Command {
    help::grouped(plain_command())
}

/// Returns the command line's definition as it is: what the manual pages are made from.
fn plain_command() -> clap::Command {
    defined(|_| true)
}

/// Returns the command line's definition; commands that are not wanted have a name and nothing else.
fn defined(wanted: impl Fn(&str) -> bool) -> clap::Command {
    COMMANDS.iter().fold(Cli::command(), |cli, command| {
        let bare = clap::Command::new(command.name);
        cli.subcommand(if wanted(command.name) { (command.arguments)(bare) } else { bare })
    })
}

/// Prints what clap has found when it turned arguments into values.
fn misread(error: clap::Error) -> CliError {
    parse_failed(&error);
    CliError::said(Kind::Usage)
}

/// Prints help, version or a usage error, as clap words them.
fn parse_failed(error: &clap::Error) -> ExitCode {
    // A reader of the help that has gone away has seen enough.
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

#[cfg(test)]
mod tests {
    use super::{help, plain_command};

    #[test]
    fn the_command_line_is_sound() {
        plain_command().debug_assert();
    }

    #[test]
    fn every_command_is_in_one_group_and_has_examples() {
        let command = plain_command();
        let names: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
        let grouped: Vec<&str> = help::GROUPS.iter().flat_map(|(_, names)| *names).copied().collect();
        for name in &names {
            let places = grouped.iter().filter(|other| *other == name).count();
            assert_eq!(places, 1, "{name} is in one group");
        }
        assert_eq!(names.len(), grouped.len(), "the groups name commands only");
        for sub in command.get_subcommands() {
            let name = sub.get_name();
            assert!(
                help::examples_of(sub).is_some_and(|text| text.contains("jobctl")),
                "{name} has examples"
            );
        }
    }
}

//! `completions`: the script that teaches a shell to complete jobctl's commands, jobs and runs.

use clap::ValueEnum;
use clap_complete::env::{Bash, EnvCompleter, Fish, Zsh};

use super::context::Context;
use super::error::CliError;

/// The variable by which the scripts ask jobctl for candidates.
pub(crate) const VARIABLE: &str = "JOBCTL_COMPLETE";

pub(crate) const EXAMPLES: &str = "
source <(jobctl completions bash)
jobctl completions zsh > ~/.zfunc/_jobctl
jobctl completions fish > ~/.config/fish/completions/jobctl.fish";

/// Print the completion script of a shell
///
/// The script is small: it asks jobctl itself, so that names of jobs, tags and numbers of runs are completed as
/// they are at the moment.
#[derive(Debug, clap::Args)]
#[command(after_long_help = super::help::examples(EXAMPLES))]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// A shell with completions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// GNU Bash, 4.0 or newer
    Bash,
    /// The Z shell
    Zsh,
    /// fish
    Fish,
}

impl Shell {
    /// Every shell.
    pub const ALL: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

    /// Returns the file name by which the shell finds the script.
    pub const fn file_name(self) -> &'static str {
        match self {
            Shell::Bash => "jobctl.bash",
            Shell::Zsh => "_jobctl",
            Shell::Fish => "jobctl.fish",
        }
    }

    /// Returns the script.
    ///
    /// # Errors
    /// None in practice: it is written to memory.
    pub fn script(self) -> std::io::Result<String> {
        let completer: &dyn EnvCompleter = match self {
            Shell::Bash => &Bash,
            Shell::Zsh => &Zsh,
            Shell::Fish => &Fish,
        };
        let mut script = Vec::new();
        completer.write_registration(VARIABLE, "jobctl", "jobctl", "jobctl", &mut script)?;
        let script = String::from_utf8_lossy(&script);
        let lines: Vec<&str> = script.trim().lines().map(str::trim_end).collect();
        Ok(lines.join("\n") + "\n")
    }
}

impl Completions {
    pub(crate) fn run(&self, context: &mut Context) -> Result<u8, CliError> {
        let script = self.shell.script()?;
        context.out.text(&script)?;
        Ok(0)
    }
}

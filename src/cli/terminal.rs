//! What the reader of our output can show: colour, characters, width.
//!
//! Owns the variables that decide on it: `NO_COLOR`, `CLICOLOR`, `CLICOLOR_FORCE`, `TERM`, `COLUMNS` and the
//! locale.

use std::ffi::OsString;
use std::io::IsTerminal as _;

use clap::ValueEnum;

/// When to use colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorChoice {
    // On a terminal, unless NO_COLOR or CLICOLOR=0 says no.
    #[default]
    Auto,
    Always,
    Never,
}

/// What one output stream can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terminal {
    /// True: it is a terminal and somebody looks at it.
    pub(crate) interactive: bool,
    /// True: escape sequences for colour may be written.
    pub(crate) colour: bool,
    /// True: the locale has UTF-8.
    pub(crate) unicode: bool,
    /// Columns, where it is a terminal and tells.
    pub(crate) width: Option<u16>,
}

impl Terminal {
    /// Looks at standard output.
    pub(crate) fn stdout(choice: ColorChoice) -> Self {
        let interactive = std::io::stdout().is_terminal();
        let mut terminal = Terminal::of(interactive, choice, |name| std::env::var_os(name));
        if interactive && terminal.width.is_none() {
            terminal.width = comfy_table::Table::new().width();
        }
        terminal
    }

    /// Looks at standard error.
    pub(crate) fn stderr(choice: ColorChoice) -> Self {
        Terminal::of(std::io::stderr().is_terminal(), choice, |name| std::env::var_os(name))
    }

    fn of(interactive: bool, choice: ColorChoice, var: impl Fn(&str) -> Option<OsString>) -> Self {
        let set = |name: &str| var(name).filter(|value| !value.is_empty());
        let colour = match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto if set("NO_COLOR").is_some() => false,
            ColorChoice::Auto if set("CLICOLOR_FORCE").is_some_and(|value| value != "0") => true,
            ColorChoice::Auto => {
                let wanted = set("CLICOLOR").is_none_or(|value| value != "0");
                interactive && wanted && set("TERM").is_some_and(|value| value != "dumb")
            }
        };
        // The first of these that is set decides (locale(7)); without any it is the C locale.
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set);
        let unicode = locale.is_some_and(|locale| {
            let locale = locale.to_string_lossy().to_ascii_lowercase();
            locale.contains("utf-8") || locale.contains("utf8")
        });
        let columns = set("COLUMNS").and_then(|columns| columns.to_str()?.parse().ok());
        let width = columns.filter(|columns| interactive && *columns > 0);
        Terminal { interactive, colour, unicode, width }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::{ColorChoice, Terminal};

    fn look(interactive: bool, choice: ColorChoice, vars: &[(&str, &str)]) -> Terminal {
        Terminal::of(interactive, choice, |name| {
            vars.iter().find(|(other, _)| *other == name).map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn colour_follows_the_option_then_the_variables_then_the_terminal() {
        use ColorChoice::{Always, Auto, Never};
        let term = ("TERM", "xterm");
        type Case<'c> = (bool, ColorChoice, &'c [(&'c str, &'c str)], bool);
        let cases: &[Case<'_>] = &[
            (true, Auto, &[term], true),
            (true, Auto, &[], false),
            (true, Auto, &[("TERM", "dumb")], false),
            (false, Auto, &[term], false),
            (true, Auto, &[term, ("NO_COLOR", "1")], false),
            (true, Auto, &[term, ("NO_COLOR", "")], true),
            (true, Auto, &[term, ("CLICOLOR", "0")], false),
            (false, Auto, &[("CLICOLOR_FORCE", "1")], true),
            (false, Auto, &[("CLICOLOR_FORCE", "0")], false),
            (false, Auto, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false),
            (false, Always, &[("NO_COLOR", "1")], true),
            (true, Never, &[term], false),
        ];
        for (interactive, choice, vars, colour) in cases {
            let look = look(*interactive, *choice, vars);
            assert_eq!(look.colour, *colour, "{interactive} {choice:?} {vars:?}");
        }
    }

    #[test]
    fn the_first_locale_variable_that_is_set_decides() {
        let cases: &[(&[(&str, &str)], bool)] = &[
            (&[], false),
            (&[("LANG", "C")], false),
            (&[("LANG", "de_DE.UTF-8")], true),
            (&[("LANG", "C.utf8")], true),
            (&[("LANG", "de_DE.UTF-8"), ("LC_ALL", "C")], false),
            (&[("LANG", "C"), ("LC_CTYPE", "en_GB.UTF-8")], true),
            (&[("LANG", "C.UTF-8"), ("LC_ALL", "")], true),
        ];
        for (vars, unicode) in cases {
            assert_eq!(look(true, ColorChoice::Auto, vars).unicode, *unicode, "{vars:?}");
        }
    }

    #[test]
    fn columns_count_on_a_terminal_only() {
        assert_eq!(look(true, ColorChoice::Auto, &[("COLUMNS", "72")]).width, Some(72));
        assert_eq!(look(true, ColorChoice::Auto, &[("COLUMNS", "0")]).width, None);
        assert_eq!(look(false, ColorChoice::Auto, &[("COLUMNS", "72")]).width, None);
    }
}

//! The one place that writes to standard output and standard error.

use std::io::{self, BufWriter, Stdout, Write};

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use super::text::plain;
use crate::cli::error::CliError;
use crate::cli::terminal::{ColorChoice, Terminal};

/// Writes what a command has to say.
#[derive(Debug)]
pub(crate) struct Out {
    stdout: BufWriter<Stdout>,
    /// What standard output can show.
    pub(crate) terminal: Terminal,
    /// What standard error can show.
    stderr: Terminal,
    /// True: confirmations and notes are left out.
    quiet: bool,
}

impl Out {
    /// Opens both streams.
    pub(crate) fn new(color: ColorChoice, quiet: bool) -> Self {
        Out {
            stdout: BufWriter::new(io::stdout()),
            terminal: Terminal::stdout(color),
            stderr: Terminal::stderr(color),
            quiet,
        }
    }

    /// Writes text as it is.
    pub(crate) fn text(&mut self, text: &str) -> Result<(), CliError> {
        Ok(self.stdout.write_all(text.as_bytes())?)
    }

    /// Writes a line; what others wrote in it is made harmless first.
    pub(crate) fn line(&mut self, text: &str) -> Result<(), CliError> {
        Ok(writeln!(self.stdout, "{}", plain(text, self.terminal.unicode))?)
    }

    /// Writes a line that confirms what was done; not with `--quiet`.
    pub(crate) fn done(&mut self, text: &str) -> Result<(), CliError> {
        if self.quiet { Ok(()) } else { self.line(text) }
    }

    /// Writes bytes as they are, at once.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<(), CliError> {
        self.stdout.write_all(bytes)?;
        Ok(self.stdout.flush()?)
    }

    /// Writes one JSON document: indented on a terminal, one line otherwise.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<(), CliError> {
        if self.terminal.interactive {
            serde_json::to_writer_pretty(&mut self.stdout, value).map_err(io::Error::from)?;
        } else {
            serde_json::to_writer(&mut self.stdout, value).map_err(io::Error::from)?;
        }
        Ok(self.stdout.write_all(b"\n")?)
    }

    /// Writes one JSON document as one line, at once: a member of a stream.
    pub(crate) fn json_line(&mut self, value: &impl Serialize) -> Result<(), CliError> {
        serde_json::to_writer(&mut self.stdout, value).map_err(io::Error::from)?;
        self.stdout.write_all(b"\n")?;
        Ok(self.stdout.flush()?)
    }

    /// Brings everything written so far to its reader.
    pub(crate) fn flush(&mut self) -> Result<(), CliError> {
        Ok(self.stdout.flush()?)
    }

    /// Tells people something beside the answer, on standard error; not with `--quiet`.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet {
            self.labelled("note", AnsiColor::Cyan, text);
        }
    }

    /// Warns, on standard error.
    pub(crate) fn warning(&self, text: &str) {
        self.labelled("warning", AnsiColor::Yellow, text);
    }

    /// Asks a question, on standard error, without a line break.
    pub(crate) fn ask(&self, text: &str) {
        // Nobody can be asked when standard error itself cannot be written; then the answer is no.
        let _ = write!(io::stderr(), "{}", plain(text, self.stderr.unicode));
    }

    /// Writes text to standard error as it is: rendered diagnostics.
    pub(crate) fn diagnostics(&self, text: &str) {
        // Nobody can be told when standard error itself cannot be written.
        let _ = io::stderr().write_all(text.as_bytes());
    }

    /// Says whether standard error shows colour.
    pub(crate) const fn colour_on_stderr(&self) -> bool {
        self.stderr.colour
    }

    /// Writes an error: what, and how to go on.
    pub(crate) fn error(&self, error: &CliError) {
        if !error.message.is_empty() {
            self.labelled("error", AnsiColor::Red, &error.message);
        }
        if let Some(hint) = &error.hint {
            self.labelled("hint", AnsiColor::Cyan, hint);
        }
    }

    fn labelled(&self, label: &str, colour: AnsiColor, text: &str) {
        let style = if self.stderr.colour { colour.on_default().bold() } else { Style::new() };
        let text = plain(text, self.stderr.unicode);
        // Nobody can be told when standard error itself cannot be written.
        let _ = writeln!(io::stderr(), "{style}{label}{style:#}: {text}");
    }
}

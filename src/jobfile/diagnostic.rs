//! What is wrong with a job file, as data: where, what, and how to go on.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crate::core::job::Origin;
use crate::core::name::Name;

use super::raw::Span;
use super::secret::{self, Shown};

/// The most problems that are kept of one load; a file with more has one cause, not a thousand.
const MAX_PROBLEMS: usize = 1_000;

/// The most bytes of a source line that are kept; longer lines are cut around the place.
const MAX_LINE_BYTES: usize = 4_096;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Severity {
    /// The job set cannot be used.
    Error,
    /// The job set works, but hardly as meant.
    Warning,
}

/// One thing that is wrong, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong; one lower-case line.
    pub message: String,
    /// The file; `<NAME>` for the definition of an added job.
    pub file: Arc<Path>,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The line itself, without its end; cut around the place where it is longer than 4 KiB, and without the values
    /// of `env`.
    pub source_line: String,
    /// The place in `source_line`, as a range of bytes on character boundaries.
    pub span: Range<usize>,
    /// How to go on.
    pub hint: Option<String>,
}

impl fmt::Display for Diagnostic {
    /// Writes `file:line:column: message` and, in parentheses, the hint.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}:{}: {}", self.file.display(), self.line, self.column, self.message)?;
        match &self.hint {
            Some(hint) => write!(out, " ({hint})"),
            None => Ok(()),
        }
    }
}

/// A problem before its place is turned into line and column.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) severity: Severity,
    pub(crate) file: usize,
    pub(crate) span: Span,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

/// The problems of one load.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    list: Vec<Problem>,
    errors: usize,
    left_out: usize,
}

impl Problems {
    /// Adds one, up to the limit.
    pub(crate) fn push(&mut self, problem: Problem) {
        self.errors += usize::from(problem.severity == Severity::Error);
        if self.list.len() < MAX_PROBLEMS { self.list.push(problem) } else { self.left_out += 1 }
    }

    /// Takes over all of others; says whether there was room.
    pub(crate) fn append(&mut self, others: Problems) -> bool {
        let room = others.left_out == 0 && self.list.len() + others.list.len() <= MAX_PROBLEMS;
        others.list.into_iter().for_each(|problem| self.push(problem));
        room
    }

    /// Says whether there is an error among them.
    pub(crate) fn any_error(&self) -> bool {
        self.errors > 0
    }

    /// Gives them their places, in the order of the files.
    pub(crate) fn locate(mut self, files: &[FileText<'_>]) -> Vec<Diagnostic> {
        self.list.sort_by_key(|problem| (problem.file, problem.span.start));
        let mut found: Vec<Diagnostic> =
            self.list.into_iter().map(|problem| files[problem.file].diagnostic(problem)).collect();
        if let (Some(last), true) = (found.last_mut(), self.left_out > 0) {
            last.hint = Some(format!("{} further problems are not shown", self.left_out));
        }
        found
    }
}

/// Where a text is from.
#[derive(Clone, Debug)]
pub(crate) enum Home<'a> {
    /// A file, and where relative paths in it start.
    File { path: Arc<PathBuf>, directory: &'a Path },
    /// The definition of an added job of that name, which has no directory.
    Added(&'a Name),
}

impl Home<'_> {
    /// Returns the file as messages call it.
    fn path(&self) -> Arc<Path> {
        match self {
            Home::File { path, .. } => path.as_path().into(),
            Home::Added(name) => Path::new(&format!("<{name}>")).into(),
        }
    }
}

/// One file's text, or a part of it, with the index of its lines.
#[derive(Debug)]
pub(crate) struct FileText<'a> {
    home: Home<'a>,
    pub(crate) text: &'a str,
    /// How many lines of the file stand before the text.
    lines_before: usize,
    /// Byte at which each line begins, once somebody asks; the first is 0.
    starts: OnceLock<Vec<usize>>,
    /// What of each line may be shown, once something is wrong.
    shown: OnceLock<Vec<Shown>>,
}

impl<'a> FileText<'a> {
    /// Takes a whole text.
    pub(crate) fn new(home: Home<'a>, text: &'a str) -> Self {
        FileText { home, text, lines_before: 0, starts: OnceLock::new(), shown: OnceLock::new() }
    }

    /// Makes a part of the text, which begins with a line, a text of its own.
    pub(crate) fn part(&self, range: Range<usize>, lines_before: usize) -> Self {
        let text = self.text.get(range).unwrap_or_default();
        FileText { lines_before, ..FileText::new(self.home.clone(), text) }
    }

    /// Returns where relative paths start; `None` for added jobs.
    pub(crate) fn directory(&self) -> Option<&'a Path> {
        match self.home {
            Home::File { directory, .. } => Some(directory),
            Home::Added(_) => None,
        }
    }

    /// Returns the origin of a job whose name stands at a byte.
    pub(crate) fn origin(&self, at: usize) -> Origin {
        match &self.home {
            Home::File { path, .. } => {
                let line = u32::try_from(self.line_number(at)).unwrap_or(u32::MAX);
                Origin::File { path: Arc::clone(path), line }
            }
            Home::Added(_) => Origin::Added,
        }
    }

    fn starts(&self) -> &[usize] {
        self.starts.get_or_init(|| {
            let ends = self.text.match_indices('\n').map(|(at, _)| at + 1);
            std::iter::once(0).chain(ends).collect()
        })
    }

    /// Returns the line of a byte in this text, from 0.
    pub(crate) fn line_of(&self, at: usize) -> usize {
        self.starts().partition_point(|start| *start <= at).saturating_sub(1)
    }

    /// Returns the number in the file, from 1, of the line of a byte.
    fn line_number(&self, at: usize) -> usize {
        self.lines_before + self.line_of(at) + 1
    }

    /// Says whether a byte is in a line with values of `env`, which no message may repeat.
    pub(crate) fn is_secret(&self, at: usize) -> bool {
        self.shown(self.line_of(at)) != Shown::All
    }

    fn shown(&self, line: usize) -> Shown {
        let lines = self.shown.get_or_init(|| secret::lines(self.text));
        lines.get(line).copied().unwrap_or(Shown::All)
    }

    /// Returns where a line begins; the end of the text for lines past the last.
    pub(crate) fn line_start(&self, line: usize) -> usize {
        self.starts().get(line).copied().unwrap_or(self.text.len())
    }

    /// Returns `FILE:LINE` of a byte, for "first defined at".
    pub(crate) fn place(&self, at: usize) -> String {
        format!("{}:{}", self.home.path().display(), self.line_number(at))
    }

    fn diagnostic(&self, problem: Problem) -> Diagnostic {
        let at = self.floor(problem.span.start.min(self.text.len()));
        let line = self.line_of(at);
        let mut begin = self.line_start(line);
        if begin == 0 && self.text.starts_with('\u{feff}') {
            begin = '\u{feff}'.len_utf8().min(at);
        }
        let rest = &self.text[begin..];
        let text = rest.split('\n').next().unwrap_or(rest);
        let text = text.strip_suffix('\r').unwrap_or(text);
        let start = (at - begin).min(text.len());
        let end = (self.floor(problem.span.end.min(self.text.len())).max(at) - begin).min(text.len());
        let column = text[..start].chars().count() + 1;
        let (source_line, span) = match secret::masked(text, self.shown(line)) {
            None => cut(text, start..end.max(start)),
            Some((masked, kept)) if start < kept => cut(&masked, start..end.clamp(start, kept)),
            Some((masked, _)) => cut(&masked, masked.len()..masked.len()),
        };
        Diagnostic {
            severity: problem.severity,
            message: problem.message,
            file: self.home.path(),
            line: self.lines_before + line + 1,
            column,
            source_line,
            span,
            hint: problem.hint,
        }
    }

    fn floor(&self, at: usize) -> usize {
        floor(self.text, at)
    }
}

/// Returns the nearest character boundary at or before a byte.
fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Cuts a long line to the surroundings of a place.
fn cut(line: &str, span: Range<usize>) -> (String, Range<usize>) {
    if line.len() <= MAX_LINE_BYTES {
        return (line.to_owned(), span);
    }
    let begin = floor(line, span.start.saturating_sub(MAX_LINE_BYTES / 2));
    let end = floor(line, (begin + MAX_LINE_BYTES).min(line.len()));
    (line[begin..end].to_owned(), span.start - begin..span.end.min(end) - begin)
}

/// Quotes text from a file for a message: escaped, and cut where it is long.
pub(crate) fn quoted(text: &str) -> String {
    const MOST: usize = 60;
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{:?}...", &text[..at]),
        None => format!("{text:?}"),
    }
}

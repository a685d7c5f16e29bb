//! Tables: sized to the terminal, plain columns when piped.

use std::borrow::Cow;

use comfy_table::presets::NOTHING;
use comfy_table::{
    Attribute, Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, Table as Grid,
};

use unicode_width::UnicodeWidthStr as _;

use super::text::plain;
use crate::cli::terminal::Terminal;

/// Narrower than this no table can be read; longer lines are the lesser evil.
const MIN_WIDTH: u16 = 40;

/// Blanks between columns.
const GAP: u16 = 2;

/// To how little the last column may be broken.
const LAST_WIDTH: u16 = 16;

/// How a cell looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tone {
    #[default]
    Normal,
    Good,
    Bad,
    Busy,
    Faint,
}

/// A cell: its text and how it looks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entry<'a> {
    text: Cow<'a, str>,
    tone: Tone,
    right: bool,
}

impl<'a> Entry<'a> {
    /// Makes a cell.
    pub(crate) fn new(text: impl Into<Cow<'a, str>>) -> Self {
        Entry { text: text.into(), tone: Tone::Normal, right: false }
    }

    /// Makes a cell of a number, at the right of its column.
    pub(crate) fn number(number: impl ToString) -> Self {
        Entry { right: true, ..Entry::new(number.to_string()) }
    }

    /// Makes a cell of a text that may not be there.
    pub(crate) fn maybe(text: Option<String>) -> Self {
        text.map_or_else(|| Entry::new("-").tone(Tone::Faint), Entry::new)
    }

    /// Gives it a tone.
    #[must_use]
    pub(crate) fn tone(mut self, tone: Tone) -> Self {
        self.tone = tone;
        self
    }
}

/// A table while its rows are collected: what nobody looks at is written as it is, for a terminal it is arranged.
#[derive(Debug)]
pub(crate) enum Table {
    Plain(Plain),
    Arranged(Box<Arranged>),
}

impl Table {
    /// Makes a table with its headings.
    pub(crate) fn new(terminal: Terminal, headings: &[&str]) -> Self {
        if terminal.interactive || terminal.colour {
            return Table::Arranged(Box::new(Arranged::new(terminal, headings)));
        }
        let mut plain =
            Plain { unicode: terminal.unicode, widths: vec![0; headings.len()], ..Plain::default() };
        plain.row(headings.iter().copied().map(Entry::new));
        Table::Plain(plain)
    }

    /// Adds a row, one cell a heading.
    pub(crate) fn row<'a>(&mut self, entries: impl IntoIterator<Item = Entry<'a>>) {
        match self {
            Table::Plain(table) => table.row(entries),
            Table::Arranged(table) => table.row(entries),
        }
    }

    /// Writes the table, each line without blanks at its end.
    pub(crate) fn render(self) -> String {
        match self {
            Table::Plain(table) => table.render(),
            Table::Arranged(table) => table.render(),
        }
    }
}

/// A table in columns as wide as their widest cell, numbers at the right.
///
/// There may be a hundred thousand rows: the cells are pieces of one text.
#[derive(Debug, Default)]
pub(crate) struct Plain {
    unicode: bool,
    text: String,
    cells: Vec<Piece>,
    /// The width of each column.
    widths: Vec<usize>,
}

/// A cell of a plain table.
#[derive(Debug)]
struct Piece {
    /// How many bytes of the text it has.
    bytes: usize,
    width: usize,
    right: bool,
}

impl Plain {
    fn row<'a>(&mut self, entries: impl IntoIterator<Item = Entry<'a>>) {
        for (entry, widest) in entries.into_iter().zip(&mut self.widths) {
            let text = plain(&entry.text, self.unicode);
            // No control character is left in it, so every byte of ASCII is as wide as one column.
            let width = if text.is_ascii() { text.len() } else { text.width() };
            *widest = width.max(*widest);
            self.text.push_str(&text);
            self.cells.push(Piece { bytes: text.len(), width, right: entry.right });
        }
    }

    fn render(self) -> String {
        let line: usize = self.widths.iter().map(|width| width + usize::from(GAP)).sum();
        let mut text = String::with_capacity(self.cells.len() / self.widths.len().max(1) * line);
        let mut rest = self.text.as_str();
        for row in self.cells.chunks(self.widths.len().max(1)) {
            for (cell, width) in row.iter().zip(&self.widths) {
                let (cell_text, after) = rest.split_at(cell.bytes);
                rest = after;
                let blanks = width - cell.width;
                let (before, after) = if cell.right { (blanks, 0) } else { (0, blanks) };
                pad(&mut text, before);
                text.push_str(cell_text);
                pad(&mut text, after + usize::from(GAP));
            }
            text.truncate(text.trim_end_matches(' ').len());
            text.push('\n');
        }
        text
    }
}

/// Writes blanks.
fn pad(text: &mut String, mut blanks: usize) {
    const BLANKS: &str = "                                ";
    while blanks > 0 {
        let piece = blanks.min(BLANKS.len());
        text.push_str(&BLANKS[..piece]);
        blanks -= piece;
    }
}

/// A table for somebody who looks at it.
#[derive(Debug)]
pub(crate) struct Arranged {
    grid: Grid,
    terminal: Terminal,
}

impl Arranged {
    fn new(terminal: Terminal, headings: &[&str]) -> Self {
        let mut grid = Grid::new();
        grid.load_style(NOTHING);
        match terminal.width.filter(|_| terminal.interactive) {
            Some(width) => {
                grid.set_content_arrangement(ContentArrangement::Dynamic).set_width(width.max(MIN_WIDTH))
            }
            None => grid.set_content_arrangement(ContentArrangement::Disabled),
        };
        if terminal.colour {
            grid.enforce_styling();
        } else {
            grid.force_no_tty();
        }
        grid.set_header(headings.iter().map(|heading| Cell::new(heading).add_attribute(Attribute::Bold)));
        for column in grid.column_iter_mut() {
            column.set_padding((0, GAP));
        }
        Arranged { grid, terminal }
    }

    fn row<'a>(&mut self, entries: impl IntoIterator<Item = Entry<'a>>) {
        let unicode = self.terminal.unicode;
        let cells = entries.into_iter().map(|entry| {
            let cell = Cell::new(plain(&entry.text, unicode));
            let cell = if entry.right { cell.set_alignment(CellAlignment::Right) } else { cell };
            match entry.tone {
                Tone::Normal => cell,
                Tone::Good => cell.fg(Color::Green),
                Tone::Bad => cell.fg(Color::Red),
                Tone::Busy => cell.fg(Color::Yellow),
                Tone::Faint => cell.add_attribute(Attribute::Dim),
            }
        });
        self.grid.add_row(cells.collect::<Vec<_>>());
    }

    /// Makes room on a narrow terminal: only the last column is broken into lines, and where that is not enough, the
    /// columns at the end are left out. A name or a time in pieces is no use to anybody.
    fn fit(&mut self, width: u16) {
        let widths = self.grid.column_max_content_widths();
        let fits = |kept: usize| {
            let (last, whole) = widths[..kept].split_last().unwrap_or((&0, &[]));
            let whole: u16 = whole.iter().map(|width| width.saturating_add(GAP)).fold(0, u16::saturating_add);
            whole.saturating_add(GAP).saturating_add((*last).min(LAST_WIDTH)) <= width
        };
        // Two columns are what a table is; if they do not fit, they are broken.
        let Some(kept) = (2..=widths.len()).rev().find(|kept| fits(*kept)) else { return };
        for (place, column) in self.grid.column_iter_mut().enumerate() {
            if place >= kept {
                column.set_constraint(ColumnConstraint::Hidden);
            } else if place + 1 < kept {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
    }

    fn render(mut self) -> String {
        if let Some(width) = self.terminal.width.filter(|_| self.terminal.interactive) {
            self.fit(width.max(MIN_WIDTH));
        }
        let mut text = String::new();
        for line in self.grid.lines() {
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::{Entry, Table, Tone};
    use crate::cli::terminal::Terminal;

    const PIPE: Terminal = Terminal { interactive: false, colour: false, unicode: true, width: None };

    fn table(terminal: Terminal) -> String {
        let mut table = Table::new(terminal, &["NAME", "RUNS", "DESCRIPTION"]);
        table.row([Entry::new("backup"), Entry::number(3), Entry::new("Off-site backup of /home and /etc")]);
        table.row([Entry::new("東京").tone(Tone::Good), Entry::number(12), Entry::maybe(None)]);
        table.render()
    }

    #[test]
    fn a_piped_table_is_aligned_plain_text() {
        assert_eq!(
            table(PIPE),
            "NAME    RUNS  DESCRIPTION\n\
             backup     3  Off-site backup of /home and /etc\n\
             東京      12  -\n"
        );
    }

    #[test]
    fn a_narrow_terminal_loses_columns_rather_than_words() {
        let terminal = Terminal { interactive: true, width: Some(40), ..PIPE };
        let mut table = Table::new(terminal, &["NAME", "STATE", "NEXT", "DESCRIPTION"]);
        let description = Entry::new("Off-site backup of everything");
        table.row([
            Entry::new("a-rather-long-name"),
            Entry::new("scheduled"),
            Entry::new("in 2h"),
            description,
        ]);
        assert_eq!(
            table.render(),
            "NAME                STATE      NEXT\na-rather-long-name  scheduled  in 2h\n"
        );
    }

    #[test]
    fn a_table_on_a_terminal_is_no_wider_than_it() {
        let narrow = Terminal { interactive: true, width: Some(40), ..PIPE };
        let text = table(narrow);
        assert!(text.lines().all(|line| line.chars().count() <= 40), "{text}");
        assert!(text.lines().count() > 3, "{text}");
        let coloured = Terminal { colour: true, ..narrow };
        assert!(table(coloured).contains("\u{1b}["));
    }
}

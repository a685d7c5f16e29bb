//! Markdown to roff, as far as our own pages use it: headings, paragraphs, numbered and plain lists, definitions
//! (`: ` at the beginning of a line), fenced examples, emphasis, code and links.
//!
//! One source for what is read on a web page and with man(1).

use super::man::escaped;

/// What the lines so far have opened.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Nothing,
    Paragraph,
    /// An item of a list; lines that are indented belong to it.
    Item,
    Example,
}

/// Turns a page into the body of a manual page; its title (`# ..`) is left out.
pub(crate) fn to_roff(text: &str) -> String {
    let mut writer = Writer { out: String::new(), open: Open::Nothing, nested: false, blank: true };
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let defined = lines.peek().is_some_and(|next| next.starts_with(": "));
        writer.line(line, defined);
    }
    writer.unnest();
    writer.out
}

struct Writer {
    out: String,
    open: Open,
    /// True inside a list that is part of an item.
    nested: bool,
    /// True after an empty line.
    blank: bool,
}

impl Writer {
    /// Takes a line; `defined` says that the next one defines it.
    fn line(&mut self, line: &str, defined: bool) {
        if self.open == Open::Example {
            if line.starts_with("```") {
                self.out.push_str(".fi\n.RE\n");
                self.open = Open::Nothing;
            } else {
                self.push(&escaped(line));
            }
            return;
        }
        let text = line.trim_start();
        let indented = text.len() < line.len();
        if text.is_empty() {
            self.blank = true;
        } else if line.starts_with("```") {
            self.unnest();
            self.out.push_str(".PP\n.RS 4\n.nf\n");
            self.open = Open::Example;
        } else if let Some(heading) = line.strip_prefix("### ") {
            self.heading(".SS", heading);
        } else if let Some(heading) = line.strip_prefix("## ") {
            self.heading(".SH", &heading.to_uppercase());
        } else if !line.starts_with("# ") {
            self.body(text, indented, defined);
            self.blank = false;
        }
    }

    fn body(&mut self, text: &str, indented: bool, defined: bool) {
        if let Some(meaning) = text.strip_prefix(": ") {
            self.push(&inline(meaning));
            self.open = Open::Item;
        } else if defined {
            self.unnest();
            self.out.push_str(".TP\n");
            self.push(&inline(text));
        } else if let Some((number, rest)) = numbered(text).filter(|_| !indented) {
            self.unnest();
            self.out.push_str(&format!(".IP \"{number}\" 5\n"));
            self.push(&inline(rest));
            self.open = Open::Item;
        } else if let Some(rest) = text.strip_prefix("- ") {
            if indented && !self.nested {
                self.out.push_str(".RS 5\n");
            }
            self.nested = indented;
            self.out.push_str(".IP \\(bu 3\n");
            self.push(&inline(rest));
            self.open = Open::Item;
        } else if self.blank {
            self.unnest();
            let within = indented && self.open == Open::Item;
            self.out.push_str(if within { ".IP \"\" 5\n" } else { ".PP\n" });
            self.push(&inline(text));
            self.open = if within { Open::Item } else { Open::Paragraph };
        } else {
            self.push(&inline(text));
        }
    }

    fn heading(&mut self, request: &str, heading: &str) {
        self.unnest();
        self.out.push_str(&format!("{request} \"{}\"\n", inline(heading)));
        self.open = Open::Nothing;
    }

    fn unnest(&mut self) {
        if std::mem::take(&mut self.nested) {
            self.out.push_str(".RE\n");
        }
    }

    fn push(&mut self, text: &str) {
        self.out.push_str(text);
        self.out.push('\n');
    }
}

/// Splits the number of an item from its text.
fn numbered(text: &str) -> Option<(&str, &str)> {
    let (number, rest) = text.split_once(' ')?;
    let digits = number.strip_suffix('.')?;
    (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some((number, rest))
}

/// Turns code, emphasis and links of a line into fonts; what is not closed on the line, or comes after a backslash,
/// is a plain character.
fn inline(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(at) = rest.find(['\\', '`', '*', '[']) {
        out.push_str(&escaped(&rest[..at]));
        rest = &rest[at..];
        if let Some(next) = rest.strip_prefix('\\').and_then(|rest| rest.chars().next()) {
            out.push_str(&escaped(next.encode_utf8(&mut [0; 4])));
            rest = &rest[1 + next.len_utf8()..];
            continue;
        }
        let (piece, length) = span(rest).unwrap_or_else(|| (escaped(&rest[..1]), 1));
        out.push_str(&piece);
        rest = &rest[length..];
    }
    out.push_str(&escaped(rest));
    out
}

/// Reads what begins at a mark: its roff, and how many bytes it takes.
fn span(text: &str) -> Option<(String, usize)> {
    let between = |mark: &str| {
        let inner = text.strip_prefix(mark)?;
        let length = inner.find(mark).filter(|length| *length > 0)?;
        Some((&inner[..length], length + 2 * mark.len()))
    };
    if let Some((code, length)) = between("`") {
        return Some((format!("\\fB{}\\fR", escaped(code)), length));
    }
    if let Some((strong, length)) = between("**") {
        return Some((format!("\\fB{}\\fR", escaped(strong)), length));
    }
    if let Some((stressed, length)) = between("*") {
        return Some((format!("\\fI{}\\fR", escaped(stressed)), length));
    }
    let (label, target) = text.strip_prefix('[')?.split_once("](")?;
    let target = target.split_once(')')?.0;
    Some((inline(label), label.len() + target.len() + "[]()".len()))
}

#[cfg(test)]
mod tests {
    use super::{inline, to_roff};

    #[test]
    fn fonts_and_links() {
        let cases = [
            ("plain - text", "plain \\- text"),
            ("`a-b` and **c** and *d*", "\\fBa\\-b\\fR and \\fBc\\fR and \\fId\\fR"),
            ("see [the page](docs/x.md).", "see the page\\&."),
            ("`*/5 * * * *`", "\\fB*/5 * * * *\\fR"),
            ("2 * 3 [x] `", "2 * 3 [x] `"),
            ("\\*no\\* \\`no\\` \\\\ \\", "*no* `no` \\e \\e"),
            (".dot", "\\&.dot"),
        ];
        for (markdown, roff) in cases {
            assert_eq!(inline(markdown), roff, "{markdown}");
        }
    }

    #[test]
    fn our_pages_leave_no_mark_behind() {
        for body in [crate::cli::jobs_page::body(), crate::cli::time_page::body()] {
            for mark in ["`", "**", "]("] {
                assert!(!body.contains(mark), "{mark}: a mark that is closed on another line");
            }
        }
    }

    #[test]
    fn blocks() {
        let markdown = "# Title\n\n## Part\n\nText\nthat goes on.\n\nMore.\n\n1. **One**\n   goes on\n   - a\n   - b\n\n   \
                        again\n2. Two\n\n`key` = x\n: Meaning.\n\n```toml\n.a = 1\n```\n\n- plain\n";
        let roff = ".SH \"PART\"\n.PP\nText\nthat goes on.\n.PP\nMore.\n.IP \"1.\" 5\n\\fBOne\\fR\ngoes on\n.RS 5\n\
                    .IP \\(bu 3\na\n.IP \\(bu 3\nb\n.RE\n.IP \"\" 5\nagain\n.IP \"2.\" 5\nTwo\n.TP\n\
                    \\fBkey\\fR = x\nMeaning.\n.PP\n.RS 4\n.nf\n\\&.a = 1\n.fi\n.RE\n.IP \\(bu 3\nplain\n";
        assert_eq!(to_roff(markdown), roff);
    }
}

//! Diagnostics as people read them: the line, a caret and the hint.

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet, normalize_untrusted_str};

use super::diagnostic::{Diagnostic, Severity};

/// Renders diagnostics with their source lines; the result ends in a line break unless it is empty.
pub fn render(diagnostics: &[Diagnostic], colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let mut text = String::new();
    for diagnostic in diagnostics {
        text.push_str(&renderer.render(&[group(diagnostic)]));
        text.push_str("\n\n");
    }
    text.truncate(text.trim_end_matches('\n').len());
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

fn group(diagnostic: &Diagnostic) -> Group<'_> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let path = diagnostic.file.to_string_lossy();
    let snippet = Snippet::source(diagnostic.source_line.as_str())
        .line_start(diagnostic.line)
        .annotation(AnnotationKind::Primary.span(diagnostic.span.clone()));
    let group = level.primary_title(diagnostic.message.as_str());
    // The renderer counts the column in what it is shown, which for a line that was cut is not the column.
    let shown = diagnostic.source_line[..diagnostic.span.start].chars().count() + 1;
    let group = if shown == diagnostic.column {
        group.element(snippet.path(path))
    } else {
        let origin = Origin::path(path).line(diagnostic.line).char_column(diagnostic.column);
        group.element(origin).element(snippet)
    };
    match &diagnostic.hint {
        Some(hint) => group.element(Level::HELP.message(normalize_untrusted_str(hint))),
        None => group,
    }
}

//! Text of others made fit for a terminal.

use std::borrow::Cow;

/// Makes text of others harmless: control characters become escapes, so that no job's description can move the
/// cursor or colour the screen; without UTF-8 every other character becomes `?`.
pub(crate) fn plain(text: &str, unicode: bool) -> Cow<'_, str> {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Cow::Borrowed(text);
    }
    let harmless = |c: char| !c.is_control() && (unicode || c.is_ascii()) && !is_direction(c);
    if text.chars().all(harmless) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if harmless(c) => clean.push(c),
            '\n' => clean.push_str("\\n"),
            '\t' => clean.push_str("\\t"),
            c if c.is_control() || is_direction(c) => clean.extend(c.escape_default()),
            _ => clean.push('?'),
        }
    }
    Cow::Owned(clean)
}

/// Says whether a character turns the direction of the text around it, which can make a command look like
/// another one.
const fn is_direction(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Writes a count with its noun: `1 job`, `2 jobs`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// Joins words as English does: `a`, `a and b`, `a, b and c`.
pub(crate) fn list(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// Joins the first of many words, and says how many there are besides: `a, b and 12 more`.
pub(crate) fn first(words: impl ExactSizeIterator<Item = String>) -> String {
    const NAMED: usize = 5;
    let besides = words.len().saturating_sub(NAMED);
    let mut named: Vec<String> = words.take(NAMED).collect();
    if besides > 0 {
        named.push(format!("{besides} more"));
    }
    list(&named)
}

/// Says what was done to which jobs: `paused backup`, `paused 12 jobs`.
pub(crate) fn names(done: &str, names: &[String]) -> String {
    const SHOWN: usize = 5;
    match names.len() {
        0 => format!("nothing to be {done}"),
        1..=SHOWN => format!("{done} {}", list(names)),
        many => format!("{done} {}", count(many as u64, "job")),
    }
}

/// Cuts a text to a number of characters, with `...` for what is left out.
pub(crate) fn short<'a>(text: impl Into<Cow<'a, str>>, most: usize) -> Cow<'a, str> {
    let text = text.into();
    if text.len() <= most || text.chars().count() <= most {
        return text;
    }
    let kept: String = text.chars().take(most.saturating_sub(3)).collect();
    Cow::Owned(format!("{kept}..."))
}

#[cfg(test)]
mod tests {
    use super::{count, list, plain, short};

    #[test]
    fn text_of_others_cannot_command_the_terminal() {
        assert_eq!(plain("Größe 東京", true), "Größe 東京");
        assert_eq!(plain("Größe", false), "Gr??e");
        assert_eq!(plain("a\x1b[31mb\nc\td\u{85}", true), "a\\u{1b}[31mb\\nc\\td\\u{85}");
        assert_eq!(plain("rm \u{202e}fr-", true), "rm \\u{202e}fr-");
    }

    #[test]
    fn words_are_joined_and_counted() {
        assert_eq!(count(1, "job"), "1 job");
        assert_eq!(count(0, "job"), "0 jobs");
        let words: Vec<String> = ["a", "b", "c"].map(str::to_owned).into();
        assert_eq!(list(&words), "a, b and c");
        assert_eq!(list(&words[..2]), "a and b");
        assert_eq!(short("abcdefgh", 6), "abc...");
        assert_eq!(short("abc", 6), "abc");
    }
}

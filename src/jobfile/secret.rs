//! Lines of a text that hold values of `env`, found without its being TOML: an error in one must not show it.
//!
//! Where that cannot be told, a line counts as one of them.

/// What of a line may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// All of it.
    All,
    /// What is before the first `=`.
    Name,
    /// Nothing.
    Nothing,
}

/// What stands in the place of what is not shown.
const MASK: &str = "***";

/// Says of each line what may be shown.
pub(super) fn lines(text: &str) -> Vec<Shown> {
    let mut within_env = false;
    let mut open = Open::default();
    let shown = |line: &str| {
        let trimmed = line.trim_start();
        let is_header = trimmed.starts_with('[') && open.quote.is_none();
        if is_header && (open.brackets == 0 || line.starts_with('[')) {
            let is_env = |part: &str| part.trim_matches(|c: char| !c.is_alphanumeric() && c != '_') == "env";
            within_env = trimmed.split(['.', ']']).any(is_env);
            open = Open::default();
            return if trimmed.contains('=') { Shown::Nothing } else { Shown::All };
        }
        let goes_on = open != Open::default();
        if !(goes_on || within_env || has_env(line)) {
            return Shown::All;
        }
        open.go_on(line);
        if line.contains('=') && !goes_on { Shown::Name } else { Shown::Nothing }
    };
    text.split('\n').map(shown).collect()
}

/// Returns what may be shown of a line, and the number of bytes at its beginning that are as they were.
pub(super) fn masked(line: &str, shown: Shown) -> Option<(String, usize)> {
    let kept = match shown {
        Shown::All => return None,
        Shown::Name => line.split_inclusive('=').next().unwrap_or_default(),
        Shown::Nothing => "",
    };
    let blank = if kept.is_empty() { "" } else { " " };
    Some((format!("{kept}{blank}{MASK}"), kept.len()))
}

/// What a line of `env` has opened and not closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Open {
    brackets: usize,
    quote: Option<&'static str>,
}

impl Open {
    fn go_on(&mut self, line: &str) {
        let mut rest = line;
        while !rest.is_empty() {
            if let Some(quote) = self.quote {
                let Some((_, after)) = rest.split_once(quote) else { return };
                self.quote = None;
                rest = after;
                continue;
            }
            let quote = ["\"\"\"", "'''"].into_iter().find(|quote| rest.starts_with(*quote));
            self.quote = quote;
            match rest.as_bytes()[0] {
                b'{' | b'[' => self.brackets += 1,
                b'}' | b']' => self.brackets = self.brackets.saturating_sub(1),
                _ => {}
            }
            let length = quote.map_or_else(|| rest.chars().next().map_or(1, char::len_utf8), str::len);
            rest = &rest[length..];
        }
    }
}

/// Says whether a line has a key `env`.
fn has_env(line: &str) -> bool {
    line.match_indices("env").any(|(at, word)| {
        let quote = ['"', '\''];
        let before = line[..at].trim_end_matches(quote);
        let after = line[at + word.len()..].trim_start_matches(quote).trim_start();
        let begins = before.is_empty() || before.ends_with([' ', '\t', '.', '{', ',', '[']);
        begins && after.starts_with(['.', '='])
    })
}

#[cfg(test)]
mod tests {
    use super::{Shown, lines, masked};

    #[test]
    fn values_of_env_are_found_in_any_text() {
        let cases: &[(&str, &[Shown])] = &[
            ("a = 1\nenv.A = s\nb = 2", &[Shown::All, Shown::Name, Shown::All]),
            (
                "[jobs.a.env]\nA = s\nB\n[x]\nc = 1",
                &[Shown::All, Shown::Name, Shown::Nothing, Shown::All, Shown::All],
            ),
            ("[ defaults . \"env\" \nA = s", &[Shown::All, Shown::Name]),
            ("env = {\n A = s,\n}\nb = 2", &[Shown::Name, Shown::Nothing, Shown::Nothing, Shown::All]),
            (
                "env = { A = \"x\nb = 2\n[jobs.b]\nc = 3",
                &[Shown::Name, Shown::Nothing, Shown::All, Shown::All],
            ),
            (
                "\"env\".A = '''\n[s]\nb=1\n'''\nc = 2",
                &[Shown::Name, Shown::Nothing, Shown::Nothing, Shown::Nothing, Shown::All],
            ),
            ("steps = [{ command = \"x\", env = { A = s } }]", &[Shown::Name]),
            ("[jobs.env]\nA = s\nenv_file = 1", &[Shown::All, Shown::Name, Shown::Name]),
            ("env_file = s\nenvy = 1\nx = \"$env\"", &[Shown::All, Shown::All, Shown::All]),
        ];
        for (text, expected) in cases {
            assert_eq!(lines(text), *expected, "{text:?}");
        }
        assert_eq!(masked("A = s=t", Shown::Name), Some(("A = ***".to_owned(), 3)));
        assert_eq!(masked("s=t", Shown::Nothing), Some(("***".to_owned(), 0)));
    }
}

//! Globs over names.

/// The longest pattern accepted, in bytes; twice the longest name.
pub const MAX_PATTERN_BYTES: usize = 256;

/// Says whether a text is a glob rather than a plain name; names hold none of these characters.
pub fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// Says whether a glob matches the whole of a text: `*` any run of characters, `?` one, `[a-z]` one of a set,
/// `[!a-z]` one that is not in the set. A `[` without its `]` stands for itself.
///
/// Work is bounded by the product of both lengths: only the last `*` is ever tried again.
pub fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    // Where to go on after the last star: the pattern behind it, and the text it has not yet swallowed.
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&'*') {
            p += 1;
            retry = Some((p, t));
        } else if let Some(width) = one(&pattern[p..], text[t]) {
            p += width;
            t += 1;
        } else if let Some((behind, swallowed)) = retry {
            p = behind;
            t = swallowed + 1;
            retry = Some((behind, t));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// Matches the first element of a pattern, which is no star, with one character; returns the element's length.
fn one(pattern: &[char], c: char) -> Option<usize> {
    match pattern.first()? {
        '?' => Some(1),
        '[' => match pattern.iter().skip(2).position(|c| *c == ']') {
            Some(end) => in_set(&pattern[1..end + 2], c).then_some(end + 3),
            None => (c == '[').then_some(1),
        },
        literal => (*literal == c).then_some(1),
    }
}

/// Says whether a set, without its brackets, has a character.
fn in_set(set: &[char], c: char) -> bool {
    let (negated, mut rest) = match set {
        ['!' | '^', rest @ ..] if !rest.is_empty() => (true, rest),
        _ => (false, set),
    };
    let mut found = false;
    while let Some((first, tail)) = rest.split_first() {
        rest = match tail {
            ['-', last, behind @ ..] => {
                found |= (*first..=*last).contains(&c);
                behind
            }
            _ => {
                found |= *first == c;
                tail
            }
        };
    }
    found != negated
}

#[cfg(test)]
mod tests {
    use super::{is_glob, matches};

    #[test]
    fn globs_match_the_whole_name() {
        let table = [
            ("backup", "backup", true),
            ("backup", "backups", false),
            ("", "", true),
            ("*", "", true),
            ("*", "anything", true),
            ("db-*", "db-", true),
            ("db-*", "db-main", true),
            ("db-*", "adb-main", false),
            ("*-db", "a-db-b-db", true),
            ("*a*b*c", "xxaxxbxxc", true),
            ("*a*b*c", "xxaxxcxxb", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("j[0-9]", "j7", true),
            ("j[0-9]", "jx", false),
            ("j[!0-9]", "jx", true),
            ("j[!0-9]", "j7", false),
            ("j[abc-]", "j-", true),
            ("j[", "j[", true),
            ("j[x", "jx", false),
            ("j[]]", "j]", true),
            ("[!]", "!", true),
            ("**", "x", true),
        ];
        for (pattern, text, expected) in table {
            assert_eq!(matches(pattern, text), expected, "{pattern:?} on {text:?}");
        }
    }

    #[test]
    fn a_pattern_of_many_stars_is_no_trap() {
        let pattern = "*a".repeat(128);
        let text = format!("{}b", "a".repeat(10_000));
        assert!(!matches(&pattern, &text));
    }

    #[test]
    fn plain_names_are_no_globs() {
        assert!(!is_glob("a.b_c-1"));
        assert!(is_glob("a*") && is_glob("?") && is_glob("[a]"));
    }
}

//! The part of a file that has one job, found without reading the rest: to parse a hundred thousand jobs for one of
//! them takes a third of a second.
//!
//! Only looks at lines. Whoever parses the excerpt finds out whether it is whole: one that was cut within a value is
//! not TOML.

/// Returns the tables of a job whose header is in this line (from 1), where they stand together. `None` = what the
/// file has of the job cannot be told without parsing all of it.
pub(super) fn tables_of<'t>(text: &'t str, name: &str, line: u32) -> Option<&'t str> {
    let (mut start, mut end, mut offset) = (None, None, 0);
    for (number, whole) in (1..).zip(text.split_inclusive('\n')) {
        let header = whole.trim_start();
        if header.starts_with('[') {
            match (is_header_of(header, name)?, start, end) {
                (true, None, _) if number == line => start = Some(offset),
                // What looks like the header stands in a text, or there are further tables at another place.
                (true, None, _) | (true, Some(_), Some(_)) => return None,
                (false, Some(_), None) => end = Some(offset),
                (true, Some(_), None) | (false, _, _) => {}
            }
        }
        offset += whole.len();
    }
    text.get(start?..end.unwrap_or(text.len()))
}

/// Says whether a line is the header of a job's table or of one within it; `None` = that takes a parser.
fn is_header_of(line: &str, name: &str) -> Option<bool> {
    if line.contains('\\') {
        return None;
    }
    let key = line.trim_start_matches('[').trim_start();
    let Some(key) = key.strip_prefix("jobs").and_then(|key| key.trim_start().strip_prefix('.')) else {
        // The table of all jobs, or one whose key is in quotes, may have anything in it.
        return if key.starts_with(['"', '\'']) || key.starts_with("jobs") { None } else { Some(false) };
    };
    let key = key.trim_start();
    let rest = match key.chars().next()? {
        quote @ ('"' | '\'') => key[1..].strip_prefix(name).and_then(|rest| rest.strip_prefix(quote)),
        _ if name.contains('.') => None,
        _ => key.strip_prefix(name),
    };
    Some(rest.is_some_and(|rest| rest.trim_start().starts_with(['.', ']'])))
}

#[cfg(test)]
mod tests {
    use super::tables_of;

    #[test]
    fn tables_that_stand_together_are_found_by_their_lines() {
        let text = "timezone = 'UTC'\n[jobs.a]\nx = 1\n  [ jobs . \"a\" . env ]\nY = '2'\n[[jobs.a.steps]]\n\n\
            [jobs.ab]\nx = 2\n[jobs.'c.d']\nx = 3\n[pools.a]\n[jobs.c.d]\nx = 4\n";
        let a = "[jobs.a]\nx = 1\n  [ jobs . \"a\" . env ]\nY = '2'\n[[jobs.a.steps]]\n\n";
        for (name, line, expected) in [
            ("a", 2, Some(a)),
            ("a", 3, None),
            ("ab", 8, Some("[jobs.ab]\nx = 2\n")),
            ("c.d", 10, Some("[jobs.'c.d']\nx = 3\n")),
            ("c", 13, Some("[jobs.c.d]\nx = 4\n")),
            ("b", 8, None),
        ] {
            assert_eq!(tables_of(text, name, line), expected, "{name}");
        }
    }

    #[test]
    fn what_takes_a_parser_is_left_to_one() {
        for text in [
            // Further tables of the job at another place.
            "[jobs.a]\nx = 1\n[jobs.b]\n[jobs.a.env]\nY = '2'\n",
            "[jobs.a]\nx = 1\n[jobs.b]\n[jobs.\"\\u0061\".env]\nY = '2'\n",
            "[jobs.a]\nx = 1\n[\"jobs\".a.env]\nY = '2'\n",
            // What looks like one in a text.
            "[jobs.a]\nx = 1\n[jobs.b]\ny = '''\n[jobs.a]\n'''\n",
            // Jobs as keys.
            "[jobs]\na = { x = 1 }\n",
            "jobs.a.x = 1\n",
        ] {
            assert_eq!(tables_of(text, "a", 1), None, "{text}");
        }
        assert_eq!(tables_of("[jobs.b]\ny = '''\n[jobs.a]\n'''\n[jobs.a]\nx = 1\n", "a", 5), None);
    }
}

//! Files of `NAME=value` lines (`env_file`).
//!
//! Blank lines and lines that begin with `#` say nothing; `export ` in front of a name is allowed. A value
//! is taken as it stands up to the end of the line, without blanks around it; in single quotes everything is
//! itself; in double quotes `\\ \" \$ \n \t` are escapes. Nothing is expanded and nothing is run.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use super::account::Account;
use super::error::StartError;
use super::trust;

/// The largest file that is read, bytes.
const MAX_BYTES: u64 = 1 << 20;

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// There is no `=`.
    #[error("expected NAME=value")]
    NoAssignment,
    /// The name is none.
    #[error("a variable's name has letters, digits and '_' only and begins with no digit")]
    Name,
    /// A quote is opened and not closed on the line, or something follows the closed one.
    #[error("the quoted value does not end at the end of the line")]
    Quote,
    /// A NUL byte.
    #[error("a value cannot hold a NUL byte")]
    Nul,
}

/// Reads a file of assignments, in their order.
///
/// # Errors
/// The file cannot be read or is larger than 1 MiB, or the first line that is no assignment.
pub(super) fn read(path: &Path, account: &Account) -> Result<Vec<(OsString, OsString)>, StartError> {
    let failed = |source| StartError::EnvFile { path: path.to_owned(), source };
    let mut text = Vec::new();
    let file = trust::open(path, account).map_err(failed)?;
    // What is no file may be longer in coming than a start may wait.
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file")));
    }
    file.take(MAX_BYTES + 1).read_to_end(&mut text).map_err(failed)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(failed(io::Error::from(io::ErrorKind::FileTooLarge)));
    }
    parse(&text).map_err(|(line, problem)| StartError::EnvFileLine { path: path.to_owned(), line, problem })
}

/// Parses the text of a file; an error comes with its line, from 1.
fn parse(text: &[u8]) -> Result<Vec<(OsString, OsString)>, (usize, Problem)> {
    let mut vars = Vec::new();
    for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        vars.push(assignment(line).map_err(|problem| (index + 1, problem))?);
    }
    Ok(vars)
}

fn assignment(line: &[u8]) -> Result<(OsString, OsString), Problem> {
    let line = line.strip_prefix(b"export ").map_or(line, <[u8]>::trim_ascii_start);
    let equals = line.iter().position(|byte| *byte == b'=').ok_or(Problem::NoAssignment)?;
    let (name, value) = (&line[..equals], line[equals + 1..].trim_ascii_start());
    let lead = name.first().is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_');
    if !lead || !name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') {
        return Err(Problem::Name);
    }
    let value = match value.first() {
        Some(b'\'') => single_quoted(&value[1..])?,
        Some(b'"') => double_quoted(&value[1..])?,
        _ => value.to_vec(),
    };
    if value.contains(&0) {
        return Err(Problem::Nul);
    }
    Ok((OsString::from_vec(name.to_vec()), OsString::from_vec(value)))
}

fn single_quoted(rest: &[u8]) -> Result<Vec<u8>, Problem> {
    match rest.iter().position(|byte| *byte == b'\'') {
        Some(end) if end + 1 == rest.len() => Ok(rest[..end].to_vec()),
        _ => Err(Problem::Quote),
    }
}

fn double_quoted(rest: &[u8]) -> Result<Vec<u8>, Problem> {
    let mut value = Vec::with_capacity(rest.len());
    let mut bytes = rest.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return if bytes.len() == 0 { Ok(value) } else { Err(Problem::Quote) },
            b'\\' => match bytes.next() {
                Some(escaped @ (b'\\' | b'"' | b'$')) => value.push(escaped),
                Some(b'n') => value.push(b'\n'),
                Some(b't') => value.push(b'\t'),
                Some(other) => value.extend([b'\\', other]),
                None => return Err(Problem::Quote),
            },
            other => value.push(other),
        }
    }
    Err(Problem::Quote)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::{Problem, parse};

    fn pair(name: &str, value: &str) -> (OsString, OsString) {
        (name.into(), value.into())
    }

    #[test]
    fn assignments_are_taken_as_they_stand() {
        let text =
            b"# a comment\n\nA=1\nexport B = x y  # kept\r\nC='$HOME \\n'\nD=\"a\\\"b\\$c\\nd\\x\"\nE=\n";
        // A blank before the `=` belongs to no name.
        assert_eq!(parse(text), Err((4, Problem::Name)));
        let text =
            b"# a comment\n\nA=1\nexport B= x y  # kept\r\nC='$HOME \\n'\nD=\"a\\\"b\\$c\\nd\\x\"\nE=\n";
        let expected = vec![
            pair("A", "1"),
            pair("B", "x y  # kept"),
            pair("C", "$HOME \\n"),
            pair("D", "a\"b$c\nd\\x"),
            pair("E", ""),
        ];
        assert_eq!(parse(text), Ok(expected));
    }

    #[test]
    fn a_bad_line_is_named() {
        let cases: [(&[u8], usize, Problem); 7] = [
            (b"A=1\nnonsense\n", 2, Problem::NoAssignment),
            (b"1A=x", 1, Problem::Name),
            (b"=x", 1, Problem::Name),
            (b"A='x", 1, Problem::Quote),
            (b"A=\"x\" y", 1, Problem::Quote),
            (b"A=\"x\\", 1, Problem::Quote),
            (b"A=x\0y", 1, Problem::Nul),
        ];
        for (text, line, problem) in cases {
            assert_eq!(parse(text), Err((line, problem)), "{text:?}");
        }
    }
}

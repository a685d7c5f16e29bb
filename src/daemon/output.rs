//! Looks at the output of a run that ended well: is there any, and does it end in a JSON document.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// The longest document kept as a run's result, bytes.
const MAX_DOCUMENT: u64 = 1 << 20;

/// Judges an output; returns the document where one is wanted.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn judge(path: Option<&Path>, json: bool, nonempty: bool) -> Result<Option<String>, String> {
    let Some(path) = path else { return Err("there is no output file".to_owned()) };
    let text = tail(path).map_err(|error| format!("the output cannot be read: {error}"))?;
    if nonempty && text.trim().is_empty() {
        return Err("it wrote nothing".to_owned());
    }
    if !json {
        return Ok(None);
    }
    match last_document(&text) {
        Some(document) => Ok(Some(document)),
        None => Err("the output does not end in a JSON document".to_owned()),
    }
}

fn tail(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(MAX_DOCUMENT)))?;
    let mut bytes = Vec::new();
    file.take(MAX_DOCUMENT).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Finds the JSON document at the end of a text: one that begins at the beginning of a line, the longest first.
fn last_document(text: &str) -> Option<String> {
    let text = text.trim_end();
    let valid = |part: &&str| serde_json::from_str::<serde::de::IgnoredAny>(part).is_ok();
    let begins = |at: &usize| matches!(text.as_bytes().get(*at), Some(b'{' | b'['));
    let line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1));
    let openings = line_starts.filter(begins).collect::<Vec<_>>();
    // Few lines of a log begin with a bracket; those near the end are the likely ones.
    let likely = &openings[openings.len().saturating_sub(LINES_TRIED)..];
    let document = likely.iter().map(|at| &text[*at..]).find(|part| valid(part));
    let last_line = text.rsplit('\n').next().filter(valid);
    document.or(last_line.filter(|line| !line.is_empty())).map(str::to_owned)
}

/// How many lines that may open a document are tried.
const LINES_TRIED: usize = 200;

#[cfg(test)]
mod tests {
    use super::last_document;

    #[test]
    fn the_last_document_is_found_behind_other_output() {
        for (text, expected) in [
            ("{\"a\":1}\n", Some("{\"a\":1}")),
            ("working\n{\n  \"a\": [1,\n2]\n}\n\n", Some("{\n  \"a\": [1,\n2]\n}")),
            ("{\"first\":1}\n{\"second\":2}", Some("{\"second\":2}")),
            ("42", Some("42")),
            ("done\n", None),
            ("{\"a\":1} trailing", None),
            ("", None),
        ] {
            assert_eq!(last_document(text).as_deref(), expected, "{text:?}");
        }
    }
}

//! The user's editor on a text that has to check before it is taken.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::error::{CliError, Kind};
use crate::jobfile::Diagnostic;

/// The beginning of the lines in which the errors are shown; they are taken out again.
const MARK: &str = "#! ";

/// What came of an edit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Edited {
    /// The text that checks.
    Text(String),
    /// Nothing was changed, or the change was given up.
    Nothing,
}

/// Opens a text in `$VISUAL` or `$EDITOR`, and again as long as it has errors and the user goes on.
///
/// `draft` is where the text is edited; it is deleted in the end, but kept where something goes wrong.
///
/// # Errors
/// The editor cannot be run or fails, the draft cannot be written, or the text cannot be checked.
pub(crate) fn edit(
    text: &str,
    draft: &Path,
    mut check: impl FnMut(&str) -> Result<Result<(), Vec<Diagnostic>>, CliError>,
) -> Result<Edited, CliError> {
    let mut shown = text.to_owned();
    // Whoever has made a file of that name before may read it, or change it under our hands.
    open(draft, File::options().create_new(true)).map_err(|error| broken(draft, &error))?;
    loop {
        write(draft, &shown)?;
        run_editor(draft)?;
        let edited = std::fs::read_to_string(draft).map_err(|error| broken(draft, &error))?;
        let stripped = strip(&edited);
        if stripped == text {
            remove(draft);
            return Ok(Edited::Nothing);
        }
        let errors = match check(&stripped)? {
            Ok(()) => {
                remove(draft);
                return Ok(Edited::Text(stripped));
            }
            Err(errors) => errors,
        };
        // Left as it was shown, errors and all: the user has given up.
        if edited == shown {
            let error = CliError::usage("the text still has errors: nothing is changed");
            return Err(error.hint(format!("your text is kept in {}", draft.display())));
        }
        shown = with_errors(&stripped, &errors);
    }
}

/// Names a draft beside a file, so that relative paths in it mean the same.
pub(crate) fn draft_beside(file: &Path) -> PathBuf {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    file.with_file_name(format!(".{name}.{}.draft", std::process::id()))
}

fn run_editor(file: &Path) -> Result<(), CliError> {
    let set = |name| std::env::var_os(name).filter(|value: &OsString| !value.is_empty());
    let editor = set("VISUAL").or_else(|| set("EDITOR"));
    if editor.is_none() && !io::stdin().is_terminal() {
        let error = CliError::usage("there is no terminal for an editor");
        return Err(error.hint("set EDITOR, or change keys with --set KEY=VALUE"));
    }
    let editor = editor.unwrap_or_else(|| OsString::from("vi"));
    // The variable may hold options, as in "code --wait": a shell splits them as everybody expects.
    let mut script = editor.clone();
    script.push(" \"$1\"");
    let status = Command::new("/bin/sh").arg("-c").arg(script).arg("sh").arg(file).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(CliError::new(Kind::Failed, format!("the editor failed: {status}"))
            .hint(format!("your text is kept in {}", file.display()))),
        Err(error) => Err(CliError::new(
            Kind::Failed,
            format!("the editor {} cannot be run: {error}", editor.to_string_lossy()),
        )),
    }
}

/// Writes a draft again; an editor may have put another file in its place, which is ours too.
fn write(draft: &Path, text: &str) -> Result<(), CliError> {
    let mut options = File::options();
    open(draft, options.create(true).truncate(true))
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| broken(draft, &error))
}

/// Opens a draft for its owner alone: definitions may hold secrets.
fn open(draft: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let file = options.write(true).mode(0o600).custom_flags(libc::O_NOFOLLOW).open(draft)?;
    if file.metadata()?.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it belongs to another user"));
    }
    Ok(file)
}

fn remove(draft: &Path) {
    // A draft that stays behind does no harm: it is hidden and belongs to no job set.
    let _ = std::fs::remove_file(draft);
}

fn broken(draft: &Path, error: &io::Error) -> CliError {
    CliError::new(Kind::Failed, format!("cannot edit {}: {error}", draft.display()))
}

/// Puts the errors above the text, as comments.
fn with_errors(text: &str, errors: &[Diagnostic]) -> String {
    let mut shown =
        format!("{MARK}Not yet right; leave it as it is to give up. These lines are taken out again.\n");
    // The lines above move the text down, so places are given by the line itself.
    for error in errors {
        let hint = error.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        shown.push_str(&format!("{MARK}{}{hint}\n", error.message));
        if !error.source_line.trim().is_empty() {
            shown.push_str(&format!("{MARK}    {}\n", error.source_line.trim_end()));
        }
    }
    shown.push_str(text);
    shown
}

fn strip(text: &str) -> String {
    let kept = text.split_inclusive('\n').filter(|line| !line.starts_with(MARK.trim_end()));
    kept.collect()
}

#[cfg(test)]
mod tests {
    use super::{strip, with_errors};
    use crate::jobfile::{Diagnostic, Severity};

    #[test]
    fn errors_are_shown_above_the_text_and_taken_out_again() {
        let text = "[jobs.a]\nevery = \"5x\"\n";
        let error = Diagnostic {
            severity: Severity::Error,
            message: "no unit".to_owned(),
            file: std::path::Path::new("x").into(),
            line: 2,
            column: 9,
            source_line: "every = \"5x\"".to_owned(),
            span: 8..12,
            hint: Some("w, d, h, m, s".to_owned()),
        };
        let shown = with_errors(text, &[error]);
        assert!(shown.contains("#! no unit (w, d, h, m, s)\n#!     every = \"5x\"\n[jobs.a]"), "{shown}");
        assert_eq!(strip(&shown), text);
    }
}

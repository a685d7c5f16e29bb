//! Mail: composes one and hands it to the system's sendmail.

use std::ffi::OsStr;
use std::fmt::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::error::DeliveryError;
use super::message::{Message, one_line};
use super::{mime, program};

/// Divides the parts; [`mime::body`] keeps it out of them.
const BOUNDARY: &str = "=_jobctl_part";

/// Where sendmail is when PATH does not say; the last is the place of older systems.
const USUAL_PLACES: [&str; 2] = ["/usr/sbin/sendmail", "/usr/lib/sendmail"];

/// Finds the system's sendmail in a PATH, or where it usually is.
pub(super) fn find_sendmail(path: Option<&OsStr>) -> Option<PathBuf> {
    let in_path =
        path.into_iter().flat_map(std::env::split_paths).filter(|directory| directory.is_absolute());
    let candidates = in_path.map(|directory| directory.join("sendmail"));
    candidates.chain(USUAL_PLACES.map(PathBuf::from)).find(|file| is_program(file))
}

fn is_program(file: &Path) -> bool {
    file.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

/// Sends a mail: `sendmail -i -t`, the mail on stdin.
///
/// `-i` keeps a line with a single dot from ending the mail early.
pub(super) fn send(
    mut sendmail: Command,
    to: &[String],
    from: Option<&str>,
    message: &Message,
    limit: Duration,
) -> Result<(), DeliveryError> {
    let mail = compose(to, from, message)?;
    sendmail.args(["-i", "-t"]);
    program::run(sendmail, mail.as_bytes(), limit)
}

/// Writes the mail with its headers, lines ended by line feeds as sendmail takes them.
///
/// Date, Message-ID and a missing From are left to sendmail, which knows them better.
pub(super) fn compose(to: &[String], from: Option<&str>, message: &Message) -> Result<String, DeliveryError> {
    let mut mail = String::new();
    let mut field = |name: &str, value: &str| {
        let _ = writeln!(mail, "{name}: {value}");
    };
    if let Some(from) = from {
        field("From", &address(from)?);
    }
    let to = to.iter().map(|to| address(to)).collect::<Result<Vec<_>, _>>()?;
    if to.is_empty() {
        return Err(DeliveryError::BadAddress(String::new()));
    }
    field("To", &to.join(",\n "));
    field("Subject", &mime::header(&one_line(&format!("[jobctl] {}", message.summary()))));
    // RFC 3834: no holiday notes and the like in return.
    field("Auto-Submitted", "auto-generated");
    field("X-Jobctl-Job", message.job.as_str());
    field("X-Jobctl-Kind", message.kind.as_str());
    field("MIME-Version", "1.0");
    let (output, cut) = message.tail();
    let mut text = message.body();
    if output.is_empty() {
        part(&mut mail, &text, None);
        return Ok(mail);
    }
    text.push_str(if cut { "\nThe end of its output is attached.\n" } else { "\nIts output is attached.\n" });
    add_lines(&mut mail, &[&format!("Content-Type: multipart/mixed; boundary=\"{BOUNDARY}\""), ""]);
    add_lines(&mut mail, &[&format!("--{BOUNDARY}")]);
    part(&mut mail, &text, None);
    add_lines(&mut mail, &["", &format!("--{BOUNDARY}")]);
    let run = message.run.map(|run| format!("-{run}")).unwrap_or_default();
    part(&mut mail, output, Some(&format!("{}{run}.txt", message.job)));
    add_lines(&mut mail, &["", &format!("--{BOUNDARY}--")]);
    Ok(mail)
}

fn add_lines(mail: &mut String, lines: &[&str]) {
    for line in lines {
        mail.push_str(line);
        mail.push('\n');
    }
}

/// Appends the headers and the text of a part, an attachment if it has a file name.
fn part(mail: &mut String, text: impl AsRef<[u8]>, file: Option<&str>) {
    let part = mime::body(text.as_ref(), BOUNDARY);
    let encoding = format!("Content-Transfer-Encoding: {}", part.encoding);
    add_lines(mail, &["Content-Type: text/plain; charset=utf-8", &encoding]);
    if let Some(file) = file {
        add_lines(mail, &[&format!("Content-Disposition: attachment; filename=\"{file}\"")]);
    }
    mail.push('\n');
    mail.push_str(&part.text);
}

/// Writes an address as a header takes it; a name before `<` that is not ASCII is encoded.
fn address(text: &str) -> Result<String, DeliveryError> {
    let trimmed = text.trim();
    if trimmed.is_empty() || text.contains(char::is_control) {
        return Err(DeliveryError::BadAddress(one_line(text)));
    }
    let named = trimmed.split_once('<').filter(|_| trimmed.ends_with('>') && !trimmed.is_ascii());
    Ok(match named {
        Some((name, rest)) => format!("{} <{rest}", mime::header(name.trim().trim_matches('"'))),
        None => trimmed.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::{compose, find_sendmail};
    use crate::core::change::NoticeKind;
    use crate::notify::DeliveryError;
    use crate::notify::tests::message;

    fn to(address: &str) -> Vec<String> {
        vec![address.to_owned()]
    }

    #[test]
    fn a_failure_says_what_happened_and_what_to_do_next() {
        insta::assert_snapshot!(
            compose(&to("ops@example.org"), Some("cron@example.org"), &message()).unwrap()
        );
    }

    #[test]
    fn a_message_without_output_is_a_plain_mail() {
        let mut message = message();
        message.kind = NoticeKind::Overdue;
        (message.run, message.status, message.exit, message.reason) = (None, None, None, None);
        message.detail = Some("no success since 2026-03-01T02:30:00Z".to_owned());
        message.output_tail.clear();
        let mail = compose(&to("root"), None, &message).unwrap();
        let (head, body) = mail.split_once("\n\n").unwrap();
        assert!(head.contains("Subject: [jobctl] backup is overdue on web1\n"), "{head}");
        assert!(!head.contains("From:") && !head.contains("multipart"), "{head}");
        assert!(body.contains("no success since") && body.contains("jobctl why backup"), "{body}");
        assert!(!body.contains("jobctl logs") && !body.contains("attached"), "{body}");
    }

    #[test]
    fn nothing_from_outside_adds_a_header() {
        let mut message = message();
        message.host = "evil\r\nBcc: all@example.org\n\nbody".to_owned();
        message.detail = Some("x\nBcc: all@example.org\n--=_jobctl_part--\n".to_owned());
        message.output_tail = b"\n--=_jobctl_part\nContent-Type: text/html\n\n<b>\n.\nBcc: x\n".to_vec();
        let mail = compose(&to("ops@example.org"), None, &message).unwrap();
        let (head, _) = mail.split_once("\n\n").unwrap();
        assert!(head.lines().all(|line| !line.to_lowercase().starts_with("bcc")), "{head}");
        assert!(!mail.contains('\r'), "{mail}");
        assert_eq!(mail.lines().filter(|line| line.starts_with("--=_jobctl_part")).count(), 3, "{mail}");
        for bad in ["a@b\nBcc: c@d", "a@b\r", "", " ", "a\0b"] {
            let refused = compose(&to(bad), None, &message).unwrap_err();
            assert!(matches!(refused, DeliveryError::BadAddress(_)) && refused.is_permanent(), "{bad:?}");
            assert!(compose(&to("a@b"), Some(bad), &message).is_err(), "{bad:?}");
        }
        assert!(compose(&[], None, &message).is_err());
    }

    #[test]
    fn names_outside_ascii_are_encoded() {
        let mut message = message();
        message.host = "größe".to_owned();
        let many = ["Jörg <j@example.org>".to_owned(), "root".to_owned()];
        let mail = compose(&many, None, &message).unwrap();
        assert!(mail.contains("To: =?utf-8?B?SsO2cmc=?= <j@example.org>,\n root\n"), "{mail}");
        assert!(mail.contains("Subject: =?utf-8?B?"), "{mail}");
        assert!(mail.is_ascii(), "{mail}");
    }

    #[test]
    fn sendmail_is_looked_for_in_absolute_directories() {
        let directory = tempfile::tempdir().unwrap();
        let path = std::env::join_paths(["relative".as_ref(), directory.path()]).unwrap();
        let file = directory.path().join("sendmail");
        assert_ne!(find_sendmail(Some(&path)), Some(file.clone()));
        std::os::unix::fs::symlink("/bin/sh", &file).unwrap();
        assert_eq!(find_sendmail(Some(&path)), Some(file));
    }
}

//! The encodings of mail: header words (RFC 2047) and quoted-printable bodies (RFC 2045).

use std::fmt::Write;

/// The longest encoded word, RFC 2047 section 2: 75 characters, 12 of which are its frame.
const WORD_BYTES: usize = 45;

/// The longest line of quoted-printable, RFC 2045 section 6.7, without the `=` that breaks it.
const QUOTED_LINE: usize = 75;

/// The longest line of an unencoded body, RFC 5322 section 2.1.1.
const PLAIN_LINE: usize = 998;

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Writes a text as the value of a header: as it is where it is plain ASCII, else in encoded words, folded.
///
/// The caller has removed control characters; they would be hidden in the encoding but are never left bare.
pub(super) fn header(text: &str) -> String {
    let plain = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    // A text that looks like an encoded word must not be read as one.
    if plain && !text.contains("=?") && text.len() <= 900 {
        return text.to_owned();
    }
    let mut words = Vec::new();
    let mut word = String::new();
    for c in text.chars() {
        if word.len() + c.len_utf8() > WORD_BYTES {
            words.push(std::mem::take(&mut word));
        }
        word.push(c);
    }
    words.push(word);
    let words: Vec<String> =
        words.iter().map(|word| format!("=?utf-8?B?{}?=", base64(word.as_bytes()))).collect();
    words.join("\n ")
}

/// Encodes bytes as base64 with padding (RFC 4648 section 4).
fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0, |bits, byte| (bits << 8) | u32::from(*byte));
        let bits = bits << (8 * (3 - group.len()));
        for place in 0..4 {
            let digit = BASE64[((bits >> (18 - 6 * place)) & 63) as usize];
            text.push(if place <= group.len() { digit.into() } else { '=' });
        }
    }
    text
}

/// A body part ready to be sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// The value of `Content-Transfer-Encoding`.
    pub(super) encoding: &'static str,
    /// The encoded bytes, lines ended by a line feed; ASCII only.
    pub(super) text: String,
}

/// Encodes a body: as it is where every mail program on the way keeps it, else quoted-printable.
///
/// `boundary` is the beginning of the line that divides the parts; it does not occur in the result, since it
/// begins with `=_`, which quoted-printable never writes.
pub(super) fn body(bytes: &[u8], boundary: &str) -> Part {
    let plain = |bytes: &[u8]| bytes.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t'));
    let fits = bytes.split(|byte| *byte == b'\n').all(|line| line.len() <= PLAIN_LINE && plain(line));
    match std::str::from_utf8(bytes) {
        Ok(text) if fits && !text.contains(boundary) => Part { encoding: "7bit", text: text.to_owned() },
        _ => Part { encoding: "quoted-printable", text: quoted(bytes) },
    }
}

fn quoted(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() + bytes.len() / 2);
    let mut lines = bytes.split(|byte| *byte == b'\n').peekable();
    while let Some(line) = lines.next() {
        quote_line(line, &mut text);
        if lines.peek().is_some() {
            text.push('\n');
        }
    }
    text
}

fn quote_line(line: &[u8], text: &mut String) {
    let mut width = 0;
    for (place, byte) in line.iter().enumerate() {
        let last = place + 1 == line.len();
        // White space at the end of a line is lost on the way.
        let bare = matches!(byte, b'!'..=b'<' | b'>'..=b'~') || (matches!(byte, b' ' | b'\t') && !last);
        let wide = if bare { 1 } else { 3 };
        if width + wide > QUOTED_LINE {
            text.push_str("=\n");
            width = 0;
        }
        width += wide;
        if bare {
            text.push(char::from(*byte));
        } else {
            let _ = write!(text, "={byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{base64, body, header};
    use proptest::prelude::{any, proptest};

    /// Undoes quoted-printable.
    fn unquoted(text: &str) -> Vec<u8> {
        let joined = text.replace("=\n", "");
        let mut bytes = joined.bytes();
        let mut out = Vec::new();
        while let Some(byte) = bytes.next() {
            if byte == b'=' {
                let digits: String = bytes.by_ref().take(2).map(char::from).collect();
                out.push(u8::from_str_radix(&digits, 16).unwrap());
            } else {
                out.push(byte);
            }
        }
        out
    }

    #[test]
    fn base64_has_the_vectors_of_rfc_4648() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn headers_are_ascii_and_short_words() {
        for (text, expected) in [
            ("backup failed", "backup failed"),
            ("größe", "=?utf-8?B?Z3LDtsOfZQ==?="),
            ("=?utf-8?B?Z3I=?=", "=?utf-8?B?PT91dGYtOD9CP1ozST0/PQ==?="),
            ("", ""),
        ] {
            assert_eq!(header(text), expected);
        }
        let long = header(&"ü".repeat(100));
        assert!(long.is_ascii());
        assert!(long.lines().all(|line| line.trim_start().len() <= 75), "{long}");
        assert!(long.lines().skip(1).all(|line| line.starts_with(" =?")), "{long}");
    }

    #[test]
    fn a_body_is_sent_as_it_is_where_that_is_safe() {
        for (bytes, encoding, text) in [
            (&b"one\ntwo\n"[..], "7bit", "one\ntwo\n"),
            (b"", "7bit", ""),
            (b"caf\xc3\xa9 = 1\n", "quoted-printable", "caf=C3=A9 =3D 1\n"),
            (b"\xff\x00\x1b[1m\r\n", "quoted-printable", "=FF=00=1B[1m=0D\n"),
            (b"end \n\xff", "quoted-printable", "end=20\n=FF"),
            (b"--=_part\nSubject: x\n", "quoted-printable", "--=3D_part\nSubject: x\n"),
        ] {
            let part = body(bytes, "=_part");
            assert_eq!((part.encoding, part.text.as_str()), (encoding, text));
        }
        assert_eq!(body(&[b'x'; 999], "=_part").encoding, "quoted-printable");
    }

    proptest! {
        #[test]
        fn any_output_survives_and_cannot_leave_its_part(bytes: Vec<u8>, ascii in "[ -~\n]{0,300}", cut in any::<bool>()) {
            let bytes = if cut { ascii.into_bytes() } else { bytes };
            let part = body(&bytes, "=_");
            assert!(part.text.is_ascii() && !part.text.contains("=_"));
            if part.encoding == "quoted-printable" {
                assert!(part.text.lines().all(|line| line.len() <= 76));
                assert_eq!(unquoted(&part.text), bytes);
            } else {
                assert_eq!(part.text.into_bytes(), bytes);
            }
        }
    }
}

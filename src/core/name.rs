//! Names of jobs, pools and notifiers.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// The longest name accepted, in bytes.
pub const MAX_NAME_BYTES: usize = 128;

/// A checked name: letters, digits, `.`, `_`, `-`; no leading dot or dash; 1 to 128 bytes.
///
/// Names appear in file paths (`logs/<job>/`), in environment variables and on command lines, so nothing
/// else can be part of one. Cloning is cheap: a short text is part of the name, a longer one is shared.
#[derive(Clone)]
pub struct Name(Text);

/// So many bytes take no more room in the name than the pointer to a longer text does.
const SHORT_BYTES: usize = 22;

/// The text of a name. Every job has one, and most are short: a block of memory for each would be a sixth of what an
/// idle job takes.
#[derive(Clone)]
enum Text {
    /// The first `len` of the bytes.
    Short { len: u8, bytes: [u8; SHORT_BYTES] },
    /// More than [`SHORT_BYTES`].
    Long(Arc<str>),
}

/// Why a text is not a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The text is empty.
    #[error("a name must not be empty")]
    Empty,
    /// The text has more than [`MAX_NAME_BYTES`] bytes.
    #[error("a name has at most {MAX_NAME_BYTES} bytes, this one has {0}")]
    TooLong(usize),
    /// The text begins with a dot or a dash.
    #[error("a name must not begin with {0:?}")]
    Leading(char),
    /// The text holds a character that names do not have.
    #[error("a name has letters, digits, '.', '_' and '-' only, not {0:?}")]
    Character(char),
}

impl Name {
    /// Checks a text and makes it a name.
    ///
    /// # Errors
    /// Says which rule of docs/design.md section 3 the text breaks.
    pub fn new(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.len() > MAX_NAME_BYTES {
            return Err(NameError::TooLong(text.len()));
        }
        if let Some(lead @ ('.' | '-')) = text.chars().next() {
            return Err(NameError::Leading(lead));
        }
        let bad = text.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')));
        match bad {
            Some(c) => Err(NameError::Character(c)),
            None => Ok(Name(Text::new(text))),
        }
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        // A name is ASCII, so this cannot fail.
        str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Text::Short { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or(bytes),
            Text::Long(text) => text.as_bytes(),
        }
    }
}

impl Text {
    fn new(text: &str) -> Self {
        let mut bytes = [0; SHORT_BYTES];
        match (u8::try_from(text.len()), bytes.get_mut(..text.len())) {
            (Ok(len), Some(short)) => {
                short.copy_from_slice(text.as_bytes());
                Text::Short { len, bytes }
            }
            (Ok(_) | Err(_), _) => Text::Long(text.into()),
        }
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Name {}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Name {
    /// Compares as texts do, byte by byte.
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Name").field(&self.as_str()).finish()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.as_str())
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher as _, RandomState};

    use super::{MAX_NAME_BYTES, Name, NameError, SHORT_BYTES};

    #[test]
    fn names_follow_the_rules_of_the_design() {
        for good in ["a", "A-b_c.d", "0", "_x", &"n".repeat(MAX_NAME_BYTES)] {
            assert_eq!(Name::new(good).unwrap().as_str(), good);
        }
        assert_eq!(Name::new(""), Err(NameError::Empty));
        assert_eq!(Name::new(".a"), Err(NameError::Leading('.')));
        assert_eq!(Name::new("-a"), Err(NameError::Leading('-')));
        assert_eq!(Name::new("a/b"), Err(NameError::Character('/')));
        assert_eq!(Name::new("ä"), Err(NameError::Character('ä')));
        assert_eq!(Name::new(&"n".repeat(129)), Err(NameError::TooLong(129)));
    }

    #[test]
    fn names_compare_and_hash_as_their_texts_whether_short_or_long() {
        let lengths = [1, 2, SHORT_BYTES - 1, SHORT_BYTES, SHORT_BYTES + 1, MAX_NAME_BYTES];
        let texts = lengths.map(|length| ["a".repeat(length), format!("{}b", "a".repeat(length - 1))]);
        let texts = texts.concat();
        let names: Vec<Name> = texts.iter().map(|text| Name::new(text).unwrap()).collect();
        let hashes = RandomState::new();
        for (text, name) in texts.iter().zip(&names) {
            assert_eq!((name.as_str(), name.to_string()), (text.as_str(), text.clone()));
            assert_eq!(format!("{name:?}"), format!("Name({text:?})"));
            assert_eq!(hashes.hash_one(name), hashes.hash_one(text.as_str()));
            for (other_text, other) in texts.iter().zip(&names) {
                assert_eq!(name.cmp(other), text.cmp(other_text));
                assert_eq!(name == other, text == other_text);
            }
        }
    }

    #[test]
    fn a_short_name_is_no_larger_than_a_pointer_to_a_long_one() {
        assert_eq!(size_of::<Name>(), size_of::<(u64, &str)>());
        assert_eq!(size_of::<Option<Name>>(), size_of::<Name>());
    }
}

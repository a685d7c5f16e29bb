//! Names of jobs, pools and notifiers.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// The longest name accepted, in bytes.
pub const MAX_NAME_BYTES: usize = 128;

/// A checked name: letters, digits, `.`, `_`, `-`; no leading dot or dash; 1 to 128 bytes.
///
/// Names appear in file paths (`logs/<job>/`), in environment variables and on command lines, so nothing
/// else can be part of one. Cloning is cheap: the text is shared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

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
            None => Ok(Name(text.into())),
        }
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(&self.0)
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_NAME_BYTES, Name, NameError};

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
}

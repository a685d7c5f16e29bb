//! Places in the world: paths and time zones.

use std::path::{Component, Path, PathBuf};

use crate::core::civil::Zone;

use super::diagnostic::quoted;
use super::raw::Item;
use super::reader::Reader;

impl Reader<'_> {
    /// Reads a path; a relative one starts at the file's directory, `~` is kept for the job's own home.
    pub(crate) fn path(&mut self, item: Item<'_>) -> Option<PathBuf> {
        let text = self.text(item)?;
        let path = Path::new(text);
        if path.is_absolute() || text == "~" || text.starts_with("~/") {
            return Some(path.to_owned());
        }
        if text.starts_with('~') {
            let hint = "\"~/...\" is the home of the job's user; for another user give the whole path";
            self.error(item.span, format!("{:?} names somebody's home", item.key), Some(hint.to_owned()));
            return None;
        }
        match self.files[self.file].directory() {
            Some(directory) => Some(plain_join(directory, path)),
            None => {
                let message = format!("{:?} is a relative path, and an added job has no directory", item.key);
                self.error(item.span, message, Some("give the whole path".to_owned()));
                None
            }
        }
    }

    /// Reads a time zone.
    pub(crate) fn zone(&mut self, item: Item<'_>) -> Option<Zone> {
        let text = self.text(item)?;
        if !self.known.zones.contains_key(text) {
            let found = self.source.zone(text).ok_or_else(|| self.zone_hint(text));
            self.known.zones.insert(text.to_owned(), found);
        }
        match self.known.zones.get(text)? {
            Ok(zone) => Some(zone.clone()),
            Err(hint) => {
                let hint = hint.clone();
                self.error(item.span, format!("there is no time zone {}", quoted(text)), Some(hint));
                None
            }
        }
    }

    fn zone_hint(&mut self, text: &str) -> String {
        let names = self.source.names();
        let place = |name: &str| name.rsplit('/').next().is_some_and(|city| city.eq_ignore_ascii_case(text));
        let near = self.suggester.nearest(text, names.iter().map(String::as_str));
        let named = near.or_else(|| names.iter().map(String::as_str).find(|name| place(name)));
        match named {
            Some(name) => format!("did you mean {name:?}?"),
            None => "give an IANA name like \"Europe/Berlin\" or \"UTC\"".to_owned(),
        }
    }

    /// Returns the system's own zone.
    pub(crate) fn local_zone(&self) -> Zone {
        self.source.local()
    }
}

/// Joins a relative path to a directory without its `.` parts; `..` stays, for it may follow a link.
fn plain_join(directory: &Path, path: &Path) -> PathBuf {
    let plain = path.components().filter(|part| !matches!(part, Component::CurDir));
    plain.fold(directory.to_owned(), |whole, part| whole.join(part))
}

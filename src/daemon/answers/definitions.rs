//! Definitions of jobs, as `show` and `export` have them.

use std::collections::BTreeMap;
use std::slice;

use super::internal;
use crate::core::name::Name;
use crate::daemon::catalogue::Place;
use crate::jobfile::Sources;
use crate::jobfile::write::{self, WriteError};
use crate::protocol::error::ServiceError;
use crate::protocol::filter;
use crate::store::Reader;

/// Reads the definition of a job as TOML, the body of its table.
///
/// # Errors
/// There is none any more, a file is not TOML any more, or the store cannot be read.
pub fn definition(name: &str, place: &Place, reader: Option<&Reader>) -> Result<String, ServiceError> {
    let definition = match place {
        Place::AtHand(toml) => Some(toml.to_string()),
        Place::Files(sources, declared) => {
            let declared = declared.as_ref().map(|(path, line)| (path.as_ref(), *line));
            write::definition(sources, name, declared).map_err(internal)?
        }
        Place::Store(job) => {
            let read = reader.map(|reader| reader.definitions_of(slice::from_ref(&job.name)));
            read.transpose().map_err(internal)?.and_then(|mut read| read.pop().flatten())
        }
    };
    definition.ok_or_else(|| filter::no_such_job(name, []))
}

/// Writes jobs as one job file that loads to the same set; no names = all of them, with the settings. `added` are
/// the definitions of the added jobs among them.
///
/// # Errors
/// A text is not TOML any more.
pub fn export(
    names: &[String],
    sources: &Sources,
    added: &BTreeMap<Name, String>,
) -> Result<String, WriteError> {
    if names.is_empty() {
        return write::export(sources, added.iter().map(|(name, toml)| (name, toml.as_str())));
    }
    let declared = names.iter().map(String::as_str).filter(|name| !added.contains_key(*name));
    let mut of_files = write::definitions(sources, declared)?.into_iter();
    let mut tables = Vec::new();
    for name in names {
        let of_file = if added.contains_key(name.as_str()) { None } else { of_files.next().flatten() };
        let Some(definition) = of_file.as_ref().or_else(|| added.get(name.as_str())) else { continue };
        if let Ok(name) = Name::new(name) {
            tables.push(write::table(&name, definition)?);
        }
    }
    Ok(tables.join("\n"))
}

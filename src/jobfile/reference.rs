//! What the parser knows, as lists: the reference pages are held against them.

use super::notifiers::NOTIFIER_FIELDS;
use super::resolve::SECTIONS;
use super::settings::{DAEMON_FIELDS, HOOK_FIELDS};
use super::work::STEP_FIELDS;
use super::{job, reader::Field};

/// Returns the keys of each table of a job file, with what the table is called; in no order.
pub fn known_keys() -> Vec<(&'static str, Vec<&'static str>)> {
    fn keys<T>(fields: &[Field<T>]) -> Vec<&'static str> {
        fields.iter().map(|field| field.key).collect()
    }
    vec![
        ("the job file", SECTIONS.to_vec()),
        ("[daemon]", keys(DAEMON_FIELDS)),
        ("[hooks]", keys(HOOK_FIELDS)),
        ("[notify.NAME]", keys(NOTIFIER_FIELDS)),
        ("[jobs.NAME]", job::keys().to_vec()),
        ("a step", keys(STEP_FIELDS)),
    ]
}

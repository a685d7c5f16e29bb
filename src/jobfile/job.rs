//! One job's table, `[jobs.NAME]`: its keys go to the readers of their topics, then the parts become a job.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use toml::de::DeTable;

use crate::core::job::{Job, Origin, StartupScope};
use crate::core::name::Name;

use super::draft::{Defaults, Draft, Interner};
use super::raw::{Item, Span, items};
use super::reader::{Field, Reader};
use super::{about, execution, policy, triggers, work};

/// Where a key of a job goes.
#[derive(Clone, Copy)]
enum Route {
    /// A key that `[defaults]` may have too.
    Draft(fn(&mut Draft, Item<'_>, &mut Reader<'_>)),
    /// A trigger key or one beside it.
    Trigger(usize),
    /// A key that says what runs.
    Work(usize),
}

/// Every key of a job. Jobs have about ten keys out of seventy, and files a hundred thousand jobs.
static ROUTES: LazyLock<HashMap<&'static str, Route>> = LazyLock::new(|| {
    let fields: [&'static [Field<Draft>]; 3] = [policy::FIELDS, execution::FIELDS, about::FIELDS];
    let drafts = fields.into_iter().flatten().map(|field| (field.key, Route::Draft(field.read)));
    let triggers = triggers::KEYS.into_iter().enumerate().map(|(slot, key)| (key, Route::Trigger(slot)));
    let work = work::KEYS.into_iter().enumerate().map(|(slot, key)| (key, Route::Work(slot)));
    drafts.chain(triggers).chain(work).collect()
});

/// The same keys in the order of the alphabet, for suggestions.
static KEYS: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let mut keys: Vec<&'static str> = ROUTES.keys().copied().collect();
    keys.sort_unstable();
    keys
});

/// Returns every key of a job.
pub(crate) fn keys() -> &'static [&'static str] {
    &KEYS
}

/// Says whether a key is one of a job.
pub(crate) fn is_key(key: &str) -> bool {
    ROUTES.contains_key(key)
}

/// What a table of a job, or `[defaults]`, holds, by topic.
struct Keys<'d> {
    draft: Draft,
    triggers: triggers::Found<'d>,
    work: [Option<Item<'d>>; work::KEYS.len()],
}

fn read_keys<'d>(table: &'d DeTable<'d>, place: &str, draft: Draft, reader: &mut Reader<'_>) -> Keys<'d> {
    let mut keys = Keys { draft, triggers: [None; triggers::KEYS.len()], work: [None; work::KEYS.len()] };
    for item in items(table) {
        match ROUTES.get(item.key) {
            Some(Route::Draft(read)) => read(&mut keys.draft, item, reader),
            Some(Route::Trigger(slot)) => keys.triggers[*slot] = Some(item),
            Some(Route::Work(slot)) => keys.work[*slot] = Some(item),
            None => reader.unknown_key(item, place, KEYS.iter().copied()),
        }
    }
    keys
}

/// Reads `[defaults]` on top of what holds without them.
pub(crate) fn defaults(table: &DeTable<'_>, defaults: &mut Defaults, reader: &mut Reader<'_>) {
    let keys = read_keys(table, "[defaults]", defaults.draft.clone(), reader);
    triggers::refuse_in_defaults(&keys.triggers, reader);
    for item in keys.work.iter().flatten() {
        let hint = Some("give it to each job".to_owned());
        reader.error(item.key_span, format!("{:?} cannot be a default", item.key), hint);
    }
    triggers::timing(&keys.triggers, &mut defaults.timing, reader);
    defaults.draft = keys.draft;
}

/// Reads one job; `place` is where its name stands.
pub(crate) fn job(
    name: &Name,
    place: Span,
    origin: Origin,
    table: &DeTable<'_>,
    defaults: &Defaults,
    interner: &mut Interner,
    reader: &mut Reader<'_>,
) -> Option<Arc<Job>> {
    let mut keys = read_keys(table, "a job", defaults.draft.clone(), reader);
    let work = work::resolve(&keys.work, place, reader);
    let firing = triggers::firing(&keys.triggers, place, name.as_str(), &defaults.timing, reader);
    if keys.triggers.iter().flatten().any(|item| triggers::is_reboot(*item)) {
        keys.draft.policy().startup = StartupScope::Boot;
    }
    let (policy, execution, about) = interner.share(keys.draft);
    Some(Arc::new(Job {
        name: name.clone(),
        origin,
        firing: interner.share_schedule(firing?),
        work: work?,
        policy,
        execution,
        about,
    }))
}

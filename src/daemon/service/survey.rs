//! Pictures of jobs for requests: of those a request names, or of all of them.
//!
//! Owns the rule that the loop never goes through every job in one step: of many jobs it looks at a few at a time and
//! gets to what is due in between. What a job did meanwhile is in the picture or not, as it happens.

use crate::core::scheduler::JobSnapshot;
use crate::daemon::answers;
use crate::daemon::event_loop::EventLoop;
use crate::daemon::listener::ReplyHandle;
use crate::daemon::pictures::Pictures;
use crate::protocol::error::ServiceError;
use crate::protocol::filter;
use crate::protocol::selector::Selector;

/// How many places of jobs are looked at in one step: a fraction of a millisecond.
const STEP: usize = 1_000;

/// Of whom pictures are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Whom {
    /// Of these jobs.
    These(Vec<String>),
    /// Of every job.
    Everybody,
}

impl EventLoop {
    /// Returns the jobs among which a selector may choose. For a name that no job has these are all: the answer has the
    /// nearest name, and a ledger may know more jobs.
    pub(super) fn meant_by(&self, selector: &Selector) -> Whom {
        let is_known = |name: &String| self.is_known(name);
        if !selector.is_bulk() && selector.names.iter().all(is_known) {
            Whom::These(selector.names.clone())
        } else {
            Whom::Everybody
        }
    }

    /// Returns the same for a question about rows, which a selector may ask without choosing jobs.
    pub(super) fn narrowed_by(&self, selector: &Selector) -> Whom {
        if selector.narrows_jobs() { self.meant_by(selector) } else { Whom::These(Vec::new()) }
    }

    /// Takes pictures, then acts.
    pub(super) fn with_pictures(
        &mut self,
        whom: Whom,
        act: impl FnOnce(&mut EventLoop, Pictures) + Send + 'static,
    ) {
        match whom {
            Whom::These(names) => {
                let pictures = self.pictures_of(names.iter().map(String::as_str));
                act(self, pictures);
            }
            Whom::Everybody => {
                let mut pictures = self.pictures_of([]);
                pictures.add_broken(&self.service.catalogue);
                self.survey(pictures, Pictures::add, act);
            }
        }
    }

    /// Takes pictures of those of these jobs that there are.
    pub(super) fn pictures_of<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> Pictures {
        let mut pictures = Pictures::blank(&self.service.catalogue, &self.service.logs);
        pictures.add_named(names, &self.scheduler, &self.service.catalogue);
        pictures
    }

    /// Takes a picture of one job.
    pub(super) fn picture(&self, name: &str) -> Pictures {
        self.pictures_of([name])
    }

    /// Looks at every job, a few at a time, then acts on what was seen. Few jobs are looked at at once.
    pub(super) fn survey<T: Send + 'static>(
        &mut self,
        seen: T,
        look: fn(&mut T, JobSnapshot),
        act: impl FnOnce(&mut EventLoop, T) + Send + 'static,
    ) {
        self.survey_from(0, seen, look, act);
    }

    fn survey_from<T: Send + 'static>(
        &mut self,
        from: usize,
        mut seen: T,
        look: fn(&mut T, JobSnapshot),
        act: impl FnOnce(&mut EventLoop, T) + Send + 'static,
    ) {
        let to = from + STEP;
        self.scheduler.jobs_at(from..to).for_each(|job| look(&mut seen, job));
        if to >= self.scheduler.places() {
            return act(self, seen);
        }
        self.service.queries.task(move |event_loop| event_loop.survey_from(to, seen, look, act));
    }

    /// Says whether there is a job of this name, broken ones included.
    pub(super) fn is_known(&self, name: &str) -> bool {
        answers::is_known(name, &self.scheduler, &self.service.catalogue)
    }

    /// Asserts that there is a job of this name, where that was so a moment ago.
    ///
    /// # Errors
    /// There is none any more.
    pub(super) fn known(&self, name: &str) -> Result<(), ServiceError> {
        if self.is_known(name) { Ok(()) } else { Err(filter::no_such_job(name, [])) }
    }

    /// Refuses a request that is about a job of which there is none, with the nearest name. To find that takes a look
    /// at every other, which is not for the loop.
    pub(super) fn refuse_unknown(&mut self, name: String, reply: ReplyHandle) {
        self.with_pictures(Whom::Everybody, move |event_loop, pictures| {
            event_loop.service.queries.ask(move |_| {
                reply.refuse(filter::no_such_job(&name, pictures.names()));
            });
        });
    }
}

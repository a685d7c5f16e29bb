//! A job while its keys are read, and what jobs have in common.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use crate::core::civil::Zone;
use crate::core::cron::DstRules;
use crate::core::job::{About, Execution, Policy};
use crate::core::trigger::{Firing, Schedule};

/// The keys of a job that its table may leave to `[defaults]`.
///
/// The parts are shared with the defaults until a key of the job changes one: the first change copies.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draft {
    policy: Arc<Policy>,
    execution: Arc<Execution>,
    about: Arc<About>,
}

impl Draft {
    /// Returns the policy, to be changed.
    pub(crate) fn policy(&mut self) -> &mut Policy {
        Arc::make_mut(&mut self.policy)
    }

    /// Returns the execution, to be changed.
    pub(crate) fn execution(&mut self) -> &mut Execution {
        Arc::make_mut(&mut self.execution)
    }

    /// Returns the description and its like, to be changed.
    pub(crate) fn about(&mut self) -> &mut About {
        Arc::make_mut(&mut self.about)
    }

    /// Gives the parts away.
    pub(crate) fn parts(self) -> (Arc<Policy>, Arc<Execution>, Arc<About>) {
        (self.policy, self.execution, self.about)
    }
}

/// The keys beside a trigger that `[defaults]` may have.
#[derive(Clone, Debug)]
pub(crate) struct Timing {
    pub(crate) zone: Zone,
    pub(crate) jitter: Duration,
    pub(crate) dst: DstRules,
}

/// What `[defaults]` and `timezone` say.
#[derive(Clone, Debug)]
pub(crate) struct Defaults {
    pub(crate) draft: Draft,
    pub(crate) timing: Timing,
}

/// Shares equal parts among the jobs of one load.
#[derive(Debug)]
pub(crate) struct Interner {
    policies: HashSet<Arc<Policy>>,
    executions: HashSet<Arc<Execution>>,
    abouts: HashSet<Arc<About>>,
    schedules: HashSet<Arc<Schedule>>,
}

impl Interner {
    /// Makes an interner that knows the parts of the defaults.
    pub(crate) fn new(defaults: &Defaults) -> Self {
        let (policy, execution, about) = defaults.draft.clone().parts();
        Interner {
            policies: HashSet::from([policy]),
            executions: HashSet::from([execution]),
            abouts: HashSet::from([about]),
            schedules: HashSet::new(),
        }
    }

    /// Replaces the parts of a draft by equal ones seen before.
    pub(crate) fn share(&mut self, draft: Draft) -> (Arc<Policy>, Arc<Execution>, Arc<About>) {
        let (policy, execution, about) = draft.parts();
        (
            shared(&mut self.policies, policy),
            shared(&mut self.executions, execution),
            shared(&mut self.abouts, about),
        )
    }

    /// Replaces a schedule by an equal one seen before: of many jobs most are due when others are.
    pub(crate) fn share_schedule(&mut self, firing: Firing) -> Firing {
        match firing {
            Firing::Clock(schedule) => Firing::Clock(shared(&mut self.schedules, schedule)),
            Firing::Startup | Firing::Shutdown | Firing::After(_) => firing,
        }
    }
}

fn shared<T: Eq + Hash>(seen: &mut HashSet<Arc<T>>, part: Arc<T>) -> Arc<T> {
    // A part with a second owner is the defaults' own, or was shared already: no need to hash it.
    if Arc::strong_count(&part) > 1 {
        return part;
    }
    if let Some(same) = seen.get(&part) {
        return Arc::clone(same);
    }
    seen.insert(Arc::clone(&part));
    part
}

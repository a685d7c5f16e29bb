//! Requests: one variant a method, with typed parameters, parsed strictly.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::error::ServiceError;
use super::parameter::parameters;
use super::selector::Selector;
use super::{INTERFACE, SERVICE_INTERFACE};

parameters! {
    /// Lists jobs; an empty selector takes all.
    List { selector: Selector, }
}
parameters! {
    /// Lists jobs as [`List`] does, each in a line; a tenth of the bytes.
    Overview { selector: Selector, }
}
parameters! {
    /// Shows one job and its definition.
    Show { name: String, }
}
parameters! {
    /// Computes the coming fire times of a job.
    Next {
        name: String,
        /// How many; 10 where it is not given.
        count: Option<u32>,
        /// After this instant, RFC 3339; now where it is not given.
        from: Option<String>,
    }
}
parameters! {
    /// Lists runs, the latest first.
    History { selector: Selector, }
}
parameters! {
    /// Shows one run.
    Run { run_id: u64, }
}
parameters! {
    /// Tells what the ledger knows of a job around an instant.
    Why {
        job: String,
        /// RFC 3339; the last fire time where it is not given.
        time: Option<String>,
    }
}
parameters! {
    /// Lists events; with `more`, those to come follow without a gap.
    Events {
        selector: Selector,
        /// Only events after this number of the sequence.
        after: Option<u64>,
        /// Names of events, or globs: `run.failed`, `job.*`.
        only: Vec<String>,
    }
}
parameters! {
    /// Reads the output of a run, or of the latest run of a job.
    Logs {
        run_id: Option<u64>,
        job: Option<String>,
        /// Goes on until the run is over; needs `more`.
        follow: bool,
        /// Only the last lines.
        lines: Option<u64>,
        /// Only this attempt.
        attempt: Option<u32>,
    }
}
parameters! {
    /// Writes added jobs as TOML that loads again to the same set; no names = all of them.
    Export { names: Vec<String>, }
}
parameters! {
    /// Takes a job into the set.
    Add {
        name: String,
        /// The keys of the job's table, as in a job file.
        toml: String,
        /// Replaces an added job of this name; its history and its pause stay.
        replace: bool,
        /// Takes it in paused.
        paused: bool,
        /// Runs it at once besides.
        run_now: bool,
        /// Checks and changes nothing.
        dry_run: bool,
    }
}
parameters! {
    /// Changes single keys of an added job.
    Edit {
        name: String,
        /// Keys and their new values; a value is TOML, or plain text.
        set: BTreeMap<String, String>,
        /// Keys to take out.
        unset: Vec<String>,
        /// Changes nothing, only tells before and after.
        dry_run: bool,
    }
}
parameters! {
    /// Gives an added job another trigger.
    Reschedule {
        name: String,
        /// The trigger keys of a job's table, as in a job file.
        toml: String,
    }
}
parameters! {
    /// Takes added jobs out of the set; their runs go on, their history stays.
    Remove { selector: Selector, }
}
parameters! {
    /// Pauses jobs.
    Pause {
        selector: Selector,
        /// RFC 3339; until resumed where it is not given.
        until: Option<String>,
        reason: Option<String>,
    }
}
parameters! {
    /// Ends pauses.
    Resume {
        selector: Selector,
        /// What fell due meanwhile is judged by its grace instead of being skipped.
        catch_up: bool,
    }
}
parameters! {
    /// Runs jobs now, beside their schedule.
    RunNow {
        selector: Selector,
        /// Further arguments of the command.
        args: Vec<String>,
        /// Only those that are due or overdue.
        if_due: bool,
        /// Even when the job has as many instances as it may.
        force: bool,
        priority: Option<i32>,
    }
}
parameters! {
    /// Waits until a run, or the runs of a job that are alive, are over.
    Wait {
        run_id: Option<u64>,
        job: Option<String>,
        timeout_ms: Option<u64>,
    }
}
parameters! {
    /// Ends runs: those with the numbers, and those alive of the jobs selected.
    Cancel {
        selector: Selector,
        run_ids: Vec<u64>,
        reason: Option<String>,
    }
}
parameters! {
    /// Starts nothing until released.
    Hold { reason: Option<String>, }
}
parameters! {
    /// Lists the changes of the job set, the latest first.
    Changes {
        job: Option<String>,
        limit: Option<u64>,
    }
}
parameters! {
    /// Takes a change of the job set back, with all that the same request changed.
    Undo {
        /// The latest where it is not given.
        revision: Option<u64>,
        /// Only the one change.
        single: bool,
    }
}

/// Defines [`Request`]: methods without parameters, then those with a struct of the same name.
macro_rules! requests {
    (plain { $($(#[$plain_doc:meta])* $plain:ident,)* } with_parameters { $($method:ident,)* }) => {
        /// What a client asks for.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Request {
            $($(#[$plain_doc])* $plain,)*
            $(#[doc = concat!("See [`", stringify!($method), "`].")] $method($method),)*
        }

        impl Request {
            /// Returns the method's name without its interface.
            pub const fn method(&self) -> &'static str {
                match self {
                    $(Request::$plain => stringify!($plain),)*
                    $(Request::$method(_) => stringify!($method),)*
                }
            }

            /// Returns the parameters as JSON.
            pub fn parameters(&self) -> Map<String, Value> {
                match self {
                    $(Request::$plain => Map::new(),)*
                    $(Request::$method(parameters) => parameters.write_fields(),)*
                }
            }

            fn read(method: &str, parameters: Map<String, Value>) -> Result<Self, ServiceError> {
                match method {
                    $(stringify!($plain) => {
                        super::parameter::Reader::new(parameters, "").finish()?;
                        Ok(Request::$plain)
                    })*
                    $(stringify!($method) => {
                        Ok(Request::$method($method::read_fields(parameters, "")?))
                    })*
                    _ => Err(ServiceError::MethodNotFound { method: format!("{INTERFACE}.{method}") }),
                }
            }

            /// Returns methods with names and types of their parameters, as the interface description has them.
            #[cfg(test)]
            pub(crate) fn varlink_methods() -> Vec<(&'static str, Vec<(&'static str, String)>)> {
                vec![
                    $((stringify!($plain), Vec::new()),)*
                    $((stringify!($method), $method::varlink_fields()),)*
                ]
            }
        }
    };
}

requests! {
    plain {
        /// Asks how the daemon is.
        Status,
        /// Ends a hold.
        Release,
        /// Reads the job file again.
        Reload,
        /// Stops the daemon.
        Stop,
    }
    with_parameters {
        List, Overview, Show, Next, History, Run, Why, Events, Logs, Export, Add, Edit, Reschedule, Remove, Pause, Resume,
        RunNow, Wait, Cancel, Hold, Changes, Undo,
    }
}

impl Request {
    /// Returns the qualified name of the method.
    pub fn qualified_method(&self) -> String {
        format!("{INTERFACE}.{}", self.method())
    }

    /// Parses a call of our interface.
    ///
    /// # Errors
    /// One of the errors of `org.varlink.service`: what of the call is unknown or wrong.
    pub fn parse(method: &str, parameters: Map<String, Value>, more: bool) -> Result<Self, ServiceError> {
        let Some((interface, name)) = method.rsplit_once('.') else {
            return Err(ServiceError::MethodNotFound { method: method.to_owned() });
        };
        match interface {
            INTERFACE => Self::read(name, parameters)?.checked(more),
            SERVICE_INTERFACE => Err(ServiceError::MethodNotFound { method: method.to_owned() }),
            _ => Err(ServiceError::InterfaceNotFound { interface: interface.to_owned() }),
        }
    }

    /// Checks what the types of the fields do not say.
    fn checked(self, more: bool) -> Result<Self, ServiceError> {
        match &self {
            Request::Logs(logs) => {
                one_of(logs.run_id, logs.job.as_deref())?;
                if logs.follow && !more {
                    return Err(ServiceError::ExpectedMore);
                }
            }
            Request::Wait(wait) => one_of(wait.run_id, wait.job.as_deref())?,
            _ => {}
        }
        Ok(self)
    }
}

fn one_of(run_id: Option<u64>, job: Option<&str>) -> Result<(), ServiceError> {
    if run_id.is_some() == job.is_some() { Err(ServiceError::invalid_parameter("run_id")) } else { Ok(()) }
}

impl Request {
    /// Returns the jobs that must be there for the request to have an answer.
    pub fn jobs_named(&self) -> impl Iterator<Item = &str> {
        let (one, many) = match self {
            Request::Show(show) => (Some(&show.name), &[][..]),
            Request::Next(next) => (Some(&next.name), &[][..]),
            Request::Why(why) => (Some(&why.job), &[][..]),
            Request::Edit(edit) => (Some(&edit.name), &[][..]),
            Request::Reschedule(reschedule) => (Some(&reschedule.name), &[][..]),
            Request::Wait(wait) if wait.run_id.is_none() => (wait.job.as_ref(), &[][..]),
            Request::Export(export) => (None, &export.names[..]),
            _ => (None, &[][..]),
        };
        one.into_iter().chain(many).map(String::as_str)
    }
}

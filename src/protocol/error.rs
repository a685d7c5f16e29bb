//! Errors a call can be answered with, ours and those every Varlink service has.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::views::DiagnosticView;

/// Why a request was refused or failed.
///
/// The wire form is the pair of a qualified name and parameters that Varlink asks for. Texts here are for logs;
/// what a person is told, the hint and the exit code are chosen by the command line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "error", content = "parameters")]
pub enum ServiceError {
    /// No job has this name; `suggestion` is the closest name there is.
    #[error("no job is named {name:?}")]
    #[serde(rename = "io.jobctl.Scheduler.NoSuchJob")]
    NoSuchJob { name: String, suggestion: Option<String> },
    /// The ledger has no run with this number.
    #[error("there is no run {run_id}")]
    #[serde(rename = "io.jobctl.Scheduler.NoSuchRun")]
    NoSuchRun { run_id: u64 },
    /// No change of the job set has this number; without one: there was no change yet.
    #[error("there is no such change")]
    #[serde(rename = "io.jobctl.Scheduler.NoSuchChange")]
    NoSuchChange { revision: Option<u64> },
    /// The job cannot be taken out, because others are due when it has ended.
    #[error("job {name:?} is needed by {}", by.join(", "))]
    #[serde(rename = "io.jobctl.Scheduler.StillNeeded")]
    StillNeeded { name: String, by: Vec<String> },
    /// A job of this name was added before, and `replace` was not asked for.
    #[error("a job is already named {name:?}")]
    #[serde(rename = "io.jobctl.Scheduler.NameTaken")]
    NameTaken { name: String },
    /// The job is declared in a job file, so only the file can change it.
    #[error("job {name:?} is declared in {path}")]
    #[serde(rename = "io.jobctl.Scheduler.DeclaredInFile")]
    DeclaredInFile { name: String, path: String, line: Option<u32> },
    /// A definition, or the job file, does not load; every error of it.
    #[error("the definition does not load ({} diagnostics)", diagnostics.len())]
    #[serde(rename = "io.jobctl.Scheduler.InvalidDefinition")]
    InvalidDefinition { diagnostics: Vec<DiagnosticView> },
    /// The trigger has no fire time left.
    #[error("job {name:?} would never be due")]
    #[serde(rename = "io.jobctl.Scheduler.NeverFires")]
    NeverFires { name: String },
    /// The job already has as many runs alive as it may.
    #[error("job {job:?} is busy")]
    #[serde(rename = "io.jobctl.Scheduler.Busy")]
    Busy { job: String, run_id: Option<u64> },
    /// The peer is neither the daemon's user nor root nor a member of its group.
    #[error("this user may not talk to the daemon")]
    #[serde(rename = "io.jobctl.Scheduler.NotAllowed")]
    NotAllowed,
    /// The daemon is stopping and takes no such request.
    #[error("the daemon is stopping")]
    #[serde(rename = "io.jobctl.Scheduler.Stopping")]
    Stopping,
    /// The store cannot be written, so the request cannot be made durable.
    #[error("the store cannot be written: {error}")]
    #[serde(rename = "io.jobctl.Scheduler.Degraded")]
    Degraded { error: String },
    /// The selector names no job, or none that exists.
    #[error("nothing is selected")]
    #[serde(rename = "io.jobctl.Scheduler.NothingSelected")]
    NothingSelected,
    /// The daemon has as many clients as it takes.
    #[error("the daemon has too many clients")]
    #[serde(rename = "io.jobctl.Scheduler.TooManyClients")]
    TooManyClients,
    /// A wait is over before what it waited for; or a frame was not completed in time.
    #[error("the time is over")]
    #[serde(rename = "io.jobctl.Scheduler.Timeout")]
    Timeout,
    /// What was sent is no call: not JSON, not an object with a `method`, or too long.
    #[error("not a call: {message}")]
    #[serde(rename = "io.jobctl.Scheduler.InvalidFrame")]
    InvalidFrame { message: String },
    /// Something failed that no request should make fail.
    #[error("internal error: {message}")]
    #[serde(rename = "io.jobctl.Scheduler.Internal")]
    Internal { message: String },
    /// The service does not have the interface of the method.
    #[error("the service has no interface {interface:?}")]
    #[serde(rename = "org.varlink.service.InterfaceNotFound")]
    InterfaceNotFound { interface: String },
    /// The interface does not have the method.
    #[error("the service has no method {method:?}")]
    #[serde(rename = "org.varlink.service.MethodNotFound")]
    MethodNotFound { method: String },
    /// A parameter is missing, unknown, or has a wrong type or value.
    #[error("parameter {parameter:?} is not valid")]
    #[serde(rename = "org.varlink.service.InvalidParameter")]
    InvalidParameter { parameter: String },
    /// The method answers with a stream and was called without `more`.
    #[error("the method must be called with `more`")]
    #[serde(rename = "org.varlink.service.ExpectedMore")]
    ExpectedMore,
    /// An error that this version does not know, from a service that is newer.
    #[error("the daemon answers {name}")]
    #[serde(skip)]
    Unknown { name: String },
}

impl ServiceError {
    /// Makes the error for a parameter.
    pub fn invalid_parameter(parameter: &str) -> Self {
        ServiceError::InvalidParameter { parameter: parameter.to_owned() }
    }

    /// Returns the wire form: the qualified name and the parameters.
    pub fn to_wire(&self) -> (String, Map<String, Value>) {
        if let ServiceError::Unknown { name } = self {
            return (name.clone(), Map::new());
        }
        let mut wire = match serde_json::to_value(self) {
            Ok(Value::Object(wire)) => wire,
            _ => Map::new(),
        };
        let name = match wire.remove("error") {
            Some(Value::String(name)) => name,
            _ => "io.jobctl.Scheduler.Internal".to_owned(),
        };
        let parameters = match wire.remove("parameters") {
            Some(Value::Object(parameters)) => parameters,
            _ => Map::new(),
        };
        (name, parameters)
    }

    /// Reads the wire form; a name or parameters that this version does not know give [`ServiceError::Unknown`].
    pub fn from_wire(name: &str, parameters: Map<String, Value>) -> Self {
        let mut wire = Map::new();
        wire.insert("error".to_owned(), name.into());
        if !parameters.is_empty() {
            wire.insert("parameters".to_owned(), Value::Object(parameters));
        }
        serde_json::from_value(Value::Object(wire))
            .unwrap_or_else(|_| ServiceError::Unknown { name: name.to_owned() })
    }
}

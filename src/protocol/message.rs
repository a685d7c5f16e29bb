//! Messages: the objects in the frames.

use serde::de::Error as _;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::error::ServiceError;

/// A call of a method.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// The qualified name: `io.jobctl.Scheduler.List`.
    pub method: String,
    #[serde(default, deserialize_with = "or_empty")]
    pub parameters: Map<String, Value>,
    /// The client takes any number of replies.
    #[serde(default, deserialize_with = "or_false", skip_serializing_if = "is_false")]
    pub more: bool,
    /// The client wants no reply.
    #[serde(default, deserialize_with = "or_false", skip_serializing_if = "is_false")]
    pub oneway: bool,
}

/// A reply to a call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reply<T> {
    pub parameters: T,
    /// Further replies to the same call will come.
    #[serde(default, deserialize_with = "or_false", skip_serializing_if = "is_false")]
    pub continues: bool,
    /// The qualified name of an error; the parameters then belong to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A reply as it is read, before it is known whether it is an error.
#[derive(Debug, Deserialize)]
struct AnyReply<'a> {
    #[serde(borrow, default)]
    parameters: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "or_false")]
    continues: bool,
    #[serde(default)]
    error: Option<String>,
}

/// Why a frame is no message.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// The frame is not JSON, or not an object with the fields and types of a message.
    #[error("not a message: {0}")]
    Malformed(#[from] serde_json::Error),
}

impl Call {
    /// Reads a call; fields that calls do not have are left alone, as Varlink asks.
    ///
    /// # Errors
    /// Where the frame is no call at all. Whether method and parameters are known is not looked at.
    pub fn decode(frame: &[u8]) -> Result<Self, MessageError> {
        Ok(serde_json::from_slice(frame)?)
    }
}

impl<T> Reply<T> {
    /// Makes a reply that is not an error.
    pub fn new(parameters: T, continues: bool) -> Self {
        Reply { parameters, continues, error: None }
    }
}

impl Reply<Map<String, Value>> {
    /// Makes the reply for an error.
    pub fn from_error(error: &ServiceError) -> Self {
        let (name, parameters) = error.to_wire();
        Reply { parameters, continues: false, error: Some(name) }
    }
}

impl<'a> Reply<&'a RawValue> {
    /// Reads a reply; the inner result is what the service says. The parameters, which may be about a hundred
    /// thousand jobs, are an object, but are not looked into.
    ///
    /// # Errors
    /// Where the frame is no reply at all.
    pub fn decode(frame: &'a [u8]) -> Result<Result<Self, ServiceError>, MessageError> {
        let AnyReply { parameters, continues, error } = serde_json::from_slice(frame)?;
        let parameters = match parameters {
            Some(parameters) if parameters.get().starts_with('{') => parameters,
            Some(_) => return Err(serde_json::Error::custom("the parameters are no object").into()),
            None => serde_json::from_str("{}")?,
        };
        Ok(match error {
            Some(name) => Err(ServiceError::from_wire(&name, serde_json::from_str(parameters.get())?)),
            None => Ok(Reply { parameters, continues, error: None }),
        })
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
fn is_false(flag: &bool) -> bool {
    !flag
}

fn or_false<'de, D: serde::Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or(false))
}

fn or_empty<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Map<String, Value>, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::{Call, Reply};
    use crate::protocol::error::ServiceError;
    use crate::protocol::frame::encode;
    use crate::protocol::views::DiagnosticView;

    #[test]
    fn calls_are_read_with_nulls_and_unknown_fields() {
        let call =
            Call::decode(br#"{"method":"a.b.C","parameters":null,"more":null,"upgrade":false}"#).unwrap();
        assert_eq!(call, Call { method: "a.b.C".to_owned(), ..Call::default() });
        let call =
            Call::decode(br#"{"method":"a.b.C","parameters":{"x":1},"more":true,"oneway":true}"#).unwrap();
        assert!(call.more && call.oneway);
        assert_eq!(call.parameters["x"], 1);
    }

    #[test]
    fn what_is_no_call_is_refused() {
        let deep = format!("{{\"method\":\"m\",\"parameters\":{}", "[".repeat(100_000));
        for garbage in ["", "{}", "[]", "\"x\"", "nonsense", "{\"method\":1}", "{\"method\":\"m\"}x", &deep] {
            assert!(Call::decode(garbage.as_bytes()).is_err(), "{garbage:.40}");
        }
        assert!(Call::decode(b"{\"method\":\"\xff\"}").is_err());
        assert!(Call::decode(br#"{"method":"m","parameters":[1]}"#).is_err());
    }

    #[test]
    fn every_error_survives_the_wire() {
        let diagnostic =
            DiagnosticView { message: "no".to_owned(), line: Some(3), ..DiagnosticView::default() };
        let name = || "a".to_owned();
        for error in [
            ServiceError::NoSuchJob { name: name(), suggestion: Some("b".to_owned()) },
            ServiceError::NoSuchRun { run_id: 7 },
            ServiceError::NameTaken { name: name() },
            ServiceError::DeclaredInFile { name: name(), path: "/f".to_owned(), line: None },
            ServiceError::InvalidDefinition { diagnostics: vec![diagnostic] },
            ServiceError::NeverFires { name: name() },
            ServiceError::Busy { job: name(), run_id: Some(1) },
            ServiceError::NotAllowed,
            ServiceError::Stopping,
            ServiceError::Degraded { error: name() },
            ServiceError::NothingSelected,
            ServiceError::TooManyClients,
            ServiceError::Timeout,
            ServiceError::InvalidFrame { message: name() },
            ServiceError::Internal { message: name() },
            ServiceError::InterfaceNotFound { interface: name() },
            ServiceError::MethodNotFound { method: name() },
            ServiceError::InvalidParameter { parameter: name() },
            ServiceError::ExpectedMore,
            ServiceError::Unknown { name: "io.jobctl.Scheduler.FromTheFuture".to_owned() },
        ] {
            let frame = encode(&Reply::from_error(&error)).unwrap();
            let (nul, message) = frame.split_last().unwrap();
            assert_eq!(*nul, 0);
            assert_eq!(Reply::decode(message).unwrap().unwrap_err(), error);
        }
    }

    #[test]
    fn an_error_looks_as_varlink_wants_it() {
        let error = ServiceError::NoSuchRun { run_id: 7 };
        assert_eq!(
            serde_json::to_value(Reply::from_error(&error)).unwrap(),
            json!({ "error": "io.jobctl.Scheduler.NoSuchRun", "parameters": { "run_id": 7 } })
        );
        let plain = ServiceError::from_wire("io.jobctl.Scheduler.Stopping", Map::new());
        assert_eq!(plain, ServiceError::Stopping);
    }

    #[test]
    fn a_reply_is_read_without_a_look_at_its_parameters() {
        let reply = Reply::decode(br#"{"continues":true,"x":1,"parameters": {"a":[1]} }"#).unwrap().unwrap();
        assert_eq!((reply.parameters.get(), reply.continues), (r#"{"a":[1]}"#, true));
        for none in [&b"{}"[..], br#"{"parameters":null,"error":null}"#] {
            assert_eq!(Reply::decode(none).unwrap().unwrap().parameters.get(), "{}");
        }
        for garbage in ["", r#"{"parameters":[1]}"#, r#"{"parameters":{}"#, r#"{"parameters":1}"#] {
            assert!(Reply::decode(garbage.as_bytes()).is_err(), "{garbage}");
        }
    }

    #[test]
    fn a_reply_has_continues_only_when_it_is_true() {
        let last = serde_json::to_value(Reply::new(json!({ "a": 1 }), false)).unwrap();
        assert_eq!(last, json!({ "parameters": { "a": 1 } }));
        let first = serde_json::to_value(Reply::new(json!({ "a": 1 }), true)).unwrap();
        assert_eq!(first, json!({ "parameters": { "a": 1 }, "continues": true }));
    }
}

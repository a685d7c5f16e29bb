//! The interface that every Varlink service has: who it is, and how its interfaces are described.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::error::ServiceError;
use super::message::Call;
use super::parameter::Reader;
use super::{DESCRIPTION, INTERFACE, SERVICE_DESCRIPTION, SERVICE_INTERFACE};

/// The qualified name of the method that every service answers, whatever else it does.
pub const GET_INFO: &str = "org.varlink.service.GetInfo";

/// Who the service is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Info {
    pub vendor: String,
    pub product: String,
    pub version: String,
    pub url: String,
    pub interfaces: Vec<String>,
}

/// The answer to a question about the service itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Introspection {
    /// The answer of `GetInfo`.
    Info(Info),
    /// The answer of `GetInterfaceDescription`.
    Description { description: &'static str },
}

/// Answers a call of `org.varlink.service`; `None` = the call is for another interface.
pub fn answer(call: &Call) -> Option<Result<Introspection, ServiceError>> {
    let method = call.method.strip_prefix(SERVICE_INTERFACE)?.strip_prefix('.')?;
    let parameters = call.parameters.clone();
    Some(match method {
        "GetInfo" => get_info(parameters),
        "GetInterfaceDescription" => {
            let mut reader = Reader::new(parameters, "");
            let interface = reader.take("interface").and_then(|name| reader.finish().map(|()| name));
            interface.and_then(describe)
        }
        _ => Err(ServiceError::MethodNotFound { method: call.method.clone() }),
    })
}

fn get_info(parameters: Map<String, Value>) -> Result<Introspection, ServiceError> {
    Reader::new(parameters, "").finish()?;
    Ok(Introspection::Info(Info {
        vendor: "jobctl".to_owned(),
        product: "jobctl".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        url: env!("CARGO_PKG_REPOSITORY").to_owned(),
        interfaces: vec![SERVICE_INTERFACE.to_owned(), INTERFACE.to_owned()],
    }))
}

fn describe(interface: String) -> Result<Introspection, ServiceError> {
    let description = match interface.as_str() {
        INTERFACE => DESCRIPTION,
        SERVICE_INTERFACE => SERVICE_DESCRIPTION,
        _ => return Err(ServiceError::InterfaceNotFound { interface }),
    };
    Ok(Introspection::Description { description })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::answer;
    use crate::protocol::error::ServiceError;
    use crate::protocol::message::Call;

    fn ask(method: &str, parameters: Value) -> Option<Result<Value, ServiceError>> {
        let Value::Object(parameters) = parameters else { panic!("parameters are an object") };
        let call = Call { method: method.to_owned(), parameters, ..Call::default() };
        answer(&call).map(|answer| answer.map(|answer| serde_json::to_value(answer).unwrap()))
    }

    #[test]
    fn the_service_tells_who_it_is() {
        let info = ask("org.varlink.service.GetInfo", json!({})).unwrap().unwrap();
        assert_eq!(info["product"], "jobctl");
        assert_eq!(info["interfaces"], json!(["org.varlink.service", "io.jobctl.Scheduler"]));
        for interface in ["org.varlink.service", "io.jobctl.Scheduler"] {
            let asked = json!({ "interface": interface });
            let told = ask("org.varlink.service.GetInterfaceDescription", asked).unwrap().unwrap();
            let description = told["description"].as_str().unwrap();
            assert!(description.contains(&format!("\ninterface {interface}\n")));
        }
    }

    #[test]
    fn other_questions_are_refused_or_left_to_others() {
        assert_eq!(ask("io.jobctl.Scheduler.Status", json!({})), None);
        assert_eq!(ask("org.varlink.services.GetInfo", json!({})), None);
        let method = "org.varlink.service.Reboot".to_owned();
        assert_eq!(ask(&method, json!({})), Some(Err(ServiceError::MethodNotFound { method })));
        let describe = "org.varlink.service.GetInterfaceDescription";
        assert_eq!(ask(describe, json!({})), Some(Err(ServiceError::invalid_parameter("interface"))));
        let interface = "a.b".to_owned();
        let unknown = Some(Err(ServiceError::InterfaceNotFound { interface }));
        assert_eq!(ask(describe, json!({ "interface": "a.b" })), unknown);
        let extra = Some(Err(ServiceError::invalid_parameter("x")));
        assert_eq!(ask("org.varlink.service.GetInfo", json!({ "x": 1 })), extra);
    }
}

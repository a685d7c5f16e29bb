//! The interface description and the types say the same; requests are parsed strictly.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::error::ServiceError;
use super::request::{Add, Edit, List, Logs, Next, Request, RunNow, Wait};
use super::selector::{JOB_STATES, RUN_STATUSES, Selector, SortKey};
use super::views::{
    ChangeView, DiagnosticView, EventView, FireTimeView, JobLine, JobView, NextView, OriginView, PauseView,
    PoolView, RunView, StatusView, StepView, TriggerView,
};
use super::{DESCRIPTION, SERVICE_DESCRIPTION, reply};
use crate::core::run::RunStatus;

type Fields = Vec<(String, String)>;

/// The members of an interface description: names with their fields, in order.
#[derive(Default)]
struct Description {
    types: BTreeMap<String, Fields>,
    methods: BTreeMap<String, (Fields, Fields)>,
    errors: BTreeMap<String, Fields>,
}

/// Reads descriptions in which no structure stands inside another; ours are such.
fn read(description: &str) -> Description {
    let text: String =
        description.lines().map(|line| line.split('#').next().unwrap_or("")).collect::<Vec<_>>().join(" ");
    let mut found = Description::default();
    let mut rest = text.as_str();
    while let Some((at, keyword)) =
        ["type ", "method ", "error "].iter().filter_map(|word| Some((rest.find(word)?, *word))).min()
    {
        rest = &rest[at + keyword.len()..];
        let open = rest.find('(').unwrap();
        let name = rest[..open].trim().to_owned();
        let (first, behind) = fields(&rest[open..]);
        rest = behind;
        match keyword {
            "type " => assert!(found.types.insert(name, first).is_none()),
            "error " => assert!(found.errors.insert(name, first).is_none()),
            _ => {
                let (answer, behind) = fields(rest.trim_start().strip_prefix("->").unwrap().trim_start());
                rest = behind;
                assert!(found.methods.insert(name, (first, answer)).is_none());
            }
        }
    }
    found
}

fn fields(text: &str) -> (Fields, &str) {
    let end = text.find(')').unwrap();
    let fields = text[1..end].split(',').map(str::trim).filter(|field| !field.is_empty()).map(|field| {
        let (name, kind) = field.split_once(':').unwrap_or((field, ""));
        (name.trim().to_owned(), kind.trim().to_owned())
    });
    (fields.collect(), &text[end + 1..])
}

/// Compares a structure of the description with the JSON of a default value: every field, and its kind.
fn agrees<T: Serialize + Default>(name: &str, fields: &Fields, left_out: &[&str]) {
    let Value::Object(json) = serde_json::to_value(T::default()).unwrap() else {
        panic!("{name} is no object")
    };
    let described: BTreeSet<&str> = fields.iter().map(|(field, _)| field.as_str()).collect();
    let typed: BTreeSet<&str> = json.keys().map(String::as_str).chain(left_out.iter().copied()).collect();
    assert_eq!(described, typed, "{name}");
    for (field, kind) in fields {
        let value = json.get(field).unwrap_or(&Value::Null);
        let fits = match value {
            Value::Null => kind.starts_with('?'),
            Value::Bool(_) => kind == "bool",
            Value::Number(_) => kind == "int",
            Value::String(_) => kind == "string",
            Value::Array(_) => kind.starts_with("[]"),
            Value::Object(_) => kind.starts_with("[string]") || kind.starts_with(char::is_uppercase),
        };
        assert!(fits, "{name}.{field} is described as {kind:?} and is {value}");
    }
}

#[test]
fn described_types_are_the_views() {
    let types = read(DESCRIPTION).types;
    agrees::<JobView>("Job", &types["Job"], &[]);
    let left_out = ["next_fire_time", "last_status", "last_at", "description"];
    agrees::<JobLine>("JobLine", &types["JobLine"], &left_out);
    agrees::<TriggerView>("Trigger", &types["Trigger"], &[]);
    agrees::<OriginView>("Origin", &types["Origin"], &[]);
    agrees::<PauseView>("PauseRecord", &types["PauseRecord"], &[]);
    agrees::<StepView>("Step", &types["Step"], &[]);
    agrees::<RunView>("RunRecord", &types["RunRecord"], &[]);
    agrees::<reply::RunRef>("RunRef", &types["RunRef"], &[]);
    agrees::<EventView>("Event", &types["Event"], &[]);
    agrees::<FireTimeView>("FireTime", &types["FireTime"], &[]);
    agrees::<NextView>("FireTimes", &types["FireTimes"], &["job", "cron"]);
    agrees::<PoolView>("Pool", &types["Pool"], &[]);
    agrees::<StatusView>("DaemonStatus", &types["DaemonStatus"], &[]);
    agrees::<DiagnosticView>("Diagnostic", &types["Diagnostic"], &[]);
    agrees::<ChangeView>("Change", &types["Change"], &[]);
    assert_eq!(types.len(), 17, "15 views, the selector and the sort key");
}

#[test]
fn no_two_members_share_a_name() {
    let Description { types, methods, errors } = read(DESCRIPTION);
    let names: BTreeSet<&String> = types.keys().chain(methods.keys()).chain(errors.keys()).collect();
    assert_eq!(names.len(), types.len() + methods.len() + errors.len(), "clients keep them in one namespace");
}

#[test]
fn described_methods_are_the_requests() {
    let methods = read(DESCRIPTION).methods;
    let typed = Request::varlink_methods();
    assert_eq!(methods.len(), typed.len());
    for (name, parameters) in typed {
        let described: Vec<(&str, String)> =
            methods[name].0.iter().map(|(field, kind)| (field.as_str(), kind.clone())).collect();
        assert_eq!(described, parameters, "{name}");
    }
}

#[test]
fn described_answers_are_the_replies() {
    let methods = read(DESCRIPTION).methods;
    let check = |name: &str, agrees: fn(&str, &Fields, &[&str])| agrees(name, &methods[name].1, &[]);
    check("Status", agrees::<reply::Status>);
    check("List", agrees::<reply::Jobs>);
    check("Overview", agrees::<reply::Lines>);
    check("Show", agrees::<reply::Shown>);
    check("Next", agrees::<reply::FireTimes>);
    check("History", agrees::<reply::Runs>);
    check("Run", agrees::<reply::OneRun>);
    check("Why", agrees::<reply::Ledger>);
    check("Events", agrees::<reply::Events>);
    check("Logs", agrees::<reply::Output>);
    check("Export", agrees::<reply::Exported>);
    check("Add", agrees::<reply::Put>);
    check("Edit", agrees::<reply::Edited>);
    check("Reschedule", agrees::<reply::Put>);
    check("Remove", agrees::<reply::Names>);
    check("Pause", agrees::<reply::Names>);
    check("Resume", agrees::<reply::Names>);
    check("RunNow", agrees::<reply::RunIds>);
    check("Wait", agrees::<reply::OneRun>);
    check("Cancel", agrees::<reply::RunIds>);
    check("Hold", agrees::<reply::Done>);
    check("Release", agrees::<reply::Done>);
    check("Reload", agrees::<reply::Reloaded>);
    check("Stop", agrees::<reply::Done>);
    check("Changes", agrees::<reply::Changes>);
    check("Undo", agrees::<reply::Undone>);
    assert_eq!(methods.len(), 26);
}

#[test]
fn the_selector_and_its_words_are_described() {
    let types = read(DESCRIPTION).types;
    let described: Vec<(&str, String)> =
        types["Selector"].iter().map(|(field, kind)| (field.as_str(), kind.clone())).collect();
    assert_eq!(described, Selector::varlink_fields());
    let keys: Vec<&str> = types["SortKey"].iter().map(|(word, _)| word.as_str()).collect();
    let all = [SortKey::Name, SortKey::Next, SortKey::State, SortKey::Pool, SortKey::Trigger, SortKey::Last];
    let typed: Vec<Value> = all.iter().map(|key| serde_json::to_value(key).unwrap()).collect();
    assert_eq!(typed, keys);
    for word in JOB_STATES.iter().chain(&RUN_STATUSES) {
        assert!(DESCRIPTION.contains(word), "{word}");
    }
    for status in RUN_STATUSES {
        assert!(RunStatus::from_word(status).is_some(), "{status}");
    }
}

#[test]
fn described_errors_are_the_typed_ones() {
    let (ours, standard) = (read(DESCRIPTION).errors, read(SERVICE_DESCRIPTION).errors);
    let value = |kind: &str| match kind {
        "int" => json!(1),
        "string" => json!("x"),
        kind if kind.starts_with("[]") => json!([]),
        kind if kind.starts_with('?') => Value::Null,
        kind => panic!("no value for {kind}"),
    };
    let described = ours.iter().map(|(name, fields)| (format!("{}.{name}", super::INTERFACE), fields));
    let standard =
        standard.iter().map(|(name, fields)| (format!("{}.{name}", super::SERVICE_INTERFACE), fields));
    // These two belong to every service; this one never answers with them.
    let unused = ["org.varlink.service.MethodNotImplemented", "org.varlink.service.PermissionDenied"];
    let mut count = 0;
    for (name, fields) in described.chain(standard) {
        let parameters: Map<String, Value> =
            fields.iter().map(|(field, kind)| (field.clone(), value(kind))).collect();
        let error = ServiceError::from_wire(&name, parameters.clone());
        assert_eq!(matches!(error, ServiceError::Unknown { .. }), unused.contains(&name.as_str()), "{name}");
        if !unused.contains(&name.as_str()) {
            assert_eq!(error.to_wire(), (name, parameters));
            count += 1;
        }
    }
    assert_eq!(count, 21, "every error is described");
}

fn parse(method: &str, parameters: Value, more: bool) -> Result<Request, ServiceError> {
    let Value::Object(parameters) = parameters else { panic!("parameters are an object") };
    Request::parse(method, parameters, more)
}

#[test]
fn requests_survive_the_wire() {
    let selector = Selector {
        names: vec!["a*".to_owned()],
        all: true,
        sort: Some(SortKey::Last),
        since: Some("2026-03-29T01:00:00Z".to_owned()),
        ..Selector::default()
    };
    for request in [
        Request::Status,
        Request::List(List::default()),
        Request::List(List { selector: selector.clone() }),
        Request::Next(Next { name: "a".to_owned(), count: Some(3), from: None }),
        Request::Add(Add { name: "a".to_owned(), toml: "x".to_owned(), replace: true, ..Add::default() }),
        Request::Edit(Edit {
            name: "a".to_owned(),
            set: BTreeMap::from([("retries".to_owned(), "3".to_owned())]),
            ..Edit::default()
        }),
        Request::RunNow(RunNow { selector, priority: Some(-1), ..RunNow::default() }),
        Request::Wait(Wait { run_id: Some(u64::MAX), ..Wait::default() }),
    ] {
        let parsed = Request::parse(&request.qualified_method(), request.parameters(), false);
        assert_eq!(parsed, Ok(request));
    }
}

#[test]
fn requests_are_parsed_strictly() {
    let table = [
        ("Show", json!({}), "name"),
        ("Show", json!({ "name": null }), "name"),
        ("Show", json!({ "name": 1 }), "name"),
        ("Show", json!({ "name": "a", "nmae": "b" }), "nmae"),
        ("Status", json!({ "x": 1 }), "x"),
        ("Run", json!({ "run_id": -1 }), "run_id"),
        ("Run", json!({ "run_id": 1.5 }), "run_id"),
        ("Add", json!({ "name": "a", "toml": "", "replace": "yes" }), "replace"),
        ("List", json!({ "selector": [] }), "selector"),
        ("List", json!({ "selector": { "sort": "size" } }), "selector.sort"),
        ("List", json!({ "selector": { "state": ["pasued"] } }), "selector.state"),
        ("List", json!({ "selector": { "status": ["done"] } }), "selector.status"),
        ("List", json!({ "selector": { "trigger": ["timer"] } }), "selector.trigger"),
        ("List", json!({ "selector": { "since": "yesterday" } }), "selector.since"),
        ("List", json!({ "selector": { "names": ["x".repeat(257)] } }), "selector.names"),
        ("List", json!({ "selector": { "names": vec!["*"; 101] } }), "selector.names"),
        ("List", json!({ "selector": { "colour": 1 } }), "selector.colour"),
        ("Edit", json!({ "name": "a", "set": { "retries": 3 } }), "set"),
        ("Wait", json!({}), "run_id"),
        ("Wait", json!({ "run_id": 1, "job": "a" }), "run_id"),
        ("Logs", json!({}), "run_id"),
    ];
    for (method, parameters, parameter) in table {
        let parsed = parse(&format!("io.jobctl.Scheduler.{method}"), parameters.clone(), false);
        assert_eq!(parsed, Err(ServiceError::invalid_parameter(parameter)), "{method} {parameters}");
    }
}

#[test]
fn null_is_the_same_as_absent() {
    let parsed =
        parse("io.jobctl.Scheduler.List", json!({ "selector": { "names": null, "all": null } }), false);
    assert_eq!(parsed, Ok(Request::List(List::default())));
    assert_eq!(parse("io.jobctl.Scheduler.List", json!({ "selector": null }), false), parsed);
}

#[test]
fn unknown_methods_and_interfaces_are_told_apart() {
    let unknown = |method: &str| parse(method, json!({}), false).unwrap_err();
    let method = "io.jobctl.Scheduler.Lsit".to_owned();
    assert_eq!(unknown(&method), ServiceError::MethodNotFound { method });
    let interface = "io.systemd.Manager".to_owned();
    assert_eq!(unknown("io.systemd.Manager.List"), ServiceError::InterfaceNotFound { interface });
    assert_eq!(unknown("List"), ServiceError::MethodNotFound { method: "List".to_owned() });
    assert_eq!(unknown(""), ServiceError::MethodNotFound { method: String::new() });
}

#[test]
fn following_needs_more() {
    let follow = json!({ "job": "a", "follow": true });
    assert_eq!(parse("io.jobctl.Scheduler.Logs", follow.clone(), false), Err(ServiceError::ExpectedMore));
    let logs = Logs { job: Some("a".to_owned()), follow: true, ..Logs::default() };
    assert_eq!(parse("io.jobctl.Scheduler.Logs", follow, true), Ok(Request::Logs(logs)));
}

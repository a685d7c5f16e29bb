//! Webhooks and pings: one HTTP request for each message.

use std::collections::BTreeMap;
use std::io::Read;
use std::time::Duration;

use serde::Serialize;
use ureq::http::{Response, Uri};
use ureq::{Agent, Body, Proxy};

use super::error::DeliveryError;
use super::message::{Message, one_line};
use crate::core::change::NoticeKind;
use crate::core::run::Exit;

/// How much of an answer that is no success is read, bytes.
const ANSWER_LIMIT: u64 = 300;

/// The JSON document that a webhook receives. Every field is always there; what does not apply is `null`.
///
/// Fields are added, never renamed or removed; those that `jobctl show --json` has too mean the same there.
#[derive(Debug, Serialize)]
struct Document<'a> {
    /// The message in one line; chat services show the field of this name.
    text: String,
    /// `started`, `succeeded`, `failed`, `recovered` or `overdue`.
    kind: &'static str,
    /// The notifier that speaks.
    notifier: &'a str,
    /// The job.
    job: &'a str,
    /// The run's number.
    run_id: Option<u64>,
    /// The run's status.
    status: Option<&'static str>,
    /// Why it has that status.
    reason: Option<&'static str>,
    /// More about the reason, for people.
    detail: Option<&'a str>,
    /// The exit code of the deciding command.
    exit_code: Option<u8>,
    /// The number of the signal that ended it.
    signal_number: Option<u8>,
    /// When the run was due, RFC 3339 with offset.
    fire_time: Option<&'a str>,
    /// When it started.
    started_at: Option<&'a str>,
    /// When it ended.
    finished_at: Option<&'a str>,
    /// How long it took, milliseconds.
    duration_ms: Option<u64>,
    /// The machine.
    host: &'a str,
    /// The file with the run's output, on that machine.
    log: Option<String>,
    /// The end of the run's output, at most 64 KiB; bytes that are no UTF-8 are replaced by U+FFFD.
    output_tail: String,
    /// True: there was more output before `output_tail`.
    output_cut: bool,
}

impl<'a> Document<'a> {
    fn new(message: &'a Message) -> Self {
        let (output, output_cut) = message.tail();
        let (exit_code, signal_number) = match message.exit {
            Some(Exit::Code(code)) => (Some(code), None),
            Some(Exit::Signal(signal)) => (None, Some(signal)),
            None => (None, None),
        };
        Document {
            text: message.summary(),
            kind: message.kind.as_str(),
            notifier: message.notifier.as_str(),
            job: message.job.as_str(),
            run_id: message.run.map(|run| run.0),
            status: message.status.map(|status| status.as_str()),
            reason: message.reason.map(|reason| reason.as_str()),
            detail: message.detail.as_deref(),
            exit_code,
            signal_number,
            fire_time: message.fire_time.as_deref(),
            started_at: message.started_at.as_deref(),
            finished_at: message.finished_at.as_deref(),
            duration_ms: message.duration.map(|length| u64::try_from(length.as_millis()).unwrap_or(u64::MAX)),
            host: &message.host,
            log: message.log.as_ref().map(|path| path.to_string_lossy().into_owned()),
            output_tail: String::from_utf8_lossy(output).into_owned(),
            output_cut,
        }
    }
}

/// Posts the message as JSON. A redirect is no delivery: it would turn the POST into a GET without the document.
pub(super) fn post(
    url: &str,
    headers: &BTreeMap<String, String>,
    message: &Message,
    limit: Duration,
    proxy: Option<Proxy>,
) -> Result<(), DeliveryError> {
    let host = host(url)?;
    let document = serde_json::to_vec(&Document::new(message)).map_err(|_| DeliveryError::BadRequest)?;
    let mut request = agent(limit, proxy, 0).post(url);
    if !headers.keys().any(|name| name.eq_ignore_ascii_case("content-type")) {
        request = request.header("content-type", "application/json");
    }
    for (name, value) in headers {
        request = request.header(name, value);
    }
    judge(host, limit, request.send(&document[..]))
}

/// Asks for the address that belongs to the kind; where there is none, nothing is to be done.
pub(super) fn ping(
    [start, success, failure]: [Option<&str>; 3],
    kind: NoticeKind,
    limit: Duration,
    proxy: Option<Proxy>,
) -> Result<(), DeliveryError> {
    let url = match kind {
        NoticeKind::Started => start,
        NoticeKind::Succeeded | NoticeKind::Recovered => success,
        NoticeKind::Failed | NoticeKind::Overdue => failure,
    };
    let Some(url) = url else { return Ok(()) };
    judge(host(url)?, limit, agent(limit, proxy, 5).get(url).call())
}

/// Makes a client for one request; the limit covers all of it, from the name look-up to the last byte.
fn agent(limit: Duration, proxy: Option<Proxy>, redirects: u32) -> Agent {
    let config = Agent::config_builder()
        .timeout_global(Some(limit))
        .http_status_as_error(false)
        .max_redirects(redirects)
        .max_redirects_will_error(false)
        .proxy(proxy)
        .user_agent(concat!("jobctl/", env!("CARGO_PKG_VERSION")))
        .build();
    config.new_agent()
}

/// Returns the host of an address, the only part of it that may be shown.
fn host(url: &str) -> Result<String, DeliveryError> {
    let uri: Uri = url.parse().map_err(|_| DeliveryError::BadRequest)?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(DeliveryError::BadRequest);
    }
    uri.host().map(str::to_owned).ok_or(DeliveryError::BadRequest)
}

fn judge(
    host: String,
    limit: Duration,
    answer: Result<Response<Body>, ureq::Error>,
) -> Result<(), DeliveryError> {
    let answer = match answer {
        Ok(answer) => answer,
        Err(ureq::Error::Timeout(_)) => return Err(DeliveryError::TimedOut(limit)),
        Err(ureq::Error::Http(_) | ureq::Error::BadUri(_) | ureq::Error::BodyExceedsLimit(_)) => {
            return Err(DeliveryError::BadRequest);
        }
        Err(error) => return Err(DeliveryError::Unreachable { host, source: Box::new(error) }),
    };
    let code = answer.status();
    if code.is_success() {
        return Ok(());
    }
    let mut said = Vec::new();
    // What can be read explains the refusal; the refusal stands without it.
    let _ = answer.into_body().into_reader().take(ANSWER_LIMIT).read_to_end(&mut said);
    let said = String::from_utf8_lossy(&said);
    Err(DeliveryError::Refused { host, code: code.as_u16(), answer: one_line(said.trim()) })
}

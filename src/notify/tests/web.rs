//! Webhooks and pings against web servers of a few lines.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{AMPLE, SHORT, courier, message, settings};
use crate::core::change::NoticeKind;
use crate::core::notifier::Channel;
use crate::notify::{DeliveryError, Message};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// A request as a server saw it.
struct Request {
    head: String,
    body: Vec<u8>,
}

/// Serves one connection on a port of its own; returns the address and what the server makes of it.
fn serve<T: Send + 'static>(server: impl FnOnce(TcpStream) -> T + Send + 'static) -> (String, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/hook/secret", listener.local_addr().unwrap());
    (address, std::thread::spawn(move || server(listener.accept().unwrap().0)))
}

fn request(stream: &TcpStream) -> Request {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(reader.read_line(&mut head).unwrap(), 0, "the client left: {head}");
    }
    let length =
        head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).unwrap();
    Request { head, body }
}

/// Answers one request with a fixed text.
fn answering(answer: &'static str) -> (String, JoinHandle<Request>) {
    serve(move |mut stream| {
        let request = request(&stream);
        stream.write_all(answer.as_bytes()).unwrap();
        request
    })
}

fn webhook(url: &str) -> Channel {
    Channel::Webhook { url: url.to_owned(), headers: BTreeMap::new() }
}

fn post(url: &str, timeout: Duration) -> Result<(), DeliveryError> {
    courier().deliver(&settings(webhook(url), timeout), &message())
}

#[test]
fn a_webhook_gets_the_documented_fields() {
    let (url, server) = answering(OK);
    let headers = BTreeMap::from([("Authorization".to_owned(), "Bearer abc".to_owned())]);
    let settings = settings(Channel::Webhook { url, headers }, AMPLE);
    courier().deliver(&settings, &message()).unwrap();
    let request = server.join().unwrap();
    let head = request.head.to_lowercase();
    assert!(head.starts_with("post /hook/secret http/1.1\r\n"), "{head}");
    assert!(head.contains("\r\ncontent-type: application/json\r\n"), "{head}");
    assert!(head.contains("\r\nauthorization: bearer abc\r\n"), "{head}");
    let document: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&document).unwrap());
}

#[test]
fn a_header_of_the_settings_wins() {
    let (url, server) = answering(OK);
    let headers = BTreeMap::from([("Content-Type".to_owned(), "text/x-hook".to_owned())]);
    courier().deliver(&settings(Channel::Webhook { url, headers }, AMPLE), &message()).unwrap();
    let head = server.join().unwrap().head.to_lowercase();
    assert_eq!(head.matches("content-type").count(), 1, "{head}");
    assert!(head.contains("content-type: text/x-hook"), "{head}");
}

#[test]
fn n1_the_answer_says_whether_to_try_again() {
    for (answer, expected) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", None),
        ("HTTP/1.1 204 No Content\r\n\r\n", None),
        ("HTTP/1.1 202 Accepted\r\nContent-Length: 5\r\n\r\nhello", None),
        (
            "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
            Some((302, false)),
        ),
        ("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", Some((400, true))),
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", Some((404, true))),
        ("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n", Some((408, false))),
        ("HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n", Some((429, false))),
        ("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", Some((500, false))),
        ("HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n", Some((503, false))),
    ] {
        let (url, server) = answering(answer);
        let outcome = post(&url, AMPLE);
        server.join().unwrap();
        let refusal = outcome.err().map(|error| match &error {
            DeliveryError::Refused { code, .. } => (*code, error.is_permanent()),
            other => panic!("{answer}: {other:?}"),
        });
        assert_eq!(refusal, expected, "{answer}");
    }
}

#[test]
fn an_error_tells_what_the_server_said_and_keeps_the_address_secret() {
    let (url, server) = answering("HTTP/1.1 400 Bad\r\nContent-Length: 15\r\n\r\nno \x1b[1msuch team");
    let error = post(&url, AMPLE).unwrap_err();
    server.join().unwrap();
    assert_eq!(error.to_string(), "127.0.0.1 answered 400: no  [1msuch tea");
}

#[test]
fn n1_a_server_that_never_answers_is_left() {
    let (url, server) = serve(|mut stream| stream.read_to_end(&mut Vec::new()).is_ok());
    let error = post(&url, SHORT).unwrap_err();
    assert!(matches!(error, DeliveryError::TimedOut(SHORT)) && !error.is_permanent(), "{error:?}");
    assert!(server.join().unwrap(), "the connection is closed");
}

#[test]
fn n1_a_server_that_does_not_speak_tls_is_left() {
    let (url, server) = serve(|mut stream| stream.read_to_end(&mut Vec::new()).is_ok());
    let error = post(&url.replace("http:", "https:"), SHORT).unwrap_err();
    assert!(matches!(error, DeliveryError::TimedOut(_)), "{error:?}");
    assert!(server.join().unwrap(), "the connection is closed");
    let (url, server) = serve(|mut stream| stream.write_all(b"HTTP/1.1 400 Speak plainly\r\n\r\n"));
    let error = post(&url.replace("http:", "https:"), AMPLE).unwrap_err();
    assert!(matches!(error, DeliveryError::Unreachable { .. }) && !error.is_permanent(), "{error:?}");
    server.join().unwrap().unwrap();
}

/// Writes `head`, then one more `drop` every few milliseconds until the client leaves.
fn dripping(head: &'static str, drop: &'static str) -> (String, JoinHandle<()>) {
    serve(move |mut stream| {
        request(&stream);
        stream.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        let mut sent = stream.write_all(head.as_bytes());
        while sent.is_ok() {
            match stream.read(&mut [0]) {
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                _ => return,
            }
            sent = stream.write_all(drop.as_bytes());
        }
    })
}

#[test]
fn n1_a_server_that_drips_is_left() {
    let (url, server) = dripping("HTTP/1.1 200 OK\r\nX-Slow: ", "z");
    let error = post(&url, SHORT).unwrap_err();
    assert!(matches!(error, DeliveryError::TimedOut(_)), "{error:?}");
    server.join().unwrap();
}

#[test]
fn n1_an_error_page_without_end_is_read_in_part() {
    let (url, server) = dripping("HTTP/1.1 500 Oh\r\nContent-Length: 1000000\r\n\r\n", "zzzzzzzz");
    let error = post(&url, AMPLE).unwrap_err();
    assert!(matches!(error, DeliveryError::Refused { code: 500, .. }), "{error:?}");
    server.join().unwrap();
}

#[test]
fn n1_a_server_that_does_not_read_is_left() {
    // The document is larger than what the kernel takes in for a server that does not read.
    let (url, server) = serve(|stream| {
        let mut early = [0; 1];
        (&stream).read_exact(&mut early).unwrap();
        stream
    });
    let mut message = message();
    message.output_tail = vec![1; 64 * 1024];
    message.detail = Some("x".repeat(16 << 20));
    let error = courier().deliver(&settings(webhook(&url), SHORT), &message).unwrap_err();
    assert!(matches!(error, DeliveryError::TimedOut(_)), "{error:?}");
    drop(server.join().unwrap());
}

#[test]
fn n1_no_server_and_no_such_name_may_pass() {
    // A label of a name has at most 63 bytes (RFC 1035): the look-up fails without asking anybody.
    for url in ["http://127.0.0.1:1/".to_owned(), format!("http://{}.invalid/", "x".repeat(64))] {
        let error = post(&url, AMPLE).unwrap_err();
        assert!(matches!(error, DeliveryError::Unreachable { .. }) && !error.is_permanent(), "{error:?}");
    }
}

#[test]
fn garbage_instead_of_http_may_pass() {
    let (url, server) = answering("SSH-2.0-OpenSSH_9.7\r\n\r\n");
    let error = post(&url, AMPLE).unwrap_err();
    server.join().unwrap();
    assert!(matches!(error, DeliveryError::Unreachable { .. }), "{error:?}");
}

#[test]
fn settings_that_make_no_request_are_permanent() {
    for url in ["", "nonsense", "ftp://host/", "http://", "http://a b/", "file:///etc/passwd"] {
        let error = post(url, AMPLE).unwrap_err();
        assert!(matches!(error, DeliveryError::BadRequest) && error.is_permanent(), "{url}: {error:?}");
    }
    let url = "http://127.0.0.1:1/".to_owned();
    let headers = BTreeMap::from([("X-A".to_owned(), "b\r\nX-Evil: c".to_owned())]);
    let error =
        courier().deliver(&settings(Channel::Webhook { url, headers }, AMPLE), &message()).unwrap_err();
    assert!(matches!(error, DeliveryError::BadRequest), "{error:?}");
}

#[test]
fn n2_a_ping_asks_for_the_address_of_its_kind() {
    for (kind, path) in [
        (NoticeKind::Started, "start"),
        (NoticeKind::Succeeded, "success"),
        (NoticeKind::Recovered, "success"),
        (NoticeKind::Failed, "failure"),
        (NoticeKind::Overdue, "failure"),
    ] {
        let (url, server) = answering(OK);
        let address = |path: &str| Some(format!("{url}/{path}"));
        let (start, success, failure) = (address("start"), address("success"), address("failure"));
        let settings = settings(Channel::Ping { start, success, failure }, AMPLE);
        courier().deliver(&settings, &Message { kind, ..message() }).unwrap();
        let head = server.join().unwrap().head;
        assert!(head.starts_with(&format!("GET /hook/secret/{path} HTTP/1.1\r\n")), "{head}");
    }
}

#[test]
fn a_ping_without_an_address_for_the_kind_does_nothing() {
    let silent = Channel::Ping { start: None, success: None, failure: None };
    for kind in NoticeKind::ALL {
        courier().deliver(&settings(silent.clone(), AMPLE), &Message { kind, ..message() }).unwrap();
    }
}

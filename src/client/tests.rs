//! The client against servers that are threads.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};

use super::{CallError, Client, ClientError};
use crate::protocol::error::ServiceError;
use crate::protocol::reply::{Done, Names};
use crate::protocol::request::{Events, Request};

const INFO: &str =
    r#"{"parameters":{"vendor":"jobctl","product":"jobctl","version":"1","url":"","interfaces":[]}}"#;

const PART: &str = r#"{"parameters":{"names":["a"]},"continues":true}"#;

/// Takes one client in and answers each of its calls with the next replies.
fn serve(path: &Path, answers: &'static [&'static [&'static str]]) -> thread::JoinHandle<Vec<String>> {
    let listener = UnixListener::bind(path).unwrap();
    thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream);
        let mut calls = Vec::new();
        for replies in answers {
            let mut call = Vec::new();
            reader.read_until(0, &mut call).unwrap();
            calls.push(String::from_utf8(call).unwrap());
            for reply in *replies {
                write(reader.get_mut(), reply);
            }
        }
        calls
    })
}

fn write(stream: &mut UnixStream, reply: &str) {
    stream.write_all(reply.as_bytes()).unwrap();
    stream.write_all(&[0]).unwrap();
}

#[test]
fn one_connection_makes_many_requests() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let server = serve(
        &path,
        &[
            &[INFO],
            &[r#"{"parameters":{"names":["a"]}}"#],
            &[r#"{"error":"io.jobctl.Scheduler.Stopping"}"#],
            &["{}"],
        ],
    );
    let mut client = Client::connect(&path).unwrap();
    assert_eq!(client.daemon().version, "1");
    let names: Names = client.call(&Request::Reload).unwrap();
    assert_eq!(names.names, ["a"]);
    let refused = client.call::<Names>(&Request::Release);
    assert!(matches!(refused, Err(CallError::Service(ServiceError::Stopping))), "{refused:?}");
    let _: Done = client.call(&Request::Stop).unwrap();
    let calls = server.join().unwrap();
    assert_eq!(calls[0], "{\"method\":\"org.varlink.service.GetInfo\",\"parameters\":{}}\0");
    assert_eq!(calls[1], "{\"method\":\"io.jobctl.Scheduler.Reload\",\"parameters\":{}}\0");
}

#[test]
fn a_stream_ends_with_its_last_reply_or_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let server = serve(&path, &[&[INFO], &[PART, PART, r#"{"parameters":{"names":[]}}"#]]);
    let client = Client::connect(&path).unwrap();
    let replies = client.stream::<Names>(&Request::Events(Events::default())).unwrap();
    assert_eq!(replies.map(|reply| reply.unwrap().names.len()).collect::<Vec<_>>(), [1, 1, 0]);
    assert!(server.join().unwrap()[1].contains("\"more\":true"));

    let path = directory.path().join("t");
    let server = serve(&path, &[&[INFO], &[PART]]);
    let replies = Client::connect(&path).unwrap().stream::<Names>(&Request::Status).unwrap();
    let ends: Vec<bool> = replies.map(|reply| reply.is_ok()).collect();
    assert_eq!(ends, [true, false], "the daemon closed in the midst of it");
    server.join().unwrap();
}

#[test]
fn no_daemon_is_told_apart_by_why() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    assert!(matches!(Client::connect(&path), Err(ClientError::NoSocket { .. })));
    assert!(matches!(Client::connect(&path.join("x")), Err(ClientError::NoSocket { .. })));
    drop(UnixListener::bind(&path).unwrap());
    assert!(matches!(Client::connect(&path), Err(ClientError::Refused { .. })));
    let long = directory.path().join("x".repeat(200));
    assert!(matches!(Client::connect(&long), Err(ClientError::PathTooLong { .. })));
}

#[test]
fn a_socket_whose_owner_hangs_is_not_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    assert!(matches!(Client::connect(&path), Err(ClientError::Hung { .. })), "it never answers");
    drop(listener);

    let path = directory.path().join("full");
    let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
    rustix::net::bind(&socket, &SocketAddrUnix::new(&path).unwrap()).unwrap();
    rustix::net::listen(&socket, 0).unwrap();
    let _first = UnixStream::connect(&path).unwrap();
    assert!(matches!(Client::connect(&path), Err(ClientError::Hung { .. })), "its backlog is full");
}

#[test]
fn what_is_no_daemon_is_not_understood() {
    let directory = tempfile::tempdir().unwrap();
    let foreign: [(&str, &'static [&'static [&'static str]]); 2] =
        [("a", &[&["HTTP/1.1 400 Bad Request"]]), ("b", &[&["{\"parameters\":{\"vendor\":1}}"]])];
    for (name, answers) in foreign {
        let path = directory.path().join(name);
        let server = serve(&path, answers);
        assert!(matches!(Client::connect(&path), Err(ClientError::Foreign { .. })), "{answers:?}");
        server.join().unwrap();
    }
}

#[test]
fn a_refusal_is_read_though_the_daemon_has_closed() {
    let directory = tempfile::tempdir().unwrap();
    for (name, error) in [("a", "NotAllowed"), ("b", "TooManyClients")] {
        let path = directory.path().join(name);
        let listener = UnixListener::bind(&path).unwrap();
        let client = thread::spawn(move || Client::connect(&path));
        let (mut stream, _) = listener.accept().unwrap();
        write(&mut stream, &format!("{{\"error\":\"io.jobctl.Scheduler.{error}\",\"parameters\":{{}}}}"));
        drop(stream);
        match client.join().unwrap().unwrap_err() {
            ClientError::NotAllowed { .. } => assert_eq!(error, "NotAllowed"),
            ClientError::TooManyClients { .. } => assert_eq!(error, "TooManyClients"),
            other => panic!("{other:?}"),
        }
    }
}

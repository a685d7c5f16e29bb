//! Clients of every kind on real sockets.

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::mpsc;

use super::access::{Access, Peer};
use super::{Gone, Incoming, Limits, Listener};
use crate::client::{CallError, Client, ClientError};
use crate::protocol::error::ServiceError;
use crate::protocol::reply::{Done, Names};
use crate::protocol::request::{Events, Request};

/// Nothing in these tests waits this long, unless it fails.
const FAR: Duration = Duration::from_secs(60);
/// A time-out that is waited for.
const NEAR: Duration = Duration::from_millis(50);

fn limits() -> Limits {
    Limits { clients: 8, idle: FAR, call: FAR, write: FAR, refusal: FAR, ..Limits::default() }
}

struct Service {
    listener: Listener,
    requests: mpsc::Receiver<Incoming>,
    path: PathBuf,
    _directory: TempDir,
}

fn service(limits: Limits) -> Service {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jobctl/socket");
    let mut listener = Listener::bind(&path, None).unwrap().with_limits(limits);
    let requests = listener.serve().unwrap();
    Service { listener, requests, path, _directory: directory }
}

impl Service {
    async fn connect(&self) -> UnixStream {
        UnixStream::connect(&self.path).await.unwrap()
    }

    async fn request(&mut self) -> Incoming {
        self.requests.recv().await.unwrap()
    }

    /// Answers every request with the name of its method.
    fn echo(self) -> (Listener, TempDir) {
        let mut requests = self.requests;
        tokio::spawn(async move {
            while let Some(incoming) = requests.recv().await {
                let names = vec![incoming.request.method().to_owned()];
                incoming.reply.finish(Ok(Names { names }));
            }
        });
        (self.listener, self._directory)
    }
}

fn call(method: &str) -> Vec<u8> {
    let mut frame = json!({ "method": format!("io.jobctl.Scheduler.{method}") }).to_string().into_bytes();
    frame.push(0);
    frame
}

async fn reply(stream: &mut UnixStream) -> Value {
    let mut frame = Vec::new();
    loop {
        match stream.read_u8().await.unwrap() {
            0 => return serde_json::from_slice(&frame).unwrap(),
            byte => frame.push(byte),
        }
    }
}

async fn error(stream: &mut UnixStream) -> String {
    reply(stream).await["error"].as_str().unwrap().to_owned()
}

/// Reads to the end of the connection; whatever way it ends.
async fn ends(stream: &mut UnixStream) {
    let _ = stream.read_to_end(&mut Vec::new()).await;
}

#[tokio::test]
async fn a_request_reaches_the_loop_with_its_peer() {
    let mut service = service(limits());
    let mut stream = service.connect().await;
    stream.write_all(&call("Status")).await.unwrap();
    let incoming = service.request().await;
    assert_eq!(incoming.request, Request::Status);
    assert_eq!(incoming.peer.uid, rustix::process::geteuid().as_raw());
    assert_eq!(incoming.peer.pid, rustix::process::getpid().as_raw_nonzero().get());
    assert!(!incoming.more && !incoming.reply.is_gone());
    incoming.reply.finish(Ok(json!({ "status": 1 })));
    assert_eq!(reply(&mut stream).await, json!({ "parameters": { "status": 1 } }));
    service.listener.flushed().await;
}

#[tokio::test]
async fn calls_in_one_write_are_answered_in_order() {
    let service = service(limits());
    let mut stream = service.connect().await;
    let _service = service.echo();
    let info = b"{\"method\":\"org.varlink.service.GetInfo\"}\0".to_vec();
    let calls = [call("Status"), info, call("Lsit"), call("Stop"), call("Release")].concat();
    stream.write_all(&calls).await.unwrap();
    assert_eq!(reply(&mut stream).await["parameters"]["names"], json!(["Status"]));
    assert_eq!(reply(&mut stream).await["parameters"]["product"], "jobctl");
    assert_eq!(error(&mut stream).await, "org.varlink.service.MethodNotFound");
    assert_eq!(reply(&mut stream).await["parameters"]["names"], json!(["Stop"]));
    assert_eq!(reply(&mut stream).await["parameters"]["names"], json!(["Release"]));
}

#[tokio::test]
async fn the_next_call_waits_for_the_answer_to_the_one_before() {
    let mut service = service(limits());
    let mut stream = service.connect().await;
    stream.write_all(&[call("Status"), call("Reload")].concat()).await.unwrap();
    let first = service.request().await;
    assert!(service.requests.is_empty(), "one request of a client at a time");
    first.reply.finish(Ok(Done {}));
    assert_eq!(service.request().await.request, Request::Reload);
}

#[tokio::test]
async fn garbage_is_told_so_and_cut_off() {
    let service = service(limits());
    let garbage: [&[u8]; 6] = [b"\0", b"hello\0", b"[]\0", b"{}\0", b"\xff\xfe\0", b"GET / HTTP/1.1\r\n\0"];
    for bytes in garbage {
        let mut stream = service.connect().await;
        stream.write_all(bytes).await.unwrap();
        assert_eq!(error(&mut stream).await, "io.jobctl.Scheduler.InvalidFrame", "{bytes:?}");
        ends(&mut stream).await;
    }
}

#[tokio::test]
async fn a_frame_without_end_is_cut_off_at_the_limit() {
    let service = service(Limits { refusal: NEAR, ..limits() });
    let (mut reader, mut writer) = service.connect().await.into_split();
    let endless = tokio::spawn(async move {
        // Fails once the daemon has had enough.
        while writer.write_all(&[b'x'; 65_536]).await.is_ok() {}
    });
    let mut frame = vec![0; 512];
    let length = reader.read(&mut frame).await.unwrap();
    let told = String::from_utf8(frame[..length].to_vec()).unwrap();
    drop(reader);
    endless.await.unwrap();
    assert!(told.contains("InvalidFrame") && told.contains("1048576"), "{told}");
}

#[tokio::test]
async fn half_a_frame_is_not_waited_for() {
    let service = service(Limits { call: NEAR, ..limits() });
    let mut stream = service.connect().await;
    stream.write_all(b"{\"method\":").await.unwrap();
    assert_eq!(error(&mut stream).await, "io.jobctl.Scheduler.Timeout");
    ends(&mut stream).await;
}

#[tokio::test]
async fn an_idle_client_is_cut_off_and_one_that_waits_for_an_answer_is_not() {
    let mut service = service(Limits { idle: NEAR, ..limits() });
    let mut waiting = service.connect().await;
    waiting.write_all(&call("Status")).await.unwrap();
    let incoming = service.request().await;
    let mut idle = service.connect().await;
    ends(&mut idle).await;
    incoming.reply.finish(Ok(Done {}));
    assert_eq!(reply(&mut waiting).await, json!({ "parameters": {} }));
}

#[tokio::test]
async fn a_frame_in_pieces_is_put_together() {
    let mut service = service(limits());
    let mut stream = service.connect().await;
    for byte in call("Status") {
        stream.write_all(&[byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(service.request().await.request, Request::Status);
}

#[tokio::test]
async fn who_leaves_is_noticed_while_the_answer_is_pending() {
    let mut service = service(limits());
    let mut stream = service.connect().await;
    stream.write_all(&call("Status")).await.unwrap();
    let mut incoming = service.request().await;
    drop(stream);
    incoming.reply.gone().await;
    assert!(incoming.reply.is_gone());
    assert_eq!(incoming.reply.stream(Done {}), Err(Gone));
    incoming.reply.finish(Ok(Done {}));
    service.listener.flushed().await;
}

#[tokio::test]
async fn who_only_stops_writing_still_gets_the_answer() {
    let mut service = service(limits());
    let mut stream = service.connect().await;
    stream.write_all(&call("Status")).await.unwrap();
    stream.shutdown().await.unwrap();
    let incoming = service.request().await;
    incoming.reply.finish(Ok(Done {}));
    assert_eq!(reply(&mut stream).await, json!({ "parameters": {} }));
    ends(&mut stream).await;
}

#[tokio::test]
async fn a_stream_has_many_replies_and_an_end() {
    let mut service = service(limits());
    let path = service.path.clone();
    let client = thread::spawn(move || {
        let replies = Client::connect(&path).unwrap().stream::<Names>(&Request::Events(Events::default()));
        replies.unwrap().map(|reply| reply.unwrap().names.concat()).collect::<Vec<_>>()
    });
    let mut incoming = service.request().await;
    assert!(incoming.more);
    for name in ["a", "b"] {
        incoming.reply.stream(Names { names: vec![name.to_owned()] }).unwrap();
    }
    incoming.reply.send(Names { names: vec!["c".to_owned()] }).await.unwrap();
    incoming.reply.finish(Ok(Names { names: vec!["d".to_owned()] }));
    service.listener.flushed().await;
    assert_eq!(client.join().unwrap(), ["a", "b", "c", "d"]);
}

#[tokio::test]
async fn without_more_there_is_no_stream() {
    let mut service = service(limits());
    let mut stream = service.connect().await;
    stream.write_all(&call("Events")).await.unwrap();
    let mut incoming = service.request().await;
    assert_eq!(incoming.reply.stream(Done {}), Err(Gone));
    assert!(!incoming.reply.is_gone(), "the one reply can still be given");
    incoming.reply.finish(Ok(Done {}));
    assert_eq!(reply(&mut stream).await, json!({ "parameters": {} }));
}

#[tokio::test]
async fn a_reader_that_never_reads_is_given_up_at_once() {
    let mut service = service(limits());
    let mut stream = service.connect().await;
    let mut frame = json!({ "method": "io.jobctl.Scheduler.Events", "more": true }).to_string().into_bytes();
    frame.push(0);
    stream.write_all(&frame).await.unwrap();
    let mut incoming = service.request().await;
    let long = "x".repeat(10_000);
    // Nothing is awaited: the loop would never be held up.
    let taken = (0..1_000).take_while(|_| incoming.reply.stream(json!({ "text": long })).is_ok()).count();
    assert_eq!(taken, 64);
    assert!(incoming.reply.is_gone());
    drop(incoming);
    let mut read = Vec::new();
    stream.read_to_end(&mut read).await.unwrap();
    assert_eq!(read.iter().filter(|byte| **byte == 0).count(), 64, "what was taken is sent, then it ends");
}

#[tokio::test]
async fn a_client_that_does_not_take_its_answer_is_cut_off() {
    let mut service = service(Limits { write: NEAR, ..limits() });
    let mut stream = service.connect().await;
    stream.write_all(&call("List")).await.unwrap();
    let incoming = service.request().await;
    incoming.reply.finish(Ok(json!({ "text": "x".repeat(4 << 20) })));
    // The socket's buffer is smaller: only a client that is cut off lets this end.
    service.listener.flushed().await;
    ends(&mut stream).await;
}

#[tokio::test]
async fn all_clients_together_have_a_limit_of_bytes() {
    let mut service = service(Limits { outgoing_bytes: 1_000, ..limits() });
    let mut stream = service.connect().await;
    stream.write_all(&call("List")).await.unwrap();
    let incoming = service.request().await;
    incoming.reply.finish(Ok(json!({ "text": "x".repeat(1_000) })));
    ends(&mut stream).await;
    let mut stream = service.connect().await;
    stream.write_all(&call("List")).await.unwrap();
    service.request().await.reply.finish(Ok(Done {}));
    assert_eq!(reply(&mut stream).await, json!({ "parameters": {} }));
}

#[tokio::test]
async fn a_oneway_call_is_done_and_not_answered() {
    let service = service(limits());
    let mut stream = service.connect().await;
    let _service = service.echo();
    let oneway = b"{\"method\":\"io.jobctl.Scheduler.Reload\",\"oneway\":true}\0";
    let wrong = b"{\"method\":\"io.jobctl.Scheduler.Nothing\",\"oneway\":true}\0";
    stream.write_all(&[oneway.to_vec(), wrong.to_vec(), call("Stop")].concat()).await.unwrap();
    assert_eq!(reply(&mut stream).await["parameters"]["names"], json!(["Stop"]));
}

#[tokio::test]
async fn a_request_that_is_dropped_is_an_internal_error() {
    let mut service = service(limits());
    let mut stream = service.connect().await;
    stream.write_all(&call("Status")).await.unwrap();
    drop(service.request().await);
    assert_eq!(error(&mut stream).await, "io.jobctl.Scheduler.Internal");
}

#[tokio::test]
async fn when_the_loop_is_gone_the_daemon_is_stopping() {
    let mut service = service(limits());
    let mut stream = service.connect().await;
    service.requests.close();
    stream.write_all(&call("Status")).await.unwrap();
    assert_eq!(error(&mut stream).await, "io.jobctl.Scheduler.Stopping");
}

#[tokio::test]
async fn one_client_too_many_is_told_so() {
    let service = service(Limits { clients: 2, ..limits() });
    let mut first = service.connect().await;
    let path = service.path.clone();
    let (_listener, _directory) = service.echo();
    first.write_all(&call("Status")).await.unwrap();
    reply(&mut first).await;
    let mut second = UnixStream::connect(&path).await.unwrap();
    second.write_all(&call("Status")).await.unwrap();
    reply(&mut second).await;
    let third = path.clone();
    let refused = tokio::task::spawn_blocking(move || Client::connect(&third)).await.unwrap();
    assert!(matches!(refused, Err(ClientError::TooManyClients { .. })), "{refused:?}");
    first.write_all(&call("Status")).await.unwrap();
    reply(&mut first).await;
}

#[tokio::test]
async fn a_thousand_clients_are_served_at_once() {
    // Both ends of a thousand connections are in this process.
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    let service = service(Limits { clients: 1_000, ..limits() });
    let mut clients = Vec::new();
    for _ in 0..1_000 {
        clients.push(service.connect().await);
    }
    let _service = service.echo();
    for client in &mut clients {
        client.write_all(&call("Status")).await.unwrap();
    }
    for client in &mut clients {
        assert_eq!(reply(client).await["parameters"]["names"], json!(["Status"]));
    }
}

#[tokio::test]
async fn strangers_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let mut listener = Listener::bind(&path, None).unwrap().with_limits(limits());
    listener.access = Access { users: Vec::new(), group: None };
    let mut requests = listener.serve().unwrap();
    let connecting = path.clone();
    let refused = tokio::task::spawn_blocking(move || Client::connect(&connecting)).await.unwrap();
    assert!(matches!(refused, Err(ClientError::NotAllowed { .. })), "{refused:?}");
    assert!(requests.try_recv().is_err());
}

#[tokio::test]
async fn users_root_and_the_members_of_the_group_are_allowed() {
    let peer = |uid, gid| Peer { uid, gid, pid: 1 };
    let nobody_is_this = 4_000_000_000;
    let access = Access { users: vec![1_000, 0], group: None };
    assert!(access.allows(peer(1_000, 5)).await);
    assert!(access.allows(peer(0, 5)).await);
    assert!(!access.allows(peer(nobody_is_this, 0)).await);
    let access = Access { users: vec![1_000], group: Some(7) };
    assert!(access.allows(peer(nobody_is_this, 7)).await);
    assert!(!access.allows(peer(nobody_is_this, 8)).await);
    let root_group = Access { users: Vec::new(), group: Some(0) };
    assert!(root_group.allows(peer(0, 8)).await, "root's groups are looked up");
}

#[tokio::test]
async fn errors_reach_the_client_with_their_type() {
    let mut service = service(limits());
    let path = service.path.clone();
    let client = thread::spawn(move || Client::connect(&path).unwrap().call::<Done>(&Request::Reload));
    let busy = ServiceError::Busy { job: "a".to_owned(), run_id: Some(3) };
    service.request().await.reply.refuse(busy.clone());
    service.listener.flushed().await;
    match client.join().unwrap() {
        Err(CallError::Service(error)) => assert_eq!(error, busy),
        other => panic!("{other:?}"),
    }
}

//! The socket, met by what is no client of ours.

use std::io::{Read, Write};

use crate::harness::Sandbox;

#[test]
fn garbage_is_answered_and_harms_nobody() {
    let sandbox = Sandbox::with_jobs("");
    let daemon = sandbox.daemon();
    assert_eq!(sandbox.json(["status", "--json"])["pid"], daemon.pid());
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n\0"[..], b"{}\0", b"\xff\xfe\0", b"[[[[\0"] {
        let mut stream = sandbox.connect();
        stream.write_all(garbage).expect("the daemon listens");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("the daemon hangs up");
        assert!(String::from_utf8_lossy(&answer).contains("InvalidFrame"), "{answer:?}");
    }
    let mut events = sandbox.events(["--json"]);
    let shown = sandbox.output_with_input(["remove", "--all"], "no\n");
    assert!(!shown.status.success(), "{}", sandbox.shown(&shown));
    sandbox.ok(["hold"]);
    events.until(&["daemon.held"]);
    sandbox.ok(["stop"]);
    assert!(events.end().0.is_some(), "a stream ends with its daemon");
    assert!(daemon.wait().success());
}

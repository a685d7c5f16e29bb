//! A socket that systemd has opened (sd_listen_fds(3)).

use std::os::fd::AsRawFd;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;

use crate::harness::Sandbox;

#[test]
fn a_socket_that_was_passed_is_listened_on_and_left_in_place() {
    let sandbox = Sandbox::with_jobs("[jobs.a]\ncommand = \"env\"\nevery = \"1h\"\n");
    let path = sandbox.path("passed.sock");
    let listener = UnixListener::bind(&path).expect("the socket can be bound");
    let fd = listener.as_raw_fd();
    let daemon = sandbox.daemon_with(|command| {
        // The number of the process is known only in it: a shell writes the variable, as systemd would.
        let binary = command.get_program().to_owned();
        let environment: Vec<_> = command
            .get_envs()
            .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
            .collect();
        let mut shell = std::process::Command::new("/bin/sh");
        let script = format!("exec 3<&{fd}; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" run");
        shell.arg("-c").arg(script).arg(binary).env_clear().envs(environment);
        shell.stdin(std::process::Stdio::null());
        // SAFETY: between fork and exec only fcntl(2) is called, which is async-signal-safe.
        unsafe {
            shell.pre_exec(move || {
                let socket = std::os::fd::BorrowedFd::borrow_raw(fd);
                Ok(rustix::io::fcntl_setfd(socket, rustix::io::FdFlags::empty())?)
            });
        }
        *command = shell;
    });
    let on_it = |args: &[&str]| {
        let mut command = sandbox.command(args);
        command.arg("--socket").arg(&path);
        let output = command.output().expect("the binary can be run");
        assert!(output.status.success(), "{}", sandbox.shown(&output));
        String::from_utf8(output.stdout).expect("the output is UTF-8")
    };
    assert_eq!(on_it(&["list", "--quiet"]), "a\n");
    assert!(!sandbox.socket().exists(), "no other socket is made");
    on_it(&["run-now", "a", "--wait"]);
    let environment = on_it(&["logs", "a"]);
    assert!(!environment.contains("LISTEN_") && !environment.contains("NOTIFY_SOCKET"), "{environment}");
    drop(listener);
    assert!(daemon.stop().success());
    assert!(path.exists(), "the file is systemd's");
}

//! The client: one connection to a daemon, blocking, one request at a time, one reply or a stream.
//!
//! Owns the way to the socket and the time it may take to say that no daemon answers. It must not know what is
//! done with a reply, nor print anything.

mod error;
#[cfg(test)]
mod tests;

use std::io::{self, Read, Write};
use std::marker::PhantomData;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::protocol::error::ServiceError;
use crate::protocol::frame::{Decoder, MAX_REPLY_BYTES, encode};
use crate::protocol::message::{Call, Reply};
use crate::protocol::request::Request;
use crate::protocol::service::{GET_INFO, Info};

pub use error::{CallError, ClientError, ForeignError};

/// How long the daemon may take to have room for a connection, which it has at once unless hundreds wait, and then to
/// say who it is, for which a busy machine may need its time; both together stay within the two seconds after which
/// a person is told that no daemon answers.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(350);
const GREETING_TIMEOUT: Duration = Duration::from_millis(1_500);
/// How long a daemon that has answered before may take for a request that waits for nothing but the disk.
const REPLY_TIMEOUT: Duration = Duration::from_secs(30);

/// How much is read at once.
const PIECE_BYTES: usize = 32 << 10;

/// A connection to a daemon.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    decoder: Decoder,
    path: PathBuf,
    daemon: Info,
}

impl Client {
    /// Connects to the daemon at a socket and lets it say who it is; takes at most two seconds, whatever the owner
    /// of the socket does.
    ///
    /// # Errors
    /// Says why there is no daemon to talk to.
    pub fn connect(path: &Path) -> Result<Self, ClientError> {
        let stream = open(path)?;
        let decoder = Decoder::new(MAX_REPLY_BYTES);
        let mut client = Client { stream, decoder, path: path.to_owned(), daemon: Info::default() };
        client.set_patience(Some(GREETING_TIMEOUT))?;
        client.daemon = client.greet()?;
        Ok(client)
    }

    /// Returns what the daemon says of itself.
    pub fn daemon(&self) -> &Info {
        &self.daemon
    }

    /// Returns what ends the connection while another thread waits on it.
    ///
    /// # Errors
    /// Out of descriptors.
    pub fn closer(&self) -> io::Result<Closer> {
        self.stream.try_clone().map(Closer)
    }

    /// Makes a request and waits for its reply.
    ///
    /// Requests that wait for something are waited for as long as it takes, others half a minute.
    ///
    /// # Errors
    /// What the daemon says, or why its answer cannot be had.
    pub fn call<T: DeserializeOwned>(&mut self, request: &Request) -> Result<T, CallError> {
        self.ask(request)?.read()
    }

    /// Makes a request as [`Client::call`] does, and returns its reply as it came, to be read in place.
    ///
    /// # Errors
    /// The answer cannot be had; what the daemon says comes out when it is read.
    pub fn ask(&mut self, request: &Request) -> Result<Answer, CallError> {
        let patience = if matches!(request, Request::Wait(_)) { None } else { Some(REPLY_TIMEOUT) };
        self.set_patience(patience)?;
        self.send(request, false)?;
        Ok(self.receive()?)
    }

    /// Makes a request that is answered with a stream, and returns its replies as they come.
    ///
    /// # Errors
    /// Where the request cannot be sent; what the daemon says comes out of the iterator.
    pub fn stream<T: DeserializeOwned>(mut self, request: &Request) -> Result<Replies<T>, CallError> {
        self.set_patience(None)?;
        self.send(request, true)?;
        Ok(Replies { client: Some(self), reply: PhantomData })
    }

    fn greet(&mut self) -> Result<Info, ClientError> {
        let call = Call { method: GET_INFO.to_owned(), ..Call::default() };
        let answer = self.write(&call).and_then(|()| self.receive()?.read());
        let path = self.path.clone();
        answer.map_err(|error| match error {
            CallError::Client(error) => error,
            CallError::Service(ServiceError::NotAllowed) => ClientError::NotAllowed { path },
            CallError::Service(ServiceError::TooManyClients) => ClientError::TooManyClients { path },
            CallError::Service(error) => ClientError::Foreign { path, source: error.into() },
        })
    }

    fn send(&mut self, request: &Request, more: bool) -> Result<(), CallError> {
        let method = request.qualified_method();
        self.write(&Call { method, parameters: request.parameters(), more, oneway: false })
    }

    fn write(&mut self, call: &Call) -> Result<(), CallError> {
        let frame = encode(call).map_err(|error| self.foreign(error))?;
        match self.stream.write_all(&frame) {
            // A daemon that refuses a client says why before it closes, so the answer is there to be read.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => Ok(written.map_err(|error| self.failed(error))?),
        }
    }

    fn receive(&mut self) -> Result<Answer, ClientError> {
        let mut piece = [0; PIECE_BYTES];
        loop {
            if let Some(frame) = self.decoder.next_frame().map_err(|error| self.foreign(error))? {
                return Ok(Answer { frame, path: self.path.clone() });
            }
            match self.stream.read(&mut piece) {
                Ok(0) => return Err(ClientError::Closed),
                Ok(length) => self.decoder.push(&piece[..length]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed(error)),
            }
        }
    }

    fn set_patience(&self, patience: Option<Duration>) -> Result<(), ClientError> {
        let set =
            self.stream.set_read_timeout(patience).and_then(|()| self.stream.set_write_timeout(patience));
        set.map_err(|error| self.failed(error))
    }

    fn failed(&self, source: io::Error) -> ClientError {
        let path = self.path.clone();
        match source.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => ClientError::Hung { path },
            io::ErrorKind::ConnectionReset => ClientError::Closed,
            _ => ClientError::Io { path, source },
        }
    }

    fn foreign(&self, source: impl Into<ForeignError>) -> ClientError {
        ClientError::Foreign { path: self.path.clone(), source: source.into() }
    }
}

/// One reply as it came.
#[derive(Debug)]
pub struct Answer {
    frame: Vec<u8>,
    path: PathBuf,
}

impl Answer {
    /// Reads what was asked for; texts may be borrowed from the reply.
    ///
    /// # Errors
    /// What the daemon says, or that it cannot be understood.
    pub fn read<'a, T: Deserialize<'a>>(&'a self) -> Result<T, CallError> {
        Ok(self.read_part()?.0)
    }

    /// Reads one reply of a stream, and whether more will come.
    fn read_part<'a, T: Deserialize<'a>>(&'a self) -> Result<(T, bool), CallError> {
        // What was asked for is read at once; to look at the frame first, which takes longer, is for errors and for
        // replies without parameters. So is what is no text: as a whole it is checked faster than text by text.
        if let Ok(text) = str::from_utf8(&self.frame)
            && let Ok(Reply { parameters, continues, error: None }) = serde_json::from_str(text)
        {
            return Ok((parameters, continues));
        }
        let reply = Reply::decode(&self.frame).map_err(|error| self.foreign(error))??;
        let parameters = serde_json::from_str(reply.parameters.get());
        Ok((parameters.map_err(|error| self.foreign(error))?, reply.continues))
    }

    fn foreign(&self, source: impl Into<ForeignError>) -> ClientError {
        ClientError::Foreign { path: self.path.clone(), source: source.into() }
    }
}

/// Ends a connection from another thread, as if the daemon had.
#[derive(Debug)]
pub struct Closer(UnixStream);

impl Closer {
    /// Ends the connection.
    pub fn close(&self) {
        // A connection that has ended already needs no end.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

/// The replies of a stream. It ends after the last reply or the first error.
#[derive(Debug)]
pub struct Replies<T> {
    client: Option<Client>,
    reply: PhantomData<T>,
}

impl<T: DeserializeOwned> Iterator for Replies<T> {
    type Item = Result<T, CallError>;

    fn next(&mut self) -> Option<Self::Item> {
        let answer = self.client.as_mut()?.receive();
        let reply = answer.map_err(CallError::from).and_then(|answer| answer.read_part());
        if !matches!(reply, Ok((_, true))) {
            self.client = None;
        }
        Some(reply.map(|(parameters, _)| parameters))
    }
}

/// Connects; waits for a place in the backlog no longer than the time-out (SO_SNDTIMEO, unix(7)).
fn open(path: &Path) -> Result<UnixStream, ClientError> {
    let failed = |errno: Errno| {
        let path = path.to_owned();
        match errno {
            Errno::NOENT | Errno::NOTDIR => ClientError::NoSocket { path },
            Errno::CONNREFUSED => ClientError::Refused { path },
            Errno::ACCESS | Errno::PERM => ClientError::NotAllowed { path },
            Errno::AGAIN => ClientError::Hung { path },
            errno => ClientError::Io { path, source: errno.into() },
        }
    };
    let address =
        SocketAddrUnix::new(path).map_err(|_| ClientError::PathTooLong { path: path.to_owned() })?;
    let socket =
        rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
            .map_err(failed)?;
    set_socket_timeout(&socket, Timeout::Send, Some(CONNECT_TIMEOUT)).map_err(failed)?;
    loop {
        match rustix::net::connect(&socket, &address) {
            Err(Errno::INTR) => {}
            connected => break connected.map_err(failed)?,
        }
    }
    Ok(UnixStream::from(socket))
}

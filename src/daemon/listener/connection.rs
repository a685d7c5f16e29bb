//! One client: its calls one after the other, and the replies to each.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustix::event::{PollFd, PollFlags, Timespec};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::access::Peer;
use super::reply::{self, Frame, Replies};
use super::{Hub, Incoming, Limits};
use crate::protocol::error::ServiceError;
use crate::protocol::frame::{Decoder, MAX_REQUEST_BYTES, encode};
use crate::protocol::message::{Call, Reply};
use crate::protocol::request::Request;
use crate::protocol::service;

/// How much is read at once.
const PIECE_BYTES: usize = 8 << 10;

/// Why a connection is over.
enum End {
    /// The client has left, or is cut off.
    Gone,
    /// The client is told why, and cut off.
    Refused(ServiceError),
}

/// What comes next while a call is being answered.
enum Next {
    /// A reply to be written.
    Reply(Frame),
    /// The handle was dropped; nothing more comes.
    Dropped,
    /// The client has left.
    Gone,
}

/// One client.
pub(super) struct Connection {
    stream: UnixStream,
    peer: Peer,
    hub: Arc<Hub>,
    decoder: Decoder,
    /// The client sends nothing more; it may still read.
    half_closed: bool,
}

impl Connection {
    pub(super) fn new(stream: UnixStream, peer: Peer, hub: Arc<Hub>) -> Self {
        Connection { stream, peer, hub, decoder: Decoder::new(MAX_REQUEST_BYTES), half_closed: false }
    }

    /// Serves the client until one of both has enough.
    pub(super) async fn serve(mut self) {
        let end = loop {
            let frame = match self.next_frame().await {
                Ok(frame) => frame,
                Err(end) => break end,
            };
            if let Err(end) = self.answer(&frame).await {
                break end;
            }
        };
        if let End::Refused(error) = end {
            refuse(self.stream, &error, &self.hub.limits).await;
        }
    }

    /// Reads until there is a whole frame.
    async fn next_frame(&mut self) -> Result<Vec<u8>, End> {
        if let Some(frame) = self.take_frame()? {
            return Ok(frame);
        }
        let limits = self.hub.limits;
        if self.decoder.buffered() == 0 {
            match timeout(limits.idle, self.read()).await {
                Ok(read) => read?,
                Err(_) => return Err(End::Gone),
            }
        }
        let rest = async {
            loop {
                if let Some(frame) = self.take_frame()? {
                    return Ok(frame);
                }
                self.read().await?;
            }
        };
        timeout(limits.call, rest).await.unwrap_or(Err(End::Refused(ServiceError::Timeout)))
    }

    fn take_frame(&mut self) -> Result<Option<Vec<u8>>, End> {
        self.decoder
            .next_frame()
            .map_err(|error| End::Refused(ServiceError::InvalidFrame { message: error.to_string() }))
    }

    /// Waits for bytes and takes them in.
    async fn read(&mut self) -> Result<(), End> {
        poll_fn(|cx| self.poll_read(cx)).await?;
        if self.half_closed { Err(End::Gone) } else { Ok(()) }
    }

    /// Takes bytes in, or notes that no more will come.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        while !self.half_closed {
            match self.stream.poll_read_ready(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(_)) => return Poll::Ready(Err(End::Gone)),
                Poll::Ready(Ok(())) => {}
            }
            let mut piece = [0; PIECE_BYTES];
            match self.stream.try_read(&mut piece) {
                Ok(0) => self.half_closed = true,
                Ok(length) => {
                    self.decoder.push(&piece[..length]);
                    break;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return Poll::Ready(Err(End::Gone)),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Answers one call.
    async fn answer(&mut self, frame: &[u8]) -> Result<(), End> {
        let call = Call::decode(frame)
            .map_err(|error| End::Refused(ServiceError::InvalidFrame { message: error.to_string() }))?;
        let (reply, replies) = reply::channel(&self.hub.outgoing, call.more, call.oneway);
        let oneway = call.oneway;
        if let Some(answer) = service::answer(&call) {
            reply.finish(answer);
        } else {
            match Request::parse(&call.method, call.parameters, call.more) {
                Err(error) => reply.refuse(error),
                Ok(request) => {
                    let incoming = Incoming { peer: self.peer, request, more: call.more, reply };
                    if let Err(unsent) = self.hub.requests.send(incoming).await {
                        unsent.0.reply.refuse(ServiceError::Stopping);
                    }
                }
            }
        }
        self.relay(replies, oneway).await
    }

    /// Writes the replies to one call as they come, and notices when the client leaves meanwhile.
    async fn relay(&mut self, mut replies: Replies, oneway: bool) -> Result<(), End> {
        loop {
            let next = poll_fn(|cx| self.poll_next(&mut replies, cx)).await;
            match next {
                Next::Reply(frame) => {
                    if !oneway {
                        write(&mut self.stream, &frame.bytes, &self.hub.limits)
                            .await
                            .map_err(|_| End::Gone)?;
                    }
                    if frame.last {
                        return Ok(());
                    }
                }
                Next::Gone => return Err(End::Gone),
                Next::Dropped if replies.given_up() => return Err(End::Gone),
                Next::Dropped if oneway => return Ok(()),
                Next::Dropped => {
                    let message = "the request was dropped".to_owned();
                    return Err(End::Refused(ServiceError::Internal { message }));
                }
            }
        }
    }

    fn poll_next(&mut self, replies: &mut Replies, cx: &mut Context<'_>) -> Poll<Next> {
        if let Poll::Ready(frame) = replies.frames.poll_recv(cx) {
            return Poll::Ready(frame.map_or(Next::Dropped, Next::Reply));
        }
        // Further calls are taken in, up to a limit, only so that the end of the client is seen behind them.
        while !self.half_closed && self.decoder.buffered() < MAX_REQUEST_BYTES {
            match self.poll_read(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(_)) => return Poll::Ready(Next::Gone),
                Poll::Ready(Ok(())) if self.half_closed && hung_up(&self.stream) => {
                    return Poll::Ready(Next::Gone);
                }
                Poll::Ready(Ok(())) => {}
            }
        }
        Poll::Pending
    }
}

/// Says whether the peer has closed its socket, as opposed to having shut down its writing half only.
fn hung_up(stream: &UnixStream) -> bool {
    let mut watched = [PollFd::new(stream, PollFlags::empty())];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    rustix::event::poll(&mut watched, Some(&at_once)).is_ok()
        && watched[0].revents().intersects(PollFlags::HUP | PollFlags::ERR)
}

/// Writes bytes; the client has its time anew with each piece it takes.
async fn write(stream: &mut UnixStream, mut bytes: &[u8], limits: &Limits) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = timeout(limits.write, stream.write(bytes)).await??;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = &bytes[written..];
    }
    Ok(())
}

/// Tells a client why it is not served, and gives it time to read that: closing a socket with unread bytes in it
/// would make the client's next write fail before it has read why.
pub(super) async fn refuse(mut stream: UnixStream, error: &ServiceError, limits: &Limits) {
    let Ok(frame) = encode(&Reply::from_error(error)) else { return };
    let farewell = async {
        write(&mut stream, &frame, limits).await?;
        stream.shutdown().await?;
        loop {
            stream.readable().await?;
            match stream.try_read(&mut [0; PIECE_BYTES]) {
                Ok(0) => return Ok(()),
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                Ok(_) | Err(_) => {}
            }
        }
    };
    // Whether the client has read it or not, nothing more can be done for it.
    let _: Result<io::Result<()>, _> = timeout(limits.refusal, farewell).await;
}

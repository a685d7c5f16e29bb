//! Replies on their way from the loop to a client, in buffers that the loop never waits for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde::Serialize;
use tokio::sync::{Notify, mpsc};

use crate::protocol::error::ServiceError;
use crate::protocol::frame::encode;
use crate::protocol::message::Reply;

/// How many replies of a stream wait for a client that reads slowly, beside the last one.
const WAITING_REPLIES: usize = 64;

/// The client does not take further replies: it has left, reads too slowly, or asked for one reply only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the client is gone")]
pub struct Gone;

/// Where the answer to one request goes. Dropped without an answer, it tells the client of an internal error.
#[derive(Debug)]
pub struct ReplyHandle {
    /// `None` once the client is given up, or if it wants no answer.
    frames: Option<mpsc::Sender<Frame>>,
    more: bool,
    given_up: Arc<AtomicBool>,
    outgoing: Arc<Outgoing>,
}

impl ReplyHandle {
    /// Answers: with the reply, or the last one of a stream, or an error. Never waits; an answer that the client
    /// does not want, or for which there is no room, is dropped.
    pub fn finish(mut self, result: Result<impl Serialize, ServiceError>) {
        let frame = match result {
            Ok(parameters) => encode(&Reply::new(parameters, false)),
            Err(error) => encode(&Reply::from_error(&error)),
        };
        let frame = frame.or_else(|error| {
            encode(&Reply::from_error(&ServiceError::Internal { message: error.to_string() }))
        });
        if let Ok(bytes) = frame {
            // One place of the channel is never taken by a stream, so the last reply always has one.
            let _ = self.push(bytes, true);
        }
    }

    /// Answers with an error.
    pub fn refuse(self, error: ServiceError) {
        self.finish(Err::<(), ServiceError>(error));
    }

    /// Sends one reply of a stream and never waits: a client that has let the buffer fill up is given up.
    ///
    /// # Errors
    /// [`Gone`]: nothing more can be sent, and the handle may be dropped.
    pub fn stream(&mut self, part: impl Serialize) -> Result<(), Gone> {
        let room = self.frames.as_ref().filter(|_| self.more).ok_or(Gone)?.capacity();
        if room <= 1 {
            return self.give_up();
        }
        let bytes = encode(&Reply::new(part, true)).map_err(|_| Gone)?;
        self.push(bytes, false)
    }

    /// Sends one reply of a stream and waits while the buffer is full. For tasks of their own, not for the loop.
    ///
    /// # Errors
    /// [`Gone`]: nothing more can be sent, and the handle may be dropped.
    pub async fn send(&mut self, part: impl Serialize) -> Result<(), Gone> {
        let frames = self.frames.as_ref().filter(|_| self.more).ok_or(Gone)?;
        // Two places: one for this reply, one that is left to the last.
        let places = frames.reserve_many(2).await.map_err(|_| Gone)?;
        drop(places);
        self.stream(part)
    }

    /// Says whether nobody waits for the answer any more.
    pub fn is_gone(&self) -> bool {
        self.frames.as_ref().is_none_or(mpsc::Sender::is_closed)
    }

    /// Waits until nobody waits for the answer any more.
    pub async fn gone(&self) {
        if let Some(frames) = &self.frames {
            frames.closed().await;
        }
    }

    fn push(&mut self, bytes: Vec<u8>, last: bool) -> Result<(), Gone> {
        let Some(frames) = &self.frames else { return Err(Gone) };
        let Some(share) = Share::take(&self.outgoing, bytes.len()) else { return self.give_up() };
        frames.try_send(Frame { bytes, last, _share: share }).map_err(|_| Gone)
    }

    fn give_up(&mut self) -> Result<(), Gone> {
        self.given_up.store(true, Ordering::Relaxed);
        self.frames = None;
        Err(Gone)
    }
}

/// One reply as bytes.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) bytes: Vec<u8>,
    /// No reply to the same call comes after it.
    pub(super) last: bool,
    _share: Share,
}

/// The other end of a [`ReplyHandle`].
#[derive(Debug)]
pub(super) struct Replies {
    pub(super) frames: mpsc::Receiver<Frame>,
    given_up: Arc<AtomicBool>,
}

impl Replies {
    /// Says whether the client was given up because it reads too slowly.
    pub(super) fn given_up(&self) -> bool {
        self.given_up.load(Ordering::Relaxed)
    }
}

/// Makes both ends of the way of the answer to one call.
pub(super) fn channel(outgoing: &Arc<Outgoing>, more: bool, oneway: bool) -> (ReplyHandle, Replies) {
    let (sender, frames) = mpsc::channel(WAITING_REPLIES + 1);
    let given_up = Arc::new(AtomicBool::new(false));
    let handle = ReplyHandle {
        frames: Some(sender),
        // A client that wants no reply is told none: the handle stays open, so that its next call waits its turn.
        more: more && !oneway,
        given_up: Arc::clone(&given_up),
        outgoing: Arc::clone(outgoing),
    };
    (handle, Replies { frames, given_up })
}

/// How many bytes of replies wait for all clients together.
#[derive(Debug)]
pub(super) struct Outgoing {
    bytes: AtomicUsize,
    limit: usize,
    emptied: Notify,
}

impl Outgoing {
    pub(super) fn new(limit: usize) -> Self {
        Outgoing { bytes: AtomicUsize::new(0), limit, emptied: Notify::new() }
    }

    /// Waits until nothing waits.
    pub(super) async fn emptied(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.bytes.load(Ordering::Acquire) == 0 {
                return;
            }
            emptied.await;
        }
    }
}

/// A part of [`Outgoing`], given back when the reply has left.
#[derive(Debug)]
struct Share {
    outgoing: Arc<Outgoing>,
    bytes: usize,
}

impl Share {
    fn take(outgoing: &Arc<Outgoing>, bytes: usize) -> Option<Self> {
        let taken = outgoing.bytes.fetch_update(Ordering::AcqRel, Ordering::Acquire, |waiting| {
            waiting.checked_add(bytes).filter(|sum| *sum <= outgoing.limit)
        });
        taken.is_ok().then(|| Share { outgoing: Arc::clone(outgoing), bytes })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if self.outgoing.bytes.fetch_sub(self.bytes, Ordering::AcqRel) == self.bytes {
            self.outgoing.emptied.notify_waiters();
        }
    }
}

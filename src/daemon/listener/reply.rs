//! Replies on their way from the loop to a client, in buffers that the loop never waits for.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde::Serialize;
use tokio::sync::{Notify, mpsc};

use crate::protocol::error::ServiceError;
use crate::protocol::frame::encode;
use crate::protocol::message::Reply;

/// How many replies of a stream wait for a client that reads slowly, beside the last one.
const WAITING_REPLIES: usize = 64;

/// How long a reply is before a piece of it leaves.
const PIECE_BYTES: usize = 32 << 10;

/// By how much a piece is longer than that, mostly: what is written at once is a text.
const SLACK_BYTES: usize = 1 << 10;

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
    ///
    /// A long reply leaves in pieces while the rest of it is written: the client takes it in meanwhile.
    pub fn finish(mut self, result: Result<impl Serialize, ServiceError>) {
        let parameters = match result {
            Ok(parameters) => parameters,
            Err(error) => return self.fail(&error),
        };
        let mut pieces = Pieces { reply: &mut self, bytes: Vec::new(), left: false };
        match serde_json::to_writer(&mut pieces, &Reply::new(parameters, false)) {
            Ok(()) => {
                let mut bytes = pieces.bytes;
                bytes.push(0);
                // One place of the channel is never taken by a stream, so the last reply always has one.
                let _ = self.push(bytes, true);
            }
            // The half of a reply has no end.
            Err(_) if pieces.left => drop(self.give_up()),
            Err(error) => self.fail(&ServiceError::Internal { message: error.to_string() }),
        }
    }

    fn fail(&mut self, error: &ServiceError) {
        if let Ok(bytes) = encode(&Reply::from_error(error)) {
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

/// A reply while it is written.
struct Pieces<'a> {
    reply: &'a mut ReplyHandle,
    /// What has not left.
    bytes: Vec<u8>,
    /// True: a piece has left.
    left: bool,
}

impl io::Write for Pieces<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() < PIECE_BYTES {
            return Ok(());
        }
        // Of a client that reads slowly the rest is kept together: one place of the channel is left to its end.
        if self.reply.frames.as_ref().is_some_and(|frames| frames.capacity() > 1) {
            let piece = std::mem::replace(&mut self.bytes, Vec::with_capacity(PIECE_BYTES + SLACK_BYTES));
            self.reply.push(piece, false).map_err(io::Error::other)?;
            self.left = true;
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A reply, or a piece of one, as bytes.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) bytes: Vec<u8>,
    /// Nothing of the same call comes after it.
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Frame, Outgoing, PIECE_BYTES, WAITING_REPLIES, channel};
    use crate::protocol::frame::encode;
    use crate::protocol::message::Reply;

    /// Answers with a text of so many bytes and returns the frames, and whether the client was given up.
    fn answer(length: usize, room: usize) -> (Vec<Frame>, bool) {
        let (reply, mut replies) = channel(&Arc::new(Outgoing::new(room)), false, false);
        reply.finish(Ok(vec!["x".repeat(1 << 10); length >> 10]));
        let frames = std::iter::from_fn(|| replies.frames.try_recv().ok()).collect();
        (frames, replies.given_up())
    }

    #[test]
    fn a_long_reply_leaves_in_pieces_that_are_one_frame() {
        for length in [0, PIECE_BYTES / 2, 10 * PIECE_BYTES, 4 * WAITING_REPLIES * PIECE_BYTES] {
            let (frames, given_up) = answer(length, usize::MAX);
            assert!(!given_up && frames.len() <= WAITING_REPLIES + 1);
            assert_eq!(frames.len() > 1, length > PIECE_BYTES, "{length}");
            let lasts = frames.iter().filter(|frame| frame.last).count();
            assert!(lasts == 1 && frames.last().is_some_and(|frame| frame.last));
            let bytes: Vec<u8> = frames.into_iter().flat_map(|frame| frame.bytes).collect();
            let whole = encode(&Reply::new(vec!["x".repeat(1 << 10); length >> 10], false)).unwrap();
            assert!(bytes == whole, "{length}");
        }
    }

    #[test]
    fn a_reply_that_finds_no_room_in_its_midst_gives_the_client_up() {
        let (frames, given_up) = answer(10 * PIECE_BYTES, 2 * PIECE_BYTES);
        assert!(given_up && frames.iter().all(|frame| !frame.last), "{}", frames.len());
    }
}

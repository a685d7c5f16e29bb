//! The control socket: takes clients in, checks who they are, turns bytes into requests and replies into bytes.
//!
//! Owns the socket file, the connections and their limits. It must not know what a request means: each one goes
//! to the event loop as an [`Incoming`], and only questions about the service itself are answered here. However
//! clients behave, the loop never waits for one: requests come through a bounded channel that the clients wait
//! for, replies leave through bounded buffers that the loop never waits for.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;

use crate::process::give_back_memory;
use crate::protocol::error::ServiceError;
use crate::protocol::request::Request;

mod access;
mod connection;
mod reply;
mod socket;
#[cfg(test)]
mod tests;

use access::Access;
pub use access::Peer;
use connection::Connection;
use reply::Outgoing;
pub use reply::{Gone, ReplyHandle};
pub use socket::BindError;

/// How many requests wait for the event loop; further ones wait in their connections.
const WAITING_REQUESTS: usize = 64;
/// How long to leave the socket alone after a client could not be taken in, for want of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A request and where its answer goes.
#[derive(Debug)]
pub struct Incoming {
    /// Who asks.
    pub peer: Peer,
    /// What for.
    pub request: Request,
    /// The client takes a stream of replies.
    pub more: bool,
    /// Where the answer goes.
    pub reply: ReplyHandle,
}

/// What clients may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many are connected at once.
    pub clients: usize,
    /// How long one may stay connected without a word.
    pub idle: Duration,
    /// How long a call may take to come in, from its first byte.
    pub call: Duration,
    /// How long a client may leave a reply untouched.
    pub write: Duration,
    /// How long a refused client is given to read why.
    pub refusal: Duration,
    /// How many bytes of replies may wait for all clients together.
    pub outgoing_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            clients: 1_100,
            idle: Duration::from_secs(600),
            call: Duration::from_secs(10),
            write: Duration::from_secs(60),
            refusal: Duration::from_secs(1),
            outgoing_bytes: 256 << 20,
        }
    }
}

/// More clients than this at once leave memory behind that is worth giving back.
const CROWD: usize = 100;

/// How many refused clients are given time to read why; further ones are cut off at once.
const REFUSED_CLIENTS: usize = 64;

/// The control socket.
#[derive(Debug)]
pub struct Listener {
    bound: socket::Bound,
    access: Access,
    limits: Limits,
    outgoing: Arc<Outgoing>,
    accepting: Option<JoinHandle<()>>,
}

impl Listener {
    /// Takes the socket systemd has opened (`LISTEN_FDS`, sd_listen_fds(3)), or binds one at `path`.
    ///
    /// # Errors
    /// As [`Listener::bind`], and where what systemd has passed is not a Unix stream socket.
    pub fn open(path: &Path, group: Option<&str>) -> Result<Self, BindError> {
        let gid = group.map(access::group_id).transpose()?;
        match socket::Bound::inherited()? {
            Some(bound) => Ok(Self::new(bound, Access::of_this_user(gid))),
            None => Self::bind(path, group),
        }
    }

    /// Binds a socket at `path`, for this user and root, and for the members of `group`.
    ///
    /// A missing directory is made, for this user only. A socket file that nobody listens on is replaced.
    ///
    /// # Errors
    /// [`BindError::InUse`] where another daemon listens; the others tell what of the path is in the way.
    pub fn bind(path: &Path, group: Option<&str>) -> Result<Self, BindError> {
        let gid = group.map(access::group_id).transpose()?;
        Ok(Self::new(socket::Bound::at(path, gid)?, Access::of_this_user(gid)))
    }

    fn new(bound: socket::Bound, access: Access) -> Self {
        let limits = Limits::default();
        let outgoing = Arc::new(Outgoing::new(limits.outgoing_bytes));
        Listener { bound, access, limits, outgoing, accepting: None }
    }

    /// Sets other limits; to be called before [`Listener::serve`].
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self.outgoing = Arc::new(Outgoing::new(limits.outgoing_bytes));
        self
    }

    /// Begins to take clients in, on the current tokio runtime, and returns their requests.
    ///
    /// # Errors
    /// Where the runtime cannot watch the socket (out of descriptors).
    pub fn serve(&mut self) -> Result<mpsc::Receiver<Incoming>, BindError> {
        let listener = self.bound.to_tokio()?;
        let (requests, receiver) = mpsc::channel(WAITING_REQUESTS);
        let hub = Arc::new(Hub {
            requests,
            access: self.access.clone(),
            limits: self.limits,
            outgoing: Arc::clone(&self.outgoing),
            clients: Arc::new(Semaphore::new(self.limits.clients)),
            crowded: AtomicBool::new(false),
            refused: Arc::new(Semaphore::new(REFUSED_CLIENTS)),
        });
        if let Some(earlier) = self.accepting.replace(tokio::spawn(accept(listener, hub))) {
            earlier.abort();
        }
        Ok(receiver)
    }

    /// Waits until every reply given so far has left, or its client is gone.
    ///
    /// A client that does not read keeps it waiting up to [`Limits::write`]: who cannot wait sets a time-out.
    pub async fn flushed(&self) {
        self.outgoing.emptied().await;
    }

    /// Takes no more clients in and removes the socket file, if it is still ours. Clients that are connected
    /// still get their replies.
    pub fn close(self) {
        drop(self);
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(accepting) = self.accepting.take() {
            accepting.abort();
        }
    }
}

/// What all connections share.
#[derive(Debug)]
struct Hub {
    requests: mpsc::Sender<Incoming>,
    access: Access,
    limits: Limits,
    outgoing: Arc<Outgoing>,
    clients: Arc<Semaphore>,
    /// True: there have been more than [`CROWD`] since the last time there was none.
    crowded: AtomicBool,
    refused: Arc<Semaphore>,
}

impl Hub {
    /// Counts the clients that are taken in.
    fn clients(&self) -> usize {
        self.limits.clients.saturating_sub(self.clients.available_permits())
    }

    /// Notes that a client has come.
    fn come(&self) {
        if self.clients() > CROWD {
            self.crowded.store(true, Ordering::Relaxed);
        }
    }

    /// Notes that a client has left. What a crowd has taken is worth the walk that gives it back.
    fn left(&self) {
        if self.clients() == 0 && self.crowded.swap(false, Ordering::Relaxed) {
            give_back_memory();
        }
    }
}

async fn accept(listener: UnixListener, hub: Arc<Hub>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => admit(stream, &hub),
            // Out of descriptors or memory: the client waits in the backlog until some are free again.
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// Takes a client in, or tells it why not.
fn admit(stream: UnixStream, hub: &Arc<Hub>) {
    let Ok(peer) = Peer::of(&stream) else { return };
    let Ok(place) = Arc::clone(&hub.clients).try_acquire_owned() else {
        return refuse(stream, hub, ServiceError::TooManyClients);
    };
    let hub = Arc::clone(hub);
    hub.come();
    tokio::spawn(async move {
        if hub.access.allows(peer).await {
            Connection::new(stream, peer, Arc::clone(&hub)).serve().await;
        } else {
            refuse(stream, &hub, ServiceError::NotAllowed);
        }
        drop(place);
        hub.left();
    });
}

/// Tells a client why it is not served, as long as there is room to wait until it has read that.
fn refuse(stream: UnixStream, hub: &Arc<Hub>, error: ServiceError) {
    let Ok(place) = Arc::clone(&hub.refused).try_acquire_owned() else { return };
    let limits = hub.limits;
    tokio::spawn(async move {
        connection::refuse(stream, &error, &limits).await;
        drop(place);
    });
}

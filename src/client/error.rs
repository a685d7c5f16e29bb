//! Why there is no answer.

use std::io;
use std::path::PathBuf;

use crate::protocol::error::ServiceError;
use crate::protocol::frame::FrameError;
use crate::protocol::message::MessageError;

/// Why no daemon can be talked to.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There is no socket: no daemon runs.
    #[error("{} does not exist", path.display())]
    NoSocket { path: PathBuf },
    /// The socket is left over: no daemon runs.
    #[error("nobody listens on {}", path.display())]
    Refused { path: PathBuf },
    /// The daemon belongs to another user.
    #[error("{} may not be used by this user", path.display())]
    NotAllowed { path: PathBuf },
    /// A process holds the socket and does not answer.
    #[error("the daemon at {} does not answer", path.display())]
    Hung { path: PathBuf },
    /// The daemon has as many clients as it takes.
    #[error("the daemon at {} has too many clients", path.display())]
    TooManyClients { path: PathBuf },
    /// The path does not fit into a socket address (108 bytes, unix(7)).
    #[error("{} is too long for a socket", path.display())]
    PathTooLong { path: PathBuf },
    /// Something else listens there, or a daemon whose version does not fit.
    #[error("what listens on {} is no daemon of this version: {source}", path.display())]
    Foreign { path: PathBuf, source: ForeignError },
    /// The daemon has ended the connection before it has answered.
    #[error("the daemon has ended the connection")]
    Closed,
    /// The system refuses.
    #[error("cannot talk to the daemon at {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

/// What of a reply does not fit.
#[derive(Debug, thiserror::Error)]
pub enum ForeignError {
    /// It is no frame.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// It is no message.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// It does not have the fields of its type.
    #[error("a reply does not fit: {0}")]
    Reply(#[from] serde_json::Error),
    /// It is an error that greetings are not answered with.
    #[error(transparent)]
    Greeting(#[from] ServiceError),
}

/// Why a request was not done.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The daemon says why.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The daemon could not be asked, or its answer not be read; whether the request was done is unknown.
    #[error(transparent)]
    Client(#[from] ClientError),
}

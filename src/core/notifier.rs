//! Notifiers as values: where a message about a job can go.
//!
//! Owns the settings only. How a message is written and delivered is the business of the notify room.

use std::collections::BTreeMap;
use std::time::Duration;

use super::job::Command;
use super::name::Name;

/// `[notify.NAME]`: one place to which messages about jobs go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotifierSettings {
    /// The name jobs use in `notify`.
    pub name: Name,
    /// How it is reached.
    pub channel: Channel,
    /// Time limit of one delivery.
    pub timeout: Duration,
}

/// How a notifier is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Channel {
    /// A mail through the system's `sendmail -t`.
    Mail {
        /// The recipients, at least one; no line breaks in any.
        to: Vec<String>,
        /// The sender; default is the daemon's user.
        from: Option<String>,
    },
    /// An HTTP POST of a JSON document.
    Webhook {
        /// An `http://` or `https://` address.
        url: String,
        /// Headers on top of the usual ones.
        headers: BTreeMap<String, String>,
    },
    /// HTTP GETs of a dead-man service.
    Ping {
        /// Asked for when a run starts.
        start: Option<String>,
        /// Asked for when a run succeeds.
        success: Option<String>,
        /// Asked for when a run fails for good.
        failure: Option<String>,
    },
    /// A command with the event in its environment.
    Command(Command),
}

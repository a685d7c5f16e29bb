//! Notifications: delivers one message through one notifier.
//!
//! Owns the wording of messages and the ways they travel: mail, webhook, ping, command. It must not know the
//! scheduler, the store, the loop or any clock: the caller keeps the queue, calls [`Courier::deliver`] on a
//! thread of its own, and after a failure asks [`backoff`] when to try again. Every delivery ends within the
//! time limit of its notifier, whatever the other side does.
//!
//! ```text
//! NotifierSettings, Message ─▶ Courier::deliver ─┬─ mail ────▶ program (sendmail)
//!                                                ├─ command ─▶ program
//!                                                └─ webhook, ping ─▶ http
//! Err ─▶ is_permanent? give up : backoff(attempt, seed), until GIVE_UP
//! ```

mod command;
mod error;
mod http;
mod mail;
mod message;
mod mime;
mod program;
mod retry;

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use ureq::Proxy;

use crate::core::job;
use crate::core::notifier::{Channel, NotifierSettings};

pub use error::DeliveryError;
pub use message::{Message, OUTPUT_LIMIT};
pub use retry::{GIVE_UP, backoff};

/// Finds the program that takes mail, in a PATH or where it usually is.
pub fn sendmail(path: Option<&OsStr>) -> Option<PathBuf> {
    mail::find_sendmail(path)
}

/// The bounds of a time limit: a timer of zero length would never ring, one of centuries cannot be set.
const SHORTEST_LIMIT: Duration = Duration::from_millis(1);
const LONGEST_LIMIT: Duration = Duration::from_secs(24 * 3600);

/// What deliveries need of the machine.
#[derive(Clone, Debug)]
pub struct Courier {
    /// The program that takes mail; `None` = there is none.
    sendmail: Option<PathBuf>,
    /// The environment of sendmail and of commands.
    environment: Vec<(OsString, OsString)>,
    /// Through which web servers are asked.
    proxy: Option<Proxy>,
}

impl Courier {
    /// Prepares for deliveries in an environment, which programs inherit.
    ///
    /// The caller leaves out what speaks of its own process, such as `NOTIFY_SOCKET`. Sendmail is looked for
    /// in the environment's PATH, then in /usr/sbin and /usr/lib. Web servers are asked through the proxy that
    /// this process's own `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` name.
    pub fn new(environment: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let environment: Vec<_> = environment.into_iter().collect();
        let path = environment.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value.as_os_str());
        let sendmail = mail::find_sendmail(path);
        Courier { sendmail, environment, proxy: Proxy::try_from_env() }
    }

    /// Takes another program for sendmail.
    #[must_use]
    pub fn with_sendmail(self, program: PathBuf) -> Self {
        Courier { sendmail: Some(program), ..self }
    }

    /// Asks web servers directly.
    #[must_use]
    pub fn without_proxy(self) -> Self {
        Courier { proxy: None, ..self }
    }

    /// Delivers one message, within the time limit of the notifier.
    ///
    /// A ping for whose kind there is no address is delivered by doing nothing.
    ///
    /// # Errors
    /// See [`DeliveryError`]; the message may still have arrived, when the answer was lost or came too late.
    pub fn deliver(&self, settings: &NotifierSettings, message: &Message) -> Result<(), DeliveryError> {
        let limit = settings.timeout.clamp(SHORTEST_LIMIT, LONGEST_LIMIT);
        match &settings.channel {
            Channel::Mail { to, from } => {
                let sendmail = self.sendmail.as_ref().ok_or(DeliveryError::NoSendmail)?;
                mail::send(self.command(sendmail.as_os_str()), to, from.as_deref(), message, limit)
            }
            Channel::Webhook { url, headers } => http::post(url, headers, message, limit, self.proxy.clone()),
            Channel::Ping { start, success, failure } => {
                let addresses = [start, success, failure].map(|url| url.as_deref());
                http::ping(addresses, message.kind, limit, self.proxy.clone())
            }
            Channel::Command(line) => {
                let (program, arguments) = command::program(line)?;
                let mut command = self.command(OsStr::new(program));
                command.args(arguments);
                command::set_variables(&mut command, message);
                program::run(command, &command::input(message), limit)
            }
        }
    }

    /// Runs a command for something that has happened: its variables on top of the environment, a text on stdin.
    ///
    /// # Errors
    /// As for [`Courier::deliver`] through a command.
    pub fn run(
        &self,
        line: &job::Command,
        variables: &[(&str, String)],
        input: &[u8],
        limit: Duration,
    ) -> Result<(), DeliveryError> {
        let (program, arguments) = command::program(line)?;
        let mut command = self.command(OsStr::new(program));
        command.args(arguments).envs(variables.iter().map(|(name, value)| (name, value)));
        program::run(command, input, limit.clamp(SHORTEST_LIMIT, LONGEST_LIMIT))
    }

    fn command(&self, program: &OsStr) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}

#[cfg(test)]
mod tests;

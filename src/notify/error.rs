//! Why a message was not delivered.

use std::io;

use crate::core::duration;

/// Why a delivery failed. No text names more of an address than its host: the rest is often a secret.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// The time limit of the notifier has passed.
    #[error("no answer within {}", duration::format(*.0))]
    TimedOut(std::time::Duration),
    /// The web server answered, and not with a 2xx code.
    #[error("{host} answered {code}{}", said(.answer))]
    Refused {
        /// The server.
        host: String,
        /// The HTTP status code.
        code: u16,
        /// The beginning of what it said, one line.
        answer: String,
    },
    /// The web server was not reached, or its answer is no HTTP.
    #[error("{host} cannot be asked")]
    Unreachable {
        /// The server.
        host: String,
        /// What went wrong.
        source: Box<ureq::Error>,
    },
    /// The request cannot be made from the notifier's settings.
    #[error("the address or a header of the notifier is not valid")]
    BadRequest,
    /// There is no program that takes mail.
    #[error("no sendmail in PATH, /usr/sbin or /usr/lib")]
    NoSendmail,
    /// A sender or recipient holds a line break or is empty.
    #[error("{0:?} is no mail address")]
    BadAddress(String),
    /// The command is empty.
    #[error("the notifier's command is empty")]
    NoCommand,
    /// The program could not be started.
    #[error("{program} could not be started")]
    NotStarted {
        /// The program.
        program: String,
        /// What went wrong.
        source: io::Error,
    },
    /// The program ended with an exit code other than 0.
    #[error("{program} ended with exit code {code}{}", said(.answer))]
    ExitCode {
        /// The program.
        program: String,
        /// Its exit code.
        code: i32,
        /// The last line of its output.
        answer: String,
    },
    /// The program was ended by a signal.
    #[error("{program} was ended by signal {signal}{}", said(.answer))]
    Signal {
        /// The program.
        program: String,
        /// The signal's number.
        signal: i32,
        /// The last line of its output.
        answer: String,
    },
    /// The kernel refused a pipe, a timer or the like, or the end of the program went unseen.
    #[error("{step} failed")]
    System {
        /// What was tried.
        step: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}

impl DeliveryError {
    /// Says whether another try of the same message is pointless.
    ///
    /// Pointless are settings that cannot be used at all and the answers of RFC 9110 section 15.5 (4xx), which
    /// speak of the request and not of the moment, but for 408 (too slow) and 429 (too many). All else may
    /// pass: a server is repaired, a mail program installed.
    pub fn is_permanent(&self) -> bool {
        match self {
            DeliveryError::BadRequest | DeliveryError::BadAddress(_) | DeliveryError::NoCommand => true,
            DeliveryError::Refused { code, .. } => (400..500).contains(code) && !matches!(code, 408 | 429),
            DeliveryError::TimedOut(_)
            | DeliveryError::Unreachable { .. }
            | DeliveryError::NoSendmail
            | DeliveryError::NotStarted { .. }
            | DeliveryError::ExitCode { .. }
            | DeliveryError::Signal { .. }
            | DeliveryError::System { .. } => false,
        }
    }

    /// Returns an adapter that says what was tried when the kernel refused.
    pub(super) fn system(step: &'static str) -> impl FnOnce(io::Error) -> DeliveryError {
        move |source| DeliveryError::System { step, source }
    }
}

fn said(answer: &str) -> String {
    if answer.is_empty() { String::new() } else { format!(": {answer}") }
}

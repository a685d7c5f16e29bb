//! The service manager: tells systemd how the daemon fares (sd_notify(3)), where it listens.

use sd_notify::NotifyState;

/// The line to the service manager; silent where there is none.
pub(super) struct Supervisor {
    /// Ticks as often as it wants to hear that the loop turns.
    watchdog: Option<tokio::time::Interval>,
}

impl Supervisor {
    /// Finds out from the environment whether somebody listens and how often they want to hear of us. To be
    /// called within the runtime.
    pub(super) fn new() -> Self {
        // Half the period is what sd_watchdog_enabled(3) asks for.
        let watchdog = sd_notify::watchdog_enabled().map(|period| tokio::time::interval(period / 2));
        Supervisor { watchdog }
    }

    /// The daemon serves: jobs are loaded and the socket is open.
    pub(super) fn ready(&self) {
        self.tell(&[NotifyState::Ready]);
    }

    /// The daemon is on its way out.
    pub(super) fn stopping(&self) {
        self.tell(&[NotifyState::Stopping]);
    }

    /// The daemon reads its configuration again; [`Supervisor::ready`] ends that.
    pub(super) fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => self.tell(&[NotifyState::Reloading, now]),
            Err(_) => self.tell(&[NotifyState::Reloading]),
        }
    }

    /// Says in one line how things are.
    pub(super) fn status(&self, line: &str) {
        self.tell(&[NotifyState::Status(line)]);
    }

    /// Waits until the next sign of life is due; for ever where nobody wants one.
    pub(super) async fn watchdog(&mut self) {
        match &mut self.watchdog {
            Some(interval) => drop(interval.tick().await),
            None => std::future::pending().await,
        }
    }

    /// Gives a sign of life.
    pub(super) fn beat(&self) {
        self.tell(&[NotifyState::Watchdog]);
    }

    fn tell(&self, state: &[NotifyState<'_>]) {
        if let Err(error) = sd_notify::notify(state) {
            tracing::debug!(%error, "the service manager does not listen");
        }
    }
}

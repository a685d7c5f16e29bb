//! The notifier: takes notices from the store's outbox to those who are to hear of them, and runs the commands of
//! `[[on]]`. On threads of its own: a mail server that hangs holds up neither the loop nor a job's slot.
//!
//! A notice leaves the outbox only when it was delivered or given up, so it survives a restart. How each delivery
//! ended goes back through the loop, which alone writes to the store.

use std::collections::HashMap;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use super::clock;
use super::queries::Queries;
use crate::core::change::NoticeKind;
use crate::core::civil::Zone;
use crate::core::instant::Timestamp;
use crate::core::name::Name;
use crate::core::notifier::{Channel, NotifierSettings};
use crate::notify::{Courier, GIVE_UP, Message, OUTPUT_LIMIT, backoff};
use crate::process::Logs;
use crate::store::{Delivery, NoticeRow, Reader, RunRow};

/// How many notices are taken in hand at once.
const AT_ONCE: usize = 64;

/// The longest wait between looks at the outbox.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);

/// What the notifier is told.
enum Word {
    /// There may be something in the outbox.
    Look,
    /// The settings have changed.
    Settings(Vec<NotifierSettings>, Zone),
}

/// The line to the notifier's thread.
pub(super) struct Notifier {
    words: mpsc::Sender<Word>,
}

/// What the thread works with.
struct Office {
    courier: Courier,
    settings: HashMap<Name, NotifierSettings>,
    zone: Zone,
    state_dir: PathBuf,
    logs: Logs,
    host: String,
    queries: Queries,
    /// Notices dealt with whose row may not show it yet, with the attempts it had then.
    handled: HashMap<u64, u32>,
}

impl Notifier {
    /// Starts the thread.
    pub(super) fn start(
        courier: Courier,
        settings: Vec<NotifierSettings>,
        zone: Zone,
        state_dir: &Path,
        host: String,
        queries: Queries,
    ) -> Self {
        let (words, said) = mpsc::channel();
        let mut office = Office {
            courier,
            settings: by_name(settings),
            zone,
            state_dir: state_dir.to_owned(),
            logs: Logs::new(state_dir.join("logs")),
            host,
            queries,
            handled: HashMap::new(),
        };
        thread::spawn(move || {
            loop {
                let wait = office.deliver_what_is_due();
                match said.recv_timeout(wait) {
                    Ok(Word::Look) | Err(RecvTimeoutError::Timeout) => {}
                    Ok(Word::Settings(settings, zone)) => {
                        office.settings = by_name(settings);
                        office.zone = zone;
                    }
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        });
        Notifier { words }
    }

    /// Says that there may be something in the outbox.
    pub(super) fn look(&self) {
        let _ = self.words.send(Word::Look);
    }

    /// Hands over changed settings.
    pub(super) fn reconfigure(&self, settings: Vec<NotifierSettings>, zone: Zone) {
        let _ = self.words.send(Word::Settings(settings, zone));
    }
}

impl Office {
    /// Delivers what is due, the notices of one notifier in order and those of several at once; returns how long
    /// to wait for the next.
    fn deliver_what_is_due(&mut self) -> Duration {
        let Ok(Some(reader)) = Reader::open(&self.state_dir) else { return LONGEST_WAIT };
        let now = clock::now().wall;
        let due = reader.outbox_due(now, AT_ONCE).unwrap_or_default();
        self.handled.retain(|id, _| due.iter().any(|notice| notice.id == *id));
        let mut rounds: HashMap<Name, Vec<(NoticeRow, Message)>> = HashMap::new();
        for notice in due {
            if self.handled.get(&notice.id).is_some_and(|attempts| *attempts >= notice.attempts) {
                continue;
            }
            self.handled.insert(notice.id, notice.attempts);
            let message = self.message(&reader, &notice);
            rounds.entry(notice.notifier.clone()).or_default().push((notice, message));
        }
        thread::scope(|scope| {
            for (name, notices) in &rounds {
                let office = &*self;
                scope.spawn(move || office.deliver_round(name, notices));
            }
        });
        if !rounds.is_empty() {
            // There may be more, and what has failed is due again later.
            return Duration::from_secs(1);
        }
        let next = reader.outbox_next().ok().flatten();
        next.map_or(LONGEST_WAIT, |at| at.since(now).clamp(Duration::from_secs(1), LONGEST_WAIT))
    }

    fn deliver_round(&self, name: &Name, notices: &[(NoticeRow, Message)]) {
        for (notice, message) in notices {
            let delivery = match self.settings.get(name) {
                Some(settings) => self.deliver(settings, notice, message),
                None => {
                    tracing::warn!(notifier = %name, "a notice is dropped: there is no such notifier any more");
                    Delivery::Done
                }
            };
            let id = notice.id;
            self.queries.task(move |event_loop| event_loop.store.deliver(id, delivery));
        }
    }

    fn deliver(&self, settings: &NotifierSettings, notice: &NoticeRow, message: &Message) -> Delivery {
        // Only pings have something to say about a start.
        if notice.kind == NoticeKind::Started && !matches!(settings.channel, Channel::Ping { .. }) {
            return Delivery::Done;
        }
        let Err(error) = self.courier.deliver(settings, message) else { return Delivery::Done };
        let now: Timestamp = clock::now().wall;
        let attempt = notice.attempts.saturating_add(1);
        if error.is_permanent() || now.since(notice.at) >= GIVE_UP {
            tracing::error!(notifier = %settings.name, job = %notice.job, %error, "a notice is given up");
            return Delivery::Done;
        }
        let wait = backoff(attempt, notice.id);
        tracing::warn!(notifier = %settings.name, job = %notice.job, %error, again_in = ?wait, "not delivered");
        Delivery::Failed { next_at: now.plus(wait) }
    }

    fn message(&self, reader: &Reader, notice: &NoticeRow) -> Message {
        let row: Option<RunRow> = notice.run.and_then(|run| reader.run(run).ok().flatten());
        let log = row.as_ref().map(|row| self.logs.path(&row.job, row.run, row.attempt));
        let (output_tail, output_cut) = log.as_deref().map(tail).unwrap_or_default();
        let text = |at: Option<Timestamp>| at.map(|at| self.zone.format(at));
        Message {
            notifier: notice.notifier.clone(),
            kind: notice.kind,
            job: notice.job.clone(),
            run: notice.run,
            status: row.as_ref().map(|row| row.status),
            reason: row.as_ref().and_then(|row| row.reason),
            detail: row.as_ref().and_then(|row| row.detail.clone()),
            exit: row.as_ref().and_then(|row| row.exit),
            fire_time: text(row.as_ref().and_then(|row| row.fire_time)),
            started_at: text(row.as_ref().and_then(|row| row.started_at)),
            finished_at: text(row.as_ref().and_then(|row| row.finished_at)),
            duration: row.as_ref().and_then(|row| row.duration),
            host: self.host.clone(),
            log,
            output_tail,
            output_cut,
        }
    }
}

/// Reads the end of an output, and says whether there was more.
fn tail(path: &Path) -> (Vec<u8>, bool) {
    let limit = OUTPUT_LIMIT as u64;
    let read = || -> std::io::Result<(Vec<u8>, bool)> {
        let mut file = std::fs::File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(limit)))?;
        let mut bytes = Vec::new();
        file.take(limit).read_to_end(&mut bytes)?;
        Ok((bytes, length > limit))
    };
    read().unwrap_or_default()
}

fn by_name(settings: Vec<NotifierSettings>) -> HashMap<Name, NotifierSettings> {
    settings.into_iter().map(|settings| (settings.name.clone(), settings)).collect()
}

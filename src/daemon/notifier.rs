//! The notifier: takes notices from the store's outbox to those who are to hear of them. On threads of its own: a
//! mail server that hangs holds up neither the loop nor a job's slot, nor what goes to others.
//!
//! A notice leaves the outbox only when it was delivered or given up, so it survives a restart. How each delivery
//! ended goes back through the loop, which alone writes to the store.

use std::collections::{HashMap, HashSet};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use super::clock;
use crate::core::change::NoticeKind;
use crate::core::civil::Zone;
use crate::core::instant::Timestamp;
use crate::core::name::Name;
use crate::core::notifier::{Channel, NotifierSettings};
use crate::notify::{Courier, GIVE_UP, Message, OUTPUT_LIMIT, backoff};
use crate::process::{self, Logs};
use crate::store::{Delivery, NoticeRow, Reader, RunRow};

/// How many notices are looked at, at once. More than any healthy notifier has waiting, so that those of one that
/// hangs do not hide those of the others.
const AT_ONCE: usize = 1_000;

/// How many notices of one notifier are delivered in one round.
const ROUND: usize = 64;

/// The longest wait between looks at the outbox.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);

/// The wait between looks at the outbox while a round of deliveries is under way.
const WAIT_BESIDE_A_ROUND: Duration = Duration::from_secs(10);

/// What the notifier is told.
enum Word {
    /// There may be something in the outbox.
    Look,
    /// The settings have changed.
    Settings(Vec<NotifierSettings>, Zone),
    /// A round of deliveries is over.
    RoundOver(Name),
    /// The daemon goes.
    Close,
}

/// Who writes down how deliveries ended.
type Record = Arc<dyn Fn(u64, Delivery) + Send + Sync>;

/// The line to the notifier's thread.
pub(super) struct Notifier {
    words: mpsc::Sender<Word>,
}

/// What a notifier delivers from.
pub(super) struct Premises {
    /// The state directory, with the outbox and the outputs.
    pub(super) state_dir: PathBuf,
    /// The machine's name, as messages give it.
    pub(super) host: String,
}

/// What the thread works with.
struct Office {
    courier: Courier,
    settings: HashMap<Name, NotifierSettings>,
    zone: Zone,
    premises: Premises,
    logs: Logs,
    record: Record,
    words: mpsc::Sender<Word>,
    /// Notifiers that are at work on a round.
    busy: HashSet<Name>,
    /// Notices dealt with whose row may not show it yet, with the attempts it had then.
    handled: HashMap<u64, u32>,
}

impl Notifier {
    /// Starts the thread; `record` is told how each delivery ended.
    pub(super) fn start(
        courier: Courier,
        settings: Vec<NotifierSettings>,
        zone: Zone,
        premises: Premises,
        record: impl Fn(u64, Delivery) + Send + Sync + 'static,
    ) -> Self {
        let (words, said) = mpsc::channel();
        let mut office = Office {
            courier,
            settings: by_name(settings),
            zone,
            logs: Logs::new(premises.state_dir.join("logs")),
            premises,
            record: Arc::new(record),
            words: words.clone(),
            busy: HashSet::new(),
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
                    Ok(Word::RoundOver(name)) => drop(office.busy.remove(&name)),
                    Ok(Word::Close) | Err(RecvTimeoutError::Disconnected) => return,
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

impl Drop for Notifier {
    fn drop(&mut self) {
        let _ = self.words.send(Word::Close);
    }
}

impl Office {
    /// Sends out what is due, the notices of one notifier in order, each notifier on a thread of its own; returns
    /// how long to wait for the next.
    fn deliver_what_is_due(&mut self) -> Duration {
        let Ok(Some(reader)) = Reader::open(&self.premises.state_dir) else { return LONGEST_WAIT };
        let now = clock::now().wall;
        let due = reader.outbox_due(now, AT_ONCE).unwrap_or_default();
        self.handled.retain(|id, _| due.iter().any(|notice| notice.id == *id));
        let mut rounds: HashMap<Name, Vec<(NoticeRow, Message)>> = HashMap::new();
        for notice in due {
            let handled = self.handled.get(&notice.id).is_some_and(|attempts| *attempts >= notice.attempts);
            if handled || self.busy.contains(&notice.notifier) {
                continue;
            }
            let round = rounds.entry(notice.notifier.clone()).or_default();
            if round.len() < ROUND {
                self.handled.insert(notice.id, notice.attempts);
                let message = self.message(&reader, &notice);
                round.push((notice, message));
            }
        }
        for (name, notices) in rounds {
            self.busy.insert(name.clone());
            let round = Round {
                courier: self.courier.clone(),
                settings: self.settings.get(&name).cloned(),
                notices,
                record: Arc::clone(&self.record),
            };
            let words = self.words.clone();
            thread::spawn(move || {
                process::hear_of_deaths();
                round.deliver();
                let _ = words.send(Word::RoundOver(name));
            });
        }
        if !self.busy.is_empty() {
            // The end of a round is told; others may be due again meanwhile.
            return WAIT_BESIDE_A_ROUND;
        }
        if !self.handled.is_empty() {
            // Their rows will show in a moment when they are due again.
            return Duration::from_secs(1);
        }
        let next = reader.outbox_next().ok().flatten();
        next.map_or(LONGEST_WAIT, |at| at.since(now).clamp(Duration::from_secs(1), LONGEST_WAIT))
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
            host: self.premises.host.clone(),
            log,
            output_tail,
            output_cut,
        }
    }
}

/// Notices of one notifier, on their way.
struct Round {
    courier: Courier,
    /// `None` = there is no such notifier any more.
    settings: Option<NotifierSettings>,
    notices: Vec<(NoticeRow, Message)>,
    record: Record,
}

impl Round {
    /// Delivers the notices in order. After a failure the others wait too: they go the same way, and would
    /// overtake it.
    fn deliver(&self) {
        let Some(settings) = &self.settings else {
            for (notice, _) in &self.notices {
                tracing::warn!(notifier = %notice.notifier, "a notice is dropped: there is no such notifier");
                (self.record)(notice.id, Delivery::Done);
            }
            return;
        };
        let mut held_back = None;
        for (notice, message) in &self.notices {
            let delivery = match held_back {
                Some(next_at) => Delivery::Failed { next_at },
                None => self.deliver_one(settings, notice, message),
            };
            if let Delivery::Failed { next_at } = delivery {
                held_back = Some(next_at);
            }
            (self.record)(notice.id, delivery);
        }
    }

    fn deliver_one(&self, settings: &NotifierSettings, notice: &NoticeRow, message: &Message) -> Delivery {
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

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::sync::mpsc;
    use std::time::Duration;

    use super::{Notifier, Premises};
    use crate::core::change::{Change, Notice, NoticeKind};
    use crate::core::civil::Zone;
    use crate::core::job::Command;
    use crate::core::name::Name;
    use crate::core::notifier::{Channel, NotifierSettings};
    use crate::notify::Courier;
    use crate::store::{Delivery, Session, Store};

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    fn settings(text: &str, channel: Channel) -> NotifierSettings {
        NotifierSettings { name: name(text), channel, timeout: Duration::from_secs(3_600) }
    }

    #[test]
    fn n1_a_notifier_that_hangs_holds_up_nobody_else() {
        let directory = tempfile::tempdir().unwrap();
        let session = Session { host: "h".to_owned(), boot_id: "b".to_owned(), pid: 1 };
        let mut store = Store::open(directory.path(), session).unwrap();
        // Takes connections in, the kernel does, and never answers.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", silent.local_addr().unwrap());
        let notice = |notifier: &str| {
            let kind = NoticeKind::Failed;
            let at = super::clock::now().wall;
            Change::Notify(Notice { notifier: name(notifier), job: name("a"), run: None, at, kind })
        };
        let first: Vec<Change> = ["hangs", "hangs", "works"].map(notice).into();
        store.commit(&first).unwrap();

        let told = directory.path().join("told");
        let script = format!("echo $JOBCTL_KIND >> {}", told.display());
        let webhook = Channel::Webhook { url, headers: std::collections::BTreeMap::new() };
        let all = vec![
            settings("hangs", webhook),
            settings("works", Channel::Command(Command::Shell(script.into()))),
        ];
        let (record, delivered) = mpsc::channel();
        let premises = Premises { state_dir: directory.path().to_owned(), host: "h".to_owned() };
        let courier = Courier::new(std::env::vars_os()).without_proxy();
        let notifier = Notifier::start(courier, all, Zone::utc(), premises, move |id, delivery| {
            record.send((id, delivery)).unwrap();
        });
        assert_eq!(delivered.recv().unwrap(), (3, Delivery::Done));
        // The first one still hangs when the next notice comes.
        store.deliver(3, Delivery::Done).unwrap();
        store.commit(&[notice("works")]).unwrap();
        notifier.look();
        assert_eq!(delivered.recv().unwrap(), (4, Delivery::Done));
        assert_eq!(std::fs::read_to_string(&told).unwrap().lines().count(), 2);
        drop(silent);
    }
}

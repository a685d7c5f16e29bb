//! Streams: events as they come, and output as it is written. Each is a task of its own, fed from the store or the
//! file, so that a client that does not read costs the loop nothing.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::oneshot;

use super::internal;
use crate::core::name::Name;
use crate::core::run::RunId;
use crate::daemon::answers::{self, Pictures};
use crate::daemon::event_loop::EventLoop;
use crate::daemon::listener::ReplyHandle;
use crate::daemon::queries::Queries;
use crate::process::LogReader;
use crate::protocol::error::ServiceError;
use crate::protocol::views::EventView;
use crate::protocol::{reply, request};

/// How many events go into one piece of a stream.
const EVENTS_AT_ONCE: usize = 500;

/// How often a file that is followed is looked at.
const FOLLOW_EVERY: Duration = Duration::from_millis(100);

impl EventLoop {
    /// Lists events; with `more` those to come follow, from where the list ends, without a gap.
    pub(super) fn events(&self, events: request::Events, more: bool, reply: ReplyHandle) {
        let pictures = self.pictures_for(&events);
        if !more {
            let limit = answers::events_limit(&events);
            return self.answer(reply, move |reader| {
                let events = answers::events(&events, Some(limit), &pictures, reader)?;
                Ok(reply::Events { events })
            });
        }
        let feed = EventFeed { queries: self.service.queries.clone(), request: events };
        let commits = self.service.commits.subscribe();
        tokio::spawn(feed.follow(commits, reply));
    }

    fn pictures_for(&self, events: &request::Events) -> Pictures {
        if events.selector.narrows_jobs() {
            self.pictures(None)
        } else {
            Pictures::without_jobs(&self.service.catalogue, &self.service.logs)
        }
    }

    /// Sends the output of a run; with `follow` until the run is over.
    pub(super) fn logs(&self, logs: request::Logs, reply: ReplyHandle) {
        let queries = self.service.queries.clone();
        let files = self.service.logs.clone();
        let (found, path) = oneshot::channel();
        let (run_id, job, attempt) = (logs.run_id, logs.job.clone(), logs.attempt);
        queries.ask(move |reader| {
            let answer = reader.map_err(internal).and_then(|reader| {
                let row = match (run_id, job.as_deref().and_then(|job| Name::new(job).ok())) {
                    (Some(run), _) => reader.run(RunId(run)).map_err(internal)?,
                    (None, Some(job)) => reader.latest_run(&job).map_err(internal)?,
                    (None, None) => None,
                };
                let row = row.ok_or(ServiceError::NoSuchRun { run_id: run_id.unwrap_or(0) })?;
                let path = files.path(&row.job, row.run, attempt.unwrap_or(row.attempt.max(1)));
                Ok((row.run, path))
            });
            drop(found.send(answer));
        });
        let over = queries.clone();
        tokio::spawn(async move {
            let answer = path.await.unwrap_or_else(|_| Err(internal("the store does not answer")));
            match answer {
                Ok((run, path)) => send_output(run, &path, &logs, &over, reply).await,
                Err(error) => reply.finish(Err::<reply::Output, _>(error)),
            }
        });
    }
}

/// Reads events for one client.
struct EventFeed {
    queries: Queries,
    request: request::Events,
}

impl EventFeed {
    /// Sends what matches, then waits for the next commit, until the client goes.
    async fn follow(mut self, mut commits: tokio::sync::watch::Receiver<u64>, mut reply: ReplyHandle) {
        // A stream without a starting point begins now.
        if self.request.after.is_none() && self.request.selector.since.is_none() {
            self.request.after = Some(self.last_seq().await);
        }
        loop {
            // Looked at before the query: a commit that comes during it is seen by the next turn.
            commits.mark_unchanged();
            let last = self.last_seq().await;
            match self.list().await {
                Ok(events) => {
                    let seen = events.last().map_or(last, |event| event.seq.max(last));
                    self.request.after = Some(self.request.after.unwrap_or(0).max(seen));
                    self.request.selector.since = None;
                    for piece in events.chunks(EVENTS_AT_ONCE) {
                        if reply.send(&reply::Events { events: piece.to_vec() }).await.is_err() {
                            return;
                        }
                    }
                }
                Err(error) => return reply.finish(Err::<reply::Events, _>(error)),
            }
            tokio::select! {
                changed = commits.changed() => if changed.is_err() { return },
                () = reply.gone() => return,
            }
        }
    }

    /// Reads all that match now, by the jobs there are now.
    async fn list(&self) -> Result<Vec<EventView>, ServiceError> {
        let (found, events) = oneshot::channel();
        let (queries, request) = (self.queries.clone(), self.request.clone());
        self.queries.task(move |event_loop| {
            let pictures = event_loop.pictures_for(&request);
            queries.ask(move |reader| {
                let answer = reader.map_err(internal);
                drop(
                    found.send(answer.and_then(|reader| answers::events(&request, None, &pictures, reader))),
                );
            });
        });
        events.await.unwrap_or_else(|_| Err(internal("the store does not answer")))
    }

    async fn last_seq(&self) -> u64 {
        let (found, last) = oneshot::channel();
        self.queries.ask(move |reader| {
            let _ = found.send(reader.ok().and_then(|reader| reader.last_seq().ok()).unwrap_or(0));
        });
        last.await.unwrap_or(0)
    }
}

async fn send_output(
    run: RunId,
    path: &Path,
    logs: &request::Logs,
    queries: &Queries,
    mut reply: ReplyHandle,
) {
    let mut offset = None;
    loop {
        // Whether the run is over is asked before the file is read: what it wrote last is then in the piece.
        let over = !logs.follow || is_over(run, queries).await;
        match read_piece(path.to_owned(), offset, logs.lines).await {
            Ok((bytes, end)) => {
                offset = Some(end);
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let piece = reply::Output { run_id: run.0, text, offset: end };
                if over {
                    return reply.finish(Ok(piece));
                }
                if !bytes.is_empty() && reply.send(&piece).await.is_err() {
                    return;
                }
            }
            Err(_) if !over => {}
            Err(_) => {
                return reply.finish(Ok(reply::Output { run_id: run.0, text: String::new(), offset: 0 }));
            }
        }
        tokio::select! {
            () = tokio::time::sleep(FOLLOW_EVERY) => {}
            () = reply.gone() => return,
        }
    }
}

/// Reads what a file has after an offset, or its last lines, beside the loop.
async fn read_piece(
    path: PathBuf,
    offset: Option<u64>,
    lines: Option<u64>,
) -> std::io::Result<(Vec<u8>, u64)> {
    let read = move || {
        let mut reader = match (offset, lines) {
            (Some(offset), _) => LogReader::open(&path, offset)?,
            (None, Some(lines)) => {
                LogReader::open_at_last_lines(&path, usize::try_from(lines).unwrap_or(usize::MAX))?
            }
            (None, None) => LogReader::open(&path, 0)?,
        };
        let mut bytes = Vec::new();
        loop {
            let piece = reader.next_piece()?;
            if piece.is_empty() || bytes.len() > MOST_AT_ONCE {
                return Ok((bytes, reader.offset()));
            }
            bytes.extend(piece);
        }
    };
    tokio::task::spawn_blocking(read).await.unwrap_or_else(|error| Err(std::io::Error::other(error)))
}

/// How much of an output goes into one reply.
const MOST_AT_ONCE: usize = 20 << 20;

async fn is_over(run: RunId, queries: &Queries) -> bool {
    let (found, over) = oneshot::channel();
    queries.task(move |event_loop| {
        let _ = found.send(event_loop.scheduler.run(run).is_none());
    });
    over.await.unwrap_or(true)
}

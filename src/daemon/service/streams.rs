//! Streams: events as they come, and output as it is written. Each is a task of its own, fed from the store or the
//! file, so that a client that does not read costs the loop nothing.

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use super::{Progress, internal};
use crate::core::name::Name;
use crate::core::run::RunId;
use crate::daemon::answers;
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
    pub(super) fn events(&mut self, events: request::Events, more: bool, reply: ReplyHandle) {
        if !more {
            let limit = answers::events_limit(&events);
            let whom = self.narrowed_by(&events.selector);
            return self.with_pictures(whom, move |event_loop, pictures| {
                event_loop.answer(reply, move |reader| {
                    let events = answers::events(&events, Some(limit), &pictures, reader)?;
                    Ok(reply::Events { events })
                });
            });
        }
        let feed = EventFeed { queries: self.service.queries.clone(), request: events };
        let progress = self.service.progress.subscribe();
        tokio::spawn(feed.follow(progress, reply));
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
        let progress = self.service.progress.subscribe();
        tokio::spawn(async move {
            let answer = path.await.unwrap_or_else(|_| Err(internal("the store does not answer")));
            match answer {
                Ok((run, path)) => {
                    let output = RunOutput { run, path, request: logs, queries, progress };
                    output.send(reply).await;
                }
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
    /// Sends what matches, then waits for the next commit, until the client or the daemon goes.
    async fn follow(mut self, mut progress: watch::Receiver<Progress>, mut reply: ReplyHandle) {
        // A stream without a starting point begins now.
        if self.request.after.is_none() && self.request.selector.since.is_none() {
            self.request.after = Some(self.last_seq().await);
        }
        loop {
            // Looked at before the query: a commit that comes during it is seen by the next turn.
            let over = progress.borrow_and_update().over;
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
            if over {
                return reply.finish(Ok(reply::Events::default()));
            }
            tokio::select! {
                changed = progress.changed() => if changed.is_err() { return },
                () = reply.gone() => return,
            }
        }
    }

    /// Reads all that match now, by the jobs there are now.
    async fn list(&self) -> Result<Vec<EventView>, ServiceError> {
        let (found, events) = oneshot::channel();
        let (queries, request) = (self.queries.clone(), self.request.clone());
        self.queries.task(move |event_loop| {
            let whom = event_loop.narrowed_by(&request.selector);
            event_loop.with_pictures(whom, move |_, pictures| {
                queries.ask(move |reader| {
                    let answer = reader.map_err(internal);
                    let events = answer.and_then(|reader| answers::events(&request, None, &pictures, reader));
                    drop(found.send(events));
                });
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

/// Reads the output of a run for one client.
struct RunOutput {
    run: RunId,
    path: PathBuf,
    request: request::Logs,
    queries: Queries,
    progress: watch::Receiver<Progress>,
}

impl RunOutput {
    /// Sends what there is and, where that is asked for, what comes, until the run is over or the daemon goes.
    async fn send(mut self, mut reply: ReplyHandle) {
        let run_id = self.run.0;
        let mut offset = None;
        loop {
            // Whether it is the last piece is asked before the file is read: what the run wrote last is then in it.
            let last = !self.request.follow || self.progress.borrow().over || self.is_over().await;
            match read_piece(self.path.clone(), offset, self.request.lines).await {
                Ok((mut bytes, mut end)) => {
                    if !last {
                        // A letter that is not whole yet waits for its rest.
                        let whole = whole_letters(&bytes);
                        end -= (bytes.len() - whole) as u64;
                        bytes.truncate(whole);
                    }
                    offset = Some(end);
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    let piece = reply::Output { run_id, text, offset: end };
                    if last {
                        return reply.finish(Ok(piece));
                    }
                    if !bytes.is_empty() && reply.send(&piece).await.is_err() {
                        return;
                    }
                }
                Err(_) if !last => {}
                Err(_) => {
                    return reply.finish(Ok(reply::Output { run_id, ..reply::Output::default() }));
                }
            }
            tokio::select! {
                () = tokio::time::sleep(FOLLOW_EVERY) => {}
                () = super::end(&mut self.progress) => {}
                () = reply.gone() => return,
            }
        }
    }

    async fn is_over(&self) -> bool {
        let (found, over) = oneshot::channel();
        let run = self.run;
        self.queries.task(move |event_loop| {
            let _ = found.send(event_loop.scheduler.run(run).is_none());
        });
        over.await.unwrap_or(true)
    }
}

/// Returns how many bytes there are before a letter of UTF-8 that breaks off at the end.
fn whole_letters(bytes: &[u8]) -> usize {
    let tail = bytes.len() - bytes.len().min(3);
    // The longest suffix of up to three bytes that begins a letter and does not finish it.
    let begins = (tail..bytes.len()).find(|at| {
        std::str::from_utf8(&bytes[*at..])
            .is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
    });
    begins.unwrap_or(bytes.len())
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

#[cfg(test)]
mod tests {
    use super::whole_letters;

    #[test]
    fn a_letter_is_not_cut_in_two() {
        for (bytes, whole) in [
            (&b""[..], 0),
            (b"abc", 3),
            ("a\u{fc}".as_bytes(), 3),
            (&"a\u{fc}".as_bytes()[..2], 1),
            (&"\u{1f600}".as_bytes()[..3], 0),
            (&"ab\u{20ac}".as_bytes()[..4], 2),
            (b"a\xff", 2),
            (b"\xbf\xbf\xbf", 3),
        ] {
            assert_eq!(whole_letters(bytes), whole, "{bytes:?}");
        }
    }
}

//! Questions to the store, asked on a thread of their own: the loop never waits for the disk.

use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use super::event_loop::EventLoop;
use crate::process;
use crate::store::{OpenError, QueryError, Reader};

/// Work that has to be done by the loop, because only it may touch the scheduler.
pub(super) type Task = Box<dyn FnOnce(&mut EventLoop) + Send>;

type Question = Box<dyn FnOnce(Result<&Reader, &AskError>) + Send>;

/// How long nobody asks until the memory that answers have taken, and the start before them, is given back.
const QUIET: Duration = Duration::from_secs(2);

/// Waits for the next question; `None` = there will be none. Who waits longer tidies up meanwhile, once.
fn next(asked: &mpsc::Receiver<Question>, reader: Option<&Reader>) -> Option<Question> {
    match asked.recv_timeout(QUIET) {
        Ok(question) => Some(question),
        Err(mpsc::RecvTimeoutError::Disconnected) => None,
        Err(mpsc::RecvTimeoutError::Timeout) => {
            if let Some(reader) = reader {
                reader.give_back_memory();
            }
            process::give_back_memory();
            asked.recv().ok()
        }
    }
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    /// The store cannot be opened for reading.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// There is no store.
    #[error("there is no store")]
    Nothing,
    /// The store has no answer.
    #[error(transparent)]
    Query(#[from] QueryError),
}

/// The line to the thread that reads the store.
#[derive(Clone)]
pub(super) struct Queries {
    questions: mpsc::Sender<Question>,
    tasks: UnboundedSender<Task>,
}

impl Queries {
    /// Starts the thread; `tasks` is the way back into the loop.
    pub(super) fn start(state_dir: PathBuf, tasks: UnboundedSender<Task>) -> Self {
        let (questions, asked) = mpsc::channel::<Question>();
        thread::spawn(move || {
            let mut reader: Option<Reader> = None;
            while let Some(question) = next(&asked, reader.as_ref()) {
                if reader.is_none() {
                    match Reader::open(&state_dir) {
                        Ok(opened) => reader = opened,
                        Err(error) => {
                            question(Err(&error.into()));
                            continue;
                        }
                    }
                }
                question(reader.as_ref().ok_or(&AskError::Nothing));
            }
        });
        Queries { questions, tasks }
    }

    /// Asks a question; whoever asks has made the closure answer.
    pub(super) fn ask(&self, question: impl FnOnce(Result<&Reader, &AskError>) + Send + 'static) {
        // The thread ends only with this sender, so the question is always taken.
        drop(self.questions.send(Box::new(question)));
    }

    /// Asks a question and hands the answer to the loop.
    pub(super) fn then<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Reader) -> Result<T, QueryError> + Send + 'static,
        then: impl FnOnce(&mut EventLoop, Result<T, String>) + Send + 'static,
    ) {
        let tasks = self.tasks.clone();
        self.ask(move |reader| {
            let answer = match reader {
                Ok(reader) => question(reader).map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            drop(tasks.send(Box::new(move |event_loop| then(event_loop, answer))));
        });
    }

    /// Hands work to the loop.
    pub(super) fn task(&self, task: impl FnOnce(&mut EventLoop) + Send + 'static) {
        drop(self.tasks.send(Box::new(task)));
    }
}

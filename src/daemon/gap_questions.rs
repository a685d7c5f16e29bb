//! Questions for rows that lie in the future since the clock was set back.
//!
//! The scheduler lets nothing fall due before the answer, so a question is asked until it has one; and it is asked
//! only once everything decided before it can be seen in the store.

use std::collections::VecDeque;
use std::time::Duration;

use super::event_loop::EventLoop;
use super::queries::Queries;
use crate::core::instant::Timestamp;
use crate::core::scheduler::{FutureGap, Input};
use crate::store::GapRow;

/// How long to wait before a question that failed is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Questions that wait, each for the submission of a token to be durable.
#[derive(Default)]
pub(super) struct GapQuestions(VecDeque<(u64, Timestamp)>);

impl GapQuestions {
    /// Keeps a question for rows after an instant until the submission of a token is durable.
    pub(super) fn wait_for(&mut self, token: u64, after: Timestamp) {
        self.0.push_back((token, after));
    }

    /// Asks what no longer has to wait; `oldest` = the oldest submission that is not durable.
    pub(super) fn ask(&mut self, oldest: u64, queries: &Queries) {
        while let Some((_, after)) = self.0.pop_front_if(|(token, _)| *token < oldest) {
            let again = queries.clone();
            queries.then(
                move |reader| reader.future_gaps(after),
                move |event_loop, rows| answered(event_loop, &again, after, rows),
            );
        }
    }
}

fn answered(
    event_loop: &mut EventLoop,
    queries: &Queries,
    after: Timestamp,
    rows: Result<Vec<GapRow>, String>,
) {
    match rows {
        Ok(rows) => {
            let gaps = rows.into_iter().map(|row| FutureGap {
                run: row.run,
                job: row.job,
                first: row.first,
                last: row.last,
                count: row.count,
            });
            event_loop.feed(Input::FutureGaps(gaps.collect()));
        }
        Err(error) => {
            tracing::warn!(
                error,
                "rows of the future cannot be looked for; nothing falls due until they are"
            );
            let queries = queries.clone();
            tokio::spawn(async move {
                tokio::time::sleep(ASK_AGAIN).await;
                queries.task(move |event_loop| event_loop.find_future_gaps(after));
            });
        }
    }
}

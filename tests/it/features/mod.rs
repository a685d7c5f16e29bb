//! Every row of the feature list, each with the tests that would fail without it.

mod beyond;
mod jobs;
mod overlap;
mod runs;
mod scheduler;
mod support;
mod triggers;

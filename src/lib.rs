//! jobctl runs commands on a schedule, and replaces crontab: `jobctl run` is a daemon, every other subcommand a client.
//!
//! What users see is told in the README and the manual pages. This page is the map of the house for those who work
//! on it; `docs/design.md` has the words and the promises, `docs/time.md` the numbered rules of time.
//!
//! # The rooms
//!
//! | room | owns | must not know |
//! |---|---|---|
//! | [`core`] | jobs, triggers, the crontab language, the life of a run, the scheduler: every decision | clocks, files, sockets, processes, threads |
//! | [`jobfile`] | the language of the job file: text to jobs, or every error with its place | the store, the daemon |
//! | [`store`] | the SQLite file: rows, transactions, questions | the scheduler, the wire |
//! | [`process`] | starting, bounding, signalling, reaping and adopting processes; environments and output files | the scheduler, any clock |
//! | [`notify`] | messages and how they travel | the loop, the store |
//! | [`protocol`] | requests, replies, views and frames of the socket | sockets |
//! | [`zoneinfo`] | where the rules of time zones come from | what they are for |
//! | [`daemon`] | the loop, the clock, the listener: the wiring | terminals, sentences for people |
//! | [`client`] | the other end of the socket, blocking | what is printed |
//! | [`cli`] | arguments, tables, sentences, exit codes, manual pages, completions | how anything is decided |
//!
//! # The floors
//!
//! ```text
//! cli
//! daemon   client
//! jobfile  store  process  notify  protocol  zoneinfo
//! core
//! ```
//!
//! A room imports from floors below its own, and never from one beside it. Beyond that: the clock is read in
//! `daemon::clock` alone, SQL is written in `store` alone, only `cli` prints, and only `main` ends the process. The
//! test `tidy` reads the source and holds these walls up.
//!
//! # How a job flows
//!
//! 1. [`jobfile`] turns text into [`core::job::Job`]s. `jobctl add` sends text too, and it goes the same way.
//! 2. [`core::scheduler::Scheduler`] is told of them and says when it wants to be woken. The daemon's loop sleeps.
//! 3. Woken, the scheduler decides and returns effects: a claim of this occurrence is to be committed; then a command is to
//!    be started.
//! 4. [`store`] commits what is pending in one transaction. Only a claim that is on disk is started, and a job has one row
//!    for one fire time: so nothing runs twice.
//! 5. [`process`] starts the command and later reports its end. [`core::run::transition`] says what that makes of the run;
//!    its row is committed; events, hooks and notifications follow.
//! 6. Clients are answered from the scheduler's memory and from a read-only connection to the store, in data; [`cli`] makes
//!    sentences of it.
//!
//! Decide, commit, act, acknowledge: in that order, everywhere.
//!
//! # What always holds
//!
//! - Every occurrence ends up in exactly one row of the ledger, and every run has exactly one final event.
//! - A run changes its status in one function, [`core::run::transition`].
//! - The same (job, fire time) is never started twice, whatever died when.
//! - What fires when is a pure function of expression, zone, tz database and instant.
//! - The loop waits for nobody: not for a client, a notifier, the disk or a job.
//! - Nothing read from outside can panic, or cost unbounded time or memory.
//! - Nothing is deleted because it could not be read.
//!
//! # Where to begin reading
//!
//! The words are in [`core::job`] and [`core::run`]; the heart is [`core::scheduler`], whose tests are stories; the daemon
//! around it begins in [`daemon::run()`], and a command of the terminal in its own file in [`cli`].
//!
//! # An example
//!
//! The core needs no clock and no machine. When is half past two, on the night on which there is none?
//!
//! ```
//! use jobctl::core::civil::Embedded;
//! use jobctl::core::instant::Timestamp;
//! use jobctl::core::trigger::Firing;
//! use jobctl::jobfile::{NoPeers, SourceFile, Sources, load};
//!
//! let text = r#"
//! [jobs.backup]
//! command = "restic backup /home"
//! cron = "30 2 * * *"
//! timezone = "Europe/Berlin"
//! "#;
//! let path = std::path::Path::new("jobs.toml").into();
//! let file = SourceFile { path, directory: "/etc/jobctl".into(), bytes: text.into() };
//! let set = load(&Sources { files: vec![file] }, &Embedded, &NoPeers).map_err(|errors| format!("{errors:?}"))?;
//!
//! let Firing::Clock(schedule) = &set.jobs[0].firing else { return Err("a cron job has a clock".into()) };
//! let midnight = Timestamp::from_secs(1_774_738_800); // 2026-03-29T00:00:00+01:00
//! let next = schedule.next_after(midnight, midnight).ok_or("it fires for ever")?;
//! assert_eq!(schedule.zone.format(next), "2026-03-29T03:00:00+02:00");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod cli;
pub mod client;
pub mod core;
pub mod daemon;
pub mod jobfile;
pub mod notify;
pub mod process;
pub mod protocol;
pub mod store;
pub mod zoneinfo;

//! Many clients that change the job set at once: each change is durable before it is answered.

use std::path::Path;
use std::thread;

use jobctl::client::Client;
use jobctl::protocol::reply::Put;
use jobctl::protocol::request::{Add, Request};

use crate::claims::Bare;
use crate::daemon::Place;
use crate::measure::{in_turn, time};
use crate::table::{self, Unit};
use crate::{Form, Outcome};

/// How many clients add jobs at the same time.
const CLIENTS: u64 = 32;

/// How many jobs each of them adds in a round.
const EACH: u64 = 25;

/// Prints the section.
pub(crate) fn section(form: Form) -> Outcome<()> {
    let limit = "SQLite, WAL, synchronous=FULL: one row in a commit of its own, one commit after the other";
    table::section("Jobs added by 32 clients at once", limit);
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let place = Place::new(directory.path().join("place"), "")?;
    let daemon = place.daemon()?;
    let mut bare = Bare::new(&directory.path().join("bare.db"))?;
    let (mut round, mut claimed, jobs) = (0, 0, CLIENTS * EACH);
    let compared = in_turn(
        form.pick(5, 21),
        || {
            round += 1;
            let (took, done) = time(|| add_all(&place.socket(), round));
            done?;
            Ok(took.as_secs_f64() / jobs as f64)
        },
        || {
            let runs = claimed + 1..=claimed + jobs;
            claimed += jobs;
            let (took, done) = time(|| runs.into_iter().try_for_each(|run| bare.claim(std::iter::once(run))));
            done?;
            Ok(took.as_secs_f64() / jobs as f64)
        },
    )?;
    table::row("jobs added and durable", Unit::PerSecond, compared);
    daemon.stop()
}

/// Adds as many jobs as a round has, under names of its own.
fn add_all(socket: &Path, round: u64) -> Outcome<()> {
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                scope.spawn(move || add_some(socket, round, client).map_err(|error| error.to_string()))
            })
            .collect();
        for client in clients {
            client.join().map_err(|_| "a client has panicked")??;
        }
        Ok(())
    })
}

fn add_some(socket: &Path, round: u64, client: u64) -> Outcome<()> {
    let mut connection = Client::connect(socket)?;
    for job in 0..EACH {
        let add = Add {
            name: format!("added-{round}-{client}-{job}"),
            toml: "cron = '0 0 29 2 *'\ncommand = 'true'\n".to_owned(),
            ..Add::default()
        };
        connection.call::<Put>(&Request::Add(add))?;
    }
    Ok(())
}

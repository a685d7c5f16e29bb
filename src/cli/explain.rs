//! `explain`: a cron expression in plain English.

use serde::Serialize;

use clap_complete::ArgValueCandidates;

use super::complete;
use super::context::Context;
use super::error::CliError;
use super::next::{expression_error, expression_zone, print_times, schedule};
use crate::core::cron::{Cron, Parsed};
use crate::core::duration;
use crate::core::trigger::{Schedule, Trigger};
use crate::daemon::views::next::next_view;
use crate::protocol::views::{FireTimeView, NextView};

pub(crate) const EXAMPLES: &str = "
jobctl explain '30 2 * * 1-5'
jobctl explain 0 9 1,15 '*' '*'
jobctl explain @daily --timezone America/Sao_Paulo";

/// How many fire times are shown.
const SHOWN: usize = 3;

/// Explain a cron expression or an interval in English
#[derive(Debug, clap::Args)]
#[command(after_long_help = super::help::examples(EXAMPLES))]
pub(crate) struct Explain {
    /// The expression, as one word or several
    #[arg(value_name = "EXPR", required = true)]
    expression: Vec<String>,
    /// The zone of its wall clock; default is the system's
    #[arg(long, value_name = "ZONE", add = ArgValueCandidates::new(complete::timezones))]
    timezone: Option<String>,
}

/// What `explain --json` prints.
#[derive(Debug, Serialize)]
struct Explanation {
    expression: String,
    description: String,
    timezone: String,
    tzdb: String,
    notes: Vec<String>,
    fire_times: Vec<FireTimeView>,
    exhausted: bool,
}

impl Explain {
    pub(crate) fn run(&self, context: &mut Context) -> Result<u8, CliError> {
        let expression = self.expression.join(" ");
        let zone = expression_zone(self.timezone.as_deref(), context)?;
        let (description, notes, schedule) = match duration::parse(&expression) {
            Ok(interval) => interval_words(interval, zone),
            Err(_) => match Cron::parse(&expression, &expression) {
                Ok(Parsed::Reboot) => ("Once after each boot of the machine".to_owned(), Vec::new(), None),
                Ok(Parsed::Cron(cron)) => {
                    let text = cron.describe(&expression);
                    (text, cron_notes(&cron, &expression), Some(schedule(&expression, zone)?))
                }
                Err(error) => return Err(expression_error(&expression, &error)),
            },
        };
        let (now, tzdb) = (context.now, context.zones().version());
        let next = schedule.map(|schedule| next_view(&schedule, now, now, SHOWN, tzdb)).unwrap_or_default();
        if context.json() {
            let NextView { timezone, tzdb, fire_times, exhausted, .. } = next;
            let explanation =
                Explanation { expression, description, timezone, tzdb, notes, fire_times, exhausted };
            context.out.json(&explanation)?;
            return Ok(0);
        }
        context.out.line(&format!("{description}."))?;
        for note in notes {
            context.out.line(&format!("{note}."))?;
        }
        if !next.fire_times.is_empty() {
            context.out.line("")?;
            print_times(&next, context)?;
        }
        Ok(0)
    }
}

fn interval_words(
    interval: std::time::Duration,
    zone: crate::core::civil::Zone,
) -> (String, Vec<String>, Option<Schedule>) {
    if interval.is_zero() {
        return ("Never: an interval of zero is refused".to_owned(), Vec::new(), None);
    }
    let text = duration::format(interval);
    let notes = vec![
        "It counts elapsed time from a fixed origin: restarts and long runs do not move it".to_owned(),
        "Changes of the clock do not touch it, so its wall time moves by their size".to_owned(),
    ];
    let trigger = Trigger::Every(interval);
    let schedule = Schedule { trigger, zone, start: None, end: None, jitter: std::time::Duration::ZERO };
    (format!("Every {text}"), notes, Some(schedule))
}

/// Says what is not obvious: the day rule, changes of the clock, steps that are too wide, dates that never come.
fn cron_notes(cron: &Cron, expression: &str) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(days) = cron.explain_days(expression) {
        notes.push(sentence(days));
    }
    if !cron.fires_at_all() {
        notes.push("There is no such date: it never fires".to_owned());
        return notes;
    }
    notes.extend(cron.warnings().into_iter().map(|(warning, _)| sentence(&warning)));
    notes.push(
        if cron.is_wildcard() {
            "It follows the clock: nothing for wall times that a change of the clock leaves out, \
             and both passes of those that come twice"
        } else {
            "It keeps its number of runs: a wall time that a change of the clock leaves out runs at the end \
             of the gap, and one that comes twice counts once, the first time"
        }
        .to_owned(),
    );
    notes
}

/// Begins a text with a capital letter.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

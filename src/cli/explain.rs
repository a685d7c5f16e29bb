//! `explain`: a cron expression in plain English.

use serde::Serialize;

use clap_complete::ArgValueCandidates;

use super::complete;
use super::context::Context;
use super::error::CliError;
use super::next::{expression_error, expression_zone, print_times, schedule};
use crate::core::civil::Zone;
use crate::core::cron::{Cron, Parsed};
use crate::core::duration;
use crate::core::trigger::{Firing, Schedule, Trigger};
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
        let schedule = match duration::parse(&expression) {
            Ok(interval) => Some(every(interval, zone)?),
            Err(_) => match Cron::parse(&expression, &expression) {
                Ok(Parsed::Reboot) => None,
                Ok(Parsed::Cron(_)) => Some(schedule(&expression, zone)?),
                Err(error) => return Err(expression_error(&expression, &error)),
            },
        };
        let sentences = schedule.as_ref().map_or_else(
            || vec![format!("{}.", Firing::Startup.describe(&expression))],
            |schedule| schedule.explain(&expression),
        );
        let (now, tzdb) = (context.now, context.zones().version());
        let next = schedule.map(|schedule| next_view(&schedule, now, now, SHOWN, tzdb)).unwrap_or_default();
        if context.json() {
            let NextView { timezone, tzdb, fire_times, exhausted, .. } = next;
            let mut texts = sentences.iter().map(|text| text.trim_end_matches('.').to_owned());
            let (description, notes) = (texts.next().unwrap_or_default(), texts.collect());
            let explanation =
                Explanation { expression, description, timezone, tzdb, notes, fire_times, exhausted };
            context.out.json(&explanation)?;
            return Ok(0);
        }
        for sentence in sentences {
            context.out.line(&sentence)?;
        }
        if !next.fire_times.is_empty() {
            context.out.line("")?;
            print_times(&next, context)?;
        }
        Ok(0)
    }
}

fn every(interval: std::time::Duration, zone: Zone) -> Result<Schedule, CliError> {
    if interval.is_zero() {
        return Err(CliError::usage("an interval of zero has no fire times").hint("like 90s, 1h30m or 1w"));
    }
    let trigger = Trigger::Every(interval);
    Ok(Schedule { trigger, zone, start: None, end: None, jitter: std::time::Duration::ZERO })
}

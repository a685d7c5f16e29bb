//! `next`: the fire times to come of a job or an expression, with what changes of the clock do to them.

use clap_complete::ArgValueCandidates;

use super::complete;
use super::context::Context;
use super::error::CliError;
use super::render::table::{Entry, Table};
use super::render::time::{exact, instant, relative};
use super::source::Source;
use super::when::{self, Lean, WhenError};
use crate::core::civil::Zone;
use crate::core::cron::{Cron, CronError, DstRules, Parsed};
use crate::core::instant::Timestamp;
use crate::core::trigger::{CronTrigger, Schedule, Trigger};
use crate::daemon::views::next::next_view;
use crate::protocol::request;
use crate::protocol::selector::Selector;
use crate::protocol::views::NextView;

pub(crate) const EXAMPLES: &str = "
jobctl next backup
jobctl next backup -n 20 --from 2026-10-24
jobctl next --cron '30 2 * * *' --timezone Europe/Berlin --from 2026-03-28
jobctl next backup --json | jq -r '.fire_times[].at'";

/// Show the next fire times of a job or an expression
///
/// Changes of the clock on the way are noted. Nothing is run or changed.
#[derive(Debug, clap::Args)]
#[command(after_long_help = super::help::examples(EXAMPLES))]
pub(crate) struct Next {
    /// The job
    #[arg(required_unless_present = "cron", add = ArgValueCandidates::new(complete::jobs))]
    job: Option<String>,
    /// A cron expression instead of a job
    #[arg(long, value_name = "EXPR", conflicts_with = "job")]
    cron: Option<String>,
    /// How many
    #[arg(short = 'n', long = "count", value_name = "N", default_value_t = 5,
          value_parser = clap::value_parser!(u16).range(1..=1000))]
    count: u16,
    /// Fire times after this instant; default is now
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// The zone of the expression; default is the system's
    #[arg(long, value_name = "ZONE", requires = "cron", add = ArgValueCandidates::new(complete::timezones))]
    timezone: Option<String>,
}

impl Next {
    pub(crate) fn run(&self, context: &mut Context) -> Result<u8, CliError> {
        match (&self.cron, &self.job) {
            (Some(expression), _) => {
                let view = self.of_expression(expression, context)?;
                if context.json() {
                    context.out.json(&view)?
                } else {
                    print(&view, context)?
                }
                Ok(0)
            }
            (None, Some(job)) => self.of_job(job, context),
            (None, None) => Err(CliError::usage("name a job, or give --cron EXPR")),
        }
    }

    fn of_expression(&self, expression: &str, context: &Context) -> Result<NextView, CliError> {
        let zone = expression_zone(self.timezone.as_deref(), context)?;
        let from = self.from(context, &zone)?;
        let schedule = schedule(expression, zone)?;
        let tzdb = context.zones().version();
        let mut view = next_view(&schedule, from, from, usize::from(self.count), tzdb);
        view.cron = Some(expression.to_owned());
        Ok(view)
    }

    fn of_job(&self, name: &str, context: &mut Context) -> Result<u8, CliError> {
        let mut source = Source::open(context)?;
        let job = source.list(Selector::named(name), context)?.pop();
        let trigger = job.map(|job| job.trigger).unwrap_or_default();
        // Wall times are meant in the job's own zone.
        let zone = match trigger.timezone.as_str() {
            "" => context.zones().local(),
            name => context.zone(name)?,
        };
        let from = self.from(context, &zone)?;
        let request = request::Next {
            name: name.to_owned(),
            count: Some(u32::from(self.count)),
            from: Some(zone.format_exact(from)),
        };
        let view = source.next(request, context)?;
        if context.json() {
            context.out.json(&view)?;
        } else if view.fire_times.is_empty()
            && matches!(trigger.kind.as_str(), "startup" | "shutdown" | "after")
        {
            context.out.line(&trigger.description)?;
        } else {
            print(&view, context)?;
        }
        Ok(0)
    }

    fn from(&self, context: &Context, zone: &Zone) -> Result<Timestamp, CliError> {
        match &self.from {
            None => Ok(context.now),
            Some(text) => when::parse(text, context.now, zone, Lean::Past)
                .map_err(|error| CliError::usage(error.to_string()).hint(WhenError::HINT)),
        }
    }
}

/// Finds the zone for an expression that belongs to no job.
pub(crate) fn expression_zone(given: Option<&str>, context: &Context) -> Result<Zone, CliError> {
    match given {
        Some(name) => context.zone(name),
        None => Ok(context.zones().local()),
    }
}

/// Makes a schedule of an expression that belongs to no job.
pub(crate) fn schedule(expression: &str, zone: Zone) -> Result<Schedule, CliError> {
    match Cron::parse(expression, expression) {
        Ok(Parsed::Cron(cron)) => {
            let trigger = Trigger::Cron(CronTrigger { cron, dst: DstRules::default() });
            Ok(Schedule { trigger, zone, start: None, end: None, jitter: std::time::Duration::ZERO })
        }
        Ok(Parsed::Reboot) => {
            Err(CliError::usage("@reboot has no fire times: it means the start after a boot"))
        }
        Err(error) => Err(expression_error(expression, &error)),
    }
}

/// Shows what is wrong with an expression and where.
pub(crate) fn expression_error(expression: &str, error: &CronError) -> CliError {
    let part = expression.get(error.span.clone()).unwrap_or_default();
    let place = if part.is_empty() || part == expression || error.message.contains(part) {
        String::new()
    } else {
        format!(" (at {part:?})")
    };
    let usage = CliError::usage(format!("{}{place}", error.message));
    match &error.hint {
        Some(hint) => usage.hint(hint),
        None => usage,
    }
}

fn print(view: &NextView, context: &mut Context) -> Result<(), CliError> {
    print_times(view, context)?;
    if view.fire_times.is_empty() {
        context.out.line("never")?;
    } else if view.exhausted {
        context.out.note("there are no fire times after these");
    }
    Ok(())
}

/// Prints fire times, one a line.
pub(crate) fn print_times(view: &NextView, context: &mut Context) -> Result<(), CliError> {
    if view.fire_times.is_empty() {
        return Ok(());
    }
    let noted = view.fire_times.iter().any(|time| time.note.is_some());
    let headings: &[&str] = if noted { &["FIRE TIME", "", "NOTE"] } else { &["FIRE TIME", ""] };
    let mut table = Table::new(context.out.terminal, headings);
    for time in &view.fire_times {
        let seen = instant(&time.at).map(|at| relative(at, context.now)).unwrap_or_default();
        let mut row = vec![Entry::new(exact(&time.at)), Entry::new(seen)];
        if noted {
            row.push(Entry::new(time.note.clone().unwrap_or_default()));
        }
        table.row(row);
    }
    context.out.text(&table.render())
}

//! Triggers in plain English.

use std::time::Duration;

use super::{CronTrigger, DependencyOn, Firing, Schedule, Trigger};
use crate::core::cron::{DstFold, DstGap};
use crate::core::duration;

impl Firing {
    /// Describes the trigger in one line; `job` is the name that picked the values of `a~b`.
    pub fn describe(&self, job: &str) -> String {
        match self {
            Firing::Clock(schedule) => schedule.describe(job),
            Firing::Startup => "Once after each boot of the machine".to_owned(),
            Firing::Shutdown => "When the daemon stops".to_owned(),
            Firing::After(dependencies) => {
                let parts: Vec<String> = dependencies
                    .iter()
                    .map(|dependency| match dependency.on {
                        DependencyOn::Success => format!("{} has succeeded", dependency.job),
                        DependencyOn::Failure => format!("{} has failed", dependency.job),
                        DependencyOn::Any => format!("{} has ended", dependency.job),
                    })
                    .collect();
                format!("When {}", parts.join(" and "))
            }
        }
    }
}

impl Schedule {
    /// Describes the rule and its bounds in one line.
    pub fn describe(&self, job: &str) -> String {
        let mut text = match &self.trigger {
            Trigger::Cron(cron) => cron.cron.describe(job),
            Trigger::Every(interval) => format!("Every {}", duration::format(*interval)),
            Trigger::At(at) => format!("Once, at {}", self.zone.format(at.at)),
            Trigger::Any(members) => format!("Whenever one of these is due: {}", list(members, job)),
            Trigger::All(members) => format!("Whenever all of these are due at once: {}", list(members, job)),
        };
        if let Some(start) = self.start {
            text.push_str(&format!(", from {}", self.zone.format(start)));
        }
        if let Some(end) = self.end {
            text.push_str(&format!(", until {}", self.zone.format(end)));
        }
        if !self.jitter.is_zero() {
            text.push_str(&format!(", up to {} later", duration::format(self.jitter)));
        }
        text
    }
}

impl Schedule {
    /// Explains the rule line by line, each a sentence: what it says, how its day fields work together, what time
    /// changes do to it, and what is hardly meant.
    pub fn explain(&self, job: &str) -> Vec<String> {
        let mut lines = vec![format!("{}.", self.describe(job))];
        match &self.trigger {
            Trigger::Cron(cron) => lines.extend(cron.explain(job)),
            Trigger::Every(interval) => lines.push(elapsed_time(*interval)),
            Trigger::At(_) => {}
            Trigger::Any(members) => {
                lines.push("Each member keeps its own history; equal instants are one fire time.".to_owned());
                lines.extend(explain_members(members, job));
            }
            Trigger::All(members) => {
                lines.push("An instant counts when every member is due at exactly it.".to_owned());
                lines.extend(explain_members(members, job));
            }
        }
        if !self.fires_at_all() {
            lines.push("There is no such date: it never fires.".to_owned());
        }
        lines
    }
}

impl CronTrigger {
    /// Explains the day rule, the time changes and the warnings, a sentence each.
    fn explain(&self, job: &str) -> Vec<String> {
        let days = self.cron.explain_days(job).map(str::to_owned);
        let warnings = self.cron.warnings().into_iter().map(|(warning, _)| warning);
        let picks = self.cron.explain_picks(job);
        let texts = days.into_iter().chain(picks).chain([self.time_changes()]).chain(warnings);
        texts.map(|text| format!("{}.", capital(&text))).collect()
    }

    /// Says what time changes do to the expression (docs/time.md rules 25 to 29).
    pub fn time_changes(&self) -> String {
        if self.cron.is_wildcard() {
            return "it follows the clock: nothing for wall times that a change of the clock jumps over, and both \
                    passes of those that come twice"
                .to_owned();
        }
        let gap = match self.dst.gap {
            DstGap::After => "runs at the end of the gap",
            DstGap::Skip => "has no run",
        };
        let fold = match self.dst.fold {
            DstFold::First => "counts once, the first time",
            DstFold::Second => "counts once, the second time",
            DstFold::Both => "counts both times",
        };
        format!("a wall time that a change of the clock jumps over {gap}, and one that comes twice {fold}")
    }
}

/// Says how an interval counts (docs/time.md rule 43).
fn elapsed_time(interval: Duration) -> String {
    const DAY: u64 = 86_400;
    let whole_days = interval.subsec_nanos() == 0 && interval.as_secs().is_multiple_of(DAY);
    let instead = if interval.as_secs() == DAY {
        "; for the same hour of each day use cron, such as \"0 3 * * *\""
    } else if whole_days {
        "; for the same hour of the day use cron"
    } else {
        ""
    };
    format!(
        "It counts elapsed time from a fixed origin: neither restarts nor changes of the clock move it, so its wall \
         time moves with them{instead}."
    )
}

fn explain_members(members: &[Schedule], job: &str) -> impl Iterator<Item = String> {
    members.iter().flat_map(move |member| member.explain(job)).map(|line| format!("  {line}"))
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn list(members: &[Schedule], job: &str) -> String {
    members.iter().map(|member| member.describe(job)).collect::<Vec<_>>().join("; ")
}

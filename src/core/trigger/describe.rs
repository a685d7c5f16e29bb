//! Triggers in plain English.

use super::{DependencyOn, Firing, Schedule, Trigger};
use crate::core::duration;

impl Firing {
    /// Describes the trigger in one line; `job` is the name that picked the values of `a~b`.
    pub fn describe(&self, job: &str) -> String {
        match self {
            Firing::Clock(schedule) => schedule.describe(job),
            Firing::Startup => "When the machine has started".to_owned(),
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

fn list(members: &[Schedule], job: &str) -> String {
    members.iter().map(|member| member.describe(job)).collect::<Vec<_>>().join("; ")
}

//! A trigger as one line of text: shown to people as written, and kept beside a job's cursor so that a changed
//! trigger is noticed.

use super::{DependencyOn, Firing, Schedule, Trigger};
use crate::core::cron::{DstFold, DstGap};
use crate::core::duration;

impl Firing {
    /// Names the kind, as in `list --trigger` and JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Firing::Clock(schedule) => schedule.trigger.kind(),
            Firing::Startup => "startup",
            Firing::Shutdown => "shutdown",
            Firing::After(_) => "after",
        }
    }

    /// Writes everything that decides on fire times; two triggers with the same text have the same ones, given
    /// the same anchor. Jitter is left out: it moves starts, not fire times.
    pub fn spec(&self) -> String {
        match self {
            Firing::Clock(schedule) => {
                let mut text = String::with_capacity(64);
                schedule.write_spec(&mut text);
                text
            }
            Firing::Startup | Firing::Shutdown => self.kind().to_owned(),
            Firing::After(dependencies) => {
                let names: Vec<String> = dependencies
                    .iter()
                    .map(|dependency| {
                        let on = match dependency.on {
                            DependencyOn::Success => "success",
                            DependencyOn::Failure => "failure",
                            DependencyOn::Any => "any",
                        };
                        format!("{} ({on})", dependency.job)
                    })
                    .collect();
                format!("after {}", names.join(", "))
            }
        }
    }
}

impl Schedule {
    fn write_spec(&self, text: &mut String) {
        self.trigger.write_spec(text);
        // An interval is the same everywhere: another zone is no other trigger.
        if !matches!(self.trigger, Trigger::Every(_)) {
            text.push_str(" in ");
            text.push_str(self.zone.name());
        }
        for (word, bound) in [(" from ", self.start), (" until ", self.end)] {
            if let Some(at) = bound {
                text.push_str(word);
                text.push_str(&at.to_string());
            }
        }
    }
}

impl Trigger {
    /// Names the kind.
    pub const fn kind(&self) -> &'static str {
        match self {
            Trigger::Cron(_) => "cron",
            Trigger::Every(_) => "every",
            Trigger::At(_) => "at",
            Trigger::Any(_) => "any",
            Trigger::All(_) => "all",
        }
    }

    /// Writes the rule as it would stand in a job file, without its zone and bounds.
    pub fn spec(&self) -> String {
        let mut text = String::new();
        self.write_spec(&mut text);
        text
    }

    /// Every job is asked for it at a start, so it is written in one go.
    fn write_spec(&self, text: &mut String) {
        match self {
            Trigger::Cron(cron) => {
                text.push_str(cron.cron.text());
                text.push_str(match cron.dst.gap {
                    DstGap::After => "",
                    DstGap::Skip => ", dst_gap skip",
                });
                text.push_str(match cron.dst.fold {
                    DstFold::First => "",
                    DstFold::Second => ", dst_fold second",
                    DstFold::Both => ", dst_fold both",
                });
            }
            Trigger::Every(interval) => text.push_str(&duration::format(*interval)),
            Trigger::At(at) => text.push_str(&format!("{} ({})", at.text, at.at)),
            Trigger::Any(members) | Trigger::All(members) => {
                text.push_str(self.kind());
                text.push_str(" [");
                for (place, member) in members.iter().enumerate() {
                    text.push_str(if place == 0 { "" } else { "; " });
                    member.write_spec(text);
                }
                text.push(']');
            }
        }
    }
}

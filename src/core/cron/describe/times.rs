//! The times of day of an expression: seconds, minutes and hours.

use super::super::parse::Expression;
use super::words::{LISTED, Shape, and, capital, numbers, ordinal, runs, shape, sorted};

/// The times of day in words.
pub(super) struct Times {
    pub(super) words: String,
    /// True: they name times of the clock, which leaves open on which days.
    pub(super) names_clock: bool,
}

/// The values of the three fields, in order.
struct Clock {
    seconds: Vec<u32>,
    minutes: Vec<u32>,
    hours: Vec<u32>,
}

pub(super) fn describe(expression: &Expression) -> Times {
    let Expression { second, minute, hour, .. } = expression;
    let seconds = second.as_ref().map_or_else(|| vec![0], sorted);
    let clock = Clock { seconds, minutes: sorted(minute), hours: sorted(hour) };
    if clock.seconds.len() * clock.minutes.len() * clock.hours.len() <= LISTED {
        return Times { words: format!("At {}", clock.list()), names_clock: true };
    }
    if let ([minute], [0]) = (clock.minutes.as_slice(), clock.seconds.as_slice()) {
        return clock.once_an_hour(*minute);
    }
    let one_hour = clock.within_an_hour();
    let words = one_hour.unwrap_or_else(|| {
        let parts = [clock.many_seconds(), clock.many_minutes(), clock.many_hours(), clock.one_second()];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    });
    Times { words: capital(&words), names_clock: false }
}

impl Clock {
    /// Lists every time of the clock.
    fn list(&self) -> String {
        let short = self.seconds == [0];
        let mut times = Vec::new();
        for hour in &self.hours {
            for minute in &self.minutes {
                for second in &self.seconds {
                    times.push(if short {
                        format!("{hour:02}:{minute:02}")
                    } else {
                        format!("{hour:02}:{minute:02}:{second:02}")
                    });
                }
            }
        }
        and(&times)
    }

    /// Describes a single minute of many hours.
    fn once_an_hour(&self, minute: u32) -> Times {
        let words = match shape(&self.hours, 24, true) {
            Shape::All if minute == 0 => "Every hour, on the hour".to_owned(),
            Shape::All => format!("At minute {minute} of every hour"),
            Shape::Run { from, to } => {
                format!("Every hour from {from:02}:{minute:02} to {to:02}:{minute:02}")
            }
            Shape::Steps { from, step, .. } if from == 0 && 24 % step == 0 => {
                format!("Every {step} hours from 00:{minute:02}")
            }
            Shape::Steps { from, to, step } => {
                format!("Every {step} hours from {from:02}:{minute:02} to {to:02}:{minute:02}")
            }
            Shape::List => return Times { words: format!("At {}", self.list()), names_clock: true },
        };
        Times { words, names_clock: false }
    }

    /// Describes what lies within one stretch of a single hour or minute, from its first to its last time.
    fn within_an_hour(&self) -> Option<String> {
        let &[hour] = self.hours.as_slice() else { return None };
        match (shape(&self.minutes, 60, false), shape(&self.seconds, 60, false), self.seconds.as_slice()) {
            (Shape::Run { from, to }, _, [0]) => {
                Some(format!("every minute from {hour:02}:{from:02} to {hour:02}:{to:02}"))
            }
            (Shape::List, ..) if self.minutes.len() == 1 => {
                let minute = self.minutes.first()?;
                let start = format!("{hour:02}:{minute:02}");
                Some(match shape(&self.seconds, 60, false) {
                    Shape::Run { from, to } => {
                        format!("every second from {start}:{from:02} to {start}:{to:02}")
                    }
                    _ => format!("{} from {start}:00 to {start}:59", self.many_seconds()?),
                })
            }
            _ => None,
        }
    }

    fn many_seconds(&self) -> Option<String> {
        if self.seconds.len() == 1 {
            return None;
        }
        let whole = if self.minutes.len() == 60 { " of every minute" } else { "" };
        Some(unit(&self.seconds, "second", whole))
    }

    /// A single second other than the first is said last.
    fn one_second(&self) -> Option<String> {
        match self.seconds.as_slice() {
            [0] => None,
            [second] => Some(format!("at second {second}")),
            _ => None,
        }
    }

    fn many_minutes(&self) -> Option<String> {
        if self.minutes.len() == 60 && self.seconds.len() > 1 {
            return None;
        }
        let whole = match self.hours.as_slice() {
            [hour] => format!(" past {hour:02}:00"),
            _ => " of every hour".to_owned(),
        };
        Some(unit(&self.minutes, "minute", &whole))
    }

    fn many_hours(&self) -> Option<String> {
        /// So many stretches are named by their ends.
        const STRETCHES: usize = 3;
        let stretch = |from: u32, to: u32| format!("from {from:02}:00 to {to:02}:59");
        match shape(&self.hours, 24, true) {
            Shape::All => None,
            // The minutes say it already: "past 09:00".
            Shape::List if self.hours.len() == 1 && shape_is_listed(&self.minutes) => None,
            Shape::Run { from, to } => Some(stretch(from, to)),
            Shape::Steps { from, step, .. } if from == 0 && 24 % step == 0 => {
                Some(format!("in every {} hour from 00:00", ordinal(step)))
            }
            Shape::Steps { from, to, step } => {
                Some(format!("in every {} hour {}", ordinal(step), stretch(from, to)))
            }
            Shape::List => {
                let runs = runs(&self.hours);
                Some(if runs.len() <= STRETCHES {
                    and(&runs.into_iter().map(|(from, to)| stretch(from, to)).collect::<Vec<_>>())
                } else {
                    format!("in the hours {}", numbers(&self.hours))
                })
            }
        }
    }
}

/// Says whether minutes are named one by one.
fn shape_is_listed(minutes: &[u32]) -> bool {
    shape(minutes, 60, false) == Shape::List && every(minutes).is_none()
}

/// Returns the step of values that divide the whole evenly, from its beginning on.
fn every(values: &[u32]) -> Option<u32> {
    let (&[0, step, ..], count) = (values, u32::try_from(values.len()).unwrap_or(0)) else { return None };
    let even = step * count == 60
        && count > 2
        && values.iter().zip(0..).all(|(value, place)| *value == place * step);
    even.then_some(step)
}

/// Describes values within their larger unit: "every 15 minutes", "at minute 5 of every hour".
fn unit(values: &[u32], name: &str, whole: &str) -> String {
    match (shape(values, 60, false), every(values)) {
        (Shape::All, _) => format!("every {name}"),
        (_, Some(step)) => format!("every {step} {name}s"),
        (Shape::Run { from, to }, _) => format!("every {name} from {name} {from} to {name} {to}{whole}"),
        (Shape::Steps { from, to, step }, _) => {
            format!("every {step} {name}s from {name} {from} to {name} {to}{whole}")
        }
        (Shape::List, _) => {
            let plural = if values.len() == 1 { "" } else { "s" };
            format!("at {name}{plural} {}{whole}", numbers(values))
        }
    }
}

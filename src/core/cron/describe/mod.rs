//! An expression in plain English.

mod dates;
mod times;
mod words;

use std::ops::Range;

use super::field::{Field, Item};
use super::parse::{self, Expression};
use super::refuse::shown;
use super::{Cron, CronFields};

impl Cron {
    /// Describes the expression in one sentence without a full stop; `seed` as for [`Cron::parse`].
    pub fn describe(&self, seed: &str) -> String {
        // What was compiled once reads again; the text itself is the description of last resort.
        self.expression(seed).map_or_else(|| self.text().to_owned(), |expression| describe(&expression))
    }

    /// Returns what is valid but hardly meant: steps wider than their range (docs/time.md rule 11), with their places in
    /// the text.
    pub fn warnings(&self) -> Vec<(String, Range<usize>)> {
        // Most expressions have no step, and reading a text again takes as long as reading it.
        if !self.text().contains('/') {
            return Vec::new();
        }
        let wide = parse::expression(self.text(), "").map(|expression| expression.wide_steps);
        let warn = |span: Range<usize>| {
            let part = shown(self.text().get(span.clone()).unwrap_or_default());
            (format!("the step of {part} is wider than its range: only the first value matches"), span)
        };
        wide.unwrap_or_default().into_iter().map(warn).collect()
    }

    /// Explains how the two day fields work together, where that is not obvious (docs/time.md rule 20).
    pub fn explain_days(&self, seed: &str) -> Option<&'static str> {
        let expression = self.expression(seed)?;
        if expression.day.is_any() || expression.weekday.is_any() {
            return None;
        }
        Some(if CronFields::read(self.text(), seed).is_some() {
            "both day fields must match, as all fields of a table must"
        } else if expression.both {
            "both day fields must match, because one of them begins with *"
        } else {
            "either day field may match, because neither begins with *"
        })
    }

    /// Says which values were picked for `a~b`, a sentence each without a full stop (docs/time.md rule 17).
    pub fn explain_picks(&self, seed: &str) -> Vec<String> {
        let Some(expression) = self.expression(seed) else { return Vec::new() };
        let pick = |field: &Field, item: &Item| match *item {
            Item::Picked { from, to, value } => Some(format!(
                "the {} {value} is picked from {from}~{to}, always the same one",
                field.rule.name
            )),
            _ => None,
        };
        let picks =
            |field: &Field| field.items.iter().filter_map(|item| pick(field, item)).collect::<Vec<_>>();
        expression.fields().flat_map(picks).collect()
    }

    fn expression(&self, seed: &str) -> Option<Expression> {
        CronFields::read(self.text(), seed).or_else(|| parse::expression(self.text(), seed).ok())
    }
}

impl Expression {
    fn fields(&self) -> impl Iterator<Item = &Field> {
        let Expression { second, minute, hour, day, month, weekday, week, year, .. } = self;
        let fields = [second.as_ref(), Some(minute), Some(hour), Some(day), Some(month), Some(weekday)];
        fields.into_iter().chain([week.as_ref(), year.as_ref()]).flatten()
    }
}

fn describe(expression: &Expression) -> String {
    let times = times::describe(expression);
    let parts = [
        dates::days(expression, times.names_clock),
        dates::weeks(expression.week.as_ref()),
        dates::years(expression.year.as_ref()),
    ];
    let parts = std::iter::once(times.words).chain(parts).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join(", ")
}

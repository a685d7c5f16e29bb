//! The small change of the language: numbers, ordinals, lists, and what the values of a field look like.

use super::super::field::Field;

/// What the values of a field look like, the simplest that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Every value there is.
    All,
    /// At least three in a row; past the end of a cycle where `from > to`.
    Run { from: u32, to: u32 },
    /// More than [`LISTED`] values a step of two or more apart.
    Steps { from: u32, to: u32, step: u32 },
    /// Anything else.
    List,
}

/// How many values are named one by one before a pattern in them is named instead.
pub(super) const LISTED: usize = 6;

/// Looks for a pattern in values, which are in order and below `size`; hours and weekdays go round.
pub(super) fn shape(values: &[u32], size: u32, cyclic: bool) -> Shape {
    let (&[from, second, ..], &[.., to]) = (values, values) else { return Shape::List };
    if values.len() == size as usize {
        return Shape::All;
    }
    let step = second - from;
    if values.windows(2).all(|pair| pair[1] - pair[0] == step) {
        match step {
            1 if values.len() > 2 => return Shape::Run { from, to },
            2.. if values.len() > LISTED => return Shape::Steps { from, to, step },
            _ => {}
        }
    }
    let mut breaks = values.windows(2).filter(|pair| pair[1] - pair[0] > 1);
    match (breaks.next(), breaks.next()) {
        (Some(&[end, start]), None) if cyclic && from == 0 && to + 1 == size && values.len() > 2 => {
            Shape::Run { from: start, to: end }
        }
        _ => Shape::List,
    }
}

/// Splits values, which are in order, into runs of neighbours.
pub(super) fn runs(values: &[u32]) -> Vec<(u32, u32)> {
    values
        .chunk_by(|one, next| one + 1 == *next)
        .filter_map(|run| Some((*run.first()?, *run.last()?)))
        .collect()
}

/// Returns the values of a field in order; those of years do not matter here.
pub(super) fn sorted(field: &Field) -> Vec<u32> {
    let mut mask = field.mask();
    let mut values = Vec::with_capacity(mask.count_ones() as usize);
    while mask != 0 {
        values.push(mask.trailing_zeros());
        mask &= mask - 1;
    }
    values
}

pub(super) fn ordinal(number: u32) -> String {
    let ending = match (number % 10, number % 100) {
        (1, tens) if tens != 11 => "st",
        (2, tens) if tens != 12 => "nd",
        (3, tens) if tens != 13 => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

pub(super) fn numbers(values: &[u32]) -> String {
    and(&values.iter().map(ToString::to_string).collect::<Vec<_>>())
}

pub(super) fn and(parts: &[String]) -> String {
    join(parts, "and")
}

pub(super) fn join(parts: &[String], word: &str) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} {word} {last}", first.join(", ")),
    }
}

pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

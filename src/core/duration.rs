//! Durations as people write them: `1w2d3h4m5s`.
//!
//! Units are `w d h m s ms`; parts combine, largest unit first, each unit at most once; a unit is required.

use std::time::Duration;

const UNITS: [(&str, u64); 6] =
    [("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Why a text is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// There is nothing in it.
    #[error("a duration must not be empty")]
    Empty,
    /// A number has no unit.
    #[error("the number {0:?} has no unit (w, d, h, m, s or ms)")]
    NoUnit(String),
    /// A unit has no number.
    #[error("{0:?} is no number with a unit")]
    NoNumber(String),
    /// The unit is not known.
    #[error("{0:?} is no unit (w, d, h, m, s or ms)")]
    Unit(String),
    /// Units are repeated or not in falling order.
    #[error("{0:?} must come before the smaller units, and only once")]
    Order(String),
    /// More than can be counted.
    #[error("the duration is too long")]
    TooLong,
}

/// Parses a duration; zero (`0s`) is a duration, callers refuse it where it has no meaning.
///
/// # Errors
/// Says which part is wrong.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(DurationError::Empty);
    }
    let mut total: u64 = 0;
    let mut smallest = UNITS.len();
    let mut first = true;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at(digits);
        if number.is_empty() {
            return Err(DurationError::NoNumber(rest.to_owned()));
        }
        let letters = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        if unit.is_empty() {
            return Err(DurationError::NoUnit(number.to_owned()));
        }
        let place = UNITS.iter().position(|(name, _)| *name == unit);
        let place = place.ok_or_else(|| DurationError::Unit(unit.to_owned()))?;
        if !first && place <= smallest {
            return Err(DurationError::Order(format!("{number}{unit}")));
        }
        first = false;
        smallest = place;
        let part = number.parse::<u64>().ok().and_then(|n| n.checked_mul(UNITS[place].1));
        total = part.and_then(|part| total.checked_add(part)).ok_or(DurationError::TooLong)?;
        rest = tail;
    }
    if total > MAX_MILLIS { Err(DurationError::TooLong) } else { Ok(Duration::from_millis(total)) }
}

/// A thousand years: longer waits are mistakes, and sums with instants stay far from the ends of time.
const MAX_MILLIS: u64 = 1_000 * 366 * 86_400_000;

/// Writes a duration in the same language, so that it parses again; parts below a millisecond are cut.
pub fn format(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, millis) in UNITS {
        let count = rest / millis;
        rest %= millis;
        if count > 0 {
            text.push_str(&count.to_string());
            text.push_str(unit);
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{DurationError, format, parse};

    #[test]
    fn parts_combine_and_a_unit_is_required() {
        let all = Duration::from_secs(604_800 + 2 * 86_400 + 3 * 3_600 + 4 * 60 + 5);
        assert_eq!(parse("1w2d3h4m5s"), Ok(all));
        assert_eq!(parse("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse("90m"), Ok(Duration::from_secs(5_400)));
        assert_eq!(parse("0s"), Ok(Duration::ZERO));
        assert_eq!(parse(""), Err(DurationError::Empty));
        assert_eq!(parse("5"), Err(DurationError::NoUnit("5".to_owned())));
        assert_eq!(parse("1h30"), Err(DurationError::NoUnit("30".to_owned())));
        assert_eq!(parse("h"), Err(DurationError::NoNumber("h".to_owned())));
        assert_eq!(parse("-1s"), Err(DurationError::NoNumber("-1s".to_owned())));
        assert_eq!(parse("5x"), Err(DurationError::Unit("x".to_owned())));
        assert_eq!(parse("5m1h"), Err(DurationError::Order("1h".to_owned())));
        assert_eq!(parse("99999999999999999999s"), Err(DurationError::TooLong));
        assert_eq!(parse("9999999w"), Err(DurationError::TooLong));
    }

    #[test]
    fn what_is_written_parses_again() {
        for millis in [0, 1, 999, 1_000, 61_000, 5_400_000, 86_400_000, 694_861_001] {
            let duration = Duration::from_millis(millis);
            assert_eq!(parse(&format(duration)), Ok(duration));
        }
    }
}

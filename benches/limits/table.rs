//! The rows on standard output.

use crate::measure::Compared;

/// How a cost, in seconds unless it says otherwise, is written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unit {
    /// Time for one.
    Time,
    /// How many in a second.
    PerSecond,
    /// Memory, where the figures are bytes.
    Bytes,
}

impl Unit {
    fn write(self, figure: f64) -> String {
        match self {
            Unit::Bytes => format!("{:.1} MiB", figure / f64::from(1 << 20)),
            Unit::PerSecond => format!("{:.0} /s", 1.0 / figure),
            Unit::Time if figure < 1e-6 => format!("{:.0} ns", figure * 1e9),
            Unit::Time if figure < 1e-3 => format!("{:.1} us", figure * 1e6),
            Unit::Time if figure < 1.0 => format!("{:.1} ms", figure * 1e3),
            Unit::Time => format!("{figure:.2} s"),
        }
    }
}

/// Prints the title of a section and says what its limit is.
pub(crate) fn section(title: &str, limit: &str) {
    println!("\n{title}\n  limit: {limit}");
    println!("  {:<52} {:>12} {:>12} {:>7}  range", "", "jobctl", "limit", "ratio");
}

/// Prints a comparison of costs.
pub(crate) fn row(what: &str, unit: Unit, compared: Compared) {
    let Compared { ours, limit, ratio, spread: (low, high) } = compared;
    let (ours, limit) = (unit.write(ours), unit.write(limit));
    println!("  {what:<52} {ours:>12} {limit:>12} {ratio:>7.2}  {low:.2} to {high:.2}");
}

/// Prints a figure that has no limit.
pub(crate) fn fact(what: &str, figure: &str) {
    println!("  {what:<52} {figure:>12}");
}

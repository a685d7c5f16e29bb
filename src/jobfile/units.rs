//! Sizes, shares and signals as people write them.

use toml::de::DeValue;

use super::diagnostic::quoted;
use super::raw::Item;
use super::reader::Reader;
use crate::core::signal;

/// Size units; one letter and `iB` count in 1024, `B` after a letter in 1000, as in coreutils.
const SIZES: &[(&str, u64)] = &[
    ("", 1),
    ("B", 1),
    ("K", 1 << 10),
    ("KiB", 1 << 10),
    ("kB", 1_000),
    ("KB", 1_000),
    ("M", 1 << 20),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("G", 1 << 30),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("T", 1 << 40),
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
];

/// The signals that can ask a process to end.
const ENDING: [&str; 14] = [
    "HUP", "INT", "QUIT", "ABRT", "KILL", "USR1", "USR2", "PIPE", "ALRM", "TERM", "CONT", "TSTP", "WINCH",
    "PWR",
];

/// Reads a number of bytes: a whole number or text with a unit.
pub(crate) fn read_size(item: Item<'_>, least: u64, reader: &mut Reader<'_>) -> Option<u64> {
    let bytes = match item.value {
        DeValue::Integer(written) => u64::from_str_radix(written.as_str(), written.radix()).ok(),
        DeValue::String(text) => size(text),
        _ => return reader.wrong(item, "a size like \"16MiB\""),
    };
    // Sizes are stored and compared as signed numbers further on, so the highest bit stays free.
    match bytes.filter(|bytes| i64::try_from(*bytes).is_ok()) {
        Some(bytes) if bytes >= least => Some(bytes),
        Some(_) => {
            reader.error(item.span, format!("{:?} must be at least {least} bytes", item.key), None);
            None
        }
        None => {
            let hint = Some("like \"512K\", \"16MiB\" or \"2G\"".to_owned());
            reader.error(item.span, format!("{:?} is no size", item.key), hint);
            None
        }
    }
}

fn size(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, factor) = SIZES.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

/// Reads a share of a core: `"150%"`.
pub(crate) fn read_percent(item: Item<'_>, reader: &mut Reader<'_>) -> Option<u32> {
    let DeValue::String(text) = item.value else {
        return reader.wrong(item, "a share of one core like \"150%\"");
    };
    let percent = text.strip_suffix('%').and_then(|number| number.trim_end().parse::<u32>().ok());
    let percent = percent.filter(|percent| (1..=1_000_000).contains(percent));
    if percent.is_none() {
        let hint = Some("\"50%\" is half a core, \"200%\" two cores".to_owned());
        reader.error(item.span, format!("{:?} must be a share of one core above zero", item.key), hint);
    }
    percent
}

/// Reads a signal that ends a process: `"TERM"`, `"SIGINT"` or a number.
pub(crate) fn read_signal(item: Item<'_>, reader: &mut Reader<'_>) -> Option<i32> {
    // 19 is STOP, which would leave the process alive and unable to end.
    const STOP: i64 = 19;
    let text = match item.value {
        DeValue::Integer(_) => {
            let number: i64 = reader.number(item, 1..=64)?;
            if number == STOP {
                reader.error(item.span, "signal 19 (STOP) ends no process", None);
                return None;
            }
            return i32::try_from(number).ok();
        }
        DeValue::String(text) => text,
        _ => return reader.wrong(item, "a signal like \"TERM\""),
    };
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let found = ENDING.contains(&name).then(|| signal::number(name)).flatten().map(i32::from);
    if found.is_none() {
        let near = reader.suggester.hint(name, ENDING);
        let message = format!("{:?}: there is no signal {} that ends a process", item.key, quoted(text));
        reader.error(item.span, message, near);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_have_units() {
        assert_eq!(size("512"), Some(512));
        assert_eq!(size("512K"), Some(512 << 10));
        assert_eq!(size("16 MiB"), Some(16 << 20));
        assert_eq!(size("16MB"), Some(16_000_000));
        for bad in ["", "M", "1.5G", "-1", "1X", "99999999999999T"] {
            assert!(size(bad).is_none_or(|_| bad.is_empty()), "{bad}");
        }
        assert_eq!(size(""), None);
    }
}

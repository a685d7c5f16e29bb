//! The names of signals, with the numbers they have on Linux (signal(7); the same on every architecture Rust's
//! standard library runs on but MIPS and SPARC).

const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE",
    "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ",
    "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

/// Names a signal as kill(1) does; by its number where it has no name.
pub fn name(number: u8) -> String {
    let name = usize::from(number).checked_sub(1).and_then(|place| NAMES.get(place));
    name.map_or_else(|| number.to_string(), |name| (*name).to_owned())
}

/// Finds a signal by what [`name`] calls it.
pub fn number(name: &str) -> Option<u8> {
    let place = NAMES.iter().position(|known| *known == name);
    place.and_then(|place| u8::try_from(place + 1).ok()).or_else(|| name.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::{name, number};

    #[test]
    fn every_number_is_found_again_by_its_name() {
        for signal in 1..=u8::MAX {
            assert_eq!(number(&name(signal)), Some(signal), "{signal}");
        }
        assert_eq!((name(15), name(9), name(64)), ("TERM".to_owned(), "KILL".to_owned(), "64".to_owned()));
        assert_eq!(number("SIGTERM"), None);
    }
}

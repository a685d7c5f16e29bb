//! The three inputs from outside (job files, cron texts, frames on the socket), with anything in them: random
//! bytes, words of the language in any order, and valid inputs with some bytes changed.
//!
//! Each test says how many inputs it has tried. `JOBCTL_FUZZ_CASES` asks for more; `fuzz/` has the same oracles as
//! targets of cargo-fuzz.

#[cfg(test)]
mod oracles;

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::path::Path;
    use std::time::{Duration, Instant};

    use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop};
    use proptest::sample::{Index, select};
    use proptest::strategy::Union;
    use proptest::test_runner::TestRunner;

    use super::oracles;

    /// How many inputs each test tries where nothing else is said.
    const CASES: u32 = 512;

    /// No input of some kilobytes may take longer, on a machine that does other things too.
    const PATIENCE: Duration = Duration::from_secs(10);

    /// Words of job files: tables, keys, values, and what goes wrong with them.
    const TOML_WORDS: &[&str] = &[
        "[jobs.a]",
        "[jobs.b]",
        "[jobs.a.env]",
        "[defaults]",
        "[daemon]",
        "[pools.p]",
        "[notify.n]",
        "[[on]]",
        "[hooks]",
        "timezone = \"Europe/Berlin\"",
        "command = \"true\"",
        "command = [\"a\", \"b\"]",
        "steps = [\"x\", { name = \"y\", parallel = [\"z\"] }]",
        "every = \"1h\"",
        "cron = \"* * * * *\"",
        "cron = { day = \"last fri\", hour = 3 }",
        "at = 2026-12-24T18:00:00",
        "on = \"startup\"",
        "after = \"a\"",
        "after = { job = \"a\", on = \"any\" }",
        "any = [{ every = \"1m\" }, { at = \"2027-01-01\" }]",
        "all = [{ cron = \"0 * * * *\" }, { cron = \"30 * * * *\" }]",
        "env = { A = \"ä\" }",
        "env.B = 'x'",
        "grace = \"0s\"",
        "jitter = \"5m\"",
        "timeout = \"-1s\"",
        "retries = 3",
        "retry_on = [1, \"timeout\"]",
        "workers = 4",
        "pool = \"p\"",
        "mail = { to = \"a@b\" }",
        "notify = \"n\"",
        "keep = { runs = 3 }",
        "limits.memory = \"1G\"",
        "umask = 0o022",
        "nice = 99999999999999999999",
        "start = 2026-01-01",
        "x = nan",
        "\"\" = 1",
        "= 1",
        "]",
        "\"",
        "'''",
        "\u{feff}",
        "\r",
        "#",
        "é = \"\\u0000\"",
    ];

    const CRON_WORDS: &[&str] = &[
        "*",
        "*/5",
        "0",
        "7",
        "59",
        "60",
        "1-5",
        "5-1",
        "1,2,3",
        "1-59/7",
        "L",
        "L-3",
        "15W",
        "LW",
        "5#3",
        "fri#2",
        "5L",
        "mon-fri",
        "jan",
        "0~30",
        "~",
        "?",
        "H",
        "@daily",
        "@reboot",
        "@every",
        "2026",
        "1970-2099",
        "*/0",
        "99999999999",
        "-",
        ",",
        "/",
        "#",
        " ",
        "\t",
        "é",
    ];

    /// Tries an oracle on as many inputs as were asked for, and says how many.
    fn hold<T: std::fmt::Debug>(name: &str, inputs: impl Strategy<Value = T>, oracle: impl Fn(&T)) {
        let asked = std::env::var("JOBCTL_FUZZ_CASES").ok().and_then(|cases| cases.parse().ok());
        let config = ProptestConfig {
            cases: asked.unwrap_or(CASES),
            failure_persistence: None,
            ..ProptestConfig::default()
        };
        let (tried, slowest) = (Cell::new(0_u64), Cell::new(Duration::ZERO));
        let held = TestRunner::new(config).run(&inputs, |input| {
            let begun = Instant::now();
            oracle(&input);
            let took = begun.elapsed();
            assert!(took < PATIENCE, "it took {took:?}");
            tried.set(tried.get() + 1);
            slowest.set(slowest.get().max(took));
            Ok(())
        });
        println!("{name}: {} inputs, the slowest took {:?}", tried.get(), slowest.get());
        if let Err(error) = held {
            panic!("{error}");
        }
    }

    /// The seeds of a fuzz target: valid inputs.
    fn seeds(target: &str) -> Vec<Vec<u8>> {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
        let mut paths: Vec<_> =
            std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        let seeds: Vec<_> = paths.iter().map(|path| std::fs::read(path).unwrap()).collect();
        assert!(!seeds.is_empty());
        seeds
    }

    fn noise() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(any::<u8>(), 0..300)
    }

    fn words(words: &'static [&'static str], between: &'static str) -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(select(words), 0..14).prop_map(move |words| words.join(between).into_bytes())
    }

    /// Valid inputs in which some bytes are replaced, taken out or put in, or a stretch is repeated.
    fn mutated(target: &str) -> impl Strategy<Value = Vec<u8>> + use<> {
        let change = (any::<Index>(), any::<u8>(), 0_u8..5);
        (select(seeds(target)), prop::collection::vec(change, 0..6)).prop_map(|(mut bytes, changes)| {
            for (place, byte, kind) in changes {
                let at = place.index(bytes.len().max(1)).min(bytes.len());
                match kind {
                    0 if at < bytes.len() => bytes[at] = byte,
                    1 if at < bytes.len() => drop(bytes.remove(at)),
                    2 => bytes.insert(at, byte),
                    3 => bytes.truncate(at),
                    _ => {
                        let end = (at + usize::from(byte) % 40).min(bytes.len());
                        let stretch = bytes[at..end].to_vec();
                        bytes.splice(at..at, stretch);
                    }
                }
            }
            bytes
        })
    }

    fn of(
        target: &str,
        kinds: Vec<proptest::strategy::BoxedStrategy<Vec<u8>>>,
    ) -> impl Strategy<Value = Vec<u8>> + use<> {
        Union::new(kinds.into_iter().chain([
            noise().boxed(),
            mutated(target).boxed(),
            mutated(target).boxed(),
        ]))
    }

    #[test]
    fn job_files() {
        let inputs = of("job_file", vec![words(TOML_WORDS, "\n").boxed(), words(TOML_WORDS, " ").boxed()]);
        hold("job files", inputs, |bytes| oracles::job_file(bytes));
    }

    #[test]
    fn cron_texts() {
        let fields =
            prop::collection::vec(select(CRON_WORDS), 5..8).prop_map(|words| words.join(" ").into_bytes());
        let inputs = of("cron_text", vec![fields.boxed(), words(CRON_WORDS, "").boxed()]);
        hold("cron texts", inputs, |bytes| oracles::cron_text(&String::from_utf8_lossy(bytes)));
    }

    #[test]
    fn frames() {
        let long = prop::collection::vec(any::<u8>(), 500..530).prop_map(|mut bytes| {
            bytes.iter_mut().for_each(|byte| *byte = (*byte).max(1));
            bytes.push(0);
            bytes
        });
        let several = prop::collection::vec(mutated("frames"), 1..4).prop_map(|frames| frames.concat());
        hold(
            "frames",
            of("frames", vec![long.boxed(), several.boxed(), Just(Vec::new()).boxed()]),
            |bytes| {
                oracles::frames(bytes);
            },
        );
    }

    #[test]
    fn seeds_are_valid() {
        for bytes in seeds("job_file") {
            oracles::job_file(&bytes);
        }
        for bytes in seeds("cron_text") {
            let text = String::from_utf8(bytes).unwrap();
            assert!(jobctl::core::cron::Cron::parse(&text, "seed").is_ok(), "{text}");
        }
        for bytes in seeds("frames") {
            oracles::frames(&bytes);
            assert_eq!(bytes.last(), Some(&0));
        }
    }
}

//! Whatever is written, the parser answers, soon and without a panic, and what it has read it reads again.

use std::time::{Duration, Instant};

use jobctl::core::cron::{Cron, CronFields, DstRules, Parsed, TableField};
use jobctl::core::instant::Timestamp;
use jobctl::core::trigger::{CronTrigger, Trigger};
use proptest::prelude::{ProptestConfig, Strategy, TestCaseError, prop_assert, prop_assert_eq, proptest};
use proptest::sample::select;

use crate::support::on_clock;

/// Pieces that expressions are made of, and some that they are nearly made of.
fn nearly_a_field() -> impl Strategy<Value = String> {
    let piece = select(vec![
        "*",
        "0",
        "1",
        "5",
        "7",
        "8",
        "12",
        "23",
        "31",
        "59",
        "60",
        "99",
        "2026",
        "4294967301",
        "-",
        ",",
        "/",
        "~",
        "#",
        "L",
        "W",
        "?",
        "H",
        "mon",
        "SUN",
        "jan",
        "dec",
        "friL",
        "mon#2",
        "15W",
        "*/2",
        "1-5",
        "9-17/2",
        "0~59",
        "22-6",
        "sept",
        "\u{2013}",
        "é",
        "%",
        "@",
        ".",
        "0x1",
        "",
    ]);
    let lone = select(vec!["*", "0", "1", "2-4", "*/5", "1,3", "5-7/2", "1~4"]).prop_map(str::to_owned);
    let glued = proptest::collection::vec(piece, 1..4).prop_map(|pieces| pieces.concat());
    proptest::strategy::Union::new_weighted(vec![(3, lone.boxed()), (2, glued.boxed())])
}

fn nearly_an_expression() -> impl Strategy<Value = String> {
    let blank = select(vec![" ", "  ", "\t", " \t ", "\n", "\u{a0}"]);
    let field = (
        nearly_a_field(),
        proptest::strategy::Union::new_weighted(vec![
            (12, proptest::strategy::Just(" ").boxed()),
            (1, blank.boxed()),
        ]),
    );
    proptest::collection::vec(field, 0..9)
        .prop_map(|fields| fields.into_iter().map(|(field, blank)| field + blank).collect())
}

/// Checks all that must hold of any text.
fn check(text: &str) -> Result<(), TestCaseError> {
    let start = Instant::now();
    match Cron::parse(text, "job") {
        Err(error) => {
            // The part that is meant can be shown: it lies in the text and splits no letter.
            prop_assert!(text.get(error.span.clone()).is_some(), "{text:?}: {:?}", error.span);
            prop_assert!(!error.message.is_empty() && error.message.len() < 250, "{text:?}: {error}");
            prop_assert!(error.hint.is_some_and(|hint| !hint.is_empty() && hint.len() < 250), "{text:?}");
        }
        Ok(Parsed::Reboot) => prop_assert_eq!(text.trim_matches([' ', '\t']), "@reboot"),
        Ok(Parsed::Cron(cron)) => {
            prop_assert_eq!(cron.text(), text.trim_matches([' ', '\t']));
            prop_assert_eq!(Cron::parse(cron.text(), "job"), Ok(Parsed::Cron(cron.clone())));
            let sentence = cron.describe("job");
            prop_assert!(sentence.starts_with(|c: char| c.is_ascii_uppercase()), "{text:?}: {sentence}");
            prop_assert!(!sentence.contains("  ") && !sentence.contains(" ,"), "{text:?}: {sentence}");
            for (_, span) in cron.warnings() {
                prop_assert!(cron.text().get(span).is_some());
            }
            let can_fire = cron.fires_at_all();
            let trigger = Trigger::Cron(CronTrigger { cron, dst: DstRules::default() });
            let schedule = on_clock(trigger, "Europe/Berlin");
            let from = Timestamp::from_secs(1_792_800_000);
            let next = schedule.next_after(from, from);
            prop_assert!(next.is_none_or(|next| next > from && can_fire), "{text:?}");
            prop_assert!(!schedule.explain("job").is_empty());
        }
    }
    prop_assert!(start.elapsed() < Duration::from_secs(5), "{text:?} took {:?}", start.elapsed());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_or_refused(text in ".{0,60}") {
        check(&text)?;
    }

    #[test]
    fn any_text_of_the_signs_of_the_language_is_read_or_refused(text in "[-0-9*/,~#LW? \t@a-z]{0,40}") {
        check(&text)?;
    }

    #[test]
    fn any_text_that_is_nearly_an_expression_is_read_or_refused(text in nearly_an_expression()) {
        check(&text)?;
    }

    #[test]
    fn any_table_is_read_or_refused(
        fields in proptest::collection::vec((select(TableField::ALL.to_vec()), nearly_a_field()), 0..4),
    ) {
        let mut table = CronFields::new("job");
        let mut refused = 0;
        for (field, value) in &fields {
            if let Err(error) = table.set(*field, value) {
                prop_assert!(value.get(error.span.clone()).is_some(), "{value:?}: {:?}", error.span);
                refused += 1;
            }
        }
        let built = table.build();
        prop_assert_eq!(built.is_none(), refused == fields.len());
        if let Some(cron) = built {
            prop_assert!(!cron.describe("job").starts_with('{'), "{}", cron.text());
            prop_assert!(cron.fires_at_all() || !cron.text().is_empty());
        }
    }
}

#[test]
fn the_longest_texts_are_bounded() {
    let start = Instant::now();
    for piece in ["*,", "*/1,", "0-59,", "1~2,", "*", "9", " ", "* ", "a", "é", ",", "@", "L,"] {
        for count in [10, 300, 900, 1_100, 100_000] {
            let field = piece.repeat(count);
            for text in
                [field.clone(), format!("{field}1 * * * *"), format!("0 0 0 {field}1 * {field}1 {field}1")]
            {
                check(&text).unwrap();
            }
        }
    }
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

//! Reference pages are complete, and what the source cites is there.

use std::collections::BTreeSet;

use super::{files_below, read};

/// Returns the numbers of the rules of docs/time.md, in their order.
fn rules() -> Vec<u32> {
    let text = read("docs/time.md");
    let number = |line: &str| {
        let (number, rest) = line.split_once(". ")?;
        (!rest.is_empty()).then(|| number.parse().ok())?
    };
    text.lines().filter_map(number).collect()
}

#[test]
fn rules_of_time_are_numbered_without_a_hole() {
    assert_eq!(rules(), (1..=47).collect::<Vec<u32>>());
}

#[test]
fn the_source_cites_rules_and_sections_that_are_there() {
    let rules: BTreeSet<u32> = rules().into_iter().collect();
    let design = read("docs/design.md");
    let mut cited = 0;
    for path in files_below("src") {
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        for (word, is_rule) in [
            ("md rule ", true),
            ("md rules ", true),
            ("docs/design.md section ", false),
            ("design.md section ", false),
        ] {
            for part in text.split(word).skip(1) {
                let number: String = part.chars().take_while(char::is_ascii_digit).collect();
                let Ok(number) = number.parse::<u32>() else { continue };
                cited += 1;
                let known = if is_rule {
                    rules.contains(&number)
                } else {
                    design.contains(&format!("\n## {number}. "))
                };
                assert!(known, "{} cites {word}{number}", path.display());
            }
        }
    }
    assert!(cited > 20, "only {cited} citations were found");
}

#[test]
fn every_key_of_the_parser_is_on_the_page_of_the_job_file() {
    let pages = jobctl::cli::man::pages().expect("pages are written to memory");
    let (_, page) = pages.iter().find(|(name, _)| name == "jobctl-jobs.5").expect("the page is there");
    for (section, keys) in jobctl::jobfile::known_keys() {
        for key in keys {
            let forms = [format!("\\fB{key}\\fR"), format!("\\fB[{key}"), format!("\\fB[[{key}]]")];
            let found = forms.iter().any(|form| page.contains(form));
            assert!(found, "jobctl-jobs(5) lacks {key} of {section}");
        }
    }
}

#[test]
fn every_key_of_a_job_is_a_flag_of_add() {
    let pages = jobctl::cli::man::pages().expect("pages are written to memory");
    let (_, page) = pages.iter().find(|(name, _)| name == "jobctl-add.1").expect("the page is there");
    let keys = jobctl::jobfile::known_keys();
    let (_, keys) = keys.iter().find(|(section, _)| *section == "[jobs.NAME]").expect("jobs have keys");
    for key in keys {
        let flag = match *key {
            "steps" => "step".to_owned(),
            "tags" => "tag".to_owned(),
            "limits" => "limit".to_owned(),
            key => key.replace('_', "\\-"),
        };
        assert!(page.contains(&format!("\\-\\-{flag}\\fR")), "`jobctl add` has no flag for {key}");
    }
}

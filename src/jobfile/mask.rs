//! Definitions for eyes: the values of `env` are left out, because they are where people put secrets.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

/// What stands in the place of a value.
const MASK: &str = "\"***\"";

/// What stands in the place of a text that cannot be read, and so may have secrets anywhere.
const UNREADABLE: &str = "# not valid TOML: not shown\n";

/// Returns a text of TOML with every value of every `env` replaced; the rest is as it was written.
pub fn mask(text: &str) -> String {
    let Ok(table) = DeTable::parse(text) else { return UNREADABLE.to_owned() };
    let mut secrets = Vec::new();
    in_table(table.get_ref(), &mut secrets);
    secrets.sort_unstable_by_key(|span| span.start);
    let mut masked = String::with_capacity(text.len());
    let mut done = 0;
    for span in secrets {
        masked.push_str(text.get(done..span.start).unwrap_or_default());
        masked.push_str(MASK);
        done = span.end;
    }
    masked.push_str(text.get(done..).unwrap_or_default());
    masked
}

fn in_table(table: &DeTable<'_>, secrets: &mut Vec<Range<usize>>) {
    for (key, value) in table {
        if key.get_ref() == "env" {
            leaves(value, secrets);
        } else {
            in_value(value.get_ref(), secrets);
        }
    }
}

fn in_value(value: &DeValue<'_>, secrets: &mut Vec<Range<usize>>) {
    match value {
        DeValue::Table(table) => in_table(table, secrets),
        DeValue::Array(array) => in_array(array, secrets),
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_) => {}
    }
}

fn in_array(array: &DeArray<'_>, secrets: &mut Vec<Range<usize>>) {
    for value in array {
        in_value(value.get_ref(), secrets);
    }
}

/// Takes everything that is no table: the names of variables are shown, their values are not.
fn leaves(value: &Spanned<DeValue<'_>>, secrets: &mut Vec<Range<usize>>) {
    match value.get_ref() {
        DeValue::Table(table) => table.iter().for_each(|(_, value)| leaves(value, secrets)),
        DeValue::Array(_)
        | DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_) => secrets.push(value.span()),
    }
}

#[cfg(test)]
mod tests {
    use super::mask;

    #[test]
    fn values_of_env_are_hidden_however_they_are_written() {
        let cases = [
            ("env = { A = \"s3cret\", B = 's3cret' }", "env = { A = \"***\", B = \"***\" }"),
            ("env.A = \"\"\"s3cret\ns3cret\"\"\" # c", "env.A = \"***\" # c"),
            ("[env]\nA = \"s3cret\"\n[x]\nA = \"shown\"", "[env]\nA = \"***\"\n[x]\nA = \"shown\""),
            ("[jobs.a.env]\n\"A\" = \"s3cret\"", "[jobs.a.env]\n\"A\" = \"***\""),
            ("[defaults]\nenv = {A=\"s3cret\"}", "[defaults]\nenv = {A=\"***\"}"),
            (
                "steps = [{ command = \"x\", env = { A = \"s3cret\" } }]",
                "steps = [{ command = \"x\", env = { A = \"***\" } }]",
            ),
            ("env = [\"s3cret\"]", "env = \"***\""),
            ("env_file = \"shown\"", "env_file = \"shown\""),
            ("env = { A = s3cret }", "# not valid TOML: not shown\n"),
        ];
        for (text, expected) in cases {
            assert_eq!(mask(text), expected);
        }
    }
}

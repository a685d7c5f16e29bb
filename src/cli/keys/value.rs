//! From the values of flags to those of TOML.

use std::path::Path;

use toml::Value;

use super::Key;
use super::Shape::{
    Jobs, Members, Pairs, Path as File, Paths, Scalar, Scalars, Settings, Switch, Text, Texts, Word,
    WordOrSettings,
};
use crate::cli::error::CliError;

impl Key {
    /// Makes the value of a key from those of its flags.
    ///
    /// # Errors
    /// A value has not the shape of the key.
    pub(super) fn value(&self, values: &[String]) -> Result<Value, CliError> {
        let last = values.last().map_or("", String::as_str);
        let texts = || values.iter().map(|value| Value::String(value.clone())).collect();
        Ok(match self.shape {
            Text | Word(_) => Value::String(last.to_owned()),
            Scalar => scalar(last),
            Switch => Value::Boolean(last == "true"),
            Texts => Value::Array(texts()),
            Scalars => Value::Array(values.iter().flat_map(|value| value.split(',')).map(scalar).collect()),
            File => path(last)?,
            Paths => Value::Array(values.iter().map(|value| path(value)).collect::<Result<_, _>>()?),
            Pairs => {
                self.pairs(values.iter().map(String::as_str), |value| Value::String(value.to_owned()))?
            }
            WordOrSettings if !last.contains('=') => Value::String(last.to_owned()),
            Settings | WordOrSettings => {
                self.pairs(values.iter().flat_map(|value| value.split(',')), scalar)?
            }
            Jobs => Value::Array(values.iter().flat_map(|value| value.split(',')).map(dependency).collect()),
            Members => Value::Array(values.iter().map(|value| member(value)).collect::<Result<_, _>>()?),
        })
    }

    fn pairs<'v>(
        &self,
        pairs: impl Iterator<Item = &'v str>,
        value: impl Fn(&str) -> Value,
    ) -> Result<Value, CliError> {
        let mut table = toml::Table::new();
        for pair in pairs {
            let Some((name, text)) = pair.split_once('=') else {
                let message = format!("--{} {pair:?} is no {}", self.flag, self.value);
                return Err(CliError::usage(message).hint(format!("--{} NAME=VALUE", self.flag)));
            };
            table.insert(name.trim().to_owned(), value(text));
        }
        Ok(Value::Table(table))
    }
}

/// Reads a number or a truth value; anything else is text.
fn scalar(text: &str) -> Value {
    let text = text.trim();
    if let Ok(number) = text.parse() {
        return Value::Integer(number);
    }
    match text {
        "true" => Value::Boolean(true),
        "false" => Value::Boolean(false),
        _ => match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Value::Float(number),
            _ => Value::String(text.to_owned()),
        },
    }
}

/// Makes a path absolute: the daemon does not know where its clients stand. `~` is the job's user's home.
fn path(text: &str) -> Result<Value, CliError> {
    if text.is_empty() || text == "~" || text.starts_with("~/") {
        return Ok(Value::String(text.to_owned()));
    }
    let absolute = std::path::absolute(Path::new(text))
        .map_err(|error| CliError::usage(format!("cannot tell where {text} is: {error}")))?;
    let text =
        absolute.to_str().ok_or_else(|| CliError::usage(format!("{} is not UTF-8", absolute.display())))?;
    Ok(Value::String(text.to_owned()))
}

fn dependency(text: &str) -> Value {
    match text.split_once(':') {
        None => Value::String(text.to_owned()),
        Some((job, end)) => {
            let pairs = [("job", job), ("on", end)];
            Value::Table(
                pairs
                    .map(|(key, value)| (key.to_owned(), Value::String(value.to_owned())))
                    .into_iter()
                    .collect(),
            )
        }
    }
}

/// Reads a member of `any` or `all`: the inside of an inline table, or `KEY=VALUE` without quotes.
fn member(text: &str) -> Result<Value, CliError> {
    let inside = text.trim().trim_start_matches('{').trim_end_matches('}');
    if let Ok(mut table) = format!("member = {{ {inside} }}").parse::<toml::Table>()
        && let Some(value) = table.remove("member")
    {
        return Ok(value);
    }
    let pair = inside.split_once('=').filter(|(key, _)| Key::named(key.trim()).is_some());
    let Some((key, value)) = pair else {
        let error = CliError::usage(format!("{text:?} is no trigger"));
        return Err(error.hint("like: cron=\"0 9 * * *\", timezone=\"UTC\""));
    };
    let value = Value::String(value.trim().to_owned());
    Ok(Value::Table([(key.trim().to_owned(), value)].into_iter().collect()))
}

//! How close jobctl comes to what this machine can do at all.
//!
//! `cargo bench --bench limits` runs the short form, two minutes on two cores;
//! `cargo bench --bench limits -- --long` takes half an hour: it measures three times as many rounds, bursts of every
//! kind, and a whole minute of rest. Words after the options choose sections: `fires decisions claims starts loading
//! commands idle retention burst sustained adds`.
//!
//! Every figure of jobctl is measured in turn with a limit: the least that any program would have to do for
//! the same result on this machine. Seconds differ from machine to machine and from minute to minute; the
//! ratio is what is held against a target. Nothing is asserted here.

mod adds;
mod burst;
mod child;
mod claims;
mod commands;
mod daemon;
mod decisions;
mod fires;
mod idle;
mod loading;
mod measure;
mod program;
mod retention;
mod starts;
mod sustained;
mod table;
mod workload;

use std::process::ExitCode;

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Enough to see a change of a tenth.
    Short,
    /// Enough to publish.
    Long,
}

impl Form {
    /// Chooses by the form.
    fn pick<T>(self, short: T, long: T) -> T {
        match self {
            Form::Short => short,
            Form::Long => long,
        }
    }
}

/// What any measurement may fail of: the machine, not the program.
type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

type Section = fn(Form) -> Outcome<()>;

const SECTIONS: [(&str, Section); 11] = [
    ("fires", fires::section),
    ("decisions", decisions::section),
    ("claims", claims::section),
    ("starts", starts::section),
    ("loading", loading::section),
    ("commands", commands::section),
    ("idle", idle::section),
    ("retention", retention::section),
    ("burst", burst::section),
    ("sustained", sustained::section),
    ("adds", adds::section),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match child::run(&arguments).unwrap_or_else(|| run(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("limits: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Outcome<()> {
    let mut form = Form::Short;
    let mut chosen = Vec::new();
    for argument in arguments {
        match argument.as_str() {
            // Cargo says so to every bench.
            "--bench" | "--short" => {}
            "--long" => form = Form::Long,
            word => {
                let section = SECTIONS.iter().find(|(name, _)| *name == word);
                chosen.push(section.ok_or_else(|| format!("there is no section or option {word}"))?);
            }
        }
    }
    if chosen.is_empty() {
        chosen.extend(&SECTIONS);
    }
    for (_, section) in chosen {
        section(form)?;
    }
    println!(
        "\nratio = what jobctl takes / what the limit takes (time or memory for the same), measured in turn in this \
         run: 1.00 = as fast as this machine can be; all figures are medians, the range holds the middle half"
    );
    Ok(())
}

//! Every key of a job as a flag: one table from which the flags of `add`, the completions and the manual page of
//! the job file are made.
//!
//! The flags are only another way to write the job's table: they become TOML text, which goes through the one
//! parser of the job file. Nothing is checked here but the shape.

mod value;

use clap::builder::ValueHint;
use clap::{Arg, ArgAction, ArgMatches, Command, FromArgMatches};
use toml::Value;

use super::error::CliError;

/// One key.
#[derive(Debug)]
pub(crate) struct Key {
    /// As it stands in the job file.
    pub(crate) name: &'static str,
    /// As a flag, without the dashes.
    pub(crate) flag: &'static str,
    /// What the value is called in the help.
    pub(crate) value: &'static str,
    pub(crate) shape: Shape,
    pub(crate) group: Group,
    pub(crate) help: &'static str,
}

/// What a flag's value becomes in TOML.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Text.
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A number, or text where it is none.
    Scalar,
    /// True or false; the flag alone is true.
    Switch,
    /// Several texts, one a flag.
    Texts,
    /// Several numbers or words, separated by commas or one a flag.
    Scalars,
    /// A file or directory, made absolute.
    Path,
    /// Several of them.
    Paths,
    /// `NAME=VALUE`, one a flag; values are text.
    Pairs,
    /// `NAME=VALUE`, separated by commas or one a flag; values are numbers, truth values or text.
    Settings,
    /// As [`Shape::Settings`], or a single word.
    WordOrSettings,
    /// `JOB` or `JOB:success|failure|any`.
    Jobs,
    /// Members of `any` and `all`: a trigger as in the job file (`cron="0 9 * * *", timezone="UTC"`).
    Members,
}

/// Where a key stands in the help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    Trigger,
    Timing,
    Work,
    About,
    Late,
    Ends,
    Surroundings,
    Around,
}

impl Group {
    /// Every group, in the order of the help.
    pub(crate) const ALL: [Self; 8] = [
        Self::Trigger,
        Self::Timing,
        Self::Work,
        Self::About,
        Self::Late,
        Self::Ends,
        Self::Surroundings,
        Self::Around,
    ];

    /// Returns the heading.
    pub(crate) const fn heading(self) -> &'static str {
        match self {
            Self::Trigger => "When it is due (one of them)",
            Self::Timing => "Beside the trigger",
            Self::Work => "What runs (or CMD after --)",
            Self::About => "About the job",
            Self::Late => "Late, busy, waiting",
            Self::Ends => "Time limits and retries",
            Self::Surroundings => "The surroundings of its processes",
            Self::Around => "Around its runs",
        }
    }
}

const fn key(
    name: &'static str,
    flag: &'static str,
    value: &'static str,
    shape: Shape,
    group: Group,
    help: &'static str,
) -> Key {
    Key { name, flag, value, shape, group, help }
}

use Group::{About, Around, Ends, Late, Surroundings, Timing, Trigger, Work};
use Shape::{
    Jobs, Members, Pairs, Path as File, Paths, Scalar, Scalars, Settings, Switch, Text, Texts, Word,
    WordOrSettings,
};

/// The keys.
#[rustfmt::skip]
pub(crate) const KEYS: &[Key] = &[
    key("cron", "cron", "EXPR", Text, Trigger, "Cron expression or nickname (\"30 2 * * *\", @daily)"),
    key("every", "every", "DURATION", Text, Trigger, "Interval, counted from a fixed origin (90s, 1h30m, 1w)"),
    key("at", "at", "TIME", Text, Trigger, "Once, at this time (2026-12-24T18:00, 18:00, \"in 2h\")"),
    key("on", "on", "EVENT", Word(&["startup", "shutdown"]), Trigger, "When the daemon starts or stops"),
    key("after", "after", "JOB[:END]", Jobs, Trigger, "When another job has ended (END: success, failure or any)"),
    key("any", "any", "TRIGGER", Members, Trigger, "At the times of each of several triggers (cron=\"0 9 * * *\")"),
    key("all", "all", "TRIGGER", Members, Trigger, "At the times on which several triggers agree"),

    key("timezone", "timezone", "ZONE", Text, Timing, "Zone of its wall clock (Europe/Berlin)"),
    key("start", "start", "TIME", Text, Timing, "No fire time before this"),
    key("end", "end", "TIME", Text, Timing, "No fire time after this"),
    key("jitter", "jitter", "DURATION", Text, Timing, "Start up to this much later, to spread a crowd"),
    key("dst_gap", "dst-gap", "RULE", Word(&["after", "skip"]), Timing, "A wall time that a change of the clock leaves out: run after it, or skip it"),
    key("dst_fold", "dst-fold", "RULE", Word(&["first", "second", "both"]), Timing, "A wall time that comes twice: which counts"),

    key("command", "command", "TEXT", Text, Work, "Text for the shell"),
    key("steps", "step", "TEXT", Texts, Work, "A command of several, in order, up to the first failure (repeatable)"),
    key("parallel", "parallel", "TEXT", Texts, Work, "A command of several, all at once (repeatable)"),
    key("fail_fast", "fail-fast", "BOOL", Switch, Work, "With --parallel: the first failure ends the others"),

    key("description", "description", "TEXT", Text, About, "What it is for"),
    key("tags", "tag", "TAG", Texts, About, "A tag to select it by (repeatable)"),
    key("meta", "meta", "KEY=VALUE", Pairs, About, "Data for its processes, as JOBCTL_META_KEY (repeatable)"),
    key("enabled", "enabled", "BOOL", Switch, About, "False: kept and shown, but never due"),
    key("paused", "paused", "BOOL", Switch, About, "Starts its life paused"),

    key("grace", "grace", "DURATION", Text, Late, "How late it may start: a duration, until-next or unlimited"),
    key("coalesce", "coalesce", "BOOL", Switch, Late, "Several late fire times become one run"),
    key("max_instances", "max-instances", "N", Scalar, Late, "How many of its runs may be alive at once"),
    key("on_busy", "on-busy", "RULE", Word(&["skip", "queue", "replace"]), Late, "Due while it still runs: skip, wait, or end the old run"),
    key("pool", "pool", "NAME", Text, Late, "Pool whose workers it uses"),
    key("priority", "priority", "N", Scalar, Late, "Higher goes first among those that wait"),
    key("on_lost", "on-lost", "RULE", Word(&["skip", "rerun"]), Late, "A run whose end nobody saw: leave it, or run again"),
    key("startup", "startup", "SCOPE", Word(&["boot", "start"]), Late, "With --on startup: once a boot, or at each start of the daemon"),

    key("timeout", "timeout", "DURATION", Text, Ends, "Time limit of one attempt"),
    key("kill_after", "kill-after", "DURATION", Text, Ends, "From the stop signal to KILL"),
    key("stop_signal", "stop-signal", "SIGNAL", Scalar, Ends, "The signal that asks it to end"),
    key("retries", "retries", "N", Scalar, Ends, "Further attempts after a failure"),
    key("retry_delay", "retry-delay", "DURATION", Text, Ends, "Wait before the next attempt"),
    key("retry_backoff", "retry-backoff", "FACTOR", Scalar, Ends, "Factor on the wait for each attempt after that"),
    key("retry_max_delay", "retry-max-delay", "DURATION", Text, Ends, "The longest wait"),
    key("retry_on", "retry-on", "ENDS", Scalars, Ends, "Which ends are tried again: exit codes, timeout, signal, any"),

    key("env", "env", "NAME=VALUE", Pairs, Surroundings, "A variable (repeatable)"),
    key("env_file", "env-file", "FILE", Paths, Surroundings, "A file of NAME=value lines (repeatable)"),
    key("cwd", "cwd", "DIR", File, Surroundings, "Working directory; default is the user's home"),
    key("user", "user", "USER", Scalar, Surroundings, "User to run as"),
    key("group", "group", "GROUP", Scalar, Surroundings, "Group to run as"),
    key("umask", "umask", "MASK", Text, Surroundings, "File mode mask in octal"),
    key("nice", "nice", "N", Scalar, Surroundings, "Niceness, -20 to 19"),
    key("shell", "shell", "FILE", Text, Surroundings, "Shell of text commands"),
    key("stdin", "stdin", "FILE", File, Surroundings, "File to read on standard input"),
    key("limits", "limit", "NAME=VALUE", Settings, Surroundings, "A limit: memory, cpu, tasks, open_files, cpu_time, file_size, core"),

    key("before", "before", "TEXT", Texts, Around, "Command before the run; a failure fails the run (repeatable)"),
    key("after_run", "after-run", "TEXT", Texts, Around, "Command after the run (repeatable)"),
    key("on_success", "on-success", "TEXT", Texts, Around, "Command after a run that succeeded (repeatable)"),
    key("on_failure", "on-failure", "TEXT", Texts, Around, "Command after a run that failed (repeatable)"),
    key("notify", "notify", "NAME", Texts, Around, "Notifier that hears of its ends (repeatable)"),
    key("expect", "expect", "NAME=VALUE", Settings, Around, "What must hold: success_within, max_duration, output_nonempty"),
    key("output", "output", "FORMAT", WordOrSettings, Around, "Its output: json, text, max=SIZE"),
    key("keep", "keep", "NAME=VALUE", Settings, Around, "What history keeps: runs=N, age=DURATION"),
];

impl Key {
    /// Says whether the flag may be given several times.
    const fn repeats(&self) -> bool {
        !matches!(self.shape, Text | Word(_) | Scalar | Switch | File)
    }

    fn arg(&self) -> Arg {
        let arg = Arg::new(self.name)
            .long(self.flag)
            .value_name(self.value)
            .help(self.help)
            .help_heading(self.group.heading())
            .allow_hyphen_values(matches!(self.shape, Scalar))
            .action(if self.repeats() { ArgAction::Append } else { ArgAction::Set });
        match self.shape {
            Word(words) => arg.value_parser(clap::builder::PossibleValuesParser::new(words.iter().copied())),
            Switch => arg
                .num_args(0..=1)
                .require_equals(true)
                .default_missing_value("true")
                .value_parser(clap::builder::PossibleValuesParser::new(["true", "false"])),
            File if self.name == "cwd" => arg.value_hint(ValueHint::DirPath),
            File | Paths => arg.value_hint(ValueHint::FilePath),
            _ if matches!(self.name, "command" | "steps" | "parallel") => {
                arg.value_hint(ValueHint::CommandString)
            }
            _ => arg,
        }
    }
}

/// The flags that were given, in the order of [`KEYS`].
#[derive(Clone, Debug, Default)]
pub(crate) struct JobKeys {
    given: Vec<(&'static Key, Vec<String>)>,
}

impl clap::Args for JobKeys {
    fn augment_args(command: Command) -> Command {
        command.args(KEYS.iter().map(Key::arg))
    }

    fn augment_args_for_update(command: Command) -> Command {
        JobKeys::augment_args(command)
    }
}

impl FromArgMatches for JobKeys {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(JobKeys::read(matches, KEYS.iter()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = JobKeys::from_arg_matches(matches)?;
        Ok(())
    }
}

/// The flags of the trigger keys alone, for `reschedule`.
#[derive(Clone, Debug, Default)]
pub(crate) struct TriggerKeys(pub(crate) JobKeys);

impl clap::Args for TriggerKeys {
    fn augment_args(command: Command) -> Command {
        command.args(KEYS.iter().filter(|key| is_timing(key)).map(Key::arg))
    }

    fn augment_args_for_update(command: Command) -> Command {
        TriggerKeys::augment_args(command)
    }
}

impl FromArgMatches for TriggerKeys {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(TriggerKeys(JobKeys::read(matches, KEYS.iter().filter(|key| is_timing(key)))))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = TriggerKeys::from_arg_matches(matches)?;
        Ok(())
    }
}

fn is_timing(key: &Key) -> bool {
    matches!(key.group, Trigger | Timing)
}

impl JobKeys {
    fn read(matches: &ArgMatches, keys: impl Iterator<Item = &'static Key>) -> Self {
        let given = keys.filter_map(|key| {
            let values = matches.get_many::<String>(key.name)?;
            Some((key, values.cloned().collect()))
        });
        JobKeys { given: given.collect() }
    }

    /// Says whether no flag was given.
    pub(crate) fn is_empty(&self) -> bool {
        self.given.is_empty()
    }

    /// Says whether a key was given.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.given.iter().any(|(key, _)| key.name == name)
    }

    /// Says whether any key was given that says when the job is due.
    pub(crate) fn has_trigger(&self) -> bool {
        self.given.iter().any(|(key, _)| key.group == Trigger)
    }

    /// Replaces the values of a key that was given.
    ///
    /// # Errors
    /// As `change` says.
    pub(crate) fn change(
        &mut self,
        name: &str,
        change: impl Fn(&str) -> Result<String, CliError>,
    ) -> Result<(), CliError> {
        let values = self.given.iter_mut().filter(|(key, _)| key.name == name).flat_map(|(_, values)| values);
        for value in values {
            *value = change(value)?;
        }
        Ok(())
    }

    /// Returns each key that was given with its value in TOML.
    ///
    /// # Errors
    /// Where a value has not the shape of its key.
    pub(crate) fn values(&self) -> Result<Vec<(&'static str, Value)>, CliError> {
        self.given.iter().map(|(key, values)| Ok((key.name, key.value(values)?))).collect()
    }

    /// Writes the flags as the body of a job's table, one key a line.
    ///
    /// # Errors
    /// Where a value has not the shape of its key.
    pub(crate) fn toml(&self) -> Result<String, CliError> {
        Ok(self.values()?.into_iter().map(|(key, value)| format!("{key} = {value}\n")).collect())
    }
}

impl Key {
    /// Finds a key by its name in the job file.
    pub(crate) fn named(name: &str) -> Option<&'static Key> {
        KEYS.iter().find(|key| key.name == name)
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, Command, FromArgMatches as _};

    use super::{Group, JobKeys, KEYS};

    fn toml(args: &[&str]) -> Result<String, String> {
        let command = JobKeys::augment_args(Command::new("add").no_binary_name(true));
        let matches = command.try_get_matches_from(args).map_err(|error| error.to_string())?;
        let keys = JobKeys::from_arg_matches(&matches).map_err(|error| error.to_string())?;
        keys.toml().map_err(|error| error.to_string())
    }

    #[test]
    fn flags_become_the_table_of_a_job() {
        let cases: &[(&[&str], &str)] = &[
            (&["--cron", "30 2 * * *"], "cron = \"30 2 * * *\"\n"),
            (&["--max-instances", "2", "--priority", "-5"], "max_instances = 2\npriority = -5\n"),
            (&["--tag", "a", "--tag", "b"], "tags = [\"a\", \"b\"]\n"),
            (&["--paused", "--coalesce=false"], "paused = true\ncoalesce = false\n"),
            (&["--env", "A=1", "--env", "B=x=y"], "env = { A = \"1\", B = \"x=y\" }\n"),
            (&["--limit", "memory=1G,tasks=10"], "limits = { memory = \"1G\", tasks = 10 }\n"),
            (&["--retry-on", "1,75,timeout"], "retry_on = [1, 75, \"timeout\"]\n"),
            (&["--retry-backoff", "2.5"], "retry_backoff = 2.5\n"),
            (&["--after", "a", "--after", "b:any"], "after = [\"a\", { job = \"b\", on = \"any\" }]\n"),
            (
                &["--any", "every=2h", "--any", "cron=\"0 9 * * *\", timezone=\"UTC\""],
                "any = [{ every = \"2h\" }, { cron = \"0 9 * * *\", timezone = \"UTC\" }]\n",
            ),
            (&["--output", "json"], "output = \"json\"\n"),
            (&["--output", "max=1M"], "output = { max = \"1M\" }\n"),
            (&["--cwd", "/srv", "--env-file", "~/x"], "env_file = [\"~/x\"]\ncwd = \"/srv\"\n"),
            (&["--umask", "022"], "umask = \"022\"\n"),
        ];
        for (args, expected) in cases {
            assert_eq!(toml(args).as_deref(), Ok(*expected), "{args:?}");
        }
        assert!(toml(&["--env", "A"]).is_err_and(|error| error.contains("--env")));
        assert!(toml(&["--on", "reboot"]).is_err());
        assert!(toml(&["--any", "x"]).is_err());
    }

    #[test]
    fn keys_and_flags_are_there_once() {
        for (place, key) in KEYS.iter().enumerate() {
            assert!(KEYS[..place].iter().all(|other| other.name != key.name && other.flag != key.flag));
            assert!(Group::ALL.contains(&key.group));
        }
    }
}

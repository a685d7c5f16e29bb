//! Every command line that is shown anywhere is one that jobctl takes.

use super::{blocks, files_below, read};

/// Finds the calls of jobctl in a line of shell, as the words after its name.
///
/// Knows quotes, comments, and what parts commands; everything else of the shell is a plain word.
fn calls(line: &str) -> Vec<Vec<String>> {
    let mut commands: Vec<Vec<String>> = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut redirected = false;
    let mut chars = line.chars().peekable();
    let end = |word: &mut Option<String>, commands: &mut Vec<Vec<String>>, redirected: &mut bool| {
        if let Some(word) = word.take()
            && !std::mem::take(redirected)
            && let Some(command) = commands.last_mut()
        {
            command.push(word);
        }
    };
    while let Some(c) = chars.next() {
        match c {
            '\'' | '"' => {
                let text = word.get_or_insert_default();
                text.extend(chars.by_ref().take_while(|next| *next != c));
            }
            '#' if word.is_none() => break,
            '|' | '&' | ';' | '(' | ')' => {
                end(&mut word, &mut commands, &mut redirected);
                redirected = false;
                commands.push(Vec::new());
            }
            '<' | '>' => {
                // A number right before it is a descriptor, not a word.
                word.take_if(|word| word.chars().all(|c| c.is_ascii_digit()));
                end(&mut word, &mut commands, &mut redirected);
                redirected = true;
            }
            c if c.is_whitespace() => {
                if word.is_some() {
                    end(&mut word, &mut commands, &mut redirected);
                }
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    end(&mut word, &mut commands, &mut redirected);
    let called = |mut words: Vec<String>| {
        let assigned = |word: &String| word.contains('=') || word == "sudo";
        let name = words.iter().position(|word| !assigned(word))?;
        (words[name] == "jobctl").then(|| words.split_off(name + 1))
    };
    commands.into_iter().filter_map(called).collect()
}

/// Holds every call in a text of shell against the command line's own definition; returns how many there are.
fn hold(place: &str, shell: &str) -> usize {
    let calls: Vec<Vec<String>> = shell.lines().flat_map(calls).collect();
    for words in &calls {
        // Written for the reader to fill in.
        if words.iter().any(|word| word == "COMMAND") {
            continue;
        }
        if let Err(error) = jobctl::cli::check_arguments(words) {
            panic!("{place}: jobctl {}\n{error}", words.join(" "));
        }
    }
    calls.len()
}

#[test]
fn shell_is_taken_apart() {
    let cases: &[(&str, &[&[&str]])] = &[
        ("jobctl list", &[&["list"]]),
        ("ls | wc # jobctl no", &[]),
        ("sudo jobctl man --dir /x && jobctl status", &[&["man", "--dir", "/x"], &["status"]]),
        ("A=1 jobctl add x -- 'a | b' \"c d\" # why", &[&["add", "x", "--", "a | b", "c d"]]),
        ("source <(jobctl completions bash)", &[&["completions", "bash"]]),
        ("jobctl run --log-format json 2>> x.log", &[&["run", "--log-format", "json"]]),
        ("jobctl history --json | jq -r '.[].job'", &[&["history", "--json"]]),
        ("jobctl add x --every='5 s'", &[&["add", "x", "--every=5 s"]]),
    ];
    for (line, expected) in cases {
        assert_eq!(calls(line), *expected, "{line}");
    }
}

#[test]
fn a_command_that_does_not_exist_is_noticed() {
    for line in ["jobctl listen", "jobctl list --no-such-flag", "jobctl add", "jobctl next --cron"] {
        let noticed = std::panic::catch_unwind(|| hold("here", line));
        assert!(noticed.is_err(), "{line}");
    }
}

#[test]
fn commands_in_markdown_are_taken() {
    let mut found = 0;
    for name in ["README.md", "CHANGELOG.md", "docs/design.md", "docs/time.md"] {
        found += blocks(&read(name), "sh").iter().map(|block| hold(name, block)).sum::<usize>();
    }
    assert!(found > 25, "only {found} commands were found");
}

#[test]
fn commands_in_comments_of_examples_are_taken() {
    let mut found = 0;
    for path in files_below("examples") {
        let text = std::fs::read_to_string(&path).expect("examples are text");
        let indented = text.lines().filter_map(|line| line.strip_prefix("#     "));
        let commands: Vec<&str> = indented.collect();
        found += hold(&path.display().to_string(), &commands.join("\n"));
        // Commands inside a sentence stand in backquotes; those without arguments only name what is meant.
        let quoted = text.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
        let whole = quoted.filter(|text| text.split(' ').count() > 2);
        found += whole.map(|text| hold("a comment", text)).sum::<usize>();
    }
    assert!(found >= 4, "only {found} commands were found");
}

#[test]
fn examples_of_the_help_are_taken() {
    let mut found = 0;
    for (name, text) in jobctl::cli::man::examples() {
        found += hold(&name, &text);
    }
    assert!(found > 60, "only {found} commands were found");
}

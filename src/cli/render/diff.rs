//! Two texts line by line: what was taken out, what was put in.

/// Longer texts are shown whole, old and new: the comparison grows with the product of their lengths.
const MOST_LINES: usize = 2_000;

/// Writes the lines that differ, `-` before what goes and `+` before what comes; equal texts give nothing.
pub(crate) fn lines(before: &str, after: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let mut out = String::new();
    if old == new {
        return out;
    }
    if old.len().max(new.len()) > MOST_LINES {
        old.iter().for_each(|line| mark('-', line, &mut out));
        new.iter().for_each(|line| mark('+', line, &mut out));
        return out;
    }
    let common = common_lengths(&old, &new);
    let (mut i, mut j) = (0, 0);
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            i += 1;
            j += 1;
        } else if i < old.len() && (j == new.len() || common[i + 1][j] >= common[i][j + 1]) {
            mark('-', old[i], &mut out);
            i += 1;
        } else {
            mark('+', new[j], &mut out);
            j += 1;
        }
    }
    out
}

/// Computes the length of the longest common part of every pair of ends.
fn common_lengths(old: &[&str], new: &[&str]) -> Vec<Vec<u16>> {
    let mut lengths = vec![vec![0_u16; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            lengths[i][j] = if old[i] == new[j] {
                lengths[i + 1][j + 1] + 1
            } else {
                lengths[i + 1][j].max(lengths[i][j + 1])
            };
        }
    }
    lengths
}

fn mark(sign: char, line: &str, out: &mut String) {
    out.push(sign);
    out.push_str(line);
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::lines;

    #[test]
    fn only_what_differs_is_shown() {
        let before = "command = \"a\"\ncron = \"0 1 * * *\"\ntimeout = \"1h\"\n";
        let after = "command = \"a\"\ncron = \"0 2 * * *\"\ntimeout = \"1h\"\nretries = 3\n";
        assert_eq!(lines(before, after), "-cron = \"0 1 * * *\"\n+cron = \"0 2 * * *\"\n+retries = 3\n");
        assert_eq!(lines(before, before), "");
        assert_eq!(lines("", "a\n"), "+a\n");
    }
}

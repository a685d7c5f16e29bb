//! "Did you mean": the nearest of the words that would have been right.

/// The most comparisons of one load: with a hundred thousand names, a thousand typing errors must not add up.
const BUDGET: usize = 1_000_000;

/// Finds near words, within a budget.
#[derive(Debug)]
pub(crate) struct Suggester {
    left: usize,
}

impl Default for Suggester {
    fn default() -> Self {
        Suggester { left: BUDGET }
    }
}

impl Suggester {
    /// Returns the candidate nearest to a word, if one is near enough to be meant.
    pub(crate) fn nearest<'c>(
        &mut self,
        word: &str,
        candidates: impl IntoIterator<Item = &'c str>,
    ) -> Option<&'c str> {
        let limit = (word.chars().count() / 3).clamp(1, 3);
        let mut best: Option<(usize, &str)> = None;
        for candidate in candidates {
            if self.left == 0 || word.len() > 128 {
                break;
            }
            self.left -= 1;
            let distance = if candidate.eq_ignore_ascii_case(word) {
                0
            } else if word.len() >= 3 && candidate.starts_with(word) {
                limit
            } else if candidate.len().abs_diff(word.len()) > limit * 4 {
                continue;
            } else {
                strsim::osa_distance(word, candidate)
            };
            // Candidates come in any order, so the alphabet decides between equals.
            if distance <= limit && best.is_none_or(|least| (distance, candidate) < least) {
                best = Some((distance, candidate));
            }
        }
        best.map(|(_, candidate)| candidate)
    }

    /// Words the suggestion, if there is one.
    pub(crate) fn hint<'c>(
        &mut self,
        word: &str,
        candidates: impl IntoIterator<Item = &'c str>,
    ) -> Option<String> {
        self.nearest(word, candidates).map(|candidate| format!("did you mean {candidate:?}?"))
    }
}

#[cfg(test)]
mod tests {
    use super::Suggester;

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        let words = ["timeout", "timezone", "retries"];
        let mut suggester = Suggester::default();
        assert_eq!(suggester.nearest("tiemout", words), Some("timeout"));
        assert_eq!(suggester.nearest("TIMEZONE", words), Some("timezone"));
        assert_eq!(suggester.nearest("retrys", words), Some("retries"));
        assert_eq!(suggester.nearest("ret", words), Some("retries"));
        assert_eq!(suggester.nearest("colour", words), None);
        assert_eq!(suggester.nearest(&"x".repeat(10_000), words), None);
    }

    #[test]
    fn the_budget_ends() {
        let mut suggester = Suggester { left: 2 };
        assert_eq!(suggester.nearest("ab", ["xx", "yy", "aa"]), None);
    }
}

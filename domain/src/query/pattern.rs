//! Values with wildcards: `*` stands for any text, `?` for one character.

/// One step of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// This character.
    Char(char),
    /// Any one character.
    One,
    /// Any text, also none.
    Many,
}

/// A value with wildcards, the first step of which is a character.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    prefix: Box<str>,
    /// What follows the prefix; begins with a wildcard.
    rest: Box<[Step]>,
}

impl Pattern {
    pub(super) fn new(steps: &[Step]) -> Self {
        let letters = steps.iter().map_while(|step| match step {
            Step::Char(letter) => Some(*letter),
            Step::One | Step::Many => None,
        });
        let prefix: String = letters.collect();
        let rest = steps.iter().skip(prefix.chars().count()).copied();
        Self {
            prefix: prefix.into(),
            rest: rest.collect(),
        }
    }

    /// What every value of this form begins with.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// All steps.
    #[cfg(test)]
    pub(super) fn steps(&self) -> Vec<Step> {
        let prefix = self.prefix.chars().map(Step::Char);
        prefix.chain(self.rest.iter().copied()).collect()
    }

    /// Whether every value with the prefix is of this form.
    #[must_use]
    pub fn is_prefix(&self) -> bool {
        matches!(*self.rest, [Step::Many])
    }

    /// Whether a value is of this form. Takes at most the product of both lengths.
    #[must_use]
    pub fn matches(&self, value: &str) -> bool {
        let Some(mut value) = value.strip_prefix(&*self.prefix) else {
            return false;
        };
        let mut steps = &*self.rest;
        // Where to go on if what follows the last `*` does not fit: it takes one character more.
        let mut retry: Option<(&[Step], &str)> = None;
        loop {
            let letter = value.chars().next();
            match (steps.split_first(), letter) {
                (Some((Step::Many, after)), _) => {
                    retry = Some((after, value));
                    steps = after;
                    continue;
                }
                (Some((Step::One, after)), Some(letter)) => {
                    (steps, value) = (after, skip(value, letter));
                    continue;
                }
                (Some((Step::Char(wanted), after)), Some(letter)) if *wanted == letter => {
                    (steps, value) = (after, skip(value, letter));
                    continue;
                }
                (None, None) => return true,
                (Some((Step::One | Step::Char(_), _)), _) | (None, Some(_)) => {}
            }
            let Some((after, from)) = retry else {
                return false;
            };
            let Some(letter) = from.chars().next() else {
                return false;
            };
            let from = skip(from, letter);
            (steps, value) = (after, from);
            retry = Some((after, from));
        }
    }
}

fn skip(value: &str, letter: char) -> &str {
    value.get(letter.len_utf8()..).unwrap_or_default()
}

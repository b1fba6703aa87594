//! Filter patterns of container logs (CloudWatch Logs' language for lines that are plain text).
//!
//! | pattern | lines that it admits |
//! | --- | --- |
//! | empty | all |
//! | `A B` | those with A and with B |
//! | `?A ?B` | those with A or with B, if every term is optional; next to other terms these are not looked at |
//! | `-A` | those without A |
//! | `"A B"` | those with exactly this text, also behind `-` and `?` |
//!
//! Case matters. A term is found anywhere in a line.

use crate::error::Error;
use crate::limits;

/// A parsed pattern.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Filter {
    required: Vec<String>,
    optional: Vec<String>,
    forbidden: Vec<String>,
}

impl Filter {
    /// Reads a pattern; the refusal says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        if text.chars().count() > limits::FILTER_PATTERN_CHARS_MAX {
            let max = limits::FILTER_PATTERN_CHARS_MAX;
            return Err(refuse(&format!("must have at most {max} characters")));
        }
        if text.trim_start().starts_with(['{', '[']) || text.trim_start().starts_with('%') {
            return Err(refuse(
                "must be terms such as ERROR, -DEBUG, ?WARN or \"two words\"; patterns for JSON, fields and regular expressions are not known here",
            ));
        }
        let mut filter = Self::default();
        let mut rest = text.trim();
        while !rest.is_empty() {
            let (terms, after) = match rest.as_bytes().first() {
                Some(b'-') => (&mut filter.forbidden, &rest[1..]),
                Some(b'?') => (&mut filter.optional, &rest[1..]),
                _ => (&mut filter.required, rest),
            };
            let (term, after) = term(after)?;
            if term.is_empty() {
                return Err(refuse(
                    "must have a term behind each - and ?, and in quotes",
                ));
            }
            terms.push(term);
            if filter.terms() > limits::FILTER_TERMS_MAX {
                let max = limits::FILTER_TERMS_MAX;
                return Err(refuse(&format!("must have at most {max} terms")));
            }
            rest = after.trim_start();
        }
        Ok(filter)
    }

    fn terms(&self) -> usize {
        self.required.len() + self.optional.len() + self.forbidden.len()
    }

    /// Whether a line is admitted.
    pub(super) fn admits(&self, line: &str) -> bool {
        let has = |term: &String| line.contains(term.as_str());
        if self.forbidden.iter().any(has) || !self.required.iter().all(has) {
            return false;
        }
        let only_optional = self.required.is_empty() && self.forbidden.is_empty();
        !only_optional || self.optional.is_empty() || self.optional.iter().any(has)
    }
}

fn refuse(rule: &str) -> Error {
    Error::invalid("filterPattern", rule)
}

/// The first term of a text, and what follows it.
fn term(text: &str) -> Result<(String, &str), Error> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        let (term, rest) = text.split_at(end);
        if term.contains('"') {
            return Err(refuse("must have quotes around whole terms only"));
        }
        return Ok((term.to_owned(), rest));
    };
    let mut term = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => {
                let rest = &quoted[at + 1..];
                if !rest.is_empty() && !rest.starts_with(char::is_whitespace) {
                    return Err(refuse("must have blanks between its terms"));
                }
                return Ok((term, rest));
            }
            '\\' => term.extend(chars.next().map(|(_, char)| char)),
            char => term.push(char),
        }
    }
    Err(refuse("has a quote that does not end"))
}

#[cfg(test)]
mod tests {
    use super::Filter;

    #[test]
    fn a_pattern_admits_what_it_says() {
        let rows = [
            ("", "anything", true),
            ("  ", "anything", true),
            ("ERROR", "an ERROR here", true),
            ("ERROR", "an error here", false),
            ("-ERROR", "all is well", true),
            ("-ERROR", "an ERROR here", false),
            ("ERROR disk", "ERROR: the disk is full", true),
            ("ERROR disk", "ERROR: no network", false),
            ("?ERROR ?WARN", "WARN: slow", true),
            ("?ERROR ?WARN", "ERROR: slow", true),
            ("?ERROR ?WARN", "INFO: fast", false),
            ("?ERROR disk", "disk is fine", true),
            ("?ERROR disk", "ERROR: no network", false),
            ("ERROR -disk", "ERROR: no network", true),
            ("ERROR -disk", "ERROR: the disk", false),
            ("\"the disk\"", "ERROR: the disk", true),
            ("\"the disk\"", "the full disk", false),
            ("-\"the disk\" ERROR", "ERROR: the disk", false),
            ("?\"a b\" ?c", "xa bx", true),
            (r#""say \"hi\"""#, r#"I say "hi" to you"#, true),
            ("ünï", "die ünïon", true),
        ];
        for (pattern, line, expected) in rows {
            let filter = Filter::parse(pattern).unwrap();
            assert_eq!(filter.admits(line), expected, "{pattern} on {line}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        let long = "x".repeat(1_025);
        let many = "x ".repeat(65);
        let rows = [
            "-",
            "?",
            "a -",
            "\"a",
            "\"\"",
            "a\"b",
            "\"a\"b",
            "{ $.a = 1 }",
            "[a, b]",
            "%a%",
            &long,
            &many,
        ];
        for pattern in rows {
            assert!(Filter::parse(pattern).is_err(), "{pattern}");
        }
    }
}

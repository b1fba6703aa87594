//! Just enough YAML: nested mappings of strings and numbers in block style.

/// A mapping that is being written.
#[derive(Debug)]
pub(super) struct Mapping {
    text: String,
    indent: usize,
    is_empty: bool,
}

impl Mapping {
    /// The outermost mapping of a document.
    pub(super) fn document() -> Self {
        Self {
            text: "---\n".into(),
            indent: 0,
            is_empty: true,
        }
    }

    pub(super) fn finish(self) -> String {
        self.text
    }

    pub(super) fn text(&mut self, key: &str, value: &str) -> &mut Self {
        self.key(key);
        self.text.push(' ');
        scalar(value, &mut self.text);
        self.text.push('\n');
        self
    }

    pub(super) fn number(&mut self, key: &str, value: u16) -> &mut Self {
        self.key(key);
        self.text.push_str(&format!(" {value}\n"));
        self
    }

    pub(super) fn mapping(&mut self, key: &str, fill: impl FnOnce(&mut Self)) -> &mut Self {
        self.key(key);
        let before = self.text.len();
        self.text.push('\n');
        self.indent += 2;
        self.is_empty = true;
        fill(self);
        if self.is_empty {
            // A key without anything would be null.
            self.text.truncate(before);
            self.text.push_str(" {}\n");
        }
        self.indent -= 2;
        self.is_empty = false;
        self
    }

    fn key(&mut self, key: &str) {
        self.text.extend(std::iter::repeat_n(' ', self.indent));
        scalar(key, &mut self.text);
        self.text.push(':');
        self.is_empty = false;
    }
}

/// Writes a string plain where every YAML reader takes it for that string, else in double quotes.
fn scalar(value: &str, text: &mut String) {
    if is_plain(value) {
        text.push_str(value);
        return;
    }
    text.push('"');
    for letter in value.chars() {
        match letter {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            // Readers differ on what they print and on what breaks a line.
            _ if letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                text.push_str(&format!("\\u{:04x}", u32::from(letter)));
            }
            _ => text.push(letter),
        }
    }
    text.push('"');
}

fn is_plain(value: &str) -> bool {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte);
    let begins_well = value
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'/');
    begins_well && value.bytes().all(safe) && !means_something_else(value)
}

/// Whether a reader of YAML 1.1 or 1.2 takes the text for a number, a truth value, nothing, or a date.
fn means_something_else(value: &str) -> bool {
    const WORDS: [&str; 9] = ["true", "false", "yes", "no", "on", "off", "y", "n", "null"];
    if WORDS.iter().any(|word| value.eq_ignore_ascii_case(word)) {
        return true;
    }
    if !value.starts_with(|letter: char| letter.is_ascii_digit()) {
        return false;
    }
    // Versions such as 2.5.0 have two dots, and no number has. All else that begins with a digit and could be a
    // number (1_000, 0x1f, 1e5, .inf) or a date (2024-01-01) is quoted.
    let is_version = value.split('.').count() >= 3
        && value
            .split('.')
            .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
    !is_version
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars() {
        let rows = [
            ("core-a", "core-a"),
            ("/greengrass/v2", "/greengrass/v2"),
            ("2.5.0", "2.5.0"),
            ("a.b_c", "a.b_c"),
            ("", "\"\""),
            ("2.5", "\"2.5\""),
            ("123", "\"123\""),
            ("1_000", "\"1_000\""),
            ("0x1f", "\"0x1f\""),
            ("1e5", "\"1e5\""),
            ("2024-01-01", "\"2024-01-01\""),
            ("1..2", "\"1..2\""),
            ("Yes", "\"Yes\""),
            ("null", "\"null\""),
            ("-a", "\"-a\""),
            (".inf", "\".inf\""),
            ("a: b", "\"a: b\""),
            ("a:b", "\"a:b\""),
            ("a #b", "\"a #b\""),
            ("{a}", "\"{a}\""),
            ("*a", "\"*a\""),
            ("say \"x\\y\"", "\"say \\\"x\\\\y\\\"\""),
            ("a\nb\tc\rd\0", "\"a\\nb\\tc\\rd\\u0000\""),
            ("\u{85}\u{2028}ä", "\"\\u0085\\u2028ä\""),
        ];
        for (value, expected) in rows {
            let mut text = String::new();
            scalar(value, &mut text);
            assert_eq!(text, expected, "{value:?}");
        }
    }

    #[test]
    fn mappings() {
        let mut document = Mapping::document();
        document
            .mapping("a", |a| {
                a.mapping("empty", |_| {}).number("port", 7);
            })
            .text("key: x", "1");
        assert_eq!(
            document.finish(),
            "---\na:\n  empty: {}\n  port: 7\n\"key: x\": \"1\"\n"
        );
    }
}

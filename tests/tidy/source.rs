//! Source files as far as the rules need to understand them.

use std::path::Path;

use crate::root;

/// One file.
pub(crate) struct Source {
    /// Path from the root of the workspace.
    pub(crate) path: String,
    pub(crate) text: String,
    /// The text with comments, strings and characters blanked, line by line as long as before.
    pub(crate) code: String,
}

/// One function with a body.
pub(crate) struct Function {
    pub(crate) name: String,
    /// Where it begins.
    pub(crate) line: usize,
    pub(crate) lines: usize,
}

/// Words of some code with the line they stand on.
pub(crate) fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(code.lines()).flat_map(|(number, line)| {
        let words = line.split(|letter: char| !is_word(letter));
        words
            .filter(|word| !word.is_empty())
            .map(move |word| (number, word))
    })
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

impl Source {
    /// Reads every source file below a package's folder.
    pub(crate) fn read_folder(folder: &Path, all: &mut Vec<Self>) {
        let entries = std::fs::read_dir(folder).expect("a folder of the workspace");
        for entry in entries {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() {
                if !path.ends_with("target") {
                    Self::read_folder(&path, all);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("a readable file");
                let path = path.strip_prefix(root()).expect("a file of the workspace");
                all.push(Self {
                    path: path.to_string_lossy().into_owned(),
                    code: blank(&text),
                    text,
                });
            }
        }
    }

    /// Whether the file holds tests or what only tests use.
    pub(crate) fn is_test(&self) -> bool {
        let mut parts = self.path.split('/');
        parts.any(|part| matches!(part, "tests" | "tests.rs" | "testing" | "testing.rs"))
    }

    /// Whether the file is of this package.
    pub(crate) fn is_of(&self, package: &str) -> bool {
        self.path
            .strip_prefix(package)
            .is_some_and(|rest| rest.starts_with('/'))
    }

    /// Every function with a body, by counting braces.
    pub(crate) fn functions(&self) -> Vec<Function> {
        let lines: Vec<&str> = self.code.lines().collect();
        let mut functions = Vec::new();
        for (index, line) in lines.iter().enumerate() {
            if let Some(name) = function_name(line)
                && let Some(lines) = body_lines(lines.get(index..).unwrap_or_default())
            {
                let line = index + 1;
                functions.push(Function { name, line, lines });
            }
        }
        functions
    }

    /// Places where a name that is declared as a hash map or hash set is iterated.
    pub(crate) fn iterated_hash_maps(&self) -> Vec<String> {
        let names: Vec<&str> = self.code.lines().filter_map(declared_hash_map).collect();
        let mut found = Vec::new();
        for (number, line) in (1..).zip(self.code.lines()) {
            for name in &names {
                if iterates(line, name) {
                    found.push(format!("{}:{number}: {}", self.path, line.trim()));
                }
            }
        }
        found
    }
}

/// The name in `name: HashMap<…>`, `let mut name = HashMap::new()` and the like.
fn declared_hash_map(line: &str) -> Option<&str> {
    let kinds = ["HashMap", "HashSet", "HashTable"];
    if line.trim_start().starts_with("use ") || !kinds.iter().any(|kind| line.contains(kind)) {
        return None;
    }
    let before = line.find([':', '=']).and_then(|end| line.get(..end))?;
    before
        .split(|letter| !is_word(letter))
        .rfind(|word| !word.is_empty())
}

fn iterates(line: &str, name: &str) -> bool {
    let calls = [
        "iter",
        "iter_mut",
        "into_iter",
        "keys",
        "values",
        "values_mut",
        "drain",
        "retain",
    ];
    let mut rest = line;
    while let Some(start) = rest.find(name) {
        let before = rest.get(..start).unwrap_or_default();
        let after = rest.get(start + name.len()..).unwrap_or_default();
        let whole = !before.ends_with(is_word) && !after.starts_with(is_word);
        let called = after.strip_prefix('.').is_some_and(|call| {
            let mut calls = calls.iter();
            calls.any(|name| {
                call.strip_prefix(name)
                    .is_some_and(|rest| rest.starts_with('('))
            })
        });
        let trimmed = before
            .trim_end_matches("self.")
            .trim_end_matches(['&', ' ']);
        let looped = trimmed
            .trim_end_matches("mut")
            .trim_end_matches(['&', ' '])
            .ends_with(" in");
        if whole && (called || looped) {
            return true;
        }
        rest = after;
    }
    false
}

fn function_name(line: &str) -> Option<String> {
    let (before, after) = line.split_once("fn ")?;
    let name: String = after
        .chars()
        .take_while(|letter| is_word(*letter))
        .collect();
    let declares = before.is_empty() || before.ends_with(' ');
    (declares && !name.is_empty()).then_some(name)
}

/// Lines from the beginning of a function to the end of its body; `None` for one without a body.
fn body_lines(lines: &[&str]) -> Option<usize> {
    let (mut braces, mut brackets) = (0_i32, 0_i32);
    for (index, line) in lines.iter().enumerate() {
        for letter in line.chars() {
            match letter {
                '(' | '[' => brackets += 1,
                ')' | ']' => brackets -= 1,
                ';' if braces == 0 && brackets == 0 => return None,
                '{' => braces += 1,
                '}' => {
                    braces -= 1;
                    if braces == 0 {
                        return Some(index + 1);
                    }
                }
                _ => {}
            }
        }
    }
    None
}

/// Blanks comments, strings and characters, and keeps the lines.
fn blank(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    let mut before = ' ';
    while let Some(letter) = rest.chars().next() {
        let skipped = if is_word(before) { None } else { skipped(rest) };
        let skipped = skipped.or_else(|| after_a_word(rest, letter));
        if let Some(length) = skipped {
            let (gone, left) = rest.split_at(length);
            code.extend(gone.chars().map(|one| if one == '\n' { '\n' } else { ' ' }));
            (rest, before) = (left, ' ');
        } else {
            code.push(letter);
            rest = rest.get(letter.len_utf8()..).unwrap_or_default();
            before = letter;
        }
    }
    code
}

/// Comments and strings may follow a word directly; prefixes of strings and characters may not.
fn after_a_word(rest: &str, letter: char) -> Option<usize> {
    match letter {
        '/' | '"' => skipped(rest),
        _ => None,
    }
}

/// Length of the comment, string or character that `rest` begins with.
fn skipped(rest: &str) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(rest.find("*/").map_or(rest.len(), |end| end + 2));
    }
    let prefix = rest.find(|letter| !['b', 'c', 'r'].contains(&letter))?;
    let (prefix, quoted) = rest.split_at(prefix);
    if prefix.len() > 2 {
        return None;
    }
    let hashes = quoted.find(|letter| letter != '#')?;
    if prefix.contains('r') && quoted.get(hashes..)?.starts_with('"') {
        let end = format!("\"{}", "#".repeat(hashes));
        let begin = hashes + 1;
        let length = quoted.get(begin..)?.find(&end)? + begin + end.len();
        return Some(prefix.len() + length);
    }
    if quoted.starts_with('"') {
        return Some(prefix.len() + quoted_length(quoted, '"')?);
    }
    // A character, and not a lifetime: it ends after one letter or one escape.
    let mut letters = quoted.strip_prefix('\'')?.chars();
    let first = letters.next()?;
    if first == '\\' {
        return Some(prefix.len() + quoted_length(quoted, '\'')?);
    }
    (letters.next() == Some('\'')).then(|| prefix.len() + 2 + first.len_utf8())
}

/// Length of a text up to its closing quote.
fn quoted_length(quoted: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (index, letter) in quoted.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            letter if letter == quote => return Some(index + 1),
            _ => {}
        }
    }
    None
}

#[test]
fn comments_and_texts_are_blanked() {
    let rows = [
        ("let a = \"{ sled\"; // sled", "let a =         ;        "),
        ("r#\"a \" b\"# x", "           x"),
        ("'{' '\\'' 'a b' b'x'", "         'a b'     "),
        ("&'a str", "&'a str"),
        ("/* { */ y", "        y"),
        ("for r in b {", "for r in b {"),
    ];
    for (text, code) in rows {
        assert_eq!(blank(text), code);
    }
}

#[test]
fn functions_are_measured() {
    let text = "fn one() {}\nfn no();\npub fn two(\n    a: [u8; 4],\n) {\n    if a {\n    }\n}\n";
    let source = Source {
        path: String::new(),
        code: blank(text),
        text: text.to_owned(),
    };
    let functions = source.functions();
    let measured: Vec<(&str, usize)> = functions
        .iter()
        .map(|function| (function.name.as_str(), function.lines))
        .collect();
    assert_eq!(measured, [("one", 1), ("two", 6)]);
}

#[test]
fn an_iterated_hash_map_is_found() {
    let field = "    heads: HashMap<StreamId, Position, S>,";
    assert_eq!(declared_hash_map(field), Some("heads"));
    assert_eq!(
        declared_hash_map("    let mut names = HashSet::new();"),
        Some("names")
    );
    assert_eq!(declared_hash_map("use hashbrown::HashMap;"), None);
    let found = [
        "self.heads.iter()",
        "for one in &self.heads {",
        "for one in heads {",
        "heads.drain()",
    ];
    for line in found {
        assert!(iterates(line, "heads"), "{line}");
    }
    for line in [
        "heads.get(&key)",
        "overheads.iter()",
        "heads.iterate()",
        "if heads {",
    ] {
        assert!(!iterates(line, "heads"), "{line}");
    }
}

//! The notation of members and types in the table of operations.

use std::sync::OnceLock;

use regex_lite::Regex;

/// Where a member stands in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the path.
    Path,
    /// In the query.
    Query,
    /// In a header.
    Header,
    /// In the body.
    Body,
}

/// A member of a request or of a structure.
#[derive(Debug)]
pub(crate) struct Member {
    /// Its name, as messages say it.
    pub(crate) name: &'static str,
    /// Its name on the wire.
    pub(crate) wire_name: &'static str,
    /// Whether it must be there.
    pub(crate) is_required: bool,
    /// Where it stands.
    pub(crate) place: Place,
    /// What it must be.
    pub(crate) kind: Type,
}

/// What a value must be. A bound that is not written is `None`.
#[derive(Debug)]
pub(crate) enum Type {
    /// Text of so many characters.
    Text {
        /// How many characters.
        length: Bounds<usize>,
        /// What all of it must match.
        pattern: Option<Pattern>,
    },
    /// A whole number.
    Whole(Bounds<i64>),
    /// A decimal number.
    Decimal(Bounds<f64>),
    /// One of these words.
    Word(Vec<&'static str>),
    /// A list of so many items.
    List(Box<Self>, Bounds<usize>),
    /// An object of so many members, all alike.
    Map(Box<Self>, Box<Self>, Bounds<usize>),
    /// An object of these members.
    Structure(Vec<Member>),
    /// The type of this name.
    Named(&'static str),
    /// Nothing is said about it.
    Any,
}

/// A pattern, compiled when it is first needed.
#[derive(Debug)]
pub(crate) struct Pattern {
    /// As AWS writes it.
    pub(crate) text: &'static str,
    regex: OnceLock<Regex>,
}

impl Pattern {
    /// Whether a text matches from its beginning to its end.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let regex = self
            .regex
            .get_or_init(|| regex(self.text).expect("a test compiles every pattern of the table"));
        regex.is_match(text)
    }
}

/// The least and the most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bounds<T> {
    pub(crate) min: Option<T>,
    pub(crate) max: Option<T>,
}

/// Reads a type; `None` if it is none.
pub(super) fn read_type(text: &'static str) -> Option<Type> {
    let mut rest = Rest(text.trim());
    let kind = rest.kind()?;
    rest.0.is_empty().then_some(kind)
}

/// Reads members that semicolons separate.
pub(super) fn read_members(text: &'static str) -> Option<Vec<Member>> {
    let mut rest = Rest(text.trim());
    if rest.0.is_empty() {
        return Some(Vec::new());
    }
    let members = rest.members()?;
    rest.0.is_empty().then_some(members)
}

/// What is left to read.
struct Rest(&'static str);

impl Rest {
    fn skip(&mut self, token: &str) -> bool {
        match self.0.strip_prefix(token) {
            Some(rest) => {
                self.0 = rest.trim_start();
                true
            }
            None => false,
        }
    }

    fn until(&mut self, ends: &[char]) -> &'static str {
        let end = self.0.find(ends).unwrap_or(self.0.len());
        let (taken, rest) = self.0.split_at(end);
        self.0 = rest;
        taken.trim()
    }

    fn members(&mut self) -> Option<Vec<Member>> {
        let mut members = Vec::new();
        loop {
            members.push(self.member()?);
            if !self.skip(";") {
                return Some(members);
            }
        }
    }

    fn member(&mut self) -> Option<Member> {
        let head = self.until(&[';', '{', '<', '[', ' ']);
        // A wire name stands behind a colon of its own.
        let head = head.strip_suffix(':')?;
        self.0 = self.0.trim_start();
        let (name, place) = head.split_once('@').unwrap_or((head, ""));
        let (place, wire_name) = place.split_once(':').unwrap_or((place, ""));
        let is_required = name.ends_with('*');
        let name = name.trim_end_matches('*');
        Some(Member {
            name,
            wire_name: if wire_name.is_empty() {
                name
            } else {
                wire_name
            },
            is_required,
            place: match place {
                "" => Place::Body,
                "path" => Place::Path,
                "q" => Place::Query,
                "hdr" => Place::Header,
                _ => return None,
            },
            kind: self.kind()?,
        })
    }

    fn kind(&mut self) -> Option<Type> {
        if self.skip("{") {
            let members = self.members()?;
            return self.skip("}").then_some(Type::Structure(members));
        }
        if self.skip("[") {
            let item = self.kind()?;
            let bounds = self.skip("]").then(|| self.bounds("(", ")"))??;
            return Some(Type::List(Box::new(item), bounds));
        }
        if self.skip("map<") {
            let key = self.kind()?;
            let value = self.skip("->").then(|| self.kind())??;
            let bounds = self.skip(">").then(|| self.bounds("(", ")"))??;
            return Some(Type::Map(Box::new(key), Box::new(value), bounds));
        }
        if self.skip("<") {
            let words = self.until(&['>']).split('|').collect();
            return self.skip(">").then_some(Type::Word(words));
        }
        match self.until(&['[', '/', ';', ']', '}', '>', '-', '(']) {
            "str" => {
                let length = self.bounds("[", "]")?;
                let pattern = self.pattern()?;
                Some(Type::Text { length, pattern })
            }
            "int" | "long" => Some(Type::Whole(self.bounds("[", "]")?)),
            "dbl" => Some(Type::Decimal(self.bounds("[", "]")?)),
            "bool" | "ts" | "blob" => Some(Type::Any),
            name if name.starts_with(|c: char| c.is_ascii_uppercase()) => Some(Type::Named(name)),
            _ => None,
        }
    }

    /// `[1..128]`, or nothing.
    fn bounds<T: std::str::FromStr>(
        &mut self,
        open: &str,
        close: &'static str,
    ) -> Option<Bounds<T>> {
        if !self.skip(open) {
            let (min, max) = (None, None);
            return Some(Bounds { min, max });
        }
        let (min, max) = self.until(&[close.chars().next()?]).split_once("..")?;
        let number = |text: &str| match text.is_empty() {
            true => Some(None),
            false => text.parse().ok().map(Some),
        };
        let bounds = Bounds {
            min: number(min)?,
            max: number(max)?,
        };
        self.skip(close).then_some(bounds)
    }

    /// `/pattern/`, or nothing. The pattern ends at the first slash that nothing of it can follow.
    #[expect(
        clippy::option_option,
        reason = "a pattern that cannot be read is no pattern that is not there"
    )]
    fn pattern(&mut self) -> Option<Option<Pattern>> {
        let Some(rest) = self.0.strip_prefix('/') else {
            return Some(None);
        };
        let is_end = |at: &usize| {
            let after = rest[at + 1..].trim_start();
            after.is_empty() || after.starts_with([';', ']', '}', '>', '-'])
        };
        let end = rest.match_indices('/').map(|(at, _)| at).find(is_end)?;
        let (pattern, rest) = rest.split_at(end);
        self.0 = rest[1..].trim_start();
        Some(Some(Pattern {
            text: pattern,
            regex: OnceLock::new(),
        }))
    }
}

/// AWS' patterns hold for the whole text and know Unicode's categories; what stands for these here is as wide.
fn regex(pattern: &str) -> Option<Regex> {
    let widened = pattern
        .replace("\\p{C}", r"\x00-\x1f\x7f-\x{9f}")
        .replace("\\p{Graph}", "!-~")
        .replace("\\p{Upper}", "A-Z")
        .replace("\\p{Digit}", "0-9")
        .replace("\\p{L}\\p{Z}\\p{N}", r"a-zA-Z0-9 \x{a0}-\x{10ffff}");
    Regex::new(&format!("^(?:{widened})$")).ok()
}

//! From text to a filter: a lexer by character and a descent whose depth is bounded.

use super::pattern::{Pattern, Step};
use super::{Bound, Field, Filter, Index, Invalid, Number, Range, Term, Test};
use crate::{limits, presence, shadow};

pub(super) fn parse(index: Index, text: &str) -> Result<Filter, Invalid> {
    if text.len() > limits::QUERY_BYTES_MAX {
        let message = format!("must have at most {} bytes", limits::QUERY_BYTES_MAX);
        return Err(Invalid { column: 1, message });
    }
    let mut parser = Parser {
        index,
        text: text.chars().collect(),
        at: 0,
        terms: 0,
    };
    let filter = parser.alternatives(0)?;
    match parser.peek_word() {
        None => Ok(filter),
        Some(_) => Err(parser.refuse("expected the end; there is a `)` too many")),
    }
}

struct Parser {
    index: Index,
    text: Vec<char>,
    at: usize,
    terms: usize,
}

/// How a field and its value are joined.
#[derive(Clone, Copy)]
enum Operator {
    Is,
    Above { inclusive: bool },
    Below { inclusive: bool },
}

impl Parser {
    fn refuse(&self, message: impl Into<String>) -> Invalid {
        self.refuse_at(self.at, message)
    }

    fn refuse_at(&self, at: usize, message: impl Into<String>) -> Invalid {
        Invalid {
            column: at + 1,
            message: message.into(),
        }
    }

    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    fn take_if(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
    }

    /// The first character of what comes next.
    fn peek_word(&mut self) -> Option<char> {
        self.skip_space();
        self.peek()
    }

    /// Takes a word in capitals that stands alone.
    fn take_keyword(&mut self, keyword: &str) -> bool {
        self.skip_space();
        let mut end = self.at;
        for letter in keyword.chars() {
            if self.text.get(end) != Some(&letter) {
                return false;
            }
            end += 1;
        }
        let alone = |next: &char| next.is_whitespace() || matches!(next, '(' | ')');
        if !self.text.get(end).is_none_or(alone) {
            return false;
        }
        self.at = end;
        true
    }

    fn alternatives(&mut self, depth: usize) -> Result<Filter, Invalid> {
        if depth > limits::QUERY_DEPTH_MAX {
            let rule = format!("nests more than {} deep", limits::QUERY_DEPTH_MAX);
            return Err(self.refuse(rule));
        }
        let mut filters = vec![self.conjunction(depth)?];
        while self.take_keyword("OR") {
            filters.push(self.conjunction(depth)?);
        }
        Ok(one_or(filters, Filter::Any))
    }

    fn conjunction(&mut self, depth: usize) -> Result<Filter, Invalid> {
        let mut filters = vec![self.condition(depth)?];
        loop {
            let before = self.at;
            if self.take_keyword("OR") {
                self.at = before;
                break;
            }
            if !self.take_keyword("AND") && matches!(self.peek_word(), None | Some(')')) {
                break;
            }
            filters.push(self.condition(depth)?);
        }
        Ok(one_or(filters, Filter::All))
    }

    fn condition(&mut self, depth: usize) -> Result<Filter, Invalid> {
        let mut negated = false;
        while self.take_keyword("NOT") {
            negated = !negated;
        }
        for keyword in ["AND", "OR"] {
            let before = self.at;
            if self.take_keyword(keyword) {
                let rule =
                    format!("expected a term before `{keyword}`; quote the word to look for it");
                return Err(self.refuse_at(before, rule));
            }
        }
        let filter = match self.peek_word() {
            Some('(') => {
                let open = self.at;
                self.at += 1;
                let filter = self.alternatives(depth + 1)?;
                self.skip_space();
                if !self.take_if(')') {
                    return Err(self.refuse_at(open, "this `(` is never closed"));
                }
                filter
            }
            None | Some(')') => {
                return Err(self.refuse("expected a term, such as thingName:pump*"));
            }
            Some(_) => self.term()?,
        };
        Ok(if negated {
            Filter::Not(Box::new(filter))
        } else {
            filter
        })
    }

    fn term(&mut self) -> Result<Filter, Invalid> {
        self.terms += 1;
        if self.terms > limits::QUERY_TERMS_MAX {
            let rule = format!("has more than {} terms", limits::QUERY_TERMS_MAX);
            return Err(self.refuse(rule));
        }
        let (field, operator) = match self.field()? {
            Some(found) => found,
            None => (Field::Anything, Operator::Is),
        };
        let test = match operator {
            Operator::Is => self.test()?,
            Operator::Above { inclusive } => Test::Within(Range {
                low: Some(self.bound(inclusive)?),
                high: None,
            }),
            Operator::Below { inclusive } => Test::Within(Range {
                low: None,
                high: Some(self.bound(inclusive)?),
            }),
        };
        Ok(Filter::Term(Term { field, test }))
    }

    /// The field and operator in front of a value, if there are any.
    fn field(&mut self) -> Result<Option<(Field, Operator)>, Invalid> {
        let start = self.at;
        let mut name = String::new();
        let mut end = self.at;
        loop {
            match self.text.get(end) {
                Some(':' | '<' | '>') => break,
                Some('\\') => {
                    end += 1;
                    name.extend(self.text.get(end));
                }
                Some(other) if is_bare(*other) && *other != '*' && *other != '?' => {
                    name.push(*other);
                }
                _ => return Ok(None),
            }
            end += 1;
        }
        self.at = end;
        let mut operator = Operator::Is;
        let has_colon = self.take_if(':');
        if self.take_if('>') {
            let inclusive = self.take_if('=');
            operator = Operator::Above { inclusive };
        } else if self.take_if('<') {
            let inclusive = self.take_if('=');
            operator = Operator::Below { inclusive };
        } else if !has_colon {
            return Ok(None);
        }
        let field = field(self.index, &name).ok_or_else(|| {
            let known = match self.index {
                Index::Things => {
                    "thingName, thingId, thingTypeName, thingGroupNames, attributes.KEY, shadow.PATH and \
                     connectivity.FIELD"
                }
                Index::ThingGroups => {
                    "thingGroupName, thingGroupId, thingGroupDescription, parentGroupNames and attributes.KEY"
                }
            };
            let name: String = name.chars().take(64).collect();
            self.refuse_at(start, format!("unknown field {name:?}; fields are {known}"))
        })?;
        Ok(Some((field, operator)))
    }

    fn test(&mut self) -> Result<Test, Invalid> {
        match self.peek() {
            Some('[' | '{') => Ok(Test::Within(self.range()?)),
            Some('"') => Ok(Test::Equals(self.phrase()?.into())),
            _ => self.value(),
        }
    }

    /// `[a TO b]`, `{a TO b}`, or one bracket of each kind. `*` leaves an end open.
    fn range(&mut self) -> Result<Range, Invalid> {
        let open = self.at;
        let low_inclusive = self.peek() == Some('[');
        self.at += 1;
        self.skip_space();
        let low = self.range_end(low_inclusive)?;
        if !self.take_keyword("TO") {
            return Err(self.refuse("expected `TO` and the upper end, as in [1 TO 5]"));
        }
        self.skip_space();
        let end = self.at;
        let high = self.range_end(true)?;
        self.skip_space();
        let inclusive = match self.peek() {
            Some(']') => true,
            Some('}') => false,
            _ => return Err(self.refuse_at(open, "this range is never closed with `]` or `}`")),
        };
        self.at += 1;
        if low.is_none() && high.is_none() {
            return Err(
                self.refuse_at(end, "one end of a range must be given; use field:* instead")
            );
        }
        let high = high.map(|bound| Bound { inclusive, ..bound });
        Ok(Range { low, high })
    }

    fn range_end(&mut self, inclusive: bool) -> Result<Option<Bound>, Invalid> {
        let next = self.text.get(self.at + 1);
        let ends = |next: &char| next.is_whitespace() || matches!(next, ']' | '}');
        if self.peek() == Some('*') && next.is_none_or(ends) {
            self.at += 1;
            return Ok(None);
        }
        self.bound(inclusive).map(Some)
    }

    fn bound(&mut self, inclusive: bool) -> Result<Bound, Invalid> {
        let start = self.at;
        let (text, number) = if self.peek() == Some('"') {
            (self.phrase()?, None)
        } else {
            let Test::Equals(text) = self.value()? else {
                return Err(self.refuse_at(start, "a bound holds no wildcards; quote it"));
            };
            let number = Number::parse(&text);
            (text.into(), number)
        };
        Ok(Bound {
            text: text.into(),
            number,
            inclusive,
        })
    }

    /// A quoted text.
    fn phrase(&mut self) -> Result<String, Invalid> {
        let open = self.at;
        self.at += 1;
        let mut text = String::new();
        while let Some(letter) = self.peek() {
            self.at += 1;
            match letter {
                '"' => return Ok(text),
                '\\' => {
                    text.extend(self.peek());
                    self.at += 1;
                }
                other => text.push(other),
            }
        }
        Err(self.refuse_at(open, "this quote is never closed"))
    }

    /// A bare value.
    fn value(&mut self) -> Result<Test, Invalid> {
        let start = self.at;
        let mut steps = Vec::new();
        while let Some(letter) = self.peek().filter(|letter| is_bare(*letter)) {
            self.at += 1;
            steps.push(match letter {
                '*' => Step::Many,
                '?' => Step::One,
                '\\' => {
                    let Some(escaped) = self.peek() else {
                        return Err(self.refuse("expected a character after `\\`"));
                    };
                    self.at += 1;
                    Step::Char(escaped)
                }
                other => Step::Char(other),
            });
        }
        match *steps {
            [] => {
                Err(self
                    .refuse("expected a value; quote an empty one or one with special characters"))
            }
            [Step::Many] => Ok(Test::Present),
            [Step::Many | Step::One, ..] => {
                Err(self.refuse_at(start, "a value may not begin with a wildcard"))
            }
            _ => Ok(pattern_or_text(&steps)),
        }
    }
}

fn pattern_or_text(steps: &[Step]) -> Test {
    let letters = steps.iter().map(|step| match step {
        Step::Char(letter) => Some(*letter),
        Step::One | Step::Many => None,
    });
    match letters.collect::<Option<String>>() {
        Some(text) => Test::Equals(text.into()),
        None => Test::Like(Pattern::new(steps)),
    }
}

/// Whether a value may hold a character without quotes.
fn is_bare(letter: char) -> bool {
    !letter.is_whitespace() && !matches!(letter, '(' | ')' | '[' | ']' | '{' | '}' | '"')
}

fn one_or(mut filters: Vec<Filter>, many: fn(Vec<Filter>) -> Filter) -> Filter {
    match filters.pop() {
        Some(only) if filters.is_empty() => only,
        last => {
            filters.extend(last);
            many(filters)
        }
    }
}

fn field(index: Index, name: &str) -> Option<Field> {
    if let Some(key) = name.strip_prefix("attributes.") {
        return (!key.is_empty()).then(|| Field::Attribute(key.into()));
    }
    match index {
        Index::Things => match name {
            "thingName" => Some(Field::ThingName),
            "thingId" => Some(Field::ThingId),
            "thingTypeName" => Some(Field::ThingTypeName),
            "thingGroupNames" => Some(Field::ThingGroupNames),
            _ => {
                if let Some(field) = name.strip_prefix("shadow.").and_then(shadow::Field::parse) {
                    return Some(Field::Shadow(field));
                }
                let presence = name.strip_prefix("connectivity.");
                if let Some(field) = presence.and_then(presence::Field::parse) {
                    return Some(Field::Presence(field));
                }
                let mut unindexed = ["shadow.", "connectivity.", "deviceDefender."].iter();
                let rest = unindexed.find_map(|prefix| name.strip_prefix(*prefix))?;
                (!rest.is_empty()).then_some(Field::Unindexed)
            }
        },
        Index::ThingGroups => match name {
            "thingGroupName" => Some(Field::GroupName),
            "thingGroupId" => Some(Field::GroupId),
            "thingGroupDescription" => Some(Field::GroupDescription),
            "parentGroupNames" => Some(Field::ParentGroupNames),
            _ => None,
        },
    }
}

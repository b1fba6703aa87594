//! Any text is read or refused; what is read can be written, and reads the same.

use proptest::prelude::*;

use crate::limits;
use crate::presence;
use crate::query::pattern::Step;
use crate::query::{Bound, Field, Filter, Index, Number, Pattern, Query, Range, Term, Test};
use crate::shadow::{self, Asked, Side};

/// Writes a filter as a query, with parentheses only where they matter.
fn write(filter: &Filter) -> String {
    let part = |filter: &Filter, bare: bool| match bare {
        true => write(filter),
        false => format!("({})", write(filter)),
    };
    match filter {
        Filter::Term(term) => write_term(term),
        Filter::Not(inner) => {
            let is_term = matches!(**inner, Filter::Term(_));
            format!("NOT {}", part(inner, is_term))
        }
        Filter::All(inner) => {
            let bare = |one: &Filter| matches!(one, Filter::Term(_) | Filter::Not(_));
            let parts: Vec<String> = inner.iter().map(|one| part(one, bare(one))).collect();
            parts.join(" AND ")
        }
        Filter::Any(inner) => {
            let bare = |one: &Filter| !matches!(one, Filter::Any(_));
            let parts: Vec<String> = inner.iter().map(|one| part(one, bare(one))).collect();
            parts.join(" OR ")
        }
    }
}

fn write_term(term: &Term) -> String {
    let field = match &term.field {
        Field::Anything => String::new(),
        Field::ThingName => "thingName:".to_owned(),
        Field::ThingId => "thingId:".to_owned(),
        Field::ThingTypeName => "thingTypeName:".to_owned(),
        Field::ThingGroupNames => "thingGroupNames:".to_owned(),
        Field::GroupName => "thingGroupName:".to_owned(),
        Field::GroupId => "thingGroupId:".to_owned(),
        Field::GroupDescription => "thingGroupDescription:".to_owned(),
        Field::ParentGroupNames => "parentGroupNames:".to_owned(),
        Field::Attribute(key) => format!("attributes.{}:", escaped(key.chars())),
        Field::Shadow(field) => format!("{}:", write_shadow(field)),
        Field::Presence(field) => write_presence(*field).to_owned(),
        Field::Unindexed => "shadow.x:".to_owned(),
    };
    format!("{field}{}", write_test(&term.test))
}

const fn write_presence(field: presence::Field) -> &'static str {
    match field {
        presence::Field::Connected => "connectivity.connected:",
        presence::Field::Timestamp => "connectivity.timestamp:",
        presence::Field::DisconnectReason => "connectivity.disconnectReason:",
    }
}

fn write_shadow(field: &shadow::Field) -> String {
    let name = field.shadow.as_ref();
    let name = name.map_or(String::new(), |name| {
        format!("name.{}.", escaped(name.chars()))
    });
    let (side, path) = match &field.asked {
        Asked::HasDelta => return format!("shadow.{name}hasDelta"),
        Asked::Value { side, path } => (side, path),
    };
    let side = match side {
        Side::Desired => "desired",
        Side::Reported => "reported",
        Side::Delta => "delta",
    };
    let path = path
        .iter()
        .map(|step| format!(".{}", escaped(step.chars())));
    format!("shadow.{name}{side}{}", path.collect::<String>())
}

fn write_test(test: &Test) -> String {
    match test {
        Test::Present => "*".to_owned(),
        Test::Equals(text) => quoted(text),
        Test::Like(pattern) => {
            let steps = pattern.steps().into_iter().map(|step| match step {
                Step::Char(letter) => escaped([letter]),
                Step::One => "?".to_owned(),
                Step::Many => "*".to_owned(),
            });
            steps.collect()
        }
        Test::Within(range) => {
            let end = |bound: &Option<Bound>| bound.as_ref().map_or("*".to_owned(), write_bound);
            let is_inside = |bound: &Option<Bound>| bound.as_ref().is_none_or(|one| one.inclusive);
            let open = if is_inside(&range.low) { '[' } else { '{' };
            let close = if is_inside(&range.high) { ']' } else { '}' };
            format!("{open}{} TO {}{close}", end(&range.low), end(&range.high))
        }
    }
}

/// A quoted bound is a text, also one that looks like a number.
fn write_bound(bound: &Bound) -> String {
    match bound.number {
        Some(_) => escaped(bound.text.chars()),
        None => quoted(&bound.text),
    }
}

fn escaped(letters: impl IntoIterator<Item = char>) -> String {
    let mut text = String::new();
    for letter in letters {
        if !letter.is_ascii_alphanumeric() {
            text.push('\\');
        }
        text.push(letter);
    }
    text
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn fields() -> impl Strategy<Value = Field> {
    prop_oneof![
        Just(Field::Anything),
        Just(Field::ThingName),
        Just(Field::ThingGroupNames),
        "\\PC{1,6}".prop_map(|key| Field::Attribute(key.into())),
        Just(Field::Unindexed),
        Just(Field::Shadow(
            shadow::Field::parse("reported.x").expect("a side and a path")
        )),
        Just(Field::Presence(presence::Field::DisconnectReason)),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => any::<char>().prop_map(Step::Char),
        1 => Just(Step::One),
        1 => Just(Step::Many),
    ];
    (any::<char>(), prop::collection::vec(step, 1..6)).prop_map(|(first, mut steps)| {
        steps.insert(0, Step::Char(first));
        steps
    })
}

fn bounds() -> impl Strategy<Value = Bound> {
    let text = prop_oneof!["\\PC{0,6}", "-?[0-9]{1,3}(\\.[0-9]{1,2})?"];
    (text, any::<bool>(), any::<bool>()).prop_map(|(text, inclusive, is_quoted)| Bound {
        number: (!is_quoted).then(|| Number::parse(&text)).flatten(),
        text: text.into(),
        inclusive,
    })
}

fn tests() -> impl Strategy<Value = Test> {
    let ends = prop_oneof![
        (bounds(), prop::option::of(bounds())).prop_map(|(low, high)| (Some(low), high)),
        bounds().prop_map(|high| (None, Some(high))),
    ];
    prop_oneof![
        Just(Test::Present),
        "\\PC{0,8}".prop_map(|text| Test::Equals(text.into())),
        steps().prop_map(
            |steps| match steps.iter().all(|one| matches!(one, Step::Char(_))) {
                true => Test::Present,
                false => Test::Like(Pattern::new(&steps)),
            }
        ),
        ends.prop_map(|(low, high)| Test::Within(Range { low, high })),
    ]
}

fn filters() -> impl Strategy<Value = Filter> {
    let term = (fields(), tests()).prop_map(|(field, test)| Filter::Term(Term { field, test }));
    // As deep as a query may be, and no deeper.
    term.prop_recursive(3, 6, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|one| Filter::Not(Box::new(one))),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Filter::All),
            prop::collection::vec(inner, 2..4).prop_map(Filter::Any),
        ]
    })
    .prop_filter("few terms", |filter| {
        terms(filter) <= limits::QUERY_TERMS_MAX
    })
}

/// One small change of a text.
fn mutated(text: &str, at: usize, letter: char, how: u8) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    let at = at % (letters.len() + 1);
    let end = (at + 1 + usize::from(how / 4 % 8)).min(letters.len());
    match how % 4 {
        0 => letters.insert(at, letter),
        1 => drop(letters.drain(at..end)),
        2 => {
            let again: Vec<char> = letters.drain(at..end).collect();
            let twice = [again.clone(), again].concat();
            letters.splice(at..at, twice);
        }
        _ => letters.truncate(at),
    }
    letters.into_iter().collect()
}

/// Characters that mean something, more often than others.
fn letters() -> impl Strategy<Value = char> {
    prop_oneof![
        4 => prop::sample::select("()[]{}:<>=*?\\\"-. NOTANDR".chars().collect::<Vec<_>>()),
        1 => any::<char>(),
    ]
}

fn depth(filter: &Filter) -> usize {
    match filter {
        Filter::Term(_) => 0,
        Filter::Not(inner) => 1 + depth(inner),
        Filter::All(inner) | Filter::Any(inner) => {
            1 + inner.iter().map(depth).max().unwrap_or_default()
        }
    }
}

fn terms(filter: &Filter) -> usize {
    match filter {
        Filter::Term(_) => 1,
        Filter::Not(inner) => terms(inner),
        Filter::All(inner) | Filter::Any(inner) => inner.iter().map(terms).sum(),
    }
}

/// Reads a text in both indexes. What is read keeps the bounds and reads the same when it is written.
fn check(text: &str) -> Result<(), TestCaseError> {
    for index in Index::ALL {
        let query = match Query::parse(index, text) {
            Ok(query) => query,
            Err(invalid) => {
                prop_assert!((1..=text.chars().count() + 1).contains(&invalid.column));
                continue;
            }
        };
        prop_assert_eq!(query.as_str(), text);
        // Each pair of parentheses holds at most an alternative of conjunctions of a negation.
        prop_assert!(depth(query.filter()) <= 3 * (limits::QUERY_DEPTH_MAX + 1));
        prop_assert!(terms(query.filter()) <= limits::QUERY_TERMS_MAX);
        let written = write(query.filter());
        if written.len() <= limits::QUERY_BYTES_MAX {
            let again = Query::parse(index, &written);
            let again = again.map_err(|no| TestCaseError::fail(format!("{written}: {no}")))?;
            prop_assert_eq!(again.filter(), query.filter(), "{} as {}", text, written);
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_filter_that_is_written_reads_the_same(filter in filters()) {
        let text = write(&filter);
        let query = Query::parse(Index::Things, &text);
        let query = query.map_err(|no| TestCaseError::fail(format!("{text}: {no}")))?;
        prop_assert_eq!(query.filter(), &filter, "{}", text);
    }

    #[test]
    fn a_text_that_was_changed_is_read_or_refused(
        filter in filters(),
        changes in prop::collection::vec((any::<usize>(), letters(), any::<u8>()), 1..6),
    ) {
        let mut text = write(&filter);
        for (at, letter, how) in changes {
            text = mutated(&text, at, letter, how);
        }
        check(&text)?;
    }

    #[test]
    fn a_text_of_signs_is_read_or_refused(text in prop::collection::vec(letters(), 0..120)) {
        check(&text.into_iter().collect::<String>())?;
    }
}

/// The longest texts of the kinds that a careless parser takes long for, or too much of the stack.
#[test]
fn the_longest_texts_are_answered() {
    let most = limits::QUERY_BYTES_MAX;
    let pieces = [
        "(",
        ")",
        "NOT ",
        "\\",
        "\"",
        "[",
        "a ",
        "a\\:",
        "a:",
        "*",
        "a?",
        "thingName:a* OR ",
        "(a ",
    ];
    for piece in pieces {
        for end in ["", "a", "a)", "\""] {
            let count = (most - end.len()) / piece.len();
            let text = format!("{}{end}", piece.repeat(count));
            assert!(text.len() <= most);
            check(&text).unwrap_or_else(|no| panic!("{piece:?} … {end:?}: {no}"));
        }
    }
    let pattern = format!("thingName:a{}", "*a".repeat((most - 11) / 2));
    let query = Query::parse(Index::Things, &pattern).expect("a valid query");
    let Filter::Term(term) = query.filter() else {
        panic!("one term");
    };
    assert!(!term.test.accepts(&format!("{}b", "a".repeat(128))));
}

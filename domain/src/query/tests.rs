//! The language as rows: what passes, and where a wrong text is wrong.

mod texts;

use proptest::prelude::*;

use super::*;
use crate::limits;

/// A thing with some of everything.
struct Pump;

const ATTRIBUTES: [(&str, &str); 5] = [
    ("model", "M-7"),
    ("battery", "75.50"),
    ("floor", "-2"),
    ("serial", "abce"),
    ("note", "two words"),
];

impl Searchable for Pump {
    fn any(&self, field: &Field, test: &Test) -> bool {
        let named = ["pump:7", "6f1c"];
        match field {
            Field::Anything => {
                let values = ATTRIBUTES.iter().map(|(_, value)| *value);
                values.chain(named).any(|value| test.accepts(value))
            }
            Field::ThingName => test.accepts(named[0]),
            Field::ThingId => test.accepts(named[1]),
            Field::ThingGroupNames => ["north", "south"].iter().any(|name| test.accepts(name)),
            Field::Attribute(key) => {
                let mut all = ATTRIBUTES.iter();
                all.any(|(name, value)| **name == **key && test.accepts(value))
            }
            Field::ThingTypeName
            | Field::GroupName
            | Field::GroupId
            | Field::GroupDescription
            | Field::ParentGroupNames
            | Field::Shadow(_)
            | Field::Presence(_)
            | Field::Unindexed => false,
        }
    }
}

#[test]
fn terms_select_what_they_say() {
    let rows = [
        ("thingName:pump:7", true),
        ("thingName:pump", false),
        ("thingName:PUMP:7", false),
        ("thingName:p*", true),
        ("thingName:p?mp*7", true),
        ("thingName:p?mp7", false),
        ("thingName:pump:7*", true),
        ("thingName:*", true),
        ("thingTypeName:*", false),
        ("NOT thingTypeName:*", true),
        ("*", true),
        ("M-7", true),
        ("\"two words\"", true),
        ("two words", false),
        ("attributes.note:\"two words\"", true),
        ("attributes.note:two\\ words", true),
        ("attributes.note:tw*s", true),
        ("attributes.model:M-7 attributes.battery:75.50", true),
        ("attributes.model:M-7 AND attributes.battery:75.5", false),
        ("attributes.battery>75.4999", true),
        ("attributes.battery>75.5", false),
        ("attributes.battery>=75.5", true),
        ("attributes.battery:>=75.500", true),
        ("attributes.battery<100", true),
        ("attributes.floor<-1.5", true),
        ("attributes.floor:[-3 TO -1]", true),
        ("attributes.floor:[-2 TO 1]", true),
        ("attributes.floor:{-2 TO 1]", false),
        ("attributes.floor:[-3 TO -2}", false),
        ("attributes.battery:[* TO 80]", true),
        ("attributes.battery:{75.5 TO *]", false),
        ("attributes.model>1", false),
        ("attributes.serial:[\"abcd\" TO \"abcf\"]", true),
        ("attributes.serial:[abcf TO abcg]", false),
        ("thingGroupNames:south", true),
        ("thingGroupNames:(south)", true),
        ("shadow.reported.x:1", false),
        ("NOT connectivity.connected:true", true),
        ("thingName:x OR thingName:pump*", true),
        (
            "thingName:pump* AND NOT (M-8 OR attributes.floor:-2)",
            false,
        ),
        ("thingName:x OR thingName:y OR M-7", true),
        ("thingName:x M-7 OR thingName:pump*", true),
        ("thingName:pump* (thingName:x OR thingName:y)", false),
        ("NOT NOT M-7", true),
        ("M-7 NOT M-8", true),
        (" ( M-7 ) ", true),
        ("attributes.k\\:x:*", false),
    ];
    for (text, expected) in rows {
        if text.contains(":(") {
            let refused = Query::parse(Index::Things, text).expect_err(text);
            assert_eq!(refused.column, 17, "{text}");
            continue;
        }
        let query = Query::parse(Index::Things, text).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(query.filter().accepts(&Pump), expected, "{text}");
        assert_eq!(query.as_str(), text);
    }
}

#[test]
fn a_wrong_text_says_where() {
    let long = format!("thingName:{}", "x".repeat(limits::QUERY_BYTES_MAX));
    let many = "a ".repeat(limits::QUERY_TERMS_MAX + 1);
    let deep = format!("{}a", "(".repeat(limits::QUERY_DEPTH_MAX + 2));
    let rows = [
        ("", 1, "expected a term"),
        ("   ", 4, "expected a term"),
        ("thingName:", 11, "expected a value"),
        ("thingName:*x", 11, "begin with a wildcard"),
        ("thingName:?x", 11, "begin with a wildcard"),
        ("color:red", 1, "unknown field \"color\""),
        ("a color:red", 3, "unknown field"),
        ("attributes.:x", 1, "unknown field"),
        ("thingGroupName:x", 1, "unknown field"),
        ("(a", 1, "never closed"),
        ("a)", 2, "too many"),
        ("a AND", 6, "expected a term"),
        ("AND a", 1, "before `AND`"),
        ("a OR OR b", 6, "before `OR`"),
        ("NOT", 4, "expected a term"),
        ("thingName:\"abc", 11, "quote is never closed"),
        ("attributes.a:[1 TO 2", 14, "never closed"),
        ("attributes.a:[1 2]", 17, "expected `TO`"),
        ("attributes.a:[* TO *]", 20, "one end"),
        ("attributes.a:[1* TO 2]", 15, "no wildcards"),
        ("attributes.a>", 14, "expected a value"),
        ("a\\", 3, "after `\\`"),
        (&long, 1, "at most 1000 bytes"),
        (&many, 15, "more than 7 terms"),
        (&deep, 34, "nests more than 32 deep"),
    ];
    for (text, column, message) in rows {
        let refused = Query::parse(Index::Things, text).expect_err(text);
        assert_eq!(refused.column, column, "{text}: {refused}");
        assert!(refused.message.contains(message), "{text}: {refused}");
    }
}

#[test]
fn groups_have_fields_of_their_own() {
    for text in ["thingGroupName:a*", "parentGroupNames:x", "attributes.k:v"] {
        assert!(Query::parse(Index::ThingGroups, text).is_ok(), "{text}");
    }
    assert!(Query::parse(Index::ThingGroups, "thingName:a").is_err());
}

#[test]
fn the_longest_and_the_most_are_accepted() {
    let long = format!("thingName:{}", "x".repeat(limits::QUERY_BYTES_MAX - 10));
    assert!(Query::parse(Index::Things, &long).is_ok());
    let many = "a ".repeat(limits::QUERY_TERMS_MAX);
    assert!(Query::parse(Index::Things, &many).is_ok());
    let (open, close) = ("(", ")");
    let deep = [
        open.repeat(limits::QUERY_DEPTH_MAX),
        close.repeat(limits::QUERY_DEPTH_MAX),
    ];
    assert!(Query::parse(Index::Things, &deep.join("a")).is_ok());
}

/// A pattern as a definition, without regard to speed.
fn like(pattern: &[char], value: &[char]) -> bool {
    match (pattern.split_first(), value.split_first()) {
        (None, None) => true,
        (Some(('*', rest)), _) => {
            like(rest, value) || (!value.is_empty() && like(pattern, &value[1..]))
        }
        (Some((one, rest)), Some((letter, after))) => {
            (*one == '?' || one == letter) && like(rest, after)
        }
        _ => false,
    }
}

proptest! {
    #[test]
    fn any_text_is_answered(text in "\\PC{0,80}") {
        if let Ok(query) = Query::parse(Index::Things, &text) {
            prop_assert_eq!(query.as_str(), text);
        }
    }

    #[test]
    fn any_words_are_answered(words in proptest::collection::vec(
        prop_oneof![
            Just("("), Just(")"), Just("AND"), Just("OR"), Just("NOT"), Just("a"), Just("thingName:"),
            Just("attributes.a>"), Just("["), Just("TO"), Just("]"), Just("\""), Just("\\"), Just("*"),
        ],
        0..40,
    )) {
        let text = words.join(" ");
        if let Err(invalid) = Query::parse(Index::Things, &text) {
            prop_assert!((1..=text.chars().count() + 1).contains(&invalid.column));
        }
    }

    #[test]
    fn wildcards_mean_what_they_say(pattern in "a[ab*?]{1,8}", value in "[ab]{0,10}") {
        let query = Query::parse(Index::Things, &format!("thingName:{pattern}")).expect("valid");
        let Filter::Term(term) = query.filter() else { panic!("one term") };
        let pattern: Vec<char> = pattern.chars().collect();
        let letters: Vec<char> = value.chars().collect();
        prop_assert_eq!(term.test.accepts(&value), like(&pattern, &letters));
    }

    #[test]
    fn numbers_compare_as_numbers(a in -9999i64..9999, b in -9999i64..9999, zeros in 0usize..3) {
        let text = |n: i64| {
            let sign = if n < 0 { "-" } else { "" };
            let n = n.abs();
            format!("{sign}{}{}.{:02}{}", "0".repeat(zeros), n / 100, n % 100, "0".repeat(zeros))
        };
        let (left, right) = (Number::parse(&text(a)), Number::parse(&text(b)));
        prop_assert_eq!(left.cmp(&right), a.cmp(&b));
    }
}

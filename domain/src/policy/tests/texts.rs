//! Any text is a document or refused, and a document means the same however it is written.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::limits;
use crate::policy::{PolicyDocument, Request, Verdict};

/// Mostly words that have a meaning, sometimes one that has none.
fn words(choices: &'static [&'static str]) -> impl Strategy<Value = String> {
    const WRONG: [&str; 6] = ["", "iot", "arn:${", "arn:${}", "topic/a", "Maybe"];
    let known = prop::sample::select(choices).prop_map(str::to_owned);
    let wrong = prop::sample::select(&WRONG[..]).prop_map(str::to_owned);
    prop_oneof![60 => known, 1 => wrong, 1 => "\\PC{0,12}"]
}

fn actions() -> impl Strategy<Value = String> {
    words(&["iot:Connect", "iot:Publish", "iot:*", "*", "iot:Sub?cribe"])
}

fn resources() -> impl Strategy<Value = String> {
    words(&[
        "*",
        "arn:aws:iot:us-east-1:000000000000:topic/a*",
        "arn:aws:iot:us-east-1:000000000000:client/${iot:ClientId}",
        "arn:${*}?",
    ])
}

fn one_or_more(texts: impl Strategy<Value = String>) -> impl Strategy<Value = Value> {
    prop::collection::vec(texts, 1..4).prop_map(|texts| match &*texts {
        [only] => json!(only),
        all => json!(all),
    })
}

fn conditions() -> impl Strategy<Value = Value> {
    let operator = words(&[
        "StringEquals",
        "StringNotLikeIfExists",
        "Bool",
        "Null",
        "NumericLessThan",
    ]);
    let key = words(&["iot:ClientId", "iot:Connection.Thing.IsAttached"]);
    let value = prop_oneof![
        one_or_more(words(&["pump", "true", "17", "${iot:ClientId}", "p*"])),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
    ];
    (operator, key, value).prop_map(|(operator, key, value)| json!({ operator: { key: value } }))
}

fn statements() -> impl Strategy<Value = Value> {
    let action = words(&["Action", "NotAction"]);
    let resource = words(&["Resource", "NotResource"]);
    let named = (
        action,
        one_or_more(actions()),
        resource,
        one_or_more(resources()),
    );
    let effect = words(&["Allow", "Deny"]);
    (effect, named, prop::option::of(conditions())).prop_map(
        |(effect, (action, actions, resource, resources), condition)| {
            let mut statement = json!({ "Effect": effect, action: actions, resource: resources });
            if let Some(condition) = condition {
                statement["Condition"] = condition;
            }
            statement
        },
    )
}

fn documents() -> impl Strategy<Value = Value> {
    let version = words(&["2012-10-17", "2008-10-17"]);
    (version, prop::collection::vec(statements(), 1..4))
        .prop_map(|(version, all)| json!({ "Version": version, "Statement": all }))
}

/// The members of every object the other way round.
fn reversed(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members = members.iter().rev();
            let members: Vec<String> = members
                .map(|(name, value)| format!("{}: {}", Value::from(name.as_str()), reversed(value)))
                .collect();
            format!("{{ {} }}", members.join(",\n"))
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(reversed).collect();
            format!("[ {} ]", items.join(" , "))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

/// What a document says of some requests.
fn verdicts(document: &PolicyDocument) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for action in ["iot:Connect", "iot:Publish", "iot:Subscribe"] {
        for resource in ["topic/a", "topic/b", "client/pump"] {
            for client in [None, Some("pump"), Some("*")] {
                let resource = format!("arn:aws:iot:us-east-1:000000000000:{resource}");
                let known = |key: &str| client.filter(|_| key == "iot:ClientId");
                verdicts.push(document.evaluate(&Request {
                    action,
                    resource: resource.as_str().into(),
                    context: &known,
                }));
            }
        }
    }
    verdicts
}

/// Reads a text. What is read means the same when it is written otherwise.
fn check(text: &str) -> Result<bool, TestCaseError> {
    let document = match PolicyDocument::parse(text) {
        Ok(document) => document,
        Err(refused) => {
            prop_assert_eq!(refused.field, "policyDocument");
            prop_assert!(!refused.message.is_empty());
            return Ok(false);
        }
    };
    prop_assert_eq!(document.text(), text);
    let value: Result<Value, _> = serde_json::from_str(text);
    let value = value.map_err(|no| TestCaseError::fail(format!("is no JSON: {no}")))?;
    let otherwise = reversed(&value);
    if otherwise.len() <= limits::POLICY_DOCUMENT_BYTES_MAX {
        let again = PolicyDocument::parse(&otherwise);
        let again = again.map_err(|no| TestCaseError::fail(format!("{otherwise}: {no}")))?;
        prop_assert_eq!(verdicts(&again), verdicts(&document), "{}", otherwise);
    }
    Ok(true)
}

proptest! {
    #[test]
    fn a_document_means_the_same_however_it_is_written(document in documents()) {
        check(&document.to_string())?;
    }

    #[test]
    fn a_document_that_was_changed_is_read_or_refused(
        document in documents(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), "[\\PC]{0,2}", 0_usize..4), 1..5),
    ) {
        let mut letters: Vec<char> = document.to_string().chars().collect();
        for (at, added, removed) in changes {
            let at = at.index(letters.len() + 1);
            let end = (at + removed).min(letters.len());
            letters.splice(at..end, added.chars());
        }
        check(&letters.into_iter().collect::<String>())?;
    }
}

/// A property of documents that are all refused proves nothing.
#[test]
fn most_kinds_of_documents_are_generated() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut seen = [0; 2];
    for _ in 0..1_000 {
        let document = documents()
            .new_tree(&mut runner)
            .expect("a document")
            .current();
        let is_read = check(&document.to_string()).expect("it means the same");
        seen[usize::from(is_read)] += 1;
    }
    assert!(seen.iter().all(|count| *count > 100), "{seen:?}");
}

/// Texts as long as they may be, of the kinds that a careless parser takes long for, or too much of the stack.
#[test]
fn the_longest_documents_are_answered() {
    let most = limits::POLICY_CHARACTERS_MAX;
    for piece in ["[", "{\"Statement\":", "\"\\u0000", "{", "9", "-", "[{},"] {
        let text = piece.repeat(most / piece.len());
        assert!(!check(&text).expect("no document"), "{piece:?}");
    }
    let resource = |stars: usize| format!("arn:{}", "*a".repeat(stars));
    let document = |resource: &str| {
        let mut statement = Map::new();
        for (name, text) in [("Effect", "Allow"), ("Action", "*"), ("Resource", resource)] {
            statement.insert(name.to_owned(), text.into());
        }
        json!({ "Version": "2012-10-17", "Statement": statement }).to_string()
    };
    let room = (most - document("arn:").len()) / 2;
    let document = PolicyDocument::parse(&document(&resource(room))).expect("a document");
    let asked = format!("arn:{}b", "a".repeat(1_024));
    let request = Request {
        action: "iot:Publish",
        resource: asked.as_str().into(),
        context: &|_| None,
    };
    assert_eq!(document.evaluate(&request), Verdict::NotAllowed);
}

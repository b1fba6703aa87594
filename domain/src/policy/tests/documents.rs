use proptest::prelude::*;

use super::super::{PolicyDocument, Request, Verdict};
use super::evaluate;
use crate::limits;

/// A document with one statement.
fn one(effect: &str, action: &str, resource: &str, rest: &str) -> String {
    format!(
        r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "{effect}", "Action": {action}, "Resource": {resource}{rest}}}}}"#
    )
}

fn refused(document: &str, rule: &str) {
    let rejection = PolicyDocument::parse(document).expect_err(document);
    assert_eq!(rejection.field, "policyDocument");
    assert!(
        rejection.message.starts_with(rule),
        "{document}: {}",
        rejection.message
    );
}

#[test]
fn documents_that_are_refused() {
    let statement =
        |members: &str| format!(r#"{{"Version": "2012-10-17", "Statement": [{{{members}}}]}}"#);
    let rows = [
        (String::new(), "document: is not JSON"),
        ("{".into(), "document: is not JSON"),
        ("[]".into(), "document: must be a JSON object"),
        ("{}".into(), "Version: must be"),
        (
            r#"{"Version": "2013-01-01", "Statement": []}"#.into(),
            "Version: must be",
        ),
        (
            r#"{"Version": 2012, "Statement": []}"#.into(),
            "Version: must be",
        ),
        (
            r#"{"Version": "2012-10-17"}"#.into(),
            "Statement: is missing",
        ),
        (
            r#"{"Version": "2012-10-17", "Statement": []}"#.into(),
            "Statement: must have at least one",
        ),
        (
            r#"{"Version": "2012-10-17", "Statement": "x"}"#.into(),
            "Statement: must be a JSON object",
        ),
        (
            r#"{"Version": "2012-10-17", "Statement": [1]}"#.into(),
            "Statement[0]: must be a JSON object",
        ),
        (
            r#"{"Version": "2012-10-17", "Statements": []}"#.into(),
            "document: \"Statements\" has no meaning",
        ),
        (
            r#"{"Version": "2012-10-17", "Id": 1, "Statement": []}"#.into(),
            "Id: must be a string",
        ),
        (statement(""), "Statement[0].Effect: must be"),
        (
            statement(r#""Effect": "allow""#),
            "Statement[0].Effect: must be",
        ),
        (
            statement(r#""Effect": "Allow", "Principal": "*""#),
            "Statement[0]: \"Principal\" has no meaning",
        ),
        (
            statement(r#""Sid": 1, "Effect": "Allow""#),
            "Statement[0].Sid: must be a string",
        ),
        (
            statement(r#""Effect": "Allow", "Resource": "*""#),
            "Statement[0]: needs exactly one of Action",
        ),
        (
            statement(r#""Effect": "Allow", "Action": "*", "NotAction": "*", "Resource": "*""#),
            "Statement[0]: needs exactly one of Action",
        ),
        (
            statement(r#""Effect": "Allow", "Action": "*""#),
            "Statement[0]: needs exactly one of Resource",
        ),
        (
            statement(r#""Effect": "Allow", "Action": "Connect", "Resource": "*""#),
            "Statement[0].Action: must be an action",
        ),
        (
            statement(r#""Effect": "Allow", "Action": ["iot:Connect", "iot:"], "Resource": "*""#),
            "Statement[0].Action[1]: must be an action",
        ),
        (
            statement(r#""Effect": "Allow", "Action": [], "Resource": "*""#),
            "Statement[0].Action: must be a string or a list",
        ),
        (
            statement(r#""Effect": "Allow", "Action": [1], "Resource": "*""#),
            "Statement[0].Action[0]: must be a string or a list",
        ),
        (
            statement(r#""Effect": "Allow", "Action": {}, "Resource": "*""#),
            "Statement[0].Action: must be a string or a list",
        ),
        (
            statement(r#""Effect": "Allow", "Action": "*", "Resource": "topic/x""#),
            "Statement[0].Resource: must be an ARN",
        ),
        (
            statement(
                r#""Effect": "Allow", "Action": "*", "Resource": "arn:aws:iot:*:*:client/${iot:ClientId""#,
            ),
            "Statement[0].Resource: has \"${\" without",
        ),
        (
            statement(r#""Effect": "Allow", "Action": "*", "Resource": "arn:${}""#),
            "Statement[0].Resource: has a variable without a name",
        ),
        (
            one("Allow", r#""*""#, r#""*""#, r#", "Condition": []"#),
            "Statement.Condition: must be a JSON object",
        ),
        (
            one(
                "Allow",
                r#""*""#,
                r#""*""#,
                r#", "Condition": {"DateEquals": {}}"#,
            ),
            "Statement.Condition.DateEquals: is no operator",
        ),
        (
            one(
                "Allow",
                r#""*""#,
                r#""*""#,
                r#", "Condition": {"NullIfExists": {}}"#,
            ),
            "Statement.Condition.NullIfExists: is no operator",
        ),
        (
            one(
                "Allow",
                r#""*""#,
                r#""*""#,
                r#", "Condition": {"Bool": true}"#,
            ),
            "Statement.Condition.Bool: must be a JSON object",
        ),
        (
            one(
                "Allow",
                r#""*""#,
                r#""*""#,
                r#", "Condition": {"Bool": {"k": "yes"}}"#,
            ),
            "Statement.Condition.Bool.k: must be \"true\"",
        ),
        (
            one(
                "Allow",
                r#""*""#,
                r#""*""#,
                r#", "Condition": {"NumericEquals": {"k": "x"}}"#,
            ),
            "Statement.Condition.NumericEquals.k: must be a whole",
        ),
        (
            one(
                "Allow",
                r#""*""#,
                r#""*""#,
                r#", "Condition": {"StringLike": {"k": 1}}"#,
            ),
            "Statement.Condition.StringLike.k: must be a string",
        ),
    ];
    for (document, rule) in rows {
        refused(&document, rule);
    }
}

#[test]
fn the_length_of_a_document_counts_without_white_space() {
    let padding = limits::POLICY_CHARACTERS_MAX
        - one("Allow", r#""*""#, r#""arn:""#, "")
            .chars()
            .filter(|letter| !letter.is_whitespace())
            .count();
    let resource = |extra: usize| format!("\"arn:{}\"", "x".repeat(padding + extra));
    let longest = one("Allow", r#""*""#, &resource(0), "");
    PolicyDocument::parse(&format!("{longest}{}", " ".repeat(5_000))).expect("as long as allowed");
    refused(
        &one("Allow", r#""*""#, &resource(1), ""),
        "document: must have at most",
    );
    let spaces = " ".repeat(limits::POLICY_DOCUMENT_BYTES_MAX);
    refused(&format!("{longest}{spaces}"), "document: must have at most");
}

const TOPIC: &str = "arn:aws:iot:us-east-1:000000000000:topic/";

#[test]
fn single_statements() {
    use Verdict::{Allowed, Denied, NotAllowed};
    // Action, resource, action asked for, topic asked for, verdict of an allowance.
    let rows = [
        (r#""iot:Publish""#, "*", "iot:Publish", "a", Allowed),
        (r#""iot:publish""#, "*", "iot:Publish", "a", Allowed),
        (r#""iot:Publish""#, "*", "iot:Receive", "a", NotAllowed),
        (r#""iot:*""#, "*", "iot:Receive", "a", Allowed),
        (r#""*""#, "*", "iot:Receive", "a", Allowed),
        (
            r#"["iot:Connect", "iot:Publish"]"#,
            "*",
            "iot:Publish",
            "a",
            Allowed,
        ),
        (
            r#""iot:Publish""#,
            "arn:aws:iot:us-east-1:000000000000:topic/a",
            "iot:Publish",
            "a",
            Allowed,
        ),
        (
            r#""iot:Publish""#,
            "arn:aws:iot:us-east-1:000000000000:topic/a",
            "iot:Publish",
            "ab",
            NotAllowed,
        ),
        (
            r#""iot:Publish""#,
            "arn:aws:iot:us-east-1:000000000000:topic/a",
            "iot:Publish",
            "A",
            NotAllowed,
        ),
        (
            r#""iot:Publish""#,
            "arn:*:topic/a*c",
            "iot:Publish",
            "abxc",
            Allowed,
        ),
        (
            r#""iot:Publish""#,
            "arn:*:topic/a*c",
            "iot:Publish",
            "abxcd",
            NotAllowed,
        ),
        (
            r#""iot:Publish""#,
            "arn:*:topic/a?c",
            "iot:Publish",
            "abc",
            Allowed,
        ),
        (
            r#""iot:Publish""#,
            "arn:*:topic/a?c",
            "iot:Publish",
            "ac",
            NotAllowed,
        ),
        (
            r#""iot:Publish""#,
            "arn:*:topic/a?c",
            "iot:Publish",
            "aéc",
            Allowed,
        ),
        // AWS IoT: the wildcards of MQTT are plain characters here.
        (
            r#""iot:Subscribe""#,
            "arn:*:topic/a/#",
            "iot:Subscribe",
            "a/b",
            NotAllowed,
        ),
        (
            r#""iot:Subscribe""#,
            "arn:*:topic/a/#",
            "iot:Subscribe",
            "a/#",
            Allowed,
        ),
        (
            r#""iot:Publish""#,
            "arn:*:topic/${iot:ClientId}/*",
            "iot:Publish",
            "pump/up",
            Allowed,
        ),
        (
            r#""iot:Publish""#,
            "arn:*:topic/${iot:ClientId}/*",
            "iot:Publish",
            "other/up",
            NotAllowed,
        ),
        (
            r#""iot:Publish""#,
            "arn:*:topic/${iot:Unknown}",
            "iot:Publish",
            "pump",
            NotAllowed,
        ),
        (
            r#""iot:Publish""#,
            "arn:*:topic/${wide}",
            "iot:Publish",
            "anything",
            NotAllowed,
        ),
        (
            r#""iot:Publish""#,
            "arn:*:topic/${wide}",
            "iot:Publish",
            "*",
            Allowed,
        ),
        (
            r#""iot:Publish""#,
            "arn:*:topic/${*}",
            "iot:Publish",
            "*",
            Allowed,
        ),
        (
            r#""iot:Publish""#,
            "arn:*:topic/${*}",
            "iot:Publish",
            "x",
            NotAllowed,
        ),
    ];
    let context = [("iot:ClientId", "pump"), ("wide", "*")];
    for (actions, resource, action, topic, expected) in rows {
        let ask = |effect| {
            let document = one(effect, actions, &format!("\"{resource}\""), "");
            evaluate(&document, action, &format!("{TOPIC}{topic}"), &context)
        };
        assert_eq!(ask("Allow"), expected, "{actions} {resource} {topic}");
        let denied = if expected == Allowed {
            Denied
        } else {
            NotAllowed
        };
        assert_eq!(ask("Deny"), denied, "{actions} {resource} {topic}");
    }
}

#[test]
fn everything_but() {
    let not = |effect: &str, resource: &str| {
        let document = format!(
            r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "{effect}", "NotAction": "iot:Connect", "NotResource": "{resource}"}}}}"#
        );
        move |action: &str, topic: &str| {
            evaluate(&document, action, &format!("{TOPIC}{topic}"), &[])
        }
    };
    let allow = not("Allow", "arn:*:topic/secret");
    assert_eq!(allow("iot:Publish", "open"), Verdict::Allowed);
    assert_eq!(allow("iot:Connect", "open"), Verdict::NotAllowed);
    assert_eq!(allow("iot:Publish", "secret"), Verdict::NotAllowed);
    // What cannot be told never widens what is allowed.
    assert_eq!(
        not("Allow", "arn:${no}")("iot:Publish", "x"),
        Verdict::NotAllowed
    );
    assert_eq!(
        not("Deny", "arn:${no}")("iot:Publish", "x"),
        Verdict::Denied
    );
}

#[test]
fn variables_are_plain_text_in_the_older_language() {
    let document = r#"{"Version": "2008-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "arn:${iot:ClientId}"}}"#;
    let ask = |resource| evaluate(document, "iot:Connect", resource, &[("iot:ClientId", "c")]);
    assert_eq!(ask("arn:c"), Verdict::NotAllowed);
    assert_eq!(ask("arn:${iot:ClientId}"), Verdict::Allowed);
}

#[test]
fn conditions() {
    // Condition, whether it holds where key `k` is `Pump-7`, and where it has no value.
    let rows = [
        (r#"{"StringEquals": {"k": "Pump-7"}}"#, true, false),
        (r#"{"StringEquals": {"k": ["x", "Pump-7"]}}"#, true, false),
        (r#"{"StringEquals": {"k": "pump-7"}}"#, false, false),
        (r#"{"StringEquals": {"k": "Pump-*"}}"#, false, false),
        (r#"{"StringEquals": {"k": "${me}"}}"#, true, false),
        (r#"{"StringEquals": {"k": "${nobody}"}}"#, false, false),
        (r#"{"StringNotEquals": {"k": "Pump-7"}}"#, false, true),
        (r#"{"StringNotEquals": {"k": ["x", "y"]}}"#, true, true),
        (
            r#"{"StringEqualsIgnoreCase": {"k": "pump-7"}}"#,
            true,
            false,
        ),
        (r#"{"StringLike": {"k": "Pump-?"}}"#, true, false),
        (r#"{"StringNotLike": {"k": "Pump-*"}}"#, false, true),
        (r#"{"ArnLike": {"k": "Pump-*"}}"#, true, false),
        (r#"{"StringEqualsIfExists": {"k": "x"}}"#, false, true),
        (r#"{"Null": {"k": "true"}}"#, false, true),
        (r#"{"Null": {"k": false}}"#, true, false),
        (r#"{"Bool": {"flag": true}}"#, true, true),
        (r#"{"Bool": {"flag": ["false"]}}"#, false, false),
        (r#"{"NumericLessThan": {"number": 8}}"#, true, true),
        (r#"{"NumericLessThan": {"number": "7"}}"#, false, false),
        (
            r#"{"NumericGreaterThanEquals": {"number": "7"}}"#,
            true,
            true,
        ),
        (r#"{"NumericNotEquals": {"number": "7"}}"#, false, false),
        (r#"{"NumericEquals": {"k": "7"}}"#, false, false),
        (
            r#"{"StringEquals": {"k": "Pump-7"}, "Bool": {"flag": "false"}}"#,
            false,
            false,
        ),
        (
            r#"{"StringEquals": {"k": "Pump-7", "flag": "true"}}"#,
            true,
            false,
        ),
    ];
    let common = [("me", "Pump-7"), ("flag", "true"), ("number", "7")];
    for (condition, with, without) in rows {
        let document = one(
            "Allow",
            r#""*""#,
            r#""*""#,
            &format!(r#", "Condition": {condition}"#),
        );
        let mut context = common.to_vec();
        let ask = |context: &[(&str, &str)]| evaluate(&document, "iot:Connect", "arn:x", context);
        assert_eq!(ask(&context).is_allowed(), without, "{condition} without");
        context.push(("k", "Pump-7"));
        assert_eq!(ask(&context).is_allowed(), with, "{condition} with");
    }
}

/// A pattern matched by the book: every way that a `*` can go is tried.
fn matches_slowly(pattern: &[char], text: &[char]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some(('*', rest)) => (0..=text.len()).any(|taken| matches_slowly(rest, &text[taken..])),
        Some((wanted, rest)) => text.split_first().is_some_and(|(found, behind)| {
            (*wanted == '?' || wanted == found) && matches_slowly(rest, behind)
        }),
    }
}

proptest! {
    #[test]
    fn patterns_match_as_by_the_book(pattern in "[ab*?]{0,8}", text in "[ab]{0,10}") {
        let document = one("Allow", r#""*""#, &format!("\"arn:{pattern}\""), "");
        let verdict = evaluate(&document, "iot:Connect", &format!("arn:{text}"), &[]);
        let pattern: Vec<char> = pattern.chars().collect();
        let text: Vec<char> = text.chars().collect();
        prop_assert_eq!(verdict.is_allowed(), matches_slowly(&pattern, &text));
    }

    #[test]
    fn any_text_is_read_or_refused(text in ".{0,200}") {
        if let Err(rejection) = PolicyDocument::parse(&text) {
            prop_assert_eq!(rejection.field, "policyDocument");
        }
    }

    #[test]
    fn any_resource_is_accepted_and_decided(resource in "[a-z*?${}:.]{0,30}", asked in ".{0,40}") {
        let resource = serde_json::Value::from(format!("arn:{resource}")).to_string();
        if let Ok(document) = PolicyDocument::parse(&one("Allow", r#""iot:*""#, &resource, "")) {
            let context = |key: &str| key.len().is_multiple_of(2).then_some("a*?${b}");
            let request = Request { action: "iot:Connect", resource: asked.as_str().into(), context: &context };
            prop_assert_ne!(document.evaluate(&request), Verdict::Denied);
        }
    }

    /// Order does not count; a denial wins, and one more allowance never takes anything away.
    #[test]
    fn a_denial_wins(statements in prop::collection::vec((any::<bool>(), 0_usize..4), 1..6), swap in any::<prop::sample::Index>()) {
        let resources = ["arn:a", "arn:b", "arn:*", "arn:c*"];
        let document = |statements: &[(bool, usize)]| {
            let statements: Vec<String> = statements.iter().map(|(deny, resource)| format!(
                r#"{{"Effect": "{}", "Action": "*", "Resource": "{}"}}"#,
                if *deny { "Deny" } else { "Allow" }, resources[*resource],
            )).collect();
            format!(r#"{{"Version": "2012-10-17", "Statement": [{}]}}"#, statements.join(", "))
        };
        let applies: Vec<bool> = statements.iter().filter(|(_, at)| [0, 2].contains(at)).map(|(deny, _)| *deny).collect();
        let expected = match (applies.contains(&true), applies.is_empty()) {
            (true, _) => Verdict::Denied,
            (false, false) => Verdict::Allowed,
            (false, true) => Verdict::NotAllowed,
        };
        prop_assert_eq!(evaluate(&document(&statements), "iot:Connect", "arn:a", &[]), expected);
        let mut swapped = statements.clone();
        swapped.swap(0, swap.index(statements.len()));
        prop_assert_eq!(evaluate(&document(&swapped), "iot:Connect", "arn:a", &[]), expected);
        let apart: Vec<PolicyDocument> = statements.iter().map(|one| PolicyDocument::parse(&document(&[*one])).expect("valid")).collect();
        let request = Request { action: "iot:Connect", resource: "arn:a".into(), context: &|_| None };
        prop_assert_eq!(PolicyDocument::evaluate_all(&apart, &request), expected);
    }
}

use super::{Asset, Query};

/// A device of the library as a list of pairs; `type` is its type.
struct Device(&'static [(&'static str, &'static str)]);

impl Asset for Device {
    fn field(&self, name: &str) -> Option<&str> {
        let pair = self.0.iter().find(|(field, _)| *field == name);
        pair.map(|(_, value)| *value)
    }

    fn is_of_type(&self, name: &str) -> bool {
        self.field("type") == Some(name)
    }
}

const CAMERA: Device = Device(&[
    ("type", "camera"),
    ("region", "eu-north"),
    ("floor", "10"),
    ("load", "-2.50"),
]);

#[test]
fn a_query_is_the_conjunction_of_its_keys() {
    for (query, expected) in [
        (r#"{"types": ["camera", "pump"]}"#, true),
        (r#"{"types": ["pump"]}"#, false),
        (r#"{"ntypes": ["pump"]}"#, true),
        (r#"{"ntypes": ["camera"]}"#, false),
        (
            r#"{"eq": [{"field": "region", "value": "eu-north"}]}"#,
            true,
        ),
        (r#"{"eq": [{"field": "region", "value": "eu"}]}"#, false),
        (r#"{"eq": [{"field": "floor", "value": 10}]}"#, true),
        (r#"{"eq": [{"field": "floor", "value": "10.0"}]}"#, true),
        (r#"{"neq": [{"field": "region", "value": "us"}]}"#, true),
        (r#"{"neq": [{"field": "absent", "value": "us"}]}"#, true),
        (r#"{"lt": [{"field": "floor", "value": 9}]}"#, false),
        (r#"{"gt": [{"field": "floor", "value": 9}]}"#, true),
        (r#"{"gte": [{"field": "floor", "value": 10}]}"#, true),
        (r#"{"lte": [{"field": "load", "value": -2.5}]}"#, true),
        (r#"{"lt": [{"field": "load", "value": -2.4}]}"#, true),
        (r#"{"gt": [{"field": "load", "value": 0}]}"#, false),
        (r#"{"lt": [{"field": "region", "value": "us"}]}"#, true),
        (r#"{"lt": [{"field": "absent", "value": "us"}]}"#, false),
        (
            r#"{"startsWith": [{"field": "region", "value": "eu-"}]}"#,
            true,
        ),
        (
            r#"{"endsWith": [{"field": "region", "value": "eu-"}]}"#,
            false,
        ),
        (
            r#"{"contains": [{"field": "region", "value": "-n"}]}"#,
            true,
        ),
        (r#"{"exist": [{"field": "floor"}]}"#, true),
        (r#"{"nexist": [{"field": "floor"}]}"#, false),
        (
            r#"{"types": ["camera"], "nexist": [{"field": "x"}], "sort": "name"}"#,
            true,
        ),
        (r#"{"types": ["camera"], "exist": [{"field": "x"}]}"#, false),
    ] {
        let parsed = Query::parse(query).expect(query);
        assert_eq!(parsed.matches(&CAMERA), expected, "{query}");
    }
}

#[test]
fn what_a_query_may_not_say_is_refused_by_name() {
    for (query, said) in [
        ("[]", "must be an object"),
        ("{", "no JSON"),
        ("{}", "must have a condition"),
        (r#"{"sort": "name"}"#, "must have a condition"),
        (r#"{"equals": []}"#, "equals is no key"),
        (r#"{"types": []}"#, "types must be a list"),
        (r#"{"types": [1]}"#, "types must be a list"),
        (
            r#"{"ancestorPath": "factory"}"#,
            "ancestorPath must be a path",
        ),
        (r#"{"eq": {}}"#, "eq must be a list"),
        (r#"{"eq": [1]}"#, "eq[0] must be an object"),
        (r#"{"eq": [{"value": "x"}]}"#, "eq[0].field"),
        (r#"{"eq": [{"field": "x"}]}"#, "eq[0].value"),
        (r#"{"eq": [{"field": "x", "value": []}]}"#, "eq[0].value"),
        (
            r#"{"eq": [{"traversals": [{"relation": "in"}], "field": "x", "value": "y"}]}"#,
            "eq[0].traversals",
        ),
        (r#"{"facetField": "x"}"#, "facetField asks for figures"),
    ] {
        let refused = Query::parse(query).expect_err(query).to_string();
        assert!(refused.contains(said), "{query}: {refused}");
    }
    let many = vec![r#"{"field": "x"}"#; 101].join(",");
    Query::parse(&format!(r#"{{"exist": [{many}]}}"#)).expect_err("too many");
    Query::parse(&format!(r#"{{"types": ["{}"]}}"#, "x".repeat(9_000))).expect_err("too long");
}

#[test]
fn an_ancestor_is_told_to_whoever_knows_the_groups() {
    let query =
        Query::parse(r#"{"ancestorPath": "/a/b", "includeAncestor": true}"#).expect("valid");
    assert_eq!(query.ancestor(), Some("/a/b"));
    assert!(query.matches(&CAMERA));
}

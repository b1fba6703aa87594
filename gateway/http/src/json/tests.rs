use serde_json::{Value, json};

use super::{Field, depth, parse};
use crate::error::Error;

fn refused<T: std::fmt::Debug>(result: Result<T, Error>) -> (String, String) {
    match result {
        Err(Error::Invalid { field, message } | Error::TooLarge { field, message }) => {
            (field, message)
        }
        other => panic!("{other:?} should be a refusal of a field"),
    }
}

#[test]
fn paths_name_every_step() {
    let body = json!({"components": [{}, {}, {"configurationUpdate": {"merge": 5}}]});
    let root = Field::root(&body);
    let mut paths = Vec::new();
    let read = root.member("components").list(10, |component| {
        let update = component.member("configurationUpdate");
        let merge = update.member("merge");
        paths.push(merge.path());
        merge.optional_string().map(|_| ())
    });
    assert_eq!(
        refused(read),
        (
            "components[2].configurationUpdate.merge".to_owned(),
            "must be a string, not a number".to_owned()
        )
    );
    assert_eq!(paths[0], "components[0].configurationUpdate.merge");
}

#[test]
fn decimals_are_exact() {
    let cases = [
        ("10.5", 2, Some(1_050)),
        ("0.01", 2, Some(1)),
        ("100", 2, Some(10_000)),
        ("100.0", 2, Some(10_000)),
        ("33.33", 2, Some(3_333)),
        ("1e1", 2, Some(1_000)),
        ("1.1", 1, Some(11)),
        ("5", 1, Some(50)),
        ("-0.0", 1, None),
        ("0.001", 2, None),
        ("1.25", 1, None),
        ("-1", 2, None),
        ("1e300", 2, None),
        ("18446744073709551615", 2, None),
    ];
    for (text, places, expected) in cases {
        let value: Value = serde_json::from_str(text).unwrap();
        let read = Field::root(&value).decimal(places);
        assert_eq!(read.ok(), expected, "{text} with {places} places");
    }
}

#[test]
fn versions_may_be_texts_of_digits() {
    let cases = [
        (json!(2), Some(2)),
        (json!("2"), Some(2)),
        (json!("02"), Some(2)),
        (json!(""), None),
        (json!("-2"), None),
        (json!("+2"), None),
        (json!(2.5), None),
        (json!(-1), None),
        (json!("99999999999999999999"), None),
        (json!([2]), None),
    ];
    for (value, expected) in cases {
        let read = Field::root(&value).number_or_digits();
        assert_eq!(read.ok(), expected, "{value}");
    }
}

#[test]
fn null_is_absent() {
    let body = json!({"name": null});
    let root = Field::root(&body);
    assert!(!root.member("name").is_present());
    assert_eq!(
        refused(root.member("name").text()),
        (
            "name".to_owned(),
            "is required: a non-empty string".to_owned()
        )
    );
}

#[test]
fn lists_and_maps_have_bounds() {
    let body = json!({"list": [1, 2, 3], "map": {"b": "2", "a": "1"}});
    let root = Field::root(&body);
    assert_eq!(
        root.member("list")
            .list(3, |item| item.number())
            .unwrap()
            .len(),
        3
    );
    assert_eq!(
        refused(root.member("list").list(2, |item| item.number())).0,
        "list"
    );
    let pairs = root.member("map").string_map(2).unwrap();
    assert_eq!(pairs[0], ("a".into(), "1".into()));
    assert_eq!(refused(root.member("map").string_map(1)).0, "map");
}

#[test]
fn depth_counts_brackets_outside_of_strings() {
    assert_eq!(depth(b"{}"), 1);
    assert_eq!(depth(br#"{"a":[{"b":"[[[[\"[["}]}"#), 3);
    let deep = "[".repeat(1_000_000);
    assert_eq!(refused(parse(deep.as_bytes())).0, "body");
    let fits = format!("{}1{}", "[".repeat(32), "]".repeat(32));
    assert!(parse(fits.as_bytes()).is_ok());
    let exceeds = format!("{}1{}", "[".repeat(33), "]".repeat(33));
    assert!(parse(exceeds.as_bytes()).is_err());
}

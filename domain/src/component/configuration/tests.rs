use super::{Known, configure};
use crate::template::Component;

fn update(reset: &[&str], merge: &str) -> Component {
    Component {
        key: "a".into(),
        version: "1".into(),
        merge: (!merge.is_empty()).then(|| merge.into()),
        reset: Some(reset.iter().map(|pointer| (*pointer).into()).collect()),
        run_with: None,
    }
}

#[test]
fn values_are_reset_to_the_recipe_and_then_merged() {
    let default = r#"{"x":1,"y":{"z":2},"list":[1]}"#;
    let rows: [(&[&str], &str, &str); 9] = [
        (&[], r#"{"b":2}"#, r#"{"a":7,"b":2,"x":5}"#),
        (&["/x"], "", r#"{"a":7,"x":1}"#),
        (&["/a"], "", r#"{"x":5}"#),
        (&[""], "", r#"{"list":[1],"x":1,"y":{"z":2}}"#),
        (
            &[""],
            r#"{"x":{"deep":1}}"#,
            r#"{"list":[1],"x":{"deep":1},"y":{"z":2}}"#,
        ),
        // What is reset where nothing is stays away: its parent is not there.
        (&["/y/z", "/none"], "", r#"{"a":7,"x":5}"#),
        (&[], r#"{"a":{"k":null}}"#, r#"{"a":{"k":null},"x":5}"#),
        (&["/a"], r#"{"a":[]}"#, r#"{"a":[],"x":5}"#),
        (&["/list"], "", r#"{"a":7,"list":[1],"x":5}"#),
    ];
    for (reset, merge, expected) in rows {
        let known = Known {
            version: "1",
            configuration: Some(r#"{"x":5,"a":7}"#),
        };
        let found = configure(Some(known), "1", Some(&update(reset, merge)), Some(default));
        assert_eq!(found.as_deref(), Some(expected), "{reset:?} {merge}");
    }
}

#[test]
fn a_component_that_is_new_begins_with_its_recipe() {
    let found = configure(None, "1", None, Some(r#"{"x":1}"#));
    assert_eq!(found.as_deref(), Some(r#"{"x":1}"#));
    assert_eq!(configure(None, "1", None, None).as_deref(), Some("{}"));
}

#[test]
fn a_new_version_adds_what_it_has_by_default() {
    let known = Known {
        version: "1",
        configuration: Some(r#"{"x":5,"y":{"k":1}}"#),
    };
    let default = r#"{"x":1,"y":{"k":2,"z":3},"new":true}"#;
    let found = configure(Some(known), "2", None, Some(default));
    let expected = r#"{"new":true,"x":5,"y":{"k":1,"z":3}}"#;
    assert_eq!(found.as_deref(), Some(expected));
}

#[test]
fn what_is_not_known_stays_so_until_all_of_it_is_reset() {
    let known = Known {
        version: "1",
        configuration: None,
    };
    let merged = update(&["/x"], r#"{"b":1}"#);
    assert_eq!(configure(Some(known), "1", Some(&merged), None), None);
    let fresh = update(&[""], r#"{"b":1}"#);
    let found = configure(Some(known), "1", Some(&fresh), None);
    assert_eq!(found.as_deref(), Some(r#"{"b":1}"#));
}

use std::path::Path;

use serde_json::Value;

use super::world::World;
use crate::graphql::schema_text;

/// `UPDATE_GOLDEN=1` writes the file instead.
#[test]
fn the_schema_is_the_golden_one() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/graphql/schema.graphql");
    let text = schema_text();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap();
    let difference = golden
        .lines()
        .zip(text.lines())
        .find(|(old, new)| old != new);
    assert!(
        golden == text,
        "the schema has changed at {difference:?}; if that is meant, run this test with UPDATE_GOLDEN=1"
    );
}

/// Comments are the reference documentation: every type, field, argument and value has one.
#[tokio::test]
async fn everything_in_the_schema_is_documented() {
    let world = World::new();
    let types = world
        .ask(
            "{ __schema { types { name description
                 fields { name description args { name description } }
                 inputFields { name description }
                 enumValues { name description } } } }",
        )
        .await;
    let mut silent = Vec::new();
    let mut look = |path: &str, item: &Value| {
        let path = format!("{path}.{}", item["name"].as_str().unwrap());
        if item["description"].as_str().is_none_or(str::is_empty) {
            silent.push(path.clone());
        }
        path
    };
    let listed = |item: &Value, field: &str| item[field].as_array().cloned().unwrap_or_default();
    for kind in listed(&types["__schema"], "types") {
        let name = kind["name"].as_str().unwrap();
        // What GraphQL itself defines.
        if name.starts_with("__") || name == "ID" {
            continue;
        }
        let path = look("", &kind);
        for field in listed(&kind, "fields") {
            let path = look(&path, &field);
            for argument in listed(&field, "args") {
                look(&path, &argument);
            }
        }
        for field in listed(&kind, "inputFields")
            .iter()
            .chain(&listed(&kind, "enumValues"))
        {
            look(&path, field);
        }
    }
    assert_eq!(silent, Vec::<String>::new());
}

/// The roots that scripts rely on.
#[test]
fn the_promised_roots_exist() {
    let text = schema_text();
    for root in [
        "position: Long!",
        "fleetSummary: FleetSummary!",
        "thing(",
        "things(",
        "job(",
        "jobs(",
        "jobExecution(",
        "template(",
        "events(",
    ] {
        assert!(text.contains(root), "{root}");
    }
}

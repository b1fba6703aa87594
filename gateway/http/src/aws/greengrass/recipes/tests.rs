use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use shipslog_domain::component::{Format, Recipe};

use super::{read, write};
use crate::json::Field;

fn given(text: &str) -> Result<(Recipe, Format), String> {
    let body = json!({ "inlineRecipe": STANDARD.encode(text) });
    let read = read(&Field::root(&body).member("inlineRecipe"));
    read.map_err(|error| error.summary().detail())
}

const YAML: &str = "---
# A comment.
RecipeFormatVersion: 2020-01-25
ComponentName: com.example.Hello
ComponentVersion: '1.0.0'
ComponentConfiguration:
  DefaultConfiguration:
    Message: \"yes\"
    Ratio: 0.5
    Count: 7
    On: true
    List: [1, two]
Manifests:
  - Platform: &platform
      os: linux
      runtime: \"*\"
    Lifecycle:
      run: |
        echo one
        echo two
  - Platform: *platform
";

#[test]
fn yaml_means_what_the_same_json_means() {
    let (recipe, format) = given(YAML).unwrap();
    assert_eq!(format, Format::Yaml);
    let expected = json!({
        "RecipeFormatVersion": "2020-01-25",
        "ComponentName": "com.example.Hello",
        "ComponentVersion": "1.0.0",
        "ComponentConfiguration": {
            "DefaultConfiguration": {
                "Message": "yes", "Ratio": 0.5, "Count": 7, "On": true, "List": [1, "two"]
            }
        },
        "Manifests": [
            {
                "Platform": {"os": "linux", "runtime": "*"},
                "Lifecycle": {"run": "echo one\necho two\n"}
            },
            {"Platform": {"os": "linux", "runtime": "*"}}
        ]
    });
    assert_eq!(recipe.value(), expected);
    let (same, format) = given(&expected.to_string()).unwrap();
    assert_eq!((same.text(), format), (recipe.text(), Format::Json));
}

#[test]
fn what_is_written_reads_back() {
    let (mut recipe, _) = given(YAML).unwrap();
    for format in [Format::Json, Format::Yaml] {
        let written = STANDARD
            .decode(write(&recipe.text(), format).unwrap())
            .unwrap();
        let (again, read) = given(&String::from_utf8(written).unwrap()).unwrap();
        assert_eq!((again.value(), read), (recipe.value(), format));
    }
    // Texts that YAML would take for something else.
    let texts = [
        "true",
        "1.0",
        "null",
        "~",
        "a: b",
        "- x",
        "'",
        "\"",
        "# no comment",
        " lead",
        "",
        "\t",
        "a\nb\n",
        "é",
        "0x1f",
        "=",
        "*",
    ];
    let mut value = recipe.value();
    value["ComponentConfiguration"]["DefaultConfiguration"] = json!({ "Texts": texts });
    recipe = Recipe::read(value).unwrap();
    let written = STANDARD
        .decode(write(&recipe.text(), Format::Yaml).unwrap())
        .unwrap();
    let (again, _) = given(&String::from_utf8(written).unwrap()).unwrap();
    assert_eq!(again.value(), recipe.value());
}

#[test]
fn what_is_no_recipe_says_why() {
    let long = format!("{YAML}# {}", "a".repeat(17_000));
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    let twice = YAML.replace(
        "ComponentName: com.example.Hello",
        "ComponentName: a\nComponentName: b",
    );
    let deep = format!("ComponentName: {}{}", "[".repeat(60), "]".repeat(60));
    let rows = [
        ("{\"ComponentName\":", "is not valid JSON"),
        ("ComponentName: [", "is not valid YAML"),
        ("--- {}\n--- {}", "is not valid YAML"),
        ("just text", "must be an object"),
        ("", "must not be empty"),
        (
            "RecipeFormatVersion: 2020-01-25\nComponentName: a\nComponentVersion: 1.0",
            "ComponentVersion: must be text",
        ),
        (&bomb, "is not valid YAML"),
        (&deep, "is not valid YAML"),
        (&twice, "is not valid YAML"),
        (&long, "and a recipe may have 16384"),
    ];
    for (text, expected) in rows {
        let refused = given(text).unwrap_err();
        let shown: String = text.chars().take(60).collect();
        assert!(refused.starts_with("inlineRecipe: "), "{shown}: {refused}");
        assert!(refused.contains(expected), "{shown}: {refused}");
    }
    for body in [
        json!({"inlineRecipe": "%"}),
        json!({"inlineRecipe": "/w=="}),
        json!({}),
    ] {
        let field: Value = body;
        assert!(read(&Field::root(&field).member("inlineRecipe")).is_err());
    }
}

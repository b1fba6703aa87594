use serde_json::{Value, json};

use super::{Fault, Recipe};

fn whole() -> Value {
    json!({
        "RecipeFormatVersion": "2020-01-25",
        "ComponentName": "com.example.Hello",
        "ComponentVersion": "1.0.0",
        "ComponentType": "aws.greengrass.generic",
        "ComponentDescription": "says hello",
        "ComponentPublisher": "Example",
        "ComponentConfiguration": {"DefaultConfiguration": {"Message": "hello", "accessControl": {}}},
        "ComponentDependencies": {
            "com.example.Base": {"VersionRequirement": "^2.0.0"},
            "com.example.Soft": {"VersionRequirement": "~1.1", "DependencyType": "SOFT"}
        },
        "Manifests": [{
            "Name": "Linux",
            "Platform": {"os": "linux", "architecture": "/amd64|aarch64/", "runtime": "*"},
            "Lifecycle": {
                "Setenv": {"A": "b"},
                "install": {"Script": "true", "Timeout": 60, "RequiresPrivilege": "true"},
                "run": "python3 {artifacts:path}/hello.py"
            },
            "Artifacts": [
                {"URI": "s3://software/hello.py", "Unarchive": "NONE", "Permission": {"Read": "ALL", "Execute": "NONE"}},
                {"Uri": "greengrass:software/lib/data.zip", "Unarchive": "ZIP"},
                {"Uri": "docker:redis:7"}
            ],
            "Selections": ["edge"]
        }, {"Lifecycle": {}}],
        "Lifecycle": {"edge": {"run": "x"}}
    })
}

#[test]
fn a_recipe_is_read_whole() {
    let recipe = Recipe::read(whole()).expect("a good recipe");
    assert_eq!(recipe.name.as_str(), "com.example.Hello");
    assert_eq!(recipe.version.as_str(), "1.0.0");
    assert_eq!(recipe.publisher.as_deref(), Some("Example"));
    let dependencies: Vec<_> = recipe
        .dependencies
        .iter()
        .map(|one| (one.name.as_str(), one.is_hard))
        .collect();
    assert_eq!(
        dependencies,
        [("com.example.Base", true), ("com.example.Soft", false)]
    );
    assert_eq!(recipe.manifests.len(), 2);
    let objects: Vec<_> = recipe
        .artifacts
        .iter()
        .map(|one| one.object.as_ref().map(|object| &*object.key))
        .collect();
    assert_eq!(objects, [Some("hello.py"), Some("lib/data.zip"), None]);
    assert_eq!(
        Recipe::parse(&recipe.text()).map(|again| again.value()),
        Ok(whole())
    );
}

#[test]
fn digests_and_addresses_are_set_where_they_belong() {
    let mut recipe = Recipe::read(whole()).expect("a good recipe");
    let artifacts = recipe.artifacts.clone();
    recipe.set_digest(&artifacts[1], "c2hh");
    recipe.set_uri(&artifacts[0], "greengrass:software/hello.py");
    let found = recipe.value();
    let list = &found["Manifests"][0]["Artifacts"];
    assert_eq!(list[1]["Digest"], "c2hh");
    assert_eq!(list[1]["Algorithm"], "SHA-256");
    assert_eq!(list[0]["URI"], "greengrass:software/hello.py");
    assert_eq!(list[0].get("Uri"), None);
}

/// The whole recipe with one value in the place of another.
fn changed(pointer: &str, value: Value) -> Value {
    let mut recipe = whole();
    match pointer.rsplit_once('/') {
        Some((parent, key)) if recipe.pointer(pointer).is_none() => {
            let parent = recipe.pointer_mut(parent).and_then(Value::as_object_mut);
            parent.expect("an object").insert(key.to_owned(), value);
        }
        _ => *recipe.pointer_mut(pointer).expect("a value") = value,
    }
    recipe
}

fn fault(pointer: &str, value: Value) -> Option<Fault> {
    Recipe::read(changed(pointer, value)).err()
}

#[test]
fn what_is_wrong_is_found_with_its_path() {
    let rows = [
        ("", json!([]), "", "must be an object"),
        (
            "/RecipeFormatVersion",
            json!("2020-01-26"),
            "RecipeFormatVersion",
            "must be 2020-01-25",
        ),
        (
            "/RecipeFormatVersion",
            Value::Null,
            "RecipeFormatVersion",
            "is required",
        ),
        (
            "/ComponentName",
            json!("a b"),
            "ComponentName",
            "must be 1 to 128",
        ),
        (
            "/ComponentVersion",
            json!(1.0),
            "ComponentVersion",
            "in quotes",
        ),
        (
            "/ComponentVersion",
            json!("1.0"),
            "ComponentVersion",
            "semantic version",
        ),
        (
            "/ComponentType",
            json!("x"),
            "ComponentType",
            "must be one of aws.greengrass.generic",
        ),
        (
            "/ComponentPublisher",
            json!(7),
            "ComponentPublisher",
            "must be text",
        ),
        (
            "/Manifest",
            json!([]),
            "Manifest",
            "is no key of a recipe here; known are RecipeFormatVersion",
        ),
        (
            "/componentname",
            json!("x"),
            "componentname",
            "ComponentName in two spellings",
        ),
        (
            "/ComponentConfiguration/Default",
            json!({}),
            "ComponentConfiguration.Default",
            "is no key",
        ),
        (
            "/ComponentConfiguration/DefaultConfiguration",
            json!("x"),
            "ComponentConfiguration.DefaultConfiguration",
            "must be an object",
        ),
        (
            "/ComponentDependencies/com.example.Base/VersionRequirement",
            json!("newest"),
            "ComponentDependencies.com.example.Base.VersionRequirement",
            "must be a range",
        ),
        (
            "/ComponentDependencies/com.example.Base/DependencyType",
            json!("LOOSE"),
            "ComponentDependencies.com.example.Base.DependencyType",
            "must be one of HARD, SOFT",
        ),
        (
            "/ComponentDependencies/com.example.Hello",
            json!({}),
            "ComponentDependencies.com.example.Hello",
            "cannot depend on itself",
        ),
        ("/Manifests", json!({}), "Manifests", "must be a list"),
        (
            "/Manifests/0/Platform/os",
            json!("/(/"),
            "Manifests[0].Platform.os",
            "is no regular expression",
        ),
        (
            "/Manifests/0/Platform/os",
            json!(["linux"]),
            "Manifests[0].Platform.os",
            "must be text",
        ),
        (
            "/Manifests/0/Lifecycle/install",
            json!([]),
            "Manifests[0].Lifecycle.install",
            "must be an object",
        ),
        (
            "/Manifests/0/Lifecycle/startup",
            json!("x"),
            "Manifests[0].Lifecycle",
            "Startup or Run, not both",
        ),
        (
            "/Manifests/0/Lifecycle/install/Timeout",
            json!("soon"),
            "Manifests[0].Lifecycle.install.Timeout",
            "must be a whole number",
        ),
        (
            "/Manifests/0/Artifacts/1/Uri",
            json!("file:/x"),
            "Manifests[0].Artifacts[1].Uri",
            "must be s3://BUCKET/KEY",
        ),
        (
            "/Manifests/0/Artifacts/0/URI",
            json!("s3://software"),
            "Manifests[0].Artifacts[0].URI",
            "must be s3://",
        ),
        (
            "/Manifests/0/Artifacts/0/Unarchive",
            json!("TAR"),
            "Manifests[0].Artifacts[0].Unarchive",
            "NONE, ZIP",
        ),
        (
            "/Manifests/0/Artifacts/0/Permission/Write",
            json!("ALL"),
            "Manifests[0].Artifacts[0].Permission.Write",
            "is no key",
        ),
        (
            "/Manifests/0/Selections",
            json!("edge"),
            "Manifests[0].Selections",
            "must be a list",
        ),
    ];
    for (pointer, value, path, rule) in rows {
        let found = fault(pointer, value.clone()).unwrap_or_else(|| panic!("{pointer} {value}"));
        assert_eq!(found.path, path, "{pointer} {value}: {found}");
        assert!(found.rule.contains(rule), "{pointer} {value}: {found}");
    }
}

#[test]
fn depth_and_artifacts_are_bounded() {
    let mut deep = json!({});
    for _ in 0..40 {
        deep = json!({ "a": deep });
    }
    let found = fault("/ComponentConfiguration/DefaultConfiguration", deep);
    assert!(found.is_some_and(|found| found.rule.contains("nests deeper")));
    let many = vec![json!({"Uri": "docker:x"}); crate::limits::COMPONENT_ARTIFACTS_MAX + 1];
    let found = fault("/Manifests/0/Artifacts", many.clone().into());
    assert!(found.is_some_and(|found| found.rule.contains("at most")));
    assert_eq!(
        fault("/Manifests/0/Artifacts", many[1..].to_vec().into()),
        None
    );
}

#[test]
fn text_that_is_no_json_is_refused() {
    let found = Recipe::parse("{").err().map(|fault| fault.to_string());
    assert!(found.is_some_and(|found| found.starts_with("is not valid JSON")));
}

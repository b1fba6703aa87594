//! Who may use whom, as the manifests say it.

use crate::{expect_none, root};

/// Packages and which of ours they may use; `cli`, `tests` and `tests/sdk` may use all.
const ARROWS: [(&str, &[&str]); 8] = [
    ("domain", &[]),
    ("projections", &["domain"]),
    ("gateway/core", &["domain", "projections"]),
    ("gateway/device", &["domain", "projections", "gateway-core"]),
    ("gateway/http", &["domain", "projections", "gateway-core"]),
    ("gateway/feed", &["domain", "projections", "gateway-core"]),
    ("gateway/cloud", &["domain", "projections", "gateway-core"]),
    ("simulator", &["domain"]),
];

fn manifest(package: &str) -> String {
    let path = root().join(package).join("Cargo.toml");
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Folders of the workspace's packages.
pub(crate) fn members() -> Vec<String> {
    let text = manifest(".");
    let list = text
        .split_once("members = [")
        .and_then(|(_, rest)| rest.split_once(']'));
    let (list, _) = list.expect("the root manifest lists its members");
    let names = list
        .split(',')
        .map(|name| name.trim().trim_matches('"').to_owned());
    names.filter(|name| !name.is_empty()).collect()
}

/// Lines of the sections whose name `chosen` accepts.
fn lines_of(manifest: &str, chosen: impl Fn(&str) -> bool) -> Vec<&str> {
    let mut inside = false;
    let mut lines = Vec::new();
    for line in manifest.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[') {
            inside = chosen(name.trim_end_matches(']'));
        } else if inside && !line.is_empty() && !line.starts_with('#') {
            lines.push(line);
        }
    }
    lines
}

#[test]
fn every_package_has_the_lints_of_the_workspace() {
    let mut broken = Vec::new();
    for member in members() {
        let text = manifest(&member);
        let lints = lines_of(&text, |name| name == "lints");
        if lints != ["workspace = true"] && !text.contains("\nlints.workspace = true\n") {
            broken.push(member);
        }
    }
    expect_none("a package says lints.workspace = true", broken);
}

/// Dependencies of tests count as well: what a crate's tests reach, its next change will.
#[test]
fn arrows_point_at_what_may_be_used() {
    let mut broken = Vec::new();
    for member in members() {
        let Some((_, allowed)) = ARROWS.iter().find(|(package, _)| *package == member) else {
            if !["cli", "tests", "tests/sdk"].contains(&member.as_str()) {
                broken.push(format!("{member} has no place among the arrows"));
            }
            continue;
        };
        let text = manifest(&member);
        let dependencies = lines_of(&text, |name| name.ends_with("dependencies"));
        for line in dependencies {
            let Some(ours) = line.strip_prefix("shipslog-") else {
                continue;
            };
            let end = ours.find(['.', ' ', '=']).unwrap_or(ours.len());
            let ours = ours.get(..end).unwrap_or_default();
            if !allowed.contains(&ours) {
                broken.push(format!("{member} uses {ours}"));
            }
        }
    }
    expect_none(
        "domain knows nobody, gateway siblings do not know each other",
        broken,
    );
}

#[test]
fn the_pure_crates_know_no_machinery() {
    let machinery = [
        "tokio",
        "tracing",
        "serde_json",
        "futures-util",
        "rand",
        "getrandom",
        "time",
    ];
    let mut broken = Vec::new();
    for (package, allowed) in [("domain", &["serde_json"][..]), ("projections", &[][..])] {
        let text = manifest(package);
        for line in lines_of(&text, |name| name == "dependencies") {
            let end = line.find(['.', ' ', '=']).unwrap_or(line.len());
            let name = line.get(..end).unwrap_or_default();
            if machinery.contains(&name) && !allowed.contains(&name) {
                broken.push(format!("{package} uses {name}"));
            }
        }
    }
    expect_none("domain and projections are pure", broken);
}

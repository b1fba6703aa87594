//! The rules of the house that a machine can check. What breaks a rule is listed; what is excused stands in
//! [`excuses`] with its reason.

mod excuses;
mod manifests;
mod source;

use std::path::Path;
use std::sync::OnceLock;

use excuses::{LONG_FILES, LONG_FUNCTIONS};
use source::{Source, words};

/// Lines of a file that is no test.
const FILE_LINES_MAX: usize = 600;
/// Lines of a function.
const FUNCTION_LINES_MAX: usize = 70;
/// Packages that are shipped.
const PRODUCT: [&str; 9] = [
    "domain",
    "projections",
    "gateway/core",
    "gateway/device",
    "gateway/http",
    "gateway/feed",
    "gateway/cloud",
    "simulator",
    "cli",
];

fn root() -> &'static Path {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("the package is in the workspace")
}

/// Every source file of the workspace.
fn sources() -> &'static [Source] {
    static SOURCES: OnceLock<Vec<Source>> = OnceLock::new();
    SOURCES.get_or_init(|| {
        let mut all = Vec::new();
        for member in manifests::members() {
            Source::read_folder(&root().join(member), &mut all);
        }
        assert!(all.len() > 50, "the sources are found");
        all
    })
}

/// Sources of what is shipped, without its tests.
fn product() -> impl Iterator<Item = &'static Source> {
    sources().iter().filter(|source| {
        let mut folders = PRODUCT.iter().map(|package| format!("{package}/src/"));
        !source.is_test() && folders.any(|folder| source.path.starts_with(&folder))
    })
}

/// Fails with everything that breaks a rule.
fn expect_none(rule: &str, broken: Vec<String>) {
    assert!(broken.is_empty(), "{rule}:\n  {}", broken.join("\n  "));
}

#[test]
fn files_have_at_most_six_hundred_lines() {
    let mut broken = Vec::new();
    for source in product() {
        let lines = source.text.lines().count();
        let excused = LONG_FILES.iter().any(|(path, _)| *path == source.path);
        if lines > FILE_LINES_MAX && !excused {
            broken.push(format!("{} has {lines} lines", source.path));
        }
    }
    expect_none("a file has at most 600 lines", broken);
}

/// The last column of each table names tests: files or folders, each with a test in it.
#[test]
fn what_differs_from_cdf_is_shown_by_tests_that_exist() {
    let path = root().join("docs/cdf-differences.md");
    let page = std::fs::read_to_string(path).expect("docs/cdf-differences.md");
    let has_test = |label: &str| {
        let label: Vec<&str> = label.split("::").collect();
        sources().iter().any(|source| {
            let path = source.path.trim_end_matches(".rs");
            let path: Vec<&str> = path.split('/').collect();
            let is_named = path.windows(label.len()).any(|part| part == label);
            is_named
                && ["#[test]", "#[tokio::test]"]
                    .iter()
                    .any(|mark| source.text.contains(mark))
        })
    };
    let mut shown = 0;
    let mut broken = Vec::new();
    for line in page
        .lines()
        .filter(|line| line.starts_with("| ") && !line.contains("---"))
    {
        let cells: Vec<&str> = line.trim_end_matches('|').split(" | ").collect();
        let last = cells.last().copied().unwrap_or_default().trim();
        if last == "shown by" {
            continue;
        }
        let labels: Vec<&str> = last.split('`').skip(1).step_by(2).collect();
        shown += labels.len();
        let missing = labels.iter().filter(|label| !has_test(label));
        broken.extend(missing.map(|label| format!("{label}: {line}")));
        if labels.is_empty() {
            broken.push(format!("nothing shows: {line}"));
        }
    }
    assert!(shown > 40, "the labels are found");
    expect_none("each difference from CDF is shown by a test", broken);
}

#[test]
fn functions_have_at_most_seventy_lines() {
    let mut broken = Vec::new();
    for source in product() {
        for function in source.functions() {
            let name = (source.path.as_str(), function.name.as_str());
            let excused = LONG_FUNCTIONS
                .iter()
                .any(|(path, name_, _)| (*path, *name_) == name);
            if function.lines > FUNCTION_LINES_MAX && !excused {
                let (path, name, lines) = (&source.path, &function.name, function.lines);
                broken.push(format!(
                    "{path}:{}: {name} has {lines} lines",
                    function.line
                ));
            }
        }
    }
    expect_none("a function has at most 70 lines", broken);
}

#[test]
fn an_excuse_is_needed() {
    let find = |path: &str| product().find(|source| source.path == path);
    let mut idle = Vec::new();
    for (path, _) in LONG_FILES {
        let lines = find(path).map_or(0, |source| source.text.lines().count());
        if lines <= FILE_LINES_MAX {
            idle.push((*path).to_owned());
        }
    }
    for (path, name, _) in LONG_FUNCTIONS {
        let functions = find(path).map(Source::functions).unwrap_or_default();
        let long = |one: &source::Function| one.name == *name && one.lines > FUNCTION_LINES_MAX;
        if !functions.iter().any(long) {
            idle.push(format!("{path}: {name}"));
        }
    }
    expect_none("an excuse that nobody needs is removed", idle);
}

#[test]
fn the_pure_crates_have_no_clock_no_float_and_no_async() {
    let forbidden = [
        "f32",
        "f64",
        "async",
        "await",
        "Instant",
        "SystemTime",
        "thread",
        "fs",
        "net",
    ];
    let mut broken = Vec::new();
    for source in product() {
        if !source.is_of("domain") && !source.is_of("projections") {
            continue;
        }
        for (line, word) in words(&source.code) {
            if forbidden.contains(&word) {
                broken.push(format!("{}:{line}: {word}", source.path));
            }
        }
    }
    expect_none(
        "domain and projections decide and remember, and nothing else",
        broken,
    );
}

#[test]
fn no_hash_map_is_iterated_where_replay_must_be_the_same() {
    let mut broken = Vec::new();
    for source in product() {
        if source.is_of("domain") || source.is_of("projections") {
            broken.extend(source.iterated_hash_maps());
        }
    }
    expect_none("hash maps are for look-up by key", broken);
}

#[test]
fn a_foreign_engine_is_named_in_one_file() {
    let (mut sled, mut broker, mut protocol) = (Vec::new(), Vec::new(), Vec::new());
    for source in product() {
        let names = |name: &str| words(&source.code).any(|(_, word)| word == name);
        if names("sled") {
            sled.push(source.path.clone());
        }
        if names("rumqttd") {
            let codec = "gateway/device/src/codec";
            if !source.path.starts_with(codec) {
                broker.push(source.path.clone());
            } else if source
                .code
                .replace("rumqttd::protocol", "")
                .contains("rumqttd")
            {
                protocol.push(format!("{} uses more than the protocol", source.path));
            }
        }
    }
    assert_eq!(
        sled,
        ["gateway/core/src/log/index.rs"],
        "sled is named in one file"
    );
    expect_none("only the codec names rumqttd", broker);
    expect_none("the codec is all that frames MQTT with rumqttd", protocol);
}

#[test]
fn nothing_is_left_for_later() {
    // Macros and attributes, as the code has them when comments and texts are blanked.
    let forbidden = [
        ("todo!", "write it"),
        ("unimplemented!", "write it"),
        ("dbg!", "remove it"),
        ("#[ignore", "a test runs or is no test"),
        ("#[should_panic", "check the message of an error instead"),
    ];
    let mut broken = Vec::new();
    for source in sources() {
        for (line, text) in (1..).zip(source.code.lines()) {
            for (pattern, instead) in forbidden {
                if text.contains(pattern) {
                    broken.push(format!("{}:{line}: {pattern}: {instead}", source.path));
                }
            }
        }
        if source.path.ends_with("/mod.rs") {
            broken.push(format!("{}: x.rs and x/, never mod.rs", source.path));
        }
    }
    expect_none("nothing is left for later", broken);
}

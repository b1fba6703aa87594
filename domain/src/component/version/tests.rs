use super::{Requirement, Version};

fn version(text: &str) -> Version {
    Version::parse(text).unwrap_or_else(|no| panic!("{text}: {no}"))
}

#[test]
fn only_semantic_versions_are_versions() {
    for text in [
        "0.0.0",
        "1.2.3",
        "999999.0.1",
        "2.0.0-rc.1",
        "1.0.0+build.7",
    ] {
        assert_eq!(version(text).as_str(), text);
    }
    let long = format!("1.0.0-{}", "a".repeat(59));
    let rows = [
        "",
        "1",
        "1.0",
        "v1.0.0",
        "=1.0.0",
        "1.0.0 ",
        "01.0.0",
        "1000000.0.0",
        "1.x.0",
        "^1.0.0",
        "a.b.c",
        &long,
    ];
    for text in rows {
        assert!(Version::parse(text).is_err(), "{text:?}");
    }
    assert!(Version::parse(&long[..64]).is_ok());
}

#[test]
fn versions_are_compared_by_precedence() {
    let ascending = [
        "0.9.10",
        "0.10.0",
        "1.0.0-alpha",
        "1.0.0-rc.2",
        "1.0.0",
        "1.0.1",
        "10.0.0",
    ];
    for pair in ascending.windows(2) {
        assert!(version(pair[0]) < version(pair[1]), "{pair:?}");
    }
    assert_eq!(version("1.0.0+a"), version("1.0.0+b"));
}

#[test]
fn ranges_admit_what_npm_says() {
    let rows = [
        ("^1.2.0", "1.9.9", true),
        ("^1.2.0", "2.0.0", false),
        ("^0.2.0", "0.3.0", false),
        ("~1.2.0", "1.2.9", true),
        ("~1.2.0", "1.3.0", false),
        (">=1.0.0 <2.0.0", "1.5.0", true),
        (">=1.0.0 <2.0.0", "2.0.0", false),
        ("1.0.0 - 1.4.0", "1.4.0", true),
        ("1.x", "1.7.0", true),
        ("*", "3.0.0", true),
        ("", "3.0.0", true),
        ("1.0.0 || 3.0.0", "3.0.0", true),
        ("==1.1.0", "1.1.0", true),
        ("=1.1.0", "1.1.1", false),
        ("1.1.0", "1.1.0", true),
        ("^1.0.0", "1.1.0-rc.1", false),
        (">=1.1.0-rc.1", "1.1.0-rc.2", true),
    ];
    for (range, text, admitted) in rows {
        let requirement = Requirement::parse(range).unwrap_or_else(|no| panic!("{range}: {no}"));
        assert_eq!(
            requirement.admits(&version(text)),
            admitted,
            "{range} {text}"
        );
        assert_eq!(requirement.as_str(), range);
    }
    let long = format!("^1.0.0{}", " || ^1.0.0".repeat(60));
    for range in ["latest", "one", ">>1", "^a.b", &long] {
        assert!(Requirement::parse(range).is_err(), "{range}");
    }
}

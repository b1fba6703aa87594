use super::{Platform, Selector};

fn platform(attributes: &[(&str, &str)]) -> Platform {
    let attributes = attributes
        .iter()
        .map(|(key, value)| ((*key).into(), (*value).into()));
    Platform::new(None, attributes.collect())
}

fn selector(rules: &[(&str, &str)]) -> Selector {
    let mut selector = Selector::default();
    for (key, value) in rules {
        selector
            .add(key, value)
            .unwrap_or_else(|why| panic!("{key} {value} {why}"));
    }
    selector
}

#[test]
fn selectors_admit_the_devices_that_they_name() {
    let classic = [("os", "linux"), ("architecture", "amd64")];
    let lite = [
        ("os", "linux"),
        ("architecture", "arm"),
        ("runtime", "aws_nucleus_lite"),
    ];
    let rows: [(&[_], &[_], bool); 11] = [
        (&[], &classic, true),
        (&[("os", "linux")], &classic, true),
        (&[("os", "windows")], &classic, false),
        (&[("os", "/linux|darwin/")], &classic, true),
        (&[("os", "/lin/")], &classic, false),
        (&[("os", "*"), ("architecture", "amd64")], &classic, true),
        (&[("architecture.detail", "arm8")], &classic, false),
        (&[("runtime", "*")], &classic, true),
        (&[("runtime", "aws_nucleus_lite")], &classic, false),
        (&[("os", "linux")], &lite, false),
        (&[("os", "linux"), ("runtime", "*")], &lite, true),
    ];
    for (rules, attributes, admitted) in rows {
        let (selector, platform) = (selector(rules), platform(attributes));
        assert_eq!(
            selector.admits(&platform),
            admitted,
            "{rules:?} {attributes:?}"
        );
    }
}

#[test]
fn the_name_is_the_operating_system_where_nothing_else_is() {
    let selector = selector(&[("os", "linux")]);
    assert!(selector.admits(&Platform::new(Some("Linux"), Vec::new())));
    let windows = vec![("os".into(), "windows".into())];
    assert!(!selector.admits(&Platform::new(Some("linux"), windows)));
    assert_eq!(
        platform(&[("os", "linux"), ("architecture", "x")]).describe(),
        "linux x"
    );
    assert_eq!(platform(&[]).describe(), "unknown");
}

#[test]
fn a_pattern_that_is_none_is_refused() {
    assert!(Selector::default().add("os", "/(/").is_err());
}

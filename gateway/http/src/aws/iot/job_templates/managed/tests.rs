use serde_json::{Value, json};
use shipslog_domain::job::Pairs;

use super::{ALL, by_arn};
use crate::arn::Arns;

fn pairs(pairs: &[(&str, &str)]) -> Pairs {
    pairs
        .iter()
        .map(|(key, value)| ((*key).into(), (*value).into()))
        .collect()
}

fn named(name: &str) -> &'static super::Managed {
    ALL.iter()
        .find(|one| one.name == name)
        .expect("a managed template")
}

#[test]
fn they_are_sorted_and_found_by_arn() {
    assert!(ALL.is_sorted_by_key(|one| one.name));
    let arns = Arns::new("eu-west-1", "000000000000");
    let arn = "arn:aws:iot:eu-west-1::jobtemplate/AWS-Reboot:1.0";
    assert_eq!(by_arn(&arns, arn).map(|one| one.name), Some("AWS-Reboot"));
    let unversioned = "arn:aws:iot:eu-west-1::jobtemplate/AWS-Reboot";
    assert!(by_arn(&arns, unversioned).is_some());
    assert!(by_arn(&arns, "arn:aws:iot:eu-west-1::jobtemplate/AWS-Reboot:2.0").is_none());
}

#[test]
fn what_is_given_is_filled_in_and_what_is_not_is_left_out() {
    let given = pairs(&[
        ("downloadUrl", "https://e.com/\"f\""),
        ("filePath", "/tmp/f"),
        ("runAsUser", "me"),
    ]);
    let document = named("AWS-Download-File").fill(&given).expect("complete");
    let document: Value = serde_json::from_str(&document).expect("JSON");
    assert_eq!(
        document,
        json!({"version": "1.0", "steps": [{"action": {"name": "AWS-Download-File", "type": "runHandler",
            "input": {"handler": "download-file.sh", "args": ["https://e.com/\"f\"", "/tmp/f"]},
            "runAsUser": "me"}}]})
    );
    let reboot = named("AWS-Reboot").fill(&Vec::new()).expect("complete");
    assert!(!reboot.contains("${"), "{reboot}");
    let command = named("AWS-Run-Command").fill(&pairs(&[("command", "echo,hi")]));
    assert!(
        command
            .expect("complete")
            .contains("\"command\":\"echo,hi\"")
    );
}

#[test]
fn parameters_that_do_not_fit_are_refused() {
    let rows = [
        ("AWS-Download-File", pairs(&[("downloadUrl", "u")])),
        ("AWS-Reboot", pairs(&[("services", "s")])),
        ("AWS-Start-Application", pairs(&[("services", "")])),
        ("AWS-Start-Application", pairs(&[("services", "a\nb")])),
        (
            "AWS-Start-Application",
            pairs(&[("services", &"x".repeat(30_721))]),
        ),
    ];
    for (name, given) in rows {
        assert!(named(name).fill(&given).is_err(), "{name} {given:.80?}");
    }
}

use std::path::PathBuf;

use super::*;
use crate::net::tls::{Identity, Settings};

fn settings() -> Settings {
    Settings {
        ca: PathBuf::from("ca.pem"),
        identity: Identity::Anonymous,
        alpn: None,
        server_name: None,
    }
}

#[test]
fn targets_are_parsed_or_refused_by_name() {
    let accepted = [
        "mqtt://127.0.0.1:1883",
        "127.0.0.1:1883",
        "mqtt://127.0.0.1",
        "mqtt://127.0.0.1:1883/",
    ];
    for text in accepted {
        let target = Target::parse(text, None).expect(text);
        assert_eq!(target.addresses, ["127.0.0.1:1883".parse().expect("valid")]);
        assert_eq!(target.host, "127.0.0.1");
    }
    for (text, why) in [
        ("amqp://h:1", "scheme amqp"),
        ("mqtts://127.0.0.1", "--ca FILE"),
        ("127.0.0.1:x", "target"),
        ("", "target"),
    ] {
        let failure = Target::parse(text, None).expect_err(text).to_string();
        assert!(failure.contains(why), "{failure}");
    }
}

#[test]
fn a_target_with_tls_has_a_port_and_a_name_of_its_own() {
    let target = Target::parse("mqtts://127.0.0.1", Some(settings())).expect("a target");
    assert_eq!(target.addresses, ["127.0.0.1:8883".parse().expect("valid")]);
    let target = Target::parse("mqtts://[::1]:443", Some(settings())).expect("a target");
    assert_eq!(target.host, "::1");
    let failure = Target::parse("mqtt://127.0.0.1", Some(settings())).expect_err("plain");
    assert!(failure.to_string().contains("mqtts://"), "{failure}");
}

#[test]
fn ten_thousand_devices_share_a_loopback_address() {
    let local = "127.0.0.1:1883".parse().expect("valid");
    let source =
        |index, attempt| Target::source(index, attempt, local).map(|address| address.to_string());
    assert_eq!(source(9_999, 0), None);
    assert_eq!(source(10_000, 0).as_deref(), Some("127.0.0.2:30000"));
    assert_eq!(source(10_000, 4).as_deref(), Some("127.0.0.2:30001"));
    assert_eq!(source(10_001, 0).as_deref(), Some("127.0.0.2:30003"));
    assert_eq!(source(99_999, 2).as_deref(), Some("127.0.0.10:59999"));
    let remote = "192.0.2.1:1883".parse().expect("valid");
    assert_eq!(Target::source(50_000, 0, remote), None);
    let newer = "[::1]:1883".parse().expect("valid");
    assert_eq!(Target::source(50_000, 0, newer), None);
}

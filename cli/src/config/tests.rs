use std::io::Write;
use std::num::{NonZeroU32, NonZeroUsize};

use shipslog_gateway_device::{PerAddress, PublishRate};

use super::Config;
use crate::args::Serve;

fn with_file(text: &str, flags: Serve) -> anyhow::Result<Config> {
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(text.as_bytes())?;
    Config::resolve(&Serve {
        config: Some(file.path().to_owned()),
        ..flags
    })
}

#[test]
fn flags_win_over_the_file_and_the_file_over_defaults() {
    let flags = Serve {
        region: Some("eu-west-1".into()),
        ..Serve::default()
    };
    let config = with_file(
        "region = \"us-west-2\"\nhttp = \"127.0.0.1:9\"\nmqtt = \"off\"",
        flags,
    )
    .expect("valid");
    assert_eq!(config.region, "eu-west-1");
    assert_eq!(config.http.port(), 9);
    assert_eq!(config.mqtt, None);
    assert_eq!(config.account, "000000000000");
}

#[test]
fn what_cannot_work_is_refused_with_its_name() {
    let rows = [
        ("regoin = \"x\"", "regoin"),
        ("http = \"nowhere\"", "http"),
        ("http = \"0.0.0.0:80\"\nauth = \"off\"", "keys create"),
        ("auth = \"maybe\"", "auth"),
        ("mqtt = \"0.0.0.0:1883\"", "allow-plain-mqtt"),
        ("mqtts = \"on\"", "mqtts"),
        ("device-https = \"8443\"", "device-https"),
        ("account = \"12\"", "account"),
        ("region = \"a b\"", "region"),
        ("clock = \"sundial\"", "clock"),
        ("s3-endpoint = \"ftp://s3.example\"", "s3-endpoint"),
        ("s3-endpoint = \"http://\"", "s3-endpoint"),
        ("s3-endpoint = \"http://host/path\"", "s3-endpoint"),
        ("s3-region = \"eu-west-1\"", "without s3-endpoint"),
        ("s3-access-key-id = \"AKIA\"", "without s3-endpoint"),
        (
            "s3-endpoint = \"https://h\"\ns3-access-key-id = \"AKIA\"",
            "s3-secret-key-file",
        ),
        (
            "s3-endpoint = \"https://h\"\ns3-secret-key-file = \"f\"",
            "s3-access-key-id",
        ),
        (
            "s3-endpoint = \"https://h\"\ns3-session-token-file = \"f\"",
            "s3-access-key-id",
        ),
        (
            "s3-endpoint = \"https://h\"\ns3-access-key-id = \"AKIA\"\ns3-secret-key-file = \"/nonexistent\"",
            "cannot read /nonexistent",
        ),
        ("connections = 0", "connections"),
        ("connections = 4000000000", "ulimit"),
        ("connections-per-address = 0", "connections-per-address"),
        ("connections-per-address = \"all\"", "or off"),
        ("publish-rate = -1", "publish-rate"),
        ("publish-rate = \"fast\"", "or off"),
        (
            "rollout-ceiling-per-minute = 0",
            "rollout-ceiling-per-minute",
        ),
        (
            "rollout-ceiling-per-minute = -1",
            "rollout-ceiling-per-minute",
        ),
    ];
    for (text, name) in rows {
        let refused = with_file(text, Serve::default()).expect_err(text);
        let message = format!("{refused:#}");
        assert!(message.contains(name), "{text}: {message}");
    }
}

#[test]
fn credentials_are_asked_for_where_others_can_reach_the_service() {
    let rows = [
        ("http = \"127.0.0.1:80\"", false),
        ("http = \"[::1]:80\"", false),
        ("http = \"127.0.0.1:80\"\nauth = \"on\"", true),
        ("http = \"0.0.0.0:80\"", true),
        ("http = \"0.0.0.0:80\"\nauth = \"on\"", true),
    ];
    for (text, auth) in rows {
        let config = with_file(text, Serve::default()).expect(text);
        assert_eq!(config.auth, auth, "{text}");
    }
}

#[test]
fn the_secret_of_an_s3_endpoint_comes_from_a_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("secret");
    let text = format!(
        "s3-endpoint = \"https://s3.example:9000/\"\ns3-access-key-id = \"AKIA\"\ns3-secret-key-file = {file:?}"
    );
    for (content, is_good) in [("hush\n", true), ("", false), ("two\nlines", false)] {
        std::fs::write(&file, content).expect("written");
        let resolved = with_file(&text, Serve::default());
        assert_eq!(resolved.is_ok(), is_good, "{content:?}");
        if let Ok(config) = resolved {
            let endpoint = config.s3_endpoint.expect("an endpoint");
            assert_eq!(endpoint.address(), "https://s3.example:9000");
            assert!(endpoint.has_credentials());
            assert!(!format!("{endpoint:?}").contains("hush"));
        }
    }
}

#[test]
fn bounds_on_devices_that_are_given_hold_for_everybody() {
    let devices = |text| with_file(text, Serve::default()).expect(text).devices;
    let defaults = devices("");
    assert_eq!(defaults.publish_rate, PublishRate::default());
    assert_eq!(defaults.per_address, PerAddress::default());
    let given = devices("connections = 7\nconnections-per-address = 3\npublish-rate = 5");
    assert_eq!(given.connections_max, 7);
    let three = NonZeroUsize::new(3).expect("not zero");
    assert_eq!(given.per_address, PerAddress::Everybody(three));
    let five = NonZeroU32::new(5);
    assert_eq!(
        (given.publish_rate.trusted, given.publish_rate.certified),
        (five, five)
    );
    let off = devices("connections-per-address = \"off\"\npublish-rate = \"off\"");
    assert_eq!(off.per_address, PerAddress::Unlimited);
    assert_eq!(off.publish_rate.certified, None);
}

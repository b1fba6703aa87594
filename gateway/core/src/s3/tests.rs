use std::borrow::Cow;

use shipslog_domain::Timestamp;
use shipslog_domain::job::files::S3Object;

use super::{Credentials, Endpoint, fill};
use crate::access::Secret;

fn object(key: &str, version: Option<&str>) -> S3Object {
    S3Object {
        bucket: "b".into(),
        key: key.into(),
        version: version.map(Into::into),
    }
}

#[test]
fn an_address_is_taken_apart() {
    let rows = [
        ("http://s3:9000", Some("http://s3:9000")),
        ("https://s3.example/", Some("https://s3.example")),
        ("http://host/artifacts", Some("http://host/artifacts")),
        ("ftp://host", None),
        ("http://", None),
        ("http:///x", None),
        ("http://user@host", None),
        ("http://host?x", None),
        ("http://host/a?x", None),
        ("host", None),
    ];
    for (address, expected) in rows {
        let parsed = Endpoint::parse(address, "us-east-1", None);
        let parsed = parsed.map(|endpoint| endpoint.address());
        assert_eq!(parsed.as_deref(), expected, "{address}");
    }
}

#[test]
fn without_credentials_nothing_is_signed() {
    let endpoint = Endpoint::parse("http://h:1/p", "us-east-1", None).unwrap();
    let url = endpoint.url(&object("a b/c?", None), 60, Timestamp(0));
    assert_eq!(url, "http://h:1/p/b/a%20b/c%3F");
    let url = endpoint.url(&object("k", Some("v+1")), 60, Timestamp(0));
    assert_eq!(url, "http://h:1/p/b/k?versionId=v%2B1");
}

#[test]
fn credentials_that_were_lent_name_their_token() {
    let credentials = Credentials {
        key_id: "AKIA".into(),
        secret: Secret::new("secret"),
        session_token: Some(Secret::new("to/ken")),
    };
    let endpoint = Endpoint::parse("https://h", "eu-west-1", Some(credentials)).unwrap();
    let url = endpoint.url(&object("k", Some("v")), 90, Timestamp(0));
    for part in [
        "https://h/b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&",
        "X-Amz-Credential=AKIA%2F19700101%2Feu-west-1%2Fs3%2Faws4_request&",
        "X-Amz-Expires=90&",
        "X-Amz-Security-Token=to%2Fken&",
        "versionId=v&",
    ] {
        assert!(url.contains(part), "{url}");
    }
    assert!(!url.contains("secret"), "{url}");
}

#[test]
fn each_placeholder_gets_its_url_and_the_rest_stays() {
    let document = r#"{"a":"${aws:iot:s3-presigned-url:b/k1}","b":[1,"x ${aws:iot:s3-presigned-url-v2:s3://b/k2} y"]}"#;
    let filled = fill(document, |object| format!("<{}>", object.key));
    assert_eq!(filled, r#"{"a":"<k1>","b":[1,"x <k2> y"]}"#);
    let plain = r#"{"a":"${other}"}"#;
    assert!(matches!(fill(plain, |_| String::new()), Cow::Borrowed(same) if same == plain));
}

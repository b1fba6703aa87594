//! Requests as botocore signed them at one moment, and what becomes of them when anything is changed.

use axum::http::Request;
use axum::http::request::Parts;
use sha2::{Digest, Sha256};
use shipslog_domain::{Span, Timestamp};
use shipslog_gateway_core::sigv4::canonical::to_hex;
use shipslog_gateway_core::sigv4::date;

use super::{Payload, Signature};
use crate::auth::{Denied, signer};

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const MINUTE: Span = Span(60_000);

/// When they were signed.
fn then() -> Timestamp {
    date::parse("20260131T120000Z").unwrap()
}

#[derive(Clone)]
struct Row {
    method: &'static str,
    target: String,
    headers: Vec<(&'static str, String)>,
    body: &'static str,
}

fn row(
    method: &'static str,
    target: &str,
    headers: &[(&'static str, &str)],
    body: &'static str,
) -> Row {
    let headers = headers.iter();
    Row {
        method,
        target: target.to_owned(),
        headers: headers
            .map(|(name, value)| (*name, (*value).to_owned()))
            .collect(),
        body,
    }
}

#[rustfmt::skip]
fn signed_by_botocore() -> Vec<Row> {
    vec![
    row(
        "GET",
        "/things/pump-7",
        &[("host", "127.0.0.1:8080"), ("x-amz-date", "20260131T120000Z"), ("authorization", "AWS4-HMAC-SHA256 Credential=SLOGABCDEFGHIJKLMNOP/20260131/us-east-1/iot/aws4_request, SignedHeaders=host;x-amz-date, Signature=c74f24182674c69b2189c3fc6e82e296bec6006a3a060d601074e35f966d6e68")],
        "",
    ),
    row(
        "GET",
        "/things/a%3Ab/jobs/j-1",
        &[("host", "127.0.0.1:8080"), ("x-amz-date", "20260131T120000Z"), ("authorization", "AWS4-HMAC-SHA256 Credential=SLOGABCDEFGHIJKLMNOP/20260131/eu-west-1/iot-jobs-data/aws4_request, SignedHeaders=host;x-amz-date, Signature=e4dde8f39493326b579ac6f00e807f600529b63edd421c596b401b592399bacc")],
        "",
    ),
    row(
        "GET",
        "/jobs?maxResults=3&status=IN_PROGRESS",
        &[("host", "127.0.0.1:8080"), ("x-amz-date", "20260131T120000Z"), ("authorization", "AWS4-HMAC-SHA256 Credential=SLOGABCDEFGHIJKLMNOP/20260131/us-east-1/iot/aws4_request, SignedHeaders=host;x-amz-date, Signature=2aa149260d728bd25c345cf26763d5172583c05cccec20d6f1f134c88739ad77")],
        "",
    ),
    row(
        "GET",
        "/things?tagKeys=b&tagKeys=a&x=%2F%20~&empty=",
        &[("host", "127.0.0.1:8080"), ("x-amz-date", "20260131T120000Z"), ("authorization", "AWS4-HMAC-SHA256 Credential=SLOGABCDEFGHIJKLMNOP/20260131/us-east-1/iot/aws4_request, SignedHeaders=host;x-amz-date, Signature=cfcdd74a704297326680341929bec2d29dcad821cc3ab4f1d289c2071e7180dd")],
        "",
    ),
    row(
        "POST",
        "/things/pump%2F7",
        &[("content-type", "application/json"), ("host", "127.0.0.1:8080"), ("x-amz-date", "20260131T120000Z"), ("authorization", "AWS4-HMAC-SHA256 Credential=SLOGABCDEFGHIJKLMNOP/20260131/us-east-1/iot/aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature=068a765025a64f17474883f3dc915cad63a525e7782cd962a0df1ab31da75aec")],
        "{\"thingTypeName\":\"pump\"}",
    ),
    row(
        "PUT",
        "/jobs/j//x/../y/./",
        &[("x-spaced", "  a   b  "), ("host", "127.0.0.1:8080"), ("x-amz-date", "20260131T120000Z"), ("authorization", "AWS4-HMAC-SHA256 Credential=SLOGABCDEFGHIJKLMNOP/20260131/us-east-1/iot/aws4_request, SignedHeaders=host;x-amz-date;x-spaced, Signature=393c1209fd9cbeb4004317ae42e88e1886769479e31f4cd64bacfe237eb5c5e3")],
        "{}",
    ),
    row(
        "PUT",
        "/artifacts/b/a%20b/c%3Dd%2Be",
        &[("host", "127.0.0.1:8080"), ("x-amz-date", "20260131T120000Z"), ("x-amz-content-sha256", "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"), ("authorization", "AWS4-HMAC-SHA256 Credential=SLOGABCDEFGHIJKLMNOP/20260131/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=d2298528c83b15c8a9fc6c474e41f5ee564e84518889579242adebdd14cfbcc1")],
        "hello",
    ),
    row(
        "GET",
        "/artifacts/b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=SLOGABCDEFGHIJKLMNOP%2F20260131%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20260131T120000Z&X-Amz-Expires=600&X-Amz-SignedHeaders=host&X-Amz-Signature=6d30ff44060f14382d18926700bf519a60cfbf270f17a384e9c640d4262cd3c0",
        &[("host", "127.0.0.1:8080")],
        "",
    ),
    row(
        "GET",
        "/things/pump-7/jobs?status=QUEUED&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=SLOGABCDEFGHIJKLMNOP%2F20260131%2Fus-east-1%2Fiot%2Faws4_request&X-Amz-Date=20260131T120000Z&X-Amz-Expires=600&X-Amz-SignedHeaders=host&X-Amz-Signature=b1d584dbf0ab0b90061851ac7cb1ea2bcd5ef070ee185cbaaf807934da780663",
        &[("host", "127.0.0.1:8080")],
        "",
    ),
    row(
        "POST",
        "/",
        &[("x-amz-target", "OpsWorks_20130218.DescribeStacks"), ("content-type", "application/x-amz-json-1.1"), ("host", "127.0.0.1:8080"), ("x-amz-date", "20260131T120000Z"), ("authorization", "AWS4-HMAC-SHA256 Credential=SLOGABCDEFGHIJKLMNOP/20260131/us-east-1/opsworks/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature=ffb079ed9a1acec1af4fc77bf8dec025e0cf6a9d4045babbbfdccabee683fe3f")],
        "{}",
    ),
    ]
}

impl Row {
    fn parts(&self) -> Parts {
        let mut request = Request::builder().method(self.method).uri(&self.target);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn check(&self, secret: &str, now: Timestamp) -> Result<(), Denied> {
        let parts = self.parts();
        let signature = Signature::read(&parts, now)?;
        let hash = to_hex(&Sha256::digest(self.body));
        if matches!(&signature.payload, Payload::Named(named) if *named != hash) {
            return Err(Denied::Body);
        }
        signature.verify(signature.signing_key(secret), &parts, &hash)
    }

    fn header(&mut self, name: &str) -> &mut String {
        let mut headers = self.headers.iter_mut();
        &mut headers.find(|(known, _)| *known == name).unwrap().1
    }
}

#[test]
fn what_botocore_signs_is_accepted() {
    for row in signed_by_botocore() {
        assert_eq!(
            row.check(SECRET, then()),
            Ok(()),
            "{} {}",
            row.method,
            row.target
        );
    }
}

#[test]
fn nothing_that_was_signed_may_be_changed() {
    for row in signed_by_botocore() {
        let target = row.target.clone();
        let wrong_secret = row.check("another", then());
        assert_eq!(wrong_secret, Err(Denied::Mismatch), "{target}");

        let mut other = row.clone();
        other.method = "PATCH";
        assert_eq!(
            other.check(SECRET, then()),
            Err(Denied::Mismatch),
            "{target}"
        );

        let mut other = row.clone();
        other.target = target.replacen("/", "/x", 1);
        assert_eq!(
            other.check(SECRET, then()),
            Err(Denied::Mismatch),
            "{target}"
        );

        let mut other = row.clone();
        let more = if target.contains('?') { "&z=1" } else { "?z=1" };
        other.target.push_str(more);
        assert_eq!(
            other.check(SECRET, then()),
            Err(Denied::Mismatch),
            "{target}"
        );

        let mut other = row.clone();
        *other.header("host") = "elsewhere".to_owned();
        assert_eq!(
            other.check(SECRET, then()),
            Err(Denied::Mismatch),
            "{target}"
        );

        let mut other = row.clone();
        other.body = "tampered";
        let is_unsigned = target.starts_with("/artifacts/b/k?");
        assert_eq!(other.check(SECRET, then()).is_ok(), is_unsigned, "{target}");
    }
}

#[test]
fn signatures_grow_old() {
    let rows = signed_by_botocore();
    let in_header = &rows[0];
    let in_query = &rows[8];
    let cases = [
        (in_header, 15, true),
        (in_header, 16, false),
        (in_header, -15, true),
        (in_header, -16, false),
        (in_query, 10, true),
        (in_query, 11, false),
        (in_query, -16, false),
    ];
    for (row, minutes, is_good) in cases {
        let now = then().0.checked_add_signed(minutes * 60_000).unwrap();
        let checked = row.check(SECRET, Timestamp(now));
        assert_eq!(checked.is_ok(), is_good, "{minutes} min: {checked:?}");
    }
    let Err(Denied::Invalid(message)) = in_header.check(SECRET, then().plus(Span(16 * MINUTE.0)))
    else {
        panic!("it is too old");
    };
    assert_eq!(
        message,
        "Signature expired: 20260131T120000Z is now earlier than 20260131T120100Z (20260131T121600Z - 15 min.)"
    );
}

/// A row of [`signed_by_botocore`], a part of its `Authorization`, what stands there instead, and the refusal.
type Broken = (&'static str, &'static str, fn(&Denied) -> bool);

#[test]
fn a_header_that_lacks_something_says_what() {
    let incomplete = |denied: &Denied| matches!(denied, Denied::Incomplete(_));
    let invalid = |denied: &Denied| matches!(denied, Denied::Invalid(_));
    let mismatch = |denied: &Denied| matches!(denied, Denied::Mismatch);
    let rows: [Broken; 8] = [
        ("Credential=", "Credentials=", incomplete),
        ("SignedHeaders=", "Headers=", incomplete),
        ("Signature=", "Sig=", incomplete),
        ("/aws4_request", "/aws5_request", incomplete),
        ("/20260131/", "/20260130/", invalid),
        ("host;x-amz-date", "x-amz-date", invalid),
        ("host;x-amz-date", "host", invalid),
        ("Signature=c", "Signature=zz", mismatch),
    ];
    for (from, to, expected) in rows {
        let mut row = signed_by_botocore().swap_remove(0);
        let header = row.header("authorization");
        assert!(header.contains(from), "{from}");
        *header = header.replace(from, to);
        let denied = row.check(SECRET, then()).expect_err(to);
        assert!(expected(&denied), "{to}: {denied:?}");
    }
    let mut row = signed_by_botocore().swap_remove(0);
    *row.header("x-amz-date") = "yesterday".to_owned();
    assert!(row.check(SECRET, then()).is_err());
}

#[test]
fn what_aws_acts_upon_must_be_signed() {
    let mut row = signed_by_botocore().swap_remove(0);
    row.headers.push(("x-amz-target", "Iot.Delete".to_owned()));
    assert!(matches!(row.check(SECRET, then()), Err(Denied::Invalid(_))));
    // Anything else may be added on the way.
    let mut row = signed_by_botocore().swap_remove(0);
    row.headers.push(("x-forwarded-for", "10.0.0.1".to_owned()));
    assert_eq!(row.check(SECRET, then()), Ok(()));
}

#[test]
fn only_s3_leaves_bodies_unsigned() {
    let mut row = signed_by_botocore().swap_remove(0);
    let unsigned = "UNSIGNED-PAYLOAD".to_owned();
    row.headers.push(("x-amz-content-sha256", unsigned));
    assert!(matches!(row.check(SECRET, then()), Err(Denied::Invalid(_))));
}

#[test]
fn our_own_signer_signs_as_botocore_does() {
    let rows = signed_by_botocore();
    for (index, service, region) in [
        (0, "iot", "us-east-1"),
        (1, "iot-jobs-data", "eu-west-1"),
        (2, "iot", "us-east-1"),
    ] {
        let row = &rows[index];
        let signer = signer::Signer::new("SLOGABCDEFGHIJKLMNOP", SECRET, region, service, then());
        let (path, query) = row.target.split_once('?').unwrap_or((&row.target, ""));
        let to_sign = signer::ToSign {
            method: row.method,
            path,
            query,
            host: "127.0.0.1:8080",
            body: row.body.as_bytes(),
        };
        let [_, (_, authorization)] = signer.sign(&to_sign, then()).unwrap();
        assert_eq!(authorization, *row.clone().header("authorization"));
        assert!(
            signer
                .sign(&to_sign, then().plus(Span(86_400_000)))
                .is_none()
        );
    }
}

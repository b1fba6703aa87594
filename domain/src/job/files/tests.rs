use super::{S3Object, check_placeholders, placeholders};
use crate::limits;

fn object(bucket: &str, key: &str, version: Option<&str>) -> Option<S3Object> {
    Some(S3Object {
        bucket: bucket.into(),
        key: key.into(),
        version: version.map(Into::into),
    })
}

#[test]
fn s3_urls_are_read_in_all_their_styles() {
    let rows = [
        "s3://jobs/a/b.json",
        "https://jobs.s3.amazonaws.com/a/b.json",
        "https://jobs.s3.eu-west-1.amazonaws.com/a/b.json",
        "https://jobs.s3-eu-west-1.amazonaws.com/a/b.json",
        "https://s3.amazonaws.com/jobs/a/b.json",
        "https://s3.eu-west-1.amazonaws.com/jobs/a/b.json",
        "https://s3-eu-west-1.amazonaws.com/jobs/a/b.json",
        "https://s3.amazonaws.com/jobs/a%2Fb.json?x=1",
        "http://s3.amazonaws.com/jobs/a/b.json#part",
    ];
    for url in rows {
        assert_eq!(
            S3Object::parse(url),
            object("jobs", "a/b.json", None),
            "{url}"
        );
    }
    let versioned = S3Object::parse("https://s3.amazonaws.com/jobs/a%20b.json?x=1&versionId=3%2B4");
    assert_eq!(versioned, object("jobs", "a b.json", Some("3+4")));
    let dotted = S3Object::parse("https://my.jobs.s3.amazonaws.com/k");
    assert_eq!(dotted, object("my.jobs", "k", None));
    let wrong = [
        "",
        "s3://",
        "s3://jobs",
        "s3://jobs/",
        "https://example.com/jobs/a",
        "ftp://s3.amazonaws.com/jobs/a",
        "https://s3.amazonaws.com/jobs",
        "https://jobs.s3.amazonaws.com/",
        "https://s3.a.b.amazonaws.com/jobs/a",
        "https://s3x.amazonaws.com/jobs/a",
    ];
    for url in wrong {
        assert_eq!(S3Object::parse(url), None, "{url}");
    }
}

#[test]
fn placeholders_are_found_in_all_their_forms() {
    let rows = [
        "${aws:iot:s3-presigned-url:https://s3.us-east-1.amazonaws.com/b/k.bin}",
        "${aws:iot:s3-presigned-url:https://b.s3.amazonaws.com/k.bin}",
        "${aws:iot:s3-presigned-url-v2:https://b.s3.eu-west-1.amazonaws.com/k.bin}",
        r"${aws:iot:s3-presigned-url:https:\/\/s3.amazonaws.com\/b\/k.bin}",
        "${aws:iot:s3-presigned-url:b/k.bin}",
        "${aws:iot:s3-presigned-url:s3://b/k.bin}",
    ];
    for text in rows {
        let document = format!(r#"{{"url":"see {text}!","again":["{text}"]}}"#);
        let found: Vec<_> = placeholders(&document).collect();
        assert_eq!(found.len(), 2, "{text}");
        for one in found {
            let one = one.unwrap();
            assert_eq!(&document[one.range], text);
            assert_eq!(Some(one.object), object("b", "k.bin", None), "{text}");
        }
    }
}

#[test]
fn what_could_not_be_filled_in_is_refused() {
    let url = "${aws:iot:s3-presigned-url:https://s3.amazonaws.com/b/k}";
    let many = |count: usize| format!(r#"{{"u":"{}"}}"#, url.repeat(count));
    let refused = |document: &str, has_role| {
        let refused = check_placeholders(document, has_role);
        refused.unwrap_err().to_string()
    };
    assert_eq!(check_placeholders("{}", false), Ok(()));
    assert_eq!(
        check_placeholders(&many(limits::PRESIGNED_URLS_MAX), true),
        Ok(())
    );
    let over = refused(&many(limits::PRESIGNED_URLS_MAX + 1), true);
    assert!(over.contains("at most 10"), "{over}");
    let unnamed = refused(&many(1), false);
    assert!(unnamed.contains("presignedUrlConfig.roleArn"), "{unnamed}");
    let wrong = [
        "${aws:iot:s3-presigned-url:https://example.com/b/k}",
        "${aws:iot:s3-presigned-url:b}",
        "${aws:iot:s3-presigned-url:}",
        "${aws:iot:s3-presigned-url-v3:b/k}",
        "${aws:iot:s3-presigned-url:b/k",
    ];
    for text in wrong {
        let refused = refused(&format!(r#"{{"u":"{text}"}}"#), true);
        assert!(refused.contains("must name a file of S3"), "{refused}");
    }
    let package = r#"{"u":"${aws:iot:package:p:version:1:artifact:s3-presigned-url}"}"#;
    assert!(refused(package, true).contains("software packages"));
}

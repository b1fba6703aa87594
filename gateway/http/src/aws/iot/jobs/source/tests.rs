use super::{encode, parse};

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
        "https://s3.amazonaws.com/jobs/a%2Fb.json?versionId=3",
    ];
    for url in rows {
        let expected = Some(("jobs".to_owned(), "a/b.json".to_owned()));
        assert_eq!(parse(url), expected, "{url}");
    }
    let dotted = parse("https://my.jobs.s3.amazonaws.com/k");
    assert_eq!(dotted, Some(("my.jobs".to_owned(), "k".to_owned())));
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
    ];
    for url in wrong {
        assert_eq!(parse(url), None, "{url}");
    }
}

#[test]
fn a_key_is_encoded_as_a_path() {
    assert_eq!(encode("a b/ä+.json"), "a%20b/%C3%A4%2B.json");
}

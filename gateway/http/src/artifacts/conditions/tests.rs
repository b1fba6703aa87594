use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::{Part, parse_range, part, precondition};

fn headers(rows: &[(HeaderName, &'static str)]) -> HeaderMap {
    let rows = rows.iter().cloned();
    rows.map(|(name, value)| (name, HeaderValue::from_static(value)))
        .collect()
}

#[test]
fn conditions_follow_rfc_9110() {
    let (not_modified, failed) = (StatusCode::NOT_MODIFIED, StatusCode::PRECONDITION_FAILED);
    let rows = [
        (header::IF_NONE_MATCH, "\"a\"", Some(not_modified)),
        (header::IF_NONE_MATCH, "W/\"a\"", Some(not_modified)),
        (header::IF_NONE_MATCH, "\"b\", \"a\"", Some(not_modified)),
        (header::IF_NONE_MATCH, "*", Some(not_modified)),
        (header::IF_NONE_MATCH, "\"b\"", None),
        (header::IF_MATCH, "\"a\"", None),
        (header::IF_MATCH, "*", None),
        (header::IF_MATCH, "\"b\"", Some(failed)),
    ];
    for (name, value, expected) in rows {
        let found = precondition(&headers(&[(name.clone(), value)]), "a");
        assert_eq!(found, expected, "{name}: {value}");
    }
}

#[test]
fn a_range_for_another_file_is_for_all_of_this_one() {
    let rows = [
        ("\"a\"", Part::Some(2..4)),
        ("\"b\"", Part::Whole),
        ("W/\"a\"", Part::Whole),
        ("Sat, 31 Jan 2026 12:00:00 GMT", Part::Whole),
    ];
    for (tag, expected) in rows {
        let headers = headers(&[(header::RANGE, "bytes=2-3"), (header::IF_RANGE, tag)]);
        assert_eq!(part(&headers, "a", 10), expected, "{tag}");
    }
}

#[test]
fn ranges_follow_rfc_9110() {
    let cases = [
        ("bytes=0-0", Part::Some(0..1)),
        ("bytes=0-", Part::Some(0..10)),
        ("bytes=3-5", Part::Some(3..6)),
        ("bytes=3-99", Part::Some(3..10)),
        ("bytes=9-9", Part::Some(9..10)),
        ("bytes=-4", Part::Some(6..10)),
        ("bytes=-99", Part::Some(0..10)),
        ("bytes=10-", Part::Nothing),
        ("bytes=-0", Part::Nothing),
        ("bytes=18446744073709551615-", Part::Nothing),
        ("bytes=0-18446744073709551615", Part::Some(0..10)),
        ("bytes=5-3", Part::Whole),
        ("bytes=0-1,3-4", Part::Whole),
        ("bytes=-", Part::Whole),
        ("bytes=a-b", Part::Whole),
        ("bytes=+1-2", Part::Whole),
        ("items=0-1", Part::Whole),
        ("", Part::Whole),
    ];
    for (text, expected) in cases {
        assert_eq!(
            parse_range(&HeaderValue::from_static(text), 10),
            expected,
            "{text}"
        );
    }
    assert_eq!(
        parse_range(&HeaderValue::from_static("bytes=0-"), 0),
        Part::Nothing
    );
}

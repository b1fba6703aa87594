use axum::http::HeaderValue;

use super::{Part, parse_range};

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

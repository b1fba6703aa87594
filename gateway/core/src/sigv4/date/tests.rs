use shipslog_domain::Timestamp;

use super::{parse, text};

#[test]
fn times_read_back() {
    let rows = [
        ("19700101T000000Z", 0),
        ("20000229T000000Z", 951_782_400),
        ("20260131T120000Z", 1_769_860_800),
        ("20240301T235959Z", 1_709_337_599),
        ("21000301T000000Z", 4_107_542_400),
    ];
    for (written, seconds) in rows {
        assert_eq!(
            parse(written),
            Some(Timestamp(seconds * 1_000)),
            "{written}"
        );
        assert_eq!(text(Timestamp(seconds * 1_000 + 999)), written);
    }
}

#[test]
fn nothing_else_is_a_time() {
    let rows = [
        "",
        "2026-01-31T12:00:00Z",
        "20260131T120000",
        "20260131 120000Z",
        "20260230T000000Z",
        "21000229T000000Z",
        "20261301T000000Z",
        "20260100T000000Z",
        "20260131T240000Z",
        "20260131T126000Z",
        "2026013\u{e9}120000Z",
        "19691231T235959Z",
    ];
    for written in rows {
        assert_eq!(parse(written), None, "{written}");
    }
}

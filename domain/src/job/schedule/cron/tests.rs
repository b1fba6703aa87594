use super::super::parse_time;
use super::Cron;
use crate::time::{Span, Timestamp};

fn at(text: &str) -> Timestamp {
    parse_time(text).expect("a time")
}

/// The first three times from a moment on.
fn next(expression: &str, from: &str) -> Vec<Timestamp> {
    let cron = Cron::parse(expression).expect("an expression");
    let mut from = at(from);
    let mut found = Vec::new();
    while let Some(next) = cron.at_or_after(from)
        && found.len() < 3
    {
        found.push(next);
        from = next.plus(Span::MINUTE);
    }
    found
}

#[test]
fn times_follow_the_expression() {
    let rows = [
        (
            "0 2 * * ? *",
            ["2026-01-31 02:00", "2026-02-01 02:00", "2026-02-02 02:00"],
        ),
        (
            "cron(0 2 ? * * *)",
            ["2026-01-31 02:00", "2026-02-01 02:00", "2026-02-02 02:00"],
        ),
        (
            "30 4 ? * MON-WED *",
            ["2026-02-02 04:30", "2026-02-03 04:30", "2026-02-04 04:30"],
        ),
        (
            "0/20 1 1 * ? *",
            ["2026-02-01 01:00", "2026-02-01 01:20", "2026-02-01 01:40"],
        ),
        (
            "5 1,13 ? * 7 *",
            ["2026-01-31 01:05", "2026-01-31 13:05", "2026-02-07 01:05"],
        ),
        (
            "0 0 L * ? *",
            ["2026-01-31 00:00", "2026-02-28 00:00", "2026-03-31 00:00"],
        ),
        (
            "0 0 15W * ? *",
            ["2026-02-16 00:00", "2026-03-16 00:00", "2026-04-15 00:00"],
        ),
        (
            "0 0 1W * ? *",
            ["2026-02-02 00:00", "2026-03-02 00:00", "2026-04-01 00:00"],
        ),
        (
            "0 0 ? * 2#1 *",
            ["2026-02-02 00:00", "2026-03-02 00:00", "2026-04-06 00:00"],
        ),
        (
            "0 0 ? * FRIL *",
            ["2026-02-27 00:00", "2026-03-27 00:00", "2026-04-24 00:00"],
        ),
        (
            "0 0 ? * L *",
            ["2026-01-31 00:00", "2026-02-07 00:00", "2026-02-14 00:00"],
        ),
        (
            "0 0 29 2 ? *",
            ["2028-02-29 00:00", "2032-02-29 00:00", "2036-02-29 00:00"],
        ),
        (
            "59 23 31 DEC ? 2026-2028",
            ["2026-12-31 23:59", "2027-12-31 23:59", "2028-12-31 23:59"],
        ),
    ];
    for (expression, expected) in rows {
        assert_eq!(
            next(expression, "2026-01-31 00:00"),
            expected.map(at),
            "{expression}"
        );
    }
    assert_eq!(next("0 0 1 1 ? 2026", "2026-01-31 00:00"), []);
    assert_eq!(next("0 0 31 2 ? *", "2026-01-31 00:00"), []);
}

#[test]
fn what_is_no_expression_is_refused() {
    let rows = [
        "",
        "0 2 * * ?",
        "0 2 * * ? * *",
        "60 2 * * ? *",
        "0 24 * * ? *",
        "0 2 0 * ? *",
        "0 2 32 * ? *",
        "0 2 * 13 ? *",
        "0 2 ? * 8 *",
        "0 2 ? * 0 *",
        "0 2 * * ? 1969",
        "0 2 * * ? 2200",
        "0 2 1 * 2 *",
        "0 2 ? * ? *",
        "0/0 2 * * ? *",
        "0/61 2 * * ? *",
        "5-1 2 * * ? *",
        "a 2 * * ? *",
        "-1 2 * * ? *",
        "0 2 ? * 2#6 *",
        "0 2 32W * ? *",
        "cron(0 2 * * ? *",
        "1,,2 2 * * ? *",
    ];
    for text in rows {
        let refused = Cron::parse(text).expect_err(text);
        assert_eq!(refused.field, "startTime", "{text}");
    }
    assert!(Cron::parse(&"1".repeat(257)).is_err());
}

#[test]
fn an_expression_is_stored_as_its_text() {
    let cron = Cron::parse("cron(0 2 ? * SUN *)").expect("an expression");
    let bytes = minicbor::to_vec(&cron).expect("memory takes it");
    let read: Cron = minicbor::decode(&bytes).expect("what was stored");
    assert_eq!(read, cron);
    assert_eq!(read.as_str(), "cron(0 2 ? * SUN *)");
}

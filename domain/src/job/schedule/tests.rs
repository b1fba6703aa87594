use super::{Cron, EndBehavior, Phase, Schedule, Window, parse_time};
use crate::time::{Span, Timestamp};

fn at(text: &str) -> Timestamp {
    parse_time(text).expect("a time")
}

fn window(start: &str, duration_minutes: u32) -> Window {
    Window {
        start: Cron::parse(start).expect("an expression"),
        duration_minutes,
    }
}

#[test]
fn times_are_read_in_the_forms_of_aws_and_iso_8601() {
    let rows = [
        ("1970-01-01 00:00", 0),
        ("2026-01-31 04:30", 1_769_833_800),
        ("2026-01-31T04:30", 1_769_833_800),
        ("2026-01-31T04:30:05Z", 1_769_833_805),
        ("2026-01-31T13:30:00+09:00", 1_769_833_800),
        ("2026-01-30T22:30-06:00", 1_769_833_800),
        ("2028-02-29 00:00", 1_835_395_200),
    ];
    for (text, seconds) in rows {
        assert_eq!(parse_time(text), Some(Timestamp(seconds * 1_000)), "{text}");
    }
    let wrong = [
        "",
        "2026-01-31",
        "2026-01-31 24:00",
        "2026-01-31 04:60",
        "2026-02-29 00:00",
        "2026-13-01 00:00",
        "1969-12-31 00:00",
        "2026-1-31 04:30",
        "2026-01-31 04:30:61",
        "2026-01-31T04:30+9",
        "2026-01-31-01 00:00",
        "1970-01-01T00:00+01:00",
        "2026-01-31 4:30",
        "soon at noon",
    ];
    for text in wrong {
        assert_eq!(parse_time(text), None, "{text}");
    }
}

#[test]
fn a_schedule_is_open_within_its_windows_and_after_its_start() {
    let nightly = Schedule {
        start_at: Some(at("2026-01-10 12:00")),
        windows: vec![window("0 22 * * ? *", 120), window("0 6 ? * SUN *", 30)],
        ..Schedule::default()
    };
    let rows = [
        // Before the start, until the first window after it.
        (
            "2026-01-09 22:30",
            Phase::Closed(Some(at("2026-01-10 22:00"))),
        ),
        (
            "2026-01-10 12:00",
            Phase::Closed(Some(at("2026-01-10 22:00"))),
        ),
        (
            "2026-01-10 22:00",
            Phase::Open(Some(at("2026-01-11 00:00"))),
        ),
        (
            "2026-01-10 23:59",
            Phase::Open(Some(at("2026-01-11 00:00"))),
        ),
        // A Sunday.
        (
            "2026-01-11 00:00",
            Phase::Closed(Some(at("2026-01-11 06:00"))),
        ),
        (
            "2026-01-11 06:29",
            Phase::Open(Some(at("2026-01-11 06:30"))),
        ),
        (
            "2026-01-11 06:30",
            Phase::Closed(Some(at("2026-01-11 22:00"))),
        ),
    ];
    for (moment, phase) in rows {
        assert_eq!(nightly.phase(at(moment)), phase, "{moment}");
    }
    let within = Schedule {
        start_at: Some(at("2026-01-10 22:30")),
        ..nightly
    };
    assert_eq!(
        within.phase(at("2026-01-10 22:10")),
        Phase::Closed(Some(at("2026-01-10 22:30")))
    );
    assert_eq!(
        Schedule::default().phase(at("2026-01-10 22:10")),
        Phase::Open(None)
    );
}

#[test]
fn the_next_rollouts_end_with_the_schedule() {
    let schedule = Schedule {
        end_at: Some(at("2026-01-12 22:00")),
        windows: vec![window("0 22 * * ? *", 120)],
        ..Schedule::default()
    };
    let next = schedule.next_rollouts(at("2026-01-10 22:01"), 7);
    assert_eq!(next, [at("2026-01-11 22:00")]);
    let once = Schedule {
        start_at: Some(at("2026-01-12 22:00")),
        ..Schedule::default()
    };
    assert_eq!(
        once.next_rollouts(at("2026-01-10 22:00"), 7),
        [at("2026-01-12 22:00")]
    );
    assert_eq!(once.next_rollouts(at("2026-01-13 22:00"), 7), []);
}

#[test]
fn schedules_that_aws_refuses_are_refused_by_field() {
    let now = at("2026-01-10 12:00");
    let minutes = |count| Some(now.plus(Span::minutes(count)));
    let year = 366 * 24 * 60;
    let starts = |start_at| Schedule {
        start_at,
        ..Schedule::default()
    };
    let ends = |start_at, end_at| Schedule {
        start_at,
        end_at,
        ..Schedule::default()
    };
    let windows = |windows: &[Window]| Schedule {
        windows: windows.to_vec(),
        ..Schedule::default()
    };
    let good = [
        starts(minutes(30)),
        starts(minutes(year)),
        ends(None, minutes(30)),
        ends(None, minutes(2 * year)),
        ends(minutes(30), minutes(60)),
        windows(&[window("0 2 * * ? *", 1_430)]),
        windows(&[window("0 2 * * ? *", 60), window("0 3 * * ? *", 60)]),
    ];
    for schedule in good {
        assert_eq!(schedule.check(true, now), Ok(()), "{schedule:?}");
    }
    let bad = [
        (starts(minutes(29)), "schedulingConfig.startTime"),
        (starts(minutes(year + 1)), "schedulingConfig.startTime"),
        (ends(None, minutes(29)), "schedulingConfig.endTime"),
        (
            ends(None, minutes(2 * year + 1)),
            "schedulingConfig.endTime",
        ),
        (ends(minutes(60), minutes(89)), "schedulingConfig.endTime"),
        (
            Schedule {
                end_behavior: Some(EndBehavior::Cancel),
                ..Schedule::default()
            },
            "schedulingConfig.endBehavior",
        ),
        (
            windows(&[window("0 2 * * ? *", 0)]),
            "schedulingConfig.maintenanceWindows",
        ),
        (
            windows(&[window("0 2 * * ? *", 1_431)]),
            "schedulingConfig.maintenanceWindows",
        ),
        (
            windows(&[window("0 2 * * ? 2025", 10)]),
            "schedulingConfig.maintenanceWindows",
        ),
        (
            windows(&[window("0 2 * * ? *", 61), window("0 3 ? * SUN *", 60)]),
            "schedulingConfig.maintenanceWindows",
        ),
        (
            windows(&[window("0/10 2 * * ? *", 11)]),
            "schedulingConfig.maintenanceWindows",
        ),
        (
            windows(&vec![window("0 2 * * ? *", 1); 21]),
            "schedulingConfig.maintenanceWindows",
        ),
    ];
    for (schedule, field) in bad {
        let refused = schedule.check(true, now).expect_err(field);
        assert_eq!(refused.field, field, "{schedule:?}");
    }
    let daily = windows(&[window("0 2 * * ? *", 60)]);
    assert!(daily.check(false, now).is_err(), "only for CONTINUOUS jobs");
}

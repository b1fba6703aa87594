use shipslog_domain::Timestamp;

use super::{Hours, ScheduleRule, Zone};

const fn at(hours: u32, minutes: u32) -> u32 {
    hours * 60 + minutes
}

#[test]
fn times_of_day_are_told_in_their_zone() {
    let rows = [
        // Tokyo, Paris in winter, Denver in winter, Kathmandu, and where the day begins first and last.
        (540, at(2, 0), at(17, 0)),
        (60, at(2, 0), at(1, 0)),
        (-420, at(2, 0), at(9, 0)),
        (345, at(0, 30), at(18, 45)),
        (840, at(0, 0), at(10, 0)),
        (-720, at(23, 59), at(11, 59)),
    ];
    for (ahead_minutes, local, utc) in rows {
        let zone = Zone { ahead_minutes };
        assert_eq!(zone.utc(local), utc, "{ahead_minutes}");
        assert_eq!(zone.local(utc), local, "{ahead_minutes}");
    }
}

#[test]
fn hours_go_on_over_midnight() {
    let night = Hours {
        from: at(23, 0),
        until: at(1, 30),
    };
    assert_eq!(night.minutes(), 150);
    let held = [at(22, 59), at(23, 0), at(0, 0), at(1, 29), at(1, 30)];
    assert_eq!(
        held.map(|minute| night.hold(minute)),
        [false, true, true, true, false]
    );
}

#[test]
fn windows_reach_the_service_in_utc() {
    let rule = ScheduleRule {
        zone: Zone { ahead_minutes: 540 },
        windows: vec![Hours {
            from: at(2, 15),
            until: at(4, 0),
        }],
        ..ScheduleRule::default()
    };
    let schedule = rule.resolve(Timestamp(0)).expect("a schedule");
    assert_eq!(schedule.windows[0].start.as_str(), "cron(15 17 * * ? *)");
    assert_eq!(schedule.windows[0].duration_minutes, 105);
}

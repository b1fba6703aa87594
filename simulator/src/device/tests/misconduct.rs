//! Devices that lose power, are late, lie, come and go, or never come.

use super::*;
use crate::device::OnlineHours;

fn all(behavior: Behavior) -> Play {
    Play::new(Kind::Core, behavior)
}

fn scripted(change: impl FnOnce(&mut Script)) -> Play {
    let mut play = Play::core();
    let mut script = Script::clone(&play.device.script);
    change(&mut script);
    play.device = Device::new(Arc::new(script), Seeds::root(1), Timestamp(0));
    play
}

#[test]
fn a_device_is_small() {
    assert!(size_of::<Device>() <= 128, "{}", size_of::<Device>());
    assert!(size_of::<Work>() <= 96, "{}", size_of::<Work>());
}

#[test]
fn a_device_without_power_forgets_what_it_did_and_starts_anew() {
    let mut play = all(Behavior {
        dying: SHARE_WHOLE,
        away: Distribution::Constant(60_000),
        ..Behavior::default()
    })
    .joined();
    let begun = run("J1", 1, 2, Status::InProgress);
    let death = play.device.script.behaviors[0]
        .plan(Seeds::root(1), 1, 1)
        .dies_after_ms
        .expect("all die");
    assert!(death < 1_500);
    play.rows(&[
        (notified(queued("J1")), &["update#2 J1/1 at 1: IN_PROGRESS"]),
        (updated(2), &[]),
        (Wait(death), &["disconnect"]),
        (Wait(59_999), &[]),
        (Wait(1), &["connect"]),
        // Its software counts its health messages anew.
        (
            Hear(Incoming::Connected),
            &["subscribe", "health 1", "next#3"],
        ),
        (Hear(Incoming::Subscribed), &[]),
        (Hear(Incoming::HealthStored), &[]),
        (
            Hear(next(3, Some(begun))),
            &["update#4 J1/1 at 2: IN_PROGRESS"],
        ),
        (updated(4), &[]),
        // The same run is not left a second time.
        (Wait(1_499), &[]),
        (Wait(1), &["update#5 J1/1 at 3: SUCCEEDED"]),
        (updated(5), &[]),
    ])
    .ended(&[(1, End::Succeeded)]);
    let died = play.reactions.iter().filter(|reaction| reaction.died);
    assert_eq!(died.count(), 1);
}

#[test]
fn a_late_report_comes_late_and_is_dropped_when_the_run_has_timed_out() {
    let mut play = all(Behavior {
        late: SHARE_WHOLE,
        lateness: Distribution::Constant(600_000),
        ..Behavior::default()
    })
    .joined();
    play.rows(&[
        (notified(queued("J1")), &["update#2 J1/1 at 1: IN_PROGRESS"]),
        (updated(2), &[]),
        // The service tries again meanwhile; the device is still busy with the first run.
        (notified(run("J1", 2, 1, Status::Queued)), &[]),
        (Wait(601_499), &[]),
        (Wait(1), &["update#3 J1/1 at 2: SUCCEEDED"]),
        (
            refused(3, Code::InvalidStateTransition, Some(Status::TimedOut)),
            &["next#4"],
        ),
        (
            Hear(next(4, Some(run("J1", 2, 1, Status::Queued)))),
            &["update#5 J1/2 at 1: IN_PROGRESS"],
        ),
    ])
    .ended(&[(1, End::Dropped)]);
    assert_eq!(play.device.ordinal, 1, "the same job");
}

#[test]
fn a_liar_reports_success_and_then_what_it_runs() {
    let mut play = all(Behavior {
        lying: SHARE_WHOLE,
        ..Behavior::default()
    })
    .joined();
    play.device.installed = 4;
    play.rows(&[
        (notified(queued("J1")), &["update#2 J1/1 at 1: IN_PROGRESS"]),
        (updated(2), &[]),
        (Wait(1_500), &["update#3 J1/1 at 2: SUCCEEDED"]),
        (updated(3), &["health 2 by +0 runs 4"]),
        (Hear(Incoming::HealthStored), &[]),
    ])
    .ended(&[(1, End::Succeeded)]);
    assert_eq!(play.device.installed(), 4);
    assert!(play.reactions.iter().any(|reaction| reaction.lied));
    let mut honest = Play::core().joined();
    honest.rows(&[
        (notified(queued("J1")), &["update#2 J1/1 at 1: IN_PROGRESS"]),
        (updated(2), &[]),
        (Wait(1_500), &["update#3 J1/1 at 2: SUCCEEDED"]),
        (updated(3), &[]),
    ]);
    assert_eq!(honest.device.installed(), 1);
}

#[test]
fn a_device_thinks_before_it_begins() {
    let thoughtful = Behavior {
        think: Distribution::Constant(7_000),
        ..Behavior::default()
    };
    let mut play = all(thoughtful.clone()).joined();
    play.rows(&[
        (notified(queued("J1")), &[]),
        (Wait(6_999), &[]),
        (Wait(1), &["update#2 J1/1 at 1: IN_PROGRESS"]),
    ]);
    let mut play = Play::new(Kind::Jobs, thoughtful);
    play.rows(&[
        (Wait(0), &["connect"]),
        (Hear(Incoming::Connected), &["subscribe", "next#1"]),
        (Hear(Incoming::Subscribed), &[]),
        (Hear(next(1, None)), &[]),
        (notified(queued("J1")), &[]),
        (Wait(7_000), &["start#2"]),
    ]);
}

#[test]
fn a_device_keeps_its_hours() {
    let mut play = scripted(|script| {
        script.online = Some(OnlineHours {
            on: Distribution::Constant(30_000),
            off: Distribution::Constant(120_000),
        });
    })
    .joined();
    play.rows(&[
        (Wait(29_999), &[]),
        (Wait(1), &["disconnect"]),
        (Wait(119_999), &[]),
        (Wait(1), &["connect"]),
        (
            Hear(Incoming::Connected),
            &["subscribe", "health 2", "next#2"],
        ),
    ]);
}

#[test]
fn a_device_comes_back_after_the_delay_of_its_script() {
    let mut play = scripted(|script| script.reconnect = Some(Distribution::Constant(3)));
    play.rows(&[
        (Wait(0), &["connect"]),
        (Hear(Incoming::Disconnected), &[]),
        (Wait(2), &[]),
        (Wait(1), &["connect"]),
        (Hear(Incoming::Disconnected), &[]),
        (Wait(3), &["connect"]),
    ]);
}

#[test]
fn a_device_that_never_connects_wants_nothing() {
    let mut play = scripted(|script| script.never_connects = true);
    assert_eq!(play.device.poll_timeout(), None);
    play.rows(&[(Wait(1_000_000), &[]), (Hear(Incoming::Disconnected), &[])]);
    assert_eq!(play.device.poll_timeout(), None);
}

#[test]
fn a_wrong_clock_shows_in_health_messages() {
    let mut play = scripted(|script| {
        script.clock_ahead = Distribution::Constant(500);
        script.clock_behind = Distribution::Constant(3_600_000);
    });
    play.rows(&[
        (Wait(0), &["connect"]),
        (
            Hear(Incoming::Connected),
            &["subscribe", "health 1 by -3599500 runs 0", "next#1"],
        ),
    ]);
}

#[test]
fn a_run_of_the_job_before_keeps_its_ordinal() {
    let mut play = Play::core().joined();
    play.rows(&[
        (notified(queued("J1")), &["update#2 J1/1 at 1: IN_PROGRESS"]),
        (
            refused(2, Code::InvalidStateTransition, Some(Status::TimedOut)),
            &["next#3"],
        ),
        (
            Hear(next(3, Some(queued("J2")))),
            &["update#4 J2/1 at 1: IN_PROGRESS"],
        ),
        (updated(4), &[]),
        (Wait(1_500), &["update#5 J2/1 at 2: SUCCEEDED"]),
        (updated(5), &[]),
        (
            notified(run("J1", 2, 1, Status::Queued)),
            &["update#6 J1/2 at 1: IN_PROGRESS"],
        ),
        (updated(6), &[]),
        (Wait(1_500), &["update#7 J1/2 at 2: SUCCEEDED"]),
        (updated(7), &[]),
        (notified(queued("J3")), &["update#8 J3/1 at 1: IN_PROGRESS"]),
        (updated(8), &[]),
        (Wait(1_500), &["update#9 J3/1 at 2: SUCCEEDED"]),
        (updated(9), &[]),
    ])
    .ended(&[
        (1, End::Dropped),
        (2, End::Succeeded),
        (1, End::Succeeded),
        (3, End::Succeeded),
    ]);
}

use std::time::{Duration, Instant};

use super::*;
use crate::behavior::{Behavior, Distribution, Expectation};
use crate::device::{Kind, Patience};
use crate::net::tests::broker::{Broker, Fault};
use shipslog_domain::Span;

pub(crate) mod broker;
pub(crate) mod endpoint;

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

fn script(kind: Kind, behavior: &Behavior) -> Arc<Script> {
    let quick = Behavior {
        download: Distribution::Uniform { low: 1, high: 20 },
        install: Distribution::Constant(5),
        ..behavior.clone()
    };
    Arc::new(Script {
        kind,
        behaviors: vec![quick],
        patience: Patience {
            answer: Span(200),
            reconnect: Span(20),
            reconnect_max: Span(100),
        },
        ..Script::default()
    })
}

fn options(broker: &Broker, devices: u32, script: Arc<Script>) -> Options {
    let target = Target::parse(&format!("mqtt://{}", broker.address()), None).expect("an address");
    Options {
        script,
        window: 32,
        ..Options::new(target, devices, 7)
    }
}

fn mixed() -> Behavior {
    Behavior {
        failing: 1_500,
        rejecting: 500,
        silent: 300,
        stalling: 200,
        repeating: 2_000,
        ..Behavior::default()
    }
}

/// Connects 200 devices, gives them one job, and compares what the broker has with what the seed says.
fn rolls_out(kind: Kind, fault: Fault) {
    let broker = Broker::start(fault);
    let script = script(kind, &mixed());
    let behavior = script.behavior(1).expect("one behavior").clone();
    let progress = Arc::new(Progress::default());
    let mut swarm = start(options(&broker, 200, script), Arc::clone(&progress)).expect("it starts");
    swarm
        .wait_until("joining", soon(), |now| now.joined == 200)
        .expect("all join");
    broker.deploy("job-1");
    let end = swarm
        .wait_until("the job", soon(), |now| now.job(1).settled() == 200)
        .expect("all settle");
    let expected = Expectation::of(&behavior, 7, 0, 200, 1);
    let ends = end.job(1);
    assert_eq!(
        [
            ends.succeeded,
            ends.failed,
            ends.rejected,
            ends.silent,
            ends.stalled,
            ends.dropped
        ],
        [
            expected.succeeded,
            expected.failed,
            expected.rejected,
            expected.silent,
            expected.stalled,
            0
        ]
    );
    let stored = broker.statuses("job-1");
    assert_eq!(
        ["SUCCEEDED", "FAILED", "REJECTED", "QUEUED", "IN_PROGRESS"]
            .map(|status| stored.get(status).copied().unwrap_or(0)),
        [
            expected.succeeded,
            expected.failed,
            expected.rejected,
            expected.silent,
            expected.stalled
        ]
    );
    assert_eq!(broker.reasons(), expected.reasons);
    assert_eq!(broker.download_times(), expected.download_ms);
    let measured = swarm.stop().expect("it stops");
    assert!(measured.moments.joining().is_some());
    assert!(measured.updates.len() > 200);
    // A round trip through two threads and the kernel takes some microseconds at least.
    assert!(measured.updates.min() >= 5 && measured.updates.max() < 20_000_000);
    assert_eq!(progress.snapshot().connected, 0);
    // A device whose connection was cut just before the end has nobody to say goodbye to.
    if fault != Fault::CutAtEverySeventhUpdate {
        broker.wait_for_goodbyes(200);
    }
}

#[test]
fn two_hundred_cores_do_as_their_seeds_say() {
    rolls_out(Kind::Core, Fault::None);
}

#[test]
fn two_hundred_classic_cores_do_as_their_seeds_say() {
    rolls_out(Kind::CoreByList, Fault::None);
}

#[test]
fn lost_answers_change_no_outcome() {
    rolls_out(Kind::Core, Fault::LoseEveryThirdAnswer);
}

#[test]
fn cut_connections_change_no_outcome() {
    rolls_out(Kind::Core, Fault::CutAtEverySeventhUpdate);
}

#[test]
fn a_large_notification_in_small_pieces_is_understood() {
    rolls_out(Kind::Core, Fault::SmallPieces);
}

#[test]
fn a_refused_welcome_is_reported() {
    let broker = Broker::start(Fault::RefuseWelcome);
    let progress = Arc::new(Progress::default());
    let options = options(&broker, 3, script(Kind::Core, &Behavior::default()));
    let mut swarm = start(options, Arc::clone(&progress)).expect("it starts");
    let failure = swarm
        .wait_until(
            "joining",
            Instant::now() + Duration::from_millis(300),
            |now| now.joined == 3,
        )
        .expect_err("nobody joins");
    let text = failure.to_string();
    assert!(text.contains("joining did not happen in time"), "{text}");
    assert!(
        text.contains("the connection was refused with code 5"),
        "{text}"
    );
    assert!(progress.snapshot().dials_failed >= 3);
    progress.request_stop();
    let failure = swarm.wait_until("joining", soon(), |now| now.joined == 3);
    assert!(matches!(failure, Err(Failure::Stopped)));
    let _measured = swarm.stop().expect("it stops");
}

#[test]
fn dials_are_paced() {
    let broker = Broker::start(Fault::None);
    let progress = Arc::new(Progress::default());
    let options = Options {
        dials_per_second: 100,
        ..options(&broker, 30, script(Kind::Core, &Behavior::default()))
    };
    let begun = Instant::now();
    let mut swarm = start(options, progress).expect("it starts");
    swarm
        .wait_until("joining", soon(), |now| now.joined == 30)
        .expect("all join");
    assert!(begun.elapsed() >= Duration::from_millis(290));
    let _measured = swarm.stop().expect("it stops");
}

#[test]
fn more_devices_than_descriptors_are_refused() {
    let target = Target::parse("127.0.0.1:1", None).expect("an address");
    let devices = u32::try_from(descriptor_limit().min(u64::from(u32::MAX))).expect("bounded");
    let failure = start(
        Options::new(target, devices, 1),
        Arc::new(Progress::default()),
    )
    .expect_err("too many");
    assert!(matches!(failure, Failure::Descriptors { .. }), "{failure}");
    let text = failure.to_string();
    assert!(
        text.contains("use --workers") && text.contains("ulimit -n"),
        "{text}"
    );
}

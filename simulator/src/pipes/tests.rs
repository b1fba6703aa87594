use std::sync::Arc;
use std::time::Duration;

use shipslog_domain::Span;

use super::*;
use crate::behavior::{Behavior, Expectation};
use crate::device::{Kind, Patience, Script};
use crate::distribution::Distribution;
use crate::net::progress::Snapshot;
use crate::net::tests::broker::{Broker, Fault};

impl Service for Broker {
    fn serve(&self, stream: ServiceEnd) {
        self.serve(stream);
    }
}

fn script(kind: Kind) -> Arc<Script> {
    let behavior = Behavior {
        failing: 1_500,
        rejecting: 500,
        silent: 300,
        stalling: 200,
        repeating: 2_000,
        download: Distribution::Uniform { low: 1, high: 20 },
        install: Distribution::Constant(5),
        ..Behavior::default()
    };
    Arc::new(Script {
        kind,
        behaviors: vec![behavior],
        patience: Patience {
            answer: Span(200),
            reconnect: Span(20),
            reconnect_max: Span(100),
        },
        ..Script::default()
    })
}

fn options(devices: u32, script: &Arc<Script>) -> Options {
    let mut scenario = Scenario::honest(devices, 7);
    for class in &mut scenario.classes {
        class.script = Arc::clone(script);
    }
    Options::new(Arc::new(scenario))
}

async fn reaches(progress: &Progress, what: &str, done: impl Fn(&Snapshot) -> bool) -> Snapshot {
    let reached = async {
        loop {
            let snapshot = progress.snapshot();
            if done(&snapshot) {
                return snapshot;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let bounded = tokio::time::timeout(Duration::from_secs(20), reached).await;
    bounded.unwrap_or_else(|_| panic!("{what}: {}", progress.snapshot()))
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
}

/// Connects 200 devices, gives them one job, and compares what the broker has with what the seed says.
fn rolls_out(kind: Kind, fault: Fault) {
    let broker = Arc::new(Broker::start(fault));
    let script = script(kind);
    let behavior = script.behavior(1).expect("one behavior");
    let expected = Expectation::of(behavior, 7, 0, 200, 1);
    let progress = Arc::new(Progress::default());
    let options = Options {
        window: 32,
        ..options(200, &script)
    };
    let runtime = runtime();
    let (end, measured) = runtime.block_on(async {
        let swarm = start(options, &progress, &broker);
        reaches(&progress, "joining", |now| now.joined == 200).await;
        broker.deploy("job-1");
        let end = reaches(&progress, "the job", |now| now.job(1).settled() == 200).await;
        let measured = swarm.stop().await.expect("no driver ended by itself");
        (end, measured)
    });
    let did = end.job(1);
    assert_eq!(
        [
            did.succeeded,
            did.failed,
            did.rejected,
            did.silent,
            did.stalled,
            did.dropped
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
    assert_eq!(broker.reasons(), expected.reasons);
    assert_eq!(broker.download_times(), expected.download_ms);
    assert!(measured.moments.joining().is_some());
    assert!(measured.updates.len() >= expected.ended());
    assert!(measured.welcomes.len() >= 200);
    assert_eq!(progress.snapshot().connected, 0);
    // A device whose connection was cut just before the end has nobody to say goodbye to.
    if fault == Fault::CutAtEverySeventhUpdate {
        assert!(end.reconnects > 0, "connections were cut");
    } else {
        broker.wait_for_goodbyes(200);
    }
}

#[test]
fn devices_do_a_job_as_their_seeds_say() {
    rolls_out(Kind::Core, Fault::None);
    rolls_out(Kind::CoreByList, Fault::None);
}

#[test]
fn packets_in_pieces_are_put_together() {
    rolls_out(Kind::Core, Fault::SmallPieces);
}

#[test]
fn lost_answers_are_asked_for_again() {
    rolls_out(Kind::Core, Fault::LoseEveryThirdAnswer);
}

#[test]
fn devices_come_back_when_their_connection_is_cut() {
    rolls_out(Kind::Core, Fault::CutAtEverySeventhUpdate);
}

/// Whether a play at rest wants to be woken next at this time, within the tick of its timers.
async fn rests_until(swarm: &Swarm, now: Timestamp, next: Timestamp) {
    let rests = async {
        while swarm.rest(now).and_then(|rest| rest.next) != Some(next) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let bounded = tokio::time::timeout(Duration::from_secs(20), rests).await;
    bounded.unwrap_or_else(|_| panic!("{next:?} is not next, but {:?}", swarm.rest(now)));
}

/// A service acts at the new time before its devices know of it: what they do about that is not of the time before.
#[test]
fn devices_that_are_held_do_nothing_at_an_old_time() {
    let work = Behavior {
        download: Distribution::Constant(900),
        install: Distribution::Constant(100),
        ..Behavior::default()
    };
    let script = Script {
        behaviors: vec![work],
        ..Script::default()
    };
    let (early, late) = (Timestamp(1_000_000), Timestamp(2_000_000));
    let time = Arc::new(AtomicU64::new(early.0));
    let broker = Arc::new(Broker::start(Fault::None));
    let progress = Arc::new(Progress::default());
    let options = Options {
        clock: Clock::Set(Arc::clone(&time)),
        ..options(10, &Arc::new(script))
    };
    runtime().block_on(async {
        let swarm = start(options, &progress, &broker);
        let joined = reaches(&progress, "joining", |now| now.joined == 10).await;
        reaches(&progress, "rest", |_| swarm.hold()).await;
        broker.deploy("job-1");
        // Long enough for devices that are not held to be done with it.
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(progress.snapshot().messages_in, joined.messages_in);
        time.store(late.0, Relaxed);
        swarm.wake();
        rests_until(&swarm, late, Timestamp(late.0 + 1_000)).await;
        time.store(late.0 + 1_000, Relaxed);
        swarm.wake();
        reaches(&progress, "the job", |now| now.job(1).succeeded == 10).await;
        // One that is held can be stopped.
        reaches(&progress, "rest", |_| swarm.hold()).await;
        swarm.stop().await.expect("no driver ended by itself");
        assert_eq!(progress.snapshot().connected, 0);
    });
}

/// A service that takes no stream at all.
struct Down;

impl Service for Down {
    fn serve(&self, stream: ServiceEnd) {
        drop(stream);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn devices_go_on_trying_where_nobody_serves_them() {
    let progress = Arc::new(Progress::default());
    let options = Options {
        window: 3,
        ..options(10, &script(Kind::Jobs))
    };
    let swarm = start(options, &progress, &Arc::new(Down));
    let end = reaches(&progress, "dialing", |now| now.dials_failed > 30).await;
    assert_eq!((end.welcomed, end.connected, end.joined), (0, 0, 0));
    let trouble = progress.last_trouble().expect("something went wrong");
    assert!(trouble.contains("closed the connection"), "{trouble}");
    swarm.stop().await.expect("no driver ended by itself");
}

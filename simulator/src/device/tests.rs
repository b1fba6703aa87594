use super::*;
use shipslog_domain::Span;

use crate::behavior::{Behavior, Conduct, Distribution, SHARE_WHOLE};
use crate::device::message::Execution;

mod misconduct;
mod weather;

/// One thing that happens to a device.
enum Step {
    Hear(Incoming<'static>),
    Wait(u64),
}
use Step::{Hear, Wait};

/// Plays steps against a device; after each, what it says must be exactly what the row gives.
struct Play {
    device: Device,
    now: Timestamp,
    ends: Vec<(u32, End)>,
    reactions: Vec<Reaction>,
}

impl Play {
    fn new(kind: Kind, behavior: Behavior) -> Self {
        let script = Script {
            kind,
            behaviors: vec![Behavior {
                download: Distribution::Constant(1_000),
                install: Distribution::Constant(500),
                ..behavior
            }],
            ..Script::default()
        };
        Self {
            device: Device::new(Arc::new(script), Seeds::root(1), Timestamp(0)),
            now: Timestamp(0),
            ends: Vec::new(),
            reactions: Vec::new(),
        }
    }

    fn core() -> Self {
        Self::new(Kind::Core, Behavior::default())
    }

    fn rows(&mut self, rows: &[(Step, &[&str])]) -> &mut Self {
        for (index, (step, expected)) in rows.iter().enumerate() {
            let reaction = match step {
                Hear(incoming) => self.device.handle_message(*incoming, self.now),
                Wait(length) => {
                    self.now = self.now.plus(Span(*length));
                    self.device.handle_timeout(self.now)
                }
            };
            self.ends.extend(reaction.ended);
            self.reactions.push(reaction);
            let mut said = Vec::new();
            while let Some(message) = self.device.poll_message(self.now) {
                said.push(text(&message));
            }
            assert_eq!(said, *expected, "row {index}");
        }
        self
    }

    /// Connected, joined, idle.
    fn joined(self) -> Self {
        self.joined_as("health 1")
    }

    fn joined_as(mut self, health: &str) -> Self {
        self.rows(&[
            (Wait(0), &["connect"]),
            (Hear(Incoming::Connected), &["subscribe", health, "next#1"]),
            (Hear(Incoming::Subscribed), &[]),
            (Hear(Incoming::HealthStored), &[]),
            (Hear(next(1, None)), &[]),
        ]);
        assert!(self.reactions.last().expect("played").joined);
        self
    }

    fn ended(&self, ends: &[(u32, End)]) {
        assert_eq!(self.ends, ends);
    }
}

fn text(message: &Outgoing<'_>) -> String {
    match message {
        Outgoing::Connect => "connect".into(),
        Outgoing::Disconnect => "disconnect".into(),
        Outgoing::Subscribe => "subscribe".into(),
        Outgoing::Health {
            sequence,
            clock_error: 0,
            installed: 0,
            nucleus: None,
        } => format!("health {sequence}"),
        Outgoing::Health {
            sequence,
            clock_error,
            installed,
            nucleus: None,
        } => format!("health {sequence} by {clock_error:+} runs {installed}"),
        Outgoing::Health {
            sequence,
            nucleus: Some(nucleus),
            ..
        } => {
            let kind = if nucleus.tells_changes() {
                "changed"
            } else {
                "all"
            };
            let parts = nucleus.reported();
            let parts = parts.map(|one| format!(" {} {} {}", one.name, one.version, one.state));
            format!("health {sequence} {kind}:{}", parts.collect::<String>())
        }
        Outgoing::Next { token } => format!("next#{token}"),
        Outgoing::StartNext { token } => format!("start#{token}"),
        Outgoing::Describe { token, job, number } => format!("describe#{token} {job}/{number}"),
        Outgoing::Update(update) => {
            let version = update.expected_version;
            let version = version.map_or("any".into(), |version| version.to_string());
            let (token, job, status) = (update.token, update.job, update.status.as_str());
            let number = update.number;
            format!("update#{token} {job}/{number} at {version}: {status}")
        }
    }
}

fn run(job: &'static str, number: u64, version: u64, status: Status) -> Execution<'static> {
    Execution {
        job,
        number,
        version,
        status,
        document: "",
    }
}

fn queued(job: &'static str) -> Execution<'static> {
    run(job, 1, 1, Status::Queued)
}

fn notified(execution: Execution<'static>) -> Step {
    Hear(Incoming::NotifiedNext(Some(execution)))
}

fn answer(token: u32, reply: Reply<'static>) -> Incoming<'static> {
    Incoming::Answer { token, reply }
}

fn next(token: u32, execution: Option<Execution<'static>>) -> Incoming<'static> {
    answer(token, Reply::Next(execution))
}

fn updated(token: u32) -> Step {
    Hear(answer(token, Reply::Updated))
}

fn refused(token: u32, code: Code, status: Option<Status>) -> Step {
    Hear(answer(token, Reply::Refused { code, status }))
}

fn described(token: u32, execution: Option<Execution<'static>>) -> Step {
    Hear(answer(token, Reply::Described(execution)))
}

const EMPTY: Step = Hear(Incoming::NotifiedNext(None));

#[test]
fn a_core_takes_a_deployment_from_its_notification() {
    let mut play = Play::core().joined();
    play.rows(&[
        (notified(queued("J1")), &["update#2 J1/1 at 1: IN_PROGRESS"]),
        (updated(2), &[]),
        (Wait(1_499), &[]),
        (Wait(1), &["update#3 J1/1 at 2: SUCCEEDED"]),
        (EMPTY, &[]),
        (updated(3), &[]),
    ])
    .ended(&[(1, End::Succeeded)]);
    assert_eq!(play.device.poll_timeout(), None);
}

#[test]
fn pending_work_is_found_on_connecting() {
    let mut play = Play::core();
    play.rows(&[
        (Wait(0), &["connect"]),
        (
            Hear(Incoming::Connected),
            &["subscribe", "health 1", "next#1"],
        ),
        (
            Hear(next(1, Some(queued("J1")))),
            &["update#2 J1/1 at 1: IN_PROGRESS"],
        ),
        (Hear(Incoming::Subscribed), &[]),
        (Hear(Incoming::HealthStored), &[]),
        (updated(2), &[]),
    ]);
    assert!(play.reactions.iter().any(|reaction| reaction.joined));
}

#[test]
fn work_of_an_earlier_play_is_done_but_not_counted() {
    let mut play = Play::new(
        Kind::Core,
        Behavior {
            rejecting: SHARE_WHOLE,
            ..Behavior::default()
        },
    );
    Arc::make_mut(&mut play.device.script).expects_leftovers = true;
    play.rows(&[
        (Wait(0), &["connect"]),
        (
            Hear(Incoming::Connected),
            &["subscribe", "health 1", "next#1"],
        ),
        (
            Hear(next(1, Some(queued("J0")))),
            &["update#2 J0/1 at 1: IN_PROGRESS"],
        ),
        (Hear(Incoming::Subscribed), &[]),
        (Hear(Incoming::HealthStored), &[]),
        (updated(2), &[]),
        (Wait(0), &["update#3 J0/1 at 2: SUCCEEDED"]),
        (updated(3), &[]),
        (notified(queued("J1")), &["update#4 J1/1 at 1: REJECTED"]),
        (updated(4), &[]),
    ])
    .ended(&[(0, End::Succeeded), (1, End::Rejected)]);
}

#[test]
fn a_classic_core_asks_when_the_list_changes() {
    let mut play = Play::new(Kind::CoreByList, Behavior::default()).joined();
    play.rows(&[
        (notified(queued("J1")), &[]),
        (Hear(Incoming::Notified { pending: true }), &["next#2"]),
        (
            Hear(next(2, Some(queued("J1")))),
            &["update#3 J1/1 at 1: IN_PROGRESS"],
        ),
        (updated(3), &[]),
        // A second job arrives while the first is installed: it is asked for afterwards.
        (Hear(Incoming::Notified { pending: true }), &[]),
        (Wait(1_500), &["update#4 J1/1 at 2: SUCCEEDED"]),
        (updated(4), &["next#5"]),
        (Hear(next(5, None)), &[]),
        (Hear(Incoming::Notified { pending: false }), &[]),
    ])
    .ended(&[(1, End::Succeeded)]);
}

#[test]
fn a_jobs_client_starts_the_next_job() {
    let mut play = Play::new(Kind::Jobs, Behavior::default());
    let started = run("J1", 1, 2, Status::InProgress);
    play.rows(&[
        (Wait(0), &["connect"]),
        (Hear(Incoming::Connected), &["subscribe", "next#1"]),
        (Hear(Incoming::Subscribed), &[]),
        (Hear(next(1, None)), &[]),
        (notified(queued("J1")), &["start#2"]),
        (
            Hear(next(2, Some(started))),
            &["update#3 J1/1 at 2: IN_PROGRESS"],
        ),
        (updated(3), &[]),
        (Wait(1_500), &["update#4 J1/1 at 3: SUCCEEDED"]),
        (updated(4), &[]),
    ])
    .ended(&[(1, End::Succeeded)]);
    let count = play.reactions.iter().filter(|one| one.started).count();
    assert_eq!(count, 1, "the service is told once that it is at work");
}

#[test]
fn misbehavior_is_played_as_planned() {
    let whole = SHARE_WHOLE;
    let plain = Behavior::default;
    let announce: (Step, &[&str]) = (notified(queued("J1")), &["update#2 J1/1 at 1: IN_PROGRESS"]);
    Play::new(
        Kind::Core,
        Behavior {
            failing: whole,
            ..plain()
        },
    )
    .joined()
    .rows(&[
        announce,
        (updated(2), &[]),
        (Wait(1_500), &["update#3 J1/1 at 2: FAILED"]),
        (updated(3), &[]),
    ])
    .ended(&[(1, End::Failed)]);
    Play::new(
        Kind::Core,
        Behavior {
            rejecting: whole,
            ..plain()
        },
    )
    .joined()
    .rows(&[
        (notified(queued("J1")), &["update#2 J1/1 at 1: REJECTED"]),
        (updated(2), &[]),
    ])
    .ended(&[(1, End::Rejected)]);
}

#[test]
fn silence_and_repetition_are_played_as_planned() {
    let whole = SHARE_WHOLE;
    let plain = Behavior::default;
    Play::new(
        Kind::Core,
        Behavior {
            silent: whole,
            ..plain()
        },
    )
    .joined()
    .rows(&[(notified(queued("J1")), &[]), (notified(queued("J1")), &[])])
    .ended(&[(1, End::Silent)]);
    Play::new(
        Kind::Core,
        Behavior {
            stalling: whole,
            ..plain()
        },
    )
    .joined()
    .rows(&[
        (notified(queued("J1")), &["update#2 J1/1 at 1: IN_PROGRESS"]),
        (updated(2), &[]),
        (Wait(1_500), &[]),
        (Wait(1_000_000), &[]),
    ])
    .ended(&[(1, End::Stalled)]);
    Play::new(
        Kind::Core,
        Behavior {
            repeating: whole,
            ..plain()
        },
    )
    .joined()
    .rows(&[
        (notified(queued("J1")), &["update#2 J1/1 at 1: IN_PROGRESS"]),
        (updated(2), &[]),
        (Wait(1_500), &["update#3 J1/1 at 2: SUCCEEDED"]),
        (updated(3), &["update#4 J1/1 at any: SUCCEEDED"]),
        (
            refused(4, Code::InvalidStateTransition, Some(Status::Succeeded)),
            &[],
        ),
    ])
    .ended(&[(1, End::Succeeded)]);
}

#[test]
fn notifications_are_not_obeyed_twice() {
    let mut play = Play::core().joined();
    play.rows(&[
        (notified(queued("J1")), &["update#2 J1/1 at 1: IN_PROGRESS"]),
        (notified(queued("J1")), &[]),
        (updated(2), &[]),
        (updated(2), &[]),
        (notified(run("J1", 1, 2, Status::InProgress)), &[]),
        (Wait(1_500), &["update#3 J1/1 at 2: SUCCEEDED"]),
        (updated(3), &[]),
        // Late copies of the first notification, and one of a run that is over.
        (notified(queued("J1")), &[]),
        (notified(run("J9", 1, 3, Status::Canceled)), &[]),
        // A second run of the same job is another matter.
        (
            notified(run("J1", 2, 1, Status::Queued)),
            &["update#4 J1/2 at 1: IN_PROGRESS"],
        ),
    ]);
    assert_eq!(
        play.reactions
            .iter()
            .filter(|reaction| reaction.seen)
            .count(),
        2
    );
}

#[test]
fn a_lost_answer_leads_to_the_same_end() {
    let mut play = Play::core().joined();
    play.rows(&[
        (notified(queued("J1")), &["update#2 J1/1 at 1: IN_PROGRESS"]),
        // The answer is lost; the service has gone to version 2.
        (Wait(9_999), &[]),
        (Wait(1), &["update#3 J1/1 at 1: IN_PROGRESS"]),
        (
            refused(3, Code::VersionMismatch, Some(Status::InProgress)),
            &["describe#4 J1/1"],
        ),
        (described(4, Some(run("J1", 1, 2, Status::InProgress))), &[]),
        (Wait(1_500), &["update#5 J1/1 at 2: SUCCEEDED"]),
        (Wait(10_000), &["update#6 J1/1 at 2: SUCCEEDED"]),
        // The late answer to the first copy is not the answer to the second.
        (updated(5), &[]),
        (
            refused(6, Code::InvalidStateTransition, Some(Status::Succeeded)),
            &[],
        ),
    ])
    .ended(&[(1, End::Succeeded)]);
}

#[test]
fn a_mismatch_is_described_and_the_report_repeated() {
    let mut play = Play::core().joined();
    play.rows(&[
        (notified(queued("J1")), &["update#2 J1/1 at 1: IN_PROGRESS"]),
        (updated(2), &[]),
        (Wait(1_500), &["update#3 J1/1 at 2: SUCCEEDED"]),
        (
            refused(3, Code::VersionMismatch, None),
            &["describe#4 J1/1"],
        ),
        (
            described(4, Some(run("J1", 1, 5, Status::InProgress))),
            &["update#5 J1/1 at 5: SUCCEEDED"],
        ),
        (
            refused(5, Code::VersionMismatch, None),
            &["describe#6 J1/1"],
        ),
        (described(6, Some(run("J1", 1, 6, Status::Succeeded))), &[]),
    ])
    .ended(&[(1, End::Succeeded)]);
}

#[test]
fn a_run_that_is_over_is_dropped() {
    for (code, status) in [
        (Code::InvalidStateTransition, Some(Status::Canceled)),
        (Code::InvalidStateTransition, Some(Status::TimedOut)),
        (Code::NotFound, None),
        (Code::Other, None),
    ] {
        let mut play = Play::core().joined();
        play.rows(&[
            (notified(queued("J1")), &["update#2 J1/1 at 1: IN_PROGRESS"]),
            (refused(2, code, status), &["next#3"]),
            // Even if the service still lists it.
            (Hear(next(3, Some(queued("J1")))), &[]),
        ])
        .ended(&[(1, End::Dropped)]);
    }
    let mut play = Play::core().joined();
    play.rows(&[
        (notified(queued("J1")), &["update#2 J1/1 at 1: IN_PROGRESS"]),
        (
            refused(2, Code::VersionMismatch, None),
            &["describe#3 J1/1"],
        ),
        (described(3, None), &["next#4"]),
        (
            Hear(next(4, Some(queued("J2")))),
            &["update#5 J2/1 at 1: IN_PROGRESS"],
        ),
    ])
    .ended(&[(1, End::Dropped)]);
    assert_eq!(play.device.ordinal, 2);
}

#[test]
fn a_busy_service_is_asked_again_later() {
    let mut play = Play::core().joined();
    play.rows(&[
        (notified(queued("J1")), &["update#2 J1/1 at 1: IN_PROGRESS"]),
        (refused(2, Code::Busy, None), &[]),
        (Wait(499), &[]),
        (Wait(1), &["update#3 J1/1 at 1: IN_PROGRESS"]),
    ]);
}

#[test]
fn an_update_goes_on_over_a_broken_connection() {
    let mut play = Play::core().joined();
    play.rows(&[
        (notified(queued("J1")), &["update#2 J1/1 at 1: IN_PROGRESS"]),
        // The connection breaks before the answer, and again while installing, and again before the last answer.
        (Hear(Incoming::Disconnected), &[]),
        (Wait(500), &["connect"]),
        (
            Hear(Incoming::Connected),
            &["subscribe", "health 2", "update#3 J1/1 at 1: IN_PROGRESS"],
        ),
        (
            refused(3, Code::VersionMismatch, Some(Status::InProgress)),
            &["describe#4 J1/1"],
        ),
        (described(4, Some(run("J1", 1, 2, Status::InProgress))), &[]),
        (Hear(Incoming::Disconnected), &[]),
        (Hear(Incoming::Disconnected), &[]),
        (Wait(1_500), &["connect"]),
        (Hear(Incoming::Disconnected), &[]),
        (Wait(2_000), &["connect"]),
        (
            Hear(Incoming::Connected),
            &[
                "subscribe",
                "health 3 by +0 runs 1",
                "update#5 J1/1 at 2: SUCCEEDED",
            ],
        ),
        (Hear(Incoming::Disconnected), &[]),
        (Wait(4_000), &["connect"]),
        (
            Hear(Incoming::Connected),
            &[
                "subscribe",
                "health 4 by +0 runs 1",
                "update#6 J1/1 at 2: SUCCEEDED",
            ],
        ),
        (
            refused(6, Code::VersionMismatch, Some(Status::Succeeded)),
            &["describe#7 J1/1"],
        ),
        (
            described(7, Some(run("J1", 1, 3, Status::Succeeded))),
            &["next#8"],
        ),
    ])
    .ended(&[(1, End::Succeeded)]);
}

#[test]
fn a_service_that_never_answers_is_left() {
    let mut play = Play::core();
    play.rows(&[
        (Wait(0), &["connect"]),
        (
            Hear(Incoming::Connected),
            &["subscribe", "health 1", "next#1"],
        ),
        (Wait(10_000), &["subscribe", "health 2", "next#2"]),
        (Wait(10_000), &["subscribe", "health 3", "next#3"]),
        (Wait(10_000), &["subscribe", "health 4", "next#4"]),
        (Wait(10_000), &["subscribe", "health 5", "next#5"]),
        (Wait(10_000), &["disconnect"]),
        (Wait(1_000), &["connect"]),
    ]);
}

#[test]
fn waits_grow_up_to_a_bound_and_differ_between_devices() {
    let wait = |seed: u64, times: u32| {
        let script = Arc::new(Script::default());
        let mut device = Device::new(script, Seeds::root(seed), Timestamp(0));
        let mut now = Timestamp(0);
        for _ in 0..times {
            now = device.poll_timeout().expect("it wants to connect");
            let _reaction = device.handle_timeout(now);
            assert_eq!(device.poll_message(now), Some(Outgoing::Connect));
            let _reaction = device.handle_message(Incoming::Disconnected, now);
        }
        device
            .poll_timeout()
            .expect("it wants to connect")
            .since(now)
            .0
    };
    for (times, low, high) in [(1, 250, 500), (3, 1_000, 2_000), (12, 15_000, 30_000)] {
        let waits: std::collections::BTreeSet<u64> =
            (0..50).map(|seed| wait(seed, times)).collect();
        assert!(waits.len() > 20, "{waits:?}");
        assert!(
            waits.iter().all(|wait| (low..=high).contains(wait)),
            "{waits:?}"
        );
    }
}

const DEPLOYMENT: &str = r#"{"configurationArn":"arn:aws:greengrass:us-east-1:0:configuration:thinggroup/g:1",
    "components":{"a":{"version":"1.0.0"},"b":{"version":"2.0.0","configurationUpdate":{"merge":{"k":1}}}}}"#;

fn deployed(job: &'static str) -> Step {
    notified(Execution {
        document: DEPLOYMENT,
        ..queued(job)
    })
}

#[test]
fn a_nucleus_installs_what_its_deployment_names_and_tells_its_health() {
    let mut play = Play::new(Kind::Nucleus, Behavior::default()).joined_as("health 1 all:");
    play.rows(&[
        (deployed("J1"), &["update#2 J1/1 at 1: IN_PROGRESS"]),
        (updated(2), &[]),
        // Two components, of 1.5 s each.
        (Wait(2_999), &[]),
        (Wait(1), &["update#3 J1/1 at 2: SUCCEEDED"]),
        (
            updated(3),
            &["health 2 changed: a 1.0.0 RUNNING b 2.0.0 RUNNING"],
        ),
        (Hear(Incoming::HealthStored), &[]),
    ]);
    play.ended(&[(1, End::Succeeded)]);
    let nucleus = play.device.nucleus().expect("it has one");
    let configuration = nucleus.configuration("b").map(ToString::to_string);
    assert_eq!(configuration.as_deref(), Some(r#"{"k":1}"#));
}

#[test]
fn a_nucleus_without_power_has_installed_nothing() {
    let behavior = Behavior {
        dying: SHARE_WHOLE,
        away: Distribution::Constant(60_000),
        ..Behavior::default()
    };
    let mut play = Play::new(Kind::Nucleus, behavior).joined_as("health 1 all:");
    play.rows(&[
        (deployed("J1"), &["update#2 J1/1 at 1: IN_PROGRESS"]),
        (updated(2), &[]),
        (Wait(3_000), &["disconnect"]),
    ]);
    let nucleus = play.device.nucleus().expect("it has one");
    assert_eq!(nucleus.reported().count(), 0);
}

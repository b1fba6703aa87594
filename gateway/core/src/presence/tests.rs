use std::time::Duration;

use shipslog_domain::presence::{Event as Presence, Reason};
use shipslog_domain::{Event, ThingName};
use tokio::time::timeout;

use super::*;
use crate::log::Log;
use crate::{Follower, Options, Service};

const PATIENCE: Duration = Duration::from_secs(30);

fn client(name: &str) -> Arc<str> {
    name.into()
}

fn connected(at: u64) -> State {
    State::Connected {
        since: Timestamp(at),
    }
}

fn lost(at: u64) -> State {
    State::Disconnected {
        at: Timestamp(at),
        reason: Reason::ConnectionLost,
    }
}

#[test]
fn a_storm_leaves_the_latest_state_of_each_client() {
    let mut notes = Notes::default();
    for round in 0..1_000_u64 {
        for name in ["a", "b"] {
            assert!(notes.note(&client(name), round, connected(round)));
            assert!(notes.note(&client(name), round, lost(round)));
        }
    }
    // What is told late of an older connection is not the latest.
    notes.note(&client("b"), 7, connected(7));
    let sent = notes.take(Timestamp(0), 10);
    let latest: Vec<(&str, State, u32)> = sent
        .iter()
        .map(|one| (&*one.client, one.latest.state, one.latest.unrecorded))
        .collect();
    assert_eq!(latest, [("a", lost(999), 1_999), ("b", lost(999), 2_000)]);
    assert!(
        notes.take(Timestamp(0), 10).is_empty(),
        "they are on their way"
    );
    notes.settle(sent, vec![None, None]);
    assert!(notes.latest.is_empty());
}

#[test]
fn what_may_not_be_recorded_yet_waits_and_what_comes_meanwhile_follows() {
    let mut notes = Notes::default();
    notes.note(&client("a"), 1, connected(1));
    notes.note(&client("b"), 2, connected(2));
    let sent = notes.take(Timestamp(5), 10);
    notes.note(&client("a"), 1, lost(6));
    notes.settle(sent, vec![None, Some(Timestamp(20))]);
    let sent = notes.take(Timestamp(19), 10);
    assert_eq!(sent.len(), 1);
    assert_eq!(
        (sent[0].latest.state, sent[0].latest.unrecorded),
        (lost(6), 0)
    );
    notes.settle(sent, vec![None]);
    notes.note(&client("b"), 2, lost(19));
    let sent = notes.take(Timestamp(20), 10);
    assert_eq!(
        (sent[0].latest.state, sent[0].latest.unrecorded),
        (lost(19), 1)
    );
}

#[test]
fn the_number_of_clients_is_bounded() {
    let mut notes = Notes::default();
    for number in 0..limits::PRESENCE_CLIENTS_MAX {
        assert!(notes.note(&client(&number.to_string()), 1, connected(1)));
    }
    assert!(!notes.note(&client("one more"), 1, connected(1)));
    assert!(notes.note(&client("7"), 2, connected(2)));
}

struct World {
    app: App,
    board: Board,
    follower: Follower,
    running: tokio::task::JoinHandle<()>,
    // Dropped in this order: the service ends before its directory goes.
    _service: Service,
    _directory: tempfile::TempDir,
}

impl World {
    async fn start(things: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let options = Options {
            virtual_clock: true,
            ..Options::default()
        };
        let log = Log::open(directory.path()).expect("the log opens");
        let service = Service::start(log, options).expect("the service starts");
        let app = service.app().clone();
        for name in things {
            let command = AnyCommand::CreateThing {
                name: ThingName::parse(name).expect("valid"),
                thing_type: None,
                attributes: Vec::new(),
                billing_group: None,
            };
            app.submit(command).await.expect("runs").expect("accepted");
        }
        let board = Board::default();
        let running = tokio::spawn(board.clone().run(app.clone()));
        Self {
            follower: app.follow(app.head()),
            board,
            running,
            app,
            _service: service,
            _directory: directory,
        }
    }

    /// The next events of presence.
    async fn recorded(&mut self) -> Vec<Presence> {
        loop {
            let commit = timeout(PATIENCE, self.follower.next()).await;
            let commit = commit.expect("in time").expect("the log goes on");
            let events = commit.expect("readable").events.clone();
            let presence = events.iter().filter_map(|recorded| match &recorded.event {
                Event::Presence(event) => Some(event.clone()),
                _ => None,
            });
            let presence: Vec<Presence> = presence.collect();
            if !presence.is_empty() {
                return presence;
            }
        }
    }

    async fn pass(&self, span: shipslog_domain::Span) {
        let moved = self.app.advance_clock(span).await;
        moved.expect("runs").expect("the clock is virtual");
    }
}

#[tokio::test]
async fn a_reconnect_storm_is_one_event_per_window_and_ends_right() {
    let mut world = World::start(&["pump"]).await;
    let pump = client("pump");
    let start = world.app.now().0;
    world.board.note(&pump, 1, connected(start));
    let first = world.recorded().await;
    assert_eq!(first.len(), 1);
    assert_eq!(first[0].state(), Some(connected(start)));
    for round in 2..5_000 {
        world.board.note(&pump, round, lost(start + round));
        world.board.note(&pump, round, connected(start + round));
    }
    world.board.note(&pump, 5_000, lost(start + 5_000));
    world.board.note(&client("stranger"), 1, connected(start));
    // The window is the clock's: when it has passed, the latest state is recorded, and only that.
    world.pass(shipslog_domain::limits::PRESENCE_WINDOW).await;
    let then = world.recorded().await;
    assert_eq!(then.len(), 1);
    assert_eq!(then[0].state(), Some(lost(start + 5_000)));
    let Presence::Disconnected { unrecorded, .. } = then[0] else {
        panic!("it is gone: {then:?}");
    };
    assert_eq!(unrecorded, 2 * 4_998);
    // The event is there a moment before it is counted.
    let counted = async {
        while world.board.figures().recorded < 2 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, counted).await.expect("it is counted");
    let figures = world.board.figures();
    assert_eq!((figures.recorded, figures.lost), (2, 0));
    assert_eq!(figures.noted, 2 * 4_998 + 3);
}

#[tokio::test]
async fn things_that_do_not_come_back_after_a_restart_are_gone() {
    let mut world = World::start(&["back", "gone"]).await;
    let start = world.app.now().0;
    for (connection, name) in [(1, "back"), (2, "gone")] {
        world
            .board
            .note(&client(name), connection, connected(start));
    }
    assert_eq!(world.recorded().await.len(), 2);
    world.running.abort();
    world.pass(shipslog_domain::Span::minutes(10)).await;
    let board = Board::default();
    let began = world.app.now().0;
    tokio::spawn(board.clone().run(world.app.clone()));
    board.note(&client("back"), 3, connected(began + 1));
    let back = world.recorded().await;
    assert_eq!(back[0].state(), Some(connected(began + 1)));
    world.pass(limits::PRESENCE_GRACE).await;
    let gone = world.recorded().await;
    let expected = State::Disconnected {
        at: Timestamp(began),
        reason: Reason::ServerInitiatedDisconnect,
    };
    assert_eq!(gone.len(), 1);
    assert_eq!(gone[0].state(), Some(expected));
}

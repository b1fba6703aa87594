use shipslog_domain::{Event, Position, Recorded, StreamId, StreamKind, Timestamp, thing};

use super::Checkpoint;

fn event(position: u64) -> Recorded {
    Recorded {
        position: Position(position),
        previous: Position::START,
        at: Timestamp(position * 10),
        stream: StreamId::new(StreamKind::Thing, 0),
        event: Event::Thing(thing::Event::Removed),
    }
}

#[test]
fn what_was_seen_is_skipped_and_the_next_event_is_taken() {
    let mut checkpoint = Checkpoint::default();
    assert!(checkpoint.accepts(&event(1)));
    assert!(checkpoint.accepts(&event(2)));
    assert!(!checkpoint.accepts(&event(1)));
    assert!(!checkpoint.accepts(&event(2)));
    assert_eq!(checkpoint.position, Position(2));
    assert_eq!(checkpoint.at, Timestamp(20));
}

#[test]
fn a_gap_ends_the_process() {
    let gap = std::panic::catch_unwind(|| {
        let mut checkpoint = Checkpoint::default();
        checkpoint.accepts(&event(2))
    });
    assert!(gap.is_err());
}

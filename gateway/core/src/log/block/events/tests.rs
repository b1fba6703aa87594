use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn entry() -> impl Strategy<Value = (Entry, u64, Vec<u8>)> {
    let command = proptest::option::of((any::<[u8; 16]>(), any::<u64>()));
    let stream = (0..9_u8, any::<u32>());
    let rest = (
        any::<u16>(),
        0..3_u64,
        any::<u64>(),
        vec(any::<u8>(), 0..40),
    );
    (stream, command, rest).prop_map(
        |((stream_kind, number), command, (kind, later, previous, payload))| {
            let entry = Entry {
                stream: StreamId::new(StreamKind::from_number(stream_kind).unwrap(), number),
                at: Timestamp(later),
                kind,
                command: command.map(|(id, body)| CommandKey {
                    id: CommandId(id),
                    body,
                }),
                payload_end: 0,
            };
            (entry, previous, payload)
        },
    )
}

proptest! {
    #[test]
    fn events_survive_encoding(mut entries in vec(entry(), 1..50), first in 1..u64::MAX / 2) {
        let mut time = 1_000;
        for (entry, _, _) in &mut entries {
            time += entry.at.0;
            entry.at = Timestamp(time);
        }
        let start = Context::new(Position(first), entries[0].0.at);
        let mut raw = Vec::new();
        let mut context = start;
        for (index, (entry, previous, payload)) in entries.iter().enumerate() {
            let previous = Position(previous % (first + index as u64));
            context.encode(entry, previous, payload, &mut raw);
        }
        let mut context = start;
        let mut rest = &raw[..];
        for (index, (entry, previous, payload)) in entries.iter().enumerate() {
            let position = Position(first + index as u64);
            let meta = context.decode(&raw, &mut rest).unwrap();
            let expected = Record {
                position,
                stream: entry.stream,
                previous: Position(previous % position.0),
                at: entry.at,
                kind: entry.kind,
                command: entry.command,
                payload,
            };
            prop_assert_eq!(meta.record(position, &raw), expected);
        }
        prop_assert!(rest.is_empty());
    }

    #[test]
    fn any_bytes_decode_to_something_or_nothing(raw in vec(any::<u8>(), 0..200)) {
        let mut context = Context::new(Position(5), Timestamp(1));
        let mut rest = &raw[..];
        while let Some(meta) = context.decode(&raw, &mut rest) {
            meta.record(Position(1), &raw);
        }
    }
}

#[test]
fn a_tag_has_room_for_thirty_two_kinds_of_streams() {
    let others = HAS_COMMAND | IS_LATER | HAS_PREVIOUS;
    for kind in 0..32 {
        assert_eq!(tag_of(kind) & others, 0);
        assert_eq!(kind_of(tag_of(kind) | others), kind);
    }
    // As logs have it from the time of sixteen kinds.
    assert!((0..16).all(|kind| tag_of(kind) == kind));
}

#[test]
fn a_usual_event_takes_few_bytes() {
    let start = Context::new(Position(5_000_000), Timestamp(1));
    let mut context = start;
    let entry = Entry {
        stream: StreamId::new(StreamKind::Thing, 800_000),
        at: Timestamp(2),
        kind: 40,
        command: None,
        payload_end: 0,
    };
    let mut raw = Vec::new();
    context.encode(&entry, Position(4_000_000), &[0; 10], &mut raw);
    assert!(raw.len() <= 20, "{} bytes", raw.len());
}

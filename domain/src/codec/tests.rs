use super::kind_name;
use crate::event::Event;
use crate::ids::JobId;
use crate::log::{Position, Record, StreamId, StreamKind};
use crate::time::Timestamp;
use crate::{execution, thing};

fn read_back(event: &Event) -> (u16, usize) {
    let mut payload = Vec::new();
    let kind = event.encode(&mut payload);
    let record = Record {
        position: Position(1),
        stream: StreamId::new(event.stream_kind(), 0),
        previous: Position::START,
        at: Timestamp(0),
        kind,
        command: None,
        payload: &payload,
    };
    assert_eq!(&Event::try_from(&record).expect("decodes"), event);
    (kind, payload.len())
}

#[test]
fn an_execution_event_is_a_few_bytes() {
    let queued = Event::Execution(execution::Event::Queued {
        job: JobId(7),
        number: 1,
        retry: 0,
    });
    let (kind, bytes) = read_back(&queued);
    assert_eq!(kind_name(kind), Some("ExecutionQueued"));
    assert!(bytes <= 6, "{bytes} bytes");
    let done = Event::Execution(execution::Event::Succeeded {
        job: JobId(7),
        details: Some(vec![("downloadTime".into(), "1234".into())]),
    });
    assert_eq!(kind_name(read_back(&done).0), Some("ExecutionSucceeded"));
}

#[test]
fn an_event_without_fields_has_its_kind() {
    let (kind, _) = read_back(&Event::Thing(thing::Event::Removed));
    assert_eq!(kind_name(kind), Some("ThingRemoved"));
}

#[test]
fn a_kind_of_a_later_version_is_refused() {
    let record = Record {
        position: Position(3),
        stream: StreamId::new(StreamKind::Thing, 0),
        previous: Position::START,
        at: Timestamp(0),
        kind: 0xff00,
        command: None,
        payload: &[],
    };
    let refused = Event::try_from(&record).expect_err("unknown kind");
    assert!(refused.to_string().contains("position 3"), "{refused}");
}
